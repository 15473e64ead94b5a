import { bitsOf } from "../../event/mask.js";
import { has, isExact } from "../core/bits.js";
import { and, is, OneOf, oneOf } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { linkedTo } from "./apcb.js";
import { free } from "./free.js";
import { aqicRule, configRule } from "./profile.js";
import { queueAt } from "./queues.js";
import { RST_4, resetOld, resetQueue, resetWithDisable } from "./reset.js";
import { RST_8 } from "./reset-rules.js";
import { type Candidate, resetsUntold, resetUntold } from "./reset-untold.js";
import { type ApState, type Mdev, Queue } from "./state.js";
import { bucketOf, has as hasQueue, learnLinked, QUEUE_10 } from "./table.js";

export const RST_6 = aqicRule(
  "RST-6",
  "Which queues a reset of an mdev reaches",
  "aqic-v9: every APQN of the matrix; dynamic-v12: those of them that the table finds; linux-6.1: the queues of the table in hash order.",
  "vfio_ap_mdev_reset_queues",
);
export const RST_7 = aqicRule(
  "RST-7",
  "Return value of resetting several queues",
  "0 if all were reset, else the value of the last queue that failed; all are tried.",
  "vfio_ap_mdev_reset_queues",
);
export const NOND_8 = configRule(
  "NOND-8",
  "What a reset answers",
  "The order of the resets is fixed, their response codes and durations are input; after code 02 the driver tries once more.",
  "vfio_ap_mdev_reset_queue",
);
export const PLUG_4 = configRule(
  "PLUG-4",
  "Resets at unassign",
  "linux-6.1: the queues that were linked and in the shadow are reset, in hash order, with or without a guest. Before, an unassign resets nothing.",
  "p12; vfio_ap_ops.c:vfio_ap_mdev_hot_unplug_adapter, _domain, vfio_ap_mdev_reset_queues",
);

/**
 * Resets the queues of an mdev, in its profile's order (RST-6).
 * @throws Hang where a look-up never ends.
 */
export function resetMdev(x: Trial, s: ApState, m: Mdev): ResetAnswer {
  meetObserved(x, s);
  return s.parameters.old ? resetQueues(x, s, matrixSet(x, s, m)) : resetQueues(x, s, tableOf(s, m), m);
}

/** A queue that came unseen is met by its reset, or by the disable after it, for the first time. */
function meetObserved(x: Trial, s: ApState): void {
  for (const effect of x.rest()) {
    switch (effect.kind) {
      case "reset_queue":
      case "hw_zapq":
      case "hw_aqic":
      case "hw_tapq":
        queueAt(s, effect.apqn);
        break;
      default:
    }
  }
}

/** The queues that are, or may be, in the mdev's table, in the order of its buckets. */
function tableOf(s: ApState, m: Mdev): Candidate[] {
  const found: Candidate[] = [];
  for (const queue of s.queues.values()) {
    const linked = linkedTo(queue, m);
    if (linked !== false) found.push({ queue, certain: linked === true });
  }
  return found.sort((a, b) => bucketOf(a.queue.apqn) - bucketOf(b.queue.apqn) || b.queue.linkedAt - a.queue.linkedAt);
}

/** Adapters ascending, domains ascending: every APQN (aqic-v9), or those that the table finds (dynamic-v12). */
function matrixSet(x: Trial, s: ApState, m: Mdev): Candidate[] {
  const found: Candidate[] = [];
  for (const apqn of apqnsToReset(s, m)) {
    const assigned = and(has(m.apm, apqn >> 8), has(m.aqm, apqn & 0xff));
    if (assigned === false) continue;
    const queue = s.queues.get(apqn);
    if (s.parameters.dynamic) {
      const linked = hasQueue(x, s, m, queue, apqn);
      if (linked !== false && queue !== undefined) found.push({ queue, certain: and(linked, assigned) === true });
      continue;
    }
    // Kernels from 5.11 reset bound queues only (MDEV-5); before, every APQN.
    const bound = queue === undefined ? false : is(queue.driver, "vfio_ap");
    found.push({ queue: queue ?? new Queue(apqn), certain: and(bound, assigned) === true });
  }
  return found;
}

