import { is, isKnown, type Known, unknown } from "../core/known.js";
import { bareName, type Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { aqicRule } from "./profile.js";
import type { ApState, Guest, Leak, Queue } from "./state.js";

/** Interruption subclass counts, pins and references of a guest: exact where the guest was seen from its start. */

export const NIB_10 = aqicRule(
  "NIB-10",
  "Queues that share a NIB page",
  "Old profiles: one entry of the ledger for each page, counted; linux-6.1: one for each byte address.",
  "vfio_iommu_type1.c:vfio_iova_get_vfio_pfn",
);
export const GISC_6 = aqicRule(
  "GISC-6",
  "The mask in the GISA may lag",
  "While the GISA is on the host's alert list its mask is not written, and restored later; counts and alert mask are exact.",
  "interrupt.c:gisa_set_iam, gisa_get_ipm_or_restore_iam",
);
export const GISC_7 = aqicRule(
  "GISC-7",
  "Registering the same ISC again",
  "The new registration comes before the old one goes: the count rises and falls, the alert mask never toggles.",
  "vfio_ap_irq_enable",
);
export const KVM_13 = aqicRule(
  "KVM-13",
  "References on the guest",
  "One for an attach, given back by the detach; deviations: a second notification takes one too many (KVM-7), aqic-v9 keeps it when the guest is withdrawn (KVM-10), dynamic-v12 drops one for each queue that is removed (QUEUE-6).",
  "v9 3/4; v12 2/17, 5/17; vfio_ap_mdev_set_kvm, _unset_kvm",
);
export const AQIC_4 = aqicRule(
  "AQIC-4",
  "An mdev without its guest",
  "linux-6.1 answers response code 01; the old profiles do not look: an enable runs into the missing guest after the pin, a disable when it frees, and the host may crash.",
  "vfio_ap_ops.c:handle_pqap",
);

/** The alert mask's bit of an ISC (GISC-1). */
const alertBit = (isc: number): number => 0x80 >> isc;

/** One registration of an ISC more or less; the alert mask follows the counts that become 1 and 0 (GISC-1, GISC-2). */
export function countGisc(s: ApState, guest: Guest, isc: number, by: 1 | -1): void {
  if (!isKnown(guest.gisc)) return;
  const before = guest.gisc[isc] ?? 0;
  const after = Math.max(0, before + by);
  if (after === before) {
    takeLeak(s, guest, "stale", isc);
    return;
  }
  const counts = [...guest.gisc];
  counts[isc] = after;
  s.journal.set(guest, "gisc", counts);
  if (!isKnown(guest.alertMask)) return;
  if (before === 0) s.journal.set(guest, "alertMask", guest.alertMask | alertBit(isc));
  else if (after === 0) s.journal.set(guest, "alertMask", guest.alertMask & ~alertBit(isc));
}

/** Whether unregistering the ISC finds a registration: GISC-2 answers -EINVAL otherwise. */
export function giscCount(guest: Guest, isc: number): number | undefined {
  return isKnown(guest.gisc) ? (guest.gisc[isc] ?? 0) : undefined;
}

/** One pin of a key more or less; a key that is not pinned is silently ignored (NIB-7). */
export function countPin(s: ApState, guest: Guest, key: string, by: 1 | -1): void {
  if (!isKnown(guest.pins)) return;
  const before = guest.pins.get(key) ?? 0;
  if (before === 0 && by === -1) {
    takeLeak(s, guest, "stale", key);
    return;
  }
  // Copied one by one: to make a map of another one takes twice as long.
  const pins = new Map<string, number>();
  for (const [pinned, count] of guest.pins) if (pinned !== key || by === 1 || count > 1) pins.set(pinned, count);
  if (before + by > 0) pins.set(key, before + by);
  s.journal.set(guest, "pins", pins);
}

/** What is pinned for the guest is not known any more, unless nothing was. */
export function forgetPins(s: ApState, guest: Guest): void {
  if (isKnown(guest.pins) && guest.pins.size === 0) return;
  s.journal.set(guest, "pins", unknown);
}

/** One reference more or less (KVM-13). */
export function countRef(x: Trial, s: ApState, guest: Guest, by: 1 | -1): void {
  if (!isKnown(guest.refs)) return;
  x.by(KVM_13);
  s.journal.set(guest, "refs", guest.refs + by);
}

// --- what a rule left behind

export function addLeak(s: ApState, guest: Guest, leak: Leak): void {
  if (isKnown(guest.leaks)) s.journal.set(guest, "leaks", [...guest.leaks, leak]);
}

/** A pin that no queue remembers. */
export function leakPin(s: ApState, guest: Guest, key: string, apqn: number, rule: Rule): void {
  addLeak(s, guest, { kind: "pin", what: key, apqn, rule });
}

/** A registered ISC that no queue remembers. */
export function leakIsc(s: ApState, guest: Guest, isc: number, apqn: number, rule: Rule): void {
  addLeak(s, guest, { kind: "isc", what: isc, apqn, rule });
}

/** References that are too many or too few by `by`. */
export function leakRef(x: Trial, s: ApState, guest: Guest, by: 1 | -1, rule: Rule, message: string): void {
  if (isKnown(guest.refs)) s.journal.set(guest, "refs", guest.refs + by);
  addLeak(s, guest, { kind: "ref", what: by, apqn: undefined, rule });
  x.knownDefect(message, rule, KVM_13);
}

/** Takes one entry out of the leaks; false if there is none. */
export function takeLeak(s: ApState, guest: Guest, kind: Leak["kind"], what: string | number): boolean {
  if (!isKnown(guest.leaks)) return false;
  const at = guest.leaks.findIndex((leak) => leak.kind === kind && leak.what === what);
  if (at < 0) return false;
  s.journal.set(
    guest,
    "leaks",
    guest.leaks.filter((_, i) => i !== at),
  );
  return true;
}

/** What is saved for a queue is forgotten without being freed: it stays with the guest that it was made for. */
export function leakSaved(s: ApState, queue: Queue, rule: Rule): void {
  const { heldBy, savedIsc, savedNib } = queue;
  clearSaved(s, queue);
  if (savedIsc === null && savedNib === null) return;
  if (!isKnown(heldBy) || !isKnown(savedIsc) || !isKnown(savedNib)) {
    for (const guest of s.guests.values()) if (mayHold(heldBy, guest)) s.journal.set(guest, "leaks", unknown);
    return;
  }
  if (heldBy === null || !heldBy.live) return;
  if (savedIsc !== null) leakIsc(s, heldBy, savedIsc, queue.apqn, rule);
  // A NIB whose page was taken away under the queue leaves nothing behind.
  if (savedNib !== null && !takeLeak(s, heldBy, "stale", savedNib)) {
    leakPin(s, heldBy, savedNib, queue.apqn, rule);
  }
}

/** Whether something of which it is not known for whom it was registered can be the guest's: not one's that came since. */
function mayHold(heldBy: Known<Guest | null>, guest: Guest): boolean {
  return heldBy === unknown ? guest.madeAt === 0 : is<Guest | null>(heldBy, guest) !== false;
}

/** Something is registered for a queue. */
export function save(s: ApState, queue: Queue, guest: Guest, isc: number, nib: string | null): void {
  s.journal.set(queue, "savedIsc", isc);
  s.journal.set(queue, "savedNib", nib);
  s.journal.set(queue, "heldBy", guest);
}

/** Nothing is registered for a queue. */
export function clearSaved(s: ApState, queue: Queue): void {
  s.journal.set(queue, "savedIsc", null);
  s.journal.set(queue, "savedNib", null);
  s.journal.set(queue, "heldBy", null);
}

/** What is registered for a queue is not known. */
export function forgetSaved(s: ApState, queue: Queue): void {
  s.journal.set(queue, "savedIsc", unknown);
  s.journal.set(queue, "savedNib", unknown);
  s.journal.set(queue, "heldBy", unknown);
}

/** The operation ends here: the host may have crashed in it. */
export class Crash extends Error {}

/**
 * The host may have crashed here: whatever else is recorded says nothing about the rules.
 * @throws Crash always.
 */
export function crash(x: Trial, s: ApState, what: string, ...rules: readonly Rule[]): never {
  x.allowCrash();
  x.knownDefect(`the host may crash: ${what}`, ...rules);
  x.cannotCheck(`the host may have crashed: ${what}`);
  x.takeAll();
  const names = rules.map(({ id }) => bareName(id)).join(", ");
  s.journal.set(s.host, "hung", `the host may have crashed before: ${what} (${names})`);
  throw new Crash(what);
}
