import { isZero, type Word } from "../../event/word.js";
import { isKnown, type Known, OneOf, oneOf } from "../core/known.js";
import { rule } from "./profile.js";
import { type Host, type VmmColumn, vmmColumns } from "./state.js";
import { equals, hasHyp } from "./words.js";

/** What completes hcalls in user space: QEMU's answers by generation (HSM-11, DABR-9). */

export const HSM_11 = rule(
  "HSM-11",
  "QEMU's answer to H_SET_MODE",
  "By generation: resources 1, 2 and 5 are H_P2, later emulated without KVM; resource 3 judges value1, value2 and mflags, resource 4 sets the endianness of interrupts; everything else is H_P2.",
  "QEMU hw/ppc/spapr_hcall.c",
);
export const DABR_9 = rule(
  "DABR-9",
  "QEMU's own H_SET_DABR and H_SET_XDABR",
  "H_HARDWARE without a DABR; H_SET_XDABR H_PARAMETER for bad flags; H_SET_DABR H_RESERVED_DABR without DABRX and translation; else H_SUCCESS.",
  "QEMU hw/ppc/spapr_hcall.c",
);
export const ND_2 = rule(
  "ND-2",
  "QEMU of unknown version",
  "Any column's answer is possible, but no H_SUCCESS for resources 0, 6 and up, and no long-busy code.",
  "QEMU hw/ppc/spapr_hcall.c",
);

export type QemuColumn = Exclude<VmmColumn, "other">;

/** The machine as QEMU's answers depend on it; undefined: not known, both ways are possible. */
export interface QemuMachine {
  /** Without KVM: resources 1, 2 and 5 are emulated where the generation knows them. */
  readonly tcg: boolean;
  /** The CPU model is of 2.07 or later. */
  readonly arch207s: boolean | undefined;
  /** The CPU model is of 3.1. */
  readonly arch31: boolean | undefined;
  /** Machine capability ail-mode-3. */
  readonly ailCapability: boolean | undefined;
}

/** An answer: H_SUCCESS, a code, or the end of the emulator. */
export type Answer = "H_SUCCESS" | "H_P2" | "H_P3" | "H_P4" | "H_UNSUPPORTED_FLAG_START" | "abort";

const FLAG = "H_UNSUPPORTED_FLAG_START";

/** The answers that a generation of QEMU may give to H_SET_MODE (HSM-11). */
export function answersOf(column: QemuColumn, machine: QemuMachine, args: readonly Word[]): ReadonlySet<Answer> {
  const [mflags, resource, value1, value2] = args;
  if (mflags === undefined || resource === undefined || value1 === undefined || value2 === undefined) {
    return new Set<Answer>(["H_SUCCESS", "H_P2", "H_P3", "H_P4", FLAG]);
  }
  if (equals(resource, 3)) return addressTranslation(column, machine, mflags, value1, value2);
  if (equals(resource, 4)) {
    if (!isZero(value1)) return one("H_P3");
    if (!isZero(value2)) return one("H_P4");
    return one(equals(mflags, 0) || equals(mflags, 1) ? "H_SUCCESS" : FLAG);
  }
  const isBreakpoint = equals(resource, 1) || equals(resource, 2) || equals(resource, 5);
  if (!isBreakpoint || !knows(column, resource)) return one("H_P2");
  if (!machine.tcg) return one("abort");
  if (!isZero(mflags)) return one(FLAG);
  if (equals(resource, 1)) {
    if (!isZero(value2)) return one("H_P4");
    return one((value1.lo & 3) === 3 ? "H_P3" : "H_SUCCESS");
  }
  return one(hasHyp(value2) ? "H_P4" : "H_SUCCESS");
}

const singles: ReadonlyMap<Answer, ReadonlySet<Answer>> = new Map(
  (["H_SUCCESS", "H_P2", "H_P3", "H_P4", FLAG, "abort"] as const).map((answer) => [answer, new Set<Answer>([answer])]),
);