/** The APQNs that a matrix has, or may have: those where a reset can be seen or would change something known. */
function apqnsToReset(s: ApState, m: Mdev): readonly number[] {
  if (isExact(m.apm) && isExact(m.aqm)) {
    const domains = bitsOf(m.aqm.ones);
    return bitsOf(m.apm.ones).flatMap((apid) => domains.map((apqi) => (apid << 8) | apqi));
  }
  return [...s.queues.keys()].sort((a, b) => a - b);
}

/** What a reset of several queues answers: a value; `failed`: the value of one that failed; undefined: any (RST-7). */
export type ResetAnswer = number | "failed" | undefined;

/** Resets queues one after the other, in the order given (RST-6, RST-7). `table`: the mdev in whose table they are. */
export function resetQueues(x: Trial, s: ApState, candidates: readonly Candidate[], table?: Mdev): ResetAnswer {
  x.by(RST_4, RST_6, RST_8, NOND_8, QUEUE_10);
  const { result } = x.operation;
  const implied = x.operation.call.kind === "device-ioctl" && result.kind === "value" ? 0 : undefined;
  if (resetsUntold(x, s)) {
    resetUntold(x, s, candidates, (queue) => resetOne(x, s, queue, implied));
    return implied;
  }
  let answer: ResetAnswer = 0;
  const open = [...candidates];
  while (open.length > 0) {
    const [next] = open.splice(nextCandidate(x, open), 1);
    if (next === undefined) continue;
    if (!next.certain && !isObserved(x, next.queue)) {
      if (!x.certain("reset_queue") && !x.certain("hw_zapq")) answer = doubtful(answer);
      else if (table !== undefined) learnNotLinked(s, table, next.queue);
      continue;
    }
    if (!next.certain && table !== undefined && !x.lossy) learnLinked(s, table, next.queue);
    const rc = resetOne(x, s, next.queue, implied);
    if (rc === undefined) answer = doubtful(answer);
    else if (rc !== 0) answer = rc;
  }
  return answer;
}

/** A reset of all queues of a table passed the queue over: it is in no table, or in another. */
function learnNotLinked(s: ApState, table: Mdev, queue: Queue): void {
  const { linked } = queue;
  if (linked instanceof OneOf) s.journal.set(queue, "linked", oneOf(linked.values.filter((m) => m !== table)));
}

/** RST-7: one more queue was reset, or may have been, with a result that is not known. */
function doubtful(answer: ResetAnswer): ResetAnswer {
  return answer === 0 || answer === undefined ? undefined : "failed";
}

/** One queue of a set, with what its profile does after the reset (RST-4). */
function resetOne(x: Trial, s: ApState, queue: Queue, implied: number | undefined): number | undefined {
  switch (s.parameters.profile) {
    case "aqic-v9":
      return resetWithDisable(x, s, queue, implied);
    case "dynamic-v12": {
      const rc = resetOld(x, s, queue, implied);
      free(x, s, queue);
      return rc;
    }
    case "linux-6.1":
      return resetQueue(x, s, queue, implied);
  }
}

/** Place of the queue that is reset next: of one bucket whose order is not known, the one that the recording shows. */
function nextCandidate(x: Trial, open: readonly Candidate[]): number {
  const first = open[0]?.queue;
  const second = open[1]?.queue;
  if (first === undefined || second === undefined || bucketOf(first.apqn) !== bucketOf(second.apqn)) return 0;
  const rival = open.findIndex(
    ({ queue }) =>
      bucketOf(queue.apqn) === bucketOf(first.apqn) &&
      (queue.linkedAt === first.linkedAt || queue.linkedAt === 0 || first.linkedAt === 0) &&
      isObserved(x, queue),
  );
  return Math.max(rival, 0);
}

function isObserved(x: Trial, queue: Queue): boolean {
  const instruction = x.peek("hw_zapq") ?? x.peek("hw_aqic") ?? x.peek("hw_tapq");
  return instruction?.apqn === queue.apqn || x.ahead("reset_queue", () => true)?.apqn === queue.apqn;
}
