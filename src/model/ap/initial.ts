import * as mask from "../../event/mask.js";
import { type Attribute, attributeOf } from "../../operation/ap/attribute.js";
import { exactly, noBits, unknownBits } from "../core/bits.js";
import { isKnown, oneOf, unknown } from "../core/known.js";
import type { Setting } from "../core/model.js";
import { parseControl, parseMatrix } from "./matrix-text.js";
import { type ApParameters, configRule, isApProfile } from "./profile.js";
import { ApState, Card, Group, Mdev, Queue } from "./state.js";
import { isLiteral } from "./table.js";

/** Facts of the AP system (design section 3): inputs that the specs name and that no recorder shows. */
interface Facts {
  readonly mdevInstances: number | undefined;
}

/** Host and guest inputs that hold or do not. */
const yesOrNoFacts = ["apInstructions", "fac15", "fac65", "fac76", "aiv", "apxa", "apie"] as const;

const factNames: ReadonlySet<string> = new Set([
  ...["variant", "defects", "hostAqicStatus", "hookFirst", "mdevInstances", "nisc", "facList"],
  ...yesOrNoFacts,
]);

/** The state at the begin of a recording: what the snapshot and the facts say, everything else unknown. */
export function initialState(setting: Setting): ApState {
  const s = new ApState(parameters(setting));
  for (const name of Object.keys(setting.facts)) {
    if (!factNames.has(name)) setting.note(`fact ap.${name} is not known; left out`);
  }
  const facts: Facts = { mdevInstances: number(setting, "mdevInstances") };
  s.host.aqicStatus = s.parameters.hostAqicStatus ?? unknown;
  readFacts(s, setting);
  if (setting.environment.length > 0) readSnapshot(s, setting, facts);
  return s;
}

/** The parameters of a profile with its facts (vfio-ap-aqic 0.4). Facts that the checks use but nobody gave stay open. */
function parameters(setting: Setting): ApParameters {
  const profile = isApProfile(setting.profile) ? setting.profile : "linux-6.1";
  return {
    profile,
    dynamic: profile !== "aqic-v9",
    old: profile !== "linux-6.1",
    variant: choice(setting, "variant", ["posted", "released"]) ?? "released",
    defects: choice(setting, "defects", ["as-posted", "intended"]) ?? "as-posted",
    hookFirst: profile === "linux-6.1" && yesOrNo(setting, "hookFirst") === true,
    // linux-6.1 at 6.1.192 has the fix (IRQ-13); releases before March 2023 do not, and the fact says so.
    hostAqicStatus:
      choice(setting, "hostAqicStatus", ["true", "lost"]) ?? (profile === "linux-6.1" ? "true" : undefined),
  };
}

/** The host ISC for GISA alerts (vfio-ap-aqic 1.1). */
const GAL_ISC = 5;

/** Host and guest inputs of vfio-ap-aqic 1.1 and 1.2, by the names used there. */
function readFacts(s: ApState, setting: Setting): void {
  const { host } = s;
  for (const name of yesOrNoFacts) {
    host[name] = yesOrNo(setting, name) ?? unknown;
  }
  host.nisc = number(setting, "nisc") ?? GAL_ISC;
  host.asked = numbers(setting, "facList");
}

function yesOrNo(setting: Setting, name: string): boolean | undefined {
  const given = choice(setting, name, ["true", "false"]);
  return given === undefined ? undefined : given === "true";
}

/** A list of numbers: as JSON has it, or joined with commas as the command line gives it. */
function numbers(setting: Setting, name: string): ReadonlySet<number> | undefined {
  const given = setting.facts[name];
  if (given === undefined) return undefined;
  const parts: readonly unknown[] = Array.isArray(given) ? given : String(given).split(",");
  const values = parts.map((part) => (String(part).trim() === "" ? Number.NaN : Number(part)));
  if (values.every((value) => Number.isSafeInteger(value) && value >= 0)) return new Set(values);
  setting.note(`fact ap.${name}: ${JSON.stringify(given)} is no list of numbers; taken as unknown`);
  return undefined;
}

function choice<const T extends string>(setting: Setting, name: string, values: readonly T[]): T | undefined {
  const given = setting.facts[name];
  if (given === undefined) return undefined;
  const found = values.find((value) => value === String(given));
  if (found === undefined)
    setting.note(`fact ap.${name}: ${JSON.stringify(given)} is not one of ${values.join(", ")}; taken as unknown`);
  return found;
}

function number(setting: Setting, name: string): number | undefined {
  const given = setting.facts[name];
  if (given === undefined) return undefined;
  const value = Number(given);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  setting.note(`fact ap.${name}: ${JSON.stringify(given)} is no number; taken as unknown`);
  return undefined;
}

/** Texts of one mdev's attributes, lines joined. */
interface MdevTexts {
  matrix: string;
  guestMatrix: string;
  control: string;
}

