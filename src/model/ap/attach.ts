import { noBits } from "../core/bits.js";
import { is, isKnown, or, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { commit } from "./apcb.js";
import { guestName, guestOf, newGuest, pointerFits } from "./guests.js";
import { mdevAt } from "./mdevs.js";
import { aqicRule, configRule, V9_V12, V61 } from "./profile.js";
import { resetQueues, resetSet } from "./reset.js";
import { initShadow } from "./shadow-v12.js";
import type { ApState, Guest, Mdev } from "./state.js";

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
  x.by(KVM_6);
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

/** KVM-7: the notification that a guest is there, if it came: seen by its line, or by the masks it loads. */
export function notified(x: Trial, s: ApState, m: Mdev, vm: number | undefined): void {
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

export function detach(x: Trial, s: ApState, m: Mdev): void {
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
  x.hint("crycb_clear");
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
