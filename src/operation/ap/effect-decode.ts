import { addressText } from "../../event/address-text.js";
import { fieldOf, type ProbeEvent } from "../../event/event.js";
import { type Mask, parseMask } from "../../event/mask.js";
import { parseHex, parseWord, smallDecimal, type Word } from "../../event/word.js";
import type { ApEffect, ApMasks } from "./effect.js";

/** What a probe line is for the assembler; undefined where a key is missing or unreadable. */
type Decoder = (event: ProbeEvent) => ApEffect | undefined;

const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ["apcb_set", decodeApcbSet],
  ["apcb_clear", (e) => withKvm(e, (kvm) => ({ kind: "apcb_clear", kvm }))],
  ["gisc_register", (e) => decodeGisc(e, "gisc_register")],
  ["gisc_unregister", (e) => decodeGisc(e, "gisc_unregister")],
  ["pin_pages", decodePin],
  ["unpin_pages", decodeUnpin],
  ["reset_queue", decodeReset],
  ["hw_aqic", decodeHostAqic],
  ["hw_tapq", (e) => decodeHost(e, "hw_tapq")],
  ["hw_zapq", (e) => decodeHost(e, "hw_zapq")],
  ["resource_in_use", decodeInUse],
  ["queue_probe", decodeProbe],
  ["queue_remove", (e) => withApqn(e, (apqn) => ({ kind: "queue_remove", apqn }))],
  ["mdev_set_kvm", decodeSetKvm],
  ["mdev_unset_kvm", decodeUnsetKvm],
  ["dma_unmap", decodeDmaUnmap],
  ["cfg_changed", (e) => decodeConfiguration(e, "cfg_changed")],
  ["scan_complete", (e) => decodeConfiguration(e, "scan_complete")],
]);

/** The effect of the AP vocabulary that a probe line shows; undefined for any other probe, and where a key or a value cannot be read. */
export function decodeApEffect(event: ProbeEvent): ApEffect | undefined {
  return decoders.get(event.name)?.(event);
}

/** A decimal, also a negative return code printed as two's complement in hex (probes.md). */
export function decimalField(event: ProbeEvent, key: string): number | undefined {
  const text = fieldOf(event, key);
  if (text === undefined) return undefined;
  const small = smallDecimal(text);
  if (small >= 0) return small;
  const word = parseWord(text);
  if (word === undefined) return undefined;
  if (word.hi === 0xffffffff) return word.lo | 0;
  if (word.hi === 0) return text.startsWith("0x") && word.lo >= 0xfffff000 ? word.lo | 0 : word.lo;
  return undefined;
}

export function wordField(event: ProbeEvent, key: string): Word | undefined {
  const text = fieldOf(event, key);
  return text === undefined ? undefined : parseWord(text);
}

/** Hex digits with or without `0x`: APQNs and status words. */
function hexField(event: ProbeEvent, key: string): number | undefined {
  const text = fieldOf(event, key);
  if (text === undefined) return undefined;
  const word = parseHex(text, text.startsWith("0x") ? 2 : 0);
  return word === undefined || word.hi !== 0 ? undefined : word.lo;
}

function maskField(event: ProbeEvent, key: string): Mask | undefined {
  const text = fieldOf(event, key);
  return text === undefined ? undefined : parseMask(text);
}

/** A kvm pointer as the key of a guest. */
function pointerField(event: ProbeEvent, key: string): string | undefined {
  const word = wordField(event, key);
  return word === undefined ? undefined : addressText(word);
}

function withKvm(event: ProbeEvent, make: (kvm: string) => ApEffect): ApEffect | undefined {
  const kvm = pointerField(event, "kvm");
  return kvm === undefined ? undefined : make(kvm);
}

function withApqn(event: ProbeEvent, make: (apqn: number) => ApEffect): ApEffect | undefined {
  const apqn = hexField(event, "apqn");
  return apqn === undefined || apqn > 0xffff ? undefined : make(apqn);
}

function decodeApcbSet(event: ProbeEvent): ApEffect | undefined {
  const kvm = pointerField(event, "kvm");
  const apm = maskField(event, "apm");
  const aqm = maskField(event, "aqm");
  const adm = maskField(event, "adm");
  if (kvm === undefined || apm === undefined || aqm === undefined || adm === undefined) return undefined;
  return { kind: "apcb_set", kvm, apm, aqm, adm };
}

