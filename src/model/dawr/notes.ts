import { OLD, rule, V61 } from "./profile.js";

/** Rules that no line of a recording shows, or that say what must not be judged: they are followed by what the model leaves out. */

export const HSM_13 = rule(
  "HSM-13",
  "L2 issues H_SET_MODE",
  "L0 does not serve it: H_ENTER_NESTED returns trap 0xC00 and L1 applies the rules with its own profile, CPU and VM flags. L0 prints no hcall line for it.",
  "kvm/book3s_hv_nested.c",
);
export const HSM_14 = rule(
  "HSM-14",
  "sc 1 from problem state",
  "Never served as an hcall: the guest's kernel gets an interrupt, and there is no line and no exit. The older profiles may also exit on the POWER9 radix path.",
  "kvm/book3s_hv.c kvmppc_handle_exit_hv",
);
export const HSM_15 = rule(
  "HSM-15",
  "When values reach hardware",
  "At guest entry: DAWR0 if DAWR is usable, DAWR1 if there is one too, CIABR always. Not to be seen in traces.",
  "kvm/book3s_hv_p9_entry.c",
);
export const ND_1 = rule(
  "ND-1",
  "Punted H_SET_MODE of an unknown VMM",
  "Any answer of user space is accepted; an answer of the kernel where the rules say punt never is.",
  "kvm/powerpc.c",
);
export const ND_4 = rule(
  "ND-4",
  "Version-1 image under dawr1-v2",
  "L2 may run with any DAWR1, and any DAWRX1 without HYP.",
  "v2 patch 2",
  ["dawr1-v2"],
);
export const ND_5 = rule(
  "ND-5",
  "DAWR switched at run time",
  "On POWER9 an administrator may switch DAWR at any time: H_P2 or H_HARDWARE and H_SUCCESS may change places. Never on POWER8 and POWER10.",
  "arch/powerpc/kernel/dawr.c",
);
export const ND_6 = rule(
  "ND-6",
  "KVM_ENABLE_CAP races a running vCPU",
  "While it is on its way resource 5 may answer H_FUNCTION or H_SUCCESS; H_FUNCTION never for a call entered after it returned.",
  "kvm/book3s_hv.c",
  V61,
);
export const ND_9 = rule(
  "ND-9",
  "EINTR and MMIO out of a nested run",
  "GPR3 is 0 with EINTR or an MMIO exit; -69 and 9999 are never delivered.",
  "kvm/book3s_hv_nested.c",
);
export const ND_11 = rule(
  "ND-11",
  "Later 5.10.y",
  "Replayed as pre-dawr1 it may answer H_BAD_MODE to H_ENTER_NESTED, never to H_SET_MODE.",
  "kvm/book3s_hv_nested.c",
  OLD,
);
export const ND_12 = rule(
  "ND-12",
  "MSR[PR]=1 on the older radix path",
  "Reflection or an exit with reason 19, never a kvm_hcall_enter line.",
  "kvm/book3s_hv.c",
  OLD,
);
export const ND_13 = rule(
  "ND-13",
  "kexec with guest tracepoints on",
  "The sequence may end after (0,3,0,0); its tail never comes in another order.",
  "arch/powerpc/platforms/pseries/kexec.c",
);
export const ND_14 = rule(
  "ND-14",
  "KVM_ENABLE_CAP between two lines of other threads",
  "The answers that are seen decide; H_FUNCTION never follows a H_SUCCESS for resource 5 of the same VM.",
  "kvm/book3s_hv.c",
  V61,
);
export const ND_15 = rule(
  "ND-15",
  "6.12 guest",
  "Any number of clear bursts; none leaves a slot with a value that it did not hold before.",
  "observed with 6.12",
  V61,
);
export const FMT_1 = rule(
  "FMT-1",
  "System calls in kernel text",
  "Numbers in parentheses are hex without prefix; only the low 32 bits of the request count.",
  "kernel/trace/trace_syscalls.c",
);
export const FMT_3 = rule(
  "FMT-3",
  "No VM in the hcall lines",
  "A vCPU is the pair of the task in KVM_RUN and the number; the VM comes from the task's descriptors.",
  "kvm/trace_hv.h",
);
export const FMT_4 = rule(
  "FMT-4",
  "The VMM's answer to a punt",
  "It is in no line of the host: kvm_hcall_exit says H_TOO_HARD whatever comes later.",
  "kvm/trace_hv.h",
);
export const FMT_5 = rule(
  "FMT-5",
  "Stray empty line",
  "kvm_ppc_instr ends with a line break of its own.",
  "kvm/trace.h",
);
export const FMT_6 = rule(
  "FMT-6",
  "strace",
  "Structures of KVM_ENABLE_CAP and ONE_REG are pointers in strace; their contents come from probes.",
  "strace kvm.c",
);
export const FMT_7 = rule(
  "FMT-7",
  "What can't be probed",
  "kvmppc_h_set_mode is inlined, the hcall stubs refuse probes: the guest's arguments come from pseries_set_dawr or the hypervisor's side.",
  "kvm/book3s_hv.c",
);
export const FMT_8 = rule(
  "FMT-8",
  "QEMU's own log",
  "One line an hcall: arguments without a result.",
  "QEMU target/ppc",
);
export const K612_1 = rule(
  "K612-1",
  "KVM-HV of 6.12 on the first nested interface",
  "As linux-6.1, but ARCH_COMPAT takes Power11 on a POWER10-level host.",
  "observed with 6.12",
  V61,
);
