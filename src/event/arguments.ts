/**
 * Decoders of single arguments in strace's notation (spec, sections a.4 and a.5). Each takes the untouched text of an
 * argument, as it stands in `SyscallEvent.args`, and gives undefined where the argument is something else: a pointer
 * in place of a string, say.
 */

import { Line, Pieces } from "./line.js";
import { endOfDecoration, endOfString, hexDigit, splitArguments, unescapeBytes } from "./notation.js";
import { smallDecimal } from "./word.js";

/** A file descriptor argument. */
export interface Descriptor {
  /** The number; {@link AT_FDCWD} for the current directory, other negative numbers are invalid descriptors. */
  readonly fd: number;
  /** The decoration without its details (`/dev/null` of `</dev/null<char 1:3>>`), latin-1; undefined without `-y`. */
  readonly path: string | undefined;
  /** The file was removed at the time. */
  readonly deleted: boolean;
}

/** Data of a string argument. */
export interface Bytes {
  /** One character a byte (latin-1). */
  readonly data: string;
  /** strace cut the string (`-s`): there is more that was not printed. */
  readonly truncated: boolean;
}

/** The descriptor number that stands for the current directory. */
const AT_FDCWD = -100;

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const LETTER_X = 0x78;
const MINUS = 0x2d;
const QUOTE = 0x22;
const PARENTHESIS_CLOSE = 0x29;
const ANGLE_OPEN = 0x3c;
const ANGLE_CLOSE = 0x3e;
const FDCWD = "AT_FDCWD";
const DELETED = " (deleted)";

/**
 * The descriptor that an argument names: `3`, `3</path>`, `4</path>(deleted)`, `AT_FDCWD</cwd>`,
 * `-100 /* AT_FDCWD *\/</cwd>`, `0x4` (with `-e raw`).
 */
export function descriptorOf(arg: string): Descriptor | undefined {
  let at: number;
  let fd: number;
  const first = arg.charCodeAt(0);
  if (first >= DIGIT_0 && first <= DIGIT_9 && arg.charCodeAt(1) !== LETTER_X) {
    fd = first - DIGIT_0;
    at = 1;
    for (let code = arg.charCodeAt(1); code >= DIGIT_0 && code <= DIGIT_9; code = arg.charCodeAt(at)) {
      fd = fd * 10 + (code - DIGIT_0);
      at += 1;
    }
    if (fd > 0x7fffffff) return undefined;
  } else if (arg.startsWith(FDCWD)) {
    fd = AT_FDCWD;
    at = FDCWD.length;
  } else {
    at = endOfNumber(arg);
    const value = numberOf(arg.slice(0, at));
    if (value === undefined || value < -0x80000000 || value > 0xffffffff) return undefined;
    fd = value | 0;
  }
  if (at === arg.length) return { fd, path: undefined, deleted: false };
  if (arg.charCodeAt(at) !== ANGLE_OPEN) {
    at = endOfComment(arg, at);
    if (at === arg.length) return { fd, path: undefined, deleted: false };
    if (arg.charCodeAt(at) !== ANGLE_OPEN) return undefined;
  }
  return decorated(arg, fd, at);
}

/** The descriptor `fd` with the decoration that opens at `open` and reaches to the end of `arg`. */
function decorated(arg: string, fd: number, open: number): Descriptor | undefined {
  const last = arg.length - 1;
  if (arg.charCodeAt(last) === ANGLE_CLOSE) return described(fd, arg.slice(open + 1, last), false);
  const close = endOfDecoration(arg, open);
  if (close < 0 || !arg.startsWith("(deleted)", close + 1) || close + 10 !== arg.length) return undefined;
  return described(fd, arg.slice(open + 1, close), true);
}

function described(fd: number, decoration: string, deleted: boolean): Descriptor {
  const path = pathOfDecoration(decoration);
  // Older versions of strace write the mark inside the brackets, where the kernel's own link text has it.
  const mayBeMarked = path.charCodeAt(path.length - 1) === PARENTHESIS_CLOSE;
  if (!mayBeMarked || !path.endsWith(DELETED)) return { fd, path, deleted };
  return { fd, path: path.slice(0, -DELETED.length), deleted: true };
}

/**
 * The path or name in a decoration (the text between its brackets), without the details of `-yy` and without escapes:
 * `/dev/null` of `/dev/null<char 1:3>`.
 */
export function pathOfDecoration(decoration: string): string {
  // A `<` of the path itself is escaped, so that the first bare one begins the details.
  const details = decoration.indexOf("<");
  return unescapeBytes(details < 0 ? decoration : decoration.slice(0, details));
}

/** The bytes of a string argument: `"05\n"`, `"\x30\x35"`, `"0123"...` (cut). */
export function bytesOf(arg: string): Bytes | undefined {
  if (arg.charCodeAt(0) !== QUOTE) return undefined;
  const close = endOfString(arg, 0);
  if (close < 0) return undefined;
  const truncated = close !== arg.length - 1;
  if (truncated && arg.slice(close + 1) !== "...") return undefined;
  return { data: unescapeBytes(arg.slice(1, close)), truncated };
}

/**
 * The bytes of a writev or readv vector, joined: `[{iov_base="05.", iov_len=3}, {iov_base="0047\n", iov_len=5}]`.
 * Undefined where a buffer could not be read; truncated where a buffer, or the list, was cut.
 */
