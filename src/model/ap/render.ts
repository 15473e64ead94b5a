import * as mask from "../../event/mask.js";
import { apqnText } from "../../operation/ap/attribute.js";
import type { Operation } from "../../operation/operation.js";
import { type Bits, bitsText, isExact, possible } from "../core/bits.js";
import { isKnown, type Known } from "../core/known.js";
import { masked } from "./apcb.js";
import { factOf } from "./guest-facts.js";
import { guestName } from "./guests.js";
import { statusOf } from "./hardware.js";
import type { ApState, Guest, Mdev, Queue } from "./state.js";

/** The state in the JSON form of design section 4. */
export function renderState(s: ApState): unknown {
  return {
    bus: { apmask: bitsText(s.host.apmask), aqmask: bitsText(s.host.aqmask) },
    mdevs: [...s.mdevs.values()].filter((m) => m.present !== false).map(renderMdev),
    queues: [...s.queues.values()]
      .filter((queue) => queue.driver !== "absent")
      .sort((a, b) => a.apqn - b.apqn)
      .map((queue) => renderQueue(s, queue)),
    guests: [...s.guests.values()].filter((guest) => guest.live || guest.hook !== null).map(renderGuest),
  };
}

function plain<T>(known: Known<T>): T | "unknown" {
  return isKnown(known) ? known : "unknown";
}

function masks(apm: Bits, aqm: Bits, adm: Bits): Record<string, string> {
  return { apm: bitsText(apm), aqm: bitsText(aqm), adm: bitsText(adm) };
}

function renderMdev(m: Mdev): unknown {
  const kvm = isKnown(m.kvm) ? (m.kvm === null ? null : guestName(m.kvm)) : "unknown";
  return {
    uuid: m.uuid,
    matrix: masks(m.apm, m.aqm, m.adm),
    shadow: masks(m.shApm, m.shAqm, m.shAdm),
    kvm,
  };
}

function renderQueue(s: ApState, queue: Queue): unknown {
  const driver = isKnown(queue.driver) ? driverText(queue.driver) : "unknown";
  const head = { apqn: apqnText(queue.apqn), driver };
  if (queue.driver !== "vfio_ap") return head;
  const status = statusOf(s, queue);
  return {
    ...head,
    mdev: isKnown(queue.owner) ? (queue.owner?.uuid ?? null) : "unknown",
    isc: plain(queue.savedIsc),
    nib: plain(queue.savedNib),
    resetRc: plain(queue.resetRc),
    ...(status === undefined ? {} : { status }),
  };
}

function driverText(driver: "none" | "default" | "vfio_ap" | "absent"): string | null {
  if (driver === "default") return "cex4queue";
  return driver === "vfio_ap" ? driver : null;
}

function renderGuest(guest: Guest): unknown {
  const hook = isKnown(guest.hook) ? (guest.hook?.uuid ?? null) : "unknown";
  return {
    kvm: guestName(guest),
    crycb: renderCrycb(guest),
    hook,
    ...(isKnown(guest.gisc) ? { gisc: counts(guest.gisc) } : { gisc: "unknown" }),
    ...(isKnown(guest.pins) ? { pinned: Object.fromEntries(guest.pins) } : { pinned: "unknown" }),
  };
}

function counts(gisc: readonly number[]): Record<string, number> {
  const found: Record<string, number> = {};
  gisc.forEach((count, isc) => {
    if (count > 0) found[String(isc)] = count;
  });
  return found;
}

/** What the guest's block holds: formats 0 and 1 have room for 64 adapters and 16 domains (KVM-11). */
function renderCrycb(guest: Guest): Record<string, string> {
  const cut = (bits: Bits, room: number): string => {
    if (!isExact(bits)) return "unknown";
    const narrow = mask.and(bits.ones, mask.maskUpTo(room - 1));
    if (mask.sameMask(narrow, bits.ones)) return mask.maskText(bits.ones);
    const wide = factOf(guest.facts, "wide");
    return wide === "unknown" ? "unknown" : mask.maskText(wide ? bits.ones : narrow);
  };
  return { apm: cut(guest.apm, 64), aqm: cut(guest.aqm, 16), adm: cut(guest.adm, 16) };
}

/** A few lines about the objects that an operation is about. */
export function describeState(s: ApState, operation: Operation): readonly string[] {
  const { call } = operation;
  if (call.kind === "attribute-write" || call.kind === "attribute-read" || call.kind === "attribute-open") {
    if (call.attribute.on === "mdev") {
      const m = s.mdevs.get(call.attribute.uuid);
      return m === undefined ? [] : describeMdev(m);
    }
    return [`apmask: ${bitsText(s.host.apmask)}`, `aqmask: ${bitsText(s.host.aqmask)}`];
  }
  if (call.kind === "pqap") return describeQueue(s.queues.get(call.gr0.lo & 0xffff));
  return [...s.mdevs.values()]
    .filter((m) => m.present === true)
    .flatMap(describeMdev)
    .slice(0, 12);
}

function describeMdev(m: Mdev): readonly string[] {
  const guest = isKnown(m.kvm) ? (m.kvm === null ? "none" : guestName(m.kvm)) : "unknown";
  return [
    `mdev ${m.uuid}: adapters ${list(m.apm)} domains ${list(m.aqm)} control ${list(m.adm)}, guest ${guest}`,
    `  shadow: adapters ${list(m.shApm)} domains ${list(m.shAqm)} control ${list(m.shAdm)}`,
  ];
}

function describeQueue(queue: Queue | undefined): readonly string[] {
  if (queue === undefined) return [];
  const isc = plain(queue.savedIsc);
  const owner = isKnown(queue.owner) ? (queue.owner?.uuid ?? "no mdev") : "unknown";
  return [
    `queue ${apqnText(queue.apqn)}: linked to ${owner}, ISC ${isc ?? "none"}, NIB ${plain(queue.savedNib) ?? "none"}`,
  ];
}

function list(bits: Bits): string {
  return isExact(bits) ? masked(bits.ones) : `${masked(bits.ones)} of ${masked(possible(bits))}`;
}
