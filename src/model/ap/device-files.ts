import type { Attribute } from "../../operation/ap/attribute.js";
import type { ApCall } from "../../operation/ap/call.js";
import { has } from "../core/bits.js";
import { type Known, type Tri, unknown } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { scanDecimal } from "./numbers.js";
import { configRule, V12_V61 } from "./profile.js";
import { SCAN_6 } from "./scan.js";
import { type ApState, Card, type QueueDriver } from "./state.js";
import { type AttributeWrite, stored, stringOf } from "./store.js";

export const BUS_7 = configRule(
  "BUS-7",
  "config of a card",
  "A leniently read 0 or 1, else EINVAL. Another value than the card's asks the machine to configure it, whose refusal (EOPNOTSUPP, EIO, ENOMEM) changes nothing; its queues follow at the next scan. vfio_ap and the guests are not concerned. aqic-v9 has the file from 5.10 on.",
  "ap_card.c:config_store; drivers/s390/char/sclp_ap.c:do_ap_configure",
);
export const BUS_8 = configRule(
  "BUS-8",
  "online of a card or queue",
  "Only while a zcrypt driver has it: a queue of vfio_ap has no such file. 0 or 1, else EINVAL; turning on what is deconfigured gives ENODEV, a queue of a card that is offline EINVAL.",
  "zcrypt_card.c, zcrypt_queue.c:online_store",
);
export const BUS_9 = configRule(
  "BUS-9",
  "Deconfigured and check-stopped queues stay",
  "Their devices are not removed: only their config and chkstop flags change.",
  "ap_bus.c:ap_queue_info, ap_scan_domains",
  V12_V61,
);
export const OUTPUT = configRule(
  "2.6",
  "Output formats",
  "Numbers are decimal, flags 0 or 1, masks 0x and 64 hex digits, each with one newline; bindings is bound/all, with (complete) where both are the same.",
  "ap_bus.c, ap_card.c, ap_queue.c show functions",
);

type Read = Extract<ApCall, { kind: "attribute-read" }>;
type CardFile = Attribute & { readonly on: "card" };
type QueueFile = Attribute & { readonly on: "queue" };

const DECIMAL = /^\d{1,9}\n$/;
const FLAG = /^[01]\n$/;
const FUNCTIONS = /^0x[0-9A-F]{8}\n$/;
const INTERRUPT = /^(Enable Interrupt pending|Interrupts enabled|Interrupts disabled)\.\n$/;
const RESET = /^(Reset in progress|Reset Timer armed|No Reset Timer set)\.\n$/;
const BOUND = /^(\d{1,6})\/(\d{1,6})( \(complete\))?\n$/;

/** What the files of a card show, by name. */
const CARD_TEXTS: ReadonlyMap<string, RegExp> = new Map([
  ["hwtype", DECIMAL],
  ["raw_hwtype", DECIMAL],
  ["depth", DECIMAL],
  ["ap_functions", FUNCTIONS],
  ["config", FLAG],
  ["chkstop", FLAG],
  ["online", FLAG],
]);
/** What the files of a queue device show, by name; `status` is DRV-11. */
const QUEUE_TEXTS: ReadonlyMap<string, RegExp> = new Map([
  ["config", FLAG],
  ["chkstop", FLAG],
  ["online", FLAG],
  ["interrupt", INTERRUPT],
  ["reset", RESET],
]);
/** Flags and counters of the bus. */
const BUS_TEXTS: ReadonlyMap<string, RegExp> = new Map([
  ["ap_interrupts", FLAG],
  ["poll_thread", FLAG],
  ["scans", DECIMAL],
  ["bindings", BOUND],
]);
const WRITABLE: ReadonlySet<string> = new Set(["config", "online", "poll_thread", "scans"]);

/** How the file of a card, a queue or the bus may be opened; undefined for one that is not modelled. */
export function deviceFileMode(attribute: Attribute): "read" | "write" | "both" | undefined {
  const texts = textsOf(attribute);
  if (texts === undefined || !texts.has(attribute.name)) return undefined;
  if (attribute.on === "queue" && attribute.name === "config") return "read";
  return WRITABLE.has(attribute.name) ? "both" : "read";
}

function textsOf(attribute: Attribute): ReadonlyMap<string, RegExp> | undefined {
  switch (attribute.on) {
    case "card":
      return CARD_TEXTS;
    case "queue":
      return QUEUE_TEXTS;
    case "bus":
      return BUS_TEXTS;
    default:
      return undefined;
  }
}

/** A read of such a file: its format, and what it tells. False for a file that is not modelled. */
export function readDeviceFile(x: Trial, s: ApState, call: Read): boolean {
  const { attribute } = call;
  const shape = textsOf(attribute)?.get(attribute.name);
  if (shape === undefined) return false;
  if (call.partial) {
    x.cannotCheck("the text that was read is not recorded whole");
    return true;
  }
  const rules = rulesOf(attribute);
  if (!shape.test(call.text)) x.differs(`a text of the form ${shape.source}`, call.text.trim(), OUTPUT, ...rules);
  else if (attribute.on === "bus" && attribute.name === "bindings") bindings(x, s, call.text);
  else x.agrees(OUTPUT, ...rules);
  if (attribute.on === "card") learnCard(s, attribute, call.text);
  return true;
}

