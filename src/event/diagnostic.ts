/** An expected failure or a remark about the input: data, not an exception. */
export interface Diagnostic {
  /** Stable identifier, kebab-case: `unparsed-line`, `truncated-source`, `unknown-key` ... */
  readonly code: string;
  /** `loss`: recorded data could not be used; `note`: worth knowing; `error`: the capture cannot be judged. */
  readonly severity: "note" | "loss" | "error";
  /** File as the user named it. */
  readonly file: string;
  /** 1-based line; 0 where it concerns the whole file. */
  readonly line: number;
  /** What was wrong, one sentence. */
  readonly message: string;
  /** What to do about it, where there is something. */
  readonly hint?: string;
}
