import { rule } from "./profile.js";

/** What a Linux pseries guest emits (ppc-dawr 4.7). */

export const GUEST_1 = rule(
  "GUEST-1",
  "Boot",
  "First (3,3,0,0), then on little-endian kernels (1,4,0,0); each is repeated while the answer is long busy.",
  "arch/powerpc/platforms/pseries/setup.c",
);
export const GUEST_2 = rule(
  "GUEST-2",
  "Programming a watchpoint",
  "(0, 2 or 5 by slot, address as requested, flags): read, write, translation always, user and kernel; HYP is cleared from what pseries_set_dawr is given; the length in doublewords minus 1 stands in MRD.",
  "arch/powerpc/kernel/process.c, arch/powerpc/platforms/pseries/setup.c pseries_set_dawr",
);
export const GUEST_3 = rule(
  "GUEST-3",
  "Clearing",
  "(0, 2 or 5 by slot, 0, 0xfc00): a length of 0 fills the MRD field.",
  "arch/powerpc/kernel/process.c",
);
export const GUEST_4 = rule(
  "GUEST-4",
  "Slot choice",
  "A new event takes the lowest free slot of its CPU; removing it clears that slot.",
  "arch/powerpc/kernel/hw_breakpoint.c",
);
export const GUEST_5 = rule(
  "GUEST-5",
  "Watchpoint hit",
  "Every slot is cleared in order; then those still installed are programmed again with their values.",
  "arch/powerpc/kernel/hw_breakpoint.c hw_breakpoint_handler",
);
export const GUEST_6 = rule(
  "GUEST-6",
  "CIABR",
  "Resource 1 is used by xmon and kexec alone.",
  "arch/powerpc/xmon/xmon.c",
);
export const GUEST_7 = rule(
  "GUEST-7",
  "kexec",
  "Secondary CPUs clear their slots and CIABR, the boot CPU its slots twice; then (0,3,0,0), on hash little-endian kernels (0,4,0,0), last (0,1,0,0).",
  "arch/powerpc/platforms/pseries/kexec.c",
);
export const GUEST_8 = rule(
  "GUEST-8",
  "PR KVM inside the guest",
  "The first PR VM switches the kernel's AIL off, (0,3,0,0) before KVM_CREATE_VM returns; the last one gone switches it on, (3,3,0,0). A second VM beside the first emits nothing.",
  "kvm/book3s_pr.c kvmppc_core_init_vm_pr",
);
export const GUEST_9 = rule(
  "GUEST-9",
  "Older CPU levels",
  "Without ISA 2.07 H_SET_XDABR or H_SET_DABR are used, as firmware announces; guests with it never use them.",
  "arch/powerpc/platforms/pseries/setup.c",
);
export const GUEST_10 = rule(
  "GUEST-10",
  "Number of slots",
  "Two if the guest's CPU has the second DAWR, else one.",
  "arch/powerpc/kernel/prom.c",
);
export const GUEST_11 = rule(
  "GUEST-11",
  "Answers are ignored",
  "Whatever a watchpoint hcall answers, the guest goes on as if it were programmed.",
  "arch/powerpc/platforms/pseries/setup.c",
);
export const GUEST_12 = rule(
  "GUEST-12",
  "Guest tracepoints",
  "One hcall_entry, then one hcall_exit of the same number; no arguments.",
  "arch/powerpc/platforms/pseries/lpar.c",
);
export const GUEST_13 = rule(
  "GUEST-13",
  "POWER9 switch in a guest",
  "Switching DAWR on sends (0,2,0,0xfc00); any answer but 0 makes the write fail with ENODEV.",
  "arch/powerpc/kernel/dawr.c",
);
export const GUEST_14 = rule(
  "GUEST-14",
  "Profiles",
  "Guests of 5.10, 5.10 with the series and 6.1 emit the same, but for the order at kexec.",
  "arch/powerpc",
);
export const GUEST_15 = rule(
  "GUEST-15",
  "Firmware before the kernel",
  "QEMU's firmware probes with H_SET_DABR(0) several times per boot.",
  "SLOF",
);
export const INV_14 = rule(
  "INV-14",
  "DAWRX of a Linux guest",
  "Never HYP or bit 8; the low 10 bits are 0, or have translation and read or write.",
  "invariant",
);
export const INV_16 = rule(
  "INV-16",
  "A slot is cleared before it gets another value",
  "A slot that holds a value is programmed with that same value or cleared; a new event takes slot 1 only while slot 0 holds one.",
  "invariant",
);
export const ND_3 = rule(
  "ND-3",
  "Hypervisor without a trace",
  "Of a hypervisor that is not known, or PowerVM, any code of PAPR is accepted.",
  "PAPR",
);
export const ND_7 = rule(
  "ND-7",
  "Perf scheduling in the guest",
  "Installing and clearing may interleave between CPUs; but no slot beyond those there are, no HYP bit, and mflags 0 for resources 1, 2 and 5.",
  "arch/powerpc/kernel/hw_breakpoint.c",
);
export const K612_3 = rule(
  "K612-3",
  "Clear bursts of a 6.12 kernel",
  "Around every instruction that it patches the kernel clears each slot in order and then programs each with what it held.",
  "observed with 6.12",
  ["linux-6.1"],
);
