import { apqnText } from "../../operation/ap/attribute.js";
import { isKnown, type Known } from "../core/known.js";
import type { Broken, Rule } from "../core/rule.js";
import { KVM_6, KVM_10 } from "./attach.js";
import type { Concerned } from "./concerned.js";
import { IRQ_10 } from "./free.js";
import { guestName } from "./guests.js";
import { KVM_13 } from "./ledger.js";
import { ALL, type ApProfile, aqicRule, V12_V61 } from "./profile.js";
import { MDEV_5_V12 } from "./queue-life.js";
import { RST_10 } from "./reset-rules.js";
import type { ApState, Guest, Leak, Queue } from "./state.js";

/** An invariant of vfio-ap-aqic section 6. */
function invariant(id: string, title: string, text: string, profiles: readonly ApProfile[] = ALL): Rule {
  return aqicRule(id, title, text, "vfio-ap-aqic 6", profiles);
}

export const INV_1 = invariant(
  "INV-1",
  "ISC and NIB together",
  "A queue has a saved ISC exactly if it has a saved NIB. In the old profiles a NIB in guest page 0 is an exception (NIB-6).",
);
export const INV_2 = invariant(
  "INV-2",
  "Pins are accounted for",
  "Each key is pinned as often as queues have it saved, plus what leaked, less what a DMA unmap took away.",
);
export const INV_3 = invariant(
  "INV-3",
  "Registrations are accounted for",
  "Each ISC of a guest is counted as often as queues have it saved, plus what leaked.",
);
export const INV_4 = invariant(
  "INV-4",
  "Alert mask",
  "A bit of the alert mask is set exactly if the ISC is counted, but for protected mode (GISC-8).",
);
export const INV_5 = invariant("INV-5", "Range of the ISC", "A saved ISC is 0 to 7.");
export const INV_6 = invariant(
  "INV-6",
  "Who can have a NIB",
  "Only an enable with response code 00 on a bound queue leaves a pinned NIB, until it is freed.",
);
export const INV_7 = invariant("INV-7", "No APQN in two mdevs", "An APQN is in the matrix of one mdev at most.");
export const INV_8 = invariant(
  "INV-8",
  "Tables and queues agree",
  "A queue names the mdev in whose table it is. linux-6.1: queues that were filtered out, and all but the first of a bucket, keep it after an unassign (RST-10).",
  V12_V61,
);
export const INV_9 = invariant(
  "INV-9",
  "Linked queues are assigned and bound",
  "A queue in a table is bound, and in that mdev's matrix; in dynamic-v12 not after the unassigning of a domain (QUEUE-9).",
  V12_V61,
);
export const INV_10 = invariant(
  "INV-10",
  "Hook and guest agree",
  "A guest's hook is the mdev that has the guest; in the old profiles not after the guest was withdrawn (KVM-10).",
);
export const INV_11 = invariant("INV-11", "One mdev for a guest", "One mdev at most has a given guest.");
export const INV_12 = invariant(
  "INV-12",
  "References are accounted for",
  "The driver has one reference on a guest for each mdev that has it, but for the deviations of KVM-13, and never less than none.",
);
export const INV_13 = invariant(
  "INV-13",
  "Nothing is left after a detach",
  "A guest without mdev has empty masks and no hook, and no queue has anything registered for it; but for resets that failed with -EIO, leaks, and queues that were filtered out and unassigned.",
);
export const INV_14 = invariant(
  "INV-14",
  "The guest's masks",
  "While attached, the guest runs with the matrix (aqic-v9) or the shadow, cut to the format.",
);
export const INV_15 = invariant("INV-15", "Shadow within the matrix", "The shadow is part of the matrix.", V12_V61);
export const INV_16 = invariant(
  "INV-16",
  "An interrupt that is on belongs to somebody",
  "A status word shows the interrupt on only where an ISC is saved for the queue, something leaked, or the queue was not ours before.",
);

/** Adds the invariants of interception and interrupts that are broken for certain. */
export function brokenAqicInvariants(s: ApState, { registrations, ledgers }: Concerned, broken: Broken[]): void {
  for (const queue of registrations) checkQueue(s, queue, broken);
  for (const guest of ledgers) if (guest.live && s.guests.has(guest.number)) checkGuest(s, guest, broken);
}

function report(broken: Broken[], rule: Rule, message: string, prescribedBy?: Rule): void {
  broken.push({ rule, message, prescribedBy });
}

