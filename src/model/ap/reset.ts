import { apqnText } from "../../operation/ap/attribute.js";
import { type Known, oneOf, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { linkedTo } from "./apcb.js";
import { free, freeIfSeen } from "./aqic.js";
import { aqicRule, configRule, V12_V61, V61 } from "./profile.js";
import type { ApState, Mdev, Queue } from "./state.js";
import { interruptsOn, queueEmpty, responseCode } from "./status.js";

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
  "They are freed inside the reset, except where it ended with -EIO.",
  "vfio_ap_mdev_reset_queue",
);
export const RST_5 = aqicRule(
  "RST-5",
  "Remembered response code",
  "The response code of the last ZAPQ stays with the queue and keeps its adapter out of the guest while it is not 00.",
  "vfio_ap_mdev_reset_queue, vfio_ap_mdev_filter_matrix",
  V61,
);
export const RST_6 = aqicRule(
  "RST-6",
  "Which queues a reset of an mdev reaches",
  "All queues in the mdev's table, in hash order.",
  "vfio_ap_mdev_reset_queues",
);
export const RST_7 = aqicRule(
  "RST-7",
  "Return value of resetting several queues",
  "0 if all were reset, else the value of the last queue that failed; all are tried.",
  "vfio_ap_mdev_reset_queues",
);
export const QUEUE_10 = aqicRule(
  "QUEUE-10",
  "Hash order",
  "Buckets ascending by the upper 8 bits of the APQN times 0x61c88647; inside a bucket the newest first.",
  "include/linux/hashtable.h, hash.h",
  V12_V61,
);
export const PLUG_4 = configRule(
  "PLUG-4",
  "Resets at unassign",
  "The queues that were linked and in the shadow are reset, in hash order, with or without a guest.",
  "vfio_ap_ops.c:vfio_ap_mdev_hot_unplug_adapter, _domain, vfio_ap_mdev_reset_queues",
  V61,
);

const EBUSY = -16;
const EIO = -5;

/** Bucket of an APQN in an mdev's table (QUEUE-10). */
export function bucketOf(apqn: number): number {
  return Math.imul(apqn, 0x61c88647) >>> 24;
}

/** A queue that is reset, or may be where it is not known whether it belongs to the set. */
export interface Candidate {
  readonly queue: Queue;
  readonly certain: boolean;
}

/** The queues that are, or may be, in the mdev's table, in the order of its buckets. */
export function tableOf(s: ApState, m: Mdev): Candidate[] {
  const found: Candidate[] = [];
  for (const queue of s.queues.values()) {
    const linked = linkedTo(queue, m);
    if (linked !== false) found.push({ queue, certain: linked === true });
  }
  return found.sort((a, b) => bucketOf(a.queue.apqn) - bucketOf(b.queue.apqn) || b.queue.linkedAt - a.queue.linkedAt);
}

/** What a reset of several queues answers: a value, or undefined where a code was not seen. */
export type ResetAnswer = number | undefined;

/** Resets queues one after the other, in the order given (RST-6, RST-7). */
export function resetQueues(x: Trial, s: ApState, candidates: readonly Candidate[]): ResetAnswer {
  x.by(RST_6, QUEUE_10);
  const { result } = x.operation;
  const implied = x.operation.call.kind === "device-ioctl" && result.kind === "value" ? 0 : undefined;
  let answer: ResetAnswer = 0;
  const open = [...candidates];
  while (open.length > 0) {
    const [next] = open.splice(nextCandidate(x, open), 1);
    if (next === undefined || (!next.certain && !isObserved(x, next.queue))) continue;
    const rc = resetQueue(x, s, next.queue, implied);
    if (rc === undefined) answer = undefined;
    else if (rc !== 0) answer = rc;
  }
  return answer;
}

/** Place of the queue that is reset next: of one bucket whose order is not known, the one that the recording shows. */
function nextCandidate(x: Trial, open: readonly Candidate[]): number {
  const first = open[0]?.queue;
  const second = open[1]?.queue;
  if (first === undefined || second === undefined || bucketOf(first.apqn) !== bucketOf(second.apqn)) return 0;
  const rival = open.findIndex(
    ({ queue }) =>
      bucketOf(queue.apqn) === bucketOf(first.apqn) && queue.linkedAt === first.linkedAt && isObserved(x, queue),
  );
  return Math.max(rival, 0);
}

