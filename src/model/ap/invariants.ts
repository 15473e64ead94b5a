import * as mask from "../../event/mask.js";
import { apqnText } from "../../operation/ap/attribute.js";
import { isEmpty, possible, same } from "../core/bits.js";
import type { Touched } from "../core/journal.js";
import { is, isKnown } from "../core/known.js";
import type { Broken, Rule } from "../core/rule.js";
import { masked } from "./apcb.js";
import * as aqic from "./aqic-invariants.js";
import { MASK_1 } from "./bus.js";
import { Concerned } from "./concerned.js";
import { CFG_2 } from "./config-change.js";
import { guestName } from "./guests.js";
import { ALL, type ApProfile, configRule, V12_V61, V61 } from "./profile.js";
import { isReserved } from "./queues.js";
import { APCB_6 } from "./shadow-v12.js";
import type { ApState, Guest, Mdev, Queue } from "./state.js";
import { ASG_5 } from "./unassign.js";

/** An invariant of section 6: it holds after every operation. */
function invariant(id: string, title: string, text: string, profiles: readonly ApProfile[] = ALL): Rule {
  return configRule(id, title, text, "vfio-ap-config 6", profiles);
}

export const INV_1 = invariant("INV-1", "No APQN in two mdevs", "No APQN lies in the matrix of two mdevs.");
export const INV_2 = invariant(
  "INV-2",
  "Shadow within the matrix",
  "The shadow masks are subsets of the assigned masks.",
  V12_V61,
);
export const INV_3 = invariant(
  "INV-3",
  "No assigned APQN is reserved",
  "No APQN of a matrix is reserved to the default drivers. In aqic-v9 a mask write may break it.",
);
export const INV_4 = invariant(
  "INV-4",
  "Every APQN of the shadow is bound and linked",
  "Every APQN of the shadow is bound to vfio_ap and in the mdev's table. In dynamic-v12 unlinking another mdev's queue and the unverified copy break it.",
  V12_V61,
);
export const INV_5 = invariant(
  "INV-5",
  "Shadow within the host configuration",
  "The shadow's adapters and domains are in the host configuration.",
  V61,
);
export const INV_6 = invariant(
  "INV-6",
  "Shadow control domains within the host configuration",
  "The shadow's control domains are in the host configuration.",
  V61,
);
export const INV_7 = invariant(
  "INV-7",
  "CRYCB equals the shadow",
  "With a guest the CRYCB equals the shadow (aqic-v9: the matrix at the start), cut to the format; without one both blocks are zero.",
);
export const INV_8 = invariant("INV-8", "One mdev for a VM", "A VM has at most one mdev.");
export const INV_9 = invariant(
  "INV-9",
  "Linked queues are assigned",
  "A queue is in the table of at most one mdev, and its APQN is then in that mdev's matrix. In dynamic-v12 an unassigned domain's queues stay linked.",
  V12_V61,
);
export const INV_10 = invariant(
  "INV-10",
  "Assigned queues are linked",
  "A bound queue whose APQN is in a matrix is in that mdev's table. In dynamic-v12 unlinking another mdev's queue breaks it, and a configuration change until the queue goes.",
  V12_V61,
);
export const INV_11 = invariant(
  "INV-11",
  "Numbers within the maxima",
  "All numbers in a matrix are at most the mdev's maxima.",
);
export const INV_13 = invariant(
  "INV-13",
  "Instances",
  "available_instances is what there was at first less the mdevs that exist; in dynamic-v12 less all that were ever made.",
);
export const INV_14 = invariant(
  "INV-14",
  "Drivers fit the masks",
  "After a mask write has returned no reserved queue is bound to vfio_ap, and no other queue to a default driver.",
);
export const INV_15 = invariant(
  "INV-15",
  "No additions outside a scan",
  "What a configuration change added and nobody handled yet is empty outside a scan.",
  V12_V61,
);
export const INV_17 = invariant(
  "INV-17",
  "No guest has an APQN of the host",
  "A guest never runs with an APQN that is reserved to the default drivers. In aqic-v9 a mask write may break it.",
);

/** Invariants that are broken for certain, looked for where an operation may have broken them. */
export function brokenInvariants(s: ApState, touched: Touched): readonly Broken[] {
  // An operation that never returned left the state in its midst (ASG-6).
  if (s.host.hung !== undefined) return NONE;
  const broken: Broken[] = [];
  const concerned = new Concerned(touched);
  const { everybody } = concerned;
  for (const queue of everybody ? s.queues.values() : concerned.queues) checkQueue(s, queue, broken);
  for (const guest of everybody ? s.guests.values() : concerned.guests) checkGuest(s, guest, broken);
  for (const m of everybody ? s.mdevs.values() : concerned.mdevs) {
    if (m.present === true && m.tainted === undefined) checkMdev(s, m, broken);
  }
  if (concerned.host) checkHost(s, broken);
  aqic.brokenAqicInvariants(s, concerned, broken);
  return broken;
}