export function iovecBytesOf(arg: string): Bytes | undefined {
  const buffers = elementsOf(arg, "[", "]");
  if (buffers === undefined) return undefined;
  const parts: string[] = [];
  let truncated = false;
  for (const buffer of buffers) {
    // What follows a cut buffer does not continue it: the data ends where it was cut.
    if (truncated) break;
    if (buffer === "...") {
      truncated = true;
      break;
    }
    const base = memberOf(buffer, "iov_base");
    const bytes = base === undefined ? undefined : bytesOf(base);
    if (bytes === undefined) return undefined;
    parts.push(bytes.data);
    truncated = bytes.truncated;
  }
  return { data: parts.join(""), truncated };
}

/** The text of a member of a printed structure: `memberOf("{slot=0, flags=1}", "flags")` is `1`. */
export function memberOf(struct: string, name: string): string | undefined {
  const members = elementsOf(struct, "{", "}");
  const key = `${name}=`;
  return members?.find((member) => member.startsWith(key))?.slice(key.length);
}

/** The elements between a pair of brackets that enclose the whole text. */
function elementsOf(text: string, open: string, close: string): string[] | undefined {
  if (text.length < 2 || !text.startsWith(open) || !text.endsWith(close)) return undefined;
  const line = new Line(text.slice(1, -1));
  const elements = new Pieces();
  return splitArguments(line, 0, elements) < 0 ? elements.of(line.text) : undefined;
}

/**
 * A whole number: decimal (also negative), hex, octal with a leading 0, `NULL` for 0, each optionally with a comment
 * (`0x201 /* O_WRONLY|O_TRUNC *\/`). Undefined for anything else and outside the safe integers: see {@link wordOf}.
 */
export function numberOf(arg: string): number | undefined {
  // A leading 0 makes it octal.
  const prefixed = arg.length > 1 && arg.charCodeAt(0) === DIGIT_0;
  const small = prefixed ? smallHex(arg) : smallDecimal(arg);
  if (small >= 0) return small;
  const digits = withoutComment(arg);
  if (!isNumber(digits)) return digits === "NULL" ? 0 : undefined;
  const value = Number(digits.charCodeAt(0) === MINUS ? digits : literal(digits));
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The number of `0x` and 1 to 13 hex digits (52 bits), -1 for any other text: an address of a process, say. */
function smallHex(text: string): number {
  const { length } = text;
  if (length < 3 || length > 15 || text.charCodeAt(1) !== LETTER_X) return -1;
  let high = 0;
  let low = 0;
  for (let i = 2; i < length; i++) {
    const digit = hexDigit(text, i);
    if (digit < 0) return -1;
    high = (high << 4) | (low >>> 24);
    low = ((low << 4) | digit) & 0xfffffff;
  }
  return high * 0x10000000 + low;
}

/** As {@link numberOf}, for 64-bit words: 0 to 2^64-1; a negative number as its two's complement. */
export function wordOf(arg: string): bigint | undefined {
  const digits = withoutComment(arg);
  if (!isNumber(digits) || digits.length > 24) return digits === "NULL" ? 0n : undefined;
  const value = BigInt(digits.charCodeAt(0) === MINUS ? digits : literal(digits));
  if (value < -(1n << 63n) || value >= 1n << 64n) return undefined;
  return BigInt.asUintN(64, value);
}

/** JavaScript's spelling of a C number: only octal differs. */
function literal(digits: string): string {
  const octal = digits.length > 1 && digits.charCodeAt(0) === DIGIT_0 && digits.charCodeAt(1) !== LETTER_X;
  return octal ? `0o${digits.slice(1)}` : digits;
}

function withoutComment(arg: string): string {
  const end = endOfNumber(arg);
  if (end === arg.length) return arg;
  return end > 0 && endOfComment(arg, end) === arg.length ? arg.slice(0, end) : arg;
}

/** Index behind the characters of a number. */
function endOfNumber(arg: string): number {
  let at = arg.charCodeAt(0) === MINUS ? 1 : 0;
  if (arg.charCodeAt(at) === DIGIT_0 && arg.charCodeAt(at + 1) === LETTER_X) {
    at += 2;
    while (hexDigit(arg, at) >= 0) at += 1;
    return at;
  }
  for (let code = arg.charCodeAt(at); code >= DIGIT_0 && code <= DIGIT_9; code = arg.charCodeAt(at)) at += 1;
  return at;
}

/** Index behind the comment that begins with a blank at `at`; `at` where there is none. */
function endOfComment(arg: string, at: number): number {
  if (!arg.startsWith(" /*", at)) return at;
  const close = arg.indexOf("*/", at + 3);
  return close < 0 ? at : close + 2;
}

/** Whether the whole text is one C number. */
function isNumber(text: string): boolean {
  if (endOfNumber(text) !== text.length) return false;
  const first = text.charCodeAt(0);
  if (first === MINUS) return text.length > 1 && text.charCodeAt(2) !== LETTER_X;
  if (first !== DIGIT_0) return text !== "";
  if (text.charCodeAt(1) === LETTER_X) return text.length > 2;
  return !text.includes("8") && !text.includes("9");
}
