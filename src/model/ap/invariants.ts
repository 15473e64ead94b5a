import * as mask from "../../event/mask.js";
import { apqnText } from "../../operation/ap/attribute.js";
import { possible } from "../core/bits.js";
import { isKnown } from "../core/known.js";
import type { Broken, Rule } from "../core/rule.js";
import { masked } from "./apcb.js";
import { guestName } from "./guests.js";
import { configRule, V12_V61, V61 } from "./profile.js";
import { APCB_6 } from "./shadow-v12.js";
import { type ApState, Guest, Mdev, Queue } from "./state.js";

export const INV_1 = configRule(
  "INV-1",
  "No APQN in two mdevs",
  "No APQN lies in the matrix of two mdevs.",
  "invariant",
);
export const INV_2 = configRule(
  "INV-2",
  "Shadow within the matrix",
  "The shadow masks are subsets of the assigned masks.",
  "invariant",
  V12_V61,
);
export const INV_3 = configRule(
  "INV-3",
  "No assigned APQN is reserved",
  "No APQN of a matrix is reserved to the default drivers.",
  "invariant",
  V12_V61,
);
export const INV_4 = configRule(
  "INV-4",
  "Every APQN of the shadow is bound and linked",
  "Every APQN of the shadow is bound to vfio_ap and in the mdev's table.",
  "invariant",
  V12_V61,
);
export const INV_5 = configRule(
  "INV-5",
  "Shadow within the host configuration",
  "The shadow's adapters and domains are in the host configuration.",
  "invariant",
  V61,
);
export const INV_6 = configRule(
  "INV-6",
  "Shadow control domains within the host configuration",
  "The shadow's control domains are in the host configuration.",
  "invariant",
  V61,
);
export const INV_7 = configRule(
  "INV-7",
  "CRYCB equals the shadow",
  "With a guest the CRYCB equals the shadow; without one it is zero.",
  "invariant",
);
export const INV_8 = configRule("INV-8", "One mdev for a VM", "A VM has at most one mdev.", "invariant");

/** Invariants that are broken for certain, looked for in the objects that an operation touched. */
export function brokenInvariants(s: ApState, touched: ReadonlySet<object>): readonly Broken[] {
  const broken: Broken[] = [];
  const mdevs = new Set<Mdev>();
  for (const object of touched) {
    if (object instanceof Mdev) mdevs.add(object);
    else if (object instanceof Queue && isKnown(object.linked) && object.linked !== null) mdevs.add(object.linked);
    else if (object instanceof Guest) checkGuest(s, object, broken);
  }
  for (const m of mdevs) if (m.present === true && m.tainted === undefined) checkMdev(s, m, broken);
  return broken;
}

function report(broken: Broken[], rule: Rule, message: string): void {
  broken.push({ rule, message, prescribedBy: undefined });
}

function checkMdev(s: ApState, m: Mdev, broken: Broken[]): void {
  for (const other of s.mdevs.values()) {
    if (other === m || other.present !== true) continue;
    if (mask.intersects(m.apm.ones, other.apm.ones) && mask.intersects(m.aqm.ones, other.aqm.ones)) {
      report(broken, INV_1, `mdevs ${m.uuid} and ${other.uuid} have an APQN in common`);
    }
  }
  if (!s.parameters.dynamic) return;
  checkShadow(s, m, broken);
  if (mask.intersects(m.apm.ones, s.host.apmask.ones) && mask.intersects(m.aqm.ones, s.host.aqmask.ones)) {
    report(broken, INV_3, `an APQN of mdev ${m.uuid} is reserved to the default drivers`);
  }
}

function checkShadow(s: ApState, m: Mdev, broken: Broken[]): void {
  const within = (shadow: mask.Mask, whole: mask.Mask, rule: Rule, what: string): void => {
    const extra = mask.minus(shadow, whole);
    if (!mask.isEmpty(extra)) report(broken, rule, `mdev ${m.uuid}: ${what} ${masked(extra)}`);
  };
  within(m.shApm.ones, possible(m.apm), INV_2, "the shadow has adapters that are not assigned:");
  within(m.shAqm.ones, possible(m.aqm), INV_2, "the shadow has domains that are not assigned:");
  within(m.shAdm.ones, possible(m.adm), INV_2, "the shadow has control domains that are not assigned:");
  checkBound(s, m, broken);
  if (s.parameters.profile !== "linux-6.1") return;
  within(m.shApm.ones, possible(s.host.infoApm), INV_5, "the shadow has adapters that the host lacks:");
  within(m.shAqm.ones, possible(s.host.infoAqm), INV_5, "the shadow has domains that the host lacks:");
  within(m.shAdm.ones, possible(s.host.infoAdm), INV_6, "the shadow has control domains that the host lacks:");
}

function checkBound(s: ApState, m: Mdev, broken: Broken[]): void {
  for (const apid of mask.bitsOf(m.shApm.ones)) {
    for (const apqi of mask.bitsOf(m.shAqm.ones)) {
      const queue = s.queues.get((apid << 8) | apqi);
      const bound = queue !== undefined && (!isKnown(queue.linked) || queue.linked === m);
      if (bound) continue;
      broken.push({
        rule: INV_4,
        message: `mdev ${m.uuid}: ${apqnText((apid << 8) | apqi)} is in the shadow and not bound and linked`,
        prescribedBy: posted(s) ? APCB_6 : undefined,
      });
      return;
    }
  }
}

/** The posted code breaks INV-4 by its own rules: the unverified copy (D12-9) and the unlinking of others' queues (D12-1b). */
function posted(s: ApState): boolean {
  return s.parameters.profile === "dynamic-v12" && s.parameters.defects === "as-posted";
}

function checkGuest(s: ApState, guest: Guest, broken: Broken[]): void {
  if (!guest.live) return;
  let holders = 0;
  for (const m of s.mdevs.values()) if (m.present === true && m.kvm === guest) holders++;
  if (holders > 1) report(broken, INV_8, `guest ${guestName(guest)} has ${holders} mdevs`);
}