function readSnapshot(s: ApState, setting: Setting, facts: Facts): void {
  const mdevs = new Map<string, MdevTexts>();
  let anyQueue = false;
  let scans: number | undefined;
  for (const { path, value } of setting.environment) {
    const link = groupLink(path, value);
    if (link !== undefined) {
      textsOf(mdevs, link.uuid);
      addGroup(s, link.uuid, link.group);
      continue;
    }
    const attribute = attributeOf(path);
    if (attribute === undefined) continue;
    anyQueue ||= attribute.on === "queue";
    if (attribute.on === "bus" && attribute.name === "scans") scans = decimal(value);
    readAttribute(s, attribute, value, mdevs);
  }
  if (!s.parameters.dynamic) forgetConfiguration(s);
  s.host.devicesListed = anyQueue || isKnown(s.host.loaded);
  if (anyQueue && !isKnown(s.host.apInstructions)) s.host.apInstructions = true;
  orderOfQueues(s, scans);
  copyToDriver(s);
  for (const [uuid, texts] of mdevs) addMdev(s, uuid, texts);
  countHidden(s, facts);
  linkQueues(s, scans);
}

/** aqic-v9 tells nobody of a changed configuration: after the first scan without a line it can be any. */
function forgetConfiguration(s: ApState): void {
  s.host.busApm = unknownBits;
  s.host.busAqm = unknownBits;
  s.host.busAdm = unknownBits;
}

function groupLink(path: string, value: string): { uuid: string; group: number } | undefined {
  if (!path.endsWith("/iommu_group")) return undefined;
  const attribute = attributeOf(path);
  const match = /(?:^|\/)(\d{1,9})$/.exec(value);
  return attribute?.on === "mdev" && match?.[1] !== undefined
    ? { uuid: attribute.uuid, group: Number(match[1]) }
    : undefined;
}

function addGroup(s: ApState, uuid: string, number: number): void {
  const group = new Group(number);
  group.mdev = mdevOf(s, uuid);
  s.groups.set(number, group);
}

function mdevOf(s: ApState, uuid: string): Mdev {
  const known = s.mdevs.get(uuid);
  if (known !== undefined) return known;
  const m = new Mdev(uuid);
  m.present = true;
  s.mdevs.set(uuid, m);
  return m;
}

function textsOf(mdevs: Map<string, MdevTexts>, uuid: string): MdevTexts {
  const known = mdevs.get(uuid);
  if (known !== undefined) return known;
  const texts = { matrix: "", guestMatrix: "", control: "" };
  mdevs.set(uuid, texts);
  return texts;
}

function readAttribute(s: ApState, attribute: Attribute, value: string, mdevs: Map<string, MdevTexts>): void {
  switch (attribute.on) {
    case "bus":
      readBus(s, attribute.name, value);
      break;
    case "card":
      readCard(s, attribute.apid, attribute.name, value);
      break;
    case "queue":
      readQueue(s, attribute.apqn, attribute.name, value);
      break;
    case "mdev-type":
      s.host.loaded = true;
      if (attribute.name === "available_instances") s.host.available = decimal(value) ?? unknown;
      break;
    case "mdev": {
      s.host.loaded = true;
      const texts = textsOf(mdevs, attribute.uuid);
      if (attribute.name === "matrix") texts.matrix += `${value}\n`;
      else if (attribute.name === "guest_matrix") texts.guestMatrix += `${value}\n`;
      else if (attribute.name === "control_domains") texts.control += `${value}\n`;
      break;
    }
    case "driver":
      break;
  }
}

function readBus(s: ApState, name: string, value: string): void {
  const { host } = s;
  switch (name) {
    case "apmask":
    case "aqmask": {
      const bits = mask.parseMask(value);
      if (bits !== undefined) host[name] = exactly(bits);
      break;
    }
    case "ap_adapter_mask":
      host.busApm = configuration(s, value);
      break;
    case "ap_usage_domain_mask":
      host.busAqm = configuration(s, value);
      break;
    case "ap_control_domain_mask":
      host.busAdm = configuration(s, value);
      break;
    case "ap_max_adapter_id":
      host.maxAdapter = decimal(value) ?? unknown;
      break;
    case "ap_max_domain_id":
      host.maxDomain = decimal(value) ?? unknown;
      break;
    case "config_time":
      host.configTime = decimal(value) ?? unknown;
      break;
    case "ap_domain":
      host.domain = decimal(value) ?? unknown;
      break;
  }
}

/** A mask of the host configuration; without QCI the attribute says so. */
function configuration(s: ApState, value: string): typeof unknownBits {
  if (value === "not supported") {
    s.host.qci = false;
    return unknownBits;
  }
  const bits = mask.parseMask(value);
  if (bits === undefined) return unknownBits;
  s.host.qci = true;
  return exactly(bits);
}

function decimal(value: string): number | undefined {
  return /^-?\d{1,9}$/.test(value) ? Number(value) : undefined;
}

function readCard(s: ApState, apid: number, name: string, value: string): void {
  const card = s.cards.get(apid) ?? new Card(apid);
  s.cards.set(apid, card);
  if (name === "hwtype") card.type = decimal(value) ?? unknown;
  if (name === "config") card.config = value === "1";
}

