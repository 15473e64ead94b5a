import { describe, expect, test } from "vitest";
import { ALL, type Column, isOld, operationOf, value, World } from "./host.js";
import {
  apcbClear,
  aqic,
  aqicOf,
  asksFor,
  exit,
  G,
  M,
  NIB_A,
  pin,
  pqapCall,
  type Request,
  register,
  tapq,
  unpin,
  unregister,
  unsetKvm,
} from "./lines.js";
import { common, enable, keyOf, makeMdev, makeVm, quietReset } from "./setting.js";

/** No host fact: what a guest has follows from its answers alone. */
const NO_FACTS = {
  facList: undefined,
  fac15: undefined,
  fac65: undefined,
  fac76: undefined,
  aiv: undefined,
  apxa: undefined,
};

describe("Example 9: order of the checks", () => {
  /** A guest without facilities 15 and 65 and with a CRYCB of format 0; nobody has an mdev for it. */
  function narrow(column: Column, facts = {}): World {
    const world = new World(column, { facts: { facList: [], apxa: false, ...facts } });
    makeVm(world);
    return world;
  }

  const USERSPACE = -95;
  const [PRIVILEGED, SPECIFICATION] = [2, 6];
  const GR1 = asksFor(3);

  const rows: readonly [row: string, request: Request, ends: number, rule: string][] = [
    ["1", { gr0: "0x03000405", eca: "0x200000" }, USERSPACE, "PQAP-3"],
    ["2", { gr0: "0x04000000", problemState: true }, USERSPACE, "PQAP-4"],
    ["3", { gr0: "0x037f0405", problemState: true }, PRIVILEGED, "PQAP-5"],
    ["4", { gr0: "0x037f0405" }, SPECIFICATION, "PQAP-6"],
    ["5", { gr0: "0x03800405" }, SPECIFICATION, "PQAP-7"],
    ["6", { gr0: "0x03004000" }, SPECIFICATION, "PQAP-8"],
    ["7", { gr0: "0x03000010" }, SPECIFICATION, "PQAP-8"],
    ["8", { gr0: "0x03003f0f" }, SPECIFICATION, "PQAP-9"],
    ["9", { gr0: "0xffffffff03003f0f" }, SPECIFICATION, "PQAP-9"],
  ];

  for (const [row, request, ends, rule] of rows) {
    test.each(ALL)(`row ${row}, ${rule}: %s`, (column) => {
      const world = narrow(column);
      const asked = { ...request, gr1: GR1, gr2: NIB_A };
      const end = ends === USERSPACE ? exit(GR1, 1, USERSPACE) : exit(GR1, 1, 0, ends);
      const { rules } = world.guest(asked, [], end);
      expect([...rules]).toContain(rule);
      expect([...rules]).toContain(ends === USERSPACE ? "PQAP-13" : "PQAP-14");
      expect([...rules]).toContain("PQAP-15");
      // Without the code of the program interruption the end is the same (PQAP-14).
      expect(world.refusesGuest(asked, [], exit(GR1, 1, ends === USERSPACE ? USERSPACE : 0))).toBe(false);
      // 5.5, 8: no line of the driver inside, and no status.
      expect(world.refusesGuest(asked, [pin(keyOf(column, NIB_A))], end)).toBe(true);
      expect(world.refusesGuest(asked, [], exit("0x10000", 3))).toBe(true);
    });
  }

  test.each(ALL)("row 10, PQAP-2: %s", (column) => {
    for (const gr0 of ["0x03000405", "0x04000000", "0x037f0405"]) {
      const world = narrow(column, { apInstructions: false });
      const { rules } = world.guest({ gr0, gr1: GR1 }, [], exit(GR1, 1, USERSPACE));
      expect([...rules]).toContain("PQAP-2");
    }
  });

  test.each(ALL)("%s: each check is passed by a guest that has what it asks for", (column) => {
    const { world } = common(column);
    world.guest({ gr0: "0x03804005", gr1: GR1 }, [], exit("0x10000", 3));
    expect(world.refusesGuest({ gr0: "0x03804005", gr1: GR1 }, [], exit(GR1, 1, 0, SPECIFICATION))).toBe(true);
    enable(world);
    expect(world.refusesGuest({ gr0: "0x03000405", gr1: GR1 }, [], exit(GR1, 1, 0, SPECIFICATION))).toBe(true);
    expect(world.missing("PQAP-1 PQAP-10 PQAP-11")).toEqual([]);
  });
});

