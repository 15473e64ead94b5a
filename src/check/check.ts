import type { NamedBytes } from "../capture/bytes.js";
import type { Capture, CaptureFailure } from "../capture/capture.js";
import { openCaptures } from "../capture/open.js";
import { CaptureCheck } from "./capture-check.js";
import type { Judged } from "./checker.js";
import type { CaptureReport, Report, Summary } from "./report.js";
import { version } from "./version.js";

/** Choices of a check. */
export interface CheckOptions {
  /** `P`, or `SYSTEM=P`; `all` for the verdict of every profile. */
  readonly profile?: readonly string[];
  /** Facts by dotted name (`ap.hostAqicStatus`); they win over those of the manifest. */
  readonly facts?: Readonly<Record<string, string>>;
  /** The files named, or those of one directory, are one capture. */
  readonly together?: boolean;
  /** Divergences listed for each capture; the others are counted. Default 100. */
  readonly maxDivergences?: number;
  readonly signal?: AbortSignal;
  /** Called for each operation that a model knows, when it is judged. */
  readonly onOperation?: (capture: string, judged: Judged) => void;
  /**
   * The expected states are gathered, not compared: called after each capture with the text for its `expected.json`;
   * with none where it has an error.
   */
  readonly onExpected?: (capture: CaptureReport, text: string | undefined) => void | Promise<void>;
  readonly onProgress?: (progress: { readonly path: string; readonly events: number }) => void;
}

const MAX_DIVERGENCES = 100;

/**
 * Checks captures: ingests them, replays them through the reference models, and holds what was recorded against what
 * the models allow. Writes nothing and never ends the process.
 * @throws the signal's reason where it was aborted.
 */
export async function check(inputs: Iterable<string | NamedBytes>, options: CheckOptions = {}): Promise<Report> {
  const captures: CaptureReport[] = [];
  const opening = { together: options.together ?? false, ...(options.signal && { signal: options.signal }) };
  for await (const opened of openCaptures(inputs, opening)) {
    captures.push("error" in opened ? failureReport(opened) : await checkCapture(opened, options));
  }
  return { version: 1, tool: { name: "kvm-conform", version }, summary: summarise(captures), captures };
}

/** Checks one opened capture. */
export async function checkCapture(capture: Capture, options: CheckOptions = {}): Promise<CaptureReport> {
  const { onOperation, onExpected } = options;
  const run = new CaptureCheck(capture, {
    profiles: options.profile ?? [],
    facts: options.facts ?? {},
    maxDivergences: options.maxDivergences ?? MAX_DIVERGENCES,
    onJudged: onOperation && ((judged) => judged.modelled && onOperation(capture.path, judged)),
    wantsState: () => onOperation !== undefined,
    expected: onExpected === undefined ? "compare" : "gather",
  });
  for await (const batch of capture.events(options.signal)) {
    for (const event of batch) run.push(event);
    options.onProgress?.({ path: capture.path, events: run.events });
  }
  const report = run.finish();
  await onExpected?.(report, run.expectedText);
  return report;
}

function failureReport({ path, error }: CaptureFailure): CaptureReport {
  return {
    path,
    verdict: "error",
    profile: {},
    error,
    events: 0,
    operations: 0,
    checked: 0,
    unchecked: 0,
    unparsed: 0,
    divergences: [],
    divergencesLeftOut: 0,
    knownDefects: [],
    knownDefectsLeftOut: 0,
    notes: [],
    kinds: [],
    rules: {},
  };
}

function summarise(captures: readonly CaptureReport[]): Summary {
  const sum = (of: (capture: CaptureReport) => number): number => captures.reduce((total, one) => total + of(one), 0);
  const verdicts = (verdict: CaptureReport["verdict"]): number => sum((one) => (one.verdict === verdict ? 1 : 0));
  return {
    captures: captures.length,
    conform: verdicts("conform"),
    divergent: verdicts("divergent"),
    inconclusive: verdicts("inconclusive"),
    errors: verdicts("error"),
    events: sum((one) => one.events),
    operations: sum((one) => one.operations),
    checked: sum((one) => one.checked),
    unchecked: sum((one) => one.unchecked),
    unparsed: sum((one) => one.unparsed),
  };
}
