import { describe, expect, test } from "vitest";
import { adoptObserved, attempt } from "../../../src/check/attempt.js";
import { brokenInvariants } from "../../../src/model/ap/invariants.js";
import { apModel } from "../../../src/model/ap/model.js";
import type { Mdev, Queue } from "../../../src/model/ap/state.js";
import { exactly, unknownBits } from "../../../src/model/core/bits.js";
import { unknown } from "../../../src/model/core/known.js";
import type { Observability } from "../../../src/model/core/observability.js";
import type { Attribute } from "../../../src/operation/ap/attribute.js";
import type { ApCall } from "../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../src/operation/ap/effect.js";
import type { ObservedResult, Operation } from "../../../src/operation/operation.js";
import { everyFieldOf } from "../touched.js";
import { cellOf } from "./cell.js";
import { type Machine, type Profile, S0 } from "./machine.js";
import { all, allBut, type Numbers } from "./notation.js";
import { apcbSet, everything, failed, maskOfNumbers, operationOf, readOf, writeOf } from "./observed.js";
import { A, B } from "./steps.js";
import { World } from "./world.js";

/** Observations beside the right ones that single changes of the model had let through, or refused. */

const done = (value: number): ObservedResult => ({ kind: "value", value });
const without = (...kinds: readonly string[]) => ({ ...everything, sees: (kind: string) => !kinds.includes(kind) });
const apmask: Attribute = { on: "bus", name: "apmask" };

/** A = `product` with a running guest, if `shadow` is given. */
function machine(
  profile: Profile,
  product: string,
  shadow?: readonly [apm: Numbers, aqm: Numbers],
  how: Partial<Machine> = {},
): World {
  const world = new World(profile, { ...S0, ...how });
  A.create().run(world, cellOf("n"), "create");
  A.has(product).run(world, cellOf("n"), "has");
  if (shadow === undefined) return world;
  world.mdev("A").shadow = { apm: shadow[0], aqm: shadow[1], adm: [] };
  A.start().run(world, cellOf("set"), "start");
  return world;
}

function mdevOf(world: World, name = "A"): Mdev {
  const m = world.state.mdevs.get(world.mdev(name).uuid);
  if (m === undefined) throw new Error("no mdev");
  return m;
}

function queueOf(world: World, apqn: number): Queue {
  const queue = world.state.queues.get(apqn);
  if (queue === undefined) throw new Error("no queue");
  return queue;
}

function refuses(world: World, operation: Operation, observability: Observability): boolean {
  const { journal } = world.state;
  const mark = journal.mark();
  const { kind } = attempt(apModel, world.state, operation, observability);
  journal.rollback(mark);
  return kind === "refused";
}

const read = (attribute: Attribute, text: string): Operation =>
  operationOf("read", readOf(attribute, text), done(text.length), []);
const write = (
  attribute: Attribute,
  data: string,
  effects: readonly ApEffect[] = [],
  result = done(data.length),
): Operation => operationOf("write", writeOf(attribute, data), result, effects);
const came = (apqn: number): ApEffect => ({ kind: "queue_probe", apqn, rc: 0 });
const went = (apqn: number): ApEffect => ({ kind: "queue_remove", apqn });

/** The driver is asked whether adapters may be taken (MASK-2). */
const asked = (apm: Numbers, rc: number): ApEffect => ({
  kind: "resource_in_use",
  apm: maskOfNumbers(apm),
  aqm: maskOfNumbers(all),
  rc,
});

