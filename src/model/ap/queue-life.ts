import { apqnText } from "../../operation/ap/attribute.js";
import { has, isEmpty, joinBits, remove as removeBit } from "../core/bits.js";
import { and, is, isKnown, type Known, not, or, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { adoptStrangers, commitIf, commitPerhaps, refilter, shadowOf } from "./apcb.js";
import { free, freeIfSeen } from "./free.js";
import { guestName } from "./guests.js";
import { clearSaved, leakRef, leakSaved } from "./ledger.js";
import { ALL, aqicRule, configRule, V9, V12, V12_V61, V61 } from "./profile.js";
import { assignee } from "./queues.js";
import { RST_2, resetOld, resetQueue, resetWithDisable } from "./reset.js";
import { RST_10 } from "./reset-rules.js";
import { learnPassed } from "./shadow-seen.js";
import { tryAdapter, tryDomain } from "./shadow-v12.js";
import type { ApState, Mdev, Queue, QueueDriver } from "./state.js";
import { ASG_6, bucketOf, link, removeNode, unlink } from "./table.js";

export const DRV_3 = configRule(
  "DRV-3",
  "A new queue device",
  "It is offered to the drivers in the order of their registration; by masks and types at most one of them takes it.",
  "driver core; ap_bus.c:ap_bus_match",
);
export const DRV_7 = configRule(
  "DRV-7",
  "Resets around binding",
  "After a driver's own removal the bus zeroizes the queue once more, which vfio_ap does not see; a zcrypt driver resets the queues that it gets. A probe by vfio_ap resets nothing.",
  "ap_queue.c:ap_queue_remove, ap_queue_init_state; vfio_ap_ops.c:vfio_ap_mdev_probe_queue",
);
export const DRV_8 = configRule(
  "DRV-8",
  "A queue comes to vfio_ap",
  "A fresh queue object without interrupt data. From dynamic-v12 on an mdev that has the APQN in its matrix links it; in aqic-v9 nothing more.",
  "p01, p05, p13; vfio_ap_ops.c:vfio_ap_mdev_probe_queue",
);
export const DRV_9 = configRule(
  "DRV-9",
  "A queue leaves vfio_ap",
  "linux-6.1: unlinked; if its APQN was in the shadow, its adapter leaves the shadow and the guest; then reset. dynamic-v12: the shadow first, then the reset, then unlinked. aqic-v9: reset and disabled, the guest keeps the APQN. Only the queue that goes is reset.",
  "p01, p05, p13; vfio_ap_ops.c:vfio_ap_mdev_remove_queue",
  ALL,
);
export const QUEUE_1 = aqicRule(
  "QUEUE-1",
  "Eligibility",
  "vfio_ap binds queues of CEX4 and newer whose APQN is not reserved to the default drivers.",
  "vfio_ap_drv.c, id table; ap_bus.c:ap_device_probe",
);
export const QUEUE_2 = aqicRule(
  "QUEUE-2",
  "Probe, aqic-v9",
  "A fresh queue object without an mdev; matrix and guest stay, no instruction is issued.",
  "v9 3/4 vfio_ap_queue_dev_probe",
  V9,
);
export const QUEUE_3 = aqicRule(
  "QUEUE-3",
  "Probe, later profiles",
  "A fresh queue object; an mdev that has the APQN in its matrix links it and may give its adapter to the guest.",
  "v12 5/17, 13/17, 15/17; vfio_ap_mdev_probe_queue",
  V12_V61,
);
export const QUEUE_4 = aqicRule(
  "QUEUE-4",
  "Probe failure",
  "No memory, or in linux-6.1 the error of the attribute group: nothing of the queue object is left.",
  "v9 3/4 vfio_ap_queue_dev_probe; vfio_ap_mdev_probe_queue",
);
export const QUEUE_5 = aqicRule(
  "QUEUE-5",
  "Remove, aqic-v9",
  "The queue is reset and its interrupt disabled; masks, matrix and hook stay, so that a running guest keeps the queue.",
  "v9 3/4 vfio_ap_queue_dev_remove",
  V9,
);
export const QUEUE_7 = aqicRule(
  "QUEUE-7",
  "Remove, linux-6.1",
  "Unlinked; if the guest has it, the adapter leaves the guest; then the queue is reset.",
  "vfio_ap_mdev_remove_queue",
  V61,
);
export const QUEUE_8 = aqicRule(
  "QUEUE-8",
  "Bus epilogue",
  "After the driver's part of a removal the bus itself resets the queue once more, whatever that answers.",
  "ap_bus.c:ap_device_remove, ap_queue.c:ap_queue_remove",
);
export const INV_22 = aqicRule(
  "INV-22",
  "A removed queue is gone",
  "After its removal a queue is in no table and no line names it, but for the reset by the bus.",
  "invariant",
);
export const QUEUE_6 = aqicRule(
  "QUEUE-6",
  "Removing a queue, dynamic-v12",
  "The adapter leaves the shadow first, then the queue is reset; the resources are freed only where its mdev has a guest, and a reference on that guest is dropped which was never taken.",
  "v12 1/17, 5/17, 13/17 vfio_ap_mdev_remove_queue",
  V12,
);
export const MDEV_5_V12 = configRule(
  "D12-4",
  "Owners of queues after a removal",
  "Removing an mdev leaves its queues pointing to it: unbinding such a queue before it is linked anew touches freed memory.",
  "p15 vfio_ap_mdev_remove",
  V12,
);
export const D61_1 = configRule(
  "D61-1",
  "Stale owner of an unlinked queue",
  "A queue that was unlinked outside the shadow keeps its mdev; if that mdev is removed and the queue unbound before it is linked anew, freed memory is read.",
  "vfio_ap_ops.c:vfio_ap_mdev_hot_unplug_adapter, vfio_ap_mdev_remove_queue",
  V61,
);
export const D61_3 = configRule(
  "D61-3",
  "Dangling table entry after an unassign",
  "The walk that dissolves the temporary table of an unassign skips the rest of a bucket: the older of two queues in one bucket keeps its mdev and an entry in freed memory, which its removal writes.",
  "vfio_ap_ops.c:vfio_ap_mdev_hot_unplug_adapter, _domain",
  V61,
);
export const PLUG_5 = configRule(
  "PLUG-5",
  "Hot plug at probe",
  "linux-6.1 filters the mdev's shadow again, unless additions of a configuration change are pending there; dynamic-v12 tries the adapter, then the domain. One commit if the shadow changed.",
  "vfio_ap_mdev_probe_queue; p13, p15 vfio_ap_mdev_hot_plug_queue",
  V12_V61,
);
export const PLUG_6 = configRule(
  "PLUG-6",
  "Unbinding a queue that a guest uses",
  "The whole adapter leaves the guest, the domain stays. In aqic-v9 the guest keeps a queue that is not vfio_ap's any more.",
  "p13; vfio_ap_ops.c:vfio_ap_mdev_remove_queue",
);
export const PLUG_7 = configRule(
  "PLUG-7",
  "Order of binds",
  "In dynamic-v12 the shadow after several binds depends on their order; in linux-6.1 it follows from matrix, configuration, table and reset results after each, whatever the order.",
  "vfio_ap_mdev_probe_queue; p13 vfio_ap_mdev_hot_plug_queue",
  V12_V61,
);

/** DRV-8, PLUG-5: vfio_ap probes a queue; false if that failed and left nothing (QUEUE-4). */
export function probe(x: Trial, s: ApState, queue: Queue): boolean {
  if (queue.driver === "absent") x.by(DRV_3);
  x.by(DRV_8, QUEUE_1, s.parameters.dynamic ? QUEUE_3 : QUEUE_2);
  const failed = x.bracket("queue_probe", (seen) =>
    seen.apqn === queue.apqn && canFail(s, seen.rc) ? undefined : "no failure",
  );
  if (failed !== undefined) {
    x.agrees(QUEUE_4);
    gone(s, queue, "none");
    return false;
  }
  x.expectBracket(
    "queue_probe",
    (seen) =>
      seen.apqn === queue.apqn && seen.rc === 0 ? undefined : `queue_probe ${apqnText(seen.apqn)} rc ${seen.rc}`,
    () => `queue_probe ${apqnText(queue.apqn)} rc 0`,
    DRV_8,
  );
  fresh(s, queue, x.operation.call.kind === "scan" || x.operation.call.kind === "queue-probe");
  if (!s.parameters.dynamic) return true;
  const m = assignee(s, queue.apqn);
  if (m === null) return true;
  if (!isKnown(m)) {
    s.journal.set(queue, "linked", unknown);
    s.journal.set(queue, "owner", unknown);
    plugAny(x, s, queue);
    return true;
  }
  link(s, m, queue);
  plug(x, s, m, queue, true);
  return true;
}

const ENOMEM = -12;
const EEXIST = -17;

/** QUEUE-4: no memory; linux-6.1 makes an attribute group too, whose name can be taken. */
function canFail(s: ApState, rc: number): boolean {
  return rc === ENOMEM || (rc === EEXIST && !s.parameters.old);
}

/** A queue that came to an mdev which is not known may have changed the shadow of any that may have its APQN assigned. */
function plugAny(x: Trial, s: ApState, queue: Queue): void {
  for (const m of s.mdevs.values()) {
    const assigned = and(is(m.present, true), and(has(m.apm, queue.apid), has(m.aqm, queue.apqi)));
    if (assigned !== false) plug(x, s, m, queue, false);
  }
  adoptStrangers(x, s);
}

/** PLUG-5. `certain`: the queue was linked to this mdev; else it may have been. */
function plug(x: Trial, s: ApState, m: Mdev, queue: Queue, certain: boolean): void {
  x.by(PLUG_5, PLUG_7);
  const waits = isAwaited(s, m, queue);
  if (waits === true) return;
  const before = shadowOf(m);
  const changed =
    s.parameters.profile === "dynamic-v12"
      ? or(tryAdapter(x, s, m, queue.apid), tryDomain(x, s, m, queue.apqi))
      : refilter(x, s, m);
  const plugged = certain && waits === false;
  if (plugged) commitIf(x, s, m, changed, before);
  else commitPerhaps(x, s, m, changed, before);
  if (plugged && s.parameters.profile === "linux-6.1") learnPassed(s, m);
}

/** Whether the additions of a configuration change keep the queue out until the scan is complete. */
function isAwaited(s: ApState, m: Mdev, queue: Queue): Tri {
  if (s.parameters.profile !== "dynamic-v12") return not(and(isEmpty(m.apmAdd), isEmpty(m.aqmAdd)));
  return or(has(s.host.apAdd, queue.apid), has(s.host.aqAdd, queue.apqi));
}

/** A queue object as the probe makes it; `madeNow`: by a scan, which made the device itself. */
function fresh(s: ApState, queue: Queue, madeNow: boolean): void {
  const { journal } = s;
  if (is<QueueDriver>(queue.driver, "absent") !== false) journal.set(queue, "order", madeNow ? s.tick() : 0);
  journal.set(queue, "driver", "vfio_ap");
  journal.set(queue, "linked", null);
  journal.set(queue, "owner", null);
  // What stood there before, where its end was not seen.
  removeNode(s, queue);
  journal.set(queue, "resetRc", 0);
  clearSaved(s, queue);
  journal.set(queue, "irq", unknown);
  journal.set(queue, "strayIrq", false);
}

/** DRV-9: vfio_ap's queue goes; `after` is what the device is then. */
export function leave(x: Trial, s: ApState, queue: Queue, after: QueueDriver): void {
  x.by(DRV_9);
  const line = x.expectBracket(
    "queue_remove",
    (seen) => (seen.apqn === queue.apqn ? undefined : `queue_remove ${apqnText(seen.apqn)}`),
    () => `queue_remove ${apqnText(queue.apqn)}`,
    DRV_9,
  );
  if (line !== undefined && !isKnown(queue.driver)) s.journal.set(queue, "driver", "vfio_ap");
  switch (s.parameters.profile) {
    case "aqic-v9":
      leaveStatic(x, s, queue);
      break;
    case "dynamic-v12":
      leavePosted(x, s, queue);
      break;
    case "linux-6.1":
      leaveMerged(x, s, queue);
      break;
  }
  x.by(DRV_7, QUEUE_8, INV_22);
  // Only a recorder whose tap is the instruction itself sees the bus's own ZAPQ.
  x.maybe("hw_zapq", (seen) => (seen.apqn === queue.apqn ? undefined : "other queue"));
  gone(s, queue, after);
}

/** QUEUE-5: reset and disabled; nobody tells the guest. */
function leaveStatic(x: Trial, s: ApState, queue: Queue): void {
  x.by(QUEUE_5);
  for (const m of s.mdevs.values()) {
    if (m.present === false || !isKnown(m.kvm) || m.kvm === null) continue;
    if (and(has(m.kvm.apm, queue.apid), has(m.kvm.aqm, queue.apqi)) !== true) continue;
    x.by(PLUG_6);
    x.knownDefect(`${apqnText(queue.apqn)} stays in the masks of ${guestName(m.kvm)}, which runs with it`, QUEUE_5);
  }
  resetWithDisable(x, s, queue);
}

/** QUEUE-7: unlinked, unplugged, reset. */
function leaveMerged(x: Trial, s: ApState, queue: Queue): void {
  x.by(QUEUE_7);
  const { owner } = queue;
  s.journal.set(queue, "linked", null);
  touchFreed(x, queue, owner);
  if (isKnown(owner)) {
    if (owner !== null) unplug(x, s, owner, queue);
  } else {
    unplugUnknown(x, s, queue, owner);
  }
  resetQueue(x, s, queue);
  // What a reset that ended with -EIO left (RST-2), recorded or not, or a queue without an mdev: nobody can free it now.
  leakSaved(s, queue, queue.resetRc === 0 ? RST_10 : RST_2);
}

/** D61-1, D61-3: from here on the kernel reads or writes freed memory, and may do anything. */
function touchFreed(x: Trial, queue: Queue, owner: Known<Mdev | null>): void {
  const freed = isKnown(owner) && owner !== null && owner.present === false;
  if (freed) x.knownDefect(`${apqnText(queue.apqn)} still points to an mdev that was removed`, D61_1);
  if (queue.dangling) x.knownDefect(`the table entry of ${apqnText(queue.apqn)} is in freed memory`, D61_3);
  if (!freed && !queue.dangling) return;
  x.allowCrash();
  x.maybe("apcb_set", () => undefined);
}

/** QUEUE-6: unplugged, reset; with an mdev that has a guest the resources are freed and a reference is dropped (D12-5). */
function leavePosted(x: Trial, s: ApState, queue: Queue): void {
  x.by(QUEUE_6);
  const { owner } = queue;
  if (!isKnown(owner)) {
    unplugUnknown(x, s, queue, owner);
    resetOld(x, s, queue);
    freeIfSeen(x, s, queue);
    leakSaved(s, queue, QUEUE_6);
    return;
  }
  if (owner !== null && owner.present === false) {
    x.knownDefect(`${apqnText(queue.apqn)} still points to an mdev that was removed`, MDEV_5_V12);
    x.maybe("apcb_set", () => undefined);
    resetOld(x, s, queue);
    freeIfSeen(x, s, queue);
    leakSaved(s, queue, QUEUE_6);
    removeNode(s, queue);
    return;
  }
  if (owner !== null) unplug(x, s, owner, queue);
  resetOld(x, s, queue);
  if (owner === null) {
    abandon(x, s, queue);
    return;
  }
  if (isFreed(x, owner, queue)) {
    free(x, s, queue);
    dropReference(x, s, owner);
  }
  unlink(s, queue);
  abandon(x, s, queue);
}

/** QUEUE-6: whether the queue's mdev has a guest; where that is open, what is freed shows it. */
function isFreed(x: Trial, { kvm }: Mdev, { savedIsc }: Queue): boolean {
  if (isKnown(kvm)) return kvm !== null;
  if (!x.certain("gisc_unregister") || !isKnown(savedIsc) || savedIsc === null) return x.either("unknown");
  return x.peek("gisc_unregister") !== undefined;
}

/** QUEUE-6, KVM-13: the reference that is dropped with each queue was never taken. */
function dropReference(x: Trial, s: ApState, m: Mdev): void {
  const message = "removing a queue of a running guest drops a reference on the guest that was never taken";
  if (isKnown(m.kvm) && m.kvm !== null) leakRef(x, s, m.kvm, -1, QUEUE_6, message);
  else x.knownDefect(message, QUEUE_6);
}

/** A queue that is destroyed while a table still reaches it: what walks there next reads freed memory (ASG-6). */
function abandon(x: Trial, s: ApState, queue: Queue): void {
  if (queue.owner === null && queue.savedIsc !== null && isKnown(queue.savedIsc)) {
    x.knownDefect("the queue has no mdev with a guest: its registered ISC and pinned NIB are lost", QUEUE_6);
    leakSaved(s, queue, QUEUE_6);
  }
  for (const m of s.mdevs.values()) {
    if (m.present === false || !reaches(m, queue)) continue;
    s.journal.set(m, "tainted", "the mdev's table holds a queue that was destroyed (ASG-6)");
    x.knownDefect(`the table of mdev ${m.uuid} still holds ${apqnText(queue.apqn)}, which is destroyed`, ASG_6);
  }
}

function reaches(m: Mdev, queue: Queue): boolean {
  const seen = new Set<Queue>();
  for (let node = m.heads.get(bucketOf(queue.apqn)) ?? null; node !== null && !seen.has(node); node = node.next) {
    if (node === queue) return true;
    seen.add(node);
  }
  return false;
}

/** The adapter of a removed queue leaves the shadow if the queue was in it (PLUG-6). */
function unplug(x: Trial, s: ApState, m: Mdev, queue: Queue): void {
  const inShadow = and(has(m.shApm, queue.apid), has(m.shAqm, queue.apqi));
  if (inShadow === false) return;
  x.by(PLUG_6);
  unplugIf(x, s, m, queue, inShadow);
}

function unplugIf(x: Trial, s: ApState, m: Mdev, queue: Queue, inShadow: Tri): void {
  const before = shadowOf(m);
  s.journal.set(m, "shApm", removeBit(m.shApm, queue.apid));
  const changed = commitIf(x, s, m, inShadow, before);
  if (changed === false) s.journal.set(m, "shApm", before.apm);
  else if (changed === "unknown") s.journal.set(m, "shApm", joinBits(m.shApm, before.apm));
}

function unplugUnknown(x: Trial, s: ApState, queue: Queue, owner: Known<Mdev | null>): void {
  for (const m of s.mdevs.values()) {
    if (m.present === false || is<Mdev | null>(owner, m) === false) continue;
    const inShadow = and("unknown", and(has(m.shApm, queue.apid), has(m.shAqm, queue.apqi)));
    if (inShadow !== false) unplugIf(x, s, m, queue, inShadow);
  }
  adoptStrangers(x, s);
}

/** What stays of a queue object that was destroyed: nothing. */
export function gone(s: ApState, queue: Queue, after: Known<QueueDriver>): void {
  const { journal } = s;
  journal.set(queue, "driver", after);
  if (after === "absent") journal.set(queue, "order", 0);
  journal.set(queue, "linked", null);
  journal.set(queue, "owner", null);
  removeNode(s, queue);
  journal.set(queue, "dangling", false);
  clearSaved(s, queue);
  journal.set(queue, "irq", unknown);
  journal.set(queue, "strayIrq", false);
  journal.set(queue, "resetRc", 0);
}
