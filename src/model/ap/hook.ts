import * as bits from "../core/bits.js";
import { and, is, isKnown, not, OneOf, type Tri } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { loadGuest } from "./apcb.js";
import { disable } from "./disable.js";
import { enable, leftOf, madeStatus } from "./enable.js";
import { ended, endsHere, exits, type Pqap, writeStatus } from "./exit.js";
import { learnFact } from "./guest-facts.js";
import { mayBeSame, unite } from "./guests.js";
import { AQIC_4 } from "./ledger.js";
import { aqicRule, V9, V9_V12, V12_V61 } from "./profile.js";
import { queueAt } from "./queues.js";
import { refusedBy } from "./refusal.js";
import type { ApState, Guest, Mdev, Queue, QueueDriver } from "./state.js";
import { has, isLiteral, learnLinked, neverFound } from "./table.js";
import { type Cpu, ecaBit, learnEca, runs } from "./vcpus.js";

export const AQIC_1 = aqicRule(
  "AQIC-1",
  "No GISA, no service",
  "Without adapter-interruption virtualization the instruction is left to user space, before any lock.",
  "vfio_ap_ops.c:handle_pqap",
);
export const AQIC_2 = aqicRule(
  "AQIC-2",
  "Serialization",
  "One mutex of the driver is held until the status is written: requests, resets, removals and attaches never interleave.",
  "vfio_ap_ops.c:handle_pqap",
);
export const AQIC_3 = aqicRule(
  "AQIC-3",
  "The hook vanished",
  "Read again under the mutex, the hook can be gone: the guest gets the default status. Only where a close ran at the same time.",
  "v9 3/4 vfio_ap_ops.c:handle_pqap",
  V9_V12,
);
export const AQIC_5 = aqicRule(
  "AQIC-5",
  "Finding the queue",
  "The queue must be in the table of the hook's mdev; in aqic-v9 in its matrix, and bound.",
  "vfio_ap_mdev_get_queue",
);
export const AQIC_6 = aqicRule(
  "AQIC-6",
  "Operands",
  "IR is bit 16 of GR1, the ISC its bits 61 to 63, the NIB all of GR2; everything else is ignored.",
  "vfio_ap_ops.c:handle_pqap",
);
export const AQIC_7 = aqicRule(
  "AQIC-7",
  "Writing the status",
  "GR1 becomes the status word, its high half zero.",
  "vfio_ap_ops.c:handle_pqap",
);
export const AQIC_8 = aqicRule(
  "AQIC-8",
  "Default status",
  "A request for a queue that is not served answers response code 01 with no flags.",
  "vfio_ap_ops.c:handle_pqap",
);
export const AQIC_9 = aqicRule(
  "AQIC-9",
  "The guest's masks are not asked",
  "A queue that is linked but kept out of the guest is served all the same.",
  "vfio_ap_mdev_get_queue, handle_pqap",
  V12_V61,
);
export const AQIC_10 = aqicRule(
  "AQIC-10",
  "Association on demand",
  "A queue gets its mdev with each request of the guest that finds it; assignment and probe do not set it.",
  "v9 3/4 vfio_ap_get_queue",
  V9,
);

/** AQIC-1 to AQIC-8, PQAP-11. */
export function handlerV(x: Trial, s: ApState, cpu: Cpu, call: Pqap): void {
  const { guest } = cpu;
  x.by(AQIC_2);
  if (endsHere(x, call, not(ecaBit(s, cpu, "aiv")), "userspace", undefined, true)) {
    learnEca(x, s, cpu, "aiv", false);
    refusedBy(x, "no-aiv");
    ended(x, call, "userspace", AQIC_1, undefined);
    return;
  }
  learnEca(x, s, cpu, "aiv", true);
  if (withoutGuest(x, s, guest, call)) return;
  const apqn = call.gr0.lo & 0xffff;
  const queue = queueAt(s, apqn);
  const found = foundIn(x, s, guest, queue, apqn);
  const answer = call.exit?.gr1.lo;
  if (!foundQueue(x, found, answer)) {
    x.by(AQIC_5);
    refusedBy(x, "queue-not-bound");
    writeStatus(x, call, madeStatus(0x01), 0, AQIC_8);
    if (found === "unknown") learnNotFound(x, s, guest, queue);
    return;
  }
  learnHook(s, guest, queue, call.tid);
  learnLink(s, guest, queue);
  serve(x, s, guest, queue, call);
}

