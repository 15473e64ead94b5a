import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Journal } from "../../../src/model/core/journal.js";

/** The undo log, held against plain copies of the state. */

interface Cell {
  a: number;
  b: number;
}

class World {
  readonly journal = new Journal();
  readonly cells: readonly Cell[] = [
    { a: 0, b: 0 },
    { a: 0, b: 0 },
  ];
  readonly map = new Map<number, string>();

  perform([kind, where, value]: Step): void {
    const cell = this.cells[where % 2];
    if (cell === undefined) return;
    if (kind === "set") this.journal.set(cell, where < 2 ? "a" : "b", value);
    else if (kind === "put") this.journal.put(cell, where < 2 ? "a" : "b", value);
    else if (!this.map.has(value)) this.journal.add(this.map, value, `at ${where}`);
  }

  copy(): unknown {
    return { cells: this.cells.map((cell) => ({ ...cell })), map: [...this.map] };
  }
}

type Step = readonly ["set" | "put" | "add", number, number];

const step = fc.tuple(fc.constantFrom("set" as const, "put" as const, "add" as const), fc.nat(3), fc.nat(3));
const steps = fc.array(step, { maxLength: 8 });

describe("the undo log", () => {
  test("rollback puts back what changed since a mark, and only that", () => {
    fc.assert(
      fc.property(steps, steps, (before, after) => {
        const world = new World();
        const start = world.copy();
        for (const one of before) world.perform(one);
        const kept = world.copy();
        const mark = world.journal.mark();
        for (const one of after) world.perform(one);
        world.journal.rollback(mark);
        expect(world.copy()).toEqual(kept);
        expect(world.journal.mark()).toBe(mark);
        world.journal.rollback();
        expect(world.copy()).toEqual(start);
      }),
    );
  });

  test("what was extracted can be applied again", () => {
    fc.assert(
      fc.property(steps, steps, (before, after) => {
        const world = new World();
        for (const one of before) world.perform(one);
        const kept = world.copy();
        const mark = world.journal.mark();
        for (const one of after) world.perform(one);
        const changed = world.copy();
        const changes = world.journal.extract(mark);
        expect(world.copy()).toEqual(kept);
        world.journal.apply(changes);
        expect(world.copy()).toEqual(changed);
        world.journal.rollback(mark);
        expect(world.copy()).toEqual(kept);
      }),
    );
  });

  test("commit makes it final; touched names the objects since a mark", () => {
    const world = new World();
    const [first, second] = world.cells;
    world.perform(["set", 0, 1]);
    const mark = world.journal.mark();
    expect(world.journal.touched(mark).objects.length).toBe(0);
    world.perform(["set", 1, 1]);
    world.perform(["add", 0, 3]);
    expect([...world.journal.touched(mark).once()]).toEqual([second, world.map]);
    expect([...world.journal.touched().once()]).toEqual([first, second, world.map]);
    // The same value again is no change.
    world.journal.commit();
    world.perform(["set", 1, 1]);
    expect(world.journal.touched().objects.length).toBe(0);
    const kept = world.copy();
    world.journal.rollback();
    expect(world.copy()).toEqual(kept);
  });
});
