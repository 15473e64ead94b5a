import { wordOf } from "../../event/word.js";
import { is, isKnown, not, type Tri } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { type Ending, ended, endsHere, exits, neverExits, type Pqap } from "./exit.js";
import { factOf, type GuestFact, KVM_1, KVM_3, learnFact } from "./guest-facts.js";
import { handlerV, vanished } from "./hook.js";
import { aqicRule } from "./profile.js";
import type { ApState, Guest, Mdev } from "./state.js";
import { type Cpu, cpuOf, ecaBit, learnEca } from "./vcpus.js";

export const PQAP_1 = aqicRule(
  "PQAP-1",
  "Dispatch",
  "An intercepted PQAP enters the handler; with AP interpretation on, only AQIC is intercepted, except on nested hosts.",
  "kvm_s390_handle_b2",
);
export const PQAP_2 = aqicRule(
  "PQAP-2",
  "Host without AP instructions",
  "The instruction is left to user space (-EOPNOTSUPP).",
  "priv.c:handle_pqap",
);
export const PQAP_3 = aqicRule(
  "PQAP-3",
  "Guest not allowed to use AP",
  "With AP interpretation off for the CPU the instruction is left to user space.",
  "priv.c:handle_pqap",
);
export const PQAP_4 = aqicRule(
  "PQAP-4",
  "Function code is not AQIC",
  "Every other function is left to user space, before the problem state is looked at.",
  "priv.c:handle_pqap",
);
export const PQAP_5 = aqicRule(
  "PQAP-5",
  "Problem state",
  "A privileged-operation program interruption.",
  "priv.c:handle_pqap",
);
export const PQAP_6 = aqicRule(
  "PQAP-6",
  "Reserved bits 41 to 47 of GR0",
  "A specification program interruption.",
  "priv.c:handle_pqap",
);
export const PQAP_7 = aqicRule(
  "PQAP-7",
  "T bit without the APFT facility",
  "A specification program interruption; with facility 15 the bit is ignored.",
  "priv.c:handle_pqap",
);
export const PQAP_8 = aqicRule(
  "PQAP-8",
  "APQN too wide without APXA",
  "With a CRYCB that is not of format 2, adapters above 63 and domains above 15 give a specification program interruption.",
  "priv.c:handle_pqap",
);
export const PQAP_9 = aqicRule(
  "PQAP-9",
  "AQIC facility missing",
  "Without facility 65 a specification program interruption, after all checks of GR0.",
  "priv.c:handle_pqap",
);
export const PQAP_10 = aqicRule(
  "PQAP-10",
  "Calling the hook",
  "Old profiles hold a reference on the hook's module meanwhile, and leave the instruction to user space where the module is going away; linux-6.1 holds the guest's hook semaphore.",
  "v9 1/4; priv.c:handle_pqap",
);
export const PQAP_12 = aqicRule(
  "PQAP-12",
  "No hook",
  "Response code 01 goes into the high word of GR1, the low word keeps the request, condition code 3.",
  "priv.c:handle_pqap",
);

const PRIVILEGED = 0x0002;
const SPECIFICATION = 0x0006;

/** One intercepted PQAP: handler K, and handler V where it is called (vfio-ap-aqic 4.1, 4.2). */
export function pqap(x: Trial, s: ApState, call: Pqap): void {
  x.by(PQAP_1);
  neverExits(x, call);
  // PQAP-2: the test itself is a TAPQ of APQN 0, which a recorder on the host may show; its outcome is not used.
  if (x.peek("hw_tapq")?.apqn === 0) x.skip();
  const cpu = cpuOf(x, s, call.tid, call.eca);
  const { guest } = cpu;
  if (handlerK(x, s, cpu, call)) return;
  if (isKnown(guest.hook) && guest.hook?.tainted !== undefined) {
    x.cannotCheck(guest.hook.tainted);
    x.takeAll();
    return;
  }
  x.by(PQAP_10);
  if (moduleGone(x, s, guest, call)) return;
  handlerV(x, s, cpu, call);
}

/** PQAP-2 to PQAP-9 and PQAP-12, in this order; true if one of them ended the instruction. */
function handlerK(x: Trial, s: ApState, cpu: Cpu, call: Pqap): boolean {
  const { guest } = cpu;
  const { lo } = call.gr0;
  const ends = (condition: Tri, ending: Ending, rule: Rule, pgm?: number, last = false): boolean => {
    if (!endsHere(x, call, condition, ending, pgm, last)) return false;
    ended(x, call, ending, rule, pgm);
    return true;
  };
  /** A check of something that stays as it is: either way, the answer shows it. */
  const lacks = (fact: GuestFact, rule: Rule): boolean => {
    const missing = ends(not(factOf(guest.facts, fact)), "interruption", rule, SPECIFICATION, rule === PQAP_9);
    x.by(fact === "wide" ? KVM_1 : KVM_3);
    // After a divergence, which check ended the instruction is a guess.
    if (!x.lenient) learnFact(x, s, guest, fact, !missing);
    return missing;
  };
  const noInstructions = ends(not(is(s.host.apInstructions, true)), "userspace", PQAP_2);
  if (!isKnown(s.host.apInstructions) && !x.lenient) s.journal.set(s.host, "apInstructions", !noInstructions);
  if (noInstructions) return true;
  const isAqic = lo >>> 24 === 0x03;
  // Without a hook nothing else leaves an AQIC to user space; with one AQIC-1 can.
  const notAllowed = ends(not(ecaBit(s, cpu, "apie")), "userspace", PQAP_3, undefined, isAqic && guest.hook === null);
  learnEca(x, s, cpu, "apie", !notAllowed);
  if (notAllowed) return true;
  if (ends(!isAqic, "userspace", PQAP_4)) return true;
  if (ends(call.problemState ?? "unknown", "interruption", PQAP_5, PRIVILEGED)) return true;
  if (ends((lo & 0x007f0000) !== 0, "interruption", PQAP_6, SPECIFICATION)) return true;
  if ((lo & 0x00800000) !== 0 && lacks("fac15", PQAP_7)) return true;
  if ((lo & 0xc0f0) !== 0 && lacks("wide", PQAP_8)) return true;
  if (lacks("fac65", PQAP_9)) return true;
  if (!x.either(hookMissing(guest))) return false;
  if (vanished(x, s, call)) return true;
  exits(x, call, { rc: 0, gr1: wordOf(0x00010000, call.gr1.lo), cc: 3 }, PQAP_12);
  return true;
}

function hookMissing(guest: Guest): Tri {
  return is<Mdev | null>(guest.hook, null);
}

/** PQAP-10, old profiles: an open device keeps the module; without one it can be going away. */
function moduleGone(x: Trial, s: ApState, guest: Guest, call: Pqap): boolean {
  if (!s.parameters.old || call.exit?.rc !== -95) return false;
  if (isKnown(guest.hook) && guest.hook?.open === true) return false;
  if (x.choose(2) === 1) return false;
  ended(x, call, "userspace", PQAP_10, undefined);
  return true;
}
