import { emptyMask } from "../../event/mask.js";
import type { Operation } from "../../operation/operation.js";
import { Bits, possible, unknownBits } from "../core/bits.js";
import { is, isKnown, type Known, oneOf, unknown } from "../core/known.js";
import type { Observability } from "../core/observability.js";
import type { Trial } from "../core/trial.js";
import { cloneState } from "./clone.js";
import { forgetSaved } from "./ledger.js";
import { assignee } from "./queues.js";
import type { ApState, Guest, Mdev, Queue, QueueDriver } from "./state.js";
import { removeNode } from "./table.js";

/**
 * What can change between two operations without a line, because its recorder did not run, is not known any more: all
 * that scans change where their probes are missing, all that calls change where calls are.
 */
export function forgetUnseen(x: Trial, s: ApState): void {
  if (scansUnseen(x, s)) widenScans(s);
  if (callsUnseen(x, s)) widenCalls(x, s);
  else if (s.host.unseenGuests) {
    widenGuests(s);
    if (!x.observability.sees("reset_queue") && !x.observability.sees("hw_zapq")) widenResets(s);
  }
  if (pqapsUnseen(x)) widenInterrupts(s);
}

/** Whether a scan may change something without a line that tells it. */
export function scansUnseen({ observability }: Trial, s: ApState): boolean {
  const queues = observability.sees("queue_probe") && observability.sees("queue_remove");
  return !queues || (s.parameters.dynamic && !observability.sees("cfg_changed"));
}

/** Whether somebody's system calls leave no line. */
export function callsUnseen(x: Trial, s: ApState): boolean {
  return !x.observability.syscalls || s.host.unseenCalls;
}

/** Whether a call is on an attribute: what an administrator does. */
export function isOnAttribute({ kind }: Operation["call"]): boolean {
  return kind === "attribute-open" || kind === "attribute-write" || kind === "attribute-read";
}

/** Whether a call is on a VM, a VFIO group or a device: what a VMM does. */
export function isOfVmm({ kind }: Operation["call"]): boolean {
  switch (kind) {
    case "vm-create":
    case "vm-close":
    case "vm-change":
    case "guest-set":
    case "group-open":
    case "group-close":
    case "device-open":
    case "device-close":
    case "device-ioctl":
    case "dma-unmap":
    case "closes":
      return true;
    default:
      return false;
  }
}

/**
 * A recorder of system calls sees the tasks that it was told to follow. While it has shown no call on any attribute, it may
 * be following the VMM alone: what contradicts the snapshot then shows that somebody else has written (strace -p). While it
 * has shown no call of a VMM, it may be following the administrator alone: then an mdev can have a guest that nothing told.
 */
export function doubted(s: ApState, group: readonly Operation[], observability: Observability): ApState | undefined {
  const { host } = s;
  if (!observability.syscalls || host.unseenCalls) return undefined;
  if (!host.administered && !group.some(({ call }) => isOnAttribute(call))) return doubting(s, "unseenCalls");
  if (host.unseenGuests || host.hosted || attachSeen(observability)) return undefined;
  return group.some(({ call }) => isOfVmm(call)) ? undefined : doubting(s, "unseenGuests");
}

function doubting(s: ApState, unseen: "unseenCalls" | "unseenGuests"): ApState {
  const copy = cloneState(s);
  copy.journal.set(copy.host, unseen, true);
  copy.journal.commit();
  return copy;
}

/** Whether the guests of mdevs leave a line of the driver, whoever starts and stops them. */
function attachSeen(observability: Observability): boolean {
  return observability.sees("mdev_set_kvm") && observability.sees("mdev_unset_kvm");
}

/**
 * Whether a guest's PQAP may register or free something without a line: where the instruction itself leaves none, it
 * shows in what it pins and registers, unpins and unregisters (IRQ-1, IRQ-10).
 */
function pqapsUnseen({ observability }: Trial): boolean {
  if (observability.sees("pqap_entry")) return false;
  const enables = observability.sees("pin_pages") || observability.sees("gisc_register");
  const disables = observability.sees("unpin_pages") || observability.sees("gisc_unregister");
  return !enables || !disables;
}

