import { Bits, joinBits } from "../core/bits.js";
import { join, OneOf } from "../core/known.js";
import type { FactSet } from "./guest-facts.js";
import { ApState, Card, DeviceFile, Group, Guest, Mdev, Queue, VcpuTask } from "./state.js";
import type { Place } from "./table.js";

/** A copy of a state that shares nothing that can change: for a fork of the check. */
export function cloneState(s: ApState): ApState {
  const copy = new ApState(s.parameters);
  const twins = new Map<object, object>();
  const twin = <T extends object>(object: T, fresh: T): T => {
    twins.set(object, fresh);
    return fresh;
  };
  for (const [key, m] of s.mdevs) copy.mdevs.set(key, twin(m, new Mdev(m.uuid)));
  for (const [key, queue] of s.queues) copy.queues.set(key, twin(queue, new Queue(queue.apqn)));
  for (const [key, card] of s.cards) copy.cards.set(key, twin(card, new Card(card.apid)));
  for (const [key, guest] of s.guests)
    copy.guests.set(key, twin(guest, new Guest(guest.number, guest.pointer, guest.vm)));
  for (const [key, group] of s.groups) copy.groups.set(key, twin(group, new Group(group.number)));
  for (const [key, device] of s.devices) copy.devices.set(key, twin(device, new DeviceFile(device.id, undefined)));
  for (const [key, task] of s.vcpus) copy.vcpus.set(key, twin(task, new VcpuTask(task.tid)));
  for (const [from, to] of twins) copyFields(from, to, twins);
  copyFields(s.host, copy.host, twins);
  copy.clock.now = s.clock.now;
  copy.current = s.current;
  copy.guestsForgotten = s.guestsForgotten;
  return copy;
}

/** Copies the fields of an object; a field that holds another object of the state gets that one's copy. */
function copyFields(from: object, to: object, twins: ReadonlyMap<object, object>): void {
  for (const key of Object.keys(from)) Reflect.set(to, key, translated(Reflect.get(from, key), twins));
}

function translated(value: unknown, twins: ReadonlyMap<object, object>): unknown {
  if (value instanceof OneOf) return new OneOf(value.values.map((one: unknown) => translated(one, twins)));
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Map) return new Map([...value].map(([key, one]) => [key, translated(one, twins)]));
  if (isPlace(value)) {
    return value.kind === "head"
      ? { ...value, mdev: translated(value.mdev, twins) }
      : { ...value, queue: translated(value.queue, twins) };
  }
  return twins.get(value) ?? value;
}

function isPlace(value: object): value is Place {
  return "kind" in value && (value.kind === "head" || value.kind === "next");
}

/** Fields that always hold a value: of two runs that end differently there, the later place in time, or the first, counts. */
const PLAIN = new Set([
  "now",
  "createdAt",
  "since",
  "dangling",
  "name",
  "removing",
  "status",
  "statusIn",
  "heads",
  "next",
  "at",
]);

/** What is sure only where both runs say so. */
const BOTH = new Set(["devicesListed", "moduleHeld", "strayIrq", "closed"]);
/** What one run is enough for. */
const EITHER = new Set(["unseenCalls", "unseenGuests", "administered", "hosted", "live"]);
/** Places among others, 0 where they are not known. */
const PLACES = new Set(["linkedAt", "order"]);
/** Why something is not judged any more: one run's reason is enough. */
const REASONS = new Set(["hung", "tainted"]);
/** Plain fields of which undefined says that nothing is known. */
const NAMES = new Set(["pointer", "vm", "mdev", "served"]);

/** What a field allows after two runs that both explain an observation. */
export function joinField(object: object, key: string, a: unknown, b: unknown): unknown {
  if (a === b) return a;
  if (BOTH.has(key)) return a === true && b === true;
  if (REASONS.has(key)) return a ?? b;
  if (EITHER.has(key)) return a === true || b === true;
  if (a instanceof Bits && b instanceof Bits) return joinBits(a, b);
  if (object instanceof Guest && key === "facts") return joinFacts(a, b);
  if (NAMES.has(key) && !(object instanceof DeviceFile)) return undefined;
  if (PLACES.has(key)) return 0;
  if (PLAIN.has(key)) {
    return typeof a === "number" && typeof b === "number" ? Math.max(a, b) : a;
  }
  return join(a, b);
}

/** Combinations that either run leaves possible. */
function joinFacts(a: unknown, b: unknown): FactSet {
  return Number(a) | Number(b);
}

/** A text that two states have in common exactly if all their objects have the same fields. */
export function fingerprint(s: ApState): string {
  const objects: readonly Iterable<object>[] = [
    [s.host],
    s.mdevs.values(),
    s.queues.values(),
    s.guests.values(),
    s.groups.values(),
    s.devices.values(),
    s.vcpus.values(),
  ];
  return objects.map((kind) => [...kind].map(fieldsText).join("\n")).join("\n\n");
}

function fieldsText(object: object): string {
  const nested = (key: string, value: unknown): unknown => (key === "" ? value : nameOf(value));
  return JSON.stringify(object, nested);
}

/** Objects of the state stand in the text of another one by their names. */
function nameOf(value: unknown): unknown {
  if (value instanceof Mdev) return `mdev ${value.uuid}`;
  if (value instanceof Queue) return `queue ${value.apqn}`;
  if (value instanceof Guest) return `guest ${value.number}`;
  if (value instanceof Group) return `group ${value.number}`;
  if (value instanceof Map) return [...value];
  return value;
}
