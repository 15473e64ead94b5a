import type { VfioIoctl } from "../../operation/platform/call.js";
import {
  DEVICE_FLAG,
  DEVICE_INFO_SIZE,
  FEATURE_SIZE,
  IRQ_FLAG,
  IRQ_INFO_CAPS_SIZE,
  IRQ_INFO_SIZE,
  REGION_INFO_SIZE,
  REGION_SPAN,
  u32,
} from "../../operation/platform/structures.js";
import { isKnown, knownValue, not, type Tri, unknown } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import {
  compareAfter,
  field,
  longField,
  partlyWritten,
  readable,
  shortage,
  unchanged,
  unknownStructure,
  VDEV_14,
  type Written,
  word,
  wordAfter,
  writable,
} from "./argument.js";
import { below, indexExists, isMsiIndex, learnKind, learnNumIrqs } from "./devices.js";
import { lineOf } from "./lines.js";
import { ALL, platformRule, RFC, V3 } from "./profile.js";
import { NEVER_ALLOWED } from "./set-irqs.js";
import { type Device, type Line, type PlatformState, type Region, Vector } from "./state.js";

export const VDEV_7 = platformRule(
  "VDEV-7",
  "GET_INFO",
  "16 bytes not readable: EFAULT; argsz below 16: EINVAL; else the bus flag, RESET where a reset function is known, the number of regions and of interrupt indexes; 16 bytes are written, argsz as given. RESET is sticky once seen.",
  "vfio_platform_common.c",
);
export const VDEV_8 = platformRule(
  "VDEV-8",
  "GET_REGION_INFO",
  "32 bytes not readable: EFAULT; argsz below 32 or an index that does not exist: EINVAL; else size, flags and offset (index times 2^40) are written. READ for memory, WRITE unless read-only, MMAP if address and size are whole pages; 0 for I/O ports.",
  "vfio_platform_common.c",
);
export const VDEV_10A = platformRule(
  "VDEV-10a",
  "DEVICE_FEATURE",
  "The core of platform-base checks first: 8 bytes not readable EFAULT; argsz below 8, flag bits outside 0x7ffff, or GET and SET together without PROBE EINVAL; else ENOTTY. In the postings ENOTTY at once.",
  "vfio_main.c",
);
export const VIRQ_1 = platformRule(
  "VIRQ-1",
  "GET_IRQ_INFO",
  "16 bytes not readable: EFAULT; argsz below 16 or an index that does not exist: EINVAL; else flags and count. platform-base writes 16 bytes and leaves argsz and the rest.",
  "vfio_platform_common.c",
);
export const VIRQ_2 = platformRule(
  "VIRQ-2",
  "Flags of a wired line",
  "A level line has EVENTFD, MASKABLE and AUTOMASKED (7), any other EVENTFD alone (1); the count is 1. A failed request changes neither.",
  "vfio_platform_irq.c",
);
export const VIRQ_3 = platformRule(
  "VIRQ-3",
  "Layout of the indexes",
  "The wired lines come first, in device order. In the postings a device with an MSI domain has the MSI block as its last index; platform-base never has one.",
  "vfio_platform_irq.c; RFC v2",
);
export const VIRQ_4 = platformRule(
  "VIRQ-4",
  "A wired index with room for cap_offset",
  "With argsz 20 and above 20 bytes are written; cap_offset is indeterminate, argsz unchanged, CAPS not set. Not writable: EFAULT.",
  "RFC v2",
  RFC,
);
export const VIRQ_5 = platformRule(
  "VIRQ-5",
  "The MSI index with enough room",
  "With argsz at or above 48 + 12 a vector: flags 0x11, the count, argsz unchanged; the capabilities are written from byte 20 on, then the head with cap_offset 20. A fault gives EFAULT; bytes of the capabilities may be written then.",
  "RFC v2; vfio_main.c",
  RFC,
);
export const VIRQ_6 = platformRule(
  "VIRQ-6",
  "The MSI index with too little room",
  "Result 0, flags 0x11, argsz set to what is needed, cap_offset 0 where the given argsz has room for it; no capability is written.",
  "RFC v2",
  RFC,
);
export const VIRQ_7 = platformRule(
  "VIRQ-7",
  "Messages of the vectors",
  "nr_msgs is the number of allocated vectors. The message of a vector that is not armed is zero; that of an armed one is the platform's.",
  "RFC v2; kernel MSI layer",
  RFC,
);
export const VIRQ_8 = platformRule(
  "VIRQ-8",
  "GET_IRQ_INFO is independent",
  "It changes no state and does not depend on masks, triggers or failed requests. In the postings ENOMEM is possible for the MSI index.",
  "vfio_platform_common.c",
  ALL,
);
export const V3_3 = platformRule(
  "V3-3",
  "v3: no MSI_DESCS without vectors",
  "While no vector is allocated the chain is CAP_TYPE alone and needs 36 bytes.",
  "RFC v3",
  V3,
);
export const V3_4 = platformRule(
  "V3-4",
  "v3: reserved word in MSI_DESCS",
  "After nr_msgs comes a word that is 0: messages begin at 52, and 52 + 12 a vector are needed.",
  "RFC v3",
  V3,
);
export const INV_1 = platformRule(
  "INV-1",
  "Indexes are constant",
  "The number of indexes, and flags and count of each, do not change while the device is open.",
  "invariant",
);
export const INV_12 = platformRule(
  "INV-12",
  "argsz and cap_offset of the MSI info",
  "The argsz that comes back is the larger of the one given and the one needed; cap_offset is 20 exactly when the room was enough.",
  "invariant",
  RFC,
);

