import type { Event, GapEvent, Stamp } from "../event/event.js";
import type { Importer, Sink } from "../ingest/importer.js";
import { cutterFor } from "./lines.js";
import type { OpenSource } from "./source-reader.js";

/**
 * A trace says that events of a CPU were lost right before that CPU's next event (capture-formats b.1): the loss began
 * with the CPU's event before, which lies earlier in the file. What ran in between may lack lines, so its edges must
 * stand in the stream before the recorded line does; they are looked for ahead of the reading.
 */

/** Texts that every line about a loss has one of. */
const SIGNS = ["LOST", "EVENTS DROPPED]", "buffer started", "Lost "].map((text) => Buffer.from(text, "latin1"));
/** Losses beyond this many are joined into the last one. */
const LIMIT = 10_000;

/** The edges of the losses of a source, in the order of their times; nothing where it lost nothing. */
export async function findGaps(source: OpenSource, index: number): Promise<readonly GapEvent[]> {
  if (source.format !== "ftrace" || !source.bytes.repeatable || !(await showsLoss(source))) return [];
  const finder = new GapFinder();
  await readEvents(source.importer, source, index, (event) => finder.take(event));
  return finder.edges();
}

async function showsLoss(source: OpenSource): Promise<boolean> {
  const longest = Math.max(...SIGNS.map((sign) => sign.length));
  let tail = Buffer.alloc(0);
  for await (const chunk of source.bytes.stream()) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    if (SIGNS.some((sign) => bytes.includes(sign))) return true;
    const seam = Buffer.concat([tail, bytes.subarray(0, longest)]);
    if (SIGNS.some((sign) => seam.includes(sign))) return true;
    tail = Buffer.from(bytes.subarray(-longest));
  }
  return false;
}

async function readEvents(
  importer: Importer,
  source: OpenSource,
  index: number,
  take: (event: Event) => void,
): Promise<void> {
  const sink: Sink = { event: take, context: () => {}, diagnostic: () => {} };
  const parser = importer.parser({ source: index, file: source.file }, sink);
  const cutter = cutterFor(parser);
  for await (const chunk of source.bytes.stream()) cutter.pushBytes(chunk);
  cutter.end();
  parser.end(true);
}

/** A loss whose end is not known yet. */
interface OpenGap {
  readonly event: GapEvent;
  readonly from: Stamp | undefined;
}

/** Collects losses: from the last event of the CPU before to its next one after. */
class GapFinder {
  private readonly last = new Map<number, Stamp>();
  private latest: Stamp | undefined;
  private readonly open = new Map<number, OpenGap>();
  private readonly found: GapEvent[] = [];

  take(event: Event): void {
    if (event.kind === "gap") {
      const from = event.cpu < 0 ? this.latest : this.last.get(event.cpu);
      if (!this.open.has(event.cpu)) this.open.set(event.cpu, { event, from });
      return;
    }
    if (event.time === undefined) return;
    this.latest = event.time;
    const cpu = event.kind === "probe" ? event.cpu : -1;
    if (this.open.size > 0) {
      this.close(cpu, event.time);
      this.close(-1, event.time);
    }
    if (cpu >= 0) this.last.set(cpu, event.time);
  }

  edges(): readonly GapEvent[] {
    for (const [, gap] of this.open) this.add(gap, undefined);
    return this.found.sort(byTime);
  }

  private close(cpu: number, to: Stamp): void {
    const gap = this.open.get(cpu);
    if (gap === undefined) return;
    this.open.delete(cpu);
    this.add(gap, to);
  }

  private add({ event, from }: OpenGap, to: Stamp | undefined): void {
    if (this.found.length >= 2 * LIMIT) {
      this.found.pop();
    } else {
      this.found.push({ ...event, time: from ?? { seconds: 0, nanos: 0 }, edge: "begin" });
    }
    this.found.push({ ...event, time: to ?? { seconds: Number.MAX_SAFE_INTEGER, nanos: 0 }, edge: "end" });
  }
}

function byTime(a: Event, b: Event): number {
  return (a.time?.seconds ?? 0) - (b.time?.seconds ?? 0) || (a.time?.nanos ?? 0) - (b.time?.nanos ?? 0);
}

/** The edges as a source of the merge. */
export async function* gapBatches(edges: readonly GapEvent[]): AsyncGenerator<readonly Event[]> {
  yield edges;
}