/**
 * Lines were lost: scans and intercepted PQAPs that leave no other trace may have run. What they can change is not known
 * any more; what calls change (matrices, masks, guests of mdevs) is, as calls were recorded elsewhere.
 */
export function widen(s: ApState): void {
  widenScans(s);
  // Where no VMM's calls are recorded, the lines that were lost may have been all that told of a guest.
  if (!s.host.hosted) widenGuests(s);
  for (const queue of s.queues.values()) forgetReset(s, queue);
  widenInterrupts(s);
}

function forgetLedgers(s: ApState): void {
  for (const guest of s.guests.values()) forgetLedger(s, guest);
}

/** The guests of which something is, or may be, registered for a queue. */
export function holders(s: ApState, { heldBy }: Queue): readonly Guest[] {
  if (isKnown(heldBy)) return heldBy === null ? [] : [heldBy];
  return [...s.guests.values()].filter((guest) => guest.live);
}

/** What is registered and pinned for a guest is not known any more. */
export function forgetLedger(s: ApState, guest: Guest): void {
  for (const field of ["gisc", "alertMask", "pins", "leaks"] as const) s.journal.set(guest, field, unknown);
}

/** A guest's PQAP may have run: what is registered for the queues of vfio_ap, and pinned, is not known any more. */
export function widenInterrupts(s: ApState): void {
  for (const queue of s.queues.values()) {
    if (is<QueueDriver>(queue.driver, "vfio_ap") === false) continue;
    forgetSaved(s, queue);
    s.journal.set(queue, "irq", unknown);
    // AQIC-10: a guest's AQIC makes the queue point to its mdev.
    if (s.parameters.profile === "aqic-v9") s.journal.set(queue, "owner", unknown);
  }
  forgetLedgers(s);
}

/** A scan may have run: it takes queues away and makes new ones, changes the configuration, and so the shadows. */
function widenScans(s: ApState): void {
  const { host, journal } = s;
  for (const field of ["busApm", "busAqm", "busAdm"] as const) journal.set(host, field, unknownBits);
  if (s.parameters.dynamic) {
    for (const field of ["infoApm", "infoAqm", "infoAdm"] as const) journal.set(host, field, unknownBits);
  }
  journal.set(host, "devicesListed", false);
  for (const queue of s.queues.values()) widenQueue(s, queue);
  if (!s.parameters.dynamic) return;
  for (const m of s.mdevs.values()) if (m.present !== false) widenShadow(s, m);
  for (const guest of s.guests.values()) if (guest.hook !== null) blurMasks(s, guest);
}

/** Somebody's calls leave no line: matrices, masks and the guests of mdevs can be any. */
function widenCalls(x: Trial, s: ApState): void {
  const { host, journal } = s;
  const told = x.certain("mdev_set_kvm") && x.certain("mdev_unset_kvm");
  for (const field of ["apmask", "aqmask"] as const) journal.set(host, field, unknownBits);
  for (const field of ["available", "hiddenMdevs", "configTime", "domain", "loaded"] as const) {
    journal.set(host, field, unknown);
  }
  for (const m of s.mdevs.values()) {
    journal.set(m, "present", unknown);
    forgetMatrix(s, m);
    if (!told) journal.set(m, "kvm", unknown);
    journal.set(m, "open", unknown);
  }
  for (const queue of s.queues.values()) {
    journal.set(queue, "linked", unknown);
    journal.set(queue, "owner", unknown);
  }
  for (const guest of s.guests.values()) {
    if (!told) {
      journal.set(guest, "hook", unknown);
      journal.set(guest, "refs", unknown);
    }
    if (guest.hook !== null) blurMasks(s, guest);
  }
  for (const group of s.groups.values()) journal.set(group, "holders", unknown);
}