test.each(ALL)("PQAP-2, %s: the test for AP instructions is a TAPQ of APQN 0, which a recorder may show", (column) => {
  const { world } = common(column);
  const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A };
  const lines = [pin(keyOf(column, NIB_A)), register(3), aqic("0405", 3, 0x80000000)];
  const refused = (first: string, at = 0) =>
    world.refusesGuest(request, lines.toSpliced(at, 0, tapq(first, 0x00010000)), exit("0x80000000", 1));
  expect(refused("0000")).toBe(false);
  expect(refused("0001")).toBe(true);
  expect(refused("0000", 1)).toBe(true);
  const other = { ...request, gr0: "0x04000000" };
  expect(world.refusesGuest(other, [tapq("0000", 0x80000000)], exit(asksFor(3), 1, -95))).toBe(false);
});

test.each(ALL)(
  "PQAP-14, %s: an instruction that was answered, or left to user space, leaves no interruption",
  (column) => {
    const { world } = common(column);
    const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A };
    const lines = [pin(keyOf(column, NIB_A)), register(3), aqic("0405", 3, 0x80000000)];
    for (const [pgm, wrong] of [
      [undefined, false],
      [0, false],
      [2, true],
      [6, true],
    ] as const) {
      expect(world.refusesGuest(request, lines, exit("0x80000000", 1, 0, pgm))).toBe(wrong);
      expect(world.refusesGuest({ ...request, gr0: aqicOf("0a0a") }, [], exit("0x10000", 3, 0, pgm))).toBe(wrong);
      expect(world.refusesGuest({ ...request, gr0: "0x04000000" }, [], exit(asksFor(3), 1, -95, pgm))).toBe(wrong);
    }
  },
);

describe("Example 10: no hook", () => {
  test.each(ALL)("rows 1 and 2, %s: the status goes into the high word", (column) => {
    const world = new World(column);
    makeVm(world);
    world.guest({ gr0: "0x03000405", gr1: "0x0000800000000003" }, [], exit("0x0001000000000003", 3));
    world.guest({ gr0: "0x03000405", gr1: "0x123456789abcdef0" }, [], exit("0x000100009abcdef0", 3));
    expect(world.refusesGuest({ gr0: "0x03000405", gr1: asksFor(3) }, [], exit("0x10000", 3))).toBe(true);
    expect(world.missing("PQAP-12")).toEqual([]);
  });

  test.each(ALL)("row 3, %s: an APQN that is not in the matrix", (column) => {
    const { world } = common(column);
    world.guest({ gr0: "0x03000a0a", gr1: asksFor(3), gr2: NIB_A }, [], exit("0x0000000000010000", 3));
    expect(world.refusesGuest({ gr0: "0x03000a0a", gr1: asksFor(3) }, [], exit("0x0001000000000003", 3))).toBe(true);
    expect(world.missing("AQIC-5 AQIC-8")).toEqual([]);
  });

  test.each(ALL)("row 4, %s: a CPU without ECA AIV", (column) => {
    const { world } = common(column);
    const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A, eca: "0x8" };
    const { rules } = world.guest(request, [], exit(asksFor(3), 1, -95));
    expect([...rules]).toContain("AQIC-1");
  });
});

