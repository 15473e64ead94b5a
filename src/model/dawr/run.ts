import { addressText } from "../../event/address-text.js";
import { errnoNumber } from "../../event/errno.js";
import { sameWord } from "../../event/word.js";
import type { RegistersCall, RunBeginCall, RunCall } from "../../operation/dawr/call.js";
import { and, isKnown, not, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { CAP_12 } from "./capability-rules.js";
import { learnKind, refuses } from "./compat.js";
import { blur, HSM_10, HSM_12 } from "./host-hcall.js";
import { INV_10, INV_11 } from "./invariants.js";
import { HSM_14, ND_12 } from "./notes.js";
import { rule } from "./profile.js";
import { type DawrState, tri, type Vcpu } from "./state.js";

export const HSM_19 = rule(
  "HSM-19",
  "Userspace exit line",
  "kvm_userspace_exit prints reason KVM_EXIT_PAPR_HCALL (19) for a punt, restart (4) where KVM_RUN fails with EINTR, error with the errno for other failures.",
  "include/trace/events/kvm.h",
);
export const ND_10 = rule(
  "ND-10",
  "Signals",
  "KVM_RUN may fail with EINTR before an hcall is looked at; there is no half-executed hcall.",
  "kvm/powerpc.c",
);

const EXIT_HCALL = 19;
const EXIT_MMIO = 6;

/** The guest goes on: what cannot be seen of it from here on is not known any more. */
export function runBegins(x: Trial, s: DawrState, call: RunBeginCall): void {
  const vcpu = s.vcpu(call.vcpu);
  const { host, journal, parameters } = s;
  journal.set(vcpu, "punted", undefined);
  if (vcpu.vm.kind === "PR") return;
  if (!call.traced || !hvLines.every((line) => x.observability.sees(line))) {
    for (const name of ["ciabr", "dawr0", "dawrx0", "dawr1", "dawrx1", "dabr", "dabrx"] as const) blur(s, vcpu, name);
    return;
  }
  // DABR-1: served in real mode these leave no line.
  const traced = host.arch300 === true && parameters.profile === "linux-6.1";
  const possible = vcpu.vm.setDabr !== false || vcpu.vm.setXdabr !== false;
  if (!traced && possible && vcpu.papr !== false) {
    for (const name of ["dawr0", "dawrx0", "dabr", "dabrx"] as const) blur(s, vcpu, name);
  }
  // K612-2 (c): the L0 keeps 32 bits.
  if (host.nestedPapr !== false) for (const name of ["dawrx0", "dawrx1"] as const) narrow(s, vcpu, name);
}

function narrow(s: DawrState, vcpu: Vcpu, name: "dawrx0" | "dawrx1"): void {
  const value = vcpu[name];
  if (isKnown(value) && value.hi !== 0) s.journal.set(vcpu, name, unknown);
}

/** KVM_RUN returned (CAP-12, HSM-10, HSM-19, INV-10). */
export function run(x: Trial, s: DawrState, call: RunCall): void {
  const vcpu = s.vcpu(call.vcpu);
  const { result } = x.operation;
  if (call.gap) {
    x.cannotCheck("events were lost while the vCPU ran");
    return;
  }
  if (result.kind === "unknown") {
    x.cannotCheck(`result unknown: ${result.reason}`);
    return;
  }
  const { kind } = vcpu.vm;
  const isHv: Tri = isKnown(kind) ? kind === "HV" : "unknown";
  const idle = call.last === undefined;
  const withoutPapr = and(isHv, not(tri(vcpu.papr)));
  if (idle) {
    const learn = (refused: boolean): void => {
      if (isHv === true || refused) s.journal.set(vcpu, "papr", !refused);
      if (refused || vcpu.papr === false) learnKind(s, vcpu.vm, refused ? "HV" : "PR");
    };
    if (refuses(x, withoutPapr, "EINVAL", [CAP_12], learn)) {
      exitLine(x, call);
      return;
    }
  } else if (withoutPapr === true) {
    x.differs("no hcall of a vCPU that is not in PAPR mode", "an hcall", CAP_12);
    return;
  } else if (isHv === true) s.journal.set(vcpu, "papr", true);
  ended(x, call);
  if (!x.failed) exitLine(x, call);
  if (!x.failed) exitReason(x, s, call);
}

/** The result after what the last hcall line said. */
function ended(x: Trial, call: RunCall): void {
  const { result } = x.operation;
  switch (call.last) {
    case "punt":
      x.returns(0, INV_10, HSM_10);
      return;
    case "failed":
      x.fails(call.failure ?? "EINTR", INV_10);
      return;
    case "answer":
    case undefined:
      if (result.kind === "error" && result.errno !== "EINTR" && result.errno !== "EINVAL") {
        x.cannotCheck(`KVM_RUN failed for a reason outside the rules: ${result.errno}`);
        return;
      }
      if (result.kind === "error" && result.errno === "EINTR") x.fails("EINTR", ND_10);
      else x.returns(0, CAP_12);
  }
}

/** Failures of a KVM_RUN that had its vCPU: a signal, and PAPR mode (CAP-12). */
const ranOrRefused: ReadonlySet<string> = new Set(["EINTR", "EINVAL"]);

/** HSM-19: the line and the result are of one exit. */
function exitLine(x: Trial, call: RunCall): void {
  const { result } = x.operation;
  const [exit, second] = call.exits;
  if (exit === undefined) {
    // A descriptor or a process that is refused never gets as far as the line.
    const refused = result.kind === "error" && call.last === undefined && !ranOrRefused.has(result.errno);
    if (!refused && call.traced && x.certain("kvm_userspace_exit"))
      x.differs("a kvm_userspace_exit line", "none", HSM_19);
    return;
  }
  if (second !== undefined) {
    x.differs("one kvm_userspace_exit line", `${call.exits.length}`, HSM_19);
    return;
  }
  const seen = `reason ${exit.reason} (${exit.number})`;
  if (result.kind === "error") {
    const errno = errnoNumber(result.errno);
    const word = result.errno === "EINTR" ? "restart" : "error";
    if (errno !== undefined && (exit.number !== errno || exit.reason !== word)) {
      x.differs(`reason ${word} (${errno})`, seen, HSM_19);
    } else x.by(HSM_19);
  } else if (result.kind === "value" && (exit.reason === "restart" || exit.reason === "error")) {
    x.differs("the reason of an exit, KVM_RUN having returned 0", seen, HSM_19);
  } else x.by(HSM_19);
}

/** The lines of an hcall, both of which tell that it was left to user space. */
const hvLines = ["kvm_hcall_enter", "kvm_hcall_exit"] as const;
const prLines = ["p_kvmppc_h_pr", "r_kvmppc_h_pr"] as const;

/** INV-10, HSM-12: exit reason 19 belongs to a punt, and to nothing else. */
function exitReason(x: Trial, s: DawrState, call: RunCall): void {
  const [exit] = call.exits;
  if (exit === undefined || x.operation.result.kind !== "value") return;
  const isHcall = exit.number === EXIT_HCALL;
  const seen = `reason ${exit.reason} (${exit.number})`;
  if (call.last === "punt") {
    if (!isHcall && !(call.nested && exit.number === EXIT_MMIO)) {
      x.differs(`reason KVM_EXIT_PAPR_HCALL (${EXIT_HCALL})`, seen, INV_10, HSM_19);
    } else if (isHcall && exit.reason !== "KVM_EXIT_PAPR_HCALL") {
      x.differs("reason KVM_EXIT_PAPR_HCALL (19)", seen, HSM_19);
    }
    return;
  }
  if (!isHcall) return;
  const { kind } = s.vcpu(call.vcpu).vm;
  const both = kind === "PR" ? prLines : kind === "HV" ? hvLines : undefined;
  if (!call.traced || both === undefined || !both.every((line) => x.certain(line))) return;
  if (s.parameters.oldRadix && kind === "HV" && s.host.arch300 !== false && s.vcpu(call.vcpu).vm.radix !== false) {
    x.by(HSM_14, ND_12);
    return;
  }
  x.differs("no exit with reason 19 without an hcall left to user space", seen, INV_10, HSM_12);
}

/** KVM_GET_REGS shows the call that waits for its answer (INV-11, HSM-10). */
export function registers(x: Trial, s: DawrState, call: RegistersCall): void {
  if (call.vcpu === undefined) return;
  const vcpu = s.vcpu(call.vcpu);
  if (call.direction === "set") {
    if (x.operation.result.kind !== "error") s.journal.set(vcpu, "punted", undefined);
    return;
  }
  const { punted } = vcpu;
  if (punted === undefined || x.operation.result.kind === "error") return;
  for (const [i, expected] of punted.entries()) {
    const read = call.gprs[i];
    if (read === undefined || expected === undefined || sameWord(read, expected)) continue;
    x.differs(`GPR${3 + i} is ${addressText(expected)}`, addressText(read), INV_11, HSM_10);
    return;
  }
  x.agrees(INV_11, HSM_10);
}
