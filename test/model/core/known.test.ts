import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  and,
  is,
  isKnown,
  join,
  type Known,
  knownValue,
  not,
  OneOf,
  oneOf,
  or,
  type Tri,
  unknown,
} from "../../../src/model/core/known.js";

/** What fields allow, held against the sets of values that they stand for. */

const VALUES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/** The values that a field allows. */
function allowed(field: Known<number>): readonly number[] {
  if (field === unknown) return VALUES;
  return field instanceof OneOf ? [...field.values].sort() : VALUES.filter((value) => value === field);
}

const subset = fc.subarray(VALUES, { minLength: 1 });
const field: fc.Arbitrary<Known<number>> = fc.oneof(
  fc.constant(unknown),
  subset.map((values) => oneOf(values)),
);

describe("fields of a state", () => {
  test("oneOf keeps the values, a single one plainly, none as unknown", () => {
    fc.assert(
      fc.property(subset, (values) => {
        const known = oneOf(values);
        expect(allowed(known)).toEqual(values);
        expect(isKnown(known)).toBe(values.length === 1);
        expect(knownValue(known)).toBe(values.length === 1 ? values[0] : undefined);
      }),
    );
    expect(oneOf([])).toBe(unknown);
    expect(isKnown(unknown)).toBe(false);
  });

  test("is: certain where all values agree", () => {
    fc.assert(
      fc.property(field, fc.constantFrom(...VALUES), (known, value) => {
        const values = allowed(known);
        const expected: Tri = !values.includes(value) ? false : values.length === 1 ? true : "unknown";
        expect(is(known, value)).toBe(expected);
      }),
    );
  });

  test("join allows what either allows, up to eight values", () => {
    fc.assert(
      fc.property(field, field, (a, b) => {
        const both = VALUES.filter((value) => allowed(a).includes(value) || allowed(b).includes(value));
        const joined = join(a, b);
        const wide = a !== b && (a === unknown || b === unknown || both.length > 8);
        expect(allowed(joined)).toEqual(wide ? VALUES : both);
        expect(isKnown(joined)).toBe(both.length === 1);
      }),
    );
  });
});

describe("conditions", () => {
  const tri: fc.Arbitrary<Tri> = fc.constantFrom<Tri[]>(true, false, "unknown");
  const ways = (condition: Tri): readonly boolean[] => (condition === "unknown" ? [true, false] : [condition]);
  const summary = (results: readonly boolean[]): Tri =>
    results.every((one) => one) ? true : results.some((one) => one) ? "unknown" : false;

  test("and, or, not hold exactly where all ways agree", () => {
    fc.assert(
      fc.property(tri, tri, (a, b) => {
        const pairs = ways(a).flatMap((one) => ways(b).map((other) => [one, other] as const));
        expect(and(a, b)).toBe(summary(pairs.map(([one, other]) => one && other)));
        expect(or(a, b)).toBe(summary(pairs.map(([one, other]) => one || other)));
        expect(not(a)).toBe(summary(ways(a).map((one) => !one)));
      }),
    );
  });
});
