import { type Word, zeroWord } from "../../event/word.js";
import { type DawrProfile, NEW, nestedVersionOf, rule, V61 } from "./profile.js";
import { safeCiabr, withoutHyp } from "./words.js";

/** H_ENTER_NESTED with everything known: the L0 side as a function (ppc-dawr 4.5), and QEMU in its place (NEST-16). */

export const NEST_1 = rule("NEST-1", "Gate", "Without nesting enabled in a radix VM: H_FUNCTION.", "kvm/book3s_hv.c");
export const NEST_2 = rule(
  "NEST-2",
  "Partition table",
  "Without a partition table: H_NOT_AVAILABLE.",
  "kvm/book3s_hv_nested.c",
);
export const NEST_3 = rule(
  "NEST-3",
  "L1 transactional",
  "An L1 in transactional state: H_BAD_MODE.",
  "kvm/book3s_hv_nested.c",
  V61,
);
export const NEST_4 = rule(
  "NEST-4",
  "Reading the image",
  "pre-dawr1 reads 232 bytes; later kernels read the version first and refuse one whose low 32 bits are neither 1 nor 2. What can't be read, and such a version: H_PARAMETER.",
  "kvm/book3s_hv_nested.c kvmhv_read_guest_state_and_regs",
);
export const NEST_5 = rule(
  "NEST-5",
  "Version judgement",
  "pre-dawr1: a version other than 1 is H_P2; later: only a version above 2 whose low 32 bits are 1 or 2.",
  "kvm/book3s_hv_nested.c kvmhv_enter_nested_guest",
);
export const NEST_6 = rule(
  "NEST-6",
  "Token",
  "vcpu_token of NR_CPUS and above: H_PARAMETER.",
  "kvm/book3s_hv_nested.c",
);
export const NEST_7 = rule(
  "NEST-7",
  "Transaction state",
  "The transaction states of L1 and L2 do not fit: H_BAD_MODE.",
  "kvm/book3s_hv_nested.c",
  V61,
);
export const NEST_8 = rule(
  "NEST-8",
  "Guest id",
  "lpid beyond the partition table, or no memory: H_PARAMETER.",
  "kvm/book3s_hv_nested.c",
);
export const NEST_9 = rule(
  "NEST-9",
  "Save and load",
  "L2 runs with the image's registers: HYP cleared in DAWRX0 and DAWRX1, CIABR with PRIV 3 switched off.",
  "kvm/book3s_hv_nested.c load_l2_hv_regs",
);
export const NEST_10 = rule(
  "NEST-10",
  "Fields that a version-1 image lacks",
  "linux-6.1 runs L2 with DAWR1 and DAWRX1 of 0; dawr1-v2 with what lies on its stack, HYP cleared.",
  "kvm/book3s_hv_nested.c",
  NEW,
);
export const NEST_11 = rule(
  "NEST-11",
  "Restore",
  "After the run L1 has its own DAWRs and CIABR again.",
  "kvm/book3s_hv_nested.c restore_hv_regs",
);
export const NEST_12 = rule(
  "NEST-12",
  "Image written back",
  "DAWR0, DAWR1 and the version come back as given; DAWRX0, DAWRX1 and CIABR sanitised in the older profiles, as given in linux-6.1. Nothing behind the size of the version is written.",
  "kvm/book3s_hv_nested.c save_hv_return_state",
);
export const NEST_13 = rule(
  "NEST-13",
  "L1 of the opposite endianness",
  "dawr1-v2 and linux-6.1 look at the version after swapping it back: after the run nothing is written and the answer is H_AUTHORITY.",
  "kvm/book3s_hv_nested.c kvmhv_write_guest_state_and_regs",
);
export const NEST_14 = rule(
  "NEST-14",
  "Result",
  "In order: not writable H_AUTHORITY; a signal: GPR3 0 and EINTR; an MMIO exit: GPR3 0; else the trap number.",
  "kvm/book3s_hv_nested.c",
);
export const NEST_15 = rule(
  "NEST-15",
  "dawr1Enabled is not consulted",
  "An L2 gets the second DAWR of the image although its L1 was never granted one.",
  "kvm/book3s_hv_nested.c",
  NEW,
);
export const NEST_16 = rule(
  "NEST-16",
  "QEMU as L0",
  "Always reads 248 bytes; a version above 2 or lpid 0 is H_PARAMETER, version 0 is accepted; unmappable registers H_P2; no partition table H_NOT_AVAILABLE; capability off H_FUNCTION.",
  "QEMU hw/ppc/spapr_nested.c",
);
export const NEST_17 = rule(
  "NEST-17",
  "What a Linux L1 sends",
  "Its own version without a fallback, its vCPU's DAWRs and CIABR.",
  "kvm/book3s_hv.c kvmhv_save_hv_regs",
);
export const NEST_18 = rule(
  "NEST-18",
  "L1's view of a refused entry",
  "A negative answer is taken for a trap: KVM_RUN of the L1 returns exit reason 0 with the number as the hardware reason.",
  "kvm/book3s_hv.c",
);

/** The fields of hv_guest_state that the rules speak of (2.8), in L1's own values. */
export interface NestedImage {
  readonly version: Word;
  readonly lpid: number;
  readonly token: number;
  readonly dawr0: Word;
  readonly dawrx0: Word;
  readonly ciabr: Word;
  /** Only what lies within the size of the version counts. */
  readonly dawr1: Word;
  readonly dawrx1: Word;
}

