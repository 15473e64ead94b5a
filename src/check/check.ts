import type { NamedBytes } from "../capture/bytes.js";
import type { Capture, CaptureFailure } from "../capture/capture.js";
import { openCaptures } from "../capture/open.js";
import { apModel } from "../model/ap/model.js";
import { apProfiles } from "../model/ap/profile.js";
import type { Setting } from "../model/core/model.js";
import { Assembler } from "../operation/assembler.js";
import { Checker, type Judged } from "./checker.js";
import { factsOf } from "./facts.js";
import { uniqueNames } from "./findings.js";
import { chooseProfile } from "./profile.js";
import type { CaptureReport, Report, Summary } from "./report.js";
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
const uniqueRules = uniqueNames(apModel.rules);

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
  const chosen = chooseProfile("ap", apProfiles, options.profile ?? [], capture.manifest, capture.environment);
  notes.push(`profile ap ${chosen.name}: ${chosen.reason}`);
  const setting: Setting = {
    profile: chosen.name,
    facts: factsOf("ap", capture.manifest, options.facts ?? {}),
    environment: capture.environment,
    arch: capture.manifest.arch,
    note: (text) => notes.push(text),
  };
  const checker = new Checker(apModel, capture, setting, {
    maxDivergences: options.maxDivergences ?? MAX_DIVERGENCES,
    unique: uniqueRules,
    onJudged: options.onOperation && ((judged) => options.onOperation?.(capture.path, judged)),
  });
  const assembler = new Assembler((group) => checker.take(group));
  let events = 0;
  for await (const batch of capture.events(options.signal)) {
    for (const event of batch) assembler.push(event);
    events += batch.length;
    options.onProgress?.({ path: capture.path, events });
  }
  assembler.finish();
  return captureReport(capture, { ap: chosen.name }, checker, events, notes);
}

function captureReport(
  capture: Capture,
  profile: Readonly<Record<string, string>>,
  checker: Checker<Parameters<typeof apModel.clone>[0]>,
  events: number,
  notes: readonly string[],
): CaptureReport {
  const { tally, findings } = checker;
  const unparsed = capture.sources.reduce((sum, source) => sum + source.counts.unparsed, 0);
  const failed = capture.diagnostics.find((diagnostic) => diagnostic.severity === "error");
  const divergent = findings.divergences.length > 0;
  const verdict = divergent
    ? "divergent"
    : failed !== undefined
      ? "error"
      : tally.checked === 0
        ? "inconclusive"
        : "conform";
  return {
    path: capture.path,
    verdict,
    profile,
    ...(verdict === "error" && failed !== undefined ? { error: `${failed.file}: ${failed.message}` } : {}),
    events,
    operations: tally.operations,
    checked: tally.checked,
    unchecked: tally.operations - tally.checked,
    unparsed,
    divergences: findings.divergences,
    divergencesLeftOut: findings.divergencesLeftOut,
    knownDefects: findings.knownDefects,
    knownDefectsLeftOut: findings.knownDefectsLeftOut,
    notes: [...notes, ...checker.notes(), ...recorderNotes(checker), ...diagnosticNotes(capture)],
    kinds: tally.list(),
    rules: findings.rules,
  };
}

/** Probes that would have told more, where others recorded. */
function recorderNotes(checker: {
  recorders: { missing(kinds: readonly string[]): readonly string[] };
}): readonly string[] {
  const telling = [
    "apcb_set",
    "apcb_clear",
    "reset_queue",
    "queue_probe",
    "queue_remove",
    "mdev_set_kvm",
    "resource_in_use",
    "hw_aqic",
    "hw_zapq",
  ];
  const missing = checker.recorders.missing(telling);
  return missing.length === 0
    ? []
    : [`probe lines: no ${missing.join(", ")} recorded; what they would show is not judged`];
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
