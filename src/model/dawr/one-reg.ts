import { addressText } from "../../event/address-text.js";
import { sameWord, type Word, wordOf } from "../../event/word.js";
import type { OneRegCall } from "../../operation/dawr/call.js";
import { registerIds } from "../../operation/dawr/numbers.js";
import { isKnown, not, or, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { K612_2, learnHost, learnKind, refuses } from "./compat.js";
import { admitsLpcr, HSM_17, ILE, setLpcr, unknownLpcr } from "./lpcr.js";
import { rule } from "./profile.js";
import { type DawrState, plain, tri, type Vcpu } from "./state.js";
import { HYP, safeCiabr, withoutHyp } from "./words.js";

export const REG_1 = rule(
  "REG-1",
  "Size",
  "An id whose size nibble says more than 16 bytes: EINVAL before memory is touched.",
  "kvm/powerpc.c",
);
export const REG_2 = rule(
  "REG-2",
  "KVM_GET_ONE_REG order",
  "Not the VM's process EIO; descriptor unreadable EFAULT; size; unknown id EINVAL; value not writable EFAULT; 0.",
  "kvm/powerpc.c kvm_vcpu_ioctl_get_one_reg",
);
export const REG_3 = rule(
  "REG-3",
  "KVM_SET_ONE_REG order",
  "EIO; descriptor EFAULT; size EINVAL; value unreadable EFAULT, before the id is judged; unknown id EINVAL; stored; 0.",
  "kvm/powerpc.c kvm_vcpu_ioctl_set_one_reg",
);
export const REG_4 = rule(
  "REG-4",
  "DAWR, DAWRX",
  "Read and written as they are, but HYP is cleared from DAWRX.",
  "kvm/book3s_hv.c",
);
export const REG_5 = rule("REG-5", "DAWR1, DAWRX1", "pre-dawr1: EINVAL; later as DAWR and DAWRX.", "kvm/book3s_hv.c");
export const REG_6 = rule(
  "REG-6",
  "CIABR",
  "Written as it is; PRIV 3 switches the breakpoint off and keeps the address.",
  "kvm/book3s_hv.c",
);
export const REG_7 = rule(
  "REG-7",
  "DABR, DABRX",
  "DABR as it is, DABRX 32 bits without HYP; independent of DAWR0 and DAWRX0.",
  "kvm/book3s_hv.c",
);
export const REG_8 = rule(
  "REG-8",
  "No gating",
  "The registers can be read and written whatever the CPU has and the VM was granted.",
  "kvm/book3s_hv.c",
);
export const REG_9 = rule("REG-9", "KVM-PR", "All these registers are unknown to KVM-PR: EINVAL.", "kvm/book3s_pr.c");
export const REG_10 = rule(
  "REG-10",
  "Serialisation",
  "Requests of a vCPU never run inside its KVM_RUN: they see L1's values.",
  "kvm/kvm_main.c",
);
export const REG_11 = rule(
  "REG-11",
  "Initial values and reset",
  "All read 0 on a fresh vCPU; the kernel has no reset.",
  "kvm/book3s_hv.c",
);
export const REG_12 = rule(
  "REG-12",
  "ARCH_COMPAT",
  "Settable are 0, 2.05, 2.06, 2.06+, 2.07, 3.0 and 3.1 up to the host's own level; else EINVAL and the value stays.",
  "kvm/book3s_hv.c kvmppc_set_arch_compat",
);
export const REG_13 = rule(
  "REG-13",
  "LPCR and ARCH_COMPAT in KVM-PR",
  "LPCR takes and shows ILE alone; ARCH_COMPAT is EINVAL.",
  "kvm/book3s_pr.c",
);
export const REG_14 = rule(
  "REG-14",
  "Wrong id",
  "An id of another architecture, or with another size than the register's, is unknown.",
  "kvm/powerpc.c",
);

type Register = keyof typeof registerIds;

/** What an id stands for. */
type IdKind =
  | { readonly kind: "register"; readonly register: Register }
  /** Too large (REG-1). */
  | { readonly kind: "large" }
  /** Unknown for certain (REG-14). */
  | { readonly kind: "wrong" }
  /** A register that no rule speaks of. */
  | { readonly kind: "other" };

const names = Object.keys(registerIds) as readonly Register[];
const POWERPC = 0x10;
const MAX_SIZE = 4;

/** What an id stands for (2.5, REG-1, REG-14). */
export function idKind(id: Word): IdKind {
  if (((id.hi >>> 20) & 0xf) > MAX_SIZE) return { kind: "large" };
  if (id.hi >>> 24 !== POWERPC) return { kind: "wrong" };
  let index = false;
  for (const register of names) {
    const known = registerIds[register];
    if (sameWord(known, id)) return { kind: "register", register };
    index ||= known.lo === id.lo && (id.hi & 0xfffff) === 0;
  }
  return { kind: index ? "wrong" : "other" };
}

/** KVM_GET_ONE_REG and KVM_SET_ONE_REG (REG-1 to REG-14). */
export function oneReg(x: Trial, s: DawrState, call: OneRegCall): void {
  const own = call.direction === "get" ? REG_2 : REG_3;
  const vcpu = call.vcpu === undefined ? undefined : s.vcpu(call.vcpu);
  if (vcpu === undefined) {
    x.cannotCheck("the request is not for a vCPU");
    return;
  }
  if (x.refuse(call.owner === true ? false : "unknown", "EIO", own)) return;
  if (x.refuse(badness(call.pointer), "EFAULT", own)) return;
  const { id } = call;
  if (id === undefined) {
    unrecorded(x, s, vcpu, call);
    return;
  }
  const what = idKind(id);
  if (x.refuse(what.kind === "large", "EINVAL", REG_1)) return;
  if (call.direction === "get") get(x, s, vcpu, call, what);
  else set(x, s, vcpu, call, what);
}

function badness(pointer: OneRegCall["pointer"]): Tri {
  return pointer === "bad" ? true : pointer === "good" ? false : "unknown";
}

function unrecorded(x: Trial, s: DawrState, vcpu: Vcpu, call: OneRegCall): void {
  x.cannotCheck("the register was not recorded");
  if (call.direction === "get" || x.observedSuccess === false) return;
  for (const name of ["ciabr", "dawr0", "dawrx0", "dawr1", "dawrx1", "dabr", "dabrx"] as const) {
    s.journal.set(vcpu, name, unknown);
  }
  s.journal.set(vcpu, "archCompat", unknown);
  s.journal.set(vcpu, "compatSet", unknown);
  s.journal.set(vcpu, "lpcr", unknownLpcr);
  sharesCore(s, vcpu);
}

/**
 * Up to POWER8 vCPUs of one VM may share a virtual core, which holds archCompat and LPCR (1.2): what one of them sets may be
 * another's too. Which of them do is not recorded.
 */
function sharesCore(s: DawrState, vcpu: Vcpu): void {
  if (s.host.arch300 === true) return;
  for (const other of s.vcpus.values()) {
    if (other === vcpu || other.vm !== vcpu.vm) continue;
    if (other.archCompat !== vcpu.archCompat) s.journal.set(other, "archCompat", unknown);
    s.journal.set(other, "lpcr", unknownLpcr);
  }
}

/** A new vCPU may come to a virtual core that another one has set up. */
export function joinsCore(s: DawrState, vcpu: Vcpu): void {
  if (s.host.arch300 === true) return;
  for (const other of s.vcpus.values()) {
    if (other.vm === vcpu.vm && other.archCompat !== 0) s.journal.set(vcpu, "archCompat", unknown);
  }
}

/** Whether an id is unknown to the VM's kind and the profile. */
function isUnknownId(s: DawrState, vcpu: Vcpu, what: IdKind): Tri {
  if (what.kind === "wrong" || what.kind === "large") return true;
  if (what.kind === "other") return "unknown";
  const { register } = what;
  if ((register === "dawr1" || register === "dawrx1") && !s.parameters.hasDawr1) return true;
  if (register === "lpcr" || register === "lpcr64") return false;
  return isKnown(vcpu.vm.kind) ? vcpu.vm.kind === "PR" : "unknown";
}

/** The rule that an answer about a register follows. */
function ruleOf(vcpu: Vcpu, what: IdKind): typeof REG_4 {
  if (what.kind !== "register") return REG_14;
  switch (what.register) {
    case "dawr0":
    case "dawrx0":
      return vcpu.vm.kind === "PR" ? REG_9 : REG_4;
    case "dawr1":
    case "dawrx1":
      return vcpu.vm.kind === "PR" ? REG_9 : REG_5;
    case "ciabr":
      return vcpu.vm.kind === "PR" ? REG_9 : REG_6;
    case "dabr":
    case "dabrx":
      return vcpu.vm.kind === "PR" ? REG_9 : REG_7;
    case "lpcr":
    case "lpcr64":
      return vcpu.vm.kind === "PR" ? REG_13 : HSM_17;
    case "archCompat":
      return vcpu.vm.kind === "PR" ? REG_13 : REG_12;
  }
}

function refusesId(x: Trial, s: DawrState, vcpu: Vcpu, what: IdKind): boolean {
  const learn = (refused: boolean): void => {
    if (what.kind === "register") learnKind(s, vcpu.vm, refused ? "PR" : "HV");
  };
  return refuses(x, isUnknownId(s, vcpu, what), "EINVAL", [ruleOf(vcpu, what), REG_2], learn);
}

function get(x: Trial, s: DawrState, vcpu: Vcpu, call: OneRegCall, what: IdKind): void {
  if (what.kind === "other") {
    x.cannotCheck("the register is none of the rules'");
    return;
  }
  if (refusesId(x, s, vcpu, what)) return;
  if (x.refuse(badness(call.target), "EFAULT", REG_2)) return;
  x.returns(0, ruleOf(vcpu, what), REG_8, REG_10);
  if (what.kind !== "register" || call.value === undefined || call.raced || x.operation.result.kind !== "value") return;
  read(x, s, vcpu, what.register, call.value);
}

/** The value that a GET returned. */
function read(x: Trial, s: DawrState, vcpu: Vcpu, register: Register, value: Word): void {
  const own = ruleOf(vcpu, { kind: "register", register });
  switch (register) {
    case "lpcr":
    case "lpcr64":
      readLpcr(x, s, vcpu, register, value);
      return;
    case "archCompat": {
      const { archCompat } = vcpu;
      // K612-2 (b): the raw PVR, or 3.1, may stand there.
      if (s.parameters.newer) return;
      if (isKnown(archCompat) && archCompat !== value.lo) differs(x, wordOf(0, archCompat), value, own);
      else s.journal.set(vcpu, "archCompat", value.lo);
      return;
    }
    default: {
      const known = vcpu[register];
      const mask = register === "dabrx" ? wordOf(0, value.lo) : value;
      const narrow = s.host.nestedPapr !== false && (register === "dawrx0" || register === "dawrx1");
      const same = isKnown(known) && (sameWord(known, mask) || (narrow && known.lo === mask.lo));
      if (isKnown(known) && !same) differs(x, known, mask, own);
      else s.journal.set(vcpu, register, mask);
    }
  }
}

function differs(x: Trial, expected: Word, observed: Word, own: typeof REG_4): void {
  x.differs(addressText(expected), addressText(observed), own, REG_11);
}

/** Two bits that an L0 owns (K612-2 (e)). */
const L0_BITS = wordOf(0, 0x40010);
const none = wordOf(0, 0);

function readLpcr(x: Trial, s: DawrState, vcpu: Vcpu, register: "lpcr" | "lpcr64", value: Word): void {
  const { lpcr } = vcpu;
  const narrow = register === "lpcr";
  if (vcpu.vm.kind === "PR") {
    const shown = wordOf(0, value.lo & ~ILE.lo);
    if (value.hi !== 0 || shown.lo !== 0) {
      x.differs("ILE alone", addressText(value), REG_13);
      return;
    }
  }
  const loose = s.parameters.newer ? L0_BITS : none;
  const hidden = narrow ? wordOf(0xffffffff, loose.lo) : loose;
  if (!admitsLpcr(lpcr, value, hidden)) x.differs(addressText(lpcr.value), addressText(value), HSM_17);
  else if (s.parameters.newer) x.by(K612_2);
}

/** Level of a logical PVR (REG-12); undefined for one that can't be set. */
const compatLevels: ReadonlyMap<number, number> = new Map([
  [0x0f000002, 0],
  [0x0f000003, 1],
  [0x0f100003, 1],
  [0x0f000004, 2],
  [0x0f000005, 3],
  [0x0f000006, 4],
]);

const POWER11 = 0x0f000007;

function set(x: Trial, s: DawrState, vcpu: Vcpu, call: OneRegCall, what: IdKind): void {
  if (x.refuse(badness(call.target), "EFAULT", REG_3)) return;
  if (what.kind === "other") {
    x.cannotCheck("the register is none of the rules'");
    return;
  }
  if (refusesId(x, s, vcpu, what) || what.kind !== "register") return;
  const { value } = call;
  const { register } = what;
  if (register === "archCompat") {
    setCompat(x, s, vcpu, value);
    return;
  }
  x.returns(0, ruleOf(vcpu, what), REG_8, REG_10);
  if (register === "lpcr" || register === "lpcr64") storeLpcr(s, vcpu, register, value);
  else s.journal.set(vcpu, register, value === undefined || call.raced ? unknown : stored(register, value));
}

/** What a register holds after it was set (REG-4 to REG-7). */
export function stored(register: Exclude<Register, "lpcr" | "lpcr64" | "archCompat">, value: Word): Word {
  switch (register) {
    case "dawrx0":
    case "dawrx1":
      return withoutHyp(value);
    case "ciabr":
      return safeCiabr(value);
    case "dabrx":
      return wordOf(0, value.lo & ~HYP);
    case "dawr0":
    case "dawr1":
    case "dabr":
      return value;
  }
}

function setCompat(x: Trial, s: DawrState, vcpu: Vcpu, value: Word | undefined): void {
  if (value === undefined) {
    x.cannotCheck("the value was not recorded");
    if (x.observedSuccess === false) return;
    s.journal.set(vcpu, "archCompat", unknown);
    s.journal.set(vcpu, "compatSet", unknown);
    sharesCore(s, vcpu);
    return;
  }
  const learn = (refused: boolean): void => {
    const level = s.parameters.newer ? undefined : levelNames[compatLevels.get(value.lo) ?? 0];
    if (level !== undefined) learnHost(s, level, !refused);
  };
  if (refuses(x, refusedCompat(s, value.lo), "EINVAL", [REG_12], learn)) return;
  x.returns(0, REG_12, REG_10);
  s.journal.set(vcpu, "archCompat", value.lo);
  s.journal.set(vcpu, "compatSet", true);
  sharesCore(s, vcpu);
}

/** Features that the levels of REG-12 need. */
const levelNames = [undefined, "arch206", "arch207s", "arch300", "arch31"] as const;

function refusedCompat(s: DawrState, value: number): Tri {
  const { host, parameters } = s;
  if (value === 0) return false;
  // K612-1, K612-2 (b): Power11, and a shorter list on the second nested interface.
  if (parameters.newer) {
    if (value === POWER11) return "unknown";
    if (value < 0x0f000005 || value === 0x0f100003) return compatLevels.has(value) ? "unknown" : true;
  }
  const level = compatLevels.get(value);
  if (level === undefined) return true;
  const hasLevel: readonly Tri[] = [true, tri(host.arch206), tri(host.arch207s), tri(host.arch300), tri(host.arch31)];
  let fits: Tri = false;
  for (const has of hasLevel.slice(level)) fits = or(fits, has);
  return not(fits);
}

function storeLpcr(s: DawrState, vcpu: Vcpu, register: "lpcr" | "lpcr64", value: Word | undefined): void {
  const { host, parameters, journal } = s;
  const { kind } = vcpu.vm;
  if (value === undefined) {
    journal.set(vcpu, "lpcr", unknownLpcr);
    sharesCore(s, vcpu);
    return;
  }
  if (kind !== "HV") {
    // KVM-PR looks at ILE alone (REG-13), and KVM-HV takes it as it is.
    journal.set(vcpu, "lpcr", { value: wordOf(0, value.lo & ILE.lo), known: ILE });
    sharesCore(s, vcpu);
    return;
  }
  const inputs = {
    filtered: parameters.profile === "linux-6.1",
    arch207s: plain(host.arch207s),
    arch300: plain(host.arch300),
    radix: plain(vcpu.vm.radix),
    p9PrefetchBug: plain(host.p9PrefetchBug),
    wide: register === "lpcr64",
  };
  journal.set(vcpu, "lpcr", setLpcr(vcpu.lpcr, value, inputs));
  sharesCore(s, vcpu);
}
