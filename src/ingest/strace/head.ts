/**
 * What stands before the body of a line (spec, section a.1):
 *
 *     [pid-prefix] [time] [relative] [sysno] [ip] body
 */

import type { Line } from "../../event/line.js";

const BLANK = 0x20;
const DOT = 0x2e;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const COLON = 0x3a;
const ANGLE_OPEN = 0x3c;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
const LOWER_A = 0x61;
const LOWER_Z = 0x7a;

/** PID_MAX_LIMIT of 64-bit kernels: a greater number at the beginning of a line is a time in whole seconds. */
const MAX_PID = 4_194_304;
/** A relative time is shorter than this, an absolute one of a machine with a set clock longer (3 years). */
const LONGEST_DELTA = 100_000_000;
/** A pid is padded to this width, a blank follows. */
const PID_WIDTH = 5;
/** 15 bytes of a task name, at most four characters each where escaped. */
const LONGEST_COMM = 60;
const MAX_DIGITS = 15;
const MAX_PID_DIGITS = 7;
/** To bring 0 to 9 digits of a fraction to nanoseconds. */
const SCALE = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 10, 1];

/** Whether a task is named, and how. */
export type PidForm = "none" | "column" | "bracket";

/**
 * Scans the heads of the lines of one file and keeps what is common to them: whether its times are relative, and their
 * sum. The fields hold what was found in the line scanned last; {@link commit} takes its time into the sum.
 */
export class LineHead {
  /** The thread id as printed, 0 where none is. */
  tid = 0;
  form: PidForm = "none";
  /** The task name of `-Y`, empty without. */
  comm = "";
  /** Whether the line has a time; `seconds` and `nanos` hold it, relative ones summed up. */
  stamped = false;
  seconds = 0;
  nanos = 0;

  /** Undefined until the first line with a time: `-r` pads its times with blanks, and the others do not. */
  #relativeFile: boolean | undefined;
  #relative = false;
  #sumSeconds = 0;
  #sumNanos = 0;

  /** The index of the body, or -1 where the line begins with something else. */
  scan(line: Line): number {
    const { text } = line;
    this.tid = 0;
    this.form = "none";
    this.comm = "";
    const first = line.codeAt(0);
    if (first >= DIGIT_0 && first <= DIGIT_9) return this.#column(line, first);
    if (first === BLANK) return this.#times(line, 0, true);
    if (first === BRACKET_OPEN && text.startsWith("[pid")) return this.#bracket(line);
    this.stamped = false;
    return first === BRACKET_OPEN ? skipNumbers(text, 0) : 0;
  }

  /** The line scanned last was understood: later relative times count from its own. */
  commit(): void {
    if (!this.stamped) return;
    this.#relativeFile ??= this.#relative;
    if (!this.#relative) return;
    this.#sumSeconds = this.seconds;
    this.#sumNanos = this.nanos;
  }

  /** `639   `, `17000<worker-x y> `, or a time at the beginning of the line. */
  #column(line: Line, first: number): number {
    let tid = first - DIGIT_0;
    let at = 1;
    let code = line.codeAt(1);
    while (code >= DIGIT_0 && code <= DIGIT_9 && at <= MAX_PID_DIGITS) {
      tid = tid * 10 + (code - DIGIT_0);
      at += 1;
      code = line.codeAt(at);
    }
    if (tid > MAX_PID) return this.#times(line, 0, false);
    if (code === BLANK) {
      const unpadded = Math.max(at, PID_WIDTH) + 1;
      while (code === BLANK) {
        at += 1;
        code = line.codeAt(at);
      }
      this.tid = tid;
      this.form = "column";
      if (code >= LOWER_A && code <= LOWER_Z) {
        this.stamped = false;
        return at;
      }
      return this.#times(line, at, at > unpadded);
    }
    if (code !== ANGLE_OPEN) return this.#times(line, 0, false);
    this.tid = tid;
    this.form = "column";
    return this.#named(line, at, "> ");
  }

