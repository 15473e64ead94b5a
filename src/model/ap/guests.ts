import { unknownBits } from "../core/bits.js";
import { isKnown, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { type FactSet, factsOfHost } from "./guest-facts.js";
import { type ApState, Guest, type VcpuTask } from "./state.js";

/** The live guest with that kvm pointer, the newest one where a pointer was used again. */
export function guestByPointer(s: ApState, pointer: string): Guest | undefined {
  let found: Guest | undefined;
  for (const guest of s.guests.values()) {
    if (guest.live && guest.pointer === pointer) found = guest;
  }
  return found;
}

export function guestByVm(s: ApState, vm: number): Guest | undefined {
  for (const guest of s.guests.values()) {
    if (guest.live && guest.vm === vm) return guest;
  }
  return undefined;
}

/**
 * The guest that a kvm pointer, a VM descriptor or both name: the two are put together when they are first seen in one
 * operation. A guest that is met for the first time here existed before the recording, unless its VM descriptor is known.
 */
export function guestOf(s: ApState, pointer: string | undefined, vm: number | undefined): Guest | undefined {
  const byVm = vm === undefined ? undefined : guestByVm(s, vm);
  const byPointer = pointer === undefined ? undefined : guestByPointer(s, pointer);
  if (byVm !== undefined) {
    if (pointer === undefined || byVm.pointer === pointer) return byVm;
    if (byVm.pointer === undefined && byPointer?.vm === undefined) {
      learnPointer(s, byVm, pointer);
      return byVm;
    }
    return byPointer ?? byVm;
  }
  if (byPointer !== undefined) {
    if (vm !== undefined && byPointer.vm === undefined) s.journal.set(byPointer, "vm", vm);
    return byPointer;
  }
  if (pointer === undefined && vm === undefined) return undefined;
  unsettleNameless(s);
  if (pointer === undefined) unsettleHooks(s);
  return newGuest(s, pointer, vm);
}

/** A line shows the guest's pointer: another one that only lines had named by it is the same. */
export function learnPointer(s: ApState, guest: Guest, pointer: string): void {
  if (guest.pointer !== undefined) return;
  const named = guestByPointer(s, pointer);
  if (named !== undefined && named.vm === undefined) unite(s, named, guest);
  s.journal.set(guest, "pointer", pointer);
}

/** A guest that is named for the first time can be one that only its tasks had shown before: whose they are is open then. */
function unsettleNameless(s: ApState): void {
  for (const task of s.vcpus.values()) {
    const { guest } = task;
    if (isKnown(guest) && guest.pointer === undefined && guest.vm === undefined) forgetTask(s, task);
  }
}

/** A VM that is met without a pointer can be one that only its pointer had shown: whether that has an mdev by now is open. */
function unsettleHooks(s: ApState): void {
  for (const guest of s.guests.values()) {
    if (guest.live && guest.vm === undefined && guest.hook === null) s.journal.set(guest, "hook", unknown);
  }
}

/** A guest seen for the first time: unless its VM was just made, it may have an mdev already. */
export function newGuest(s: ApState, pointer: string | undefined, vm: number | undefined): Guest {
  const guest = unmetGuest(s);
  guest.pointer = pointer;
  guest.vm = vm;
  s.journal.add(s.guests, guest.number, guest);
  return guest;
}

/** A guest of which nothing is known, and which nothing names: it stands for itself in one operation only. */
export function unmetGuest(s: ApState): Guest {
  const guest = new Guest(s.tick(), undefined, undefined);
  guest.hook = unknown;
  guest.facts = factsAtFirst(s);
  for (const side of ["apm", "aqm", "adm"] as const) guest[side] = unknownBits;
  return guest;
}

/** Whether an effect's kvm pointer names the guest; a guest without a known pointer may be any. */
export function pointerFits(guest: Guest, pointer: string): boolean {
  return guest.pointer === undefined || guest.pointer === pointer;
}

/** Whether two guests can be one that was met twice: nothing names both of them, and differently. */
export function mayBeSame(a: Guest, b: Guest): boolean {
  const fits = <T>(one: T | undefined, other: T | undefined): boolean =>
    one === undefined || other === undefined || one === other;
  return a === b || (fits(a.pointer, b.pointer) && fits(a.vm, b.vm));
}

/** Two guests turn out to be one: what was learned of `first` is of `second`. */
export function unite(s: ApState, first: Guest, second: Guest): void {
  if (first === second) return;
  const { journal } = s;
  if (second.vm === undefined) journal.set(second, "vm", first.vm);
  if (second.pointer === undefined) journal.set(second, "pointer", first.pointer);
  for (const task of s.vcpus.values()) if (task.guest === first) journal.set(task, "guest", second);
  for (const queue of s.queues.values()) if (queue.heldBy === first) journal.set(queue, "heldBy", second);
  for (const m of s.mdevs.values()) if (m.kvm === first) journal.set(m, "kvm", second);
  for (const group of s.groups.values()) if (group.served === first) journal.set(group, "served", second);
  for (const field of ["gisc", "alertMask", "pins", "refs", "leaks"] as const) journal.set(second, field, unknown);
  if (isKnown(first.hook) && (first.hook !== null || !isKnown(second.hook))) {
    for (const field of ["hook", "apm", "aqm", "adm"] as const) journal.set(second, field, first[field]);
  }
  journal.set(first, "hook", null);
  journal.set(first, "live", false);
}

/** For people. */
export function guestName(guest: Guest): string {
  return guest.pointer ?? guest.name ?? `guest ${guest.number}`;
}

/** Whether the end of a guest's VM is seen: only then can no other guest have taken its pointer, and its tasks, unseen. */
export function endIsSeen(x: Trial, guest: Guest): boolean {
  return x.observability.syscalls && guest.vm !== undefined;
}

/** What the host's facts say of every guest. */
export function factsAtFirst(s: ApState): FactSet {
  return factsOfHost(s.host, s.parameters.variant === "posted" && s.parameters.profile === "aqic-v9");
}

/**
 * A guest lost its mdev, and with it the driver's reference. Where its end is not seen, what comes next with its pointer
 * may be another guest: nothing that was learned of it holds any more.
 */
export function mayBeAnother(x: Trial, s: ApState, guest: Guest): void {
  if (endIsSeen(x, guest)) return;
  const { journal } = s;
  journal.set(guest, "facts", factsAtFirst(s));
  for (const field of ["gisaOrigin", "gisc", "alertMask", "pins", "refs", "leaks", "slots", "pages"] as const) {
    journal.set(guest, field, unknown);
  }
  for (const task of s.vcpus.values()) {
    if (task.guest === guest) forgetTask(s, task);
  }
}

/** Whose vCPU a task runs is not known, nor what its answers told of it. */
export function forgetTask(s: ApState, task: VcpuTask): void {
  for (const field of ["guest", "apie", "aiv"] as const) s.journal.set(task, field, unknown);
  s.journal.set(task, "since", 0);
}
