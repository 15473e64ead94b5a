import type { PlatformDeviceRef } from "../../operation/platform/call.js";
import { is, isKnown, type Known, knownValue, OneOf, type Tri, Unknown, unknown } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { forgetLine } from "./lines.js";
import { platformRule } from "./profile.js";
import { endSilence } from "./silence.js";
import { Device, DeviceFile, type PlatformState } from "./state.js";

export const UNDEFINED = platformRule(
  "ND-3",
  "Undefined outcomes",
  "A loopback without trigger, an MSI loopback beyond the allocated vectors, a stale table that is freed again, and a region access beyond the end (all in the postings): any result is accepted, or none, and the device is not judged any more.",
  "section 5.3",
);

/** What the device does from now on is undefined (5.3): it is not judged any more. */
export function taint(s: PlatformState, device: Device, rule: Rule, what: string): void {
  if (device.undefinedBy !== undefined) return;
  s.journal.set(device, "undefinedBy", rule);
  s.journal.set(device, "undefinedWhat", what);
}

/** Whether the device is not judged any more; says why. */
export function tainted(x: Trial, device: Device): boolean {
  if (device.undefinedBy === undefined) return false;
  x.cannotCheck(`undefined outcome: ${device.undefinedWhat} (${device.undefinedBy.id})`);
  return true;
}

/** Names of devices of other buses: PCI addresses, mdev UUIDs, AP queues, CCW subchannels. */
const OTHER_BUS =
  /^(?:[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]\.[0-3]\.[0-9a-f]{4}|dpr[ck].*)$/i;

/** The device of a name; one that no fact describes is unknown in everything. */
export function deviceNamed(s: PlatformState, name: string): Device {
  const known = s.devices.get(name);
  if (known !== undefined) return known;
  const device = new Device(name, name);
  device.platform = !OTHER_BUS.test(name);
  prepare(s, device);
  s.journal.add(s.devices, name, device);
  return device;
}

/** Fills in what the profile alone says. */
function prepare(s: PlatformState, device: Device): void {
  if (s.parameters.msi) return;
  // VIRQ-3: platform-base has no MSI block.
  device.hasMsi = false;
}

/** The device behind a descriptor. One that is older than the recording, or whose name was not recorded, is unknown. */
export function deviceOf(s: PlatformState, ref: PlatformDeviceRef): Device {
  const file = s.files.get(ref.id);
  if (file !== undefined) return file.device;
  const device = ref.name === undefined ? unnamedDevice(s, ref) : deviceNamed(s, ref.name);
  if (ref.group !== undefined && device.group === undefined) s.journal.set(device, "group", ref.group);
  s.journal.add(s.files, ref.id, new DeviceFile(ref.id, device));
  return device;
}

function unnamedDevice(s: PlatformState, ref: PlatformDeviceRef): Device {
  const named = [...s.devices.values()].filter((device) => device.name !== undefined);
  const [only] = named;
  if (s.machine.devicesNamed && named.length === 1 && only !== undefined) {
    if (only.openCount === 0) openedUnseen(s, only);
    return only;
  }
  const key = `?${ref.id}`;
  const device = new Device(key, undefined);
  prepare(s, device);
  // Facts about platform devices say what this recording is about.
  if (s.machine.devicesNamed) device.platform = true;
  s.journal.add(s.devices, key, device);
  openedUnseen(s, device);
  return device;
}

/** A descriptor shows that the device is open, and no open was recorded: what was set on it before is not known. */
function openedUnseen(s: PlatformState, device: Device): void {
  const { journal } = s;
  // Nor is it known what the program made the hardware do.
  endSilence(s);
  journal.set(device, "openCount", unknown);
  journal.set(device, "linesUnknown", true);
  for (const line of device.lines.values()) forgetLine(s, line);
  if (!s.parameters.msi || device.hasMsi === false) return;
  journal.set(device.msi, "configured", unknown);
  journal.set(device.msi, "vectors", undefined);
  journal.set(device.msi, "table", unknown);
}

/** Whether an index exists (VIRQ-3); one whose flags were seen does (INV-1). */
export function indexExists(_s: PlatformState, device: Device, index: number): Tri {
  const line = device.lines.get(index);
  if (line !== undefined && isKnown(line.flags) && !isKnown(device.numIrqs)) return true;
  return index >= device.noIrq ? false : below(index, device.numIrqs);
}

/** An index was refused, and nothing but that it does not exist can be the reason: nor do those behind it. */
export function learnAbsence(s: PlatformState, device: Device, kind: "noIrq" | "noRegion", index: number): void {
  s.journal.set(device, kind, Math.min(device[kind], index));
}

/** Whether a region exists; one that was seen does. */
export function regionExists(device: Device, index: number): Tri {
  if (device.regions.has(index) && !isKnown(device.numRegions)) return true;
  return index >= device.noRegion ? false : below(index, device.numRegions);
}

/** Whether a number is below a limit that may not be known. */
export function below(value: number, limit: Known<number>): Tri {
  if (limit instanceof Unknown) return "unknown";
  if (!(limit instanceof OneOf)) return value < limit;
  const below = limit.values.filter((one) => value < one).length;
  return below === 0 ? false : below === limit.values.length ? true : "unknown";
}

/** Whether an index is the MSI block (VIRQ-3): the last one, in the postings. */
export function isMsiIndex(s: PlatformState, device: Device, index: number): Tri {
  if (!s.parameters.msi || device.hasMsi === false) return false;
  const wired = knownValue(device.wired);
  if (wired !== undefined) return index === wired ? is(device.hasMsi, true) : false;
  const count = knownValue(device.numIrqs);
  if (count !== undefined) return index === count - 1 ? is(device.hasMsi, true) : false;
  // A line that was seen to be one stays one (INV-1).
  const line = device.lines.get(index);
  return line !== undefined && isKnown(line.flags) ? false : "unknown";
}

/** The number of indexes was seen: what follows from it. */
export function learnNumIrqs(s: PlatformState, device: Device, count: number): void {
  s.journal.set(device, "numIrqs", count);
  if (!s.parameters.msi) return;
  const wired = knownValue(device.wired);
  if (wired !== undefined) s.journal.set(device, "hasMsi", count === wired + 1);
  else if (device.hasMsi === true) s.journal.set(device, "wired", count - 1);
}

/** The index was seen to be the MSI block, or a line. */
export function learnKind(s: PlatformState, device: Device, index: number, msi: boolean): void {
  if (!s.parameters.msi) return;
  if (msi) {
    s.journal.set(device, "hasMsi", true);
    s.journal.set(device, "wired", index);
    s.journal.set(device, "numIrqs", index + 1);
  } else if (knownValue(device.numIrqs) === index + 1) {
    s.journal.set(device, "hasMsi", false);
  }
}
