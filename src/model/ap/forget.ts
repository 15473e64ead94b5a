import { isKnown, OneOf } from "../core/known.js";
import { type ApState, Guest, LEAST_FORGOTTEN, Mdev, type VcpuTask } from "./state.js";

/** Of the guests without an mdev, the tasks that run vCPUs and the mdevs that may exist, so many are kept, the newest. */
const KEPT = 1024;
/** Of the groups without an mdev. A number that comes back is learned anew from its link. */
const KEPT_GROUPS = 64;

/**
 * Forgets what has ended and is not met again: removed mdevs, closed descriptors, guests whose VM is gone, so that a state
 * grows with what exists and not with the length of the recording. To be called between operations, when the journal is
 * empty; most calls find that it is too early.
 */
export function forgetEnded(s: ApState): void {
  if (sizeOf(s) < s.nextForget) return;
  for (const [id, device] of s.devices) if (device.closed) s.devices.delete(id);
  for (const [tid, task] of s.vcpus)
    if (isKnown(task.guest) ? !task.guest.live : tellsNothing(task)) s.vcpus.delete(tid);
  dropOldest(s.vcpus, KEPT, () => true);
  const held = heldBy([s.mdevs, s.queues, s.groups, s.devices]);
  const idle = (guest: Guest): boolean => guest.hook === null && !held.has(guest);
  for (const [number, guest] of s.guests) if (!guest.live && idle(guest)) s.guests.delete(number);
  if (dropOldest(s.guests, KEPT, idle) > 0) s.guestsForgotten = true;
  const kept = heldBy([s.guests]);
  for (const [tid, task] of s.vcpus) if (isKnown(task.guest) && !s.guests.has(task.guest.number)) s.vcpus.delete(tid);
  for (const [uuid, m] of s.mdevs) {
    if (m.present === false && !m.removing && !held.has(m) && !kept.has(m)) s.mdevs.delete(uuid);
  }
  // An mdev that is not known to exist may go where one that was never met is not known not to.
  if (s.host.hiddenMdevs !== 0) dropOldest(s.mdevs, KEPT, (m) => !isKnown(m.present) && !held.has(m) && !kept.has(m));
  dropOldest(s.groups, KEPT_GROUPS, (group) => group.mdev === undefined);
  s.nextForget = Math.max(LEAST_FORGOTTEN, 2 * sizeOf(s));
}

/** Whether a task is as one that was not met. */
function tellsNothing({ since, apie, aiv }: VcpuTask): boolean {
  return since === 0 && !isKnown(apie) && !isKnown(aiv);
}

function sizeOf(s: ApState): number {
  return s.mdevs.size + s.guests.size + s.groups.size + s.devices.size + s.vcpus.size;
}

/** The mdevs and guests that other objects refer to. */
function heldBy(kinds: readonly ReadonlyMap<unknown, object>[]): Set<object> {
  const held = new Set<object>();
  for (const kind of kinds) {
    for (const object of kind.values()) {
      for (const value of Object.values(object)) hold(held, value);
    }
  }
  return held;
}

function hold(held: Set<object>, value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  if (value instanceof Mdev || value instanceof Guest) held.add(value);
  else if (value instanceof OneOf) for (const one of value.values) hold(held, one);
  else if (value instanceof Map || Array.isArray(value)) for (const one of value.values()) hold(held, one);
  // A place in a table names its mdev, and so on: what is no object of the state, nor a mask, is a plain one.
  else if (Object.getPrototypeOf(value) === Object.prototype) for (const one of Object.values(value)) hold(held, one);
}

/** Takes the oldest of those that may go, until no more than `kept` are left; how many they were. */
function dropOldest<K, V>(map: Map<K, V>, kept: number, mayGo: (value: V) => boolean): number {
  const excess = map.size - kept;
  let dropped = 0;
  if (excess <= 0) return dropped;
  for (const [key, value] of map) {
    if (!mayGo(value)) continue;
    map.delete(key);
    dropped++;
    if (dropped === excess) break;
  }
  return dropped;
}
