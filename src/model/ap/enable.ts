import type { Word } from "../../event/word.js";
import { addressText, sameWord, wordOf, wordText } from "../../event/word.js";
import { isKnown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { disable, seenStatus } from "./disable.js";
import { forget, free, unpin, unregister } from "./free.js";
import { pointerFits } from "./guests.js";
import { countGisc, countPin } from "./ledger.js";
import { aqicRule, V9_V12, V61 } from "./profile.js";
import type { ApState, Guest, Queue } from "./state.js";
import { responseCode } from "./status.js";

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
export const GISC_1 = aqicRule(
  "GISC-1",
  "Registering a guest ISC",
  "The count of the guest's interruption subclass goes up and the host's own ISC is returned.",
  "kvm_s390_gisc_register",
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
export const NIB_6 = aqicRule(
  "NIB-6",
  "Page 0",
  "A NIB in guest page 0 is pinned and then remembered as nothing: it is never unpinned.",
  "vfio_ap_irq_enable, vfio_ap_free_aqic_resources",
  V9_V12,
);

/** Status words that handler V makes itself (AQIC-8, NIB-2, GISC-4). */
export const madeStatus = (rc: number): number => rc << 16;

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

/** Fields of a host control word that differ from what 2.4 builds; undefined where it fits. */
function controlDiffers(guest: Guest, isc: number, nisc: number | undefined, word: Word): string | undefined {
  const hi = (1 << 15) | (isc << 8);
  const origin = isKnown(guest.gisaOrigin) ? guest.gisaOrigin : word.lo & 0x7ffffff0;
  const lo = origin | (nisc === undefined ? word.lo & 7 : nisc & 7);
  return sameWord(word, wordOf(hi, lo)) ? undefined : `control word ${wordText(word)}`;
}
