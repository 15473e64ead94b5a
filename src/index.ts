/** The library: what the command `kvm-conform` is a face of. It writes nothing to the console and never ends the process. */

export type { NamedBytes } from "./capture/bytes.js";
export { type CheckOptions, check } from "./check/check.js";
export type {
  CaptureReport,
  Divergence,
  DivergenceKind,
  KnownDefect,
  OperationCount,
  Report,
  RuleNote,
  SourceLine,
  Summary,
  Verdict,
} from "./check/report.js";