describe("facts of a guest that nobody records", () => {
  const SPECIFIED = exit(asksFor(3), 1, 0, 6);
  const T_BIT = "0x03800405";

  /** A guest of which nothing is known but that it runs with M. */
  const unknownGuest = (column: Column): World => common(column, { facts: NO_FACTS }).world;

  const served = (world: World, gr0: string, tid = 4107): boolean => {
    const key = keyOf(world.column, NIB_A);
    const lines = [pin(key), register(3), aqic("0405", 3, 0x80000000)];
    return !world.refusesGuest({ gr0, gr1: asksFor(3), gr2: NIB_A, tid }, lines, exit("0x80000000", 1));
  };

  test.each(ALL)("%s: a guest that was refused for facility 65 is not served later", (column) => {
    const world = unknownGuest(column);
    expect(served(world, aqicOf("0405"))).toBe(true);
    world.guest({ gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A }, [], SPECIFIED);
    expect(served(world, aqicOf("0405"))).toBe(false);
    // Nor on another of its CPUs: facilities are the guest's.
    expect(served(world, aqicOf("0405"), 4108)).toBe(false);
  });

  test.each(ALL)("%s: a guest that was served is not refused later", (column) => {
    const world = unknownGuest(column);
    enable(world);
    const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A };
    expect(world.refusesGuest(request, [], SPECIFIED)).toBe(true);
    expect(world.refusesGuest({ ...request, tid: 4108 }, [], SPECIFIED)).toBe(true);
  });

  test.each(ALL)("%s: a refused T bit has two reasons, and the next answers tell which", (column) => {
    const world = unknownGuest(column);
    const refused = pqapCall({ gr0: T_BIT, gr1: asksFor(3), gr2: NIB_A }, SPECIFIED);
    expect(world.refusesCall(refused, value(0), [])).toBe(false);
    world.guest({ gr0: T_BIT, gr1: asksFor(3), gr2: NIB_A }, [], SPECIFIED);
    // Facility 15 or facility 65 is missing: either is possible yet, both cannot be there.
    expect(served(world, aqicOf("0405"))).toBe(true);
    expect(served(world, T_BIT)).toBe(false);
    enable(world);
    // Served without the bit: it is facility 15, now and later.
    expect(served(world, T_BIT)).toBe(false);
    expect(world.refusesCall(refused, value(0), [])).toBe(false);
  });

  test.each(ALL)("%s: the width of the CRYCB is found by wide APQNs", (column) => {
    const world = unknownGuest(column);
    const wide = { gr0: "0x03000416", gr1: asksFor(3), gr2: NIB_A };
    world.guest(wide, [], SPECIFIED);
    enable(world);
    const lines = [pin(keyOf(column, NIB_A)), register(3), aqic("0416", 3, 0x80000000)];
    expect(world.refusesGuest(wide, lines, exit("0x80000000", 1))).toBe(true);
    expect(world.refusesGuest(wide, [], SPECIFIED)).toBe(false);
  });

  test.each(ALL)("%s: ECA bits are those of one CPU", (column) => {
    const world = unknownGuest(column);
    const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A, eca: undefined };
    const left = exit(asksFor(3), 1, -95);
    world.explainGuest({ ...request, tid: 4200 }, [], left);
    const lines = [pin(keyOf(column, NIB_A)), register(3), aqic("0405", 3, 0x80000000)];
    // AP interpretation or AIV is missing for that CPU; another one may have both.
    expect(world.refusesGuest({ ...request, tid: 4201 }, lines, exit("0x80000000", 1))).toBe(false);
    world.explainGuest({ ...request, tid: 4201 }, lines, exit("0x80000000", 1));
    expect(world.refusesGuest({ ...request, tid: 4201 }, [], left)).toBe(true);
    expect(world.refusesGuest({ ...request, tid: 4202 }, [], left)).toBe(false);
  });

  test.each(ALL)("%s: an attribute of the VM turns AP interpretation off and on", (column) => {
    const { world, vm } = common(column, { facts: NO_FACTS });
    const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A, eca: undefined };
    enable(world);
    const left = exit(asksFor(3), 1, -95);
    world.guest({ ...request, gr0: aqicOf("0a0a") }, [], exit("0x10000", 3));
    expect(world.refusesGuest({ ...request, gr0: aqicOf("0a0a") }, [], left)).toBe(true);
    world.changes(vm, "attribute");
    expect(world.refusesGuest({ ...request, gr0: aqicOf("0a0a") }, [], left)).toBe(false);
  });

  test.each(ALL)("%s: protected mode may take AIV away in linux-6.1 alone", (column) => {
    const { world, vm } = common(column, { facts: NO_FACTS });
    const request = { gr0: aqicOf("0a0a"), gr1: asksFor(3), gr2: NIB_A, eca: undefined };
    world.guest(request, [], exit("0x10000", 3));
    world.changes(vm, "protected");
    expect(world.refusesGuest(request, [], exit(asksFor(3), 1, -95))).toBe(isOld(column));
  });

  test("protected mode may take AIV away although the host has it (GISC-8)", () => {
    const { world, vm } = common("linux-6.1");
    const request = { gr0: aqicOf("0a0a"), gr1: asksFor(3), gr2: NIB_A, eca: undefined };
    const left = exit(asksFor(3), 1, -95);
    world.guest(request, [], exit("0x10000", 3));
    expect(world.refusesGuest(request, [], left)).toBe(true);
    world.changes(vm, "protected");
    expect(world.refusesGuest(request, [], left)).toBe(false);
    expect(world.refusesGuest(request, [], exit("0x10000", 3))).toBe(false);
  });

  test("row 6 of Example 20: facility 65 without AIV", () => {
    for (const column of ALL) {
      const { world } = common(column, { facts: { aiv: false } });
      const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A, eca: "0x8" };
      const posted = column === "posted";
      expect(world.refusesGuest(request, [], exit(asksFor(3), 1, -95)), column).toBe(!posted);
      expect(world.refusesGuest(request, [], SPECIFIED), column).toBe(posted);
      if (posted) world.guest(request, [], exit(asksFor(3), 1, -95));
      else world.guest(request, [], SPECIFIED);
      expect(world.missing(posted ? "AQIC-1" : "PQAP-9 KVM-3")).toEqual([]);
    }
  });

  test.each(ALL)("%s: what the facts say of the host holds for every guest", (column) => {
    const { world } = common(column, { facts: { ...NO_FACTS, fac65: false } });
    expect(served(world, aqicOf("0405"))).toBe(false);
    const { world: narrow } = common(column, { facts: { ...NO_FACTS, apxa: false } });
    const wide = { gr0: "0x03000416", gr1: asksFor(3), gr2: NIB_A };
    expect(narrow.refusesGuest(wide, [], SPECIFIED)).toBe(false);
    const lines = [pin(keyOf(column, NIB_A)), register(3), aqic("0416", 3, 0x80000000)];
    expect(narrow.refusesGuest(wide, lines, exit("0x80000000", 1))).toBe(true);
  });
});

