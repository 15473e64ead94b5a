import { describe, expect, test } from "vitest";
import { attempt } from "../../../src/check/attempt.js";
import { apModel } from "../../../src/model/ap/model.js";
import { Bits, exactly, has, unknownBits } from "../../../src/model/core/bits.js";
import { OneOf, unknown } from "../../../src/model/core/known.js";
import type { Attribute } from "../../../src/operation/ap/attribute.js";
import type { ApCall } from "../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../src/operation/ap/effect.js";
import type { ObservedResult, Operation } from "../../../src/operation/operation.js";
import { cellOf } from "./cell.js";
import { type Profile, S0 } from "./machine.js";
import { all, allBut, digits } from "./notation.js";
import { everything, failed, maskOfNumbers, operationOf, readOf, writeOf } from "./observed.js";
import { A, B } from "./steps.js";
import { World } from "./world.js";

/** Reads and writes of what is not known, or not all of it, when they come: what they may show, and what they tell. */

const done = (value: number): ObservedResult => ({ kind: "value", value });

function world(profile: Profile): World {
  const made = new World(profile, S0);
  A.create().run(made, cellOf("n"), "create");
  return made;
}

/** What comes of an operation: `refused` is a divergence; the state is as after it. */
function outcome(of: World, operation: Operation): "refused" | "unchecked" | "checked" {
  const result = attempt(apModel, of.state, operation, everything);
  if (result.kind === "refused") return "refused";
  of.state.journal.commit();
  return result.trial.unchecked.length > 0 ? "unchecked" : "checked";
}

const read = (attribute: Attribute, text: string, partial = false): Operation =>
  operationOf("read", { ...readOf(attribute, text), partial } as ApCall, done(text.length), []);

const write = (
  attribute: Attribute,
  text: string,
  result: ObservedResult = done(text.length),
  effects: readonly ApEffect[] = [],
): Operation => operationOf("write", writeOf(attribute, text), result, effects);

/** A write of which the recorder kept the first bytes only. */
function cutWrite(attribute: Attribute, data: string, length: number, result: ObservedResult): Operation {
  const call = { ...writeOf(attribute, data), truncated: true, length } as ApCall;
  return operationOf("write", call, result, []);
}

const apmask: Attribute = { on: "bus", name: "apmask" };

describe("numbers of the bus that no snapshot told (BUS-3)", () => {
  test.each([
    ["config_time", "configTime", "30"],
    ["ap_domain", "domain", "4"],
    ["ap_max_adapter_id", "maxAdapter", "63"],
    ["ap_max_domain_id", "maxDomain", "255"],
  ] as const)("%s is learned from the first read", (name, field, text) => {
    const of = world("V61");
    of.state.host[field] = unknown;
    const attribute: Attribute = { on: "bus", name };
    // Not read whole: not learned, and no contradiction.
    expect(outcome(of, read(attribute, text, true))).toBe("unchecked");
    expect(outcome(of, read(attribute, `${text}\n`))).toBe("checked");
    expect(of.refuses(read(attribute, "17\n"))).toBe(true);
    expect(of.refuses(read(attribute, text))).toBe(true);
    expect(outcome(of, read(attribute, `${text}\n`))).toBe("checked");
  });

  test("one of a few values", () => {
    const of = world("V61");
    of.state.host.configTime = new OneOf([30, 40]);
    const attribute: Attribute = { on: "bus", name: "config_time" };
    expect(of.refuses(read(attribute, "50\n"))).toBe(true);
    expect(outcome(of, read(attribute, "40\n"))).toBe("checked");
    expect(of.refuses(read(attribute, "30\n"))).toBe(true);
  });

  test.each([
    ["config_time", "60\n", "30\n"],
    ["ap_domain", "0x47\n", "4\n"],
  ] as const)("%s is not known after a write that was cut", (name, text, before) => {
    const of = world("V61");
    const attribute: Attribute = { on: "bus", name };
    expect(outcome(of, cutWrite(attribute, "", text.length, done(text.length)))).toBe("unchecked");
    expect(of.refuses(read(attribute, before))).toBe(false);
    expect(outcome(of, read(attribute, "71\n"))).toBe("checked");
    expect(of.refuses(read(attribute, before))).toBe(true);
  });
});

