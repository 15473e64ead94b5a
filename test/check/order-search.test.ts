import fc from "fast-check";
import { expect, test } from "vitest";
import { searchOrders } from "../../src/check/order-search.js";
import { ordersOf } from "../../src/check/orders.js";
import { type Changes, Journal } from "../../src/model/core/journal.js";
import { operation } from "./operations.js";

/** A state of two cells; an operation sets one, adds to one, or has seen a value in one. */
interface Cells {
  a: number;
  b: number;
}
type Act = { readonly cell: "a" | "b"; readonly what: "set" | "add" | "see"; readonly value: number };

const act: fc.Arbitrary<Act> = fc.record({
  cell: fc.constantFrom("a" as const, "b" as const),
  what: fc.constantFrom("set" as const, "add" as const, "see" as const),
  value: fc.integer({ min: 0, max: 2 }),
});
const group = fc.array(fc.record({ act, begin: fc.nat(6), length: fc.nat(6) }), { minLength: 1, maxLength: 5 });

function apply(cells: Cells, { cell, what, value }: Act): boolean {
  if (what === "see") return cells[cell] === value;
  cells[cell] = what === "set" ? value : cells[cell] + value;
  return true;
}

test("the outcomes are those of all orders, tried one by one", () => {
  fc.assert(
    fc.property(group, (all) => {
      const acts = new Map(all.map(({ act: one, begin, length }, i) => [operation(i, begin, begin + length), one]));
      const operations = [...acts.keys()];
      const finals = new Set<string>();
      for (const order of ordersOf(operations)) {
        const cells = { a: 0, b: 0 };
        const fits = order.every((one) => {
          const what = acts.get(one);
          return what !== undefined && apply(cells, what);
        });
        if (fits) finals.add(JSON.stringify(cells));
      }
      const cells: Cells = { a: 0, b: 0 };
      const journal = new Journal();
      const { outcomes, cut } = searchOrders<number>(operations, {
        journal,
        run: (one) => {
          const what = acts.get(one);
          if (what === undefined) return undefined;
          const next = { ...cells };
          if (!apply(next, what)) return undefined;
          journal.set(cells, "a", next.a);
          journal.set(cells, "b", next.b);
          return one.number;
        },
        same: (one, other) => texts(one) === texts(other),
        applyEither: () => {
          throw new Error("too few orders for that");
        },
      });
      expect(cut).toBe(false);
      // The state is as before; what each outcome leads to is in its changes, and its order is one that leads there.
      expect(cells).toEqual({ a: 0, b: 0 });
      const found = outcomes.map(({ changes, order, settled }) => {
        expect(settled).toEqual(order.map(({ number }) => number));
        expect(order).toHaveLength(operations.length);
        const mark = journal.mark();
        journal.apply(changes);
        const text = JSON.stringify(cells);
        journal.rollback(mark);
        return text;
      });
      expect(new Set(found)).toEqual(finals);
    }),
    { numRuns: 500 },
  );
});

test("more orders than there is room for: what they lead to is joined, and it is said that not all were followed", () => {
  const cells = { a: 0, seen: new Set<number>() };
  const journal = new Journal();
  const operations = Array.from({ length: 20 }, (_, i) => operation(i, i, 100 + i));
  const { outcomes, cut } = searchOrders<number>(operations, {
    journal,
    run: (one) => {
      journal.set(cells, "a", one.number);
      journal.set(cells, "seen", new Set([one.number]));
      return one.number;
    },
    same: (one, other) => texts(one) === texts(other),
    applyEither: (one, other) => {
      const seen = [one, other].flatMap(({ fields }) => [...setOf(fields.get(cells)?.get("seen"))]);
      journal.apply(one);
      journal.set(cells, "seen", new Set(seen));
    },
  });
  // Each of the twenty may be the last.
  expect(cut).toBe(true);
  expect(outcomes.length).toBeLessThanOrEqual(8);
  expect(outcomes.filter(({ joined }) => joined === true).length).toBeLessThanOrEqual(1);
  expect(outcomes[0]?.order.map(({ number }) => number)).toEqual(operations.map(({ number }) => number));
});

function setOf(value: unknown): Iterable<number> {
  return value instanceof Set ? value : [];
}

function texts({ fields }: Changes): string {
  return JSON.stringify([...fields.values()].map((changed) => [...changed].sort()));
}
