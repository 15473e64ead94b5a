import { hexDigit } from "./mask.js";

const DIGIT_0 = 0x30;
const LETTER_X = 0x78;

/** A 64-bit word as two unsigned 32-bit halves: exact, and cheap where a bigint is not. */
export interface Word {
  readonly hi: number;
  readonly lo: number;
}

/** The word with the given halves (each taken modulo 2^32). */
export function wordOf(hi: number, lo: number): Word {
  return { hi: hi >>> 0, lo: lo >>> 0 };
}

export const zeroWord: Word = wordOf(0, 0);

/**
 * Reads a number as recorders print it: `0x` and 1 to 16 hex digits, or a decimal (negative ones as two's complement).
 * Undefined for anything else, or where it does not fit in 64 bits.
 */
export function parseWord(text: string): Word | undefined {
  if (text.charCodeAt(0) === DIGIT_0 && text.length > 2 && (text.charCodeAt(1) | 0x20) === LETTER_X) {
    return parseHex(text, 2);
  }
  const small = smallDecimal(text);
  if (small >= 0) return { hi: 0, lo: small };
  if (/^-?\d{1,20}$/.test(text)) {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= 0) return wordOf(Math.floor(value / 0x100000000), value % 0x100000000);
    const big = BigInt(text);
    if (big < -(2n ** 63n) || big >= 2n ** 64n) return undefined;
    const bits = BigInt.asUintN(64, big);
    return wordOf(Number(bits >> 32n), Number(bits & 0xffffffffn));
  }
  return undefined;
}

/** The number of 1 to 9 digits, -1 for any other text: most numbers of a recording are such. */
export function smallDecimal(text: string): number {
  const { length } = text;
  if (length === 0 || length > 9) return -1;
  let value = 0;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - DIGIT_0;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Hex digits without a prefix, 1 to 16 of them, from `start` to the end of the text. */
export function parseHex(text: string, start = 0): Word | undefined {
  const digits = text.length - start;
  if (digits < 1 || digits > 16) return undefined;
  let hi = 0;
  let lo = 0;
  for (let i = start; i < text.length; i++) {
    const digit = hexDigit(text.charCodeAt(i));
    if (digit < 0) return undefined;
    hi = ((hi << 4) | (lo >>> 28)) >>> 0;
    lo = ((lo << 4) | digit) >>> 0;
  }
  return { hi, lo };
}

export function sameWord(a: Word, b: Word): boolean {
  return a.hi === b.hi && a.lo === b.lo;
}

/** `0x` and 16 hex digits. */
export function wordText(word: Word): string {
  return `0x${word.hi.toString(16).padStart(8, "0")}${word.lo.toString(16).padStart(8, "0")}`;
}

export function isZero(word: Word): boolean {
  return word.hi === 0 && word.lo === 0;
}
