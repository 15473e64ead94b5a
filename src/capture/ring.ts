import type { Event } from "../event/event.js";
import type { DiagnosticLog } from "./diagnostics.js";

/** Entries put in order at most: a debug area holds some thousands, whatever its size was set to. */
const MAX_ENTRIES = 1_000_000;

/**
 * Puts the entries of s390 debug areas into the order of time. An area is a ring that is printed page by page: after a
 * wrap the newest entries stand before the oldest, and a second dump repeats entries of the first (capture-formats
 * section d.1). Equal times keep the order of the file; repeated entries are left out.
 */
export async function* inRingOrder(
  batches: AsyncIterable<readonly Event[]>,
  file: string,
  log: DiagnosticLog,
  maxEntries: number = MAX_ENTRIES,
): AsyncGenerator<readonly Event[]> {
  const iterator = batches[Symbol.asyncIterator]();
  try {
    const entries: Event[] = [];
    for (;;) {
      const next = await iterator.next();
      if (next.done === true) break;
      for (const event of next.value) entries.push(event);
      if (entries.length <= maxEntries) continue;
      log.add({
        code: "unsorted-source",
        severity: "loss",
        file,
        line: 0,
        message: `more than ${maxEntries} entries: they are taken in the order of the file, not of their times`,
        hint: "sort the file with `sort -s -k2,2` and give the sorted file",
      });
      yield entries;
      for (;;) {
        const rest = await iterator.next();
        if (rest.done === true) return;
        yield rest.value;
      }
    }
    const sorted = withoutRepetitions(sortByTime(entries));
    if (sorted.length < entries.length) {
      log.add({
        code: "repeated-entries",
        severity: "note",
        file,
        line: 0,
        message: `${entries.length - sorted.length} entries were dumped more than once and count once`,
      });
    }
    if (sorted.length > 0) yield sorted;
  } finally {
    await iterator.return?.();
  }
}

interface Placed {
  readonly event: Event;
  readonly seconds: number;
  readonly nanos: number;
}

function sortByTime(events: readonly Event[]): readonly Event[] {
  const placed: Placed[] = [];
  let seconds = Number.NEGATIVE_INFINITY;
  let nanos = 0;
  for (const event of events) {
    // An entry without a stamp belongs behind the one it follows in the file.
    if (event.time !== undefined) ({ seconds, nanos } = event.time);
    placed.push({ event, seconds, nanos });
  }
  placed.sort((a, b) => (a.seconds === b.seconds ? a.nanos - b.nanos : a.seconds < b.seconds ? -1 : 1));
  return placed.map(({ event }) => event);
}

function withoutRepetitions(sorted: readonly Event[]): readonly Event[] {
  const kept: Event[] = [];
  /** Entries of the present time: area, message (two may share a line) and line. */
  let seen = new Set<string>();
  let previous: Event | undefined;
  for (const event of sorted) {
    if (event.time === undefined || previous?.time === undefined || !sameTime(event.time, previous.time)) {
      seen = new Set();
    }
    previous = event;
    const key = event.kind === "log" ? `${event.area}\n${event.message}\n${event.text}` : undefined;
    if (key !== undefined && event.time !== undefined) {
      if (seen.has(key)) continue;
      seen.add(key);
    }
    kept.push(event);
  }
  return kept;
}

function sameTime(a: NonNullable<Event["time"]>, b: NonNullable<Event["time"]>): boolean {
  return a.seconds === b.seconds && a.nanos === b.nanos;
}
