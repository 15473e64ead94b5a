import type { OpenOperation } from "./open-operation.js";
import type { Call, Operation } from "./operation.js";

/** Operations that wait for one that is still open; beyond this many the oldest open one is put aside. */
const WINDOW = 512;
/** Operations that are put aside at most: each of them is looked at for every event. */
const MAX_ASIDE = 256;
/** Places of the stream after which a call that was not seen to end gets no more effects. */
const PATIENCE = 64;

/**
 * Puts operations into groups: those of one group overlap, groups follow each other in time. A call that stays open for
 * long (a hang, a wait) is put aside, so that nothing waits for it without end: it forms a group of its own when it
 * completes.
 */
export class Overlaps<C extends Call> {
  /** In the order in which they began. */
  private pending: OpenOperation<C>[] = [];
  /** So many of them, from the front, are complete and overlap: the beginning of the next group, which ends at `groupEnd` at least. */
  private grouped = 0;
  private groupEnd = -1;
  private readonly aside = new Set<OpenOperation<C>>();
  private number = 0;
  /** Losses of lines that have begun and not ended. */
  private losses = 0;

  private readonly emit: (group: readonly Operation[]) => void;
  private readonly endsBySilence: (operation: OpenOperation<C>) => boolean;

  /** `endsBySilence`: whether an operation has no recorded end, so that the silence after its last line is all there is. */
  constructor(emit: (group: readonly Operation[]) => void, endsBySilence: (operation: OpenOperation<C>) => boolean) {
    this.emit = emit;
    this.endsBySilence = endsBySilence;
  }

  add(operation: OpenOperation<C>): void {
    if (this.losses > 0) operation.gap = true;
    this.pending.push(operation);
  }

  remove(operation: OpenOperation<C>): void {
    this.pending = this.pending.filter((candidate) => candidate !== operation);
    this.aside.delete(operation);
    this.regroup();
  }

  /** Lines are missing around this place: what runs now, and what begins before the end of the loss, may lack effects. */
  loss(edge: "begin" | "end" | undefined): void {
    if (edge === "begin") this.losses++;
    else if (edge === "end" && this.losses > 0) this.losses--;
    for (const operation of this.pending) operation.gap = true;
    for (const operation of this.aside) operation.gap = true;
  }

  /** Hands over what can be handed over at this place of the stream. */
  advance(sequence: number): void {
    if (this.aside.size > 0) this.completeAside();
    while (this.grouped < this.pending.length) {
      if (!this.group(sequence)) {
        if (this.pending.length > WINDOW) this.putAside();
        return;
      }
    }
    if (this.grouped > 0) this.handOverGroup();
  }

  private completeAside(): void {
    for (const operation of this.aside) {
      if (!operation.complete) continue;
      this.aside.delete(operation);
      this.handOver([operation]);
    }
  }

  finish(): void {
    for (const operation of [...this.pending, ...this.aside]) operation.complete = true;
    this.advance(Number.POSITIVE_INFINITY);
  }

  /** Looks at the next operation: hands over the group before it, or takes it into that. False where it is still open. */
  private group(sequence: number): boolean {
    const operation = this.pending[this.grouped];
    if (operation === undefined) return false;
    if (this.grouped > 0 && operation.begin > this.groupEnd) {
      this.handOverGroup();
      return true;
    }
    if (!operation.complete) {
      const idle = sequence - operation.end > PATIENCE;
      if (!idle || !this.endsBySilence(operation)) return false;
      operation.complete = true;
    }
    if (operation.end > this.groupEnd) this.groupEnd = operation.end;
    this.grouped++;
    return true;
  }

  private handOverGroup(): void {
    // What is handed over is kept by who gets it, so the list of what waits, which has room for more, stays here.
    const first = this.grouped === 1 ? this.pending.shift() : undefined;
    const group = first === undefined ? this.pending.splice(0, this.grouped) : [first];
    this.regroup();
    this.handOver(group);
  }

  private regroup(): void {
    this.grouped = 0;
    this.groupEnd = -1;
  }

  private putAside(): void {
    const oldest = this.pending.find((operation) => !operation.complete);
    if (oldest === undefined) return;
    this.remove(oldest);
    this.aside.add(oldest);
    if (this.aside.size > MAX_ASIDE) this.giveUp();
  }

  /** The operation that was put aside first is handed over as it is: its end, should it come, is not looked at any more. */
  private giveUp(): void {
    for (const operation of this.aside) {
      this.aside.delete(operation);
      this.handOver([operation]);
      return;
    }
  }

  private handOver(group: readonly OpenOperation<C>[]): void {
    const overlapping = group.length > 1;
    for (const operation of group) {
      operation.number = ++this.number;
      operation.overlapping = overlapping;
      operation.time = operation.event.time;
    }
    this.emit(group);
  }
}
