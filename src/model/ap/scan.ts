import * as mask from "../../event/mask.js";
import { apqnText } from "../../operation/ap/attribute.js";
import type { ApEffect, ApMasks } from "../../operation/ap/effect.js";
import { type Bits, exactly, has, intersects, isEmpty, isExact, joinBits, noBits } from "../core/bits.js";
import { and, isKnown, not, or, type Tri } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { adoptStrangers, commitIf, refilter, refilterControl, shadowOf } from "./apcb.js";
import { configurationChanged, isLast, newestFirst, SCAN_1 } from "./config-change.js";
import { configRule, V12_V61 } from "./profile.js";
import { gone, leave, probe } from "./queue-life.js";
import { configured, DRV_1, isReserved, queueAt } from "./queues.js";
import { freeUntold } from "./reset-untold.js";
import { NOND_6, queuesReset } from "./revise.js";
import { tryAdapter, tryDomain } from "./shadow-v12.js";
import type { ApState } from "./state.js";
import { ASG_6 } from "./table.js";
import { callsUnseen } from "./widen.js";

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
  "linux-6.1: each mdev with pending additions is filtered again, adapters and domains as well as control domains, with one commit if anything changed; the additions are cleared. dynamic-v12: the added adapters, then the added domains are tried; control domains are not.",
  "p16; vfio_ap_ops.c:vfio_ap_on_scan_complete, vfio_ap_mdev_hot_plug_cfg",
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
  else if (mayHang(x, s)) {
    hangs(x, s);
    return;
  }
  if (news !== undefined) configurationChanged(x, s, news.before, news.after, changed !== undefined);
  else x.by(SCAN_7);
  queuesOfScan(x, s);
  if (news === undefined) return;
  x.by(SCAN_4);
  scanComplete(x, s);
  // Where the recording ends in the scan, its line may follow all its effects.
  if (complete === undefined && x.certain("scan_complete") && s.host.loaded !== false) {
    x.differs("scan_complete at the end of the scan", "no scan_complete", SCAN_1, SCAN_4);
  }
  x.agrees();
}

/** ASG-6: as posted, a walk through a table runs in circles at times. Where a table is not known, silence is all that shows it. */
function mayHang(x: Trial, s: ApState): boolean {
  if (s.parameters.profile !== "dynamic-v12" || s.parameters.defects === "intended") return false;
  if (!x.certain("scan_complete") || x.remaining() > 0 || x.bracketList().length > 0) return false;
  const unsure = !s.host.devicesListed || [...s.queues.values()].some((queue) => !isKnown(queue.linked));
  return unsure && x.choose(2) === 1;
}

function hangs(x: Trial, s: ApState): void {
  x.by(ASG_6);
  x.cannotCheck("the scan did not end: a walk through a table that is not known may never return (ASG-6)");
  s.journal.set(s.host, "hung", "an earlier scan did not end: the driver's lock may be held for ever (ASG-6)");
}

type Blocks = Extract<ApEffect, { kind: "cfg_changed" | "scan_complete" }>;

/**
 * SCAN-1: both calls of a scan have the same blocks; in dynamic-v12 the old one of the second may be a copy of the new.
 * Without the first call nobody may have known of the change, except where the recording began in this scan.
 */
