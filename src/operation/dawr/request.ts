import { hexDigit } from "../../event/mask.js";
import type { Word } from "../../event/word.js";
import { parseWord, wordOf } from "../../event/word.js";
import { requestNumber } from "./numbers.js";

/** The descriptor at the begin of an argument: `5`, `5</dev/kvm>`, `0x5`; -1 where there is none. */
export function descriptorNumber(arg: string | undefined): number {
  if (arg === undefined) return -1;
  if (arg.startsWith("0x")) {
    const word = hexPrefix(arg);
    return word === undefined || word.hi !== 0 ? -1 : word.lo;
  }
  let value = 0;
  let at = 0;
  for (; at < arg.length && at < 10; at++) {
    const digit = arg.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  return at === 0 ? -1 : value;
}

/** What strace shows a descriptor to stand for, in angle brackets behind it; undefined without `-y`. */
export function decorationOf(arg: string | undefined): string | undefined {
  if (arg === undefined) return undefined;
  const open = arg.indexOf("<");
  return open < 0 ? undefined : arg.slice(open + 1, arg.endsWith(">") ? -1 : undefined);
}

/**
 * The request of an ioctl as 32 bits: a name of strace, `0x…` (the caller's whole register: its low half, FMT-1), or a
 * number with its name as a comment. 0 where it is none that is known; undefined where it is certainly none of KVM's.
 */
export function requestOf(arg: string | undefined): number | undefined {
  if (arg === undefined) return undefined;
  if (arg.startsWith("0x")) return hexPrefix(arg)?.lo;
  if (arg.startsWith("KVM_") || arg.includes(" or KVM_")) return requestNumber(arg) ?? 0;
  if (arg.startsWith("_IOC(")) return arg.includes(", 0xae,") ? 0 : undefined;
  const first = arg.charCodeAt(0);
  if (first >= 48 && first <= 57) return Number.parseInt(arg, 10) >>> 0;
  return undefined;
}

/** A third argument as a 64-bit number: `194`, `0x7ffc`, `0x270f /* KVM_CAP_??? *\/`, `NULL`, `-1`. */
export function argumentWord(arg: string | undefined): Word | undefined {
  if (arg === undefined) return undefined;
  if (arg === "NULL") return wordOf(0, 0);
  if (arg.startsWith("0x")) return hexPrefix(arg);
  const blank = arg.indexOf(" ");
  return parseWord(blank < 0 ? arg : arg.slice(0, blank));
}

/** The hex number that a text begins with. */
function hexPrefix(text: string): Word | undefined {
  let hi = 0;
  let lo = 0;
  let at = 2;
  for (; at < text.length && at < 18; at++) {
    const digit = hexDigit(text.charCodeAt(at));
    if (digit < 0) break;
    hi = ((hi << 4) | (lo >>> 28)) >>> 0;
    lo = ((lo << 4) | digit) >>> 0;
  }
  return at === 2 ? undefined : { hi, lo };
}
