import type { Capture } from "../capture/capture.js";
import { profileVerdicts } from "./bisect.js";
import type { CaptureReport, Verdict } from "./report.js";
import type { SystemRun } from "./systems.js";

/** What a report on a capture is made of. */
export interface Outcome {
  readonly capture: Capture;
  /** The systems that the capture is about. */
  readonly runs: readonly SystemRun[];
  readonly events: number;
  readonly notes: readonly string[];
  /** Why the capture could not be judged in full, each a line for people. */
  readonly errors: readonly string[];
}

/** The report on a capture that has been read to its end. */
export function captureReport({ capture, runs, events, notes, errors }: Outcome): CaptureReport {
  const sum = (of: (run: SystemRun) => number): number => runs.reduce((total, run) => total + of(run), 0);
  const divergences = runs.flatMap((run) => run.checker.findings.divergences);
  const divergencesLeftOut = sum((run) => run.checker.findings.divergencesLeftOut);
  const operations = sum((run) => run.checker.tally.operations);
  const checked = sum((run) => run.checker.tally.checked);
  const failures = [...unreadable(capture), ...errors];
  const verdict = verdictOf(divergences.length + divergencesLeftOut > 0, failures.length > 0, checked);
  const profiles = profileVerdicts(runs);
  return {
    path: capture.path,
    verdict,
    profile: Object.fromEntries(runs.map((run) => [run.system, run.profile.name])),
    ...(verdict === "error" ? { error: failures.join("\n") } : {}),
    events,
    operations,
    checked,
    unchecked: operations - checked,
    unparsed: capture.sources.reduce((total, source) => total + source.counts.unparsed, 0),
    divergences,
    divergencesLeftOut,
    knownDefects: runs.flatMap((run) => run.checker.findings.knownDefects),
    knownDefectsLeftOut: sum((run) => run.checker.findings.knownDefectsLeftOut),
    notes: [
      ...(verdict === "inconclusive" ? [nothingChecked(events, operations)] : []),
      ...runs.map((run) => `profile ${run.system} ${run.profile.name}: ${run.profile.reason}`),
      ...(verdict === "error" ? [] : errors),
      ...notes,
      ...runs.flatMap((run) => run.checker.notes()),
      ...diagnosticNotes(capture),
    ],
    kinds: runs.flatMap((run) => run.checker.tally.list()),
    rules: Object.assign({}, ...runs.map((run) => run.checker.findings.rules), ...otherRules(runs)),
    ...(profiles.length > 0 ? { profiles } : {}),
  };
}

/** What of the input could not be read. */
function unreadable(capture: Capture): readonly string[] {
  return capture.diagnostics
    .filter(({ severity }) => severity === "error")
    .map(({ file, message }) => `${file}: ${message}`);
}

/** The rules that the first contradictions of other profiles name. */
function otherRules(runs: readonly SystemRun[]): readonly CaptureReport["rules"][] {
  return runs.flatMap(({ every }) => every.map(({ checker }) => checker.findings.rules));
}

function verdictOf(divergent: boolean, failed: boolean, checked: number): Verdict {
  if (divergent) return "divergent";
  if (failed) return "error";
  return checked === 0 ? "inconclusive" : "conform";
}

function nothingChecked(events: number, operations: number): string {
  if (events === 0) return "nothing was checked: the recordings hold no event";
  if (operations > 0) return "nothing was checked: of no operation enough was recorded";
  return "nothing was checked: the recordings hold no operation of a modelled system";
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
