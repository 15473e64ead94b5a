import { describe, expect, test } from "vitest";
import { attempt } from "../../../src/check/attempt.js";
import { apModel } from "../../../src/model/ap/model.js";
import type { ApState, Mdev } from "../../../src/model/ap/state.js";
import { exactly, isExact, unknownBits } from "../../../src/model/core/bits.js";
import { unknown } from "../../../src/model/core/known.js";
import type { Observability } from "../../../src/model/core/observability.js";
import type { ApCall } from "../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../src/operation/ap/effect.js";
import type { ObservedResult, Operation } from "../../../src/operation/operation.js";
import { cellOf } from "./cell.js";
import { type Profile, S0 } from "./machine.js";
import { apcbSet, everything, failed, maskOfNumbers, operationOf, readOf, writeOf } from "./observed.js";
import { A } from "./steps.js";
import { World } from "./world.js";

/** Guests that start and stop while their VMM's calls leave no line. */

const KVM = "0x1f5c0000";
/** The lines of scans are recorded, those of guests are not. */
const scans = new Set(["cfg_changed", "scan_complete", "queue_probe", "queue_remove"]);
const silent: Observability = { syscalls: true, sees: (kind) => scans.has(kind) };
const done = (value: number): ObservedResult => ({ kind: "value", value });
const nothingShown: ObservedResult = { kind: "unknown", reason: "not recorded" };

/** A = {5}×{4}, no guest that a line tells of. */
function world(profile: Profile): World {
  const made = new World(profile, S0);
  A.create().run(made, cellOf("n"), "create");
  A.has("{05}×{04}").run(made, cellOf("n"), "has");
  return made;
}

function mdev(of: World): Mdev {
  const m = of.state.mdevs.get(of.mdev("A").uuid);
  if (m === undefined) throw new Error("no mdev A");
  return m;
}

function explains(state: ApState, operation: Operation, observability: Observability = everything): boolean {
  const { kind } = attempt(apModel, state, operation, observability);
  if (kind === "explained") state.journal.commit();
  return kind === "explained";
}

const write = (of: World, file: string, text: string, result: ObservedResult = done(text.length)): Operation =>
  operationOf(file, writeOf(of.attributeOf("A", file), text), result, []);

const read = (of: World, file: string, text: string): Operation =>
  operationOf(file, readOf(of.attributeOf("A", file), text), done(text.length), []);

const vmCreated: ApCall = { kind: "vm-create", vm: { id: 9, name: "1/9" } };

describe("strace that follows the administrator alone", () => {
  const doubts = (of: World, operation: Operation, observability = silent): ApState | undefined =>
    apModel.doubted?.(of.state, [operation], observability);

  test("EBUSY of aqic-v9 shows a guest that nothing told (ASG-2)", () => {
    const of = world("V9");
    const busy = write(of, "unassign_domain", "4\n", failed("EBUSY"));
    expect(explains(of.state, busy, silent)).toBe(false);
    const doubted = doubts(of, busy);
    if (doubted === undefined) throw new Error("not doubted");
    expect(explains(doubted, busy, silent)).toBe(true);
    // It can stop again, and the matrix is what it was.
    expect(explains(doubted, read(of, "matrix", "05.0004\n06.0004\n"), silent)).toBe(false);
    expect(explains(doubted, read(of, "matrix", "05.0004\n"), silent)).toBe(true);
    expect(explains(doubted, write(of, "unassign_domain", "4\n"), silent)).toBe(true);
    expect(explains(doubted, read(of, "matrix", "05.\n"), silent)).toBe(true);
  });

  test("guest_matrix of dynamic-v12 is computed anew when a guest starts, that of linux-6.1 is not (MDEV-6)", () => {
    for (const profile of ["V12", "V61"] as const) {
      const of = world(profile);
      const forecast = read(of, "guest_matrix", ".0004\n");
      expect(explains(of.state, forecast, silent)).toBe(false);
      const doubted = doubts(of, forecast);
      if (doubted === undefined) throw new Error("not doubted");
      expect([profile, explains(doubted, forecast, silent)]).toEqual([profile, profile === "V12"]);
    }
  });

  test("a status in use shows a guest (DRV-11)", () => {
    const of = world("V61");
    const status = operationOf(
      "status",
      readOf({ on: "queue", apqn: 0x0504, name: "status" }, "in use\n"),
      done(7),
      [],
    );
    expect(explains(of.state, status, silent)).toBe(false);
    const doubted = doubts(of, status);
    expect(doubted !== undefined && explains(doubted, status, silent)).toBe(true);
  });

  test("not where a VMM's call, or a line of the driver, would have told", () => {
    const of = world("V9");
    const busy = write(of, "unassign_domain", "4\n", failed("EBUSY"));
    expect(doubts(of, busy, everything)).toBeUndefined();
    expect(explains(of.state, operationOf("KVM_CREATE_VM", vmCreated, done(9), []), silent)).toBe(true);
    expect(doubts(of, busy)).toBeUndefined();
    const other = world("V9");
    expect(apModel.doubted?.(other.state, [operationOf("KVM_CREATE_VM", vmCreated, done(9), [])], silent)).toBe(
      undefined,
    );
  });
});

