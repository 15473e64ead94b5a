import { addressText } from "../../event/address-text.js";
import type { Word } from "../../event/word.js";
import { wordOf } from "../../event/word.js";
import { apqnText } from "../../operation/ap/attribute.js";
import type { ApCall } from "../../operation/ap/call.js";
import { isKnown } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { guestByVm, guestName } from "./guests.js";
import { addLeak, countPin, crash, forgetPins, takeLeak } from "./ledger.js";
import { aqicRule } from "./profile.js";
import { RST_2 } from "./reset.js";
import { RST_10 } from "./reset-rules.js";
import type { ApState, Guest } from "./state.js";

export const NIB_8 = aqicRule(
  "NIB-8",
  "A mapping with pinned pages is unmapped",
  "The driver unpins one page, the first one of the mapping; it looks at no queue, and what is saved for the queues stays.",
  "vfio_ap_mdev_dma_unmap",
);
export const NIB_9 = aqicRule(
  "NIB-9",
  "The driver is asked again",
  "The callback is repeated while the mapping has pinned pages, eleven times at most; then the host stops.",
  "vfio_iommu_type1.c:vfio_dma_do_unmap",
);
export const NIB_11 = aqicRule(
  "NIB-11",
  "Leaks surface at teardown",
  "Pages that are still pinned when the container is torn down stay pinned for ever; its ledger is gone.",
  "vfio_iommu_type1.c:vfio_remove_dma",
);
export const INV_23 = aqicRule(
  "INV-23",
  "Nothing is pinned at teardown",
  "When the container is torn down no page is pinned; what is, stays so (NIB-11).",
  "invariant",
);

/** Callbacks of one mapping before the host stops with BUG (NIB-9). */
const MAX_ROUNDS = 11;

type Unmap = Extract<ApCall, { kind: "dma-unmap" }>;

/** A range of guest addresses. */
export interface Range {
  readonly iova: Word;
  readonly size: Word;
}

/** VFIO_IOMMU_UNMAP_DMA (NIB-8, NIB-9). What it unmaps is seen from the driver's callbacks, or from its structure. */
export function unmapDma(x: Trial, s: ApState, call: Unmap): void {
  const guest = guestOfCall(x, s, call);
  let rounds = 0;
  let mapping: Range | undefined;
  for (;;) {
    const next = nextCallback(x, s, guest, mapping);
    if (next === undefined) break;
    if (mapping === undefined || addressText(mapping.iova) !== addressText(next.iova)) {
      if (mapping !== undefined) over(x, s, guest, mapping, rounds);
      rounds = 0;
      mapping = next;
    }
    if (rounds === MAX_ROUNDS) break;
    callback(x, s, guest, next);
    rounds++;
    if (x.failed) return;
  }
  if (mapping !== undefined) over(x, s, guest, mapping, rounds);
  else untouched(x, s, guest, call);
}

function guestOfCall(x: Trial, s: ApState, call: Unmap): Guest | undefined {
  const line = x.peek("dma_unmap");
  const m = line === undefined ? undefined : s.mdevs.get(line.mdev);
  if (m !== undefined && isKnown(m.kvm) && m.kvm !== null) return m.kvm;
  return call.vm === undefined ? undefined : guestByVm(s, call.vm.id);
}

/** The mapping of the next callback: from its own line, else from the unpinning that it leads to. */
function nextCallback(x: Trial, s: ApState, guest: Guest | undefined, current: Range | undefined): Range | undefined {
  const line = x.peek("dma_unmap");
  if (line !== undefined) {
    // The driver is called only for a mapping with pinned pages.
    if (pinnedIn(guest, line)?.length === 0) return undefined;
    x.skip();
    return line;
  }
  const unpin = x.certain("dma_unmap") ? undefined : x.peek("unpin_pages");
  if (unpin === undefined) return undefined;
  const same = current !== undefined && addressText(first(s, current.iova)) === addressText(unpin.iova);
  return same ? current : { iova: unpin.iova, size: wordOf(0, 0) };
}

/** What the driver unpins: the first page of the mapping, by its page or by its very address (NIB-8, pinKey). */
function first(s: ApState, iova: Word): Word {
  return s.parameters.old ? wordOf(iova.hi, iova.lo & ~0xfff) : iova;
}

/** One callback: one page is unpinned, whatever is registered for queues. */
function callback(x: Trial, s: ApState, guest: Guest | undefined, mapping: Range): void {
  const key = addressText(first(s, mapping.iova));
  x.expect(
    "unpin_pages",
    (seen) => (addressText(seen.iova) === key && seen.npage === 1 ? undefined : `unpin of ${addressText(seen.iova)}`),
    () => `unpin_pages iova ${key}`,
    NIB_8,
  );
  if (guest === undefined) {
    for (const other of s.guests.values()) if (other.live) forgetPins(s, other);
    return;
  }
  if (!isKnown(guest.pins) || !guest.pins.has(key)) return;
  countPin(s, guest, key, -1);
  // A pin that no queue remembers goes first: its count is the same.
  if (takeLeak(s, guest, "pin", key)) return;
  addLeak(s, guest, { kind: "stale", what: key, apqn: undefined, rule: NIB_8 });
  x.knownDefect(`page ${key} is unpinned while a queue still uses it as its NIB`, NIB_8);
}

