import { addressText } from "../../event/address-text.js";
import type { Event } from "../../event/event.js";
import { isZero, sameWord } from "../../event/word.js";
import type { WatchpointRequest } from "../../operation/dawr/call.js";
import { isKnown, type Known, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { GUEST_2, GUEST_3, GUEST_4, GUEST_5, GUEST_10, INV_14, INV_16, ND_7 } from "./guest-rules.js";
import { type Breakpoint, type DawrState, type GuestCpu, type Slot, unknownSlot } from "./state.js";

/** DAWRX of a cleared slot (GUEST-3). */
const CLEARED = 0xfc00;
const LOW = 0x3ff;
const TRANSLATE = 0x10;
const READ_WRITE = 0x60;
/** USER, KERNEL, HYP (cleared later), translation, read, write, MRD. */
const ALLOWED = 0xfc00 | 0x77;

const free: Slot = { current: null, held: null };

/** A watchpoint call of a Linux guest: its arguments, and its place in the order of calls on that CPU. */
export function watchpoint(x: Trial, s: DawrState, cpu: GuestCpu, call: WatchpointRequest): void {
  const slots = s.host.dawr1 === false ? 1 : 2;
  if (call.slot < 0 || call.slot >= slots) {
    x.differsAt(call.event, `a slot below ${slots}`, `slot ${call.slot}`, GUEST_10, ND_7);
    return;
  }
  const slot = call.slot === 0 ? "slot0" : "slot1";
  const flags = call.dawrx;
  if (flags.hi === 0 && (flags.lo & LOW) === 0) {
    if (!isZero(call.address) || flags.lo !== CLEARED) {
      const seen = `(${addressText(call.address)}, ${addressText(flags)})`;
      x.differsAt(call.event, `(0x0, 0x${CLEARED.toString(16)}) to clear the slot`, seen, GUEST_3);
      return;
    }
    x.by(GUEST_3);
    clear(x, s, cpu, slot, call.event);
    return;
  }
  const wrong =
    flags.hi !== 0 || (flags.lo & ~ALLOWED) !== 0 || (flags.lo & TRANSLATE) === 0 || (flags.lo & READ_WRITE) === 0;
  if (wrong) {
    x.differsAt(call.event, "translation, read or write, and no other flag", addressText(flags), GUEST_2, INV_14);
    return;
  }
  x.by(GUEST_2);
  program(x, s, cpu, slot, { address: call.address, dawrx: flags }, call.event);
}

type SlotName = "slot0" | "slot1";

/**
 * A slot is cleared: its event is gone, or is hit. A hit clears every slot in order (GUEST-5); the clear of a slot that is
 * free for certain tells one, and then the other slot keeps its event until it is cleared once more.
 */
function clear(x: Trial, s: DawrState, cpu: GuestCpu, name: SlotName, event: Event | undefined): void {
  const { journal } = s;
  const before = cpu[name];
  const two = s.host.dawr1 !== false;
  const maybe: Slot = { current: null, held: heldAfterClear(before) };
  if (name === "slot0") {
    settle(s, cpu);
    journal.set(cpu, "cleared0", two ? before : undefined);
    journal.set(cpu, "slot0", two ? maybe : { current: null, held: unknown });
    return;
  }
  const first = cpu.cleared0;
  journal.set(cpu, "cleared0", undefined);
  if (first === undefined) {
    // Slot 1 alone: its event is gone. Only where every slot is cleared in order a free one is cleared too.
    if (isFree(before) && !mayBurst(s, cpu))
      x.differsAt(event, "no clear of slot 1 alone, which is free", "a clear", GUEST_4, GUEST_5);
    journal.set(cpu, "slot1", free);
    return;
  }
  if (isFree(before) && isKnown(first.current) && first.current !== null) {
    journal.set(cpu, "slot0", { current: null, held: first.current });
    return;
  }
  if (isFree(first) && isKnown(before.current) && before.current !== null) {
    journal.set(cpu, "slot0", free);
    journal.set(cpu, "slot1", { current: null, held: before.current });
    return;
  }
  journal.set(cpu, "slot0", isFree(first) ? free : { current: null, held: unknown });
  journal.set(cpu, "slot1", isFree(before) ? free : { current: null, held: unknown });
}

/** K612-3: the kernel of that CPU may be one that prints clear bursts. Which kernel a guest of a VM has is not known. */
function mayBurst(s: DawrState, cpu: GuestCpu): boolean {
  return s.parameters.bursts || cpu.cpu < 0;
}

function heldAfterClear(before: Slot): Known<Breakpoint | null> {
  return before.current === null && before.held === null ? null : unknown;
}

/** Slot 0 was cleared and slot 1 not right behind it: that was no hit, the slot is free. */
function settle(s: DawrState, cpu: GuestCpu): void {
  if (cpu.cleared0 === undefined) return;
  s.journal.set(cpu, "cleared0", undefined);
  s.journal.set(cpu, "slot0", free);
}

function program(
  x: Trial,
  s: DawrState,
  cpu: GuestCpu,
  name: SlotName,
  value: Breakpoint,
  event: Event | undefined,
): void {
  settle(s, cpu);
  const before = cpu[name];
  const { current, held } = before;
  const set: Slot = { current: value, held: value };
  if (isKnown(current) && current !== null && !same(current, value)) {
    x.differsAt(event, `${text(current)} again, or a clear`, text(value), INV_16);
  } else if (isKnown(held) && held !== null && !same(held, value)) {
    x.differsAt(event, `${text(held)}, whose event holds the slot`, text(value), GUEST_5, INV_16);
  } else if (name === "slot1" && isKnown(held) && held === null && isFree(cpu.slot0)) {
    x.differsAt(event, "slot 0, which is free", "slot 1", GUEST_4, INV_16);
  } else if (isKnown(current) || isKnown(held)) x.by(INV_16, GUEST_4);
  s.journal.set(cpu, name, set);
}

function isFree(slot: Slot): boolean {
  return slot.current === null && slot.held === null;
}

function same(a: Breakpoint, b: Breakpoint): boolean {
  return sameWord(a.address, b.address) && sameWord(a.dawrx, b.dawrx);
}

function text(value: Breakpoint): string {
  return `(${addressText(value.address)}, ${addressText(value.dawrx)})`;
}

/** Nothing is known of the slots of a CPU. */
export function forgetSlots(s: DawrState, cpu: GuestCpu): void {
  s.journal.set(cpu, "slot0", unknownSlot);
  s.journal.set(cpu, "slot1", unknownSlot);
  s.journal.set(cpu, "cleared0", undefined);
}
