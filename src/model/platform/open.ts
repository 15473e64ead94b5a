import { deviceName } from "../../operation/platform/arguments.js";
import type { PlatformDeviceRef, VfioIoctl } from "../../operation/platform/call.js";
import { requestNumbered, VFIO } from "../../operation/platform/requests.js";
import { is, isKnown, type Known, knownValue, not, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { readable, shortage, unknownStructure } from "./argument.js";
import { deviceNamed, deviceOf, tainted } from "./devices.js";
import { exposeEventfd } from "./eventfds.js";
import { groupOf, groupReady, leaveIfUnused } from "./groups.js";
import { resetLine, settleWithMask } from "./lines.js";
import { closeMsi, resetMsi } from "./msi.js";
import { platformRule } from "./profile.js";
import { forgetDevice } from "./set-irqs.js";
import { type Device, DeviceFile, type Group, type PlatformState, type Slot } from "./state.js";
import { releaseSlot } from "./wired.js";

export const VDEV_2 = platformRule(
  "VDEV-2",
  "Discovery at first open",
  "The first open builds the tables of regions and lines with initial values. platform-base requests each line and remembers a failure without failing the open. ENOMEM; EINVAL for a resource that is neither memory nor ports.",
  "vfio_platform_common.c, vfio_platform_irq.c",
);
export const VDEV_3 = platformRule(
  "VDEV-3",
  "Reset at first open",
  "After discovery the reset function is called. If it fails and reset_required is set the open is undone with its errno (EINVAL where there is none); else the failure is ignored.",
  "vfio_platform_common.c",
);
export const VDEV_4 = platformRule(
  "VDEV-4",
  "GET_DEVICE_FD",
  "The name not readable EFAULT, longer than a page EINVAL; no such device in the group ENODEV; no free descriptor EMFILE; no container or no IOMMU EINVAL; a no-IOMMU group without CAP_SYS_RAWIO EPERM; then discovery and reset. Success gives a new close-on-exec descriptor.",
  "vfio_main.c, container.c",
);
export const VDEV_5 = platformRule(
  "VDEV-5",
  "Further opens share",
  "A second open of an open device gives another descriptor on the same state: no discovery, no reset.",
  "vfio_main.c",
);
export const VDEV_6 = platformRule(
  "VDEV-6",
  "Last close",
  "The reset function is called, its failure only logged; close returns 0. All triggers are released and masked is forgotten. platform-base releases the mask and unmask eventfds, which takes their counters; the postings leave them behind (a defect) and disable the MSI block.",
  "vfio_platform_common.c",
);
export const LEFT_BEHIND = platformRule(
  "ND-4",
  "Eventfds left behind",
  "After a last close with an installed mask or unmask eventfd, a write or close of it is undefined for the kernel (postings).",
  "section 5.4",
);

const PAGE = 4096;

export function getDevice(x: Trial, s: PlatformState, call: VfioIoctl, group: Group): void {
  const name = deviceName(requestNumbered(VFIO.GROUP_GET_DEVICE_FD), call.argument);
  if (name === undefined && !wholeName(call)) {
    unnamed(x, s, call, group);
    return;
  }
  if (name === undefined) {
    // No zero byte before the end of what is mapped: a fault, or more than a page.
    const long = call.argument.kind === "bytes" && call.argument.bytes.length >= PAGE;
    if (long) x.fails("EINVAL", VDEV_4);
    else if (readable(call, 1) === false || call.argument.kind === "bytes") x.fails("EFAULT", VDEV_4);
    return;
  }
  if (name.length >= PAGE) {
    x.fails("EINVAL", VDEV_4);
    return;
  }
  if (x.refuse(not(inGroup(s, group, name)), "ENODEV", VDEV_4)) return;
  if (groupRefuses(x, call, group)) return;
  const device = deviceNamed(s, name);
  s.journal.set(device, "group", group.name);
  if (tainted(x, device)) {
    if (call.made !== undefined) register(s, call.made, device);
    return;
  }
  if (shortage(x, VDEV_2)) return;
  if (firstOpen(x, s, device)) return;
  x.succeeds(VDEV_4);
  if (call.made !== undefined) enter(s, group, call.made, device);
}

/** Whether all that the kernel can read of the name was recorded, or a whole page of it. */
function wholeName({ argument }: VfioIoctl): boolean {
  if (argument.kind !== "bytes") return argument.kind === "bad";
  const { bytes, mapped } = argument;
  return bytes.length >= PAGE || (mapped !== undefined && bytes.length >= mapped);
}

/** The device's name was not recorded: a fault, a wrong name, or any device of the group. */
function unnamed(x: Trial, s: PlatformState, call: VfioIoctl, group: Group): void {
  const { result } = x.operation;
  const ready = groupReady(group);
  if (result.kind === "error") {
    x.cannotCheck(unknownStructure(call) ?? "the device's name was not recorded");
    if (result.errno === "ENOTTY") x.fails("another error", VDEV_4);
    return;
  }
  if (x.refuse(not(ready), "EINVAL", VDEV_4)) return;
  x.succeeds(VDEV_4);
  x.cannotCheck(unknownStructure(call) ?? "the device's name was not recorded");
  if (call.made === undefined) return;
  const first = group.devices === 0;
  const device = deviceOf(s, call.made);
  if (first && device.undefinedBy === undefined) {
    s.journal.set(device, "openCount", 0);
    fresh(s, device);
  }
  enter(s, group, call.made, device);
}

/** Whether the group has a device of that name. */
function inGroup(s: PlatformState, group: Group, name: string): Tri {
  const device = s.devices.get(name);
  if (device?.group === group.name) return true;
  return device?.group === undefined ? "unknown" : false;
}

function groupRefuses(x: Trial, call: VfioIoctl, group: Group): boolean {
  const { result } = x.operation;
  const errno = result.kind === "error" ? result.errno : undefined;
  if (errno === "EMFILE") {
    x.fails("EMFILE", VDEV_4);
    return true;
  }
  if (x.refuse(not(groupReady(group)), "EINVAL", VDEV_4)) return true;
  // Another process than the one that opened the group may lack the capability.
  if (errno === "EPERM" && group.noiommu && group.process !== call.process) {
    x.fails("EPERM", VDEV_4);
    return true;
  }
  return false;
}

/** VDEV-2 and VDEV-3 where this is the first open. Whether the open is refused. */
function firstOpen(x: Trial, s: PlatformState, device: Device): boolean {
  const closed = is(device.openCount, 0);
  if (!x.either(closed)) {
    x.by(VDEV_5);
    if (closed === "unknown") forgetDevice(s, device);
    return false;
  }
  x.by(VDEV_2, VDEV_3);
  if (resetRefuses(x, s, device)) return true;
  fresh(s, device);
  return false;
}

/**
 * Whether a failing reset refuses the open. AMBA devices always require it (1.1). A device without reset function can only
 * be bound where none is required (VDEV-1): that it is there outweighs a fact about the module.
 */
function resetRequired(s: PlatformState, device: Device): Known<boolean> {
  const amba = is(device.bus, "amba");
  if (amba === true) return true;
  const { resetRequired } = s.machine;
  return device.hasReset === false || (amba === "unknown" && resetRequired !== true) ? unknown : resetRequired;
}

/** VDEV-3. */
function resetRefuses(x: Trial, s: PlatformState, device: Device): boolean {
  const { result } = x.operation;
  const required = resetRequired(s, device);
  if (required === false) return false;
  if (device.hasReset === false) return x.refuse(is(required, true), "EINVAL", VDEV_3);
  if (device.resetResult === 0) return false;
  if (isKnown(device.resetResult)) return x.refuse(is(required, true), device.resetResult, VDEV_3);
  const errno = result.kind === "error" ? result.errno : undefined;
  const { resetResult, hasReset } = device;
  const listed = "values" in resetResult ? resetResult.values : undefined;
  const possible =
    errno !== undefined &&
    (listed === undefined || listed.includes(errno) || (hasReset !== true && errno === "EINVAL"));
  if (!possible || errno === undefined) {
    // That it succeeded is known where a failure would have shown.
    if (result.kind === "value" && required === true && listed === undefined) {
      s.journal.set(device, "resetResult", 0);
    }
    return false;
  }
  x.fails(errno, VDEV_3);
  return true;
}

/** Answers of the request's own checks, which no reset function gives. */
export const NOT_BY_RESET: ReadonlySet<string> = new Set(["EBADF", "EFAULT", "ENOTTY"]);

/** The device as it is after the first open (1.2). */
function fresh(s: PlatformState, device: Device): void {
  s.journal.set(device, "linesUnknown", false);
  for (const line of device.lines.values()) resetLine(s, line);
  resetMsi(s, device);
}

function register(s: PlatformState, made: PlatformDeviceRef, device: Device): void {
  if (!s.files.has(made.id)) s.journal.add(s.files, made.id, new DeviceFile(made.id, device));
}

function enter(s: PlatformState, group: Group, made: PlatformDeviceRef, device: Device): void {
  register(s, made, device);
  const count = knownValue(device.openCount);
  s.journal.set(device, "openCount", count === undefined ? unknown : count + 1);
  const devices = knownValue(group.devices);
  s.journal.set(group, "devices", devices === undefined ? unknown : devices + 1);
}

/** A device file is closed for good; the last one closes the device (VDEV-6). */
export function closeDevice(x: Trial, s: PlatformState, ref: PlatformDeviceRef): void {
  const device = deviceOf(s, ref);
  const file = s.files.get(ref.id);
  if (file !== undefined) s.journal.set(file, "closed", true);
  const count = knownValue(device.openCount);
  if (count === undefined) {
    // Other files, older than the recording, may hold it.
    forgetDevice(s, device);
  } else {
    s.journal.set(device, "openCount", Math.max(0, count - 1));
    if (count <= 1) lastClose(x, s, device);
  }
  if (device.group === undefined) return;
  const group = groupOf(s, device.group);
  const devices = knownValue(group.devices);
  if (devices !== undefined) s.journal.set(group, "devices", Math.max(0, devices - 1));
  leaveIfUnused(s, group);
}

function lastClose(x: Trial, s: PlatformState, device: Device): void {
  if (device.undefinedBy !== undefined) return;
  // What was set on a device of another bus signals unseen up to here.
  if (device.platform !== true && device.linesUnknown) forgetDevice(s, device);
  x.by(VDEV_6);
  for (const line of device.lines.values()) {
    settleWithMask(s, line);
    if (s.parameters.msi) leaveBehind(s, line.maskFd, line.unmaskFd);
    else {
      releaseSlot(s, line, "maskFd");
      releaseSlot(s, line, "unmaskFd");
    }
  }
  closeMsi(x, s, device);
  for (const line of device.lines.values()) resetLine(s, line);
}

/** 5.4: the postings do not release mask and unmask eventfds. */
function leaveBehind(s: PlatformState, ...slots: readonly Slot[]): void {
  for (const slot of slots) {
    if (isKnown(slot)) {
      if (slot !== null) exposeEventfd(s, slot, "it was left installed at the last close (VDEV-6, section 5.4)");
    } else {
      for (const e of "values" in slot ? slot.values : s.eventfds.values()) {
        if (e !== null) exposeEventfd(s, e, "it may have been left installed at a last close (section 5.4)");
      }
    }
  }
}

/** Results of a reset function may change: none is known any more. */
export function forgetResets(s: PlatformState): void {
  for (const device of s.devices.values()) s.journal.set(device, "resetResult", unknown);
}
