import { errnoName, errnoNumber } from "../../event/errno.js";
import { IRQ_FLAG } from "../../operation/platform/structures.js";
import { type Known, oneOf } from "../core/known.js";
import type { Setting } from "../core/model.js";
import { deviceNamed, learnNumIrqs } from "./devices.js";
import { parametersOf } from "./profile.js";
import { type Device, Line, PlatformState } from "./state.js";

const TOP = ["noiommu", "resetRequired", "pageSize", "nrIrqs", "devices"];
const OF_DEVICE = ["bus", "hasReset", "resetResult", "regions", "wired", "hasMsiDomain", "msiAvailable"];
const OF_WIRED = ["trigger", "spi", "requestError", "hwirq"];
const OF_REGION = ["size", "flags", "addr", "kind", "readonly"];

/** More lines or regions than any device has: facts beyond them are not used. */
const MOST = 4096;

/** The state at the begin of a recording: what the facts say (1.1), everything else unknown. */
export function initialState(setting: Setting): PlatformState {
  const s = new PlatformState(parametersOf(setting.profile));
  const facts = new Facts(setting);
  const { machine } = s;
  facts.known(setting.facts, "", TOP);
  machine.noiommu = facts.boolean(setting.facts, "noiommu", "") ?? machine.noiommu;
  machine.resetRequired = facts.boolean(setting.facts, "resetRequired", "") ?? machine.resetRequired;
  const pageSize = facts.number(setting.facts, "pageSize", "");
  if (pageSize !== undefined && pageSize >= 512) machine.pageSize = pageSize;
  machine.nrIrqs = facts.number(setting.facts, "nrIrqs", "") ?? machine.nrIrqs;
  const devices = setting.facts.devices;
  if (isRecord(devices)) {
    for (const [name, given] of Object.entries(devices).slice(0, MOST)) {
      if (isRecord(given)) readDevice(s, facts, name, given);
      else facts.wrong(`devices.${name}`, "an object");
      machine.devicesNamed = true;
    }
  } else if (devices !== undefined) {
    facts.wrong("devices", "an object");
  }
  s.journal.commit();
  return s;
}

type Given = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Given {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads facts; what is of a wrong type is a remark and stays unknown. */
class Facts {
  private readonly setting: Setting;

  constructor(setting: Setting) {
    this.setting = setting;
  }

  wrong(path: string, expected: string): undefined {
    this.setting.note(`fact platform.${path} is not ${expected}; taken as unknown`);
    return undefined;
  }

  known(given: Given, path: string, keys: readonly string[]): void {
    for (const key of Object.keys(given)) {
      if (!keys.includes(key)) this.setting.note(`fact platform.${path}${key} is not known; left out`);
    }
  }

  /** Options of the command line are texts. */
  boolean(given: Given, key: string, path: string): boolean | undefined {
    const value = given[key];
    if (value === undefined || typeof value === "boolean") return value;
    if (value === "true" || value === "false") return value === "true";
    return this.wrong(`${path}${key}`, "a boolean");
  }

  number(given: Given, key: string, path: string): number | undefined {
    const value = given[key];
    if (value === undefined) return undefined;
    const number = typeof value === "string" && value !== "" ? Number(value) : value;
    if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0) return number;
    return this.wrong(`${path}${key}`, "a number");
  }

  list(given: Given, key: string, path: string): readonly Given[] | undefined {
    const value = given[key];
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || value.length > MOST) return this.wrong(`${path}${key}`, "a list");
    const entries: readonly unknown[] = value;
    return entries.map((entry) => (isRecord(entry) ? entry : {}));
  }

  /** An errno by name or number, 0 for success; a list of them for several possible ones. */
  errnos(given: Given, key: string, path: string): Known<string | 0> | undefined {
    const value = given[key];
    if (value === undefined) return undefined;
    const several: readonly unknown[] = Array.isArray(value) ? value : [value];
    const names: (string | 0)[] = [];
    for (const one of several) {
      const name = errnoOf(one);
      if (name === undefined) return this.wrong(`${path}${key}`, "an errno");
      if (!names.includes(name)) names.push(name);
    }
    return names.length === 0 ? undefined : oneOf(names);
  }
}

function errnoOf(value: unknown): string | 0 | undefined {
  if (value === 0 || value === "0") return 0;
  if (typeof value === "number") return errnoName(Math.abs(value));
  if (typeof value !== "string") return undefined;
  const number = errnoNumber(value);
  return number === undefined ? undefined : (errnoName(number) ?? value);
}

function readDevice(s: PlatformState, facts: Facts, name: string, given: Given): void {
  const path = `devices.${name}.`;
  facts.known(given, path, OF_DEVICE);
  const device = deviceNamed(s, name);
  const { bus } = given;
  if (bus === "platform" || bus === "amba") device.bus = bus;
  else if (bus !== undefined) facts.wrong(`${path}bus`, "platform or amba");
  device.hasReset = facts.boolean(given, "hasReset", path) ?? device.hasReset;
  device.resetResult = facts.errnos(given, "resetResult", path) ?? device.resetResult;
  device.msiAvailable = facts.number(given, "msiAvailable", path) ?? device.msiAvailable;
  // V3-2: in the later posting a helper module tells the count.
  if (!s.parameters.v3) device.msiCount = s.machine.nrIrqs;
  if (s.parameters.msi) device.hasMsi = facts.boolean(given, "hasMsiDomain", path) ?? device.hasMsi;
  readRegions(device, facts, given, path);
  readLines(s, device, facts, given, path);
}

function readRegions(device: Device, facts: Facts, given: Given, path: string): void {
  const regions = facts.list(given, "regions", path);
  if (regions === undefined) return;
  device.numRegions = regions.length;
  regions.forEach((region, index) => {
    const at = `${path}regions[${index}].`;
    facts.known(region, at, OF_REGION);
    const size = facts.number(region, "size", at);
    const flags = facts.number(region, "flags", at);
    if (size !== undefined && flags !== undefined) device.regions.set(index, { size, flags });
  });
}

function readLines(s: PlatformState, device: Device, facts: Facts, given: Given, path: string): void {
  const wired = facts.list(given, "wired", path);
  if (wired === undefined) return;
  device.wired = wired.length;
  if (!s.parameters.msi || device.hasMsi === false) learnNumIrqs(s, device, wired.length);
  else if (device.hasMsi === true) device.numIrqs = wired.length + 1;
  else device.numIrqs = oneOf([wired.length, wired.length + 1]);
  wired.forEach((one, index) => {
    const at = `${path}wired[${index}].`;
    facts.known(one, at, OF_WIRED);
    const line = new Line(index);
    const { trigger } = one;
    if (trigger === "level") line.flags = IRQ_FLAG.EVENTFD | IRQ_FLAG.MASKABLE | IRQ_FLAG.AUTOMASKED;
    else if (trigger === "edge") line.flags = IRQ_FLAG.EVENTFD;
    else if (trigger !== undefined) facts.wrong(`${at}trigger`, "level or edge");
    // Facts that list the lines say which of them cannot be requested: the others can.
    const error = facts.errnos(one, "requestError", at) ?? 0;
    line.err = s.parameters.msi ? 0 : error;
    line.requestError = s.parameters.msi ? error : 0;
    device.lines.set(index, line);
  });
}
