import { describe, expect, test } from "vitest";
import { ALL, type Column, isOld, never, OLD, operationOf, value, type World } from "./host.js";
import {
  aqic,
  aqicOf,
  asksFor,
  exit,
  G,
  NIB_A,
  NIB_B,
  pin,
  pqapCall,
  register,
  tapq,
  unpin,
  unregister,
} from "./lines.js";
import { common, enable, enabled, keyOf, LAST_TAPQ } from "./setting.js";

const ENABLE_A = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A };

/** What is registered after Example 1. */
function afterOne(column: Column): ReturnType<World["ledger"]> {
  const key = keyOf(column, NIB_A);
  return { queues: { "0405": `3 ${key}` }, gisc: { "3": 1 }, pins: { [key]: 1 }, leaks: [] };
}

describe("Example 1: clean enable", () => {
  test.each(ALL)("%s", (column) => {
    const { world } = common(column);
    const lines = [pin(keyOf(column, NIB_A)), register(3), aqic("0405", 3, 0x80000000)];
    const { defects } = world.guest(ENABLE_A, lines, exit("0x80000000", 1));
    expect(defects).toEqual([]);
    expect(world.ledger()).toEqual(afterOne(column));
    expect(world.guestAt(G).alertMask).toBe(0x10);
    // IRQ-10 (d), IRQ-11: as posted, the queue has forgotten its mdev after the enable; AQIC-10 has set it before.
    expect(world.queue("0405").owner).toBe(column === "posted" ? null : world.mdev());
    expect(world.broken()).toEqual([]);
    const covers =
      "PQAP-1 PQAP-10 PQAP-11 AQIC-2 AQIC-5 AQIC-6 AQIC-7 NIB-1 NIB-4 GISC-1 GISC-5 IRQ-1 IRQ-2 IRQ-5 INV-19";
    expect(world.missing(covers)).toEqual([]);
    // Nothing was registered: nothing speaks of a reset by the guest.
    expect(world.missing("IRQ-12 GISC-7")).toEqual(["IRQ-12", "GISC-7"]);
  });

  test("the page is pinned in one form, the byte in the other", () => {
    for (const column of ALL) {
      const { world } = common(column);
      const other = isOld(column) ? NIB_A : "0x12345000";
      const lines = [pin(other), register(3), aqic("0405", 3, 0x80000000)];
      expect(world.refusesGuest(ENABLE_A, lines, exit("0x80000000", 1)), column).toBe(true);
    }
  });

  test.each(ALL)("%s: GISA origin and host ISC are what they were the first time", (column) => {
    const { world } = enabled(column);
    const request = { gr0: aqicOf("0416"), gr1: asksFor(0), gr2: NIB_B };
    const lines = (control: string, nisc = 5) => [
      pin(keyOf(column, NIB_B)),
      register(0, nisc),
      aqic("0416", control, 0x80000000),
    ];
    const answer = exit("0x80000000", 1);
    expect(world.refusesGuest(request, lines("0x000080001f5c2915"), answer)).toBe(true);
    expect(world.refusesGuest(request, lines("0x000080001f5c2904", 4), answer)).toBe(true);
    world.guest(request, lines("0x000080001f5c2905"), answer);
    expect(world.ledger().gisc).toEqual({ "0": 1, "3": 1 });
    expect(world.guestAt(G).alertMask).toBe(0x90);
  });

  test.each(ALL)("%s: a clean enable with another condition code before keeps that one", (column) => {
    for (const ccBefore of [0, 2, 3]) {
      const { world } = common(column);
      const lines = [pin(keyOf(column, NIB_A)), register(3), aqic("0405", 3, 0x80000000)];
      world.guest({ ...ENABLE_A, ccBefore }, lines, exit("0x80000000", ccBefore));
    }
  });

  test.each(ALL)("%s: without the condition code before, any is right after a success", (column) => {
    const lines = [pin(keyOf(column, NIB_A)), register(3), aqic("0405", 3, 0x80000000)];
    for (const cc of [0, 1, 2, 3]) {
      const { world } = common(column);
      expect(world.refusesGuest({ ...ENABLE_A, ccBefore: undefined }, lines, exit("0x80000000", cc))).toBe(false);
    }
  });
});