/** Guests come and go without a line. */
function widenGuests(s: ApState): void {
  const { journal } = s;
  for (const m of s.mdevs.values()) {
    if (m.present === false) continue;
    journal.set(m, "kvm", unknown);
    journal.set(m, "open", unknown);
    // In linux-6.1 a start leaves the shadow as it is (MDEV-6).
    if (s.parameters.old) widenShadow(s, m);
  }
  for (const guest of s.guests.values()) {
    journal.set(guest, "hook", unknown);
    journal.set(guest, "refs", unknown);
    blurMasks(s, guest);
  }
  for (const group of s.groups.values()) journal.set(group, "holders", unknown);
}

/** A guest that stops has its queues reset, and what it had registered freed. */
function widenResets(s: ApState): void {
  for (const queue of s.queues.values()) {
    if (is<QueueDriver>(queue.driver, "vfio_ap") !== false) forgetReset(s, queue);
  }
  forgetLedgers(s);
}

/** Matrix and shadow of an mdev are not known. */
export function forgetMatrix(s: ApState, m: Mdev): void {
  for (const side of ["apm", "aqm", "adm", "shApm", "shAqm", "shAdm"] as const) s.journal.set(m, side, unknownBits);
}

/** What a guest runs with is not known. */
export function blurMasks(s: ApState, guest: Guest): void {
  for (const side of ["apm", "aqm", "adm"] as const) s.journal.set(guest, side, unknownBits);
}

/** A queue may have been reset, or gone: what was registered for it may be freed, kept or lost. Nothing new can be. */
export function forgetReset(s: ApState, queue: Queue): void {
  if (queue.savedIsc !== null || queue.savedNib !== null) {
    for (const guest of holders(s, queue)) forgetLedger(s, guest);
    forgetSaved(s, queue);
  }
  s.journal.set(queue, "resetRc", unknown);
  s.journal.set(queue, "irq", unknown);
}

function widenQueue(s: ApState, queue: Queue): void {
  const { journal } = s;
  const driver = everyDriver(queue.driver);
  if (driver === queue.driver) {
    mayLink(s, queue);
    return;
  }
  journal.set(queue, "driver", driver);
  // It may have been made anew and linked again: its places among the others are not known.
  journal.set(queue, "order", 0);
  journal.set(queue, "linkedAt", 0);
  // Whether it stands in a table is open, and with it whether one runs in a circle (ASG-6).
  removeNode(s, queue);
  journal.set(queue, "linked", orNone(queue.linked));
  journal.set(queue, "owner", orNone(queue.owner));
  forgetReset(s, queue);
}

/** A queue that was found to be in no table (AQIC-5), and of which it is open whether vfio_ap has it: a scan may have brought it. */
function mayLink(s: ApState, queue: Queue): void {
  if (queue.linked !== null || isKnown(queue.driver) || is(queue.driver, "vfio_ap") === false) return;
  const m = assignee(s, queue.apqn);
  if (m !== null) s.journal.set(queue, "linked", isKnown(m) ? oneOf<Mdev | null>([m, null]) : unknown);
}

/** A scan can take any queue away, and bring one to vfio_ap. */
function everyDriver(driver: Known<QueueDriver>): Known<QueueDriver> {
  if (!isKnown(driver)) return driver;
  if (driver === "default") return oneOf<QueueDriver>(["default", "absent"]);
  if (driver === "vfio_ap") return oneOf<QueueDriver>(["vfio_ap", "absent"]);
  return oneOf<QueueDriver>(["absent", "none", "default", "vfio_ap"]);
}

function orNone(mdev: Known<Mdev | null>): Known<Mdev | null> {
  if (!isKnown(mdev)) return mdev;
  return mdev === null ? unknown : oneOf<Mdev | null>([mdev, null]);
}

/** Some of these bits, it is not known which. */
export function within(bits: Bits): Bits {
  return new Bits(emptyMask, possible(bits));
}

/** The shadow is somewhere within the matrix (INV-2). */
function widenShadow(s: ApState, m: Mdev): void {
  s.journal.set(m, "shApm", within(m.apm));
  s.journal.set(m, "shAqm", within(m.aqm));
  s.journal.set(m, "shAdm", s.parameters.profile === "linux-6.1" ? within(m.adm) : unknownBits);
}
