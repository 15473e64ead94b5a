import type { Touched } from "../core/journal.js";
import { isKnown } from "../core/known.js";
import { Guest, Host, Mdev, Queue } from "./state.js";

/**
 * Whose invariants an operation may have broken: an invariant is looked at again only where something that it speaks of
 * has changed. Most operations change a field or two, and looking at everything would take longer than the operation.
 */
export class Concerned {
  /** Matrix, shadow, additions, maxima, guest. */
  mdevs: readonly Mdev[] = NOBODY;
  /** Driver and table. */
  queues: readonly Queue[] = NOBODY;
  /** Masks and hook. */
  guests: readonly Guest[] = NOBODY;
  /** All of the above, whatever was touched: the masks and the host's configuration concern everybody. */
  everybody = false;
  /** Instances and the driver's own additions. */
  host = false;
  /** What is saved for a queue, and whose it is. */
  registrations: readonly Queue[] = NOBODY;
  /** Guests whose pins, counts or references, or what these are for, changed. */
  ledgers: readonly Guest[] = NOBODY;

  constructor({ objects, keys }: Touched) {
    for (let i = 0; i < objects.length; i++) {
      const object = objects[i];
      const key = keys[i];
      if (typeof key !== "string") continue;
      if (object instanceof Queue) this.queue(object, aspectsOf(OF_QUEUE, key));
      else if (object instanceof Mdev) this.mdev(object, aspectsOf(OF_MDEV, key));
      else if (object instanceof Guest) this.guest(object, aspectsOf(OF_GUEST, key));
      else if (object instanceof Host) this.ofHost(aspectsOf(OF_HOST, key));
    }
  }

  private queue(queue: Queue, aspects: number): void {
    if ((aspects & BINDING) !== 0) {
      this.queues = withOne(this.queues, queue);
      if (isKnown(queue.linked) && queue.linked !== null) this.mdevs = withOne(this.mdevs, queue.linked);
    }
    if ((aspects & REGISTRATION) !== 0) this.registrations = withOne(this.registrations, queue);
    if ((aspects & LEDGER) !== 0 && isKnown(queue.heldBy) && queue.heldBy !== null) {
      this.ledgers = withOne(this.ledgers, queue.heldBy);
    }
  }

  private mdev(m: Mdev, aspects: number): void {
    if ((aspects & MATRIX) !== 0) this.mdevs = withOne(this.mdevs, m);
    if ((aspects & INSTANCES) !== 0) this.host = true;
    if ((aspects & LEDGER) !== 0 && isKnown(m.kvm) && m.kvm !== null) {
      this.guests = withOne(this.guests, m.kvm);
      this.ledgers = withOne(this.ledgers, m.kvm);
    }
  }

  private guest(guest: Guest, aspects: number): void {
    if ((aspects & RUNNING) !== 0) this.guests = withOne(this.guests, guest);
    if ((aspects & LEDGER) !== 0) this.ledgers = withOne(this.ledgers, guest);
  }

  private ofHost(aspects: number): void {
    if (aspects !== 0) this.host = true;
    if ((aspects & CONFIGURATION) !== 0) this.everybody = true;
  }
}

/** What most operations do not concern: one list for all, to which nobody adds. */
const NOBODY: readonly never[] = [];

function withOne<T>(list: readonly T[], one: T): readonly T[] {
  if (list.length === 0) return [one];
  return list.includes(one) ? list : [...list, one];
}

/** What invariants speak of, as bits. */
const BINDING = 1;
const REGISTRATION = 2;
const LEDGER = 4;
const MATRIX = 8;
const RUNNING = 16;
const INSTANCES = 32;
const CONFIGURATION = 64;

/** The fields of an object that invariants speak of; an mdev has few others. */
type Aspects<T> = ReadonlyMap<keyof T, number>;

const OF_QUEUE: Aspects<Queue> = new Map([
  ["driver", BINDING | REGISTRATION],
  ["linked", BINDING | REGISTRATION],
  ["owner", REGISTRATION],
  ["strayIrq", REGISTRATION],
  ["savedIsc", REGISTRATION | LEDGER],
  ["savedNib", REGISTRATION | LEDGER],
  ["heldBy", REGISTRATION | LEDGER],
  ["resetRc", LEDGER],
]);
const OF_MDEV: Aspects<Mdev> = new Map([
  ["present", MATRIX | INSTANCES | LEDGER],
  ["kvm", MATRIX | LEDGER],
  ["apmMax", MATRIX],
  ["aqmMax", MATRIX],
  ["apm", MATRIX],
  ["aqm", MATRIX],
  ["adm", MATRIX],
  ["shApm", MATRIX],
  ["shAqm", MATRIX],
  ["shAdm", MATRIX],
  ["apmAdd", MATRIX],
  ["aqmAdd", MATRIX],
  ["admAdd", MATRIX],
]);
const OF_GUEST: Aspects<Guest> = new Map([
  ["live", RUNNING | LEDGER],
  ["hook", RUNNING | LEDGER],
  ["apm", RUNNING],
  ["aqm", RUNNING],
  ["adm", RUNNING],
  ["gisc", LEDGER],
  ["pins", LEDGER],
  ["alertMask", LEDGER],
  ["refs", LEDGER],
  ["leaks", LEDGER],
]);
const OF_HOST: Aspects<Host> = new Map([
  ["available", INSTANCES],
  ["instances", INSTANCES],
  ["hiddenMdevs", INSTANCES],
  ["apmask", CONFIGURATION],
  ["aqmask", CONFIGURATION],
  ["infoApm", CONFIGURATION],
  ["infoAqm", CONFIGURATION],
  ["infoAdm", CONFIGURATION],
  ["apAdd", CONFIGURATION],
  ["aqAdd", CONFIGURATION],
  ["devicesListed", CONFIGURATION],
]);

function aspectsOf(fields: ReadonlyMap<string, number>, key: string): number {
  return fields.get(key) ?? 0;
}
