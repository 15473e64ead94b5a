import * as mask from "../../event/mask.js";
import { apqnText } from "../../operation/ap/attribute.js";
import type { ApEffect } from "../../operation/ap/effect.js";
import {
  admits,
  type Bits,
  difference,
  exactly,
  intersection,
  intersects,
  isExact,
  joinBits,
  possible,
  same,
} from "../core/bits.js";
import { and, is, isKnown, not, or, type Tri, unknown } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { learnFact } from "./guest-facts.js";
import { guestByPointer, guestOf, learnPointer, pointerFits } from "./guests.js";
import { configRule, V12_V61, V61 } from "./profile.js";
import { learnShadow } from "./shadow-seen.js";
import type { ApState, Guest, Mdev, Queue } from "./state.js";

export const APCB_1 = configRule(
  "APCB-1",
  "Filtering of the matrix (REFILTER)",
  "The shadow is the matrix cut to the host configuration; an adapter with any domain of the shadow whose queue is not linked to the mdev, or whose last reset did not end with response code 00, is left out as a whole. Domains are never left out for missing queues, and control domains are not touched.",
  "vfio_ap_ops.c:vfio_ap_mdev_filter_matrix",
  V61,
);
export const APCB_2 = configRule(
  "APCB-2",
  "Filtering of control domains (REFILTER-CD)",
  "The shadow's control domains are the assigned ones that the host configuration has.",
  "vfio_ap_ops.c:vfio_ap_mdev_filter_cdoms",
  V61,
);
export const PLUG_2 = configRule(
  "PLUG-2",
  "Which side is filtered",
  "linux-6.1 always leaves adapters out. dynamic-v12 holds the new number back, adapter or domain, at an assign and a probe, and leaves adapters out at a guest start and when a queue goes.",
  "p10, p12, p13; vfio_ap_ops.c:vfio_ap_mdev_filter_matrix",
  V12_V61,
);
export const INV_12 = configRule(
  "INV-12",
  "No incomplete adapter after filtering",
  "Right after the filtering no adapter of the shadow has a queue on a domain of the shadow that is not bound or whose last reset failed; a reset that fails later takes no adapter out by itself.",
  "vfio-ap-config 6",
  V61,
);
export const APCB_7 = configRule(
  "APCB-7",
  "What reaches the CRYCB",
  "Only a commit of the shadow and a clear write the guest's CRYCB; with a guest the block equals the shadow, cut to the format. In aqic-v9 it is the matrix at the start of the guest.",
  "p08; vfio_ap_mdev_update_guest_apcb; kvm-s390.c:kvm_arch_crypto_set_masks",
);
export const APCB_8 = configRule(
  "APCB-8",
  "Format of the CRYCB",
  "The shadow reaches the guest cut to the room of its block: 64 adapters and 16 domains in formats 0 and 1. The limits of the mdev make that lossless, except for a guest without facility 76 on a host with APXA.",
  "kvm-s390.c:kvm_s390_set_crycb_format, kvm_arch_crypto_set_masks",
);
export const APCB_9 = configRule(
  "APCB-9",
  "Empty side",
  "Adapters without domains, or domains without adapters, are legal and give the guest no queue.",
  "vfio_ap_mdev_update_guest_apcb",
);
export const NOND_7 = configRule(
  "NOND-7",
  "Number of apcb_set events",
  "Exactly one for each commit: none for an mdev without a guest, none for a store that changes nothing in the shadow, never two for one store.",
  "vfio_ap_mdev_update_guest_apcb",
  V12_V61,
);

/** HAS(m, apqn): the queue is in the mdev's table. */
export function linkedTo(queue: Queue | undefined, m: Mdev): Tri {
  return queue === undefined ? false : is<Mdev | null>(queue.linked, m);
}

/** Whether a queue lets its adapter pass APCB-1. */
function passable(s: ApState, queue: Queue | undefined, m: Mdev): Tri {
  if (queue === undefined) return s.host.devicesListed ? false : "unknown";
  return and(linkedTo(queue, m), is(queue.resetRc, 0));
}

/** REFILTER(m): computes the shadow's adapters and domains anew; whether they changed (APCB-1). */
export function refilter(x: Trial, s: ApState, m: Mdev): Tri {
  x.by(APCB_1);
  const { host } = s;
  const aqm = intersection(m.aqm, host.infoAqm);
  const present = intersection(m.apm, host.infoApm);
  const apm = dropIncomplete(s, m, present, aqm);
  if (apm !== present) x.by(PLUG_2, INV_12);
  const changed = not(and(same(apm, m.shApm), same(aqm, m.shAqm)));
  s.journal.set(m, "shApm", changed === false ? m.shApm : apm);
  s.journal.set(m, "shAqm", changed === false ? m.shAqm : aqm);
  return changed;
}

