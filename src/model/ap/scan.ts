import * as mask from "../../event/mask.js";
import type { ApMasks } from "../../operation/ap/effect.js";
import {
  type Bits,
  difference,
  exactly,
  intersection,
  intersects,
  isEmpty,
  noBits,
  same,
  unknownBits,
} from "../core/bits.js";
import { and, not, or, type Tri } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { commitIf, masked, refilter, refilterControl, shadowOf } from "./apcb.js";
import { configRule, V12_V61, V61 } from "./profile.js";
import { configured, isReserved, leave, probe, queueAt } from "./queues.js";
import { tryAdapter, tryDomain } from "./shadow-v12.js";
import type { ApState, Mdev, Queue } from "./state.js";
import { bucketsOf, unlink } from "./table.js";

export const CFG_1 = configRule(
  "CFG-1",
  "The changed configuration is taken over",
  "Removals, then additions are handled; then the driver's copy of the configuration is the new one.",
  "vfio_ap_ops.c:vfio_ap_on_cfg_changed",
  V12_V61,
);
export const CFG_2 = configRule(
  "CFG-2",
  "Removals",
  "What the host configuration lost leaves the shadow of each mdev, newest first, with one commit for each mdev that lost something. Links are kept, nothing is reset.",
  "vfio_ap_ops.c:vfio_ap_mdev_on_cfg_remove, _cfg_remove, _hot_unplug_cfg",
  V12_V61,
);
export const CFG_3 = configRule(
  "CFG-3",
  "Additions",
  "What the host configuration gained is noted at each mdev that has it assigned; the shadow does not change yet.",
  "vfio_ap_ops.c:vfio_ap_mdev_on_cfg_add, vfio_ap_mdev_cfg_add",
  V12_V61,
);
export const CFG_4 = configRule(
  "CFG-4",
  "Type filter of added adapters",
  "Each added adapter is tested with each added domain; the first test that fails takes the adapter out of the additions.",
  "vfio_ap_filter_apid_by_qtype",
  V61,
);
export const SCAN_1 = configRule(
  "SCAN-1",
  "Sequence of a scan",
  "A changed configuration is told to the drivers first, then queue devices go and come, and scan-complete is told last.",
  "ap_bus.c:ap_scan_bus, ap_get_configuration",
);
export const SCAN_5 = configRule(
  "SCAN-5",
  "Scan complete",
  "Each mdev with pending additions is filtered again, adapters and domains as well as control domains, with one commit if anything changed; the additions are cleared.",
  "vfio_ap_ops.c:vfio_ap_on_scan_complete, vfio_ap_mdev_hot_plug_cfg",
  V12_V61,
);

/** A scan, as the worker's lines show it: configuration change, removals and probes, scan-complete (SCAN-1, SCAN-4). */
export function scan(x: Trial, s: ApState): void {
  x.by(SCAN_1);
  const changed = x.bracket("cfg_changed");
  const complete = x.bracket("scan_complete");
  const news = changed ?? complete;
  if (news !== undefined) configurationChanged(x, s, news.before, news.after);
  queuesOfScan(x, s);
  if (news !== undefined) scanComplete(x, s);
  if (news !== undefined) x.agrees();
}

/** CFG-1 to CFG-3. */
function configurationChanged(x: Trial, s: ApState, before: ApMasks, after: ApMasks): void {
  x.by(CFG_1);
  const { host } = s;
  const old = { apm: exactly(before.apm), aqm: exactly(before.aqm), adm: exactly(before.adm) };
  const now = { apm: exactly(after.apm), aqm: exactly(after.aqm), adm: exactly(after.adm) };
  const known = and(and(same(host.busApm, old.apm), same(host.busAqm, old.aqm)), same(host.busAdm, old.adm));
  if (known === false) {
    x.differs(
      `the configuration of the last scan as the old one: apm ${masked(host.busApm.ones)} aqm ${masked(host.busAqm.ones)}`,
      `apm ${masked(before.apm)} aqm ${masked(before.aqm)} adm ${masked(before.adm)}`,
      SCAN_1,
    );
  }
  if (s.parameters.profile === "dynamic-v12") {
    takeOver(s, now);
    removePosted(x, s, before, after);
    s.journal.set(host, "apAdd", exactly(mask.minus(after.apm, before.apm)));
    s.journal.set(host, "aqAdd", exactly(mask.minus(after.aqm, before.aqm)));
    return;
  }
  for (const m of newestFirst(s)) removeFrom(x, s, m, before, after);
  add(x, s, before, after);
  takeOver(s, now);
}

