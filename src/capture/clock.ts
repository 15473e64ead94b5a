import type { Event, Stamp } from "../event/event.js";
import type { Format } from "../ingest/importer.js";

/** Seconds from which a stamp can only be one of the epoch (2001): no machine is up for so long. */
const EPOCH = 1_000_000_000;

/**
 * Clocks that can be compared. `epoch`: realtime and TAI; `uptime`: the kernel's clocks, which count from about the boot;
 * `relative`: deltas and times of day of strace; `ticks`: no unit of time.
 */
export type ClockKind = "epoch" | "uptime" | "relative" | "ticks";

/** The kind of a source's clock, from its name in the manifest, else from its first stamp; undefined without stamps. */
export function clockKind(name: string | undefined, format: Format, first: Stamp | undefined): ClockKind | undefined {
  switch (name) {
    case "realtime":
    case "tai":
      return "epoch";
    case "counter":
    case "uptime":
    case "x86-tsc":
    case "ppc-tb":
    case "s390-tod":
      return "ticks";
    case "local":
    case "global":
    case "mono":
    case "mono_raw":
    case "boot":
    case "perf":
      return "uptime";
    default:
      if (first === undefined) return undefined;
      if (first.seconds >= EPOCH) return "epoch";
      return format === "strace" ? "relative" : "uptime";
  }
}

/** What the beginning of a source shows about its clock. */
export interface ClockSample {
  readonly first: Stamp;
  /** Text of markers to their stamps. */
  readonly marks: ReadonlyMap<string, Stamp>;
  /** Realtime minus the source's clock, ns, where a marker tells it. */
  readonly toRealtime: bigint | undefined;
  /** `TID/CALL` to the stamps of its first occurrence. */
  readonly calls: ReadonlyMap<string, Stamp>;
  /** Task to the stamp of its first event. */
  readonly tasks: ReadonlyMap<number, Stamp>;
}

/** How sure the offset between two clocks is. */
export type Alignment = "marker" | "calls" | "tasks" | "start";

/** Entries kept of each kind. */
const MAX_KEPT = 4096;

/** Gathers what the events of a source's beginning show. */
export class ClockSampler {
  #first: Stamp | undefined;
  #toRealtime: bigint | undefined;
  readonly #marks = new Map<string, Stamp>();
  readonly #calls = new Map<string, Stamp>();
  readonly #tasks = new Map<number, Stamp>();

  add(event: Event): void {
    const { time } = event;
    if (time === undefined) return;
    this.#first ??= time;
    const mark = markOf(event);
    if (mark !== undefined) {
      keepFirst(this.#marks, mark, time);
      this.#toRealtime ??= realtimeOffset(mark, time);
    }
    if (event.tid === 0) return;
    keepFirst(this.#tasks, event.tid, time);
    if (event.kind === "syscall" && event.phase !== "exit") keepFirst(this.#calls, `${event.tid}/${event.name}`, time);
  }

  /** Undefined where no event had a stamp. */
  sample(): ClockSample | undefined {
    if (this.#first === undefined) return undefined;
    return {
      first: this.#first,
      marks: this.#marks,
      toRealtime: this.#toRealtime,
      calls: this.#calls,
      tasks: this.#tasks,
    };
  }
}

function keepFirst<K>(map: Map<K, Stamp>, key: K, time: Stamp): void {
  if (!map.has(key) && map.size < MAX_KEPT) map.set(key, time);
}

/** The text of a marker: in the trace itself, in the kernel log, or of the write to `trace_marker` as strace shows it. */
function markOf(event: Event): string | undefined {
  if (event.kind === "mark") return event.message.trim();
  if (event.kind === "log") return /\bsync-\d{5,}/.exec(event.message)?.[0];
  if (event.kind !== "syscall" || event.name !== "write" || event.phase === "exit") return undefined;
  const data = event.args[1];
  if (event.args[0]?.includes("trace_marker") !== true || data === undefined) return undefined;
  return /^"(.*?)(?:\\n)?"(?:\.\.\.)?$/.exec(data)?.[1]?.trim();
}

/** Recorders that know both clocks write `realtime=1795159267.685157` into the trace. */
function realtimeOffset(mark: string, time: Stamp): bigint | undefined {
  const match = /\brealtime=(\d{9,11})\.(\d{1,9})\b/.exec(mark);
  if (match === null) return undefined;
  const [, seconds = "", fraction = ""] = match;
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0")) - nanoseconds(time);
}

/** The offset that brings the times of `moved` to the clock of `reference`, ns. */
export function offsetBetween(
  reference: ClockSample,
  moved: ClockSample,
  referenceKind: ClockKind,
): { readonly offsetNs: bigint; readonly by: Alignment } {
  const byMark = medianDifference(reference.marks, moved.marks);
  if (byMark !== undefined) return { offsetNs: byMark, by: "marker" };
  if (referenceKind === "epoch" && moved.toRealtime !== undefined) return { offsetNs: moved.toRealtime, by: "marker" };
  if (reference.toRealtime !== undefined && moved.first.seconds >= EPOCH) {
    return { offsetNs: -reference.toRealtime, by: "marker" };
  }
  const byCalls = medianDifference(reference.calls, moved.calls);
  if (byCalls !== undefined) return { offsetNs: byCalls, by: "calls" };
  const byTasks = medianDifference(reference.tasks, moved.tasks);
  if (byTasks !== undefined) return { offsetNs: byTasks, by: "tasks" };
  return { offsetNs: nanoseconds(reference.first) - nanoseconds(moved.first), by: "start" };
}

function medianDifference<K>(reference: ReadonlyMap<K, Stamp>, moved: ReadonlyMap<K, Stamp>): bigint | undefined {
  const differences: bigint[] = [];
  for (const [key, time] of moved) {
    const other = reference.get(key);
    if (other !== undefined) differences.push(nanoseconds(other) - nanoseconds(time));
  }
  differences.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return differences[differences.length >> 1];
}

function nanoseconds(stamp: Stamp): bigint {
  return BigInt(stamp.seconds) * 1_000_000_000n + BigInt(stamp.nanos);
}
