import { describe, expect, test } from "vitest";
import { freeIfSeen } from "../../../../src/model/ap/free.js";
import { forgetSaved } from "../../../../src/model/ap/ledger.js";
import { Mdev, type QueueDriver } from "../../../../src/model/ap/state.js";
import { noBits } from "../../../../src/model/core/bits.js";
import { Choices } from "../../../../src/model/core/choices.js";
import { oneOf, unknown } from "../../../../src/model/core/known.js";
import { Trial } from "../../../../src/model/core/trial.js";
import type { ApCall } from "../../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../../src/operation/ap/effect.js";
import { ALL, done, failed, never, noInstructions, OLD, operationOf, V9, value, type World } from "./host.js";
import {
  apcbClear,
  apcbSet,
  aqic,
  aqicOf,
  asksFor,
  exit,
  M,
  NIB_A,
  NIB_B,
  pin,
  pqapCall,
  queueRemove,
  register,
  reset,
  setKvm,
  tapq,
  unpin,
  unregister,
  unsetKvm,
  zapq,
} from "./lines.js";
import {
  APM,
  AQM,
  type Common,
  common,
  deviceOf,
  enable,
  enabled,
  keyOf,
  makeVm,
  openCall,
  quietReset,
} from "./setting.js";

/** Queues of which something is not known when they are reset, freed or served: what the lines tell of it. */

const HASH_ORDER = ["0405", "0516", "0416", "0505"] as const;
const G2 = "0x80020000";

/** Everything is recorded but lines of these kinds. */
const without = (...kinds: readonly string[]) => ({ sees: (kind: string) => !kinds.includes(kind), syscalls: true });

function resetCall({ device }: Common): ApCall {
  return { kind: "device-ioctl", device, request: "reset", command: "VFIO_DEVICE_RESET" };
}

/** The driver may have unlinked the queue unseen. */
function loosen(world: World, name: string): void {
  const queue = world.queue(name);
  queue.linked = oneOf([world.mdev(), null]);
  queue.owner = oneOf([world.mdev(), null]);
}

/** All four queues are reset well; `freed` is what the registration of 04.0005 prints. */
const allReset = (freed: readonly ApEffect[]): readonly ApEffect[] =>
  HASH_ORDER.flatMap((queue) => quietReset("linux-6.1", queue, queue === "0405" ? freed : []));

describe("RST-7: the result of a reset of which not every line is recorded", () => {
  const blind = { sees: (kind: string) => !kind.startsWith("hw_") && kind !== "reset_queue", syscalls: true };

  test.each(ALL)("%s: it can fail as any reset can, and in no other way", (column) => {
    const setup = common(column);
    const { world } = setup;
    for (const [result, refused] of [
      [done, false],
      [failed("EBUSY"), false],
      [failed("EIO"), false],
      [failed("EINVAL"), true],
      [value(1), true],
    ] as const) {
      expect(world.refusesCall(resetCall(setup), result, [], blind), JSON.stringify(result)).toBe(refused);
    }
  });

  const lines = (queues: readonly string[]): readonly ApEffect[] => queues.map((queue) => reset(queue, 0, 0x80000000));

  test("linux-6.1: a queue that may be linked is part of it exactly if its line is there", () => {
    const setup = common("linux-6.1");
    const { world } = setup;
    loosen(world, "0516");
    for (const queues of [HASH_ORDER, ["0405", "0416", "0505"]]) {
      expect(world.refusesCall(resetCall(setup), done, lines(queues), noInstructions), queues.join()).toBe(false);
      // All that was reset was reset well.
      expect(world.refusesCall(resetCall(setup), failed("EBUSY"), lines(queues), noInstructions)).toBe(true);
    }
    expect(world.refusesCall(resetCall(setup), done, lines(["0405", "0416"]), noInstructions)).toBe(true);
  });
});

