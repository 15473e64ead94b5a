import { maskOf } from "../../event/mask.js";
import { apqnText } from "../../operation/ap/attribute.js";
import { exactly, has, remove as removeBit } from "../core/bits.js";
import { and, is, isKnown, type Known, not, oneOf, or, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { commitIf, refilter, reserved, shadowOf } from "./apcb.js";
import { free, freeIfSeen } from "./free.js";
import { ALL, aqicRule, configRule, V12, V12_V61 } from "./profile.js";
import { resetOld, resetQueue, resetWithDisable } from "./reset.js";
import { tryAdapter, tryDomain } from "./shadow-v12.js";
import { type ApState, type Mdev, Queue, type QueueDriver } from "./state.js";
import { ASG_6, bucketOf, link, removeNode, unlink } from "./table.js";

export const DRV_1 = configRule(
  "DRV-1",
  "Who may bind a queue",
  "A queue is reserved if both its adapter is in apmask and its domain in aqmask. Default drivers take reserved queues only, vfio_ap takes the others; anything else ends with ENODEV.",
  "ap_bus.c:ap_device_probe",
);
export const DRV_2 = configRule(
  "DRV-2",
  "Types of queues",
  "vfio_ap and cex4queue take queues of type 10 (CEX4) and newer.",
  "vfio_ap_drv.c:ap_queue_ids; zcrypt_cex4.c",
);
export const DRV_4 = configRule(
  "DRV-4",
  "Bindings are revised after a mask change",
  "In bus order, each queue whose driver does not fit the masks any more is unbound and offered to all drivers.",
  "ap_bus.c:__ap_revise_reserved",
);
export const DRV_8 = configRule(
  "DRV-8",
  "A queue comes to vfio_ap",
  "A fresh queue object without interrupt data; an mdev that has the APQN in its matrix links it.",
  "vfio_ap_ops.c:vfio_ap_mdev_probe_queue",
);
export const DRV_9 = configRule(
  "DRV-9",
  "A queue leaves vfio_ap",
  "It is unlinked; if its APQN was in the shadow, its adapter leaves the shadow and the guest; then the queue is reset.",
  "vfio_ap_ops.c:vfio_ap_mdev_remove_queue",
  ALL,
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
  "The whole adapter leaves the guest, the domain stays.",
  "vfio_ap_ops.c:vfio_ap_mdev_remove_queue",
  V12_V61,
);
export const NOND_6 = configRule(
  "NOND-6",
  "Order of bindings",
  "Within a mask change and a removed adapter the queues go in bus order, the order of their creation; within a scan adapters ascending, then domains ascending.",
  "ap_bus.c:__ap_revise_reserved, ap_scan_adapter",
);

/** The queue of an APQN, made on first mention. */
export function queueAt(s: ApState, apqn: number): Queue {
  const known = s.queues.get(apqn);
  if (known !== undefined) return known;
  const queue = new Queue(apqn);
  queue.driver = neverSeen(s, apqn);
  if (queue.driver !== "absent") {
    queue.linked = unknown;
    queue.owner = unknown;
    queue.resetRc = unknown;
    queue.savedIsc = unknown;
    queue.savedNib = unknown;
  }
  s.journal.add(s.queues, apqn, queue);
  return queue;
}

/** A queue that nothing mentioned: absent where the snapshot lists the devices, else not known. */
function neverSeen(s: ApState, _apqn: number): Known<QueueDriver> {
  return s.host.devicesListed ? "absent" : unknown;
}

/** Whether the host configuration of the last scan has the APQN: without it there is no device (SCAN-2, SCAN-3). */
export function configured(s: ApState, apqn: number): Tri {
  if (s.host.qci === false) return "unknown";
  return and(has(s.host.busApm, apqn >> 8), has(s.host.busAqm, apqn & 0xff));
}

export function isReserved(s: ApState, apqn: number): Tri {
  return reserved(s, exactly(maskOf(apqn >> 8)), exactly(maskOf(apqn & 0xff)));
}

/**
 * The driver of a queue as it can be by now. vfio_ap's queues come and go with a recorded line; the others can come and
 * go in scans that leave none (SCAN-7): a device may have vanished, a missing one may have been made.
 */
export function driverNow(x: Trial, s: ApState, queue: Queue): Known<QueueDriver> {
  const { driver } = queue;
  if (driver === "vfio_ap") {
    return x.observability.sees("queue_remove") ? driver : oneOf<QueueDriver>(["vfio_ap", "absent"]);
  }
  if (!isKnown(driver)) return driver;
  const there = configured(s, queue.apqn);
  if (there === false) return "absent";
  const made: QueueDriver[] = isReserved(s, queue.apqn) === false ? ["none"] : ["default"];
  if (isReserved(s, queue.apqn) === "unknown") made.push("none");
  if (!x.observability.sees("queue_probe")) made.push("vfio_ap");
  return oneOf<QueueDriver>([...new Set<QueueDriver>([driver, "absent", ...made])]);
}

/** Whether vfio_ap can take queues of that adapter (DRV-2). */
export function takesType(s: ApState, apid: number): Tri {
  const type = s.cards.get(apid)?.type ?? unknown;
  return isKnown(type) ? type >= 10 : "unknown";
}

/** The mdev that has the APQN in its matrix, if it is known which; "unknown" where some may. */
export function assignee(s: ApState, apqn: number): Known<Mdev | null> {
  let doubt = !isKnown(s.host.hiddenMdevs) || s.host.hiddenMdevs > 0;
  for (const m of s.mdevs.values()) {
    const assigned = and(is(m.present, true), and(has(m.apm, apqn >> 8), has(m.aqm, apqn & 0xff)));
    if (assigned === true) return m;
    if (assigned === "unknown") doubt = true;
  }
  return doubt ? unknown : null;
}

/** DRV-8, PLUG-5: vfio_ap probes a queue. */
export function probe(x: Trial, s: ApState, queue: Queue): void {
  x.by(DRV_8);
  x.expectBracket(
    "queue_probe",
    (seen) =>
      seen.apqn === queue.apqn && seen.rc === 0 ? undefined : `queue_probe ${apqnText(seen.apqn)} rc ${seen.rc}`,
    () => `queue_probe ${apqnText(queue.apqn)} rc 0`,
    DRV_8,
  );
  fresh(s, queue, x.operation.call.kind === "scan" || x.operation.call.kind === "queue-probe");
  if (!s.parameters.dynamic) return;
  const m = assignee(s, queue.apqn);
  if (m === null) return;
  if (!isKnown(m)) {
    s.journal.set(queue, "linked", unknown);
    s.journal.set(queue, "owner", unknown);
    adoptAnyCommit(x, s);
    return;
  }
  link(s, m, queue);
  plug(x, s, m, queue);
}

/** A queue that came to an mdev which is not known may have changed a guest's shadow: what is seen is taken over. */
function adoptAnyCommit(x: Trial, s: ApState): void {
  const seen = x.peek("apcb_set");
  if (seen === undefined) return;
  for (const m of s.mdevs.values()) {
    const before = shadowOf(m);
    const changed = refilter(x, s, m);
    if (changed === false) continue;
    commitIf(x, s, m, "unknown", before);
    if (x.peek("apcb_set") !== seen) return;
  }
}

/** PLUG-5. */
function plug(x: Trial, s: ApState, m: Mdev, queue: Queue): void {
  x.by(PLUG_5);
  const before = shadowOf(m);
  if (s.parameters.profile === "dynamic-v12") {
    const { apAdd, aqAdd } = s.host;
    if (has(apAdd, queue.apid) !== false || has(aqAdd, queue.apqi) !== false) return;
    const adapter = tryAdapter(x, s, m, queue.apid);
    const domain = tryDomain(x, s, m, queue.apqi);
    commitIf(x, s, m, or(adapter, domain), before);
    return;
  }
  if (isZero(m)) commitIf(x, s, m, refilter(x, s, m), before);
}

function isZero(m: Mdev): boolean {
  return m.apmAdd.ones.every((word) => word === 0) && m.aqmAdd.ones.every((word) => word === 0);
}

/** A queue object as the probe makes it; `madeNow`: by a scan, which made the device itself. */
function fresh(s: ApState, queue: Queue, madeNow: boolean): void {
  const { journal } = s;
  if (queue.driver === "absent") journal.set(queue, "order", madeNow ? s.tick() : 0);
  journal.set(queue, "driver", "vfio_ap");
  journal.set(queue, "linked", null);
  journal.set(queue, "owner", null);
  journal.set(queue, "next", null);
  journal.set(queue, "at", null);
  journal.set(queue, "resetRc", 0);
  journal.set(queue, "savedIsc", null);
  journal.set(queue, "savedNib", null);
}

/** DRV-9: vfio_ap's queue goes; `after` is what the device is then. */
export function leave(x: Trial, s: ApState, queue: Queue, after: QueueDriver): void {
  x.by(DRV_9);
  x.expectBracket(
    "queue_remove",
    (seen) => (seen.apqn === queue.apqn ? undefined : `queue_remove ${apqnText(seen.apqn)}`),
    () => `queue_remove ${apqnText(queue.apqn)}`,
    DRV_9,
  );
  switch (s.parameters.profile) {
    case "aqic-v9":
      resetWithDisable(x, s, queue);
      break;
    case "dynamic-v12":
      leavePosted(x, s, queue);
      break;
    case "linux-6.1":
      leaveMerged(x, s, queue);
      break;
  }
  gone(s, queue, after);
}

/** QUEUE-7: unlinked, unplugged, reset. */
function leaveMerged(x: Trial, s: ApState, queue: Queue): void {
  const { owner } = queue;
  s.journal.set(queue, "linked", null);
  if (isKnown(owner)) {
    if (owner !== null) unplug(x, s, owner, queue);
  } else {
    unplugUnknown(x, s, queue, owner);
  }
  resetQueue(x, s, queue);
}

/** QUEUE-6: unplugged, reset; with an mdev that has a guest the resources are freed and a reference is dropped (D12-5). */
function leavePosted(x: Trial, s: ApState, queue: Queue): void {
  x.by(QUEUE_6);
  const { owner } = queue;
  if (!isKnown(owner)) {
    unplugUnknown(x, s, queue, owner);
    resetOld(x, s, queue);
    freeIfSeen(x, s, queue);
    return;
  }
  if (owner !== null && owner.present === false) {
    x.knownDefect(`${apqnText(queue.apqn)} still points to an mdev that was removed`, MDEV_5_V12);
    x.maybe("apcb_set", () => undefined);
    resetOld(x, s, queue);
    freeIfSeen(x, s, queue);
    removeNode(s, queue);
    return;
  }
  if (owner !== null) unplug(x, s, owner, queue);
  resetOld(x, s, queue);
  if (owner === null) {
    abandon(x, s, queue);
    return;
  }
  if (owner.kvm !== null) {
    x.knownDefect("removing a queue of a running guest drops a reference on the guest that was never taken", QUEUE_6);
    free(x, s, queue);
  } else if (queue.savedIsc !== null && isKnown(queue.savedIsc)) {
    x.knownDefect("the queue's mdev has no guest: its registered ISC and pinned NIB are lost", QUEUE_6);
  }
  unlink(s, queue);
  abandon(x, s, queue);
}

/** A queue that is destroyed while a table still reaches it: what walks there next reads freed memory (ASG-6). */
function abandon(x: Trial, s: ApState, queue: Queue): void {
  if (queue.owner === null && queue.savedIsc !== null && isKnown(queue.savedIsc)) {
    x.knownDefect("the queue has no mdev: its registered ISC and pinned NIB are lost", QUEUE_6);
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
  const before = shadowOf(m);
  s.journal.set(m, "shApm", removeBit(m.shApm, queue.apid));
  commitIf(x, s, m, inShadow, before);
}

function unplugUnknown(x: Trial, s: ApState, queue: Queue, owner: Known<Mdev | null>): void {
  for (const m of s.mdevs.values()) {
    if (m.present === false || is<Mdev | null>(owner, m) === false) continue;
    const inShadow = and("unknown", and(has(m.shApm, queue.apid), has(m.shAqm, queue.apqi)));
    if (inShadow === false) continue;
    const before = shadowOf(m);
    s.journal.set(m, "shApm", removeBit(m.shApm, queue.apid));
    commitIf(x, s, m, inShadow, before);
  }
}

/** What stays of a queue object that was destroyed: nothing. */
export function gone(s: ApState, queue: Queue, after: Known<QueueDriver>): void {
  const { journal } = s;
  journal.set(queue, "driver", after);
  if (after === "absent") journal.set(queue, "order", 0);
  journal.set(queue, "linked", null);
  journal.set(queue, "owner", null);
  journal.set(queue, "savedIsc", null);
  journal.set(queue, "savedNib", null);
  journal.set(queue, "resetRc", 0);
}

/** DRV-4: every queue whose driver does not fit the masks changes hands, in bus order. */
export function reviseBindings(x: Trial, s: ApState): void {
  x.by(DRV_4, NOND_6);
  const queues = [...s.queues.values()].sort((a, b) => a.order - b.order || a.apqn - b.apqn);
  for (const queue of inObservedOrder(x, queues)) revise(x, s, queue);
  newcomers(x, s);
}

/** Queues whose creation was not seen have no place in bus order: they come when the recording shows them. */
function inObservedOrder(x: Trial, queues: readonly Queue[]): readonly Queue[] {
  if (queues.every((queue) => queue.order > 0)) return queues;
  const rank = new Map<number, number>();
  for (const seen of x.bracketList()) {
    if ((seen.kind === "queue_remove" || seen.kind === "queue_probe") && !rank.has(seen.apqn))
      rank.set(seen.apqn, rank.size);
  }
  return [...queues].sort((a, b) => {
    if (a.order > 0 && b.order > 0) return a.order - b.order;
    return (rank.get(a.apqn) ?? rank.size) - (rank.get(b.apqn) ?? rank.size);
  });
}

function revise(x: Trial, s: ApState, queue: Queue): void {
  const want = isReserved(s, queue.apqn);
  const driver = driverNow(x, s, queue);
  if (driver === "absent") return;
  if (is<QueueDriver>(driver, "vfio_ap") !== false && want !== false) {
    const leaves = and(want, is<QueueDriver>(driver, "vfio_ap"));
    const seen = x.bracketList().some((line) => line.kind === "queue_remove" && line.apqn === queue.apqn);
    if (leaves === true || seen) leave(x, s, queue, "default");
    else if (!x.certain("queue_remove")) gone(s, queue, oneOf<QueueDriver>(["default", "absent", "vfio_ap"]));
    // Reserved now and not taken away: it was not vfio_ap's.
    else if (want === true) gone(s, queue, oneOf<QueueDriver>(["default", "absent"]));
    return;
  }
  if (is<QueueDriver>(driver, "default") !== false && want !== true) release(x, s, queue, want);
  else if (queue.driver === "none" && want === true) s.journal.set(queue, "driver", "default");
}

/** A queue of a default driver that is not reserved any more: offered to vfio_ap, if it is still there. */
function release(x: Trial, s: ApState, queue: Queue, want: Tri): void {
  const seen = x.bracketList().some((line) => line.kind === "queue_probe" && line.apqn === queue.apqn);
  if (seen) {
    probe(x, s, queue);
    return;
  }
  const taken = and(and(not(want), takesType(s, queue.apid)), is(s.host.loaded, true));
  if (taken === false) {
    if (want === false && queue.driver === "default") s.journal.set(queue, "driver", "none");
    return;
  }
  // No probe line: the device had vanished before, unless the line could not be seen.
  const lineMissing = x.certain("queue_probe");
  const bound = is<QueueDriver>(driverNow(x, s, queue), "vfio_ap") !== false;
  if (lineMissing && want === false && bound) {
    // It may have been vfio_ap's all the time.
    s.journal.set(queue, "driver", oneOf<QueueDriver>(["vfio_ap", "none", "absent"]));
  } else if (lineMissing && want === false)
    s.journal.set(queue, "driver", takesType(s, queue.apid) === true ? "absent" : "none");
  else if (!lineMissing) gone(s, queue, oneOf<QueueDriver>(["vfio_ap", "absent", "default"]));
}

/** Queues that came to vfio_ap and that nothing had shown before: a scan without a line had made them. */
function newcomers(x: Trial, s: ApState): void {
  for (const seen of x.bracketList()) {
    if (seen.kind !== "queue_probe") continue;
    const queue = queueAt(s, seen.apqn);
    if (is<QueueDriver>(queue.driver, "vfio_ap") === true || configured(s, seen.apqn) === false) continue;
    if (isReserved(s, seen.apqn) === true) continue;
    probe(x, s, queue);
  }
}
