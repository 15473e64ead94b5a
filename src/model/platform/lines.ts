import { IRQ_FLAG } from "../../operation/platform/structures.js";
import { is, isKnown, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { maybeSignalSlot, signalSlot } from "./eventfds.js";
import { platformRule } from "./profile.js";
import { COUNTER_MAX, type Device, Line, type PlatformState } from "./state.js";

export const VMASK_3 = platformRule(
  "VMASK-3",
  "Unmask",
  "UNMASK without data, or with a byte that is not zero, clears masked; 0, also when it was clear. If the hardware line is asserted and a trigger is set the interrupt comes again at once.",
  "vfio_platform_irq.c",
);
export const VMASK_4 = platformRule(
  "VMASK-4",
  "Automask",
  "An interrupt on a level line that has a trigger and is not masked sets masked and adds one to the trigger's counter; nothing more is delivered until it is unmasked. An edge adds one and masks nothing.",
  "vfio_platform_irq.c",
);
export const HARDWARE = platformRule(
  "ND-2",
  "Hardware lines may act at any time",
  "While a trigger is set and the line is not masked, hardware may signal: a level line once until the next unmask, edges and MSIs any number of times. A counter may be larger than the recorded calls make it, never smaller. A recording without hardware notes and region writes, or one that declares silence, must match exactly. An edge that came while no trigger was set may be delivered when one is; a level that was dropped while masked is not.",
  "section 5.2",
);

/** The line of an index, as it begins where it was not met before. */
export function lineOf(s: PlatformState, device: Device, index: number): Line {
  const known = device.lines.get(index);
  if (known !== undefined) return known;
  const line = new Line(index);
  if (!s.parameters.msi) line.requestError = 0;
  else line.err = 0;
  if (device.linesUnknown) forgetFields(line);
  s.journal.add(device.lines, index, line);
  return line;
}

function forgetFields(line: Line): void {
  line.masked = unknown;
  line.trigger = unknown;
  line.maskFd = unknown;
  line.unmaskFd = unknown;
}

/** Anything may have been set on the line. */
export function forgetLine(s: PlatformState, line: Line): void {
  s.journal.set(line, "masked", line.flags === IRQ_FLAG.EVENTFD ? false : unknown);
  s.journal.set(line, "trigger", unknown);
  if (line.flags === IRQ_FLAG.EVENTFD) return;
  s.journal.set(line, "maskFd", unknown);
  s.journal.set(line, "unmaskFd", unknown);
}

/** What the hardware did to the line is not known any more. */
export function forgetHardware(s: PlatformState, line: Line): void {
  const { journal } = s;
  journal.set(line, "noted", false);
  if (s.machine.declaredSilent) return;
  journal.set(line, "asserted", unknown);
  journal.set(line, "pendingEdge", true);
}

/**
 * The line as it is after the first open (1.2). What the hardware does is no part of that: an edge that came before may yet
 * be delivered (5.2), and the reset functions of close and open may have changed the line.
 */
export function resetLine(s: PlatformState, line: Line): void {
  const { journal } = s;
  if (line.noted && !s.machine.declaredSilent) journal.set(line, "asserted", unknown);
  journal.set(line, "masked", false);
  journal.set(line, "trigger", null);
  journal.set(line, "maskFd", null);
  journal.set(line, "unmaskFd", null);
  journal.set(line, "upset", false);
}

/** Whether the line is a level line: maskable and automasked (VIRQ-2). */
export function isLevel(line: Line): Tri {
  const maskable = is(line.flags, IRQ_FLAG.EVENTFD);
  return maskable === "unknown" ? "unknown" : !maskable;
}

/** Whether hardware may signal the line without a note of it. */
export function mayFire(s: PlatformState, line: Line): boolean {
  return !s.machine.silent && !line.noted;
}

/** Unmasks the line; an asserted one fires again (VMASK-3). */
export function unmask(s: PlatformState, x: Trial, device: Device, line: Line, depth = 0): void {
  settle(s, line);
  const untriggered = is(line.trigger, null) !== false;
  if (s.parameters.msi && untriggered && line.masked !== false) s.journal.set(line, "upset", true);
  s.journal.set(line, "masked", false);
  deliver(s, x, device, line, depth);
}

/** Masks the line. */
export function mask(s: PlatformState, line: Line): void {
  settle(s, line);
  s.journal.set(line, "masked", true);
}

/** Signals that go round in a circle end: the kernel runs each action once. */
export const DEPTH = 4;

/** The line may have been masked, or unmasked: then an asserted one may have fired again (VMASK-3). */
export function maskOrNot(s: PlatformState, line: Line, depth = 0): void {
  const level = isLevel(line);
  s.journal.set(line, "masked", unknown);
  if (line.asserted === false || line.trigger === null || level === false || depth >= DEPTH) return;
  maybeSignalSlot(s, line.trigger, 1n, depth + 1);
}

/**
 * A reset of the device, or a write to its registers, may raise or drop its lines (VDEV-9, 3.3), also those that the program
 * tells of. Where hardware is declared silent no device does so.
 */
export function mayChange(s: PlatformState, line: Line): void {
  if (!line.noted || s.machine.declaredSilent) return;
  const level = isLevel(line);
  if (level !== true) {
    s.journal.set(line, "pendingEdge", true);
    maybeSignalSlot(s, line.trigger, 1n);
  }
  if (level === false) return;
  s.journal.set(line, "asserted", unknown);
  if (line.masked === true || line.trigger === null) return;
  maybeSignalSlot(s, line.trigger, 1n);
  s.journal.set(line, "masked", unknown);
}

/** Hardware may have signalled the line up to now; what follows must not depend on whether it did. */
export function settle(s: PlatformState, line: Line): void {
  if (line.trigger === null || !mayFire(s, line)) return;
  const level = isLevel(line);
  if (level === true && line.masked === true) return;
  maybeSignalSlot(s, line.trigger, level === true ? 1n : COUNTER_MAX);
}

/** As {@link settle}, before the trigger goes: whether a level line has masked itself stays open. */
export function settleWithMask(s: PlatformState, line: Line): void {
  if (line.trigger === null || !mayFire(s, line)) return;
  settle(s, line);
  if (isLevel(line) !== false && line.masked === false) s.journal.set(line, "masked", unknown);
}

/** An asserted level line that has a trigger and is not masked fires: it masks itself and signals (VMASK-4). */
export function deliver(s: PlatformState, x: Trial, device: Device, line: Line, depth = 0): void {
  if (line.asserted === false || device.openCount === 0 || line.trigger === null || isLevel(line) === false) return;
  const certain =
    line.asserted === true && isLevel(line) === true && line.masked === false && isKnown(line.trigger) && !line.shutOff;
  if (certain) {
    x.by(VMASK_4);
    s.journal.set(line, "masked", true);
    signalSlot(s, x, line.trigger, depth);
    return;
  }
  if (line.masked === true) return;
  maybeSignalSlot(s, line.trigger, 1n);
  s.journal.set(line, "masked", unknown);
}