describe("IRQ-10: freed where the mdev of the queue is not known", () => {
  test("linux-6.1: lines that are there tell all of it", () => {
    const setup = enabled("linux-6.1");
    const { world } = setup;
    loosen(world, "0405");
    world.explain(operationOf(resetCall(setup), done, allReset([unregister(3), unpin(NIB_A)])));
    expect(world.ledger()).toEqual({ queues: {}, gisc: {}, pins: {}, leaks: [] });
    expect(world.queue("0405").heldBy).toBeNull();
    expect(world.broken()).toEqual([]);
  });

  test.each(OLD)("%s: without its lines the queue had no mdev, and what was saved is lost", (column) => {
    const setup = enabled(column);
    const { world } = setup;
    loosen(world, "0405");
    const lines = ["0405", "0416", "0505", "0516"].flatMap((queue) => quietReset(column, queue));
    const { defects } = world.explain(operationOf(resetCall(setup), done, lines));
    expect(defects.map(({ rules }) => rules)).toEqual([["IRQ-10", "IRQ-11"]]);
    expect(world.ledger().leaks).toEqual(["isc 3 IRQ-11", `pin ${keyOf(column, NIB_A)} IRQ-11`]);
    expect(world.broken()).toEqual([]);
  });

  test("linux-6.1: it cannot have been made for a guest whose VM was closed", () => {
    const setup = enabled("linux-6.1");
    const { world } = setup;
    world.explain(operationOf({ kind: "vm-close", vm: makeVm(world, "300/1") }, done, []));
    loosen(world, "0405");
    Object.assign(world.queue("0405"), { savedIsc: unknown, savedNib: unknown, heldBy: unknown });
    world.explain(operationOf(resetCall(setup), done, allReset([unregister(3), unpin(NIB_A)])));
    expect(world.ledger().pins).toEqual({});
  });

  test("linux-6.1: where one of its lines is not recorded, its result tells that it was freed", () => {
    const setup = enabled("linux-6.1");
    const { world } = setup;
    loosen(world, "0405");
    const operation = operationOf(resetCall(setup), done, allReset([unpin(NIB_A)]));
    world.explain(operation, false, without("gisc_unregister"));
    expect(world.broken()).toEqual([]);
    // RST-6: a reset of the mdev that reaches the queue shows that it is the mdev's.
    expect(world.ledger()).toEqual({ queues: {}, gisc: {}, pins: {}, leaks: [] });
    const again = pqapCall({ gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_B }, exit("0x80000000", 1));
    const taken = [pin(NIB_B), register(3), aqic("0405", 3, 0x80000000)];
    world.explain(operationOf(again, value(0), taken), false, without("gisc_unregister"));
    expect(world.broken()).toEqual([]);
  });
});

describe("lines that tell whether a registration was freed", () => {
  test.each([
    ["both", true, [unregister(3), unpin(NIB_A)]],
    ["the pin alone", false, [unpin(NIB_A)]],
    ["none", false, []],
  ])("%s: held by no guest is %s", (_what, free, effects) => {
    const { world } = enabled("linux-6.1");
    const queue = world.queue("0405");
    const operation = operationOf({ kind: "unrecorded" }, never, effects);
    freeIfSeen(new Trial(operation, without(), new Choices(), false), world.state, queue);
    expect(queue.heldBy === null).toBe(free);
  });
});

