/**
 * AP masks: 256 bits, bit 0 leftmost (vfio-ap-config 2.1), as eight 32-bit words; word 0 holds bits 0 to 31. The words are
 * signed, because the engine keeps such integers in place: a mask is made several times for each write to a matrix.
 * Masks are values: every function makes a new one, nobody writes into one that was handed out.
 */
export type Mask = Readonly<Words>;

/** A mask that is being put together. */
export type Words = [number, number, number, number, number, number, number, number];

const MASK_BITS = 256;
const WORDS = 8;

export const emptyMask: Mask = [0, 0, 0, 0, 0, 0, 0, 0];
export const fullMask: Mask = [-1, -1, -1, -1, -1, -1, -1, -1];

/** A copy that may be written into. */
export function wordsOf(mask: Mask): Words {
  return [mask[0], mask[1], mask[2], mask[3], mask[4], mask[5], mask[6], mask[7]];
}

/** The mask with exactly the given bits (0 to 255). */
export function maskOf(...bits: readonly number[]): Mask {
  const words = wordsOf(emptyMask);
  for (const bit of bits) setBit(words, bit);
  return words;
}

export function setBit(words: Words, bit: number): void {
  words[bit >>> 5] = (words[bit >>> 5] ?? 0) | (0x80000000 >>> (bit & 31));
}

export function clearBit(words: Words, bit: number): void {
  words[bit >>> 5] = (words[bit >>> 5] ?? 0) & ~(0x80000000 >>> (bit & 31));
}

export function hasBit(mask: Mask, bit: number): boolean {
  return ((mask[bit >>> 5] ?? 0) & (0x80000000 >>> (bit & 31))) !== 0;
}

export function withBit(mask: Mask, bit: number): Mask {
  const words = wordsOf(mask);
  setBit(words, bit);
  return words;
}

export function withoutBit(mask: Mask, bit: number): Mask {
  const words = wordsOf(mask);
  clearBit(words, bit);
  return words;
}

export function and(a: Mask, b: Mask): Mask {
  return [a[0] & b[0], a[1] & b[1], a[2] & b[2], a[3] & b[3], a[4] & b[4], a[5] & b[5], a[6] & b[6], a[7] & b[7]];
}

export function or(a: Mask, b: Mask): Mask {
  return [a[0] | b[0], a[1] | b[1], a[2] | b[2], a[3] | b[3], a[4] | b[4], a[5] | b[5], a[6] | b[6], a[7] | b[7]];
}

/** Bits of `a` that are not in `b`. */
export function minus(a: Mask, b: Mask): Mask {
  return [
    a[0] & ~b[0],
    a[1] & ~b[1],
    a[2] & ~b[2],
    a[3] & ~b[3],
    a[4] & ~b[4],
    a[5] & ~b[5],
    a[6] & ~b[6],
    a[7] & ~b[7],
  ];
}

export function sameMask(a: Mask, b: Mask): boolean {
  if (a === b) return true;
  for (let i = 0; i < WORDS; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function isEmpty(mask: Mask): boolean {
  return (mask[0] | mask[1] | mask[2] | mask[3] | mask[4] | mask[5] | mask[6] | mask[7]) === 0;
}

export function intersects(a: Mask, b: Mask): boolean {
  for (let i = 0; i < WORDS; i++) if (((a[i] ?? 0) & (b[i] ?? 0)) !== 0) return true;
  return false;
}

/** Whether every bit of `a` is in `b`. */
export function isSubset(a: Mask, b: Mask): boolean {
  for (let i = 0; i < WORDS; i++) if (((a[i] ?? 0) & ~(b[i] ?? 0)) !== 0) return false;
  return true;
}

/** The bits of a mask, ascending. */
export function bitsOf(mask: Mask): number[] {
  const bits: number[] = [];
  for (let i = 0; i < WORDS; i++) {
    let word = mask[i] ?? 0;
    while (word !== 0) {
      const lead = Math.clz32(word);
      bits.push(i * 32 + lead);
      word = word & ~(0x80000000 >>> lead);
    }
  }
  return bits;
}

/** The highest bit of a mask, -1 where it is empty. */
export function lastBit(mask: Mask): number {
  for (let i = WORDS - 1; i >= 0; i--) {
    const word = mask[i] ?? 0;
    // The lowest bit that is set alone: bit 0 of a mask is the leftmost.
    if (word !== 0) return i * 32 + Math.clz32(word & -word);
  }
  return -1;
}

/** Bits 0 to `last` inclusive. */
export function maskUpTo(last: number): Mask {
  const words = wordsOf(emptyMask);
  for (let bit = 0; bit <= last && bit < MASK_BITS; bit++) setBit(words, bit);
  return words;
}

/** 64 lower-case hex digits, bit 0 leftmost. */
export function maskDigits(mask: Mask): string {
  let text = "";
  for (let i = 0; i < WORDS; i++) text += ((mask[i] ?? 0) >>> 0).toString(16).padStart(8, "0");
  return text;
}

/** `0x` and 64 lower-case hex digits: the form of states and reports. */
export function maskText(mask: Mask): string {
  return `0x${maskDigits(mask)}`;
}

/**
 * Reads a recorded mask: 64 hex digits with or without `0x`, or the array form of kprobe events, four unpadded words
 * `{0x..,0x..,0x..,0x..}` (probes.md). Undefined for anything else.
 */
export function parseMask(text: string): Mask | undefined {
  if (text.charCodeAt(0) === 0x7b) return parseWordArray(text);
  const start = text.startsWith("0x") ? 2 : 0;
  if (text.length - start !== 64) return undefined;
  const words = wordsOf(emptyMask);
  for (let i = 0; i < WORDS; i++) {
    let word = 0;
    for (let d = 0; d < 8; d++) {
      const digit = hexDigit(text.charCodeAt(start + i * 8 + d));
      if (digit < 0) return undefined;
      word = (word << 4) | digit;
    }
    words[i] = word;
  }
  return words;
}

function parseWordArray(text: string): Mask | undefined {
  if (!text.endsWith("}")) return undefined;
  const words = text.slice(1, -1).split(",");
  if (words.length !== 4) return undefined;
  let digits = "";
  for (const word of words) {
    if (!/^0x[0-9a-fA-F]{1,16}$/.test(word)) return undefined;
    digits += word.slice(2).padStart(16, "0");
  }
  return parseMask(digits);
}

/** Value of a hex digit by its character code, -1 for any other character. */
export function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  if (code >= 0x41 && code <= 0x46) return code - 0x37;
  return -1;
}
