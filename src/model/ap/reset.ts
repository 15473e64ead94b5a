import { apqnText } from "../../operation/ap/attribute.js";
import { is, isKnown, type Known, oneOf, unknown } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { disable, skipHost, skipPolls } from "./disable.js";
import { free, freeIfSeen } from "./free.js";
import { learnReset, learnTest, sawStatus } from "./hardware.js";
import { crash } from "./ledger.js";
import { aqicRule, V9_V12, V61 } from "./profile.js";
import { INV_20, INV_21, RST_9 } from "./reset-rules.js";
import type { ApState, Queue } from "./state.js";
import { interruptsOn, queueEmpty, responseCode, statusText } from "./status.js";

export const RST_1 = aqicRule(
  "RST-1",
  "Resetting one queue, old form",
  "ZAPQ, once more after response code 02 or 05; 00 succeeds after up to two polls for an empty queue, 02 or 05 twice give -EBUSY, any other code -EIO at once.",
  "v9 3/4 and v12 base vfio_ap_mdev_reset_queue",
  V9_V12,
);
export const RST_2 = aqicRule(
  "RST-2",
  "Resetting one queue",
  "ZAPQ, once more after response code 02. 00 succeeds, 02 twice and 01, 03, 04 give -EBUSY, any other code gives -EIO at once; the response code of each ZAPQ is remembered.",
  "vfio_ap_mdev_reset_queue",
  V61,
);
export const RST_3 = aqicRule(
  "RST-3",
  "Waiting for the reset to complete",
  "Up to two rounds: done when the queue is empty and the interrupt bit clear, else a TAPQ; then the interrupt resources are freed.",
  "vfio_ap_mdev_reset_queue",
  V61,
);
export const RST_4 = aqicRule(
  "RST-4",
  "Interrupt resources after a reset",
  "aqic-v9 disables the interrupt of a bound queue with a real AQIC; dynamic-v12 frees them; linux-6.1 frees them inside the reset, except where it ended with -EIO.",
  "vfio_ap_mdev_reset_queue",
);
export const RST_5 = aqicRule(
  "RST-5",
  "Remembered response code",
  "The response code of the last ZAPQ stays with the queue and keeps its adapter out of the guest while it is not 00.",
  "vfio_ap_mdev_reset_queue, vfio_ap_mdev_filter_matrix",
  V61,
);

const EBUSY = -16;
const EIO = -5;
/** Every caller asks for one repetition (RST-1, RST-2). */
const RETRY = 1;

/** RST-1 and RST-4 of aqic-v9: the reset, then for a bound queue a real disable. */
export function resetWithDisable(x: Trial, s: ApState, queue: Queue, implied?: number): number | undefined {
  const rc = resetOld(x, s, queue, implied);
  x.by(RST_4);
  const bound = is(queue.driver, "vfio_ap");
  if (bound !== false && crashesWithoutFacility(x, s)) {
    crash(x, s, "a queue is disabled on a host without the AQIC facility", RST_9);
  }
  // Where it is not known whether the queue is bound, the disable that follows shows it.
  if (bound === true || (bound === "unknown" && x.peek("hw_aqic")?.apqn === queue.apqn)) {
    disable(x, s, queue, undefined);
  } else if (bound === "unknown") {
    skipHost(x, queue);
    freeIfSeen(x, s, queue);
  }
  return rc;
}

/** RST-9: the host lacks facility 65; where nobody said so, an operation that never ends after its ZAPQ may show it. */
function crashesWithoutFacility(x: Trial, s: ApState): boolean {
  if (isKnown(s.host.fac65)) return !s.host.fac65;
  const silent = x.certain("hw_aqic") && x.operation.result.kind === "unknown" && x.remaining() === 0;
  return silent && x.choose(2) === 1;
}

/** RST-1: the reset of the old profiles, without what follows it; 0, -EBUSY, -EIO, or undefined where it cannot be told. */
export function resetOld(x: Trial, s: ApState, queue: Queue, implied?: number): number | undefined {
  x.by(RST_1);
  const seen = x.certain("hw_zapq") || x.peek("hw_zapq")?.apqn === queue.apqn;
  const expected = seen ? resetOldSeen(x, s, queue) : implied;
  if (!seen) skipPolls(x, queue);
  return resetLine(x, s, queue, expected);
}