function isObserved(x: Trial, queue: Queue): boolean {
  return x.peek("hw_zapq")?.apqn === queue.apqn || x.ahead("reset_queue", () => true)?.apqn === queue.apqn;
}

/**
 * RST-2, RST-3: resets one queue; 0, -EBUSY, -EIO, or undefined where it cannot be told. `implied`: the result where
 * something else shows it.
 */
export function resetQueue(x: Trial, s: ApState, queue: Queue, implied?: number): number | undefined {
  x.by(RST_2);
  const expected = x.certain("hw_zapq") ? resetSeen(x, s, queue) : resetUnseen(x, s, queue, implied);
  const line = x.expect(
    "reset_queue",
    (seen) => {
      if (seen.apqn !== queue.apqn) return `reset_queue ${apqnText(seen.apqn)}`;
      const fits =
        expected === undefined ? seen.rc === 0 || seen.rc === EBUSY || seen.rc === EIO : seen.rc === expected;
      return fits ? undefined : `reset_queue ${apqnText(seen.apqn)} rc ${seen.rc}`;
    },
    () => `reset_queue ${apqnText(queue.apqn)}${expected === undefined ? "" : ` rc ${expected}`}`,
    RST_2,
  );
  if (line?.status !== undefined) s.journal.set(queue, "status", line.status);
  return expected ?? line?.rc;
}

/** A reset of which only the result is recorded, or nothing: its line says which codes the queue can have answered. */
function resetUnseen(x: Trial, s: ApState, queue: Queue, implied: number | undefined): number | undefined {
  const line = x.ahead("reset_queue", (seen) => seen.apqn === queue.apqn);
  const rc = line?.rc ?? implied;
  if (rc === EIO) {
    s.journal.set(queue, "resetRc", unknownFailure);
    return rc;
  }
  if (rc === undefined) {
    s.journal.set(queue, "resetRc", unknown);
    freeIfSeen(x, s, queue);
    return undefined;
  }
  s.journal.set(queue, "resetRc", rc === 0 ? 0 : busyCode(line?.status));
  free(x, s, queue);
  return rc;
}

/** Codes that end with -EBUSY (RST-2): the last status word tells them apart, unless it is that of a poll after 02. */
function busyCode(status: number | undefined): Known<number> {
  const rc = status === undefined ? undefined : responseCode(status);
  return rc === 0x01 || rc === 0x03 || rc === 0x04 ? oneOf([rc, 0x02]) : oneOf([0x01, 0x02, 0x03, 0x04]);
}

const unknownFailure: Known<number> = oneOf([0x05, 0xff]);

/** A reset whose instructions are recorded: every step follows from the status words. */
function resetSeen(x: Trial, s: ApState, queue: Queue): number | undefined {
  let status = zapq(x, s, queue);
  if (status !== undefined && responseCode(status) === 0x02) status = zapq(x, s, queue);
  if (status === undefined) return undefined;
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
      return EIO;
  }
}

function zapq(x: Trial, s: ApState, queue: Queue): number | undefined {
  const effect = x.expect(
    "hw_zapq",
    (seen) => (seen.apqn === queue.apqn ? undefined : `hw_zapq ${apqnText(seen.apqn)}`),
    () => `hw_zapq ${apqnText(queue.apqn)}`,
    RST_2,
  );
  if (effect === undefined) return undefined;
  s.journal.set(queue, "status", effect.status);
  s.journal.set(queue, "resetRc", responseCode(effect.status));
  return effect.status;
}

/** RST-3: 0, 1 or 2 TAPQs, as the status words ask. */
function waitForReset(x: Trial, s: ApState, queue: Queue, first: number): void {
  let status = first;
  for (let round = 0; round < 2; round++) {
    if (queueEmpty(status) && !interruptsOn(status)) return;
    const effect = x.expect(
      "hw_tapq",
      (seen) => (seen.apqn === queue.apqn ? undefined : `hw_tapq ${apqnText(seen.apqn)}`),
      () => `hw_tapq ${apqnText(queue.apqn)}`,
      RST_3,
    );
    if (effect === undefined) return;
    status = effect.status;
    s.journal.set(queue, "status", status);
  }
}
