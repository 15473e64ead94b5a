import * as mask from "../../event/mask.js";
import type { Attribute } from "../../operation/ap/attribute.js";
import type { ApCall } from "../../operation/ap/call.js";
import { admits, type Bits, exactly, has, isExact, possible } from "../core/bits.js";
import { and, is, isKnown, type Known, not, or, type Tri } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { APCB_1 } from "./apcb.js";
import { NOND_10 } from "./bus.js";
import { OUTPUT, readDeviceFile } from "./device-files.js";
import { asRead, controlText, matrixText, PAGE_TEXT, parseControl, parseMatrix } from "./matrix-text.js";
import { mdevAt } from "./mdevs.js";
import { configRule, V12_V61, V61 } from "./profile.js";
import { assignee, queueAt } from "./queues.js";
import { learnShadow } from "./shadow-seen.js";
import { APCB_3, APCB_4, APCB_5 } from "./shadow-v12.js";
import type { ApState, Mdev, QueueDriver } from "./state.js";

export const SHOW_1 = configRule(
  "SHOW-1",
  "Format of matrix",
  "One line for each APQN of adapters × domains, adapters ascending, then domains; with one side empty the other side alone; nothing if both are empty.",
  "base matrix_show; vfio_ap_ops.c:vfio_ap_mdev_matrix_show",
);
export const SHOW_2 = configRule(
  "SHOW-2",
  "guest_matrix",
  "The same format on the shadow masks, with or without a guest: what the guest has or would get; before a start in dynamic-v12 only a forecast.",
  "p09; vfio_ap_ops.c:guest_matrix_show",
  V12_V61,
);
export const INV_16 = configRule(
  "INV-16",
  "guest_matrix shows the shadow",
  "The text parses back to exactly the shadow.",
  "vfio-ap-config 6",
  V12_V61,
);
export const SHOW_3 = configRule(
  "SHOW-3",
  "control_domains",
  "One line for each assigned control domain, ascending.",
  "vfio_ap_ops.c:control_domains_show",
);
export const SHOW_4 = configRule(
  "SHOW-4",
  "More than 511 APQNs",
  "A text of 4096 bytes and more reads as exactly its first 4095 bytes.",
  "fs/sysfs/file.c:sysfs_kf_seq_show",
);
export const BUS_1 = configRule(
  "BUS-1",
  "Masks read back",
  "apmask and aqmask read as 0x and 64 hex digits, whatever form was written.",
  "ap_bus.c:apmask_show, aqmask_show",
);
export const BUS_3 = configRule(
  "BUS-3",
  "Informational attributes",
  "The AP masks of the bus show the configuration of the last scan; the highest numbers are fixed at boot.",
  "ap_bus.c show functions",
);
export const MDEV_2 = configRule(
  "MDEV-2",
  "available_instances",
  "65536 at first, one less for each mdev created, one more for each removed; dynamic-v12 never gives one back.",
  "p15 vfio_ap_mdev_remove; mdev_core.c:mdev_device_release",
);
export const DRV_11 = configRule(
  "DRV-11",
  "status of a queue",
  "unassigned without an mdev that has the APQN; in use if that mdev has a guest and the APQN is in the shadow; else assigned.",
  "vfio_ap_ops.c:status_show",
  V61,
);

export const NOND_3 = configRule(
  "NOND-3",
  "Overlapping stores and reads",
  "Stores that overlap take effect in some order, a read shows the state before or after a store. In aqic-v9 a read of matrix that overlaps a store may mix two of its forms.",
  "vfio_ap_ops.c:matrix_show",
);
export const NOND_9 = configRule(
  "NOND-9",
  "Files that go away",
  "A file of an mdev or queue that is being removed may answer ENODEV; a status read at that moment may still give unassigned.",
  "fs/kernfs; vfio_ap_ops.c:status_show",
);

type Read = Extract<ApCall, { kind: "attribute-read" }>;

/** A read of an attribute: the text must be what the state shows; what is not known of the state is learned from it. */
export function read(x: Trial, s: ApState, call: Read): void {
  if (x.operation.result.kind !== "value") {
    readFailed(x, s, call.attribute);
    return;
  }
  const { attribute } = call;
  switch (attribute.on) {
    case "bus":
      readBus(x, s, attribute, call);
      break;
    case "mdev":
      readMdev(x, s, attribute, call);
      break;
    case "mdev-type":
      readType(x, s, attribute, call);
      break;
    case "queue":
      readQueue(x, s, attribute, call);
      break;
    case "card":
      if (!readDeviceFile(x, s, call)) x.cannotCheck(`the card attribute ${attribute.name} is not modelled`);
      break;
    case "driver":
      x.cannotCheck("the attribute is not modelled");
      break;
  }
}