  /** `[pid  503] ` or `[pid 503<comm>] `. */
  #bracket(line: Line): number {
    const { text } = line;
    const start = skipBlanks(text, 4);
    const end = endOfDigits(text, start);
    if (start === 4 || end === start || end - start > MAX_PID_DIGITS) return -1;
    this.tid = decimal(text, start, end);
    this.form = "bracket";
    if (text.charCodeAt(end) === ANGLE_OPEN) return this.#named(line, end, ">] ");
    if (text.charCodeAt(end) !== BRACKET_CLOSE || text.charCodeAt(end + 1) !== BLANK) return -1;
    const next = skipBlanks(text, end + 1);
    return this.#times(line, next, next > end + 2);
  }

  /**
   * A task name in angle brackets. It may hold anything, also what ends it: the longest name that leaves something
   * that looks like the rest of a line is taken (section a.1).
   */
  #named(line: Line, open: number, closing: string): number {
    const { text } = line;
    let close = text.lastIndexOf(closing, open + 1 + LONGEST_COMM);
    while (close > open) {
      const next = close + closing.length;
      const body = this.#times(line, skipBlanks(text, next), text.charCodeAt(next) === BLANK);
      if (body >= 0 && beginsBody(line, body)) {
        this.comm = text.slice(open + 1, close);
        return body;
      }
      close = text.lastIndexOf(closing, close - 1);
    }
    return -1;
  }

  /** Times, syscall number and instruction pointer; `padded` says that blanks beyond the separator stand before `at`. */
  #times(line: Line, at: number, padded: boolean): number {
    this.stamped = false;
    this.#relative = false;
    const start = padded ? skipBlanks(line.text, at) : at;
    let number = 0;
    let end = start;
    let after = line.codeAt(end);
    while (after >= DIGIT_0 && after <= DIGIT_9) {
      number = number * 10 + (after - DIGIT_0);
      end += 1;
      after = line.codeAt(end);
    }
    if (end === start) return start > 0 && this.form === "none" ? -1 : skipNumbers(line.text, start);
    if (end - start > MAX_DIGITS) return -1;
    if (after === COLON) return this.#rest(line, this.#clock(line, number, end));
    if (after !== DOT && !(after === BLANK && (this.form !== "none" || padded || number > MAX_PID))) return -1;
    const next = this.#fraction(line, end);
    if (next < 0) return -1;
    this.stamped = true;
    this.seconds = number;
    this.#relative = number < LONGEST_DELTA && (this.#relativeFile ?? padded);
    if (this.#relative) this.#sum();
    return this.#rest(line, next);
  }

  /** `06:35:16` and an optional fraction: seconds since midnight. */
  #clock(line: Line, hours: number, end: number): number {
    const minutes = twoDigits(line.text, end + 1);
    const seconds = twoDigits(line.text, end + 4);
    if (hours > 23 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 60) return -1;
    if (line.codeAt(end + 3) !== COLON) return -1;
    const next = this.#fraction(line, end + 6);
    this.stamped = true;
    this.seconds = hours * 3600 + minutes * 60 + seconds;
    return next;
  }

  /** Up to nine digits behind a dot, or nothing; a blank behind. Gives the index behind the blank, or -1. */
  #fraction(line: Line, at: number): number {
    let end = at;
    let nanos = 0;
    let code = line.codeAt(at);
    if (code === DOT) {
      end += 1;
      code = line.codeAt(end);
      while (code >= DIGIT_0 && code <= DIGIT_9) {
        nanos = nanos * 10 + (code - DIGIT_0);
        end += 1;
        code = line.codeAt(end);
      }
      const scale = SCALE[end - at - 1];
      if (scale === undefined) return -1;
      nanos *= scale;
    }
    this.nanos = nanos;
    return code === BLANK ? end + 1 : -1;
  }

  #sum(): void {
    const nanos = this.#sumNanos + this.nanos;
    const carry = nanos >= 1e9 ? 1 : 0;
    this.nanos = nanos - carry * 1e9;
    this.seconds = Math.min(this.#sumSeconds + this.seconds + carry, Number.MAX_SAFE_INTEGER);
  }

  /** What may follow an absolute time: `(+     0.000405445) ` of `-r`, then `-n` and `-i`. */
  #rest(line: Line, at: number): number {
    if (at < 0) return -1;
    const { text } = line;
    const next = line.codeAt(at);
    if (next >= LOWER_A && next <= LOWER_Z) return at;
    if (!text.startsWith("(+", at)) return skipNumbers(text, at);
    const close = text.indexOf(") ", at);
    return close < 0 ? -1 : skipNumbers(text, close + 2);
  }
}

/** Skips the fields of `-n` and `-i`: `[  56] `, `[0000000000435ff0] `, `[????????????????] `. */
function skipNumbers(text: string, at: number): number {
  let start = at;
  for (let field = 0; field < 2 && text.charCodeAt(start) === BRACKET_OPEN; field += 1) {
    let end = skipBlanks(text, start + 1);
    while (isNumeral(text.charCodeAt(end))) end += 1;
    if (end === start + 1 || text.charCodeAt(end) !== BRACKET_CLOSE || text.charCodeAt(end + 1) !== BLANK) return start;
    start = end + 2;
  }
  return start;
}

/** A hex digit, a question mark, or the minus of a number that is no call's. */
function isNumeral(code: number): boolean {
  return (code >= DIGIT_0 && code <= DIGIT_9) || (code >= 0x61 && code <= 0x66) || code === 0x3f || code === 0x2d;
}

/** Whether something stands at `at` that looks like the beginning of a body. */
function beginsBody(line: Line, at: number): boolean {
  const { text } = line;
  if (text.startsWith("+++ ", at) || text.startsWith("--- ", at) || text.startsWith("<... ", at)) return true;
  const end = endOfName(line, at);
  return end > at && line.codeAt(end) === 0x28;
}

/** 1 for the characters of a name. */
const nameCharacters = new Uint8Array(256);
for (const character of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_?") {
  nameCharacters[character.charCodeAt(0)] = 1;
}

/** Index behind the name of a call that begins at `at`: letters, digits, `_`, and `?` (a call that strace lost). */
export function endOfName(line: Line, at: number): number {
  let end = at;
  while (nameCharacters[line.codeAt(end)] === 1) end += 1;
  return end;
}

function skipBlanks(text: string, at: number): number {
  let end = at;
  while (text.charCodeAt(end) === BLANK) end += 1;
  return end;
}

function endOfDigits(text: string, at: number): number {
  let end = at;
  for (let code = text.charCodeAt(end); code >= DIGIT_0 && code <= DIGIT_9; code = text.charCodeAt(end)) end += 1;
  return end;
}

function decimal(text: string, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at += 1) value = value * 10 + (text.charCodeAt(at) - DIGIT_0);
  return value;
}

/** The number of two digits at `at`, or -1. */
function twoDigits(text: string, at: number): number {
  return endOfDigits(text, at) === at + 2 ? decimal(text, at, at + 2) : -1;
}
