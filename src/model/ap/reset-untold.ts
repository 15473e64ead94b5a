import { addressText } from "../../event/address-text.js";
import type { ApEffect } from "../../operation/ap/effect.js";
import { isKnown, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { freeIfSeen, unpinned, unregistered } from "./free.js";
import type { ApState, Queue } from "./state.js";
import { forgetReset } from "./widen.js";

/** A queue that is reset, or may be where it is not known whether it belongs to the set. */
export interface Candidate {
  readonly queue: Queue;
  readonly certain: boolean;
}

/** Whether neither the results of resets nor their instructions leave a line: what is freed is all that shows (RST-4). */
export function resetsUntold({ observability }: Trial, s: ApState): boolean {
  if (observability.sees("reset_queue") || observability.sees("hw_zapq")) return false;
  return s.parameters.profile !== "aqic-v9" || !observability.sees("hw_aqic");
}

/**
 * Resets several queues where no line tells for which of them something is freed (RST-6). What a queue certainly frees
 * is among the lines, in its place; all others can be of the queues of which it is not known what they have registered.
 */
export function resetUntold(
  x: Trial,
  s: ApState,
  candidates: readonly Candidate[],
  reset: (queue: Queue) => void,
): void {
  // A queue that nothing has shown yet may be among them.
  let others = !s.host.devicesListed;
  for (const { queue, certain } of candidates) {
    if (certain && isKnown(queue.savedIsc) && isKnown(queue.savedNib)) {
      pass(x, s, placeOf(x.rest(), queue), others);
      reset(queue);
    } else if (queue.savedIsc === null && queue.savedNib === null) {
      s.journal.set(queue, "resetRc", unknown);
    } else {
      others = true;
      forgetReset(s, queue);
    }
  }
  pass(x, s, x.remaining(), others);
}

/**
 * What may have been freed for a queue of which nothing shows whether it was reset: the next lines, unless they name the
 * page of another queue.
 */
export function freeUntold(x: Trial, s: ApState, queue: Queue): void {
  const page = x.rest().find((effect) => effect.kind === "unpin_pages");
  const nib = page === undefined ? undefined : addressText(page.iova);
  for (const other of s.queues.values()) if (other !== queue && nib !== undefined && other.savedNib === nib) return;
  freeIfSeen(x, s, queue);
}

/** How many lines come before those of freeing a queue; none where they are not there. */
function placeOf(rest: readonly ApEffect[], { savedIsc, savedNib }: Queue): number {
  const isc = (effect: ApEffect | undefined): boolean => effect?.kind === "gisc_unregister" && effect.gisc === savedIsc;
  const pin = rest.findIndex((effect) => effect.kind === "unpin_pages" && addressText(effect.iova) === savedNib);
  if (pin >= 0) return isc(rest[pin - 1]) ? pin - 1 : pin;
  return Math.max(rest.findIndex(isc), 0);
}

/** Takes lines that come before: waits for a reset, and where `others` may have freed something what shows that. */
function pass(x: Trial, s: ApState, lines: number, others: boolean): void {
  for (const effect of x.rest().slice(0, lines)) {
    if (effect.kind === "gisc_unregister" && others) unregistered(s, effect.kvm, effect.gisc);
    else if (effect.kind === "unpin_pages" && others) unpinned(s, undefined, addressText(effect.iova));
    else if (effect.kind !== "hw_tapq") return;
    x.skip();
  }
}
