import type { MemorySlot } from "../../operation/ap/memory-slot.js";
import { isKnown, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import type { ApState, Guest } from "./state.js";

/** Which pages of a guest are memory that can be written (NIB-3): by its slots, or by what became of NIBs in them. */

/** No memory slot has the last page of all: its end would be beyond 64 bits. */
const LAST_PAGE = 2 ** 52 - 1;
/** Pages beyond this many are not remembered. */
const PAGES = 64;

/** Whether a page is memory that can be written; undefined where nothing tells. */
export function isMemory(guest: Guest | null, page: number): boolean | undefined {
  if (page === LAST_PAGE) return false;
  if (guest === null) return undefined;
  const { slots, pages } = guest;
  if (isKnown(slots) && slots.size > 0) return isInSlot(slots, page);
  return isKnown(pages) ? pages.find(({ number }) => number === page)?.memory : undefined;
}

function isInSlot(slots: ReadonlyMap<number, MemorySlot>, page: number): boolean {
  for (const { first, pages, readonly } of slots.values()) {
    if (page >= first && page < first + pages) return !readonly;
  }
  return false;
}

/** Slots change by calls of the process that holds the VM: where they would not be seen, nothing is remembered. */
export function learnPage(x: Trial, s: ApState, guest: Guest, number: number, memory: boolean): void {
  const { pages } = guest;
  if (!x.observability.syscalls || guest.vm === undefined || !isKnown(pages) || pages.length >= PAGES) return;
  s.journal.set(guest, "pages", [...pages, { number, memory }]);
}

/** VMs have a few slots: where there are more than this, they are not remembered. */
const SLOTS = 512;

/** A slot is set; undefined where nothing tells which, and how. */
export function changeMemory(s: ApState, guest: Guest, slot: MemorySlot | undefined): void {
  s.journal.set(guest, "pages", []);
  if (!isKnown(guest.slots)) return;
  if (slot === undefined || guest.slots.size >= SLOTS) s.journal.set(guest, "slots", unknown);
  else s.journal.set(guest, "slots", new Map(guest.slots).set(slot.slot, slot));
}
