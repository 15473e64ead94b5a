import * as bits from "../core/bits.js";
import { not } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { commitIf, refilterControl, shadowOf } from "./apcb.js";
import { guestPresent, lockBusy, numberWritten } from "./matrix.js";
import { configRule } from "./profile.js";
import type { ApState, Mdev } from "./state.js";
import { type AttributeWrite, stored } from "./store.js";

export const CDOM_1 = configRule(
  "CDOM-1",
  "assign_control_domain",
  "Parse, then maximum. linux-6.1: a number that is assigned already changes nothing; else it is set, and reaches the guest if the host has that control domain. dynamic-v12: the lock is tried (EBUSY), and the guest gets it whether the host has it or not. aqic-v9: EBUSY with a guest. Nothing is reserved or shared.",
  "base, p07, p12; vfio_ap_ops.c:assign_control_domain_store",
);
export const CDOM_2 = configRule(
  "CDOM-2",
  "unassign_control_domain",
  "Parse, then maximum; the bit is cleared, and taken from the guest if it had it. aqic-v9: EBUSY with a guest. linux-6.1: a number that is not assigned changes nothing.",
  "base, p12; vfio_ap_ops.c:unassign_control_domain_store",
);

/** A write to assign_control_domain (CDOM-1). */
export function assignControl(x: Trial, s: ApState, m: Mdev, call: AttributeWrite): void {
  x.by(CDOM_1);
  if (!s.parameters.dynamic && guestPresent(x, s, m, CDOM_1)) return;
  const n = numberWritten(x, s, m, "domain", call, CDOM_1);
  if (n === undefined) return;
  if (s.parameters.profile === "dynamic-v12" && lockBusy(x)) return;
  const before = shadowOf(m);
  const already = bits.has(m.adm, n);
  s.journal.set(m, "adm", bits.add(m.adm, n));
  switch (s.parameters.profile) {
    case "aqic-v9":
      break;
    case "dynamic-v12": {
      // Whether or not the host has that control domain.
      const entered = not(bits.has(m.shAdm, n));
      s.journal.set(m, "shAdm", bits.add(m.shAdm, n));
      commitIf(x, s, m, entered, before);
      break;
    }
    case "linux-6.1":
      if (already !== true) commitIf(x, s, m, refilterControl(x, s, m), before);
      break;
  }
  stored(x, call);
}

/** A write to unassign_control_domain (CDOM-2). */
export function unassignControl(x: Trial, s: ApState, m: Mdev, call: AttributeWrite): void {
  x.by(CDOM_2);
  if (!s.parameters.dynamic && guestPresent(x, s, m, CDOM_2)) return;
  const n = numberWritten(x, s, m, "domain", call, CDOM_2);
  if (n === undefined) return;
  const assigned = bits.has(m.adm, n);
  s.journal.set(m, "adm", bits.remove(m.adm, n));
  const before = shadowOf(m);
  const inShadow = s.parameters.dynamic ? bits.has(m.shAdm, n) : false;
  // linux-6.1 goes no further for a number that was not assigned.
  if (inShadow !== false && !(s.parameters.profile === "linux-6.1" && assigned === false)) {
    s.journal.set(m, "shAdm", bits.remove(m.shAdm, n));
    commitIf(x, s, m, inShadow, before);
  }
  stored(x, call);
}
