import type { ApCall } from "../../operation/ap/call.js";
import { noBits } from "../core/bits.js";
import { is, isKnown, not, oneOf, or, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { commit } from "./apcb.js";
import { tearDown } from "./dma.js";
import { guestByPointer, guestName, guestOf, newGuest, pointerFits } from "./guests.js";
import { forgetPins } from "./ledger.js";
import { parseNumber } from "./numbers.js";
import { ALL, aqicRule, configRule, V9_V12, V61 } from "./profile.js";
import { RST_7, resetQueues, resetSet } from "./reset.js";
import { initShadow } from "./shadow-v12.js";
import { type ApState, DeviceFile, Group, type Guest, Mdev } from "./state.js";
import { type AttributeWrite, stored, stringOf } from "./store.js";
import { takeEffects } from "./unrecorded.js";
import { forgetRegistration } from "./widen.js";

export const MDEV_1 = configRule(
  "MDEV-1",
  "Creating an mdev",
  "36 or 37 bytes that begin with a UUID (EINVAL), not used yet (EEXIST), an instance left (EUSERS); the new mdev is empty and comes first in the list.",
  "mdev_sysfs.c:create_store, mdev_core.c:mdev_device_create; vfio_ap_ops.c:vfio_ap_mdev_probe",
);
export const MDEV_3 = configRule(
  "MDEV-3",
  "The write to remove",
  "A number by grammar N: any parse error is EINVAL, 0 does nothing, everything else removes the mdev.",
  "mdev_sysfs.c:remove_store",
);
export const MDEV_4 = configRule(
  "MDEV-4",
  "Removing an mdev in use waits",
  "The write returns when the last VFIO file of the mdev is closed, never with EBUSY; meanwhile its files are gone and the mdev still counts.",
  "mdev_core.c:mdev_device_remove_common; vfio_main.c:vfio_unregister_group_dev",
);
export const MDEV_5 = configRule(
  "MDEV-5",
  "Effect of a removal",
  "The queues of the mdev's table are reset and released; its APQNs no longer count for sharing.",
  "vfio_ap_ops.c:vfio_ap_mdev_remove",
);
export const MDEV_6 = configRule(
  "MDEV-6",
  "Opening: guest start",
  "Without a VM the open fails with EINVAL, with a VM that another mdev uses with EPERM; else the guest gets the present shadow, without filtering it again.",
  "vfio_ap_ops.c:vfio_ap_mdev_open_device, vfio_ap_mdev_set_kvm",
);
export const MDEV_7 = configRule(
  "MDEV-7",
  "Closing: guest stop",
  "The masks of the guest are cleared, the hook is removed, the queues of the table are reset, and the mdev has no guest any more; matrix and shadow stay.",
  "vfio_ap_ops.c:vfio_ap_mdev_unset_kvm",
);
export const MDEV_8 = configRule(
  "MDEV-8",
  "ioctls of the device",
  "GET_INFO with at least 16 bytes succeeds; RESET resets the queues of the table and answers 0 or the last error; everything else is EOPNOTSUPP.",
  "vfio_ap_ops.c:vfio_ap_mdev_ioctl",
);
export const MDEV_9 = configRule(
  "MDEV-9",
  "One user of a group",
  "The group file of an mdev can be open once; a second open gives EBUSY until this file and the device files made through it are closed.",
  "drivers/vfio/vfio_main.c",
);
export const KVM_5 = aqicRule(
  "KVM-5",
  "Open without a guest",
  "Fails with -EINVAL and changes nothing.",
  "vfio_ap_mdev_open_device",
  V61,
);
export const KVM_6 = aqicRule(
  "KVM-6",
  "Attach",
  "A guest that has a hook already is refused with -EPERM; else hook, reference and guest are set and the shadow is loaded.",
  "vfio_ap_mdev_set_kvm",
  V61,
);
export const KVM_7 = aqicRule(
  "KVM-7",
  "Attach, old profiles",
  "On the notification that a guest is there, at open or later: refused with -EPERM (unseen by user space) if another mdev has the guest; else guest and hook are set and the masks are loaded, the matrix (aqic-v9) or the filtered shadow (dynamic-v12).",
  "v9 3/4 vfio_ap_mdev_set_kvm, vfio_ap_mdev_group_notifier; v12 8/17, 10/17, 12/17",
  V9_V12,
);
export const KVM_15 = aqicRule(
  "KVM-15",
  "Failed open, old profiles",
  "A notifier that cannot be registered, or a missing module reference, fails the open; an attach already made is not undone.",
  "v9 2/4, 3/4 vfio_ap_mdev_open",
  V9_V12,
);
export const KVM_8 = aqicRule(
  "KVM-8",
  "Detach",
  "At the last close: hook removed, masks cleared, queues of the table reset, guest forgotten.",
  "vfio_ap_mdev_unset_kvm, vfio_ap_mdev_close_device",
  V61,
);
export const KVM_12 = aqicRule(
  "KVM-12",
  "Clear masks",
  "Both APCBs of the guest become zero.",
  "kvm_arch_crypto_clear_masks",
);
export const IOC_1 = aqicRule("IOC-1", "GET_INFO", "Succeeds with or without a guest.", "vfio_ap_mdev_get_device_info");
export const IOC_2 = aqicRule(
  "IOC-2",
  "GET_INFO errors",
  "EFAULT for memory that cannot be read or written, EINVAL for a size below 16.",
  "vfio_ap_mdev_get_device_info",
);
export const IOC_3 = aqicRule(
  "IOC-3",
  "RESET",
  "Resets the queues of the mdev; 0, -EBUSY or -EIO.",
  "vfio_ap_mdev_ioctl",
);
export const IOC_4 = aqicRule("IOC-4", "Any other ioctl", "-EOPNOTSUPP.", "vfio_ap_mdev_ioctl", ALL);

const UUID_AT_START = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}/;

