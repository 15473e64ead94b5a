import type { Touched } from "../core/journal.js";
import { isKnown } from "../core/known.js";
import { Guest, Host, Mdev, Queue } from "./state.js";

/**
 * Whose invariants an operation may have broken: an invariant is looked at again only where something that it speaks of
 * has changed. Most operations change a field or two, and looking at everything would take longer than the operation.
 */
export class Concerned {
  /** Matrix, shadow, additions, maxima, guest. */
  readonly mdevs: Mdev[] = [];
  /** Driver and table. */
  readonly queues: Queue[] = [];
  /** Masks and hook. */
  readonly guests: Guest[] = [];
  /** All of the above, whatever was touched: the masks and the host's configuration concern everybody. */
  everybody = false;
  /** Instances and the driver's own additions. */
  host = false;
  /** What is saved for a queue, and whose it is. */
  readonly registrations: Queue[] = [];
  /** Guests whose pins, counts or references, or what these are for, changed. */
  readonly ledgers: Guest[] = [];

  constructor({ objects, keys }: Touched) {
    for (let i = 0; i < objects.length; i++) {
      const object = objects[i];
      const key = keys[i];
      if (typeof key !== "string") continue;
      if (object instanceof Queue) this.queue(object, key);
      else if (object instanceof Mdev) this.mdev(object, key);
      else if (object instanceof Guest) this.guest(object, key);
      else if (object instanceof Host) this.ofHost(key);
    }
  }

  private queue(queue: Queue, key: string): void {
    if (BINDING.has(key)) {
      addOnce(this.queues, queue);
      if (isKnown(queue.linked) && queue.linked !== null) addOnce(this.mdevs, queue.linked);
    }
    if (REGISTRATION.has(key)) addOnce(this.registrations, queue);
    if (HELD.has(key) && isKnown(queue.heldBy) && queue.heldBy !== null) addOnce(this.ledgers, queue.heldBy);
  }

  private mdev(m: Mdev, key: string): void {
    if (UNPROMISED.has(key)) return;
    addOnce(this.mdevs, m);
    if (key === "present") this.host = true;
    if ((key === "present" || key === "kvm") && isKnown(m.kvm) && m.kvm !== null) {
      addOnce(this.guests, m.kvm);
      addOnce(this.ledgers, m.kvm);
    }
  }

  private guest(guest: Guest, key: string): void {
    if (RUNNING.has(key)) addOnce(this.guests, guest);
    if (LEDGER.has(key)) addOnce(this.ledgers, guest);
  }

  private ofHost(key: string): void {
    if (INSTANCES.has(key)) this.host = true;
    else if (CONFIGURATION.has(key)) {
      this.everybody = true;
      this.host = true;
    }
  }
}

function addOnce<T>(list: T[], one: T): void {
  if (!list.includes(one)) list.push(one);
}

function fields<T>(...names: readonly (keyof T & string)[]): ReadonlySet<string> {
  return new Set(names);
}

const BINDING = fields<Queue>("driver", "linked");
const REGISTRATION = fields<Queue>("driver", "linked", "owner", "savedIsc", "savedNib", "heldBy", "strayIrq");
const HELD = fields<Queue>("savedIsc", "savedNib", "heldBy", "resetRc");
/** The only fields of an mdev that no invariant speaks of. */
const UNPROMISED = fields<Mdev>("removing", "createdAt", "heads", "open", "tainted");
const RUNNING = fields<Guest>("live", "hook", "apm", "aqm", "adm");
const LEDGER = fields<Guest>("live", "hook", "gisc", "pins", "alertMask", "refs", "leaks");
const INSTANCES = fields<Host>("available", "instances", "hiddenMdevs");
const CONFIGURATION = fields<Host>(
  "apmask",
  "aqmask",
  "infoApm",
  "infoAqm",
  "infoAdm",
  "apAdd",
  "aqAdd",
  "devicesListed",
);
