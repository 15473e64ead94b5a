import { type Word, wordOf } from "../../event/word.js";

/** Numbers of the powerpc system: hcalls, return codes, requests, capabilities, registers (ppc-dawr section 2). */

export const H_SET_DABR = 0x28;
export const H_SET_XDABR = 0x134;
export const H_SET_MODE = 0x31c;
export const H_RTAS = 0xf000;
export const H_SET_PARTITION_TABLE = 0xf800;
export const H_ENTER_NESTED = 0xf804;

/** Hcalls by the symbol of `kvm_hcall_enter` (2.9); only those that a rule speaks of need one. */
const hcallSymbols: ReadonlyMap<string, number> = new Map([
  ["H_REMOVE", 0x4],
  ["H_ENTER", 0x8],
  ["H_READ", 0xc],
  ["H_CLEAR_MOD", 0x10],
  ["H_CLEAR_REF", 0x14],
  ["H_PROTECT", 0x18],
  ["H_GET_TCE", 0x1c],
  ["H_PUT_TCE", 0x20],
  ["H_SET_SPRG0", 0x24],
  ["H_SET_DABR", H_SET_DABR],
  ["H_PAGE_INIT", 0x2c],
  ["H_LOGICAL_CI_LOAD", 0x3c],
  ["H_LOGICAL_CI_STORE", 0x40],
  ["H_REGISTER_VPA", 0xdc],
  ["H_CEDE", 0xe0],
  ["H_CONFER", 0xe4],
  ["H_PROD", 0xe8],
  ["H_BULK_REMOVE", 0x124],
  ["H_SET_XDABR", H_SET_XDABR],
  ["H_STUFF_TCE", 0x138],
  ["H_PUT_TCE_INDIRECT", 0x13c],
  ["H_RANDOM", 0x300],
  ["H_SET_MODE", H_SET_MODE],
  ["H_RTAS", H_RTAS],
  ["H_SET_PARTITION_TABLE", H_SET_PARTITION_TABLE],
  ["H_ENTER_NESTED", H_ENTER_NESTED],
  ["H_TLB_INVALIDATE", 0xf808],
  ["H_COPY_TOFROM_GUEST", 0xf80c],
]);

/** The number behind `hcall=`: a symbol or `0x…`; undefined for a symbol that no rule needs. */
export function hcallNumber(printed: string): number | undefined {
  if (printed.startsWith("0x")) {
    // Beyond 53 bits it is not exact, but none that the kernel serves either.
    const value = Number.parseInt(printed.slice(2), 16);
    return Number.isFinite(value) ? value : undefined;
  }
  return hcallSymbols.get(printed);
}

/** The name of an hcall for people. */
export function hcallName(number: number): string {
  for (const [name, value] of hcallSymbols) if (value === number) return name;
  return `0x${number.toString(16)}`;
}

/** Return codes by value (2.2). H_SUCCESS is no failure and stands apart. */
const codeNames: ReadonlyMap<number, string> = new Map([
  [1, "H_BUSY"],
  [2, "H_CLOSED"],
  [3, "H_NOT_AVAILABLE"],
  [9900, "H_LONG_BUSY_START_RANGE"],
  [9901, "H_LONG_BUSY_ORDER_10_MSEC"],
  [9902, "H_LONG_BUSY_ORDER_100_MSEC"],
  [9903, "H_LONG_BUSY_ORDER_1_SEC"],
  [9904, "H_LONG_BUSY_ORDER_10_SEC"],
  [9905, "H_LONG_BUSY_ORDER_100_SEC"],
  [9999, "H_TOO_HARD"],
  [-1, "H_HARDWARE"],
  [-2, "H_FUNCTION"],
  [-3, "H_PRIVILEGE"],
  [-4, "H_PARAMETER"],
  [-5, "H_BAD_MODE"],
  [-8, "H_RESERVED_DABR"],
  [-9, "H_NO_MEM"],
  [-10, "H_AUTHORITY"],
  [-55, "H_P2"],
  [-56, "H_P3"],
  [-57, "H_P4"],
  [-67, "H_UNSUPPORTED"],
  [-69, "H_INTERRUPT"],
  [-256, "H_UNSUPPORTED_FLAG_START"],
  [-319, "H_UNSUPPORTED_FLAG(63)"],
  [-511, "H_UNSUPPORTED_FLAG_END"],
]);

/** What `hcall_rc=` prints where it is not the name above. */
const codeAliases: ReadonlyMap<string, string> = new Map([
  ["H_LONG_BUSY_ORDER_1_MSEC", "H_LONG_BUSY_START_RANGE"],
  ["H_LONG_BUSY_END_RANGE", "H_LONG_BUSY_ORDER_100_SEC"],
]);

/**
 * The name of a return code, as results of hcalls carry it; undefined for H_SUCCESS and for numbers without one (trap
 * numbers of H_ENTER_NESTED).
 */
export function codeName(value: number): string | undefined {
  const name = codeNames.get(value);
  if (name !== undefined) return name;
  return value < 0 ? String(value) : undefined;
}

