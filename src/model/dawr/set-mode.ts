import { isZero, type Word } from "../../event/word.js";
import type { HostHcall } from "../../operation/dawr/call.js";
import { and, not, type Tri } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { breakpointAvailable, HSM_3, HSM_4, learnHost, learnPower9, power8Compatible, refuses } from "./compat.js";
import { rule } from "./profile.js";
import { type DawrState, tri, type Vcpu } from "./state.js";
import { equals, hasHyp } from "./words.js";

export const HSM_2 = rule(
  "HSM-2",
  "Arguments and result width",
  "mflags, resource, value1, value2 are GPR4 to GPR7, compared with all 64 bits; an in-kernel answer changes GPR3 alone.",
  "kvm/book3s_hv.c kvmppc_h_set_mode",
);
export const HSM_5 = rule(
  "HSM-5",
  "Resource 1, SET_CIABR",
  "In order: not POWER8-compatible H_P2; value2 not 0 H_P4; mflags not 0 -256; PRIV 3 in value1 H_P3; else CIABR is stored as given. The breakpoint-available test is not made.",
  "kvm/book3s_hv.c kvmppc_h_set_mode",
);
export const HSM_6 = rule(
  "HSM-6",
  "Resource 2, SET_DAWR0",
  "In order: not POWER8-compatible H_P2; no breakpoint available H_P2; mflags not 0 -256; HYP in value2 H_P4; else DAWR0 and DAWRX0 are stored as given. value1 is never checked.",
  "kvm/book3s_hv.c kvmppc_h_set_mode",
);
export const HSM_7 = rule(
  "HSM-7",
  "Resource 5, SET_DAWR1",
  "pre-dawr1 leaves it to user space. Else in order: not POWER8-compatible, no breakpoint available or no second DAWR H_P2; in linux-6.1 not enabled by user space H_FUNCTION; mflags not 0 -256; HYP in value2 H_P4; else DAWR1 and DAWRX1 are stored as given.",
  "v2 patch 3; kvm/book3s_hv.c kvmppc_h_set_mode",
);
export const HSM_8 = rule(
  "HSM-8",
  "Resource 3, ADDR_TRANS_MODE",
  "pre-dawr1 and dawr1-v2: mflags other than 0 and 3 answer -256; linux-6.1: only mflags 3 of a radix vCPU on a POWER9 with the prefetch erratum does. Everything else is left to user space.",
  "kvm/book3s_hv.c kvmppc_h_set_mode",
);
export const HSM_9 = rule(
  "HSM-9",
  "Resource 4 and any other value",
  "Left to user space without any check; in pre-dawr1 resource 5 too.",
  "kvm/book3s_hv.c kvmppc_h_set_mode",
);
export const HSM_18 = rule(
  "HSM-18",
  "Verbatim storage",
  "On success exactly the two named registers change, all their bits as given; resources 2 and 5 never touch each other's.",
  "kvm/book3s_hv.c kvmppc_h_set_mode",
);

const FLAG = "H_UNSUPPORTED_FLAG_START";
/** How an hcall that is left to user space shows: no answer of the kernel's. */
export const PUNT = "H_TOO_HARD";

/** H_SET_MODE in KVM-HV, the hcall being enabled (HSM-5 to HSM-9). */
export function setMode(x: Trial, s: DawrState, vcpu: Vcpu, { args, raced }: HostHcall): void {
  const [mflags, resource, value1, value2] = args;
  if (mflags === undefined || resource === undefined || value1 === undefined || value2 === undefined) {
    x.cannotCheck("the arguments of the hcall were not recorded");
    return;
  }
  x.by(HSM_2);
  if (equals(resource, 1)) setCiabr(x, s, vcpu, mflags, value1, value2);
  else if (equals(resource, 2)) setDawr(x, s, vcpu, [mflags, value1, value2], undefined);
  else if (equals(resource, 3)) addressTranslation(x, s, vcpu, mflags);
  else if (equals(resource, 5) && s.parameters.hasDawr1) setDawr(x, s, vcpu, [mflags, value1, value2], { raced });
  else x.fails(PUNT, HSM_9);
}

