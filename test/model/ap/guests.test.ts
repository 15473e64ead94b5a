import { describe, expect, test } from "vitest";
import { mayBeSame } from "../../../src/model/ap/guests.js";
import { brokenInvariants } from "../../../src/model/ap/invariants.js";
import { Guest } from "../../../src/model/ap/state.js";
import { exactly } from "../../../src/model/core/bits.js";
import { Touched } from "../../../src/model/core/journal.js";
import { cellOf } from "./cell.js";
import { S0 } from "./machine.js";
import { maskOfNumbers } from "./observed.js";
import { A } from "./steps.js";
import { World } from "./world.js";

/** Guests that were met twice, and guests whose masks change one by one. */

test.each([
  ["0x80", undefined, undefined, 3, true],
  ["0x80", 3, undefined, 3, true],
  ["0x80", 3, "0x80", undefined, true],
  ["0x80", undefined, "0x90", undefined, false],
  ["0x80", undefined, "0x90", 3, false],
  [undefined, 3, undefined, 4, false],
  ["0x80", 3, undefined, 4, false],
] as const)(
  "a guest of pointer %s and VM %s may be that of %s and %s: %s",
  (pointer, vm, otherPointer, otherVm, may) => {
    const a = new Guest(1, pointer, vm);
    const b = new Guest(2, otherPointer, otherVm);
    expect([mayBeSame(a, b), mayBeSame(b, a)]).toEqual([may, may]);
  },
);

describe("INV-7 is looked at whichever of a guest's masks changed", () => {
  test.each(["apm", "aqm", "adm"] as const)("%s", (side) => {
    const world = new World("V61", S0);
    A.create().run(world, cellOf("n"), "create");
    world.mdev("A").shadow = { apm: [], aqm: [], adm: [] };
    A.start().run(world, cellOf("set"), "start");
    const [guest] = world.state.guests.values();
    if (guest === undefined) throw new Error("no guest");
    guest.hook = null;
    for (const one of ["apm", "aqm", "adm"] as const) guest[one] = exactly(maskOfNumbers([]));
    const broken = (): readonly string[] =>
      brokenInvariants(world.state, new Touched([guest], [side])).map(({ rule }) => rule.id);
    expect(broken()).toEqual([]);
    guest[side] = exactly(maskOfNumbers([9]));
    expect(broken()).toEqual(["ap-config/INV-7"]);
  });
});
