import type { Mask } from "../../event/mask.js";
import * as mask from "../../event/mask.js";
import type { Tri } from "./known.js";

/** A mask of which some bits may be unknown: `ones` are set for certain, `maybe` are not known; all others are clear. */
export class Bits {
  readonly ones: Mask;
  /** Never overlaps `ones`. */
  readonly maybe: Mask;

  constructor(ones: Mask, maybe: Mask = mask.emptyMask) {
    this.ones = ones;
    this.maybe = maybe;
  }
}

export const noBits = new Bits(mask.emptyMask);
export const unknownBits = new Bits(mask.emptyMask, mask.fullMask);

export function exactly(ones: Mask): Bits {
  return new Bits(ones);
}

export function isExact(bits: Bits): boolean {
  return bits.maybe === mask.emptyMask || mask.isEmpty(bits.maybe);
}

/** Bits that are, or may be, set. */
export function possible(bits: Bits): Mask {
  return bits.maybe === mask.emptyMask ? bits.ones : mask.or(bits.ones, bits.maybe);
}

export function has(bits: Bits, bit: number): Tri {
  if (mask.hasBit(bits.ones, bit)) return true;
  return bits.maybe !== mask.emptyMask && mask.hasBit(bits.maybe, bit) ? "unknown" : false;
}

export function add(bits: Bits, bit: number): Bits {
  if (mask.hasBit(bits.ones, bit)) return bits;
  return make(mask.withBit(bits.ones, bit), bits.maybe);
}

export function remove(bits: Bits, bit: number): Bits {
  if (has(bits, bit) === false) return bits;
  return make(
    mask.withoutBit(bits.ones, bit),
    bits.maybe === mask.emptyMask ? bits.maybe : mask.withoutBit(bits.maybe, bit),
  );
}

/** Those of the unknown bits that are in `some` turn out to be set. */
export function learnSet(bits: Bits, some: Mask): Bits {
  if (bits.maybe === mask.emptyMask || !mask.intersects(bits.maybe, some)) return bits;
  return make(mask.or(bits.ones, mask.and(bits.maybe, some)), bits.maybe);
}

/** The bit is no longer known. */
export function blur(bits: Bits, bit: number): Bits {
  return make(mask.withoutBit(bits.ones, bit), mask.withBit(bits.maybe, bit));
}

export function intersection(a: Bits, b: Bits): Bits {
  const ones = mask.and(a.ones, b.ones);
  if (a.maybe === mask.emptyMask && b.maybe === mask.emptyMask) return new Bits(ones);
  return make(ones, mask.and(possible(a), possible(b)));
}

/** `a` without the bits of `b`. */
export function difference(a: Bits, b: Bits): Bits {
  const ones = mask.minus(a.ones, possible(b));
  if (a.maybe === mask.emptyMask && b.maybe === mask.emptyMask) return new Bits(ones);
  return make(ones, mask.minus(possible(a), b.ones));
}

export function intersects(a: Bits, b: Bits): Tri {
  if (mask.intersects(a.ones, b.ones)) return true;
  return mask.intersects(possible(a), possible(b)) ? "unknown" : false;
}

export function isEmpty(bits: Bits): Tri {
  if (!mask.isEmpty(bits.ones)) return false;
  return isExact(bits) ? true : "unknown";
}

/** Whether both are the same mask. */
export function same(a: Bits, b: Bits): Tri {
  if (isExact(a) && isExact(b)) return mask.sameMask(a.ones, b.ones);
  return allows(a, b.ones, b.maybe) ? "unknown" : false;
}

function allows(a: Bits, ones: Mask, maybe: Mask): boolean {
  return mask.isSubset(ones, possible(a)) && mask.isSubset(a.ones, mask.or(ones, maybe));
}

/** Whether the recorded mask is one that the bits allow. */
export function admits(bits: Bits, observed: Mask): boolean {
  if (bits.maybe === mask.emptyMask) return mask.sameMask(bits.ones, observed);
  return mask.isSubset(bits.ones, observed) && mask.isSubset(observed, possible(bits));
}

/** Everything that either allows. */
export function joinBits(a: Bits, b: Bits): Bits {
  if (a === b) return a;
  const ones = mask.and(a.ones, b.ones);
  return make(ones, mask.or(possible(a), possible(b)));
}

function make(ones: Mask, maybe: Mask): Bits {
  if (maybe === mask.emptyMask) return new Bits(ones);
  const rest = mask.minus(maybe, ones);
  return new Bits(ones, mask.isEmpty(rest) ? mask.emptyMask : rest);
}

/** For people and states: hex digits, or `unknown` where bits are. */
export function bitsText(bits: Bits): string {
  return isExact(bits) ? mask.maskText(bits.ones) : "unknown";
}