/** The mdev of a UUID, made on first mention: known to be absent only where the snapshot shows all mdevs. */
export function mdevAt(s: ApState, uuid: string): Mdev {
  const known = s.mdevs.get(uuid);
  if (known !== undefined) return known;
  const m = new Mdev(uuid);
  m.present = is(s.host.hiddenMdevs, 0) === true ? false : unknown;
  s.journal.add(s.mdevs, uuid, m);
  return m;
}

/** A write to `create` (MDEV-1). */
export function create(x: Trial, s: ApState, call: AttributeWrite): void {
  x.by(MDEV_1);
  if (x.refuse(call.length !== 36 && call.length !== 37, "EINVAL", MDEV_1)) return;
  if (call.data.length < 36) {
    x.cannotCheck("the written data was cut by the recorder (strace -s)");
    if (x.observedSuccess !== false) s.journal.set(s.host, "hiddenMdevs", unknown);
    if (x.observedSuccess !== false) s.journal.set(s.host, "available", unknown);
    return;
  }
  if (x.refuse(!UUID_AT_START.test(call.data), "EINVAL", MDEV_1)) return;
  const m = mdevAt(s, call.data.slice(0, 36).toLowerCase());
  if (x.refuse(is(m.present, true), "EEXIST", MDEV_1)) return;
  const left = s.host.available;
  if (
    x.refuse(
      isKnown(left) ? left <= 0 : "unknown",
      s.parameters.dynamic && s.parameters.profile === "linux-6.1" ? "EUSERS" : "EPERM",
      MDEV_1,
    )
  )
    return;
  born(s, m);
  stored(x, call);
}

function born(s: ApState, m: Mdev): void {
  const { journal, host } = s;
  journal.set(m, "present", true);
  journal.set(m, "removing", false);
  journal.set(m, "createdAt", s.tick());
  journal.set(m, "apmMax", host.maxAdapter);
  journal.set(m, "aqmMax", host.maxDomain);
  for (const side of ["apm", "aqm", "adm", "shApm", "shAqm", "shAdm", "apmAdd", "aqmAdd", "admAdd"] as const) {
    journal.set(m, side, noBits);
  }
  journal.set(m, "kvm", null);
  journal.set(m, "open", false);
  if (isKnown(host.available)) journal.set(host, "available", host.available - 1);
}

