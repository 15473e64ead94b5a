import { type Word, wordOf, zeroWord } from "../../event/word.js";
import { rule } from "./profile.js";

/** LPCR as far as it is known: bits of `known` have the value of `value`. */
export interface Lpcr {
  readonly value: Word;
  readonly known: Word;
}

export const unknownLpcr: Lpcr = { value: zeroWord, known: zeroWord };

/** Fields that user space may touch (2.3). */
export const AIL = wordOf(0, 0x01800000);
export const ILE = wordOf(0, 0x02000000);
const LD = wordOf(0, 0x00020000);
const TC = wordOf(0, 0x00000200);
const DPFD = wordOf(0x00700000, 0);

export const HSM_17 = rule(
  "HSM-17",
  "LPCR filter",
  "Setting LPCR changes DPFD, ILE and TC, AIL where the host has ISA 2.07, LD where it has 3.0; in linux-6.1 AIL other than 3 becomes 0, TC is cleared in radix VMs, AIL with the POWER9 prefetch erratum. The call returns 0 in every case.",
  "kvm/book3s_hv.c kvmppc_set_lpcr, kvmppc_filter_lpcr_hv",
);

function and(a: Word, b: Word): Word {
  return wordOf(a.hi & b.hi, a.lo & b.lo);
}

function or(a: Word, b: Word): Word {
  return wordOf(a.hi | b.hi, a.lo | b.lo);
}

function without(a: Word, b: Word): Word {
  return wordOf(a.hi & ~b.hi, a.lo & ~b.lo);
}

/** What the filter depends on; undefined: not known. */
export interface LpcrInputs {
  /** linux-6.1: AIL and LD are always taken and filtered afterwards. */
  readonly filtered: boolean;
  readonly arch207s: boolean | undefined;
  readonly arch300: boolean | undefined;
  readonly radix: boolean | undefined;
  readonly p9PrefetchBug: boolean | undefined;
  /** KVM_REG_PPC_LPCR has 32 bits, KVM_REG_PPC_LPCR_64 all. */
  readonly wide: boolean;
}

/** LPCR after KVM_SET_ONE_REG with `asked` (HSM-17). */
export function setLpcr(before: Lpcr, asked: Word, inputs: LpcrInputs): Lpcr {
  let mask = or(DPFD, or(ILE, TC));
  let doubtful = zeroWord;
  const field = (bits: Word, condition: boolean | undefined): void => {
    if (condition === true) mask = or(mask, bits);
    else if (condition === undefined) doubtful = or(doubtful, bits);
  };
  field(AIL, inputs.filtered ? true : inputs.arch207s);
  field(LD, inputs.filtered ? true : inputs.arch300);
  if (!inputs.wide) mask = and(mask, wordOf(0, 0xffffffff));
  let value = or(without(before.value, mask), and(asked, mask));
  let known = without(or(before.known, mask), doubtful);
  if (!inputs.filtered) return { value: and(value, known), known };
  const clear = (bits: Word, condition: boolean | undefined): void => {
    if (condition === true) {
      value = without(value, bits);
      known = or(known, bits);
    } else if (condition === undefined && and(value, bits).lo !== 0) known = without(known, bits);
  };
  clear(TC, inputs.radix);
  clear(AIL, inputs.arch207s === undefined ? undefined : !inputs.arch207s);
  if (and(known, AIL).lo === AIL.lo && and(value, AIL).lo !== AIL.lo) value = without(value, AIL);
  const bug = inputs.radix === false || inputs.p9PrefetchBug === false ? false : inputs.radix && inputs.p9PrefetchBug;
  clear(AIL, bug);
  clear(LD, inputs.arch300 === undefined ? undefined : !inputs.arch300);
  return { value: and(value, known), known };
}

/** Whether a value that was read can be that of the register. `loose` bits are not compared. */
export function admitsLpcr(lpcr: Lpcr, read: Word, loose: Word): boolean {
  const known = without(lpcr.known, loose);
  const difference = wordOf((read.hi ^ lpcr.value.hi) & known.hi, (read.lo ^ lpcr.value.lo) & known.lo);
  return difference.hi === 0 && difference.lo === 0;
}
