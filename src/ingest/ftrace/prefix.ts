import type { Line } from "../../event/line.js";
import { type CarefulPrefix, carefulPrefix } from "./careful-prefix.js";

const BLANK = 32;
const MINUS = 45;
const DOT = 46;
const SLASH = 47;
const COLON = 58;
const OPEN = 40;
const CLOSE = 41;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;

/** `%16s` of the kernel and of the tools: the column of the task name in bytes. */
export const COMM_COLUMN = 16;
/** A prefix begins with at most a file name (`trace-cmd report -i`) and the columns; `[` farther right is not its own. */
const LONGEST_PREFIX = 400;

/**
 * The columns before an event's text, of one line (capture-formats.md b.1, b.3, b.4):
 *
 *           vhost-4242-204     [000] .....    11.244087: sysfs_store: (...)       ftrace, bpftrace
 *           a b-c: d=1-512     (    500) [000]    46.832937: sys_open:     ...    with tgid; trace-cmd report
 *            CPU 0/KVM   511 [001]    46.834119:             apx:sys_open: ...    perf script
 *
 * One object is filled again for every line, so that a line that is no record costs nothing.
 */
export class RecordPrefix {
  comm = "";
  tid = 0;
  cpu = -1;
  seconds = 0;
  nanos = 0;
  /** Offset of the event's text in the line. */
  body = 0;
  /** Offset at which the task name begins. */
  commStart = 0;
  /** The time had no fraction: a clock that does not count ns (`counter`, `x86-tsc`, `--raw-ts`), taken as ns. */
  unitless = false;

  /**
   * Reads the columns of `line`; false if it is no record, and then the fields are undefined.
   * A task name may hold brackets and blanks (`x]y [003] z-330   [001]`): the first `[cpu]` that has a task before it and a
   * time behind it counts.
   */
  scan(line: Line): boolean {
    const { text } = line;
    const start = line.afterBlanks(0);
    const limit = start + LONGEST_PREFIX;
    for (let open = text.indexOf("[", start + 1); open !== -1 && open < limit; open = text.indexOf("[", open + 1)) {
      if (this.#around(line, start, open)) return true;
    }
    const careful = carefulPrefix(text, start);
    if (careful === undefined) return false;
    this.#take(careful, start);
    return true;
  }

  #take(careful: CarefulPrefix, start: number): void {
    this.comm = careful.comm;
    this.commStart = start;
    this.tid = careful.tid;
    this.cpu = careful.cpu;
    this.seconds = careful.seconds;
    this.nanos = careful.nanos;
    this.body = careful.body;
    this.unitless = false;
  }

  /** Reads the columns around the `[` at `open`, which is not the first character. */
  #around(line: Line, start: number, open: number): boolean {
    if (line.codeAt(open - 1) !== BLANK) return false;
    let p = open + 1;
    let cpu = 0;
    const last = p + 7;
    while (p < last) {
      const c = line.codeAt(p);
      if (c < 48 || c > 57) break;
      cpu = cpu * 10 + c - 48;
      p++;
    }
    // At least three digits, the bracket, and a blank behind it.
    if (p - open < 4) return false;
    if (line.codeAt(p) !== CLOSE_BRACKET || line.codeAt(p + 1) !== BLANK) return false;
    if (!this.#task(line, start, open)) return false;
    p = line.afterBlanks(p + 2);
    if (!this.#time(line, p)) {
      // Not the time yet: the flags column, of any characters (uprobes print `DBZff`, newer kernels other letters).
      let flagsEnd = p;
      while (flagsEnd <= p + 8 && line.codeAt(flagsEnd) !== BLANK) flagsEnd++;
      if (flagsEnd === p || flagsEnd - p > 8) return false;
      if (!this.#time(line, line.afterBlanks(flagsEnd))) return false;
    }
    this.cpu = cpu;
    return true;
  }

  /** Reads name and tid, from the right, before the `[` at `open`. */
  #task(line: Line, start: number, open: number): boolean {
    let q = beforeBlanks(line, open - 1, start);
    if (q >= start && line.codeAt(q) === CLOSE) q = beforeTgid(line, q, start);
    let tid = 0;
    let scale = 1;
    const last = q;
    while (q >= start) {
      const c = line.codeAt(q);
      if (c < 48 || c > 57) break;
      tid += (c - 48) * scale;
      scale *= 10;
      q--;
    }
    if (q < start || q === last || last - q > 10) return false;
    const c = line.codeAt(q);
    if (c === MINUS) {
      if (line.codeAt(start) !== COLON || q === start || line.codeAt(q - 1) !== BLANK) {
        return this.#comm(line, start, q, tid);
      }
      // perf knows neither name nor number of the task: `:-1    -1 [000]`
      return this.#comm(line, start, beforeBlanks(line, q - 1, start) + 1, 0);
    }
    // perf script: blanks before the tid, or PID/TID (-F +pid).
    if (c === SLASH) {
      const slash = q;
      do q--;
      while (q >= start && isDigit(line.codeAt(q)));
      if (slash - q < 2 || q < start) return false;
    }
    if (line.codeAt(q) !== BLANK) return false;
    return this.#comm(line, start, beforeBlanks(line, q, start) + 1, tid);
  }