describe("Q-13: a queue that was filtered out and unassigned keeps what is registered", () => {
  /** 05.0016 goes, and with it adapter 05 leaves the guest; then nobody records what is written and closed. */
  test("linux-6.1: it is unpinned when it goes, and not unregistered, whoever recorded the unassign (IRQ-10)", () => {
    const { world } = common("linux-6.1");
    enable(world, "0505");
    const went = (queue: string, ...lines: readonly ApEffect[]): void => {
      const call: ApCall = { kind: "queue-remove", apqn: Number.parseInt(queue, 16) };
      const around = [...lines.slice(0, -1), reset(queue, 0, 0x80000000), queueRemove(queue), ...lines.slice(-1)];
      world.explain(operationOf(call, done, around), true, { ...without(), syscalls: false });
    };
    const end = (queue: string): ApEffect => zapq(queue, 0x80000000);
    went("0516", apcbSet("08", AQM), end("0516"), end("0516"));
    const resets = ["0405", "0416"].flatMap((queue) => quietReset("linux-6.1", queue));
    const stopped = operationOf({ kind: "unrecorded" }, never, [apcbClear(), ...resets, unsetKvm()]);
    world.explain(stopped, true, { ...without(), syscalls: false });
    went("0405", end("0405"), end("0405"));
    went("0416", end("0416"), end("0416"));
    went("0505", end("0505"), unpin(NIB_A), end("0505"));
    expect(world.ledger()).toMatchObject({ gisc: { "3": 1 }, pins: {}, leaks: ["isc 3 RST-10"] });
    expect(world.broken()).toEqual([]);
  });
});

describe("RST-2: what a reset that ended with -EIO left", () => {
  const kept = [zapq("0405", 0x00050000), reset("0405", -5, 0x00050000)];

  test("linux-6.1: taken from the next guest, it stays at the one that it was made for", () => {
    const setup = enabled("linux-6.1");
    const { world, device, group } = setup;
    const others = HASH_ORDER.slice(1).flatMap((queue) => quietReset("linux-6.1", queue));
    const closed = [apcbClear(), ...kept, ...others, unsetKvm()];
    world.explain(operationOf({ kind: "device-close", device }, done, closed));
    const open = openCall(group, deviceOf(world, group), makeVm(world, "200/10"));
    world.explain(operationOf(open, value(12), [apcbSet(APM, AQM, "", G2), setKvm(M, 0, G2)]));
    const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_B, tid: 4200 };
    const freed = [unregister(3, 0, G2), unpin(NIB_A)];
    world.explainGuest(
      request,
      [pin(NIB_B), register(3, 5, G2), aqic("0405", 3, 0x80000000), ...freed],
      exit("0x80000000", 1),
    );
    expect(world.ledger().leaks).toEqual(["isc 3 IRQ-10", `pin ${NIB_A} IRQ-10`]);
    expect(world.broken()).toEqual([]);
  });

  test.each([
    ["queue_remove with its result", [...kept, queueRemove("0405")], noInstructions],
    ["queue_remove alone", [queueRemove("0405")], without("hw_zapq", "hw_tapq", "hw_aqic", "reset_queue")],
  ] as const)("linux-6.1: a queue that goes leaves it for ever; %s", (_, lines, observability) => {
    const { world } = enabled("linux-6.1");
    const visible = [apcbSet("04", AQM), ...lines].filter(({ kind }) => observability.sees(kind));
    world.explain(operationOf({ kind: "queue-remove", apqn: 0x0405 }, done, visible), true, observability);
    expect(world.ledger()).toEqual({
      queues: {},
      gisc: { "3": 1 },
      pins: { [NIB_A]: 1 },
      leaks: ["isc 3 RST-2", `pin ${NIB_A} RST-2`],
    });
    expect(world.broken()).toEqual([]);
  });

  test("dynamic-v12: a queue that an unrecorded unassign may have unlinked loses it (QUEUE-6)", () => {
    const { world } = enabled("dynamic-v12");
    world.queue("0405").owner = oneOf([world.mdev(), null]);
    const lines = [zapq("0405", 0x80000000), reset("0405", 0, 0x80000000), queueRemove("0405")];
    world.explain(operationOf({ kind: "queue-remove", apqn: 0x0405 }, done, lines));
    expect(world.ledger().leaks).toEqual(["isc 3 QUEUE-6", `pin ${keyOf("dynamic-v12", NIB_A)} QUEUE-6`]);
    expect(world.broken().filter((name) => !name.includes(" by "))).toEqual([]);
  });

  test("dynamic-v12: so does one whose mdev has lost its guest", () => {
    const { world, vm } = enabled("dynamic-v12");
    world.explain(operationOf({ kind: "guest-set", vm, change: "remove" }, done, []));
    const lines = [zapq("0405", 0x80000000), reset("0405", 0, 0x80000000), queueRemove("0405")];
    const { defects } = world.explain(operationOf({ kind: "queue-remove", apqn: 0x0405 }, done, lines));
    expect(defects.map(({ rules }) => rules)).toEqual([["QUEUE-6"]]);
    expect(world.ledger().leaks).toEqual(["isc 3 QUEUE-6", `pin ${keyOf("dynamic-v12", NIB_A)} QUEUE-6`]);
    expect(world.broken().filter((name) => !name.includes(" by "))).toEqual([]);
  });
});

