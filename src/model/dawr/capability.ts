import type { CapabilityCall, EnableCapCall, Holder } from "../../operation/dawr/call.js";
import { and, isKnown, not, type Tri } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import {
  CAP_1,
  CAP_2,
  CAP_3,
  CAP_8,
  CAP_13,
  CAP_AIL_MODE_3,
  CAP_CHECK_EXTENSION_VM,
  CAP_ENABLE_CAP_VM,
  CAP_ENABLE_HCALL,
  CAP_NESTED_HV,
  CAP_PAPR,
  DAWR1_NUMBERS,
  FMT_2,
  UNKNOWN_CAPABILITY,
} from "./capability-rules.js";
import { K612_2, learnHost, learnKind } from "./compat.js";
import { INV_12 } from "./invariants.js";
import { type DawrState, tri } from "./state.js";

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
    learnKind(s, vm, hv ? "HV" : "PR");
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
  if (result.kind === "error" && result.errno === "EIO" && on.kind !== "kvm" && call.owner !== true) {
    x.cannotCheck("a request of another process than the VM's fails, whatever it is");
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
    if (inconstant(x, s, on)) return;
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

/** INV-12: another answer than the descriptor of this VM gave before. */
function inconstant(x: Trial, s: DawrState, on: Holder): boolean {
  const { result } = x.operation;
  if (on.kind !== "vm" || result.kind !== "value" || result.value > 1) return false;
  const vm = s.vm(on.vm);
  const yes = result.value === 1;
  if (vm.answered === !yes) {
    x.differs(yes ? "0" : "1", yes ? "1" : "0", INV_12, CAP_2);
    return true;
  }
  s.journal.set(vm, "answered", yes);
  return false;
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
export function hookAgrees(x: Trial, s: DawrState, call: CapabilityCall | EnableCapCall): void {
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