/** INV-1, INV-5, INV-6, INV-8, INV-16. */
function checkQueue(s: ApState, queue: Queue, broken: Broken[]): void {
  const { savedIsc, savedNib, heldBy } = queue;
  if (isKnown(savedIsc) && isKnown(savedNib) && (savedIsc === null) !== (savedNib === null)) {
    const pageZero = s.parameters.old && savedNib === null && hasLeak(heldBy, "pin", "0x0");
    // Freed where the mdev did not have the guest that it is registered at: the NIB goes, the ISC stays.
    const elsewhere = isKnown(queue.owner) && queue.owner?.kvm !== heldBy;
    const orphaned = !s.parameters.old && savedNib === null && elsewhere ? IRQ_10 : undefined;
    if (!pageZero)
      report(
        broken,
        INV_1,
        `${apqnText(queue.apqn)} has ISC ${savedIsc ?? "none"} and NIB ${savedNib ?? "none"}`,
        orphaned,
      );
  }
  if (isKnown(savedIsc) && savedIsc !== null && (savedIsc < 0 || savedIsc > 7)) {
    report(broken, INV_5, `${apqnText(queue.apqn)} has ISC ${savedIsc}`);
  }
  if (isKnown(savedNib) && savedNib !== null && isKnown(queue.driver) && queue.driver !== "vfio_ap") {
    report(broken, INV_6, `${apqnText(queue.apqn)} has NIB ${savedNib} and is not bound to vfio_ap`);
  }
  if (queue.strayIrq) {
    report(broken, INV_16, `the interrupt of ${apqnText(queue.apqn)} is on, and nobody has registered for it`);
  }
  if (s.parameters.dynamic) checkTable(s, queue, broken);
}

function checkTable(s: ApState, queue: Queue, broken: Broken[]): void {
  const { linked, owner } = queue;
  if (!isKnown(linked) || !isKnown(owner) || linked === owner) return;
  // A queue that is unlinked and keeps its mdev: a defect of linux-6.1 (Q-13, Q-14), of dynamic-v12 after a removal.
  const kept = s.parameters.old ? owner?.present === false && MDEV_5_V12 : RST_10;
  const stale = linked === null && kept !== false ? kept : undefined;
  const text = `${apqnText(queue.apqn)} is in ${linked === null ? "no table" : `the table of mdev ${linked.uuid}`} and names ${owner === null ? "no mdev" : `mdev ${owner.uuid}`}`;
  report(broken, INV_8, text, stale);
}

function checkGuest(s: ApState, guest: Guest, broken: Broken[]): void {
  const holding = queuesHolding(s, guest);
  checkPins(guest, holding, broken);
  checkCounts(guest, holding, broken);
  checkHook(s, guest, broken);
  checkReferences(s, guest, broken);
  if (guest.hook === null) checkDetached(s, guest, holding, broken);
}

/** The queues that have, or may have, something saved for the guest. */
function queuesHolding(s: ApState, guest: Guest): readonly Queue[] {
  const holding: Queue[] = [];
  for (const queue of s.queues.values()) {
    const { heldBy } = queue;
    if (heldBy !== null && (heldBy === guest || !isKnown(heldBy))) holding.push(queue);
  }
  return holding;
}

/** INV-2. */
function checkPins(guest: Guest, holding: readonly Queue[], broken: Broken[]): void {
  const { pins, leaks } = guest;
  if (!isKnown(pins) || !isKnown(leaks)) return;
  if (pins.size === 0 && leaks.length === 0 && holding.length === 0) return;
  const expected = new Map<string, number>();
  const count = (key: string, by: number): void => void expected.set(key, (expected.get(key) ?? 0) + by);
  for (const { savedNib, heldBy } of holding) {
    if (savedNib === null) continue;
    if (!isKnown(heldBy) || !isKnown(savedNib)) return;
    count(savedNib, 1);
  }
  for (const { kind, what } of leaks) {
    if (kind === "pin") count(String(what), 1);
    else if (kind === "stale" && typeof what === "string") count(what, -1);
  }
  const compare = (key: string, pinned: number, due: number): void => {
    if (pinned === due) return;
    report(broken, INV_2, `${guestName(guest)} has ${key} pinned ${pinned} times, of which ${due} are accounted for`);
  };
  for (const [key, due] of expected) compare(key, pins.get(key) ?? 0, due);
  for (const [key, pinned] of pins) if (!expected.has(key)) compare(key, pinned, 0);
}