/** Keys that are pinned inside a mapping; undefined where it is not known. */
function pinnedIn(guest: Guest | undefined, { iova, size }: Range): readonly string[] | undefined {
  if (guest === undefined || !isKnown(guest.pins)) return undefined;
  const from = BigInt(addressText(iova));
  const end = from + BigInt(addressText(size));
  return [...guest.pins.keys()].filter((key) => BigInt(key) >= from && BigInt(key) < end);
}

/** The callbacks of a mapping are over: nothing of it may be pinned any more, or the host stops (NIB-9). */
function over(x: Trial, s: ApState, guest: Guest | undefined, mapping: Range, rounds: number): void {
  x.by(NIB_9);
  if (mapping.size.hi === 0 && mapping.size.lo === 0) return;
  const left = pinnedIn(guest, mapping);
  if (left === undefined || left.length === 0) return;
  const returned = x.operation.result.kind !== "unknown";
  if (rounds >= MAX_ROUNDS && !returned && x.remaining() === 0) {
    crash(x, s, `a mapping still has pages pinned after ${MAX_ROUNDS} callbacks`, NIB_9);
  }
  if (rounds < MAX_ROUNDS && !returned) return;
  x.differs(
    `callbacks until nothing is pinned, ${MAX_ROUNDS} at most`,
    `${rounds}, and ${left.join(", ")} pinned`,
    NIB_9,
  );
}

/** No callback: nothing that was unmapped had pinned pages. */
function untouched(x: Trial, s: ApState, guest: Guest | undefined, call: Unmap): void {
  const seen = x.certain("unpin_pages") || x.certain("dma_unmap");
  if (!seen) {
    for (const other of guest === undefined ? s.guests.values() : [guest]) if (other.live) forgetPins(s, other);
    return;
  }
  const left = call.range === undefined ? undefined : pinnedIn(guest, call.range);
  if (left !== undefined && left.length > 0 && x.operation.result.kind === "value") {
    x.differs("a callback for the pages that are pinned", `none, with ${left.join(", ")} pinned`, NIB_8, NIB_9);
    return;
  }
  if (guest !== undefined && isKnown(guest.pins) && (guest.pins.size === 0 || left !== undefined)) x.agrees(NIB_8);
}

/** NIB-11: the container of a guest that was detached is torn down; what is pinned in it stays so. */
export function tearDown(x: Trial, s: ApState, guest: Guest): void {
  x.by(INV_23);
  if (isKnown(guest.pins)) {
    for (const key of guest.pins.keys()) {
      const { rule, why } = reasonOf(s, guest, key);
      const rules = rule === NIB_11 ? [] : [rule];
      x.knownDefect(`page ${key} of ${guestName(guest)} stays pinned for ever: ${why}`, NIB_11, ...rules);
    }
  }
  if (!isKnown(guest.pins) || guest.pins.size > 0) s.journal.set(guest, "pins", new Map());
  forgetPinLeaks(s, guest);
}

/** Why a page is still pinned. */
function reasonOf(s: ApState, guest: Guest, key: string): { readonly rule: Rule; readonly why: string } {
  const leaks = isKnown(guest.leaks) ? guest.leaks : [];
  const leak = leaks.find(({ kind, what }) => kind === "pin" && what === key);
  if (leak !== undefined) {
    return { rule: leak.rule, why: leak.apqn === undefined ? "leaked" : `leaked by ${apqnText(leak.apqn)}` };
  }
  for (const queue of s.queues.values()) {
    if (queue.savedNib !== key || queue.heldBy !== guest) continue;
    const failed = queue.resetRc !== 0 && s.parameters.profile === "linux-6.1";
    return { rule: failed ? RST_2 : RST_10, why: `the NIB of ${apqnText(queue.apqn)} was never freed` };
  }
  return { rule: NIB_11, why: "nothing tells why" };
}

/** The ledger is a new one: of the old one nothing can be unpinned any more. */
function forgetPinLeaks(s: ApState, guest: Guest): void {
  if (!isKnown(guest.leaks)) return;
  const others = guest.leaks.filter(
    ({ kind, what }) => kind !== "pin" && (kind !== "stale" || typeof what === "number"),
  );
  const held = [...s.queues.values()].filter(({ savedNib, heldBy }) => heldBy === guest && isKnown(savedNib));
  const stale = held.flatMap(({ savedNib, apqn }) =>
    isKnown(savedNib) && savedNib !== null ? [{ kind: "stale" as const, what: savedNib, apqn, rule: NIB_11 }] : [],
  );
  if (others.length === guest.leaks.length && stale.length === 0) return;
  s.journal.set(guest, "leaks", [...others, ...stale]);
}
