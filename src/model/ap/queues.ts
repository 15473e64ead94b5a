import { maskOf } from "../../event/mask.js";
import { apqnText } from "../../operation/ap/attribute.js";
import { exactly, has, remove as removeBit } from "../core/bits.js";
import { and, is, isKnown, type Known, not, oneOf, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { commitIf, linkedTo, refilter, reserved, shadowOf } from "./apcb.js";
import { ALL, configRule, V12_V61, V61 } from "./profile.js";
import { resetQueue } from "./reset.js";
import { type ApState, type Mdev, Queue, type QueueDriver } from "./state.js";

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
export const PLUG_5 = configRule(
  "PLUG-5",
  "Hot plug at probe",
  "The shadow of the mdev that has the APQN is filtered again and committed if it changed, unless additions of a configuration change are pending there.",
  "vfio_ap_mdev_probe_queue",
  V61,
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

/** LINK(m, queue), for a queue that is bound. */
export function link(s: ApState, m: Mdev, queue: Queue): void {
  s.journal.set(queue, "linked", m);
  s.journal.set(queue, "owner", m);
  s.journal.set(queue, "linkedAt", s.tick());
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
  const m = assignee(s, queue.apqn);
  if (m === null) return;
  if (!isKnown(m)) {
    s.journal.set(queue, "linked", unknown);
    s.journal.set(queue, "owner", unknown);
    adoptAnyCommit(x, s);
    return;
  }
  link(s, m, queue);
  plug(x, s, m);
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
function plug(x: Trial, s: ApState, m: Mdev): void {
  x.by(PLUG_5);
  if (!isZero(m)) return;
  const before = shadowOf(m);
  commitIf(x, s, m, refilter(x, s, m), before);
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
  const { owner } = queue;
  s.journal.set(queue, "linked", null);
  if (isKnown(owner)) {
    if (owner !== null) unplug(x, s, owner, queue);
  } else {
    unplugUnknown(x, s, queue);
  }
  resetQueue(x, s, queue);
  gone(s, queue, after);
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

function unplugUnknown(x: Trial, s: ApState, queue: Queue): void {
  for (const m of s.mdevs.values()) {
    if (m.present === false || linkedTo(queue, m) === false) continue;
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
  if (lineMissing && want === false)
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
