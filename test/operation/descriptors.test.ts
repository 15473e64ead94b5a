import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DescriptorTable, type OpenFile } from "../../src/operation/descriptors.js";

/** Small numbers and large ones stand in different places. */
const fd = fc.constantFrom(-100, 0, 3, 4, 1023, 1024, 1025, 0x7fffffff);

const step = fc.oneof(
  fc.record({ do: fc.constant("open" as const), fd }),
  fc.record({ do: fc.constant("dup" as const), fd, from: fd }),
  fc.record({ do: fc.constant("close" as const), fd }),
  fc.record({ do: fc.constant("close from" as const), fd }),
);

function file(object: number): OpenFile<number> {
  return { object, references: 0, shown: false, closeOnExec: false };
}

const ascending = (a: number, b: number) => a - b;

describe("a table of descriptors", () => {
  it("holds what a map of numbers would, and tells when the last descriptor of a file goes", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, forks) => {
        const start = new DescriptorTable<number>();
        const table = forks ? start.fork() : start;
        const expected = new Map<number, number>();
        const held = (object: number) => [...expected.values()].includes(object);
        let made = 0;
        for (const one of steps) {
          const gone = expected.get(one.fd);
          switch (one.do) {
            case "open": {
              expected.set(one.fd, ++made);
              const replaced = table.put(one.fd, file(made));
              expect(replaced?.object).toBe(gone !== undefined && !held(gone) ? gone : undefined);
              break;
            }
            case "dup": {
              const source = table.get(one.from);
              const object = expected.get(one.from);
              expect(source?.object).toBe(object);
              if (source === undefined || object === undefined) break;
              expected.set(one.fd, object);
              const replaced = table.put(one.fd, source);
              expect(replaced?.object).toBe(gone !== undefined && !held(gone) ? gone : undefined);
              break;
            }
            case "close": {
              expected.delete(one.fd);
              expect(table.close(one.fd)?.object).toBe(gone !== undefined && !held(gone) ? gone : undefined);
              break;
            }
            case "close from": {
              const leaving = [...expected].filter(([number]) => number >= one.fd).sort((a, b) => a[0] - b[0]);
              for (const [number] of leaving) expected.delete(number);
              const last = new Set(leaving.map(([, object]) => object).filter((object) => !held(object)));
              const closed = table.closeWhere((number) => number >= one.fd).map(({ object }) => object);
              expect([...closed].sort(ascending)).toEqual([...last].sort(ascending));
            }
          }
          for (const number of [-100, 0, 3, 4, 1023, 1024, 1025, 0x7fffffff]) {
            expect(table.get(number)?.object).toBe(expected.get(number));
          }
          expect([...table.objects()].sort(ascending)).toEqual([...new Set(expected.values())].sort(ascending));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("a forked child has descriptors of its own of the same files", () => {
    const parent = new DescriptorTable<number>();
    for (const number of [3, 5000]) parent.put(number, file(number));
    const child = parent.fork();
    expect(parent.close(3)).toBeUndefined();
    expect(child.get(3)?.object).toBe(3);
    expect(child.close(3)?.object).toBe(3);
    expect(child.closeWhere(() => true)).toEqual([]);
    expect(parent.closeWhere(() => true).map(({ object }) => object)).toEqual([5000]);
  });
});
