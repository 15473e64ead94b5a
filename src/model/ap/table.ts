import { and, is, isKnown, type Tri } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { aqicRule, configRule, V12, V12_V61 } from "./profile.js";
import type { ApState, Mdev, Queue } from "./state.js";

export const QUEUE_10 = aqicRule(
  "QUEUE-10",
  "Hash order",
  "Buckets ascending by the upper 8 bits of the APQN times 0x61c88647; inside a bucket the newest first.",
  "include/linux/hashtable.h, hash.h",
  V12_V61,
);
export const QUEUE_9 = aqicRule(
  "QUEUE-9",
  "Linking by assignment",
  "An assignment links each bound queue of the new APQNs, an unassignment unlinks it. In dynamic-v12 unassigning a domain and assigning a number again link once more, with the list node in the table already.",
  "v12 5/17 vfio_ap_mdev_manage_qlinks; vfio_ap_mdev_link_queue",
  V12_V61,
);
export const AQIC_11 = aqicRule(
  "AQIC-11",
  "Mixed-width hash",
  "Queues are put into the table by a 32-bit hash and looked up by a 64-bit hash: 64 APQNs, for which the two differ, are never found.",
  "v12 5/17, argument type of vfio_ap_mdev_get_queue",
  V12,
);
export const ASG_6 = configRule(
  "ASG-6",
  "The tables taken literally",
  "A queue has one list node, and nothing tests whether it is in a list already: a second insertion can make a bucket circular, and a look-up that misses in it never returns.",
  "p05 link and unlink functions; include/linux/list.h",
  V12,
);

/** Where a queue's list node hangs: at a head of an mdev's table, or behind another queue. */
export type Place =
  | { readonly kind: "head"; readonly mdev: Mdev; readonly bucket: number }
  | { readonly kind: "next"; readonly queue: Queue };

/** The operation never returns: a look-up runs in a circle with the driver's lock held (ASG-6). */
export class Hang extends Error {}

/** Bucket by which queues are put into a table (QUEUE-10). */
export function bucketOf(apqn: number): number {
  return Math.imul(apqn, 0x61c88647) >>> 24;
}

/** Bucket by which dynamic-v12 looks queues up (AQIC-11): ((apqn * 0x61C8864680B583EB) mod 2^64) >> 56. */
export function lookupBucketOf(apqn: number): number {
  return Number(BigInt.asUintN(64, BigInt(apqn) * 0x61c8864680b583ebn) >> 56n);
}

/** AQIC-11: no look-up finds the APQN, whatever is in the table. */
export function neverFound(s: ApState, apqn: number): boolean {
  return isLiteral(s) && lookupBucketOf(apqn) !== bucketOf(apqn);
}

/** Whether tables are modelled as lists: only where the posted code corrupts them. */
export function isLiteral(s: ApState): boolean {
  return s.parameters.profile === "dynamic-v12" && s.parameters.defects === "as-posted";
}

/**
 * HAS(m, apqn): whether a look-up in the mdev's table finds the queue.
 * @throws Hang where the look-up never ends.
 */
export function has(x: Trial, s: ApState, m: Mdev, queue: Queue | undefined, apqn: number): Tri {
  if (queue === undefined && !s.host.devicesListed) return "unknown";
  if (!isLiteral(s)) return queue === undefined ? false : is<Mdev | null>(queue.linked, m);
  const bucket = lookupBucketOf(apqn);
  if (bucket !== bucketOf(apqn)) x.by(AQIC_11);
  else if (queue !== undefined && !isKnown(queue.linked)) return is<Mdev | null>(queue.linked, m);
  const seen = new Set<Queue>();
  for (let node = m.heads.get(bucket) ?? null; node !== null; node = node.next) {
    if (node.apqn === apqn) return true;
    if (seen.has(node)) {
      x.by(ASG_6);
      throw new Hang();
    }
    seen.add(node);
  }
  return false;
}

/** LINK(m, queue), for a queue that is bound: its mdev, and a place in the table. */
export function link(s: ApState, m: Mdev, queue: Queue): void {
  const { journal } = s;
  journal.set(queue, "linked", m);
  journal.set(queue, "owner", m);
  journal.set(queue, "dangling", false);
  journal.set(queue, "linkedAt", s.tick());
  if (isLiteral(s)) insert(s, m, queue);
}

/** An observation shows that the queue is bound and in the mdev's table; since when is not known. */
export function learnLinked(s: ApState, m: Mdev, queue: Queue): void {
  const { journal } = s;
  journal.set(queue, "driver", "vfio_ap");
  if (queue.linked === m) return;
  journal.set(queue, "linked", m);
  journal.set(queue, "owner", m);
  if (!isLiteral(s)) return;
  // It was in the table all along, or may have been: this is no second insertion.
  removeNode(s, queue);
  insert(s, m, queue);
}

/** INSERT of ASG-6: at the head of its bucket, whatever the node was in before. */
function insert(s: ApState, m: Mdev, queue: Queue): void {
  const { journal } = s;
  const bucket = bucketOf(queue.apqn);
  const first = m.heads.get(bucket) ?? null;
  journal.set(queue, "next", first);
  if (first !== null) journal.set(first, "at", { kind: "next", queue });
  setHead(s, m, bucket, queue);
  journal.set(queue, "at", { kind: "head", mdev: m, bucket });
}

/** DELETE of ASG-6: takes the node out of where it believes it is. */
export function removeNode(s: ApState, queue: Queue): void {
  const { journal } = s;
  const { at, next } = queue;
  if (at === null) return;
  if (at.kind === "head") setHead(s, at.mdev, at.bucket, next);
  else journal.set(at.queue, "next", next);
  if (next !== null) journal.set(next, "at", at);
  journal.set(queue, "next", null);
  journal.set(queue, "at", null);
}

function setHead(s: ApState, m: Mdev, bucket: number, queue: Queue | null): void {
  const heads = new Map(m.heads);
  if (queue === null) heads.delete(bucket);
  else heads.set(bucket, queue);
  s.journal.set(m, "heads", heads);
}

/** The mdev forgets the queue and the queue its mdev. */
export function unlink(s: ApState, queue: Queue): void {
  if (isLiteral(s)) removeNode(s, queue);
  s.journal.set(queue, "linked", null);
  s.journal.set(queue, "owner", null);
}

/**
 * The nodes of a table in the order of a walk (WALK of ASG-6): buckets ascending, each from its head.
 * @throws Hang where a bucket is circular.
 */
export function bucketsOf(x: Trial, m: Mdev): readonly (readonly Queue[])[] {
  const buckets: Queue[][] = [];
  for (const [, head] of [...m.heads].sort((a, b) => a[0] - b[0])) {
    const nodes: Queue[] = [];
    for (let node: Queue | null = head; node !== null; node = node.next) {
      if (nodes.includes(node)) {
        x.by(ASG_6);
        throw new Hang();
      }
      nodes.push(node);
    }
    buckets.push(nodes);
  }
  return buckets;
}

/** Whether the queue is bound to vfio_ap, and in the mdev's table. */
export function boundAndLinked(x: Trial, s: ApState, m: Mdev, queue: Queue | undefined, apqn: number): Tri {
  return queue === undefined ? false : and(is(queue.driver, "vfio_ap"), has(x, s, m, queue, apqn));
}