describe("masks of which some bits are not known (BUS-1)", () => {
  const text = (numbers: readonly number[]): string => `0x${digits(numbers)}\n`;

  test("a read must fit what is known, and tells the rest", () => {
    const of = world("V61");
    of.state.host.apmask = new Bits(maskOfNumbers([1]), maskOfNumbers([2, 3]));
    expect(of.refuses(read(apmask, text([2])))).toBe(true);
    expect(of.refuses(read(apmask, text([1, 4])))).toBe(true);
    expect(outcome(of, read(apmask, text([1, 2]).slice(0, -1)))).toBe("unchecked");
    expect(outcome(of, read(apmask, text([1, 2])))).toBe("checked");
    expect(of.refuses(read(apmask, text([1, 3])))).toBe(true);
    expect(outcome(of, read(apmask, text([1, 2])))).toBe("checked");
  });

  test("a relative write sets and clears what it names; the rest stays unknown (MASK-1)", () => {
    const of = world("V9");
    of.state.host.apmask = new Bits(maskOfNumbers([1]), maskOfNumbers([2, 3, 4]));
    expect(outcome(of, write(apmask, "+2,-3\n"))).toBe("checked");
    const { apmask: after } = of.state.host;
    expect([1, 2, 3, 4, 5].map((bit) => has(after, bit))).toEqual([true, true, false, "unknown", false]);
  });

  test("a relative write with a slip in it is refused (GRAMMAR-M)", () => {
    const of = world("V61");
    of.state.host.apmask = unknownBits;
    for (const slip of ["+2,3\n", "+256\n", "+\n"]) {
      expect(of.refuses(write(apmask, slip))).toBe(true);
      expect(of.refuses(write(apmask, slip, failed("EINVAL")))).toBe(false);
    }
    expect(of.refuses(write(apmask, "+2\n", failed("EINVAL")))).toBe(true);
  });

  test("it is refused where an mdev has what it takes, and only there (MASK-2)", () => {
    const asked = (rc: number): ApEffect => ({
      kind: "resource_in_use",
      apm: maskOfNumbers([7]),
      aqm: maskOfNumbers(all),
      rc,
    });
    for (const profile of ["V12", "V61"] as const) {
      const of = world(profile);
      of.state.host.apmask = unknownBits;
      expect(of.refuses(write(apmask, "+7\n", failed("EBUSY"), [asked(-98)]))).toBe(false);
      expect(of.refuses(write(apmask, "+7\n", failed("EBUSY"), [asked(0)]))).toBe(true);
      expect(of.refuses(write(apmask, "+7\n", done(3), [asked(-98)]))).toBe(true);
      expect(of.refuses(write(apmask, "+7\n", done(3), [asked(0)]))).toBe(false);
      expect(of.refuses(write(apmask, "+7\n", failed("EIO"), [asked(-98)]))).toBe(true);
      // What only gives numbers to the driver takes nothing.
      expect(of.refuses(write(apmask, "-7\n", failed("EBUSY")))).toBe(true);
      expect(of.refuses(write(apmask, "-7\n"))).toBe(false);
    }
    // Before the dynamic series nobody was asked.
    const old = world("V9");
    old.state.host.apmask = unknownBits;
    expect(old.refuses(write(apmask, "+7\n", failed("EBUSY")))).toBe(true);
    expect(old.refuses(write(apmask, "+7\n"))).toBe(false);
  });

  test("a write that was cut leaves all of it unknown, a failed one nothing", () => {
    for (const [result, refuses] of [
      [done(67), false],
      [failed("EINVAL"), true],
    ] as const) {
      const of = world("V61");
      expect(outcome(of, cutWrite(apmask, "0x", 67, result))).toBe("unchecked");
      expect(of.refuses(read(apmask, text(allBut(5, 6, 7))))).toBe(refuses);
      expect(of.refuses(read(apmask, text(allBut(5, 6))))).toBe(false);
    }
  });

  test("the host's configuration: masks, or without QCI none (BUS-3)", () => {
    const usage: Attribute = { on: "bus", name: "ap_usage_domain_mask" };
    const of = world("V61");
    expect(of.refuses(read(usage, "not supported\n"))).toBe(true);
    of.state.host.qci = unknown;
    expect(outcome(of, read(usage, "not supported\n"))).toBe("checked");
    expect(of.refuses(read(usage, text([4])))).toBe(true);
    const other = world("V61");
    other.state.host.busAqm = unknownBits;
    expect(outcome(other, read(usage, text([4])))).toBe("checked");
    expect(other.refuses(read(usage, text([4, 5])))).toBe(true);
    // aqic-v9 has no line that tells of a change.
    expect(outcome(world("V9"), read(usage, text([4])))).toBe("unchecked");
  });
});