function decodeGisc(event: ProbeEvent, kind: "gisc_register" | "gisc_unregister"): ApEffect | undefined {
  const kvm = pointerField(event, "kvm");
  const gisc = decimalField(event, "gisc");
  const rc = decimalField(event, "rc");
  if (kvm === undefined || gisc === undefined || rc === undefined) return undefined;
  return { kind, kvm, gisc, rc };
}

function decodePin(event: ProbeEvent): ApEffect | undefined {
  const iova = wordField(event, "iova");
  const rc = decimalField(event, "rc");
  if (iova === undefined || rc === undefined) return undefined;
  return { kind: "pin_pages", iova, npage: decimalField(event, "npage") ?? 1, rc };
}

function decodeUnpin(event: ProbeEvent): ApEffect | undefined {
  const iova = wordField(event, "iova");
  return iova === undefined ? undefined : { kind: "unpin_pages", iova, npage: decimalField(event, "npage") ?? 1 };
}

function decodeReset(event: ProbeEvent): ApEffect | undefined {
  const rc = decimalField(event, "rc");
  if (rc === undefined) return undefined;
  const retry = decimalField(event, "retry") ?? 1;
  return withApqn(event, (apqn) => ({ kind: "reset_queue", apqn, retry, rc, status: hexField(event, "status") }));
}

function decodeHost(event: ProbeEvent, kind: "hw_tapq" | "hw_zapq"): ApEffect | undefined {
  const status = hexField(event, "status");
  return status === undefined ? undefined : withApqn(event, (apqn) => ({ kind, apqn, status }));
}

function decodeHostAqic(event: ProbeEvent): ApEffect | undefined {
  const gr1 = wordField(event, "gr1");
  const status = hexField(event, "status");
  if (gr1 === undefined || status === undefined) return undefined;
  return withApqn(event, (apqn) => ({ kind: "hw_aqic", apqn, gr1, status }));
}

function decodeInUse(event: ProbeEvent): ApEffect | undefined {
  const apm = maskField(event, "apm");
  const aqm = maskField(event, "aqm");
  const rc = decimalField(event, "rc");
  if (apm === undefined || aqm === undefined || rc === undefined) return undefined;
  return { kind: "resource_in_use", apm, aqm, rc };
}

function decodeProbe(event: ProbeEvent): ApEffect | undefined {
  const rc = decimalField(event, "rc");
  return rc === undefined ? undefined : withApqn(event, (apqn) => ({ kind: "queue_probe", apqn, rc }));
}

function decodeSetKvm(event: ProbeEvent): ApEffect | undefined {
  const mdev = fieldOf(event, "mdev")?.toLowerCase();
  const kvm = pointerField(event, "kvm");
  const rc = decimalField(event, "rc");
  if (mdev === undefined || kvm === undefined || rc === undefined) return undefined;
  return { kind: "mdev_set_kvm", mdev, kvm, rc };
}

function decodeUnsetKvm(event: ProbeEvent): ApEffect | undefined {
  const mdev = fieldOf(event, "mdev")?.toLowerCase();
  const kvm = pointerField(event, "kvm");
  return mdev === undefined || kvm === undefined ? undefined : { kind: "mdev_unset_kvm", mdev, kvm };
}

function decodeDmaUnmap(event: ProbeEvent): ApEffect | undefined {
  const mdev = fieldOf(event, "mdev")?.toLowerCase();
  const iova = wordField(event, "iova");
  const size = wordField(event, "size");
  if (mdev === undefined || iova === undefined || size === undefined) return undefined;
  return { kind: "dma_unmap", mdev, iova, size };
}

function decodeConfiguration(event: ProbeEvent, kind: "cfg_changed" | "scan_complete"): ApEffect | undefined {
  const before = masksOf(event, "old_");
  const after = masksOf(event, "new_");
  return before === undefined || after === undefined ? undefined : { kind, before, after };
}

function masksOf(event: ProbeEvent, prefix: string): ApMasks | undefined {
  const apm = maskField(event, `${prefix}apm`);
  const aqm = maskField(event, `${prefix}aqm`);
  const adm = maskField(event, `${prefix}adm`);
  return apm === undefined || aqm === undefined || adm === undefined ? undefined : { apm, aqm, adm };
}
