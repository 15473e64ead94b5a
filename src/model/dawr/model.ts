import { type DawrCall, isDawrCall } from "../../operation/dawr/call.js";
import type { Operation } from "../../operation/operation.js";
import { unknown } from "../core/known.js";
import type { Model } from "../core/model.js";
import type { Trial } from "../core/trial.js";
import { checkExtension } from "./capability.js";
import { CAP_10, FMT_2 } from "./capability-rules.js";
import { cloneState, fingerprint, joinField } from "./clone.js";
import { forgetHcalls, isClosed } from "./compat.js";
import { createVm } from "./create-vm.js";
import { enableCap } from "./enable-cap.js";
import { guestHcall } from "./guest.js";
import { forgetCpu, forgetOrder } from "./guest-order.js";
import { blur, hostHcall, prHcall } from "./host-hcall.js";
import { initialState } from "./initial.js";
import { brokenInvariants } from "./invariants.js";
import { unknownLpcr } from "./lpcr.js";
import { joinsCore, oneReg } from "./one-reg.js";
import { describeState, renderState } from "./render.js";
import { dawrRules } from "./rules.js";
import { registers, run, runBegins } from "./run.js";
import type { DawrState } from "./state.js";

/** The reference model of the powerpc system: H_SET_MODE, the second DAWR and what surrounds it (ppc-dawr). */
export const dawrModel: Model<DawrState> = {
  system: "dawr",
  rules: dawrRules,
  probes: ["kvm_hcall_enter", "kvm_hcall_exit", "vm_enable_cap", "vcpu_enable_cap", "vcpu_one_reg", "one_reg_get"],
  initial: initialState,
  models: ({ call }) => isDawrCall(call) && modelled(call),
  step,
  broken: brokenInvariants,
  render: renderState,
  describe: describeState,
  join: joinField,
  fingerprint,
  clone: cloneState,
};

/** Calls with a result that the spec speaks of; the others only tell who is who. */
function modelled(call: DawrCall): boolean {
  switch (call.kind) {
    case "kvm-create-vcpu":
    case "kvm-run-begin":
    case "kvm-close":
    case "kvm-lost":
      return false;
    case "kvm-registers":
      return call.direction === "get";
    case "kvm-enable-cap":
      return call.phase === "whole";
    default:
      return true;
  }
}

function step(s: DawrState, operation: Operation, x: Trial): void {
  const { call } = operation;
  if (!isDawrCall(call)) return;
  if ("contradiction" in call && call.contradiction !== undefined && call.contradiction.kind !== "unknown") {
    x.cannotCheck("strace and trace show different results of the call");
    x.by(FMT_2);
  }
  if (call.kind !== "kvm-enable-cap" && isClosed(x)) return;
  perform(x, s, call);
}

function perform(x: Trial, s: DawrState, call: DawrCall): void {
  switch (call.kind) {
    case "kvm-create-vm":
      createVm(x, s, call);
      break;
    case "kvm-create-vcpu": {
      const vcpu = s.vcpu(call.vcpu);
      vcpu.fresh();
      joinsCore(s, vcpu);
      break;
    }
    case "kvm-check-extension":
      checkExtension(x, s, call);
      break;
    case "kvm-enable-cap":
      enableCap(x, s, call);
      break;
    case "kvm-one-reg":
      oneReg(x, s, call);
      break;
    case "kvm-registers":
      registers(x, s, call);
      break;
    case "kvm-run-begin":
      runBegins(x, s, call);
      break;
    case "kvm-run":
      run(x, s, call);
      break;
    case "hcall-host":
      hostHcall(x, s, call);
      break;
    case "hcall-pr":
      prHcall(x, s, call);
      break;
    case "hcall-guest":
      guestHcall(x, s, call);
      break;
    case "kvm-close":
      if (call.on.kind === "vm") s.journal.set(s.vm(call.on.vm), "live", false);
      break;
    case "kvm-lost":
      lost(s, call.cpu);
      break;
    case "kvm-foreign-request":
      x.differs("requests as powerpc encodes them", `${call.meant} as another architecture does`, CAP_10);
      break;
  }
}

/** What happened while events were lost is not known; what can't be taken back stays. */
function lost(s: DawrState, cpu: number): void {
  const { journal } = s;
  for (const vm of s.vms.values()) {
    // The end of a call that was on its way may be among what was lost.
    journal.set(vm, "enabling", 0);
    if (vm.dawr1Enabled === false) journal.set(vm, "dawr1Enabled", unknown);
    forgetHcalls(s, vm);
    for (const field of ["nestedEnable", "l1Ptcr"] as const) journal.set(vm, field, unknown);
  }
  for (const vcpu of s.vcpus.values()) {
    for (const name of ["ciabr", "dawr0", "dawrx0", "dawr1", "dawrx1", "dabr", "dabrx"] as const) blur(s, vcpu, name);
    journal.set(vcpu, "lpcr", unknownLpcr);
    journal.set(vcpu, "archCompat", unknown);
    journal.set(vcpu, "compatSet", unknown);
    journal.set(vcpu, "punted", undefined);
    if (vcpu.papr === false) journal.set(vcpu, "papr", unknown);
  }
  for (const guest of s.cpus.values()) if (cpu < 0 || guest.cpu < 0 || guest.cpu === cpu) forgetCpu(s, guest);
  forgetOrder(s);
  journal.set(s.host, "prAil", unknown);
  journal.set(s.host, "disabledInCreate", -1);
}
