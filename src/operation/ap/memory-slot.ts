import { numberOf } from "../../event/arguments.js";
import { parseWord, type Word } from "../../event/word.js";

/** A slot of a VM's memory, as KVM_SET_USER_MEMORY_REGION sets it; one without pages is taken away. */
export interface MemorySlot {
  readonly slot: number;
  /** Number of its first page of 4 KiB. */
  readonly first: number;
  readonly pages: number;
  readonly readonly: boolean;
}

const STRUCTURE = /^\{slot=([^,]+), flags=([^,]+), guest_phys_addr=([^,]+), memory_size=([^,}]+)/;
const READONLY = 2;

/** The slot of the call's structure as strace prints it (capture-formats a.7); undefined where it is not printed. */
export function memorySlotOf(arg: string | undefined): MemorySlot | undefined {
  const match = arg === undefined ? null : STRUCTURE.exec(arg);
  if (match === null) return undefined;
  const [, slot = "", flags = "", address = "", size = ""] = match;
  const number = numberOf(slot);
  const first = parseWord(address);
  const length = parseWord(size);
  if (number === undefined || first === undefined || length === undefined) return undefined;
  const code = numberOf(flags.split(" ", 1)[0] ?? "") ?? 0;
  const readonly = flags.includes("KVM_MEM_READONLY") || (code & READONLY) !== 0;
  return { slot: number, first: pageNumber(first), pages: pageNumber(length), readonly };
}

/** The number of an address's page of 4 KiB: below 2^52. */
export function pageNumber(address: Word): number {
  return address.hi * 2 ** 20 + (address.lo >>> 12);
}
