import { addressText } from "../../event/address-text.js";
import { type Word, wordOf } from "../../event/word.js";
import { isKnown, type Known } from "../core/known.js";

/** HYP of DAWRX and DABRX: never allowed from a guest (2.3). */
export const HYP = 0x4;

/** Whether a 64-bit argument is that small number, all 64 bits compared (HSM-2). */
export function equals(word: Word, value: number): boolean {
  return word.hi === 0 && word.lo === value;
}

export function hasHyp(word: Word): boolean {
  return (word.lo & HYP) !== 0;
}

export function withoutHyp(word: Word): Word {
  return hasHyp(word) ? wordOf(word.hi, word.lo & ~HYP) : word;
}

/** CIABR as KVM_SET_ONE_REG and nested entries store it: PRIV 3 becomes 0 (REG-6, NEST-9). */
export function safeCiabr(word: Word): Word {
  return (word.lo & 3) === 3 ? wordOf(word.hi, word.lo & ~3) : word;
}

export function registerText(known: Known<Word>): string {
  return isKnown(known) ? addressText(known) : "unknown";
}
