import { sameWord, wordText, zeroWord } from "../../event/word.js";
import { apqnText } from "../../operation/ap/attribute.js";
import { is, isKnown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { free, IRQ_11 } from "./free.js";
import { IRQ_12, learnDisable, learnTest, learnUnseen, remarkDisable } from "./hardware.js";
import { aqicRule } from "./profile.js";
import type { ApState, Queue } from "./state.js";
import { interruptsOn, responseCode } from "./status.js";

export const IRQ_7 = aqicRule(
  "IRQ-7",
  "Disable",
  "Host AQIC with an empty control word; response codes 02 and 05 are tried again up to six times in all, 00 and 07 wait for the interrupt bit, and every way ends with the freeing of the registration.",
  "vfio_ap_irq_disable",
);
export const IRQ_8 = aqicRule(
  "IRQ-8",
  "Waiting for the interrupt bit",
  "Up to five TAPQs: 00 or 02 with the bit clear ends the wait, the bit set or 05 goes on, any other code gives up.",
  "vfio_ap_wait_for_irqclear",
);
export const IRQ_9 = aqicRule(
  "IRQ-9",
  "Disable exhausted",
  "After six attempts with 02 or 05 the registration is freed all the same, although the interrupt may still be on; the last status is returned.",
  "vfio_ap_irq_disable",
);
export const IRQ_13 = aqicRule(
  "IRQ-13",
  "Lost status on some hosts",
  "A host whose AQIC reads its status from the wrong half of the register sees response code 00 whatever the queue answered.",
  "asm/ap.h:ap_aqic",
);
export const IRQ_15 = aqicRule(
  "IRQ-15",
  "Disable without a registration",
  "The same sequence; hardware normally answers 07, which the guest gets, and there is nothing to free.",
  "vfio_ap_irq_disable",
);

const MAX_DISABLE_ATTEMPTS = 6;
const MAX_WAITS = 5;

/** IRQ-13: what the driver sees of the status that the hardware gave; `answer`: what the guest got, where that is it. */
export function seenStatus(x: Trial, s: ApState, hardware: number, answer: number | undefined): number {
  if (hardware === 0) return 0;
  // After a divergence nothing shows it for certain: a guess would make the next answers wrong.
  if (x.lenient && !isKnown(s.host.aqicStatus)) return answer === 0 ? 0 : hardware;
  const lost = x.either(is(s.host.aqicStatus, "lost"));
  if (!isKnown(s.host.aqicStatus)) s.journal.set(s.host, "aqicStatus", lost ? "lost" : "true");
  if (lost) x.by(IRQ_13);
  return lost ? 0 : hardware;
}

/**
 * IRQ-13: the status that the driver saw of an AQIC which is not recorded, by what the guest got. A host that loses it
 * gives none; in the reserved half may be left what the control word had there (`left`, 0 for none). Undefined where the
 * guest's answer is not recorded either.
 */
export function unseenStatus(x: Trial, s: ApState, answer: number | undefined, left: number): number | undefined {
  const { host, journal } = s;
  if (answer === undefined) return host.aqicStatus === "lost" ? 0 : undefined;
  if (!isKnown(host.aqicStatus)) {
    if (left !== 0 && answer === left) journal.set(host, "aqicStatus", "lost");
    else if (answer !== 0) journal.set(host, "aqicStatus", "true");
  }
  if (host.aqicStatus === "lost") {
    x.by(IRQ_13);
    return 0;
  }
  return answer & ~RESERVED;
}

/** Bits 16 to 31 of a status word: no machine sets them (2.5). */
const RESERVED = 0xffff;

/**
 * IRQ-7: disables the interrupt of a queue and frees its registration. The status of the last host AQIC, or `answer`
 * (what the guest got) where the host's instructions are not recorded.
 */
export function disable(x: Trial, s: ApState, queue: Queue, answer: number | undefined): number | undefined {
  x.by(IRQ_7);
  if (queue.savedIsc === null && queue.savedNib === null) x.by(IRQ_15);
  let status: number | undefined;
  let attempts = 0;
  while (attempts < MAX_DISABLE_ATTEMPTS) {
    const effect = x.expect(
      "hw_aqic",
      (seen) =>
        seen.apqn === queue.apqn && sameWord(seen.gr1, zeroWord) ? undefined : `hw_aqic ${wordText(seen.gr1)}`,
      () => "hw_aqic with an empty control word",
      IRQ_7,
    );
    if (effect === undefined) {
      status = unseenStatus(x, s, answer, 0);
      if (status !== undefined) remarkDisable(x, responseCode(status));
      learnUnseen(s, queue, false, status);
      skipHost(x, queue);
      break;
    }
    attempts++;
    learnDisable(x, s, queue, effect.status);
    status = seenStatus(x, s, effect.status, answer);
    const rc = responseCode(status);
    if (rc === 0x07 && isKnown(queue.savedIsc) && queue.savedIsc !== null) x.by(IRQ_12);
    if (rc === 0x00 || rc === 0x07) {
      waitForClear(x, s, queue);
      break;
    }
    if (rc !== 0x02 && rc !== 0x05) break;
    if (attempts === MAX_DISABLE_ATTEMPTS) exhausted(x, queue);
  }
  free(x, s, queue);
  if (s.parameters.profile === "aqic-v9") {
    x.by(IRQ_11);
    s.journal.set(queue, "owner", null);
  }
  // Where lines were lost, the last instruction that is recorded need not be the last.
  return x.lossy ? (unseenStatus(x, s, answer, 0) ?? status) : status;
}

/** IRQ-9. */
function exhausted(x: Trial, queue: Queue): void {
  x.by(IRQ_9);
  if (!isKnown(queue.savedNib) || queue.savedNib === null) return;
  x.knownDefect(
    `the NIB of ${apqnText(queue.apqn)} is unpinned although its interrupt may still be on: six attempts to disable it failed`,
    IRQ_9,
  );
}

/** The host's instructions on one queue where not all of them are recorded: those that are cannot be followed step by step. */
export function skipHost(x: Trial, queue: Queue): void {
  for (;;) {
    const apqn = x.peek("hw_tapq")?.apqn ?? x.peek("hw_aqic")?.apqn;
    if (apqn !== queue.apqn) return;
    x.skip();
  }
}

/** The polls of a reset whose ZAPQ is not recorded; an AQIC that follows is not part of it (RST-1, RST-4). */
export function skipPolls(x: Trial, queue: Queue): void {
  while (x.peek("hw_tapq")?.apqn === queue.apqn) x.skip();
}

/** IRQ-8. */
function waitForClear(x: Trial, s: ApState, queue: Queue): void {
  for (let poll = 1; poll <= MAX_WAITS; poll++) {
    const effect = x.expect(
      "hw_tapq",
      (seen) => (seen.apqn === queue.apqn ? undefined : `hw_tapq ${seen.apqn}`),
      () => "hw_tapq waiting for the interrupt bit",
      IRQ_8,
    );
    if (effect === undefined) return;
    learnTest(x, s, queue, effect.status);
    const rc = responseCode(effect.status);
    if ((rc === 0x00 || rc === 0x02) && !interruptsOn(effect.status)) return;
    if (rc !== 0x00 && rc !== 0x02 && rc !== 0x05) return;
  }
}
