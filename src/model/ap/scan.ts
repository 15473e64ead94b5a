import * as mask from "../../event/mask.js";
import { apqnText } from "../../operation/ap/attribute.js";
import type { ApEffect, ApMasks } from "../../operation/ap/effect.js";
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
import { and, is, not, or, type Tri } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { adoptStrangers, commitIf, masked, refilter, refilterControl, shadowOf } from "./apcb.js";
import { configRule, V12_V61, V61 } from "./profile.js";
import { gone, leave, probe } from "./queue-life.js";
import { configured, DRV_1, isReserved, queueAt } from "./queues.js";
import { NOND_6, queuesReset } from "./revise.js";
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
export const SCAN_2 = configRule(
  "SCAN-2",
  "One adapter of a scan",
  "Adapters ascending. One that the configuration lacks, or of which no domain answers, loses its queue devices, in bus order, and its card; one of another type is removed and made anew; a new one of a supported type gets a card.",
  "ap_bus.c:ap_scan_adapter, ap_get_compatible_type",
);
export const SCAN_3 = configRule(
  "SCAN-3",
  "The queues of an adapter",
  "Domains ascending: a queue that the configuration lacks, or that does not answer, loses its device; one without a device gets it, and a driver.",
  "ap_bus.c:ap_scan_domains",
);
export const SCAN_4 = configRule(
  "SCAN-4",
  "Order towards vfio_ap",
  "The configuration change comes before all removals and probes of the scan, its completion after them: a queue of a removed adapter is out of the shadow before it goes, so its removal commits nothing.",
  "ap_bus.c:ap_scan_bus; vfio_ap_ops.c:vfio_ap_on_cfg_changed",
  V12_V61,
);
export const SCAN_5 = configRule(
  "SCAN-5",
  "Scan complete",
  "Each mdev with pending additions is filtered again, adapters and domains as well as control domains, with one commit if anything changed; the additions are cleared.",
  "vfio_ap_ops.c:vfio_ap_on_scan_complete, vfio_ap_mdev_hot_plug_cfg",
  V12_V61,
);

export const SCAN_6 = configRule(
  "SCAN-6",
  "Queues that change their state",
  "A check-stop or a deconfigured card only sets flags of the devices; vfio_ap is not told and no shadow changes.",
  "ap_bus.c:ap_scan_domains",
  V12_V61,
);
export const SCAN_7 = configRule(
  "SCAN-7",
  "Scans without another configuration",
  "Queue devices may come and go all the same, as the queues answer: each one by itself, as if it were bound or unbound.",
  "ap_bus.c:ap_scan_bus",
);
export const NOND_4 = configRule(
  "NOND-4",
  "When scans happen",
  "A scan is periodic, forced, or asked for by the machine; when it comes and what it finds is input. Without its lines it shows in the queues that come and go.",
  "ap_bus.c:ap_scan_bus",
);
export const NOND_5 = configRule(
  "NOND-5",
  "Between configuration change and scan-complete",
  "Other operations may run in between: they filter or try with the new configuration and the queues that are bound by then.",
  "vfio_ap_ops.c:vfio_ap_on_cfg_changed, vfio_ap_on_scan_complete",
  V12_V61,
);

/** A scan, as the worker's lines show it: configuration change, removals and probes, scan-complete (SCAN-1, SCAN-4). */
export function scan(x: Trial, s: ApState): void {
  x.by(SCAN_1, NOND_4);
  const changed = x.bracket("cfg_changed");
  const complete = x.bracket("scan_complete");
  const news = changed ?? complete;
  if (complete !== undefined) checkBlocks(x, s, changed, complete);
  if (news !== undefined) configurationChanged(x, s, news.before, news.after);
  else x.by(SCAN_7);
  queuesOfScan(x, s);
  if (news === undefined) return;
  x.by(SCAN_4);
  scanComplete(x, s);
  x.agrees();
}

type Blocks = Extract<ApEffect, { kind: "cfg_changed" | "scan_complete" }>;

/**
 * SCAN-1: both calls of a scan have the same blocks; in dynamic-v12 the old one of the second may be a copy of the new.
 * Without the first call nobody may have known of the change, except where the recording began in this scan.
 */
function checkBlocks(x: Trial, s: ApState, changed: Blocks | undefined, complete: Blocks): void {
  if (changed === undefined) {
    if (x.certain("cfg_changed") && isLast(s, complete.before) === true) {
      x.differs("cfg_changed before scan_complete", "no cfg_changed", SCAN_1, SCAN_4);
    }
    return;
  }
  const copied = s.parameters.profile === "dynamic-v12" && sameBlock(changed.after, complete.before);
  // Lines that were lost may have been the end of this scan and the beginning of the next.
  if (x.lossy) return;
  if (!(copied || sameBlock(changed.before, complete.before)) || !sameBlock(changed.after, complete.after)) {
    x.differs("scan_complete with the blocks of cfg_changed", "other masks", SCAN_1);
  }
}

function sameBlock(a: ApMasks, b: ApMasks): boolean {
  return mask.sameMask(a.apm, b.apm) && mask.sameMask(a.aqm, b.aqm) && mask.sameMask(a.adm, b.adm);
}

/** Whether a block is the configuration of the last scan. */
function isLast(s: ApState, block: ApMasks): Tri {
  const { busApm, busAqm, busAdm } = s.host;
  const sides = and(same(busApm, exactly(block.apm)), same(busAqm, exactly(block.aqm)));
  return and(sides, same(busAdm, exactly(block.adm)));
}

