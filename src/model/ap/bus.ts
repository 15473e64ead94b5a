import * as mask from "../../event/mask.js";
import type { Attribute } from "../../operation/ap/attribute.js";
import { admits, Bits, exactly, has, isExact, possible } from "../core/bits.js";
import { isKnown, not, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { masked, SHARE_3, shared } from "./apcb.js";
import { SHARE_1, SHARE_2 } from "./matrix.js";
import { isRelative, parseMaskWrite, scanDecimal, scanNumber } from "./numbers.js";
import { configRule, V12, V12_V61, V61 } from "./profile.js";
import { reviseBindings } from "./revise.js";
import { scan } from "./scan.js";
import type { ApState } from "./state.js";
import { type AttributeWrite, stored, stringOf } from "./store.js";

export const BUS_2 = configRule(
  "BUS-2",
  "Masks at boot",
  "All ones without a kernel parameter; with one, zeros changed by its text as by a write, and all zeros where it does not parse. A recording that begins later knows the masks from its snapshot alone.",
  "ap_bus.c:ap_perms_init",
);
export const MASK_1 = configRule(
  "MASK-1",
  "Order of a mask write",
  "Parse (EINVAL); the in-use test; the mask is stored; the bindings are revised; the count is returned. linux-6.1 does nothing where the mask stays as it is; aqic-v9 has no in-use test, so that a mask write takes queues from mdevs and guests.",
  "p06; ap_bus.c:apmask_store, aqmask_store",
);
export const MASK_2 = configRule(
  "MASK-2",
  "A mask change may not take an assigned APQN",
  "If bits are newly set, the driver is asked once with them and the other mask; an APQN of the product in any mdev's matrix gives EBUSY, and nothing changes. Shadows, guests and bindings play no role.",
  "p06, p07; ap_bus.c:__verify_card_reservations, __verify_queue_reservations; vfio_ap_mdev_resource_in_use",
  V12_V61,
);
export const MASK_3 = configRule(
  "MASK-3",
  "A refused mask write keeps the module",
  "When the in-use test fails, the reference on the module that was taken for it is not given back: vfio_ap cannot be unloaded any more (D12-6).",
  "p06",
  V12,
);
export const MASK_4 = configRule(
  "MASK-4",
  "Masks do not trigger a scan",
  "A mask write tells no driver of a configuration: it has no config-changed and no scan-complete.",
  "p14; ap_bus.c:apmask_store",
);
export const GRAMMAR_M = configRule(
  "2.5",
  "Grammar of masks",
  "Absolute: an optional 0x or x, then up to 64 hex digits that fill the mask from the left, then at most one newline; no digits make the empty mask. Relative: signed numbers and ranges, applied from left to right to the current mask; numbers above 255, or a range that runs backwards, are EINVAL.",
  "ap_bus.c:ap_parse_mask_str",
);
export const BUS_4 = configRule(
  "BUS-4",
  "config_time",
  "A leniently read decimal from 5 to 120, else EINVAL.",
  "ap_bus.c:config_time_store",
);
export const BUS_5 = configRule(
  "BUS-5",
  "ap_domain",
  "A leniently read number of any base that is a domain of the machine and set in aqmask, else EINVAL. It only chooses the host's default domain.",
  "ap_bus.c:ap_domain_store",
);
export const BUS_6 = configRule(
  "BUS-6",
  "Forced scan",
  "Any write to scans runs a complete scan before it returns its count, once a first scan is done.",
  "ap_bus.c:scans_store, ap_bus_force_rescan",
  V61,
);

export const NOND_10 = configRule(
  "NOND-10",
  "Signals before the lock",
  "A read or write of a mask that a signal interrupts before the lock is taken starts again or ends with EINTR; nothing changes.",
  "ap_bus.c:apmask_show, apmask_store, aqmask_show, aqmask_store",
);

/** A write to an attribute of the AP bus. */
export function writeBus(x: Trial, s: ApState, attribute: Attribute & { on: "bus" }, call: AttributeWrite): void {
  switch (attribute.name) {
    case "apmask":
    case "aqmask":
      writeMask(x, s, attribute.name, call);
      break;
    case "config_time":
      writeConfigTime(x, s, call);
      break;
    case "ap_domain":
      writeDomain(x, s, call);
      break;
    case "scans":
      x.by(BUS_6);
      scan(x, s);
      stored(x, call);
      break;
    default:
      x.cannotCheck(`the bus attribute ${attribute.name} is not modelled`);
  }
}

type MaskName = "apmask" | "aqmask";

function writeMask(x: Trial, s: ApState, name: MaskName, call: AttributeWrite): void {
  x.by(MASK_1);
  if (interrupted(x)) return;
  const text = stringOf(call);
  const current = s.host[name];
  if (text === undefined || (isRelative(text) && !isExact(current))) {
    unknownMask(x, s, name, call, text);
    return;
  }
  const parsed = parseMaskWrite(text, current.ones);
  if (x.refuse(!parsed.ok, "EINVAL", MASK_1, GRAMMAR_M)) return;
  if (!parsed.ok) return;
  const next = parsed.value;
  if (isExact(current) && mask.sameMask(current.ones, next)) {
    stored(x, call);
    return;
  }
  x.by(MASK_4);
  if (s.parameters.dynamic && inUse(x, s, name, next)) return;
  s.journal.set(s.host, name, exactly(next));
  reviseBindings(x, s);
  stored(x, call);
}

/** MASK-1 step 1: a signal before the lock ends the write. */
function interrupted(x: Trial): boolean {
  const { result } = x.operation;
  if (result.kind !== "error" || result.errno !== "EINTR") return false;
  x.fails("EINTR", NOND_10);
  return true;
}

/** MASK-2: true if the write is refused. */
function inUse(x: Trial, s: ApState, name: MaskName, next: mask.Mask): boolean {
  const current = s.host[name];
  const added = mask.minus(next, possible(current));
  const perhapsAdded = mask.minus(next, current.ones);
  if (mask.isEmpty(perhapsAdded)) return false;
  x.by(MASK_2, SHARE_3);
  const other = name === "apmask" ? s.host.aqmask : s.host.apmask;
  const fresh = mask.sameMask(added, perhapsAdded) ? exactly(added) : undefined;
  const taken = fresh ?? exactly(perhapsAdded);
  const conflict = shared(s, undefined, name === "apmask" ? taken : other, name === "apmask" ? other : taken);
  // NOND-1: the posted driver says the same where its lock is taken.
  const locked = s.parameters.profile === "dynamic-v12" && x.peek("resource_in_use")?.rc === -16 && conflict !== true;
  if (locked) x.cannotCheck("EBUSY of a lock: which operation held it is not recorded");
  const unsure: Tri = locked || (fresh === undefined && conflict === true) ? "unknown" : conflict;
  const taking = s.parameters.profile === "dynamic-v12" ? -16 : -98;
  if (fresh === undefined && x.peek("resource_in_use") === undefined && x.certain("resource_in_use")) return false;
  const asked = x.expect(
    "resource_in_use",
    (seen) => {
      const own = name === "apmask" ? seen.apm : seen.aqm;
      const theirs = name === "apmask" ? seen.aqm : seen.apm;
      if (fresh !== undefined && !mask.sameMask(own, added)) return `asked with ${masked(own)}`;
      if (!admits(other, theirs)) return `asked with ${masked(theirs)}`;
      const rc = isKnownTri(unsure) ? (unsure ? taking : 0) : seen.rc;
      return seen.rc === rc ? undefined : `resource_in_use rc ${seen.rc}`;
    },
    () => `resource_in_use for ${masked(added)}${isKnownTri(unsure) ? ` rc ${unsure ? taking : 0}` : ""}`,
    MASK_2,
    SHARE_1,
  );
  const refused: Tri = asked !== undefined && unsure === "unknown" ? asked.rc !== 0 : unsure;
  if (!x.refuse(refused, "EBUSY", MASK_1, MASK_2, SHARE_1, SHARE_2)) return false;
  if (s.parameters.profile === "dynamic-v12" && s.parameters.defects === "as-posted") {
    x.knownDefect("the module's reference is not given back", MASK_3);
    s.journal.set(s.host, "moduleHeld", true);
  }
  return true;
}

function isKnownTri(tri: Tri): tri is boolean {
  return tri !== "unknown";
}

/** A mask that cannot be computed: it was cut, or it changes a mask that is not known. */
function unknownMask(x: Trial, s: ApState, name: MaskName, call: AttributeWrite, text: string | undefined): void {
  const asked = x.maybe("resource_in_use", () => undefined);
  if (text !== undefined) {
    const parsed = parseMaskWrite(text, mask.emptyMask);
    if (x.refuse(!parsed.ok, "EINVAL", MASK_1, GRAMMAR_M)) return;
    // MASK-2: only a write that may set a bit asks the driver, and in aqic-v9 none does.
    const sets = parsed.ok && !mask.isEmpty(mask.minus(parsed.value, s.host[name].ones));
    const refused = asked !== undefined ? asked.rc !== 0 : s.parameters.dynamic && sets ? "unknown" : false;
    if (x.refuse(refused, "EBUSY", MASK_2)) return;
    if (x.observedSuccess === false) {
      x.returns(call.length, MASK_2);
      return;
    }
    const all = parseMaskWrite(text, mask.fullMask);
    // A relative write sets or clears the bits it names; the others stay as they were, unknown.
    if (parsed.ok && all.ok) {
      const ones = mask.or(parsed.value, mask.and(all.value, s.host[name].ones));
      const maybe = mask.and(mask.minus(all.value, parsed.value), s.host[name].maybe);
      s.journal.set(s.host, name, partial(ones, maybe));
      reviseBindings(x, s);
      stored(x, call);
      return;
    }
  }
  x.cannotCheck("the written data was cut by the recorder (strace -s)");
  if (x.observedSuccess === false) return;
  s.journal.set(s.host, name, partial(mask.emptyMask, mask.fullMask));
  reviseBindings(x, s);
}

function partial(ones: mask.Mask, maybe: mask.Mask): Bits {
  return new Bits(ones, mask.minus(maybe, ones));
}

function writeConfigTime(x: Trial, s: ApState, call: AttributeWrite): void {
  const text = stringOf(call);
  if (text === undefined) {
    x.cannotCheck("the written data was cut by the recorder (strace -s)");
    s.journal.set(s.host, "configTime", unknown);
    return;
  }
  const value = scanDecimal(text);
  if (x.refuse(value === undefined || value < 5 || value > 120, "EINVAL", BUS_4)) return;
  if (value !== undefined) s.journal.set(s.host, "configTime", value);
  stored(x, call);
}

function writeDomain(x: Trial, s: ApState, call: AttributeWrite): void {
  const text = stringOf(call);
  if (text === undefined) {
    x.cannotCheck("the written data was cut by the recorder (strace -s)");
    s.journal.set(s.host, "domain", unknown);
    return;
  }
  const value = scanNumber(text);
  if (x.refuse(value === undefined || value < 0 || value > 255, "EINVAL", BUS_5)) return;
  if (value === undefined) return;
  const max = s.host.maxDomain;
  if (x.refuse(isKnown(max) ? value > max : "unknown", "EINVAL", BUS_5)) return;
  if (x.refuse(not(has(s.host.aqmask, value)), "EINVAL", BUS_5)) return;
  s.journal.set(s.host, "domain", value);
  stored(x, call);
}
