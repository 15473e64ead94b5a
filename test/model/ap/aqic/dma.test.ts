import { describe, expect, test } from "vitest";
import type { ApCall } from "../../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../../src/operation/ap/effect.js";
import { ALL, type Column, done, isOld, never, OLD, operationOf, value } from "./host.js";
import {
  apcbClear,
  aqic,
  aqicOf,
  asksFor,
  dmaUnmap,
  exit,
  M2,
  NIB_A,
  NIB_B,
  pin,
  register,
  reset,
  tapq,
  unpin,
  unregister,
  unsetKvm,
  word,
  zapq,
} from "./lines.js";
import { type Common, common, enable, enabled, keyOf, LAST_TAPQ } from "./setting.js";

/** The ioctl, with its structure where that is recorded. */
function unmap({ vm }: Common, range?: readonly [iova: string, size: string]): ApCall {
  const named = range === undefined ? undefined : { iova: word(range[0]), size: word(range[1]) };
  return { kind: "dma-unmap", vm, range: named };
}

/** Rounds of the driver's callback for one mapping: each unpins the same page (NIB-8). */
function rounds(count: number, iova: string, size: string, key = iova): readonly ApEffect[] {
  return Array.from({ length: count }, () => [dmaUnmap(iova, size), unpin(key)]).flat();
}

const PAGE = "0x12345000";
const DISABLE = { gr0: aqicOf("0405") };
const DISABLED = [aqic("0405", "off", 0x80000000), tapq("0405", 0x80000000)];

describe("Example 18: DMA unmap with an active NIB", () => {
  test.each(OLD)("a, %s: two NIBs in the page of the mapping", (column) => {
    const setup = enabled(column);
    const { world } = setup;
    enable(world, "0416", 3, "0x12345080");
    expect(world.ledger().pins).toEqual({ [PAGE]: 2 });
    expect(world.missing("NIB-10")).toEqual([]);
    const { defects } = world.holds(unmap(setup), done, rounds(2, PAGE, "0x1000"));
    expect(defects.map(({ rules }) => rules)).toEqual([["NIB-8"], ["NIB-8"]]);
    // The queues keep what is saved, and their hardware stays enabled.
    expect(world.ledger()).toEqual({
      queues: { "0405": `3 ${PAGE}`, "0416": `3 ${PAGE}` },
      gisc: { "3": 2 },
      pins: {},
      leaks: [`stale ${PAGE} NIB-8`, `stale ${PAGE} NIB-8`],
    });
    expect(world.broken()).toEqual([]);
    expect(world.missing("NIB-8 NIB-9")).toEqual([]);
  });

  test.each(OLD)("a, %s: one callback is not enough for two pins, and three are too many", (column) => {
    const setup = enabled(column);
    enable(setup.world, "0416", 3, "0x12345080");
    for (const count of [0, 1, 3]) {
      const call = unmap(setup, [PAGE, "0x1000"]);
      expect(setup.world.refusesCall(call, done, rounds(count, PAGE, "0x1000")), `${count}`).toBe(true);
    }
  });

  test.each(ALL)("b and d, %s: the key is never met, and the host stops", (column) => {
    const setup = enabled(column);
    const { world } = setup;
    const key = isOld(column) ? "0x0" : "0x12345000";
    const [iova, size] = isOld(column) ? ["0x0", "0x80000000"] : [PAGE, "0x1000"];
    const lines = (count: number): readonly ApEffect[] => rounds(count, iova, size, key);
    expect(world.refusesCall(unmap(setup), done, lines(3))).toBe(true);
    expect(world.refusesCall(unmap(setup), done, lines(11))).toBe(true);
    expect(world.refusesCall(unmap(setup), never, lines(12))).toBe(true);
    const { defects } = world.explain(operationOf(unmap(setup), never, lines(11)), true);
    expect(defects.map(({ rules }) => rules)).toEqual([["NIB-9"]]);
    expect(world.state.host.hung).toContain("NIB-9");
  });

  test("c: linux-6.1, a NIB at the first byte of the mapping", () => {
    const setup = common("linux-6.1");
    const { world } = setup;
    enable(world, "0405", 3, PAGE);
    world.holds(unmap(setup), done, rounds(1, PAGE, "0x1000"));
    expect(world.ledger()).toMatchObject({ queues: { "0405": `3 ${PAGE}` }, pins: {} });
    expect(world.broken()).toEqual([]);
  });

  test.each(ALL)("e, %s: the disable after it finds nothing to unpin", (column) => {
    const setup = common(column);
    const { world } = setup;
    const nib = isOld(column) ? NIB_A : PAGE;
    enable(world, "0405", 3, nib);
    world.explain(operationOf(unmap(setup), done, rounds(1, PAGE, "0x1000")));
    const lines = [...DISABLED, unregister(3), unpin(PAGE)];
    world.guest(DISABLE, lines, exit("0x80000000", 1), { survivors: LAST_TAPQ });
    expect(world.ledger()).toEqual({ queues: {}, gisc: {}, pins: {}, leaks: [] });
    expect(world.broken()).toEqual([]);
    expect(world.missing("NIB-7")).toEqual([]);
  });

  test("queues of one NIB page: one key in the old profiles, one for each byte in linux-6.1", () => {
    for (const column of ALL) {
      const { world } = enabled(column);
      enable(world, "0416", 3, "0x12345080");
      const keys = isOld(column) ? { [PAGE]: 2 } : { [NIB_A]: 1, "0x12345080": 1 };
      expect(world.ledger().pins, column).toEqual(keys);
    }
  });

  test.each(ALL)("%s: the callback does not look at the queues", (column) => {
    const setup = enabled(column);
    const fixed = [dmaUnmap("0x0", "0x80000000"), ...DISABLED, unregister(3), unpin(keyOf(column, NIB_A))];
    expect(setup.world.refusesCall(unmap(setup), done, fixed)).toBe(true);
  });
});

