import { has } from "../core/bits.js";
import { and, is, isKnown, type Known, oneOf, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { configRule } from "./profile.js";
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
  "vfio_ap and cex4queue take queues of type 10 (CEX4) up to the newest that the kernel knows; newer hardware is mapped down. Older queues that are not reserved have no driver.",
  "vfio_ap_drv.c:ap_queue_ids; zcrypt_cex4.c",
);

/** The queue of an APQN, made on first mention. */
export function queueAt(s: ApState, apqn: number): Queue {
  const known = s.queues.get(apqn);
  if (known !== undefined) return known;
  const queue = new Queue(apqn);
  queue.driver = neverSeen(s);
  if (queue.driver !== "absent") {
    queue.linked = unknown;
    queue.owner = unknown;
    queue.resetRc = unknown;
    queue.savedIsc = unknown;
    queue.savedNib = unknown;
    queue.heldBy = unknown;
  }
  s.journal.add(s.queues, apqn, queue);
  return queue;
}

/** A queue that nothing mentioned: absent where the snapshot lists the devices, else not known. */
function neverSeen(s: ApState): Known<QueueDriver> {
  return s.host.devicesListed ? "absent" : unknown;
}

/** Whether the host configuration of the last scan has the APQN: without it there is no device (SCAN-2, SCAN-3). */
export function configured(s: ApState, apqn: number): Tri {
  if (s.host.qci === false) return "unknown";
  return and(has(s.host.busApm, apqn >> 8), has(s.host.busAqm, apqn & 0xff));
}

export function isReserved(s: ApState, apqn: number): Tri {
  return and(has(s.host.apmask, apqn >> 8), has(s.host.aqmask, apqn & 0xff));
}

/**
 * The driver of a queue as it can be by now. vfio_ap's queues come and go with a recorded line; the others can come and
 * go in scans that leave none (SCAN-7): a missing device may have been made, and one may have vanished where the scans
 * that take something out of the configuration leave no line either. That a queue stops to answer while the
 * configuration still names it is not considered.
 */
export function driverNow(x: Trial, s: ApState, queue: Queue): Known<QueueDriver> {
  const { driver } = queue;
  if (driver === "vfio_ap") {
    return x.observability.sees("queue_remove") ? driver : oneOf<QueueDriver>(["vfio_ap", "absent"]);
  }
  if (!isKnown(driver)) return driver;
  const there = configured(s, queue.apqn);
  if (there === false) return "absent";
  if (driver !== "absent" && stays(x, s, there)) return driver;
  const made: QueueDriver[] = isReserved(s, queue.apqn) === false ? ["none"] : ["default"];
  if (isReserved(s, queue.apqn) === "unknown") made.push("none");
  if (!x.observability.sees("queue_probe")) made.push("vfio_ap");
  return oneOf<QueueDriver>([...new Set<QueueDriver>([driver, "absent", ...made])]);
}

/** Whether a device that was there still is: the configuration names it, and a change of that leaves a line. */
function stays(x: Trial, s: ApState, there: Tri): boolean {
  return there === true && s.parameters.dynamic && s.host.qci === true && x.observability.sees("cfg_changed");
}

/** Whether vfio_ap can take queues of that adapter (DRV-2): by the type of the card, or because it has one. */
export function takesType(s: ApState, apid: number): Tri {
  const type = s.cards.get(apid)?.type ?? unknown;
  if (isKnown(type)) return type >= 10;
  for (const queue of s.queues.values()) if (queue.apid === apid && queue.driver === "vfio_ap") return true;
  return "unknown";
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
