import { describe, expect, test } from "vitest";
import { renderState } from "../../../../src/model/ap/render.js";
import type { ApCall, DeviceRef, VmRef } from "../../../../src/operation/ap/call.js";
import { COMMON_QUEUES, type Column, done, failed, isV9, OLD, operationOf, value, World } from "./host.js";
import {
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
  queueProbe,
  setKvm,
  tapq,
  unpin,
  unregister,
  unsetKvm,
} from "./lines.js";
import {
  APM,
  AQM,
  attachLines,
  closeCall,
  closeLines,
  common,
  deviceOf,
  enable,
  guestSet,
  keyOf,
  LAST_TAPQ,
  makeMdev,
  makeVm,
  openCall,
  openGroup,
} from "./setting.js";

/** The masks that the guest runs with, in the JSON form of the state. */
function crycb(world: World): { readonly apm: string; readonly aqm: string } {
  const { guests } = renderState(world.state) as {
    guests: readonly { kvm: string; crycb: { apm: string; aqm: string } }[];
  };
  const guest = guests.find(({ kvm }) => kvm === G);
  if (guest === undefined) throw new Error("no guest G");
  return guest.crycb;
}

const hex = (digits: string): string => `0x${digits.padEnd(64, "0")}`;

describe("Example 11: an assigned but filtered queue", () => {
  test.each(["dynamic-v12", "linux-6.1"] as const)("%s", (column) => {
    const { world } = common(column, { gone: ["0516"], masks: apcbSet("08", AQM) });
    enable(world, "0505");
    expect(world.missing("AQIC-9")).toEqual([]);
    world.guest({ gr0: aqicOf("0516"), gr1: asksFor(3), gr2: NIB_A }, [], exit("0x10000", 3));
    const probe: ApCall = { kind: "queue-probe", apqn: 0x0516 };
    world.holds(probe, done, [queueProbe("0516"), apcbSet(APM, AQM)]);
    expect(world.queue("0516").linked).toBe(world.mdev());
    expect(crycb(world)).toMatchObject({ apm: hex("0c"), aqm: hex(AQM) });
    enable(world, "0516", 3, "0x70000040");
    expect(world.missing("QUEUE-3 KVM-11")).toEqual([]);
    expect(world.broken()).toEqual([]);
  });

  test("a queue that the guest has is no reason to speak of filtering", () => {
    const { world } = common("linux-6.1");
    enable(world);
    expect(world.missing("AQIC-9")).toEqual(["AQIC-9"]);
  });
});

describe("Example 15: attach, detach, second mdev (linux-6.1)", () => {
  const COLUMN = "linux-6.1";

  test("rows 1 to 5", () => {
    const world = new World(COLUMN);
    makeMdev(world, M, 1);
    makeMdev(world, M2, 2, ["6"], ["7"]);
    const vm = makeVm(world);
    const group = openGroup(world, 1);
    world.holds(openCall(group, undefined, undefined), failed("EINVAL"), []);
    const device = deviceOf(world, group);
    world.holds(openCall(group, device, vm), value(11), attachLines(world));
    const guest = world.guestAt(G);
    expect([guest.hook, guest.refs, world.mdev().kvm]).toEqual([world.mdev(), 1, guest]);
    const group2 = openGroup(world, 2);
    world.holds(openCall(group2, undefined, vm), failed("EPERM"), [setKvm(M2, -1)]);
    expect([guest.hook, guest.refs, world.mdev(M2).kvm]).toEqual([world.mdev(), 1, null]);
    enable(world);
    const freed = [unregister(3), unpin(NIB_A)];
    world.holds(closeCall(device), done, closeLines(COLUMN, freed));
    expect([guest.hook, guest.refs, world.mdev().kvm]).toEqual([null, 0, null]);
    expect(world.ledger()).toEqual({ queues: {}, gisc: {}, pins: {}, leaks: [] });
    expect(crycb(world)).toMatchObject({ apm: hex(""), aqm: hex("") });
    expect(world.broken()).toEqual([]);
    world.holds(openCall(group, deviceOf(world, group), vm), value(12), attachLines(world));
    expect(crycb(world)).toMatchObject({ apm: hex(APM), aqm: hex(AQM) });
    const covers = "KVM-5 KVM-6 KVM-8 KVM-11 KVM-12 KVM-13 KVM-14 IOC-5 IOC-6 RST-8";
    expect(world.missing(covers)).toEqual([]);
  });

  test("row 6: the masks are cut to format 0", () => {
    const world = new World(COLUMN, {
      facts: { fac76: false },
      queues: ["04.0005", "04.0016", "05.0005", "05.0016", "41.0005", "41.0016"],
    });
    makeMdev(world, M, 1, ["4", "5", "0x41"], ["5", "0x16"]);
    const vm = makeVm(world);
    const group = openGroup(world, 1);
    // Adapter 0x41 is bit 65: bit 1 of the 17th digit.
    const apm = `0c${"0".repeat(14)}4`;
    const lines = [apcbSet(apm, AQM), setKvm()];
    world.holds(openCall(group, deviceOf(world, group), vm), value(11), lines);
    expect(crycb(world)).toMatchObject({ apm: hex("0c"), aqm: hex("0400") });
    const cut = [apcbSet("0c", "0400"), setKvm()];
    const other = new World(COLUMN, { facts: { fac76: false } });
    makeMdev(other, M, 1);
    expect(
      other.refusesCall(openCall(openGroup(other, 1), deviceOf(other, group), makeVm(other)), value(11), cut),
    ).toBe(true);
    expect(world.missing("KVM-11")).toEqual([]);
  });

  test("variant hookFirst: the refused mdev keeps the hook, and the guest is served no more", () => {
    const world = new World(COLUMN, { facts: { hookFirst: true } });
    makeMdev(world, M, 1);
    makeMdev(world, M2, 2, ["6"], ["7"]);
    const vm = makeVm(world);
    const group = openGroup(world, 1);
    world.explain(operationOf(openCall(group, deviceOf(world, group), vm), value(11), attachLines(world)));
    const refused = openCall(openGroup(world, 2), undefined, vm);
    const { defects } = world.explain(operationOf(refused, failed("EPERM"), [setKvm(M2, -1)]));
    expect(defects.map(({ rules }) => rules)).toEqual([["KVM-6"]]);
    world.guest({ gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A }, [], exit("0x10000", 3));
    expect(world.missing("AQIC-4 AQIC-8")).toEqual([]);
    expect(world.broken().every((name) => name === "aqic/INV-10 by aqic/KVM-6")).toBe(true);
  });
});

