import type { NamedBytes } from "../capture/bytes.js";
import type { Capture } from "../capture/capture.js";
import { openCaptures } from "../capture/open.js";
import { bareName, type Rule } from "../model/core/rule.js";
import { systems } from "../model/registry.js";
import { CaptureCheck } from "./capture-check.js";
import type { SystemRun } from "./systems.js";
import { version } from "./version.js";

/** Choices of a measurement of coverage. */
export interface CoverageOptions {
  /** `P`, or `SYSTEM=P`. */
  readonly profile?: readonly string[];
  readonly facts?: Readonly<Record<string, string>>;
  readonly together?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly path: string; readonly events: number }) => void;
}

/** Which rules captures reached: those that led to a result, an effect or a state. Field names are a contract. */
export interface CoverageReport {
  readonly version: 1;
  readonly tool: { readonly name: string; readonly version: string };
  /** Captures that were read. */
  readonly captures: number;
  /** Those that could not be. */
  readonly errors: readonly { readonly path: string; readonly error: string }[];
  /** The profiles that captures were judged by. */
  readonly profiles: readonly ProfileCoverage[];
  /** The profiles that none was judged by. */
  readonly unused: readonly { readonly system: string; readonly profile: string }[];
}

export interface ProfileCoverage {
  readonly system: string;
  readonly profile: string;
  /** Captures judged by it. */
  readonly captures: number;
  /** Rules that hold in it, and how many of them were reached. Invariants do not count. */
  readonly rules: number;
  readonly reached: number;
  /** Percentage of the rules, with one digit behind the point, rounded down. */
  readonly percent: number;
  readonly reachedRules: readonly ReachedRule[];
  readonly notReached: readonly RuleTitle[];
  /** Looked for after each operation: whether they were put to the test, no count tells. */
  readonly invariants: readonly RuleTitle[];
}

export interface RuleTitle {
  readonly rule: string;
  readonly title: string;
}

export interface ReachedRule extends RuleTitle {
  /** Captures that reached it, and the first of them. */
  readonly captures: number;
  readonly first: string;
}

/**
 * Measures which rules of the models captures reach.
 * @throws the signal's reason where it was aborted.
 */
export async function coverage(
  inputs: Iterable<string | NamedBytes>,
  options: CoverageOptions = {},
): Promise<CoverageReport> {
  const { together = false, signal } = options;
  const errors: { path: string; error: string }[] = [];
  const profiles = new Map<string, Reached>();
  let captures = 0;
  for await (const opened of openCaptures(inputs, { together, ...(signal && { signal }) })) {
    if ("error" in opened) {
      errors.push({ path: opened.path, error: opened.error });
      continue;
    }
    captures++;
    for (const run of await replayed(opened, options)) {
      const name = `${run.system} ${run.profile.name}`;
      const reached = profiles.get(name) ?? new Reached(run);
      profiles.set(name, reached);
      reached.add(opened.path, run.checker.reached);
    }
    const failed = opened.diagnostics.find(({ severity }) => severity === "error");
    if (failed !== undefined) errors.push({ path: opened.path, error: `${failed.file}: ${failed.message}` });
  }
  const unused = systems
    .flatMap(({ system, profiles: known }) => known.map(({ name }) => ({ system, profile: name })))
    .filter(({ system, profile }) => !profiles.has(`${system} ${profile}`));
  const measured = [...profiles.values()].map((reached) => reached.result());
  return { version: 1, tool: { name: "kvm-conform", version }, captures, errors, profiles: measured, unused };
}

/** The systems that a capture was about, at its end. */
async function replayed(capture: Capture, options: CoverageOptions): Promise<readonly SystemRun[]> {
  const check = new CaptureCheck(capture, {
    profiles: options.profile ?? [],
    facts: options.facts ?? {},
    maxDivergences: 0,
    onJudged: undefined,
    wantsState: () => false,
    gathersRules: true,
    expected: "ignore",
  });
  for await (const batch of capture.events(options.signal)) {
    for (const event of batch) check.push(event);
    options.onProgress?.({ path: capture.path, events: check.events });
  }
  check.finish();
  return check.runs.filter(({ checker }) => checker.tally.operations > 0);
}

/** What captures reached of one profile. */
class Reached {
  private captures = 0;
  private readonly rules = new Map<string, { captures: number; readonly first: string }>();
  private readonly system: string;
  private readonly profile: string;
  private readonly known: readonly Rule[];

  constructor({ system, profile, rules }: SystemRun) {
    this.system = system;
    this.profile = profile.name;
    this.known = rules;
  }

  add(path: string, reached: ReadonlySet<string>): void {
    this.captures++;
    for (const rule of reached) {
      const known = this.rules.get(rule);
      if (known === undefined) this.rules.set(rule, { captures: 1, first: path });
      else known.captures++;
    }
  }

  result(): ProfileCoverage {
    const { system, profile, captures } = this;
    const holding = this.known.filter(({ profiles }) => profiles.includes(profile));
    const rules = holding.filter((rule) => !isInvariant(rule));
    const reachedRules: ReachedRule[] = [];
    for (const rule of rules) {
      const reached = this.rules.get(rule.id);
      if (reached !== undefined) reachedRules.push({ ...titleOf(rule), ...reached });
    }
    return {
      system,
      profile,
      captures,
      rules: rules.length,
      reached: reachedRules.length,
      percent: rules.length === 0 ? 0 : Math.floor((1000 * reachedRules.length) / rules.length) / 10,
      reachedRules,
      notReached: rules.filter(({ id }) => !this.rules.has(id)).map(titleOf),
      invariants: holding.filter(isInvariant).map(titleOf),
    };
  }
}

/** The specs call their invariants INV-1, INV-2 ... */
function isInvariant(rule: Rule): boolean {
  return bareName(rule.id).startsWith("INV-");
}

function titleOf(rule: Rule): RuleTitle {
  return { rule: rule.id, title: rule.title };
}