function resetOldSeen(x: Trial, s: ApState, queue: Queue): number | undefined {
  let status = zapq(x, s, queue, RST_1);
  if (status === undefined) return undefined;
  if (isBusy(status)) {
    status = zapq(x, s, queue, RST_1);
    if (status === undefined) return undefined;
    if (isBusy(status)) return EBUSY;
  }
  if (responseCode(status) !== 0x00) return EIO;
  for (let poll = 0; poll < 2 && !queueEmpty(status); poll++) {
    const next = tapq(x, s, queue, RST_1);
    if (next === undefined) break;
    status = next;
  }
  return 0;
}

function isBusy(status: number): boolean {
  return responseCode(status) === 0x02 || responseCode(status) === 0x05;
}

/**
 * RST-2, RST-3: resets one queue; 0, -EBUSY, -EIO, or undefined where it cannot be told. `implied`: the result where
 * something else shows it.
 */
export function resetQueue(x: Trial, s: ApState, queue: Queue, implied?: number): number | undefined {
  x.by(RST_2);
  const seen = x.certain("hw_zapq") || x.peek("hw_zapq")?.apqn === queue.apqn;
  const expected = seen ? resetSeen(x, s, queue) : resetUnseen(x, s, queue, implied);
  return resetLine(x, s, queue, expected);
}

/** The line that shows the result of a reset. */
function resetLine(x: Trial, s: ApState, queue: Queue, expected: number | undefined): number | undefined {
  const instructions = x.certain("hw_zapq") && x.certain("hw_tapq");
  const line = x.expect(
    "reset_queue",
    (seen) => {
      if (seen.apqn !== queue.apqn) return `reset_queue ${apqnText(seen.apqn)}`;
      if (seen.retry !== RETRY) return `reset_queue ${apqnText(seen.apqn)} retry ${seen.retry}`;
      const fits = expected === undefined || seen.rc === expected;
      if (!fits || !isResetResult(seen.rc)) return `reset_queue ${apqnText(seen.apqn)} rc ${seen.rc}`;
      if (seen.status === undefined) return undefined;
      const known = instructions ? queue.status === seen.status : canAnswer(s, seen.status, seen.rc);
      return known ? undefined : `reset_queue ${apqnText(seen.apqn)} rc ${seen.rc} status ${statusText(seen.status)}`;
    },
    () => `reset_queue ${apqnText(queue.apqn)}${expected === undefined ? "" : ` rc ${expected}`}`,
    s.parameters.old ? RST_1 : RST_2,
    INV_21,
  );
  if (line?.status !== undefined) sawStatus(s, queue, line.status);
  const rc = expected ?? line?.rc;
  // 1.6: a ZAPQ that is not recorded and answered 00 turns the interrupt off, as soon as it is done.
  if (rc === 0 && !x.observability.sees("hw_zapq")) s.journal.set(queue, "irq", false);
  return rc;
}

/** INV-21. */
function isResetResult(rc: number): boolean {
  return rc === 0 || rc === EBUSY || rc === EIO;
}

/**
 * Whether a reset with that result can have seen that status word last (RST-1, RST-2): where the reset ends with a ZAPQ,
 * its response code decides; that of a TAPQ after it is ignored.
 */
function canAnswer(s: ApState, status: number, rc: number): boolean {
  if (s.parameters.old) {
    if (rc === 0) return true;
    return rc === EBUSY ? isBusy(status) : !isBusy(status) && responseCode(status) !== 0x00;
  }
  return rc !== EIO || responseCode(status) > 0x04;
}

