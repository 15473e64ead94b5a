import type { ApCall } from "../../operation/ap/call.js";
import type { Trial } from "../core/trial.js";
import { aqicRule, configRule } from "./profile.js";
import type { ApState } from "./state.js";

export const MDEV_8 = configRule(
  "MDEV-8",
  "ioctls of the device",
  "GET_INFO with at least 16 bytes succeeds; RESET resets the queues as a removal does and answers 0 or the last error; everything else is EOPNOTSUPP. The shadow does not change.",
  "vfio_ap_ops.c:vfio_ap_mdev_ioctl",
);
export const IOC_1 = aqicRule(
  "IOC-1",
  "GET_INFO",
  "With 16 bytes or more: 0, the flags of a device that can be reset and of AP, no region and no interrupt; argsz and what lies behind the 16 bytes stay. With or without a guest.",
  "vfio_ap_mdev_get_device_info",
);
export const IOC_2 = aqicRule(
  "IOC-2",
  "GET_INFO errors",
  "Memory that cannot be read: EFAULT; argsz below 16: EINVAL; memory that cannot be written: EFAULT in linux-6.1, before that the number of bytes that were not copied.",
  "vfio_ap_mdev_get_device_info",
);

/** Bytes of `struct vfio_device_info` up to num_irqs. */
const SIZE = 16;
/** VFIO_DEVICE_FLAGS_RESET and VFIO_DEVICE_FLAGS_AP. */
const FLAGS = 0x21;

type DeviceIoctl = Extract<ApCall, { kind: "device-ioctl" }>;

/** VFIO_DEVICE_GET_INFO (IOC-1, IOC-2): by its structure where that is recorded, else by its result alone. */
export function getInfo(x: Trial, s: ApState, call: DeviceIoctl): void {
  x.by(IOC_1);
  const argsz = call.input === undefined ? undefined : word(call.input, 0);
  const tooSmall = argsz === undefined ? "unknown" : argsz < SIZE;
  // Whether the memory can be read and written lies behind the pointer; the bytes at entry were read.
  const unreadable = argsz === undefined ? "unknown" : false;
  if (x.refuse(unreadable, "EFAULT", MDEV_8, IOC_2)) return;
  if (x.refuse(tooSmall, "EINVAL", MDEV_8, IOC_2)) return;
  const { result } = x.operation;
  if (s.parameters.old) {
    // The residue of the copy is returned as it is.
    const left = result.kind === "value" && result.value >= 1 && result.value <= SIZE ? result.value : 0;
    x.returns(left, MDEV_8, left === 0 ? IOC_1 : IOC_2);
    if (left !== 0) return;
  } else {
    if (x.refuse("unknown", "EFAULT", MDEV_8, IOC_2)) return;
    x.returns(0, MDEV_8, IOC_1);
  }
  if (call.output !== undefined) compareInfo(x, call.output, call.input);
}

/** What the call left in the structure. */
function compareInfo(x: Trial, output: Uint8Array, input: Uint8Array | undefined): void {
  const fields: readonly (readonly [string, number, number | undefined])[] = [
    ["argsz", 0, input === undefined ? undefined : word(input, 0)],
    ["flags", 4, FLAGS],
    ["num_regions", 8, 0],
    ["num_irqs", 12, 0],
  ];
  for (const [name, at, expected] of fields) {
    const seen = word(output, at);
    if (seen === undefined || expected === undefined || seen === expected) continue;
    x.differs(`${name} 0x${expected.toString(16)}`, `${name} 0x${seen.toString(16)}`, MDEV_8, IOC_1);
  }
  const shared = Math.min(output.length, input?.length ?? 0);
  for (let at = SIZE; at < shared; at++) {
    if (output[at] === input?.[at]) continue;
    x.differs("bytes behind the first 16 as they were", `another byte ${at}`, MDEV_8, IOC_1);
    return;
  }
}

/** The unsigned word at an offset, in the byte order of the machine; undefined behind the end. */
function word(bytes: Uint8Array, at: number): number | undefined {
  if (at + 4 > bytes.length) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at, at + 4);
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}
