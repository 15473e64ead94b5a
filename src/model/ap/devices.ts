import type { ApCall } from "../../operation/ap/call.js";
import { is, isKnown, not, OneOf, oneOf, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import {
  attach,
  detach,
  expectSetKvm,
  KVM_6,
  KVM_9,
  KVM_14,
  MDEV_6,
  MDEV_7,
  mayLoseHook,
  notified,
  usedByAnother,
} from "./attach.js";
import { getInfo, MDEV_8 } from "./device-info.js";
import { closeGroup, groupAt } from "./groups.js";
import { guestByPointer, guestName, guestOf, newGuest } from "./guests.js";
import { mdevAt } from "./mdevs.js";
import { ALL, aqicRule, V9_V12, V61 } from "./profile.js";
import { RST_7, resetMdev } from "./reset-set.js";
import { type ApState, DeviceFile, type Group, type Guest, type Mdev } from "./state.js";
import { isTainted } from "./tainted.js";
import { takeEffects } from "./unrecorded.js";
import { forgetReset } from "./widen.js";

export const KVM_5 = aqicRule(
  "KVM-5",
  "Open without a guest",
  "Fails with -EINVAL and changes nothing.",
  "vfio_ap_mdev_open_device",
  V61,
);
export const KVM_15 = aqicRule(
  "KVM-15",
  "Failed open, old profiles",
  "A notifier that cannot be registered, or a missing module reference, fails the open; an attach already made is not undone.",
  "v9 2/4, 3/4 vfio_ap_mdev_open",
  V9_V12,
);
export const IOC_5 = aqicRule(
  "IOC-5",
  "Open",
  "linux-6.1: the first open attaches the guest that the group knows. Before: a reference on the module, then two notifiers, the first of which may attach a guest at once.",
  "vfio_ap_mdev_open_device; v9 2/4, 3/4 vfio_ap_mdev_open",
);
export const IOC_6 = aqicRule(
  "IOC-6",
  "Close",
  "The last close detaches the guest; then the callbacks of DMA unmaps end.",
  "vfio_ap_mdev_close_device; v9 3/4 vfio_ap_mdev_release",
);
export const IOC_3 = aqicRule(
  "IOC-3",
  "RESET",
  "Resets the queues of the mdev; 0, -EBUSY or -EIO.",
  "vfio_ap_mdev_ioctl",
);
export const IOC_4 = aqicRule("IOC-4", "Any other ioctl", "-EOPNOTSUPP.", "vfio_ap_mdev_ioctl", ALL);

/** VFIO_GROUP_GET_DEVICE_FD: the device is opened, a guest starts (MDEV-6, KVM-5, KVM-6). */
export function openDevice(x: Trial, s: ApState, call: Extract<ApCall, { kind: "device-open" }>): void {
  x.by(MDEV_6, IOC_5);
  if (s.parameters.old) {
    openOld(x, s, call);
    return;
  }
  const line = x.bracketList().find((seen) => seen.kind === "mdev_set_kvm");
  const group = call.group === undefined ? undefined : groupAt(s, call.group.group);
  const m = group?.mdev ?? (line?.kind === "mdev_set_kvm" ? mdevAt(s, line.mdev) : undefined);
  if (m !== undefined && group !== undefined && group.mdev === undefined) s.journal.set(group, "mdev", m);
  const masks = x.peek("apcb_set");
  const pointer = line?.kind === "mdev_set_kvm" ? line.kvm : masks?.kvm;
  const attached: Tri = line !== undefined || masks !== undefined ? true : "unknown";
  const called = attached === "unknown" && x.certain("mdev_set_kvm") ? false : attached;
  if (m !== undefined && x.observedSuccess !== false && opensAgain(x, m, called)) {
    x.succeeds(MDEV_6, IOC_5);
    opened(s, call, m, group);
    return;
  }
  if (x.refuse(not(called), "EINVAL", MDEV_6, KVM_5)) return;
  const guest = guestOf(s, pointer, call.vm?.id);
  const used = guest === undefined ? "unknown" : not(is<Mdev | null>(guest.hook, null));
  const again: Tri = guest !== undefined && isKnown(guest.hook) && guest.hook === m ? "unknown" : used;
  // KVM-6, variant hookFirst: another mdev of the guest is looked for, and the hook has moved by then.
  const taken = s.parameters.hookFirst && guest !== undefined && m !== undefined ? usedByAnother(s, m, guest) : again;
  if (x.refuse(taken, "EPERM", MDEV_6, KVM_6, KVM_14)) {
    if (s.parameters.hookFirst && guest !== undefined && m !== undefined) {
      x.knownDefect(`the hook of ${guestName(guest)} is left at mdev ${m.uuid}, which was refused`, KVM_6);
      s.journal.set(guest, "hook", m);
    }
    expectSetKvm(x, m, guest, -1);
    return;
  }
  if (m === undefined) {
    x.cannotCheck("the mdev of the VFIO device is not known (no mdev_set_kvm line, no iommu_group link)");
    if (x.observedSuccess !== false) strangerOpens(x, s, call, guest);
    return;
  }
  attach(x, s, m, guest ?? anyGuest(x, s));
  expectSetKvm(x, m, guest, 0);
  x.succeeds(MDEV_6, KVM_6);
  opened(s, call, m, group);
}

/** KVM-6: only the first open of a device attaches a guest; a further descriptor of it is none of the driver's business. */
function opensAgain(x: Trial, m: Mdev, called: Tri): boolean {
  if (called === true || m.open === false) return false;
  const attaches = called !== false && !x.certain("apcb_set");
  return m.open === true || (!attaches && x.observedSuccess === true);
}

/** Nothing names the guest that an mdev was given: any that has none, or one that was not met yet. */
function anyGuest(x: Trial, s: ApState): Guest {
  const free = [...s.guests.values()].filter((guest) => guest.live && is<Mdev | null>(guest.hook, null) !== false);
  return free[x.choose(free.length + 1)] ?? newGuest(s, undefined, undefined);
}

/** MDEV-6, KVM-7: the open succeeds with or without a guest; a VM that another mdev uses is refused unseen. */
function openOld(x: Trial, s: ApState, call: Extract<ApCall, { kind: "device-open" }>): void {
  const group = call.group === undefined ? undefined : groupAt(s, call.group.group);
  const line = x.bracketList().find((seen) => seen.kind === "mdev_set_kvm");
  const m = group?.mdev ?? (line?.kind === "mdev_set_kvm" ? mdevAt(s, line.mdev) : undefined);
  if (m !== undefined && group !== undefined && group.mdev === undefined) s.journal.set(group, "mdev", m);
  if (x.observedSuccess === false && openFails(x, s, m, call.vm?.id)) return;
  if (m === undefined) {
    x.cannotCheck("the mdev of the VFIO device is not known (no mdev_set_kvm line, no iommu_group link)");
    if (x.observedSuccess !== false) strangerOpens(x, s, call, guestOf(s, x.peek("apcb_set")?.kvm, call.vm?.id));
    return;
  }
  if (!isKnown(m.present)) s.journal.set(m, "present", true);
  s.journal.set(m, "open", true);
  notified(x, s, m, call.vm?.id);
  x.succeeds(MDEV_6);
  opened(s, call, m, group);
}

/**
 * KVM-15: without a reference on the module nothing has happened yet; a second notifier that cannot be registered leaves
 * what the first one did.
 */
function openFails(x: Trial, s: ApState, m: Mdev | undefined, vm: number | undefined): boolean {
  if (!x.refuse("unknown", ["ENODEV", "ENOMEM", "EBUSY", "EINVAL"], KVM_15)) return false;
  if (m === undefined || x.remaining() + x.bracketList().length === 0) return true;
  notified(x, s, m, vm);
  x.knownDefect(`the open failed, and mdev ${m.uuid} keeps the guest that it was given`, KVM_15);
  return true;
}

/** A device that nobody can name was opened: any mdev may have the guest now. */
function strangerOpens(
  x: Trial,
  s: ApState,
  call: Extract<ApCall, { kind: "device-open" }>,
  guest: Guest | undefined,
): void {
  x.maybe("apcb_set", () => undefined);
  if (guest !== undefined) s.journal.set(guest, "hook", unknown);
  for (const other of s.guests.values()) s.journal.set(other, "refs", unknown);
  for (const m of s.mdevs.values()) {
    if (m.present !== false && m.kvm === null) s.journal.set(m, "kvm", unknown);
    if (m.present !== false) s.journal.set(m, "open", unknown);
  }
  opened(s, call, undefined, call.group === undefined ? undefined : groupAt(s, call.group.group));
}

function opened(
  s: ApState,
  call: Extract<ApCall, { kind: "device-open" }>,
  m: Mdev | undefined,
  group: Group | undefined,
): void {
  if (call.device === undefined) return;
  const device = new DeviceFile(call.device.id, group);
  device.mdev = m ?? unknown;
  device.vm = call.vm?.id;
  s.journal.add(s.devices, call.device.id, device);
  if (group !== undefined)
    s.journal.set(group, "holders", [...(isKnown(group.holders) ? group.holders : []), device.id]);
}

/** The mdev of a device descriptor: known from its open, its group, or a line of this operation. */
function mdevOfDevice(x: Trial, s: ApState, id: number, groupNumber: number | undefined): Mdev | undefined {
  const device = s.devices.get(id);
  const line = x.bracketList().find((seen) => seen.kind === "mdev_unset_kvm");
  const shown = line?.kind === "mdev_unset_kvm" ? mdevAt(s, line.mdev) : undefined;
  if (device !== undefined && isKnown(device.mdev)) {
    // Old profiles, where a VM can have opened two devices: which descriptor is whose is told by the line.
    return s.parameters.old && shown !== undefined && shown.open !== false ? shown : device.mdev;
  }
  if (shown !== undefined) return shown;
  const clear = x.peek("apcb_clear");
  const guest = clear === undefined ? undefined : guestByPointer(s, clear.kvm);
  if (guest !== undefined && isKnown(guest.hook) && guest.hook !== null) return guest.hook;
  if (groupNumber !== undefined) return groupAt(s, groupNumber).mdev;
  const open = [...s.mdevs.values()].filter((m) => m.present !== false && m.open !== false && m.kvm !== null);
  const [only] = open;
  return open.length === 1 && is(s.host.hiddenMdevs, 0) === true ? only : undefined;
}

/** The last close of a device descriptor: guest stop (MDEV-7, KVM-8), and then one holder less of the group. */
export function closeDevice(x: Trial, s: ApState, id: number, groupNumber: number | undefined): void {
  x.by(MDEV_7, IOC_6);
  const device = s.devices.get(id);
  if (!isStillOpen(x, s, device)) stopGuest(x, s, device, mdevOfDevice(x, s, id, groupNumber));
  if (device?.group !== undefined) closeGroup(x, s, id, device.group.number);
  if (device !== undefined) s.journal.set(device, "closed", true);
}

/** KVM-8: whether another descriptor of the device is open. */
function isStillOpen(x: Trial, s: ApState, device: DeviceFile | undefined): boolean {
  if (s.parameters.old || device === undefined || !isKnown(device.mdev)) return false;
  if (x.peek("apcb_clear") !== undefined || x.bracketList().length > 0) return false;
  for (const other of s.devices.values()) {
    if (other !== device && !other.closed && other.mdev === device.mdev) return true;
  }
  return false;
}

function stopGuest(x: Trial, s: ApState, device: DeviceFile | undefined, m: Mdev | undefined): void {
  if (m === undefined) {
    x.cannotCheck("the mdev of the VFIO device is not known (no mdev_unset_kvm line, no iommu_group link)");
    strangerCloses(x, s);
    return;
  }
  if (isTainted(x, s, m)) return;
  // The line of the driver names another mdev than the descriptor's group: the line is right, and which groups are taken is open.
  if (device !== undefined && isKnown(device.mdev) && device.mdev !== m) {
    for (const group of s.groups.values()) s.journal.set(group, "holders", unknown);
  }
  // KVM-9: whether the guest is still there is not known after a group may have lost it.
  const stops = s.parameters.old && !isKnown(m.kvm) ? x.either("unknown") : m.kvm !== null;
  if (stops) detach(x, s, m, device?.vm);
  // Taken from the close function of the old profiles, the line is there without a guest too (vfio-ap-aqic 5.3).
  else if (s.parameters.old) {
    x.by(KVM_9);
    x.bracket("mdev_unset_kvm");
    if (m.kvm instanceof OneOf) for (const one of m.kvm.values) if (one !== null) s.journal.set(one, "refs", unknown);
    s.journal.set(m, "kvm", null);
  }
  s.journal.set(m, "open", false);
}

function strangerCloses(x: Trial, s: ApState): void {
  takeEffects(x, s);
  for (const m of s.mdevs.values()) {
    if (m.present === false || m.kvm === null) continue;
    s.journal.set(m, "kvm", isKnown(m.kvm) ? oneOf<Guest | null>([m.kvm, null]) : unknown);
    s.journal.set(m, "open", unknown);
  }
  for (const guest of s.guests.values()) {
    s.journal.set(guest, "refs", unknown);
    if (isKnown(guest.hook) && guest.hook !== null) mayLoseHook(s, guest, guest.hook);
  }
}

/** An ioctl of the device (MDEV-8, IOC-1 to IOC-4). */
export function deviceIoctl(x: Trial, s: ApState, call: Extract<ApCall, { kind: "device-ioctl" }>): void {
  switch (call.request) {
    case "get-info":
      getInfo(x, s, call);
      return;
    case "reset":
      reset(x, s, call);
      return;
    case "other":
      // The generic device-feature ioctl is answered by the VFIO core, before the driver (IOC-4).
      if (call.command.includes("VFIO_DEVICE_FEATURE")) x.cannotCheck("answered by the VFIO core");
      else x.fails("EOPNOTSUPP", MDEV_8, IOC_4);
      return;
  }
}

function reset(x: Trial, s: ApState, call: Extract<ApCall, { kind: "device-ioctl" }>): void {
  x.by(MDEV_8, IOC_3);
  const m = mdevOfDevice(x, s, call.device.id, call.device.group?.group);
  if (m === undefined) {
    x.cannotCheck("the mdev of the VFIO device is not known");
    takeEffects(x, s);
    for (const queue of s.queues.values()) if (queue.driver !== "absent") forgetReset(s, queue);
    return;
  }
  const answer = resetMdev(x, s, m);
  if (answer === 0) x.returns(0, IOC_3, RST_7);
  else if (answer === -16) x.fails("EBUSY", IOC_3, RST_7);
  else if (answer === -5) x.fails("EIO", IOC_3, RST_7);
  else if (answer === "failed") x.fails(["EBUSY", "EIO"], IOC_3, RST_7);
  else if (!x.refuse("unknown", "EBUSY", IOC_3, RST_7) && !x.refuse("unknown", "EIO", IOC_3, RST_7))
    x.returns(0, IOC_3);
}