function notCompatible(x: Trial, s: DawrState, vcpu: Vcpu): boolean {
  return refuses(x, not(power8Compatible(s, vcpu)), "H_P2", [HSM_3], (refused) => {
    if (vcpu.archCompat !== 0) return;
    if (s.parameters.newer) learnHost(s, "nestedPapr", refused);
    else learnHost(s, "arch207s", !refused);
  });
}

function setCiabr(x: Trial, s: DawrState, vcpu: Vcpu, mflags: Word, value1: Word, value2: Word): void {
  if (notCompatible(x, s, vcpu)) return;
  if (x.refuse(!isZero(value2), "H_P4", HSM_5)) return;
  if (x.refuse(!isZero(mflags), FLAG, HSM_5)) return;
  if (x.refuse((value1.lo & 3) === 3, "H_P3", HSM_5)) return;
  x.returns(0, HSM_5, HSM_18);
  s.journal.set(vcpu, "ciabr", value1);
}

/** `second`: it is the second DAWR, which the VM may have been granted meanwhile. */
function setDawr(
  x: Trial,
  s: DawrState,
  vcpu: Vcpu,
  [mflags, value1, value2]: readonly [Word, Word, Word],
  second: { readonly raced: boolean } | undefined,
): void {
  const own = second === undefined ? HSM_6 : HSM_7;
  const { host, journal } = s;
  x.by(HSM_3);
  if (notCompatible(x, s, vcpu)) return;
  x.by(HSM_4);
  const learnDawr = (refused: boolean): void => {
    if (refused) learnPower9(s);
  };
  if (refuses(x, not(breakpointAvailable(host)), "H_P2", [HSM_4, own], learnDawr)) return;
  if (second !== undefined) {
    const absent = not(tri(host.dawr1));
    if (refuses(x, absent, "H_P2", [own], (refused) => learnHost(s, "dawr1", !refused))) return;
    if (s.parameters.optIn && notEnabled(x, s, vcpu, second.raced)) return;
  }
  if (x.refuse(!isZero(mflags), FLAG, own)) return;
  if (x.refuse(hasHyp(value2), "H_P4", own)) return;
  x.returns(0, own, HSM_18);
  journal.set(vcpu, second === undefined ? "dawr0" : "dawr1", value1);
  journal.set(vcpu, second === undefined ? "dawrx0" : "dawrx1", value2);
}

/** ND-6, ND-14: it may be granted while the call is under way; once granted it stays (CAP-4). */
function notEnabled(x: Trial, s: DawrState, vcpu: Vcpu, raced: boolean): boolean {
  const { vm } = vcpu;
  const { dawr1Enabled } = vm;
  const changing = dawr1Enabled === true ? raced : vm.enabling > 0;
  const enabled: Tri = changing ? "unknown" : tri(dawr1Enabled);
  return refuses(x, not(enabled), "H_FUNCTION", [HSM_7], (refused) => {
    if (!refused || !(changing || raced)) s.journal.set(vm, "dawr1Enabled", !refused);
  });
}

function addressTranslation(x: Trial, s: DawrState, vcpu: Vcpu, mflags: Word): void {
  const { host, parameters } = s;
  if (parameters.judgesAil) {
    if (!x.refuse(!equals(mflags, 0) && !equals(mflags, 3), FLAG, HSM_8)) x.fails(PUNT, HSM_8);
    return;
  }
  const erratum = and(and(tri(host.p9PrefetchBug), tri(vcpu.vm.radix)), equals(mflags, 3));
  const learn = (refused: boolean): void => {
    if (refused) s.journal.set(vcpu.vm, "radix", true);
    if (vcpu.vm.radix === true) learnHost(s, "p9PrefetchBug", refused);
  };
  if (!refuses(x, erratum, FLAG, [HSM_8], learn)) x.fails(PUNT, HSM_8);
}
