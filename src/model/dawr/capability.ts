import type { CapabilityCall, EnableCapCall, Holder, VmCreateCall } from "../../operation/dawr/call.js";
import { and, isKnown, type Known, not, or, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { K612_2, learnHost, refuses } from "./compat.js";
import { isLinux } from "./guest-order.js";
import { GUEST_8 } from "./guest-rules.js";
import { gateField, hvHcalls } from "./host-hcall.js";
import { rule, V61 } from "./profile.js";
import { type DawrState, tri, type Vcpu, type Vm, type VmKind } from "./state.js";
import { equals } from "./words.js";

export const CAP_1 = rule(
  "CAP-1",
  "Number of KVM_CAP_PPC_DAWR1",
  "None in pre-dawr1, 187 in dawr1-v2, 194 in linux-6.1; the other numbers answer 0.",
  "include/uapi/linux/kvm.h",
);
export const CAP_2 = rule(
  "CAP-2",
  "KVM_CHECK_EXTENSION of DAWR1",
  "dawr1-v2: whether the CPU has the second DAWR. linux-6.1: whether it has and the VM is (or a VM could be) one of KVM-HV. Never anything but 0 or 1.",
  "kvm/powerpc.c kvm_vm_ioctl_check_extension",
);
export const CAP_3 = rule(
  "CAP-3",
  "KVM_ENABLE_CAP on a VM",
  "In order: not the VM's process EIO; unreadable EFAULT; flags EINVAL; not in the list EINVAL; DAWR1 in linux-6.1: not an HV VM EINVAL, no second DAWR ENODEV, else it is granted. args and pad are not looked at.",
  "kvm/powerpc.c kvm_vm_ioctl_enable_cap",
);
export const CAP_4 = rule(
  "CAP-4",
  "Stickiness",
  "dawr1Enabled never returns to false.",
  "kvm/book3s_hv.c kvmhv_enable_dawr1",
  V61,
);
export const CAP_5 = rule(
  "CAP-5",
  "Wrong descriptor",
  "DAWR1 on a vCPU: EINVAL, after EFAULT and flags; KVM_ENABLE_CAP on /dev/kvm: EINVAL.",
  "kvm/powerpc.c kvm_vcpu_ioctl_enable_cap",
);
export const CAP_6 = rule(
  "CAP-6",
  "KVM_CAP_PPC_ENABLE_HCALL",
  "EINVAL for flags, a number above MAX_HCALL_OPCODE or with low bits, args[1] above 1, or an hcall that the VM's kind does not implement; else the hcall is enabled or disabled for the VM.",
  "kvm/powerpc.c",
);
export const CAP_7 = rule(
  "CAP-7",
  "Documentation disagrees with code",
  "Without a second DAWR the code answers ENODEV where the document says EINVAL.",
  "kvm/book3s_hv.c kvmhv_enable_dawr1",
  V61,
);
export const CAP_8 = rule(
  "CAP-8",
  "KVM_CAP_PPC_AIL_MODE_3",
  "linux-6.1: 0 without KVM-HV; on a pseries host whether it got AIL=3 for itself; else ISA 2.07 without the POWER9 erratum. Other profiles: 0.",
  "kvm/powerpc.c",
);
export const CAP_9 = rule(
  "CAP-9",
  "QEMU's use",
  "QEMU enables hcall 0x31C at machine start; from 10.0 on it asks for capability 194 and enables it where the machine has it on.",
  "QEMU target/ppc/kvm.c, hw/ppc/spapr_caps.c",
);
export const CAP_10 = rule(
  "CAP-10",
  "Request decoding",
  "Requests have other numbers on powerpc than elsewhere: a powerpc recording cannot hold those of x86.",
  "asm/ioctl.h",
);
export const CAP_11 = rule(
  "CAP-11",
  "KVM_CREATE_VM",
  "Type 0: HV if kvm-hv is registered, else PR, else EINVAL; 1 needs kvm-hv, 2 kvm-pr; any other EINVAL. A refused request has no side effect.",
  "kvm/powerpc.c kvm_arch_init_vm",
);
export const CAP_12 = rule(
  "CAP-12",
  "PAPR mode",
  "KVM_CAP_PPC_PAPR on a vCPU: flags EINVAL, else it is on for good; on a VM EINVAL. KVM-HV refuses KVM_RUN of a vCPU without it: EINVAL, and the guest does not run.",
  "kvm/powerpc.c kvmppc_sanity_check",
);
export const CAP_13 = rule(
  "CAP-13",
  "Other numbers",
  "A capability that no kernel of the profile knows answers 0 and can't be enabled: EINVAL.",
  "kvm/powerpc.c",
);
export const FMT_2 = rule(
  "FMT-2",
  "Sign of an error",
  "A system call entered by sc returns a positive errno in its trace event: a small positive result is a failure where the request can't return it, and else either.",
  "arch/powerpc/kernel/syscall.c",
);

const CAP_PAPR = 68;
const CAP_ENABLE_CAP_VM = 98;
const CAP_ENABLE_HCALL = 104;
const CAP_CHECK_EXTENSION_VM = 105;
const CAP_NESTED_HV = 160;
const CAP_AIL_MODE_3 = 210;
/** The numbers that KVM_CAP_PPC_DAWR1 has or had (CAP-1). */
const DAWR1_NUMBERS: ReadonlySet<number> = new Set([187, 191, 194]);
/** Numbers from here on no kernel of the profiles knows (CAP-13). */
const UNKNOWN_CAPABILITY = 4096;
/** Failures for want of something, that say nothing about the rules. */
const exhausted: ReadonlySet<string> = new Set(["ENOMEM", "EMFILE", "ENFILE"]);

/** Whether the call failed for want of memory or descriptors. */
function ranOut(x: Trial): boolean {
  const { result } = x.operation;
  if (result.kind !== "error" || !exhausted.has(result.errno)) return false;
  x.cannotCheck(`the host ran out of something: ${result.errno}`);
  return true;
}

/** CAP-11; GUEST-8 for the host's own hcall. */
export function createVm(x: Trial, s: DawrState, call: VmCreateCall): void {
  const { host, journal } = s;
  const inside = host.disabledInCreate;
  journal.set(host, "disabledInCreate", 0);
  if (ranOut(x)) return;
  const { type } = call;
  if (type === undefined) {
    x.cannotCheck("the machine type was not recorded");
    if (call.vm !== undefined) made(s, call, unknown);
    return;
  }
  const hv = tri(host.hvModule);
  const pr = tri(host.prModule);
  const kind = equals(type, 0) ? "any" : equals(type, 1) ? "HV" : equals(type, 2) ? "PR" : "none";
  const refused: Tri =
    kind === "any" ? and(not(hv), not(pr)) : kind === "HV" ? not(hv) : kind === "PR" ? not(pr) : true;
  if (call.ambiguous !== undefined) {
    // FMT-2: EINVAL is 22; any other errno would be want of something.
    if (refused === true && call.ambiguous !== 22) x.differs("EINVAL", String(call.ambiguous), CAP_11, FMT_2);
    else if (refused === true) x.agrees(CAP_11, FMT_2);
    else x.cannotCheck(`${call.ambiguous} is a descriptor or an errno (FMT-2)`);
    return;
  }
  const learn = (no: boolean): void => {
    if (kind === "HV") learnHost(s, "hvModule", !no);
    else if (kind === "PR") learnHost(s, "prModule", !no);
    else if (no) {
      learnHost(s, "hvModule", false);
      learnHost(s, "prModule", false);
    } else if (hv === false) learnHost(s, "prModule", true);
  };
  if (refuses(x, refused, "EINVAL", [CAP_11], learn)) {
    if (inside > 0) x.differs("no hcall of a refused request", "an hcall (0,3,0,0) inside it", CAP_11, GUEST_8);
    return;
  }
  x.succeeds(CAP_11);
  const madeKind: Known<VmKind> = kind === "HV" || kind === "PR" ? kind : kindOfDefault(s);
  made(s, call, madeKind);
  if (call.traced) checkReloc(x, s, madeKind, inside);
}

function kindOfDefault(s: DawrState): Known<VmKind> {
  const { host } = s;
  if (host.hvModule === true) return "HV";
  return host.hvModule === false ? "PR" : host.vmKind;
}

/** A new VM: everything zero but the default hcalls of its kind (1.1). */
function made(s: DawrState, call: VmCreateCall, kind: Known<VmKind>): void {
  if (call.vm === undefined) return;
  const vm = s.vm(call.vm);
  const { journal, parameters } = s;
  journal.set(vm, "kind", kind);
  journal.set(vm, "dawr1Enabled", false);
  const isPr = kind === "PR";
  const setMode = isKnown(kind) ? isPr && parameters.prSetMode : parameters.prSetMode ? unknown : false;
  journal.set(vm, "setMode", setMode);
  journal.set(vm, "setDabr", isKnown(kind) ? !isPr : unknown);
  journal.set(vm, "setXdabr", isKnown(kind) ? !isPr : unknown);
  journal.set(vm, "nestedEnable", false);
  journal.set(vm, "l1Ptcr", false);
  if (isLinux(s)) journal.set(s.kernel(vm.ref.id), "stage", "firmware");
}

/** GUEST-8: the first PR VM of a pseries host switches its AIL off before KVM_CREATE_VM returns. */
function checkReloc(x: Trial, s: DawrState, kind: Known<VmKind>, inside: number): void {
  const { host } = s;
  if (kind === "HV" && inside > 0) {
    x.differs("no hcall for a VM of KVM-HV", "an hcall (0,3,0,0) inside KVM_CREATE_VM", GUEST_8);
    return;
  }
  if (kind !== "PR" || host.prAil !== "on" || inside > 0) return;
  if (!host.announced || !x.certain("pseries_disable_reloc_on_exc")) return;
  x.differs("(0,3,0,0) before KVM_CREATE_VM of the first PR VM returns", "no such hcall", GUEST_8);
}

/** Whether KVM-HV serves what a descriptor stands for (CAP-2). */
function servedByHv(s: DawrState, on: Holder): Tri {
  const { host } = s;
  switch (on.kind) {
    case "kvm":
      return tri(host.hvModule);
    case "vm": {
      const { kind } = s.vm(on.vm);
      return isKnown(kind) ? kind === "HV" : "unknown";
    }
    case "vcpu":
      return "unknown";
    case "unknown":
      // One of the two: certain only where both agree.
      if (host.hvModule === false) return false;
      return host.hvModule === true && host.vmKind === "HV" ? true : "unknown";
  }
}

function learnServed(s: DawrState, on: Holder, hv: boolean): void {
  if (on.kind === "kvm") learnHost(s, "hvModule", hv);
  else if (on.kind === "vm") {
    const vm = s.vm(on.vm);
    if (!isKnown(vm.kind)) s.journal.set(vm, "kind", hv ? "HV" : "PR");
  }
}

/** KVM_CHECK_EXTENSION (2.6, CAP-1, CAP-2, CAP-8, CAP-13). */
export function checkExtension(x: Trial, s: DawrState, call: CapabilityCall): void {
  const { number, on } = call;
  const { host, parameters } = s;
  const { result } = x.operation;
  if (on.kind === "vcpu") {
    x.cannotCheck("KVM_CHECK_EXTENSION is no request of a vCPU");
    return;
  }
  if (number === undefined) {
    x.cannotCheck("the number of the capability is not known");
    return;
  }
  if (result.kind === "error") {
    x.differs("an answer: KVM_CHECK_EXTENSION never fails", result.errno, FMT_2);
    return;
  }
  const hv = servedByHv(s, on);
  switch (number) {
    case CAP_PAPR:
    case CAP_ENABLE_CAP_VM:
    case CAP_ENABLE_HCALL:
    case CAP_CHECK_EXTENSION_VM:
      x.returns(1, CAP_13);
      return;
    case CAP_NESTED_HV:
      nestedCapability(x, s, hv);
      return;
    case CAP_AIL_MODE_3:
      ailCapability(x, s, on, hv);
      return;
  }
  if (number === parameters.dawr1Cap) {
    hookAgrees(x, s, call);
    const present = tri(host.dawr1);
    if (parameters.profile === "dawr1-v2") answer(x, present, [CAP_1, CAP_2], (yes) => learnHost(s, "dawr1", yes));
    else {
      answer(x, and(hv, present), [CAP_1, CAP_2], (yes) => {
        if (yes || hv === true) learnHost(s, "dawr1", yes);
        if (yes || present === true) learnServed(s, on, yes);
      });
    }
    return;
  }
  if (DAWR1_NUMBERS.has(number)) x.returns(0, CAP_1);
  else if (number >= UNKNOWN_CAPABILITY) x.returns(0, CAP_13);
  else if (result.kind === "unknown") x.cannotCheck(`result unknown: ${result.reason}`);
  else x.cannotCheck("the capability is none of the rules'");
}

type RuleList = readonly (typeof CAP_1)[];

/** 1 or 0; what decided an open condition is learned. */
function answer(x: Trial, condition: Tri, rules: RuleList, learn: (yes: boolean) => void): void {
  const { result } = x.operation;
  if (condition !== "unknown") {
    x.returns(condition ? 1 : 0, ...rules);
    return;
  }
  const yes = !(result.kind === "value" && result.value === 0);
  x.returns(yes ? 1 : 0, ...rules);
  if (result.kind === "value") learn(yes);
}

function nestedCapability(x: Trial, s: DawrState, hv: Tri): void {
  const { host, parameters } = s;
  // 2.6: an L1 answers 1 too; on bare metal a radix host and the module parameter are needed, which no recorder shows.
  const possible = and(hv, tri(host.arch300));
  const nested: Tri = host.isPseries === true && !parameters.newer ? true : "unknown";
  if (parameters.newer) x.by(K612_2);
  answer(x, and(possible, nested), [CAP_13], () => undefined);
}

function ailCapability(x: Trial, s: DawrState, on: Holder, hv: Tri): void {
  const { host, parameters } = s;
  if (parameters.profile !== "linux-6.1") {
    x.returns(0, CAP_8);
    return;
  }
  const bare = and(tri(host.arch207s), not(tri(host.p9PrefetchBug)));
  const own = tri(host.ownAil3);
  const capable: Tri = host.isPseries === true ? own : host.isPseries === false ? bare : "unknown";
  answer(x, and(hv, capable), [CAP_8], (yes) => {
    if (yes) learnServed(s, on, true);
    if (host.isPseries === true && (yes || hv === true)) learnHost(s, "ownAil3", yes);
    if (host.isPseries === false && hv === true && host.arch207s === true) learnHost(s, "p9PrefetchBug", !yes);
  });
}

/** kvmhv_enable_dawr1 answers 0 or -ENODEV by the CPU alone. */
function hookAgrees(x: Trial, s: DawrState, call: CapabilityCall | EnableCapCall): void {
  const { hook, hookEvent } = call;
  if (hook === undefined) return;
  const { dawr1 } = s.host;
  if (hook !== 0 && hook !== -19) {
    x.differsAt(hookEvent, "kvmhv_enable_dawr1 returns 0 or -19", String(hook), CAP_3);
    return;
  }
  if (!isKnown(dawr1)) learnHost(s, "dawr1", hook === 0);
  else if (dawr1 !== (hook === 0)) {
    x.differsAt(hookEvent, `kvmhv_enable_dawr1 returns ${dawr1 ? 0 : -19}`, String(hook), CAP_2, CAP_3);
  }
}

/** KVM_ENABLE_CAP (CAP-3 to CAP-7, CAP-12, CAP-13). */
export function enableCap(x: Trial, s: DawrState, call: EnableCapCall): void {
  if (call.phase === "begin") {
    const vm = vmOf(s, call.on);
    if (vm !== undefined) s.journal.set(vm, "enabling", vm.enabling + 1);
    return;
  }
  const target = vmOf(s, call.on);
  if (target !== undefined && target.enabling > 0) s.journal.set(target, "enabling", target.enabling - 1);
  const foreign: Tri = call.owner === true ? false : "unknown";
  switch (call.on.kind) {
    case "kvm":
      x.fails("EINVAL", CAP_5);
      return;
    case "unknown":
      x.cannotCheck("it is not known what the descriptor stands for");
      return;
    case "vm":
      if (x.refuse(foreign, "EIO", CAP_3) || unreadable(x, call)) return;
      enableOnVm(x, s, s.vm(call.on.vm), call);
      return;
    case "vcpu":
      if (x.refuse(foreign, "EIO", CAP_5) || unreadable(x, call)) return;
      enableOnVcpu(x, s, s.vcpu(call.on.vcpu), call);
  }
}

function unreadable(x: Trial, call: EnableCapCall): boolean {
  const bad: Tri = call.pointer === "bad" ? true : call.pointer === "good" ? false : "unknown";
  return x.refuse(bad, "EFAULT", CAP_3);
}

function vmOf(s: DawrState, on: Holder): Vm | undefined {
  return on.kind === "vm" ? s.vm(on.vm) : on.kind === "vcpu" ? s.vcpu(on.vcpu).vm : undefined;
}

function enableOnVm(x: Trial, s: DawrState, vm: Vm, call: EnableCapCall): void {
  const { request } = call;
  const { parameters, journal } = s;
  if (call.address !== undefined) nameVm(s, vm, call.address);
  if (request === undefined) {
    x.cannotCheck("the capability was not recorded");
    if (x.observedSuccess !== false) {
      if (vm.dawr1Enabled === false && parameters.optIn) journal.set(vm, "dawr1Enabled", unknown);
      for (const field of ["setMode", "setDabr", "setXdabr", "nestedEnable"] as const) journal.set(vm, field, unknown);
    }
    return;
  }
  if (x.refuse(request.flags !== 0, "EINVAL", CAP_3)) return;
  const { cap } = request;
  if (cap === parameters.dawr1Cap && parameters.optIn) {
    enableDawr1(x, s, vm, call);
  } else if (DAWR1_NUMBERS.has(cap)) x.fails("EINVAL", CAP_1, CAP_3);
  else if (cap === CAP_ENABLE_HCALL) enableHcall(x, s, vm, call);
  else if (cap === CAP_PAPR) x.fails("EINVAL", CAP_12);
  else if (cap >= UNKNOWN_CAPABILITY) x.fails("EINVAL", CAP_13);
  else if (cap === CAP_NESTED_HV) {
    x.cannotCheck("what KVM_CAP_PPC_NESTED_HV needs is not recorded");
    const [on] = request.args;
    if (x.observedSuccess === true)
      journal.set(vm, "nestedEnable", on === undefined ? unknown : on.lo !== 0 || on.hi !== 0);
  } else x.cannotCheck("the capability is none of the rules'");
}

function enableDawr1(x: Trial, s: DawrState, vm: Vm, call: EnableCapCall): void {
  const { host, journal } = s;
  const isHv: Tri = isKnown(vm.kind) ? vm.kind === "HV" : "unknown";
  hookAgrees(x, s, call);
  const learnKind = (refused: boolean): void => journal.set(vm, "kind", refused ? "PR" : "HV");
  if (refuses(x, not(isHv), "EINVAL", [CAP_3], learnKind)) return;
  if (refuses(x, not(tri(host.dawr1)), "ENODEV", [CAP_3, CAP_7], (refused) => learnHost(s, "dawr1", !refused))) return;
  x.returns(0, CAP_3, CAP_4);
  journal.set(vm, "dawr1Enabled", true);
}

function enableHcall(x: Trial, s: DawrState, vm: Vm, call: EnableCapCall): void {
  const { parameters, journal } = s;
  const [hcall, enable] = call.request?.args ?? [];
  if (hcall === undefined || enable === undefined) {
    x.cannotCheck("the arguments of the capability were not recorded");
    return;
  }
  const known = hcall.hi === 0 && hcall.lo <= parameters.maxOpcode && (hcall.lo & 3) === 0;
  if (x.refuse(!known, "EINVAL", CAP_6)) return;
  if (x.refuse(enable.hi !== 0 || enable.lo > 1, "EINVAL", CAP_6)) return;
  const byHv = hvHcalls.has(hcall.lo);
  const isHv: Tri = isKnown(vm.kind) ? vm.kind === "HV" : "unknown";
  const field = gateField(hcall.lo);
  // What KVM-HV does not know, KVM-PR does not know either.
  const byPr: Tri = field === undefined ? (byHv ? "unknown" : false) : field === "setMode" && parameters.prSetMode;
  const implemented = or(and(isHv, byHv), and(not(isHv), byPr));
  if (field === undefined && isHv !== true && byHv) {
    x.cannotCheck("which hcalls KVM-PR implements is not in the rules");
    return;
  }
  if (optional(hcall.lo) && isHv === true) {
    x.cannotCheck("whether the hcall is implemented depends on options of the build");
    return;
  }
  if (refuses(x, not(implemented), "EINVAL", [CAP_6], () => undefined)) return;
  x.returns(0, CAP_6);
  if (field !== undefined) journal.set(vm, field, enable.lo === 1);
}

/** Hcalls that need the TCE or XICS option (CAP-6). */
function optional(hcall: number): boolean {
  return [0x1c, 0x20, 0x138, 0x13c, 0x64, 0x68, 0x6c, 0x70, 0x74, 0x2fc].includes(hcall);
}

function enableOnVcpu(x: Trial, s: DawrState, vcpu: Vcpu, call: EnableCapCall): void {
  const { request } = call;
  if (request === undefined) {
    x.cannotCheck("the capability was not recorded");
    if (x.observedSuccess !== false && vcpu.papr === false) s.journal.set(vcpu, "papr", unknown);
    return;
  }
  if (x.refuse(request.flags !== 0, "EINVAL", CAP_5)) return;
  const { cap } = request;
  if (cap === CAP_PAPR) {
    x.returns(0, CAP_12);
    s.journal.set(vcpu, "papr", true);
  } else if (DAWR1_NUMBERS.has(cap)) x.fails("EINVAL", CAP_5);
  else if (cap >= UNKNOWN_CAPABILITY) x.fails("EINVAL", CAP_13);
  else x.cannotCheck("the capability is none of the rules'");
}

/** The VM by its address in the kernel: an address that comes again is that of another VM. */
function nameVm(s: DawrState, vm: Vm, address: string): void {
  if (vm.address !== undefined) return;
  const count = (s.addresses.get(address) ?? 0) + 1;
  s.addresses.set(address, count);
  s.journal.set(vm, "address", count === 1 ? address : `${address}#${count}`);
}
