import { describe, expect, test } from "vitest";
import type { ApCall, VmRef } from "../../../../src/operation/ap/call.js";
import { ALL, done, isOld, noInstructions, OLD, operationOf, value, World } from "./host.js";
import {
  aqic,
  aqicOf,
  asksFor,
  exit,
  G,
  M,
  NIB_A,
  NIB_B,
  pin,
  pqapCall,
  register,
  tapq,
  unpin,
  unregister,
  unsetKvm,
} from "./lines.js";
import { common, enable, enabled, keyOf, LAST_TAPQ } from "./setting.js";

const ENABLE = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A };
const LOST = { facts: { hostAqicStatus: "lost" } };

describe("Example 20, rows 1 and 2: a host that loses the status", () => {
  test.each(ALL)("row 1, %s: a refused enable counts as done", (column) => {
    const { world } = common(column, LOST);
    const key = keyOf(column, NIB_A);
    const lines = [pin(key), register(3), aqic("0405", 3, 0x01050000)];
    // The high half of the control word may shine through in the reserved bits of the status.
    expect(world.refusesGuest(ENABLE, lines, exit("0x8300", 1))).toBe(false);
    expect(world.refusesGuest(ENABLE, lines, exit("0x8000", 1))).toBe(true);
    expect(world.refusesGuest(ENABLE, lines, exit("0x1050000", 3))).toBe(true);
    world.guest(ENABLE, lines, exit("0x0", 1), { survivors: [ANY_ANSWER] });
    expect(world.ledger()).toEqual({ queues: { "0405": `3 ${key}` }, gisc: { "3": 1 }, pins: { [key]: 1 }, leaks: [] });
    expect(world.missing("IRQ-13 IRQ-2")).toEqual([]);
  });

  test.each(ALL)("row 2, %s: a disable never retries", (column) => {
    const { world } = common(column, LOST);
    const key = keyOf(column, NIB_A);
    world.explain(
      operationOf(pqapCall(ENABLE, exit("0x0", 1)), value(0), [pin(key), register(3), aqic("0405", 3, 0x80000000)]),
    );
    const lines = [aqic("0405", "off", 0x81020000), tapq("0405", 0x80000000), unregister(3), unpin(key)];
    world.guest({ gr0: aqicOf("0405") }, lines, exit("0x0", 1), {
      survivors: [ANY_ANSWER, /hw_aqic .* that no machine has/, ...LAST_TAPQ],
    });
    const retried = [aqic("0405", "off", 0x81020000), ...lines];
    expect(world.refusesGuest({ gr0: aqicOf("0405") }, retried, exit("0x0", 1))).toBe(true);
    expect(world.ledger()).toEqual({ queues: {}, gisc: {}, pins: {}, leaks: [] });
  });

  test.each(OLD)("%s: whether the host loses it is found by the first answer", (column) => {
    for (const [answer, lost] of [
      [exit("0x0", 1), true],
      [exit("0x80000000", 1), false],
    ] as const) {
      const { world } = common(column, { facts: { hostAqicStatus: undefined } });
      const lines = [pin(keyOf(column, NIB_A)), register(3), aqic("0405", 3, 0x80000000)];
      world.explainGuest(ENABLE, lines, answer);
      expect(world.state.host.aqicStatus).toBe(lost ? "lost" : "true");
      const other = [pin(keyOf(column, NIB_B)), register(0), aqic("0416", 0, 0x80000000)];
      const request = { gr0: aqicOf("0416"), gr1: asksFor(0), gr2: NIB_B };
      expect(world.refusesGuest(request, other, exit("0x80000000", 1))).toBe(lost);
      expect(world.refusesGuest(request, other, exit("0x0", 1))).toBe(!lost);
    }
  });

  test.each(OLD)("%s: a host that loses it gives the guest no code of the hardware, seen or not", (column) => {
    const { world } = enabledOn(column);
    const lines = [pin(keyOf(column, NIB_B)), register(3), unpin(keyOf(column, NIB_B)), unregister(3)];
    const call = pqapCall({ ...ENABLE, gr2: NIB_B }, exit("0x81070000", 3));
    expect(world.refusesCall(call, value(0), lines, noInstructions)).toBe(true);
  });

  /** A host that loses the status, with Example 1 done on it. */
  function enabledOn(column: (typeof OLD)[number]): { readonly world: World } {
    const { world } = common(column, LOST);
    const lines = [pin(keyOf(column, NIB_A)), register(3), aqic("0405", 3, 0x80000000)];
    world.explain(operationOf(pqapCall(ENABLE, exit("0x0", 1)), value(0), lines));
    return { world };
  }
});

