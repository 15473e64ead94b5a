import { type Word, wordOf } from "../../event/word.js";
import { and, not, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { learnPower9, refuses } from "./compat.js";
import { mayToggle } from "./initial.js";
import { rule } from "./profile.js";
import { type DawrState, plain, tri, type Vcpu } from "./state.js";

export const DABR_1 = rule(
  "DABR-1",
  "Routing of H_SET_DABR and H_SET_XDABR",
  "Both are on by default in HV VMs. linux-6.1 on POWER9 and later serves them in virtual mode, traced; POWER7 and POWER8 hosts, and hash guests of the older profiles, in real mode without a line. Disabled by user space they are left to it.",
  "kvm/book3s_hv.c, kvm/book3s_hv_rmhandlers.S",
);
export const DABR_2 = rule(
  "DABR-2",
  "H_SET_XDABR checks",
  "GPR5 without USER and KERNEL, or with HYP or any bit from 0x10 up: H_PARAMETER.",
  "kvm/book3s_hv.c kvmppc_h_set_xdabr",
);
export const DABR_3 = rule(
  "DABR-3",
  "H_SET_DABR",
  "As H_SET_XDABR with USER and KERNEL; GPR5 is ignored and nothing is checked.",
  "kvm/book3s_hv.c kvmppc_h_set_dabr",
);
export const DABR_4 = rule(
  "DABR-4",
  "Availability",
  "A host with ISA 2.07 and no usable DAWR answers H_HARDWARE and stores nothing; no other test is made.",
  "kvm/book3s_hv.c",
);
export const DABR_5 = rule(
  "DABR-5",
  "Emulation through DAWR0",
  "DAWR0 gets the address without its low 3 bits, DAWRX0 the flags of GPR5 and the read, write and translation bits; DABR and DABRX are not touched.",
  "kvm/book3s_hv.c",
);
export const DABR_6 = rule(
  "DABR-6",
  "Hosts before POWER8",
  "DABR is stored as given, DABRX the low 32 bits of GPR5.",
  "kvm/book3s_hv.c",
);
export const DABR_7 = rule(
  "DABR-7",
  "Low bits of the number",
  "The real-mode table ignores the low two bits of GPR3; in virtual mode 0x29 to 0x2b are unknown numbers and left to user space.",
  "kvm/book3s_hv_rmhandlers.S",
);
export const DABR_8 = rule(
  "DABR-8",
  "Immediate effect",
  "In real mode the registers are written at once as well as stored; the stored state is the same.",
  "kvm/book3s_hv_rmhandlers.S",
);

const KERNEL_USER = 0x3;
const ALLOWED = 0xb;

/** DAWRX0 that stands for DABR flags and DABRX (DABR-5). */
export function dawrxOf(dabr: Word, x: number): Word {
  const flags = (dabr.lo & 1 ? 0x20 : 0) | (dabr.lo & 2 ? 0x40 : 0) | (dabr.lo & 4 ? 0x10 : 0);
  return wordOf(0, (x & ALLOWED) | flags);
}

/** H_SET_DABR (`x` undefined) and H_SET_XDABR in KVM-HV, the hcall being enabled. */
export function setDabr(x: Trial, s: DawrState, vcpu: Vcpu, dabr: Word | undefined, flags: Word | undefined): void {
  if (dabr === undefined) {
    x.cannotCheck("the arguments of the hcall were not recorded");
    return;
  }
  const own = flags === undefined ? DABR_3 : DABR_2;
  if (flags !== undefined) {
    const none = (flags.lo & KERNEL_USER) === 0;
    const extra = flags.hi !== 0 || (flags.lo & ~ALLOWED) !== 0;
    if (x.refuse(none || extra, "H_PARAMETER", DABR_2)) return;
  }
  const { host, journal } = s;
  const usable = mayToggle(host) ? "unknown" : tri(host.dawr);
  const unavailable = and(tri(host.arch207s), not(usable));
  const learn = (refused: boolean): void => {
    if (refused) learnPower9(s);
  };
  if (refuses(x, unavailable, "H_HARDWARE", [DABR_4], learn)) return;
  x.returns(0, own, DABR_5);
  const value = flags?.lo ?? KERNEL_USER;
  const emulated = plain(host.arch207s);
  // K612-2 (d): the value may be lost on the way to the L0.
  const kept = host.nestedPapr === false;
  if (emulated !== false) {
    journal.set(vcpu, "dawr0", emulated && kept ? wordOf(dabr.hi, dabr.lo & ~7) : unknown);
    journal.set(vcpu, "dawrx0", emulated && kept ? dawrxOf(dabr, value) : unknown);
  }
  if (emulated !== true) {
    x.by(DABR_6);
    journal.set(vcpu, "dabr", emulated === false ? dabr : unknown);
    journal.set(vcpu, "dabrx", emulated === false ? wordOf(0, value) : unknown);
  }
}
