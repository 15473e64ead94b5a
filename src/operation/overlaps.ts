import type { OpenOperation } from "./open-operation.js";
import type { Call, Operation } from "./operation.js";

/** Operations that wait for one that is still open; beyond this many the oldest open one is put aside. */
const WINDOW = 512;
/** Places of the stream after which a call that was not seen to end gets no more effects. */
const PATIENCE = 64;

/**
 * Puts operations into groups: those of one group overlap, groups follow each other in time. A call that stays open for
 * long (a hang, a wait) is put aside, so that nothing waits for it without end: it forms a group of its own when it
 * completes.
 */
export class Overlaps<C extends Call> {
  private pending: OpenOperation<C>[] = [];
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
    if (this.pending.length === 0 && this.aside.size === 0) return;
    for (const operation of this.aside) {
      if (operation.complete) {
        this.aside.delete(operation);
        this.handOver([operation]);
      }
    }
    for (;;) {
      const size = this.readySize(sequence);
      if (size === 0) break;
      this.handOver(this.pending.splice(0, size));
    }
    if (this.pending.length > WINDOW) this.putAside();
  }

  finish(): void {
    for (const operation of [...this.pending, ...this.aside]) operation.complete = true;
    this.advance(Number.POSITIVE_INFINITY);
  }

  /** How many operations at the front form a group that is complete; 0 if the front one is not. */
  private readySize(sequence: number): number {
    let size = 0;
    let end = -1;
    for (const operation of this.pending) {
      if (size > 0 && operation.begin > end) break;
      if (!operation.complete) {
        const idle = sequence - operation.end > PATIENCE;
        if (!idle || !this.endsBySilence(operation)) return 0;
        operation.complete = true;
      }
      if (operation.end > end) end = operation.end;
      size++;
    }
    return size;
  }

  private putAside(): void {
    const oldest = this.pending.find((operation) => !operation.complete);
    if (oldest === undefined) return;
    this.remove(oldest);
    this.aside.add(oldest);
  }

  private handOver(group: readonly OpenOperation<C>[]): void {
    this.emit(group.map((operation) => this.finished(operation, group.length > 1)));
  }

  private finished(operation: OpenOperation<C>, overlapping: boolean): Operation {
    this.number++;
    return {
      number: this.number,
      call: operation.call,
      name: operation.name,
      result: operation.result,
      effects: operation.effects,
      event: operation.event,
      answer: operation.answer,
      tid: operation.tid,
      time: operation.event.time,
      endTime: operation.endTime,
      begin: operation.begin,
      end: operation.end,
      last: operation.last,
      overlapping,
      gap: operation.gap,
    };
  }
}
