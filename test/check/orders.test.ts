import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ordersOf } from "../../src/check/orders.js";
import type { Operation } from "../../src/operation/operation.js";
import { operation } from "./operations.js";

const operations = fc
  .array(fc.record({ begin: fc.nat(6), length: fc.nat(6), gap: fc.boolean() }), { maxLength: 5 })
  .map((all) =>
    all.map(({ begin, length, gap }, i) => operation(i, begin, begin + length, gap ? "gap" : "unrecorded")),
  );

function permutations<T>(all: readonly T[]): readonly (readonly T[])[] {
  if (all.length === 0) return [[]];
  return all.flatMap((one, i) => permutations(all.toSpliced(i, 1)).map((rest) => [one, ...rest]));
}

function isPossible(order: readonly Operation[]): boolean {
  return order.every((one, i) => order.slice(i + 1).every((later) => later.end >= one.begin));
}

describe("orders of overlapping operations", () => {
  test("are all that are possible, each once", () => {
    fc.assert(
      fc.property(operations, (group) => {
        const text = (order: readonly Operation[]): string => order.map(({ number }) => number).join(" ");
        const made = [...ordersOf(group)].map(text);
        expect(new Set(made).size).toBe(made.length);
        expect([...made].sort()).toEqual(permutations(group).filter(isPossible).map(text).sort());
      }),
    );
  });

  test("begin with the order of completion", () => {
    const group = [operation(0, 0, 9), operation(1, 1, 5), operation(2, 2, 7)];
    expect([...ordersOf(group)][0]?.map(({ number }) => number)).toEqual([1, 2, 0]);
  });

  test("of a long group come one after the other: the first costs no more than its length", () => {
    const group = Array.from({ length: 20_000 }, (_, i) => operation(i, i, 20_000 + i));
    const [first] = ordersOf(group);
    expect(first).toHaveLength(20_000);
  });
});
