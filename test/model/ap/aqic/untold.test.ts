import { describe, expect, test } from "vitest";
import { oneOf } from "../../../../src/model/core/known.js";
import type { ApCall } from "../../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../../src/operation/ap/effect.js";
import { ALL, done, failed, never, noInstructions, operationOf, value } from "./host.js";
import {
  apcbClear,
  apcbSet,
  aqicOf,
  asksFor,
  exit,
  G,
  M,
  NIB_A,
  NIB_B,
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
  makeVm,
  openCall,
  quietReset,
  writeOf,
} from "./setting.js";

/** Resets of which not every line is recorded: what is certain all the same. */

const HASH_ORDER = ["0405", "0516", "0416", "0505"] as const;

/** Everything is recorded but lines of these kinds. */
const without = (...kinds: readonly string[]) => ({ sees: (kind: string) => !kinds.includes(kind), syscalls: true });
/** Neither results nor instructions: what is freed is all that a reset shows. */
const untold = without("reset_queue", "hw_zapq", "hw_tapq", "hw_aqic");

function resetCall({ device }: Common): ApCall {
  return { kind: "device-ioctl", device, request: "reset", command: "VFIO_DEVICE_RESET" };
}

describe("RST-2: a reset frees the whole registration, or nothing", () => {
  test("linux-6.1: a queue that goes", () => {
    const { world } = enabled("linux-6.1");
    const went = (...lines: readonly ApEffect[]): boolean => {
      const all = [apcbSet("04", AQM), ...lines, queueRemove("0405")];
      return world.refusesCall({ kind: "queue-remove", apqn: 0x0405 }, done, all, untold);
    };
    expect(went(unregister(3), unpin(NIB_A))).toBe(false);
    // It ended with -EIO.
    expect(went()).toBe(false);
    expect(went(unregister(5), unpin(NIB_A))).toBe(true);
    expect(went(unregister(3), unpin(NIB_B))).toBe(true);
    expect(went(unregister(3))).toBe(true);
    expect(went(unpin(NIB_A))).toBe(true);
  });

  test("linux-6.1: at a close, lines that another queue frees are not taken for the first one's", () => {
    const { world, device } = common("linux-6.1");
    enable(world, "0405", 3, NIB_A);
    enable(world, "0516", 5, NIB_B);
    const lines = [apcbClear(), unregister(5), unpin(NIB_B), unsetKvm()];
    const { defects } = world.explain(operationOf({ kind: "device-close", device }, done, lines), true, untold);
    expect(defects.map(({ rules }) => rules)).toEqual([["RST-2"]]);
    expect(world.ledger()).toEqual({
      queues: { "0405": `3 ${NIB_A}` },
      gisc: { 3: 1 },
      pins: { [NIB_A]: 1 },
      leaks: [],
    });
    expect(world.broken()).toEqual([]);
  });

  test("linux-6.1: what was freed, or not, tells how the reset ended (RST-5)", () => {
    const setup = common("linux-6.1");
    const { world, device } = setup;
    enable(world, "0405", 3, NIB_A);
    enable(world, "0516", 5, NIB_B);
    const lines = [apcbClear(), unregister(5), unpin(NIB_B), unsetKvm()];
    world.explain(operationOf({ kind: "device-close", device }, done, lines), true, untold);
    expect(world.queue("0405").resetRc).toEqual(oneOf([0x05, 0xff]));
    expect(world.queue("0516").resetRc).toEqual(oneOf([0x00, 0x01, 0x02, 0x03, 0x04]));
  });
});

describe("RST-7: the value of the last queue that failed", () => {
  test("linux-6.1: a queue that may be linked, and left no ZAPQ, is no part of it", () => {
    const setup = common("linux-6.1");
    const { world } = setup;
    Object.assign(world.queue("0505"), { linked: oneOf([world.mdev(), null]), owner: oneOf([world.mdev(), null]) });
    const lines = [zapq("0405", 0x00030000), zapq("0516", 0x80000000), zapq("0416", 0x80000000)];
    const results = [done, failed("EIO"), failed("EBUSY")];
    const refused = results.map((result) => world.refusesCall(resetCall(setup), result, lines, without("reset_queue")));
    expect(refused).toEqual([true, true, false]);
  });

  test("linux-6.1: lines that were lost do not undo a failure", () => {
    const setup = common("linux-6.1");
    const { world } = setup;
    const operation = (result: typeof done) => ({
      ...operationOf(resetCall(setup), result, [reset("0405", -16, 0x00030000)]),
      gap: true,
    });
    const results = [done, failed("EIO"), failed("EBUSY")];
    expect(results.map((result) => world.refuses(operation(result), noInstructions))).toEqual([true, false, false]);
  });
});