/** A write to `remove` (MDEV-3, MDEV-4, MDEV-5). `begin`: it was entered; `end`: it returned; `whole`: both at once. */
export function remove(x: Trial, s: ApState, m: Mdev, call: AttributeWrite): void {
  x.by(MDEV_3);
  const text = stringOf(call);
  const parsed = text === undefined ? undefined : parseNumber(text);
  if (call.phase === "begin") {
    if (parsed?.ok === true && parsed.value !== 0 && m.present !== false) s.journal.set(m, "removing", true);
    return;
  }
  if (parsed === undefined) {
    x.cannotCheck("the written data was cut by the recorder (strace -s)");
    s.journal.set(m, "present", unknown);
    return;
  }
  if (x.refuse(!parsed.ok, "EINVAL", MDEV_3)) return;
  if (parsed.ok && parsed.value === 0) {
    stored(x, call);
    return;
  }
  const { result } = x.operation;
  // MDEV-3: a second write finds the file gone.
  if (result.kind === "error" && (m.removing || m.present === false) && call.phase !== "end") {
    x.fails(["ENODEV", "ENOENT"], MDEV_3);
    return;
  }
  if (result.kind === "unknown" && (m.open === true || m.kvm !== null)) {
    // It waits, and the recording ended before it came back (MDEV-4).
    x.by(MDEV_4);
    x.cannotCheck("result unknown: the write waits for the mdev to be closed");
    return;
  }
  if (m.open === true && m.kvm !== null) {
    x.differs("the write waits until the mdev is closed", "it returned while the device was open", MDEV_4);
  }
  x.by(MDEV_5);
  const set = resetSet(x, s, m);
  resetQueues(x, s, set);
  if (s.parameters.profile === "linux-6.1") {
    for (const { queue } of set) {
      s.journal.set(queue, "linked", null);
      s.journal.set(queue, "owner", null);
    }
  }
  died(s, m);
  stored(x, call);
}

function died(s: ApState, m: Mdev): void {
  const { journal, host } = s;
  journal.set(m, "present", false);
  journal.set(m, "removing", false);
  journal.set(m, "kvm", null);
  journal.set(m, "open", false);
  for (const side of ["apm", "aqm", "adm", "shApm", "shAqm", "shAdm", "apmAdd", "aqmAdd", "admAdd"] as const) {
    journal.set(m, side, noBits);
  }
  for (const group of s.groups.values()) if (group.mdev === m) journal.set(group, "mdev", undefined);
  // MDEV-2: dynamic-v12 never gives an instance back.
  const givenBack = s.parameters.profile === "dynamic-v12" && s.parameters.defects === "as-posted" ? 0 : 1;
  if (isKnown(host.available)) journal.set(host, "available", host.available + givenBack);
}

// --- VFIO files

function groupAt(s: ApState, number: number): Group {
  const known = s.groups.get(number);
  if (known !== undefined) return known;
  const group = new Group(number);
  s.journal.add(s.groups, number, group);
  return group;
}

/** The link `iommu_group` of an mdev was read. */
export function learnGroup(s: ApState, uuid: string, number: number): void {
  const m = mdevAt(s, uuid);
  const group = groupAt(s, number);
  if (!isKnown(m.present)) s.journal.set(m, "present", true);
  if (group.mdev === m) return;
  s.journal.set(group, "mdev", m);
  // A number that was given out anew: nothing holds the new group yet.
  s.journal.set(group, "holders", m.open === false || m.createdAt > 0 ? [] : unknown);
}

/** open(2) of /dev/vfio/N (MDEV-9). */
export function openGroup(x: Trial, s: ApState, call: Extract<ApCall, { kind: "group-open" }>): void {
  x.by(MDEV_9);
  const group = groupAt(s, call.group);
  const { holders } = group;
  const taken: Tri = isKnown(holders) ? holders.length > 0 : "unknown";
  if (x.refuse(taken, "EBUSY", MDEV_9)) return;
  const gone: Tri =
    group.mdev === undefined ? "unknown" : group.mdev.removing ? "unknown" : not(is(group.mdev.present, true));
  if (x.refuse(gone, "ENOENT", MDEV_9) || x.refuse(gone, "ENODEV", MDEV_9)) return;
  x.succeeds(MDEV_9);
  if (call.file !== undefined) s.journal.set(group, "holders", [call.file.id]);
}

/** The group file was closed for good. With the last file the group leaves its container. */
export function closeGroup(x: Trial, s: ApState, file: number, number: number): void {
  const group = groupAt(s, number);
  const { holders, served } = group;
  const left = isKnown(holders) ? holders.filter((holder) => holder !== file) : holders;
  s.journal.set(group, "holders", left);
  if (served === undefined) return;
  if (!isKnown(left)) forgetPins(s, served);
  else if (left.length === 0) {
    tearDown(x, s, served);
    s.journal.set(group, "served", undefined);
  }
}

