import { describe, expect, test } from "vitest";
import { attempt } from "../../../src/check/attempt.js";
import { initialState } from "../../../src/model/ap/initial.js";
import { apModel } from "../../../src/model/ap/model.js";
import type { ApState } from "../../../src/model/ap/state.js";
import { exactly, unknownBits } from "../../../src/model/core/bits.js";
import type { DeviceRef, GroupRef } from "../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../src/operation/ap/effect.js";
import type { Operation } from "../../../src/operation/operation.js";
import { environmentOf } from "../environment.js";
import { digits, type Numbers } from "./notation.js";
import { apcbSet, everything, maskOfNumbers, operationOf, resetLines, writeOf } from "./observed.js";

/** Recordings of dynamic-v12 that begin when an mdev is configured already: how it came to that is not known (ASG-6). */

const UUID = "62177883-f1bb-47f0-914d-32a22e3a8804";
const KVM = "0x1f5c0000";
const group: GroupRef = { id: 1, group: 3 };
const device: DeviceRef = { id: 2, group };

/** Adapters 05 and 06 with domain 04 belong to vfio_ap, the snapshot shows A = {05}×{04} without a guest. */
function started(facts: Readonly<Record<string, unknown>> = {}): ApState {
  const mask = (numbers: Numbers): string => `0x${digits(numbers)}`;
  const mdev = `/sys/devices/vfio_ap/matrix/${UUID}`;
  const lines: readonly (readonly [path: string, value: string])[] = [
    ["/sys/bus/ap/ap_adapter_mask", mask([5, 6])],
    ["/sys/bus/ap/ap_usage_domain_mask", mask([4])],
    ["/sys/bus/ap/ap_control_domain_mask", mask([4])],
    ["/sys/bus/ap/ap_max_adapter_id", "63"],
    ["/sys/bus/ap/ap_max_domain_id", "255"],
    ["/sys/bus/ap/apmask", mask([])],
    ["/sys/bus/ap/aqmask", mask([])],
    ["/sys/devices/ap/card05/05.0004/driver", "../../../../bus/ap/drivers/vfio_ap"],
    ["/sys/devices/ap/card06/06.0004/driver", "../../../../bus/ap/drivers/vfio_ap"],
    ["/sys/devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/available_instances", "65535"],
    [`${mdev}/matrix`, "05.0004"],
    [`${mdev}/guest_matrix`, "05.0004"],
    [`${mdev}/iommu_group`, "../../../../kernel/iommu_groups/3"],
  ];
  const environment = environmentOf(lines);
  return initialState({
    profile: "dynamic-v12",
    facts: { mdevInstances: 65536, ...facts },
    environment,
    arch: "s390x",
    note: () => {},
  });
}

function explains(state: ApState, operation: Operation): boolean {
  const { kind } = attempt(apModel, state, operation, everything);
  if (kind === "explained") state.journal.commit();
  return kind === "explained";
}

function opens(state: ApState, apm: Numbers): boolean {
  const effects: readonly ApEffect[] = [
    { kind: "mdev_set_kvm", mdev: UUID, kvm: KVM, rc: 0 },
    apcbSet(KVM, apm, [4], []),
  ];
  const call = { kind: "device-open", group, device, vm: { id: 9, name: "1/9" }, guestSet: true } as const;
  return explains(state, operationOf("open", call, { kind: "value", value: 9 }, effects));
}

function closes(state: ApState, ...queues: readonly number[]): boolean {
  const effects: readonly ApEffect[] = [
    { kind: "apcb_clear", kvm: KVM },
    ...queues.flatMap((apqn) => resetLines("V12", { apqn, rc: 0 }, true)),
    { kind: "mdev_unset_kvm", mdev: UUID, kvm: KVM },
  ];
  return explains(state, operationOf("close", { kind: "device-close", device }, { kind: "value", value: 0 }, effects));
}

describe("a guest starts with an mdev that was there before (APCB-3)", () => {
  test.each([
    ["its queue is in the table", [5]],
    // D12-1b: an unassign_adapter at another mdev took it out of the table.
    ["its queue was taken out of the table", []],
  ])("%s", (_what, apm) => {
    const state = started();
    expect(opens(state, apm)).toBe(true);
    expect(state.queues.get(0x0604)?.linked).not.toBeNull();
  });

  test("an adapter that is not assigned does not come", () => {
    expect(opens(started(), [5, 6])).toBe(false);
  });

  test("what the guest was given shows what the table has: it is reset when the guest stops", () => {
    const state = started();
    expect(opens(state, [5])).toBe(true);
    expect(closes(state)).toBe(false);
    expect(closes(state, 0x0504)).toBe(true);
  });

  test("without the defects assigned queues are in the table (INV-10)", () => {
    expect(opens(started({ defects: "intended" }), [])).toBe(false);
    expect(opens(started({ defects: "intended" }), [5])).toBe(true);
  });
});

test("the other adapter is assigned, and its queue linked, as anywhere", () => {
  const state = started();
  expect(opens(state, [5])).toBe(true);
  const call = writeOf({ on: "mdev", uuid: UUID, name: "assign_adapter" }, "6\n");
  const store = (effects: readonly ApEffect[]): Operation =>
    operationOf("assign_adapter", call, { kind: "value", value: 2 }, effects);
  expect(explains(state, store([]))).toBe(false);
  expect(explains(state, store([apcbSet(KVM, [5, 6], [4], [])]))).toBe(true);
});

test("what a scan adds may be assigned, where the matrix is not known (SCAN-5)", () => {
  const state = started();
  expect(opens(state, [5])).toBe(true);
  const m = state.mdevs.get(UUID);
  if (m === undefined) throw new Error("no mdev");
  m.apm = unknownBits;
  const block = (apm: Numbers) => ({ apm: maskOfNumbers(apm), aqm: maskOfNumbers([4]), adm: maskOfNumbers([4]) });
  const masks = { before: block([5, 6]), after: block([5, 6, 7]) };
  const scan = (...commits: readonly ApEffect[]): Operation =>
    operationOf("scan", { kind: "scan" }, { kind: "unknown", reason: "a worker" }, [
      { kind: "cfg_changed", ...masks },
      { kind: "queue_probe", apqn: 0x0704, rc: 0 },
      { kind: "scan_complete", ...masks },
      ...commits,
    ]);
  for (const apm of [[5, 7], undefined]) {
    const commits = apm === undefined ? [] : [apcbSet(KVM, apm, [4], [])];
    const { kind } = attempt(apModel, state, scan(...commits), everything);
    state.journal.rollback();
    expect(kind, String(apm)).toBe("explained");
  }
  m.apm = exactly(maskOfNumbers([5]));
  expect(explains(state, scan(apcbSet(KVM, [5, 7], [4], [])))).toBe(false);
});