/** A read that failed: the file was going away, or a signal came before the lock of a mask (NOND-9, NOND-10). */
function readFailed(x: Trial, s: ApState, attribute: Attribute): void {
  if (x.operation.result.kind === "unknown") {
    x.cannotCheck(`result unknown: ${x.operation.result.reason}`);
    return;
  }
  if (isMask(attribute)) x.fails("EINTR", NOND_10);
  else if (mayBeGone(s, attribute) === false) x.returns(0, NOND_9);
  else x.fails(["ENODEV", "ENOENT"], NOND_9);
}

/** Reading the masks takes a lock that a signal can interrupt. */
function isMask(attribute: Attribute): boolean {
  return attribute.on === "bus" && (attribute.name === "apmask" || attribute.name === "aqmask");
}

/** Whether the object that the file belongs to may have been taken away after the file was opened. */
function mayBeGone(s: ApState, attribute: Attribute): Tri {
  switch (attribute.on) {
    case "bus":
      return false;
    case "mdev": {
      const m = mdevAt(s, attribute.uuid);
      return or(m.removing, not(is(m.present, true)));
    }
    default:
      return "unknown";
  }
}

function readBus(x: Trial, s: ApState, attribute: Attribute & { on: "bus" }, call: Read): void {
  const { host } = s;
  switch (attribute.name) {
    case "apmask":
    case "aqmask":
      readMask(x, s, attribute.name, call, BUS_1);
      break;
    case "ap_adapter_mask":
      readHostMask(x, s, "busApm", call);
      break;
    case "ap_usage_domain_mask":
      readHostMask(x, s, "busAqm", call);
      break;
    case "ap_control_domain_mask":
      readHostMask(x, s, "busAdm", call);
      break;
    case "ap_max_adapter_id":
      readNumber(x, call, host.maxAdapter, (value) => s.journal.set(host, "maxAdapter", value), BUS_3);
      break;
    case "ap_max_domain_id":
      readNumber(x, call, host.maxDomain, (value) => s.journal.set(host, "maxDomain", value), BUS_3);
      break;
    case "config_time":
      readNumber(x, call, host.configTime, (value) => s.journal.set(host, "configTime", value), BUS_3);
      break;
    case "ap_domain":
      readNumber(x, call, host.domain, (value) => s.journal.set(host, "domain", value), BUS_3);
      break;
    default:
      if (!readDeviceFile(x, s, call)) x.cannotCheck(`the bus attribute ${attribute.name} is not modelled`);
  }
}

type HostMask = "apmask" | "aqmask" | "busApm" | "busAqm" | "busAdm";

function readHostMask(x: Trial, s: ApState, field: HostMask, call: Read): void {
  if (s.host.qci === false || call.text === "not supported\n") {
    if (s.host.qci !== false && isKnown(s.host.qci)) x.differs("a mask", call.text.trim(), BUS_3);
    else s.journal.set(s.host, "qci", false);
    compare(x, call, "not supported\n", BUS_3);
    return;
  }
  if (!s.parameters.dynamic) {
    x.cannotCheck("a changed host configuration leaves no line in this profile");
    return;
  }
  readMask(x, s, field, call, BUS_3);
}

function readMask(x: Trial, s: ApState, field: HostMask, call: Read, rule: Rule): void {
  const bits = s.host[field];
  if (isExact(bits)) {
    compare(x, call, `${mask.maskText(bits.ones)}\n`, rule);
    return;
  }
  const seen = call.text.endsWith("\n") ? mask.parseMask(call.text.slice(0, -1)) : undefined;
  if (call.partial || seen === undefined) {
    x.cannotCheck("the text that was read is not recorded whole");
    return;
  }
  if (!admits(bits, seen)) x.differs("a mask that fits what is known", call.text.trim(), rule);
  else x.agrees(rule);
  s.journal.set(s.host, field, exactly(seen));
}

