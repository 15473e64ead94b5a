import { type Word, zeroWord } from "../../event/word.js";
import type { VcpuRef, VmRef } from "../../operation/dawr/call.js";
import { Journal } from "../core/journal.js";
import { is, isKnown, type Known, type Tri, unknown } from "../core/known.js";
import { type Lpcr, unknownLpcr } from "./lpcr.js";
import type { DawrParameters } from "./profile.js";

export type VmKind = "HV" | "PR";

/** Generations of QEMU's answers to a punted H_SET_MODE (HSM-11), and everything else. */
export const vmmColumns = ["qemu-old", "qemu-p10", "qemu-ail3", "qemu-dbg", "qemu-dawr1", "other"] as const;
export type VmmColumn = (typeof vmmColumns)[number];

/** What the machine and its kernel are: the inputs of section 0.2. */
export class Host {
  arch206: Known<boolean> = unknown;
  arch207s: Known<boolean> = unknown;
  arch300: Known<boolean> = unknown;
  arch31: Known<boolean> = unknown;
  /** DAWR is usable; at run time only a POWER9's can change (ND-5). */
  dawr: Known<boolean> = unknown;
  dawr1: Known<boolean> = unknown;
  p9PrefetchBug: Known<boolean> = unknown;
  hvModule: Known<boolean> = unknown;
  prModule: Known<boolean> = unknown;
  isPseries: Known<boolean> = unknown;
  /** Kind of VMs whose creation was not recorded. */
  vmKind: Known<VmKind> = unknown;
  /** The host got AIL=3 for itself (CAP-8). */
  ownAil3: Known<boolean> = unknown;
  /** The L0 offers the second nested interface to this L1 (K612-2). */
  nestedPapr: Known<boolean> = unknown;
  vmm: Known<VmmColumn> = unknown;
  /** QEMU's machine capability ail-mode-3 (HSM-11). */
  ailCapability: Known<boolean> = unknown;
  /** Who answers the hcalls of a recorded guest. */
  hypervisor: string | undefined = undefined;
  nrCpus: number | undefined = undefined;
  /** "linux": the hcalls of a guest are those of its Linux kernel alone, no test program's (GUEST rules). */
  guest: Known<"linux" | "other"> = unknown;
  /** The recorded kernel is the one that makes the hcalls. */
  guestView: Known<boolean> = unknown;
  /** AIL as the host's KVM-PR sets it: "off" while PR VMs live (GUEST-8). */
  prAil: Known<"on" | "off"> = unknown;
  /** The firmware takes H_SET_MODE: it was seen to be called. */
  announced = false;
  /** The task that made (0,3,0,0) inside its KVM_CREATE_VM, which has not ended yet; -1: none. */
  disabledInCreate = -1;
}

/** A virtual machine (1.1). */
export class Vm {
  readonly ref: VmRef;
  /** The kernel's address, where a probe showed it. */
  address: string | undefined = undefined;
  kind: Known<VmKind> = unknown;
  dawr1Enabled: Known<boolean> = unknown;
  /** enabledHcalls, as far as the rules speak of them. */
  setMode: Known<boolean> = unknown;
  setDabr: Known<boolean> = unknown;
  setXdabr: Known<boolean> = unknown;
  nestedEnable: Known<boolean> = unknown;
  radix: Known<boolean> = unknown;
  /** A partition table was set. */
  l1Ptcr: Known<boolean> = unknown;
  /** KVM_ENABLE_CAP calls on their way (ND-6). */
  enabling = 0;
  /** Hcalls of which it is not known whether they are enabled are those of its kind by default, which is not known yet. */
  defaults = false;
  /** What KVM_CHECK_EXTENSION of the second DAWR answered (INV-12). */
  answered: Known<boolean> = unknown;
  live = true;

  constructor(ref: VmRef) {
    this.ref = ref;
  }
}

/** The kind of a VM whose creation was not recorded: a module that is not there made none. */
export function kindOf(host: Host): Known<VmKind> {
  if (isKnown(host.vmKind)) return host.vmKind;
  if (host.hvModule === false) return "PR";
  return host.prModule === false ? "HV" : unknown;
}

export const registerNames = ["ciabr", "dawr0", "dawrx0", "dawr1", "dawrx1"] as const;
export type RegisterName = (typeof registerNames)[number];

/** A vCPU (1.2). */
export class Vcpu {
  readonly ref: VcpuRef;
  readonly vm: Vm;
  ciabr: Known<Word> = unknown;
  dawr0: Known<Word> = unknown;
  dawrx0: Known<Word> = unknown;
  dawr1: Known<Word> = unknown;
  dawrx1: Known<Word> = unknown;
  dabr: Known<Word> = unknown;
  dabrx: Known<Word> = unknown;
  lpcr: Lpcr = unknownLpcr;
  archCompat: Known<number> = unknown;
  /** ARCH_COMPAT was set with success (K612-2). */
  compatSet: Known<boolean> = unknown;
  papr: Known<boolean> = unknown;
  /** The hcall that user space has to answer (HSM-10): GPR3 to GPR7, as far as they are known. */
  punted: readonly (Word | undefined)[] | undefined = undefined;

