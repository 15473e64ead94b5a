import { isKnown } from "../core/known.js";
import type { ApState, Guest } from "./state.js";

/** Interruption subclass counts and pins of a guest: exact where the guest was seen from its start. */

export function countGisc(s: ApState, guest: Guest, isc: number, by: 1 | -1): void {
  if (!isKnown(guest.gisc)) return;
  const counts = [...guest.gisc];
  counts[isc] = Math.max(0, (counts[isc] ?? 0) + by);
  s.journal.set(guest, "gisc", counts);
}

/** Whether unregistering the ISC finds a registration: GISC-2 answers -EINVAL otherwise. */
export function giscCount(guest: Guest, isc: number): number | undefined {
  return isKnown(guest.gisc) ? (guest.gisc[isc] ?? 0) : undefined;
}

export function countPin(s: ApState, guest: Guest, key: string, by: 1 | -1): void {
  if (!isKnown(guest.pins)) return;
  const pins = new Map(guest.pins);
  const count = (pins.get(key) ?? 0) + by;
  if (count > 0) pins.set(key, count);
  else pins.delete(key);
  s.journal.set(guest, "pins", pins);
}