describe("writes to the masks", () => {
  test.each(["V12", "V61"] as const)(
    "%s: what the driver answered decides where a matrix is not known (MASK-2)",
    (profile) => {
      const world = machine(profile, "{06}×{04}", undefined, { apmask: allBut(5, 6, 7) });
      Object.assign(mdevOf(world), { apm: unknownBits, aqm: unknownBits });
      const busy = profile === "V12" ? -16 : -98;
      expect(world.refuses(write(apmask, "+7\n", [asked([7], 0)]))).toBe(false);
      expect(world.refuses(write(apmask, "+7\n", [asked([7], 0)], failed("EBUSY")))).toBe(true);
      expect(world.refuses(write(apmask, "+7\n", [asked([7], busy)], failed("EBUSY")))).toBe(false);
      expect(world.refuses(write(apmask, "+7\n", [asked([7], busy)]))).toBe(true);
    },
  );

  /** The queues of 05 belong to a default driver, and nobody has an mdev for them. */
  const reserved = (): World => machine("V61", "{06}×{04}", undefined, { apmask: allBut(6, 7) });

  test("queues that are given back come to vfio_ap where it takes their type (DRV-2, DRV-4)", () => {
    const lines = [came(0x0504), came(0x0547), came(0x05ab)];
    const give = write(apmask, "-5\n");
    const known = reserved();
    expect([known.refuses(give), known.refuses(write(apmask, "-5\n", lines))]).toEqual([true, false]);
    const open = reserved();
    open.state.cards.clear();
    expect([open.refuses(give), open.refuses(write(apmask, "-5\n", lines))]).toEqual([false, false]);
    // A read of the card's type tells.
    open.explain(read({ on: "card", apid: 5, name: "hwtype" }, "13\n"), "hwtype");
    expect(open.refuses(give)).toBe(true);
  });

  test("a queue that was made anew comes after the older ones (NOND-6)", () => {
    const world = machine("V61", "{06}×{04}");
    const scan = (before: Numbers, after: Numbers, lines: readonly ApEffect[]): Operation => {
      const block = (aqm: Numbers) => ({
        apm: maskOfNumbers([5, 6]),
        aqm: maskOfNumbers(aqm),
        adm: maskOfNumbers([4, 0x47, 0xab]),
      });
      const blocks = { before: block(before), after: block(after) };
      return operationOf("scan", { kind: "scan" }, done(0), [
        { kind: "cfg_changed", ...blocks },
        ...lines,
        { kind: "scan_complete", ...blocks },
      ]);
    };
    const gone = [0x0504, 0x0604].flatMap((apqn): ApEffect[] => [
      went(apqn),
      { kind: "hw_zapq", apqn, status: 0x00010000 },
      { kind: "reset_queue", apqn, retry: 1, rc: -16, status: 0x00010000 },
    ]);
    world.explain(scan([4, 0x47, 0xab], [0x47, 0xab], gone), "domain 04 goes");
    const taken = [0x0547, 0x05ab].flatMap((apqn): ApEffect[] => [
      went(apqn),
      { kind: "hw_zapq", apqn, status: 0x80000000 },
      { kind: "reset_queue", apqn, retry: 1, rc: 0, status: 0x80000000 },
    ]);
    world.explain(write(apmask, "+5\n", [asked([5], 0), ...taken]), "+5");
    // The new queue of 05 is a default driver's: only that of 06 leaves a line.
    world.explain(scan([0x47, 0xab], [4, 0x47, 0xab], [came(0x0604)]), "domain 04 is back");
    const order = (...apqns: readonly number[]): boolean => world.refuses(write(apmask, "-5\n", apqns.map(came)));
    expect(order(0x0547, 0x05ab, 0x0504)).toBe(false);
  });

  test("no probe of a queue that stays reserved (DRV-1, DRV-4)", () => {
    const world = reserved();
    queueOf(world, 0x0504).driver = unknown;
    expect(world.refuses(write(apmask, "+7\n", [asked([7], 0), came(0x0504)]))).toBe(true);
  });

  test("a ZAPQ shows that a queue was vfio_ap's where removals and results leave no line (DRV-4)", () => {
    const world = machine("V61", "{06}×{04}");
    for (const apqn of [0x0504, 0x0547, 0x05ab]) queueOf(world, apqn).driver = unknown;
    const taken = write(apmask, "+5\n", [asked([5], 0), { kind: "hw_zapq", apqn: 0x0547, status: 0x80000000 }]);
    expect(refuses(world, taken, without("queue_remove", "reset_queue"))).toBe(false);
  });
});

