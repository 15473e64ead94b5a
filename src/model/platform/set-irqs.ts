import type { Meaning, VfioIoctl } from "../../operation/platform/call.js";
import { decodeIrqSetHeader, IRQ_SET_SIZE, SET } from "../../operation/platform/structures.js";
import { isKnown, knownValue, not, oneOf, type Tri, Unknown } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { readable, shortage, unchanged, VDEV_14 } from "./argument.js";
import { indexExists, isMsiIndex, learnKind } from "./devices.js";
import { forgetCounter } from "./eventfds.js";
import { forgetLine, lineOf } from "./lines.js";
import { forgetMsi, msiTrigger, VMSI_1 } from "./msi.js";
import { BASE, platformRule } from "./profile.js";
import type { Device, Line, PlatformState } from "./state.js";
import { maskOrUnmask, wiredTrigger } from "./wired.js";

export const VSET_1 = platformRule(
  "VSET-1",
  "Header copy",
  "The 20 bytes of the header are copied first: not readable gives EFAULT.",
  "vfio_platform_common.c",
);
export const VSET_2 = platformRule(
  "VSET-2",
  "Header check",
  "argsz below 20, an index that does not exist, count at or above 0xffffffff - start, or a flag bit outside 0x3f give EINVAL.",
  "vfio_main.c (set_irqs_validate_and_prepare)",
);
export const VSET_3 = platformRule(
  "VSET-3",
  "Range check",
  "start at or above the limit, or start + count above it, gives EINVAL, also when count is 0. The limit is the device's number of indexes in platform-base (a quirk), the count of the addressed index in the postings.",
  "vfio_main.c; RFC v2",
);
export const VSET_4 = platformRule(
  "VSET-4",
  "One data type",
  "Not exactly one of the three data bits gives EINVAL.",
  "vfio_main.c",
);
export const VSET_5 = platformRule(
  "VSET-5",
  "Room for the data",
  "argsz - 20 below the size of the data (one byte a BOOL, four an EVENTFD) gives EINVAL.",
  "vfio_main.c",
);
export const VSET_6 = platformRule(
  "VSET-6",
  "Data copy",
  "Data that cannot be read give EFAULT, lack of memory ENOMEM. Without data nothing is read.",
  "vfio_main.c",
);
export const VSET_7 = platformRule(
  "VSET-7",
  "Unusable line",
  "A line whose request failed at the first open answers that errno (typically EBUSY) before the action is looked at, also to a disable.",
  "vfio_platform_irq.c",
  BASE,
);
export const VSET_8 = platformRule(
  "VSET-8",
  "One action",
  "Not exactly one of the three action bits gives ENOTTY; in the postings so do MASK and UNMASK of the MSI index.",
  "vfio_platform_irq.c",
);
export const VSET_13 = platformRule(
  "VSET-13",
  "Data of one-shot actions",
  "Any byte that is not zero counts as true; every negative descriptor means none.",
  "vfio_platform_irq.c",
);

/** Errnos that SET_IRQS can never answer (5.7). */
const NEVER: ReadonlySet<string> = new Set(["ERANGE", "EOVERFLOW", "EPERM", "ENOENT", "ESRCH", "EINTR"]);

/** Errnos that only other checks give, before or behind that of the line. */
const NOT_BY_LINE: ReadonlySet<string> = new Set(["ENOTTY", "EFAULT"]);

/** What is known of a SET_IRQS that passed its checks. */
export interface SetIrqs {
  readonly call: VfioIoctl;
  readonly flags: number;
  readonly index: number;
  readonly start: number;
  readonly count: number;
  /** Bytes of BOOL data; undefined where they were not recorded. */
  readonly bools: Uint8Array | undefined;
  /** What the descriptors of EVENTFD data mean; undefined where they were not recorded. */
  readonly fds: readonly (Meaning | "none")[] | undefined;
}

/** VFIO_DEVICE_SET_IRQS: the checks in their order, then the handler of the action (4.3, 4.6). */
export function setIrqs(x: Trial, s: PlatformState, call: VfioIoctl, device: Device): void {
  decide(x, s, call, device);
  unchanged(x, call);
}

