import { bitsOf } from "../../event/mask.js";
import { apqnText } from "../../operation/ap/attribute.js";
import * as bits from "../core/bits.js";
import { and, is, isKnown, not, or, type Tri, unknown } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { commitIf, learnPassed, linkedTo, refilter, refilterControl, reserved, shadowOf, shared } from "./apcb.js";
import { parseNumber } from "./numbers.js";
import { ALL, configRule, V9, V12, V12_V61, V61 } from "./profile.js";
import { queueAt } from "./queues.js";
import { PLUG_4, resetQueues } from "./reset.js";
import { RST_10 } from "./reset-rules.js";
import type { Candidate } from "./reset-untold.js";
import { tryAdapter, tryDomain } from "./shadow-v12.js";
import type { ApState, Guest, Mdev, Queue, QueueDriver } from "./state.js";
import { type AttributeWrite, stored, stringOf } from "./store.js";
import { bucketOf, link, QUEUE_9, unlink } from "./table.js";

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
export const ASG_4 = configRule(
  "ASG-4",
  "unassign_adapter and unassign_domain",
  "Parse, then maximum. linux-6.1: a number that is not assigned changes nothing; else the bit is cleared, the queues are unlinked, the number leaves the shadow and the guest, and the queues that were in the shadow are reset. dynamic-v12: cleared, unlinked and taken from the guest, whether it was assigned or not, without a reset and without trying the lock. aqic-v9: EBUSY with a guest, else cleared.",
  "base; p05, p12; vfio_ap_ops.c:unassign_adapter_store, unassign_domain_store",
);
export const ASG_2 = configRule(
  "ASG-2",
  "A guest refuses every store",
  "While a guest uses the mdev each assign and unassign answers EBUSY, before the bytes are looked at. From 5.12 on a guest that is just being attached or detached counts too.",
  "base; commits of 5.12 and 5.15",
  V9,
);
export const ASG_5 = configRule(
  "ASG-5",
  "Unlinking defects",
  "unassign_adapter unlinks the queues from whatever mdev owns them; unassign_domain links the queues instead of unlinking them.",
  "p05 vfio_ap_mdev_manage_qlinks, vfio_ap_mdev_unlink_queue",
  V12,
);
export const NOND_1 = configRule(
  "NOND-1",
  "Try-lock",
  "The assign files and the in-use test of a mask write try the driver's lock and answer EBUSY, without a change, while anything else holds it.",
  "p07, p12",
  V12,
);
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
export const SHARE_1 = configRule(
  "SHARE-1",
  "Unit of sharing",
  "Two mdevs conflict if both their adapters and their usage domains intersect; control domains, guests and bindings play no role.",
  "vfio_ap_mdev_verify_no_sharing",
);
export const SHARE_2 = configRule(
  "SHARE-2",
  "Errno of a sharing conflict",
  "An assign answers EADDRINUSE (dynamic-v12: EBUSY), a mask write EBUSY.",
  "p07; vfio_ap_ops.c:vfio_ap_mdev_verify_no_sharing",
);
export const CDOM_3 = configRule(
  "CDOM-3",
  "No implicit control domains",
  "Assigning a usage domain assigns no control domain.",
  "vfio_ap_ops.c:assign_domain_store",
);
export const NOND_2 = configRule(
  "NOND-2",
  "Locks are waited for",
  "No store of linux-6.1 answers EAGAIN, or EBUSY because of a lock: it takes as long as it takes.",
  "vfio_ap_ops.c:assign_adapter_store",
  V61,
);
export const GRAMMAR_N = configRule(
  "2.4",
  "Grammar of numbers",
  "kstrtoul with base 0: optional plus, 0x, 0 or decimal digits, at most one newline at the very end; ERANGE above 2^64-1, else EINVAL.",
  "lib/kstrtox.c",
  ALL,
);
export const PLUG_1 = configRule(
  "PLUG-1",
  "Assign with a guest",
  "linux-6.1 filters the whole matrix again: an assign can bring in adapters that are complete now and throw out adapters that lack the new domain. dynamic-v12 tests the new number alone: nothing leaves.",
  "p12; vfio_ap_ops.c:vfio_ap_mdev_filter_matrix",
  V12_V61,
);
export const PLUG_3 = configRule(
  "PLUG-3",
  "Unassign with a guest",
  "The number leaves the shadow and the guest; nothing is filtered again, so what was held back stays out until the next filtering.",
  "p12; vfio_ap_ops.c:vfio_ap_mdev_hot_unplug_adapter, _domain",
  V12_V61,
);

export type Side = "adapter" | "domain";

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
  if (alreadyIn(x, bits.has(own, n))) {
    stored(x, call);
    x.by(ASG_3);
    return;
  }
  const withN = bits.add(own, n);
  const apm = side === "adapter" ? withN : m.apm;
  const aqm = side === "adapter" ? m.aqm : withN;
  if (x.refuse(reserved(s, apm, aqm), "EADDRNOTAVAIL", ASG_1)) return;
  if (x.refuse(shared(s, m, apm, aqm), "EADDRINUSE", ASG_1, SHARE_1, SHARE_2)) return;
  const before = shadowOf(m);
  s.journal.set(m, side === "adapter" ? "apm" : "aqm", withN);
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
  if (guestPresent(x, m)) return;
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