describe("reads", () => {
  test("status of a queue while a matrix is not known: any (DRV-11)", () => {
    const world = machine("V61", "{05}×{04}");
    const shown = (): readonly string[] =>
      ["unassigned", "assigned", "in use"].filter(
        (text) => !world.refuses(read({ on: "queue", apqn: 0x0504, name: "status" }, `${text}\n`)),
      );
    expect(shown()).toEqual(["assigned"]);
    mdevOf(world).aqm = unknownBits;
    expect(shown()).toEqual(["unassigned", "assigned", "in use"]);
  });

  test("nothing is read of an mdev that was removed (MDEV-5)", () => {
    const world = machine("V61", "{05}×{04}");
    const text = "05.0004\n";
    expect(world.refuses(read(world.attributeOf("A", "matrix"), text))).toBe(false);
    mdevOf(world).present = false;
    expect(world.refuses(read(world.attributeOf("A", "matrix"), text))).toBe(true);
    // While its removal waits, a file that was open before may be read (MDEV-4).
    mdevOf(world).removing = true;
    expect(world.refuses(read(world.attributeOf("A", "matrix"), text))).toBe(false);
  });

  test("a wrong matrix is held against SHOW-1; SHOW-4 is about texts that fill a page", () => {
    const world = machine("V61", "{05}×{04}");
    const found = attempt(apModel, world.state, read(world.attributeOf("A", "matrix"), "06.0004\n"), everything);
    if (found.kind !== "refused") return expect.unreachable("explained");
    const ids = found.mismatches.flatMap(({ rules }) => rules.map(({ id }) => id));
    expect(ids).toContain("ap-config/SHOW-1");
    expect(ids).not.toContain("ap-config/SHOW-4");
  });

  test("one wrong matrix is one fault: the text that was read is believed, if it can be (INV-2)", () => {
    for (const [text, believed] of [
      ["05.0004\n05.0047\n", true],
      // The guest has 05.0004.
      ["06.0047\n", false],
    ] as const) {
      const world = machine("V61", "{05}×{04}", [[5], [4]]);
      const operation = read(world.attributeOf("A", "matrix"), text);
      expect([text, world.refuses(operation)]).toEqual([text, true]);
      adoptObserved(apModel, world.state, operation, everything);
      world.state.journal.commit();
      expect([text, world.refuses(operation)]).toEqual([text, !believed]);
    }
  });

  test("no queue has a status file once the module is unloaded (DRV-10, DRV-11)", () => {
    const world = new World("V61", S0);
    for (const queue of world.state.queues.values()) queue.driver = unknown;
    const call: ApCall = { kind: "module", action: "unload" };
    world.explain(operationOf("rmmod", call, done(0), []), "rmmod");
    expect(world.refuses(read({ on: "queue", apqn: 0x0504, name: "status" }, "unassigned\n"))).toBe(true);
  });
});

describe("scans", () => {
  const block = (...apm: Numbers) => ({
    apm: maskOfNumbers(apm),
    aqm: maskOfNumbers([4, 0x47, 0xab]),
    adm: maskOfNumbers([4, 0x47, 0xab]),
  });
  const scan = (...effects: readonly ApEffect[]): Operation => operationOf("scan", { kind: "scan" }, done(0), effects);

  test("dynamic-v12: one that does not end may run in circles, but only where a table is not known (ASG-6)", () => {
    const world = machine("V12", "{06}×{04}");
    const unended = scan({ kind: "cfg_changed", before: block(5, 6), after: block(5, 6, 7) });
    expect(world.refuses(unended)).toBe(true);
    queueOf(world, 0x0547).linked = unknown;
    expect(world.refuses(unended)).toBe(false);
  });

  test.each([
    // The last block twice: nothing has changed, and the drivers would not have been told at all.
    ["V61", block(5, 6), block(5, 6), true],
    ["V61", block(5, 6), block(5, 6, 7), true],
    // The old block may be a copy of the new one (SCAN-1).
    ["V12", block(5, 6, 7), block(5, 6, 7), true],
    ["V12", block(5, 6), block(5, 6), false],
  ] as const)("%s: scan_complete alone, of which nobody was told (SCAN-4)", (profile, before, after, refused) => {
    const world = machine(profile, "{06}×{04}");
    expect(world.refuses(scan({ kind: "scan_complete", before, after }))).toBe(refused);
  });

  test("dynamic-v12: a commit of an mdev that lost something is not superfluous (CFG-2, D12-10)", () => {
    const world = machine("V12", "{06}×{04}", [[6], [4]]);
    B.create().run(world, cellOf("n"), "create");
    B.has("{06}×{47}").run(world, cellOf("n"), "has");
    world.mdev("B").shadow = { apm: [6], aqm: [0x47], adm: [] };
    B.start().run(world, cellOf("set"), "start");
    const set = (name: string, aqm: Numbers): ApEffect => apcbSet(world.mdev(name).guest?.pointer ?? "", [], aqm, []);
    const blocks = { before: block(5, 6), after: block(5) };
    const gone = [0x0604, 0x0647, 0x06ab].flatMap((apqn): ApEffect[] => [
      went(apqn),
      { kind: "hw_zapq", apqn, status: 0x00010000 },
      { kind: "reset_queue", apqn, retry: 1, rc: -5, status: 0x00010000 },
    ]);
    const lines: readonly ApEffect[] = [
      { kind: "cfg_changed", ...blocks },
      set("B", [0x47]),
      set("A", [4]),
      ...gone,
      { kind: "scan_complete", ...blocks },
    ];
    const found = attempt(apModel, world.state, scan(...lines), everything);
    expect(found.kind === "explained" && found.trial.defects.map(({ message }) => message)).toEqual([]);
  });
});

