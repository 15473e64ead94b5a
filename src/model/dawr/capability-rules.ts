import { rule, V61 } from "./profile.js";

/** Capabilities and the set-up of machines (ppc-dawr 2.6, 4.3): the rules, and the numbers that they speak of. */

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

export const CAP_PAPR = 68;
export const CAP_ENABLE_CAP_VM = 98;
export const CAP_ENABLE_HCALL = 104;
export const CAP_CHECK_EXTENSION_VM = 105;
export const CAP_NESTED_HV = 160;
export const CAP_AIL_MODE_3 = 210;
/** The numbers that KVM_CAP_PPC_DAWR1 has or had (CAP-1). */
export const DAWR1_NUMBERS: ReadonlySet<number> = new Set([187, 191, 194]);
/** Numbers from here on no kernel of the profiles knows (CAP-13). */
export const UNKNOWN_CAPABILITY = 4096;