function decide(x: Trial, s: PlatformState, call: VfioIoctl, device: Device): void {
  const { argument } = call;
  if (argument.kind === "unknown") {
    unknownStructure(x, s, device, argument.reason);
    return;
  }
  if (x.refuse(not(readable(call, IRQ_SET_SIZE)), "EFAULT", VSET_1, VDEV_14)) return;
  const header =
    argument.kind === "header"
      ? { ...argument.header, argsz: undefined }
      : argument.kind === "bytes"
        ? decodeIrqSetHeader(argument.bytes)
        : undefined;
  if (header === undefined) {
    unknownStructure(x, s, device, "the recorded structure is too short");
    return;
  }
  if (headerRefused(x, s, device, header)) return;
  const { flags, start, count, index } = header;
  const size = (flags & SET.EVENTFD) !== 0 ? 4 * count : (flags & SET.BOOL) !== 0 ? count : 0;
  if (x.refuse(header.argsz !== undefined && header.argsz - IRQ_SET_SIZE < size, "EINVAL", VSET_5)) return;
  if (size > 0) {
    if (x.refuse(not(dataReadable(call, IRQ_SET_SIZE + size)), "EFAULT", VSET_6)) return;
    if (shortage(x, VSET_6)) {
      afterShortage(s, device, flags, index, start, count);
      return;
    }
  }
  const set = dataOf(call, flags, index, start, count);
  const msi = isMsiIndex(s, device, index);
  const block = x.either(msi);
  // What only one of them answers tells which it is.
  if (msi === "unknown") learnKind(s, device, index, block);
  if (block) msiAction(x, s, device, set);
  else wiredAction(x, s, device, lineOf(s, device, index), set);
}

function dataReadable(call: VfioIoctl, size: number): Tri {
  return call.argument.kind === "header" ? "unknown" : readable(call, size);
}

interface Header {
  readonly argsz: number | undefined;
  readonly flags: number;
  readonly index: number;
  readonly start: number;
  readonly count: number;
}

/** VSET-2 to VSET-4: all EINVAL, so that their order among each other cannot be seen. */
function headerRefused(x: Trial, s: PlatformState, device: Device, header: Header): boolean {
  const { argsz, flags, index, start, count } = header;
  const certain = (argsz !== undefined && argsz < IRQ_SET_SIZE) || count >= 0xffffffff - start || flags > SET.ALL;
  if (x.refuse(certain, "EINVAL", VSET_2)) return true;
  if (x.refuse(not(indexExists(s, device, index)), "EINVAL", VSET_2)) return true;
  if (x.refuse(not(inRange(s, device, index, start, count)), "EINVAL", VSET_3)) return true;
  return x.refuse(bitCount(flags & SET.DATA) !== 1, "EINVAL", VSET_4);
}

/** VSET-3. */
function inRange(s: PlatformState, device: Device, index: number, start: number, count: number): Tri {
  if (!s.parameters.msi) {
    const limit = knownValue(device.numIrqs);
    if (limit !== undefined) return within(limit, start, count);
    // The addressed index exists: no smaller range is refused.
    return within(index + 1, start, count) === true ? true : "unknown";
  }
  const msi = isMsiIndex(s, device, index);
  if (msi === false) return within(1, start, count);
  const ofBlock = within(knownValue(device.msiCount), start, count);
  if (msi === true) return ofBlock;
  return within(1, start, count) === true ? true : ofBlock === false ? false : "unknown";
}

function within(limit: number | undefined, start: number, count: number): Tri {
  if (limit === undefined) return "unknown";
  return start < limit && start + count <= limit;
}

export function bitCount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}

function dataOf(call: VfioIoctl, flags: number, index: number, start: number, count: number): SetIrqs {
  const { argument } = call;
  const bytes = argument.kind === "bytes" ? argument.bytes : undefined;
  const bools =
    (flags & SET.BOOL) !== 0 && bytes !== undefined && bytes.length >= IRQ_SET_SIZE + count
      ? bytes.subarray(IRQ_SET_SIZE, IRQ_SET_SIZE + count)
      : undefined;
  const fds =
    (flags & SET.EVENTFD) !== 0 && bytes !== undefined && bytes.length >= IRQ_SET_SIZE + 4 * count
      ? call.descriptors.slice(0, count).map((meaning, i) => (isNegative(bytes, i) ? "none" : meaning))
      : undefined;
  return { call, flags, index, start, count, bools, fds };
}

/** VSET-13: the sign bit of the i-th descriptor. */
function isNegative(bytes: Uint8Array, i: number): boolean {
  return ((bytes[IRQ_SET_SIZE + 4 * i + 3] ?? 0) & 0x80) !== 0;
}

function wiredAction(x: Trial, s: PlatformState, device: Device, line: Line, set: SetIrqs): void {
  if (unusable(x, s, line)) return;
  if (x.refuse(bitCount(set.flags & SET.ACTION) !== 1, "ENOTTY", VSET_8)) return;
  if ((set.flags & SET.TRIGGER) !== 0) wiredTrigger(x, s, device, line, set);
  else maskOrUnmask(x, s, device, line, set);
}