describe("PQAPs that leave no line", () => {
  test("linux-6.1: they change no link: a queue that goes takes its adapter from the guest (QUEUE-7)", () => {
    const world = machine("V61", "{05}×{04}", [[5], [4]]);
    const blind = without("pqap_entry", "pqap_exit", "pin_pages", "unpin_pages", "gisc_register", "gisc_unregister");
    const lines: readonly ApEffect[] = [
      went(0x0504),
      { kind: "hw_zapq", apqn: 0x0504, status: 0x80000000 },
      { kind: "reset_queue", apqn: 0x0504, retry: 1, rc: 0, status: 0x80000000 },
    ];
    const goes = (...effects: readonly ApEffect[]): Operation =>
      operationOf("queue", { kind: "queue-remove", apqn: 0x0504 }, done(0), effects);
    expect(refuses(world, goes(...lines), blind)).toBe(true);
    expect(refuses(world, goes(apcbSet(world.mdev("A").guest?.pointer ?? "", [], [4], []), ...lines), blind)).toBe(
      false,
    );
  });
});

describe("invariants", () => {
  function broken(world: World): readonly string[] {
    const { mdevs, queues, guests, host } = world.state;
    return brokenInvariants(
      world.state,
      everyFieldOf([host, ...mdevs.values(), ...queues.values(), ...guests.values()]),
    ).map(({ rule, prescribedBy }) => `${rule.id}${prescribedBy === undefined ? "" : ` by ${prescribedBy.id}`}`);
  }

  test("an mdev that was removed, or whose memory is corrupt, is not looked at", () => {
    const world = machine("V61", "{05}×{04}");
    const m = mdevOf(world);
    m.shAdm = exactly(maskOfNumbers([0x99]));
    expect(broken(world)).toEqual(["ap-config/INV-2", "ap-config/INV-6"]);
    m.tainted = "an earlier operation corrupted memory";
    expect(broken(world)).toEqual([]);
    m.tainted = undefined;
    m.present = false;
    Object.assign(queueOf(world, 0x0504), { linked: null, owner: null });
    expect(broken(world).filter((name) => !name.endsWith("INV-13"))).toEqual([]);
  });

  test("a guest runs with the control domains of the shadow (INV-7)", () => {
    const world = machine("V61", "{05}×{04}", [[5], [4]]);
    for (const guest of world.state.guests.values()) guest.adm = exactly(maskOfNumbers([4]));
    expect(broken(world)).toEqual(["ap-config/INV-7"]);
  });

  test.each([
    [[5, 6], "ASG-5"],
    [[6], "CFG-2"],
  ])("dynamic-v12: what unlinks an assigned queue while the host has %j (INV-10)", (apm, rule) => {
    const world = machine("V12", "{05}×{04}");
    world.state.host.infoApm = exactly(maskOfNumbers(apm));
    Object.assign(queueOf(world, 0x0504), { linked: null, owner: null });
    expect(broken(world)).toContain(`ap-config/INV-10 by ap-config/${rule}`);
  });
});

test.each([
  ["begin", false],
  ["end", true],
  ["whole", true],
] as const)("a write that waits is counted when it ends: phase %s (MDEV-4)", (phase, counted) => {
  const call = { ...writeOf({ on: "bus", name: "apmask" }, "+5\n"), phase } as ApCall;
  expect(apModel.models(operationOf("write", call, done(3), []))).toBe(counted);
});
