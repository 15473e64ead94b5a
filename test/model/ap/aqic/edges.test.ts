import { describe, expect, test } from "vitest";
import { bitsText } from "../../../../src/model/core/bits.js";
import { unknown } from "../../../../src/model/core/known.js";
import type { ApCall } from "../../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../../src/operation/ap/effect.js";
import { ALL, COMMON_QUEUES, type Column, done, failed, isOld, isV9, OLD, operationOf, value, World } from "./host.js";
import {
  apcbClear,
  apcbSet,
  aqic,
  aqicOf,
  asksFor,
  exit,
  G,
  M,
  M2,
  NIB_A,
  pin,
  register,
  setKvm,
  tapq,
  unpin,
  unregister,
  unsetKvm,
  word,
} from "./lines.js";
import {
  APM,
  AQM,
  attachLines,
  common,
  deviceOf,
  enabled,
  keyOf,
  makeMdev,
  makeVm,
  openCall,
  openGroup,
  quietReset,
  writeOf,
} from "./setting.js";

/** Observations beside the right ones that single changes of the model had let through. */

const ORDER: Readonly<Record<"old" | "hash", readonly string[]>> = {
  old: ["0405", "0416", "0505", "0516"],
  hash: ["0405", "0516", "0416", "0505"],
};

function resets(column: Column, but: readonly string[] = []): readonly ApEffect[] {
  const order = isOld(column) ? ORDER.old : ORDER.hash;
  return order.filter((queue) => !but.includes(queue)).flatMap((queue) => quietReset(column, queue));
}

describe.each(ALL)("closing the device, %s", (column) => {
  test("names the guest that it had (KVM-8, KVM-12)", () => {
    const { world, device } = common(column);
    const call: ApCall = { kind: "device-close", device };
    const lines = (unset: ApEffect): readonly ApEffect[] => [apcbClear(), ...resets(column), unset];
    expect(world.refusesCall(call, done, lines(unsetKvm()))).toBe(false);
    expect(world.refusesCall(call, done, lines(unsetKvm(M, "0x80990000")))).toBe(true);
    // In aqic-v9 the line decides which mdev a descriptor stands for: of another one nothing is known.
    expect(world.refusesCall(call, done, lines(unsetKvm(M2)))).toBe(!isV9(column));
  });

  test("resets every queue that is bound and assigned (RST-6, RST-8)", () => {
    for (const left of [["0405"], ["0516"], ["0405", "0416", "0505", "0516"]]) {
      const { world, device } = common(column);
      const lines = [apcbClear(), ...resets(column, left), unsetKvm()];
      expect([left, world.refusesCall({ kind: "device-close", device }, done, lines)]).toEqual([left, true]);
    }
  });
});

describe("opening the device", () => {
  test("of a second mdev for a guest that has one is refused, and cannot succeed (KVM-6)", () => {
    const { world, vm } = common("linux-6.1");
    makeMdev(world, M2, 2, ["6"], ["7"]);
    const group = openGroup(world, 2);
    const succeeds = [apcbSet("", ""), setKvm(M2, 0)];
    expect(world.refusesCall(openCall(group, undefined, vm), value(12), succeeds)).toBe(true);
    expect(world.refusesCall(openCall(group, undefined, vm), value(12), [setKvm(M2, 0)])).toBe(true);
    expect(world.refusesCall(openCall(group, undefined, vm), failed("EPERM"), [setKvm(M2, -1)])).toBe(false);
  });

  test("of an mdev that has its guest already may be refused or not: a second descriptor (KVM-6)", () => {
    const world = new World("linux-6.1", {});
    makeMdev(world, M, 1);
    const group = openGroup(world, 1);
    const vm = makeVm(world);
    expect(world.refusesCall(openCall(group, undefined, vm), value(11), attachLines(world))).toBe(false);
    expect(world.refusesCall(openCall(group, undefined, vm), failed("EPERM"), [setKvm(M, -1)])).toBe(true);
  });
});