/** VFIO_GROUP_GET_DEVICE_FD: the device is opened, a guest starts (MDEV-6, KVM-5, KVM-6). */
export function openDevice(x: Trial, s: ApState, call: Extract<ApCall, { kind: "device-open" }>): void {
  x.by(MDEV_6);
  if (s.parameters.old) {
    openOld(x, s, call);
    return;
  }
  const line = x.bracketList().find((seen) => seen.kind === "mdev_set_kvm");
  const group = call.group === undefined ? undefined : groupAt(s, call.group.group);
  const m = line?.kind === "mdev_set_kvm" ? mdevAt(s, line.mdev) : group?.mdev;
  if (m !== undefined && group !== undefined && group.mdev === undefined) s.journal.set(group, "mdev", m);
  const masks = x.peek("apcb_set");
  const pointer = line?.kind === "mdev_set_kvm" ? line.kvm : masks?.kvm;
  const attached: Tri = line !== undefined ? true : "unknown";
  const called = line === undefined && x.certain("mdev_set_kvm") ? false : attached;
  if (x.refuse(not(called), "EINVAL", MDEV_6, KVM_5)) return;
  const guest = guestOf(s, pointer, call.vm?.id);
  const used = guest === undefined ? "unknown" : not(is<Mdev | null>(guest.hook, null));
  const again: Tri = guest !== undefined && isKnown(guest.hook) && guest.hook === m ? "unknown" : used;
  if (x.refuse(again, "EPERM", MDEV_6, KVM_6)) {
    expectSetKvm(x, m, guest, -1);
    return;
  }
  if (m === undefined) {
    x.cannotCheck("the mdev of the VFIO device is not known (no mdev_set_kvm line, no iommu_group link)");
    if (x.observedSuccess !== false) strangerOpens(x, s, call, guest);
    return;
  }
  attach(x, s, m, guest ?? newGuest(s, pointer, call.vm?.id));
  expectSetKvm(x, m, guest, 0);
  x.succeeds(MDEV_6, KVM_6);
  opened(s, call, m, group);
}

/** MDEV-6, KVM-7: the open succeeds with or without a guest; a VM that another mdev uses is refused unseen. */
function openOld(x: Trial, s: ApState, call: Extract<ApCall, { kind: "device-open" }>): void {
  const group = call.group === undefined ? undefined : groupAt(s, call.group.group);
  const line = x.bracketList().find((seen) => seen.kind === "mdev_set_kvm");
  const m = line?.kind === "mdev_set_kvm" ? mdevAt(s, line.mdev) : group?.mdev;
  if (m !== undefined && group !== undefined && group.mdev === undefined) s.journal.set(group, "mdev", m);
  // KVM-15: the module reference, or the second notifier, can fail.
  if (x.observedSuccess === false && x.refuse("unknown", ["ENODEV", "ENOMEM", "EBUSY"], KVM_15)) return;
  if (m === undefined) {
    x.cannotCheck("the mdev of the VFIO device is not known (no mdev_set_kvm line, no iommu_group link)");
    if (x.observedSuccess !== false) strangerOpens(x, s, call, guestOf(s, undefined, call.vm?.id));
    return;
  }
  if (!isKnown(m.present)) s.journal.set(m, "present", true);
  s.journal.set(m, "open", true);
  notified(x, s, m, call.vm?.id);
  x.succeeds(MDEV_6);
  opened(s, call, m, group);
}

/** KVM-7: the notification that a guest is there, if it came: seen by its line, or by the masks it loads. */
function notified(x: Trial, s: ApState, m: Mdev, vm: number | undefined): void {
  const masks = x.peek("apcb_set");
  const notice = x.bracketList().some((seen) => seen.kind === "mdev_set_kvm");
  if (!notice && masks === undefined) {
    if (!x.certain("mdev_set_kvm") && !x.certain("apcb_set") && m.kvm === null) s.journal.set(m, "kvm", unknown);
    return;
  }
  const line = x.expectBracket(
    "mdev_set_kvm",
    (seen) => (seen.mdev === m.uuid ? undefined : `mdev_set_kvm mdev ${seen.mdev}`),
    () => `mdev_set_kvm mdev ${m.uuid}`,
    KVM_7,
  );
  const guest = guestOf(s, line?.kvm ?? masks?.kvm, vm) ?? newGuest(s, line?.kvm ?? masks?.kvm, vm);
  const used = usedByAnother(s, m, guest);
  const rc = line?.rc ?? (masks === undefined ? -1 : 0);
  if (used !== "unknown" && (rc === 0) === used) {
    x.differs(used ? "mdev_set_kvm rc -1" : "mdev_set_kvm rc 0", `mdev_set_kvm rc ${rc}`, MDEV_6, KVM_7);
  } else x.agrees(MDEV_6, KVM_7);
  if (rc !== 0) {
    if (s.parameters.profile === "dynamic-v12") {
      x.knownDefect("the refused second mdev releases the driver's lock twice", KVM_7);
    }
    return;
  }
  s.journal.set(m, "kvm", guest);
  s.journal.set(guest, "hook", m);
  if (s.parameters.dynamic) initShadow(x, s, m);
  else copyMatrix(s, m);
  commit(x, s, m);
}

