/**
 * The result of a check: what the reporters print. The field names are the JSON contract (design section 5;
 * schemas/report.proto).
 */
export type Verdict = "conform" | "divergent" | "inconclusive" | "error";

export type DivergenceKind = "result" | "effect" | "state" | "invariant" | "expected";

/** A recorded line. */
export interface SourceLine {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** A place where the recorded kernel and the model part. */
export interface Divergence {
  /** Number of the operation, from 1. */
  readonly operation: number;
  /** Its time, ns as text; empty where none was recorded. */
  readonly time: string;
  readonly kind: DivergenceKind;
  readonly name: string;
  readonly source: SourceLine;
  readonly rules: readonly string[];
  /** What the model allows. */
  readonly expected: readonly string[];
  readonly observed: string;
  /** One line for people. */
  readonly message: string;
  /** State that led there, for people: short `name: value` lines. */
  readonly state?: readonly string[];
}

/** A broken promise that the profile's own rules prescribe. */
export interface KnownDefect {
  readonly operation: number;
  readonly rules: readonly string[];
  readonly message: string;
}

/** How many operations of a kind were checked, and why the rest was not. */
export interface OperationCount {
  readonly name: string;
  readonly total: number;
  readonly checked: number;
  /** Reason to number of operations. */
  readonly unchecked: Readonly<Record<string, number>>;
}

/** Title and source of a rule that the report names. */
export interface RuleNote {
  readonly title: string;
  readonly source: string;
}

/** What one profile of a system makes of a capture (`--profile all`). */
export interface ProfileVerdict {
  readonly system: string;
  readonly profile: string;
  /** The capture is judged by this one. */
  readonly chosen: boolean;
  /** conform: it explains the capture. Expected states do not count here. */
  readonly verdict: Exclude<Verdict, "error">;
  readonly checked: number;
  readonly unchecked: number;
  readonly divergences: number;
  /** What contradicts it first; absent where nothing does. */
  readonly first?: Divergence;
}

export interface CaptureReport {
  readonly path: string;
  readonly verdict: Verdict;
  /** System to profile. */
  readonly profile: Readonly<Record<string, string>>;
  readonly error?: string;
  readonly events: number;
  readonly operations: number;
  readonly checked: number;
  readonly unchecked: number;
  /** Recorded lines that no importer understood. */
  readonly unparsed: number;
  readonly divergences: readonly Divergence[];
  /** Divergences beyond the cap, left out of the list. */
  readonly divergencesLeftOut: number;
  readonly knownDefects: readonly KnownDefect[];
  readonly knownDefectsLeftOut: number;
  readonly notes: readonly string[];
  readonly kinds: readonly OperationCount[];
  /** Titles and sources of the rules that the divergences and known defects name, by the name that they have there. */
  readonly rules: Readonly<Record<string, RuleNote>>;
  /** Every profile of the systems that the capture is about, where they were asked for. */
  readonly profiles?: readonly ProfileVerdict[];
}

export interface Summary {
  readonly captures: number;
  readonly conform: number;
  readonly divergent: number;
  readonly inconclusive: number;
  readonly errors: number;
  readonly events: number;
  readonly operations: number;
  readonly checked: number;
  readonly unchecked: number;
  readonly unparsed: number;
}

export interface Report {
  readonly version: 1;
  readonly tool: { readonly name: string; readonly version: string };
  readonly summary: Summary;
  readonly captures: readonly CaptureReport[];
}
