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
import { isKnown, knownValue, not, type Tri } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import {
  compareAfter,
  field,
  longField,
  readable,
  unchanged,
  unknownStructure,
  VDEV_14,
  type Written,
  word,
  wordAfter,
  writable,
} from "./argument.js";
import { below, indexExists, isMsiIndex, learnAbsence, learnKind, learnNumIrqs, regionExists } from "./devices.js";
import { lineOf } from "./lines.js";
import { msiInfo } from "./msi-info.js";
import { ALL, platformRule, RFC } from "./profile.js";
import { NEVER_ALLOWED } from "./set-irqs.js";
import type { Device, Line, PlatformState, Region } from "./state.js";

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
export const VIRQ_8 = platformRule(
  "VIRQ-8",
  "GET_IRQ_INFO is independent",
  "It changes no state and does not depend on masks, triggers or failed requests. In the postings ENOMEM is possible for the MSI index.",
  "vfio_platform_common.c",
  ALL,
);
export const INV_1 = platformRule(
  "INV-1",
  "Indexes are constant",
  "The number of indexes, and flags and count of each, do not change while the device is open.",
  "invariant",
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
export function learned(
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
  const regions = learned(numRegions(device, wordAfter(call, 8)), wordAfter(call, 8), (count) =>
    s.journal.set(device, "numRegions", count),
  );
  const indexes = numIrqs(device, wordAfter(call, 12));
  if (indexes === undefined && call.after !== undefined) {
    const count = wordAfter(call, 12);
    if (count !== undefined) learnNumIrqs(s, device, count);
  }
  compareAfter(x, call, [
    field(4, "flags", infoFlags(device), VDEV_7),
    field(8, "num_regions", regions, VDEV_7),
    field(12, "num_irqs", indexes, VIRQ_3),
  ]);
}

/** The number of regions that the answer must have: it lies between those that were seen and those that are not there. */
function numRegions(device: Device, observed: number | undefined): number | undefined {
  const known = knownValue(device.numRegions);
  return known ?? bounded(observed, 1 + Math.max(-1, ...device.regions.keys()), device.noRegion);
}

/** The nearest bound of a number that lies outside of them; undefined for one that is possible. */
function bounded(observed: number | undefined, least: number, most: number): number | undefined {
  if (observed === undefined || (observed >= least && observed <= most)) return undefined;
  return observed < least ? least : most;
}

/** The number of indexes that the answer must have: where only a few are possible, one of them. */
function numIrqs(device: Device, observed: number | undefined): number | undefined {
  const known = knownValue(device.numIrqs);
  if (known !== undefined || observed === undefined) return known;
  const outside = bounded(observed, leastIrqs(device), device.noIrq);
  if (outside !== undefined) return outside;
  if (below(observed, device.numIrqs) === "unknown" || isKnown(device.numIrqs)) return undefined;
  const { numIrqs: possible } = device;
  if (!("values" in possible)) return undefined;
  return possible.values.includes(observed) ? undefined : possible.values[0];
}

/** Indexes that were seen to be there, and those before them. */
function leastIrqs(device: Device): number {
  let least = device.hasMsi === true ? 1 : 0;
  for (const line of device.lines.values()) if (isKnown(line.flags)) least = Math.max(least, line.index + 1);
  return least;
}

function learnDevice(s: PlatformState, device: Device, flags: number): void {
  if (!isKnown(device.bus)) {
    if (flags >>> 1 === DEVICE_FLAG.PLATFORM >>> 1) s.journal.set(device, "bus", "platform");
    else if (flags >>> 1 === DEVICE_FLAG.AMBA >>> 1) s.journal.set(device, "bus", "amba");
  }
  if (!isKnown(device.hasReset)) s.journal.set(device, "hasReset", (flags & DEVICE_FLAG.RESET) !== 0);
}

/** Flags of the device. An answer that told no bus fits neither: then the platform bus stands for both. */
function infoFlags(device: Device): number | undefined {
  const reset = knownValue(device.hasReset);
  if (reset === undefined) return undefined;
  const bus = device.bus === "amba" ? DEVICE_FLAG.AMBA : DEVICE_FLAG.PLATFORM;
  return bus | (reset ? DEVICE_FLAG.RESET : 0);
}

// --- GET_REGION_INFO

export function getRegionInfo(x: Trial, s: PlatformState, call: VfioIoctl, device: Device): void {
  if (refused(x, call, REGION_INFO_SIZE, VDEV_8) === undefined) return;
  const index = word(call, 8);
  if (index === undefined) {
    x.cannotCheck("the recorded structure is too short");
    return;
  }
  const exists = regionExists(device, index);
  if (x.refuse(not(exists), "EINVAL", VDEV_8)) {
    if (exists === "unknown") learnAbsence(s, device, "noRegion", index);
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
  const exists = indexExists(s, device, index);
  if (x.refuse(not(exists), "EINVAL", VIRQ_1)) {
    if (exists === "unknown") learnAbsence(s, device, "noIrq", index);
    unchanged(x, call);
    return;
  }
  const known = isMsiIndex(s, device, index);
  // A call that failed leaves the program's own flags.
  const block = x.operation.result.kind === "value" ? kindSeen(known, call) : known;
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
