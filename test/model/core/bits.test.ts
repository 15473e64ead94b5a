import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Mask, maskOf, maskText } from "../../../src/event/mask.js";
import {
  add,
  admits,
  Bits,
  bitsText,
  blur,
  difference,
  exactly,
  has,
  intersection,
  intersects,
  isEmpty,
  isExact,
  joinBits,
  possible,
  remove,
  same,
  unknownBits,
} from "../../../src/model/core/bits.js";
import type { Tri } from "../../../src/model/core/known.js";

/** Masks of which some bits may be unknown, held against the set of all masks that they stand for: of five bits, in three words. */

const PLACES = [0, 1, 31, 32, 255];

type Value = readonly Tri[];

const tri = fc.constantFrom<Tri[]>(true, false, "unknown");
const value: fc.Arbitrary<Value> = fc.array(tri, { minLength: PLACES.length, maxLength: PLACES.length });
const place = fc.nat(PLACES.length - 1);

function places(of: Value, what: Tri): readonly number[] {
  return PLACES.filter((_, i) => of[i] === what);
}

function bits(of: Value): Bits {
  const maybe = places(of, "unknown");
  return maybe.length === 0
    ? exactly(maskOf(...places(of, true)))
    : new Bits(maskOf(...places(of, true)), maskOf(...maybe));
}

/** All masks that a value stands for. */
function masks(of: Value): readonly (readonly boolean[])[] {
  return of.reduce<readonly (readonly boolean[])[]>(
    (all, bit) => all.flatMap((one) => (bit === "unknown" ? [true, false] : [bit]).map((way) => [...one, way])),
    [[]],
  );
}

function mask(of: readonly boolean[]): Mask {
  return maskOf(...PLACES.filter((_, i) => of[i] === true));
}

function read(from: Bits): Value {
  return PLACES.map((bit) => has(from, bit));
}

/** Bit by bit what a set of masks has in common. */
function summary(all: readonly (readonly boolean[])[]): Value {
  return PLACES.map((_, i) => common(all.map((one) => one[i] === true)));
}

function common(all: readonly boolean[]): Tri {
  return all.every((one) => one) ? true : all.some((one) => one) ? "unknown" : false;
}

function pairs(a: Value, b: Value): readonly (readonly [readonly boolean[], readonly boolean[]])[] {
  return masks(a).flatMap((one) => masks(b).map((other) => [one, other] as const));
}

describe("bits of which some are unknown", () => {
  test("read as they were made", () => {
    fc.assert(
      fc.property(value, (a) => {
        expect(read(bits(a))).toEqual(a);
        expect(isExact(bits(a))).toBe(!a.includes("unknown"));
        expect(isEmpty(bits(a))).toBe(common(masks(a).map((one) => one.every((bit) => !bit))));
        expect(possible(bits(a))).toEqual(maskOf(...PLACES.filter((_, i) => a[i] !== false)));
        const text = a.includes("unknown") ? "unknown" : maskText(maskOf(...places(a, true)));
        expect(bitsText(bits(a))).toBe(text);
      }),
    );
  });

  test("add, remove, blur change one bit", () => {
    fc.assert(
      fc.property(value, place, (a, i) => {
        const bit = PLACES[i] ?? 0;
        const changed = (to: Tri): Value => a.map((one, at) => (at === i ? to : one));
        expect(read(add(bits(a), bit))).toEqual(changed(true));
        expect(read(remove(bits(a), bit))).toEqual(changed(false));
        expect(read(blur(bits(a), bit))).toEqual(changed("unknown"));
      }),
    );
  });

  test("intersection, difference and join are those of all masks", () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        const all = pairs(a, b);
        const both = all.map(([one, other]) => one.map((bit, i) => bit && other[i] === true));
        expect(read(intersection(bits(a), bits(b)))).toEqual(summary(both));
        const less = all.map(([one, other]) => one.map((bit, i) => bit && other[i] !== true));
        expect(read(difference(bits(a), bits(b)))).toEqual(summary(less));
        expect(read(joinBits(bits(a), bits(b)))).toEqual(summary([...masks(a), ...masks(b)]));
        expect(intersects(bits(a), bits(b))).toBe(common(both.map((one) => one.includes(true))));
      }),
    );
  });

  test("same and admits: certain exactly where all masks agree", () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        const equal = pairs(a, b).map(([one, other]) => one.every((bit, i) => bit === other[i]));
        expect(same(bits(a), bits(b))).toBe(common(equal));
        for (const one of masks(b)) {
          const fits = masks(a).some((other) => other.every((bit, i) => bit === one[i]));
          expect(admits(bits(a), mask(one))).toBe(fits);
        }
      }),
    );
  });

  test("unknown in all 256", () => {
    for (const bit of [0, 17, 100, 255]) expect(has(unknownBits, bit)).toBe("unknown");
    expect(isEmpty(unknownBits)).toBe("unknown");
    expect(admits(unknownBits, maskOf(3, 200))).toBe(true);
  });
});
