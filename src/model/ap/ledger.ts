import { addressText } from "../../event/word.js";
import { isKnown, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { guestByVm } from "./guests.js";
import { aqicRule } from "./profile.js";
import type { ApState, Guest } from "./state.js";

/** Interruption subclass counts and pins of a guest: exact where the guest was seen from its start. */

export const NIB_8 = aqicRule(
  "NIB-8",
  "A mapping with pinned pages is unmapped",
  "The driver unpins one page, the first one of the mapping; it looks at no queue, and what is saved for the queues stays.",
  "vfio_ap_mdev_dma_unmap",
);
export const NIB_11 = aqicRule(
  "NIB-11",
  "Leaks surface at teardown",
  "Pages that are still pinned when the container is torn down stay pinned for ever; its ledger is gone.",
  "vfio_iommu_type1.c:vfio_remove_dma",
);

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

/** What is pinned for the guest is not known any more, unless nothing was. */
export function forgetPins(s: ApState, guest: Guest): void {
  if (isKnown(guest.pins) && guest.pins.size === 0) return;
  s.journal.set(guest, "pins", unknown);
}

/** The container of a guest that was detached is torn down. */
export function tearDown(x: Trial, s: ApState, guest: Guest): void {
  if (isKnown(guest.pins) && guest.pins.size === 0) return;
  x.by(NIB_11);
  s.journal.set(guest, "pins", new Map());
}

/** VFIO_IOMMU_UNMAP_DMA by the process of that VM: which mapping it names is not visible, what is unpinned may be. */
export function unmapDma(x: Trial, s: ApState, vm: number | undefined): void {
  const guest = vm === undefined ? undefined : guestByVm(s, vm);
  if (guest !== undefined && isKnown(guest.pins) && guest.pins.size === 0) {
    // The driver is called only for a mapping with pinned pages.
    if (x.certain("unpin_pages")) x.agrees(NIB_8);
    x.bracket("dma_unmap");
    return;
  }
  for (let seen = x.maybe("unpin_pages", fits); seen !== undefined; seen = x.maybe("unpin_pages", fits)) {
    x.by(NIB_8);
    unpinned(s, guest, addressText(seen.iova));
  }
  if (!x.certain("unpin_pages")) forgetPinsOf(s, guest);
  x.takeAll();
}

function fits(): undefined {
  return undefined;
}

/** NIB-7: a page that is not pinned is silently ignored. */
function unpinned(s: ApState, guest: Guest | undefined, key: string): void {
  if (guest === undefined) forgetPinsOf(s, guest);
  else if (isKnown(guest.pins) && guest.pins.has(key)) countPin(s, guest, key, -1);
}

function forgetPinsOf(s: ApState, guest: Guest | undefined): void {
  if (guest !== undefined) forgetPins(s, guest);
  else for (const other of s.guests.values()) if (other.live) forgetPins(s, other);
}
