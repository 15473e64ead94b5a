import type { Word } from "../../event/word.js";
import { sameWord, wordOf, wordText } from "../../event/word.js";
import type { ApCall } from "../../operation/ap/call.js";
import type { Tri } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { aqicRule } from "./profile.js";
import { responseCode } from "./status.js";

export const PQAP_11 = aqicRule(
  "PQAP-11",
  "Condition code after the hook",
  "Condition code 3 if the response code is not 00, else the condition code stays as it was.",
  "priv.c:handle_pqap",
);
export const PQAP_13 = aqicRule(
  "PQAP-13",
  "Left to user space",
  "Nothing changes: no register, no PSW, no driver state.",
  "kvm-s390.c:vcpu_post_run",
);
export const PQAP_14 = aqicRule(
  "PQAP-14",
  "Program interruption",
  "The interruption is queued; registers and condition code stay and no driver state changes.",
  "kvm-s390.h:kvm_s390_inject_program_int",
);
export const PQAP_15 = aqicRule(
  "PQAP-15",
  "Registers",
  "GR0 and GR2 are never written; GR1 only by the default status without a hook and by the driver's status.",
  "priv.c:handle_pqap, vfio_ap_ops.c:handle_pqap",
);
export const NEVER = aqicRule(
  "5.5",
  "What never happens, whatever hardware does",
  "No return code but 0 and -95; no status in the high word of GR1 from the driver; no registration or enabling AQIC before the pin; no more than six disabling AQICs, two ZAPQs in a reset; no unpinning before the unregistration; no condition code changed by a success; no line of the driver in an instruction that the checks ended.",
  "vfio-ap-aqic 5.5",
);
export const INV_17 = aqicRule(
  "INV-17",
  "Registers stay",
  "GR0 and GR2 are at exit what they were at entry, GR1 changes only by a status (PQAP-15).",
  "invariant",
);
export const INV_18 = aqicRule(
  "INV-18",
  "A failed request has condition code 3",
  "A request that was handled with a response code other than 00 ends with condition code 3.",
  "invariant",
);

export type Pqap = Extract<ApCall, { kind: "pqap" }>;

/** How an instruction ended, as far as it was recorded. */
export type Ending = "userspace" | "interruption" | "answered";

const EOPNOTSUPP = -95;

/**
 * Whether a check ends the instruction here: by what is known, else by what the exit shows. `last`: no check that comes
 * after it ends an instruction in this way.
 */
export function endsHere(
  x: Trial,
  call: Pqap,
  condition: Tri,
  ending: Ending,
  pgm: number | undefined,
  last = false,
): boolean {
  if (condition !== "unknown") return condition;
  const { exit } = call;
  if (exit === undefined) return x.either("unknown");
  if (ending === "userspace") return exit.rc === EOPNOTSUPP && (last || x.choose(2) === 0);
  const fits = exit.rc === 0 && sameWord(exit.gr1, call.gr1) && (exit.pgm === undefined || exit.pgm === pgm);
  // A status leaves nothing in the high half of GR1 (AQIC-7): what stands there still shows that none was written.
  const shown = last && exit.gr1.hi !== 0 && call.gr1.hi !== 0x00010000;
  return fits && (shown || x.choose(2) === 0);
}

export function ended(x: Trial, call: Pqap, ending: Ending, rule: Rule, pgm: number | undefined): void {
  const after = ending === "userspace" ? PQAP_13 : PQAP_14;
  x.by(rule, after, PQAP_15);
  const rc = ending === "userspace" ? EOPNOTSUPP : 0;
  exits(x, call, { rc, gr1: call.gr1, cc: undefined, pgm }, rule, after, INV_17);
}

/** AQIC-7, PQAP-11: the status in the low half of GR1. `left`: bits that may stand in its reserved half (IRQ-13). */
export function writeStatus(x: Trial, call: Pqap, status: number, left: number, rule: Rule): void {
  const failed = responseCode(status) !== 0;
  const low = left !== 0 && call.exit?.gr1.lo === (status | left) ? status | left : status;
  const rules = failed ? [rule, PQAP_11, INV_18] : [rule, PQAP_11];
  exits(x, call, { rc: 0, gr1: wordOf(0, low), cc: failed ? 3 : undefined }, ...rules);
}

/** What an exit must show; `cc` undefined: as before the instruction. */
export interface ExpectedExit {
  readonly rc: number;
  readonly gr1: Word;
  readonly cc: number | undefined;
  /** Code of the program interruption (PQAP-14); absent for none, which a recorder shows as 0 or not at all. */
  readonly pgm?: number | undefined;
}

/** Holds the exit against what is expected. */
export function exits(x: Trial, call: Pqap, expected: ExpectedExit, ...rules: readonly Rule[]): void {
  const { exit } = call;
  if (exit === undefined) {
    x.cannotCheck("result unknown: the exit of the instruction was not recorded");
    return;
  }
  const cc = expected.cc ?? call.ccBefore;
  const pgm = expected.pgm ?? 0;
  if (exit.rc !== expected.rc) x.differs(`rc ${expected.rc}`, `rc ${exit.rc}`, ...rules, ...never(exit.rc));
  else if (!sameWord(exit.gr1, expected.gr1)) {
    x.differs(`gr1 ${wordText(expected.gr1)}`, `gr1 ${wordText(exit.gr1)}`, ...rules);
  } else if (cc !== undefined && exit.cc !== cc) x.differs(`cc ${cc}`, `cc ${exit.cc}`, ...rules);
  else if (exit.pgm !== undefined && exit.pgm !== pgm) {
    const shown = (code: number): string => (code === 0 ? "no program interruption" : `program interruption ${code}`);
    x.differs(shown(pgm), shown(exit.pgm), ...rules);
  } else x.agrees(...rules);
}

function never(rc: number): readonly Rule[] {
  return rc === 0 || rc === EOPNOTSUPP ? [] : [NEVER];
}

/** 5.5: what an exit cannot show even where the rest of the instruction is not recorded. */
export function neverExits(x: Trial, call: Pqap): void {
  const { exit } = call;
  if (exit === undefined) return;
  if (exit.rc !== 0 && exit.rc !== EOPNOTSUPP) {
    x.differs("rc 0 or -95", `rc ${exit.rc}`, NEVER);
    return;
  }
  if (exit.cc < 0 || exit.cc > 3) x.differs("a condition code from 0 to 3", `cc ${exit.cc}`, NEVER);
  const noHook = exit.gr1.hi === 0x00010000 && exit.gr1.lo === call.gr1.lo;
  if (sameWord(exit.gr1, call.gr1) || noHook || (exit.gr1.hi === 0 && exit.rc === 0)) return;
  x.differs("gr1 as it was, or a status in its low half", `gr1 ${wordText(exit.gr1)}`, NEVER, INV_17);
}