describe("guests whose start and stop only the driver's lines tell", () => {
  const unrecorded = (...effects: readonly ApEffect[]): Operation =>
    operationOf("unrecorded", { kind: "unrecorded" }, nothingShown, effects);
  const uuid = (of: World): string => of.mdev("A").uuid;

  test.each(["V9", "V12", "V61"] as const)("%s: a start is no store: the matrix stays known", (profile) => {
    const of = world(profile);
    const start = unrecorded(apcbSet(KVM, [5], [4], []), { kind: "mdev_set_kvm", mdev: uuid(of), kvm: KVM, rc: 0 });
    expect(explains(of.state, start)).toBe(true);
    expect(of.state.host.unseenCalls).toBe(false);
    expect(isExact(mdev(of).apm)).toBe(true);
    expect(of.refuses(read(of, "matrix", "05.0004\n06.0004\n"))).toBe(true);
    const [guest] = of.state.guests.values();
    expect(guest?.apm).toEqual(exactly(maskOfNumbers([5])));
    expect(guest?.hook).toBe(mdev(of));
    if (profile === "V9") return;
    // Its masks are judged from now on.
    const store = (effects: readonly ApEffect[]): Operation => ({
      ...operationOf("assign_adapter", writeOf(of.attributeOf("A", "assign_adapter"), "6\n"), done(2), effects),
    });
    expect(of.refuses(store([]))).toBe(true);
    expect(of.refuses(store([apcbSet(KVM, [5, 6], [4], [])]))).toBe(false);
  });

  test("without apcb_set dynamic-v12 has computed any shadow within the matrix", () => {
    const of = world("V12");
    expect(explains(of.state, unrecorded({ kind: "mdev_set_kvm", mdev: uuid(of), kvm: KVM, rc: 0 }))).toBe(true);
    expect(of.refuses(read(of, "guest_matrix", ".0004\n"))).toBe(false);
    expect(of.refuses(read(of, "guest_matrix", "05.0004\n06.0004\n"))).toBe(true);
  });

  test.each([
    ["V61", null],
    ["V12", unknown],
    ["V9", unknown],
  ] as const)(
    "%s: a guest that stopped has no hook any more, where it had not been withdrawn before",
    (profile, hook) => {
      const of = world(profile);
      expect(explains(of.state, unrecorded({ kind: "mdev_set_kvm", mdev: uuid(of), kvm: KVM, rc: 0 }))).toBe(true);
      expect(explains(of.state, unrecorded({ kind: "mdev_unset_kvm", mdev: uuid(of), kvm: KVM }))).toBe(true);
      const [guest] = of.state.guests.values();
      expect(guest?.hook).toEqual(hook);
    },
  );

  test("an mdev that nobody was seen to make shows that others' calls leave no line", () => {
    const other = "dddddddd-0000-4000-8000-00000000000d";
    for (const operation of [
      unrecorded({ kind: "mdev_set_kvm", mdev: other, kvm: KVM, rc: 0 }),
      operationOf("readlink", { kind: "iommu-group", uuid: other, group: 7 }, done(0), []),
    ]) {
      const of = world("V61");
      expect(explains(of.state, operation)).toBe(true);
      expect(of.state.host.unseenCalls).toBe(true);
      expect(of.broken()).toEqual([]);
    }
  });
});