const NONE: readonly Broken[] = [];

/** Invariants that stand in both specs. */
const also: ReadonlyMap<Rule, readonly Rule[]> = new Map([
  [INV_1, [aqic.INV_7]],
  [INV_2, [aqic.INV_15]],
  [INV_7, [aqic.INV_14]],
  [INV_8, [aqic.INV_11]],
  [INV_9, [aqic.INV_9]],
]);

function report(broken: Broken[], rule: Rule, message: string, prescribedBy?: Rule): void {
  broken.push({ rule, message, prescribedBy, also: also.get(rule) });
}

/** The posted code breaks INV-4, INV-9 and INV-10 by its own rules. */
function posted(s: ApState): boolean {
  return s.parameters.profile === "dynamic-v12" && s.parameters.defects === "as-posted";
}

function checkMdev(s: ApState, m: Mdev, broken: Broken[]): void {
  for (const other of s.mdevs.values()) {
    if (other === m || other.present !== true) continue;
    if (mask.intersects(m.apm.ones, other.apm.ones) && mask.intersects(m.aqm.ones, other.aqm.ones)) {
      report(broken, INV_1, `mdevs ${m.uuid} and ${other.uuid} have an APQN in common`);
    }
  }
  if (mask.intersects(m.apm.ones, s.host.apmask.ones) && mask.intersects(m.aqm.ones, s.host.aqmask.ones)) {
    const allowed = s.parameters.dynamic ? undefined : MASK_1;
    report(broken, INV_3, `an APQN of mdev ${m.uuid} is reserved to the default drivers`, allowed);
  }
  checkMaxima(m, broken);
  if (isKnown(m.kvm) && m.kvm !== null) checkCrycb(m, m.kvm, broken);
  if (s.parameters.dynamic) checkShadow(s, m, broken);
}

/** INV-11. */
function checkMaxima(m: Mdev, broken: Broken[]): void {
  const adapters = isKnown(m.apmMax) && mask.lastBit(m.apm.ones) > m.apmMax;
  const domains = isKnown(m.aqmMax) && (mask.lastBit(m.aqm.ones) > m.aqmMax || mask.lastBit(m.adm.ones) > m.aqmMax);
  if (adapters || domains) report(broken, INV_11, `mdev ${m.uuid} has a number beyond its maximum`);
}

/** INV-7 of an mdev with a guest. */
function checkCrycb(m: Mdev, guest: Guest, broken: Broken[]): void {
  if (guest.hook !== m) return;
  const differs =
    same(guest.apm, m.shApm) === false || same(guest.aqm, m.shAqm) === false || same(guest.adm, m.shAdm) === false;
  if (differs) report(broken, INV_7, `guest ${guestName(guest)} does not run with the shadow of mdev ${m.uuid}`);
}

function checkShadow(s: ApState, m: Mdev, broken: Broken[]): void {
  const within = (shadow: mask.Mask, whole: mask.Mask, rule: Rule, what: string): void => {
    if (mask.isSubset(shadow, whole)) return;
    report(broken, rule, `mdev ${m.uuid}: ${what} ${masked(mask.minus(shadow, whole))}`);
  };
  within(m.shApm.ones, possible(m.apm), INV_2, "the shadow has adapters that are not assigned:");
  within(m.shAqm.ones, possible(m.aqm), INV_2, "the shadow has domains that are not assigned:");
  within(m.shAdm.ones, possible(m.adm), INV_2, "the shadow has control domains that are not assigned:");
  checkBound(s, m, broken);
  const pending = isEmpty(m.apmAdd) === false || isEmpty(m.aqmAdd) === false || isEmpty(m.admAdd) === false;
  if (pending) report(broken, INV_15, `mdev ${m.uuid} has additions that no scan handles any more`);
  if (s.parameters.profile !== "linux-6.1") return;
  within(m.shApm.ones, possible(s.host.infoApm), INV_5, "the shadow has adapters that the host lacks:");
  within(m.shAqm.ones, possible(s.host.infoAqm), INV_5, "the shadow has domains that the host lacks:");
  within(m.shAdm.ones, possible(s.host.infoAdm), INV_6, "the shadow has control domains that the host lacks:");
}

