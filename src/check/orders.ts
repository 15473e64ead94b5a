import type { Operation } from "../operation/operation.js";

/** Orders of one group beyond this many are not tried. */
const LIMIT = 120;

/** By completion, as their own lines show it; what was lost among the operations comes after all that it may have followed. */
export function inOrderOfCompletion(group: readonly Operation[]): readonly Operation[] {
  const lost = (operation: Operation): number => (operation.call.kind === "gap" ? 1 : 0);
  const ended = (operation: Operation): number => operation.last ?? operation.end;
  return [...group].sort((a, b) => lost(a) - lost(b) || ended(a) - ended(b) || a.begin - b.begin);
}

/**
 * Orders in which overlapping operations may have taken effect: all that respect "ended before the other began", the
 * order of completion first. `cut` of the last result says that not all were made.
 */
export function* ordersOf(group: readonly Operation[]): Generator<readonly Operation[]> {
  const natural = inOrderOfCompletion(group);
  // Nearly always the first explains what was recorded: it is not put together step by step, which takes long in a long group.
  let skip = isPossible(natural);
  if (skip) yield natural;
  let made = 0;
  const walk = function* (chosen: readonly Operation[], left: readonly Operation[]): Generator<readonly Operation[]> {
    if (left.length === 0) {
      made++;
      yield chosen;
      return;
    }
    for (const next of firstOf(left)) {
      if (made >= LIMIT) return;
      yield* walk(
        [...chosen, next],
        left.filter((other) => other !== next),
      );
    }
  };
  for (const order of walk([], natural)) {
    // The walk begins with the natural order as well, where it is possible.
    if (!skip) yield order;
    skip = false;
  }
}

/** The operations that may come first: none of the others ended before they began. */
export function firstOf(left: readonly Operation[]): readonly Operation[] {
  let earliestEnd = Number.POSITIVE_INFINITY;
  for (const { end } of left) if (end < earliestEnd) earliestEnd = end;
  return left.filter(({ begin }) => begin <= earliestEnd);
}

/** Whether no operation stands behind one that began after its end. */
function isPossible(order: readonly Operation[]): boolean {
  let earliestEnd = Number.POSITIVE_INFINITY;
  for (let i = order.length - 1; i >= 0; i--) {
    const operation = order[i];
    if (operation === undefined) continue;
    if (earliestEnd < operation.begin) return false;
    earliestEnd = Math.min(earliestEnd, operation.end);
  }
  return true;
}
