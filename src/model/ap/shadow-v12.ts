import { bitsOf, hasBit } from "../../event/mask.js";
import * as bits from "../core/bits.js";
import type { Tri } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { PLUG_2 } from "./apcb.js";
import { configRule, V12 } from "./profile.js";
import type { ApState, Mdev } from "./state.js";
import { has } from "./table.js";

export const APCB_3 = configRule(
  "APCB-3",
  "The shadow at guest start (INIT-SHADOW)",
  "The shadow starts as the matrix. Adapters that the host lacks, or that have an assigned domain of the host without a linked queue, are dropped; domains that the host lacks are dropped as far as the loop over them gets; control domains are not filtered.",
  "p10 vfio_ap_mdev_init_apcb",
  V12,
);
export const APCB_4 = configRule(
  "APCB-4",
  "Plugging an adapter (TRY-APID)",
  "The adapter is added if all its queues on the shadow's domains are linked; with no domain there, on all assigned domains, which are copied then.",
  "p12 vfio_ap_assign_apid_to_apcb",
  V12,
);
export const APCB_5 = configRule(
  "APCB-5",
  "Plugging a domain (TRY-APQI)",
  "The domain is added if all its queues on the shadow's adapters are linked; with no adapter there, on all assigned adapters, which are copied then.",
  "p12 vfio_ap_assign_apqi_to_apcb",
  V12,
);
export const APCB_6 = configRule(
  "APCB-6",
  "The copy is not verified",
  "When the other side is copied as a whole, only the queues of the new number were tested: unbound APQNs can enter the guest.",
  "p12",
  V12,
);

/** INIT-SHADOW(m) (APCB-3). */
export function initShadow(x: Trial, s: ApState, m: Mdev): void {
  x.by(APCB_3);
  const { host, journal } = s;
  let apm = m.apm;
  let aqm = m.aqm;
  for (const apid of bitsOf(bits.possible(m.apm))) {
    const there = bits.has(host.infoApm, apid);
    if (there === false) {
      apm = bits.remove(apm, apid);
      continue;
    }
    if (there === "unknown") apm = bits.blur(apm, apid);
    /** Whether the adapter's loop may not have run, or may have ended before: what it did then is not certain. */
    let doubt = there === "unknown" || !hasBit(m.apm.ones, apid);
    for (const apqi of bitsOf(bits.possible(m.aqm))) {
      const known = bits.has(host.infoAqm, apqi);
      if (known !== true) {
        aqm = known === false && !doubt ? bits.remove(aqm, apqi) : bits.blur(aqm, apqi);
        continue;
      }
      const found = has(x, s, m, s.queues.get((apid << 8) | apqi), (apid << 8) | apqi);
      if (found === true) continue;
      const drops = found === false && hasBit(m.aqm.ones, apqi);
      apm = drops ? bits.remove(apm, apid) : bits.blur(apm, apid);
      if (drops) break;
      doubt = true;
    }
  }
  journal.set(m, "shApm", apm);
  journal.set(m, "shAqm", aqm);
  journal.set(m, "shAdm", m.adm);
}

/** TRY-APID(m, x) (APCB-4): whether the adapter entered the shadow. */
export function tryAdapter(x: Trial, s: ApState, m: Mdev, apid: number): Tri {
  x.by(APCB_4);
  const inShadow = bits.has(m.shApm, apid);
  if (inShadow === true) return false;
  const empty = bits.isEmpty(m.shAqm);
  const tested = empty === true ? m.aqm : m.shAqm;
  if (empty === true && bits.isEmpty(m.aqm) === true) return false;
  const all = allLinked(
    x,
    s,
    m,
    bitsOf(tested.ones).map((apqi) => (apid << 8) | apqi),
  );
  if (all === false) {
    x.by(PLUG_2);
    return false;
  }
  if (all === true && inShadow === false && empty !== "unknown" && bits.isExact(tested)) {
    s.journal.set(m, "shApm", bits.add(m.shApm, apid));
    if (empty) {
      x.by(APCB_6);
      s.journal.set(m, "shAqm", m.aqm);
    }
    return true;
  }
  s.journal.set(m, "shApm", bits.blur(m.shApm, apid));
  if (empty !== false) s.journal.set(m, "shAqm", bits.joinBits(m.shAqm, m.aqm));
  return "unknown";
}

/** TRY-APQI(m, y) (APCB-5): whether the domain entered the shadow. */
export function tryDomain(x: Trial, s: ApState, m: Mdev, apqi: number): Tri {
  x.by(APCB_5);
  const inShadow = bits.has(m.shAqm, apqi);
  if (inShadow === true) return false;
  const empty = bits.isEmpty(m.shApm);
  const tested = empty === true ? m.apm : m.shApm;
  if (empty === true && bits.isEmpty(m.apm) === true) return false;
  const all = allLinked(
    x,
    s,
    m,
    bitsOf(tested.ones).map((apid) => (apid << 8) | apqi),
  );
  if (all === false) {
    x.by(PLUG_2);
    return false;
  }
  if (all === true && inShadow === false && empty !== "unknown" && bits.isExact(tested)) {
    s.journal.set(m, "shAqm", bits.add(m.shAqm, apqi));
    if (empty) {
      x.by(APCB_6);
      s.journal.set(m, "shApm", m.apm);
    }
    return true;
  }
  s.journal.set(m, "shAqm", bits.blur(m.shAqm, apqi));
  if (empty !== false) s.journal.set(m, "shApm", bits.joinBits(m.shApm, m.apm));
  return "unknown";
}

/** Looks the queues up in this order, until one is missing: a look-up may never return (ASG-6). */
function allLinked(x: Trial, s: ApState, m: Mdev, apqns: readonly number[]): Tri {
  let all: Tri = true;
  for (const apqn of apqns) {
    const found = has(x, s, m, s.queues.get(apqn), apqn);
    if (found === false) return false;
    if (found === "unknown") all = "unknown";
  }
  return all;
}