describe("opening the device, where another guest is concerned", () => {
  const OTHER = "0x80aa0000";

  test("stays refused while another mdev has the guest (KVM-6, variant hookFirst)", () => {
    const { world, vm } = common("linux-6.1", { facts: { hookFirst: true } });
    makeMdev(world, M2, 2, ["6"], ["7"]);
    const group = openGroup(world, 2);
    const refused = openCall(group, undefined, vm);
    world.explain(operationOf(refused, failed("EPERM"), [setKvm(M2, -1)]));
    expect(world.refusesCall(refused, failed("EPERM"), [setKvm(M2, -1)])).toBe(false);
    expect(world.refusesCall(openCall(group, undefined, vm), value(12), [apcbSet("", "01"), setKvm(M2)])).toBe(true);
  });

  test("a VM has one pointer as long as it lives", () => {
    const { world, vm, group, device } = common("linux-6.1");
    const closed = [apcbClear(), ...resets("linux-6.1"), unsetKvm()];
    world.explain(operationOf({ kind: "device-close", device }, done, closed));
    const again = (kvm: string): boolean =>
      world.refusesCall(openCall(group, undefined, vm), value(11), [apcbSet(APM, AQM, "", kvm), setKvm(M, 0, kvm)]);
    expect([again(G), again(OTHER)]).toEqual([false, true]);
  });

  test("a guest that lines have named before is the same with a VM that they had not (KVM-6)", () => {
    const world = new World("linux-6.1");
    makeMdev(world, M, 1);
    makeMdev(world, M2, 2, ["6"], ["7"]);
    const stranger = openCall(openGroup(world, 2), undefined, undefined);
    world.explain(operationOf(stranger, value(12), [apcbSet("", "01"), setKvm(M2)]));
    const second = openCall(openGroup(world, 1), undefined, makeVm(world));
    expect(world.refusesCall(second, value(11), attachLines(world))).toBe(true);
    expect(world.refusesCall(second, failed("EPERM"), [setKvm(M, -1)])).toBe(false);
  });

  const NO_HOOK = exit("0x0001000000000000", 3);
  const DISABLE = { gr0: aqicOf("0405") };

  test.each(OLD)("%s: a notification that nobody saw was of the VM that opened (KVM-7)", (column) => {
    const world = new World(column);
    makeMdev(world, M, 1);
    makeVm(world, "100/10");
    // The only VM so far: the task is its CPU.
    world.explainGuest({ ...DISABLE, tid: 1 }, [], NO_HOOK);
    const opens = makeVm(world, "200/10");
    const call = openCall(openGroup(world, 1), undefined, opens);
    world.explain({ ...operationOf(call, value(11), []), gap: true }, true);
    const served = [aqic("0405", "off", 0x80070000), tapq("0405", 0x80000000)];
    const answers = (tid: number): boolean => world.refusesGuest({ ...DISABLE, tid }, served, exit("0x80070000", 3));
    expect([answers(1), answers(2)]).toEqual([true, false]);
    expect(world.refusesGuest({ ...DISABLE, tid: 1 }, [], NO_HOOK)).toBe(false);
  });

  test.each(OLD)("%s: where nobody says whose device it is, any mdev may have the guest", (column) => {
    const world = new World(column);
    makeMdev(world, M, 1);
    const vm = makeVm(world);
    const call = openCall({ id: world.file(), group: 9 }, undefined, vm);
    expect(world.explain(operationOf(call, value(11), []), true).unchecked.join()).toContain("mdev");
    const served = [aqic("0405", "off", 0x80070000), tapq("0405", 0x80000000)];
    expect(world.refusesGuest(DISABLE, served, exit("0x80070000", 3))).toBe(false);
    expect(world.refusesGuest(DISABLE, [], NO_HOOK)).toBe(false);
  });
});

