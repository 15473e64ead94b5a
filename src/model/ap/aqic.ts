import type { Word } from "../../event/word.js";
import { addressText, sameWord, wordOf, wordText, zeroWord } from "../../event/word.js";
import { is, isKnown, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { pointerFits } from "./guests.js";
import { countGisc, countPin, giscCount } from "./ledger.js";
import { ALL, aqicRule, V9, V9_V12, V61 } from "./profile.js";
import type { ApState, Guest, Mdev, Queue } from "./state.js";
import { interruptsOn, responseCode } from "./status.js";

export const NIB_2 = aqicRule(
  "NIB-2",
  "NIB zero",
  "A zero NIB address is refused with response code 06 before anything is pinned.",
  "vfio_ap_validate_nib",
  V61,
);
export const NIB_3 = aqicRule(
  "NIB-3",
  "NIB outside guest memory",
  "A NIB in no memory slot, or in a read-only one, is refused with response code 06 before anything is pinned.",
  "vfio_ap_validate_nib",
  V61,
);
export const NIB_4 = aqicRule(
  "NIB-4",
  "Pinning the NIB page",
  "One page is pinned at the NIB's address; anything but one page pinned gives response code 06, and the old registration stays.",
  "vfio_ap_irq_enable; vfio_iommu_type1_pin_pages",
);
export const NIB_7 = aqicRule(
  "NIB-7",
  "Unpinning",
  "The page is unpinned by the key under which it was pinned; an unknown key is ignored.",
  "vfio_iommu_type1_unpin_pages",
);
export const GISC_1 = aqicRule(
  "GISC-1",
  "Registering a guest ISC",
  "The count of the guest's interruption subclass goes up and the host's own ISC is returned.",
  "kvm_s390_gisc_register",
);
export const GISC_2 = aqicRule(
  "GISC-2",
  "Unregistering a guest ISC",
  "The count goes down; at zero already the answer is -EINVAL, which the driver ignores.",
  "kvm_s390_gisc_unregister",
);
export const GISC_4 = aqicRule(
  "GISC-4",
  "Registration fails",
  "The page is unpinned again and the guest gets response code 08; no instruction is issued and the old registration stays.",
  "vfio_ap_irq_enable",
  V61,
);
export const GISC_5 = aqicRule(
  "GISC-5",
  "Control word of the host's AQIC",
  "IR, the guest's ISC, the GISA origin and the host's ISC; zone and GISA format are zero.",
  "vfio_ap_irq_enable; asm/ap.h",
);
export const IRQ_1 = aqicRule(
  "IRQ-1",
  "Order of an enable",
  "NIB checks, pin, registration of the ISC, host AQIC, then what its response code asks for.",
  "vfio_ap_irq_enable",
);
export const IRQ_2 = aqicRule(
  "IRQ-2",
  "Enable, response code 00",
  "The old registration is freed, ISC first and pin second, and the new one is remembered.",
  "vfio_ap_irq_enable",
);
export const IRQ_3 = aqicRule(
  "IRQ-3",
  "Enable, response code 07",
  "Only the new registration is undone: the page is unpinned, then the ISC unregistered.",
  "vfio_ap_irq_enable",
);
export const IRQ_4 = aqicRule(
  "IRQ-4",
  "Enable, any other response code",
  "A complete disable runs and frees the old registration; the new pin and the new ISC registration are never undone.",
  "vfio_ap_irq_enable, default branch",
);
export const IRQ_6 = aqicRule(
  "IRQ-6",
  "Status of a failed enable",
  "The guest gets the status of the enabling AQIC, not that of the disable that followed.",
  "vfio_ap_irq_enable",
);
export const IRQ_7 = aqicRule(
  "IRQ-7",
  "Disable",
  "Host AQIC with an empty control word; response codes 02 and 05 are tried again up to six times in all, 00 and 07 wait for the interrupt bit, and every way ends with the freeing of the registration.",
  "vfio_ap_irq_disable",
);
export const IRQ_8 = aqicRule(
  "IRQ-8",
  "Waiting for the interrupt bit",
  "Up to five TAPQs: 00 or 02 with the bit clear ends the wait, the bit set or 05 goes on, any other code gives up.",
  "vfio_ap_wait_for_irqclear",
);
export const IRQ_10 = aqicRule(
  "IRQ-10",
  "Freeing the interrupt resources",
  "The saved ISC is unregistered at the mdev's guest, then the saved NIB is unpinned.",
  "vfio_ap_free_aqic_resources",
  ALL,
);
export const IRQ_11 = aqicRule(
  "IRQ-11",
  "Dropping the mdev",
  "A queue forgets its mdev at the end of a disable (released), or whenever its resources are freed (posted); the next request of the guest sets it again.",
  "vfio_ap_irq_disable; v9 3/4 vfio_ap_free_aqic_resources",
  V9,
);
export const NIB_6 = aqicRule(
  "NIB-6",
  "Page 0",
  "A NIB in guest page 0 is pinned and then remembered as nothing: it is never unpinned.",
  "vfio_ap_irq_enable, vfio_ap_free_aqic_resources",
  V9_V12,
);
export const IRQ_13 = aqicRule(
  "IRQ-13",
  "Lost status on some hosts",
  "A host whose AQIC reads its status from the wrong half of the register sees response code 00 whatever the queue answered.",
  "asm/ap.h:ap_aqic",
);

/** Status words that handler V makes itself (AQIC-8, NIB-2, GISC-4). */
export const madeStatus = (rc: number): number => rc << 16;

const MAX_DISABLE_ATTEMPTS = 6;
const MAX_WAITS = 5;

/** IRQ-1: enables the interrupt of a queue; the status for the guest, undefined where it cannot be known. */
export function enable(
  x: Trial,
  s: ApState,
  guest: Guest,
  queue: Queue,
  isc: number,
  nib: Word,
  answer: number | undefined,
): number | undefined {
  x.by(IRQ_1);
  if (!s.parameters.old) {
    if (nib.hi === 0 && nib.lo === 0) {
      x.by(NIB_2);
      return madeStatus(0x06);
    }
    if (notInMemory(x, answer)) return madeStatus(0x06);
  }
  const iova = s.parameters.old ? pageOf(nib) : nib;
  const key = addressText(iova);
  const pin = x.expect(
    "pin_pages",
    (effect) => (sameWord(effect.iova, iova) && effect.npage === 1 ? undefined : `pin of ${wordText(effect.iova)}`),
    () => `pin_pages iova ${wordText(iova)}`,
    NIB_4,
  );
  const pinned = pin === undefined ? answer === undefined || responseCode(answer) !== 0x06 : pin.rc === 1;
  if (!pinned) return madeStatus(0x06);
  countPin(s, guest, key, 1);
  const registered = register(x, s, guest, isc);
  if (registered !== undefined && registered < 0 && !s.parameters.old) {
    unpin(x, s, guest, key, GISC_4);
    return madeStatus(0x08);
  }
  return enableOnHost(x, s, guest, queue, isc, key, registered, answer);
}

/** The page of an address: the old profiles pin and remember whole pages (NIB-4, pinKey). */
function pageOf(nib: Word): Word {
  return wordOf(nib.hi, nib.lo & ~0xfff);
}

/** NIB-6: page 0 is remembered as "nothing saved" by the old profiles, and never unpinned. */
function savedKey(x: Trial, s: ApState, key: string): string | null {
  if (!s.parameters.old || key !== "0x0") return key;
  x.by(NIB_6);
  x.knownDefect("the NIB lies in guest page 0: the page stays pinned for ever", NIB_6);
  return null;
}

/** NIB-3: which pages are memory is not recorded; that nothing was pinned shows it. */
function notInMemory(x: Trial, answer: number | undefined): boolean {
  if (x.peek("pin_pages") !== undefined) return false;
  if (answer !== undefined && answer !== madeStatus(0x06)) return false;
  const refused = x.certain("pin_pages") || x.either("unknown");
  if (refused) x.by(NIB_3);
  return refused;
}

function register(x: Trial, s: ApState, guest: Guest, isc: number): number | undefined {
  const effect = x.expect(
    "gisc_register",
    (seen) => (seen.gisc === isc && pointerFits(guest, seen.kvm) ? undefined : `gisc_register ${seen.gisc}`),
    () => `gisc_register ${isc}`,
    GISC_1,
  );
  if (effect !== undefined && guest.pointer === undefined) s.journal.set(guest, "pointer", effect.kvm);
  if (effect === undefined || effect.rc >= 0) countGisc(s, guest, isc, 1);
  return effect?.rc;
}

function enableOnHost(
  x: Trial,
  s: ApState,
  guest: Guest,
  queue: Queue,
  isc: number,
  key: string,
  nisc: number | undefined,
  answer: number | undefined,
): number | undefined {
  const effect = x.expect(
    "hw_aqic",
    (seen) => (seen.apqn === queue.apqn ? controlDiffers(guest, isc, nisc, seen.gr1) : `hw_aqic ${seen.apqn}`),
    () => `hw_aqic enabling ISC ${isc}`,
    GISC_5,
  );
  if (effect !== undefined) {
    s.journal.set(guest, "gisaOrigin", effect.gr1.lo & 0x7ffffff0);
    s.journal.set(queue, "status", effect.status);
  }
  const status = effect === undefined ? answer : seenStatus(x, s, effect.status);
  if (status === undefined) {
    forget(s, queue);
    return undefined;
  }
  switch (responseCode(status)) {
    case 0x00:
      x.by(IRQ_2);
      free(x, s, queue);
      s.journal.set(queue, "savedIsc", isc);
      s.journal.set(queue, "savedNib", savedKey(x, s, key));
      break;
    case 0x07:
      x.by(IRQ_3);
      unpin(x, s, guest, key, IRQ_3);
      unregister(x, s, guest, isc, IRQ_3);
      break;
    default:
      x.by(IRQ_4, IRQ_6);
      x.knownDefect(`the new pin ${key} and the new registration of ISC ${isc} are never undone`, IRQ_4);
      disable(x, s, queue, undefined);
  }
  return status;
}

/** IRQ-13: what the driver sees of the status that the hardware gave. */
export function seenStatus(x: Trial, s: ApState, hardware: number): number {
  if (hardware === 0) return 0;
  const lost = x.either(is(s.host.aqicStatus, "lost"));
  if (!isKnown(s.host.aqicStatus)) s.journal.set(s.host, "aqicStatus", lost ? "lost" : "true");
  if (lost) x.by(IRQ_13);
  return lost ? 0 : hardware;
}

/** Fields of a host control word that differ from what 2.4 builds; undefined where it fits. */
function controlDiffers(guest: Guest, isc: number, nisc: number | undefined, word: Word): string | undefined {
  const hi = (1 << 15) | (isc << 8);
  const origin = isKnown(guest.gisaOrigin) ? guest.gisaOrigin : word.lo & 0x7ffffff0;
  const lo = origin | (nisc === undefined ? word.lo & 7 : nisc & 7);
  return sameWord(word, wordOf(hi, lo)) ? undefined : `control word ${wordText(word)}`;
}

/**
 * IRQ-7: disables the interrupt of a queue and frees its registration. The status of the last host AQIC, or `answer`
 * (what the guest got) where the host's instructions are not recorded.
 */
export function disable(x: Trial, s: ApState, queue: Queue, answer: number | undefined): number | undefined {
  x.by(IRQ_7);
  let status: number | undefined = answer;
  for (let attempt = 1; attempt <= MAX_DISABLE_ATTEMPTS; attempt++) {
    const effect = x.expect(
      "hw_aqic",
      (seen) =>
        seen.apqn === queue.apqn && sameWord(seen.gr1, zeroWord) ? undefined : `hw_aqic ${wordText(seen.gr1)}`,
      () => "hw_aqic with an empty control word",
      IRQ_7,
    );
    if (effect === undefined) {
      skipHost(x, queue);
      break;
    }
    s.journal.set(queue, "status", effect.status);
    status = seenStatus(x, s, effect.status);
    const rc = responseCode(status);
    if (rc === 0x00 || rc === 0x07) {
      waitForClear(x, s, queue);
      break;
    }
    if (rc !== 0x02 && rc !== 0x05) break;
  }
  free(x, s, queue);
  if (s.parameters.profile === "aqic-v9") {
    x.by(IRQ_11);
    s.journal.set(queue, "owner", null);
  }
  return status;
}

/** Host instructions on a queue of which only some kinds were recorded: what is there is taken, and says nothing. */
export function skipHost(x: Trial, queue: Queue): void {
  for (;;) {
    const apqn = x.peek("hw_tapq")?.apqn ?? x.peek("hw_aqic")?.apqn;
    if (apqn !== queue.apqn) return;
    x.skip();
  }
}

/** IRQ-8. */
function waitForClear(x: Trial, s: ApState, queue: Queue): void {
  for (let poll = 1; poll <= MAX_WAITS; poll++) {
    const effect = x.expect(
      "hw_tapq",
      (seen) => (seen.apqn === queue.apqn ? undefined : `hw_tapq ${seen.apqn}`),
      () => "hw_tapq waiting for the interrupt bit",
      IRQ_8,
    );
    if (effect === undefined) return;
    s.journal.set(queue, "status", effect.status);
    const rc = responseCode(effect.status);
    if ((rc === 0x00 || rc === 0x02) && !interruptsOn(effect.status)) return;
    if (rc !== 0x00 && rc !== 0x02 && rc !== 0x05) return;
  }
}

/** IRQ-10: frees what is registered for a queue. */
export function free(x: Trial, s: ApState, queue: Queue): void {
  if (s.parameters.old && queue.owner === null) {
    loseRegistration(x, s, queue);
    return;
  }
  const m: Mdev | null | undefined = isKnown(queue.owner) ? queue.owner : undefined;
  const guest = m === undefined || m === null ? undefined : isKnown(m.kvm) ? m.kvm : undefined;
  freeIsc(x, s, queue, m, guest);
  freeNib(x, s, queue, m, guest);
  // IRQ-10 (d), IRQ-11: the mailed code forgets the mdev with the resources.
  if (s.parameters.profile === "aqic-v9" && s.parameters.variant === "posted") s.journal.set(queue, "owner", null);
}

/** IRQ-10, old profiles: without an mdev nothing is freed, and what was saved is forgotten all the same. */
function loseRegistration(x: Trial, s: ApState, queue: Queue): void {
  if (queue.savedIsc === null && queue.savedNib === null) return;
  if (isKnown(queue.savedIsc) && isKnown(queue.savedNib)) {
    x.knownDefect("the queue has no mdev: its registered ISC and pinned NIB are lost, not freed", IRQ_10, IRQ_11);
  }
  s.journal.set(queue, "savedIsc", null);
  s.journal.set(queue, "savedNib", null);
}

function freeIsc(
  x: Trial,
  s: ApState,
  queue: Queue,
  m: Mdev | null | undefined,
  guest: Guest | null | undefined,
): void {
  const isc = queue.savedIsc;
  if (isc === null) return;
  if (!isKnown(isc) || m === undefined || guest === undefined) {
    const seen = x.maybe("gisc_unregister", (effect) =>
      !isKnown(isc) || effect.gisc === isc ? undefined : "other ISC",
    );
    if (seen !== undefined && guest !== undefined && guest !== null) countGisc(s, guest, seen.gisc, -1);
    s.journal.set(queue, "savedIsc", seen !== undefined || x.certain("gisc_unregister") ? null : unknown);
    return;
  }
  if (m === null || guest === null) return;
  unregister(x, s, guest, isc, IRQ_10);
  s.journal.set(queue, "savedIsc", null);
}

function freeNib(
  x: Trial,
  s: ApState,
  queue: Queue,
  m: Mdev | null | undefined,
  guest: Guest | null | undefined,
): void {
  const nib = queue.savedNib;
  if (nib === null) return;
  if (!isKnown(nib) || m === undefined || guest === undefined) {
    const seen = x.maybe("unpin_pages", (effect) =>
      !isKnown(nib) || addressText(effect.iova) === nib ? undefined : "other",
    );
    if (seen !== undefined && guest !== undefined && guest !== null) countPin(s, guest, addressText(seen.iova), -1);
    s.journal.set(queue, "savedNib", seen !== undefined || x.certain("unpin_pages") ? null : unknown);
    return;
  }
  if (m === null) return;
  unpin(x, s, guest ?? undefined, nib, IRQ_10);
  s.journal.set(queue, "savedNib", null);
}

function unregister(x: Trial, s: ApState, guest: Guest, isc: number, rule: typeof IRQ_10): void {
  const count = giscCount(guest, isc);
  x.expect(
    "gisc_unregister",
    (seen) => {
      if (seen.gisc !== isc || !pointerFits(guest, seen.kvm)) return `gisc_unregister ${seen.gisc}`;
      if (count === undefined || (count > 0 ? seen.rc === 0 : seen.rc !== 0)) return undefined;
      return `gisc_unregister ${seen.gisc} rc ${seen.rc}`;
    },
    () => `gisc_unregister ${isc}`,
    rule,
    GISC_2,
  );
  countGisc(s, guest, isc, -1);
}

function unpin(x: Trial, s: ApState, guest: Guest | undefined, key: string, rule: typeof IRQ_10): void {
  x.expect(
    "unpin_pages",
    (seen) => (addressText(seen.iova) === key && seen.npage === 1 ? undefined : `unpin of ${addressText(seen.iova)}`),
    () => `unpin_pages iova ${key}`,
    rule,
    NIB_7,
  );
  if (guest !== undefined) countPin(s, guest, key, -1);
}

/** The registration may have been freed: it was where the lines say so, else nobody knows. */
export function freeIfSeen(x: Trial, s: ApState, queue: Queue): void {
  const isc = queue.savedIsc;
  const nib = queue.savedNib;
  const unregistered = isc === null ? undefined : x.maybe("gisc_unregister", () => undefined);
  const unpinned = nib === null ? undefined : x.maybe("unpin_pages", () => undefined);
  const guest = isKnown(queue.owner) && queue.owner !== null && isKnown(queue.owner.kvm) ? queue.owner.kvm : null;
  if (unregistered !== undefined && guest !== null) countGisc(s, guest, unregistered.gisc, -1);
  if (unpinned !== undefined && guest !== null) countPin(s, guest, addressText(unpinned.iova), -1);
  if (isc !== null) s.journal.set(queue, "savedIsc", unregistered !== undefined ? null : unknown);
  if (nib !== null) s.journal.set(queue, "savedNib", unpinned !== undefined ? null : unknown);
}

/** What is registered for the queue is not known any more. */
export function forget(s: ApState, queue: Queue): void {
  s.journal.set(queue, "savedIsc", unknown);
  s.journal.set(queue, "savedNib", unknown);
}
