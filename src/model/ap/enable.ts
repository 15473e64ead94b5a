import { addressText } from "../../event/address-text.js";
import type { Word } from "../../event/word.js";
import { sameWord, wordOf, wordText } from "../../event/word.js";
import { apqnText } from "../../operation/ap/attribute.js";
import { pageNumber } from "../../operation/ap/memory-slot.js";
import { is, isKnown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { disable, seenStatus, unseenStatus } from "./disable.js";
import { forgetCounts, free, unpin, unregister } from "./free.js";
import { learnPointer, pointerFits } from "./guests.js";
import { CODES, canAnswerEnable, IRQ_12, learnEnable, learnUnseen } from "./hardware.js";
import { AQIC_4, addLeak, countGisc, countPin, crash, GISC_7, leakIsc, leakPin, NIB_10, save } from "./ledger.js";
import { isMemory, learnPage } from "./memory.js";
import { aqicRule, V9_V12, V61 } from "./profile.js";
import { refusedBy } from "./refusal.js";
import type { ApState, Guest, Queue } from "./state.js";
import { rcText, responseCode } from "./status.js";

export const NIB_1 = aqicRule(
  "NIB-1",
  "NIB operand",
  "GR2 as a guest absolute address, all 64 bits: no alignment, no prefixing, no storage key.",
  "vfio_ap_ops.c:handle_pqap, vfio_ap_irq_enable",
);
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
export const GISC_3 = aqicRule(
  "GISC-3",
  "ISC 0 is real",
  "Subclass 0 counts like the others; only 0xff means that nothing is registered.",
  "v9 3/4, constant VFIO_AP_ISC_INVALID",
);
export const GISC_4 = aqicRule(
  "GISC-4",
  "Registration fails",
  "linux-6.1: the page is unpinned again and the guest gets response code 08; no instruction is issued and the old registration stays. Before, the error is not looked at: its low bits become the host's ISC, the GISA origin is 0, and the instruction is issued.",
  "vfio_ap_irq_enable",
);
export const GISC_5 = aqicRule(
  "GISC-5",
  "Control word of the host's AQIC",
  "IR, the guest's ISC, the GISA origin and the host's ISC; zone and GISA format are zero.",
  "vfio_ap_irq_enable; asm/ap.h",
);
export const INV_19 = aqicRule(
  "INV-19",
  "Control words",
  "Every enabling control word is made of the guest's ISC, its GISA origin and the host's ISC (GISC-5).",
  "invariant",
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
export const IRQ_5 = aqicRule(
  "IRQ-5",
  "Enable never retries",
  "One enabling host AQIC for each request of the guest, whatever it answers.",
  "vfio_ap_irq_enable",
);
export const IRQ_6 = aqicRule(
  "IRQ-6",
  "Status of a failed enable",
  "The guest gets the status of the enabling AQIC, not that of the disable that followed.",
  "vfio_ap_irq_enable",
);
export const NIB_5 = aqicRule(
  "NIB-5",
  "Host address of the NIB",
  "The address of the pinned page and the NIB's offset in it, in GR2 of the host's AQIC, which no recorder shows.",
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

/**
 * Return codes of a pin that failed (NIB-4): EINVAL, ENODEV, EPERM, EFAULT, ENOMEM, EBUSY, EACCES, ENOTTY; and EINTR and
 * EAGAIN, which the spec does not list: 5.3 allows every errno, and a task that is being killed gets them.
 */
const PIN_FAILURES: ReadonlySet<number> = new Set([-22, -19, -1, -14, -12, -16, -13, -25, -4, -11]);
/** A guest without a GISA (GISC-1). */
const ENODEV = -19;

/** What a guest asks for: an interrupt of its ISC, told by the byte at `nib`. */
export interface EnableRequest {
  readonly isc: number;
  readonly nib: Word;
  /** What the guest got, where that is recorded: the status word. */
  readonly answer: number | undefined;
}

/**
 * IRQ-1: enables the interrupt of a queue for a guest (null: the queue's mdev has lost it); the status for the guest,
 * undefined where it cannot be known.
 */
export function enable(
  x: Trial,
  s: ApState,
  guest: Guest | null,
  queue: Queue,
  request: EnableRequest,
): number | undefined {
  x.by(IRQ_1, NIB_1, NIB_5, IRQ_5);
  const { nib, answer } = request;
  if (!s.parameters.old) {
    if (nib.hi === 0 && nib.lo === 0) {
      x.by(NIB_2);
      refusedBy(x, "nib");
      return madeStatus(0x06);
    }
    if (notInMemory(x, s, guest, nib, answer)) {
      refusedBy(x, "nib");
      return madeStatus(0x06);
    }
  }
  const iova = s.parameters.old ? pageOf(nib) : nib;
  if (!pin(x, iova, answer)) {
    refusedBy(x, "pin");
    return madeStatus(0x06);
  }
  if (guest === null) {
    crash(x, s, "the interrupt of a queue is enabled where its mdev has no guest", AQIC_4);
  }
  if (s.parameters.old) learnGuest(x, s, guest, queue, answer);
  const key = addressText(iova);
  shares(x, guest, key);
  countPin(s, guest, key, 1);
  const nisc = register(x, s, guest, request);
  if (nisc !== undefined && nisc < 0) {
    x.by(GISC_4);
    if (!s.parameters.old) {
      refusedBy(x, "gisc");
      unpin(x, s, guest, key, GISC_4);
      return madeStatus(0x08);
    }
  }
  return enableOnHost(x, s, guest, queue, key, nisc, request);
}

/** NIB-4: whether one page was pinned. */
function pin(x: Trial, iova: Word, answer: number | undefined): boolean {
  const seen = x.expect(
    "pin_pages",
    (effect) => {
      if (!sameWord(effect.iova, iova) || effect.npage !== 1) return `pin of ${wordText(effect.iova)}`;
      return effect.rc === 1 || PIN_FAILURES.has(effect.rc) ? undefined : `pin_pages rc ${effect.rc}`;
    },
    () => `pin_pages iova ${wordText(iova)}`,
    NIB_4,
  );
  if (seen !== undefined) return seen.rc === 1;
  if (answer === undefined) return x.choose(2) === 0;
  return answer !== madeStatus(0x06) || x.choose(2) === 1;
}

/** AQIC-4: an mdev that may have lost its guest still has it, where the host goes on after the pin. */
function learnGuest(x: Trial, s: ApState, guest: Guest, { owner }: Queue, answer: number | undefined): void {
  if (!isKnown(owner) || owner === null || isKnown(owner.kvm)) return;
  if (answer !== undefined || x.peek("gisc_register") !== undefined) s.journal.set(owner, "kvm", guest);
}

function shares(x: Trial, guest: Guest, key: string): void {
  if (isKnown(guest.pins) && guest.pins.has(key)) x.by(NIB_10);
}

/** The page of an address: the old profiles pin and remember whole pages (NIB-4, pinKey). */
function pageOf(nib: Word): Word {
  return wordOf(nib.hi, nib.lo & ~0xfff);
}

/** NIB-6: page 0 is remembered as "nothing saved" by the old profiles, and never unpinned. */
function savedKey(x: Trial, s: ApState, guest: Guest, queue: Queue, key: string): string | null {
  if (!s.parameters.old || key !== "0x0") return key;
  x.knownDefect("the NIB lies in guest page 0: the page stays pinned for ever", NIB_6);
  leakPin(s, guest, key, queue.apqn, NIB_6);
  return null;
}

/** NIB-3: where it is not recorded which pages are memory, whether the page is pinned shows it, and is so the next time too. */
function notInMemory(x: Trial, s: ApState, guest: Guest | null, nib: Word, answer: number | undefined): boolean {
  const page = pageNumber(nib);
  const known = isMemory(guest, page);
  const refused = known === undefined ? refusedUnseen(x, answer) : !known;
  if (refused) x.by(NIB_3);
  const other = answer !== undefined && answer !== madeStatus(0x06);
  const shown = refused ? answer !== undefined && x.certain("pin_pages") : other || pinSeen(x);
  if (known === undefined && guest !== null && shown) learnPage(x, s, guest, page, !refused);
  return refused;
}

function pinSeen(x: Trial): boolean {
  return x.peek("pin_pages") !== undefined;
}

function refusedUnseen(x: Trial, answer: number | undefined): boolean {
  if (pinSeen(x)) return false;
  if (answer !== undefined && answer !== madeStatus(0x06)) return false;
  return x.certain("pin_pages") || x.either("unknown");
}

/** GISC-1: the host's own ISC, or an error; undefined where it is not recorded. */
function register(x: Trial, s: ApState, guest: Guest, { isc, answer }: EnableRequest): number | undefined {
  const { nisc } = s.host;
  const effect = x.expect(
    "gisc_register",
    (seen) => {
      if (seen.gisc !== isc || !pointerFits(guest, seen.kvm)) return `gisc_register ${seen.gisc} kvm ${seen.kvm}`;
      const legal = seen.rc === ENODEV || (seen.rc >= 0 && seen.rc <= 7 && is(nisc, seen.rc) !== false);
      return legal ? undefined : `gisc_register ${seen.gisc} rc ${seen.rc}`;
    },
    () => `gisc_register ${isc}${isKnown(nisc) ? ` rc ${nisc}` : ""}`,
    GISC_1,
  );
  if (effect !== undefined) learnPointer(s, guest, effect.kvm);
  if (effect !== undefined && effect.rc >= 0 && !isKnown(nisc)) s.journal.set(s.host, "nisc", effect.rc);
  if (effect !== undefined && effect.rc < 0) return effect.rc;
  if (effect === undefined && failedUnseen(x, s, answer)) return ENODEV;
  if (isc === 0) x.by(GISC_3);
  if (effect !== undefined || x.certain("gisc_register") || !s.parameters.old) countGisc(s, guest, isc, 1);
  else forgetCounts(s, guest);
  return effect?.rc ?? (isKnown(nisc) ? nisc : undefined);
}

/**
 * GISC-4: a registration that is not recorded can have failed where the guest got, or may have got, response code 08. The
 * old profiles go on as if it had not: whether it counts is not known there.
 */
function failedUnseen(x: Trial, s: ApState, answer: number | undefined): boolean {
  if (s.parameters.old || x.certain("gisc_register")) return false;
  if (answer !== undefined && answer !== madeStatus(0x08)) return false;
  return x.choose(2) === 1;
}

function enableOnHost(
  x: Trial,
  s: ApState,
  guest: Guest,
  queue: Queue,
  key: string,
  nisc: number | undefined,
  request: EnableRequest,
): number | undefined {
  const { isc } = request;
  const effect = x.expect(
    "hw_aqic",
    (seen) => {
      if (seen.apqn !== queue.apqn) return `hw_aqic ${apqnText(seen.apqn)}`;
      if (!canAnswerEnable(seen.status)) return `response code ${rcText(responseCode(seen.status))} to an enable`;
      return controlDiffers(guest, isc, nisc, seen.gr1, x.certain("gisc_register"));
    },
    () => `hw_aqic enabling ISC ${isc}`,
    GISC_5,
    INV_19,
    CODES,
  );
  if (effect !== undefined) {
    const known = isKnown(guest.gisaOrigin) || x.lenient;
    if (!known && (nisc === undefined || nisc >= 0)) s.journal.set(guest, "gisaOrigin", effect.gr1.lo & ORIGIN);
    learnEnable(x, s, queue, effect.status);
  }
  const status =
    effect === undefined
      ? unseenStatus(x, s, request.answer, leftOf(isc))
      : seenStatus(x, s, effect.status, request.answer);
  if (effect === undefined && status !== undefined && !canAnswerEnable(status)) {
    x.differs("a response code from 00 to 08", `response code ${rcText(responseCode(status))} to an enable`, CODES);
  }
  if (effect === undefined) learnUnseen(s, queue, true, status);
  // Nothing tells the response code but the lines that follow.
  const rc = status === undefined ? (ASSUMED[x.choose(ASSUMED.length)] ?? 0) : responseCode(status);
  switch (rc) {
    case 0x00:
      accepted(x, s, guest, queue, isc, key);
      if (nisc !== undefined && nisc < 0) unregistered(x, s, guest, queue, isc);
      break;
    case 0x07:
      x.by(IRQ_3, IRQ_6, GISC_7);
      refusedBy(x, "aqic");
      unpin(x, s, guest, key, IRQ_3);
      unregister(x, s, guest, isc, IRQ_3, !s.parameters.old || (x.certain("gisc_register") && (nisc ?? 0) >= 0));
      break;
    default:
      x.by(IRQ_4, IRQ_6);
      refusedBy(x, "aqic");
      x.knownDefect(`the new pin ${key} and the new registration of ISC ${isc} are never undone`, IRQ_4);
      leakPin(s, guest, key, queue.apqn, IRQ_4);
      leakIsc(s, guest, isc, queue.apqn, IRQ_4);
      disable(x, s, queue, undefined);
  }
  return status;
}

/** One code for each of the ways that an enable can go on (IRQ-2, IRQ-3, IRQ-4). */
const ASSUMED = [0x00, 0x07, 0x02];

/** IRQ-2: the old registration goes, the new one is remembered. */
function accepted(x: Trial, s: ApState, guest: Guest, queue: Queue, isc: number, key: string): void {
  x.by(IRQ_2);
  if (isKnown(queue.savedIsc) && queue.savedIsc !== null) {
    // Its interrupt was on: only an invisible reset can have turned it off.
    x.by(IRQ_12);
    if (queue.savedIsc === isc) x.by(GISC_7);
  }
  free(x, s, queue);
  save(s, queue, guest, isc, savedKey(x, s, guest, queue, key));
}

/** GISC-4, old profiles: an ISC that is saved and was never registered. */
function unregistered(x: Trial, s: ApState, guest: Guest, queue: Queue, isc: number): void {
  x.knownDefect(`the registration of ISC ${isc} failed, and it is saved all the same`, GISC_4);
  addLeak(s, guest, { kind: "stale", what: isc, apqn: queue.apqn, rule: GISC_4 });
}

/** IRQ-13: what the high half of an enabling control word leaves in the reserved half of a status that was lost. */
export function leftOf(isc: number): number {
  return 0x8000 | (isc << 8);
}

const ORIGIN = 0x7ffffff0;

/** A GISA lies at this offset in its page (1.2), which is all that is known of the origin at first. */
const GISA_OFFSET = 0x900;

/**
 * Fields of a host control word that differ from what 2.4 builds; undefined where it fits. `registered`: whether the ISC
 * was registered is recorded, and with it whether the guest has a GISA.
 */
function controlDiffers(
  guest: Guest,
  isc: number,
  nisc: number | undefined,
  word: Word,
  registered: boolean,
): string | undefined {
  const hi = leftOf(isc);
  const seen = word.lo & ORIGIN;
  const none = seen === 0 && !registered;
  const origin = isKnown(guest.gisaOrigin) ? guest.gisaOrigin : none ? 0 : (seen & ~0xfff) | GISA_OFFSET;
  // GISC-4, old profiles: the error becomes the host's ISC, and a guest without a GISA has no origin.
  const lo = nisc !== undefined && nisc < 0 ? nisc & 7 : origin | (nisc ?? word.lo & 7);
  return sameWord(word, wordOf(hi, lo)) ? undefined : `control word ${wordText(word)}`;
}
