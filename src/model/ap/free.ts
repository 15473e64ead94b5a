import { addressText } from "../../event/address-text.js";
import { apqnText } from "../../operation/ap/attribute.js";
import { is, isKnown, type Known, type Tri, unknown } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { guestByPointer, guestName, pointerFits } from "./guests.js";
import {
  AQIC_4,
  addLeak,
  countGisc,
  countPin,
  crash,
  forgetPins,
  giscCount,
  leakIsc,
  leakPin,
  leakSaved,
} from "./ledger.js";
import { ALL, aqicRule, V9 } from "./profile.js";
import type { ApState, Guest, Mdev, Queue } from "./state.js";
import { holders } from "./widen.js";

export const NIB_7 = aqicRule(
  "NIB-7",
  "Unpinning",
  "The page is unpinned by the key under which it was pinned; an unknown key is ignored.",
  "vfio_iommu_type1_unpin_pages",
);
export const GISC_2 = aqicRule(
  "GISC-2",
  "Unregistering a guest ISC",
  "The count goes down; at zero already the answer is -EINVAL, which the driver ignores.",
  "kvm_s390_gisc_unregister",
);
export const IRQ_10 = aqicRule(
  "IRQ-10",
  "Freeing the interrupt resources",
  "The saved ISC is unregistered at the mdev's guest, then the saved NIB is unpinned.",
  "vfio_ap_free_aqic_resources",
  ALL,
);
export const IRQ_11 = aqicRule(
  "IRQ-11",
  "Dropping the mdev",
  "A queue forgets its mdev at the end of a disable (released), or whenever its resources are freed (posted); the next request of the guest sets it again.",
  "vfio_ap_irq_disable; v9 3/4 vfio_ap_free_aqic_resources",
  V9,
);

/** IRQ-10: frees what is registered for a queue. */
export function free(x: Trial, s: ApState, queue: Queue): void {
  if (s.parameters.old && (queue.owner === null || hasNoMdev(x, queue))) {
    loseRegistration(x, s, queue);
    return;
  }
  const m: Mdev | null | undefined = isKnown(queue.owner) ? queue.owner : undefined;
  const guest = m === undefined || m === null ? undefined : isKnown(m.kvm) ? m.kvm : undefined;
  if (s.parameters.old && guest === null && isKnown(queue.savedIsc) && queue.savedIsc !== null) {
    crash(x, s, `an ISC of ${apqnText(queue.apqn)} is unregistered where the mdev has no guest`, IRQ_10, AQIC_4);
  }
  freeIsc(x, s, queue, m, guest);
  freeNib(x, s, queue, m, guest);
  if (queue.savedIsc === null && queue.savedNib === null) s.journal.set(queue, "heldBy", null);
  // IRQ-10 (d), IRQ-11: the mailed code forgets the mdev with the resources.
  if (s.parameters.profile === "aqic-v9" && s.parameters.variant === "posted") {
    x.by(IRQ_11);
    s.journal.set(queue, "owner", null);
  }
}

/**
 * A queue whose mdev is not known has none if something is saved for it and the lines of freeing that, which would be there,
 * are not. A request of the guest has found the queue, and so its mdev (AQIC-5, AQIC-10).
 */
function hasNoMdev(x: Trial, queue: Queue): boolean {
  if (isKnown(queue.owner) || !isKnown(queue.savedIsc) || queue.savedIsc === null) return false;
  if (x.operation.call.kind === "pqap" || !x.certain("gisc_unregister") || !x.certain("unpin_pages")) return false;
  return x.peek("gisc_unregister") === undefined && x.peek("unpin_pages") === undefined;
}

/** IRQ-10, old profiles: without an mdev nothing is freed, and what was saved is forgotten all the same. */
function loseRegistration(x: Trial, s: ApState, queue: Queue): void {
  if (queue.savedIsc === null && queue.savedNib === null) return;
  if (isKnown(queue.savedIsc) && isKnown(queue.savedNib)) {
    x.knownDefect(
      `${apqnText(queue.apqn)} has no mdev: its registered ISC and pinned NIB are lost, not freed`,
      IRQ_10,
      IRQ_11,
    );
  }
  leakSaved(s, queue, IRQ_11);
  s.journal.set(queue, "owner", null);
}

