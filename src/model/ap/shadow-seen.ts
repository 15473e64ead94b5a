import * as mask from "../../event/mask.js";
import { type Bits, exactly, intersection, isExact, learnSet } from "../core/bits.js";
import { isKnown } from "../core/known.js";
import type { ApState, Mdev } from "./state.js";
import { learnLinked } from "./table.js";

/** What a shadow that was seen, in the guest's masks or in `guest_matrix`, tells of what it was made of. */

/** The shadow is seen: unknown bits become known. */
export function learnShadow(s: ApState, m: Mdev, apm: mask.Mask, aqm: mask.Mask, adm: mask.Mask | undefined): void {
  const doubtful = !(isExact(m.shApm) && isExact(m.shAqm));
  if (!isExact(m.shApm) || !mask.sameMask(m.shApm.ones, apm)) s.journal.set(m, "shApm", exactly(apm));
  if (!isExact(m.shAqm) || !mask.sameMask(m.shAqm.ones, aqm)) s.journal.set(m, "shAqm", exactly(aqm));
  if (adm !== undefined && (!isExact(m.shAdm) || !mask.sameMask(m.shAdm.ones, adm))) {
    s.journal.set(m, "shAdm", exactly(adm));
  }
  if (doubtful) learnFromFilter(s, m);
  learnWhole(s, m, "apm", apm);
  learnWhole(s, m, "aqm", aqm);
  if (adm !== undefined) learnWhole(s, m, "adm", adm);
}

const INFO = { apm: "infoApm", aqm: "infoAqm", adm: "infoAdm" } as const;

/** What is in the shadow is assigned (INV-2), and in linux-6.1 in the host's configuration (INV-5, INV-6). */
function learnWhole(s: ApState, m: Mdev, side: "apm" | "aqm" | "adm", shadow: mask.Mask): void {
  if (s.parameters.profile !== "linux-6.1") return;
  const assigned = learnSet(m[side], shadow);
  if (assigned !== m[side]) s.journal.set(m, side, assigned);
  const info = learnSet(s.host[INFO[side]], shadow);
  if (info !== s.host[INFO[side]]) s.journal.set(s.host, INFO[side], info);
}

/**
 * An adapter that passed shows that its queues were linked (INV-4): what was not known of them is. dynamic-v12 lets in what
 * was never tested (APCB-6), aqic-v9 gives the guest the matrix, whatever has become of its queues.
 */
function learnFromFilter(s: ApState, m: Mdev): void {
  if (s.parameters.profile === "linux-6.1") learnTested(s, m, m.shAqm);
}

/** APCB-3: what a guest of dynamic-v12 starts with was tested, on each of the host's domains. */
export function learnFromStart(s: ApState, m: Mdev): void {
  if (isExact(m.shApm)) learnTested(s, m, intersection(m.aqm, s.host.infoAqm));
}

/** The adapters of the shadow passed: their queues on those domains are linked. */
function learnTested(s: ApState, m: Mdev, domains: Bits): void {
  for (const apid of mask.bitsOf(m.shApm.ones)) {
    for (const apqi of mask.bitsOf(domains.ones)) {
      const queue = s.queues.get((apid << 8) | apqi);
      if (queue === undefined || isKnown(queue.linked)) continue;
      learnLinked(s, m, queue);
    }
  }
}

/** What a filtering that has just run let pass was linked and reset well (APCB-1): what was not known of it is. */
export function learnPassed(s: ApState, m: Mdev): void {
  if (!isExact(m.shApm) || !isExact(m.shAqm) || m.tainted !== undefined) return;
  for (const apid of mask.bitsOf(m.shApm.ones)) {
    for (const apqi of mask.bitsOf(m.shAqm.ones)) {
      const queue = s.queues.get((apid << 8) | apqi);
      if (queue !== undefined && queue.linked === m && !isKnown(queue.resetRc)) s.journal.set(queue, "resetRc", 0);
    }
  }
}
