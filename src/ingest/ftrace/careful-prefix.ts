/** The columns of a record in one of the rare layouts, as {@link carefulPrefix} reads them. */
export interface CarefulPrefix {
  readonly comm: string;
  readonly tid: number;
  readonly cpu: number;
  readonly seconds: number;
  readonly nanos: number;
  readonly body: number;
}

/** The patterns see no more than this of a line, and have no nested quantifiers: their time is bounded. */
const WINDOW = 200;

/**
 * Option latency-format; trace-cmd report -l. The cpu stands glued to the flags, the name is cut to 8 bytes:
 *
 *       CPU 0/KV-214       0..... 65895us!: sys_open: ...
 *       CPU 0/KV-511     1.....    46.834119: sys_open: ...
 */
const LATENCY =
  /^(.{0,15}?)-(\d{1,10}) {1,12}(\d{1,4})[^\s\d]\S{3,5} {1,20}(?:(\d{1,15})us[ +!#*@$]?|(\d{1,15})\.(\d{9}|\d{6})): */;

/**
 * Options latency-format and verbose:
 *
 *       sh     100   1 0 00000000 00000000 [00b255e7] 42.516ms (+0.077ms): sys_open: ...
 */
const VERBOSE =
  /^(.{0,15}?) {1,20}(\d{1,10}) {1,12}(\d{1,4}) [0-9a-f]+ [0-9a-f]{8} [0-9a-f]{8} \[[0-9a-f]+\] {0,12}(\d{1,12})\.(\d{3})ms \([+-]?[\d.]+ms\): */;

/**
 * perf script without a cpu column, or with a misc column (-F +misc):
 *
 *       perf   126    10.367014:             apx:sys_open: ...
 */
const PERF =
  /^(.{1,16}?) {1,20}(?:-?\d{1,10}\/)?(-?\d{1,10}) {1,20}(?:\[(\d{3,6})\] {1,20})?(?:[KUHGgMESp]{1,6} {1,20})?(\d{1,15})\.(\d{9}|\d{6}): +(?=[\w-]+:[\w.-]+:|PERF_RECORD_)/;

/**
 * Reads the columns of a record whose layout the fast scanner does not know. `start` is the offset of the first character
 * that is no blank. Undefined if the line is no record.
 */
export function carefulPrefix(line: string, start: number): CarefulPrefix | undefined {
  const window = line.slice(start, start + WINDOW);
  const latency = LATENCY.exec(window);
  if (latency !== null) {
    const [all, comm = "", tid, cpu, micros, seconds, fraction = ""] = latency;
    const body = start + all.length;
    if (micros !== undefined) return { comm, tid: Number(tid), cpu: Number(cpu), ...ofMicros(Number(micros)), body };
    return { comm, tid: Number(tid), cpu: Number(cpu), seconds: Number(seconds), nanos: ofFraction(fraction), body };
  }
  const verbose = VERBOSE.exec(window);
  if (verbose !== null) {
    const [all, comm = "", tid, cpu, millis, micros] = verbose;
    const time = ofMicros(Number(millis) * 1000 + Number(micros));
    return { comm, tid: Number(tid), cpu: Number(cpu), ...time, body: start + all.length };
  }
  const perf = PERF.exec(window);
  if (perf !== null) {
    const [all, comm = "", tid, cpu, seconds, fraction = ""] = perf;
    return {
      comm,
      tid: Math.max(0, Number(tid)),
      cpu: cpu === undefined ? -1 : Number(cpu),
      seconds: Number(seconds),
      nanos: ofFraction(fraction),
      body: start + all.length,
    };
  }
  return undefined;
}

function ofMicros(micros: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(micros / 1e6);
  return { seconds, nanos: (micros - seconds * 1e6) * 1000 };
}

function ofFraction(digits: string): number {
  return Number(digits.padEnd(9, "0"));
}