/** What hardware answers is nothing to a driver that does not see it. */
const ANY_ANSWER = /hw_aqic .* with another response code/;

describe("Example 20: GISA, registration and protected mode", () => {
  test("row 5, linux-6.1: a failed registration is undone", () => {
    const { world } = enabled("linux-6.1");
    const lines = [pin(NIB_B), register(7, -19), unpin(NIB_B)];
    world.guest({ ...ENABLE, gr1: asksFor(7), gr2: NIB_B }, lines, exit("0x80000", 3));
    expect(world.ledger()).toEqual({
      queues: { "0405": `3 ${NIB_A}` },
      gisc: { "3": 1 },
      pins: { [NIB_A]: 1 },
      leaks: [],
    });
    expect(world.missing("GISC-4")).toEqual([]);
    // IRQ-4 would need an instruction that answered 08, and the disable that follows it (5.4).
    const issued = [pin(NIB_B), register(7, -19), aqic("0405", 7, 0x00080000)];
    expect(world.refusesGuest({ ...ENABLE, gr1: asksFor(7), gr2: NIB_B }, issued, exit("0x80000", 3))).toBe(true);
  });

  test.each(OLD)("row 5, %s: the error becomes the host's ISC", (column) => {
    const { world } = common(column);
    const key = keyOf(column, NIB_A);
    const { defects } = world.guest(
      ENABLE,
      [pin(key), register(3, -19), aqic("0405", "0x0000830000000005", 0x80000000)],
      exit("0x80000000", 1),
    );
    expect(defects.map(({ rules }) => rules)).toEqual([["GISC-4"]]);
    expect(world.ledger()).toMatchObject({ queues: { "0405": `3 ${key}` }, gisc: {}, pins: { [key]: 1 } });
    expect(world.broken()).toEqual([]);
    const undone = [pin(key), register(3, -19), unpin(key)];
    expect(world.refusesGuest(ENABLE, undone, exit("0x80000", 3))).toBe(true);
    // The unregistration answers the same error, and the page is unpinned normally.
    const lines = [aqic("0405", "off", 0x80000000), tapq("0405", 0x80000000), unregister(3, -19), unpin(key)];
    world.guest({ gr0: aqicOf("0405") }, lines, exit("0x80000000", 1), { survivors: LAST_TAPQ });
    expect(world.ledger()).toEqual({ queues: {}, gisc: {}, pins: {}, leaks: [] });
    expect(world.broken()).toEqual([]);
  });

  test.each(ALL)("row 3, %s: ISC 5 has bit 0x04", (column) => {
    const { world } = common(column);
    enable(world, "0405", 5);
    expect(world.ledger().gisc).toEqual({ "5": 1 });
    expect(world.guestAt(G).alertMask).toBe(0x04);
  });

  test("row 4: a reply with the interrupt on prints no line of the driver", () => {
    const { world } = enabled("linux-6.1");
    // The next status word shows it: replies waiting, interrupt on.
    const lines = [pin(NIB_B), register(3), aqic("0405", 3, 0x41070000), unpin(NIB_B), unregister(3)];
    world.guest({ ...ENABLE, gr2: NIB_B }, lines, exit("0x41070000", 3));
    expect(world.missing("IRQ-14")).toEqual([]);
    expect(world.broken()).toEqual([]);
  });

  test("row 11, linux-6.1: protected mode keeps the counts, and nobody knows the alert mask", () => {
    const { world, vm } = enabled("linux-6.1");
    world.changes(vm, "protected");
    expect(world.ledger().gisc).toEqual({ "3": 1 });
    expect(world.guestAt(G).alertMask).toMatchObject({ isUnknown: true });
    enable(world, "0416", 3, NIB_B);
    expect(world.ledger().gisc).toEqual({ "3": 2 });
    expect(world.missing("GISC-8")).toEqual([]);
    expect(world.broken()).toEqual([]);
  });

  test.each(ALL)("row 7, %s: AP interpretation turned off may not reach the CPUs", (column) => {
    const { world, vm } = common(column, { facts: { fac76: false, apie: true } });
    const request = { gr0: aqicOf("0101"), gr1: asksFor(3), eca: undefined };
    world.guest(request, [], exit("0x10000", 3));
    expect(world.refusesGuest(request, [], exit(asksFor(3), 1, -95))).toBe(true);
    world.changes(vm, "attribute");
    expect(world.refusesGuest(request, [], exit("0x10000", 3))).toBe(false);
    expect(world.refusesGuest(request, [], exit(asksFor(3), 1, -95))).toBe(false);
    expect(world.missing("KVM-2")).toEqual([]);
  });
});

