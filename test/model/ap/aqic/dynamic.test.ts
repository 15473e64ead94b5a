import { describe, expect, test } from "vitest";
import { unknown } from "../../../../src/model/core/known.js";
import type { ApCall } from "../../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../../src/operation/ap/effect.js";
import { type Column, done, failed, never, operationOf, V9, value } from "./host.js";
import {
  apcbClear,
  apcbSet,
  aqic,
  aqicOf,
  asksFor,
  exit,
  G,
  M,
  NIB_A,
  NIB_B,
  pin,
  queueRemove,
  register,
  reset,
  tapq,
  unpin,
  unregister,
  unsetKvm,
  zapq,
} from "./lines.js";
import { APM, AQM, type Common, common, enable, keyOf, LAST_TAPQ, writeOf } from "./setting.js";

const V12: Column = "dynamic-v12";

function unassign(side: "adapter" | "domain", number: string): ApCall {
  return writeOf({ on: "mdev", uuid: M, name: `unassign_${side}` }, `${number}\n`);
}

const quiet = (queue: string): readonly ApEffect[] => [zapq(queue, 0x80000000), reset(queue, 0, 0x80000000)];

const REMOVE = writeOf({ on: "mdev", uuid: M, name: "remove" }, "1\n");

/** The queues at 23.00ed alone: one of the 64 APQNs whose look-up takes another bucket than their insertion (AQIC-11). */
const MIXED = { queues: ["23.00ed"], adapters: ["0x23"], domains: ["0xed"] };

describe("Example 19: dynamic-v12 specials", () => {
  test("row 1: a queue that is never looked up", () => {
    // 0x23 is bit 35 (digit 9 is 1), 0xed is bit 237 (digit 60 is 4).
    const [apm, aqm] = [`${"0".repeat(8)}1`, `${"0".repeat(59)}4`];
    const { world } = common(V12, { ...MIXED, masks: apcbSet("", aqm) });
    world.guest({ gr0: "0x030023ed", gr1: asksFor(3), gr2: NIB_A }, [], exit("0x10000", 3));
    expect(world.missing("AQIC-11")).toEqual([]);
    const served = [pin(keyOf(V12, NIB_A)), register(3), aqic("23ed", 3, 0x80000000)];
    expect(world.refusesGuest({ gr0: "0x030023ed", gr1: asksFor(3), gr2: NIB_A }, served, exit("0x80000000", 1))).toBe(
      true,
    );
    // Nor where it is not known in which table it is, or which mdev the guest has.
    world.queue("23ed").linked = unknown;
    const refused = () =>
      world.refusesGuest({ gr0: "0x030023ed", gr1: asksFor(3), gr2: NIB_A }, served, exit("0x80000000", 1));
    expect(refused()).toBe(true);
    world.guestAt(G).hook = unknown;
    expect(refused()).toBe(true);
    const { world: merged } = common("linux-6.1", { ...MIXED, masks: apcbSet(apm, aqm) });
    enable(merged, "23ed");
  });

  /** Rows 2 to 4: 04.0016 is enabled, and its domain is unassigned. */
  function withoutDomain(): Common {
    const setup = common(V12);
    const { world } = setup;
    enable(world, "0416", 3, NIB_A);
    const { defects } = world.holds(unassign("domain", "0x16"), value(5), [apcbSet(APM, "04")]);
    expect(defects.map(({ rules }) => rules[0])).toEqual(["ap-config/ASG-5", "ap-config/ASG-5"]);
    return setup;
  }

  test("row 2: unassigning a domain links its queues once more", () => {
    const { world } = withoutDomain();
    expect([world.queue("0416").linked, world.queue("0516").linked]).toEqual([world.mdev(), world.mdev()]);
    expect(world.ledger()).toMatchObject({ queues: { "0416": `3 ${keyOf(V12, NIB_A)}` }, gisc: { "3": 1 } });
    const broken = world.broken();
    expect(broken).toContain("ap-config/INV-9 by ap-config/ASG-5");
    expect(broken.every((name) => name.includes(" by "))).toBe(true);
    const { world: other } = common(V12);
    const resets = [apcbSet(APM, "04"), ...quiet("0416"), ...quiet("0516")];
    expect(other.refusesCall(unassign("domain", "0x16"), value(5), resets)).toBe(true);
    expect(world.missing("QUEUE-9 RST-10")).toEqual([]);
  });

  test("row 3: AQIC is served for it all the same", () => {
    const { world } = withoutDomain();
    const lines = [aqic("0416", "off", 0x80000000), tapq("0416", 0x80000000), unregister(3), unpin(keyOf(V12, NIB_A))];
    world.guest({ gr0: aqicOf("0416") }, lines, exit("0x80000000", 1), { survivors: LAST_TAPQ });
    expect(world.ledger()).toEqual({ queues: {}, gisc: {}, pins: {}, leaks: [] });
    expect(world.missing("AQIC-9")).toEqual([]);
  });

  test("row 4: closing does not reset it", () => {
    const { world, device } = withoutDomain();
    const lines = [apcbClear(), ...quiet("0405"), ...quiet("0505"), unsetKvm()];
    const call: ApCall = { kind: "device-close", device };
    expect(
      world.refusesCall(call, done, [apcbClear(), ...quiet("0405"), ...quiet("0416"), ...quiet("0505"), unsetKvm()]),
    ).toBe(true);
    world.holds(call, done, lines);
    // Its interrupt stays armed, with nobody to disarm it: by the rules of this profile.
    expect(world.ledger()).toMatchObject({ gisc: { "3": 1 } });
    expect(world.broken()).toContain("aqic/INV-13 by aqic/RST-10");
    expect(world.broken().every((name) => name.includes(" by "))).toBe(true);
  });

  test("rows 5 and 6: unassigning an adapter forgets a registration, removing the queue leaks it", () => {
    const { world } = common(V12);
    enable(world);
    const key = keyOf(V12, NIB_A);
    world.holds(unassign("adapter", "4"), value(2), [apcbSet("04", AQM)]);
    expect(world.queue("0405").owner).toBe(null);
    expect(world.ledger()).toEqual({ queues: { "0405": `3 ${key}` }, gisc: { "3": 1 }, pins: { [key]: 1 }, leaks: [] });
    expect(world.missing("RST-10")).toEqual([]);
    const remove: ApCall = { kind: "queue-remove", apqn: 0x0405 };
    const { defects } = world.holds(remove, done, [...quiet("0405"), queueRemove("0405")]);
    expect(defects.map(({ rules }) => rules[0])).toEqual(["QUEUE-6"]);
    expect(world.ledger()).toEqual({
      queues: {},
      gisc: { "3": 1 },
      pins: { [key]: 1 },
      leaks: ["isc 3 QUEUE-6", `pin ${key} QUEUE-6`],
    });
    expect(world.broken()).toEqual([]);
  });

  test("row 5 under linux-6.1: unlinked, taken from the guest, reset, freed", () => {
    const { world } = common("linux-6.1");
    enable(world);
    const lines = [
      apcbSet("04", AQM),
      zapq("0405", 0x80000000),
      unregister(3),
      unpin(NIB_A),
      reset("0405", 0, 0x80000000),
      ...quiet("0416"),
    ];
    world.holds(unassign("adapter", "4"), value(2), lines);
    expect(world.ledger()).toEqual({ queues: {}, gisc: {}, pins: {}, leaks: [] });
    expect([world.queue("0405").owner, world.queue("0405").linked]).toEqual([null, null]);
    expect(world.broken()).toEqual([]);
    expect(world.missing("RST-8 RST-10 QUEUE-10")).toEqual([]);
    const { world: posted } = common(V12);
    expect(posted.refusesCall(unassign("adapter", "4"), value(2), lines)).toBe(true);
  });

  test.each(V9)("row 5 under %s: refused", (column) => {
    const { world } = common(column);
    world.holds(unassign("adapter", "4"), failed("EBUSY"), []);
    expect(world.refusesCall(unassign("adapter", "4"), value(2), [])).toBe(true);
  });

  test.each([V12, "linux-6.1"] as const)("row 7, %s: removing the mdev waits for the close", (column) => {
    const { world, device } = common(column);
    world.explain(operationOf({ ...REMOVE, phase: "begin" } as ApCall, never, []), true);
    const order = column === V12 ? ["0405", "0416", "0505", "0516"] : ["0405", "0516", "0416", "0505"];
    const resets = order.flatMap(quiet);
    world.holds({ kind: "device-close", device }, done, [apcbClear(), ...resets, unsetKvm()]);
    world.holds({ ...REMOVE, phase: "end" } as ApCall, value(2), resets);
    expect(world.mdev().present).toBe(false);
  });
});

