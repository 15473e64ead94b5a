import { describe, expect, test } from "vitest";
import { apModel } from "../../../src/model/ap/model.js";
import { DeviceFile, Guest, Queue } from "../../../src/model/ap/state.js";
import { exactly, has } from "../../../src/model/core/bits.js";
import { OneOf, unknown } from "../../../src/model/core/known.js";
import { cellOf } from "./cell.js";
import { S0 } from "./machine.js";
import { maskOfNumbers } from "./observed.js";
import { A } from "./steps.js";
import { World } from "./world.js";

/** What is left of two runs that both explain an observation, and copies of a state. */

const join = (key: string, a: unknown, b: unknown, object: object = {}): unknown => apModel.join(object, key, a, b);

describe("a field after two runs", () => {
  test("allows what either allows", () => {
    expect(join("kvm", null, null)).toBeNull();
    expect(join("driver", "vfio_ap", "absent")).toEqual(new OneOf(["vfio_ap", "absent"]));
    expect(join("driver", "vfio_ap", unknown)).toBe(unknown);
    const joined = join("apm", exactly(maskOfNumbers([5])), exactly(maskOfNumbers([5, 6])));
    expect([5, 6, 7].map((bit) => has(joined as ReturnType<typeof exactly>, bit))).toEqual([true, "unknown", false]);
    expect(join("facts", 0b0011, 0b0101, new Guest(1, undefined, undefined))).toBe(0b0111);
  });

  test("is sure only where both are, and not judged where either is not", () => {
    for (const [a, b] of [
      [true, false],
      [false, true],
    ] as const) {
      for (const key of ["devicesListed", "moduleHeld", "strayIrq"])
        expect([key, join(key, a, b)]).toEqual([key, false]);
      expect(join("unseenCalls", a, b)).toBe(true);
      expect(join("live", a, b)).toBe(true);
      expect(join("closed", a, b, new DeviceFile(1, undefined))).toBe(false);
    }
    for (const key of ["hung", "tainted"]) {
      expect([join(key, "why", undefined), join(key, undefined, "why")]).toEqual(["why", "why"]);
    }
  });

  test("a name is known where both runs give it", () => {
    expect([join("pointer", "0x1", "0x1"), join("vm", 3, 3)]).toEqual(["0x1", 3]);
    for (const [key, a, b] of [
      ["pointer", "0x1", undefined],
      ["pointer", "0x1", "0x2"],
      ["vm", undefined, 3],
      ["vm", 3, 4],
    ] as const) {
      expect([key, join(key, a, b)]).toEqual([key, undefined]);
    }
  });

  test("of places in time the later one; a place among others is not known any more", () => {
    expect([join("createdAt", 3, 5), join("createdAt", 5, 3), join("now", 7, 6)]).toEqual([5, 5, 7]);
    expect([join("order", 3, 5), join("linkedAt", 5, 3), join("order", 3, 3)]).toEqual([0, 0, 3]);
    expect(join("mdev", unknown, unknown, new DeviceFile(1, undefined))).toBe(unknown);
  });
});

describe("copies", () => {
  test("are the same, with objects of their own", () => {
    const world = new World("V61", S0);
    A.create().run(world, cellOf("n"), "create");
    A.has("{05}×{04}").run(world, cellOf("n"), "has");
    world.mdev("A").shadow = { apm: [5], aqm: [4], adm: [] };
    A.start().run(world, cellOf("set"), "start");
    const before = apModel.fingerprint(world.state);
    const copy = apModel.clone(world.state);
    expect(apModel.fingerprint(copy)).toBe(before);
    const [m] = copy.mdevs.values();
    const queue = copy.queues.get(0x0504);
    expect(queue?.linked).toBe(m);
    expect(queue).toBeInstanceOf(Queue);
    expect(queue).not.toBe(world.state.queues.get(0x0504));
    const [guest] = copy.guests.values();
    expect(m?.kvm).toBe(guest);
    expect(guest?.hook).toBe(m);
    if (queue === undefined || guest === undefined) throw new Error("no queue, or no guest");
    queue.savedIsc = 3;
    expect(apModel.fingerprint(copy)).not.toBe(before);
    guest.refs = 7;
    copy.host.apmask = exactly(maskOfNumbers([]));
    expect(apModel.fingerprint(world.state)).toBe(before);
  });
});
