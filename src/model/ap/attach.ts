import type { ApCall } from "../../operation/ap/call.js";
import type { ApEffect } from "../../operation/ap/effect.js";
import { exactly, has, joinBits, noBits, unknownBits } from "../core/bits.js";
import { and, is, isKnown, OneOf, oneOf, or, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { commit } from "./apcb.js";
import { forgetTask, guestByVm, guestName, guestOf, mayBeAnother, newGuest, pointerFits } from "./guests.js";
import { addLeak, countRef, KVM_13, leakRef } from "./ledger.js";
import { mdevAt } from "./mdevs.js";
import { aqicRule, configRule, V9_V12, V61 } from "./profile.js";
import { resetMdev } from "./reset-set.js";
import { learnFromStart } from "./shadow-seen.js";
import { initShadow } from "./shadow-v12.js";
import type { ApState, Guest, Mdev } from "./state.js";
import { Hang } from "./table.js";
import { blurMasks, forgetLedger, forgetReset } from "./widen.js";

export const MDEV_6 = configRule(
  "MDEV-6",
  "Opening: guest start",
  "linux-6.1: without a VM the open fails with EINVAL, with a VM that another mdev uses with EPERM; else the guest gets the present shadow, without filtering it again. Before, the open succeeds and the guest comes by a notification, which is refused unseen for such a VM; the guest gets the shadow computed anew (dynamic-v12) or the matrix (aqic-v9).",
  "base vfio_ap_mdev_set_kvm, vfio_ap_mdev_group_notifier; p08, p10, p12; vfio_ap_ops.c:vfio_ap_mdev_open_device, vfio_ap_mdev_set_kvm",
);
export const MDEV_7 = configRule(
  "MDEV-7",
  "Closing: guest stop",
  "The masks of the guest are cleared, the hook is removed, the queues are reset as at a removal, and the mdev has no guest any more; matrix and shadow stay. A guest that was withdrawn by a notification before is only forgotten, up to 5.10.",
  "base vfio_ap_mdev_release; p02, p12; vfio_ap_ops.c:vfio_ap_mdev_unset_kvm",
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
export const KVM_9 = aqicRule(
  "KVM-9",
  "Release, old profiles",
  "At close, with a guest: masks cleared, hook removed, queues reset, reference and guest given up. Without one nothing happens at all.",
  "v9 3/4 vfio_ap_mdev_release",
  V9_V12,
);
export const KVM_10 = aqicRule(
  "KVM-10",
  "The guest is withdrawn",
  "The mdev forgets its guest; hook and masks stay. aqic-v9 never gives its reference back, dynamic-v12 does. In linux-6.1 an open device is not affected.",
  "v9 base and v12 2/17, 12/17 vfio_ap_mdev_group_notifier",
  V9_V12,
);
export const KVM_11 = aqicRule(
  "KVM-11",
  "Set masks",
  "Format 2 holds all three masks whole, formats 0 and 1 the first 64 adapters and 16 domains; the line shows the masks before they are cut.",
  "kvm_arch_crypto_set_masks",
);
export const KVM_14 = aqicRule(
  "KVM-14",
  "One mdev for a guest",
  "linux-6.1 keeps it by the hook, the old profiles by looking at all mdevs.",
  "vfio_ap_mdev_set_kvm",
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

export function attach(x: Trial, s: ApState, m: Mdev, guest: Guest): void {
  const { journal } = s;
  if (!isKnown(m.present)) journal.set(m, "present", true);
  journal.set(guest, "hook", m);
  journal.set(m, "kvm", guest);
  journal.set(m, "open", true);
  countRef(x, s, guest, 1);
  x.by(KVM_6, KVM_11, KVM_14);
  commit(x, s, m);
}

export function expectSetKvm(x: Trial, m: Mdev | undefined, guest: Guest | undefined, rc: number): void {
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

const EPERM = -1;

/** KVM-7: the notification that a guest is there, if it came: seen by its line, or by the masks it loads. */
export function notified(x: Trial, s: ApState, m: Mdev, vm: number | undefined): void {
  const masks = x.peek("apcb_set");
  const notice = x.bracketList().some((seen) => seen.kind === "mdev_set_kvm");
  if (!notice && masks === undefined) {
    if (!x.certain("mdev_set_kvm") && !x.certain("apcb_set") && mayLackGuest(m)) maybeNotified(x, s, m, vm);
    return;
  }
  const own = vm === undefined ? undefined : guestByVm(s, vm);
  const line = x.expectBracket(
    "mdev_set_kvm",
    (seen) =>
      seen.mdev === m.uuid && (own === undefined || pointerFits(own, seen.kvm)) && (seen.rc === 0 || seen.rc === EPERM)
        ? undefined
        : `mdev_set_kvm mdev ${seen.mdev} kvm ${seen.kvm} rc ${seen.rc}`,
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
  if (m.kvm === guest) {
    leakRef(
      x,
      s,
      guest,
      1,
      KVM_7,
      `mdev ${m.uuid} is told of its guest a second time: one more reference, never given back`,
    );
  } else countRef(x, s, guest, 1);
  x.by(KVM_11, KVM_14);
  s.journal.set(m, "kvm", guest);
  s.journal.set(guest, "hook", m);
  if (s.parameters.dynamic) initShadow(x, s, m);
  else copyMatrix(s, m);
  commit(x, s, m);
  if (s.parameters.dynamic) learnFromStart(s, m);
}

function mayLackGuest(m: Mdev): boolean {
  return is<Guest | null>(m.kvm, null) !== false;
}

/** Masks that were loaded show that the guest has an mdev by now, whichever it is. */
function loadedUnseen(s: ApState, guest: Guest, masks: Extract<ApEffect, { kind: "apcb_set" }>): void {
  s.journal.set(guest, "hook", unknown);
  s.journal.set(guest, "refs", unknown);
  for (const side of ["apm", "aqm", "adm"] as const) s.journal.set(guest, side, exactly(masks[side]));
}

/** KVM-7: the notification may have come unseen: to a guest that has no hook yet. */
function maybeNotified(x: Trial, s: ApState, m: Mdev, vm: number | undefined): void {
  if (!maybeReloaded(x, s, m)) return;
  s.journal.set(m, "kvm", unknown);
  for (const guest of s.guests.values()) {
    if (guest.hook !== null || (vm !== undefined && guest.vm !== undefined && guest.vm !== vm)) continue;
    s.journal.set(guest, "hook", oneOf<Mdev | null>([null, m]));
    s.journal.set(guest, "refs", unknown);
    for (const side of ["apm", "aqm", "adm"] as const) s.journal.set(guest, side, unknownBits);
  }
}

/** The shadow may be what the guest that came was given; false if none can have come, as the call returned (ASG-6). */
function maybeReloaded(x: Trial, s: ApState, m: Mdev): boolean {
  const { shApm, shAqm, shAdm } = m;
  try {
    if (s.parameters.dynamic) initShadow(x, s, m);
    else copyMatrix(s, m);
  } catch (error) {
    if (!(error instanceof Hang) || x.operation.result.kind === "unknown") throw error;
    return false;
  }
  s.journal.set(m, "shApm", joinBits(shApm, m.shApm));
  s.journal.set(m, "shAqm", joinBits(shAqm, m.shAqm));
  s.journal.set(m, "shAdm", joinBits(shAdm, m.shAdm));
  return true;
}

/** aqic-v9: what the guest is given is the matrix of the moment; its "shadow" here is what it was given. */
function copyMatrix(s: ApState, m: Mdev): void {
  s.journal.set(m, "shApm", m.apm);
  s.journal.set(m, "shAqm", m.aqm);
  s.journal.set(m, "shAdm", m.adm);
}

export function usedByAnother(s: ApState, m: Mdev, guest: Guest): Tri {
  let used: Tri = false;
  for (const other of s.mdevs.values()) {
    if (other === m || other.present === false) continue;
    used = or(used, is<Guest | null>(other.kvm, guest));
  }
  // A guest that was there before the recording can have an mdev that nothing has named.
  const hidden = !isKnown(guest.hook) && is(s.host.hiddenMdevs, 0) !== true;
  return hidden && used === false ? "unknown" : used;
}

/** KVM_SET_DEVICE_ATTR: a group whose device is open may learn its guest by it, or lose it (KVM-7, KVM-10). */
export function setGuest(x: Trial, s: ApState, call: Extract<ApCall, { kind: "guest-set" }>): void {
  const line = x.bracketList().find((seen) => seen.kind === "mdev_set_kvm");
  if (line?.kind === "mdev_set_kvm") notified(x, s, mdevAt(s, line.mdev), call.vm?.id);
  else if (s.parameters.old && call.change !== "remove" && !x.certain("mdev_set_kvm")) {
    const masks = x.peek("apcb_set");
    const waiting = [...s.mdevs.values()].filter((m) => m.open !== false && mayLackGuest(m));
    const [only] = waiting;
    if (masks !== undefined && only !== undefined && waiting.length === 1 && is(s.host.hiddenMdevs, 0) === true) {
      notified(x, s, only, call.vm?.id);
    } else {
      const guest = masks === undefined ? undefined : guestOf(s, masks.kvm, call.vm?.id);
      if (guest !== undefined && masks !== undefined) loadedUnseen(s, guest, masks);
      for (const m of waiting) maybeNotified(x, s, m, call.vm?.id);
    }
  }
  if (line === undefined && s.parameters.old && call.change !== "add") {
    for (const m of s.mdevs.values()) {
      if (m.kvm instanceof OneOf) s.journal.set(m, "kvm", oneOf([...new Set([...m.kvm.values, null])]));
      if (!isKnown(m.kvm) || m.kvm === null) continue;
      const own = call.vm === undefined || m.kvm.vm === undefined ? "unknown" : m.kvm.vm === call.vm.id;
      const certain = call.change === "remove" && own === true && !hasOtherGroup(s, m);
      if (own !== false) withdraw(x, s, m, m.kvm, certain);
    }
  }
  x.takeAll();
}

/** Whether the VM may have another group than that of the mdev: one of a device of another kind, say. */
function hasOtherGroup(s: ApState, m: Mdev): boolean {
  for (const { mdev, holders } of s.groups.values()) {
    if (mdev === m || (isKnown(holders) && holders.length === 0)) continue;
    if (mdev === undefined || !isKnown(mdev.kvm) || mdev.kvm === null) return true;
  }
  return false;
}

/**
 * KVM-10. `certain`: the structure says that the mdev's group is taken out; else it may be another one, or one that is
 * added. Kernels from 5.11 on clean up at once (MDEV-7).
 */
function withdraw(x: Trial, s: ApState, m: Mdev, guest: Guest, certain: boolean): void {
  if (s.parameters.profile === "aqic-v9" && x.peek("apcb_clear") !== undefined) {
    detach(x, s, m, guest.vm);
    return;
  }
  if (s.parameters.variant === "released" && s.parameters.profile === "aqic-v9" && !x.certain("apcb_clear")) {
    s.journal.set(m, "kvm", certain ? null : oneOf<Guest | null>([guest, null]));
    s.journal.set(guest, "refs", unknown);
    mayLoseHook(s, guest, m);
    for (const queue of s.queues.values()) {
      if (and(has(m.apm, queue.apid), has(m.aqm, queue.apqi)) !== false) forgetReset(s, queue);
    }
    forgetLedger(s, guest);
    return;
  }
  if (!certain) {
    s.journal.set(m, "kvm", oneOf<Guest | null>([guest, null]));
    s.journal.set(guest, "refs", unknown);
    return;
  }
  x.by(KVM_10);
  s.journal.set(m, "kvm", null);
  if (s.parameters.profile === "dynamic-v12") countRef(x, s, guest, -1);
  else {
    addLeak(s, guest, { kind: "ref", what: 1, apqn: undefined, rule: KVM_10 });
    x.knownDefect(`the reference on ${guestName(guest)} is never given back`, KVM_10, KVM_13);
  }
}

/** The guest of an mdev stops: at the last close of its device (KVM-8, KVM-9), which was opened beside that VM. */
export function detach(x: Trial, s: ApState, m: Mdev, vm: number | undefined): void {
  const guest = isKnown(m.kvm) ? m.kvm : undefined;
  const rule = s.parameters.old ? KVM_9 : KVM_8;
  x.by(rule);
  const clear = x.expect(
    "apcb_clear",
    (seen) =>
      guest === undefined || guest === null || pointerFits(guest, seen.kvm) ? undefined : `apcb_clear kvm ${seen.kvm}`,
    () => `apcb_clear${guest === undefined || guest === null ? "" : ` kvm ${guestName(guest)}`}`,
    MDEV_7,
    rule,
    KVM_12,
  );
  x.hint("crycb_clear");
  const cleared = guest ?? (clear === undefined ? undefined : guestOf(s, clear.kvm, vm));
  resetMdev(x, s, m);
  x.expectBracket(
    "mdev_unset_kvm",
    (seen) =>
      seen.mdev === m.uuid && (cleared === undefined || cleared === null || pointerFits(cleared, seen.kvm))
        ? undefined
        : `mdev_unset_kvm mdev ${seen.mdev} kvm ${seen.kvm}`,
    () => `mdev_unset_kvm mdev ${m.uuid}`,
    rule,
  );
  s.journal.set(m, "kvm", null);
  if (cleared === undefined || cleared === null) {
    for (const other of s.guests.values()) loseHook(s, other, m);
    return;
  }
  countRef(x, s, cleared, -1);
  for (const group of s.groups.values()) if (group.mdev === m) s.journal.set(group, "served", cleared);
  s.journal.set(cleared, "hook", null);
  for (const side of ["apm", "aqm", "adm"] as const) s.journal.set(cleared, side, noBits);
  mayBeAnother(x, s, cleared);
}

/** Nothing names the guest that stopped: one that had, or may have had, the mdev has it no more. */
function loseHook(s: ApState, guest: Guest, m: Mdev): void {
  const { hook } = guest;
  if (hook === null || is<Mdev | null>(hook, m) === false) return;
  const certain = hook === m;
  s.journal.set(guest, "refs", unknown);
  if (hook instanceof OneOf)
    s.journal.set(guest, "hook", oneOf([null, ...hook.values.filter((one) => one !== m && one !== null)]));
  else if (certain) s.journal.set(guest, "hook", null);
  for (const side of ["apm", "aqm", "adm"] as const) s.journal.set(guest, side, certain ? noBits : unknownBits);
}

/** The guest may have stopped. */
export function mayLoseHook(s: ApState, guest: Guest, hook: Mdev): void {
  s.journal.set(guest, "hook", oneOf<Mdev | null>([hook, null]));
  blurMasks(s, guest);
}

/** A VM descriptor was made. */
export function createVm(s: ApState, vm: number, name: string): void {
  const guest = newGuest(s, undefined, vm);
  guest.name = name;
  guest.madeAt = guest.number;
  guest.hook = null;
  for (const side of ["apm", "aqm", "adm"] as const) guest[side] = noBits;
  guest.gisc = [0, 0, 0, 0, 0, 0, 0, 0];
  guest.pins = new Map();
  guest.slots = new Map();
  guest.alertMask = 0;
  guest.refs = 0;
}

/** A VM descriptor was closed for good: its pointer may be used again. */
export function closeVm(s: ApState, vm: number): void {
  for (const guest of s.guests.values()) if (guest.vm === vm) s.journal.set(guest, "live", false);
  // A task of which it is not known whose vCPU it runs may have run this one, and run another from now on.
  for (const task of s.vcpus.values()) if (!isKnown(task.guest)) forgetTask(s, task);
}
