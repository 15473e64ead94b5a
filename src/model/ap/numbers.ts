import { clearBit, emptyMask, hexDigit, type Mask, setBit, wordsOf } from "../../event/mask.js";

/** What a sysfs number parses to: a value (Infinity never), or the errno of the refusal. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly errno: string };

const HALF = 2 ** 32;
/** Bits of a mask. */
const BITS = 256;
/** Digits that cannot carry into the high half, in any base. */
const SHORT = 7;
const invalid = { ok: false, errno: "EINVAL" } as const;
const outOfRange = { ok: false, errno: "ERANGE" } as const;

/**
 * Grammar N (vfio-ap-config 2.4): kstrtoul with base 0. `text` ends at its first NUL. A value above 2^53 comes out as
 * some number above every maximum, which is all that its users ask.
 */
export function parseNumber(text: string): Parsed<number> {
  const sign = text.startsWith("+") ? 1 : 0;
  const digits = digitsAt(text, sign);
  if (digits === undefined) return invalid;
  if (digits.overflow) return outOfRange;
  // At most one newline may follow.
  const end = text.startsWith("\n", digits.end) ? digits.end + 1 : digits.end;
  return end === text.length ? { ok: true, value: digits.value } : invalid;
}

/** The digits of a number, base 0. */
interface Digits {
  /** Behind the last of them. */
  readonly end: number;
  /** Modulo 2^64, and not exact above 2^53. */
  readonly value: number;
  /** The number does not fit in 64 bits. */
  readonly overflow: boolean;
}

/** The digits at `start`, behind `0x` where that counts; undefined where there are none. */
function digitsAt(text: string, start: number): Digits | undefined {
  const base = baseAt(text, start);
  const begin = base === 16 ? start + 2 : start;
  let value = 0;
  let at = begin;
  for (; at < text.length; at++) {
    const digit = hexDigit(text.charCodeAt(at));
    if (digit < 0 || digit >= base) break;
    if (at - begin === SHORT) return longDigits(text, begin, base);
    value = value * base + digit;
  }
  return at === begin ? undefined : { end: at, value, overflow: false };
}

/** The same of more digits, in two halves of 32 bits: exact up to 2^64, where one number alone is not. */
function longDigits(text: string, begin: number, base: number): Digits {
  let hi = 0;
  let lo = 0;
  let overflow = false;
  let at = begin;
  for (; at < text.length; at++) {
    const digit = hexDigit(text.charCodeAt(at));
    if (digit < 0 || digit >= base) break;
    const low = lo * base + digit;
    const carry = Math.floor(low / HALF);
    lo = low - carry * HALF;
    hi = hi * base + carry;
    if (hi >= HALF) {
      overflow = true;
      hi -= Math.floor(hi / HALF) * HALF;
    }
  }
  return { end: at, value: hi * HALF + lo, overflow };
}

/** Base of the number that begins at `at`: `0x` counts only where a hex digit follows (2.4). */
function baseAt(text: string, at: number): 8 | 10 | 16 {
  if (at >= text.length || text.charCodeAt(at) !== 0x30) return 10;
  // Nothing is read beyond the end: the engine would take its fast code back each time.
  if (at + 2 >= text.length) return 8;
  const x = text.charCodeAt(at + 1) | 0x20;
  return x === 0x78 && hexDigit(text.charCodeAt(at + 2)) >= 0 ? 16 : 8;
}

/** Grammar M (vfio-ap-config 2.5): the mask that a write to apmask or aqmask makes out of the current one. */
export function parseMaskWrite(text: string, current: Mask): Parsed<Mask> {
  const first = text.charCodeAt(0);
  return first === 0x2b || first === 0x2d ? parseRelative(text, current) : parseAbsolute(text);
}

/** Whether the write depends on the current mask. */
export function isRelative(text: string): boolean {
  const first = text.charCodeAt(0);
  return first === 0x2b || first === 0x2d;
}

function parseAbsolute(text: string): Parsed<Mask> {
  let at = 0;
  if (text.startsWith("0x")) at = 2;
  else if (text.startsWith("x")) at = 1;
  const mask = wordsOf(emptyMask);
  let digits = 0;
  for (; at < text.length; at++) {
    const digit = hexDigit(text.charCodeAt(at));
    if (digit < 0) break;
    if (digits === 64) return invalid;
    mask[digits >> 3] = (mask[digits >> 3] ?? 0) | (digit << (28 - 4 * (digits & 7)));
    digits++;
  }
  if (text.charCodeAt(at) === 0x0a) at++;
  return at === text.length ? { ok: true, value: mask } : invalid;
}

/** Numbers are taken modulo 2^64: an overflow is not noticed (2.5). */
function parseRelative(text: string, current: Mask): Parsed<Mask> {
  const mask = wordsOf(current);
  let at = 0;
  while (at < text.length) {
    const sign = text.charCodeAt(at);
    if (sign !== 0x2b && sign !== 0x2d) return invalid;
    const first = digitsAt(text, at + 1);
    if (first === undefined || first.value >= BITS) return invalid;
    at = first.end;
    let last = first.value;
    if (text.startsWith("-", at)) {
      const second = digitsAt(text, at + 1);
      if (second === undefined || second.value >= BITS || second.value < first.value) return invalid;
      last = second.value;
      at = second.end;
    }
    const write = sign === 0x2b ? setBit : clearBit;
    for (let bit = first.value; bit <= last; bit++) write(mask, bit);
    while (text.startsWith(",", at) || text.startsWith("\n", at)) at++;
  }
  return { ok: true, value: mask };
}

/** A lenient scan of a decimal (BUS-4, BUS-7): blanks, a signed decimal, anything after it. Undefined: no number. */
export function scanDecimal(text: string): number | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?\d{1,18})/.exec(text);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** A lenient scan with base detection (BUS-5). Undefined: no number. */
export function scanNumber(text: string): number | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]{1,15}|0[0-7]{0,18}|[1-9]\d{0,17})/.exec(text);
  if (match?.[2] === undefined) return undefined;
  const digits = match[2];
  const value = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return match[1] === "-" ? -value : value;
}
