import { OneOf, Unknown } from "../core/known.js";
import type { Eventfd, PlatformState, Slot } from "./state.js";

/**
 * Drops what belongs to closed files and nothing refers to, so that a recording of any length needs no more memory than what
 * is open in it. Nothing can lead back to these objects: the change needs no undo. Only between operations.
 */
export function sweep(s: PlatformState): void {
  const size = s.eventfds.size + s.files.size + s.containers.size;
  if (size < s.sweepAt || s.journal.mark() !== 0) return;
  const held = heldEventfds(s);
  for (const [id, e] of s.eventfds) if (!e.open && !held.has(e)) s.eventfds.delete(id);
  for (const [id, file] of s.files) if (file.closed) s.files.delete(id);
  for (const [id, container] of s.containers) {
    if (container.closed && container.groups === 0) s.containers.delete(id);
  }
  s.sweepAt = Math.max(4096, 2 * (s.eventfds.size + s.files.size + s.containers.size));
}

/**
 * Eventfds that a trigger or a slot holds, or may hold. Of an unknown slot
 * nothing more than its eventfd's being unknown can come out: a closed one cannot be read.
 */
function heldEventfds(s: PlatformState): ReadonlySet<Eventfd> {
  const held = new Set<Eventfd>();
  const hold = (slot: Slot): void => {
    if (slot instanceof OneOf) for (const e of slot.values) hold(e);
    else if (!(slot instanceof Unknown) && slot !== null) held.add(slot);
  };
  for (const device of s.devices.values()) {
    for (const line of device.lines.values()) {
      hold(line.trigger);
      hold(line.maskFd);
      hold(line.unmaskFd);
    }
    for (const vector of device.msi.vectors ?? []) hold(vector.trigger);
  }
  return held;
}
