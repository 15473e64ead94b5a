import * as mask from "../../event/mask.js";
import { apqnText } from "../../operation/ap/attribute.js";
import type { ApMasks } from "../../operation/ap/effect.js";
import { Bits, difference, exactly, has, intersection, intersects, same, unknownBits } from "../core/bits.js";
import { and, is, isKnown, not, or, type Tri } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { adoptStrangers, commitIf, masked, shadowOf } from "./apcb.js";
import { pointerFits } from "./guests.js";
import { configRule, V12_V61, V61 } from "./profile.js";
import type { ApState, Mdev, Queue } from "./state.js";
import { bucketsOf, unlink } from "./table.js";

export const SCAN_1 = configRule(
  "SCAN-1",
  "Sequence of a scan",
  "A changed configuration is told to the drivers first, then queue devices go and come, and scan-complete is told last. In aqic-v9 nothing is told.",
  "p14; ap_bus.c:ap_scan_bus, ap_get_configuration",
);
export const CFG_1 = configRule(
  "CFG-1",
  "The changed configuration is taken over",
  "linux-6.1: removals, then additions are handled, then the driver's copy of the configuration becomes the new one. dynamic-v12: the copy first.",
  "p15; vfio_ap_ops.c:vfio_ap_on_cfg_changed",
  V12_V61,
);
export const CFG_2 = configRule(
  "CFG-2",
  "Removals",
  "What the host configuration lost leaves the shadow of each mdev, newest first; nothing is reset. linux-6.1: one commit for each mdev that lost something, links are kept. dynamic-v12: control domains are ignored, the queues are unlinked (of one bucket the first alone), once one mdev has changed every later one is committed too, and losing a domain overwrites what lies behind the shadow's domains.",
  "p15 vfio_ap_on_cfg_changed, vfio_ap_mdev_unassign_apqis; vfio_ap_ops.c:vfio_ap_mdev_on_cfg_remove, _cfg_remove, _hot_unplug_cfg",
  V12_V61,
);
export const CFG_3 = configRule(
  "CFG-3",
  "Additions",
  "The shadow does not change yet. linux-6.1: what the host configuration gained is noted at each mdev that has it assigned, if there is any mdev. dynamic-v12: it is noted once for all mdevs, without control domains.",
  "p15; vfio_ap_ops.c:vfio_ap_mdev_on_cfg_add, vfio_ap_mdev_cfg_add",
  V12_V61,
);
export const CFG_4 = configRule(
  "CFG-4",
  "Type filter of added adapters",
  "Each added adapter is tested with each added domain; the first test that does not find a queue takes the adapter out of the additions. Older types are not caught (D61-2). No test without an mdev, or without an added domain.",
  "vfio_ap_filter_apid_by_qtype",
  V61,
);

/** CFG-1 to CFG-3. `told`: whether the line of the change itself is there; else the lines of its effects may not be. */
export function configurationChanged(x: Trial, s: ApState, before: ApMasks, after: ApMasks, told: boolean): void {
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
    // The line at the end may have the new block twice (SCAN-1): what was added is not known then.
    const added = (old: mask.Mask, now: mask.Mask): Bits =>
      told || !mask.sameMask(old, now) ? exactly(mask.minus(now, old)) : new Bits(mask.emptyMask, now);
    s.journal.set(host, "apAdd", added(before.apm, after.apm));
    s.journal.set(host, "aqAdd", added(before.aqm, after.aqm));
    return;
  }
  for (const m of newestFirst(x, s)) removeFrom(x, s, m, before, after);
  adoptStrangers(x, s);
  add(x, s, before, after, told);
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
  for (const m of newestFirst(x, s)) {
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
function add(x: Trial, s: ApState, old: ApMasks, now: ApMasks, told: boolean): void {
  const apm = mask.minus(now.apm, old.apm);
  const aqm = mask.minus(now.aqm, old.aqm);
  const adm = mask.minus(now.adm, old.adm);
  if (mask.isEmpty(apm) && mask.isEmpty(aqm) && mask.isEmpty(adm)) return;
  x.by(CFG_3);
  let any = not(is(s.host.hiddenMdevs, 0));
  for (const m of newestFirst(x, s)) any = or(any, is(m.present, true));
  if (any === false) return;
  const unseen = !mask.isEmpty(aqm) && !x.certain("hw_tapq") && x.peek("hw_tapq") === undefined;
  const added = unseen ? filterUnseen(x, s, apm) : filterByType(x, apm, aqm, told ? any : "unknown");
  for (const m of newestFirst(x, s)) {
    s.journal.set(m, "apmAdd", intersection(m.apm, exactly(added)));
    s.journal.set(m, "aqmAdd", intersection(m.aqm, exactly(aqm)));
    s.journal.set(m, "admAdd", intersection(m.adm, exactly(adm)));
  }
}

/** Of more adapters than this it is not tried one by one which of them a test took out. */
const TRIED = 3;

/** CFG-4 without lines of the TAPQs: any adapter may be out. It makes a difference where an mdev has it assigned. */
function filterUnseen(x: Trial, s: ApState, added: mask.Mask): mask.Mask {
  const mdevs = newestFirst(x, s);
  const assigned = mask.bitsOf(added).filter((apid) => mdevs.some((m) => has(m.apm, apid) !== false));
  let apm = added;
  const none = assigned.length > TRIED && x.choose(2) === 0;
  for (const apid of none ? [] : assigned) {
    if (assigned.length > TRIED || x.choose(2) === 1) apm = mask.withoutBit(apm, apid);
  }
  return apm;
}

/** CFG-4: what the TAPQs show takes an adapter out. `any`: whether there are mdevs. */
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

/**
 * The mdevs, newest first (SHARE-3): those that were there before the recording come last, in no known order, which is
 * that of the commits that are seen.
 */
export function newestFirst(x: Trial, s: ApState): Mdev[] {
  const commits = x.rest().flatMap((effect) => (effect.kind === "apcb_set" ? [effect.kvm] : []));
  const placeOf = (m: Mdev): number => {
    const { kvm } = m;
    const place = isKnown(kvm) && kvm !== null ? commits.findIndex((pointer) => pointerFits(kvm, pointer)) : -1;
    return place < 0 ? commits.length : place;
  };
  const mdevs = [...s.mdevs.values()].filter((m) => m.present !== false);
  return mdevs.sort((a, b) => b.createdAt - a.createdAt || placeOf(a) - placeOf(b));
}

/** Whether a block is the configuration of the last scan. */
export function isLast(s: ApState, block: ApMasks): Tri {
  const { busApm, busAqm, busAdm } = s.host;
  const sides = and(same(busApm, exactly(block.apm)), same(busAqm, exactly(block.aqm)));
  return and(sides, same(busAdm, exactly(block.adm)));
}