test.each(["dynamic-v12", "linux-6.1"] as const)(
  "%s: an AQIC for a queue that may be linked tells whether it is (5.4)",
  (column) => {
    const { world } = common(column);
    loosen(world, "0405");
    const request = { gr0: aqicOf("0405") };
    const served = [aqic("0405", "off", 0x80070000), tapq("0405", 0x80000000)];
    expect(world.refusesGuest(request, [], exit("0x80070000", 3))).toBe(true);
    expect(world.refusesGuest(request, served, exit("0x80070000", 3))).toBe(false);
    expect(world.refusesGuest(request, [], exit("0x10000", 3))).toBe(false);
  },
);

test.each(["dynamic-v12", "linux-6.1"] as const)(
  "%s: a queue that was not found is not served later (AQIC-5)",
  (column) => {
    const other = "bbbbbbbb-0000-4000-8000-00000000000b";
    for (const [linked, told] of [
      [(m: Mdev) => oneOf([m, null]), true],
      [() => unknown, true],
      [(m: Mdev) => oneOf([m, null, new Mdev(other)]), false],
    ] as const) {
      const { world } = common(column, { facts: { defects: "intended" } });
      const queue = world.queue("0405");
      queue.linked = linked(world.mdev());
      queue.owner = linked(world.mdev());
      const request = { gr0: aqicOf("0405") };
      const served = [aqic("0405", "off", 0x80070000), tapq("0405", 0x80000000)];
      expect(world.refusesGuest(request, served, exit("0x80070000", 3))).toBe(false);
      world.explainGuest(request, [], exit("0x10000", 3));
      expect(world.refusesGuest(request, served, exit("0x80070000", 3))).toBe(told);
      expect(world.refusesGuest(request, [], exit("0x10000", 3))).toBe(false);
    }
  },
);

test("dynamic-v12: where tables are taken literally, it may be in one all the same (ASG-6)", () => {
  const { world } = common("dynamic-v12");
  world.queue("0405").linked = unknown;
  for (let time = 0; time < 2; time++) world.explainGuest({ gr0: aqicOf("0405") }, [], exit("0x10000", 3));
});

test.each(V9)("%s: a queue that is assigned and was not found is not bound (AQIC-5)", (column) => {
  const { world } = common(column);
  const queue = world.queue("0405");
  queue.driver = oneOf<QueueDriver>(["vfio_ap", "absent"]);
  const request = { gr0: aqicOf("0405") };
  const served = [aqic("0405", "off", 0x80070000), tapq("0405", 0x80000000)];
  const refused = () => world.refusesGuest(request, served, exit("0x80070000", 3));
  const notFound = operationOf(pqapCall(request, exit("0x10000", 3)), value(0), []);
  // A close at the same time can have taken the hook away (AQIC-3).
  world.explain({ ...notFound, overlapping: true });
  expect(refused()).toBe(false);
  world.explain(notFound);
  expect(refused()).toBe(true);
  expect(queue.driver).toBe("absent");
});

