import type { Operation } from "../../operation/operation.js";
import { isPlatformCall, type PlatformCall } from "../../operation/platform/call.js";
import { IRQ_FLAG } from "../../operation/platform/structures.js";
import { is, isKnown, type Known, knownValue, not } from "../core/known.js";
import { isMsiIndex } from "./devices.js";
import { isLevel, mayFire } from "./lines.js";
import type { Device, Line, PlatformState, Slot } from "./state.js";

/** The state in the JSON form of design section 4. */
export function renderState(s: PlatformState): unknown {
  const devices = [...s.devices.values()].filter((device) => device.openCount !== 0 || met(device));
  return { devices: devices.map((device) => renderDevice(s, device)) };
}

/** Devices that the recording never opened are not shown. */
function met(device: Device): boolean {
  return device.group !== undefined;
}

function renderDevice(s: PlatformState, device: Device): unknown {
  const open = device.undefinedBy !== undefined ? "unknown" : not(is(device.openCount, 0));
  return {
    name: device.name ?? "unknown",
    open,
    ...(open === false ? {} : { irqs: renderIrqs(s, device) }),
  };
}

function renderIrqs(s: PlatformState, device: Device): unknown {
  const count = knownValue(device.numIrqs);
  const indexes = count === undefined ? [...device.lines.keys()].sort((a, b) => a - b) : range(Math.min(count, 4096));
  return indexes.map((index) =>
    isMsiIndex(s, device, index) === true ? renderMsi(device, index) : renderLine(s, device, index),
  );
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function renderLine(s: PlatformState, device: Device, index: number): unknown {
  const line = device.lines.get(index);
  if (line === undefined) return { index, count: 1 };
  const undefinedNow = device.undefinedBy !== undefined;
  return {
    index,
    flags: shown(line.flags),
    count: 1,
    masked: undefinedNow ? "unknown" : maskedNow(s, line),
    trigger: undefinedNow ? "unknown" : shownSlot(line.trigger),
    unmaskFd: undefinedNow ? "unknown" : shownSlot(line.unmaskFd),
    maskFd: undefinedNow ? "unknown" : shownSlot(line.maskFd),
  };
}

/** Hardware may have masked a level line that was armed and not masked. */
function maskedNow(s: PlatformState, line: Line): boolean | "unknown" {
  if (line.masked === false && line.trigger !== null && isLevel(line) !== false && mayFire(s, line)) return "unknown";
  return is(line.masked, true);
}

function renderMsi(device: Device, index: number): unknown {
  const { vectors, configured } = device.msi;
  const undefinedNow = device.undefinedBy !== undefined;
  return {
    index,
    flags: IRQ_FLAG.EVENTFD | IRQ_FLAG.CAPS,
    count: shown(device.msiCount),
    msi: {
      configured: undefinedNow ? "unknown" : is(configured, true),
      ...(vectors === undefined || undefinedNow
        ? {}
        : { vectors: vectors.map((vector) => ({ trigger: shownSlot(vector.trigger) })) }),
    },
  };
}

function shown(known: Known<number>): number | "unknown" {
  return knownValue(known) ?? "unknown";
}

function shownSlot(slot: Slot): string | null {
  if (!isKnown(slot)) return "unknown";
  return slot === null ? null : `eventfd ${slot.name}`;
}

/** A few lines for people: the device that an operation is about, and the counters it has to do with. */
export function describeState(s: PlatformState, { call }: Operation): readonly string[] {
  if (!isPlatformCall(call)) return [];
  const device = deviceOfCall(s, call);
  const lines: string[] = [];
  if (device !== undefined) {
    lines.push(
      `device ${device.name ?? "of unknown name"}: ${knownValue(device.openCount) ?? "unknown number of"} open files`,
    );
    for (const line of device.lines.values()) lines.push(describeLine(line));
    const { vectors } = device.msi;
    if (vectors !== undefined && vectors.length > 0) lines.push(`${vectors.length} MSI vectors`);
  }
  if ("eventfd" in call) {
    const e = s.eventfds.get(call.eventfd.id);
    if (e !== undefined) lines.push(`eventfd ${e.name}: counter ${e.min === e.max ? e.min : `${e.min} to ${e.max}`}`);
  }
  return lines;
}

function describeLine(line: Line): string {
  const slots = [
    ["trigger", line.trigger],
    ["mask", line.maskFd],
    ["unmask", line.unmaskFd],
  ] as const;
  const held = slots.flatMap(([name, slot]) => (slot === null ? [] : [`${name} ${shownSlot(slot)}`]));
  return `line ${line.index}: masked ${is(line.masked, true)}${held.length > 0 ? `, ${held.join(", ")}` : ""}`;
}

function deviceOfCall(s: PlatformState, call: PlatformCall): Device | undefined {
  if (call.kind === "vfio-ioctl") {
    const ref = call.made ?? (call.target.kind === "device" ? call.target.device : undefined);
    return ref === undefined ? undefined : s.files.get(ref.id)?.device;
  }
  if ("device" in call) return s.files.get(call.device.id)?.device;
  const open = [...s.devices.values()].filter((device) => device.openCount !== 0 && device.lines.size > 0);
  return open.length === 1 ? open[0] : undefined;
}