describe("whose device was closed is not known", () => {
  const close = (): Operation =>
    operationOf("close", { kind: "device-close", device: { id: 77, group: undefined } } as ApCall, done(0), []);
  const quiet: Observability = { syscalls: true, sees: (kind) => kind === "pqap_entry" };

  test("any guest may have lost its hook", () => {
    const of = world("V61");
    of.mdev("A").shadow = { apm: [5], aqm: [4], adm: [] };
    A.start().run(of, cellOf("set"), "start");
    of.state.host.hiddenMdevs = unknown;
    expect(explains(of.state, close(), quiet)).toBe(true);
    const [guest] = of.state.guests.values();
    expect(guest?.hook).not.toBe(mdev(of));
    expect(guest?.hook).not.toBeNull();
  });
});

describe("without a snapshot the guest's masks tell what the host and the matrix have (INV-2, INV-5, INV-6)", () => {
  /** A = {5}×{4} with control domain 4, whose guest has just got all of it. */
  function started(): World {
    const of = world("V61");
    for (const side of ["Apm", "Aqm", "Adm"] as const) {
      of.state.host[`info${side}`] = unknownBits;
      of.state.host[`bus${side}`] = unknownBits;
    }
    for (const side of ["adm", "shApm", "shAqm", "shAdm"] as const) mdev(of)[side] = unknownBits;
    mdev(of).kvm = unknown;
    const call = writeOf(of.attributeOf("A", "assign_adapter"), "6\n");
    const effects = [apcbSet(KVM, [5, 6], [4], [4])];
    expect(explains(of.state, operationOf("assign_adapter", call, done(2), effects))).toBe(true);
    return of;
  }

  const assigns = (of: World, file: string, aqm: readonly number[], adm: readonly number[]): boolean => {
    const call = writeOf(of.attributeOf("A", file), "0x47\n");
    return !of.refuses(operationOf(file, call, done(5), [apcbSet(KVM, [5, 6], aqm, adm)]));
  };

  test("a domain that the guest has does not go when another one comes", () => {
    expect(assigns(started(), "assign_domain", [0x47], [4])).toBe(false);
    expect(assigns(started(), "assign_domain", [4, 0x47], [4])).toBe(true);
  });

  test("nor does a control domain", () => {
    expect(assigns(started(), "assign_control_domain", [4], [0x47])).toBe(false);
    expect(assigns(started(), "assign_control_domain", [4], [4, 0x47])).toBe(true);
  });
});

test("a queue that is certainly not linked is in no shadow: the first one that is seen is judged by it (INV-4)", () => {
  const of = world("V61");
  mdev(of).shApm = unknownBits;
  mdev(of).shAqm = unknownBits;
  mdev(of).kvm = unknown;
  const start = (apm: readonly number[]): Operation =>
    operationOf("assign_adapter", writeOf(of.attributeOf("A", "assign_adapter"), "6\n"), done(2), [
      apcbSet(KVM, apm, [4], []),
    ]);
  const queue = of.state.queues.get(0x0504);
  if (queue === undefined) throw new Error("no queue");
  queue.linked = null;
  queue.driver = "none";
  expect(of.refuses(start([5, 6]))).toBe(true);
  expect(of.refuses(start([6]))).toBe(false);
});
