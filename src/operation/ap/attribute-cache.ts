import { flatCopy } from "../../event/flat-copy.js";
import { type Attribute, attributeOf } from "./attribute.js";

/** Texts that are remembered: UUIDs of mdevs and names of attributes. */
const MAX_TEXTS = 4096;
/** Paths that are remembered; a power of two. A machine with some mdevs and queues has some hundred. */
const SLOTS = 4096;

interface Entry {
  readonly path: string;
  readonly attribute: Attribute | undefined;
}

/**
 * {@link attributeOf}, remembered: most paths come again and again. A path is some hundred characters long, and a map
 * would look at each of them; here a few places tell paths apart, and one comparison makes sure.
 */
export class AttributeCache {
  private readonly texts = new Map<string, string>();
  private readonly slots: (Entry | undefined)[] = new Array<Entry | undefined>(SLOTS).fill(undefined);

  of(path: string): Attribute | undefined {
    if (!path.startsWith("/sys/")) return undefined;
    const slot = hashOf(path) & (SLOTS - 1);
    const known = this.slots[slot];
    if (known !== undefined && known.path === path) return known.attribute;
    const whole = flatCopy(path);
    const attribute = this.withOwnNames(attributeOf(whole));
    this.slots[slot] = { path: whole, attribute };
    return attribute;
  }

  /** Names are cut out of a path, and cut strings take long to compare: equal ones become one text of its own. */
  private withOwnNames(attribute: Attribute | undefined): Attribute | undefined {
    if (attribute?.on === "mdev") {
      return { on: "mdev", uuid: this.own(attribute.uuid), name: this.own(attribute.name) };
    }
    if (attribute === undefined || attribute.on === "driver") return attribute;
    return { ...attribute, name: this.own(attribute.name) };
  }

  private own(text: string): string {
    const known = this.texts.get(text);
    if (known !== undefined) return known;
    if (this.texts.size >= MAX_TEXTS) this.texts.clear();
    const own = flatCopy(text);
    this.texts.set(own, own);
    return own;
  }
}

/** The end of a path names the attribute, the characters behind the directory the mdev. */
function hashOf(path: string): number {
  const { length } = path;
  let hash = length;
  for (let at = Math.max(0, length - 10); at < length; at++) hash = (Math.imul(hash, 31) + path.charCodeAt(at)) | 0;
  for (let at = 22; at < 40 && at < length; at += 2) hash = (Math.imul(hash, 31) + path.charCodeAt(at)) | 0;
  return hash ^ (hash >>> 13);
}