describe("a mapping without pinned pages", () => {
  test.each(ALL)("%s: no callback", (column) => {
    const setup = enabled(column);
    const { world } = setup;
    const elsewhere = ["0x40000000", "0x1000"] as const;
    const { defects } = world.holds(unmap(setup, elsewhere), done, []);
    expect(defects).toEqual([]);
    expect(world.refusesCall(unmap(setup, elsewhere), done, rounds(1, "0x40000000", "0x1000"))).toBe(true);
    expect(world.ledger().pins).toEqual({ [keyOf(column, NIB_A)]: 1 });
  });

  test.each(ALL)("%s: which mapping it was may not be recorded", (column) => {
    const setup = enabled(column);
    const { world } = setup;
    world.explain(operationOf(unmap(setup), done, []), true);
    expect(world.ledger().pins).toEqual({ [keyOf(column, NIB_A)]: 1 });
  });

  test.each(ALL)("%s: the callbacks may be recorded without their own line", (column) => {
    const setup = common(column);
    const { world } = setup;
    const nib = isOld(column) ? NIB_A : PAGE;
    enable(world, "0405", 3, nib);
    const blind = { sees: (kind: string) => kind !== "dma_unmap", syscalls: true };
    const operation = operationOf(unmap(setup), done, [unpin(PAGE)]);
    expect(world.refuses(operation, blind)).toBe(false);
    world.explain(operation, true, blind);
    expect(world.ledger().pins).toEqual({});
  });
});

