import type { Diagnostic } from "../event/diagnostic.js";

/** Diagnostics that a capture keeps. */
const KEPT = 100;
/** Diagnostics kept of one code in one file: a flood of one kind must not crowd out the others. */
const KEPT_OF_A_KIND = 20;

/** The diagnostics of a capture: the first ones of each kind, and the number of those left out. Errors are always kept. */
export class DiagnosticLog {
  readonly kept: Diagnostic[] = [];
  leftOut = 0;
  readonly #ofKind = new Map<string, number>();

  add(diagnostic: Diagnostic): void {
    const kind = `${diagnostic.code}\n${diagnostic.file}`;
    const before = this.#ofKind.get(kind) ?? 0;
    if (diagnostic.severity !== "error" && (before >= KEPT_OF_A_KIND || this.kept.length >= KEPT)) {
      this.leftOut += 1;
      return;
    }
    this.#ofKind.set(kind, before + 1);
    this.kept.push(diagnostic);
  }
}