function freeIsc(
  x: Trial,
  s: ApState,
  queue: Queue,
  m: Mdev | null | undefined,
  guest: Guest | null | undefined,
): void {
  const isc = queue.savedIsc;
  if (isc === null) return;
  if (!isKnown(isc) || m === undefined || guest === undefined) {
    const seen = x.maybe("gisc_unregister", (effect) => {
      if (isKnown(isc) && effect.gisc !== isc) return "other ISC";
      return guest === undefined || guest === null || pointerFits(guest, effect.kvm) ? undefined : "other guest";
    });
    if (seen !== undefined) unregistered(s, seen.kvm, seen.gisc);
    if (seen !== undefined) leaveElsewhere(s, queue, seen.kvm, seen.gisc);
    const settled = seen !== undefined || x.certain("gisc_unregister");
    if (!settled) for (const holder of holders(s, queue)) forgetFreed(s, holder);
    // linux-6.1 keeps what it cannot free: the line that is missing says that the queue has no mdev, or its mdev no guest.
    const freed = seen !== undefined || s.parameters.old || (isThere(m) && isThere(guest));
    if (freed || !settled) s.journal.set(queue, "savedIsc", settled ? null : unknown);
    // INV-1: where no ISC was saved, no NIB was either.
    if (freed && settled && seen === undefined) s.journal.set(queue, "savedNib", null);
    return;
  }
  if (m === null || guest === null) return;
  const { heldBy } = queue;
  if (ofAnother(heldBy, guest) && (giscCount(guest, isc) ?? 0) > 0) {
    // RST-2: a reset that failed left it registered at a guest that is gone, and this one's count pays for it.
    addLeak(s, guest, { kind: "stale", what: isc, apqn: queue.apqn, rule: IRQ_10 });
  }
  unregister(x, s, guest, isc, IRQ_10);
  if (ofAnother(heldBy, guest) && heldBy.live) {
    x.knownDefect(`ISC ${isc} was registered at ${guestName(heldBy)}, where it stays`, IRQ_10);
    leakIsc(s, heldBy, isc, queue.apqn, IRQ_10);
  }
  s.journal.set(queue, "savedIsc", null);
}

function freeNib(
  x: Trial,
  s: ApState,
  queue: Queue,
  m: Mdev | null | undefined,
  guest: Guest | null | undefined,
): void {
  const nib = queue.savedNib;
  if (nib === null) return;
  if (!isKnown(nib) || m === undefined || guest === undefined) {
    const seen = x.maybe("unpin_pages", (effect) =>
      !isKnown(nib) || addressText(effect.iova) === nib ? undefined : "other",
    );
    if (seen !== undefined) unpinned(s, queue, addressText(seen.iova));
    const settled = seen !== undefined || x.certain("unpin_pages");
    if (!settled) for (const holder of holders(s, queue)) forgetPins(s, holder);
    const freed = seen !== undefined || s.parameters.old || isThere(m);
    if (freed || !settled) s.journal.set(queue, "savedNib", settled ? null : unknown);
    return;
  }
  if (m === null) return;
  const { heldBy } = queue;
  if (guest !== null && ofAnother(heldBy, guest) && isKnown(guest.pins) && guest.pins.has(nib)) {
    addLeak(s, guest, { kind: "stale", what: nib, apqn: queue.apqn, rule: IRQ_10 });
  }
  unpin(x, s, guest ?? undefined, nib, IRQ_10);
  if (ofAnother(heldBy, guest) && heldBy.live) {
    // NIB-7: another container, or a device that is closed: the page stays where it was pinned.
    leakPin(s, heldBy, nib, queue.apqn, IRQ_10);
  }
  s.journal.set(queue, "savedNib", null);
}

function isThere(known: Mdev | Guest | null | undefined): boolean {
  return known !== null && known !== undefined;
}

/** Whether something that is saved was made for another guest than the one that it is taken from. */
function ofAnother(heldBy: Known<Guest | null>, guest: Guest | null): heldBy is Guest {
  return isKnown(heldBy) && heldBy !== null && heldBy !== guest;
}

/** `registered`: the ISC certainly is, also where its count is not known. */
export function unregister(
  x: Trial,
  s: ApState,
  guest: Guest,
  isc: number,
  rule: Rule,
  registered: boolean = false,
): void {
  const count = giscCount(guest, isc) ?? (registered ? 1 : undefined);
  x.expect(
    "gisc_unregister",
    (seen) => {
      if (seen.gisc !== isc || !pointerFits(guest, seen.kvm)) return `gisc_unregister ${seen.gisc}`;
      const failed = seen.rc === EINVAL || seen.rc === ENODEV;
      if (count === undefined ? seen.rc === 0 || failed : count > 0 ? seen.rc === 0 : failed) return undefined;
      return `gisc_unregister ${seen.gisc} rc ${seen.rc}`;
    },
    () => `gisc_unregister ${isc}`,
    rule,
    GISC_2,
  );
  countGisc(s, guest, isc, -1);
}