function readNumber(x: Trial, call: Read, known: Known<number>, learn: (value: number) => void, rule: Rule): void {
  if (isKnown(known)) {
    compare(x, call, `${known}\n`, rule);
    if (!x.lenient) return;
  }
  const match = call.partial ? null : /^(-?\d{1,9})\n$/.exec(call.text);
  if (match?.[1] === undefined) {
    x.cannotCheck("the text that was read is not recorded whole");
    return;
  }
  const value = Number(match[1]);
  if (is(known, value) === false) x.differs("a value that fits what is known", match[1], rule);
  else x.agrees(rule);
  learn(value);
}

function readMdev(x: Trial, s: ApState, attribute: Attribute & { on: "mdev" }, call: Read): void {
  const m = mdevAt(s, attribute.uuid);
  if (m.present === false && !m.removing) {
    x.differs("no such file", `a text of ${call.text.length} bytes`, SHOW_1);
    s.journal.set(m, "present", true);
    return;
  }
  if (!isKnown(m.present)) s.journal.set(m, "present", true);
  if (m.tainted !== undefined) {
    x.cannotCheck(m.tainted);
    return;
  }
  if (mayBeMixed(x, s, attribute.name, call)) {
    x.by(NOND_3);
    x.cannotCheck("the read overlaps a store, and shows two forms");
    return;
  }
  switch (attribute.name) {
    case "matrix":
      readMatrix(
        x,
        call,
        m.apm,
        m.aqm,
        SHOW_1,
        [],
        (seen) => covers(seen, m),
        (apm, aqm) => {
          s.journal.set(m, "apm", exactly(apm));
          s.journal.set(m, "aqm", exactly(aqm));
        },
      );
      break;
    case "guest_matrix":
      x.by(INV_16);
      readMatrix(
        x,
        call,
        m.shApm,
        m.shAqm,
        SHOW_2,
        shadowRules(s),
        (seen) => within(seen, m),
        (apm, aqm) => learnShadow(s, m, apm, aqm, undefined),
      );
      break;
    case "control_domains":
      readControl(x, s, m, call);
      break;
    default:
      x.cannotCheck(`the attribute ${attribute.name} is not modelled`);
  }
}

/** NOND-3: aqic-v9 decides which form it prints before it takes the lock, so a store in between mixes two. */
function mayBeMixed(x: Trial, s: ApState, name: string, call: Read): boolean {
  return name === "matrix" && !s.parameters.dynamic && x.operation.overlapping && parseMatrix(call.text) === undefined;
}

/** What the shadow is made by, which guest_matrix shows. */
function shadowRules(s: ApState): readonly Rule[] {
  return s.parameters.profile === "linux-6.1" ? [APCB_1] : [APCB_3, APCB_4, APCB_5];
}

interface Shown {
  readonly apm: mask.Mask;
  readonly aqm: mask.Mask;
}

function covers(seen: Shown, m: Mdev): boolean {
  return mask.isSubset(m.shApm.ones, seen.apm) && mask.isSubset(m.shAqm.ones, seen.aqm);
}

function within(seen: Shown, m: Mdev): boolean {
  return mask.isSubset(seen.apm, possible(m.apm)) && mask.isSubset(seen.aqm, possible(m.aqm));
}

function readMatrix(
  x: Trial,
  call: Read,
  apm: Bits,
  aqm: Bits,
  rule: Rule,
  because: readonly Rule[],
  fitsOther: (seen: Shown) => boolean,
  learn: (apm: mask.Mask, aqm: mask.Mask) => void,
): void {
  const exact = isExact(apm) && isExact(aqm);
  if (exact) {
    const whole = matrixText(apm.ones, aqm.ones);
    const text = asRead(whole);
    const page = text.length === PAGE_TEXT ? [SHOW_4] : [];
    if (whole.length > PAGE_TEXT) x.knownDefect(`a text of ${whole.length} bytes overruns its page`, SHOW_4);
    if (fits(call, text)) x.agrees(rule, ...page);
    else x.differs(lines(text), lines(call.text), rule, ...page, ...because);
  }
  if (exact && !(x.lenient && x.mismatch !== undefined)) return;
  const whole = !call.partial && call.text.length < PAGE_TEXT;
  const seen = whole ? parseMatrix(call.text) : undefined;
  if (seen === undefined) {
    if (!whole) x.cannotCheck("the text that was read is not recorded whole");
    else x.differs("APQNs, adapters or domains, one a line, ascending", lines(call.text), rule);
    return;
  }
  if (!exact && !(admits(apm, seen.apm) && admits(aqm, seen.aqm))) {
    x.differs("a matrix that fits what is known", lines(call.text), rule, ...because);
  } else x.agrees(rule);
  // A text that cannot be the state (INV-2) tells of a fault of the text, not of another state.
  if (x.mismatch === undefined || fitsOther(seen)) learn(seen.apm, seen.aqm);
}