/** The adapters of which no queue is missing; the very same mask where none is. */
function dropIncomplete(s: ApState, m: Mdev, apm: Bits, aqm: Bits): Bits {
  const domains = mask.bitsOf(possible(aqm));
  let out = mask.emptyMask;
  let doubtful = mask.emptyMask;
  for (const apid of mask.bitsOf(possible(apm))) {
    for (const apqi of domains) {
      const pass = passable(s, s.queues.get((apid << 8) | apqi), m);
      if (pass === true) continue;
      if (pass === false && mask.hasBit(aqm.ones, apqi)) {
        out = mask.withBit(out, apid);
        break;
      }
      doubtful = mask.withBit(doubtful, apid);
    }
  }
  if (mask.isEmpty(out) && mask.isEmpty(doubtful)) return apm;
  const kept = difference(apm, exactly(out));
  if (mask.isEmpty(doubtful)) return kept;
  // An adapter in doubt may be in the shadow or not.
  return joinBits(kept, difference(kept, exactly(doubtful)));
}

/** REFILTER-CD(m): the shadow's control domains; whether they changed (APCB-2). */
export function refilterControl(x: Trial, s: ApState, m: Mdev): Tri {
  x.by(APCB_2);
  const adm = intersection(m.adm, s.host.infoAdm);
  const changed = not(same(adm, m.shAdm));
  s.journal.set(m, "shAdm", changed === false ? m.shAdm : adm);
  return changed;
}

/** What the shadow was, to be able to say that nothing changed. */
export interface ShadowBefore {
  readonly apm: Bits;
  readonly aqm: Bits;
  readonly adm: Bits;
}

export function shadowOf(m: Mdev): ShadowBefore {
  return { apm: m.shApm, aqm: m.shAqm, adm: m.shAdm };
}

/**
 * COMMIT(m), if the shadow changed: one apcb_set with the three shadow masks for an mdev with a guest. What is not known
 * of the shadow, or of the guest, follows from whether the event is seen. Returns whether the shadow changed, as far as
 * that tells.
 */
export function commitIf(x: Trial, s: ApState, m: Mdev, changed: Tri, before: ShadowBefore): Tri {
  if (m.tainted !== undefined) {
    x.maybe("apcb_set", () => undefined);
    return changed;
  }
  if (changed === false || m.kvm === null) return changed;
  if (changed === true && isKnown(m.kvm)) {
    commit(x, s, m);
    return true;
  }
  const seen = x.maybe("apcb_set", (effect) => setDiffers(s, m, effect) ?? ofLater(x, effect) ?? ofStranger(x, s, m));
  if (seen !== undefined) {
    adopt(x, s, m, seen);
    logged(x, s, m);
    return true;
  }
  if (!x.certain("apcb_set")) {
    blurGuest(s, m);
    return changed;
  }
  // Nothing was sent: there is no guest, or the shadow is what it was.
  if (changed === true) s.journal.set(m, "kvm", null);
  else if (isKnown(m.kvm)) {
    restoreShadow(s, m, before);
    return false;
  }
  return changed;
}

/** As {@link commitIf}, where it is not known whether the shadow was computed anew at all. */
export function commitPerhaps(x: Trial, s: ApState, m: Mdev, changed: Tri, before: ShadowBefore): void {
  const outcome = commitIf(x, s, m, and("unknown", changed), before);
  if (outcome === true) return;
  const keep = (computed: Bits, old: Bits): Bits => (outcome === false ? old : joinBits(computed, old));
  s.journal.set(m, "shApm", keep(m.shApm, before.apm));
  s.journal.set(m, "shAqm", keep(m.shAqm, before.aqm));
  s.journal.set(m, "shAdm", keep(m.shAdm, before.adm));
}

/**
 * In a scan, what is seen next may be the commit of a later queue, or of the completion: it is where lines of queues stand
 * before it whose turn has not come.
 */
function ofLater(x: Trial, commit: ApEffect): string | undefined {
  const { call, effects } = x.operation;
  if (call.kind !== "scan") return undefined;
  const waiting = x.bracketList();
  for (const { effect } of effects) {
    if (effect === commit) break;
    const ofQueue = effect.kind === "queue_probe" || effect.kind === "queue_remove";
    if (ofQueue && waiting.includes(effect)) return "of what follows";
  }
  return x.choose(2) === 1 ? "of what follows" : undefined;
}