/** INV-3, INV-4. */
function checkCounts(guest: Guest, holding: readonly Queue[], broken: Broken[]): void {
  const { gisc, leaks, alertMask } = guest;
  if (!isKnown(gisc)) return;
  const mask = gisc.reduce((bits, count, isc) => (count > 0 ? bits | (0x80 >> isc) : bits), 0);
  if (isKnown(alertMask) && alertMask !== mask) {
    report(broken, INV_4, `${guestName(guest)} has alert mask ${hex(alertMask)} where its counts ask for ${hex(mask)}`);
  }
  if (!isKnown(leaks)) return;
  const expected = [0, 0, 0, 0, 0, 0, 0, 0];
  for (const { savedIsc, heldBy } of holding) {
    if (savedIsc === null) continue;
    if (!isKnown(heldBy) || !isKnown(savedIsc)) return;
    expected[savedIsc] = (expected[savedIsc] ?? 0) + 1;
  }
  for (const { kind, what } of leaks) {
    if (typeof what !== "number" || (kind !== "isc" && kind !== "stale")) continue;
    expected[what] = (expected[what] ?? 0) + (kind === "isc" ? 1 : -1);
  }
  gisc.forEach((count, isc) => {
    const due = expected[isc] ?? 0;
    if (count === due) return;
    report(
      broken,
      INV_3,
      `${guestName(guest)} has ISC ${isc} registered ${count} times, of which ${due} are accounted for`,
    );
  });
}

/** INV-10. */
function checkHook(s: ApState, guest: Guest, broken: Broken[]): void {
  const { hook } = guest;
  if (!isKnown(hook)) return;
  if (hook !== null && isKnown(hook.kvm) && hook.kvm !== guest && hook.present !== false) {
    const rule = s.parameters.old ? KVM_10 : s.parameters.hookFirst ? KVM_6 : undefined;
    report(
      broken,
      INV_10,
      `the hook of ${guestName(guest)} is mdev ${hook.uuid}, which has another guest or none`,
      rule,
    );
  }
  for (const m of s.mdevs.values()) {
    if (m.present !== true || m.kvm !== guest || hook === m) continue;
    const rule = s.parameters.hookFirst ? KVM_6 : undefined;
    report(broken, INV_10, `mdev ${m.uuid} has ${guestName(guest)}, whose hook is another or none`, rule);
  }
}

/** INV-12. */
function checkReferences(s: ApState, guest: Guest, broken: Broken[]): void {
  const { refs, leaks } = guest;
  if (!isKnown(refs) || !isKnown(leaks)) return;
  let due = 0;
  for (const m of s.mdevs.values()) {
    if (m.present === false) continue;
    if (!isKnown(m.kvm)) return;
    if (m.kvm === guest) due++;
  }
  const deviations = leaks.filter(({ kind }) => kind === "ref");
  const accounted = deviations.reduce((sum, { what }) => sum + Number(what), due);
  if (refs !== accounted) {
    report(
      broken,
      INV_12,
      `the driver has ${refs} references on ${guestName(guest)}, of which ${accounted} are accounted for`,
    );
  }
  if (refs < 0) {
    const cause = deviations[0]?.rule ?? KVM_13;
    report(
      broken,
      INV_12,
      `the driver has dropped ${-refs} references on ${guestName(guest)} more than it took`,
      cause,
    );
  }
}

/** INV-13: what queues still have registered for a guest without an mdev. */
function checkDetached(s: ApState, guest: Guest, holding: readonly Queue[], broken: Broken[]): void {
  for (const queue of holding) {
    if (queue.heldBy !== guest || !isKnown(queue.savedIsc) || queue.savedIsc === null) continue;
    // RST-2: a reset that failed has been reported where it happened.
    if (!s.parameters.old && queue.resetRc !== 0) continue;
    const rule = s.parameters.dynamic ? RST_10 : undefined;
    const text = `${apqnText(queue.apqn)} has ISC ${queue.savedIsc} registered at ${guestName(guest)}, which has no mdev`;
    report(broken, INV_13, text, rule);
  }
}

function hasLeak(guest: Known<Guest | null>, kind: Leak["kind"], what: string): boolean {
  if (!isKnown(guest) || guest === null) return true;
  return !isKnown(guest.leaks) || guest.leaks.some((leak) => leak.kind === kind && leak.what === what);
}

function hex(mask: number): string {
  return `0x${mask.toString(16).padStart(2, "0")}`;
}
