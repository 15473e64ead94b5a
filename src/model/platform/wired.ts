import type { Meaning } from "../../operation/platform/call.js";
import { IRQ_FLAG, SET } from "../../operation/platform/structures.js";
import { is, isKnown, not, oneOf, type Tri, Unknown, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { taint } from "./devices.js";
import { eventfdOf, maybeSignalSlot, signalled, signalSlot, take } from "./eventfds.js";
import {
  deliver,
  HARDWARE,
  isLevel,
  mask,
  maskOrNot,
  mayFire,
  settleWithMask,
  unmask,
  VMASK_3,
  VMASK_4,
} from "./lines.js";
import { platformRule } from "./profile.js";
import { type SetIrqs, VSET_13 } from "./set-irqs.js";
import type { Device, Eventfd, Line, PlatformState } from "./state.js";

export const VSET_9 = platformRule(
  "VSET-9",
  "One sub-interrupt",
  "On a wired line start must be 0 and count 1, else EINVAL; only a disable is excepted.",
  "vfio_platform_irq.c",
);
export const VSET_10 = platformRule(
  "VSET-10",
  "Arm a wired line",
  "TRIGGER with an eventfd: the old trigger is released first; a descriptor that is not open gives EBADF, one that is no eventfd EINVAL, and the line is left without trigger. Else the eventfd is the trigger; masked and the counter stay. The postings request the line now, and answer the errno of a refusal.",
  "vfio_platform_irq.c (set_trigger)",
);
export const VSET_11 = platformRule(
  "VSET-11",
  "Disarm a wired line",
  "TRIGGER with a negative descriptor, or without data and count 0: no trigger, 0. The second form skips VSET-9. masked and the other eventfds stay.",
  "vfio_platform_irq.c",
);
export const VSET_12 = platformRule(
  "VSET-12",
  "Loopback",
  "TRIGGER without data, or with a byte that is not zero, runs the line's handler: an edge line signals its trigger; a level line that is not masked masks itself and signals. The result is 0. Without a trigger platform-base masks a level line without a signal; the 5.10 driver dereferences a null pointer.",
  "vfio_platform_irq.c",
);
export const VMASK_1 = platformRule(
  "VMASK-1",
  "Only level lines can be masked",
  "MASK or UNMASK on a line without MASKABLE gives EINVAL, after VSET-9.",
  "vfio_platform_irq.c",
);
export const VMASK_2 = platformRule(
  "VMASK-2",
  "Mask",
  "MASK without data, or with a byte that is not zero, sets masked; 0, also when it was set. A zero byte changes nothing. No trigger is needed.",
  "vfio_platform_irq.c",
);
export const VMASK_5 = platformRule(
  "VMASK-5",
  "Install a mask or unmask eventfd",
  "ENOMEM; a descriptor that is not open gives EBADF, one that is no eventfd EINVAL, a slot that holds one already EBUSY (also for the same eventfd); else it is installed.",
  "virqfd.c",
);
export const VMASK_6 = platformRule(
  "VMASK-6",
  "Signalled at install",
  "If the eventfd's counter is above 0 at install the action is done at once; the counter stays.",
  "virqfd.c",
);
export const VMASK_8 = platformRule(
  "VMASK-8",
  "Release of a mask or unmask eventfd",
  "With a negative descriptor the slot is emptied; 0, also when it was empty. The release takes the counter like one read, without running the action.",
  "virqfd.c",
);
export const VMASK_10 = platformRule(
  "VMASK-10",
  "masked is independent",
  "Arming, disarming, RESET and GET requests leave masked alone; only a fresh first open clears it.",
  "vfio_platform_irq.c",
);
export const VMASK_11 = platformRule(
  "VMASK-11",
  "One eventfd as trigger and unmask",
  "A signal of the trigger runs the unmask at once: after a loopback masked is false, the counter 0 in platform-base and one more in the postings. As trigger and mask the line stays masked.",
  "virqfd.c",
);

/** Not exactly one sub-interrupt (VSET-9). */
function notOne(set: SetIrqs): boolean {
  return set.start !== 0 || set.count !== 1;
}

/** TRIGGER on a wired line. */
export function wiredTrigger(x: Trial, s: PlatformState, device: Device, line: Line, set: SetIrqs): void {
  if ((set.flags & SET.NONE) !== 0 && set.count === 0) {
    x.returns(0, VSET_11);
    release(s, line);
    return;
  }
  if (x.refuse(notOne(set), "EINVAL", VSET_9)) return;
  if ((set.flags & SET.EVENTFD) !== 0) {
    arm(x, s, device, line, set.fds?.[0]);
    return;
  }
  const wanted: Tri = (set.flags & SET.NONE) !== 0 ? true : boolOf(set);
  x.returns(0, VSET_12, VSET_13);
  if (x.either(wanted)) loopback(x, s, device, line);
}

/** The byte of BOOL data (VSET-13). */
function boolOf(set: SetIrqs): Tri {
  const byte = set.bools?.[0];
  return byte === undefined ? "unknown" : byte !== 0;
}

function release(s: PlatformState, line: Line): void {
  settleWithMask(s, line);
  s.journal.set(line, "trigger", null);
}

/** VSET-10 and VSET-11 (a). */
function arm(x: Trial, s: PlatformState, device: Device, line: Line, fd: Meaning | "none" | undefined): void {
  if (fd === "none") {
    x.returns(0, VSET_11, VSET_13);
    release(s, line);
    return;
  }
  release(s, line);
  if (fd === undefined || fd.kind === "unknown") {
    armUnknown(x, s, line);
    return;
  }
  if (x.refuse(fd.kind === "closed", "EBADF", VSET_10)) return;
  if (x.refuse(fd.kind !== "eventfd", "EINVAL", VSET_10)) return;
  if (requestRefused(x, s, line)) return;
  x.returns(0, VSET_10);
  requested(s, line);
  s.journal.set(line, "shutOff", false);
  if (fd.kind === "eventfd") s.journal.set(line, "trigger", eventfdOf(s, fd.eventfd));
  armed(x, s, device, line);
}

/** The descriptor of the data is not known: neither are the errors of its look-up, nor the trigger. */
function armUnknown(x: Trial, s: PlatformState, line: Line): void {
  const { result } = x.operation;
  x.cannotCheck("which file the descriptor in the data stands for was not recorded");
  if (result.kind === "error" && (result.errno === "EBADF" || result.errno === "EINVAL")) {
    x.fails(["EBADF", "EINVAL"], VSET_10);
    return;
  }
  if (requestRefused(x, s, line)) return;
  x.returns(0, VSET_10);
  requested(s, line);
  s.journal.set(line, "trigger", unknown);
}

/** The postings request the line when it is armed; the kernel may refuse. */
function requestRefused(x: Trial, s: PlatformState, line: Line): boolean {
  if (!s.parameters.msi || line.requestError === 0) return false;
  if (isKnown(line.requestError)) {
    x.fails(line.requestError, VSET_10);
    return true;
  }
  const { result } = x.operation;
  if (result.kind !== "error") return false;
  const { requestError } = line;
  const possible =
    requestError instanceof Unknown ? !NOT_BY_REQUEST.has(result.errno) : requestError.values.includes(result.errno);
  if (!possible) return false;
  s.journal.set(line, "requestError", result.errno);
  x.fails(result.errno, VSET_10);
  return true;
}

/** That it could be requested is known where a refusal would have shown. */
function requested(s: PlatformState, line: Line): void {
  if (line.requestError instanceof Unknown) s.journal.set(line, "requestError", 0);
}

/** Errnos that a refused request of a line does not give: others explain them, or 5.7 forbids them. */
const NOT_BY_REQUEST: ReadonlySet<string> = new Set(["EBADF", "EFAULT", "ENOTTY", "ERANGE", "EOVERFLOW", "EPERM"]);

/** A trigger was set: what waits at the hardware line comes at once (5.2). */
function armed(x: Trial, s: PlatformState, device: Device, line: Line): void {
  if (line.pendingEdge) {
    x.by(HARDWARE);
    s.journal.set(line, "pendingEdge", false);
    maybeSignalSlot(s, line.trigger, 1n);
  }
  const fires = line.upset && (line.asserted !== false || mayFire(s, line)) && line.masked !== true;
  deliver(s, x, device, line);
  if (fires) s.journal.set(line, "shutOff", true);
  s.journal.set(line, "upset", false);
}

/** VSET-12. */
function loopback(x: Trial, s: PlatformState, device: Device, line: Line): void {
  const level = x.either(isLevel(line));
  // That hardware may just have masked the line makes no difference: one signal comes either way.
  const masked = level && x.either(is(line.masked, true));
  if (s.parameters.msi && !masked && x.either(withoutTrigger(x, line))) {
    taint(s, device, VSET_12, `a loopback on line ${line.index} without trigger dereferences a null pointer`);
    return;
  }
  if (!level) {
    signalSlot(s, x, line.trigger);
    return;
  }
  if (masked) {
    s.journal.set(line, "masked", true);
    return;
  }
  x.by(VMASK_4);
  s.journal.set(line, "masked", true);
  if (line.trigger !== null && (line.unmaskFd === line.trigger || line.maskFd === line.trigger)) x.by(VMASK_11);
  signalSlot(s, x, line.trigger);
}

/** Whether the line has no trigger: where it may have none, a call that came back did not crash. */
function withoutTrigger(x: Trial, line: Line): Tri {
  const none = is(line.trigger, null);
  return none === "unknown" && x.operation.result.kind !== "unknown" ? false : none;
}

/** MASK and UNMASK on a wired line (4.4). */
export function maskOrUnmask(x: Trial, s: PlatformState, device: Device, line: Line, set: SetIrqs): void {
  if (x.refuse(notOne(set), "EINVAL", VSET_9)) return;
  if (x.refuse(not(isLevel(line)), "EINVAL", VMASK_1)) {
    learnFlags(s, line, IRQ_FLAG.EVENTFD);
    return;
  }
  learnFlags(s, line, IRQ_FLAG.EVENTFD | IRQ_FLAG.MASKABLE | IRQ_FLAG.AUTOMASKED);
  const masks = (set.flags & SET.MASK) !== 0;
  if ((set.flags & SET.EVENTFD) !== 0) {
    slotAction(x, s, device, line, masks, set.fds?.[0]);
    return;
  }
  x.returns(0, masks ? VMASK_2 : VMASK_3, VSET_13);
  if (x.either((set.flags & SET.NONE) !== 0 ? true : boolOf(set))) act(x, s, device, line, masks);
}

/** A line that can be masked is a level line, one that cannot is none. */
function learnFlags(s: PlatformState, line: Line, flags: number): void {
  if (line.flags instanceof Unknown) s.journal.set(line, "flags", flags);
}

function act(x: Trial, s: PlatformState, device: Device, line: Line, masks: boolean): void {
  if (masks) mask(s, line);
  else unmask(s, x, device, line);
}

/** Install and release of mask and unmask eventfds: VMASK-5, VMASK-6, VMASK-8. */
function slotAction(
  x: Trial,
  s: PlatformState,
  device: Device,
  line: Line,
  masks: boolean,
  fd: Meaning | "none" | undefined,
): void {
  const slot = masks ? "maskFd" : "unmaskFd";
  if (fd === "none") {
    x.returns(0, VMASK_8, VSET_13);
    releaseSlot(s, line, slot);
    return;
  }
  const occupied = not(is(line[slot], null));
  if (fd === undefined || fd.kind === "unknown") {
    installUnknown(x, s, line, slot, occupied);
    return;
  }
  if (x.refuse(fd.kind === "closed", "EBADF", VMASK_5)) return;
  if (x.refuse(fd.kind !== "eventfd", "EINVAL", VMASK_5)) return;
  if (x.refuse(occupied, "EBUSY", VMASK_5)) {
    if (!isKnown(line[slot])) s.journal.set(line, slot, withoutNull(line[slot]));
    return;
  }
  x.returns(0, VMASK_5, VMASK_6);
  if (fd.kind !== "eventfd") return;
  const e = eventfdOf(s, fd.eventfd);
  install(s, line, slot, e);
  const up = e.exposed === undefined ? signalled(s, e) : "unknown";
  if (up === true) act(x, s, device, line, masks);
  else if (up === "unknown" && line.masked !== masks) maskOrNot(s, line);
}

function withoutNull(held: Line["maskFd"]): Line["maskFd"] {
  if (held instanceof Unknown || isKnown(held)) return held;
  return oneOf(held.values.filter((value) => value !== null));
}

function install(s: PlatformState, line: Line, slot: "maskFd" | "unmaskFd", e: Eventfd): void {
  const order = s.machine.installs + 1;
  s.journal.set(s.machine, "installs", order);
  s.journal.set(line, slot === "maskFd" ? "maskOrder" : "unmaskOrder", order);
  s.journal.set(line, slot, e);
}

function installUnknown(x: Trial, s: PlatformState, line: Line, slot: "maskFd" | "unmaskFd", occupied: Tri): void {
  const { result } = x.operation;
  x.cannotCheck("which file the descriptor in the data stands for was not recorded");
  if (result.kind === "error" && (result.errno === "EBADF" || result.errno === "EINVAL")) {
    x.fails(["EBADF", "EINVAL"], VMASK_5);
    return;
  }
  if (x.refuse(occupied, "EBUSY", VMASK_5)) return;
  x.returns(0, VMASK_5);
  s.journal.set(line, slot, unknown);
  maskOrNot(s, line);
}

/** VMASK-8, also for the release at last close (VDEV-6) and by a line's end. */
export function releaseSlot(s: PlatformState, line: Line, slot: "maskFd" | "unmaskFd"): void {
  const held = line[slot];
  if (isKnown(held)) {
    if (held !== null) take(s, held);
  } else {
    const any = held instanceof Unknown ? [...s.eventfds.values()] : held.values;
    for (const e of any) if (e !== null) s.journal.set(e, "min", 0n);
  }
  s.journal.set(line, slot, null);
}