test.each(OLD)("%s: a close whose line names another mdev leaves open which group is free (MDEV-9)", (column) => {
  const { world, vm, group } = common(column, { queues: [...COMMON_QUEUES, "06.0007"] });
  makeMdev(world, M2, 2, ["6"], ["7"]);
  const group2 = openGroup(world, 2);
  const device2 = deviceOf(world, group2);
  world.explain(operationOf(openCall(group2, device2, vm), value(12), [setKvm(M2, -1)]));
  for (const file of [group, group2]) world.explain(operationOf({ kind: "group-close", file }, done, []));
  const open = (number: number): boolean =>
    world.refusesCall({ kind: "group-open", group: number, file: undefined }, value(9), []);
  expect([open(1), open(2)]).toEqual([true, true]);
  // The descriptor is that of M after all.
  const closed = [apcbClear(), ...resets(column), unsetKvm()];
  world.explain(operationOf({ kind: "device-close", device: device2 }, done, closed));
  expect([open(1), open(2)]).toEqual([false, false]);
});

describe.each(ALL)("gisc_register, %s", (column) => {
  const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A };

  test("answers a host ISC, always the same, or -ENODEV (GISC-1)", () => {
    const lines = (rc: number): readonly ApEffect[] => [
      pin(keyOf(column, NIB_A)),
      register(3, rc),
      aqic("0405", `0x000083001f5c290${rc & 7}`, 0x80000000),
    ];
    for (const rc of [8, 9, -5, -22]) {
      const { world } = common(column);
      world.state.host.nisc = unknown;
      expect([rc, world.refusesGuest(request, lines(rc), exit("0x80000000", 1))]).toEqual([rc, true]);
      // Nor with what the driver would make of it.
      const control = rc < 0 ? `0x000083000000000${rc & 7}` : `0x000083001f5c290${rc}`;
      const goesOn = [pin(keyOf(column, NIB_A)), register(3, rc), aqic("0405", control, 0x80000000)];
      expect([rc, world.refusesGuest(request, goesOn, exit("0x80000000", 1))]).toEqual([rc, true]);
      const undone = [pin(keyOf(column, NIB_A)), register(3, rc), unpin(keyOf(column, NIB_A))];
      expect([rc, world.refusesGuest(request, undone, exit("0x80000", 3))]).toEqual([rc, true]);
    }
    // The host ISC is 5 (1.1).
    for (const [rc, wrong] of [
      [5, false],
      [3, true],
    ] as const) {
      const { world } = common(column, { facts: { nisc: undefined } });
      expect([rc, world.refusesGuest(request, lines(rc), exit("0x80000000", 1))]).toEqual([rc, wrong]);
    }
    for (const rc of [0, 5, 7]) {
      const { world } = common(column);
      world.state.host.nisc = unknown;
      expect([rc, world.refusesGuest(request, lines(rc), exit("0x80000000", 1))]).toEqual([rc, false]);
    }
  });
});

describe.each(ALL)("gisc_unregister, %s", (column) => {
  test("answers 0, or that nothing was registered (GISC-2)", () => {
    for (const [rc, known, unknownCount] of [
      [0, true, true],
      [-22, false, true],
      [-19, false, true],
      [-5, false, false],
      [5, false, false],
    ] as const) {
      const { world } = enabled(column);
      const lines = [aqic("0405", "off", 0x80000000), tapq("0405", 0x80000000), unregister(3, rc)];
      const explained = (): boolean =>
        !world.refusesGuest({ gr0: aqicOf("0405") }, [...lines, unpin(keyOf(column, NIB_A))], exit("0x80000000", 1));
      expect([rc, explained()]).toEqual([rc, known]);
      world.guestAt(G).gisc = unknown;
      expect([rc, explained()]).toEqual([rc, unknownCount]);
    }
  });

  test("finds what the same instruction has registered (IRQ-3)", () => {
    for (const [rc, wrong] of [
      [0, false],
      [-22, true],
    ] as const) {
      const { world } = common(column);
      world.guestAt(G).gisc = unknown;
      const key = keyOf(column, NIB_A);
      const lines = [pin(key), register(3), aqic("0405", 3, 0x81070000), unpin(key), unregister(3, rc)];
      const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A };
      expect([rc, world.refusesGuest(request, lines, exit("0x81070000", 3))]).toEqual([rc, wrong]);
    }
  });
});