function readControl(x: Trial, s: ApState, m: Mdev, call: Read): void {
  if (isExact(m.adm)) {
    compare(x, call, controlText(m.adm.ones), SHOW_3);
    if (!(x.lenient && x.mismatch !== undefined)) return;
  }
  const seen = call.partial ? undefined : parseControl(call.text);
  if (seen === undefined) {
    if (call.partial) x.cannotCheck("the text that was read is not recorded whole");
    else x.differs("control domains, one a line, ascending", lines(call.text), SHOW_3);
    return;
  }
  if (!admits(m.adm, seen)) x.differs("control domains that fit what is known", lines(call.text), SHOW_3);
  else x.agrees(SHOW_3);
  s.journal.set(m, "adm", exactly(seen));
}

function readType(x: Trial, s: ApState, attribute: Attribute & { on: "mdev-type" }, call: Read): void {
  switch (attribute.name) {
    case "available_instances":
      readNumber(x, call, s.host.available, (value) => s.journal.set(s.host, "available", value), MDEV_2);
      break;
    case "device_api":
      compare(x, call, "vfio-ap\n", OUTPUT);
      break;
    case "name":
      compare(x, call, "VFIO AP Passthrough Device\n", OUTPUT);
      break;
    default:
      x.cannotCheck(`the attribute ${attribute.name} is not modelled`);
  }
}

function readQueue(x: Trial, s: ApState, attribute: Attribute & { on: "queue" }, call: Read): void {
  const queue = queueAt(s, attribute.apqn);
  if (attribute.name !== "status") {
    if (!readDeviceFile(x, s, call)) x.cannotCheck(`the queue attribute ${attribute.name} is not modelled`);
    return;
  }
  if (is<QueueDriver>(queue.driver, "vfio_ap") === false) {
    x.differs("no status file: the queue is not bound to vfio_ap", call.text.trim(), DRV_11);
    return;
  }
  if (!isKnown(queue.driver)) s.journal.set(queue, "driver", "vfio_ap");
  // The file is made before the queue is linked, and goes after it is unlinked.
  if (x.operation.overlapping && call.text === "unassigned\n") {
    x.agrees(DRV_11, NOND_9);
    return;
  }
  const allowed = statusTexts(s, attribute.apqn);
  if (allowed.length === 1) compare(x, call, `${allowed[0]}\n`, DRV_11);
  else if (call.partial) x.cannotCheck("the text that was read is not recorded whole");
  else if (allowed.some((text) => `${text}\n` === call.text)) x.agrees(DRV_11);
  else x.differs(allowed.join(" or "), call.text.trim(), DRV_11);
}

/** DRV-11: the texts that `status` can show. */
function statusTexts(s: ApState, apqn: number): readonly string[] {
  const m = assignee(s, apqn);
  if (m === null) return ["unassigned"];
  if (!isKnown(m)) return ["unassigned", "assigned", "in use"];
  const guest = not(is<typeof m.kvm>(m.kvm, null));
  const used = and(guest, and(has(m.shApm, apqn >> 8), has(m.shAqm, apqn & 0xff)));
  if (used === "unknown") return ["assigned", "in use"];
  return used ? ["in use"] : ["assigned"];
}

/** Whether the text that was read is the expected one, as far as it was recorded. */
function fits(call: Read, expected: string): boolean {
  return call.partial ? expected.startsWith(call.text) : expected === call.text;
}

/** Holds a text against the expected one. */
function compare(x: Trial, call: Read, expected: string, ...rules: readonly Rule[]): void {
  if (fits(call, expected)) x.agrees(...rules);
  else x.differs(lines(expected), lines(call.text), ...rules);
}

/** A text for people: its lines joined with blanks. */
function lines(text: string): string {
  if (text === "") return "an empty text (0 bytes)";
  const joined = text.trimEnd().split("\n").join(" ");
  return joined.length > 300 ? `${joined.slice(0, 300)}... (${text.length} bytes)` : joined;
}
