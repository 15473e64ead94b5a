import { type Event, isEarlier } from "../event/event.js";

/** Events handed on at a time. What waits survives the collections of short-lived objects, and costs a copy at each. */
const BATCH = 512;

/** A source on its way into the merged stream. */
export interface Lane {
  readonly batches: AsyncIterable<readonly Event[]>;
  /** Nanoseconds that bring the source's times to those of the others. */
  readonly offsetNs: bigint;
}

/** A lane with its batch at hand, and the time of its next event on the common clock. */
class Head {
  readonly #batches: AsyncIterator<readonly Event[]>;
  readonly #offsetSeconds: number;
  readonly #offsetNanos: number;
  batch: readonly Event[] = [];
  at = 0;
  /** Before every time: an event without one, at the beginning of its source, waits for nobody. */
  seconds = Number.NEGATIVE_INFINITY;
  nanos = 0;

  constructor(lane: Lane) {
    this.#batches = lane.batches[Symbol.asyncIterator]();
    const billion = 1_000_000_000n;
    const nanos = ((lane.offsetNs % billion) + billion) % billion;
    this.#offsetNanos = Number(nanos);
    this.#offsetSeconds = Number((lane.offsetNs - nanos) / billion);
  }

  /** Gets the next batch that holds an event; false at the end of the source. */
  async refill(): Promise<boolean> {
    for (;;) {
      const result = await this.#batches.next();
      if (result.done === true) return false;
      if (result.value.length === 0) continue;
      this.batch = result.value;
      this.at = 0;
      this.readTime();
      return true;
    }
  }

  /** Takes over the time of the event at hand; an event without one keeps the time of the one before it. */
  readTime(): void {
    const time = this.batch[this.at]?.time;
    if (time === undefined) return;
    this.seconds = time.seconds + this.#offsetSeconds;
    this.nanos = time.nanos + this.#offsetNanos;
    if (this.nanos >= 1_000_000_000) {
      this.nanos -= 1_000_000_000;
      this.seconds += 1;
    }
  }

  /**
   * Moves events to `out`, one at least, until that is full or the turn is `other`'s, which is first at equal times where
   * `otherWinsTies`. True where the batch is used up.
   */
  moveTo(out: Event[], other: Head, otherWinsTies: boolean): boolean {
    const { batch } = this;
    do {
      const event = batch[this.at];
      if (event !== undefined) out.push(event);
      this.at += 1;
      if (this.at >= batch.length) return true;
      this.readTime();
    } while (out.length < BATCH && (otherWinsTies ? isEarlier(this, other) : !isEarlier(other, this)));
    return false;
  }

  async close(): Promise<void> {
    await this.#batches.return?.();
  }
}

/**
 * Merges sources into one stream by time. The order within a source is never changed, whatever its times say; at equal
 * times the source that comes first in the list is first.
 * @throws the signal's reason, and what the lanes throw.
 */
export async function* merge(lanes: readonly Lane[], signal?: AbortSignal): AsyncGenerator<readonly Event[]> {
  const all = lanes.map((lane) => new Head(lane));
  try {
    const heads: Head[] = [];
    for (const head of all) {
      signal?.throwIfAborted();
      if (await head.refill()) heads.push(head);
    }
    let out: Event[] = [];
    while (heads.length > 1) {
      const exhausted = advance(heads, out);
      if (exhausted !== undefined && !(await exhausted.refill())) heads.splice(heads.indexOf(exhausted), 1);
      signal?.throwIfAborted();
      if (out.length >= BATCH) {
        yield out;
        out = [];
      }
    }
    if (out.length > 0) yield out;
    const [last] = heads;
    if (last === undefined) return;
    yield last.at === 0 ? last.batch : last.batch.slice(last.at);
    while (await last.refill()) {
      signal?.throwIfAborted();
      yield last.batch;
    }
  } finally {
    for (const head of all) await head.close();
  }
}

/** Moves events to `out` until that is full or a head has used up its batch; returns that head. */
function advance(heads: readonly Head[], out: Event[]): Head | undefined {
  while (out.length < BATCH) {
    let first: Head | undefined;
    /** The earliest of the others; `first` may go on up to its time. */
    let second: Head | undefined;
    let secondWinsTies = false;
    for (const head of heads) {
      if (first === undefined) {
        first = head;
      } else if (isEarlier(head, first)) {
        second = first;
        secondWinsTies = true;
        first = head;
      } else if (second === undefined || isEarlier(head, second)) {
        second = head;
        secondWinsTies = false;
      }
    }
    if (first === undefined || second === undefined) return undefined;
    if (first.moveTo(out, second, secondWinsTies)) return first;
  }
  return undefined;
}
