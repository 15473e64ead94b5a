import { describe, expect, test } from "vitest";
import { Guest } from "../../../../src/model/ap/state.js";
import { oneOf } from "../../../../src/model/core/known.js";
import type { ApCall } from "../../../../src/operation/ap/call.js";
import { done, failed, OLD, operationOf, value, World } from "./host.js";
import { apcbSet, aqicOf, asksFor, exit, G, M, M2, NIB_A, pqapCall, setKvm, unpin, unregister } from "./lines.js";
import {
  closeCall,
  closeLines,
  common,
  deviceOf,
  enable,
  guestSet,
  makeMdev,
  makeVm,
  openCall,
  openGroup,
} from "./setting.js";

describe("several descriptors, several groups", () => {
  test("linux-6.1: only the first open attaches, only the last close detaches (KVM-6, KVM-8)", () => {
    const { world, vm, group, device } = common("linux-6.1");
    const second = deviceOf(world, group);
    world.explain(operationOf(openCall(group, second, vm), value(12), []));
    expect(world.refusesCall(closeCall(device), done, [])).toBe(false);
    world.explain(operationOf(closeCall(device), done, []));
    enable(world);
    const freed = [unregister(3), unpin(NIB_A)];
    expect(world.refusesCall(closeCall(second), done, [])).toBe(true);
    world.explain(operationOf(closeCall(second), done, closeLines("linux-6.1", freed)));
    expect(world.mdev().kvm).toBeNull();
    expect(world.broken()).toEqual([]);
  });

  test("linux-6.1: where the last close was not seen, the lines of a close are believed", () => {
    const { world, vm, group, device } = common("linux-6.1");
    world.explain(operationOf(openCall(group, deviceOf(world, group), vm), value(12), []));
    world.explain(operationOf(closeCall(device), done, closeLines("linux-6.1", [])));
    expect(world.mdev().kvm).toBeNull();
  });

  test("linux-6.1: the first open without lines where they are recorded had no guest (KVM-5)", () => {
    const world = new World("linux-6.1");
    makeMdev(world, M, 1);
    const open = openCall(openGroup(world, 1), undefined, makeVm(world));
    expect(world.refusesCall(open, value(12), [])).toBe(true);
    expect(world.refusesCall(open, failed("EINVAL"), [])).toBe(false);
  });

  test.each(OLD)("%s: a group that is taken out may be that of another device (KVM-10)", (column) => {
    const { world, vm, device } = common(column);
    openGroup(world, 7);
    world.explain(operationOf(guestSet(vm, "remove"), done, []));
    expect(world.refusesCall(closeCall(device), done, closeLines(column, []))).toBe(false);
    expect(world.refusesCall(closeCall(device), done, [])).toBe(false);
  });

  test.each(OLD)("%s: the VM that withdraws it may be the one that only lines have named", (column) => {
    for (const known of ["pointer", "either", "no VM"] as const) {
      const { world, vm, device } = common(column);
      const guest = world.guestAt(G);
      if (known === "pointer") guest.vm = undefined;
      if (known === "either") world.mdev().kvm = oneOf([guest, new Guest(99, undefined, undefined)]);
      const call: ApCall = { kind: "guest-set", vm: known === "no VM" ? undefined : vm, change: "remove" };
      world.explain(operationOf(call, done, []));
      expect([known, world.refusesCall(closeCall(device), done, closeLines(column, []))]).toEqual([known, false]);
      expect([known, world.refusesCall(closeCall(device), done, [])]).toEqual([known, false]);
      world.explain(operationOf(closeCall(device), done, []));
      expect([known, world.broken().filter((name) => !name.includes(" by "))]).toEqual([known, []]);
    }
  });

  test.each(OLD)("%s: it is not where the other group has a guest of its own, or was closed", (column) => {
    const { world, vm, device } = common(column);
    const other = openGroup(world, 7);
    world.explain(operationOf({ kind: "group-close", file: other }, done, []));
    makeMdev(world, M2, 2, [], []);
    const seen = [setKvm(M2, 0, "0x80020000"), apcbSet("", "", "", "0x80020000")];
    const second = makeVm(world, "200/10");
    world.explain(operationOf(openCall(openGroup(world, 2), undefined, second), value(12), seen));
    world.explain(operationOf(guestSet(vm, "remove"), done, []));
    expect(world.refusesCall(closeCall(device), done, closeLines(column, []))).toBe(true);
    expect(world.refusesCall(closeCall(device), done, [])).toBe(false);
  });
});

describe("KVM-10: kernels from 5.11 on clean up when the guest is withdrawn (vfio-ap-config MDEV-7)", () => {
  test("released: nothing is left to do at the close", () => {
    const { world, vm, device } = common("released");
    const queue = aqicOf("0405");
    enable(world);
    world.explain(
      operationOf(guestSet(vm, "remove"), done, closeLines("released", [unregister(3), unpin("0x12345000")])),
    );
    const guest = world.guestAt(G);
    expect([guest.hook, guest.refs, world.mdev().kvm]).toEqual([null, 0, null]);
    expect(world.broken()).toEqual([]);
    // PQAP-12: without a hook.
    const request = { gr0: queue, gr1: asksFor(3), gr2: NIB_A };
    expect(world.refusesGuest(request, [], exit("0x0001000000000003", 3))).toBe(false);
    expect(world.refusesCall(closeCall(device), done, closeLines("released", []))).toBe(true);
    world.explain(operationOf(closeCall(device), done, []));
  });

  test("released: unrecorded, it leaves open what the guest still has", () => {
    const { world, vm } = common("released");
    enable(world);
    const seen = new Set(["pqap_entry", "pqap_exit", "hw_aqic", "pin_pages", "gisc_register"]);
    const some = { sees: (kind: string) => seen.has(kind), syscalls: true };
    world.explain(operationOf(guestSet(vm, "remove"), done, []), true, some);
    expect(world.broken()).toEqual([]);
    const call = pqapCall({ gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A }, exit("0x0001000000000003", 3));
    expect(world.refusesCall(call, value(0), [], some)).toBe(false);
    expect(world.ledger()).toMatchObject({ queues: { "0405": "unknown unknown" }, gisc: "unknown", pins: "unknown" });
  });

  test("posted: the code before that does not", () => {
    const { world, vm } = common("posted");
    const some = { sees: () => false, syscalls: true };
    world.explain(operationOf(guestSet(vm, "remove"), done, []), true, some);
    expect(world.guestAt(G).hook).toBe(world.mdev());
  });
});