describe("the status word in the line of a reset", () => {
  test.each([
    ["released", [0x00030000, 0x00040000], [0x80000000, 0x00020000, 0x00050000]],
    ["dynamic-v12", [0x00030000, 0x00040000], [0x80000000, 0x00020000, 0x00050000]],
    ["linux-6.1", [0x00050000, 0x00060000], [0x80000000, 0x00030000, 0x00020000]],
  ] as const)("%s: -EIO is never the end of a ZAPQ with another code (RST-1, RST-2)", (column, right, wrong) => {
    const setup = common(column);
    const { world } = setup;
    const order = column === "linux-6.1" ? HASH_ORDER : ["0405", "0416", "0505", "0516"];
    const refused = (status: number): boolean => {
      const lines = order.map((queue, place) => (place === 0 ? reset(queue, -5, status) : reset(queue, 0, 0x80000000)));
      return world.refusesCall(resetCall(setup), failed("EIO"), lines, noInstructions);
    };
    expect(right.map(refused)).toEqual(right.map(() => false));
    expect(wrong.map(refused)).toEqual(wrong.map(() => true));
  });

  test("linux-6.1: tells the code that is remembered (RST-5)", () => {
    const setup = common("linux-6.1");
    const { world } = setup;
    const ends: readonly (readonly [number, number])[] = [
      [-5, 0x00060000],
      [-16, 0x80000000],
      [-16, 0x00030000],
      [0, 0x00030000],
    ];
    const lines = HASH_ORDER.map((queue, i) => reset(queue, ends[i]?.[0] ?? 0, ends[i]?.[1] ?? 0));
    world.explain(operationOf(resetCall(setup), failed("EBUSY"), lines), false, noInstructions);
    const codes = HASH_ORDER.map((queue) => world.queue(queue).resetRc);
    // A poll that shows code 03 may follow two ZAPQs that answered 02.
    expect(codes).toEqual([0x06, 0x02, oneOf([0x03, 0x02]), 0x00]);
  });

  test("linux-6.1: a reset that ended well turns the interrupt off (1.6)", () => {
    const setup = enabled("linux-6.1");
    const { world } = setup;
    expect(world.queue("0405").irq).toBe(true);
    const lines = [unregister(3), unpin(NIB_A), ...HASH_ORDER.map((queue) => reset(queue, 0, 0x81000000))];
    world.explain(operationOf(resetCall(setup), done, lines), false, noInstructions);
    expect(world.queue("0405").irq).toBe(false);
  });
});

describe("RST-6: a reset of the mdev shows which queues are in its table", () => {
  test("linux-6.1", () => {
    const setup = common("linux-6.1");
    const { world } = setup;
    const queue = world.queue("0505");
    const perhaps = oneOf([world.mdev(), null]);
    const resets = (...queues: readonly string[]) =>
      operationOf(
        resetCall(setup),
        done,
        queues.flatMap((name) => quietReset("linux-6.1", name)),
      );
    Object.assign(queue, { linked: perhaps, owner: perhaps });
    world.explain(resets("0405", "0516", "0416"));
    expect(queue.linked).toBeNull();
    // it may still name the mdev.
    expect(queue.owner).toEqual(perhaps);
    Object.assign(queue, { linked: perhaps });
    world.explain(resets(...HASH_ORDER));
    expect([queue.linked, queue.owner]).toEqual([world.mdev(), world.mdev()]);
  });

  test("linux-6.1: what a queue in it has registered is freed", () => {
    const setup = enabled("linux-6.1");
    const { world } = setup;
    const perhaps = oneOf([world.mdev(), null]);
    Object.assign(world.queue("0405"), { linked: perhaps, owner: perhaps });
    const refused = (...freed: readonly ApEffect[]): boolean =>
      world.refusesCall(
        resetCall(setup),
        done,
        HASH_ORDER.flatMap((name) => quietReset("linux-6.1", name, name === "0405" ? freed : [])),
      );
    expect(refused(unregister(3), unpin(NIB_A))).toBe(false);
    expect(refused()).toBe(true);
  });
});