/** aqic-v9: what the guest is given is the matrix of the moment; its "shadow" here is what it was given. */
function copyMatrix(s: ApState, m: Mdev): void {
  s.journal.set(m, "shApm", m.apm);
  s.journal.set(m, "shAqm", m.aqm);
  s.journal.set(m, "shAdm", m.adm);
}

function usedByAnother(s: ApState, m: Mdev, guest: Guest): Tri {
  let used: Tri = false;
  for (const other of s.mdevs.values()) {
    if (other === m || other.present === false) continue;
    used = or(used, is<Guest | null>(other.kvm, guest));
  }
  return used;
}

/** KVM_SET_DEVICE_ATTR: a group whose device is open already may learn its guest by it (old profiles, KVM-7). */
export function setGuest(x: Trial, s: ApState, vm: number | undefined): void {
  const line = x.bracketList().find((seen) => seen.kind === "mdev_set_kvm");
  if (line?.kind === "mdev_set_kvm") notified(x, s, mdevAt(s, line.mdev), vm);
  x.takeAll();
}

function expectSetKvm(x: Trial, m: Mdev | undefined, guest: Guest | undefined, rc: number): void {
  x.expectBracket(
    "mdev_set_kvm",
    (seen) =>
      seen.rc === rc &&
      (m === undefined || seen.mdev === m.uuid) &&
      (guest === undefined || pointerFits(guest, seen.kvm))
        ? undefined
        : `mdev_set_kvm mdev ${seen.mdev} kvm ${seen.kvm} rc ${seen.rc}`,
    () => `mdev_set_kvm rc ${rc}${guest === undefined ? "" : ` kvm ${guestName(guest)}`}`,
    KVM_6,
  );
}

function attach(x: Trial, s: ApState, m: Mdev, guest: Guest): void {
  const { journal } = s;
  if (!isKnown(m.present)) journal.set(m, "present", true);
  journal.set(guest, "hook", m);
  journal.set(m, "kvm", guest);
  journal.set(m, "open", true);
  x.by(KVM_6);
  commit(x, s, m);
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
  s.journal.add(s.devices, call.device.id, device);
  if (group !== undefined)
    s.journal.set(group, "holders", [...(isKnown(group.holders) ? group.holders : []), device.id]);
}

/** The mdev of a device descriptor: known from its open, its group, or a line of this operation. */
function mdevOfDevice(x: Trial, s: ApState, id: number, groupNumber: number | undefined): Mdev | undefined {
  const line = x.bracketList().find((seen) => seen.kind === "mdev_unset_kvm");
  if (line?.kind === "mdev_unset_kvm") return mdevAt(s, line.mdev);
  const device = s.devices.get(id);
  if (device !== undefined && isKnown(device.mdev)) return device.mdev;
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
  x.by(MDEV_7);
  const device = s.devices.get(id);
  stopGuest(x, s, device, mdevOfDevice(x, s, id, groupNumber));
  if (device?.group !== undefined) closeGroup(x, s, id, device.group.number);
  if (device !== undefined) s.journal.set(device, "closed", true);
}

function stopGuest(x: Trial, s: ApState, device: DeviceFile | undefined, m: Mdev | undefined): void {
  if (m === undefined) {
    x.cannotCheck("the mdev of the VFIO device is not known (no mdev_unset_kvm line, no iommu_group link)");
    strangerCloses(x, s);
    return;
  }
  if (m.tainted !== undefined) {
    x.cannotCheck(m.tainted);
    x.takeAll();
    return;
  }
  // The line of the driver names another mdev than the descriptor's group: the line is right, and which groups are taken is open.
  if (device !== undefined && isKnown(device.mdev) && device.mdev !== m) {
    for (const group of s.groups.values()) s.journal.set(group, "holders", unknown);
  }
  if (m.kvm !== null) detach(x, s, m);
  // Taken from the close function of the old profiles, the line is there without a guest too (vfio-ap-aqic 5.3).
  else if (s.parameters.old) x.bracket("mdev_unset_kvm");
  s.journal.set(m, "open", false);
}