/** Where it is not known whose guest was told, it may be that of an mdev which nothing named. */
function ofStranger(x: Trial, s: ApState, m: Mdev): string | undefined {
  if (isKnown(m.kvm) || is(s.host.hiddenMdevs, 0) === true) return undefined;
  return x.choose(2) === 1 ? "of another mdev" : undefined;
}

/** An mdev that nothing named can have a guest too: what is sent to that guest now is taken over. */
export function adoptStrangers(x: Trial, s: ApState): void {
  if (is(s.host.hiddenMdevs, 0) === true) return;
  for (;;) {
    const seen = x.maybe("apcb_set", (effect) => {
      const hook = guestByPointer(s, effect.kvm)?.hook;
      return hook === undefined || !isKnown(hook) ? ofLater(x, effect) : "the guest of a known mdev, or of none";
    });
    const guest = seen === undefined ? undefined : guestOf(s, seen.kvm, undefined);
    if (seen === undefined || guest === undefined) return;
    s.journal.set(guest, "hook", unknown);
    s.journal.set(guest, "apm", exactly(seen.apm));
    s.journal.set(guest, "aqm", exactly(seen.aqm));
    s.journal.set(guest, "adm", exactly(seen.adm));
    logOf(x, guest.apm, guest.aqm, guest.adm);
  }
}

/** One apcb_set with the shadow for the guest that the mdev has. */
export function commit(x: Trial, s: ApState, m: Mdev): void {
  const next = x.peek("apcb_set");
  const difference = next === undefined ? undefined : setDiffers(s, m, next);
  // What made the shadow is asked for where it is not what is seen.
  const made = next !== undefined && difference === undefined ? [] : x.rules.filter(isShadowRule);
  const seen = x.expect(
    "apcb_set",
    () => difference,
    () => `apcb_set ${shadowText(m)}`,
    ...made,
    APCB_7,
    NOND_7,
  );
  if (seen !== undefined) adopt(x, s, m, seen);
  else if (isKnown(m.kvm) && m.kvm !== null) loadGuest(s, m.kvm, m);
  logged(x, s, m);
}

/** The debug log tells the same update, as the guest's block holds it: which format that has is seen there (KVM-1). */
function logged(x: Trial, s: ApState, m: Mdev): void {
  const log = logOf(x, m.shApm, m.shAqm, m.shAdm);
  if (log !== undefined && isKnown(m.kvm) && m.kvm !== null) learnFact(x, s, m.kvm, "wide", log.wide);
}

function logOf(x: Trial, apm: Bits, aqm: Bits, adm: Bits): { readonly wide: boolean } | undefined {
  return x.hint("crycb_set", (seen) => {
    const fits = (bits: Bits, mask: mask.Mask, room: number): boolean =>
      seen.wide ? admits(bits, mask) : admits(intersection(bits, roomOf(room)), mask);
    return fits(apm, seen.apm, 64) && fits(aqm, seen.aqm, 16) && fits(adm, seen.adm, 16) ? undefined : "other masks";
  });
}

function roomOf(bits: number): Bits {
  return exactly(mask.maskUpTo(bits - 1));
}

/** A rule that says what the shadow is. */
function isShadowRule(rule: Rule): boolean {
  return rule.id.startsWith("ap-config/APCB-") && rule !== APCB_7;
}

/** Says how an observed apcb_set differs from the mdev's shadow and guest. */
function setDiffers(s: ApState, m: Mdev, effect: Extract<ApEffect, { kind: "apcb_set" }>): string | undefined {
  const fits =
    admits(m.shApm, effect.apm) &&
    admits(m.shAqm, effect.aqm) &&
    admits(m.shAdm, effect.adm) &&
    (isKnown(m.kvm) ? m.kvm === null || pointerFits(m.kvm, effect.kvm) : mayHave(s, m, effect.kvm)) &&
    mayPass(s, m, effect);
  if (fits) return undefined;
  return `apcb_set kvm ${effect.kvm} apm ${masked(effect.apm)} aqm ${masked(effect.aqm)} adm ${masked(effect.adm)}`;
}

/** Whether the mdev may have the guest of that pointer: one that no other mdev is known to have (KVM-14). */
function mayHave(s: ApState, m: Mdev, pointer: string): boolean {
  const hook = guestByPointer(s, pointer)?.hook;
  return hook === undefined || is<Mdev | null>(hook, m) !== false || hook === null;
}