function readQueue(s: ApState, apqn: number, name: string, value: string): void {
  const known = s.queues.get(apqn);
  const queue = known ?? new Queue(apqn);
  if (known === undefined) {
    queue.driver = "none";
    s.queues.set(apqn, queue);
  }
  if (name === "driver") queue.driver = driverName(value);
  else if (name === "status" && queue.driver === "none") queue.driver = "vfio_ap";
  else if (name === "online" && queue.driver === "none") queue.driver = "default";
}

/** The driver that a `driver` link names, by the last part of its target. */
function driverName(target: string): "vfio_ap" | "default" {
  return target.slice(target.lastIndexOf("/") + 1) === "vfio_ap" ? "vfio_ap" : "default";
}

/**
 * `scans` is 1: the one scan since the start of the machine made all its queues, adapters and then domains ascending
 * (NOND-6). After a further scan the order in which they were made is not recorded.
 */
function orderOfQueues(s: ApState, scans: number | undefined): void {
  if (scans !== 1) return;
  for (const queue of [...s.queues.values()].sort((a, b) => a.apqn - b.apqn)) {
    s.clock.now++;
    queue.order = s.clock.now;
  }
}

export const APCB_10 = configRule(
  "APCB-10",
  "Machine without QCI",
  "The driver's copy of the configuration is empty, and no configuration change ever comes. linux-6.1: every shadow stays empty for ever, while links, interrupts and resets work. dynamic-v12: a guest starts without adapters, and assigns or probes bring them in. aqic-v9: nothing special.",
  "vfio_ap_ops.c:vfio_ap_mdev_filter_matrix; p10 vfio_ap_mdev_init_apcb",
);

/** md.info follows the configuration of the last scan in the profiles with hot plug; aqic-v9 read it at module load. */
function copyToDriver(s: ApState): void {
  const { host } = s;
  if (host.qci === false) {
    host.infoApm = noBits;
    host.infoAqm = noBits;
    host.infoAdm = noBits;
    return;
  }
  host.infoApm = host.busApm;
  host.infoAqm = host.busAqm;
  host.infoAdm = host.busAdm;
}

function addMdev(s: ApState, uuid: string, texts: MdevTexts): void {
  const m = mdevOf(s, uuid);
  m.apmMax = s.host.maxAdapter;
  m.aqmMax = s.host.maxDomain;
  const matrix = parseMatrix(texts.matrix);
  const shadow = s.parameters.dynamic ? parseMatrix(texts.guestMatrix) : undefined;
  const adm = parseControl(texts.control);
  if (matrix !== undefined) {
    m.apm = exactly(matrix.apm);
    m.aqm = exactly(matrix.aqm);
  }
  if (shadow !== undefined) {
    m.shApm = exactly(shadow.apm);
    m.shAqm = exactly(shadow.aqm);
  }
  if (adm !== undefined) m.adm = exactly(adm);
}

/** Mdevs that the snapshot does not show: an mdev whose attributes are all empty leaves no line (capture-formats g). */
function countHidden(s: ApState, facts: Facts): void {
  const { host } = s;
  const total = facts.mdevInstances;
  if (isKnown(host.available) && (total !== undefined || host.available === 65536)) {
    host.instances = total ?? 65536;
    host.hiddenMdevs = Math.max(0, host.instances - host.available - s.mdevs.size);
  } else if (host.loaded !== true) host.hiddenMdevs = unknown;
}

/** Queues of vfio_ap that an mdev has assigned are linked to it (INV-10); what else they went through is not known. */
function linkQueues(s: ApState, scans: number | undefined): void {
  for (const queue of s.queues.values()) {
    if (queue.driver !== "vfio_ap") continue;
    queue.resetRc = unknown;
    queue.savedIsc = unknown;
    queue.savedNib = unknown;
    queue.heldBy = unknown;
    for (const m of s.mdevs.values()) {
      if (!mask.hasBit(m.apm.ones, queue.apid) || !mask.hasBit(m.aqm.ones, queue.apqi)) continue;
      // As posted a queue may have lost its place in the table, and may have one in another's (D12-1a, D12-1b, INV-10).
      if (isLiteral(s)) break;
      queue.linked = m;
      // AQIC-10: in the static profile only a guest's AQIC makes a queue point to an mdev.
      queue.owner = s.parameters.dynamic ? m : oneOf<Mdev | null>([null, m]);
    }
    if (queue.linked !== null) continue;
    if (s.mdevs.size === 0 && s.host.hiddenMdevs === 0) atRest(queue, scans);
    else if (isLiteral(s)) {
      queue.linked = unknown;
      queue.owner = unknown;
    }
    // A queue that was unlinked outside the shadow keeps its owner (D61-1).
    else if (s.parameters.dynamic) queue.owner = oneOf<Mdev | null>([null, ...s.mdevs.values()]);
  }
}

/**
 * No mdev exists: nothing can be registered for the queue. Its last reset may still have failed (RST-5), but not where
 * the one scan since the start of the machine has just made it: the driver resets queues of mdevs only.
 */
function atRest(queue: Queue, scans: number | undefined): void {
  if (scans === 1) queue.resetRc = 0;
  queue.savedIsc = null;
  queue.savedNib = null;
  queue.heldBy = null;
}
