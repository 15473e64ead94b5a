import { describe, expect, test } from "vitest";
import { attempt } from "../../../../src/check/attempt.js";
import { initialState } from "../../../../src/model/ap/initial.js";
import { apModel } from "../../../../src/model/ap/model.js";
import type { ApState, Guest } from "../../../../src/model/ap/state.js";
import { knownValue } from "../../../../src/model/core/known.js";
import type { Observability } from "../../../../src/model/core/observability.js";
import type { ApCall, DeviceRef, GroupRef, VmRef } from "../../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../../src/operation/ap/effect.js";
import type { ObservedResult } from "../../../../src/operation/operation.js";
import { environmentOf } from "../../environment.js";
import { everyFieldOf } from "../../touched.js";
import { type Column, done, isV9, operationOf, value, World } from "./host.js";
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
  pqapCall,
  queueProbe,
  queueRemove,
  register,
  reset,
  setKvm,
  tapq,
  unpin,
  unregister,
  unsetKvm,
  zapq,
} from "./lines.js";
import { APM, AQM, makeVm, writeOf } from "./setting.js";

/** Recordings that begin when VMs, mdevs and registrations are there already, and of which not every probe ran. */

const OTHER = "0x80aa0000";
const VM: VmRef = { id: 9, name: "100/9" };
const GROUP: GroupRef = { id: 20, group: 1 };
const DEVICE: DeviceRef = { id: 21, group: GROUP };
const SHUT: ObservedResult = { kind: "unknown", reason: "not recorded" };
const everything: Observability = { sees: () => true, syscalls: true };
const without = (...kinds: readonly string[]): Observability => ({
  sees: (kind) => !kinds.includes(kind),
  syscalls: true,
});

/** A recording from its begin on: no snapshot, or one with mdev M in group 1. */
class Recording {
  readonly state: ApState;

  constructor(column: Column, snapshot: readonly (readonly [string, string])[] = []) {
    this.state = initialState({
      profile: isV9(column) ? "aqic-v9" : column,
      facts: { ...(isV9(column) ? { variant: column } : {}), hostAqicStatus: "true", nisc: 5, mdevInstances: 65536 },
      environment: environmentOf(snapshot),
      arch: "s390x",
      note: (text) => {
        throw new Error(text);
      },
    });
  }

  takes(call: ApCall, effects: readonly ApEffect[], result: ObservedResult = done, seen = everything): boolean {
    const { kind } = attempt(apModel, this.state, operationOf(call, result, effects), seen);
    if (kind === "explained") this.state.journal.commit();
    return kind === "explained";
  }

  /** Opens the device of group 1 for a VM. */
  opens(effects: readonly ApEffect[], vm: VmRef | undefined = VM, seen = everything): boolean {
    const call: ApCall = { kind: "device-open", group: GROUP, device: DEVICE, vm, guestSet: true };
    return this.takes(call, effects, value(11), seen);
  }

  enables(queue: string, tid: number, kvm = G, seen = everything): boolean {
    const call = pqapCall({ gr0: aqicOf(queue), gr1: asksFor(3), gr2: NIB_A, tid }, exit("0x80000000", 1));
    const lines = [pin(NIB_A), register(3, 5, kvm), aqic(queue, 3, 0x80000000)];
    return this.takes(
      call,
      lines.filter(({ kind }) => seen.sees(kind)),
      value(0),
      seen,
    );
  }

  /** An instruction of a VM without an mdev (PQAP-12). */
  hasNoHook(tid: number): boolean {
    const call = pqapCall({ gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A, tid }, exit("0x0001000000000003", 3));
    return this.takes(call, [], value(0));
  }

  guest(pointer: string): readonly Guest[] {
    return [...this.state.guests.values()].filter((guest) => guest.live && guest.pointer === pointer);
  }