/** A queue device that came by itself: a scan without another configuration made it, or the module was loaded (SCAN-7). */
export function queueCame(x: Trial, s: ApState, apqn: number): void {
  x.by(SCAN_3, SCAN_7);
  const queue = queueAt(s, apqn);
  if (isReserved(s, apqn) === true) x.differs("no probe: the queue is reserved", "queue_probe", DRV_1);
  else if (queue.driver === "vfio_ap") x.differs("no probe: the queue is bound", "queue_probe", DRV_1);
  probe(x, s, queue);
}

/** A queue device that went by itself: a scan without another configuration found it gone, or the module was unloaded. */
export function queueWent(x: Trial, s: ApState, apqn: number): void {
  x.by(SCAN_3, SCAN_7);
  leave(x, s, queueAt(s, apqn), "absent");
}

/** CFG-1 to CFG-3. */
function configurationChanged(x: Trial, s: ApState, before: ApMasks, after: ApMasks): void {
  x.by(CFG_1);
  const { host } = s;
  const now = { apm: exactly(after.apm), aqm: exactly(after.aqm), adm: exactly(after.adm) };
  if (isLast(s, before) === false) {
    x.differs(
      `the configuration of the last scan as the old one: apm ${masked(host.busApm.ones)} aqm ${masked(host.busAqm.ones)}`,
      `apm ${masked(before.apm)} aqm ${masked(before.aqm)} adm ${masked(before.adm)}`,
      SCAN_1,
    );
  }
  if (s.parameters.profile === "dynamic-v12") {
    takeOver(s, now);
    removePosted(x, s, before, after);
    x.by(CFG_3);
    s.journal.set(host, "apAdd", exactly(mask.minus(after.apm, before.apm)));
    s.journal.set(host, "aqAdd", exactly(mask.minus(after.aqm, before.aqm)));
    return;
  }
  for (const m of newestFirst(s)) removeFrom(x, s, m, before, after);
  adoptStrangers(x, s);
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
  adoptStrangers(x, s);
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
  let any = not(is(s.host.hiddenMdevs, 0));
  for (const m of newestFirst(s)) any = or(any, is(m.present, true));
  if (any === false) return;
  apm = filterByType(x, apm, aqm, any);
  for (const m of newestFirst(s)) {
    s.journal.set(m, "apmAdd", intersection(m.apm, exactly(apm)));
    s.journal.set(m, "aqmAdd", intersection(m.aqm, exactly(aqm)));
    s.journal.set(m, "admAdd", intersection(m.adm, exactly(adm)));
  }
}

/** CFG-4: only what the TAPQs show can take an adapter out; without their lines none is. `any`: whether there are mdevs. */
function filterByType(x: Trial, added: mask.Mask, domains: mask.Mask, any: Tri): mask.Mask {
  let apm = added;
  for (const apid of mask.bitsOf(added)) {
    for (const apqi of mask.bitsOf(domains)) {
      const seen = testQueue(x, (apid << 8) | apqi, any);
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

function testQueue(x: Trial, apqn: number, certain: Tri): { readonly status: number } | undefined {
  const differs = (effect: { readonly apqn: number }): string | undefined =>
    effect.apqn === apqn ? undefined : `hw_tapq ${apqnText(effect.apqn)}`;
  if (certain !== true) return x.maybe("hw_tapq", differs);
  return x.expect("hw_tapq", differs, () => `hw_tapq ${apqnText(apqn)}`, CFG_4);
}

/** SCAN-2, SCAN-3: queue devices that went and came, in the recorded order. */
export function queuesOfScan(x: Trial, s: ApState): void {
  x.by(SCAN_2, SCAN_3, NOND_6);
  checkOrder(x, s);
  for (const line of x.bracketList()) {
    if (line.kind === "queue_remove") removed(x, s, line.apqn);
    else if (line.kind === "queue_probe") appeared(x, s, line.apqn);
  }
  if (!x.certain("queue_remove")) for (const apqn of queuesReset(x)) removed(x, s, apqn);
  for (const queue of s.queues.values()) {
    if (queue.driver === "absent" || configured(s, queue.apqn) !== false) continue;
    // Its adapter or domain is not in the configuration any more: the scan removes the device (SCAN-2, SCAN-3).
    if (queue.driver === "vfio_ap") leave(x, s, queue, "absent");
    else gone(s, queue, "absent");
  }
}

/** NOND-6: adapters ascending; of one adapter domains ascending, or in bus order where it goes as a whole. */
function checkOrder(x: Trial, s: ApState): void {
  if (x.lossy) return;
  let last: Extract<ApEffect, { kind: "queue_probe" | "queue_remove" }> | undefined;
  for (const line of x.bracketList()) {
    if (line.kind !== "queue_probe" && line.kind !== "queue_remove") continue;
    if (last !== undefined && !follows(s, last.apqn, line.apqn, last.kind === "queue_remove", line.kind)) {
      x.differs("queues in the order of the scan", `${apqnText(line.apqn)} after ${apqnText(last.apqn)}`, NOND_6);
    }
    last = line;
  }
}

function follows(s: ApState, before: number, after: number, removal: boolean, kind: string): boolean {
  if (before >> 8 !== after >> 8) return before >> 8 < after >> 8;
  // A card of another type is removed with its queues and made anew (SCAN-2).
  if (before < after || (removal && kind === "queue_probe")) return true;
  const first = s.queues.get(before)?.order ?? 0;
  const second = s.queues.get(after)?.order ?? 0;
  return removal && (first === 0 || second === 0 || first < second);
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
  adoptStrangers(x, s);
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
  adoptStrangers(x, s);
  s.journal.set(host, "apAdd", noBits);
  s.journal.set(host, "aqAdd", noBits);
}

/** The mdevs, newest first (SHARE-3): those that were there before the recording come last, in no known order. */
export function newestFirst(s: ApState): Mdev[] {
  return [...s.mdevs.values()].filter((m) => m.present !== false).sort((a, b) => b.createdAt - a.createdAt);
}