function rulesOf({ on, name }: Attribute): readonly Rule[] {
  if (name === "online") return [BUS_8];
  if (name === "chkstop") return [BUS_9, SCAN_6];
  if (name === "config") return on === "card" ? [BUS_7] : [BUS_9, SCAN_6];
  return [];
}

/** What a card shows may be another thing at the next scan: the newest counts. */
function learnCard(s: ApState, { apid, name }: CardFile, text: string): void {
  if (name !== "hwtype" && name !== "config") return;
  const card = cardAt(s, apid);
  if (name === "hwtype") s.journal.set(card, "type", Number(text));
  else s.journal.set(card, "config", text === "1\n");
}

function cardAt(s: ApState, apid: number): Card {
  const known = s.cards.get(apid);
  if (known !== undefined) return known;
  const card = new Card(apid);
  s.journal.add(s.cards, apid, card);
  return card;
}

/** Bound and all queue devices: those of vfio_ap are among both, and `(complete)` stands exactly where both are the same. */
function bindings(x: Trial, s: ApState, text: string): void {
  const match = BOUND.exec(text);
  const bound = Number(match?.[1]);
  const all = Number(match?.[2]);
  const complete = match?.[3] !== undefined;
  let mine = 0;
  for (const queue of s.queues.values()) if (queue.driver === "vfio_ap") mine++;
  // Queues of vfio_ap go with a line only where those lines are recorded.
  const least = x.certain("queue_remove") ? mine : 0;
  if (bound > all || complete !== (bound === all)) x.differs("(complete) where all are bound", text.trim(), OUTPUT);
  else if (bound < least) x.differs(`at least ${least} bound queues`, text.trim(), OUTPUT);
  else x.agrees(OUTPUT);
}

/** A write to a file of a card: `config` (BUS-7) or `online` (BUS-8). */
export function writeCard(x: Trial, s: ApState, attribute: CardFile, call: AttributeWrite): void {
  if (attribute.name === "config") writeConfig(x, s, attribute, call);
  else if (attribute.name === "online") writeOnline(x, call, ["ENODEV"]);
  else x.cannotCheck(`the card attribute ${attribute.name} is not modelled`);
}

/** A write to a file of a queue device: `online` (BUS-8). */
export function writeQueue(x: Trial, attribute: QueueFile, call: AttributeWrite): void {
  if (attribute.name === "online") writeOnline(x, call, ["ENODEV", "EINVAL"]);
  else x.cannotCheck(`the queue attribute ${attribute.name} is not modelled`);
}

function writeConfig(x: Trial, s: ApState, { apid }: CardFile, call: AttributeWrite): void {
  x.by(BUS_7);
  const card = cardAt(s, apid);
  const value = flagOf(x, call);
  if (value === "cut") {
    s.journal.set(card, "config", unknown);
    return;
  }
  if (x.refuse(value === undefined, "EINVAL", BUS_7)) return;
  // Whether the machine does it is input; it need not be asked where a scan has found the card so already.
  if (x.refuse("unknown", ["EOPNOTSUPP", "EIO", "ENOMEM"], BUS_7)) return;
  s.journal.set(card, "config", value === 1);
  stored(x, call);
}

/** `errnos`: how turning on may be refused; that depends on the states of card and queue at the last scan. */
function writeOnline(x: Trial, call: AttributeWrite, errnos: readonly string[]): void {
  x.by(BUS_8);
  const value = flagOf(x, call);
  if (value === "cut" || x.refuse(value === undefined, "EINVAL", BUS_8)) return;
  if (value === 1 && x.refuse("unknown", errnos, BUS_8)) return;
  stored(x, call);
}

function flagOf(x: Trial, call: AttributeWrite): 0 | 1 | undefined | "cut" {
  const text = stringOf(call);
  if (text === undefined) {
    x.cannotCheck("the written data was cut by the recorder (strace -s)");
    return "cut";
  }
  const value = scanDecimal(text);
  return value === 0 || value === 1 ? value : undefined;
}

/** Whether the file of a queue device is there. */
export function queueFileExists(name: string, driver: Known<QueueDriver>): Tri {
  if (driver === "absent") return false;
  if (driver !== "vfio_ap") return "unknown";
  // BUS-8: only a zcrypt driver makes the file.
  return name !== "online";
}

/** Whether the file of a card is there: the card of a queue that vfio_ap has is, one that the configuration lacks is not. */
export function cardFileExists(s: ApState, attribute: CardFile): Tri {
  // Of aqic-v9 no line tells the configuration.
  if (s.parameters.dynamic && s.host.qci === true && has(s.host.busApm, attribute.apid) === false) return false;
  for (const queue of s.queues.values()) {
    if (queue.apid === attribute.apid && queue.driver === "vfio_ap") return cardHas(s, attribute);
  }
  return "unknown";
}

/** Which files a card has: `online` only with a zcrypt driver, `config` not in every kernel of aqic-v9. */
function cardHas(s: ApState, { name }: CardFile): true | "unknown" {
  return name === "online" || (name === "config" && !s.parameters.dynamic) ? "unknown" : true;
}
