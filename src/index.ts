/** The library: what the command `kvm-conform` is a face of. It writes nothing to the console and never ends the process. */

export type { NamedBytes } from "./capture/bytes.js";
export { type CheckOptions, check } from "./check/check.js";
export {
  type CoverageOptions,
  type CoverageReport,
  coverage,
  type ProfileCoverage,
  type ReachedRule,
  type RuleTitle,
} from "./check/coverage.js";
export { type ReplayLine, type ReplayOptions, replay } from "./check/replay.js";
export type {
  CaptureReport,
  Divergence,
  DivergenceKind,
  KnownDefect,
  OperationCount,
  ProfileVerdict,
  Report,
  RuleNote,
  SourceLine,
  Summary,
  Verdict,
} from "./check/report.js";