/** The checks that every GET request begins with; true where the request was refused, or its structure is not known. */
function refused(
  x: Trial,
  call: VfioIoctl,
  size: number,
  rule: Rule,
  also: readonly string[] = [],
): { readonly argsz: number } | undefined {
  const reason = unknownStructure(call);
  if (reason !== undefined) {
    if (x.operation.result.kind === "error") x.fails(["EFAULT", "EINVAL", ...also], rule);
    else x.returns(0, rule, NEVER_ALLOWED);
    x.cannotCheck(reason);
    return undefined;
  }
  if (x.refuse(not(readable(call, size)), "EFAULT", rule, VDEV_14)) {
    unchanged(x, call);
    return undefined;
  }
  const argsz = word(call, 0);
  if (argsz === undefined) {
    x.cannotCheck("the recorded structure is too short");
    return undefined;
  }
  if (x.refuse(argsz < size, "EINVAL", rule)) {
    unchanged(x, call);
    return undefined;
  }
  return { argsz };
}

/** The write-back: false where it faults. */
function writes(x: Trial, call: VfioIoctl, size: number, rule: Rule): boolean {
  if (!x.refuse(not(writable(call, size)), "EFAULT", rule)) return true;
  unchanged(x, call);
  return false;
}

/** A value that the kernel writes: what is known must be met, what is not is learned. */
function learned(
  known: number | undefined,
  observed: number | undefined,
  learn: (value: number) => void,
): number | undefined {
  if (known === undefined && observed !== undefined) learn(observed);
  return known;
}

// --- GET_INFO

export function getInfo(x: Trial, s: PlatformState, call: VfioIoctl, device: Device): void {
  if (refused(x, call, DEVICE_INFO_SIZE, VDEV_7) === undefined) return;
  if (!writes(x, call, DEVICE_INFO_SIZE, VDEV_7)) return;
  x.returns(0, VDEV_7);
  if (x.operation.result.kind !== "value") return;
  const flags = wordAfter(call, 4);
  if (flags !== undefined) learnDevice(s, device, flags);
  const regions = learned(knownValue(device.numRegions), wordAfter(call, 8), (count) =>
    s.journal.set(device, "numRegions", count),
  );
  const indexes = numIrqs(device, wordAfter(call, 12));
  if (indexes === undefined && call.after !== undefined) {
    const count = wordAfter(call, 12);
    if (count !== undefined) learnNumIrqs(s, device, count);
  }
  compareAfter(x, call, [
    field(4, "flags", infoFlags(device, flags), VDEV_7),
    field(8, "num_regions", regions, VDEV_7),
    field(12, "num_irqs", indexes, VIRQ_3),
  ]);
}

