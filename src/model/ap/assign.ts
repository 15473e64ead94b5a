import { bitsOf } from "../../event/mask.js";
import * as bits from "../core/bits.js";
import { and, is, isKnown, not, or, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { commitIf, refilter, reserved, shadowOf, shared } from "./apcb.js";
import { guestPresent, lockBusy, numberWritten, productOf, SHARE_1, SHARE_2, type Side } from "./matrix.js";
import { configRule, V12_V61, V61 } from "./profile.js";
import { learnPassed } from "./shadow-seen.js";
import { tryAdapter, tryDomain } from "./shadow-v12.js";
import type { ApState, Mdev, Queue, QueueDriver } from "./state.js";
import { type AttributeWrite, stored } from "./store.js";
import { link, QUEUE_9 } from "./table.js";

export const ASG_1 = configRule(
  "ASG-1",
  "assign_adapter and assign_domain: order of checks and effects",
  "Parse (EINVAL, ERANGE), then maximum (ENODEV). linux-6.1: a number that is assigned already changes nothing; an APQN reserved for the host gives EADDRNOTAVAIL, one of another mdev EADDRINUSE; then the bit is set, bound queues are linked, the whole matrix is filtered and the guest gets the shadow if it changed. dynamic-v12: the lock is tried (EBUSY), the added APQNs alone are tested (EADDRNOTAVAIL, EBUSY), and the number is tried. aqic-v9: a guest gives EBUSY before all else, and every added APQN must be bound (EADDRNOTAVAIL).",
  "base; p07, p11, p12; vfio_ap_ops.c:assign_adapter_store, assign_domain_store, vfio_ap_mdev_validate_masks",
);
export const ASG_3 = configRule(
  "ASG-3",
  "Assigning twice",
  "linux-6.1: a number that is assigned already returns the count, nothing else happens. dynamic-v12: the tests and the linking run again, and queues are inserted twice. aqic-v9: the tests run again.",
  "vfio_ap_ops.c:assign_adapter_store; p05 link_queue",
);
export const NOND_2 = configRule(
  "NOND-2",
  "Locks are waited for",
  "No store of linux-6.1 answers EAGAIN, or EBUSY because of a lock: it takes as long as it takes.",
  "vfio_ap_ops.c:assign_adapter_store",
  V61,
);
export const CDOM_3 = configRule(
  "CDOM-3",
  "No implicit control domains",
  "Assigning a usage domain assigns no control domain.",
  "vfio_ap_ops.c:assign_domain_store",
);
export const PLUG_1 = configRule(
  "PLUG-1",
  "Assign with a guest",
  "linux-6.1 filters the whole matrix again: an assign can bring in adapters that are complete now and throw out adapters that lack the new domain. dynamic-v12 tests the new number alone: nothing leaves.",
  "p12; vfio_ap_ops.c:vfio_ap_mdev_filter_matrix",
  V12_V61,
);

/** A write to assign_adapter or assign_domain (ASG-1). */
export function assign(x: Trial, s: ApState, m: Mdev, side: Side, call: AttributeWrite): void {
  x.by(ASG_1, CDOM_3);
  switch (s.parameters.profile) {
    case "aqic-v9":
      assignStatic(x, s, m, side, call);
      break;
    case "dynamic-v12":
      assignPosted(x, s, m, side, call);
      break;
    case "linux-6.1":
      assignMerged(x, s, m, side, call);
      break;
  }
}

/** ASG-1, column linux-6.1. */
function assignMerged(x: Trial, s: ApState, m: Mdev, side: Side, call: AttributeWrite): void {
  x.by(NOND_2);
  const n = numberWritten(x, s, m, side, call, ASG_1);
  if (n === undefined) return;
  const own = side === "adapter" ? m.apm : m.aqm;
  const withN = bits.add(own, n);
  const field = side === "adapter" ? "apm" : "aqm";
  if (alreadyIn(x, bits.has(own, n))) {
    if (withN !== own) s.journal.set(m, field, withN);
    stored(x, call);
    x.by(ASG_3);
    return;
  }
  // What is refused now was not assigned.
  if (!bits.isExact(own)) s.journal.set(m, field, bits.remove(own, n));
  const apm = side === "adapter" ? withN : m.apm;
  const aqm = side === "adapter" ? m.aqm : withN;
  if (x.refuse(reserved(s, apm, aqm), "EADDRNOTAVAIL", ASG_1)) return;
  if (x.refuse(shared(s, m, apm, aqm), "EADDRINUSE", ASG_1, SHARE_1, SHARE_2)) return;
  const before = shadowOf(m);
  s.journal.set(m, field, withN);
  for (const queue of productOf(s, side, n, side === "adapter" ? m.aqm : m.apm)) linkIfBound(s, m, queue);
  x.by(PLUG_1, QUEUE_9);
  commitIf(x, s, m, refilter(x, s, m), before);
  learnPassed(s, m);
  stored(x, call);
}

/** ASG-1, column V12: the delta is tested, the new number is tried. */
function assignPosted(x: Trial, s: ApState, m: Mdev, side: Side, call: AttributeWrite): void {
  const n = numberWritten(x, s, m, side, call, ASG_1);
  if (n === undefined) return;
  const own = side === "adapter" ? m.apm : m.aqm;
  const delta = bits.add(bits.noBits, n);
  const apm = side === "adapter" ? delta : m.apm;
  const aqm = side === "adapter" ? m.aqm : delta;
  const conflict = shared(s, m, apm, aqm);
  if (conflict !== true && lockBusy(x)) return;
  if (x.refuse(reserved(s, apm, aqm), "EADDRNOTAVAIL", ASG_1)) return;
  if (x.refuse(conflict, "EBUSY", ASG_1, SHARE_1, SHARE_2)) return;
  const before = shadowOf(m);
  s.journal.set(m, side === "adapter" ? "apm" : "aqm", bits.add(own, n));
  if (bits.has(own, n) === true) x.by(ASG_3);
  for (const queue of productOf(s, side, n, side === "adapter" ? m.aqm : m.apm)) linkIfBound(s, m, queue);
  x.by(PLUG_1, QUEUE_9);
  const entered = side === "adapter" ? tryAdapter(x, s, m, n) : tryDomain(x, s, m, n);
  commitIf(x, s, m, entered, before);
  stored(x, call);
}

/** ASG-1, column V9: only for an mdev without a guest, and only bound queues. */
function assignStatic(x: Trial, s: ApState, m: Mdev, side: Side, call: AttributeWrite): void {
  if (guestPresent(x, s, m, ASG_1)) return;
  const n = numberWritten(x, s, m, side, call, ASG_1);
  if (n === undefined) return;
  const own = side === "adapter" ? m.apm : m.aqm;
  const other = side === "adapter" ? m.aqm : m.apm;
  if (x.refuse(not(allBound(s, side, n, other)), "EADDRNOTAVAIL", ASG_1)) return;
  const withN = bits.add(own, n);
  const conflict = shared(s, m, side === "adapter" ? withN : m.apm, side === "adapter" ? m.aqm : withN);
  if (bits.has(own, n) === true) x.by(ASG_3);
  if (x.refuse(conflict, "EADDRINUSE", ASG_1, SHARE_1, SHARE_2)) {
    s.journal.set(m, side === "adapter" ? "apm" : "aqm", bits.remove(own, n));
    return;
  }
  s.journal.set(m, side === "adapter" ? "apm" : "aqm", withN);
  stored(x, call);
}

/** Step 5 of V9: the queues that the number adds are bound; with none to add, some queue with that number is. */
function allBound(s: ApState, side: Side, n: number, other: bits.Bits): Tri {
  const numbers = bitsOf(bits.possible(other));
  if (numbers.length === 0) return anyBound(s, side, n);
  let all: Tri = true;
  for (const k of numbers) {
    const queue = s.queues.get(side === "adapter" ? (n << 8) | k : (k << 8) | n);
    const bound: Tri = queue === undefined ? boundUnseen(s) : is<QueueDriver>(queue.driver, "vfio_ap");
    all = and(all, bits.has(other, k) === true ? bound : or(bound, "unknown"));
  }
  return bits.isEmpty(other) === "unknown" ? or(and(all, "unknown"), and(anyBound(s, side, n), "unknown")) : all;
}

function anyBound(s: ApState, side: Side, n: number): Tri {
  let any: Tri = boundUnseen(s);
  for (const queue of s.queues.values()) {
    if ((side === "adapter" ? queue.apid : queue.apqi) === n) any = or(any, is<QueueDriver>(queue.driver, "vfio_ap"));
  }
  return any;
}

/** Whether a queue that nothing mentioned can be bound: not where the snapshot lists all devices. */
function boundUnseen(s: ApState): Tri {
  return s.host.devicesListed ? false : "unknown";
}

/** A membership that is not known: a successful store was either, and nothing else tells unless the guest was updated. */
function alreadyIn(x: Trial, member: Tri): boolean {
  if (member !== "unknown") return member;
  return x.observedSuccess !== false && x.peek("apcb_set") === undefined && x.choose(2) === 1;
}

function linkIfBound(s: ApState, m: Mdev, queue: Queue): void {
  if (!isKnown(queue.driver)) {
    s.journal.set(queue, "linked", unknown);
    s.journal.set(queue, "owner", unknown);
  } else if (queue.driver === "vfio_ap") {
    const certain = and(bits.has(m.apm, queue.apid), bits.has(m.aqm, queue.apqi));
    if (certain === true) link(s, m, queue);
    else {
      s.journal.set(queue, "linked", unknown);
      s.journal.set(queue, "owner", unknown);
    }
  }
}
