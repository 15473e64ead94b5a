import { apqnText } from "../../operation/ap/attribute.js";
import * as bits from "../core/bits.js";
import { and, is, isKnown, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { commitIf, linkedTo, shadowOf } from "./apcb.js";
import { guestPresent, numberWritten, productOf, type Side } from "./matrix.js";
import { configRule, V12, V12_V61 } from "./profile.js";
import { RST_10 } from "./reset-rules.js";
import { PLUG_4, resetQueues } from "./reset-set.js";
import type { Candidate } from "./reset-untold.js";
import type { ApState, Mdev, Queue, QueueDriver } from "./state.js";
import { type AttributeWrite, stored } from "./store.js";
import { bucketOf, link, QUEUE_9, unlink } from "./table.js";

export const ASG_4 = configRule(
  "ASG-4",
  "unassign_adapter and unassign_domain",
  "Parse, then maximum. linux-6.1: a number that is not assigned changes nothing; else the bit is cleared, the queues are unlinked, the number leaves the shadow and the guest, and the queues that were in the shadow are reset. dynamic-v12: cleared, unlinked and taken from the guest, whether it was assigned or not, without a reset and without trying the lock. aqic-v9: EBUSY with a guest, else cleared.",
  "base; p05, p12; vfio_ap_ops.c:unassign_adapter_store, unassign_domain_store",
);
export const ASG_5 = configRule(
  "ASG-5",
  "Unlinking defects",
  "unassign_adapter unlinks the queues from whatever mdev owns them; unassign_domain links the queues instead of unlinking them.",
  "p05 vfio_ap_mdev_manage_qlinks, vfio_ap_mdev_unlink_queue",
  V12,
);
export const PLUG_3 = configRule(
  "PLUG-3",
  "Unassign with a guest",
  "The number leaves the shadow and the guest; nothing is filtered again, so what was held back stays out until the next filtering.",
  "p12; vfio_ap_ops.c:vfio_ap_mdev_hot_unplug_adapter, _domain",
  V12_V61,
);

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
  if (!s.parameters.dynamic && guestPresent(x, s, m, ASG_4)) return;
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