/** VSET-7. Whether the line could be requested is decided by the first answer that tells. */
function unusable(x: Trial, s: PlatformState, line: Line): boolean {
  const { result } = x.operation;
  if (line.err === 0) return false;
  if (isKnown(line.err)) {
    x.fails(line.err, VSET_7);
    return true;
  }
  const errno = result.kind === "error" ? result.errno : undefined;
  const known = line.err instanceof Unknown ? undefined : line.err.values;
  if (result.kind === "unknown") return false;
  const possible =
    errno !== undefined && !NOT_BY_LINE.has(errno) && (known === undefined ? !NEVER.has(errno) : known.includes(errno));
  if (!possible) {
    s.journal.set(line, "err", 0);
    return false;
  }
  if (x.choose(2) === 1) {
    s.journal.set(line, "err", errno);
    x.fails(errno, VSET_7);
    return true;
  }
  // A check behind this one has that errno, too: which of the two it was stays open.
  s.journal.set(line, "err", oneOf<string | 0>([0, errno]));
  return false;
}

function msiAction(x: Trial, s: PlatformState, device: Device, set: SetIrqs): void {
  const actions = set.flags & SET.ACTION;
  if (x.refuse(bitCount(actions) !== 1, "ENOTTY", VSET_8)) return;
  if (x.refuse((actions & SET.TRIGGER) === 0, "ENOTTY", VSET_8, VMSI_1)) return;
  msiTrigger(x, s, device, set);
}

/** 5.1: after ENOMEM an old trigger may be gone. */
function afterShortage(
  s: PlatformState,
  device: Device,
  flags: number,
  index: number,
  start: number,
  count: number,
): void {
  if ((flags & SET.EVENTFD) === 0 || (flags & SET.TRIGGER) === 0) return;
  if (isMsiIndex(s, device, index) !== true) {
    const line = lineOf(s, device, index);
    if (isKnown(line.trigger)) s.journal.set(line, "trigger", oneOf([...new Set([line.trigger, null])]));
    return;
  }
  for (const vector of (device.msi.vectors ?? []).slice(start, start + count)) {
    if (isKnown(vector.trigger)) s.journal.set(vector, "trigger", oneOf([...new Set([vector.trigger, null])]));
  }
}

/** All errnos that any SET_IRQS can answer. */
const POSSIBLE: readonly string[] = ["EFAULT", "EINVAL", "ENOMEM", "ENOTTY", "EBADF", "EBUSY"];

/** The structure was not recorded: only an impossible answer can be told, and nothing is known of the state after it. */
function unknownStructure(x: Trial, s: PlatformState, device: Device, reason: string): void {
  const { result } = x.operation;
  if (result.kind === "error") {
    const anyErrno = !NEVER.has(result.errno) && (s.parameters.msi || !allUsable(device));
    x.fails(anyErrno ? [...POSSIBLE, result.errno] : POSSIBLE, VSET_2, NEVER_ALLOWED);
  } else {
    x.returns(0, NEVER_ALLOWED);
  }
  x.cannotCheck(reason);
  // A refusal by VSET-1 to VSET-8 changes nothing; which one it was is not known, so a trigger may be gone (INV-7).
  if (result.kind === "error") forgetTriggers(s, device);
  else forgetDevice(s, device);
}

function allUsable(device: Device): boolean {
  const count = knownValue(device.numIrqs);
  if (count === undefined) return false;
  for (let i = 0; i < count; i++) if (device.lines.get(i)?.err !== 0) return false;
  return true;
}

export const NEVER_ALLOWED: Rule = platformRule(
  "ND-7",
  "Never allowed",
  "A positive result of a device request; 0 for an index that does not exist or for an argsz below the least; CAPS on a wired index; FLAG_CAPS or a 20-byte answer in platform-base; NORESIZE; another count than 1 on a wired line; success of MASK or UNMASK on an edge line or the MSI block; several signals of a level line without an unmask; EBUSY from the install of a mask or unmask eventfd in an empty slot; a changed argsz on success other than by VIRQ-6; ERANGE, EOVERFLOW, EPERM from SET_IRQS; growth of the MSI block without a disable.",
  "section 5.7",
);

function forgetTriggers(s: PlatformState, device: Device): void {
  for (const line of device.lines.values()) {
    if (isKnown(line.trigger) && line.trigger !== null) {
      s.journal.set(line, "trigger", oneOf([line.trigger, null]));
    }
  }
  for (const vector of device.msi.vectors ?? []) {
    if (isKnown(vector.trigger) && vector.trigger !== null) {
      s.journal.set(vector, "trigger", oneOf([vector.trigger, null]));
    }
  }
}

/** Nothing is known of the device's interrupts, nor of any counter. */
export function forgetDevice(s: PlatformState, device: Device): void {
  s.journal.set(device, "linesUnknown", true);
  for (const line of device.lines.values()) forgetLine(s, line);
  forgetMsi(s, device);
  for (const e of s.eventfds.values()) if (e.exposed === undefined) forgetCounter(s, e);
}
