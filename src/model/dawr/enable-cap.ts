import type { EnableCapCall, Holder } from "../../operation/dawr/call.js";
import { and, isKnown, not, or, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { hookAgrees } from "./capability.js";
import {
  CAP_1,
  CAP_3,
  CAP_4,
  CAP_5,
  CAP_6,
  CAP_7,
  CAP_12,
  CAP_13,
  CAP_ENABLE_HCALL,
  CAP_NESTED_HV,
  CAP_PAPR,
  DAWR1_NUMBERS,
  UNKNOWN_CAPABILITY,
} from "./capability-rules.js";
import { forgetHcalls, isClosed, learnHost, learnKind, refuses } from "./compat.js";
import { gateField, hvHcalls } from "./host-hcall.js";
import { type DawrState, tri, type Vcpu, type Vm } from "./state.js";

/** KVM_ENABLE_CAP (CAP-3 to CAP-7, CAP-12, CAP-13). */
export function enableCap(x: Trial, s: DawrState, call: EnableCapCall): void {
  if (call.phase === "begin") {
    const vm = vmOf(s, call.on);
    if (vm !== undefined) s.journal.set(vm, "enabling", vm.enabling + 1);
    return;
  }
  const target = vmOf(s, call.on);
  if (target !== undefined && target.enabling > 0) s.journal.set(target, "enabling", target.enabling - 1);
  if (isClosed(x)) return;
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

/** The VM whose hcalls a call may change: those of vCPUs do not. */
function vmOf(s: DawrState, on: Holder): Vm | undefined {
  return on.kind === "vm" ? s.vm(on.vm) : undefined;
}

function enableOnVm(x: Trial, s: DawrState, vm: Vm, call: EnableCapCall): void {
  const { request } = call;
  const { parameters, journal } = s;
  if (call.address !== undefined) nameVm(s, vm, call.address);
  if (request === undefined) {
    x.cannotCheck("the capability was not recorded");
    if (x.observedSuccess !== false) {
      if (vm.dawr1Enabled === false && parameters.optIn) journal.set(vm, "dawr1Enabled", unknown);
      forgetHcalls(s, vm);
      journal.set(vm, "nestedEnable", unknown);
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
    const set = on === undefined ? undefined : on.lo !== 0 || on.hi !== 0;
    if (x.observedSuccess === true) journal.set(vm, "nestedEnable", set ?? unknown);
    else if (x.observedSuccess === "unknown" && vm.nestedEnable !== set) journal.set(vm, "nestedEnable", unknown);
  } else x.cannotCheck("the capability is none of the rules'");
}

function enableDawr1(x: Trial, s: DawrState, vm: Vm, call: EnableCapCall): void {
  const { host, journal } = s;
  const isHv: Tri = isKnown(vm.kind) ? vm.kind === "HV" : "unknown";
  hookAgrees(x, s, call);
  const learn = (refused: boolean): void => learnKind(s, vm, refused ? "PR" : "HV");
  if (refuses(x, not(isHv), "EINVAL", [CAP_3], learn)) return;
  if (refuses(x, not(tri(host.dawr1)), "ENODEV", [CAP_3, CAP_7], (refused) => learnHost(s, "dawr1", !refused))) return;
  x.returns(0, CAP_3, CAP_4);
  journal.set(vm, "dawr1Enabled", true);
}

function enableHcall(x: Trial, s: DawrState, vm: Vm, call: EnableCapCall): void {
  const { parameters, journal } = s;
  const [hcall, enable] = call.request?.args ?? [];
  if (hcall === undefined || enable === undefined) {
    x.cannotCheck("the arguments of the capability were not recorded");
    if (x.observedSuccess !== false) forgetHcalls(s, vm);
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