function checkBlocks(x: Trial, s: ApState, changed: Blocks | undefined, complete: Blocks): void {
  if (changed === undefined) {
    const copied = s.parameters.profile === "dynamic-v12" && sameBlock(complete.before, complete.after);
    const untold = copied ? not(isLast(s, complete.after)) : isLast(s, complete.before);
    if (x.certain("cfg_changed") && untold === true && x.operation.number > 1) {
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

/** A queue device that came by itself: a scan without another configuration made it, or the module was loaded (SCAN-7). */
export function queueCame(x: Trial, s: ApState, apqn: number): void {
  x.by(SCAN_3, SCAN_7);
  const queue = queueAt(s, apqn);
  if (isReserved(s, apqn) === true) x.differs("no probe: the queue is reserved", "queue_probe", DRV_1);
  else if (queue.driver === "vfio_ap") x.differs("no probe: the queue is bound", "queue_probe", DRV_1);
  changeUntold(x, s);
  probe(x, s, queue);
}

/** A queue device that went by itself: a scan without another configuration found it gone, or the module was unloaded. */
export function queueWent(x: Trial, s: ApState, apqn: number): void {
  x.by(SCAN_3, SCAN_7);
  changeUntold(x, s);
  leave(x, s, queueAt(s, apqn), "absent");
}

/** SCAN-1: where no line tells of a changed configuration, its commits are all that shows it before queues come and go. */
function changeUntold(x: Trial, s: ApState): void {
  if (!s.parameters.dynamic || x.observability.sees("cfg_changed")) return;
  for (const m of newestFirst(x, s)) commitIf(x, s, m, "unknown", shadowOf(m));
  adoptStrangers(x, s);
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
    else {
      // Whether it was vfio_ap's is not known: what is freed for it may be all that shows.
      if (!isKnown(queue.driver) && !x.certain("queue_remove")) freeUntold(x, s, queue);
      gone(s, queue, "absent");
    }
  }
}

type QueueLine = Extract<ApEffect, { kind: "queue_probe" | "queue_remove" }>;

/** NOND-6: adapters ascending; of one adapter domains ascending, or all its queues in bus order where it goes as a whole. */
function checkOrder(x: Trial, s: ApState): void {
  if (x.lossy || callsUnseen(x, s)) return;
  let last = -1;
  for (const lines of linesByAdapter(x)) {
    const apid = (lines[0]?.apqn ?? 0) >> 8;
    if (apid <= last || !inScanOrder(s, apid, lines)) {
      const order = lines.map(({ apqn }) => apqnText(apqn)).join(" ");
      x.differs("queues in the order of the scan", order, NOND_6, SCAN_2, SCAN_3);
    }
    last = apid;
  }
}

function linesByAdapter(x: Trial): readonly (readonly QueueLine[])[] {
  const groups: QueueLine[][] = [];
  for (const line of x.bracketList()) {
    if (line.kind !== "queue_probe" && line.kind !== "queue_remove") continue;
    const group = groups.at(-1);
    if (group?.[0] !== undefined && group[0].apqn >> 8 === line.apqn >> 8) group.push(line);
    else groups.push([line]);
  }
  return groups;
}

function inScanOrder(s: ApState, apid: number, lines: readonly QueueLine[]): boolean {
  const lacking = s.parameters.dynamic && (has(s.host.busApm, apid) === false || isEmpty(s.host.busAqm) === true);
  if (!lacking && ascending(lines.map(({ apqn }) => apqn))) return true;
  // SCAN-2: the whole adapter goes, in bus order; it may be made anew with another type.
  const firstProbe = lines.findIndex(({ kind }) => kind === "queue_probe");
  const gone = (firstProbe < 0 ? lines : lines.slice(0, firstProbe)).map(({ apqn }) => apqn);
  const made = firstProbe < 0 ? [] : lines.slice(firstProbe).map(({ apqn }) => apqn);
  const places = gone.map((apqn) => s.queues.get(apqn)?.order ?? 0).filter((place) => place > 0);
  return goesWhole(s, apid, gone) && ascending(places) && ascending(made);
}

/** Whether none of the adapter's queues stays: those of other drivers do as long as the configuration has them. */
function goesWhole(s: ApState, apid: number, gone: readonly number[]): boolean {
  for (const queue of s.queues.values()) {
    if (queue.apid !== apid || gone.includes(queue.apqn) || !isKnown(queue.driver)) continue;
    if (queue.driver !== "absent" && configured(s, queue.apqn) !== false) return false;
  }
  return true;
}

function ascending(numbers: readonly number[]): boolean {
  return numbers.every((n, i) => i === 0 || n > (numbers[i - 1] ?? n));
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
  for (const m of newestFirst(x, s)) {
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

/** Whether it is open which of the added numbers an mdev has assigned. */
function mayBeAdded(added: Bits, assigned: Bits): boolean {
  return !isExact(added) || mask.intersects(assigned.maybe, added.ones);
}

/** SCAN-5 of dynamic-v12: the added adapters are tried, then the added domains. */
function completePosted(x: Trial, s: ApState): void {
  const { host } = s;
  for (const m of newestFirst(x, s)) {
    if (isEmpty(host.apAdd) === true && isEmpty(host.aqAdd) === true) break;
    x.by(SCAN_5);
    const before = shadowOf(m);
    let entered: Tri = false;
    if (mayBeAdded(host.apAdd, m.apm) || mayBeAdded(host.aqAdd, m.aqm)) {
      entered = "unknown";
      s.journal.set(m, "shApm", joinBits(m.shApm, m.apm));
      s.journal.set(m, "shAqm", joinBits(m.shAqm, m.aqm));
    }
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