  constructor(ref: VcpuRef, vm: Vm) {
    this.ref = ref;
    this.vm = vm;
  }

  /** The values of a new vCPU: zero-allocated (1). */
  fresh(): void {
    for (const name of registerNames) this[name] = zeroWord;
    this.dabr = zeroWord;
    this.dabrx = zeroWord;
    this.archCompat = 0;
    this.compatSet = false;
    this.papr = false;
  }
}

/** A value of a breakpoint register pair. */
export interface Breakpoint {
  readonly address: Word;
  readonly dawrx: Word;
}

/** One breakpoint slot of a guest's CPU (1.4). */
export interface Slot {
  /** What the register holds; null: cleared. */
  readonly current: Known<Breakpoint | null>;
  /** The value of the event that occupies the slot; null: free. */
  readonly held: Known<Breakpoint | null>;
}

export const unknownSlot: Slot = { current: unknown, held: unknown };

/**
 * Where a Linux guest's kernel is between its firmware and the kernel after it, by its last call for itself: nothing yet,
 * (3,3,0,0), the boot is over, (0,3,0,0), the same of a kexec for certain, (0,4,0,0) (GUEST-1, GUEST-7).
 */
export type GuestStage = "firmware" | "ail" | "up" | "off" | "kexec" | "big-endian";

/** The kernel of a guest. */
export class GuestKernel {
  stage: Known<GuestStage> = unknown;
  /** (0,3,0,0) was answered long busy, and comes again. */
  busy = false;
  /** The last call for itself may have to be made again: its answer is not known, or long busy. */
  open = true;
}

/** A CPU of a recorded guest. */
export class GuestCpu {
  readonly cpu: number;
  slot0: Slot = unknownSlot;
  slot1: Slot = unknownSlot;
  /** What the last watchpoint call of this CPU cleared: what the slot held before; undefined: it was no clear of slot 0. */
  cleared0: Slot | undefined = undefined;
  /** The last H_SET_MODE of this CPU: the clear of a slot, one of the kernel for itself (resources 3 and 4), or another. */
  last: Known<"cleared0" | "cleared1" | "mode" | "other"> = unknown;
  /** CIABR as its last call left it (GUEST-6). */
  ciabr: Known<"cleared" | "set"> = unknown;

  constructor(cpu: number) {
    this.cpu = cpu;
  }
}

/** The kernel that was recorded, where the recording is a guest's own. */
export const OWN_KERNEL = -1;

/** The number under which a vCPU stands as a CPU of its guest: none that a recorded guest's own CPU has. */
export function cpuOf(vcpu: VcpuRef): number {
  return -1 - vcpu.id;
}

/** The state of the powerpc system. */
export class DawrState {
  readonly journal = new Journal();
  readonly parameters: DawrParameters;
  readonly host = new Host();
  readonly vms = new Map<number, Vm>();
  readonly vcpus = new Map<number, Vcpu>();
  readonly cpus = new Map<number, GuestCpu>();
  /** Kernels of guests by VM; that of a recorded guest under {@link OWN_KERNEL}. */
  readonly kernels = new Map<number, GuestKernel>();
  /** How often an address of the kernel came as that of a VM. */
  readonly addresses = new Map<string, number>();

  constructor(parameters: DawrParameters) {
    this.parameters = parameters;
  }

  vm(ref: VmRef): Vm {
    const known = this.vms.get(ref.id);
    if (known !== undefined) return known;
    const vm = new Vm(ref);
    vm.kind = kindOf(this.host);
    this.journal.add(this.vms, ref.id, vm);
    return vm;
  }

  vcpu(ref: VcpuRef): Vcpu {
    const known = this.vcpus.get(ref.id);
    if (known !== undefined) return known;
    const vcpu = new Vcpu(ref, this.vm(ref.vm));
    this.journal.add(this.vcpus, ref.id, vcpu);
    return vcpu;
  }

  /** The kernel of the guest in a VM, or the recorded one. */
  kernel(vm: number): GuestKernel {
    const known = this.kernels.get(vm);
    if (known !== undefined) return known;
    const kernel = new GuestKernel();
    this.journal.add(this.kernels, vm, kernel);
    return kernel;
  }

  /** A CPU of the recorded guest; those of guests in VMs have the numbers of {@link cpuOf}. */
  cpu(number: number): GuestCpu {
    const known = this.cpus.get(number);
    if (known !== undefined) return known;
    const cpu = new GuestCpu(number);
    this.journal.add(this.cpus, number, cpu);
    return cpu;
  }
}

/** A field that holds a truth value, as a condition. */
export function tri(known: Known<boolean>): Tri {
  return is(known, true);
}

/** The value of a register, where it is known. */
export function plain<T>(known: Known<T>): T | undefined {
  return isKnown(known) ? known : undefined;
}
