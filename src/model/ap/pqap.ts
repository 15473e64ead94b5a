import type { Word } from "../../event/word.js";
import { sameWord, wordOf, wordText } from "../../event/word.js";
import type { ApCall } from "../../operation/ap/call.js";
import * as bits from "../core/bits.js";
import { and, is, isKnown, not, type Tri } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { disable } from "./disable.js";
import { enable, madeStatus } from "./enable.js";
import { newGuest, pointerFits, unmetGuest } from "./guests.js";
import { aqicRule, V9 } from "./profile.js";
import { queueAt } from "./queues.js";
import { type ApState, type Guest, type Mdev, type Queue, type QueueDriver, VcpuTask } from "./state.js";
import { responseCode } from "./status.js";
import { has } from "./table.js";

export const PQAP_2 = aqicRule(
  "PQAP-2",
  "Host without AP instructions",
  "The instruction is left to user space (-EOPNOTSUPP).",
  "priv.c:handle_pqap",
);
export const PQAP_3 = aqicRule(
  "PQAP-3",
  "Guest not allowed to use AP",
  "With AP interpretation off for the CPU the instruction is left to user space.",
  "priv.c:handle_pqap",
);
export const PQAP_4 = aqicRule(
  "PQAP-4",
  "Function code is not AQIC",
  "Every other function is left to user space, before the problem state is looked at.",
  "priv.c:handle_pqap",
);
export const PQAP_5 = aqicRule(
  "PQAP-5",
  "Problem state",
  "A privileged-operation program interruption.",
  "priv.c:handle_pqap",
);
export const PQAP_6 = aqicRule(
  "PQAP-6",
  "Reserved bits 41 to 47 of GR0",
  "A specification program interruption.",
  "priv.c:handle_pqap",
);
export const PQAP_7 = aqicRule(
  "PQAP-7",
  "T bit without the APFT facility",
  "A specification program interruption; with facility 15 the bit is ignored.",
  "priv.c:handle_pqap",
);
export const PQAP_8 = aqicRule(
  "PQAP-8",
  "APQN too wide without APXA",
  "With a CRYCB that is not of format 2, adapters above 63 and domains above 15 give a specification program interruption.",
  "priv.c:handle_pqap",
);
export const PQAP_9 = aqicRule(
  "PQAP-9",
  "AQIC facility missing",
  "Without facility 65 a specification program interruption, after all checks of GR0.",
  "priv.c:handle_pqap",
);
export const PQAP_11 = aqicRule(
  "PQAP-11",
  "Condition code after the hook",
  "Condition code 3 if the response code is not 00, else the condition code stays as it was.",
  "priv.c:handle_pqap",
);
export const PQAP_12 = aqicRule(
  "PQAP-12",
  "No hook",
  "Response code 01 goes into the high word of GR1, the low word keeps the request, condition code 3.",
  "priv.c:handle_pqap",
);
export const PQAP_13 = aqicRule(
  "PQAP-13",
  "Left to user space",
  "Nothing changes: no register, no PSW, no driver state.",
  "kvm-s390.c:vcpu_post_run",
);
export const PQAP_14 = aqicRule(
  "PQAP-14",
  "Program interruption",
  "The interruption is queued; registers and condition code stay and no driver state changes.",
  "kvm-s390.h:kvm_s390_inject_program_int",
);
export const AQIC_1 = aqicRule(
  "AQIC-1",
  "No GISA, no service",
  "Without adapter-interruption virtualization the instruction is left to user space, before any lock.",
  "vfio_ap_ops.c:handle_pqap",
);
export const AQIC_5 = aqicRule(
  "AQIC-5",
  "Finding the queue",
  "The queue must be in the table of the hook's mdev.",
  "vfio_ap_mdev_get_queue",
);
export const AQIC_10 = aqicRule(
  "AQIC-10",
  "Association on demand",
  "A queue gets its mdev with each request of the guest that finds it; assignment and probe do not set it.",
  "v9 3/4 vfio_ap_get_queue",
  V9,
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

type Pqap = Extract<ApCall, { kind: "pqap" }>;

/** How an instruction ended, as far as it was recorded. */
type Ending = "userspace" | "interruption" | "answered";

const PRIVILEGED = 0x0002;
const SPECIFICATION = 0x0006;

/** One intercepted PQAP: handler K, and handler V where it is called (vfio-ap-aqic 4.1, 4.2). */
export function pqap(x: Trial, s: ApState, call: Pqap): void {
  const guest = guestOfTask(x, s, call);
  if (handlerK(x, s, guest, call)) return;
  if (isKnown(guest.hook) && guest.hook?.tainted !== undefined) {
    x.cannotCheck(guest.hook.tainted);
    x.takeAll();
    return;
  }
  handlerV(x, s, guest, call);
}

/** The guest whose vCPU the task runs: known from before, named by a line of this instruction, or any that it can be. */
function guestOfTask(x: Trial, s: ApState, call: Pqap): Guest {
  const known = s.vcpus.get(call.tid);
  if (known !== undefined && isKnown(known.guest) && known.guest.live) return known.guest;
  const named = x.ahead("gisc_register", () => true) ?? x.ahead("gisc_unregister", () => true);
  const candidates = [...s.guests.values()].filter(
    (guest) => guest.live && (named === undefined || pointerFits(guest, named.kvm)),
  );
  const exact = candidates.filter((guest) => named !== undefined && guest.pointer === named.kvm);
  const guests = exact.length > 0 ? exact : candidates;
  const stranger = exact.length === 0 && mayBeStranger(s, guests) ? 1 : 0;
  const guest = guests[x.choose(guests.length + stranger)];
  if (guest === undefined && named === undefined) return unmetGuest(s);
  const chosen = guest ?? newGuest(s, named?.kvm, undefined);
  runs(s, call.tid, chosen);
  return chosen;
}

/** The task runs a vCPU of that guest. */
function runs(s: ApState, tid: number, guest: Guest): void {
  const known = s.vcpus.get(tid);
  const task = known ?? new VcpuTask(tid);
  if (known === undefined) s.journal.add(s.vcpus, tid, task);
  s.journal.set(task, "guest", guest);
}

/** Whether a guest that was not met yet can have run the instruction: one that ran before the recording began, or is forgotten. */
function mayBeStranger(s: ApState, guests: readonly Guest[]): boolean {
  if (guests.length === 0 || s.guestsForgotten) return true;
  if (guests.some((guest) => guest.pointer === undefined && guest.vm === undefined)) return false;
  for (const m of s.mdevs.values()) if (m.present !== false && !isKnown(m.kvm)) return true;
  return false;
}

/** PQAP-2 to PQAP-9 and PQAP-12, in this order; true if one of them ended the instruction. */
function handlerK(x: Trial, s: ApState, guest: Guest, call: Pqap): boolean {
  const { lo } = call.gr0;
  const ends = (condition: Tri, ending: Ending, rule: Rule, pgm?: number): boolean => {
    if (!endsHere(x, call, condition, ending, pgm)) return false;
    ended(x, call, ending, rule, pgm);
    return true;
  };
  if (ends(not(is(s.host.apInstructions, true)), "userspace", PQAP_2)) return true;
  const apie = call.eca === undefined ? is(guest.apie, true) : (call.eca.lo & 0x8) !== 0;
  if (ends(not(apie), "userspace", PQAP_3)) return true;
  if (ends(lo >>> 24 !== 0x03, "userspace", PQAP_4)) return true;
  if (ends(call.problemState ?? "unknown", "interruption", PQAP_5, PRIVILEGED)) return true;
  if (ends((lo & 0x007f0000) !== 0, "interruption", PQAP_6, SPECIFICATION)) return true;
  if ((lo & 0x00800000) !== 0) {
    if (ends(not(is(guest.fac15, true)), "interruption", PQAP_7, SPECIFICATION)) return true;
    s.journal.set(guest, "fac15", true);
  }
  if ((lo & 0xc0f0) !== 0) {
    if (ends(not(is(guest.format, 2)), "interruption", PQAP_8, SPECIFICATION)) return true;
    s.journal.set(guest, "format", 2);
  }
  if (ends(not(is(guest.fac65, true)), "interruption", PQAP_9, SPECIFICATION)) return true;
  if (!isKnown(guest.fac65)) s.journal.set(guest, "fac65", true);
  if (x.either(hookMissing(guest))) {
    x.by(PQAP_12);
    exits(x, call, 0, wordOf(0x00010000, call.gr1.lo), 3, PQAP_12);
    return true;
  }
  return false;
}

function hookMissing(guest: Guest): Tri {
  return is<Mdev | null>(guest.hook, null);
}

/** Whether a check ends the instruction here: by what is known, else by what the exit shows. */
function endsHere(x: Trial, call: Pqap, condition: Tri, ending: Ending, pgm: number | undefined): boolean {
  if (condition !== "unknown") return condition;
  const { exit } = call;
  if (exit === undefined) return x.either("unknown");
  if (ending === "userspace") return exit.rc === -95 && x.choose(2) === 0;
  const fits = exit.rc === 0 && sameWord(exit.gr1, call.gr1) && (exit.pgm === undefined || exit.pgm === pgm);
  return fits && x.choose(2) === 0;
}

function ended(x: Trial, call: Pqap, ending: Ending, rule: Rule, pgm: number | undefined): void {
  const after = ending === "userspace" ? PQAP_13 : PQAP_14;
  x.by(rule, after);
  exits(x, call, ending === "userspace" ? -95 : 0, call.gr1, undefined, rule);
  if (call.exit?.pgm !== undefined && pgm !== undefined && call.exit.pgm !== pgm) {
    x.differs(`program interruption ${pgm.toString(16)}`, call.exit.pgm.toString(16), rule, after);
  }
}

/** AQIC-1 to AQIC-8, PQAP-11. */
function handlerV(x: Trial, s: ApState, guest: Guest, call: Pqap): void {
  const aiv = call.eca === undefined ? is(guest.aiv, true) : (call.eca.lo & 0x00200000) !== 0;
  if (endsHere(x, call, not(aiv), "userspace", undefined)) {
    ended(x, call, "userspace", AQIC_1, undefined);
    return;
  }
  if (!isKnown(guest.aiv)) s.journal.set(guest, "aiv", true);
  const apqn = call.gr0.lo & 0xffff;
  const queue = queueAt(s, apqn);
  const found = foundIn(x, s, guest, queue, apqn);
  const answer = call.exit?.gr1.lo;
  if (!foundQueue(x, found, answer)) {
    x.by(AQIC_5);
    writeStatus(x, call, madeStatus(0x01), AQIC_8);
    return;
  }
  learnHook(s, guest, queue, call.tid);
  learnLink(s, guest, queue);
  if (s.parameters.profile === "aqic-v9" && isKnown(guest.hook)) {
    x.by(AQIC_10);
    s.journal.set(queue, "owner", guest.hook);
  }
  const enabling = (call.gr1.hi & 0x8000) !== 0;
  const status = enabling
    ? enable(x, s, holder(guest, queue), queue, call.gr1.lo & 7, call.gr2, answer)
    : disable(x, s, queue, answer);
  if (status === undefined) x.cannotCheck("the host's AQIC is not recorded");
  else writeStatus(x, call, status, AQIC_7);
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
  if (queue.linked === null && s.parameters.dynamic) return false;
  if (queue.linked === null || !isKnown(queue.linked)) return "unknown";
  return is<Guest | null>(queue.linked.kvm, guest) === false ? false : "unknown";
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
  s.journal.set(guest, "hook", queue.linked);
  s.journal.set(queue.linked, "kvm", guest);
}

/** QUEUE-9: pin, ISC and freeing act on the queue's own mdev and its guest, which can be another one in dynamic-v12. */
function holder(guest: Guest, queue: Queue): Guest {
  const m = isKnown(queue.owner) ? queue.owner : null;
  return m !== null && isKnown(m.kvm) && m.kvm !== null ? m.kvm : guest;
}

/** A queue that was served is in the hook's table, and bound. */
function learnLink(s: ApState, guest: Guest, queue: Queue): void {
  if (!isKnown(queue.driver)) s.journal.set(queue, "driver", "vfio_ap");
  if (isKnown(queue.linked) || !isKnown(guest.hook) || guest.hook === null || !s.parameters.dynamic) return;
  s.journal.set(queue, "linked", guest.hook);
  s.journal.set(queue, "owner", guest.hook);
  s.journal.set(queue, "driver", "vfio_ap");
}

function foundQueue(x: Trial, found: Tri, answer: number | undefined): boolean {
  if (found !== "unknown") return found;
  if (answer === undefined) return x.either("unknown");
  // rc 01 without a line of the driver: not found; the same code can come from the hardware after a pin (5.4).
  const quiet = x.peek("pin_pages") === undefined && x.peek("hw_aqic") === undefined;
  if (answer === madeStatus(0x01) && quiet) return x.choose(2) === 1;
  return true;
}

function writeStatus(x: Trial, call: Pqap, status: number, rule: Rule): void {
  const failed = responseCode(status) !== 0;
  exits(x, call, 0, wordOf(0, status), failed ? 3 : undefined, rule, PQAP_11);
}

/** Holds the exit against what is expected; `cc` undefined: as before the instruction. */
function exits(x: Trial, call: Pqap, rc: number, gr1: Word, cc: number | undefined, ...rules: readonly Rule[]): void {
  const { exit } = call;
  if (exit === undefined) {
    x.cannotCheck("result unknown: the exit of the instruction was not recorded");
    return;
  }
  const expectedCc = cc ?? call.ccBefore;
  if (exit.rc !== rc) x.differs(`rc ${rc}`, `rc ${exit.rc}`, ...rules);
  else if (!sameWord(exit.gr1, gr1)) x.differs(`gr1 ${wordText(gr1)}`, `gr1 ${wordText(exit.gr1)}`, ...rules);
  else if (expectedCc !== undefined && exit.cc !== expectedCc) {
    x.differs(`cc ${expectedCc}`, `cc ${exit.cc}`, ...rules);
  } else x.agrees(...rules);
}
