import * as mask from "../../event/mask.js";
import type { ApEffect } from "../../operation/ap/effect.js";
import { exactly, noBits, unknownBits } from "../core/bits.js";
import { isKnown, type Known, oneOf, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { guestByPointer, guestOf } from "./guests.js";
import { sawStatus } from "./hardware.js";
import { mdevAt, meetMdev } from "./mdevs.js";
import { gone } from "./queue-life.js";
import { queueAt } from "./queues.js";
import type { ApState, Guest, Mdev } from "./state.js";
import { link } from "./table.js";
import { forgetReset, widenInterrupts, within } from "./widen.js";

/**
 * A call that nobody recorded, known by its effects alone: they are taken over, and what they do not show of the objects
 * that they name is not known any more. Nothing is judged.
 */
export function unrecorded(x: Trial, s: ApState): void {
  x.cannotCheck("the call was not recorded, only its effects were");
  takeEffects(x, s);
}

/** What follows an operation in its task is a call that nobody recorded. */
export function followed(x: Trial, s: ApState): void {
  for (const effect of x.rest()) takeEffect(s, effect);
  x.takeAll();
}

/** Takes everything observed over into the state, without judging it. */
export function takeEffects(x: Trial, s: ApState): void {
  const effects = x.operation.effects.map((seen) => seen.effect);
  for (const effect of effects) {
    if (effect.kind === "mdev_set_kvm" && effect.rc === 0) guestStarted(s, effect, masksFor(effects, effect.kvm));
    else if (effect.kind !== "apcb_set" || !effects.some((other) => startsGuest(other, effect.kvm)))
      takeEffect(s, effect);
  }
  x.takeAll();
}

type Masks = Extract<ApEffect, { kind: "apcb_set" }>;

function startsGuest(effect: ApEffect, kvm: string): boolean {
  return effect.kind === "mdev_set_kvm" && effect.rc === 0 && effect.kvm === kvm;
}

/** What a guest that starts is given (KVM-11). */
function masksFor(effects: readonly ApEffect[], kvm: string): Masks | undefined {
  for (const effect of effects) if (effect.kind === "apcb_set" && effect.kvm === kvm) return effect;
  return undefined;
}

/** MDEV-6: a guest starts with the shadow as it is, one of dynamic-v12 with one computed anew, one of aqic-v9 with the matrix. */
function guestStarted(s: ApState, line: Extract<ApEffect, { kind: "mdev_set_kvm" }>, masks: Masks | undefined): void {
  const { journal } = s;
  const m = mdevAt(s, line.mdev);
  const guest = guestOf(s, line.kvm, undefined);
  attach(s, m, guest);
  for (const [side, shadow] of SIDES) {
    if (masks !== undefined) journal.set(m, shadow, exactly(masks[side]));
    else if (s.parameters.old) journal.set(m, shadow, s.parameters.dynamic ? within(m[side]) : m[side]);
    if (guest !== undefined) journal.set(guest, side, m[shadow]);
  }
}

const SIDES = [
  ["apm", "shApm"],
  ["aqm", "shAqm"],
  ["adm", "shAdm"],
] as const;

function takeEffect(s: ApState, effect: ApEffect): void {
  switch (effect.kind) {
    case "apcb_set":
      takeMasks(s, effect.kvm, effect.apm, effect.aqm, effect.adm);
      break;
    case "apcb_clear":
      clear(s, effect.kvm);
      break;
    case "mdev_set_kvm":
      if (effect.rc === 0) attach(s, mdevAt(s, effect.mdev), guestOf(s, effect.kvm, undefined));
      break;
    case "mdev_unset_kvm":
      s.journal.set(mdevAt(s, effect.mdev), "kvm", null);
      s.journal.set(mdevAt(s, effect.mdev), "open", unknown);
      stopped(s, guestByPointer(s, effect.kvm));
      break;
    case "reset_queue":
      forgetReset(s, queueAt(s, effect.apqn));
      s.journal.set(queueAt(s, effect.apqn), "resetRc", resetCode(effect.rc));
      break;
    case "hw_zapq":
      forgetReset(s, queueAt(s, effect.apqn));
      sawStatus(s, queueAt(s, effect.apqn), effect.status);
      break;
    case "queue_probe":
      came(s, effect.apqn);
      break;
    case "queue_remove":
      gone(s, queueAt(s, effect.apqn), unknown);
      break;
    case "resource_in_use":
      if (effect.rc === 0) blurMasks(s);
      s.journal.set(s.host, "unseenCalls", true);
      break;
    case "pin_pages":
    case "unpin_pages":
    case "gisc_register":
    case "gisc_unregister":
    case "hw_aqic":
      widenInterrupts(s);
      break;
    case "cfg_changed":
    case "scan_complete":
    case "dma_unmap":
    case "hw_tapq":
      break;
  }
}

function takeMasks(s: ApState, kvm: string, apm: mask.Mask, aqm: mask.Mask, adm: mask.Mask): void {
  const guest = guestOf(s, kvm, undefined);
  if (guest === undefined) return;
  s.journal.set(guest, "apm", exactly(apm));
  s.journal.set(guest, "aqm", exactly(aqm));
  s.journal.set(guest, "adm", exactly(adm));
  // A store on an mdev, which nobody recorded: there may be others, without any effect.
  s.journal.set(s.host, "unseenCalls", true);
  const m = isKnown(guest.hook) ? guest.hook : undefined;
  if (m === undefined || m === null) {
    if (guest.hook === null) {
      s.journal.set(guest, "hook", unknown);
      forgetReferences(s, guest);
    }
    return;
  }
  for (const side of ["apm", "aqm", "adm"] as const) s.journal.set(m, side, unknownBits);
  s.journal.set(m, "shApm", exactly(apm));
  s.journal.set(m, "shAqm", exactly(aqm));
  s.journal.set(m, "shAdm", exactly(adm));
  blurLinks(s, m);
}

/** The matrix of an mdev changed unseen: which queues it links is not known. */
function blurLinks(s: ApState, m: Mdev): void {
  for (const queue of s.queues.values()) {
    if (queue.linked === m || queue.linked === null) s.journal.set(queue, "linked", oneOf<Mdev | null>([m, null]));
    if (queue.owner === m || queue.owner === null) s.journal.set(queue, "owner", oneOf<Mdev | null>([m, null]));
  }
}

function clear(s: ApState, kvm: string): void {
  const guest = guestByPointer(s, kvm);
  if (guest === undefined) return;
  if (isKnown(guest.hook) && guest.hook !== null) s.journal.set(guest.hook, "kvm", null);
  s.journal.set(guest, "hook", null);
  for (const side of ["apm", "aqm", "adm"] as const) s.journal.set(guest, side, noBits);
  forgetReferences(s, guest);
}

/** KVM-8: hook and masks go with the guest. In the old profiles they stay where it had been withdrawn before (KVM-10). */
function stopped(s: ApState, guest: Guest | undefined): void {
  forgetReferences(s, guest);
  if (guest === undefined || guest.hook === null) return;
  s.journal.set(guest, "hook", s.parameters.old ? unknown : null);
  for (const side of ["apm", "aqm", "adm"] as const)
    s.journal.set(guest, side, s.parameters.old ? unknownBits : noBits);
}

/** KVM-13: whether the call took or dropped a reference, and how far it got, is not recorded. */
function forgetReferences(s: ApState, guest: Guest | undefined): void {
  if (guest !== undefined) s.journal.set(guest, "refs", unknown);
}

function attach(s: ApState, m: Mdev, guest: Guest | undefined): void {
  meetMdev(s, m);
  s.journal.set(m, "open", true);
  s.journal.set(m, "kvm", guest ?? unknown);
  if (guest !== undefined) s.journal.set(guest, "hook", m);
  forgetReferences(s, guest);
}

function resetCode(rc: number): Known<number> {
  if (rc === 0) return 0;
  return rc === -16 ? oneOf([1, 2, 3, 4]) : oneOf([5, 0xff]);
}

function came(s: ApState, apqn: number): void {
  const queue = queueAt(s, apqn);
  gone(s, queue, "vfio_ap");
  for (const m of s.mdevs.values()) {
    if (m.present !== true) continue;
    if (mask.hasBit(m.apm.ones, apqn >> 8) && mask.hasBit(m.aqm.ones, apqn & 0xff)) link(s, m, queue);
  }
}

function blurMasks(s: ApState): void {
  s.journal.set(s.host, "apmask", unknownBits);
  s.journal.set(s.host, "aqmask", unknownBits);
}
