import { maskOf } from "../../event/mask.js";
import { apqnText } from "../../operation/ap/attribute.js";
import { exactly, has, remove as removeBit } from "../core/bits.js";
import { and, is, isKnown, type Known, OneOf, oneOf, or, type Tri, unknown } from "../core/known.js";
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
export const DRV_7 = configRule(
  "DRV-7",
  "Resets around binding",
  "After a driver's own removal the bus zeroizes the queue once more, which vfio_ap does not see; a zcrypt driver resets the queues that it gets. A probe by vfio_ap resets nothing.",
  "ap_queue.c:ap_queue_remove, ap_queue_init_state; vfio_ap_ops.c:vfio_ap_mdev_probe_queue",
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
export const PLUG_7 = configRule(
  "PLUG-7",
  "Order of binds",
  "In dynamic-v12 the shadow after several binds depends on their order; in linux-6.1 it follows from matrix, configuration, table and reset results after each, whatever the order.",
  "vfio_ap_mdev_probe_queue; p13 vfio_ap_mdev_hot_plug_queue",
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
  x.by(PLUG_5, PLUG_7);
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
  x.by(DRV_7);
  // Only a recorder whose tap is the instruction itself sees the bus's own ZAPQ.
  x.maybe("hw_zapq", (seen) => (seen.apqn === queue.apqn ? undefined : "other queue"));
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
  // A queue that the recording shows for the first time was there before.
  if (!s.host.devicesListed) for (const apqn of queuesShown(x)) queueAt(s, apqn);
  for (const queue of inBusOrder(x, s)) revise(x, s, queue);
  newcomers(x, s);
}

/** The queues that lines of this operation name, in recorded order. */
function queuesShown(x: Trial): readonly number[] {
  const shown = new Set<number>();
  for (const line of x.bracketList()) {
    if (line.kind === "queue_remove" || line.kind === "queue_probe") shown.add(line.apqn);
  }
  for (const apqn of queuesReset(x)) shown.add(apqn);
  return [...shown];
}

/** The queues that lines from here on show to be reset, in recorded order. */
export function queuesReset(x: Trial): readonly number[] {
  const shown = new Set<number>();
  for (const line of x.rest()) {
    if (line.kind === "hw_zapq" || line.kind === "reset_queue") shown.add(line.apqn);
  }
  return [...shown];
}

/** Bus order; queues whose creation was not seen have no place in it, and come when the recording shows them. */
function inBusOrder(x: Trial, s: ApState): readonly Queue[] {
  const queues = [...s.queues.values()].sort((a, b) => a.order - b.order || a.apqn - b.apqn);
  if (queues.every((queue) => queue.order > 0)) return queues;
  const rank = new Map(queuesShown(x).map((apqn, place) => [apqn, place]));
  const placeOf = (queue: Queue): number => rank.get(queue.apqn) ?? rank.size;
  const shown = queues.sort((a, b) => placeOf(a) - placeOf(b));
  let last = 0;
  for (const queue of shown) {
    if (queue.order === 0 || !rank.has(queue.apqn)) continue;
    if (queue.order < last) x.differs("queues in bus order", `${apqnText(queue.apqn)} after a younger queue`, NOND_6);
    last = queue.order;
  }
  return shown;
}

function revise(x: Trial, s: ApState, queue: Queue): void {
  const want = isReserved(s, queue.apqn);
  const now = driverNow(x, s, queue);
  if (now === "absent") return;
  const shown = (kind: "queue_probe" | "queue_remove"): boolean =>
    x.bracketList().some((line) => line.kind === kind && line.apqn === queue.apqn) ||
    (kind === "queue_remove" && !x.certain(kind) && queuesReset(x).includes(queue.apqn));
  const mine = is<QueueDriver>(now, "vfio_ap");
  if (mine !== false && want !== false && (shown("queue_remove") || and(mine, want) === true)) {
    leave(x, s, queue, "default");
    return;
  }
  if (mine !== true && want !== true && shown("queue_probe")) {
    probe(x, s, queue);
    return;
  }
  const after = afterRevision(x, s, queue, drivers(isKnown(queue.driver) ? queue.driver : now), want);
  if (queue.driver !== after) settleUnseen(s, queue, after);
}

/** What a queue can be after a mask change that left no line of it (DRV-4): what would have left one is out. */
function afterRevision(
  x: Trial,
  s: ApState,
  queue: Queue,
  before: readonly QueueDriver[],
  want: Tri,
): Known<QueueDriver> {
  const after = new Set<QueueDriver>();
  const removeShows = x.certain("queue_remove");
  const probeShows = x.certain("queue_probe");
  const takes = and(takesType(s, queue.apid), is(s.host.loaded, true));
  for (const driver of before) {
    if (driver === "absent") after.add("absent");
    if (want !== false) {
      // Reserved now: a zcrypt driver has it.
      if (driver === "default" || driver === "none" || (driver === "vfio_ap" && !removeShows)) after.add("default");
    }
    if (want !== true) {
      if (driver === "none" || driver === "vfio_ap") after.add(driver);
      if (driver === "default" && takes !== true) after.add("none");
      if (driver === "default" && takes !== false && !probeShows) after.add("vfio_ap");
    }
  }
  // A zcrypt driver's queue that should have come to vfio_ap and did not had vanished before (SCAN-7).
  return after.size === 0 ? "absent" : oneOf([...after]);
}

function drivers(known: Known<QueueDriver>): readonly QueueDriver[] {
  if (isKnown(known)) return [known];
  return known instanceof OneOf ? known.values : ["absent", "none", "default", "vfio_ap"];
}

/** The driver of a queue changed without a line: a queue that may be another one now has nothing that is known. */
function settleUnseen(s: ApState, queue: Queue, after: Known<QueueDriver>): void {
  if (is<QueueDriver>(after, "vfio_ap") === false) {
    gone(s, queue, after);
    return;
  }
  s.journal.set(queue, "driver", after);
  s.journal.set(queue, "linked", unknown);
  s.journal.set(queue, "owner", unknown);
  s.journal.set(queue, "resetRc", unknown);
  s.journal.set(queue, "savedIsc", unknown);
  s.journal.set(queue, "savedNib", unknown);
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