/** The number of indexes that the answer must have: where only a few are possible, one of them. */
function numIrqs(device: Device, observed: number | undefined): number | undefined {
  const known = knownValue(device.numIrqs);
  if (known !== undefined || observed === undefined) return known;
  if (below(observed, device.numIrqs) === "unknown" || isKnown(device.numIrqs)) return undefined;
  const { numIrqs: possible } = device;
  if (!("values" in possible)) return undefined;
  return possible.values.includes(observed) ? undefined : possible.values[0];
}

function learnDevice(s: PlatformState, device: Device, flags: number): void {
  if (!isKnown(device.bus)) {
    if (flags >>> 1 === DEVICE_FLAG.PLATFORM >>> 1) s.journal.set(device, "bus", "platform");
    else if (flags >>> 1 === DEVICE_FLAG.AMBA >>> 1) s.journal.set(device, "bus", "amba");
  }
  if (!isKnown(device.hasReset)) s.journal.set(device, "hasReset", (flags & DEVICE_FLAG.RESET) !== 0);
}

/** Flags of the device: undefined bits of an unknown bus are taken as the nearest that can be. */
function infoFlags(device: Device, observed: number | undefined): number | undefined {
  const reset = knownValue(device.hasReset);
  const bus = knownValue(device.bus);
  if (reset === undefined) return undefined;
  const seen = observed ?? 0;
  const busFlag =
    bus === "amba" || (bus === undefined && (seen & DEVICE_FLAG.AMBA) !== 0) ? DEVICE_FLAG.AMBA : DEVICE_FLAG.PLATFORM;
  return busFlag | (reset ? DEVICE_FLAG.RESET : 0);
}

// --- GET_REGION_INFO

export function getRegionInfo(x: Trial, s: PlatformState, call: VfioIoctl, device: Device): void {
  if (refused(x, call, REGION_INFO_SIZE, VDEV_8) === undefined) return;
  const index = word(call, 8);
  if (index === undefined) {
    x.cannotCheck("the recorded structure is too short");
    return;
  }
  if (x.refuse(not(below(index, device.numRegions)), "EINVAL", VDEV_8)) {
    unchanged(x, call);
    return;
  }
  if (!writes(x, call, REGION_INFO_SIZE, VDEV_8)) return;
  x.returns(0, VDEV_8);
  if (x.operation.result.kind !== "value") return;
  const known = regionOf(device, index);
  const region = known ?? regionAfter(call);
  if (known === undefined && region !== undefined) s.journal.add(device.regions, index, region);
  compareAfter(x, call, [
    field(4, "flags", region?.flags, VDEV_8),
    longField(16, "size", region === undefined ? undefined : BigInt(region.size), VDEV_8),
    longField(24, "offset", BigInt(index) << 40n, VDEV_8),
  ]);
}

/** A region of the device; undefined where it is not known. */
export function regionOf(device: Device, index: number): Region | undefined {
  const region = device.regions.get(index);
  return region === undefined ? undefined : knownValue(region);
}

function regionAfter({ after }: VfioIoctl): Region | undefined {
  const flags = after === undefined ? undefined : u32(after, 4);
  const low = after === undefined ? undefined : u32(after, 16);
  const high = after === undefined ? undefined : u32(after, 20);
  if (flags === undefined || low === undefined || high === undefined) return undefined;
  // Bits that a region never has are not learned: the comparison finds them.
  return { flags: flags & 7, size: Math.min(high * 2 ** 32 + low, REGION_SPAN) };
}

// --- GET_IRQ_INFO

export function getIrqInfo(x: Trial, s: PlatformState, call: VfioIoctl, device: Device): void {
  const { msi } = s.parameters;
  const head = refused(x, call, IRQ_INFO_SIZE, VIRQ_1, msi ? ["ENOMEM"] : []);
  if (head === undefined) return;
  const index = word(call, 8);
  if (index === undefined) {
    x.cannotCheck("the recorded structure is too short");
    return;
  }
  if (x.refuse(not(indexExists(s, device, index)), "EINVAL", VIRQ_1)) {
    unchanged(x, call);
    return;
  }
  const block = kindSeen(isMsiIndex(s, device, index), call);
  x.by(VIRQ_8);
  if (x.either(block)) msiInfo(x, s, call, device, head.argsz);
  else wiredInfo(x, s, call, device, lineOf(s, device, index), head.argsz);
  if (block !== "unknown") learnKind(s, device, index, block);
}

