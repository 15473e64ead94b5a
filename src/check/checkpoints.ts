import type { Source } from "../capture/capture.js";
import type { Operation } from "../operation/operation.js";
import type { Place } from "./expected-parse.js";

/** The states of each system at a place, in the JSON form: several where the recording leaves open which. */
export type StatesBySystem = ReadonlyMap<string, readonly unknown[]>;

/** Meets the places of checkpoints while a capture is replayed, and keeps what is made of the states there. */
export class Checkpoints<T> {
  private readonly places: readonly Place[];
  private readonly take: (index: number, states: StatesBySystem, operation: Operation | undefined) => T;
  private readonly results: (T | undefined)[];
  /** Source number to line to indexes of checkpoints. */
  private readonly lines: ReadonlyMap<number, ReadonlyMap<number, readonly number[]>>;

  /** `take`: makes what is kept of a checkpoint, by its index, out of the states there. */
  constructor(
    places: readonly Place[],
    sources: readonly Source[],
    take: (index: number, states: StatesBySystem, operation: Operation | undefined) => T,
  ) {
    this.places = places;
    this.take = take;
    this.results = places.map(() => undefined);
    this.lines = linesOf(places, sources);
  }

  /** Whether a checkpoint stands after the operation. */
  wants(operation: Operation): boolean {
    return this.at(operation).length > 0;
  }

  /** An operation has been judged. The last one of a line counts: a call that waits is two operations. */
  after(operation: Operation, states: () => StatesBySystem): void {
    for (const index of this.at(operation)) this.results[index] = this.take(index, states(), operation);
  }

  /** The capture has ended; `last`: its last operation. */
  end(states: () => StatesBySystem, last: Operation | undefined): void {
    for (const [index, place] of this.places.entries()) {
      if (place === "end") this.results[index] = this.take(index, states(), last);
    }
  }

  /** What was made of a checkpoint; undefined where its place was not met. */
  result(index: number): T | undefined {
    return this.results[index];
  }

  private at(operation: Operation): readonly number[] {
    if (this.lines.size === 0) return [];
    const own = this.lines.get(operation.event.source)?.get(operation.event.line);
    if (own !== undefined) return own;
    for (const { event } of operation.effects) {
      const found = this.lines.get(event.source)?.get(event.line);
      if (found !== undefined) return found;
    }
    return [];
  }
}

function linesOf(places: readonly Place[], sources: readonly Source[]): Map<number, Map<number, number[]>> {
  const lines = new Map<number, Map<number, number[]>>();
  for (const [index, place] of places.entries()) {
    if (place === "end") continue;
    const source = sources.findIndex(({ file }) => file === place.source);
    const ofSource = lines.get(source) ?? new Map<number, number[]>();
    lines.set(source, ofSource);
    ofSource.set(place.line, [...(ofSource.get(place.line) ?? []), index]);
  }
  return lines;
}
