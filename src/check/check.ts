import type { NamedBytes } from "../capture/bytes.js";
import type { Capture, CaptureFailure } from "../capture/capture.js";
import { openCaptures } from "../capture/open.js";
import type { Judged } from "./checker.js";
import type { CaptureReport, Report, Summary, Verdict } from "./report.js";
import { type SystemRun, systemsFor } from "./systems.js";
import { version } from "./version.js";

/** Choices of a check. */
export interface CheckOptions {
  /** `P`, or `SYSTEM=P`. */
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
  const notes: string[] = [];
  const runs = systemsFor(capture).map((system) =>
    system.start(capture, {
      profiles: options.profile ?? [],
      facts: options.facts ?? {},
      maxDivergences: options.maxDivergences ?? MAX_DIVERGENCES,
      onJudged: options.onOperation && ((judged) => options.onOperation?.(capture.path, judged)),
      note: (text) => notes.push(text),
    }),
  );
  let events = 0;
  for await (const batch of capture.events(options.signal)) {
    for (const run of runs) for (const event of batch) run.push(event);
    events += batch.length;
    options.onProgress?.({ path: capture.path, events });
  }
  for (const run of runs) run.finish();
  return captureReport(capture, runs, events, notes);
}

function captureReport(
  capture: Capture,
  runs: readonly SystemRun[],
  events: number,
  notes: readonly string[],
): CaptureReport {
  const met = runs.filter((run) => run.checker.tally.operations > 0);
  const shown = met.length > 0 ? met : runs.slice(0, 1);
  const sum = (of: (run: SystemRun) => number): number => shown.reduce((total, run) => total + of(run), 0);
  const divergences = shown.flatMap((run) => run.checker.findings.divergences);
  const operations = sum((run) => run.checker.tally.operations);
  const checked = sum((run) => run.checker.tally.checked);
  const failed = capture.diagnostics.find((diagnostic) => diagnostic.severity === "error");
  const verdict = verdictOf(divergences.length > 0, failed !== undefined, checked);
  return {
    path: capture.path,
    verdict,
    profile: Object.fromEntries(shown.map((run) => [run.system, run.profile.name])),
    ...(verdict === "error" && failed !== undefined ? { error: `${failed.file}: ${failed.message}` } : {}),
    events,
    operations,
    checked,
    unchecked: operations - checked,
    unparsed: capture.sources.reduce((total, source) => total + source.counts.unparsed, 0),
    divergences,
    divergencesLeftOut: sum((run) => run.checker.findings.divergencesLeftOut),
    knownDefects: shown.flatMap((run) => run.checker.findings.knownDefects),
    knownDefectsLeftOut: sum((run) => run.checker.findings.knownDefectsLeftOut),
    notes: [
      ...shown.map((run) => `profile ${run.system} ${run.profile.name}: ${run.profile.reason}`),
      ...notes,
      ...shown.flatMap((run) => run.checker.notes()),
      ...diagnosticNotes(capture),
    ],
    kinds: shown.flatMap((run) => run.checker.tally.list()),
    rules: Object.assign({}, ...shown.map((run) => run.checker.findings.rules)),
  };
}

function verdictOf(divergent: boolean, failed: boolean, checked: number): Verdict {
  if (divergent) return "divergent";
  if (failed) return "error";
  return checked === 0 ? "inconclusive" : "conform";
}

const NOTED_DIAGNOSTICS = 20;

function diagnosticNotes(capture: Capture): readonly string[] {
  const notes = capture.diagnostics
    .slice(0, NOTED_DIAGNOSTICS)
    .map(
      ({ file, line, message, hint }) =>
        `${file}${line > 0 ? `:${line}` : ""}: ${message}${hint === undefined ? "" : ` (${hint})`}`,
    );
  const left = capture.diagnostics.length - notes.length + capture.diagnosticsLeftOut;
  return left > 0 ? [...notes, `${left} further remarks on the input left out`] : notes;
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
