import { isKnown, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { parseNumber } from "./numbers.js";
import type { ApState, Guest, Mdev } from "./state.js";
import { type AttributeWrite, stringOf } from "./store.js";
import { blurMasks, forgetLedger, forgetMatrix, forgetReset } from "./widen.js";

/**
 * A call on an mdev whose memory a defect of the profile corrupted (ASG-6, D12-11): nothing of it is judged, and what it
 * changed is not known. False where the mdev is sound.
 */
export function isTainted(x: Trial, s: ApState, m: Mdev): boolean {
  if (m.tainted === undefined) return false;
  x.cannotCheck(m.tainted);
  x.takeAll();
  // A call that failed changed nothing.
  if (x.observedSuccess !== false) blur(s, m);
  return true;
}

/** A write to a file of such an mdev: of `remove` the result shows whether the mdev is gone. */
export function isWrittenTainted(x: Trial, s: ApState, m: Mdev, name: string, call: AttributeWrite): boolean {
  if (!isTainted(x, s, m)) return false;
  if (name !== "remove" || call.phase === "begin" || x.observedSuccess === false) return true;
  const text = stringOf(call);
  const parsed = text === undefined ? undefined : parseNumber(text);
  const gone = parsed?.ok === true && parsed.value !== 0 && x.observedSuccess === true;
  s.journal.set(m, "present", gone ? false : unknown);
  s.journal.set(m, "removing", false);
  s.journal.set(s.host, "available", unknown);
  return true;
}

function blur(s: ApState, m: Mdev): void {
  const { journal } = s;
  for (const guest of s.guests.values()) if (guest === m.kvm || guest.hook === m) blurGuest(s, guest);
  for (const queue of s.queues.values()) {
    if (queue.linked !== m && queue.owner !== m) continue;
    for (const field of ["linked", "owner"] as const) journal.set(queue, field, unknown);
    forgetReset(s, queue);
  }
  forgetMatrix(s, m);
  journal.set(m, "kvm", unknown);
  if (isKnown(m.open)) journal.set(m, "open", unknown);
}

function blurGuest(s: ApState, guest: Guest): void {
  s.journal.set(guest, "hook", unknown);
  s.journal.set(guest, "refs", unknown);
  blurMasks(s, guest);
  forgetLedger(s, guest);
}
