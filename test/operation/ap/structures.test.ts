import { expect, test } from "vitest";
import type { Event, ProbeEvent, SyscallEvent } from "../../../src/event/event.js";
import { wordOf } from "../../../src/event/word.js";
import { ApAssembler } from "../../../src/operation/ap/assembler.js";
import type { Operation } from "../../../src/operation/operation.js";

const TID = 4100;
const base = { source: 0, line: 1, time: undefined, tid: TID, comm: "qemu", text: "" };

function syscall(name: string, args: readonly string[], result: string): SyscallEvent {
  const returned = { kind: "value", text: result, decoration: undefined } as const;
  return {
    ...base,
    kind: "syscall",
    phase: "complete",
    name,
    args,
    result: returned,
    durationNs: undefined,
    dump: undefined,
  };
}

function probe(name: "ioctl_in" | "ioctl_out", cmd: string, data: string): ProbeEvent {
  return { ...base, source: 1, kind: "probe", name, fields: ["cmd", cmd, "data", data], cpu: 0 };
}

function operationsOf(events: readonly Event[]): readonly Operation[] {
  const operations: Operation[] = [];
  const assembler = new ApAssembler((group) => operations.push(...group));
  for (const event of events) assembler.push(event);
  assembler.finish();
  return operations;
}

const DEVICE = "23<anon_inode:[vfio-device]>";
const getInfo = (result = "0"): SyscallEvent => syscall("ioctl", [DEVICE, "VFIO_DEVICE_GET_INFO", "0x3ff0"], result);

test("the structure of GET_INFO belongs to the ioctl of its task, before or after its line", () => {
  const entry = probe("ioctl_in", "0x3b6b", "00 00 00 10 00 00 00 00 00 00 00 00 00 00 00 00");
  const exit = probe("ioctl_out", "0x3b6b", "00000010000000210000000000000000");
  for (const events of [
    [entry, getInfo(), exit],
    [getInfo(), entry, exit],
  ]) {
    const [operation] = operationsOf(events);
    expect(operation?.call).toMatchObject({ kind: "device-ioctl", request: "get-info" });
    if (operation?.call.kind !== "device-ioctl") throw new Error("no ioctl");
    expect([...(operation.call.input ?? [])].slice(0, 4)).toEqual([0, 0, 0, 16]);
    expect([...(operation.call.output ?? [])].slice(4, 8)).toEqual([0, 0, 0, 0x21]);
  }
});

test("of two ioctls each has its own structure", () => {
  const entries = ["0000000f", "00000010"].map((argsz) => probe("ioctl_in", "0x3b6b", argsz.padEnd(32, "0")));
  const [first, second] = entries;
  if (first === undefined || second === undefined) throw new Error("two lines");
  for (const events of [
    [first, getInfo(), second, getInfo()],
    [getInfo(), first, getInfo(), second],
  ]) {
    const sizes = operationsOf(events).map(({ call }) => (call.kind === "device-ioctl" ? call.input?.[3] : undefined));
    expect(sizes).toEqual([15, 16]);
  }
});

test("a DMA unmap names its range, with its flag the whole address space", () => {
  const unmap = syscall(
    "ioctl",
    ["22</dev/vfio/vfio>", "VFIO_DEVICE_QUERY_GFX_PLANE or VFIO_IOMMU_UNMAP_DMA", "0x3ff0"],
    "0",
  );
  const named = probe("ioctl_in", "0x3b72", "00000018 00000000 0000000012345000 0000000000001000");
  const [operation] = operationsOf([named, unmap]);
  expect(operation?.call).toMatchObject({ range: { iova: wordOf(0, 0x12345000), size: wordOf(0, 0x1000) } });
  const [all] = operationsOf([probe("ioctl_in", "0x3b72", `0000001800000002${"0".repeat(32)}`), unmap]);
  expect(all?.call).toMatchObject({ range: { iova: wordOf(0, 0), size: wordOf(0xffffffff, 0xffffffff) } });
  const [unknown] = operationsOf([unmap]);
  expect(unknown?.call).toMatchObject({ kind: "dma-unmap", range: undefined });
});

test("an attribute of the vfio-kvm device adds a group or takes it out", () => {
  const set = syscall("ioctl", ["14<anon_inode:kvm-vfio>", "KVM_SET_DEVICE_ATTR", "0x3ff0"], "0");
  const attribute = (group: number, attr: number): ProbeEvent =>
    probe("ioctl_in", "0x4018aee1", `00000000 0000000${group} 000000000000000${attr} 000003ff00000000`);
  const changes = [attribute(1, 1), attribute(1, 2), attribute(2, 1), attribute(1, 3)].map((entry) => {
    const [operation] = operationsOf([entry, set]);
    return operation?.call.kind === "guest-set" ? operation.call.change : "no such call";
  });
  expect(changes).toEqual(["add", "remove", undefined, undefined]);
});

test("lines that cannot be read, and structures of other ioctls, leave the call as it is", () => {
  for (const entry of [
    probe("ioctl_in", "0x3b6b", "00 0x"),
    probe("ioctl_in", "0x3b6b", ""),
    probe("ioctl_in", "nonsense", "00000010"),
    probe("ioctl_in", "0x3b6f", "00000010"),
  ]) {
    const [operation] = operationsOf([entry, getInfo()]);
    expect(operation?.call.kind === "device-ioctl" && operation.call.input === undefined).toBe(true);
  }
});

test("calls of a VM that change what its CPUs answer", () => {
  const vm = syscall("ioctl", ["9</dev/kvm>", "KVM_CREATE_VM", "0"], "10");
  const changes = ["KVM_SET_DEVICE_ATTR", "KVM_S390_PV_COMMAND", "KVM_SET_USER_MEMORY_REGION"].map((request) => {
    const operation = operationsOf([vm, syscall("ioctl", ["10<anon_inode:kvm-vm>", request, "0x3ff0"], "0")])[1];
    return operation?.call.kind === "vm-change" ? operation.call.change : "no such call";
  });
  expect(changes).toEqual(["attribute", "protected", "memory"]);
});