/** ASG-1 step 1, ASG-2: with a guest every store is refused, whatever was written. */
function guestPresent(x: Trial, m: Mdev): boolean {
  const refused = x.refuse(not(is<Guest | null>(m.kvm, null)), "EBUSY", ASG_1, ASG_2);
  return refused;
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

/**
 * NOND-1: the posted code tries the driver's lock; EBUSY is right wherever another operation of the driver overlaps, and
 * cannot be judged where none was seen.
 */
export function lockBusy(x: Trial): boolean {
  const { result } = x.operation;
  if (result.kind !== "error" || result.errno !== "EBUSY" || x.lenient) return false;
  x.fails("EBUSY", NOND_1);
  if (!x.operation.overlapping) x.cannotCheck("EBUSY of a lock that no recorded operation can hold");
  return true;
}

/** A membership that is not known: a successful store was either, and nothing else tells unless the guest was updated. */
function alreadyIn(x: Trial, member: Tri): boolean {
  if (member !== "unknown") return member;
  return x.observedSuccess !== false && x.peek("apcb_set") === undefined && x.choose(2) === 1;
}

/** A write to unassign_adapter or unassign_domain (ASG-4, PLUG-3, PLUG-4). */
export function unassign(x: Trial, s: ApState, m: Mdev, side: Side, call: AttributeWrite): void {
  x.by(ASG_4, RST_10);
  if (s.parameters.dynamic) x.by(QUEUE_9);
  if (s.parameters.profile === "linux-6.1") unassignMerged(x, s, m, side, call);
  else unassignOld(x, s, m, side, call);
}

/** ASG-4 of aqic-v9 and dynamic-v12: no reset in either (PLUG-4). */
function unassignOld(x: Trial, s: ApState, m: Mdev, side: Side, call: AttributeWrite): void {
  x.by(PLUG_4);
  if (!s.parameters.dynamic && guestPresent(x, m)) return;
  const n = numberWritten(x, s, m, side, call, ASG_4);
  if (n === undefined) return;
  const own = side === "adapter" ? m.apm : m.aqm;
  s.journal.set(m, side === "adapter" ? "apm" : "aqm", bits.remove(own, n));
  if (s.parameters.dynamic) {
    unlinkPosted(x, s, m, side, n);
    unplugNumber(x, s, m, side, n);
  }
  stored(x, call);
}

/** ASG-5: as posted, an adapter's queues leave whatever mdev has them, and a domain's queues are linked once more. */
function unlinkPosted(x: Trial, s: ApState, m: Mdev, side: Side, n: number): void {
  for (const queue of productOf(s, side, n, side === "adapter" ? m.aqm : m.apm)) {
    if (is<QueueDriver>(queue.driver, "vfio_ap") !== true) continue;
    if (s.parameters.defects === "intended") {
      if (queue.owner === m) unlink(s, queue);
    } else if (side === "adapter") {
      if (isKnown(queue.owner) && queue.owner !== null && queue.owner !== m) {
        x.knownDefect(
          `${apqnText(queue.apqn)} is unlinked from mdev ${queue.owner.uuid}, which has it assigned`,
          ASG_5,
        );
      }
      unlink(s, queue);
    } else {
      x.knownDefect(`${apqnText(queue.apqn)} is linked to mdev ${m.uuid} instead of unlinked`, ASG_5);
      link(s, m, queue);
    }
  }
}

function unplugNumber(x: Trial, s: ApState, m: Mdev, side: Side, n: number): void {
  const shOwn = side === "adapter" ? m.shApm : m.shAqm;
  const inShadow = bits.has(shOwn, n);
  if (inShadow === false) return;
  x.by(PLUG_3);
  const before = shadowOf(m);
  s.journal.set(m, side === "adapter" ? "shApm" : "shAqm", bits.remove(shOwn, n));
  commitIf(x, s, m, inShadow, before);
}

/** ASG-4, PLUG-3, PLUG-4 of linux-6.1. */
function unassignMerged(x: Trial, s: ApState, m: Mdev, side: Side, call: AttributeWrite): void {
  const n = numberWritten(x, s, m, side, call, ASG_4);
  if (n === undefined) return;
  const own = side === "adapter" ? m.apm : m.aqm;
  if (bits.has(own, n) === false) {
    stored(x, call);
    return;
  }
  const before = shadowOf(m);
  const shOwn = side === "adapter" ? m.shApm : m.shAqm;
  const shOther = side === "adapter" ? m.shAqm : m.shApm;
  const inShadow = bits.has(shOwn, n);
  const other = side === "adapter" ? m.aqm : m.apm;
  s.journal.set(m, side === "adapter" ? "apm" : "aqm", bits.remove(own, n));
  const resets = unlinkAll(s, m, side, n, other, inShadow, shOther);
  if (inShadow !== false) {
    x.by(PLUG_3);
    s.journal.set(m, side === "adapter" ? "shApm" : "shAqm", bits.remove(shOwn, n));
    commitIf(x, s, m, inShadow, before);
  }
  if (resets.length > 0) {
    x.by(PLUG_4);
    resetQueues(x, s, resets);
  }
  dissolve(x, s, resets);
  stored(x, call);
}

/** Unlinks the queues of an unassigned number; those that were in the shadow, in the order of their reset. */
function unlinkAll(
  s: ApState,
  m: Mdev,
  side: Side,
  n: number,
  other: bits.Bits,
  inShadow: Tri,
  shOther: bits.Bits,
): Candidate[] {
  const resets: Candidate[] = [];
  for (const queue of productOf(s, side, n, other)) {
    const linked = linkedTo(queue, m);
    if (linked === false) continue;
    s.journal.set(queue, "linked", linked === true ? null : unknown);
    const seen = and(and(linked, inShadow), bits.has(shOther, side === "adapter" ? queue.apqi : queue.apid));
    if (seen !== false) resets.push({ queue, certain: seen === true });
  }
  // A temporary table, filled with the other side's numbers ascending: in a bucket the higher number comes first.
  return resets.sort((a, b) => bucketOf(a.queue.apqn) - bucketOf(b.queue.apqn) || b.queue.apqn - a.queue.apqn);
}

/** D61-3: dissolving the temporary table forgets all but the first queue of a bucket, whose owners and entries stay. */
function dissolve(x: Trial, s: ApState, resets: readonly Candidate[]): void {
  let last = -1;
  for (const { queue, certain } of resets) {
    if (!certain && !wasReset(x, queue)) {
      s.journal.set(queue, "owner", unknown);
      continue;
    }
    const bucket = bucketOf(queue.apqn);
    if (bucket === last) s.journal.set(queue, "dangling", true);
    else s.journal.set(queue, "owner", null);
    last = bucket;
  }
}

/** Whether a line shows that the queue was reset. */
function wasReset(x: Trial, queue: Queue): boolean {
  return x.operation.effects.some(
    ({ effect }) => (effect.kind === "reset_queue" || effect.kind === "hw_zapq") && effect.apqn === queue.apqn,
  );
}

/** A write to assign_control_domain (CDOM-1). */
export function assignControl(x: Trial, s: ApState, m: Mdev, call: AttributeWrite): void {
  x.by(CDOM_1);
  if (!s.parameters.dynamic && guestPresent(x, m)) return;
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
  if (!s.parameters.dynamic && guestPresent(x, m)) return;
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

/** ASG-1 steps 2 and 3: the number that was written, or undefined where the store ended there. */
function numberWritten(
  x: Trial,
  s: ApState,
  m: Mdev,
  side: Side,
  call: AttributeWrite,
  rule: Rule,
): number | undefined {
  const text = stringOf(call);
  if (text === undefined) {
    unknownStore(x, s, m, call);
    return undefined;
  }
  const parsed = parseNumber(text);
  if (x.refuse(!parsed.ok && parsed.errno === "EINVAL", "EINVAL", rule, GRAMMAR_N)) return undefined;
  if (x.refuse(!parsed.ok && parsed.errno === "ERANGE", "ERANGE", rule, GRAMMAR_N)) return undefined;
  const n = parsed.ok ? parsed.value : Number.POSITIVE_INFINITY;
  const max = side === "adapter" ? m.apmMax : m.aqmMax;
  const tooLarge: Tri = isKnown(max) ? n > max : n > 255 ? true : "unknown";
  if (x.refuse(tooLarge, "ENODEV", rule)) return undefined;
  return n <= 255 ? n : undefined;
}

/** A store whose bytes the recorder cut: what it did shows only in its result and effects. */
function unknownStore(x: Trial, s: ApState, m: Mdev, call: AttributeWrite): void {
  x.cannotCheck("the written data was cut by the recorder (strace -s)");
  if (x.observedSuccess === false) return;
  x.by(call.attribute.name.startsWith("unassign") ? ASG_4 : ASG_1);
  blurMatrix(x, s, m);
}

/** After a store that nobody recorded fully, the matrix of the mdev can be anything, and the shadow is what is seen. */
export function blurMatrix(x: Trial, s: ApState, m: Mdev): void {
  const before = shadowOf(m);
  for (const side of ["apm", "aqm", "adm", "shApm", "shAqm", "shAdm"] as const)
    s.journal.set(m, side, bits.unknownBits);
  for (const queue of s.queues.values()) {
    s.journal.set(queue, "linked", unknown);
    s.journal.set(queue, "owner", unknown);
  }
  commitIf(x, s, m, "unknown", before);
}

/** The queues that an assign or unassign of `n` is about: {n} × the other side, the other side's numbers ascending. */
function* productOf(s: ApState, side: Side, n: number, other: bits.Bits): Generator<Queue> {
  for (const k of bitsOf(bits.possible(other))) {
    const apqn = side === "adapter" ? (n << 8) | k : (k << 8) | n;
    // Where no snapshot lists the devices, any of them may be there.
    const queue = s.host.devicesListed ? s.queues.get(apqn) : queueAt(s, apqn);
    if (queue !== undefined) yield queue;
  }
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
