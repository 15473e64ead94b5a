import type { Meaning } from "../../operation/platform/call.js";
import { SET } from "../../operation/platform/structures.js";
import { is, isKnown, join, knownValue, oneOf, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { SHORTAGE } from "./argument.js";
import { taint } from "./devices.js";
import { eventfdOf, maybeSignalSlot, signalSlot } from "./eventfds.js";
import { platformRule, RFC } from "./profile.js";
import type { SetIrqs } from "./set-irqs.js";
import { COUNTER_MAX, type Device, type PlatformState, Vector } from "./state.js";

export const VMSI_1 = platformRule(
  "VMSI-1",
  "Only TRIGGER on the MSI block",
  "MASK and UNMASK of the MSI index give ENOTTY for every data type.",
  "RFC v2",
  RFC,
);
export const VMSI_2 = platformRule(
  "VMSI-2",
  "Which path a TRIGGER takes",
  "Without data and with count 0 the block is disabled; with eventfds it is enabled where it is not, else a range is set; everything else is a loopback.",
  "RFC v2",
  RFC,
);
export const VMSI_3 = platformRule(
  "VMSI-3",
  "Disable the whole block",
  "Every vector is released and given back, whatever start is; 0, also when nothing was configured.",
  "RFC v2",
  RFC,
);
export const VMSI_4 = platformRule(
  "VMSI-4",
  "Enable",
  "Eventfds for a block that is not configured ask for start + count vectors, all or none. No vector at all, more than 2048, or another domain give EINVAL; lack of memory ENOMEM, of vectors ENOSPC, vectors in use EBUSY, or the controller's errno. Then the range is set; if that fails the block is disabled again.",
  "RFC v2; kernel MSI layer",
  RFC,
);
export const VMSI_5 = platformRule(
  "VMSI-5",
  "Set a range while configured",
  "start at or above the number of vectors, or a range beyond it, gives EINVAL without a change. Else vector after vector is set, up to the first error.",
  "RFC v2",
  RFC,
);
export const VMSI_6 = platformRule(
  "VMSI-6",
  "One vector",
  "The old trigger is released first. A negative descriptor leaves it so. ENOMEM; not open EBADF; no eventfd EINVAL; a refused interrupt its errno: the vector is left without trigger. The counter stays.",
  "RFC v2",
  RFC,
);
export const VMSI_7 = platformRule(
  "VMSI-7",
  "Roll-back",
  "When a vector fails, all vectors from it down to start are released, also those that had a trigger before. Vectors outside keep theirs.",
  "RFC v2",
  RFC,
);
export const VMSI_8 = platformRule(
  "VMSI-8",
  "MSI loopback",
  "Vectors of the range that have a trigger are signalled (BOOL: where the byte is not zero); 0. Beyond the allocated vectors the kernel reads outside its table.",
  "RFC v2",
  RFC,
);
export const VMSI_9 = platformRule(
  "VMSI-9",
  "No growing",
  "While configured more vectors cannot be had: the block must be disabled first. Fewer can be armed at will.",
  "RFC v2",
  RFC,
);
export const VMSI_10 = platformRule(
  "VMSI-10",
  "Hardware MSI",
  "An MSI of an armed vector adds one to its eventfd. There is no masking. For a vector that is not armed nothing is delivered, also later.",
  "RFC v2",
  RFC,
);
export const VMSI_11 = platformRule(
  "VMSI-11",
  "Shared eventfds",
  "One eventfd may serve several vectors and lines; the signals add up.",
  "RFC v2",
  RFC,
);
export const VMSI_12 = platformRule(
  "VMSI-12",
  "The count is no promise",
  "A request within the count of the info may still fail with ENOSPC or ENOMEM.",
  "RFC v2; review",
  RFC,
);
export const VMSI_13 = platformRule(
  "VMSI-13",
  "Stale table (defect of the posting)",
  "Disabling frees the table and keeps its address; a failed enable after the table was obtained does so, too. A further disable, explicit or by the last close, frees it twice: undefined. A successful enable makes the pointer good again.",
  "RFC v2",
  RFC,
);

/** The most vectors that a platform device may ask of its domain (2.7). */
export const MOST_VECTORS = 2048;

/** Errnos that neither a controller nor a refused interrupt gives here (5.7, and what other rules give). */
const NOT_BY_CONTROLLER: ReadonlySet<string> = new Set([
  "EBADF",
  "EINVAL",
  "EFAULT",
  "ENOTTY",
  "ERANGE",
  "EOVERFLOW",
  "EPERM",
]);

/** TRIGGER on the MSI index (VMSI-2). */
export function msiTrigger(x: Trial, s: PlatformState, device: Device, set: SetIrqs): void {
  x.by(VMSI_2);
  if ((set.flags & SET.NONE) !== 0 && set.count === 0) {
    disable(x, s, device);
    return;
  }
  if ((set.flags & SET.EVENTFD) === 0) {
    loopback(x, s, device, set);
    return;
  }
  if (x.either(is(device.msi.configured, true))) setRange(x, s, device, set);
  else enable(x, s, device, set);
}

/** VMSI-3, with the defect of VMSI-13. */
function disable(x: Trial, s: PlatformState, device: Device): void {
  if (staleTable(s, device)) return;
  x.returns(0, VMSI_3);
  releaseAll(s, device);
}

/** A disable while the table is stale: whatever comes of it. */
function staleTable(s: PlatformState, device: Device): boolean {
  // Where the history of the table is not known the harmless outcome is taken, as the model predicts anyway (VMSI-13).
  if (device.msi.table !== "stale") return false;
  taint(s, device, VMSI_13, "stale-msi-table: disabled once more, the freed table is freed again");
  return true;
}

/** At the last close the block is disabled (VMSI-14). */
export function closeMsi(x: Trial, s: PlatformState, device: Device): void {
  if (!s.parameters.msi || device.hasMsi === false) return;
  x.by(VMSI_14);
  if (staleTable(s, device)) return;
  releaseAll(s, device);
}

export const VMSI_14 = platformRule(
  "VMSI-14",
  "Last close",
  "At the last close the block is disabled as by VMSI-3, after the device reset.",
  "RFC v2",
  RFC,
);

function releaseAll(s: PlatformState, device: Device): void {
  const { msi } = device;
  settleVectors(s, device);
  s.journal.set(msi, "configured", false);
  s.journal.set(msi, "vectors", []);
  if (msi.table === "live") s.journal.set(msi, "table", "stale");
  else if (!isKnown(msi.table)) s.journal.set(msi, "table", oneOf<"null" | "stale">(["null", "stale"]));
}

/** Unrecorded messages may have come for armed vectors up to now (5.2). */
function settleVectors(s: PlatformState, device: Device): void {
  if (s.machine.silent || device.msi.noted) return;
  for (const vector of device.msi.vectors ?? []) {
    if (vector.trigger !== null) maybeSignalSlot(s, vector.trigger, COUNTER_MAX);
  }
}

/** The block as it is after the first open. */
export function resetMsi(s: PlatformState, device: Device): void {
  const { journal } = s;
  journal.set(device.msi, "configured", false);
  journal.set(device.msi, "vectors", []);
  journal.set(device.msi, "table", "null");
}

/** Nothing is known of the block any more. */
export function forgetMsi(s: PlatformState, device: Device): void {
  if (!s.parameters.msi || device.hasMsi === false) return;
  s.journal.set(device.msi, "configured", unknown);
  s.journal.set(device.msi, "vectors", undefined);
  s.journal.set(device.msi, "table", unknown);
}

/** VMSI-4. */
function enable(x: Trial, s: PlatformState, device: Device, set: SetIrqs): void {
  const { msi } = device;
  const n = set.start + set.count;
  if (x.refuse(n === 0, "EINVAL", VMSI_4)) {
    s.journal.set(msi, "table", "null");
    return;
  }
  if (x.refuse(n > MOST_VECTORS, "EINVAL", VMSI_4)) {
    s.journal.set(msi, "table", "stale");
    return;
  }
  if (n === 0 || n > MOST_VECTORS) {
    // After a divergence: what the block has now cannot be told.
    forgetMsi(s, device);
    return;
  }
  if (supplyRefused(x, s, device, n)) return;
  s.journal.set(msi, "configured", true);
  s.journal.set(
    msi,
    "vectors",
    Array.from({ length: n }, (_, index) => new Vector(index)),
  );
  s.journal.set(msi, "table", "live");
  if (setRange(x, s, device, set)) return;
  releaseAll(s, device);
}

/** The controller's errors: none of them leaves anything allocated. */
function supplyRefused(x: Trial, s: PlatformState, device: Device, n: number): boolean {
  const { result } = x.operation;
  const available = knownValue(device.msiAvailable);
  const errno = result.kind === "error" ? result.errno : undefined;
  const short = errno === "ENOMEM" || errno === "ENOSPC";
  const other = errno !== undefined && !short && !NOT_BY_CONTROLLER.has(errno);
  if (available !== undefined && n > available) {
    x.fails(other ? ["ENOSPC", "ENOMEM", errno] : ["ENOSPC", "ENOMEM"], VMSI_4, VMSI_12);
  } else if (short || (other && available === undefined)) {
    x.fails(errno, VMSI_4, short ? SHORTAGE : VMSI_12);
  } else {
    return false;
  }
  // Without memory for the table the pointer is null; else it is the freed table (VMSI-13).
  s.journal.set(device.msi, "table", errno === "ENOMEM" ? oneOf<"null" | "stale">(["null", "stale"]) : "stale");
  return true;
}

/** VMSI-5 to VMSI-7. Whether all vectors were set. */
function setRange(x: Trial, s: PlatformState, device: Device, set: SetIrqs): boolean {
  const { vectors } = device.msi;
  const { start, count, fds } = set;
  if (vectors === undefined) {
    const { result } = x.operation;
    if (result.kind === "value") x.returns(0, VMSI_5);
    else if (result.kind === "error" && NOT_BY_CONTROLLER.has(result.errno))
      x.fails(["EBADF", "EINVAL"], VMSI_5, VMSI_6);
    x.cannotCheck("how many vectors are allocated is not known");
    return true;
  }
  if (x.refuse(start >= vectors.length || start + count > vectors.length, "EINVAL", VMSI_5, VMSI_9)) return false;
  if (fds === undefined && count > 0) {
    unknownRange(x, s, vectors.slice(start, start + count));
    return true;
  }
  if (refusedByKernel(x, s, vectors.slice(start, start + count))) return false;
  if (refusedLookUp(x, s, vectors.slice(start, start + count), fds)) return false;
  settleVectors(s, device);
  for (let k = 0; k < count; k++) {
    const vector = vectors[start + k];
    if (vector === undefined) break;
    const failed = setVector(x, s, vector, fds?.[k] ?? "none");
    if (!failed) continue;
    x.by(VMSI_7);
    for (const one of vectors.slice(start, start + k)) clearVector(s, one);
    return false;
  }
  x.returns(0, VMSI_5, VMSI_6);
  return true;
}

function clearVector(s: PlatformState, vector: Vector): void {
  s.journal.set(vector, "trigger", null);
  s.journal.set(vector, "message", undefined);
}

/** VMSI-6. Whether it failed. */
function setVector(x: Trial, s: PlatformState, vector: Vector, fd: Meaning | "none"): boolean {
  clearVector(s, vector);
  if (fd === "none") return false;
  if (fd.kind === "unknown") {
    x.cannotCheck("which file a descriptor in the data stands for was not recorded");
    s.journal.set(vector, "trigger", unknown);
    return false;
  }
  if (x.refuse(fd.kind === "closed", "EBADF", VMSI_6)) return true;
  if (x.refuse(fd.kind !== "eventfd", "EINVAL", VMSI_6)) return true;
  if (fd.kind === "eventfd") s.journal.set(vector, "trigger", eventfdOf(s, fd.eventfd));
  return false;
}

/** ENOMEM, or the errno of a refused interrupt, at some vector of the range: those from it down to start are released. */
function refusedByKernel(x: Trial, s: PlatformState, range: readonly Vector[]): boolean {
  const { result } = x.operation;
  if (result.kind !== "error" || range.length === 0) return false;
  if (NOT_BY_CONTROLLER.has(result.errno)) return false;
  x.fails(result.errno, VMSI_6, VMSI_7);
  range.forEach((vector, i) => {
    s.journal.set(vector, "trigger", i === 0 ? null : join(vector.trigger, null));
    s.journal.set(vector, "message", undefined);
  });
  return true;
}

/**
 * The look-up of a descriptor that nobody knows failed, where no known one before it does: those from it down to start are
 * released (VMSI-7).
 */
function refusedLookUp(
  x: Trial,
  s: PlatformState,
  range: readonly Vector[],
  fds: readonly (Meaning | "none")[] | undefined,
): boolean {
  const { result } = x.operation;
  if (result.kind !== "error" || (result.errno !== "EBADF" && result.errno !== "EINVAL")) return false;
  const first = fds?.findIndex((fd) => fd !== "none" && fd.kind !== "eventfd") ?? -1;
  const fd = fds?.[first];
  if (fd === undefined || fd === "none" || fd.kind !== "unknown") return false;
  x.cannotCheck("which file a descriptor in the data stands for was not recorded");
  x.fails(["EBADF", "EINVAL"], VMSI_6, VMSI_7);
  range.forEach((vector, i) => {
    s.journal.set(vector, "trigger", i <= first ? null : unknown);
    s.journal.set(vector, "message", undefined);
  });
  return true;
}

function unknownRange(x: Trial, s: PlatformState, range: readonly Vector[]): void {
  x.cannotCheck("the descriptors in the data were not recorded");
  for (const vector of range) {
    s.journal.set(vector, "trigger", unknown);
    s.journal.set(vector, "message", undefined);
  }
}

function signalsAny(s: PlatformState): void {
  for (const e of s.eventfds.values()) maybeSignalSlot(s, e, COUNTER_MAX);
}

/** VMSI-8. */
function loopback(x: Trial, s: PlatformState, device: Device, set: SetIrqs): void {
  const { vectors } = device.msi;
  const { start, count, flags, bools } = set;
  if (vectors === undefined) {
    x.returns(0, VMSI_8);
    x.cannotCheck("how many vectors are allocated is not known");
    if (count > 0) signalsAny(s);
    return;
  }
  if (count > 0 && start + count > vectors.length) {
    // Behind the table may lie what was one.
    signalsAny(s);
    taint(s, device, VMSI_8, `an MSI loopback over vector ${start + count - 1} with ${vectors.length} allocated`);
    return;
  }
  x.returns(0, VMSI_8);
  for (let k = 0; k < count; k++) {
    const vector = vectors[start + k];
    if (vector === undefined) continue;
    const wanted = (flags & SET.NONE) !== 0 ? 1 : bools?.[k];
    if (wanted === undefined) maybeSignalSlot(s, vector.trigger, 1n);
    else if (wanted !== 0) signalSlot(s, x, vector.trigger);
  }
  x.by(VMSI_11);
}