describe("Example 2: enable twice", () => {
  test.each(ALL)("%s", (column) => {
    const { world } = enabled(column);
    const keyB = keyOf(column, NIB_B);
    world.guest(
      { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_B },
      [pin(keyB), register(3), aqic("0405", 3, 0x81070000), unpin(keyB), unregister(3)],
      exit("0x81070000", 3),
    );
    expect(world.ledger()).toEqual(afterOne(column));
    expect(world.guestAt(G).alertMask).toBe(0x10);
    // Associated again, and not freed since (IRQ-11).
    expect(world.queue("0405").owner).toBe(world.mdev());
    expect(world.broken()).toEqual([]);
    expect(world.missing("IRQ-3 IRQ-6 GISC-2 GISC-7 NIB-7 INV-18")).toEqual([]);
  });

  test.each(ALL)("%s: the order of IRQ-3 is that of no other profile's later kernel", (column) => {
    const { world } = enabled(column);
    const keyB = keyOf(column, NIB_B);
    const lines = [pin(keyB), register(3), aqic("0405", 3, 0x81070000), unregister(3), unpin(keyB)];
    const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_B };
    expect(world.refusesGuest(request, lines, exit("0x81070000", 3))).toBe(true);
  });
});

describe("Example 3: an invisible guest reset, then another ISC", () => {
  test.each(ALL)("%s", (column) => {
    const { world } = enabled(column);
    const [keyA, keyB] = [keyOf(column, NIB_A), keyOf(column, NIB_B)];
    const { defects } = world.guest(
      { gr0: aqicOf("0405"), gr1: asksFor(0), gr2: NIB_B },
      [pin(keyB), register(0), aqic("0405", 0, 0x80000000), unregister(3), unpin(keyA)],
      exit("0x80000000", 1),
    );
    expect(defects).toEqual([]);
    expect(world.ledger()).toEqual({
      queues: { "0405": `0 ${keyB}` },
      gisc: { "0": 1 },
      pins: { [keyB]: 1 },
      leaks: [],
    });
    expect(world.guestAt(G).alertMask).toBe(0x80);
    expect(world.broken()).toEqual([]);
    expect(world.missing("IRQ-12 IRQ-2 IRQ-10 GISC-3")).toEqual([]);
  });

  test.each(ALL)("%s: the same ISC again never empties its bit of the alert mask", (column) => {
    const { world } = enabled(column);
    const [keyA, keyB] = [keyOf(column, NIB_A), keyOf(column, NIB_B)];
    world.guest(
      { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_B },
      [pin(keyB), register(3), aqic("0405", 3, 0x80000000), unregister(3), unpin(keyA)],
      exit("0x80000000", 1),
    );
    expect(world.ledger().gisc).toEqual({ "3": 1 });
    expect(world.guestAt(G).alertMask).toBe(0x10);
    expect(world.missing("GISC-7")).toEqual([]);
  });
});

