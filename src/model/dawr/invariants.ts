import { addressText } from "../../event/address-text.js";
import type { Touched } from "../core/journal.js";
import { isKnown } from "../core/known.js";
import type { Broken } from "../core/rule.js";
import { rule, V61 } from "./profile.js";
import { type DawrState, Vcpu, Vm } from "./state.js";
import { hasHyp } from "./words.js";

export const INV_1 = rule("INV-1", "No HYP in DAWRX", "DAWRX0 and DAWRX1 of a vCPU never hold HYP.", "invariant");
export const INV_2 = rule(
  "INV-2",
  "No hypervisor PRIV in CIABR",
  "The low two bits of CIABR are never 3.",
  "invariant",
);
export const INV_3 = rule(
  "INV-3",
  "A refused call changes nothing",
  "A call that answers anything but H_SUCCESS changes no register of the vCPU but GPR3.",
  "invariant",
);
export const INV_4 = rule(
  "INV-4",
  "No second DAWR before the series",
  "pre-dawr1 has no DAWR1 and DAWRX1 and never answers resource 5.",
  "invariant",
  ["pre-dawr1"],
);
export const INV_5 = rule(
  "INV-5",
  "dawr1Enabled is monotone",
  "Once set it stays, and it is set in an HV VM of a host with the second DAWR only.",
  "invariant",
  V61,
);
export const INV_6 = rule(
  "INV-6",
  "H_FUNCTION for H_SET_MODE",
  "Only linux-6.1 answers so, for resource 5 on a host with the second DAWR in a VM that was not granted it.",
  "invariant",
);
export const INV_7 = rule(
  "INV-7",
  "Nested runs leave L1's registers",
  "After H_ENTER_NESTED L1's DAWRs and CIABR are as before.",
  "invariant",
);
export const INV_8 = rule(
  "INV-8",
  "Internal codes stay inside",
  "9999 and -69 never appear in a guest's GPR3.",
  "invariant",
);
export const INV_9 = rule(
  "INV-9",
  "Only the kernel of an L1 is traced",
  "kvm_hcall_enter means that MSR[PR] is 0 and that the caller is no L2.",
  "invariant",
);
export const INV_10 = rule(
  "INV-10",
  "An exit follows a punt",
  "RESUME_HOST: the next of the vCPU is an exit to user space with KVM_RUN returning 0; RESUME_GUEST: no exit with reason 19 belongs to this hcall; a negative value: KVM_RUN fails with it.",
  "invariant",
);
export const INV_11 = rule(
  "INV-11",
  "A punted call waits",
  "Between a punt and the next KVM_RUN GPR3 still holds the number of the hcall.",
  "invariant",
);
export const INV_12 = rule(
  "INV-12",
  "The answer about DAWR1 is constant",
  "KVM_CHECK_EXTENSION of it answers 0 or 1, always the same for a descriptor.",
  "invariant",
);
export const INV_13 = rule(
  "INV-13",
  "Bytes behind the version's size",
  "L0 never writes behind the size of the image's version.",
  "invariant",
);
export const INV_15 = rule(
  "INV-15",
  "Resources do not touch each other",
  "Resource 2 and resource 5 never touch each other's registers; H_SET_(X)DABR touches slot 0 only.",
  "invariant",
);

/** Invariants that are broken for certain, looked for in the objects that an operation touched. */
export function brokenInvariants(s: DawrState, touched: Touched): readonly Broken[] {
  const broken: Broken[] = [];
  for (const object of touched.once()) {
    if (object instanceof Vcpu) checkVcpu(object, broken);
    else if (object instanceof Vm && object.dawr1Enabled === true) checkVm(s, object, broken);
  }
  return broken;
}

function checkVcpu(vcpu: Vcpu, broken: Broken[]): void {
  for (const name of ["dawrx0", "dawrx1"] as const) {
    const value = vcpu[name];
    if (!isKnown(value) || !hasHyp(value)) continue;
    const message = `vCPU ${vcpu.ref.number ?? "?"} of VM ${vcpu.vm.ref.name}: ${name} is ${addressText(value)}`;
    broken.push({ rule: INV_1, message, prescribedBy: undefined });
  }
  const { ciabr } = vcpu;
  if (isKnown(ciabr) && (ciabr.lo & 3) === 3) {
    const message = `vCPU ${vcpu.ref.number ?? "?"} of VM ${vcpu.vm.ref.name}: CIABR is ${addressText(ciabr)}`;
    broken.push({ rule: INV_2, message, prescribedBy: undefined });
  }
}

function checkVm(s: DawrState, vm: Vm, broken: Broken[]): void {
  if (s.host.dawr1 !== false && vm.kind !== "PR") return;
  const message = `VM ${vm.ref.name} was granted a second DAWR that ${vm.kind === "PR" ? "KVM-PR" : "the host"} does not have`;
  broken.push({ rule: INV_5, message, prescribedBy: undefined });
}