/** AQIC-4, linux-6.1: an mdev without a guest is not served. Only the variant "hookFirst" of KVM-6 leaves one. */
function withoutGuest(x: Trial, s: ApState, guest: Guest, call: Pqap): boolean {
  if (s.parameters.old || !isKnown(guest.hook) || guest.hook === null || guest.hook.kvm !== null) return false;
  x.by(AQIC_4);
  refusedBy(x, "mdev-not-in-use");
  writeStatus(x, call, madeStatus(0x01), 0, AQIC_8);
  return true;
}

/** AQIC-6: the queue is the guest's, and its interrupt is turned on or off. */
function serve(x: Trial, s: ApState, guest: Guest, queue: Queue, call: Pqap): void {
  x.by(AQIC_5, AQIC_6);
  // AQIC-1 comes after PQAP-9, and needs a host that has the facility.
  if (!isKnown(s.host.fac65)) s.journal.set(s.host, "fac65", true);
  learnFact(x, s, guest, "fac65", true);
  if (s.parameters.dynamic && isFiltered(guest, queue)) x.by(AQIC_9);
  if (s.parameters.profile === "aqic-v9") {
    x.by(AQIC_10);
    s.journal.set(queue, "owner", guest.hook);
  }
  const answer = call.exit?.gr1.lo;
  const enabling = (call.gr1.hi & 0x8000) !== 0;
  const isc = call.gr1.lo & 7;
  const status = enabling
    ? enable(x, s, holder(guest, queue), queue, { isc, nib: call.gr2, answer })
    : disable(x, s, queue, answer);
  // IRQ-13: where the status is lost, the reserved bits may be what is left of the control word.
  const left = enabling && s.host.aqicStatus === "lost" ? leftOf(isc) : 0;
  if (status === undefined) x.cannotCheck("the host's AQIC is not recorded");
  else writeStatus(x, call, status, left, AQIC_7);
}

/** The queue is not in the guest's own masks. */
function isFiltered(guest: Guest, queue: Queue): boolean {
  return bits.has(guest.apm, queue.apid) === false || bits.has(guest.aqm, queue.apqi) === false;
}

/** AQIC-3: the answer of a request that met the hook and lost it to a close at the same time. */
export function vanished(x: Trial, s: ApState, call: Pqap): boolean {
  if (!s.parameters.old || !x.operation.overlapping || call.exit === undefined) return false;
  const { rc, gr1 } = call.exit;
  if (rc !== 0 || gr1.hi !== 0 || gr1.lo !== madeStatus(0x01)) return false;
  x.by(AQIC_2, AQIC_3);
  exits(x, call, { rc: 0, gr1, cc: 3 }, AQIC_3, AQIC_8);
  return true;
}

/**
 * AQIC-5: whether the queue is found: in the table of the hook's mdev, or (aqic-v9) in its matrix and bound.
 * @throws Hang where the look-up never ends.
 */
function foundIn(x: Trial, s: ApState, guest: Guest, queue: Queue, apqn: number): Tri {
  if (isKnown(guest.hook)) {
    if (guest.hook === null) return "unknown";
    return s.parameters.dynamic ? has(x, s, guest.hook, queue, apqn) : assignedAndBound(guest.hook, queue);
  }
  if (!s.parameters.dynamic) return foundInAny(s, guest, queue);
  if (queue.linked === null || neverFound(s, apqn)) return false;
  if (!isKnown(queue.linked)) return "unknown";
  return mayHave(queue.linked, guest) ? "unknown" : false;
}

function mayHave(m: Mdev, guest: Guest): boolean {
  if (is<Guest | null>(m.kvm, guest) !== false) return true;
  return isKnown(m.kvm) && m.kvm !== null && mayBeSame(m.kvm, guest);
}

