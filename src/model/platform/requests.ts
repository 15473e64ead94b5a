import type { VfioIoctl } from "../../operation/platform/call.js";
import { VFIO } from "../../operation/platform/requests.js";
import { is, isKnown, knownValue, not } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { unchanged } from "./argument.js";
import { deviceOf, tainted } from "./devices.js";
import { containerIoctl, groupIoctl } from "./groups.js";
import { deviceFeature, getInfo, getIrqInfo, getRegionInfo } from "./info.js";
import { mayChange } from "./lines.js";
import { NOT_BY_RESET } from "./open.js";
import { platformRule } from "./profile.js";
import { forgetDevice, setIrqs } from "./set-irqs.js";
import { assumeSilence } from "./silence.js";
import type { Device, PlatformState } from "./state.js";

export const VDEV_9 = platformRule(
  "VDEV-9",
  "RESET",
  "The argument is ignored. With a reset function its result, without one EINVAL. Masks, triggers and vectors stay; the device itself may change its lines.",
  "vfio_platform_common.c (call_reset)",
);
export const VDEV_10 = platformRule(
  "VDEV-10",
  "Other requests",
  "Any other number on a device, and a VFIO request on an eventfd, an ordinary file or a group gives ENOTTY; on a bad descriptor EBADF.",
  "vfio_main.c, vfio_platform_common.c",
);

/** An ioctl of the VFIO family, or on a VFIO file. */
export function vfioIoctl(x: Trial, s: PlatformState, call: VfioIoctl): void {
  const { target, argument } = call;
  if (argument.kind === "bytes" || argument.kind === "header") assumeSilence(s);
  switch (target.kind) {
    case "container":
      containerIoctl(x, s, call, target.container);
      return;
    case "group":
      groupIoctl(x, s, call, target.group);
      return;
    case "device":
      deviceIoctl(x, s, call, deviceOf(s, target.device));
      return;
    case "eventfd":
    case "ordinary":
      x.fails("ENOTTY", VDEV_10);
      unchanged(x, call);
      return;
    case "closed":
      x.fails("EBADF", VDEV_10);
      unchanged(x, call);
      return;
    case "unknown":
      x.cannotCheck("what the descriptor stands for was not recorded (strace -y would show it)");
  }
}

function deviceIoctl(x: Trial, s: PlatformState, call: VfioIoctl, device: Device): void {
  const changes = call.request.number === VFIO.DEVICE_SET_IRQS;
  if (tainted(x, device)) {
    if (changes) forgetDevice(s, device);
    return;
  }
  // Argument notes are written by programs that test platform devices (3.3).
  const { argument } = call;
  // So do those of the probe set_irqs: it sits in their driver.
  const noted = argument.kind === "header" || (argument.kind === "bytes" && argument.mapped !== undefined);
  if (noted && !isKnown(device.platform)) s.journal.set(device, "platform", true);
  if (device.platform !== true) {
    x.cannotCheck(
      device.platform === false
        ? "the device is none of the platform bus"
        : "which device the descriptor stands for was not recorded (its name: probe ioctl_in, or a vfio-note, at VFIO_GROUP_GET_DEVICE_FD)",
    );
    if (changes) forgetDevice(s, device);
    return;
  }
  // VDEV-1: in platform-base no device without a reset function can be bound, so none can be open.
  if (!s.parameters.msi && !isKnown(device.hasReset)) s.journal.set(device, "hasReset", true);
  switch (call.request.number) {
    case VFIO.DEVICE_GET_INFO:
      getInfo(x, s, call, device);
      return;
    case VFIO.DEVICE_GET_REGION_INFO:
      getRegionInfo(x, s, call, device);
      return;
    case VFIO.DEVICE_GET_IRQ_INFO:
      getIrqInfo(x, s, call, device);
      return;
    case VFIO.DEVICE_SET_IRQS:
      if (x.operation.result.kind === "unknown") hung(x, s, call, device);
      else setIrqs(x, s, call, device);
      // What the call itself made undefined is not judged either (5.3).
      tainted(x, device);
      return;
    case VFIO.DEVICE_RESET:
      reset(x, s, device);
      return;
    case VFIO.DEVICE_FEATURE:
      deviceFeature(x, s, call);
      return;
    default:
      x.fails("ENOTTY", VDEV_10);
      unchanged(x, call);
  }
}

/** A SET_IRQS that did not come back: what it did is only known where it is undefined anyway. */
function hung(x: Trial, s: PlatformState, call: VfioIoctl, device: Device): void {
  setIrqs(x, s, call, device);
  if (device.undefinedBy === undefined) forgetDevice(s, device);
}

function reset(x: Trial, s: PlatformState, device: Device): void {
  const { result } = x.operation;
  const { hasReset } = device;
  const none = x.refuse(not(is(hasReset, true)), "EINVAL", VDEV_9);
  if (!isKnown(hasReset)) s.journal.set(device, "hasReset", !none);
  if (none) return;
  for (const line of device.lines.values()) mayChange(s, line);
  const known = device.resetResult;
  if (isKnown(known)) {
    if (known === 0) x.returns(0, VDEV_9);
    else x.fails(known, VDEV_9);
    return;
  }
  if (result.kind === "error") {
    const listed = "values" in known ? known.values : undefined;
    const possible = listed === undefined ? !NOT_BY_RESET.has(result.errno) : listed.includes(result.errno);
    if (possible) x.fails(result.errno, VDEV_9);
    else x.returns(0, VDEV_9);
    return;
  }
  x.returns(0, VDEV_9);
  if (knownValue(known) === undefined && !("values" in known)) s.journal.set(device, "resetResult", 0);
}
