import type { Operation } from "../../operation/operation.js";
import { isPlatformCall, type PlatformCall } from "../../operation/platform/call.js";
import { unknown } from "../core/known.js";
import type { Model } from "../core/model.js";
import type { Trial } from "../core/trial.js";
import { noteDevice, writeDriver } from "./bind.js";
import { cloneState, fingerprint, joinField } from "./clone.js";
import { closeEventfd, createEventfd, expose, exposeEventfd, readEventfd, writeEventfd } from "./eventfds.js";
import { closeGroup, containerOf, openContainer, openGroup } from "./groups.js";
import { hardware } from "./hardware.js";
import { initialState } from "./initial.js";
import { brokenInvariants } from "./invariants.js";
import { forgetHardware } from "./lines.js";
import { closeDevice, forgetResets, VDEV_6 } from "./open.js";
import { accessRegion, mapRegion, seekDevice } from "./regions.js";
import { describeState, renderState } from "./render.js";
import { vfioIoctl } from "./requests.js";
import { platformRules } from "./rules.js";
import { forgetDevice } from "./set-irqs.js";
import { endSilence } from "./silence.js";
import type { PlatformState } from "./state.js";
import { sweep } from "./sweep.js";

/** The reference model of VFIO platform devices: vfio-platform-msi. */
export const platformModel: Model<PlatformState> = {
  system: "platform",
  rules: platformRules,
  probes: ["ioctl_in", "ioctl_out", "set_irqs", "irq_handler_entry"],
  initial: initialState,
  models: ({ call }) => isPlatformCall(call) && modelled(call),
  step,
  everyOrder: true,
  broken: brokenInvariants,
  render: renderState,
  describe: describeState,
  join: joinField,
  fingerprint,
  clone: cloneState,
};

/** Calls with a result that the spec speaks of; the others only tell what happened. */
function modelled(call: PlatformCall): boolean {
  switch (call.kind) {
    case "eventfd-create":
    case "eventfd-exposed":
    case "hardware":
    case "platform-note":
    case "platform-gap":
    case "reset-parameter":
      return false;
    case "eventfd-read":
    case "eventfd-write":
      return call.counted;
    case "vfio-close":
      // The end of a process closes without a result of its own.
      return call.single && isDeviceClose(call);
    default:
      return true;
  }
}

function isDeviceClose({ files }: PlatformCall & { kind: "vfio-close" }): boolean {
  return files.length === 0 || files.some((file) => file.kind === "device");
}

function step(s: PlatformState, operation: Operation, x: Trial): void {
  sweep(s);
  if (isPlatformCall(operation.call)) perform(x, s, operation.call);
  x.takeAll();
  x.finish();
}

function perform(x: Trial, s: PlatformState, call: PlatformCall): void {
  switch (call.kind) {
    case "vfio-container-open":
      openContainer(x, s, call);
      break;
    case "vfio-group-open":
      openGroup(x, s, call);
      break;
    case "vfio-ioctl":
      vfioIoctl(x, s, call);
      break;
    case "vfio-close":
      close(x, s, call);
      break;
    case "eventfd-create":
      createEventfd(s, call);
      break;
    case "eventfd-read":
      readEventfd(x, s, call);
      break;
    case "eventfd-write":
      writeEventfd(x, s, call);
      break;
    case "eventfd-exposed":
      expose(s, call.eventfds, call.by);
      break;
    case "region-access":
      accessRegion(x, s, call);
      break;
    case "region-map":
      mapRegion(x, s, call);
      break;
    case "device-seek":
      seekDevice(x, s, call);
      break;
    case "driver-write":
      writeDriver(x, s, call);
      break;
    case "reset-parameter":
      forgetResets(s);
      break;
    case "hardware":
      hardware(x, s, call);
      break;
    case "platform-note":
      note(s, call.values);
      break;
    case "platform-gap":
      forgetAll(s);
      break;
  }
}

function close(x: Trial, s: PlatformState, call: PlatformCall & { kind: "vfio-close" }): void {
  for (const file of call.files) {
    switch (file.kind) {
      case "device":
        closeDevice(x, s, file.device);
        break;
      case "group":
        closeGroup(s, file.group);
        break;
      case "eventfd":
        closeEventfd(x, s, file.eventfd);
        break;
      case "container":
        s.journal.set(containerOf(s, file.container), "closed", true);
        break;
    }
  }
  if (call.single && isDeviceClose(call)) x.returns(0, VDEV_6);
  else if (!call.single) x.cannotCheck("the closes of a call that closes several files have no result of their own");
}

/** `vfio-note env` (3.3): facts that the program tells. */
function note(s: PlatformState, values: ReadonlyMap<string, string>): void {
  const hw = values.get("hw");
  if (hw === "silent") {
    s.journal.set(s.machine, "declaredSilent", true);
    s.journal.set(s.machine, "silent", true);
  } else if (hw === "active") {
    endSilence(s);
  }
  const device = values.get("device");
  if (device !== undefined) noteDevice(s, device, values.get("bus"));
}

/** Calls were lost: nothing is known of what they did. */
function forgetAll(s: PlatformState): void {
  // Notes of hardware and writes to regions may be among them.
  endSilence(s);
  for (const device of s.devices.values()) {
    forgetDevice(s, device);
    for (const line of device.lines.values()) forgetHardware(s, line);
    s.journal.set(device.msi, "noted", false);
    s.journal.set(device, "openCount", unknown);
    s.journal.set(device, "resetResult", unknown);
    s.journal.set(device, "boundTo", unknown);
    s.journal.set(device, "driverOverride", unknown);
  }
  for (const group of s.groups.values()) {
    s.journal.set(group, "opened", unknown);
    s.journal.set(group, "container", unknown);
    s.journal.set(group, "devices", unknown);
  }
  for (const container of s.containers.values()) {
    s.journal.set(container, "groups", unknown);
    s.journal.set(container, "iommu", unknown);
  }
  for (const e of s.eventfds.values()) exposeEventfd(s, e, "events of the recording were lost");
}