  broken(): readonly string[] {
    const { mdevs, queues, guests, host } = this.state;
    const touched = everyFieldOf([host, ...mdevs.values(), ...queues.values(), ...guests.values()]);
    return apModel
      .broken(this.state, touched)
      .filter(({ prescribedBy }) => prescribedBy === undefined)
      .map(({ rule, message }) => `${rule.id} ${message}`);
  }
}

/** The snapshot of a host with the queues of the examples and mdev M, which has them. */
function withM(shadow = ["04.0005", "04.0016", "05.0005", "05.0016"]): readonly (readonly [string, string])[] {
  const ones = `0x${"f".repeat(64)}`;
  const mdev = `/sys/devices/vfio_ap/matrix/${M}`;
  const queues = ["04.0005", "04.0016", "05.0005", "05.0016"];
  return [
    ["/sys/bus/ap/ap_adapter_mask", ones],
    ["/sys/bus/ap/ap_usage_domain_mask", ones],
    ["/sys/bus/ap/ap_control_domain_mask", ones],
    ["/sys/bus/ap/apmask", `0x${"0".repeat(64)}`],
    ["/sys/bus/ap/aqmask", ones],
    ["/sys/devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/available_instances", "65535"],
    ...queues.map(
      (queue) =>
        [`/sys/devices/ap/card${queue.slice(0, 2)}/${queue}/driver`, "../../../../bus/ap/drivers/vfio_ap"] as const,
    ),
    ...queues.map((queue) => [`${mdev}/matrix`, queue] as const),
    ...shadow.map((queue) => [`${mdev}/guest_matrix`, queue] as const),
    [`${mdev}/iommu_group`, "../../../../kernel/iommu_groups/1"],
  ];
}

describe("whose vCPU a task runs", () => {
  test("a task that ran before a VM was made runs another one", () => {
    const recording = new Recording("linux-6.1", withM());
    Object.assign(recording.state.mdevs.get(M) ?? {}, { kvm: null, open: false });
    const made: VmRef = { id: 30, name: "200/9" };
    expect(recording.hasNoHook(4101)).toBe(true);
    expect(recording.takes({ kind: "vm-create", vm: made }, [])).toBe(true);
    expect(recording.hasNoHook(4101)).toBe(true);
    expect(recording.opens([apcbSet(APM, AQM), setKvm()])).toBe(true);
    // It was the first VM's all along.
    expect(recording.enables("0405", 4101)).toBe(true);
    expect(knownValue(recording.state.vcpus.get(4101)?.guest ?? null)).toBe(recording.guest(G)[0]);
  });

  test("one that may have run a VM that is gone may run one that was made since", () => {
    const recording = new Recording("linux-6.1", withM());
    Object.assign(recording.state.mdevs.get(M) ?? {}, { kvm: null, open: false });
    const own: VmRef = { id: 30, name: "100/8" };
    // Another VM runs all the time, so that it is open whose vCPU the task runs.
    expect(recording.takes({ kind: "vm-create", vm: { id: 31, name: "200/9" } }, [])).toBe(true);
    expect(recording.takes({ kind: "vm-create", vm: own }, [])).toBe(true);
    expect(recording.hasNoHook(4101)).toBe(true);
    expect(recording.takes({ kind: "vm-close", vm: own }, [])).toBe(true);
    expect(recording.takes({ kind: "vm-create", vm: VM }, [])).toBe(true);
    expect(recording.opens([apcbSet(APM, AQM), setKvm()])).toBe(true);
    expect(recording.enables("0405", 4101)).toBe(true);
  });

  test("its number may be used again by a VM that is made after its own is gone", () => {
    const world = new World("linux-6.1");
    const runs = (): number | undefined => {
      const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A, tid: 4101 };
      world.explainGuest(request, [], exit("0x0001000000000003", 3));
      return knownValue(world.state.vcpus.get(4101)?.guest ?? null)?.vm;
    };
    const first = makeVm(world, "200/9");
    expect(runs()).toBe(first.id);
    world.explain(operationOf({ kind: "vm-close", vm: first }, done, []));
    const second = makeVm(world, "300/9");
    expect(runs()).toBe(second.id);
  });
});

