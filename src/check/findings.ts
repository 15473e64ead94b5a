import type { Capture } from "../capture/capture.js";
import type { Event, Stamp } from "../event/event.js";
import { bareName, type Rule } from "../model/core/rule.js";
import type { Mismatch, Trial } from "../model/core/trial.js";
import type { Operation } from "../operation/operation.js";
import type { Difference } from "./expected-compare.js";
import type { Divergence, KnownDefect, RuleNote, SourceLine } from "./report.js";

const TEXT_LIMIT = 2000;

/** Collects what a report names: divergences and known defects, capped, and the rules that they cite. */
export class Findings {
  readonly divergences: Divergence[] = [];
  divergencesLeftOut = 0;
  /** Divergences of the recording from the model, those left out among them; not those from expected states. */
  contradictions = 0;
  /** The first of these, whatever the cap. */
  first: Divergence | undefined;
  readonly knownDefects: KnownDefect[] = [];
  knownDefectsLeftOut = 0;
  /** Lines of logs that no operation explains, though one was running that could have. */
  unexplainedLogs = 0;
  /** The first of them, as `file:line`. */
  readonly logPlaces: string[] = [];
  readonly rules: Record<string, RuleNote> = {};
  private readonly capture: Capture;
  private readonly limit: number;
  private readonly unique: ReadonlySet<string>;

  /** `unique`: full names of rules whose bare form names only them. */
  constructor(capture: Capture, limit: number, unique: ReadonlySet<string>) {
    this.capture = capture;
    this.limit = limit;
    this.unique = unique;
  }

  /** No run of the model explains an operation. */
  divergence(operation: Operation, mismatches: readonly Mismatch[], trial: Trial, state: readonly string[]): void {
    const [main] = mismatches;
    if (main === undefined) return;
    const same = mismatches.filter((other) => other.kind === main.kind && other.observed === main.observed);
    const expected = [...new Set(same.map((other) => other.expected))];
    const cited = main.rules.length > 0 ? main.rules : trial.rules.slice(-3);
    this.add(operation, main.kind, cited, expected, main.observed, main.event ?? shownAt(operation, main), state);
  }

  /** An invariant does not hold after an operation. */
  invariant(operation: Operation, rules: readonly Rule[], message: string, state: readonly string[]): void {
    this.add(
      operation,
      "invariant",
      rules,
      rules.slice(0, 1).map((rule) => rule.title),
      message,
      operation.event,
      state,
    );
  }

  /** A line of a log that speaks against what probes and results show. */
  unexplainedLog(event: Event): void {
    this.unexplainedLogs++;
    if (this.logPlaces.length < 5) this.logPlaces.push(this.placeOf(event));
  }

  defect(operation: Operation, rules: readonly Rule[], message: string): void {
    if (this.knownDefects.length >= this.limit) {
      this.knownDefectsLeftOut++;
      return;
    }
    this.knownDefects.push({ operation: operation.number, rules: rules.map((rule) => this.cite(rule)), message });
  }

  /** A state differs from an expected one; it was compared after that operation, or there was none. */
  expected(operation: Operation | undefined, place: string, { path, expected, observed }: Difference): void {
    const event = operation?.event;
    this.keep({
      operation: operation?.number ?? 0,
      time: timeText(event?.time),
      kind: "expected",
      name: place,
      source: event === undefined ? { file: "expected.json", line: 0, text: "" } : this.sourceLine(event),
      rules: [],
      expected: [expected],
      observed,
      message: `${place}: ${path}: expected ${expected}, observed ${observed}`,
    });
  }

  private add(
    operation: Operation,
    kind: Exclude<Divergence["kind"], "expected">,
    rules: readonly Rule[],
    expected: readonly string[],
    observed: string,
    event: Event,
    state: readonly string[],
  ): void {
    this.contradictions++;
    if (this.contradictions > 1 && this.divergences.length >= this.limit) {
      this.divergencesLeftOut++;
      return;
    }
    const names = rules.map((rule) => this.cite(rule));
    const divergence: Divergence = {
      operation: operation.number,
      time: timeText(event.time ?? operation.time),
      kind,
      name: operation.name,
      source: this.sourceLine(event),
      rules: names,
      expected,
      observed,
      message: `${operation.name}: expected ${expected.join(" or ")}, observed ${observed} (${names.join(", ")})`,
      state,
    };
    this.first ??= divergence;
    this.keep(divergence);
  }

  private keep(divergence: Divergence): void {
    if (this.divergences.length < this.limit) this.divergences.push(divergence);
    else this.divergencesLeftOut++;
  }

  /** The name by which a report cites a rule, which is explained there. */
  cite(rule: Rule): string {
    const name = this.unique.has(rule.id) ? bareName(rule.id) : rule.id;
    this.rules[name] = { title: rule.title, source: rule.source };
    return name;
  }

  /** `file:line`. */
  placeOf({ source, line }: Event): string {
    return `${this.capture.sources[source]?.file ?? ""}:${line}`;
  }

  sourceLine(event: Event): SourceLine {
    const source = this.capture.sources[event.source];
    return { file: source?.file ?? "", line: event.line, text: event.text.slice(0, TEXT_LIMIT) };
  }
}

/** The line that contradicts the model where no effect does: a result and a text that was read stand in the answer. */
function shownAt(operation: Operation, mismatch: Mismatch): Event {
  return mismatch.kind === "effect" ? operation.event : (operation.answer ?? operation.event);
}

/** Nanoseconds as text; empty where there is no time. */
export function timeText(time: Stamp | undefined): string {
  if (time === undefined) return "";
  return `${time.seconds === 0 ? "" : time.seconds}${String(time.nanos).padStart(time.seconds === 0 ? 1 : 9, "0")}`;
}

/** Full names of the rules whose bare form is unique. */
export function uniqueNames(rules: readonly Rule[]): ReadonlySet<string> {
  const count = new Map<string, number>();
  for (const rule of rules) count.set(bareName(rule.id), (count.get(bareName(rule.id)) ?? 0) + 1);
  return new Set(rules.filter((rule) => count.get(bareName(rule.id)) === 1).map((rule) => rule.id));
}