describe("INV-1 to INV-3: registrations that no line accounts for", () => {
  const HIDDEN = without("pin_pages", "hw_aqic", "hw_tapq");

  test("linux-6.1: an ISC that stays where the mdev is gone, and its NIB not, is IRQ-10's", () => {
    const { world, device } = enabled("linux-6.1");
    const [first, ...others] = HASH_ORDER;
    const kept = [zapq(first, 0x80050000), reset(first, -5, 0x80050000)];
    const quiet = others.flatMap((queue) => quietReset("linux-6.1", queue));
    world.explain(operationOf({ kind: "device-close", device }, done, [apcbClear(), ...kept, ...quiet, unsetKvm()]));
    const lines = [...quietReset("linux-6.1", first, [unpin(NIB_A)]), ...quiet];
    world.explain(operationOf(writeOf({ on: "mdev", uuid: M, name: "remove" }, "1\n"), value(2), lines));
    expect(world.ledger().queues).toEqual({ [first]: "3 none" });
    expect(world.broken()).toEqual(["aqic/INV-1 by aqic/IRQ-10", "aqic/INV-13 by aqic/RST-10"]);
  });

  test.each(ALL)(
    "%s: a reset of a call that nobody recorded leaves open what it freed, and makes up nothing",
    (column) => {
      const { world } = enabled(column);
      const lines = [reset("0405", 0, 0x80000000), reset("0416", 0, 0x80000000)];
      world.explain(operationOf({ kind: "unrecorded" }, never, lines), true, without("gisc_unregister", "unpin_pages"));
      expect(world.ledger()).toMatchObject({ queues: { "0405": "unknown unknown" }, gisc: "unknown", pins: "unknown" });
      expect(world.queue("0416").savedIsc).toBeNull();
      world.queue("0405").driver = "vfio_ap";
      Object.assign(world.queue("0405"), { savedIsc: null, savedNib: null, heldBy: null });
      expect(world.broken()).toEqual([]);
    },
  );

  test("posted: what a queue without an mdev may have lost is not counted against the guest", () => {
    const setup = enabled("posted");
    const { world } = setup;
    // A scan without a line may have taken the queue away: what it had registered is lost with it (IRQ-11).
    const scans = without("queue_remove");
    const orders = ["0405", "0416", "0505", "0516"].flatMap((queue) => quietReset("posted", queue));
    world.explain(operationOf(resetCall(setup), done, orders), false, scans);
    expect(world.broken()).toEqual([]);
  });

  test("linux-6.1: the interrupt of a queue whose AQICs are not recorded may be on (INV-16)", () => {
    const setup = common("linux-6.1");
    const { world } = setup;
    const all = (first: readonly ApEffect[]): readonly ApEffect[] => [
      ...first,
      ...HASH_ORDER.slice(1).flatMap((queue) => quietReset("linux-6.1", queue)),
    ];
    world.explain(operationOf(resetCall(setup), done, all(quietReset("linux-6.1", "0405"))));
    const call = pqapCall({ gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A }, exit("0x80000000", 1));
    world.explain(operationOf(call, value(0), [register(3)]), false, HIDDEN);
    expect(world.queue("0405").irq).toBe(true);
    // IRQ-9: the disable gave up.
    const off = pqapCall({ gr0: aqicOf("0405") }, exit("0x81020000", 3));
    world.explain(operationOf(off, value(0), [unregister(3), unpin(NIB_A)]), false, HIDDEN);
    const on = [zapq("0405", 0x81000000), tapq("0405", 0x80000000), reset("0405", 0, 0x80000000)];
    world.explain(operationOf(resetCall(setup), done, all(on)));
    expect(world.broken()).toEqual([]);
  });

  test("linux-6.1: an ISC that a reset takes from another guest stays at its own, whoever has the mdev", () => {
    const { world, device, group } = enabled("linux-6.1");
    const kept = [zapq("0405", 0x80050000), reset("0405", -5, 0x80050000)];
    const quiet = HASH_ORDER.slice(1).flatMap((queue) => quietReset("linux-6.1", queue));
    world.explain(operationOf({ kind: "device-close", device }, done, [apcbClear(), ...kept, ...quiet, unsetKvm()]));
    const next = deviceOf(world, group);
    const G2 = "0x80020000";
    const open = openCall(group, next, makeVm(world, "200/10"));
    world.explain(operationOf(open, value(12), [apcbSet(APM, AQM, "", G2), setKvm(M, 0, G2)]));
    world.mdev().kvm = oneOf([world.guestAt(G), world.guestAt(G2)]);
    const freed = [unregister(3, -22, G2), unpin(NIB_A)];
    const lines = [apcbClear(G2), ...quietReset("linux-6.1", "0405", freed), ...quiet, unsetKvm(M, G2)];
    world.explain(operationOf({ kind: "device-close", device: next }, done, lines));
    expect(world.ledger()).toMatchObject({ queues: {}, gisc: { 3: 1 }, leaks: ["isc 3 IRQ-10"] });
  });
});

describe("QUEUE-10: queues of one bucket", () => {
  test("linux-6.1: which of them was linked last is open where that of one is", () => {
    const setup = common("linux-6.1", {
      queues: ["04.0005", "04.0095"],
      adapters: ["4"],
      domains: ["5", "0x95"],
      masks: apcbSet("08", "04000000000000000000000000000000000004"),
    });
    const { world } = setup;
    const order = (...queues: readonly string[]): boolean =>
      world.refusesCall(
        resetCall(setup),
        done,
        queues.flatMap((queue) => quietReset("linux-6.1", queue)),
      );
    expect([order("0495", "0405"), order("0405", "0495")]).toEqual([false, true]);
    world.queue("0495").linkedAt = 0;
    expect([order("0495", "0405"), order("0405", "0495")]).toEqual([false, false]);
  });
});