describe("Example 20, rows 9, 10 and 12: module, race, serialization", () => {
  function withdrawn(column: (typeof OLD)[number]): { world: World; vm: VmRef } {
    const { world, vm, device } = common(column);
    world.explain(operationOf({ kind: "guest-set", vm, change: "remove" }, done, []));
    world.explain(operationOf({ kind: "device-close", device }, done, [unsetKvm(M, "0x0")]));
    return { world, vm };
  }

  test.each(OLD)("row 9, %s: a hook whose module is going away", (column) => {
    const { world } = withdrawn(column);
    const { rules } = world.explainGuest(ENABLE, [], exit(asksFor(3), 1, -95));
    expect([...rules]).toContain("PQAP-10");
    // An open device keeps the module.
    const { world: open } = common(column);
    expect(open.refusesGuest(ENABLE, [], exit(asksFor(3), 1, -95))).toBe(true);
  });

  test("row 9: linux-6.1 has no reference that could fail", () => {
    const { world } = common("linux-6.1");
    world.mdev().open = false;
    expect(world.refusesGuest(ENABLE, [], exit(asksFor(3), 1, -95))).toBe(true);
  });

  test.each(ALL)("row 10, %s: a hook that vanished under a request", (column) => {
    const world = new World(column);
    const vm = { id: world.file(), name: "100/10" };
    world.explain(operationOf({ kind: "vm-create", vm } as ApCall, done, []));
    const operation = operationOf(pqapCall(ENABLE, exit("0x10000", 3)), value(0), []);
    expect(world.refuses(operation)).toBe(true);
    // Only where a close ran at the same time, and only in the old profiles (5.2).
    expect(world.refuses({ ...operation, overlapping: true })).toBe(!isOld(column));
    // A line of the driver says that the hook was still there (5.5, 8).
    const pinned = operationOf(pqapCall(ENABLE, exit("0x10000", 3)), value(0), [pin(keyOf(column, NIB_A))]);
    expect(world.refuses({ ...pinned, overlapping: true })).toBe(true);
    if (isOld(column)) {
      world.explain({ ...operation, overlapping: true });
      expect(world.missing("AQIC-2 AQIC-3 AQIC-8")).toEqual([]);
    }
  });
});

describe("5.5: never, whatever hardware does", () => {
  test.each(ALL)("%s: return codes other than 0 and -95", (column) => {
    const { world } = common(column);
    for (const rc of [1, -1, -5, -16, -22]) {
      expect(world.refusesGuest(ENABLE, [], exit(ENABLE.gr1, 1, rc))).toBe(true);
      // Even where nothing of the instruction is known.
      const stranger = new World(column);
      expect(stranger.refusesGuest(ENABLE, [], exit(ENABLE.gr1, 1, rc))).toBe(true);
    }
  });

  test.each(ALL)("%s: a status in the high word from the driver", (column) => {
    const { world } = common(column);
    const lines = [pin(keyOf(column, NIB_A)), register(3), aqic("0405", 3, 0x80000000)];
    expect(world.refusesGuest(ENABLE, lines, exit("0x0000000180000000", 1))).toBe(true);
    expect(world.refusesGuest(ENABLE, lines, exit("0x8000000000000000", 1))).toBe(true);
  });

  test.each(OLD)("%s: codes 06 and 08 of nobody", (column) => {
    const { world } = common(column);
    const key = keyOf(column, NIB_A);
    expect(world.refusesGuest(ENABLE, [], exit("0x60000", 3))).toBe(true);
    expect(world.refusesGuest(ENABLE, [pin(key)], exit("0x60000", 3))).toBe(true);
    const enabling = [pin(key), register(3), aqic("0405", 3, 0x80000000)];
    expect(world.refusesGuest(ENABLE, enabling, exit("0x80000", 3))).toBe(true);
  });

  test.each(ALL)("%s: a registration or an instruction before the pin", (column) => {
    const { world } = common(column);
    const key = keyOf(column, NIB_A);
    for (const lines of [
      [register(3), pin(key), aqic("0405", 3, 0x80000000)],
      [aqic("0405", 3, 0x80000000), pin(key), register(3)],
      [register(3), aqic("0405", 3, 0x80000000)],
      [pin(key, -22), register(3), aqic("0405", 3, 0x80000000)],
    ]) {
      expect(world.refusesGuest(ENABLE, lines, exit("0x80000000", 1))).toBe(true);
    }
  });
});