/** Whether the index is the MSI block, also as the answer's flags tell. */
function kindSeen(known: Tri, call: VfioIoctl): Tri {
  if (known !== "unknown") return known;
  const flags = wordAfter(call, 4);
  return flags === undefined ? "unknown" : (flags & IRQ_FLAG.CAPS) !== 0;
}

function wiredInfo(x: Trial, s: PlatformState, call: VfioIoctl, _device: Device, line: Line, argsz: number): void {
  const withCaps = s.parameters.msi && argsz >= IRQ_INFO_CAPS_SIZE;
  const rule = withCaps ? VIRQ_4 : VIRQ_1;
  if (!writes(x, call, withCaps ? IRQ_INFO_CAPS_SIZE : IRQ_INFO_SIZE, rule)) return;
  x.returns(0, rule, VIRQ_2);
  if (x.operation.result.kind !== "value") return;
  const observed = wordAfter(call, 4);
  const flags = learned(knownValue(line.flags), observed, (value) => {
    if (value === 1 || value === 7) s.journal.set(line, "flags", value);
  });
  const impossible = flags === undefined && observed !== undefined && observed !== 1 && observed !== 7;
  const written: Written[] = [field(4, "flags", impossible ? 7 : flags, VIRQ_2), field(12, "count", 1, VIRQ_2)];
  if (withCaps) written.push(field(16, "cap_offset", undefined, VIRQ_4));
  compareAfter(x, call, written);
}

/** What the answer needs for n vectors (2.5, V3-3, V3-4). */
export function neededSize(s: PlatformState, vectors: number): number {
  if (!s.parameters.v3) return 48 + 12 * vectors;
  return vectors === 0 ? 36 : 52 + 12 * vectors;
}

const MSI_FLAGS = IRQ_FLAG.EVENTFD | IRQ_FLAG.CAPS;

function msiInfo(x: Trial, s: PlatformState, call: VfioIoctl, device: Device, argsz: number): void {
  if (shortage(x, VIRQ_8)) return;
  const vectors = device.msi.vectors ?? learnVectors(s, call, device, argsz);
  if (vectors === undefined) {
    x.returns(0, VIRQ_5);
    x.cannotCheck("how many vectors are allocated is not known");
    return;
  }
  const needed = neededSize(s, vectors.length);
  const enough = argsz >= needed;
  const rule = enough ? VIRQ_5 : VIRQ_6;
  const size = enough ? needed : argsz >= IRQ_INFO_CAPS_SIZE ? IRQ_INFO_CAPS_SIZE : IRQ_INFO_SIZE;
  if (x.refuse(not(writable(call, size)), "EFAULT", rule)) {
    // The capabilities are written before the head: they may be there up to the fault.
    const written: Written[] = [];
    if (enough) capabilities(s, call, vectors, written);
    partlyWritten(x, call, written);
    return;
  }
  x.returns(0, rule);
  if (x.operation.result.kind !== "value") return;
  const count = learned(knownValue(device.msiCount), wordAfter(call, 12), (value) =>
    s.journal.set(device, "msiCount", value),
  );
  const written: Written[] = [
    field(0, "argsz", Math.max(argsz, needed), enough ? INV_12 : VIRQ_6),
    field(4, "flags", MSI_FLAGS, rule),
    field(12, "count", count, VIRQ_6),
  ];
  if (argsz >= IRQ_INFO_CAPS_SIZE) written.push(field(16, "cap_offset", enough ? IRQ_INFO_CAPS_SIZE : 0, INV_12));
  if (enough) capabilities(s, call, vectors, written);
  compareAfter(x, call, written);
}

