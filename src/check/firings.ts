import type { NamedBytes } from "../capture/bytes.js";
import type { Capture } from "../capture/capture.js";
import { openCaptures } from "../capture/open.js";
import { CaptureCheck } from "./capture-check.js";
import type { Judged } from "./checker.js";

export interface FiringOptions {
  /** `P`, or `SYSTEM=P`. */
  readonly profile?: readonly string[];
  readonly facts?: Readonly<Record<string, string>>;
  readonly together?: boolean;
  readonly signal?: AbortSignal;
  /** Operations named for each capture; the others are counted. */
  readonly limit: number;
}

/** An operation whose result, effects or state a rule led to. */
export interface Firing {
  readonly operation: number;
  readonly name: string;
  readonly verdict: Judged["verdict"];
  readonly source: { readonly file: string; readonly line: number };
}

/** Where a rule fired in one capture. */
export interface Firings {
  readonly path: string;
  /** Why the capture could not be read; absent otherwise. */
  readonly error?: string;
  /** Operations in which it fired. */
  readonly total: number;
  readonly first: readonly Firing[];
}

/**
 * Looks where a rule (by its full name) fires in captures.
 * @throws the signal's reason where it was aborted.
 */
export async function* firings(
  inputs: Iterable<string | NamedBytes>,
  rule: string,
  options: FiringOptions,
): AsyncGenerator<Firings> {
  const { together = false, signal } = options;
  for await (const opened of openCaptures(inputs, { together, ...(signal && { signal }) })) {
    if ("error" in opened) yield { path: opened.path, error: opened.error, total: 0, first: [] };
    else yield await firingsIn(opened, rule, options);
  }
}

async function firingsIn(capture: Capture, rule: string, options: FiringOptions): Promise<Firings> {
  const first: Firing[] = [];
  let total = 0;
  const check = new CaptureCheck(capture, {
    profiles: options.profile ?? [],
    facts: options.facts ?? {},
    maxDivergences: 0,
    onJudged: ({ operation: { number, name, event }, rules, verdict }) => {
      if (!rules.includes(rule)) return;
      total++;
      if (first.length >= options.limit) return;
      const file = capture.sources[event.source]?.file ?? "";
      first.push({ operation: number, name, verdict, source: { file, line: event.line } });
    },
    wantsState: () => false,
    expected: "ignore",
  });
  for await (const batch of capture.events(options.signal)) for (const event of batch) check.push(event);
  check.finish();
  return { path: capture.path, total, first };
}