/** How an H_ENTER_NESTED comes about. */
export interface NestedEntry {
  readonly image: NestedImage;
  readonly nestedEnable: boolean;
  readonly radix: boolean;
  readonly l1Ptcr: Word;
  readonly nrCpus: number;
  /** Bytes of the image that can be read from its begin. */
  readonly readable: number;
  readonly regsReadable: boolean;
  readonly writable: boolean;
  readonly l1Transactional: boolean;
  readonly oppositeEndian: boolean;
  /** How the run of L2 ends. */
  readonly end:
    | { readonly kind: "trap"; readonly trap: number }
    | { readonly kind: "signal" }
    | { readonly kind: "mmio" };
}

/** What comes of an entry. */
export interface NestedOutcome {
  /** GPR3 of L1: a negative code, or a trap number. */
  readonly answer: number;
  /** KVM_RUN of the L0 ends: with EINTR, or with an MMIO exit. */
  readonly exit: "none" | "signal" | "mmio";
  /** Registers that L2 ran with; undefined where it did not run. A value of undefined is unpredictable (NEST-10). */
  readonly l2:
    | {
        readonly dawr0: Word;
        readonly dawrx0: Word;
        readonly ciabr: Word;
        readonly dawr1: Word | undefined;
        readonly dawrx1: Word | undefined;
      }
    | undefined;
  /** The image in L1's memory afterwards. */
  readonly image: NestedImage;
}

const H_FUNCTION = -2;
const H_NOT_AVAILABLE = 3;
const H_PARAMETER = -4;
const H_BAD_MODE = -5;
const H_AUTHORITY = -10;
const H_P2 = -55;

/** Bytes of the image by version, truncated to 32 bits (2.8); 0 for a version that the kernel does not know. */
export function imageSize(profile: DawrProfile, version: Word): number {
  if (version.lo === 1) return 232;
  return version.lo === 2 && profile !== "pre-dawr1" ? 248 : 0;
}

/** H_ENTER_NESTED as an L0 kernel of that profile performs it (NEST-1 to NEST-15). */
export function enterNestedKernel(profile: DawrProfile, entry: NestedEntry): NestedOutcome {
  const { image } = entry;
  const refused = (answer: number): NestedOutcome => ({ answer, exit: "none", l2: undefined, image });
  if (!entry.nestedEnable || !entry.radix) return refused(H_FUNCTION);
  if (entry.l1Ptcr.hi === 0 && entry.l1Ptcr.lo === 0) return refused(H_NOT_AVAILABLE);
  const modern = profile === "linux-6.1";
  if (modern && entry.l1Transactional) return refused(H_BAD_MODE);
  const size = profile === "pre-dawr1" ? 232 : imageSize(profile, image.version);
  if (entry.readable < 8 || size === 0 || entry.readable < size || !entry.regsReadable) return refused(H_PARAMETER);
  const limit = nestedVersionOf(profile);
  const unsupported = profile === "pre-dawr1" ? !isVersion(image.version, 1) : isAbove(image.version, limit);
  if (unsupported) return refused(H_P2);
  if (image.token >= entry.nrCpus) return refused(H_PARAMETER);
  if (image.lpid >= 2 ** ((entry.l1Ptcr.lo & 0x1f) + 8)) return refused(H_PARAMETER);
  const l2 = loaded(profile, image);
  if (!entry.writable || (entry.oppositeEndian && profile !== "pre-dawr1")) {
    return { answer: H_AUTHORITY, exit: "none", l2, image };
  }
  const written = modern ? image : sanitised(image, size);
  switch (entry.end.kind) {
    case "signal":
      return { answer: 0, exit: "signal", l2, image: written };
    case "mmio":
      return { answer: 0, exit: "mmio", l2, image: written };
    case "trap":
      return { answer: entry.end.trap, exit: "none", l2, image: written };
  }
}

function isVersion(version: Word, value: number): boolean {
  return version.hi === 0 && version.lo === value;
}

function isAbove(version: Word, limit: number): boolean {
  return version.hi !== 0 || version.lo > limit;
}

function loaded(profile: DawrProfile, image: NestedImage): NestedOutcome["l2"] {
  const whole = image.version.lo === 2;
  const absent = profile === "dawr1-v2" ? undefined : zeroWord;
  return {
    dawr0: image.dawr0,
    dawrx0: withoutHyp(image.dawrx0),
    ciabr: safeCiabr(image.ciabr),
    dawr1: whole ? image.dawr1 : absent,
    dawrx1: whole ? withoutHyp(image.dawrx1) : absent,
  };
}

function sanitised(image: NestedImage, size: number): NestedImage {
  return {
    ...image,
    dawrx0: withoutHyp(image.dawrx0),
    ciabr: safeCiabr(image.ciabr),
    dawrx1: size > 232 ? withoutHyp(image.dawrx1) : image.dawrx1,
  };
}

/** H_ENTER_NESTED as QEMU performs it in the place of an L0 (NEST-16): its answer. */
export function enterNestedQemu(entry: NestedEntry, capability: boolean): number {
  if (!capability) return H_FUNCTION;
  if (entry.l1Ptcr.hi === 0 && entry.l1Ptcr.lo === 0) return H_NOT_AVAILABLE;
  if (entry.readable < 248) return H_PARAMETER;
  if (isAbove(entry.image.version, 2)) return H_PARAMETER;
  if (entry.image.lpid === 0) return H_PARAMETER;
  if (!entry.regsReadable) return H_P2;
  return entry.end.kind === "trap" ? entry.end.trap : 0;
}

/** Trap numbers that the answer of a run can be (NEST-14): multiples of 0x20 up to 0x1800, and 0. */
export function mayBeTrap(answer: number): boolean {
  return answer >= 0 && answer <= 0x1800 && answer % 0x20 === 0;
}
