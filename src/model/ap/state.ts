import type { MemorySlot } from "../../operation/ap/memory-slot.js";
import { type Bits, noBits, unknownBits } from "../core/bits.js";
import { Journal } from "../core/journal.js";
import { type Known, unknown } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import { anyFacts, type FactSet } from "./guest-facts.js";
import type { ApParameters } from "./profile.js";
import type { Place } from "./table.js";

/** Who a queue device is bound to. `default`: one of the zcrypt drivers; `none`: no driver; `absent`: no device. */
export type QueueDriver = "absent" | "none" | "default" | "vfio_ap";

/** A queue device and, while it is bound to vfio_ap, its queue object (vfio-ap-config 1.2, vfio-ap-aqic 1.4). */
export class Queue {
  readonly apqn: number;
  driver: Known<QueueDriver> = unknown;
  /** Place in bus order, the order of creation; 0 where it is not known. */
  order = 0;
  /** The mdev in whose table the queue is; null: in none. */
  linked: Known<Mdev | null> = null;
  /** q.mdev: usually `linked`, but it may be stale (D61-1, Q-13). */
  owner: Known<Mdev | null> = null;
  /** Its table entry lies in memory that was freed (D61-3). */
  dangling = false;
  /** List node of the queue as dynamic-v12 keeps it (ASG-6): the next one, and where it hangs. */
  next: Queue | null = null;
  at: Place | null = null;
  /** When it was linked: newest first inside a hash bucket; 0 where it is not known. */
  linkedAt = 0;
  /** Response code of the last ZAPQ (RST-5). */
  resetRc: Known<number> = 0;
  /** Registered guest ISC; null: none. */
  savedIsc: Known<number | null> = null;
  /** Pinned NIB: key of the pin ledger as `0x…`; null: none. */
  savedNib: Known<string | null> = null;
  /** The guest at which the saved ISC counts and whose container holds the saved NIB; null: nothing is saved. */
  heldBy: Known<Guest | null> = null;
  /** Last status word seen of the queue, undefined where none was. */
  status: number | undefined = undefined;
  /** Number of the operation that showed it. */
  statusIn = 0;
  /** Whether hardware has its interrupt enabled, or will soon: I of vfio-ap-aqic 1.6. */
  irq: Known<boolean> = unknown;
  /** A status word showed the interrupt enabled although nobody had enabled it (INV-16). */
  strayIrq = false;

  constructor(apqn: number) {
    this.apqn = apqn;
  }

  get apid(): number {
    return this.apqn >> 8;
  }

  get apqi(): number {
    return this.apqn & 0xff;
  }
}

/** A mediated matrix device (vfio-ap-config 1.3). */
export class Mdev {
  readonly uuid: string;
  present: Known<boolean> = unknown;
  /** A write to `remove` waits for the last close: the files are gone, the mdev still counts (MDEV-4). */
  removing = false;
  /** When it was created: the newest is looked at first (SHARE-3); 0 for those that were there before. */
  createdAt = 0;
  apmMax: Known<number> = unknown;
  aqmMax: Known<number> = unknown;
  apm: Bits = unknownBits;
  aqm: Bits = unknownBits;
  adm: Bits = unknownBits;
  shApm: Bits = unknownBits;
  shAqm: Bits = unknownBits;
  shAdm: Bits = unknownBits;
  /** Added by a configuration change and not yet handled (CFG-3). */
  apmAdd: Bits = noBits;
  aqmAdd: Bits = noBits;
  admAdd: Bits = noBits;
  /** Heads of the table's buckets in dynamic-v12 (ASG-6). */
  heads: ReadonlyMap<number, Queue> = new Map();
  kvm: Known<Guest | null> = unknown;
  /** A device descriptor is open. */
  open: Known<boolean> = unknown;
  /** Why nothing of it can be judged any more: a defect of the profile corrupted memory. */
  tainted: string | undefined = undefined;

  constructor(uuid: string) {
    this.uuid = uuid;
  }
}

