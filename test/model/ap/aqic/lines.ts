import { emptyMask, type Mask, parseMask } from "../../../../src/event/mask.js";
import { parseWord, type Word } from "../../../../src/event/word.js";
import type { ApCall } from "../../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../../src/operation/ap/effect.js";

/** A 64-bit number as the examples print it. */
export function word(text: string): Word {
  const found = parseWord(text);
  if (found === undefined) throw new Error(`no number: ${text}`);
  return found;
}

/** The guest G of the examples, and M, its mediated device (vfio-ap-aqic section 7). */
export const G = "0x80010000";
export const M = "aaaaaaaa-0000-4000-8000-00000000000a";
export const M2 = "bbbbbbbb-0000-4000-8000-00000000000b";

export const NIB_A = "0x12345040";
export const NIB_B = "0x12346080";

/** GR1 of a guest that asks for an interrupt of that subclass (2.3). */
export function asksFor(isc: number): string {
  return `0x000080000000000${isc}`;
}

/** Host control words for GISA origin 0x1f5c2900 and nisc 5, as section 2.4 prints them. */
const CONTROL: Readonly<Record<number, string>> = {
  0: "0x000080001f5c2905",
  3: "0x000083001f5c2905",
  5: "0x000085001f5c2905",
  7: "0x000087001f5c2905",
};

export const pin = (iova: string, rc = 1): ApEffect => ({ kind: "pin_pages", iova: word(iova), npage: 1, rc });
export const unpin = (iova: string): ApEffect => ({ kind: "unpin_pages", iova: word(iova), npage: 1 });
export const register = (gisc: number, rc = 5, kvm = G): ApEffect => ({ kind: "gisc_register", kvm, gisc, rc });
export const unregister = (gisc: number, rc = 0, kvm = G): ApEffect => ({ kind: "gisc_unregister", kvm, gisc, rc });

/** The host's AQIC with a control word: an enable by its subclass, or `off`. */
export function aqic(queue: string, control: number | "off" | string, status: number): ApEffect {
  const gr1 = control === "off" ? "0x0" : typeof control === "number" ? (CONTROL[control] ?? "") : control;
  return { kind: "hw_aqic", apqn: Number.parseInt(queue, 16), gr1: word(gr1), status };
}

export const tapq = (queue: string, status: number): ApEffect => ({
  kind: "hw_tapq",
  apqn: Number.parseInt(queue, 16),
  status,
});

export const zapq = (queue: string, status: number): ApEffect => ({
  kind: "hw_zapq",
  apqn: Number.parseInt(queue, 16),
  status,
});

export const reset = (queue: string, rc: number, status: number): ApEffect => ({
  kind: "reset_queue",
  apqn: Number.parseInt(queue, 16),
  retry: 1,
  rc,
  status,
});

export const queueProbe = (queue: string, rc = 0): ApEffect => ({
  kind: "queue_probe",
  apqn: Number.parseInt(queue, 16),
  rc,
});
export const queueRemove = (queue: string): ApEffect => ({ kind: "queue_remove", apqn: Number.parseInt(queue, 16) });

export const setKvm = (mdev = M, rc = 0, kvm = G): ApEffect => ({ kind: "mdev_set_kvm", mdev, kvm, rc });
export const unsetKvm = (mdev = M, kvm = G): ApEffect => ({ kind: "mdev_unset_kvm", mdev, kvm });

/** A 256-bit mask by its first 16 digits, the others being zero: bit 0 is the leftmost one (0.1). */
function maskOf(digits: string): Mask {
  return parseMask(`0x${digits.padEnd(64, "0")}`) ?? emptyMask;
}

export const apcbSet = (apm: string, aqm: string, adm = "", kvm = G): ApEffect => ({
  kind: "apcb_set",
  kvm,
  apm: maskOf(apm),
  aqm: maskOf(aqm),
  adm: maskOf(adm),
});
export const apcbClear = (kvm = G): ApEffect => ({ kind: "apcb_clear", kvm });

export const dmaUnmap = (iova: string, size: string, mdev = M): ApEffect => ({
  kind: "dma_unmap",
  mdev,
  iova: word(iova),
  size: word(size),
});

export type Pqap = Extract<ApCall, { kind: "pqap" }>;
export type Exit = NonNullable<Pqap["exit"]>;

/** What a guest asks, as `pqap_entry` shows it. Condition code 1 before every instruction (section 7). */
export interface Request {
  readonly gr0: string;
  readonly gr1?: string;
  readonly gr2?: string;
  readonly problemState?: boolean;
  /** ECA of the CPU; undefined: not recorded. Both bits by default: 0x8 APIE, 0x200000 AIV. */
  readonly eca?: string | undefined;
  readonly ccBefore?: number | undefined;
  readonly tid?: number;
}

export function pqapCall(request: Request, exit: Exit | undefined): Pqap {
  const { gr0, gr1 = "0x0", gr2 = "0x0", problemState = false, tid = 4107 } = request;
  const eca = "eca" in request ? request.eca : "0x200008";
  return {
    kind: "pqap",
    vcpu: 0,
    tid,
    gr0: word(gr0),
    gr1: word(gr1),
    gr2: word(gr2),
    problemState,
    ccBefore: "ccBefore" in request ? request.ccBefore : 1,
    eca: eca === undefined ? undefined : word(eca),
    exit,
  };
}

export function exit(gr1: string, cc: number, rc = 0, pgm?: number): Exit {
  return { rc, gr1: word(gr1), cc, pgm };
}

/** GR0 of an AQIC for a queue: function code 03 and the APQN (2.2). */
export function aqicOf(queue: string): string {
  return `0x0300${queue}`;
}