/** The number of vectors, where only the answer tells it. */
function learnVectors(s: PlatformState, call: VfioIoctl, device: Device, argsz: number): readonly Vector[] | undefined {
  const after = wordAfter(call, 0);
  if (after === undefined) return undefined;
  let n: number;
  if (after !== argsz) n = vectorsOfSize(s, after);
  else if (wordAfter(call, 16) === IRQ_INFO_CAPS_SIZE)
    n = wordAfter(call, 40) === undefined ? -1 : describedVectors(s, call);
  else return undefined;
  if (!Number.isInteger(n) || n < 0 || n > 2048) return undefined;
  const vectors = Array.from({ length: n }, (_, index) => {
    const vector = new Vector(index);
    vector.trigger = unknown;
    return vector;
  });
  s.journal.set(device.msi, "vectors", vectors);
  s.journal.set(device.msi, "configured", n > 0);
  return vectors;
}

function vectorsOfSize(s: PlatformState, size: number): number {
  if (!s.parameters.v3) return (size - 48) / 12;
  return size === 36 ? 0 : (size - 52) / 12;
}

function describedVectors(s: PlatformState, call: VfioIoctl): number {
  if (s.parameters.v3 && wordAfter(call, 24) === 0) return 0;
  return wordAfter(call, 44) ?? -1;
}

/** CAP_TYPE and MSI_DESCS as they must lie behind the head (2.5). */
function capabilities(s: PlatformState, call: VfioIoctl, vectors: readonly Vector[], written: Written[]): void {
  const { v3 } = s.parameters;
  const described = !v3 || vectors.length > 0;
  written.push(
    field(20, "CAP_TYPE id and version", 0x00010003, VIRQ_5),
    field(24, "CAP_TYPE next", described ? 36 : 0, v3 ? V3_3 : VIRQ_5),
    field(28, "CAP_TYPE type", 1, VIRQ_5),
    field(32, "CAP_TYPE subtype", 0, VIRQ_5),
  );
  if (!described) return;
  written.push(
    field(36, "MSI_DESCS id and version", 0x00010004, VIRQ_5),
    field(40, "MSI_DESCS next", 0, VIRQ_5),
    field(44, "nr_msgs", vectors.length, VIRQ_7),
  );
  if (v3) written.push(field(48, "MSI_DESCS reserved", 0, V3_4));
  const first = v3 ? 52 : 48;
  vectors.forEach((vector, k) => {
    const value = vector.trigger === null ? 0 : undefined;
    for (let part = 0; part < 3; part++) {
      written.push(field(first + 12 * k + 4 * part, `message ${k}`, value, VIRQ_7));
    }
    const { after } = call;
    if (value === undefined && after !== undefined && after.length >= first + 12 * k + 12) {
      const text = Buffer.from(after.subarray(first + 12 * k, first + 12 * k + 12)).toString("hex");
      s.journal.set(vector, "message", text);
    }
  });
}

// --- DEVICE_FEATURE

const FEATURE_FLAGS = 0x7ffff;
const FEATURE_GET = 0x10000;
const FEATURE_SET = 0x20000;
const FEATURE_PROBE = 0x40000;

export function deviceFeature(x: Trial, s: PlatformState, call: VfioIoctl): void {
  if (s.parameters.msi) {
    x.fails("ENOTTY", VDEV_10A);
    unchanged(x, call);
    return;
  }
  const reason = unknownStructure(call);
  if (reason !== undefined) {
    x.fails(["EFAULT", "EINVAL", "ENOTTY"], VDEV_10A);
    x.cannotCheck(reason);
    return;
  }
  unchanged(x, call);
  if (x.refuse(not(readable(call, FEATURE_SIZE)), "EFAULT", VDEV_10A)) return;
  const argsz = word(call, 0);
  const flags = word(call, 4);
  if (argsz === undefined || flags === undefined) {
    x.fails(["EINVAL", "ENOTTY"], VDEV_10A);
    x.cannotCheck("the recorded structure is too short");
    return;
  }
  const both = (flags & FEATURE_GET) !== 0 && (flags & FEATURE_SET) !== 0 && (flags & FEATURE_PROBE) === 0;
  if (x.refuse(argsz < FEATURE_SIZE || flags > FEATURE_FLAGS || both, "EINVAL", VDEV_10A)) return;
  x.fails("ENOTTY", VDEV_10A);
}
