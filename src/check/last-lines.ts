import type { Event } from "../event/event.js";
import type { Mismatch } from "../model/core/trial.js";
import type { Operation } from "../operation/operation.js";

/** Whose silence can make a recording look wrong: strace, or the probes. */
type Recorder = "calls" | "probes";

/**
 * Recorders are seldom stopped at the same moment, and no line says when one was. Where no line of a recorder follows the
 * first contradiction, the report says so: it can be the end of that recorder and no fault of the kernel.
 */
export class LastLines {
  /** Number of the operation that a recorder showed last; 0 where it showed none. */
  private readonly last: Record<Recorder, number> = { calls: 0, probes: 0 };
  /** The operation that contradicted the model first, and whose lines would have explained it. */
  private first: { readonly operation: Operation; readonly missed: Recorder } | undefined;

  /** The next operation, before it is looked at whether it contradicts the model. */
  meet(operation: Operation): void {
    const { event, effects, number } = operation;
    if (event.kind === "syscall") this.last.calls = number;
    if (ofProbe(event) || (effects.length > 0 && effects.some((seen) => ofProbe(seen.event))))
      this.last.probes = number;
  }

  /** A contradiction; a wrong answer of a call is one whatever else was recorded. */
  contradicted(operation: Operation, { kind, event }: Mismatch): void {
    if (this.first !== undefined || kind === "result") return;
    // A call without a line that it must have; or lines of a call that is not there.
    const missed = operation.event.kind === "syscall" && event === undefined ? "probes" : "calls";
    this.first = { operation, missed };
  }

  /** For the report; undefined where both recorders went on, or one of them did not run. `place` names a line. */
  note(place: (event: Event) => string): string | undefined {
    const { first, last } = this;
    if (first === undefined || last.calls === 0 || last.probes === 0) return undefined;
    const { operation, missed } = first;
    if (last[missed] > operation.number) return undefined;
    const ended = missed === "probes" ? "the probes" : "strace";
    return `no line of ${ended} comes after the first divergence, at ${place(operation.event)}: it can be that only this recorder had ended`;
  }
}

function ofProbe(event: Event): boolean {
  return event.kind === "probe";
}