/** md.info and the bus have the new configuration. */
function takeOver(s: ApState, now: { readonly apm: Bits; readonly aqm: Bits; readonly adm: Bits }): void {
  const { host } = s;
  for (const side of ["Apm", "Aqm", "Adm"] as const) {
    const value = side === "Apm" ? now.apm : side === "Aqm" ? now.aqm : now.adm;
    s.journal.set(host, `bus${side}`, value);
    s.journal.set(host, `info${side}`, value);
  }
}

/** CFG-2 of dynamic-v12, with its flag that is never reset (D12-10) and its copy that is too long (D12-11). */
function removePosted(x: Trial, s: ApState, old: ApMasks, now: ApMasks): void {
  const lostApm = mask.minus(old.apm, now.apm);
  const lostAqm = mask.minus(old.aqm, now.aqm);
  if (mask.isEmpty(lostApm) && mask.isEmpty(lostAqm)) return;
  x.by(CFG_2);
  let update: Tri = false;
  for (const m of newestFirst(s)) {
    const before = shadowOf(m);
    let own: Tri = false;
    if (!mask.isEmpty(lostApm)) {
      own = intersects(m.shApm, exactly(lostApm));
      s.journal.set(m, "shApm", difference(m.shApm, exactly(lostApm)));
      unlinkLost(x, s, m, (queue) => mask.hasBit(lostApm, queue.apid));
    }
    if (!mask.isEmpty(lostAqm)) {
      const lost = intersects(m.shAqm, exactly(lostAqm));
      own = or(own, lost);
      s.journal.set(m, "shAqm", difference(m.shAqm, exactly(lostAqm)));
      if (lost !== false && s.parameters.defects === "as-posted") overrun(x, s, m);
      unlinkLost(x, s, m, (queue) => mask.hasBit(lostAqm, queue.apqi));
    }
    const superfluous = update === true && own === false;
    update = s.parameters.defects === "intended" ? own : or(update, own);
    if (superfluous && update === true && m.kvm !== null) {
      x.knownDefect(`mdev ${m.uuid} is committed though nothing of it changed`, CFG_2);
    }
    commitIf(x, s, m, update, before);
  }
}

/** D12-11: the copy writes over the control domains of the shadow and what lies behind them. */
function overrun(x: Trial, s: ApState, m: Mdev): void {
  x.knownDefect(`the shadow's control domains of mdev ${m.uuid} and the fields behind are overwritten`, CFG_2);
  s.journal.set(m, "shAdm", unknownBits);
  s.journal.set(m, "tainted", "the configuration change overwrote fields of the mdev (D12-11)");
  x.allowCrash();
}

/** Unlinks the queues of a table that a test chooses; as posted only the first of each bucket (D12-12, ASG-6 WALK). */
function unlinkLost(x: Trial, s: ApState, m: Mdev, lost: (queue: Queue) => boolean): void {
  if (s.parameters.defects === "intended") {
    for (const queue of s.queues.values()) if (queue.linked === m && lost(queue)) unlink(s, queue);
    return;
  }
  for (const bucket of bucketsOf(x, m)) {
    const first = bucket.find(lost);
    if (first !== undefined) unlink(s, first);
  }
}

/** CFG-2 for one mdev. */
function removeFrom(x: Trial, s: ApState, m: Mdev, old: ApMasks, now: ApMasks): void {
  const lost = {
    apm: exactly(mask.minus(old.apm, now.apm)),
    aqm: exactly(mask.minus(old.aqm, now.aqm)),
    adm: exactly(mask.minus(old.adm, now.adm)),
  };
  const before = shadowOf(m);
  const changed = or(or(intersects(m.shApm, lost.apm), intersects(m.shAqm, lost.aqm)), intersects(m.shAdm, lost.adm));
  if (changed === false) return;
  x.by(CFG_2);
  s.journal.set(m, "shApm", difference(m.shApm, lost.apm));
  s.journal.set(m, "shAqm", difference(m.shAqm, lost.aqm));
  s.journal.set(m, "shAdm", difference(m.shAdm, lost.adm));
  commitIf(x, s, m, changed, before);
}

