import type { Sink } from "../ingest/importer.js";
import { type Alignment, type ClockKind, type ClockSample, ClockSampler, clockKind, offsetBetween } from "./clock.js";
import type { DiagnosticLog } from "./diagnostics.js";
import { cutterFor } from "./lines.js";
import type { OpenSource } from "./source-reader.js";

/** Bytes read to learn the kind of a clock. */
const FIRST_LOOK = 64 * 1024;
/** Bytes read to find what two clocks have in common. */
const SECOND_LOOK = 16 * 2 ** 20;

/** From the surest to the weakest. */
const alignments: readonly Alignment[] = ["marker", "calls", "tasks", "start"];

const placedBy: Readonly<Record<Alignment, string>> = {
  marker: "by a marker that tells both clocks",
  calls: "roughly, by the first calls that both recorded",
  tasks: "roughly, by the first events of the tasks that both recorded",
  start: "so that both begin at the same time, which is a guess",
};

interface Clocked {
  readonly index: number;
  readonly source: OpenSource;
  readonly kind: ClockKind;
}

/**
 * The nanoseconds to add to the times of each source, so that all are of one clock. The manifest's offsets hold; sources
 * of another clock without one are placed by what they have in common with the others, and a note says how.
 */
export async function alignClocks(
  sources: readonly OpenSource[],
  given: readonly bigint[],
  log: DiagnosticLog,
): Promise<readonly bigint[]> {
  const offsets = sources.map((_, index) => given[index] ?? 0n);
  if (sources.length < 2) return offsets;
  const clocked: Clocked[] = [];
  for (const [index, source] of sources.entries()) {
    // An offset of the manifest's makes its clock the others'.
    if (offsets[index] !== 0n) continue;
    const named = clockKind(source.clock, source.format, undefined);
    if (named !== undefined) {
      clocked.push({ index, source, kind: named });
      continue;
    }
    const { sample, events } = await look(source, FIRST_LOOK);
    const kind = clockKind(undefined, source.format, sample?.first);
    if (kind !== undefined) clocked.push({ index, source, kind });
    else if (events > 0) noteNoTimes(source, log);
  }
  const [first] = clocked;
  if (first === undefined) return offsets;
  const referenceKind = clocked.some(({ kind }) => kind === "epoch") ? "epoch" : first.kind;
  const references = clocked.filter(({ kind }) => kind === referenceKind);
  for (const kind of new Set(clocked.map((one) => one.kind))) {
    if (kind === referenceKind) continue;
    const moved = clocked.filter((one) => one.kind === kind);
    const best = await bestOffset(references, moved);
    if (best === undefined) continue;
    for (const { index } of moved) offsets[index] = best.offsetNs;
    const [reference] = references;
    noteAlignment(moved, reference?.source.file ?? "", kind, best.by, log);
  }
  return offsets;
}

async function bestOffset(
  references: readonly Clocked[],
  moved: readonly Clocked[],
): Promise<{ offsetNs: bigint; by: Alignment } | undefined> {
  let best: { offsetNs: bigint; by: Alignment } | undefined;
  for (const reference of references) {
    const { sample: fixed } = await look(reference.source, SECOND_LOOK);
    if (fixed === undefined) continue;
    for (const other of moved) {
      const { sample } = await look(other.source, SECOND_LOOK);
      if (sample === undefined) continue;
      const offset = offsetBetween(fixed, sample, reference.kind);
      if (best === undefined || alignments.indexOf(offset.by) < alignments.indexOf(best.by)) best = offset;
    }
  }
  return best;
}

/** What the beginning of a source shows about its clock: nothing where no event has a stamp. */
async function look(
  source: OpenSource,
  limit: number,
): Promise<{ readonly sample: ClockSample | undefined; readonly events: number }> {
  const sampler = new ClockSampler();
  let events = 0;
  const sink: Sink = {
    event(event) {
      events += 1;
      sampler.add(event);
    },
    context: () => {},
    diagnostic: () => {},
  };
  const parser = source.importer.parser({ source: 0, file: source.file }, sink);
  const cutter = cutterFor(parser);
  const head = await source.bytes.peek(limit);
  cutter.pushBytes(head);
  // The last line may be cut off: it is not looked at.
  if (head.length < limit) parser.end(cutter.end());
  return { sample: sampler.sample(), events };
}

function noteNoTimes(source: OpenSource, log: DiagnosticLog): void {
  log.add({
    code: "no-times",
    severity: "note",
    file: source.file,
    line: 0,
    message: "has no time stamps: its events stand before those of the other sources",
    hint: "record with time stamps (strace -ttt)",
  });
}

function noteAlignment(
  moved: readonly Clocked[],
  reference: string,
  kind: ClockKind,
  by: Alignment,
  log: DiagnosticLog,
): void {
  const ticks = kind === "ticks" ? "; it counts no time, so that the order across them is not known" : "";
  for (const { source } of moved) {
    log.add({
      code: by === "marker" ? "clock-aligned" : "clock-guess",
      severity: "note",
      file: source.file,
      line: 0,
      message: `its clock is not that of ${reference}: placed ${placedBy[by]}${ticks}`,
      ...(by === "marker" ? {} : { hint: "write a marker to both recorders, or give offsetNs in capture.json" }),
    });
  }
}