describe("an exit of PQAP without a line of the driver, the hook not known (PQAP-12, 5.5)", () => {
  test.each([
    // As it was, or without a hook response code 01 in the high half and the low half as it was.
    ["0x0000800000000003", true],
    ["0x0000000080000000", false],
    ["0x0001000000000003", true],
    ["0x0001000000000004", false],
    ["0x0002000000000003", false],
    ["0x0001800000000003", false],
  ])("gr1 %s", (gr1, legal) => {
    const { world } = common("linux-6.1");
    for (const guest of world.state.guests.values()) guest.hook = unknown;
    const call: ApCall = {
      kind: "pqap",
      vcpu: 7,
      tid: 9999,
      gr0: word(aqicOf("0707")),
      gr1: word(asksFor(3)),
      gr2: word(NIB_A),
      problemState: undefined,
      ccBefore: undefined,
      eca: undefined,
      exit: exit(gr1, 3),
    };
    expect(world.refusesCall(call, value(0), [])).toBe(!legal);
  });
});

describe("an exit of PQAP of which nothing else is judged (5.5)", () => {
  test.each([
    ["0x0000800000000003", -95, true],
    ["0x0000000080000000", 0, true],
    ["0x0001000000000003", 0, true],
    ["0x0001000000000007", 0, false],
    ["0x0002000000000003", 0, false],
    ["0x0000000080000000", -95, false],
  ])("gr1 %s with rc %i", (gr1, rc, legal) => {
    const { world } = common("dynamic-v12");
    world.mdev().tainted = "an earlier operation corrupted memory";
    const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A };
    expect(world.refusesGuest(request, [], exit(gr1, 3, rc))).toBe(!legal);
  });
});

describe("an mdev whose memory a defect corrupted (ASG-6, D12-11)", () => {
  const remove = writeOf({ on: "mdev", uuid: M, name: "remove" }, "1\n");
  const create = writeOf({ on: "mdev-type", name: "create" }, `${M}\n`);

  test("what a call on it led to is not known: the guest, its masks, its registrations", () => {
    const { world, device } = enabled("dynamic-v12");
    world.mdev().tainted = "an earlier operation corrupted memory";
    const { unchecked } = world.explain(operationOf({ kind: "device-close", device }, done, [unsetKvm()]), true);
    expect(unchecked).toEqual(["an earlier operation corrupted memory"]);
    const guest = world.guestAt(G);
    expect([world.mdev().kvm, guest.hook, guest.pins, guest.gisc]).toEqual([unknown, unknown, unknown, unknown]);
    expect(bitsText(guest.apm)).toBe("unknown");
    expect(world.queue("0405").savedIsc).toBe(unknown);
  });

  test("a call that failed changed nothing", () => {
    const { world } = enabled("dynamic-v12");
    world.mdev().tainted = "an earlier operation corrupted memory";
    world.explain(operationOf(remove, failed("EINVAL"), []), true);
    expect([world.mdev().present, world.guestAt(G).hook]).toEqual([true, world.mdev()]);
  });

  test("once it is removed it may be made anew", () => {
    const { world } = common("dynamic-v12");
    world.mdev().tainted = "an earlier operation corrupted memory";
    world.explain(operationOf(remove, value(2), []), true);
    expect(world.mdev().present).toBe(false);
    world.explain(operationOf(create, value(37), []));
    expect(world.mdev().tainted).toBe(undefined);
  });
});

describe("the guest's masks", () => {
  test("are those of its mdev, whoever else runs", () => {
    const { world } = common("linux-6.1");
    expect(world.guestAt(G).hook).toBe(world.mdev(M));
    makeMdev(world, M2, 2, ["6"], ["7"]);
    const group = openGroup(world, 2);
    const vm = makeVm(world, "200/10");
    const other = "0x80aa0000";
    expect(
      world.refusesCall(openCall(group, undefined, vm), value(12), [
        apcbSet(APM, AQM, "", other),
        setKvm(M2, 0, other),
      ]),
    ).toBe(true);
  });
});