/** The set of one answer: made once, for it is asked for with every call. */
function one(answer: Answer): ReadonlySet<Answer> {
  return singles.get(answer) ?? new Set([answer]);
}

/** Whether a generation knows resource 1, 2 or 5. */
function knows(column: QemuColumn, resource: Word): boolean {
  if (column === "qemu-dawr1") return true;
  return column === "qemu-dbg" && !equals(resource, 5);
}

function addressTranslation(
  column: QemuColumn,
  machine: QemuMachine,
  mflags: Word,
  value1: Word,
  value2: Word,
): ReadonlySet<Answer> {
  const old = column === "qemu-old" || column === "qemu-p10";
  const mayLack = old && machine.arch207s !== true;
  if (old && machine.arch207s === false) return one("H_P2");
  const judged = translationAnswers(column, machine, mflags, value1, value2);
  return mayLack ? new Set<Answer>([...judged, "H_P2"]) : judged;
}

function translationAnswers(
  column: QemuColumn,
  machine: QemuMachine,
  mflags: Word,
  value1: Word,
  value2: Word,
): ReadonlySet<Answer> {
  if (!isZero(value1)) return one("H_P3");
  if (!isZero(value2)) return one("H_P4");
  if (column !== "qemu-old" && column !== "qemu-p10") {
    if (!equals(mflags, 0) && !equals(mflags, 3)) return one(FLAG);
    return either(equals(mflags, 3) ? machine.ailCapability : true);
  }
  if (equals(mflags, 1)) return one(FLAG);
  if (column === "qemu-p10" && equals(mflags, 2)) {
    return either(machine.arch31 === undefined ? undefined : !machine.arch31);
  }
  return one("H_SUCCESS");
}

/** Success, the flag's code, or where it is not known both. */
function either(succeeds: boolean | undefined): ReadonlySet<Answer> {
  if (succeeds === undefined) return new Set<Answer>(["H_SUCCESS", FLAG]);
  return one(succeeds ? "H_SUCCESS" : FLAG);
}

const onlyColumn: Readonly<Record<QemuColumn, readonly QemuColumn[]>> = {
  "qemu-old": ["qemu-old"],
  "qemu-p10": ["qemu-p10"],
  "qemu-ail3": ["qemu-ail3"],
  "qemu-dbg": ["qemu-dbg"],
  "qemu-dawr1": ["qemu-dawr1"],
};

/** QEMU's columns that a VMM may be; undefined where it may be another VMM, of which nothing is known (ND-1). */
export function columnsOf(vmm: Known<VmmColumn>): readonly QemuColumn[] | undefined {
  if (isKnown(vmm)) return vmm === "other" ? undefined : onlyColumn[vmm];
  const columns = vmm instanceof OneOf ? vmm.values : vmmColumns.filter((column) => column !== "other");
  const qemu: QemuColumn[] = [];
  for (const column of columns) {
    if (column === "other") return undefined;
    qemu.push(column);
  }
  return qemu;
}

/** The field of what is known of the VMM with these columns. */
export function narrowed(columns: readonly QemuColumn[]): Known<VmmColumn> {
  return oneOf<VmmColumn>(columns);
}

/** QEMU's answers to H_SET_DABR and H_SET_XDABR that are possible (DABR-9). */
export function dabrAnswers(host: Host, extended: boolean, args: readonly Word[] | undefined): ReadonlySet<string> {
  // Models from POWER8 on have no DABR (DABR-9, GUEST-15).
  if (host.arch207s === true) return new Set(["H_HARDWARE"]);
  const flags = args?.[1];
  if (!extended) return new Set(["H_HARDWARE", "H_RESERVED_DABR", "H_SUCCESS"]);
  if (flags === undefined) return new Set(["H_HARDWARE", "H_PARAMETER", "H_SUCCESS"]);
  const bad = flags.hi !== 0 || (flags.lo & ~0xf) !== 0 || hasHyp(flags) || (flags.lo & 3) === 0;
  return new Set(["H_HARDWARE", bad ? "H_PARAMETER" : "H_SUCCESS"]);
}
