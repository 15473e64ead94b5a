import { has } from "../core/bits.js";
import { isKnown, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { aqicRule } from "./profile.js";
import type { ApState, Queue } from "./state.js";
import { interruptsOn, queueEmpty, queueFull, rcText, repliesWaiting, responseCode } from "./status.js";

export const CODES = aqicRule(
  "5.1",
  "What hardware may answer",
  "An enabling AQIC answers 00 to 08 and nothing else. Unlikely, and remarked only: 06 or 08 to a disabling one, codes above 05 to ZAPQ or TAPQ, and 07 where the interrupt was believed to be in the other state.",
  "vfio-ap-aqic 5.1",
);
export const IRQ_12 = aqicRule(
  "IRQ-12",
  "Invisible guest reset",
  "A guest's own reset turns the interrupt off in hardware and leaves what is registered; the next enable, disable or reset collects it.",
  "v9 cover letter, section 1",
);
export const IRQ_14 = aqicRule(
  "IRQ-14",
  "Interrupt delivery",
  "A reply on a queue with its interrupt on writes the NIB and makes the guest's ISC pending; no line of the driver. It cannot happen where nothing is registered.",
  "interrupt.c, GISA handling; architecture",
);

/** A status word of a queue was seen in this operation. */
export function sawStatus(s: ApState, queue: Queue, status: number): void {
  s.journal.set(queue, "status", status);
  s.journal.set(queue, "statusIn", s.current);
}

/** Codes that an enabling AQIC can answer (5.1). */
export function canAnswerEnable(status: number): boolean {
  return responseCode(status) <= 0x08;
}

/** The host enabled the interrupt of a queue, or tried to: what its answer tells of the hardware (1.6). */
export function learnEnable(x: Trial, s: ApState, queue: Queue, status: number): void {
  const rc = responseCode(status);
  if (rc === 0x07 && queue.irq === false) {
    x.remark("response code 07 to an enable of an interrupt that was off", CODES);
  }
  if (rc === 0x00 && queue.irq === true) x.by(IRQ_12);
  if (rc === 0x00) {
    // The word may show the new state already.
    sawStatus(s, queue, status);
    s.journal.set(queue, "irq", true);
    return;
  }
  // 5.1: where 07 surprises, the remark above is all that is said of its interrupt bit.
  take(x, s, queue, status, rc === 0x07);
  if (rc === 0x07) s.journal.set(queue, "irq", true);
}

/** 5.1: codes that make no sense for a disable. */
export function remarkDisable(x: Trial, rc: number): void {
  if (rc === 0x06 || rc >= 0x08) x.remark(`response code ${rcText(rc)} to a disable`, CODES);
}

/** The host disabled the interrupt of a queue, or tried to. */
export function learnDisable(x: Trial, s: ApState, queue: Queue, status: number): void {
  const rc = responseCode(status);
  take(x, s, queue, status);
  remarkDisable(x, rc);
  // The guest, or an error of the adapter, has reset the queue meanwhile.
  if (rc === 0x07 && queue.irq === true) x.by(IRQ_12);
  if (rc === 0x00 || rc === 0x07) s.journal.set(queue, "irq", false);
}

/** The host's AQIC was not recorded; `status`: what the guest was told that it answered, where that is. */
export function learnUnseen(s: ApState, queue: Queue, enabling: boolean, status: number | undefined): void {
  const rc = status === undefined || s.host.aqicStatus !== "true" ? undefined : responseCode(status);
  s.journal.set(queue, "irq", rc === 0x00 || rc === 0x07 ? enabling : unknown);
}

/** The host reset a queue, or tried to. */
export function learnReset(x: Trial, s: ApState, queue: Queue, status: number): void {
  const rc = responseCode(status);
  take(x, s, queue, status);
  if (rc > 0x05) x.remark(`response code ${rcText(rc)} to a reset`, CODES);
  if (rc === 0x00) s.journal.set(queue, "irq", false);
}

/** The host tested a queue. After a disable or a reset the interrupt bit may stay set for a while. */
export function learnTest(x: Trial, s: ApState, queue: Queue, status: number): void {
  const rc = responseCode(status);
  if (rc > 0x05) x.remark(`response code ${rcText(rc)} to a test of a queue`, CODES);
  sawStatus(s, queue, status);
  if (interruptsOn(status)) {
    if (queue.irq === false) s.journal.set(queue, "irq", unknown);
  } else if (rc === 0x00 || rc === 0x02) s.journal.set(queue, "irq", false);
}

/** Whether anything that is registered, or leaked, explains that the interrupt of a queue is on. */
function mayInterrupt(s: ApState, queue: Queue): boolean {
  if (queue.savedIsc !== null) return true;
  for (const guest of s.guests.values()) {
    if (!isKnown(guest.leaks)) return true;
    if (guest.leaks.some(({ apqn }) => apqn === queue.apqn)) return true;
  }
  return false;
}

/** Whether a word says that the interrupt was off; other codes than these tell nothing of it. */
function showsOff(status: number): boolean {
  const rc = responseCode(status);
  return !interruptsOn(status) && (rc === 0x00 || rc === 0x02 || rc === 0x07);
}

/** A status word of an instruction that changes the interrupt: its I bit is that of the moment. */
function take(x: Trial, s: ApState, queue: Queue, status: number, explained = false): void {
  // 5.1: after a disable or a reset I may stay 1 for a while; it cannot come back once it was seen off.
  const seenOff = queue.irq === false && queue.status !== undefined && showsOff(queue.status);
  sawStatus(s, queue, status);
  if (!interruptsOn(status)) return;
  if (repliesWaiting(status)) x.by(IRQ_14);
  if (seenOff && !explained && !mayInterrupt(s, queue)) s.journal.set(queue, "strayIrq", true);
  if (queue.irq === false || !isKnown(queue.irq)) s.journal.set(queue, "irq", true);
}

/** The status of a queue as it can be by now, in the JSON form of design section 4. */
export interface QueueStatus {
  readonly empty: boolean | "unknown";
  readonly replies: boolean | "unknown";
  readonly full: boolean | "unknown";
  readonly irq: boolean | "unknown";
  readonly rc: number;
}

/**
 * Fields of the last status word, and I as it will be (1.6). What a guest that can use the queue may have changed since
 * is not known: it fills and empties the queue, and may reset it, which turns the interrupt off, but never on.
 */
export function statusOf(s: ApState, queue: Queue): QueueStatus | undefined {
  const { status } = queue;
  if (status === undefined) return undefined;
  const open = queue.statusIn !== s.current && usedByGuest(s, queue);
  const flag = (set: boolean): boolean | "unknown" => (open ? "unknown" : set);
  return {
    empty: flag(queueEmpty(status)),
    replies: flag(repliesWaiting(status)),
    full: flag(queueFull(status)),
    irq: !isKnown(queue.irq) || (open && queue.irq) ? "unknown" : queue.irq,
    rc: responseCode(status),
  };
}

/** Whether some guest has, or may have, the queue in its masks. */
function usedByGuest(s: ApState, queue: Queue): boolean {
  for (const { live, apm, aqm } of s.guests.values()) {
    if (live && has(apm, queue.apid) !== false && has(aqm, queue.apqi) !== false) return true;
  }
  return false;
}
