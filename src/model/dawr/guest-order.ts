import { addressText } from "../../event/address-text.js";
import type { Event } from "../../event/event.js";
import { isZero, type Word } from "../../event/word.js";
import { is, isKnown, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import {
  GUEST_1,
  GUEST_2,
  GUEST_6,
  GUEST_7,
  GUEST_8,
  GUEST_9,
  GUEST_14,
  GUEST_15,
  INV_14,
  ND_7,
} from "./guest-rules.js";
import { ND_13 } from "./notes.js";
import { cpuOf, type DawrState, type GuestCpu, type GuestKernel, OWN_KERNEL } from "./state.js";
import { forgetSlots, watchpoint } from "./watchpoints.js";
import { equals, hasHyp } from "./words.js";

/** Where a call of a Linux guest comes from: its kernel, its CPU, and the line that shows it. */
export interface GuestPlace {
  /** The guest's VM, or {@link OWN_KERNEL}. */
  readonly vm: number;
  readonly kernel: GuestKernel;
  readonly cpu: GuestCpu;
  readonly event: Event | undefined;
  /** The guest's CPU is one of ISA 2.07 or later (GUEST-9). */
  readonly arch207s: Tri;
}

/** H_SET_MODE of a guest of which it is known that the Linux kernel alone makes its hcalls (4.7). */
export function linuxSetMode(x: Trial, s: DawrState, place: GuestPlace, args: readonly Word[]): void {
  const [mflags, resource, value1, value2] = args;
  if (mflags === undefined || resource === undefined || value1 === undefined || value2 === undefined) return;
  const plain = isZero(value1) && isZero(value2);
  const asked = `(${args.map(addressText).join(",")})`;
  if (equals(resource, 2) || equals(resource, 5)) {
    if (older(x, place, asked)) return;
    if (!isZero(mflags)) x.differsAt(place.event, "mflags 0", asked, ND_7);
    else if (hasHyp(value2)) x.differsAt(place.event, "no HYP", asked, GUEST_2, INV_14);
    else {
      const slot = equals(resource, 2) ? 0 : 1;
      const request = { slot, address: value1, dawrx: value2, event: place.event };
      programs(x, s, place, slot, isZero(value1) && value2.lo === CLEARED);
      if (!x.failed) watchpoint(x, s, place.cpu, request);
    }
  } else if (equals(resource, 1)) {
    if (older(x, place, asked)) return;
    if (!isZero(mflags) || !isZero(value2)) x.differsAt(place.event, "(0,1,value,0)", asked, GUEST_6, ND_7);
    else setsCiabr(x, s, place, value1);
  } else if (equals(resource, 3) && plain && equals(mflags, 3)) ailOn(x, s, place);
  else if (equals(resource, 3) && plain && isZero(mflags)) ailOff(x, s, place, false);
  else if (equals(resource, 4) && plain && equals(mflags, 1)) littleEndian(x, s, place);
  else if (equals(resource, 4) && plain && isZero(mflags)) bigEndian(x, s, place);
  else x.differsAt(place.event, "a call that a Linux kernel makes", asked, GUEST_1, GUEST_14);
}

/** DAWRX of a cleared slot (GUEST-3). */
const CLEARED = 0xfc00;

/** GUEST-9, GUEST-6: without ISA 2.07 the kernel uses none of these. */
function older(x: Trial, place: GuestPlace, asked: string): boolean {
  if (place.arch207s !== false) return false;
  x.differsAt(place.event, "H_SET_XDABR or H_SET_DABR of a guest without ISA 2.07", asked, GUEST_9, GUEST_6);
  return true;
}

/** H_SET_DABR and H_SET_XDABR: the firmware's probe (GUEST-15), or an older CPU's watchpoint (GUEST-9). */
export function linuxDabr(x: Trial, s: DawrState, place: GuestPlace, extended: boolean, args: readonly Word[]): void {
  const [dabr, flags] = args;
  if (dabr === undefined) return;
  if (place.arch207s === false) {
    if (extended && flags !== undefined && (flags.hi !== 0 || flags.lo === 0 || flags.lo > 3)) {
      x.differsAt(place.event, "flags 1, 2 or 3", addressText(flags), GUEST_9);
    } else x.by(GUEST_9);
    return;
  }
  if (!extended && isZero(dabr)) {
    x.by(GUEST_15);
    if (place.arch207s !== true) return;
    s.journal.set(place.kernel, "stage", "firmware");
    s.journal.set(place.kernel, "busy", false);
    anotherKernel(s, place);
  } else if (place.arch207s === true) {
    const asked = extended ? "H_SET_XDABR" : `H_SET_DABR(${addressText(dabr)})`;
    x.differsAt(place.event, "H_SET_MODE of a guest with ISA 2.07", asked, GUEST_9);
  }
}

/** A slot is programmed or cleared: the boot is over, and nothing of it comes in the tail of a kexec. */
export function programs(x: Trial, s: DawrState, place: GuestPlace, slot: number, clears: boolean): void {
  const { kernel } = place;
  if (kernel.stage === "firmware") {
    x.differsAt(place.event, "(3,3,0,0) first", "a watchpoint call", GUEST_1);
  } else if (kernel.stage === "big-endian") {
    x.differsAt(place.event, "(0,1,0,0) as the last call", "a watchpoint call", GUEST_7, ND_13);
  } else if (kernel.stage === "kexec" && s.parameters.kexecTail) {
    x.differsAt(place.event, "no watchpoint call behind (0,3,0,0)", "a watchpoint call", GUEST_7, ND_13);
  }
  goesOn(s, kernel);
  s.journal.set(place.cpu, "last", clears ? (slot === 0 ? "cleared0" : "cleared1") : "other");
}

/** The call at hand shows that the boot is over. */
function goesOn(s: DawrState, kernel: GuestKernel): void {
  if (kernel.stage === "firmware" || kernel.stage === "ail") s.journal.set(kernel, "stage", "up");
}

/** (0,1,…): xmon on its way in and out, and the end of a CPU's part of a kexec (GUEST-6, GUEST-7). */
function setsCiabr(x: Trial, s: DawrState, place: GuestPlace, value: Word): void {
  const { kernel, cpu } = place;
  const { journal, host } = s;
  const asked = `(0,1,${addressText(value)},0)`;
  if (kernel.stage === "firmware") x.differsAt(place.event, "(3,3,0,0) first", asked, GUEST_1);
  if (!isZero(value)) {
    if ((value.lo & 3) !== PRIVILEGED) x.differsAt(place.event, "PRIV 2", asked, GUEST_6);
    else if (cpu.ciabr === "set") x.differsAt(place.event, "(0,1,0,0) at the entry of xmon first", asked, GUEST_6);
    else x.by(GUEST_6);
  } else if (kernel.busy) again(x, place, asked, GUEST_7);
  else if (host.dawr === true && isKnown(cpu.last) && !endsSlots(s, cpu.last)) {
    x.differsAt(place.event, "every slot cleared before, or (0,3,0,0) or (0,4,0,0)", asked, GUEST_6, GUEST_7);
  } else x.by(GUEST_6, GUEST_7);
  goesOn(s, kernel);
  journal.set(cpu, "ciabr", isZero(value) ? "cleared" : "set");
  journal.set(cpu, "last", "other");
}

/** PRIV of CIABR: privileged, but not hypervisor. */
const PRIVILEGED = 2;

/** Whether the call before may stand before (0,1,0,0): the clear of the last slot, or a step of the kexec. */
function endsSlots(s: DawrState, last: "cleared0" | "cleared1" | "mode" | "other"): boolean {
  // A guest on a host with two DAWRs may have one slot only (GUEST-10).
  const one = s.host.dawr1 !== true || s.host.guestView !== true;
  return last === "mode" || last === "cleared1" || (last === "cleared0" && one);
}

/** (3,3,0,0): the first call of a booting kernel (GUEST-1), or the last PR VM is gone (GUEST-8). */
export function ailOn(x: Trial, s: DawrState, place: GuestPlace): void {
  const { kernel } = place;
  if (kernel.stage === "up") x.differsAt(place.event, "no call: AIL is on", "(3,3,0,0)", GUEST_1, GUEST_8);
  else if (kernel.stage === "ail" && answered(x, kernel)) {
    x.differsAt(place.event, "(3,3,0,0) once a boot", "(3,3,0,0) again", GUEST_1);
  } else x.by(kernel.stage === "off" ? GUEST_8 : GUEST_1);
  if (place.vm !== OWN_KERNEL && kernel.stage !== "ail") anotherKernel(s, place);
  step(x, s, place, "ail");
}

/** A kernel starts: what the one before it left in the slots is not known. */
function anotherKernel(s: DawrState, place: GuestPlace): void {
  for (const vcpu of s.vcpus.values()) {
    const cpu = vcpu.vm.ref.id === place.vm ? s.cpus.get(cpuOf(vcpu.ref)) : undefined;
    if (cpu !== undefined) forgetCpu(s, cpu);
  }
}

/** (1,4,0,0), of a little-endian kernel: behind (3,3,0,0) (GUEST-1). */
function littleEndian(x: Trial, s: DawrState, place: GuestPlace): void {
  const { stage } = place.kernel;
  if (isKnown(stage) && stage !== "ail") x.differsAt(place.event, "(3,3,0,0) before it", "(1,4,0,0)", GUEST_1);
  else x.by(GUEST_1);
  // It may be repeated: AIL is still the last of its kind before it.
  step(x, s, place, mayRepeat(x) ? "ail" : "up");
}

/** (0,3,0,0): a kexec (GUEST-7), or the first PR VM (GUEST-8). `certain`: it is no PR VM. */
export function ailOff(x: Trial, s: DawrState, place: GuestPlace, certain: boolean): void {
  const { stage } = place.kernel;
  if (stage === "firmware") x.differsAt(place.event, "(3,3,0,0) first", "(0,3,0,0)", GUEST_1);
  else if (stage === "big-endian") x.differsAt(place.event, "(0,1,0,0)", "(0,3,0,0)", GUEST_7, ND_13);
  else x.by(GUEST_7, GUEST_8);
  step(x, s, place, certain ? "kexec" : "off");
}

/** (0,4,0,0), of a hash-MMU little-endian kernel that goes: behind (0,3,0,0) (GUEST-7). */
export function bigEndian(x: Trial, s: DawrState, place: GuestPlace): void {
  const { kernel } = place;
  const { stage } = kernel;
  if (kernel.busy) again(x, place, "(0,4,0,0)", GUEST_7);
  else if (stage === "firmware" || stage === "ail" || stage === "up") {
    x.differsAt(place.event, "(0,3,0,0) before it", "(0,4,0,0)", GUEST_7, ND_13);
  } else x.by(GUEST_7);
  step(x, s, place, "big-endian");
}

/** A call was answered long busy: it is made again before anything else of the sequence. */
function again(x: Trial, place: GuestPlace, asked: string, rule: typeof GUEST_7): void {
  x.differsAt(place.event, "(0,3,0,0) again, its answer being long busy", asked, rule);
}

function step(x: Trial, s: DawrState, place: GuestPlace, stage: "ail" | "up" | "off" | "kexec" | "big-endian"): void {
  const { journal } = s;
  journal.set(place.kernel, "stage", stage);
  journal.set(place.kernel, "busy", (stage === "off" || stage === "kexec") && isLongBusy(x));
  journal.set(place.kernel, "open", mayRepeat(x));
  journal.set(place.cpu, "last", "mode");
}

/** A call whose probe was not seen repeats the one before (the kernel's loop stands behind the function that is probed). */
export function repeated(x: Trial, s: DawrState, kernel: GuestKernel): void {
  if (kernel.busy) s.journal.set(kernel, "busy", isLongBusy(x));
}

/** The last call of this kind was answered for good. */
function answered(x: Trial, kernel: GuestKernel): boolean {
  return !kernel.open && x.operation.result.kind !== "unknown";
}

/** Whether a call may be made again: its answer is long busy, or not known (FMT-4). */
function mayRepeat(x: Trial): boolean {
  const { result } = x.operation;
  if (result.kind === "error") return result.errno === "H_TOO_HARD" || isLongBusy(x);
  return result.kind === "unknown";
}

function isLongBusy(x: Trial): boolean {
  const { result } = x.operation;
  return result.kind === "error" && result.errno.startsWith("H_LONG_BUSY");
}

/** Nothing is known of the order any more: lines were lost. */
export function forgetOrder(s: DawrState): void {
  for (const kernel of s.kernels.values()) {
    s.journal.set(kernel, "stage", unknown);
    s.journal.set(kernel, "busy", false);
    s.journal.set(kernel, "open", true);
  }
}

/** Nothing is known of the slots and the calls of a CPU. */
export function forgetCpu(s: DawrState, cpu: GuestCpu): void {
  forgetSlots(s, cpu);
  s.journal.set(cpu, "last", unknown);
  s.journal.set(cpu, "ciabr", unknown);
}

/** Whether a guest's CPU is one of ISA 2.07 or later, as its compatibility level and its host tell (GUEST-9). */
export function levelOf(archCompat: number | undefined, host: Tri): Tri {
  if (archCompat === undefined) return "unknown";
  if (archCompat === 0) return host;
  return archCompat >= POWER8 && archCompat !== POWER7_PLUS;
}

const POWER8 = 0x0f000004;
/** 2.06+, numerically the largest (2.4). */
const POWER7_PLUS = 0x0f100003;

/** Whether the hcalls of a guest are those of a Linux kernel alone, as a fact says. */
export function isLinux(s: DawrState): boolean {
  return is(s.host.guest, "linux") === true;
}
