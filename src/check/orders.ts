import type { Operation } from "../operation/operation.js";

/** Orders of one group beyond this many are not tried. */
const LIMIT = 120;

/**
 * Orders in which overlapping operations may have taken effect: all that respect "ended before the other began", the
 * order of completion first. `cut` of the last result says that not all were made.
 */
export function* ordersOf(group: readonly Operation[]): Generator<readonly Operation[]> {
  const natural = [...group].sort((a, b) => a.end - b.end || a.begin - b.begin);
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