/** Whether any mdev that the guest may have has the queue (aqic-v9). */
function foundInAny(s: ApState, guest: Guest, queue: Queue): Tri {
  if (is(s.host.hiddenMdevs, 0) !== true) return "unknown";
  for (const m of s.mdevs.values()) {
    if (m.present === false || !mayHave(m, guest)) continue;
    if (assignedAndBound(m, queue) !== false) return "unknown";
  }
  return false;
}

function assignedAndBound(m: Mdev, queue: Queue): Tri {
  const assigned = and(bits.has(m.apm, queue.apid), bits.has(m.aqm, queue.apqi));
  return and(assigned, is<QueueDriver>(queue.driver, "vfio_ap"));
}

/** A queue that was served shows whose guest this is: the mdev's that has it. */
function learnHook(s: ApState, guest: Guest, queue: Queue, tid: number): void {
  if (isKnown(guest.hook) || !isKnown(queue.linked) || queue.linked === null) return;
  if (!s.guests.has(guest.number)) {
    s.journal.add(s.guests, guest.number, guest);
    runs(s, tid, guest);
  }
  const { kvm } = queue.linked;
  if (isKnown(kvm) && kvm !== null && mayBeSame(kvm, guest)) unite(s, kvm, guest);
  s.journal.set(guest, "hook", queue.linked);
  loadGuest(s, guest, queue.linked);
  s.journal.set(queue.linked, "kvm", guest);
}

/** QUEUE-9: pin, ISC and freeing act on the queue's own mdev and its guest, which can be another one in dynamic-v12. */
function holder(guest: Guest, queue: Queue): Guest | null {
  const m = isKnown(queue.owner) ? queue.owner : null;
  return m !== null && isKnown(m.kvm) ? m.kvm : guest;
}

/** A queue that was served is in the hook's table, and bound. */
function learnLink(s: ApState, guest: Guest, queue: Queue): void {
  if (!isKnown(queue.driver)) s.journal.set(queue, "driver", "vfio_ap");
  if (isKnown(queue.linked) || !isKnown(guest.hook) || guest.hook === null || !s.parameters.dynamic) return;
  learnLinked(s, guest.hook, queue);
}

/**
 * AQIC-5: a queue that was not found is not in the table of the hook's mdev: where it can be in no other, it is in none. In
 * aqic-v9 one that is assigned is not bound. The old profiles answer the same where the hook has just vanished (AQIC-3).
 */
function learnNotFound(x: Trial, s: ApState, guest: Guest, queue: Queue): void {
  const { hook } = guest;
  if (x.lenient || !isKnown(hook) || hook === null || (s.parameters.old && x.operation.overlapping)) return;
  if (!s.parameters.dynamic) {
    const { driver } = queue;
    const assigned = and(bits.has(hook.apm, queue.apid), bits.has(hook.aqm, queue.apqi));
    if (assigned !== true || !(driver instanceof OneOf)) return;
    const [other, ...others] = driver.values.filter((one) => one !== "vfio_ap");
    if (other !== undefined && others.length === 0) s.journal.set(queue, "driver", other);
    return;
  }
  // Where tables are taken literally, its node may still hang in one (ASG-6).
  if (!isLiteral(s) && !mayBeInAnother(s, queue, hook)) s.journal.set(queue, "linked", null);
}

/** Whether another mdev may have the queue in its table, or one that was not met. */
function mayBeInAnother(s: ApState, { linked }: Queue, hook: Mdev): boolean {
  if (linked instanceof OneOf) return linked.values.some((m) => m !== hook && m !== null);
  if (is(s.host.hiddenMdevs, 0) !== true) return true;
  for (const m of s.mdevs.values()) if (m !== hook && m.present !== false) return true;
  return false;
}

function foundQueue(x: Trial, found: Tri, answer: number | undefined): boolean {
  if (found !== "unknown") return found;
  if (answer === undefined) return x.either("unknown");
  // rc 01 without a line of the driver: not found; the same code can come from the hardware after a pin (5.4).
  const quiet = x.peek("pin_pages") === undefined && x.peek("hw_aqic") === undefined;
  if (answer === madeStatus(0x01) && quiet) return x.choose(2) === 1;
  return true;
}