/** A deviation that a rule of the profile made: what it left behind, or took away. */
export interface Leak {
  /**
   * `pin`, `isc`: pinned or registered, and saved for no queue. `stale`: a key or an ISC that is saved for a queue, but
   * not pinned any more, or never registered.
   * `ref`: a reference too many or too few.
   */
  readonly kind: "pin" | "isc" | "stale" | "ref";
  /** Key of the pin ledger, ISC, or the difference of the references. */
  readonly what: string | number;
  /** The queue that it was about; undefined for a reference. */
  readonly apqn: number | undefined;
  readonly rule: Rule;
}

/** A guest (struct kvm; vfio-ap-config 1.4, vfio-ap-aqic 1.2). */
export class Guest {
  readonly number: number;
  /** `PID/FD` of the descriptor that made it, for people while the pointer is not known. */
  name: string | undefined = undefined;
  /** The kvm pointer, `0x…`. */
  pointer: string | undefined;
  /** Number of the VM descriptor's file, where it is known. */
  vm: number | undefined;
  /** When its VM was made; 0 where that was not seen. */
  madeAt = 0;
  live = true;
  /** pqap_hook. */
  hook: Known<Mdev | null> = null;
  apm: Bits = noBits;
  aqm: Bits = noBits;
  adm: Bits = noBits;
  /** Facilities 15 and 65 and the width of its CRYCB, as far as its answers tell. */
  facts: FactSet = anyFacts;
  /** Registrations per guest ISC. */
  gisc: Known<readonly number[]> = unknown;
  /** Pin ledger: key to count. */
  pins: Known<ReadonlyMap<string, number>> = unknown;
  /** GISA origin as in a host control word. */
  gisaOrigin: Known<number> = unknown;
  /** gisa.alertMask: bit `0x80 >> isc` for each registered ISC. */
  alertMask: Known<number> = unknown;
  /** refsByVfioAp: references that the driver holds. */
  refs: Known<number> = unknown;
  /** Why counts, pins and references are not what queues and mdevs account for. */
  leaks: Known<readonly Leak[]> = [];
  /** Memory slots by their number, where all calls that set them are recorded; none before the first of these calls. */
  slots: Known<ReadonlyMap<number, MemorySlot>> = unknown;
  /** Pages of which a NIB showed whether they are memory that can be written (NIB-3). */
  pages: Known<readonly SeenPage[]> = [];

  constructor(number: number, pointer: string | undefined, vm: number | undefined) {
    this.number = number;
    this.pointer = pointer;
    this.vm = vm;
  }
}

/** A page of a guest's addresses. */
export interface SeenPage {
  /** Its address without the bits within the page. */
  readonly number: number;
  readonly memory: boolean;
}

/** A VFIO group: the file /dev/vfio/N of one mdev (MDEV-9). */
export class Group {
  readonly number: number;
  mdev: Mdev | undefined = undefined;
  /** Files that keep it taken: the group file and the device files made through it. */
  holders: Known<readonly number[]> = unknown;
  /** The guest that ran with the group's mdev last: the pins in the group's container were made for it. */
  served: Guest | undefined = undefined;

  constructor(number: number) {
    this.number = number;
  }
}

/** An AP card as the bus shows it. */
export class Card {
  readonly apid: number;
  /** Compatible type (hwtype). */
  type: Known<number> = unknown;
  config: Known<boolean> = unknown;
  constructor(apid: number) {
    this.apid = apid;
  }
}

