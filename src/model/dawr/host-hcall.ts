import { wordOf } from "../../event/word.js";
import type { HostHcall, PrHcall } from "../../operation/dawr/call.js";
import { failureOf, leftToUser } from "../../operation/dawr/hcall-lines.js";
import {
  H_ENTER_NESTED,
  H_RTAS,
  H_SET_DABR,
  H_SET_MODE,
  H_SET_PARTITION_TABLE,
  H_SET_XDABR,
  hcallName,
} from "../../operation/dawr/numbers.js";
import { isKnown, not, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { CAP_12 } from "./capability-rules.js";
import { forgetHcalls, learnKind, refuses } from "./compat.js";
import { DABR_1, DABR_7, setDabr } from "./dabr.js";
import { isLinux, levelOf, linuxDabr, linuxSetMode } from "./guest-order.js";
import { INV_8, INV_10 } from "./invariants.js";
import { enterNested, setPartitionTable } from "./nested-lines.js";
import { rule } from "./profile.js";
import { PUNT, setMode } from "./set-mode.js";
import { cpuOf, type DawrState, plain, tri, type Vcpu, type Vm } from "./state.js";
import { equals } from "./words.js";

export const HSM_1 = rule(
  "HSM-1",
  "In-kernel gate",
  "A number up to MAX_HCALL_OPCODE whose hcall is not enabled in the VM is left to user space before anything is looked at. H_SET_MODE is off by default in HV VMs. Larger numbers bypass the gate.",
  "kvm/book3s_hv.c kvmppc_pseries_do_hcall, default_hcall_list",
);
export const HSM_10 = rule(
  "HSM-10",
  "Punt and completion",
  "KVM_RUN returns 0 with exit reason 19 and the registers unchanged; the next KVM_RUN puts the answer into GPR3 and the arguments into GPR4 to GPR12.",
  "kvm/powerpc.c kvm_arch_vcpu_ioctl_run",
);
export const HSM_12 = rule(
  "HSM-12",
  "KVM-PR",
  "linux-6.1: with H_SET_MODE enabled (the default) resource 3 is answered in the kernel, mflags 0 with H_SUCCESS, else -319, values ignored; everything else goes to user space. The older profiles leave all of it to user space. PR prints no kvm_hcall lines.",
  "kvm/book3s_pr_papr.c kvmppc_h_pr_set_mode",
);
export const HSM_16 = rule(
  "HSM-16",
  "Host tracepoints",
  "One kvm_hcall_enter before any check, one kvm_hcall_exit: RESUME_GUEST with GPR3 for an answer of the kernel, RESUME_HOST with H_TOO_HARD for a punt.",
  "kvm/trace_hv.h",
);
export const ND_8 = rule(
  "ND-8",
  "Pairs of lines",
  "Only at the edges of a recording, or where events were lost, may one of the two lines of an hcall be missing.",
  "kvm/trace_hv.h",
);
export const DABR_10 = rule(
  "DABR-10",
  "DABR calls under KVM-PR",
  "Neither H_SET_DABR nor H_SET_XDABR is implemented: always an exit to user space.",
  "kvm/book3s_pr_papr.c",
);

/** Hcalls that KVM-HV implements, up to MAX_HCALL_OPCODE (CAP-6). */
export const hvHcalls: ReadonlySet<number> = new Set([
  0x4, 0x8, 0xc, 0x10, 0x14, 0x18, 0x1c, 0x20, 0x28, 0x2c, 0x3c, 0x40, 0x64, 0x68, 0x6c, 0x70, 0x74, 0xdc, 0xe0, 0xe4,
  0xe8, 0x124, 0x134, 0x138, 0x13c, 0x2fc, 0x300, 0x31c, 0x448,
]);

/** An hcall as KVM-HV traces it. */
export function hostHcall(x: Trial, s: DawrState, call: HostHcall): void {
  const vcpu = s.vcpu(call.vcpu);
  betweenRuns(s, vcpu, call.inRun, call.afterExit);
  if (paired(x, call)) return;
  if (call.afterPunt) {
    x.differs("KVM_RUN returns after an hcall that is left to user space", "another hcall of the same KVM_RUN", INV_10);
    return;
  }
  if (call.number === undefined && call.pairing !== "both") {
    x.cannotCheck("the entry of the hcall was not recorded");
    forget(s, vcpu);
    return;
  }
  if (vcpu.vm.kind === "PR") {
    x.differs("no kvm_hcall line of a VM of KVM-PR", "an hcall line", HSM_12);
    return;
  }
  learnKind(s, vcpu.vm, "HV");
  if (consistent(x, call)) return;
  dispatch(x, s, vcpu, call);
  if (!x.failed && isLinux(s)) ofLinux(x, s, vcpu, call);
  const { result } = x.operation;
  const punted = result.kind === "error" && result.errno === PUNT && failureOf(call.ret) === undefined;
  s.journal.set(vcpu, "punted", punted ? waiting(call) : undefined);
}

/** GPR3 to GPR7 of an hcall that waits for user space. */
function waiting({ number, args }: HostHcall | PrHcall): Vcpu["punted"] {
  const exact = number !== undefined && Number.isSafeInteger(number);
  return [exact ? wordOf(Math.floor(number / 0x1_0000_0000), number >>> 0) : undefined, ...args];
}

/**
 * FMT-3: where no call was recorded, a punt or another exit is the last that is seen of what user space does then: it may
 * set registers, enable hcalls, or go on with another VM.
 */
function betweenRuns(s: DawrState, vcpu: Vcpu, inRun: boolean, afterExit: boolean): void {
  if (inRun || (vcpu.punted === undefined && !afterExit)) return;
  const { vm } = vcpu;
  forget(s, vcpu);
  s.journal.set(vcpu, "archCompat", unknown);
  s.journal.set(vcpu, "compatSet", unknown);
  forgetHcalls(s, vm);
  for (const field of ["dawr1Enabled", "nestedEnable", "l1Ptcr"] as const) s.journal.set(vm, field, unknown);
}

/** ND-8. True if the operation is done with. Where one of the two tracepoints was off, no line has its other half. */
function paired(x: Trial, call: HostHcall): boolean {
  if (call.pairing === "no-exit" && x.observability.sees("kvm_hcall_exit")) {
    x.differs("a kvm_hcall_exit after the kvm_hcall_enter", "the next kvm_hcall_enter of the task", ND_8, HSM_16);
    return true;
  }
  if (call.pairing === "no-entry" && x.observability.sees("kvm_hcall_enter")) {
    x.differs("a kvm_hcall_enter before the kvm_hcall_exit", "an exit alone", ND_8, HSM_16);
    return true;
  }
  return false;
}

const ANSWERED = "RESUME_GUEST";
const LEFT = "RESUME_HOST";

/** HSM-16: what `ret` and `hcall_rc` may say together. True if they contradict each other. */
function consistent(x: Trial, call: HostHcall): boolean {
  const { ret } = call;
  const { result } = x.operation;
  if (ret === undefined || result.kind === "unknown") return false;
  const code = result.kind === "error" ? result.errno : String(result.value);
  const tooHard = code === PUNT;
  if (leftToUser(ret) !== tooHard) {
    const rules = tooHard ? [HSM_16, INV_8] : [HSM_16];
    x.differs(
      tooHard ? `${LEFT} with H_TOO_HARD` : `${ANSWERED} with ${code}`,
      `ret=${ret} hcall_rc=${code}`,
      ...rules,
    );
    return true;
  }
  if (code === "H_INTERRUPT") {
    x.differs("no internal code in GPR3", code, INV_8);
    return true;
  }
  // INV-10: the handler may fail, as it does for a signal in a nested run.
  const failure = failureOf(ret);
  if (failure !== undefined && mayFail(call.number, failure)) return false;
  if (!tooHard && ret !== ANSWERED) {
    x.differs(`ret=${ANSWERED}`, `ret=${ret}`, HSM_16);
    return true;
  }
  if (tooHard && ret !== LEFT) {
    x.differs(`ret=${LEFT}`, `ret=${ret}`, HSM_16);
    return true;
  }
  return false;
}

/** Whether the handler of an hcall may fail: those that the rules speak of never do, but for a signal in a nested run. */
function mayFail(number: number | undefined, failure: string): boolean {
  if (number === undefined) return true;
  if (number === H_ENTER_NESTED) return failure === "EINTR";
  if (gateField(number) !== undefined || number === H_SET_PARTITION_TABLE) return false;
  return hvHcalls.has(number) || served(number);
}

function dispatch(x: Trial, s: DawrState, vcpu: Vcpu, call: HostHcall): void {
  const { number, args } = call;
  if (number === undefined) {
    x.agrees(HSM_16);
    return;
  }
  if (number <= s.parameters.maxOpcode) {
    const gate = number - (number % 4);
    if (!hvHcalls.has(gate)) {
      x.fails(PUNT, HSM_1);
      return;
    }
    if (gated(x, s, vcpu.vm, gate, call.raced)) return;
    if (number !== gate) {
      x.fails(PUNT, gate === H_SET_DABR || gate === H_SET_XDABR ? DABR_7 : HSM_1);
      return;
    }
  }
  switch (number) {
    case H_SET_MODE:
      setMode(x, s, vcpu, call);
      break;
    case H_SET_DABR:
      x.by(DABR_1);
      setDabr(x, s, vcpu, args[0], undefined);
      break;
    case H_SET_XDABR:
      x.by(DABR_1);
      setDabr(x, s, vcpu, args[0], args[1] ?? wordOf(0, 3));
      break;
    case H_ENTER_NESTED:
      enterNested(x, s, vcpu, call);
      break;
    case H_SET_PARTITION_TABLE:
      setPartitionTable(x, s, vcpu, args[0]);
      break;
    default:
      if (number > s.parameters.maxOpcode && !served(number)) x.fails(PUNT, HSM_1);
      else x.agrees(HSM_16, INV_8);
  }
}

/** What a Linux guest asks, and in which order (4.7); it does not look at the answer of most (GUEST-11). */
function ofLinux(x: Trial, s: DawrState, vcpu: Vcpu, call: HostHcall): void {
  const { number, args } = call;
  if (number !== H_SET_MODE && number !== H_SET_DABR && number !== H_SET_XDABR) return;
  const place = {
    vm: vcpu.vm.ref.id,
    kernel: s.kernel(vcpu.vm.ref.id),
    cpu: s.cpu(cpuOf(vcpu.ref)),
    event: undefined,
    arch207s: levelOf(plain(vcpu.archCompat), tri(s.host.arch207s)),
  };
  if (number === H_SET_MODE) linuxSetMode(x, s, place, args);
  else linuxDabr(x, s, place, number === H_SET_XDABR, args);
}

/** Numbers above MAX_HCALL_OPCODE that the kernel may serve: RTAS, nested and secure guests. */
function served(number: number): boolean {
  return number === H_RTAS || (number >= 0xef00 && number < 0xf000) || (number >= 0xf800 && number <= 0xf80c);
}

/** Whether the gate keeps the hcall from the kernel (HSM-1, CAP-6). */
function gated(x: Trial, s: DawrState, vm: Vm, gate: number, raced: boolean): boolean {
  const field = gateField(gate);
  if (field === undefined) return false;
  const changing = raced || vm.enabling > 0;
  const enabled: Tri = changing ? "unknown" : tri(vm[field]);
  return refuses(x, not(enabled), PUNT, [HSM_1], (refused) => {
    if (!changing && !isKnown(vm[field])) s.journal.set(vm, field, !refused);
  });
}

/** The field of a VM that says whether an hcall is enabled. */
export function gateField(gate: number): "setMode" | "setDabr" | "setXdabr" | undefined {
  switch (gate) {
    case H_SET_MODE:
      return "setMode";
    case H_SET_DABR:
      return "setDabr";
    case H_SET_XDABR:
      return "setXdabr";
    default:
      return undefined;
  }
}

/** Nothing is known of what a call did that was not recorded whole. */
function forget(s: DawrState, vcpu: Vcpu): void {
  s.journal.set(vcpu, "punted", undefined);
  for (const name of ["ciabr", "dawr0", "dawrx0", "dawr1", "dawrx1", "dabr", "dabrx"] as const) blur(s, vcpu, name);
}

type AnyRegister = "ciabr" | "dawr0" | "dawrx0" | "dawr1" | "dawrx1" | "dabr" | "dabrx";

/** The value of a register is no longer known. */
export function blur(s: DawrState, vcpu: Vcpu, name: AnyRegister): void {
  s.journal.set(vcpu, name, unknown);
}

/** Who answers an hcall under KVM-PR: 0 the kernel, 2 user space. */
const KERNEL = 0;
const USER = 2;

/** An hcall as kvmppc_h_pr sees it (HSM-12). */
export function prHcall(x: Trial, s: DawrState, call: PrHcall): void {
  const vcpu = s.vcpu(call.vcpu);
  const { vm } = vcpu;
  betweenRuns(s, vcpu, call.inRun, false);
  const { result } = x.operation;
  const punted = result.kind === "value" && result.value === USER;
  s.journal.set(vcpu, "punted", punted ? waiting(call) : undefined);
  if (vcpu.papr === false) {
    x.differs("no hcall of a vCPU that is not in PAPR mode", "an hcall", CAP_12, HSM_12);
    return;
  }
  if (vm.kind === "HV") {
    x.differs("no call of KVM-PR in a VM of KVM-HV", hcallName(call.number ?? 0), HSM_12);
    return;
  }
  learnKind(s, vm, "PR");
  const { number, args } = call;
  if (number === undefined) {
    x.cannotCheck("the number of the hcall was not recorded");
    return;
  }
  if (number === H_SET_DABR || number === H_SET_XDABR) {
    x.returns(USER, DABR_10);
    return;
  }
  const papr = number - (number % 4) === H_SET_MODE;
  if (!papr) {
    if (number >= H_SET_PARTITION_TABLE) x.returns(USER, HSM_12);
    else x.cannotCheck("the hcall is none of the rules'");
    return;
  }
  const resource = args[1];
  if (!s.parameters.prSetMode || number !== H_SET_MODE) {
    x.returns(USER, HSM_12);
    return;
  }
  if (resource === undefined) {
    x.cannotCheck("the arguments of the hcall were not recorded");
    return;
  }
  if (!equals(resource, 3)) {
    x.returns(USER, HSM_12);
    return;
  }
  const enabled = tri(vm.setMode);
  const changing = call.raced || vm.enabling > 0;
  if (enabled === "unknown" || changing) {
    if (result.kind === "value" && result.value === USER) x.returns(USER, HSM_12);
    else x.returns(KERNEL, HSM_12);
    if (!changing && result.kind === "value") s.journal.set(vm, "setMode", result.value === KERNEL);
    return;
  }
  x.returns(enabled ? KERNEL : USER, HSM_12);
}