describe("Example 4: NIB problems", () => {
  const REFUSED = exit("0x60000", 3);

  test("a, linux-6.1: NIB 0 is refused before anything is pinned", () => {
    const { world } = common("linux-6.1");
    world.guest({ ...ENABLE_A, gr2: "0x0" }, [], REFUSED);
    expect(world.ledger()).toEqual({ queues: {}, gisc: {}, pins: {}, leaks: [] });
    expect(world.missing("NIB-2")).toEqual([]);
    const served = [pin("0x0"), register(3), aqic("0405", 3, 0x80000000)];
    expect(world.refusesGuest({ ...ENABLE_A, gr2: "0x0" }, served, exit("0x80000000", 1))).toBe(true);
  });

  for (const [row, nib] of [
    ["a", "0x0"],
    ["d", "0x200"],
  ] as const) {
    test.each(OLD)(`${row}, %s: page 0 is pinned and never unpinned`, (column) => {
      const { world } = common(column);
      const { defects } = world.guest(
        { ...ENABLE_A, gr2: nib },
        [pin("0x0"), register(3), aqic("0405", 3, 0x80000000)],
        exit("0x80000000", 1),
      );
      expect(defects.map(({ rules }) => rules)).toEqual([["NIB-6"]]);
      expect(world.ledger()).toEqual({
        queues: { "0405": "3 none" },
        gisc: { "3": 1 },
        pins: { "0x0": 1 },
        leaks: ["pin 0x0 NIB-6"],
      });
      expect(world.broken()).toEqual([]);
      // 5.5, 3: NIB 0 alone is no reason for response code 06 here.
      expect(world.refusesGuest({ ...ENABLE_A, gr2: nib }, [], REFUSED)).toBe(true);
      // The next disable frees the ISC, and the page stays.
      world.guest(
        { gr0: aqicOf("0405") },
        [
          aqic("0405", "off", 0x80000000),
          tapq("0405", 0x80000000),
          // As posted, the guest's request associates the queue anew (AQIC-10), so that it is freed.
          unregister(3),
        ],
        exit("0x80000000", 1),
        { survivors: LAST_TAPQ },
      );
      expect(world.ledger()).toEqual({ queues: {}, gisc: {}, pins: { "0x0": 1 }, leaks: ["pin 0x0 NIB-6"] });
    });
  }

  test("b, linux-6.1: a NIB in no slot is refused before anything is pinned", () => {
    const { world } = common("linux-6.1");
    world.guest({ ...ENABLE_A, gr2: "0xffffffffffffffff" }, [], REFUSED);
    expect(world.missing("NIB-3")).toEqual([]);
    expect(world.ledger().pins).toEqual({});
  });

  test.each(OLD)("b, %s: the pin decides, and fails", (column) => {
    const { world } = common(column);
    world.guest({ ...ENABLE_A, gr2: "0xffffffffffffffff" }, [pin("0xfffffffffffff000", -22)], REFUSED);
    expect(world.ledger()).toEqual({ queues: {}, gisc: {}, pins: {}, leaks: [] });
    expect(world.refusesGuest({ ...ENABLE_A, gr2: "0xffffffffffffffff" }, [], REFUSED)).toBe(true);
  });

  test.each(ALL)("c, %s: a pin that fails ends the enable, and an old registration stays", (column) => {
    const { world } = enabled(column);
    const failed = [pin(keyOf(column, NIB_B), -1)];
    // Of a page that was never pinned linux-6.1 may say without a line that it is no memory (NIB-3).
    const survivors = isOld(column) ? [] : [/^without line 1/];
    world.guest({ gr0: aqicOf("0405"), gr1: asksFor(7), gr2: NIB_B }, failed, REFUSED, { survivors });
    expect(world.ledger()).toEqual(afterOne(column));
    expect(world.missing("NIB-4")).toEqual([]);
    for (const rc of [-22, -19, -14, -12, -16, -13, -25]) {
      const { world: other } = common(column);
      expect(other.refusesGuest(ENABLE_A, [pin(keyOf(column, NIB_A), rc)], REFUSED), `rc ${rc}`).toBe(false);
    }
  });

  test("d, linux-6.1: a NIB in page 0 works", () => {
    const { world } = common("linux-6.1");
    world.guest(
      { ...ENABLE_A, gr2: "0x200" },
      [pin("0x200"), register(3), aqic("0405", 3, 0x80000000)],
      exit("0x80000000", 1),
    );
    expect(world.ledger()).toEqual({
      queues: { "0405": "3 0x200" },
      gisc: { "3": 1 },
      pins: { "0x200": 1 },
      leaks: [],
    });
  });

  test("linux-6.1: a page that was refused once is not memory, and one that was pinned is", () => {
    const { world } = common("linux-6.1");
    world.guest({ ...ENABLE_A, gr2: "0x90000040" }, [], REFUSED);
    const lines = [pin("0x90000080"), register(3), aqic("0405", 3, 0x80000000)];
    expect(world.refusesGuest({ ...ENABLE_A, gr2: "0x90000080" }, lines, exit("0x80000000", 1))).toBe(true);
    world.guest(ENABLE_A, [pin(NIB_A), register(3), aqic("0405", 3, 0x80000000)], exit("0x80000000", 1));
    expect(world.refusesGuest({ ...ENABLE_A, gr2: "0x12345ff0" }, [], REFUSED)).toBe(true);
  });

  test("b, linux-6.1: the last page of all is in no slot (NIB-3)", () => {
    const { world } = common("linux-6.1");
    const pinned = [pin("0xffffffffffffffff", -22)];
    expect(world.refusesGuest({ ...ENABLE_A, gr2: "0xffffffffffffffff" }, pinned, REFUSED)).toBe(true);
    expect(world.refusesGuest({ ...ENABLE_A, gr2: "0xffffffffffffffff" }, [], REFUSED)).toBe(false);
    // The page before it can be: the pin fails for want of a mapping.
    expect(
      world.refusesGuest({ ...ENABLE_A, gr2: "0xffffffffffffefff" }, [pin("0xffffffffffffefff", -22)], REFUSED),
    ).toBe(false);
  });

  test("linux-6.1: an instruction whose exit is missing does not tell that its page is no memory", () => {
    const { world } = common("linux-6.1");
    world.explain(operationOf(pqapCall(ENABLE_A, undefined), never, []), true);
    enable(world);
  });
});