describe("a guest that is named twice is one", () => {
  test.each(["released", "dynamic-v12"] as const)(
    "%s: the VM whose device is closed has the pointer that the lines name",
    (column) => {
      const recording = new Recording(column, withM());
      const silent = without("mdev_set_kvm", "apcb_set");
      recording.takes({ kind: "vm-create", vm: VM }, []);
      expect(recording.opens([], VM, silent)).toBe(true);
      const lines = [apcbClear(), ...["0405", "0416", "0505", "0516"].flatMap((queue) => resetOf(column, queue))];
      expect(recording.takes({ kind: "device-close", device: DEVICE }, [...lines, unsetKvm()], done, silent)).toBe(
        true,
      );
      expect(recording.guest(G).map(({ vm }) => vm)).toEqual([VM.id]);
      expect(recording.broken()).toEqual([]);
    },
  );

  test("a VM that was met, and a pointer that only lines had shown, are put together", () => {
    const recording = new Recording("linux-6.1", withM());
    // A close shows the pointer, an open without lines the VM.
    const close = [apcbClear(), ...["0405", "0516", "0416", "0505"].flatMap((queue) => resetOf("linux-6.1", queue))];
    expect(recording.takes({ kind: "device-close", device: DEVICE }, [...close, unsetKvm()])).toBe(true);
    const second: DeviceRef = { id: 23, group: GROUP };
    const open: ApCall = { kind: "device-open", group: GROUP, device: second, vm: VM, guestSet: true };
    expect(recording.takes(open, [], value(12), without("mdev_set_kvm", "apcb_set"))).toBe(true);
    // Which of them has the mdev now is open until a line names it again.
    expect(recording.enables("0405", 4101)).toBe(true);
    expect(recording.guest(G).map(({ vm }) => vm)).toEqual([VM.id]);
  });

  test("dynamic-v12: masks that an open loads name the guest, whichever mdev it is of", () => {
    const recording = new Recording("dynamic-v12");
    const close = [apcbClear(), unsetKvm(M2)];
    expect(recording.takes({ kind: "device-close", device: { id: 40, group: { id: 41, group: 2 } } }, close)).toBe(
      true,
    );
    expect(recording.opens([apcbSet(APM, AQM)], VM, without("mdev_set_kvm"))).toBe(true);
    const [guest] = recording.guest(G);
    expect([guest?.vm, knownValue(guest?.hook ?? null)]).toEqual([VM.id, undefined]);
  });
});

function resetOf(column: Column, queue: string): readonly ApEffect[] {
  const lines = [zapq(queue, 0x80000000), reset(queue, 0, 0x80000000)];
  return isV9(column) ? [...lines, aqic(queue, "off", 0x80070000), tapq(queue, 0x80000000)] : lines;
}

describe("KVM-7: a notification that left no line", () => {
  test.each(["released", "dynamic-v12"] as const)("%s: may have come to an mdev of which it is open", (column) => {
    const recording = new Recording(column, withM());
    recording.takes({ kind: "vm-create", vm: VM }, []);
    expect(recording.opens([], VM, without("mdev_set_kvm", "apcb_set"))).toBe(true);
    const [guest] = recording.state.guests.values();
    expect(guest?.hook).not.toBeNull();
    expect(knownValue(guest?.refs ?? 0)).toBeUndefined();
  });

  test.each(["released", "dynamic-v12"] as const)("%s: masks that are loaded later show it", (column) => {
    const recording = new Recording(column, withM());
    recording.takes({ kind: "vm-create", vm: VM }, []);
    expect(recording.opens([])).toBe(true);
    const later: ApCall = { kind: "guest-set", vm: VM };
    expect(recording.takes(later, [apcbSet(APM, AQM)], done, without("mdev_set_kvm"))).toBe(true);
    const [guest] = recording.guest(G);
    expect([guest?.vm, knownValue(guest?.hook ?? null)?.uuid]).toEqual([VM.id, M]);
  });
});