/** CFG-3, CFG-4. */
function add(x: Trial, s: ApState, old: ApMasks, now: ApMasks): void {
  let apm = mask.minus(now.apm, old.apm);
  const aqm = mask.minus(now.aqm, old.aqm);
  const adm = mask.minus(now.adm, old.adm);
  if (mask.isEmpty(apm) && mask.isEmpty(aqm) && mask.isEmpty(adm)) return;
  x.by(CFG_3);
  let any = false;
  for (const m of newestFirst(s)) any ||= m.present !== false;
  if (!any) return;
  apm = filterByType(x, apm, aqm);
  for (const m of newestFirst(s)) {
    s.journal.set(m, "apmAdd", intersection(m.apm, exactly(apm)));
    s.journal.set(m, "aqmAdd", intersection(m.aqm, exactly(aqm)));
    s.journal.set(m, "admAdd", intersection(m.adm, exactly(adm)));
  }
}

/** CFG-4: only what the TAPQs show can take an adapter out; without their lines none is. */
function filterByType(x: Trial, added: mask.Mask, domains: mask.Mask): mask.Mask {
  let apm = added;
  for (const apid of mask.bitsOf(added)) {
    for (const apqi of mask.bitsOf(domains)) {
      const seen = x.maybe("hw_tapq", (effect) => (effect.apqn === ((apid << 8) | apqi) ? undefined : "other queue"));
      if (seen === undefined) break;
      x.by(CFG_4);
      const rc = (seen.status >>> 16) & 0xff;
      if (rc !== 0 && (rc < 2 || rc > 5)) {
        apm = mask.withoutBit(apm, apid);
        break;
      }
    }
  }
  return apm;
}

/** SCAN-2, SCAN-3: queue devices that went and came, in the recorded order. */
export function queuesOfScan(x: Trial, s: ApState): void {
  for (const line of x.bracketList()) {
    if (line.kind === "queue_remove") removed(x, s, line.apqn);
    else if (line.kind === "queue_probe") appeared(x, s, line.apqn);
  }
  for (const queue of s.queues.values()) {
    if (queue.driver !== "vfio_ap" || configured(s, queue.apqn) !== false) continue;
    // Its adapter or domain is not in the configuration any more: the scan removes the device (SCAN-2, SCAN-3).
    leave(x, s, queue, "absent");
  }
}

function removed(x: Trial, s: ApState, apqn: number): void {
  const queue = queueAt(s, apqn);
  if (queue.driver === "vfio_ap" || typeof queue.driver !== "string") leave(x, s, queue, "absent");
}

function appeared(x: Trial, s: ApState, apqn: number): void {
  if (configured(s, apqn) === false || isReserved(s, apqn) === true) return;
  const queue = queueAt(s, apqn);
  if (queue.driver !== "vfio_ap") probe(x, s, queue);
}

/** SCAN-5. */
function scanComplete(x: Trial, s: ApState): void {
  if (s.parameters.profile === "dynamic-v12") {
    completePosted(x, s);
    return;
  }
  for (const m of newestFirst(s)) {
    const pending = not(and(and(isEmpty(m.apmAdd), isEmpty(m.aqmAdd)), isEmpty(m.admAdd)));
    if (pending === false) continue;
    x.by(SCAN_5);
    const before = shadowOf(m);
    let changed: Tri = false;
    if (or(intersects(m.apm, m.apmAdd), intersects(m.aqm, m.aqmAdd)) !== false) changed = refilter(x, s, m);
    if (intersects(m.adm, m.admAdd) !== false) changed = or(refilterControl(x, s, m), changed);
    commitIf(x, s, m, changed, before);
    for (const field of ["apmAdd", "aqmAdd", "admAdd"] as const) s.journal.set(m, field, exactly(mask.emptyMask));
  }
}

/** SCAN-5 of dynamic-v12: the added adapters are tried, then the added domains. */
function completePosted(x: Trial, s: ApState): void {
  const { host } = s;
  for (const m of newestFirst(s)) {
    if (isEmpty(host.apAdd) === true && isEmpty(host.aqAdd) === true) break;
    x.by(SCAN_5);
    const before = shadowOf(m);
    let entered: Tri = false;
    for (const apid of mask.bitsOf(mask.and(host.apAdd.ones, m.apm.ones))) {
      entered = or(tryAdapter(x, s, m, apid), entered);
    }
    for (const apqi of mask.bitsOf(mask.and(host.aqAdd.ones, m.aqm.ones))) {
      entered = or(tryDomain(x, s, m, apqi), entered);
    }
    commitIf(x, s, m, entered, before);
  }
  s.journal.set(host, "apAdd", noBits);
  s.journal.set(host, "aqAdd", noBits);
}

/** The mdevs, newest first (SHARE-3): those that were there before the recording come last, in no known order. */
export function newestFirst(s: ApState): Mdev[] {
  return [...s.mdevs.values()].filter((m) => m.present !== false).sort((a, b) => b.createdAt - a.createdAt);
}
