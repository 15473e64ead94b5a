import { flatCopy } from "../../event/flat-copy.js";
import type { Attribute } from "./attribute.js";

/** What the calls on an attribute are named, for people. */
export interface OperationNames {
  readonly open: string;
  readonly read: string;
  readonly write: string;
}

/** Names of attributes that are kept: there are some dozens. */
const MAX_NAMES = 1024;
type Names = Map<string, OperationNames>;
const operationNames: Readonly<Record<Attribute["on"], Names>> = {
  bus: new Map(),
  card: new Map(),
  queue: new Map(),
  driver: new Map(),
  "mdev-type": new Map(),
  mdev: new Map(),
};

/** The names are put together once: a text that was just joined costs more to count by than all the rest of a call. */
export function namesOf(attribute: Attribute): OperationNames {
  const { name, on } = attribute;
  const ofKind = operationNames[on];
  const known = ofKind.get(name);
  if (known !== undefined) return known;
  const text = on === "card" || on === "queue" ? `${on} ${name}` : name;
  const names = { open: `sysfs open ${text}`, read: `sysfs read ${text}`, write: `sysfs write ${text}` };
  if (ofKind.size >= MAX_NAMES) ofKind.clear();
  ofKind.set(name, names);
  return names;
}

const ioctlNames = new Map<string, string>();

/** What an ioctl is named, for people; put together once, for the same reason. */
export function ioctlName(request: string): string {
  const known = ioctlNames.get(request);
  if (known !== undefined) return known;
  const name = `ioctl ${request}`;
  if (ioctlNames.size >= MAX_NAMES) ioctlNames.clear();
  ioctlNames.set(flatCopy(request), name);
  return name;
}
