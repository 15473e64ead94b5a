import { isKnown, type Tri } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { aqicRule } from "./profile.js";
import type { ApState, Guest, Host } from "./state.js";

export const KVM_1 = aqicRule(
  "KVM-1",
  "CRYCB format",
  "Chosen when the VM is made, from the host's facility 76 and APXA, and kept: format 2 holds 256 adapters and domains, the others 64 and 16.",
  "kvm-s390.c:kvm_s390_set_crycb_format",
);
export const KVM_3 = aqicRule(
  "KVM-3",
  "Facilities of a guest",
  "A guest sees facility 15 or 65 if the host has it and the CPU model asks for it; 65 needs adapter-interruption virtualization too, except in aqic-v9 as posted. They stay as they are once the guest has CPUs.",
  "v9 4/4; kvm_arch_init_vm",
);

/** What the checks of handler K ask of a guest, and what never changes while it runs (PQAP-7, PQAP-8, PQAP-9). */
export type GuestFact = "fac15" | "wide" | "fac65";

/**
 * A set of combinations of the three facts: bit c is set if combination c is possible. A set, because one refusal can
 * have several reasons: "facility 15 or facility 65 is missing" is a set of combinations, and no fact of one of them.
 */
export type FactSet = number;

/** Nothing is known. */
export const anyFacts: FactSet = 0xff;

/** The combinations that have a fact: it is bit 0, 1 or 2 of the combination's number. */
const WITH: Readonly<Record<GuestFact, FactSet>> = { fac15: 0b10101010, wide: 0b11001100, fac65: 0b11110000 };

/** Whether all, some or none of the combinations have the fact. */
export function factOf(facts: FactSet, fact: GuestFact): Tri {
  const without = withFact(facts, fact, false);
  if (without === 0) return true;
  return without === facts ? false : "unknown";
}

/** The combinations in which the fact is as given; 0 where there is none. */
export function withFact(facts: FactSet, fact: GuestFact, value: boolean): FactSet {
  return facts & (value ? WITH[fact] : ~WITH[fact]);
}

/**
 * An answer, or the log, shows a fact of the guest. It is remembered where the guest stays the same: while it has an mdev,
 * which keeps it, or where its end would be seen.
 */
export function learnFact(x: Trial, s: ApState, guest: Guest, fact: GuestFact, value: boolean): void {
  const kept = isKnown(guest.hook) && guest.hook !== null;
  if (!kept && !(x.observability.syscalls && guest.vm !== undefined)) return;
  const left = withFact(guest.facts, fact, value);
  // None is left only after a divergence: then the newest answer counts.
  s.journal.set(guest, "facts", left === 0 ? withFact(anyFacts, fact, value) : left);
}

/** What the host's facts say of every guest (KVM-1, KVM-3). */
export function factsOfHost(host: Host, posted: boolean): FactSet {
  let facts = anyFacts;
  if (host.fac15 === false) facts = withFact(facts, "fac15", false);
  if (host.fac76 === false || host.apxa === false) facts = withFact(facts, "wide", false);
  else if (host.fac76 === true && host.apxa === true) facts = withFact(facts, "wide", true);
  if (host.fac65 === false || (host.aiv === false && !posted)) facts = withFact(facts, "fac65", false);
  if (host.asked === undefined) return facts;
  for (const [fact, facility] of [
    ["fac15", 15],
    ["fac65", 65],
  ] as const) {
    if (!host.asked.has(facility)) facts = withFact(facts, fact, false);
    else if (fact === "fac15" && host.fac15 === true) facts = withFact(facts, fact, true);
    else if (fact === "fac65" && host.fac65 === true && (host.aiv === true || posted))
      facts = withFact(facts, fact, true);
  }
  return facts;
}