describe("what a guest's masks show", () => {
  test.each(["released", "posted"] as const)("%s: not that its queues are bound: it has the matrix", (column) => {
    const recording = new Recording(column);
    const gone: ApCall = { kind: "queue-remove", apqn: 0x0516 };
    expect(recording.takes(gone, [...resetOf(column, "0516"), queueRemove("0516")])).toBe(true);
    // The lines of scans are not recorded: it may have come back.
    const scans = without("queue_probe", "queue_remove", "cfg_changed");
    expect(recording.opens([setKvm(), apcbSet(APM, AQM)], VM, scans)).toBe(true);
    expect(recording.state.queues.get(0x0516)?.driver).not.toBe("vfio_ap");
    expect(recording.state.queues.get(0x0516)?.linked).not.toBe(recording.state.mdevs.get(M));
  });
});

describe("resets of queues that nothing has shown yet", () => {
  test("released: the disable after a reset shows the queue (RST-4)", () => {
    const recording = new Recording("released");
    const lines = [apcbClear(), aqic("0405", "off", 0x80070000), tapq("0405", 0x80000000), unsetKvm()];
    const seen = without("reset_queue", "hw_zapq");
    expect(recording.takes({ kind: "device-close", device: DEVICE }, lines, done, seen)).toBe(true);
  });

  test("linux-6.1: what is freed may be of any of them", () => {
    const recording = new Recording("linux-6.1");
    const lines = [apcbClear(), unregister(3), unpin(NIB_A), unsetKvm()];
    const seen = without("reset_queue", "hw_zapq", "hw_tapq", "hw_aqic");
    expect(recording.takes({ kind: "device-close", device: DEVICE }, lines, done, seen)).toBe(true);
  });
});

describe("PLUG-5: a queue that comes to an mdev of which it is not known", () => {
  test("linux-6.1: may change its shadow without a guest to tell", () => {
    const recording = new Recording("linux-6.1", withM(["04.0005", "04.0016"]));
    const m = recording.state.mdevs.get(M);
    // 05.0016 goes and comes, and whose it is is open: another mdev may be there.
    recording.state.host.hiddenMdevs = 1;
    if (m === undefined) throw new Error("no mdev M");
    const { apm, maybe } = { apm: m.apm.ones, maybe: m.apm.maybe };
    const gone: ApCall = { kind: "queue-remove", apqn: 0x0516 };
    expect(recording.takes(gone, [...resetOf("linux-6.1", "0516"), queueRemove("0516")])).toBe(true);
    m.kvm = null;
    m.apm = { ones: maybe, maybe: apm };
    expect(recording.takes({ kind: "queue-probe", apqn: 0x0516 }, [queueProbe("0516")], SHUT)).toBe(true);
    expect(recording.opens([apcbSet(APM, AQM), setKvm()])).toBe(true);
  });
});

test("KVM-14: the hook of a guest whose pointer alone was met is open after a VM was met without one", () => {
  const recording = new Recording("linux-6.1", withM());
  const close = [apcbClear(OTHER), ...["0405", "0516", "0416", "0505"].flatMap((queue) => resetOf("linux-6.1", queue))];
  expect(recording.takes({ kind: "device-close", device: DEVICE }, [...close, unsetKvm(M, OTHER)])).toBe(true);
  expect(recording.guest(OTHER)[0]?.hook).toBeNull();
  const write = writeOf({ on: "mdev", uuid: M, name: "unassign_domain" }, "0x99\n");
  expect(recording.takes(write, [], value(5))).toBe(true);
  const second: DeviceRef = { id: 23, group: GROUP };
  const open: ApCall = { kind: "device-open", group: GROUP, device: second, vm: VM, guestSet: true };
  expect(recording.takes(open, [], value(12), without("mdev_set_kvm", "apcb_set"))).toBe(true);
  expect(recording.guest(OTHER)[0]?.hook).not.toBeNull();
});