/** INV-4: the first APQN of the shadow that is not bound, or not linked. */
function checkBound(s: ApState, m: Mdev, broken: Broken[]): void {
  const domains = mask.bitsOf(m.shAqm.ones);
  for (const apid of mask.bitsOf(m.shApm.ones)) {
    for (const apqi of domains) {
      const queue = s.queues.get((apid << 8) | apqi);
      const bound = queue === undefined ? !s.host.devicesListed : !isKnown(queue.linked) || queue.linked === m;
      if (bound) continue;
      const unlinked = queue !== undefined && queue.driver === "vfio_ap" ? ASG_5 : APCB_6;
      const text = apqnText((apid << 8) | apqi);
      const message = `mdev ${m.uuid}: ${text} is in the shadow and not bound and linked`;
      report(broken, INV_4, message, posted(s) ? unlinked : undefined);
      return;
    }
  }
}

/** INV-9, INV-10, INV-14. */
function checkQueue(s: ApState, queue: Queue, broken: Broken[]): void {
  const { apqn } = queue;
  if (queue.driver === "vfio_ap" && isReserved(s, apqn) === true) {
    report(broken, INV_14, `${apqnText(apqn)} is reserved and bound to vfio_ap`);
  } else if (queue.driver === "default" && isReserved(s, apqn) === false) {
    report(broken, INV_14, `${apqnText(apqn)} is not reserved and bound to a default driver`);
  }
  if (!s.parameters.dynamic || !isKnown(queue.linked)) return;
  if (queue.linked !== null) {
    if (inMatrix(queue.linked, queue) === false && queue.linked.present === true) {
      const text = `${apqnText(apqn)} is linked to mdev ${queue.linked.uuid} and not assigned`;
      report(broken, INV_9, text, postedRule(s, ASG_5));
    }
    return;
  }
  if (queue.driver !== "vfio_ap") return;
  for (const m of s.mdevs.values()) {
    if (m.present !== true || inMatrix(m, queue) !== true) continue;
    const lost =
      !mask.hasBit(possible(s.host.infoApm), queue.apid) || !mask.hasBit(possible(s.host.infoAqm), queue.apqi);
    const text = `${apqnText(apqn)} is assigned to mdev ${m.uuid} and not linked`;
    report(broken, INV_10, text, postedRule(s, lost ? CFG_2 : ASG_5));
  }
}

function postedRule(s: ApState, rule: Rule): Rule | undefined {
  return posted(s) ? rule : undefined;
}

/** Whether the APQN is in the matrix: true and false only where that is certain. */
function inMatrix(m: Mdev, queue: Queue): boolean | undefined {
  if (mask.hasBit(m.apm.ones, queue.apid) && mask.hasBit(m.aqm.ones, queue.apqi)) return true;
  const perhaps = mask.hasBit(possible(m.apm), queue.apid) && mask.hasBit(possible(m.aqm), queue.apqi);
  return perhaps ? undefined : false;
}

/** INV-7 without an mdev, INV-8, INV-17. */
function checkGuest(s: ApState, guest: Guest, broken: Broken[]): void {
  if (!guest.live) return;
  let holders = 0;
  for (const m of s.mdevs.values()) if (m.present === true && m.kvm === guest) holders++;
  if (holders > 1) report(broken, INV_8, `guest ${guestName(guest)} has ${holders} mdevs`);
  const running = isEmpty(guest.apm) === false || isEmpty(guest.aqm) === false || isEmpty(guest.adm) === false;
  if (guest.hook === null && running) {
    report(broken, INV_7, `guest ${guestName(guest)} has no mdev and runs with masks that are not empty`);
  }
  if (!mask.intersects(guest.apm.ones, s.host.apmask.ones)) return;
  if (!mask.intersects(guest.aqm.ones, s.host.aqmask.ones)) return;
  const allowed = s.parameters.dynamic ? undefined : MASK_1;
  report(
    broken,
    INV_17,
    `guest ${guestName(guest)} runs with an APQN that is reserved to the default drivers`,
    allowed,
  );
}

/** INV-13, and the additions of dynamic-v12 (INV-15). */
function checkHost(s: ApState, broken: Broken[]): void {
  const { host } = s;
  if (isEmpty(host.apAdd) === false || isEmpty(host.aqAdd) === false) {
    report(broken, INV_15, "the driver has additions that no scan handles any more");
  }
  if (!isKnown(host.available) || !isKnown(host.instances) || is(host.hiddenMdevs, 0) !== true) return;
  let existing = 0;
  for (const m of s.mdevs.values()) {
    if (!isKnown(m.present)) return;
    if (m.present) existing++;
  }
  const left = host.instances - existing;
  const fits = s.parameters.profile === "dynamic-v12" ? host.available <= left : host.available === left;
  if (fits) return;
  report(broken, INV_13, `${host.available} instances are left, and ${existing} of ${host.instances} exist`);
}
