import { apqnText } from "../../operation/ap/attribute.js";
import { and, is, isKnown, type Known, OneOf, oneOf, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { configRule } from "./profile.js";
import { gone, leave, probe } from "./queue-life.js";
import { configured, driverNow, isReserved, queueAt, takesType } from "./queues.js";
import { freeUntold, resetsUntold } from "./reset-untold.js";
import type { ApState, Queue, QueueDriver } from "./state.js";

export const DRV_4 = configRule(
  "DRV-4",
  "Bindings are revised after a mask change",
  "In bus order, each queue whose driver does not fit the masks any more is unbound and offered to all drivers. A queue without a driver is picked up by a zcrypt driver when it becomes reserved, and stays without one while it is not.",
  "ap_bus.c:__ap_revise_reserved",
);
export const NOND_6 = configRule(
  "NOND-6",
  "Order of bindings",
  "Within a mask change and a removed adapter the queues go in bus order, the order of their creation; within a scan adapters ascending, then domains ascending.",
  "ap_bus.c:__ap_revise_reserved, ap_scan_adapter",
);

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

/** The queues that lines from here on show to be reset, in recorded order. A TAPQ of a scan may also be a test (CFG-4). */
export function queuesReset(x: Trial): readonly number[] {
  const shown = new Set<number>();
  const inScan = x.operation.call.kind === "scan";
  for (const line of x.rest()) {
    switch (line.kind) {
      case "hw_tapq":
        if (!inScan) shown.add(line.apqn);
        break;
      case "hw_zapq":
      case "hw_aqic":
      case "reset_queue":
        shown.add(line.apqn);
        break;
      default:
    }
  }
  return [...shown];
}

/** Bus order; queues whose creation was not seen have no place in it, and come when the recording shows them. */
function inBusOrder(x: Trial, s: ApState): readonly Queue[] {
  const queues = [...s.queues.values()].sort((a, b) => a.order - b.order || a.apqn - b.apqn);
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
    x.hasBracket(kind, (line) => line.apqn === queue.apqn) ||
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
  if (now === "default" && want === false && mustCome(x, s, queue) && !x.lenient) {
    probe(x, s, queue);
    return;
  }
  if (mine === "unknown" && want !== false && !x.certain("queue_remove") && resetsUntold(x, s)) freeUntold(x, s, queue);
  const after = afterRevision(x, s, queue, drivers(isKnown(queue.driver) ? queue.driver : now), want);
  if (queue.driver !== after) settleUnseen(s, queue, after);
}

/** Whether vfio_ap certainly takes a queue that a default driver gives back, and the recording shows it. */
function mustCome(x: Trial, s: ApState, queue: Queue): boolean {
  return x.certain("queue_probe") && and(takesType(s, queue.apid), is(s.host.loaded, true)) === true;
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
