import type { PlatformCall } from "../../operation/platform/call.js";
import { REGION_FLAG, REGION_SPAN } from "../../operation/platform/structures.js";
import { not, type Tri } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { deviceOf, regionExists, taint, tainted } from "./devices.js";
import { regionOf } from "./info.js";
import { mayChange } from "./lines.js";
import { platformRule } from "./profile.js";
import { endSilence } from "./silence.js";
import type { Device, PlatformState } from "./state.js";

export const VDEV_11 = platformRule(
  "VDEV-11",
  "Region read",
  "A region that does not exist, lacks READ, or is one of ports: EINVAL; in platform-base also an offset at or beyond the size (the postings do not look: undefined). The count is cut to what is left; ENOMEM; a user memory fault EFAULT; else the number of bytes. The position does not advance, lseek gives ESPIPE.",
  "vfio_platform_common.c",
);
export const VDEV_12 = platformRule("VDEV-12", "Region write", "As VDEV-11, with WRITE.", "vfio_platform_common.c");
export const VDEV_13 = platformRule(
  "VDEV-13",
  "mmap of a region",
  "Not shared EINVAL; a region that does not exist or lacks MMAP EINVAL; a protection that the region lacks EINVAL; a region below a page or a range beyond its end EINVAL; else success.",
  "vfio_platform_common.c",
);

export function accessRegion(x: Trial, s: PlatformState, call: PlatformCall & { kind: "region-access" }): void {
  const device = deviceOf(s, call.device);
  const rule = call.write ? VDEV_12 : VDEV_11;
  if (tainted(x, device)) return;
  if (device.platform !== true) {
    x.cannotCheck("what device the descriptor stands for was not recorded");
    return;
  }
  const { position, count } = call;
  if (x.refuse(position < 0, "EINVAL", rule)) return;
  const index = Math.floor(position / REGION_SPAN);
  if (x.refuse(not(regionExists(device, index)), "EINVAL", rule)) return;
  const region = regionOf(device, index);
  if (region === undefined) {
    unknownRegion(x, s, call, device);
    return;
  }
  const needed = call.write ? REGION_FLAG.WRITE : REGION_FLAG.READ;
  if (x.refuse((region.flags & needed) === 0, "EINVAL", rule)) return;
  const offset = position % REGION_SPAN;
  if (offset >= region.size) {
    if (s.parameters.msi) {
      taint(s, device, VDEV_11, `region ${index} was accessed beyond its end`);
      return;
    }
    x.fails("EINVAL", rule);
    return;
  }
  const { result } = x.operation;
  if (result.kind === "error" && result.errno === "ENOMEM") {
    x.fails("ENOMEM", rule);
    return;
  }
  const bad: Tri = count === 0 ? false : (call.badBuffer ?? "unknown");
  if (x.refuse(bad, "EFAULT", rule)) {
    if (call.write) written(s, device);
    return;
  }
  x.returns(Math.min(count, region.size - offset), rule);
  if (call.write && count > 0) written(s, device);
}

/** The device's registers were written: its lines may have changed. */
function written(s: PlatformState, device: Device): void {
  endSilence(s);
  for (const line of device.lines.values()) mayChange(s, line);
}

function unknownRegion(
  x: Trial,
  s: PlatformState,
  call: PlatformCall & { kind: "region-access" },
  device: Device,
): void {
  const { result } = x.operation;
  const rule = call.write ? VDEV_12 : VDEV_11;
  x.cannotCheck("the size and the flags of the region are not known");
  if (result.kind === "error") x.fails(["EINVAL", "EFAULT", "ENOMEM"], rule);
  else if (result.kind === "value" && result.value > call.count) x.returns(call.count, rule);
  if (call.write) written(s, device);
}

export function mapRegion(x: Trial, s: PlatformState, call: PlatformCall & { kind: "region-map" }): void {
  const device = deviceOf(s, call.device);
  if (tainted(x, device)) return;
  const succeeded = x.operation.result.kind === "value";
  if (succeeded && call.write) endSilence(s);
  if (device.platform !== true) {
    x.cannotCheck("what device the descriptor stands for was not recorded");
    return;
  }
  const { pageSize } = s.machine;
  const { offset, length } = call;
  if (x.refuse(length === 0 || offset % pageSize !== 0 || offset < 0, "EINVAL", VDEV_13)) return;
  if (x.refuse(!call.shared, "EINVAL", VDEV_13)) return;
  const index = Math.floor(offset / REGION_SPAN);
  if (x.refuse(not(regionExists(device, index)), "EINVAL", VDEV_13)) return;
  const region = regionOf(device, index);
  if (region === undefined) {
    if (!succeeded) x.fails("EINVAL", VDEV_13);
    x.cannotCheck("the size and the flags of the region are not known");
    return;
  }
  if (x.refuse((region.flags & REGION_FLAG.MMAP) === 0, "EINVAL", VDEV_13)) return;
  const lacks =
    (call.read && (region.flags & REGION_FLAG.READ) === 0) || (call.write && (region.flags & REGION_FLAG.WRITE) === 0);
  if (x.refuse(lacks, "EINVAL", VDEV_13)) return;
  const whole = Math.ceil(length / pageSize) * pageSize;
  if (x.refuse(region.size < pageSize || (offset % REGION_SPAN) + whole > region.size, "EINVAL", VDEV_13)) return;
  x.succeeds(VDEV_13);
}

export function seekDevice(x: Trial, s: PlatformState, call: PlatformCall & { kind: "device-seek" }): void {
  if (tainted(x, deviceOf(s, call.device))) return;
  x.fails("ESPIPE", VDEV_11);
}