test.each(ALL)("%s: an answer of a CPU whose guest is not known tells nothing about any guest", (column) => {
  const world = new World(column, { facts: NO_FACTS });
  makeMdev(world, M, 1);
  makeVm(world, "100/10");
  makeVm(world, "200/10");
  const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A };
  world.explainGuest({ ...request, tid: 1 }, [], exit(asksFor(3), 1, 0, 6));
  expect(world.refusesGuest({ ...request, tid: 2 }, [], exit("0x0001000000000003", 3))).toBe(false);
});

test.each(ALL)("%s: where no VMM is followed, a VM without an mdev may run the instruction (PQAP-12)", (column) => {
  const { world } = common(column);
  const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A, tid: 77 };
  const refused = () => world.refusesGuest(request, [], exit("0x0001000000000003", 3));
  world.state.host.hosted = true;
  expect(refused()).toBe(true);
  world.state.host.hosted = false;
  expect(refused()).toBe(false);
});

describe("a guest whose end would not be seen", () => {
  const SPECIFIED = exit(asksFor(3), 1, 0, 6);
  const REQUEST = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A };
  const NO_HOOK = exit("0x0001000000000003", 3);

  test.each(ALL)("%s: keeps its facts while it has an mdev, and no longer", (column) => {
    const { world, device } = common(column, { facts: NO_FACTS });
    world.guestAt(G).vm = undefined;
    enable(world);
    expect(world.refusesGuest(REQUEST, [], SPECIFIED)).toBe(true);
    const order = isOld(column) ? ["0405", "0416", "0505", "0516"] : ["0405", "0516", "0416", "0505"];
    const freed = column === "posted" ? [] : [unregister(3), unpin(keyOf(column, NIB_A))];
    const lines = order.flatMap((queue) => quietReset(column, queue, queue === "0405" ? freed : []));
    world.explain(operationOf({ kind: "device-close", device }, value(0), [apcbClear(), ...lines, unsetKvm()]));
    // What comes next with its pointer, or on its tasks, may be another guest.
    expect(world.refusesGuest(REQUEST, [], SPECIFIED)).toBe(false);
    expect(world.refusesGuest(REQUEST, [], NO_HOOK)).toBe(false);
  });

  test.each(ALL)("%s: without an mdev no answer tells anything of the next one", (column) => {
    const world = new World(column, { facts: NO_FACTS });
    makeVm(world);
    for (const guest of world.state.guests.values()) guest.vm = undefined;
    world.explainGuest(REQUEST, [], SPECIFIED);
    expect(world.refusesGuest(REQUEST, [], NO_HOOK)).toBe(false);
    const seen = new World(column, { facts: NO_FACTS });
    makeVm(seen);
    seen.explainGuest(REQUEST, [], SPECIFIED);
    expect(seen.refusesGuest(REQUEST, [], NO_HOOK)).toBe(true);
  });
});
