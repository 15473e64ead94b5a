import type { Word } from "../../event/word.js";
import type { ApCall } from "../../operation/ap/call.js";
import type { MemorySlot } from "../../operation/ap/memory-slot.js";
import { is, isKnown, type Known, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import type { FactSet } from "./guest-facts.js";
import { endIsSeen, factsAtFirst, guestByVm, newGuest, pointerFits, unmetGuest } from "./guests.js";
import { changeMemory } from "./memory.js";
import { aqicRule } from "./profile.js";
import { type ApState, type Guest, VcpuTask } from "./state.js";

export const KVM_2 = aqicRule(
  "KVM-2",
  "AP interpretation of a guest",
  "An attribute of the VM, copied into the ECA of each CPU; turning it off does not reach the CPUs of a guest without facility 76.",
  "kvm_s390_vm_set_crypto, kvm_s390_vcpu_crypto_setup",
);
export const KVM_4 = aqicRule(
  "KVM-4",
  "ECA bit AIV",
  "Set when a CPU is made, if the guest has a GISA: if the host has adapter-interruption virtualization. Only protected mode changes it later (GISC-8).",
  "kvm_s390_gisa_init, kvm_s390_vcpu_setup",
);
export const GISC_8 = aqicRule(
  "GISC-8",
  "Lifetime of the GISA",
  "From the making of the VM to its end. linux-6.1: protected mode may take it away; leaving that mode makes it anew, with an empty alert mask and the counts as they were.",
  "kvm_s390_gisa_init, _enable, _disable; kvm-s390.c",
);

/** ECA bits of a CPU that the handlers test. */
export type EcaBit = "apie" | "aiv";

const BITS: Readonly<Record<EcaBit, number>> = { apie: 0x00000008, aiv: 0x00200000 };

/** A vCPU as an intercepted instruction shows it. */
export interface Cpu {
  readonly guest: Guest;
  readonly task: VcpuTask;
  /** ECA where the recorder prints it. */
  readonly eca: Word | undefined;
}

/** The CPU that runs the instruction: its guest is known, named by a line of the instruction, or any that it can be. */
export function cpuOf(x: Trial, s: ApState, tid: number, eca: Word | undefined): Cpu {
  const guest = guestOfTask(x, s, tid);
  return { guest, task: s.vcpus.get(tid) ?? new VcpuTask(tid), eca };
}

/** Whether a bit of the CPU's ECA is set: as recorded, as earlier answers showed it, as the host's facts say. */
export function ecaBit(s: ApState, cpu: Cpu, bit: EcaBit): Tri {
  if (cpu.eca !== undefined) return (cpu.eca.lo & BITS[bit]) !== 0;
  const learnt: Known<boolean> = cpu.task[bit];
  return isKnown(learnt) ? learnt : is(s.host[bit], true);
}

/**
 * An answer shows a bit of the CPU's ECA. It is remembered where a change of it could not have gone unseen; not from an
 * instruction that diverged: which check ended it is a guess.
 */
export function learnEca(x: Trial, s: ApState, cpu: Cpu, bit: EcaBit, value: boolean): void {
  x.by(bit === "apie" ? KVM_2 : KVM_4);
  if (cpu.eca === undefined && !x.lenient && endIsSeen(x, cpu.guest)) s.journal.set(cpu.task, bit, value);
}

/**
 * KVM-2, GISC-8, NIB-3: a call changed a VM; what of it is mostly behind a pointer. A VM that was not met can be any: a
 * thread whose beginning was not recorded may hold it by a descriptor that nobody has seen.
 */
export function changeVm(x: Trial, s: ApState, call: Extract<ApCall, { kind: "vm-change" }>): void {
  const known = guestByVm(s, call.vm.id);
  const slot = x.operation.result.kind === "value" ? call.slot : undefined;
  if (known !== undefined) changeGuest(x, s, known, call.change, slot);
  else for (const guest of s.guests.values()) if (guest.live) changeGuest(x, s, guest, call.change, undefined);
}

function changeGuest(
  x: Trial,
  s: ApState,
  guest: Guest,
  change: "attribute" | "protected" | "memory",
  slot: MemorySlot | undefined,
): void {
  if (change === "memory") changeMemory(s, guest, slot);
  if (change === "protected") x.by(GISC_8);
  // The counts stay; whether the mask was emptied depends on the direction of the switch.
  if (change === "protected" && !s.parameters.old) s.journal.set(guest, "alertMask", unknown);
  for (const task of s.vcpus.values()) {
    if (task.guest !== guest) continue;
    if (change === "attribute") s.journal.set(task, "apie", unknown);
    if (change === "protected" && !s.parameters.old) s.journal.set(task, "aiv", unknown);
  }
  if (change === "attribute") s.journal.set(s.host, "apie", unknown);
  // GISC-8: that the host has AIV says nothing of a CPU any more.
  if (change === "protected" && !s.parameters.old && s.host.aiv === true) s.journal.set(s.host, "aiv", unknown);
}

/** The guest whose vCPU the task runs: known from before, named by a line of this instruction, or any that it can be. */
function guestOfTask(x: Trial, s: ApState, tid: number): Guest {
  const known = s.vcpus.get(tid);
  if (known !== undefined && isKnown(known.guest) && known.guest.live) return known.guest;
  const named = x.ahead("gisc_register", () => true) ?? x.ahead("gisc_unregister", () => true);
  const candidates: Guest[] = [];
  const exact: Guest[] = [];
  const { since } = meet(s, tid);
  for (const guest of s.guests.values()) {
    if (!guest.live || guest.madeAt > since || (named !== undefined && !pointerFits(guest, named.kvm))) continue;
    candidates.push(guest);
    if (named !== undefined && guest.pointer === named.kvm) exact.push(guest);
  }
  const guests = exact.length > 0 ? exact : candidates;
  const stranger = exact.length === 0 && mayBeStranger(s, guests);
  // A VM without an mdev leaves no line of the driver: where no VMM's calls are recorded, or one was there before them, it
  // may be there unseen (PQAP-12).
  const unseen = !s.host.hosted || guests.some(({ madeAt }) => madeAt === 0);
  const bare = !stranger && named === undefined && unseen;
  const kinds = named === undefined ? kindsOf(guests) : guests;
  const options = kinds.length + (stranger || bare ? 1 : 0);
  const kind = kinds[x.choose(options)];
  if (typeof kind === "number") return bareGuest(s, kind);
  if (kind === undefined && bare) return bareGuest(s, factsAtFirst(s));
  if (kind === undefined && named === undefined) return unmetGuest(s);
  const chosen = kind ?? newGuest(s, named?.kvm, undefined);
  // Of several, the one that is taken after a divergence is a guess.
  if (!x.lenient || options === 1) runs(s, tid, chosen);
  return chosen;
}

/**
 * The guests that can answer differently. Those without an mdev of which the same is known answer alike (PQAP-12), and it
 * stays open which of them it was: what is known of them stands for all.
 */
function kindsOf(guests: readonly Guest[]): readonly (Guest | FactSet)[] {
  const bare = guests.filter(({ hook }) => hook === null);
  if (bare.length < 2) return guests;
  const alike = new Map<FactSet, number>();
  for (const { facts } of bare) alike.set(facts, (alike.get(facts) ?? 0) + 1);
  const kinds = new Set<Guest | FactSet>();
  for (const guest of guests) {
    const several = guest.hook === null && (alike.get(guest.facts) ?? 0) > 1;
    kinds.add(several ? guest.facts : guest);
  }
  return [...kinds];
}

/** A guest without an mdev: one that was not met, or any of several of which the same is known. */
function bareGuest(s: ApState, facts: FactSet): Guest {
  const guest = unmetGuest(s);
  guest.hook = null;
  guest.facts = facts;
  return guest;
}

/** A task that is seen to run a vCPU: of a guest that was made before, unless the last one that it ran is gone. */
function meet(s: ApState, tid: number): VcpuTask {
  const known = s.vcpus.get(tid);
  const task = known ?? new VcpuTask(tid);
  if (known === undefined) s.journal.add(s.vcpus, tid, task);
  const stays = !isKnown(task.guest) || task.guest.live;
  if (task.since === 0 || !stays) s.journal.set(task, "since", s.clock.now);
  return task;
}

/** The task runs a vCPU of that guest. */
export function runs(s: ApState, tid: number, guest: Guest): void {
  const task = meet(s, tid);
  if (task.guest === guest) return;
  s.journal.set(task, "guest", guest);
  for (const bit of ["apie", "aiv"] as const) s.journal.set(task, bit, unknown);
}

/** Whether a guest that was not met yet can have run the instruction: one that ran before the recording began, or is forgotten. */
function mayBeStranger(s: ApState, guests: readonly Guest[]): boolean {
  if (guests.length === 0 || s.guestsForgotten || is(s.host.hiddenMdevs, 0) !== true) return true;
  if (guests.some((guest) => guest.pointer === undefined && guest.vm === undefined)) return false;
  for (const m of s.mdevs.values()) if (m.present !== false && !isKnown(m.kvm)) return true;
  return false;
}