/** A return code as printed in `hcall_rc=`: a symbol, or unsigned hex of 64 bits. */
export function parseCode(printed: string): { readonly name: string | undefined; readonly value: number | undefined } {
  if (printed === "H_SUCCESS") return { name: undefined, value: 0 };
  if (printed.startsWith("0x")) {
    const digits = printed.slice(2);
    const low = Number.parseInt(digits.slice(-8), 16) | 0;
    const negative = digits.length === 16 && digits.startsWith("ffffffff") && low < 0;
    const value = negative ? low : Number.parseInt(digits, 16);
    if (!Number.isFinite(value)) return { name: printed, value: undefined };
    return { name: codeName(value), value };
  }
  return { name: codeAliases.get(printed) ?? printed, value: undefined };
}

/** KVM's requests as powerpc encodes them (2.7). */
export const KVM_CREATE_VM = 0x2000ae01;
export const KVM_CHECK_EXTENSION = 0x2000ae03;
export const KVM_CREATE_VCPU = 0x2000ae41;
export const KVM_RUN = 0x2000ae80;
export const KVM_GET_REGS = 0x4188ae81;
export const KVM_SET_REGS = 0x8188ae82;
export const KVM_ENABLE_CAP = 0x8068aea3;
export const KVM_GET_ONE_REG = 0x8010aeab;
export const KVM_SET_ONE_REG = 0x8010aeac;

const requestNames: ReadonlyMap<string, number> = new Map([
  ["KVM_GET_API_VERSION", 0x2000ae00],
  ["KVM_CREATE_VM", KVM_CREATE_VM],
  ["KVM_CHECK_EXTENSION", KVM_CHECK_EXTENSION],
  ["KVM_GET_VCPU_MMAP_SIZE", 0x2000ae04],
  ["KVM_CREATE_VCPU", KVM_CREATE_VCPU],
  ["KVM_SET_USER_MEMORY_REGION", 0x8020ae46],
  ["KVM_RUN", KVM_RUN],
  ["KVM_GET_REGS", KVM_GET_REGS],
  ["KVM_SET_REGS", KVM_SET_REGS],
  ["KVM_ENABLE_CAP", KVM_ENABLE_CAP],
  ["KVM_GET_ONE_REG", KVM_GET_ONE_REG],
  ["KVM_SET_ONE_REG", KVM_SET_ONE_REG],
]);

/** The number of a request that strace prints by name; several names joined with ` or ` count if one of them is known. */
export function requestNumber(name: string): number | undefined {
  const known = requestNames.get(name);
  if (known !== undefined || !name.includes(" or ")) return known;
  for (const one of name.split(" or ")) {
    const number = requestNames.get(one);
    if (number !== undefined) return number;
  }
  return undefined;
}

/** The same requests as other architectures encode them: a powerpc recording cannot hold them (CAP-10). */
export const foreignRequests: ReadonlyMap<number, string> = new Map([
  [0xae00, "KVM_GET_API_VERSION"],
  [0xae01, "KVM_CREATE_VM"],
  [0xae03, "KVM_CHECK_EXTENSION"],
  [0xae04, "KVM_GET_VCPU_MMAP_SIZE"],
  [0xae41, "KVM_CREATE_VCPU"],
  [0xae80, "KVM_RUN"],
  [0x8090ae81, "KVM_GET_REGS"],
  [0x4090ae82, "KVM_SET_REGS"],
  [0x4068aea3, "KVM_ENABLE_CAP"],
  [0x4010aeab, "KVM_GET_ONE_REG"],
  [0x4010aeac, "KVM_SET_ONE_REG"],
]);

/** Whether a request's type byte is KVM's. */
export function isKvmRequest(command: number): boolean {
  return (command & 0xff00) === 0xae00;
}

/** Capabilities that a rule speaks of, by the name that strace prints (2.6). */
const capabilityNames: ReadonlyMap<string, number> = new Map([
  ["KVM_CAP_PPC_PAPR", 68],
  ["KVM_CAP_ENABLE_CAP_VM", 98],
  ["KVM_CAP_PPC_ENABLE_HCALL", 104],
  ["KVM_CAP_CHECK_EXTENSION_VM", 105],
  ["KVM_CAP_PPC_NESTED_HV", 160],
  ["KVM_CAP_STEAL_TIME", 187],
  ["KVM_CAP_SYS_HYPERV_CPUID", 191],
  ["KVM_CAP_PPC_DAWR1", 194],
  ["KVM_CAP_PPC_AIL_MODE_3", 210],
]);

export function capabilityNumber(name: string): number | undefined {
  return capabilityNames.get(name);
}

/** Ids of one-regs (2.5). */
export const registerIds = {
  dabr: wordOf(0x10300000, 0x8),
  dawr0: wordOf(0x10300000, 0xaa),
  dawrx0: wordOf(0x10300000, 0xab),
  ciabr: wordOf(0x10300000, 0xac),
  lpcr: wordOf(0x10200000, 0xb5),
  lpcr64: wordOf(0x10300000, 0xb5),
  archCompat: wordOf(0x10200000, 0xb7),
  dabrx: wordOf(0x10200000, 0xb8),
  dawr1: wordOf(0x10300000, 0xc4),
  dawrx1: wordOf(0x10300000, 0xc5),
} as const satisfies Readonly<Record<string, Word>>;