describe("Example 16: attach and detach in the old profiles", () => {
  interface Opened {
    readonly world: World;
    readonly vm: VmRef;
    readonly device: DeviceRef;
  }

  /** Rows 1 and 2: M is opened without a guest, which comes later. */
  function opened(column: Column): Opened {
    const world = new World(column, { queues: [...COMMON_QUEUES, "06.0007"] });
    makeMdev(world, M, 1);
    makeMdev(world, M2, 2, ["6"], ["7"]);
    const vm = makeVm(world);
    const group = openGroup(world, 1);
    const device = deviceOf(world, group);
    world.holds(openCall(group, device, vm), value(11), [], {
      survivors: [/^result EINVAL/, /^result (EBUSY|ENODEV)/],
    });
    expect(world.mdev().kvm).toBe(null);
    world.explain(operationOf(guestSet(vm, "add"), done, attachLines(world)));
    return { world, vm, device };
  }

  test.each(OLD)("rows 1 to 3: %s", (column) => {
    const { world, vm } = opened(column);
    const guest = world.guestAt(G);
    expect([guest.hook, guest.refs, world.mdev().kvm]).toEqual([world.mdev(), 1, guest]);
    expect(crycb(world)).toMatchObject({ apm: hex(APM), aqm: hex(AQM) });
    const group = openGroup(world, 2);
    const { defects } = world.explain(
      operationOf(openCall(group, deviceOf(world, group), vm), value(12), [setKvm(M2, -1)]),
    );
    expect(defects.map(({ rules }) => rules)).toEqual(isV9(column) ? [] : [["KVM-7"]]);
    expect([guest.hook, guest.refs, world.mdev(M2).kvm]).toEqual([world.mdev(), 1, null]);
    const stolen = [setKvm(M2, 0), apcbSet("02", "01")];
    expect(world.refusesCall(openCall(group, deviceOf(world, group), vm), value(12), stolen)).toBe(true);
    expect(world.broken()).toEqual([]);
    expect(world.missing("KVM-7 KVM-14 KVM-13 IOC-5")).toEqual([]);
  });

  test.each(OLD)("row 4: %s", (column) => {
    const { world, vm } = opened(column);
    const { defects } = world.explain(operationOf(guestSet(vm, "remove"), done, []));
    const guest = world.guestAt(G);
    expect([guest.hook, world.mdev().kvm]).toEqual([world.mdev(), null]);
    expect(guest.refs).toBe(isV9(column) ? 1 : 0);
    expect(defects.map(({ rules }) => rules)).toEqual(isV9(column) ? [["KVM-10", "KVM-13"]] : []);
    expect(crycb(world)).toMatchObject({ apm: hex(APM), aqm: hex(AQM) });
    expect(world.broken()).toEqual(["aqic/INV-10 by aqic/KVM-10"]);
    expect(world.missing("KVM-10 KVM-13")).toEqual([]);
  });

  test.each(OLD)("row 5: %s: an enable may crash the host after the pin", (column) => {
    const { world, vm } = opened(column);
    world.explain(operationOf(guestSet(vm, "remove"), done, []));
    const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A };
    // The pin that fails comes before the guest is looked at.
    expect(world.refusesGuest(request, [pin(keyOf(column, NIB_A), -22)], exit("0x60000", 3))).toBe(false);
    expect(world.refusesGuest(request, [], exit("0x80000000", 1))).toBe(true);
    const { defects, unchecked } = world.explainLoosely(request, [pin(keyOf(column, NIB_A))], exit("0x80000000", 1));
    expect(defects.map(({ rules }) => rules)).toEqual([["AQIC-4"]]);
    expect(unchecked.join()).toContain("crash");
    expect(world.state.host.hung).toContain("AQIC-4");
  });

  test.each(OLD)("row 5, %s: a disable crashes it where something is registered", (column) => {
    const { world, vm } = opened(column);
    enable(world);
    world.explain(operationOf(guestSet(vm, "remove"), done, []));
    const lines = [aqic("0405", "off", 0x80000000), tapq("0405", 0x80000000)];
    const { defects } = world.explainLoosely({ gr0: aqicOf("0405") }, lines, exit("0x80000000", 1));
    expect(defects.map(({ rules }) => rules)).toEqual([["IRQ-10", "AQIC-4"]]);
    const { world: other, vm: vm2 } = opened(column);
    other.explain(operationOf(guestSet(vm2, "remove"), done, []));
    other.guest({ gr0: aqicOf("0405") }, lines, exit("0x80000000", 1), {
      survivors: [/hw_tapq .* with the empty bit/, /hw_tapq .* with another response code/],
    });
  });

  test.each(OLD)("row 6: %s: closing does nothing, and the hook stays", (column) => {
    const { world, vm, device } = opened(column);
    world.explain(operationOf(guestSet(vm, "remove"), done, []));
    world.holds(closeCall(device), done, []);
    // Taken from the close function, the line is there without a guest too (5.3).
    expect(world.refusesCall(closeCall(device), done, [unsetKvm(M, "0x0")])).toBe(false);
    const guest = world.guestAt(G);
    expect(guest.hook).toBe(world.mdev());
    expect(crycb(world)).toMatchObject({ apm: hex(APM) });
    expect(world.missing("KVM-9 IOC-6")).toEqual([]);
  });

  test.each(OLD)("row 7: %s", (column) => {
    const { world, device } = opened(column);
    world.holds(closeCall(device), done, closeLines(column, []), { survivors: closeSurvivors(column) });
    const guest = world.guestAt(G);
    expect([guest.hook, guest.refs, world.mdev().kvm]).toEqual([null, 0, null]);
    expect(crycb(world)).toMatchObject({ apm: hex("") });
    expect(world.broken()).toEqual([]);
    expect(world.missing("KVM-9 KVM-12 KVM-13 RST-8")).toEqual([]);
    const other = opened(column);
    expect(other.world.refusesCall(closeCall(other.device), done, [])).toBe(true);
  });

  test.each(OLD)("row 8: %s: an open that fails after the attach", (column) => {
    const world = new World(column);
    makeMdev(world, M, 1);
    const vm = makeVm(world);
    const group = openGroup(world, 1);
    const call = openCall(group, undefined, vm);
    const { defects } = world.explain(operationOf(call, failed("ENOMEM"), attachLines(world)));
    expect(defects.map(({ rules }) => rules)).toEqual([["KVM-15"]]);
    const guest = world.guestAt(G);
    expect([guest.hook, guest.refs, world.mdev().kvm]).toEqual([world.mdev(), 1, guest]);
    expect(crycb(world)).toMatchObject({ apm: hex(APM) });
    const other = new World(column);
    makeMdev(other, M, 1);
    const first = openCall(openGroup(other, 1), undefined, makeVm(other));
    expect(other.refusesCall(first, failed("ENODEV"), [])).toBe(false);
    expect(other.refusesCall(first, failed("EPERM"), [])).toBe(true);
  });

  test.each(OLD)("%s: a second notification takes a second reference", (column) => {
    const { world, vm } = opened(column);
    const { defects } = world.explain(operationOf(guestSet(vm, "add"), done, attachLines(world)));
    expect(defects.map(({ rules }) => rules)).toEqual([["KVM-7", "KVM-13"]]);
    expect(world.guestAt(G).refs).toBe(2);
    expect(world.broken()).toEqual([]);
  });

  test.each(OLD)("%s: whether a group was added or taken out may not be recorded", (column) => {
    const { world, vm, device } = opened(column);
    world.explain(operationOf({ kind: "guest-set", vm }, done, []));
    expect(world.refusesCall(closeCall(device), done, closeLines(column, []))).toBe(false);
    expect(world.refusesCall(closeCall(device), done, [])).toBe(false);
  });

  test("linux-6.1: withdrawing the guest does not affect an open device", () => {
    const { world, vm, device } = common("linux-6.1");
    world.explain(operationOf(guestSet(vm, "remove"), done, []));
    expect(world.refusesCall(closeCall(device), done, [])).toBe(true);
    enable(world);
  });
});

function closeSurvivors(column: Column): readonly RegExp[] {
  return isV9(column) ? LAST_TAPQ : [];
}
