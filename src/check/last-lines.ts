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
  /** The operation that contradicted the model first, and whose lines would have explained it. */
  private first: { readonly operation: Operation; readonly missed: Recorder } | undefined;
  /** Which recorders showed a later operation. */
  private readonly wentOn: Record<Recorder, boolean> = { calls: false, probes: false };

  /** The next operation, before it is looked at whether it contradicts the model: until one has, nobody needs to know. */
  meet(operation: Operation): void {
    if (this.first === undefined) return;
    const { event, effects } = operation;
    if (event.kind === "syscall") this.wentOn.calls = true;
    if (ofProbe(event) || effects.some((seen) => ofProbe(seen.event))) this.wentOn.probes = true;
  }

  /** A contradiction; a wrong answer of a call is one whatever else was recorded. */
  contradicted(operation: Operation, { kind, event }: Mismatch): void {
    if (this.first !== undefined || kind === "result") return;
    // A call without a line that it must have; or lines of a call that is not there.
    const missed = operation.event.kind === "syscall" && event === undefined ? "probes" : "calls";
    this.first = { operation, missed };
  }

  /** For the report, where both recorders ran; undefined where the one that is missed went on. `place` names a line. */
  note(place: (event: Event) => string): string | undefined {
    if (this.first === undefined) return undefined;
    const { operation, missed } = this.first;
    if (this.wentOn[missed]) return undefined;
    const ended = missed === "probes" ? "the probes" : "strace";
    return `no line of ${ended} comes after the first divergence, at ${place(operation.event)}: it can be that only this recorder had ended`;
  }
}

function ofProbe(event: Event): boolean {
  return event.kind === "probe";
}