describe("a matrix that is not known (SHOW-1, SHOW-2, SHOW-3)", () => {
  function ofMdev(profile: Profile): { readonly of: World; readonly file: (name: string) => Attribute } {
    const of = world(profile);
    return { of, file: (name) => of.attributeOf("A", name) };
  }

  test("matrix: a product that fits what is known, in order", () => {
    const { of, file } = ofMdev("V61");
    const m = of.state.mdevs.get(of.mdev("A").uuid);
    if (m === undefined) throw new Error("no mdev");
    m.apm = new Bits(maskOfNumbers([5]), maskOfNumbers([6]));
    m.aqm = new Bits(maskOfNumbers([]), maskOfNumbers([4, 0x47]));
    const matrix = file("matrix");
    for (const wrong of ["06.0004\n", "05.0004\n07.0004\n", "05.0047\n05.0004\n", "05.0004", "x\n", ""]) {
      expect([wrong, of.refuses(read(matrix, wrong))]).toEqual([wrong, true]);
    }
    expect(outcome(of, read(matrix, "05.0004\n05.0047\n0", true))).toBe("unchecked");
    expect(outcome(of, read(matrix, "05.\n"))).toBe("checked");
    expect(of.refuses(read(matrix, "05.0004\n"))).toBe(true);
    expect(has(m.aqm, 4)).toBe(false);
  });

  test("control_domains likewise", () => {
    const { of, file } = ofMdev("V61");
    const m = of.state.mdevs.get(of.mdev("A").uuid);
    if (m === undefined) throw new Error("no mdev");
    m.adm = new Bits(maskOfNumbers([4]), maskOfNumbers([5]));
    const control = file("control_domains");
    for (const wrong of ["0005\n", "0004\n0006\n", "0005\n0004\n", "4\n"]) {
      expect([wrong, of.refuses(read(control, wrong))]).toEqual([wrong, true]);
    }
    expect(outcome(of, read(control, "0004\n00", true))).toBe("unchecked");
    expect(outcome(of, read(control, "0004\n0005\n"))).toBe("checked");
    expect(of.refuses(read(control, "0004\n"))).toBe(true);
  });

  test("guest_matrix likewise", () => {
    const { of, file } = ofMdev("V61");
    const m = of.state.mdevs.get(of.mdev("A").uuid);
    if (m === undefined) throw new Error("no mdev");
    m.apm = exactly(maskOfNumbers([5]));
    m.aqm = exactly(maskOfNumbers([4]));
    m.shApm = new Bits(maskOfNumbers([]), maskOfNumbers([5]));
    m.shAqm = new Bits(maskOfNumbers([]), maskOfNumbers([4]));
    const shadow = file("guest_matrix");
    expect(of.refuses(read(shadow, "06.0004\n"))).toBe(true);
    expect(outcome(of, read(shadow, "05.0004\n"))).toBe("checked");
    expect(of.refuses(read(shadow, ".0004\n"))).toBe(true);
  });

  test.each([
    ["an adapter", [5], [6], [4], []],
    ["a domain", [5], [], [4], [6]],
  ])(
    "guest_matrix shows that %s that may be there is not, beside one that is",
    (_what, apm, perhapsApm, aqm, perhapsAqm) => {
      const { of, file } = ofMdev("V61");
      const m = of.state.mdevs.get(of.mdev("A").uuid);
      if (m === undefined) throw new Error("no mdev");
      for (const side of ["apm", "aqm"] as const) m[side] = exactly(maskOfNumbers([4, 5, 6]));
      m.shApm = new Bits(maskOfNumbers(apm), maskOfNumbers(perhapsApm));
      m.shAqm = new Bits(maskOfNumbers(aqm), maskOfNumbers(perhapsAqm));
      const shadow = file("guest_matrix");
      const more = perhapsApm.length > 0 ? "05.0004\n06.0004\n" : "05.0004\n05.0006\n";
      expect(of.refuses(read(shadow, more))).toBe(false);
      expect(outcome(of, read(shadow, "05.0004\n"))).toBe("checked");
      expect(of.refuses(read(shadow, more))).toBe(true);
    },
  );
});

