import { join, OneOf } from "../core/known.js";
import { Container, Device, DeviceFile, Eventfd, Group, Line, Machine, PlatformState, Vector } from "./state.js";

/** A copy of a state that shares nothing that can change: for a fork of the check. */
export function cloneState(s: PlatformState): PlatformState {
  const copy = new PlatformState(s.parameters);
  const twins = new Map<object, object>();
  const twin = <T extends object>(object: T, fresh: T): T => {
    twins.set(object, fresh);
    return fresh;
  };
  for (const [key, e] of s.eventfds) copy.eventfds.set(key, twin(e, new Eventfd(e.id, e.name)));
  for (const [key, group] of s.groups) copy.groups.set(key, twin(group, new Group(group.name)));
  for (const [key, container] of s.containers) copy.containers.set(key, twin(container, new Container(container.id)));
  for (const [key, device] of s.devices) {
    const fresh = twin(device, new Device(device.key, device.name));
    twin(device.msi, fresh.msi);
    for (const [index, line] of device.lines) fresh.lines.set(index, twin(line, new Line(line.index)));
    for (const [index, region] of device.regions) fresh.regions.set(index, region);
    for (const vector of device.msi.vectors ?? []) twin(vector, new Vector(vector.index));
    copy.devices.set(key, fresh);
  }
  for (const [key, file] of s.files) {
    const device = twins.get(file.device);
    if (device instanceof Device) {
      const fresh = new DeviceFile(file.id, device);
      fresh.closed = file.closed;
      copy.files.set(key, fresh);
    }
  }
  for (const [from, to] of twins) copyFields(from, to, twins);
  copyFields(s.machine, copy.machine, twins);
  return copy;
}

/** Parts of an object that have copies of their own. */
const OWN = new Set(["lines", "regions", "msi"]);

function copyFields(from: object, to: object, twins: ReadonlyMap<object, object>): void {
  for (const key of Object.keys(from)) {
    if (!OWN.has(key)) Reflect.set(to, key, translated(Reflect.get(from, key), twins));
  }
}

function translated(value: unknown, twins: ReadonlyMap<object, object>): unknown {
  if (value instanceof OneOf) return new OneOf(value.values.map((one: unknown) => translated(one, twins)));
  if (Array.isArray(value)) return value.map((one: unknown) => translated(one, twins));
  if (typeof value !== "object" || value === null) return value;
  return twins.get(value) ?? value;
}

/** What a field allows after two runs that both explain an observation. */
export function joinField(object: object, key: string, a: unknown, b: unknown): unknown {
  if (a === b) return a;
  if (typeof a === "bigint" && typeof b === "bigint") return key === "min" ? (a < b ? a : b) : a > b ? a : b;
  switch (key) {
    case "vectors":
      return joinVectors(a, b);
    case "maskOrder":
    case "unmaskOrder":
    case "installs":
    case "process":
    case "noIrq":
    case "noRegion":
      return Math.max(Number(a), Number(b));
    case "pendingEdge":
    case "upset":
    case "shutOff":
    case "linesUnknown":
    case "declaredSilent":
    case "active":
      return a === true || b === true;
    case "silent":
    case "noted":
    case "open":
    case "released":
    case "closed":
      return a === true && b === true;
    case "group":
    case "exposed":
    case "undefinedBy":
    case "undefinedWhat":
      return a === undefined || a === "" ? b : a;
    case "message":
      return undefined;
  }
  return object instanceof Machine && key === "pageSize" ? a : join(a, b);
}

/** Tables of the same length are joined vector by vector elsewhere: the later one counts. Others are not known. */
function joinVectors(a: unknown, b: unknown): unknown {
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return undefined;
  return a.map((_: unknown, index) => {
    const [one, other]: unknown[] = [a[index], b[index]];
    const joined = new Vector(index);
    if (one instanceof Vector && other instanceof Vector) joined.trigger = join(one.trigger, other.trigger);
    return joined;
  });
}

/** A text that two states have in common exactly if all their objects have the same fields. */
export function fingerprint(s: PlatformState): string {
  const objects: readonly Iterable<object>[] = [
    [s.machine],
    s.devices.values(),
    s.eventfds.values(),
    s.groups.values(),
    s.containers.values(),
  ];
  return objects.map((kind) => [...kind].map(fieldsText).join("\n")).join("\n\n");
}

function fieldsText(object: object): string {
  return JSON.stringify(object, (key, value: unknown) => (key === "" ? value : nameOf(key, value)));
}

/** Objects of the state stand in the text of another one by their names. */
function nameOf(key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Eventfd) return `eventfd ${value.id}`;
  if (value instanceof Container) return `container ${value.id}`;
  if (value instanceof Map) return [...value];
  // The order of installs counts, not its numbers; two worlds number alike where they install alike.
  return key === "process" ? undefined : value;
}