/** A reset of which only the result is recorded, or nothing: its line says which codes the queue can have answered. */
function resetUnseen(x: Trial, s: ApState, queue: Queue, implied: number | undefined): number | undefined {
  skipHost(x, queue);
  const line = x.ahead("reset_queue", (seen) => seen.apqn === queue.apqn);
  const rc = line?.rc ?? implied;
  if (rc === EIO) {
    s.journal.set(queue, "resetRc", line?.status === undefined ? unknownFailure : responseCode(line.status));
    kept(x, queue);
    return rc;
  }
  if (rc === undefined) {
    // Only a reset that ends with -EIO frees nothing.
    const freed = freeIfSeen(x, s, queue);
    s.journal.set(queue, "resetRc", freed === "unknown" ? unknown : freed ? unknownEnd : unknownFailure);
    if (freed === false) kept(x, queue);
    return undefined;
  }
  s.journal.set(queue, "resetRc", rc === 0 ? 0 : busyCode(line?.status));
  free(x, s, queue);
  return rc;
}

/** Codes that end with -EBUSY (RST-2): the last status word tells them apart, unless it is that of a poll after 02. */
function busyCode(status: number | undefined): Known<number> {
  if (status === undefined) return unknownBusy;
  const rc = responseCode(status);
  return rc === 0x01 || rc === 0x03 || rc === 0x04 ? oneOf([rc, 0x02]) : 0x02;
}

const unknownFailure: Known<number> = oneOf([0x05, 0xff]);
const unknownBusy: Known<number> = oneOf([0x01, 0x02, 0x03, 0x04]);
const unknownEnd: Known<number> = oneOf([0x00, 0x01, 0x02, 0x03, 0x04]);

/** A reset whose instructions are recorded: every step follows from the status words. */
function resetSeen(x: Trial, s: ApState, queue: Queue): number | undefined {
  let status = zapq(x, s, queue, RST_2);
  if (status !== undefined && responseCode(status) === 0x02) status = zapq(x, s, queue, RST_2);
  if (status === undefined) {
    s.journal.set(queue, "resetRc", unknown);
    freeIfSeen(x, s, queue);
    return undefined;
  }
  const rc = responseCode(status);
  switch (rc) {
    case 0x00:
    case 0x02:
      waitForReset(x, s, queue, status);
      free(x, s, queue);
      return rc === 0x00 ? 0 : EBUSY;
    case 0x01:
    case 0x03:
    case 0x04:
      free(x, s, queue);
      return EBUSY;
    default:
      kept(x, queue);
      return EIO;
  }
}

/** RST-2: a reset that ends with -EIO frees nothing (Q-17). */
function kept(x: Trial, queue: Queue): void {
  if (queue.savedIsc === null || !isKnown(queue.savedIsc)) return;
  x.knownDefect(`the reset of ${apqnText(queue.apqn)} failed: its NIB stays pinned and its ISC registered`, RST_2);
}

function zapq(x: Trial, s: ApState, queue: Queue, rule: Rule): number | undefined {
  const effect = x.expect(
    "hw_zapq",
    (seen) => (seen.apqn === queue.apqn ? undefined : `hw_zapq ${apqnText(seen.apqn)}`),
    () => `hw_zapq ${apqnText(queue.apqn)}`,
    rule,
  );
  if (effect === undefined) return undefined;
  learnReset(x, s, queue, effect.status);
  s.journal.set(queue, "resetRc", responseCode(effect.status));
  if (!s.parameters.old) x.by(INV_20);
  if (!s.parameters.old && responseCode(effect.status) !== 0) x.by(RST_5);
  return effect.status;
}

function tapq(x: Trial, s: ApState, queue: Queue, rule: Rule): number | undefined {
  const effect = x.expect(
    "hw_tapq",
    (seen) => (seen.apqn === queue.apqn ? undefined : `hw_tapq ${apqnText(seen.apqn)}`),
    () => `hw_tapq ${apqnText(queue.apqn)}`,
    rule,
  );
  if (effect !== undefined) learnTest(x, s, queue, effect.status);
  return effect?.status;
}

/** RST-3: 0, 1 or 2 TAPQs, as the status words ask. */
function waitForReset(x: Trial, s: ApState, queue: Queue, first: number): void {
  let status = first;
  for (let round = 0; round < 2; round++) {
    if (queueEmpty(status) && !interruptsOn(status)) return;
    const next = tapq(x, s, queue, RST_3);
    if (next === undefined) return;
    status = next;
  }
}
