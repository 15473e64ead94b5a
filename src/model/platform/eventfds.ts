import type { EventfdRef, PlatformCall } from "../../operation/platform/call.js";
import { OneOf, oneOf, type Tri, Unknown, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { DEPTH, maskOrNot, mayFire, unmask } from "./lines.js";
import { platformRule } from "./profile.js";
import { COUNTER_MAX, type Device, Eventfd, type Line, type PlatformState, type Slot } from "./state.js";

export const INV_9 = platformRule(
  "INV-9",
  "Signals and reads add up",
  "The sum of all signals sent to an eventfd, less what was read from it or taken, is its counter (saturation aside). A read takes the whole counter, with EFD_SEMAPHORE one; an empty eventfd that does not block answers EAGAIN.",
  "invariant; section 2.7",
);
export const VMASK_7 = platformRule(
  "VMASK-7",
  "A signal on a mask or unmask eventfd runs the action",
  "A write of any value, also 0, or a signal of the kernel on an installed eventfd masks or unmasks the line. platform-base also takes the counter (EFD_SEMAPHORE: one); the postings leave it. If the eventfd is in several slots all actions run, the newest install first.",
  "virqfd.c",
);
export const VMASK_9 = platformRule(
  "VMASK-9",
  "Closing the eventfd empties its slots",
  "When the last descriptor of an installed mask or unmask eventfd is closed its slots become empty. A trigger is kept alive by the driver.",
  "virqfd.c",
);

/** The eventfd object of a descriptor; one that is older than the recording has an unknown counter. */
export function eventfdOf(s: PlatformState, ref: EventfdRef): Eventfd {
  const known = s.eventfds.get(ref.id);
  if (known !== undefined) return known;
  const older = newEventfd(s, ref);
  older.exposed = "it is older than the recording and may be installed somewhere";
  return older;
}

function newEventfd(s: PlatformState, ref: EventfdRef): Eventfd {
  const fresh = new Eventfd(ref.id, ref.name);
  s.journal.add(s.eventfds, ref.id, fresh);
  return fresh;
}

export function createEventfd(s: PlatformState, call: PlatformCall & { kind: "eventfd-create" }): void {
  const e = s.eventfds.get(call.eventfd.id) ?? newEventfd(s, call.eventfd);
  if (call.initial !== undefined) setCounter(s, e, BigInt(call.initial), BigInt(call.initial));
  s.journal.set(e, "semaphore", call.semaphore);
}

/** What other parties do with these eventfds from now on is not recorded. */
export function expose(s: PlatformState, refs: readonly EventfdRef[], by: string): void {
  for (const ref of refs) exposeEventfd(s, eventfdOf(s, ref), `${by} may signal or read it without a trace`);
}

export function exposeEventfd(s: PlatformState, e: Eventfd, why: string): void {
  s.journal.set(e, "exposed", why);
  forgetCounter(s, e);
}

export function forgetCounter(s: PlatformState, e: Eventfd): void {
  setCounter(s, e, 0n, COUNTER_MAX);
}

function setCounter(s: PlatformState, e: Eventfd, min: bigint, max: bigint): void {
  s.journal.set(e, "min", min);
  s.journal.set(e, "max", max);
}

function clamp(value: bigint): bigint {
  return value > COUNTER_MAX ? COUNTER_MAX : value < 0n ? 0n : value;
}

// --- signals

/** The kernel signals an eventfd: its counter grows by one, and what it is installed for happens (VMASK-7). */
export function signal(s: PlatformState, x: Trial, e: Eventfd, depth = 0): void {
  setCounter(s, e, clamp(e.min + 1n), clamp(e.max + 1n));
  wake(s, x, e, depth);
}

/** The kernel may have signalled an eventfd, up to `most` times. */
export function maybeSignal(s: PlatformState, e: Eventfd, most: bigint, depth = 0): void {
  s.journal.set(e, "max", clamp(e.max + most));
  blurSlots(s, e, depth);
}

/** The trigger of a line or vector is signalled, as far as it is known which eventfd it is. */
export function signalSlot(s: PlatformState, x: Trial, slot: Slot, depth = 0): void {
  if (slot instanceof Unknown) {
    for (const e of s.eventfds.values()) maybeSignal(s, e, 1n);
  } else if (slot instanceof OneOf) {
    for (const e of slot.values) if (e !== null) maybeSignal(s, e, 1n);
  } else if (slot !== null) {
    signal(s, x, slot, depth);
  }
}

/** The trigger may have been signalled, up to `most` times, or not. */
export function maybeSignalSlot(s: PlatformState, slot: Slot, most: bigint, depth = 0): void {
  for (const e of candidates(s, slot)) maybeSignal(s, e, most, depth);
}

function candidates(s: PlatformState, slot: Slot): readonly Eventfd[] {
  if (slot instanceof Unknown) return [...s.eventfds.values()];
  if (slot instanceof OneOf) return slot.values.filter((e) => e !== null);
  return slot === null ? [] : [slot];
}

interface Install {
  readonly device: Device;
  readonly line: Line;
  readonly slot: "maskFd" | "unmaskFd";
  readonly order: number;
}

/**
 * Slots that hold an eventfd, newest first; `uncertain`: lines of which a slot may hold it; `elsewhere`: a line that was not
 * met yet may hold it.
 */
function installs(s: PlatformState, e: Eventfd): { certain: Install[]; uncertain: Line[]; elsewhere: boolean } {
  const certain: Install[] = [];
  const uncertain: Line[] = [];
  let elsewhere = false;
  for (const device of s.devices.values()) {
    if (device.linesUnknown && device.openCount !== 0) elsewhere = true;
    for (const line of device.lines.values()) {
      const { maskFd, unmaskFd } = line;
      if (maskFd === e) certain.push({ device, line, slot: "maskFd", order: line.maskOrder });
      else if (mayBe(maskFd, e)) uncertain.push(line);
      if (unmaskFd === e) certain.push({ device, line, slot: "unmaskFd", order: line.unmaskOrder });
      else if (mayBe(unmaskFd, e)) uncertain.push(line);
    }
  }
  if (certain.length > 1) certain.sort((a, b) => b.order - a.order);
  return { certain, uncertain, elsewhere };
}

/** Something was written or signalled: the actions of the slots that hold it run, and platform-base takes the counter. */
function wake(s: PlatformState, x: Trial, e: Eventfd, depth: number): void {
  const { certain, uncertain, elsewhere } = installs(s, e);
  for (const { device, line, slot } of certain) {
    x.by(VMASK_7);
    if (!s.parameters.msi) take(s, e);
    if (slot === "maskFd") s.journal.set(line, "masked", true);
    else if (depth < DEPTH) unmask(s, x, device, line, depth + 1);
  }
  for (const line of uncertain) maskOrNot(s, line, depth);
  if ((elsewhere || uncertain.length > 0) && !s.parameters.msi) s.journal.set(e, "min", 0n);
}

/** The actions of the slots that hold an eventfd may have run. */
function blurSlots(s: PlatformState, e: Eventfd, depth = 0): void {
  const { certain, uncertain, elsewhere } = installs(s, e);
  for (const { line } of certain) maskOrNot(s, line, depth);
  for (const line of uncertain) maskOrNot(s, line, depth);
  if ((elsewhere || certain.length + uncertain.length > 0) && !s.parameters.msi) s.journal.set(e, "min", 0n);
}

/** One read's worth leaves the counter: all of it, or one of a semaphore. */
export function take(s: PlatformState, e: Eventfd): void {
  if (e.semaphore === true) setCounter(s, e, clamp(e.min - 1n), clamp(e.max - 1n));
  else if (e.semaphore === false) setCounter(s, e, 0n, 0n);
  else s.journal.set(e, "min", 0n);
}

/** Whether the counter is above zero. */
export function signalled(s: PlatformState, e: Eventfd): Tri {
  if (e.min > 0n) return true;
  return e.max > 0n || possibleSignals(s, e).most > 0n ? "unknown" : false;
}

// --- what hardware may have added (5.2)

interface Possible {
  /** Level lines that may have fired once since they were last looked at. */
  readonly lines: readonly Line[];
  readonly most: bigint;
}

const none: Possible = { lines: [], most: 0n };
const any: Possible = { lines: [], most: COUNTER_MAX };

/** Signals of hardware that nobody recorded: one of each level line that is not masked, any number of edges and MSIs. */
function possibleSignals(s: PlatformState, e: Eventfd): Possible {
  if (s.machine.silent) return foreignSignals(s);
  const lines: Line[] = [];
  let most = 0n;
  for (const device of s.devices.values()) {
    const unjudged = device.linesUnknown || device.undefinedBy !== undefined;
    if (unjudged && device.openCount !== 0) most = COUNTER_MAX;
    for (const line of device.lines.values()) {
      if (!mayBe(line.trigger, e) || !mayFire(s, line)) continue;
      if (line.flags === 1) most = COUNTER_MAX;
      else if (line.masked !== true) {
        lines.push(line);
        most = clamp(most + (line.flags instanceof Unknown ? COUNTER_MAX : 1n));
      }
    }
    if (device.msi.noted) continue;
    if (device.msi.vectors === undefined) most = COUNTER_MAX;
    else for (const vector of device.msi.vectors) if (mayBe(vector.trigger, e)) most = COUNTER_MAX;
  }
  return lines.length === 0 && most === 0n ? none : { lines, most };
}

/** The silence is that of platform devices: those of other buses signal what was set on them unseen. */
function foreignSignals(s: PlatformState): Possible {
  for (const device of s.devices.values()) {
    if (device.platform !== true && device.linesUnknown && device.openCount !== 0) return any;
  }
  return none;
}

function mayBe(slot: Slot, e: Eventfd): boolean {
  return slot === e || slot instanceof Unknown || (slot instanceof OneOf && slot.values.includes(e));
}

// --- the program's reads and writes

export function readEventfd(x: Trial, s: PlatformState, call: PlatformCall & { kind: "eventfd-read" }): void {
  const e = eventfdOf(s, call.eventfd);
  if (unjudged(x, s, e, call.badBuffer)) return;
  if (x.refuse(call.size !== undefined && call.size < 8, "EINVAL", INV_9)) return;
  const { lines, most } = possibleSignals(s, e);
  const highest = clamp(e.max + most);
  const empty = highest === 0n ? true : e.min > 0n ? false : "unknown";
  if (x.refuse(empty, "EAGAIN", INV_9)) {
    setCounter(s, e, 0n, 0n);
    return;
  }
  x.returns(8, INV_9);
  const { value } = call;
  if (value === undefined) {
    x.cannotCheck("the value that was read was not recorded");
    take(s, e);
    blur(s, lines);
    return;
  }
  const lowest = e.min > 0n ? e.min : 1n;
  if (e.semaphore === true) {
    if (value !== 1n) x.differs("1 of a semaphore", String(value), INV_9);
    setCounter(s, e, lowest - 1n, clamp(e.max - 1n));
    blur(s, lines);
    return;
  }
  if (value < lowest || value > highest) x.differs(range(lowest, highest), String(value), INV_9);
  settleFired(s, { lines, most }, value, e);
  setCounter(s, e, 0n, 0n);
}

/** Which of the level lines have fired, as what was read of a counter between `min` and `max` tells. */
function settleFired(s: PlatformState, { lines, most }: Possible, value: bigint, { min, max }: Eventfd): void {
  if (value === min) return;
  const [only] = lines;
  // Only where nothing else can have signalled it, an edge or a message of another line.
  if (only !== undefined && most === 1n && value > max) s.journal.set(only, "masked", true);
  else blur(s, lines);
}

function blur(s: PlatformState, lines: readonly Line[]): void {
  for (const line of lines) s.journal.set(line, "masked", unknown);
}

export function writeEventfd(x: Trial, s: PlatformState, call: PlatformCall & { kind: "eventfd-write" }): void {
  const e = eventfdOf(s, call.eventfd);
  if (unjudged(x, s, e, call.badBuffer)) return;
  if (x.refuse(call.size !== undefined && call.size < 8, "EINVAL", INV_9)) return;
  const { value } = call;
  if (value === undefined) {
    x.cannotCheck("the value that was written was not recorded");
    s.journal.set(e, "max", COUNTER_MAX);
    wake(s, x, e, 0);
    return;
  }
  if (x.refuse(value === COUNTER_MAX, "EINVAL", INV_9)) return;
  const room = COUNTER_MAX - 1n - value;
  const full = e.min > room ? true : clamp(e.max + possibleSignals(s, e).most) > room ? "unknown" : false;
  if (x.refuse(full, "EAGAIN", INV_9)) return;
  x.returns(8, INV_9);
  setCounter(s, e, clamp(e.min + value), clamp(e.max + value));
  wake(s, x, e, 0);
}

/** Reads and writes that say nothing: an interrupted call, an eventfd that others use unseen. */
function unjudged(x: Trial, s: PlatformState, e: Eventfd, badBuffer: boolean | undefined): boolean {
  const { result } = x.operation;
  const faulted = result.kind === "error" && result.errno === "EFAULT" && badBuffer !== false;
  if (result.kind === "error" && (result.errno === "EINTR" || faulted)) {
    x.cannotCheck(`the call failed with ${result.errno}`);
    // An interrupted wait has neither read nor written.
    if (faulted) forgetCounter(s, e);
    return true;
  }
  if (result.kind === "unknown") {
    x.cannotCheck(`result unknown: ${result.reason}`);
    forgetCounter(s, e);
    blurSlots(s, e);
    return true;
  }
  if (e.exposed === undefined) return false;
  x.cannotCheck(`the counter of this eventfd is not known: ${e.exposed}`);
  blurSlots(s, e);
  return true;
}

function range(min: bigint, max: bigint): string {
  return min === max ? `a counter of ${min}` : `a counter from ${min} to ${max}`;
}

/** The last descriptor of an eventfd is gone: mask and unmask slots that hold it become empty (VMASK-9). */
export function closeEventfd(x: Trial, s: PlatformState, ref: EventfdRef): void {
  const e = eventfdOf(s, ref);
  s.journal.set(e, "open", false);
  const { certain, uncertain } = installs(s, e);
  for (const { line, slot } of certain) {
    x.by(VMASK_9);
    s.journal.set(line, slot, null);
  }
  for (const line of uncertain) {
    s.journal.set(line, "maskFd", emptied(line.maskFd, e));
    s.journal.set(line, "unmaskFd", emptied(line.unmaskFd, e));
  }
}

/** A slot that may have held the eventfd: then it is empty now. */
function emptied(slot: Slot, e: Eventfd): Slot {
  if (!(slot instanceof OneOf) || !slot.values.includes(e)) return slot;
  return oneOf([...new Set(slot.values.map((held) => (held === e ? null : held)))]);
}