describe("status of a queue (DRV-11)", () => {
  const status: Attribute = { on: "queue", apqn: 0x0504, name: "status" };
  const shows = (of: World): readonly string[] =>
    ["unassigned", "assigned", "in use"].filter((text) => !of.refuses(read(status, `${text}\n`)));

  test("what the mdev is not known to have, or whether it has a guest", () => {
    const of = world("V61");
    expect(shows(of)).toEqual(["unassigned"]);
    A.has("{05}×{04}").run(of, cellOf("n; G 05.0004"), "has");
    expect(shows(of)).toEqual(["assigned"]);
    const m = of.state.mdevs.get(of.mdev("A").uuid);
    if (m === undefined) throw new Error("no mdev");
    m.kvm = unknown;
    expect(shows(of)).toEqual(["assigned", "in use"]);
    expect(outcome(of, read(status, "assig", true))).toBe("unchecked");
    m.shApm = exactly(maskOfNumbers([]));
    expect(shows(of)).toEqual(["assigned"]);
  });

  test("there is none of a queue that is not bound", () => {
    const of = world("V61");
    const queue = of.state.queues.get(0x0504);
    if (queue === undefined) throw new Error("no queue");
    queue.driver = "default";
    expect(shows(of)).toEqual([]);
    queue.driver = unknown;
    expect(outcome(of, read(status, "unassigned\n"))).toBe("checked");
    expect(queue.driver).toBe("vfio_ap");
  });
});

describe("writes to bind and unbind", () => {
  const bind: Attribute = { on: "driver", driver: "vfio_ap", name: "bind" };

  test("a name that is none of a device is refused (DRV-5)", () => {
    const of = world("V61");
    for (const name of ["05.4\n", "0504\n", "x\n", "card05\n"]) {
      expect([name, of.refuses(write(bind, name))]).toEqual([name, true]);
      expect([name, of.refuses(write(bind, name, failed("ENODEV")))]).toEqual([name, false]);
    }
  });

  test("cards and drivers of older cards are not modelled", () => {
    const of = world("V61");
    const card: Attribute = { on: "driver", driver: "cex4card", name: "bind" };
    expect(outcome(of, write(card, "card05\n"))).toBe("unchecked");
    expect(outcome(of, write(card, "card05\n", failed("EIO")))).toBe("unchecked");
    const old: Attribute = { on: "driver", driver: "cex2aqueue", name: "bind" };
    expect(outcome(of, write(old, "05.0004\n"))).toBe("unchecked");
    expect(of.refuses(write(old, "05.0004\n", failed("EIO")))).toBe(true);
    expect(of.refuses(write(old, "x\n", failed("EIO")))).toBe(true);
  });

  test("one that was cut is not judged", () => {
    const of = world("V61");
    for (const result of [done(8), failed("ENODEV")]) {
      expect(outcome(of, cutWrite(bind, "05", 8, result))).toBe("unchecked");
    }
  });
});