function detach(x: Trial, s: ApState, m: Mdev): void {
  const guest = isKnown(m.kvm) ? m.kvm : undefined;
  x.by(KVM_8);
  const clear = x.expect(
    "apcb_clear",
    (seen) =>
      guest === undefined || guest === null || pointerFits(guest, seen.kvm) ? undefined : `apcb_clear kvm ${seen.kvm}`,
    () => `apcb_clear${guest === undefined || guest === null ? "" : ` kvm ${guestName(guest)}`}`,
    MDEV_7,
    KVM_8,
    KVM_12,
  );
  const cleared = guest ?? (clear === undefined ? undefined : guestOf(s, clear.kvm, undefined));
  resetQueues(x, s, resetSet(x, s, m));
  x.expectBracket(
    "mdev_unset_kvm",
    (seen) => (seen.mdev === m.uuid ? undefined : `mdev_unset_kvm mdev ${seen.mdev}`),
    () => `mdev_unset_kvm mdev ${m.uuid}`,
    KVM_8,
  );
  s.journal.set(m, "kvm", null);
  if (cleared === undefined || cleared === null) return;
  for (const group of s.groups.values()) if (group.mdev === m) s.journal.set(group, "served", cleared);
  s.journal.set(cleared, "hook", null);
  for (const side of ["apm", "aqm", "adm"] as const) s.journal.set(cleared, side, noBits);
}

function strangerCloses(x: Trial, s: ApState): void {
  takeEffects(x, s);
  for (const m of s.mdevs.values()) {
    if (m.present === false || m.kvm === null) continue;
    s.journal.set(m, "kvm", isKnown(m.kvm) ? oneOf<Guest | null>([m.kvm, null]) : unknown);
    s.journal.set(m, "open", unknown);
  }
}

/** An ioctl of the device (MDEV-8, IOC-1 to IOC-4). */
export function deviceIoctl(x: Trial, s: ApState, call: Extract<ApCall, { kind: "device-ioctl" }>): void {
  switch (call.request) {
    case "get-info":
      x.by(IOC_1);
      // The size that was asked for, and whether the memory can be used, lie behind the pointer.
      if (x.refuse("unknown", "EINVAL", MDEV_8, IOC_2) || x.refuse("unknown", "EFAULT", MDEV_8, IOC_2)) return;
      if (s.parameters.profile === "linux-6.1") x.returns(0, MDEV_8, IOC_1);
      else x.succeeds(MDEV_8, IOC_1, IOC_2);
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
  x.by(IOC_3);
  const m = mdevOfDevice(x, s, call.device.id, call.device.group?.group);
  if (m === undefined) {
    x.cannotCheck("the mdev of the VFIO device is not known");
    takeEffects(x, s);
    for (const queue of s.queues.values()) if (queue.driver !== "absent") forgetRegistration(s, queue);
    return;
  }
  const answer = resetQueues(x, s, resetSet(x, s, m));
  if (answer === 0) x.returns(0, IOC_3, RST_7);
  else if (answer === -16) x.fails("EBUSY", IOC_3, RST_7);
  else if (answer === -5) x.fails("EIO", IOC_3, RST_7);
  else if (!x.refuse("unknown", "EBUSY", IOC_3, RST_7) && !x.refuse("unknown", "EIO", IOC_3, RST_7))
    x.returns(0, IOC_3);
}

/** A VM descriptor was made. */
export function createVm(s: ApState, vm: number, name: string): void {
  const guest = newGuest(s, undefined, vm);
  guest.name = name;
  guest.hook = null;
  for (const side of ["apm", "aqm", "adm"] as const) guest[side] = noBits;
  guest.gisc = [0, 0, 0, 0, 0, 0, 0, 0];
  guest.pins = new Map();
}

/** A VM descriptor was closed for good: its pointer may be used again. */
export function closeVm(s: ApState, vm: number): void {
  for (const guest of s.guests.values()) if (guest.vm === vm) s.journal.set(guest, "live", false);
}