/** Host: AP bus and driver (vfio-ap-config 1.1, 1.2). */
export class Host {
  /** perms: APQNs reserved to the default drivers. */
  apmask: Bits = unknownBits;
  aqmask: Bits = unknownBits;
  /** PQAP(QCI) exists. */
  qci: Known<boolean> = unknown;
  /** QCI content of the last scan. */
  busApm: Bits = unknownBits;
  busAqm: Bits = unknownBits;
  busAdm: Bits = unknownBits;
  /** md.info: the driver's copy. */
  infoApm: Bits = unknownBits;
  infoAqm: Bits = unknownBits;
  infoAdm: Bits = unknownBits;
  maxAdapter: Known<number> = unknown;
  maxDomain: Known<number> = unknown;
  configTime: Known<number> = unknown;
  domain: Known<number> = unknown;
  /** The snapshot lists the queue devices: one that it does not list was absent. */
  devicesListed = false;
  /** md.apAdd, md.aqAdd: what a configuration change added and nobody handled yet (dynamic-v12). */
  apAdd: Bits = noBits;
  aqAdd: Bits = noBits;
  /** The driver's lock is held for ever: an operation never returned. */
  hung: string | undefined = undefined;
  /** Calls of somebody leave no line: matrices, masks and guests change unseen. */
  unseenCalls = false;
  /** Somebody's VMs leave no line: which mdev has a guest changes unseen. */
  unseenGuests = false;
  /** A call on a VM, a group or a device was recorded: whoever runs the guests is among those whose calls are. */
  hosted = false;
  /** A call on an attribute was recorded: whoever administers the machine is among those whose calls are. */
  administered = false;
  /** A reference on the module was lost: it cannot be unloaded any more (MASK-3). */
  moduleHeld = false;
  /** vfio_ap is loaded. */
  loaded: Known<boolean> = unknown;
  /** md.available. */
  available: Known<number> = unknown;
  /** What md.available is without any mdev. */
  instances: Known<number> = unknown;
  /** mdevs that exist and have not been seen: 0 where the snapshot shows all. */
  hiddenMdevs: Known<number> = unknown;
  /** Whether the host's own AQIC reports its status (IRQ-13). */
  aqicStatus: Known<"true" | "lost"> = unknown;
  /** Host inputs of vfio-ap-aqic 1.1: what the host has. */
  apInstructions: Known<boolean> = unknown;
  fac15: Known<boolean> = unknown;
  fac65: Known<boolean> = unknown;
  fac76: Known<boolean> = unknown;
  aiv: Known<boolean> = unknown;
  apxa: Known<boolean> = unknown;
  /** Host ISC of GISA alerts: what each registration returns (GISC-1). */
  nisc: Known<number> = unknown;
  /** Facilities that user space asks for, where the facts name them (facList of 1.2). */
  asked: ReadonlySet<number> | undefined = undefined;
  /** AP interpretation is on from the start of each guest; undefined: not known. */
  apie: Known<boolean> = unknown;
}

/** Below so many objects none is forgotten. */
export const LEAST_FORGOTTEN = 64;

/** The whole state of the AP system. */
export class ApState {
  readonly journal = new Journal();
  readonly parameters: ApParameters;
  readonly host = new Host();
  readonly mdevs = new Map<string, Mdev>();
  readonly queues = new Map<number, Queue>();
  readonly cards = new Map<number, Card>();
  /** By running number. */
  readonly guests = new Map<number, Guest>();
  readonly groups = new Map<number, Group>();
  /** File number of a device descriptor to its mdev. */
  readonly devices = new Map<number, DeviceFile>();
  /** Task to the guest whose vCPU it runs, where that is known. */
  readonly vcpus = new Map<number, VcpuTask>();
  /** Counts links, creations and orders, so that newest and oldest can be told. */
  readonly clock = { now: 1 };
  /** Number of objects from which on those that have ended are looked for: an ordinary recording has some dozens. */
  nextForget = LEAST_FORGOTTEN;
  /** Guests that may still run were forgotten, because there were too many. */
  guestsForgotten = false;

  /** Number of the operation that runs, or ran last. */
  current = 0;

  constructor(parameters: ApParameters) {
    this.parameters = parameters;
  }

  /** The next number of {@link clock}, taken back with the run that took it. */
  tick(): number {
    const now = this.clock.now + 1;
    this.journal.set(this.clock, "now", now);
    return now;
  }
}

/** A VFIO device descriptor. */
export class DeviceFile {
  readonly id: number;
  mdev: Known<Mdev> = unknown;
  group: Group | undefined;
  /** The VM of the process that opened it, where it had exactly one. */
  vm: number | undefined = undefined;
  /** Its last descriptor was closed: nothing names it any more. */
  closed = false;
  constructor(id: number, group: Group | undefined) {
    this.id = id;
    this.group = group;
  }
}

/** A task that was seen to run a vCPU. */
export class VcpuTask {
  readonly tid: number;
  /** When it was first seen to run the same: a VM that was made later is another one. 0: it may be any by now. */
  since = 0;
  guest: Known<Guest> = unknown;
  /** ECA bits of the CPU, as far as its answers tell (PQAP-3, AQIC-1). */
  apie: Known<boolean> = unknown;
  aiv: Known<boolean> = unknown;
  constructor(tid: number) {
    this.tid = tid;
  }
}