describe("linux-6.1: queues that keep their mdev after an unassign (RST-10)", () => {
  test("Q-13: a queue that was filtered out keeps mdev and registration", () => {
    const { world, device } = common("linux-6.1", { gone: ["0516"], masks: apcbSet("08", AQM) });
    enable(world, "0505", 3, NIB_B);
    world.holds(unassign("adapter", "5"), value(2), []);
    const queue = world.queue("0505");
    expect([queue.linked, queue.owner, queue.savedIsc]).toEqual([null, world.mdev(), 3]);
    expect(world.broken()).toEqual(["aqic/INV-8 by aqic/RST-10"]);
    const lines = [apcbClear(), ...quiet("0405"), ...quiet("0416"), unsetKvm()];
    world.explain(operationOf({ kind: "device-close", device }, done, lines));
    expect(world.broken()).toContain("aqic/INV-13 by aqic/RST-10");
  });

  test("Q-14: of two queues in one bucket only the first is released", () => {
    const setting = { queues: ["00.0000", "00.0090"], adapters: ["0"], domains: ["0", "0x90"] };
    // Domain 0x90 is bit 144: bit 0 of digit 36.
    const aqm = `8${"0".repeat(35)}8`;
    const { world } = common("linux-6.1", { ...setting, masks: apcbSet("8", aqm) });
    const lines = [apcbSet("", aqm), ...quiet("0090"), ...quiet("0000")];
    world.holds(unassign("adapter", "0"), value(2), lines);
    expect([world.queue("0090").owner, world.queue("0000").owner]).toEqual([null, world.mdev()]);
    expect(world.broken()).toEqual(["aqic/INV-8 by aqic/RST-10"]);
  });
});