  /** The name lies in `start` to `end`, unless a file or an instance stands before its column. */
  #comm(line: Line, start: number, end: number, tid: number): boolean {
    if (end < start) return false;
    let from = start;
    if (end - start > COMM_COLUMN) {
      from = end - COMM_COLUMN;
      const before = beforeBlanks(line, from - 1, start);
      if (before < start || line.codeAt(before) !== COLON) return false;
      from = Math.min(end, line.afterBlanks(from));
    }
    this.commStart = from;
    this.comm = line.text.slice(from, end);
    this.tid = tid;
    return true;
  }

  /** Reads `SECONDS.MICROS: `, `SECONDS.NANOS: ` or `TICKS: ` at `at`, and finds the event behind it. */
  #time(line: Line, at: number): boolean {
    let p = at;
    let whole = 0;
    let c = line.codeAt(p);
    while (c >= 48 && c <= 57) {
      whole = whole * 10 + c - 48;
      p++;
      c = line.codeAt(p);
    }
    const digits = p - at;
    if (digits === 0 || digits > 20) return false;
    let seconds = whole;
    let nanos = 0;
    const unitless = c !== DOT;
    if (unitless) {
      // Ticks may have more digits than a double holds: the last nine and the others apart.
      seconds = digits > 9 ? Number(line.text.slice(at, p - 9)) : 0;
      nanos = digits > 9 ? Number(line.text.slice(p - 9, p)) : whole;
    } else {
      if (digits > 15) return false;
      const point = p;
      p++;
      c = line.codeAt(p);
      while (c >= 48 && c <= 57) {
        nanos = nanos * 10 + c - 48;
        p++;
        c = line.codeAt(p);
      }
      const fraction = p - point - 1;
      if (fraction === 6) nanos *= 1000;
      else if (fraction !== 9) return false;
    }
    if (c !== COLON) return false;
    p++;
    if (p < line.text.length) {
      if (line.codeAt(p) !== BLANK) return false;
      p = line.afterBlanks(p);
    }
    this.seconds = seconds;
    this.nanos = nanos;
    this.unitless = unitless;
    this.body = line.codeAt(p) === OPEN ? afterDelta(line, p) : p;
    return true;
  }
}

function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}

/** The offset before the blanks that end at `from`; `start` - 1 if there is nothing else. */
function beforeBlanks(line: Line, from: number, start: number): number {
  let q = from;
  while (q >= start && line.codeAt(q) === BLANK) q--;
  return q;
}

/** The offset before `(    100) ` or `(-------) `, whose closing parenthesis stands at `close`; -1 if it is neither. */
function beforeTgid(line: Line, close: number, start: number): number {
  let q = close - 1;
  while (q >= start) {
    const c = line.codeAt(q);
    if (!isDigit(c) && c !== BLANK && c !== MINUS) break;
    q--;
  }
  return q >= start && line.codeAt(q) === OPEN ? beforeBlanks(line, q - 1, start) : -1;
}

/** Skips the `(+141)   ` of `trace-cmd report --ts-diff` at `at`. */
function afterDelta(line: Line, at: number): number {
  if (!line.text.startsWith("(+", at)) return at;
  let p = at + 2;
  while (p < line.text.length && isDigit(line.codeAt(p))) p++;
  return line.text.startsWith(")", p) ? line.afterBlanks(p + 1) : at;
}

/**
 * True for a line that has the task and cpu columns of a record and yet is none: a torn or damaged line, never the second
 * line of another record.
 */
export function resemblesRecord(line: string): boolean {
  const head = line.slice(0, LONGEST_PREFIX);
  for (let open = head.indexOf("["); open > 0; open = head.indexOf("[", open + 1)) {
    if (head.charCodeAt(open) !== OPEN_BRACKET || head.charCodeAt(open - 1) !== BLANK) continue;
    let q = open - 1;
    while (q >= 0 && head.charCodeAt(q) === BLANK) q--;
    const last = q;
    while (q >= 0 && isDigit(head.charCodeAt(q))) q--;
    if (q < last && q > 0 && head.charCodeAt(q) === MINUS && isDigit(head.charCodeAt(open + 1))) return true;
  }
  return false;
}
