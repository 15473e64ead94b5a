import { bitsOf } from "../../event/mask.js";
import * as bits from "../core/bits.js";
import { is, isKnown, not, type Tri, unknown } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { commitIf, shadowOf } from "./apcb.js";
import { parseNumber } from "./numbers.js";
import { ALL, configRule, V9, V12 } from "./profile.js";
import { queueAt } from "./queues.js";
import type { ApState, Guest, Mdev, Queue } from "./state.js";
import { type AttributeWrite, stringOf } from "./store.js";
import { forgetMatrix } from "./widen.js";

export const ASG_2 = configRule(
  "ASG-2",
  "A guest refuses every store",
  "While a guest uses the mdev each assign and unassign answers EBUSY, before the bytes are looked at. From 5.12 on a guest that is just being attached or detached counts too.",
  "base; commits of 5.12 and 5.15",
  V9,
);
export const NOND_1 = configRule(
  "NOND-1",
  "Try-lock",
  "The assign files and the in-use test of a mask write try the driver's lock and answer EBUSY, without a change, while anything else holds it.",
  "p07, p12",
  V12,
);
export const SHARE_1 = configRule(
  "SHARE-1",
  "Unit of sharing",
  "Two mdevs conflict if both their adapters and their usage domains intersect; control domains, guests and bindings play no role.",
  "vfio_ap_mdev_verify_no_sharing",
);
export const SHARE_2 = configRule(
  "SHARE-2",
  "Errno of a sharing conflict",
  "An assign answers EADDRINUSE (dynamic-v12: EBUSY), a mask write EBUSY.",
  "p07; vfio_ap_ops.c:vfio_ap_mdev_verify_no_sharing",
);
export const GRAMMAR_N = configRule(
  "2.4",
  "Grammar of numbers",
  "kstrtoul with base 0: optional plus, 0x, 0 or decimal digits, at most one newline at the very end; ERANGE above 2^64-1, else EINVAL.",
  "lib/kstrtox.c",
  ALL,
);

export type Side = "adapter" | "domain";

/** ASG-1 step 1, ASG-2: with a guest every store is refused, whatever was written. */
export function guestPresent(x: Trial, s: ApState, m: Mdev, rule: Rule): boolean {
  if (x.refuse(not(is<Guest | null>(m.kvm, null)), "EBUSY", rule, ASG_2)) return true;
  if (!isKnown(m.kvm)) s.journal.set(m, "kvm", null);
  return false;
}

/**
 * NOND-1: the posted code tries the driver's lock; EBUSY is right wherever another operation of the driver overlaps, and
 * cannot be judged where none was seen.
 */
export function lockBusy(x: Trial): boolean {
  const { result } = x.operation;
  if (result.kind !== "error" || result.errno !== "EBUSY" || x.lenient) return false;
  x.fails("EBUSY", NOND_1);
  if (!x.operation.overlapping) x.cannotCheck("EBUSY of a lock that no recorded operation can hold");
  return true;
}

/** ASG-1 steps 2 and 3: the number that was written, or undefined where the store ended there. */
export function numberWritten(
  x: Trial,
  s: ApState,
  m: Mdev,
  side: Side,
  call: AttributeWrite,
  rule: Rule,
): number | undefined {
  const text = stringOf(call);
  if (text === undefined) {
    unknownStore(x, s, m, call, rule);
    return undefined;
  }
  const parsed = parseNumber(text);
  if (x.refuse(!parsed.ok && parsed.errno === "EINVAL", "EINVAL", rule, GRAMMAR_N)) return undefined;
  if (x.refuse(!parsed.ok && parsed.errno === "ERANGE", "ERANGE", rule, GRAMMAR_N)) return undefined;
  const n = parsed.ok ? parsed.value : Number.POSITIVE_INFINITY;
  const max = side === "adapter" ? m.apmMax : m.aqmMax;
  const tooLarge: Tri = isKnown(max) ? n > max : n > 255 ? true : "unknown";
  if (x.refuse(tooLarge, "ENODEV", rule)) return undefined;
  return n <= 255 ? n : undefined;
}

/** A store whose bytes the recorder cut: what it did shows only in its result and effects. */
function unknownStore(x: Trial, s: ApState, m: Mdev, _call: AttributeWrite, rule: Rule): void {
  x.cannotCheck("the written data was cut by the recorder (strace -s)");
  if (x.observedSuccess === false) return;
  x.by(rule);
  blurMatrix(x, s, m);
}

/** After a store that nobody recorded fully, the matrix of the mdev can be anything, and the shadow is what is seen. */
function blurMatrix(x: Trial, s: ApState, m: Mdev): void {
  const before = shadowOf(m);
  forgetMatrix(s, m);
  for (const queue of s.queues.values()) {
    s.journal.set(queue, "linked", unknown);
    s.journal.set(queue, "owner", unknown);
  }
  commitIf(x, s, m, "unknown", before);
}

/** The queues that an assign or unassign of `n` is about: {n} × the other side, the other side's numbers ascending. */
export function* productOf(s: ApState, side: Side, n: number, other: bits.Bits): Generator<Queue> {
  for (const k of bitsOf(bits.possible(other))) {
    const apqn = side === "adapter" ? (n << 8) | k : (k << 8) | n;
    // Where no snapshot lists the devices, any of them may be there.
    const queue = s.host.devicesListed ? s.queues.get(apqn) : queueAt(s, apqn);
    if (queue !== undefined) yield queue;
  }
}
