import type { PlatformCall } from "../../operation/platform/call.js";
import { is, isKnown, not } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { deviceNamed } from "./devices.js";
import { platformRule } from "./profile.js";
import type { Device, PlatformState } from "./state.js";

export const VDEV_1 = platformRule(
  "VDEV-1",
  "Binding needs a reset function",
  "platform-base refuses a device without reset function with ENOENT whatever reset_required says, one of another driver with EBUSY, one without IOMMU group EINVAL unless no-IOMMU is on. The kernel of the postings reports every refused bind as ENODEV; there a device without reset function can be bound where reset_required is off. The write of driver_override always succeeds.",
  "vfio_platform_common.c (init_common), vfio_platform.c",
);

type DriverWrite = PlatformCall & { kind: "driver-write" };

const DRIVERS: ReadonlySet<string> = new Set(["vfio-platform", "vfio-amba"]);

export function writeDriver(x: Trial, s: PlatformState, call: DriverWrite): void {
  const text = call.data.trimEnd();
  if (call.file === "driver_override") {
    x.returns(call.length, VDEV_1);
    const device = knownDevice(s, call.owner);
    if (device !== undefined) s.journal.set(device, "driverOverride", text);
    return;
  }
  const device = knownDevice(s, text);
  if (device === undefined || !DRIVERS.has(call.owner)) {
    x.cannotCheck("the device, or the driver, is none that the facts name");
    return;
  }
  if (call.file === "bind") bind(x, s, call, device);
  else unbind(x, s, call, device);
}

/** Facts name the devices that bind and unbind are judged for. */
function knownDevice(s: PlatformState, name: string): Device | undefined {
  return s.devices.get(name);
}

function bind(x: Trial, s: PlatformState, call: DriverWrite, device: Device): void {
  const matched = is(device.driverOverride, call.owner);
  const bound = not(is(device.boundTo, null));
  const refusals = s.parameters.msi ? "ENODEV" : undefined;
  if (x.refuse(not(matched), "ENODEV", VDEV_1)) return;
  if (x.refuse(bound, refusals ?? "EBUSY", VDEV_1)) return;
  if (x.refuse(noResetFunction(s, device), refusals ?? "ENOENT", VDEV_1)) return;
  if (x.refuse(is(s.machine.noiommu, true) === true ? false : "unknown", refusals ?? "EINVAL", VDEV_1)) return;
  x.returns(call.length, VDEV_1);
  s.journal.set(device, "boundTo", call.owner);
  // A group without IOMMU is made anew for each bind, and may get another number.
  s.journal.set(device, "group", undefined);
}

/** Whether the lack of a reset function refuses the device. */
function noResetFunction(s: PlatformState, device: Device): boolean | "unknown" {
  const { hasReset } = device;
  if (hasReset === true) return false;
  const refuses = s.parameters.msi ? s.machine.resetRequired : true;
  if (refuses === false) return false;
  return hasReset === false && refuses === true ? true : "unknown";
}

function unbind(x: Trial, s: PlatformState, call: DriverWrite, device: Device): void {
  const { boundTo } = device;
  const elsewhere = isKnown(boundTo) ? boundTo !== call.owner : "unknown";
  if (x.refuse(elsewhere, "ENODEV", VDEV_1)) return;
  x.returns(call.length, VDEV_1);
  s.journal.set(device, "boundTo", null);
}

/** The device of a name that a note gives. */
export function noteDevice(s: PlatformState, name: string, bus: string | undefined): void {
  if (s.machine.devicesNamed && !s.devices.has(name)) return;
  const device = deviceNamed(s, name);
  if ((bus === "platform" || bus === "amba") && !isKnown(device.bus)) s.journal.set(device, "bus", bus);
}