test.each(OLD)(
  "%s: an mdev whose guest may have been withdrawn still has it where an enable goes on (AQIC-4)",
  (column) => {
    const setup = common(column);
    const { world, vm, device } = setup;
    world.explain(operationOf({ kind: "guest-set", vm }, done, []));
    const silent = () => world.refusesCall({ kind: "device-close", device }, done, []);
    expect(silent()).toBe(false);
    enable(world);
    expect(silent()).toBe(true);
  },
);

test.each(V9)(
  "%s: lines that were lost may be those of an enable, which gave the queue its mdev (AQIC-10)",
  (column) => {
    const setup = common(column);
    const { world } = setup;
    const lost = operationOf({ kind: "gap" }, never, []);
    const [first, ...others] = ["0405", "0416", "0505", "0516"];
    const close = (...freed: readonly ApEffect[]): boolean => {
      const lines = others.flatMap((queue) => quietReset(column, queue));
      const effects = [apcbClear(), ...quietReset(column, first ?? "", freed), ...lines, unsetKvm()];
      return !world.refusesCall({ kind: "device-close", device: setup.device }, done, effects);
    };
    for (let time = 0; time < 2; time++) {
      world.explain(lost, true);
      expect(close()).toBe(true);
      expect(close(unregister(3), unpin(keyOf(column, NIB_A)))).toBe(true);
      // IRQ-11, RST-4: a reset takes the mdev away again, whether the queue is still there or not.
      const all = ["0405", ...others].flatMap((queue) => quietReset(column, queue));
      world.explain(operationOf(resetCall(setup), done, all));
      expect(close(unregister(3), unpin(keyOf(column, NIB_A)))).toBe(false);
    }
  },
);

test("linux-6.1: where scans leave no line, a queue that was not found may have come since (AQIC-5)", () => {
  const { world } = common("linux-6.1");
  const blind = without("queue_probe");
  const request = { gr0: aqicOf("0405") };
  const served = [aqic("0405", "off", 0x80070000), tapq("0405", 0x80000000)];
  const refused = () => world.refusesCall(pqapCall(request, exit("0x80070000", 3)), value(0), served, blind);
  const notFound = operationOf(pqapCall(request, exit("0x10000", 3)), value(0), []);
  world.explain(notFound, false, blind);
  expect(refused()).toBe(false);
  // One that nobody has assigned does not come to any table.
  world.mdev().apm = noBits;
  world.explain(notFound, false, blind);
  expect(refused()).toBe(true);
});

test.each(ALL)("%s: what a disable frees of a registration that is not known (IRQ-10, INV-1)", (column) => {
  const { world } = enabled(column);
  forgetSaved(world.state, world.queue("0405"));
  const lines = [aqic("0405", "off", 0x80000000), tapq("0405", 0x80000000)];
  const freed = (...effects: readonly ApEffect[]): boolean =>
    !world.refusesGuest({ gr0: aqicOf("0405") }, [...lines, ...effects], exit("0x80000000", 1));
  const page = unpin(keyOf(column, NIB_A));
  expect(freed()).toBe(true);
  expect(freed(unregister(3), page)).toBe(true);
  expect(freed(page)).toBe(false);
  expect(freed(unregister(3, 0, G2), page)).toBe(false);
});

test("linux-6.1: after a reset the interrupt is off, and cannot come back by itself (INV-16)", () => {
  const setup = common("linux-6.1");
  const { world } = setup;
  world.explain(operationOf(resetCall(setup), done, allReset([])));
  expect(world.broken()).toEqual([]);
  const [first, ...others] = HASH_ORDER;
  const on = [zapq(first, 0x81000000), tapq(first, 0x80000000), reset(first, 0, 0x80000000)];
  const lines = [...on, ...others.flatMap((queue) => quietReset("linux-6.1", queue))];
  world.explain(operationOf(resetCall(setup), done, lines));
  expect(world.broken()).toEqual(["aqic/INV-16"]);
});