describe("writes to an mdev's files that were cut", () => {
  const created: Attribute = { on: "mdev-type", name: "create" };

  test("a store that succeeded may have changed any of its masks, one that failed none", () => {
    for (const profile of ["V9", "V12", "V61"] as const) {
      for (const file of ["assign_adapter", "unassign_adapter", "assign_domain", "assign_control_domain"]) {
        for (const [result, expected] of [
          [done(5), "checked"],
          [failed("EINVAL"), "refused"],
        ] as const) {
          const of = world(profile);
          expect(outcome(of, cutWrite(of.attributeOf("A", file), "0", 5, result))).toBe("unchecked");
          const matrix = read(of.attributeOf("A", "matrix"), "05.\n");
          const control = read(of.attributeOf("A", "control_domains"), "0004\n");
          const touched = file === "assign_control_domain" ? control : matrix;
          expect([profile, file, outcome(of, touched)]).toEqual([profile, file, expected]);
        }
      }
    }
  });

  test("a create that succeeded made an mdev of unknown name; one that failed none", () => {
    const available: Attribute = { on: "mdev-type", name: "available_instances" };
    for (const [result, refused] of [
      [done(37), false],
      [failed("EINVAL"), true],
    ] as const) {
      const of = world("V61");
      expect(outcome(of, cutWrite(created, "6217", 37, result))).toBe("unchecked");
      expect(of.refuses(read(available, "65534\n"))).toBe(refused);
    }
  });

  test("a remove that was cut: whether the mdev is there is not known", () => {
    const of = world("V61");
    expect(outcome(of, cutWrite(of.attributeOf("A", "remove"), "", 2, done(2)))).toBe("unchecked");
    expect(of.refuses(read(of.attributeOf("A", "matrix"), ""))).toBe(false);
  });
});

describe("mdevs that were made before the recording began", () => {
  const assign = (of: World, result: ObservedResult): boolean =>
    !of.refuses(write(of.attributeOf("B", "assign_adapter"), "5\n", result));

  test("may share what is assigned; with a known one the conflict is certain (SHARE-1)", () => {
    const of = new World("V61", S0);
    for (const mdev of [A, B]) mdev.create().run(of, cellOf("n"), "create");
    A.has("{05}×{04}").run(of, cellOf("n; G 05.0004"), "A");
    B.assignDomain("4").run(of, cellOf("n; G .0004"), "B");
    expect([assign(of, done(2)), assign(of, failed("EADDRINUSE"))]).toEqual([false, true]);
    of.state.host.hiddenMdevs = unknown;
    expect([assign(of, done(2)), assign(of, failed("EADDRINUSE"))]).toEqual([false, true]);
    const free = new World("V61", S0);
    for (const mdev of [A, B]) mdev.create().run(free, cellOf("n"), "create");
    B.assignDomain("4").run(free, cellOf("n; G .0004"), "B");
    expect([assign(free, done(2)), assign(free, failed("EADDRINUSE"))]).toEqual([true, false]);
    free.state.host.hiddenMdevs = unknown;
    expect([assign(free, done(2)), assign(free, failed("EADDRINUSE"))]).toEqual([true, true]);
  });

  test("the group of one that is gone cannot be opened (MDEV-9)", () => {
    const of = world("V61");
    const { group } = of.mdev("A");
    const open = (result: ObservedResult): boolean =>
      !of.refuses(operationOf("open group", { kind: "group-open", group, file: undefined }, result, []));
    const known = of.state.groups.get(group);
    const m = of.state.mdevs.get(of.mdev("A").uuid);
    if (known === undefined || m === undefined) return expect.unreachable("no group");
    expect([open(done(9)), open(failed("ENOENT")), open(failed("EBUSY"))]).toEqual([true, false, false]);
    m.present = false;
    expect([open(done(9)), open(failed("ENOENT")), open(failed("EBUSY"))]).toEqual([false, true, false]);
    m.present = true;
    known.holders = [3];
    expect([open(done(9)), open(failed("ENOENT")), open(failed("EBUSY"))]).toEqual([false, false, true]);
  });
});