const EINVAL = -22;
/** A guest without a GISA (GISC-2). */
const ENODEV = -19;

export function unpin(x: Trial, s: ApState, guest: Guest | undefined, key: string, rule: Rule): void {
  x.expect(
    "unpin_pages",
    (seen) => (addressText(seen.iova) === key && seen.npage === 1 ? undefined : `unpin of ${addressText(seen.iova)}`),
    () => `unpin_pages iova ${key}`,
    rule,
    NIB_7,
  );
  if (guest !== undefined) countPin(s, guest, key, -1);
}

/**
 * The registration may have been freed, as a whole: it was where the next line is the first one of that, and was not where
 * that line would be there and is not; else nobody knows. Returns whether it was.
 */
export function freeIfSeen(x: Trial, s: ApState, queue: Queue): Tri {
  if (queue.savedIsc === null && queue.savedNib === null) return "unknown";
  if (beginsFree(x, queue)) {
    free(x, s, queue);
    return true;
  }
  if (wouldShow(x, queue)) return false;
  if (queue.savedIsc !== null && !x.certain("gisc_unregister")) {
    for (const holder of holders(s, queue)) forgetFreed(s, holder);
    s.journal.set(queue, "savedIsc", unknown);
  }
  if (queue.savedNib !== null && !x.certain("unpin_pages")) {
    for (const holder of holders(s, queue)) forgetPins(s, holder);
    s.journal.set(queue, "savedNib", unknown);
  }
  return "unknown";
}

/** Whether the next line is one with which the freeing of the queue's registration can begin (IRQ-10). */
function beginsFree(x: Trial, queue: Queue): boolean {
  const { savedIsc, savedNib } = queue;
  const isc = x.peek("gisc_unregister");
  if (isc !== undefined) return is<number | null>(savedIsc, isc.gisc) !== false;
  const page = x.peek("unpin_pages");
  if (page === undefined || is<string | null>(savedNib, addressText(page.iova)) === false) return false;
  // The ISC goes first, where there is one and a guest that has it.
  return !(x.certain("gisc_unregister") && isSaved(savedIsc) && hasGuest(queue));
}

/** Whether the freeing of what is saved for the queue would leave a line. */
function wouldShow(x: Trial, queue: Queue): boolean {
  const { savedIsc, savedNib, owner } = queue;
  if (isSaved(savedIsc) && hasGuest(queue) && x.certain("gisc_unregister")) return true;
  return isSaved(savedNib) && isKnown(owner) && owner !== null && x.certain("unpin_pages");
}

function isSaved(saved: Known<string | number | null>): boolean {
  return isKnown(saved) && saved !== null;
}

/** Whether the queue has an mdev with a guest for certain. */
function hasGuest({ owner }: Queue): boolean {
  return isKnown(owner) && owner !== null && isKnown(owner.kvm) && owner.kvm !== null;
}

/** A queue's ISC that was unregistered at another guest stays registered at the one that it was made for. */
function leaveElsewhere(s: ApState, { heldBy, apqn }: Queue, pointer: string, isc: number): void {
  if (!isKnown(heldBy) || heldBy === null || !heldBy.live || pointerFits(heldBy, pointer)) return;
  leakIsc(s, heldBy, isc, apqn, IRQ_10);
}

/** A line shows which guest an ISC was unregistered at. */
export function unregistered(s: ApState, pointer: string, isc: number): void {
  const guest = guestByPointer(s, pointer);
  if (guest !== undefined) countGisc(s, guest, isc, -1);
}

/** A line shows that a page was unpinned; in whose container is known only where it is known for which queue, and who holds it. */
export function unpinned(s: ApState, queue: Queue | undefined, key: string): void {
  const guests = queue === undefined ? [...s.guests.values()] : holders(s, queue);
  const [only] = guests;
  if (guests.length === 1 && only !== undefined) countPin(s, only, key, -1);
  else for (const guest of guests) forgetPins(s, guest);
}

/** How often the ISCs of a guest are registered is not known any more, after one that was may have been unregistered. */
function forgetFreed(s: ApState, guest: Guest): void {
  if (isKnown(guest.gisc) && guest.gisc.every((count) => count === 0)) return;
  forgetCounts(s, guest);
}

/** How often the ISCs of a guest are registered is not known. */
export function forgetCounts(s: ApState, guest: Guest): void {
  s.journal.set(guest, "gisc", unknown);
  s.journal.set(guest, "alertMask", unknown);
}
