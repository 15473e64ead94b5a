import { linesOf, type Recording, withLines } from "./recording.js";

/** One recorded thing that reads otherwise than it was recorded. */
export interface Change {
  /** What is changed to what, without the particulars: the figures are counted by it. */
  readonly kind: string;
  readonly file: string;
  /** Place of the first line that is replaced, from 0. */
  readonly at: number;
  /** How many lines are replaced. */
  readonly count: number;
  readonly lines: readonly string[];
}

export function applied(recording: Recording, change: Change): Recording {
  const lines = [...linesOf(recording, change.file)];
  lines.splice(change.at, change.count, ...change.lines);
  return withLines(recording, change.file, lines);
}

/** The lines that a change takes away, for people. */
export function before(recording: Recording, change: Change): readonly string[] {
  return linesOf(recording, change.file).slice(change.at, change.at + change.count);
}

/** A pseudo-random choice of at most `count` of some things, the same each time, their order kept. */
export function sample<T>(all: readonly T[], count: number, seed: number): readonly T[] {
  if (all.length <= count) return all;
  let state = (seed * 2654435761 + 12345) >>> 0;
  const ranked = all.map((one, place) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return { one, place, rank: state };
  });
  return ranked
    .sort((a, b) => a.rank - b.rank)
    .slice(0, count)
    .sort((a, b) => a.place - b.place)
    .map(({ one }) => one);
}