describe("NIB-3: memory slots, where the calls that set them are recorded", () => {
  const answers = (world: World, gr2: string): readonly boolean[] => {
    const pinned = [pin(gr2), register(3), aqic("0405", 3, 0x80000000)];
    return [
      world.refusesGuest({ ...ENABLE_A, gr2 }, pinned, exit("0x80000000", 1)),
      world.refusesGuest({ ...ENABLE_A, gr2 }, [pin(gr2, -22)], REFUSED),
      world.refusesGuest({ ...ENABLE_A, gr2 }, [], REFUSED),
    ];
  };
  const REFUSED = exit("0x60000", 3);
  const MEMORY = [false, false, true];
  const NONE = [true, true, false];
  const OPEN = [false, false, false];

  test("linux-6.1: from the first to the last byte, and no further", () => {
    const { world, vm } = common("linux-6.1");
    expect(answers(world, NIB_A)).toEqual(OPEN);
    world.changes(vm, "memory", { slot: 0, first: 1, pages: 0x7ffff, readonly: false });
    expect(answers(world, "0xfff")).toEqual(NONE);
    expect(answers(world, "0x1000")).toEqual(MEMORY);
    expect(answers(world, "0x7fffffff")).toEqual(MEMORY);
    expect(answers(world, "0x80000000")).toEqual(NONE);
    world.changes(vm, "memory", { slot: 1, first: 0x80000, pages: 1, readonly: true });
    expect(answers(world, "0x80000000")).toEqual(NONE);
    world.changes(vm, "memory", { slot: 1, first: 0x80000, pages: 1, readonly: false });
    expect(answers(world, "0x80000000")).toEqual(MEMORY);
    world.changes(vm, "memory", { slot: 0, first: 1, pages: 0, readonly: false });
    expect(answers(world, NIB_A)).toEqual(NONE);
  });

  test("linux-6.1: one that is not shown whole, or of a VM that is not known, leaves all open", () => {
    for (const unknown of [true, false]) {
      const { world, vm } = common("linux-6.1");
      world.changes(vm, "memory", { slot: 0, first: 0, pages: 1, readonly: false });
      expect(answers(world, NIB_A)).toEqual(NONE);
      const other = { slot: 1, first: 0x10000, pages: 0x10000, readonly: false };
      if (unknown) world.changes({ id: 4711, name: "200/10" }, "memory", other);
      else world.changes(vm, "memory");
      expect(answers(world, NIB_A)).toEqual(OPEN);
    }
  });
});

test.each(ALL)("%s: a GISA lies at offset 0x900 of its page (GISC-5, INV-19)", (column) => {
  const { world } = common(column);
  const lines = (control: string) => [pin(keyOf(column, NIB_A)), register(3), aqic("0405", control, 0x80000000)];
  for (const [control, wrong] of [
    ["0x000083001f5c2905", false],
    ["0x0000830000001905", false],
    ["0x000083001f5c2805", true],
    ["0x0000830001f5c295", true],
    ["0x0000830000000005", true],
  ] as const) {
    expect(world.refusesGuest(ENABLE_A, lines(control), exit("0x80000000", 1)), control).toBe(wrong);
  }
});

test.each(OLD)(
  "%s: without a GISA the origin is zero; where registrations are not recorded, there may be none",
  (column) => {
    const { world } = common(column);
    const lines = [pin(keyOf(column, NIB_A)), aqic("0405", "0x0000830000000005", 0x80000000)];
    const seen = { sees: (kind: string) => !kind.startsWith("gisc_"), syscalls: true };
    expect(world.refusesCall(pqapCall(ENABLE_A, exit("0x80000000", 1)), value(0), lines, seen)).toBe(false);
  },
);