/** INV-4: where the shadow is not known, what is certainly not linked cannot be in it. */
function mayPass(s: ApState, m: Mdev, { apm, aqm }: { readonly apm: mask.Mask; readonly aqm: mask.Mask }): boolean {
  if (s.parameters.profile !== "linux-6.1" || (isExact(m.shApm) && isExact(m.shAqm))) return true;
  for (const apid of mask.bitsOf(apm)) {
    for (const apqi of mask.bitsOf(aqm)) {
      const queue = s.queues.get((apid << 8) | apqi);
      if (queue !== undefined && linkedTo(queue, m) === false) return false;
    }
  }
  return true;
}

/** The observed masks are the shadow, and what the guest has now. */
function adopt(x: Trial, s: ApState, m: Mdev, effect: Extract<ApEffect, { kind: "apcb_set" }>): void {
  learnShadow(s, m, effect.apm, effect.aqm, effect.adm);
  const guest = isKnown(m.kvm) && m.kvm !== null ? m.kvm : guestOf(s, effect.kvm, undefined);
  if (guest === undefined) return;
  learnPointer(s, guest, effect.kvm);
  if (m.kvm !== guest) s.journal.set(m, "kvm", guest);
  if (guest.hook !== m) s.journal.set(guest, "hook", m);
  loadGuest(s, guest, m);
  x.agrees();
}

/** KVM-11, APCB-8, APCB-9: the guest runs with the shadow, whatever of it its block has room for, one side alone too. */
export function loadGuest(s: ApState, guest: Guest, m: Mdev): void {
  s.journal.set(guest, "apm", m.shApm);
  s.journal.set(guest, "aqm", m.shAqm);
  s.journal.set(guest, "adm", m.shAdm);
}

function blurGuest(s: ApState, m: Mdev): void {
  if (isKnown(m.kvm) && m.kvm !== null) loadGuest(s, m.kvm, m);
}

/** The shadow is what it was: where that was not known, a computation whose outcome is known tells it. */
function restoreShadow(s: ApState, m: Mdev, before: ShadowBefore): void {
  s.journal.set(m, "shApm", narrower(m.shApm, before.apm));
  s.journal.set(m, "shAqm", narrower(m.shAqm, before.aqm));
  s.journal.set(m, "shAdm", narrower(m.shAdm, before.adm));
}

function narrower(computed: Bits, before: Bits): Bits {
  return isExact(computed) && !isExact(before) ? computed : before;
}

/** RESERVED(P, Q): some APQN of the product belongs to the default drivers. */
export function reserved(s: ApState, apm: Bits, aqm: Bits): Tri {
  return and(intersects(apm, s.host.apmask), intersects(aqm, s.host.aqmask));
}

export const SHARE_3 = configRule(
  "SHARE-3",
  "First conflict only",
  "The mdevs are looked at newest first; the first one that conflicts ends the test and is the one that the log names.",
  "vfio_ap_mdev_verify_no_sharing; list_add at the head",
);

/** SHARED(m, P, Q): some other mdev has an APQN of the product (SHARE-1). */
export function shared(s: ApState, m: Mdev | undefined, apm: Bits, aqm: Bits): Tri {
  let any: Tri = false;
  for (const other of s.mdevs.values()) {
    if (other === m || other.present === false) continue;
    const conflict = and(and(is(other.present, true), intersects(apm, other.apm)), intersects(aqm, other.aqm));
    any = or(any, conflict);
    if (any === true) return true;
  }
  return is(s.host.hiddenMdevs, 0) !== true ? "unknown" : any;
}

export function shadowText(m: Mdev): string {
  return `apm ${maskedBits(m.shApm)} aqm ${maskedBits(m.shAqm)} adm ${maskedBits(m.shAdm)}`;
}

function maskedBits(bits: Bits): string {
  return isExact(bits) ? masked(bits.ones) : `${masked(bits.ones)} (unknown: ${masked(bits.maybe)})`;
}

/** A mask for people: its numbers in hex, ranges joined; long lists as digits. */
export function masked(value: mask.Mask): string {
  const bits = mask.bitsOf(value);
  if (bits.length > 16) return mask.maskText(value);
  return `{${bits.map((bit) => bit.toString(16).padStart(2, "0")).join(",")}}`;
}

export function queueName(queue: Queue): string {
  return apqnText(queue.apqn);
}
