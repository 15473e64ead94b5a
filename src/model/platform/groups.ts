import type { PlatformCall, PlatformFileRef, PlatformGroupRef, VfioIoctl } from "../../operation/platform/call.js";
import { VFIO } from "../../operation/platform/requests.js";
import { GROUP_STATUS_SIZE } from "../../operation/platform/structures.js";
import { is, isKnown, knownValue, not, OneOf, type Tri, Unknown, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { compareAfter, field, readable, unchanged, unknownStructure, word, writable } from "./argument.js";
import { getDevice } from "./open.js";
import { platformRule } from "./profile.js";
import { Container, Group, type PlatformState } from "./state.js";

export const VDEV_15 = platformRule(
  "VDEV-15",
  "Containers and groups",
  "GET_API_VERSION 0; CHECK_EXTENSION(8) 1 with no-IOMMU. A second open of a group EBUSY, a no-IOMMU group without CAP_SYS_RAWIO EPERM. GET_STATUS: argsz below 8 EINVAL; VIABLE 1, CONTAINER_SET 2. SET_CONTAINER: EFAULT, EBADF, EINVAL (has one, or no container), 0. SET_IOMMU without group or a second time EINVAL, a type that no driver knows ENODEV (no-IOMMU: anything but 8). UNSET_CONTAINER without container EINVAL, with an open device EBUSY. A container without IOMMU answers other requests with EINVAL, a no-IOMMU one with ENOTTY, a group with ENOTTY.",
  "vfio_main.c, container.c",
);

const NOIOMMU = 8;

export function containerOf(s: PlatformState, ref: PlatformFileRef): Container {
  const known = s.containers.get(ref.id);
  if (known !== undefined) return known;
  const container = new Container(ref.id);
  // One that was open before the recording may have groups and an IOMMU.
  container.groups = unknown;
  container.iommu = unknown;
  s.journal.add(s.containers, ref.id, container);
  return container;
}

export function groupOf(s: PlatformState, name: string): Group {
  const known = s.groups.get(name);
  if (known !== undefined) return known;
  const group = new Group(name);
  s.journal.add(s.groups, name, group);
  return group;
}

export function openContainer(x: Trial, s: PlatformState, call: PlatformCall & { kind: "vfio-container-open" }): void {
  if (openRefused(x)) return;
  x.succeeds(VDEV_15);
  if (call.container === undefined) return;
  const container = containerOf(s, call.container);
  s.journal.set(container, "groups", 0);
  s.journal.set(container, "iommu", null);
}

/** Errnos of an open that come before the driver is asked: of the path, of permissions, of the process's own limits. */
const NOT_BY_DRIVER: ReadonlySet<string> = new Set([
  "ENOENT",
  "ENODEV",
  "ENXIO",
  "EACCES",
  "EPERM",
  "EMFILE",
  "ENFILE",
  "EINTR",
]);

function openRefused(x: Trial): boolean {
  const { result } = x.operation;
  if (result.kind !== "error" || !NOT_BY_DRIVER.has(result.errno)) return false;
  x.cannotCheck("whether the file is there and may be opened was not recorded");
  return true;
}

export function openGroup(x: Trial, s: PlatformState, call: PlatformCall & { kind: "vfio-group-open" }): void {
  const group = groupOf(s, call.name);
  const { result } = x.operation;
  if (group.noiommu && result.kind === "error" && result.errno === "EPERM") {
    x.fails("EPERM", VDEV_15);
    return;
  }
  if (openRefused(x)) return;
  if (x.refuse(is(group.opened, true), "EBUSY", VDEV_15)) return;
  x.succeeds(VDEV_15);
  if (call.group === undefined) return;
  s.journal.set(group, "opened", true);
  s.journal.set(group, "released", false);
  s.journal.set(group, "process", call.process);
  s.journal.set(group, "container", null);
  s.journal.set(group, "devices", 0);
}

/** The last descriptor of a group is gone; an open device keeps it (VDEV-15). */
export function closeGroup(s: PlatformState, ref: PlatformGroupRef): void {
  const group = groupOf(s, ref.group);
  s.journal.set(group, "released", true);
  leaveIfUnused(s, group);
}

export function leaveIfUnused(s: PlatformState, group: Group): void {
  if (!group.released) return;
  if (group.devices !== 0) {
    if (!isKnown(group.devices)) s.journal.set(group, "opened", unknown);
    return;
  }
  detach(s, group);
  s.journal.set(group, "opened", false);
}

function detach(s: PlatformState, group: Group): void {
  const { container } = group;
  s.journal.set(group, "container", null);
  if (!isKnown(container)) {
    for (const one of container instanceof OneOf ? container.values : []) if (one !== null) forgetContainer(s, one);
    return;
  }
  if (container === null) return;
  const groups = knownValue(container.groups);
  if (groups === undefined) {
    forgetContainer(s, container);
    return;
  }
  s.journal.set(container, "groups", groups - 1);
  // After the last group left the container has no IOMMU any more.
  if (groups === 1) s.journal.set(container, "iommu", null);
}

function forgetContainer(s: PlatformState, container: Container): void {
  s.journal.set(container, "groups", unknown);
  s.journal.set(container, "iommu", unknown);
}

// --- requests on a container

export function containerIoctl(x: Trial, s: PlatformState, call: VfioIoctl, ref: PlatformFileRef): void {
  const container = containerOf(s, ref);
  switch (call.request.number) {
    case VFIO.GET_API_VERSION:
      x.returns(0, VDEV_15);
      return;
    case VFIO.CHECK_EXTENSION:
      checkExtension(x, s, call, container);
      return;
    case VFIO.SET_IOMMU:
      setIommu(x, s, call, container);
      return;
  }
  unchanged(x, call);
  if (x.refuse(is(container.iommu, null), "EINVAL", VDEV_15)) return;
  if (x.refuse(is(container.iommu, NOIOMMU), "ENOTTY", VDEV_15)) return;
  x.cannotCheck("requests to the driver of a real IOMMU are not modelled");
}

function checkExtension(x: Trial, s: PlatformState, call: VfioIoctl, container: Container): void {
  const { machine } = s;
  const { value } = call;
  if (value === undefined) {
    x.cannotCheck("the extension's number was not recorded");
    return;
  }
  if (value === NOIOMMU) {
    // Attached to a real IOMMU the container has no other.
    if (isKnown(container.iommu) && container.iommu !== null && container.iommu !== NOIOMMU) {
      x.cannotCheck("extensions of a real IOMMU are not modelled");
      return;
    }
    const noiommu = x.either(is(machine.noiommu, true));
    x.returns(noiommu ? 1 : 0, VDEV_15);
    s.journal.set(machine, "noiommu", noiommu);
    return;
  }
  // Before its IOMMU is set other drivers of the kernel answer for the container, too.
  const { result } = x.operation;
  const others = container.iommu !== NOIOMMU && result.kind === "value" && result.value === 1;
  if (!others && (container.iommu === NOIOMMU || machine.noiommu === true)) {
    x.returns(0, VDEV_15);
    return;
  }
  x.cannotCheck("which IOMMU drivers the kernel has was not recorded");
}

function setIommu(x: Trial, s: PlatformState, call: VfioIoctl, container: Container): void {
  const noGroup = is(container.groups, 0);
  const set = not(is(container.iommu, null));
  if (x.refuse(noGroup, "EINVAL", VDEV_15)) return;
  if (x.refuse(set, "EINVAL", VDEV_15)) return;
  const { value } = call;
  const noiommu = noiommuContainer(s, container);
  if (value === undefined || noiommu === "unknown") {
    x.cannotCheck("the type, or the groups of the container, are not known");
    s.journal.set(container, "iommu", unknown);
    return;
  }
  if (x.refuse(noiommu ? value !== NOIOMMU : value === NOIOMMU, "ENODEV", VDEV_15)) return;
  if (!noiommu) {
    const { result } = x.operation;
    if (result.kind === "value") s.journal.set(container, "iommu", value);
    x.cannotCheck("which IOMMU drivers the kernel has was not recorded");
    return;
  }
  x.returns(0, VDEV_15);
  s.journal.set(container, "iommu", value);
}

/** Whether the container's groups are no-IOMMU ones. */
function noiommuContainer(s: PlatformState, container: Container): Tri {
  for (const group of s.groups.values()) if (group.container === container) return group.noiommu;
  return "unknown";
}

// --- requests on a group

export function groupIoctl(x: Trial, s: PlatformState, call: VfioIoctl, ref: PlatformGroupRef): void {
  const group = groupOf(s, ref.group);
  if (group.opened !== true && !group.released) s.journal.set(group, "opened", true);
  switch (call.request.number) {
    case VFIO.GROUP_GET_STATUS:
      getStatus(x, call, group);
      return;
    case VFIO.GROUP_SET_CONTAINER:
      setContainer(x, s, call, group);
      return;
    case VFIO.GROUP_UNSET_CONTAINER:
      unsetContainer(x, s, group);
      return;
    case VFIO.GROUP_GET_DEVICE_FD:
      getDevice(x, s, call, group);
      unchanged(x, call);
      return;
  }
  unchanged(x, call);
  x.fails("ENOTTY", VDEV_15);
}

const VIABLE = 1;
const CONTAINER_SET = 2;

function getStatus(x: Trial, call: VfioIoctl, group: Group): void {
  const reason = unknownStructure(call);
  if (reason !== undefined) {
    if (x.operation.result.kind === "error") x.fails(["EFAULT", "EINVAL"], VDEV_15);
    else x.returns(0, VDEV_15);
    x.cannotCheck(reason);
    return;
  }
  if (x.refuse(not(readable(call, GROUP_STATUS_SIZE)), "EFAULT", VDEV_15)) {
    unchanged(x, call);
    return;
  }
  const argsz = word(call, 0);
  if (x.refuse(argsz === undefined ? "unknown" : argsz < GROUP_STATUS_SIZE, "EINVAL", VDEV_15)) {
    unchanged(x, call);
    return;
  }
  if (x.refuse(not(writable(call, GROUP_STATUS_SIZE)), "EFAULT", VDEV_15)) {
    unchanged(x, call);
    return;
  }
  x.returns(0, VDEV_15);
  // A real group is viable only if all its devices are given to VFIO.
  const set = is(group.container, null);
  const flags = !group.noiommu || set === "unknown" ? undefined : VIABLE | (set ? 0 : CONTAINER_SET);
  if (x.operation.result.kind === "value") compareAfter(x, call, [field(4, "flags", flags, VDEV_15)]);
}

function setContainer(x: Trial, s: PlatformState, call: VfioIoctl, group: Group): void {
  unchanged(x, call);
  const [meaning] = call.descriptors;
  const hasOne = not(is(group.container, null));
  const reason = unknownStructure(call);
  if (reason !== undefined || (meaning === undefined && readable(call, 4) !== false)) {
    setUnknownContainer(x, s, group, hasOne, reason ?? "the descriptor was not recorded");
    return;
  }
  if (x.refuse(not(readable(call, 4)), "EFAULT", VDEV_15)) return;
  if (meaning === undefined) return;
  if (meaning.kind === "unknown") {
    setUnknownContainer(x, s, group, hasOne, "which file the descriptor stands for was not recorded");
    return;
  }
  const negative = ((word(call, 0) ?? 0) | 0) < 0;
  if (x.refuse(meaning.kind === "closed", negative ? ["EBADF", "EINVAL"] : "EBADF", VDEV_15)) return;
  if (x.refuse(hasOne, "EINVAL", VDEV_15)) return;
  if (x.refuse(meaning.kind !== "container", "EINVAL", VDEV_15)) return;
  if (meaning.kind !== "container") return;
  const container = containerOf(s, meaning.container);
  const mixed = noiommuContainer(s, container);
  if (x.refuse(mixed === "unknown" ? false : mixed !== group.noiommu, "EINVAL", VDEV_15)) return;
  x.returns(0, VDEV_15);
  s.journal.set(group, "container", container);
  const groups = knownValue(container.groups);
  s.journal.set(container, "groups", groups === undefined ? unknown : groups + 1);
}

/** Which container it is was not recorded: one that is known to the capture, or another. */
function setUnknownContainer(x: Trial, s: PlatformState, group: Group, hasOne: Tri, reason: string): void {
  const { result } = x.operation;
  if (result.kind === "error") x.fails(["EFAULT", "EBADF", "EINVAL"], VDEV_15);
  else if (!x.refuse(hasOne, "EINVAL", VDEV_15)) x.returns(0, VDEV_15);
  x.cannotCheck(reason);
  if (result.kind === "error") return;
  const [only, another] = [...s.containers.values()];
  // Where only one container was ever opened the group went into that one.
  if (only !== undefined && another === undefined) {
    s.journal.set(group, "container", only);
    const groups = knownValue(only.groups);
    s.journal.set(only, "groups", groups === undefined ? unknown : groups + 1);
    return;
  }
  s.journal.set(group, "container", unknown);
  for (const container of s.containers.values()) {
    s.journal.set(container, "groups", unknown);
    s.journal.set(container, "iommu", unknown);
  }
}

function unsetContainer(x: Trial, s: PlatformState, group: Group): void {
  if (x.refuse(is(group.container, null), "EINVAL", VDEV_15)) return;
  if (x.refuse(not(is(group.devices, 0)), "EBUSY", VDEV_15)) return;
  x.returns(0, VDEV_15);
  detach(s, group);
}

/** Whether the group can give out devices: it has a container with an IOMMU (VDEV-4). */
export function groupReady(group: Group): Tri {
  const { container } = group;
  if (container instanceof Unknown) return "unknown";
  if (container instanceof OneOf) return "unknown";
  return container === null ? false : not(is(container.iommu, null));
}