describe("Example 5, row 4, and NIB-11: what is pinned when the container goes", () => {
  /** The device is closed, then the group file: the container loses its last group. */
  function closes(setup: Common, freed: readonly ApEffect[] = []): readonly string[] {
    const { world, device, group } = setup;
    const quiet = (queue: string): ApEffect[] => {
      const after = queue === "0405" ? freed : [];
      const result = reset(queue, 0, 0x80000000);
      if (world.column === "linux-6.1") return [zapq(queue, 0x80000000), ...after, result];
      if (world.column === "dynamic-v12") return [zapq(queue, 0x80000000), result, ...after];
      const disabled = [aqic(queue, "off", 0x80070000), tapq(queue, 0x80000000)];
      return [zapq(queue, 0x80000000), result, ...disabled, ...after];
    };
    const order = isOld(world.column) ? ["0405", "0416", "0505", "0516"] : ["0405", "0516", "0416", "0505"];
    const lines = [apcbClear(), ...order.flatMap(quiet), unsetKvm()];
    world.explain(operationOf({ kind: "device-close", device }, done, lines));
    const { defects } = world.explain(operationOf({ kind: "group-close", file: group }, done, []));
    return defects.map(({ rules }) => rules.join());
  }

  test.each(ALL)("%s: a leak of IRQ-4 surfaces", (column) => {
    const setup = common(column);
    const { world } = setup;
    const key = keyOf(column, NIB_B);
    world.guest(
      { gr0: aqicOf("0405"), gr1: asksFor(7), gr2: NIB_B },
      [pin(key), register(7), aqic("0405", 7, 0x01050000), aqic("0405", "off", 0x80070000), tapq("0405", 0x80000000)],
      exit("0x1050000", 3),
      { survivors: LAST_TAPQ },
    );
    expect(closes(setup)).toEqual(["NIB-11,IRQ-4"]);
    expect(world.ledger()).toEqual({ queues: {}, gisc: { "7": 1 }, pins: {}, leaks: ["isc 7 IRQ-4"] });
    expect(world.missing("NIB-11 INV-23")).toEqual([]);
    expect(world.broken()).toEqual([]);
  });

  test.each(ALL)("%s: a registration that is freed at close leaves nothing", (column) => {
    const setup = enabled(column);
    const posted = column === "posted";
    const freed = posted ? [] : [unregister(3), unpin(keyOf(column, NIB_A))];
    expect(closes(setup, freed)).toEqual(posted ? ["NIB-11,IRQ-11"] : []);
    expect(setup.world.ledger().pins).toEqual({});
  });

  test.each(OLD)("%s: a NIB in page 0 surfaces", (column) => {
    const setup = common(column);
    setup.world.guest(
      { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: "0x200" },
      [pin("0x0"), register(3), aqic("0405", 3, 0x80000000)],
      exit("0x80000000", 1),
    );
    const freed = column === "posted" ? [] : [unregister(3)];
    expect(closes(setup, freed)).toEqual(["NIB-11,NIB-6"]);
  });

  test("linux-6.1: a NIB that a failed reset kept, beside one that leaked", () => {
    const setup = common("linux-6.1");
    const { world, device, group } = setup;
    world.explainGuest(
      { gr0: aqicOf("0416"), gr1: asksFor(7), gr2: NIB_B },
      [pin(NIB_B), register(7), aqic("0416", 7, 0x01050000), aqic("0416", "off", 0x80070000), tapq("0416", 0x80000000)],
      exit("0x1050000", 3),
    );
    enable(world);
    const quiet = (queue: string): ApEffect[] => [zapq(queue, 0x80000000), reset(queue, 0, 0x80000000)];
    const failed = [zapq("0405", 0x00050000), reset("0405", -5, 0x00050000)];
    const lines = [apcbClear(), ...failed, ...["0516", "0416", "0505"].flatMap(quiet), unsetKvm()];
    const { defects } = world.explain(operationOf({ kind: "device-close", device }, done, lines));
    expect(defects.map(({ rules }) => rules)).toEqual([["RST-2"]]);
    expect(world.broken()).toEqual([]);
    const end = world.explain(operationOf({ kind: "group-close", file: group }, done, []));
    expect(end.defects.map(({ rules }) => rules)).toEqual([
      ["NIB-11", "IRQ-4"],
      ["NIB-11", "RST-2"],
    ]);
    expect(world.broken()).toEqual([]);
  });
});

test.each(ALL)("%s: an unmap of another process does not concern the guest", (column: Column) => {
  const setup = enabled(column);
  const vm = { id: 999, name: "300/3" };
  const call: ApCall = { kind: "dma-unmap", vm, range: undefined };
  setup.world.explain(operationOf(call, value(0), []), true);
  expect(setup.world.ledger().pins).toEqual({ [keyOf(column, NIB_A)]: 1 });
});

test.each(ALL)("%s: whose mapping it was may not be known: then nor is what any guest has pinned", (column: Column) => {
  const { world } = enabled(column);
  const call: ApCall = { kind: "dma-unmap", vm: undefined, range: undefined };
  world.explain(operationOf(call, done, [dmaUnmap(PAGE, "0x1000", M2), unpin(PAGE)]));
  expect(world.ledger().pins).toBe("unknown");
});
