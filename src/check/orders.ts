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
  let made = 0;
  const walk = function* (chosen: readonly Operation[], left: readonly Operation[]): Generator<readonly Operation[]> {
    if (left.length === 0) {
      made++;
      yield chosen;
      return;
    }
    for (const next of left) {
      if (made >= LIMIT) return;
      const blocked = left.some((other) => other !== next && other.end < next.begin);
      if (blocked) continue;
      yield* walk(
        [...chosen, next],
        left.filter((other) => other !== next),
      );
    }
  };
  yield* walk([], natural);
}
