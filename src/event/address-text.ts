import { flatCopy } from "./flat-copy.js";
import type { Word } from "./word.js";

/** Addresses that are remembered; a power of two. A recording has some dozen guests and pages. */
const SLOTS = 256;
/** The engine makes a flat text of fewer characters by itself. */
const SHORT = 12;

interface Entry {
  readonly hi: number;
  readonly lo: number;
  readonly text: string;
}

/** The same few pointers and pages come again and again: their texts are made once, and equal ones are one and the same. */
const remembered = new Array<Entry | undefined>(SLOTS).fill(undefined);

/** `0x` and hex digits without leading zeros: the key form of addresses in states. */
export function addressText({ hi, lo }: Word): string {
  // Pointers and pages differ in the bits above those of their alignment, bytes of a page in the low ones.
  const slot = (lo ^ (lo >>> 8) ^ (lo >>> 12) ^ (lo >>> 16) ^ (lo >>> 24)) & (SLOTS - 1);
  const known = remembered[slot];
  if (known !== undefined && known.lo === lo && known.hi === hi) return known.text;
  const made = hi === 0 ? `0x${lo.toString(16)}` : `0x${hi.toString(16)}${lo.toString(16).padStart(8, "0")}`;
  const text = made.length > SHORT ? flatCopy(made) : made;
  remembered[slot] = { hi, lo, text };
  return text;
}
