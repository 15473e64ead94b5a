import { withFact } from "../../../src/model/ap/guest-facts.js";
import type { Attribute } from "../../../src/operation/ap/attribute.js";
import type { ApCall, DeviceRef } from "../../../src/operation/ap/call.js";
import type { ApEffect, ApMasks } from "../../../src/operation/ap/effect.js";
import type { ObservedResult } from "../../../src/operation/operation.js";
import type { Cell, ExpectedResult, Happening } from "./cell.js";
import type { Latitude } from "./mutations.js";
import { apqn, hex, minus, type Numbers, plus, productOf, setOf } from "./notation.js";
import { apcbSet, failed, maskOfNumbers, operationOf, pqapDisable, resetLines, writeOf } from "./observed.js";
import { reads, readsForm } from "./reads.js";
import {
  type GuestBook,
  type Masks,
  type MdevBook,
  type Side,
  type World,
  withNumber,
  withoutNumber,
} from "./world.js";

/** One row of a table: what is done, and how a cell is held against the model. */
export interface Step {
  readonly text: string;
  /** The mdev that a cell's G, M and CR are about. */
  readonly mdev: string | undefined;
  run(world: World, cell: Cell, where: string): void;
}

type Run = (world: World, cell: Cell, where: string) => void;

function step(text: string, mdev: string | undefined, run: Run): Step {
  return { text, mdev, run };
}

// --- results and effects

function resultOf(expected: ExpectedResult | undefined, count: number): ObservedResult {
  switch (expected?.kind) {
    case undefined:
    case "n":
      return { kind: "value", value: count };
    case "value":
      return { kind: "value", value: expected.value };
    case "error":
      return failed(expected.errno);
    case "waits":
      return { kind: "unknown", reason: "the recording ends before it returns" };
  }
}

function succeeds(cell: Cell): boolean {
  return cell.result === undefined || cell.result.kind === "n" || cell.result.kind === "value";
}

/** The lines of a cell's happenings. `unbinds`: each reset is the removal of its queue from vfio_ap. */
function linesOf(world: World, cell: Cell, subject: string | undefined, unbinds: boolean): readonly ApEffect[] {
  return cell.happenings.flatMap((happening) => linesOfOne(world, happening, subject, unbinds));
}

function linesOfOne(
  world: World,
  happening: Happening,
  subject: string | undefined,
  unbinds: boolean,
): readonly ApEffect[] {
  switch (happening.kind) {
    case "set":
    case "clr": {
      const book = world.mdev(happening.mdev ?? subject ?? "");
      if (book.guest === null) throw new Error(`mdev ${book.name} has no guest for ${happening.kind}`);
      const kvm = book.guest.pointer;
      if (happening.kind === "clr") return [{ kind: "apcb_clear", kvm }];
      const { apm, aqm, adm } = world.profile === "V9" ? book.matrix : book.shadow;
      return [apcbSet(kvm, apm, aqm, adm)];
    }
    case "reset": {
      const lines = resetLines(world.profile, happening, world.bound.has(happening.apqn));
      if (!unbinds) return lines;
      world.bound.delete(happening.apqn);
      return [{ kind: "queue_remove", apqn: happening.apqn }, ...lines];
    }
    case "tapq":
      return [
        { kind: "hw_tapq", apqn: happening.apqn, status: ((happening.rc === 0 ? 0x8000 : happening.rc) << 16) >>> 0 },
      ];
    case "probe":
      world.bound.add(happening.apqn);
      return [{ kind: "queue_probe", apqn: happening.apqn, rc: 0 }];
  }
}

/** What may stand in for the result: in dynamic-v12 a busy driver lock answers EBUSY whenever it likes (NOND-1). */
function latitudeOf(world: World, ...errnos: readonly string[]): Latitude {
  return { errnos: world.profile === "V12" ? [...errnos, "EBUSY"] : errnos, anyResult: false };
}

// --- mdevs

const SIDES = { adapter: "apm", domain: "aqm", control_domain: "adm" } as const;
type Kind = keyof typeof SIDES;

const UUIDS: Readonly<Record<string, string>> = {
  A: "aaaaaaaa-0000-4000-8000-00000000000a",
  B: "bbbbbbbb-0000-4000-8000-00000000000b",
  C: "cccccccc-0000-4000-8000-00000000000c",
};

function create(world: World, name: string, where: string): void {
  const uuid = UUIDS[name] ?? "";
  const attribute: Attribute = { on: "mdev-type", name: "create" };
  world.perform(operationOf("create", writeOf(attribute, `${uuid}\n`), { kind: "value", value: 37 }, []), where);
  const book = world.addMdev(name, uuid);
  world.explain(
    operationOf("readlink", { kind: "iommu-group", uuid, group: book.group }, resultOf(undefined, 0), []),
    where,
  );
}

/** One store to an mdev's file, and what a success of it means for the matrix. */
function store(
  world: World,
  name: string,
  file: string,
  data: string,
  cell: Cell,
  change: (masks: Masks) => Masks,
  where: string,
): void {
  const book = world.mdev(name);
  if (succeeds(cell)) book.matrix = change(book.matrix);
  const result = resultOf(cell.result, data.length);
  const effects = linesOf(world, cell, name, false);
  const call = writeOf(world.attributeOf(name, file), data);
  world.perform(operationOf(file, call, result, effects), where, latitudeOf(world));
}

function number(text: string): number {
  return /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text);
}

class MdevSteps {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  private step(text: string, run: Run): Step {
    return step(this.name === "A" ? text : `${this.name}: ${text}`, this.name, run);
  }

  /** A number written as in a shell: with a newline. */
  private number(prefix: "assign" | "unassign", kind: Kind, text: string): Step {
    return this.raw(`${prefix}_${kind}`, `${text}\n`, number(text), `${prefix}_${kind} ${text}`);
  }

  private raw(file: string, data: string, value: number, text: string): Step {
    const side: Side = file.endsWith("control_domain") ? "adm" : file.endsWith("adapter") ? "apm" : "aqm";
    const change = (masks: Masks): Masks =>
      file.startsWith("un") ? withoutNumber(masks, side, value) : withNumber(masks, side, value);
    return this.step(text, (world, cell, where) => store(world, this.name, file, data, cell, change, where));
  }

  create(): Step {
    return this.step("create", (world, _cell, where) => create(world, this.name, where));
  }

  /** A second mdev under the same UUID. */
  createAgain(): Step {
    return this.step("create with its UUID", (world, cell, where) => {
      const call = writeOf({ on: "mdev-type", name: "create" }, `${world.mdev(this.name).uuid}\n`);
      world.perform(operationOf("create", call, resultOf(cell.result, 37), []), where);
    });
  }

  assignAdapter(text: string): Step {
    return this.number("assign", "adapter", text);
  }

  assignDomain(text: string): Step {
    return this.number("assign", "domain", text);
  }

  assignControl(text: string): Step {
    return this.number("assign", "control_domain", text);
  }

  unassignAdapter(text: string): Step {
    return this.number("unassign", "adapter", text);
  }

  unassignDomain(text: string): Step {
    return this.number("unassign", "domain", text);
  }

  unassignControl(text: string): Step {
    return this.number("unassign", "control_domain", text);
  }

  /** Exactly these bytes written to a file; `value`: the number that they stand for. */
  writes(file: string, data: string, value = -1): Step {
    return this.raw(file, data, value, `${file} ← ${JSON.stringify(data)}`);
  }

  /** The matrix assigned number by number, adapters first, then domains, then control domains; no guest yet. */
  has(product: string, control = "{}"): Step {
    const { apm, aqm } = productOf(product);
    const numbers: readonly (readonly [Kind, Numbers])[] = [
      ["adapter", apm],
      ["domain", aqm],
      ["control_domain", setOf(control)],
    ];
    return this.step(`${this.name} = ${product}, control domains ${control}`, (world, cell, where) => {
      for (const [kind, list] of numbers) {
        for (const n of list) {
          const change = (masks: Masks): Masks => withNumber(masks, SIDES[kind], n);
          store(world, this.name, `assign_${kind}`, `0x${hex(n, 2)}\n`, { ...cell, happenings: [] }, change, where);
        }
      }
    });
  }

  /** A new VM of its own opens the device. */
  start(): Step {
    return this.step("guest start", (world, cell, where) =>
      open(world, this.name, newGuest(world, where), cell, where),
    );
  }

  /** The VM of another mdev opens this one. */
  startWithGuestOf(other: string): Step {
    return this.step(`the VM of ${other} opens it`, (world, cell, where) => {
      open(world, this.name, world.mdev(other).guest ?? newGuest(world, where), cell, where);
    });
  }

  /** The device is opened while its group knows no VM. */
  openWithoutVm(): Step {
    return this.step("opened without a VM", (world, cell, where) => open(world, this.name, undefined, cell, where));
  }

  /** open(2) of /dev/vfio/N while somebody has it. */
  openGroup(): Step {
    return this.step("a second open of the group", (world, cell, where) => {
      const call: ApCall = { kind: "group-open", group: world.mdev(this.name).group, file: undefined };
      world.perform(operationOf("open group", call, resultOf(cell.result, 9), []), where);
    });
  }

  stop(): Step {
    return this.step("guest stop", (world, cell, where) => close(world, this.name, cell, where));
  }

  /** ioctl VFIO_DEVICE_RESET. */
  reset(): Step {
    return this.step("VFIO_DEVICE_RESET", (world, cell, where) => {
      const { device } = world.mdev(this.name);
      if (device === undefined) throw new Error(`mdev ${this.name} is not open`);
      const call: ApCall = { kind: "device-ioctl", device, request: "reset", command: "VFIO_DEVICE_RESET" };
      const effects = linesOf(world, cell, this.name, false);
      world.perform(operationOf("ioctl", call, resultOf(cell.result, 0), effects), where);
    });
  }

  remove(data: string): Step {
    return this.step(`remove ← ${JSON.stringify(data)}`, (world, cell, where) => {
      store(world, this.name, "remove", data, cell, (masks) => masks, where);
      if (succeeds(cell) && data !== "0\n") world.mdevs.delete(this.name);
    });
  }

  /** The write to `remove` is entered and does not come back yet. */
  removeBegins(): Step {
    return this.step('remove ← "1\\n" is entered', (world, _cell, where) => {
      const call = { ...writeOf(world.attributeOf(this.name, "remove"), "1\n"), phase: "begin" } as ApCall;
      world.explain(operationOf("remove", call, { kind: "unknown", reason: "entered" }, []), where);
      world.mdev(this.name).removing = true;
    });
  }

  /** It comes back. */
  removeReturns(): Step {
    return this.step("the write to remove returns", (world, cell, where) => {
      const call = { ...writeOf(world.attributeOf(this.name, "remove"), "1\n"), phase: "end" } as ApCall;
      const effects = linesOf(world, cell, this.name, false);
      world.perform(operationOf("remove", call, resultOf(cell.result, 2), effects), where);
      world.mdevs.delete(this.name);
    });
  }

  /** The guest asks for the interrupt of a queue to be disabled. The cell is the response code that it gets. */
  aqic(queue: string): Step {
    return this.step(`PQAP(AQIC) of its guest on ${queue}`, (world, cell, where) => {
      const rc = cell.result?.kind === "value" ? cell.result.value : 0;
      const status = 0x80000000;
      const served: readonly ApEffect[] = [
        { kind: "hw_aqic", apqn: apqn(queue), gr1: { hi: 0, lo: 0 }, status },
        { kind: "hw_tapq", apqn: apqn(queue), status },
      ];
      const operation = operationOf(
        "PQAP",
        pqapDisable(apqn(queue), rc, 1),
        resultOf(undefined, 0),
        rc === 0 ? served : [],
      );
      world.perform(operation, where, { errnos: [], anyResult: true });
    });
  }
}

export const A = new MdevSteps("A");
export const B = new MdevSteps("B");

// --- guests

let guests = 0;

function newGuest(world: World, where: string): GuestBook {
  guests++;
  const id = world.nextFile();
  const guest = { pointer: `0x${(0x80000000 + guests * 0x10000).toString(16)}`, vm: { id, name: `100/${id}` } };
  world.explain(operationOf("KVM_CREATE_VM", { kind: "vm-create", vm: guest.vm }, resultOf(undefined, id), []), where);
  // Which facilities the VM has is not recorded: those of section 7, or of the machine's description.
  for (const made of world.state.guests.values()) {
    if (made.vm !== id) continue;
    made.facts = withFact(withFact(made.facts, "wide", world.crycbFormat === 2), "fac65", true);
  }
  return guest;
}

function open(world: World, name: string, guest: GuestBook | undefined, cell: Cell, where: string): void {
  const book = world.mdev(name);
  const group = { id: world.nextFile(), group: book.group };
  const opened = operationOf(
    "open group",
    { kind: "group-open", group: book.group, file: group },
    resultOf(undefined, 9),
    [],
  );
  world.perform(opened, where);
  const fine = succeeds(cell);
  const device: DeviceRef | undefined = fine ? { id: world.nextFile(), group } : undefined;
  const call: ApCall = { kind: "device-open", group, device, vm: guest?.vm, guestSet: guest !== undefined };
  const attached = cell.happenings.some(({ kind }) => kind === "set");
  book.guest = attached ? (guest ?? null) : null;
  book.started = book.matrix;
  const line: readonly ApEffect[] =
    guest === undefined ? [] : [{ kind: "mdev_set_kvm", mdev: book.uuid, kvm: guest.pointer, rc: attached ? 0 : -1 }];
  const sets = linesOf(world, cell, name, false);
  const effects = world.profile === "V61" ? [...sets, ...line] : [...line, ...sets];
  // A group may not have been told its VM (EINVAL, linux-6.1); the old drivers' notifiers can fail (KVM-15).
  const latitude: Latitude =
    world.profile === "V61"
      ? { errnos: [], quiet: ["EINVAL"], anyResult: false }
      : { errnos: ["ENODEV", "EBUSY", "EINVAL"], anyResult: false, missing: attached ? [] : ["mdev_set_kvm"] };
  world.perform(operationOf("open device", call, resultOf(cell.result, 10), effects), where, latitude);
  book.device = device;
  book.groupFile = group;
  if (!fine) closeGroup(world, book, where);
}

function close(world: World, name: string, cell: Cell, where: string): void {
  const book = world.mdev(name);
  const { device, guest } = book;
  if (device === undefined) throw new Error(`mdev ${name} is not open`);
  const line: readonly ApEffect[] =
    guest === null ? [] : [{ kind: "mdev_unset_kvm", mdev: book.uuid, kvm: guest.pointer }];
  const effects = [...line, ...linesOf(world, cell, name, false)];
  const operation = operationOf("close device", { kind: "device-close", device }, resultOf(undefined, 0), effects);
  world.perform(operation, where, { errnos: [], anyResult: true });
  book.guest = null;
  book.device = undefined;
  closeGroup(world, book, where);
}

function closeGroup(world: World, book: MdevBook, where: string): void {
  if (book.groupFile === undefined) return;
  const call: ApCall = { kind: "group-close", file: book.groupFile };
  world.explain(operationOf("close group", call, resultOf(undefined, 0), []), where);
  book.groupFile = undefined;
}

// --- the bus

/** Queues can have come, or gone, without a line in aqic-v9, where a changed configuration leaves none (SCAN-7). */
function unseenConfiguration(world: World): readonly string[] {
  return world.profile === "V9" ? ["queue_probe"] : [];
}

/** A write to apmask or aqmask, as in a shell: with a newline. */
export function mask(name: "apmask" | "aqmask", text: string): Step {
  return maskBytes(name, `${text}\n`, `${name} ${text}`);
}

/** Exactly these bytes written to apmask or aqmask. */
export function maskBytes(name: "apmask" | "aqmask", data: string, text = `${name} ← ${JSON.stringify(data)}`): Step {
  return step(text, undefined, (world, cell, where) => {
    const before = world[name];
    const asked = cell.mask === undefined ? relative(before, data) : undefined;
    const next = cell.mask === undefined ? (asked ?? before) : numbersOfMask(cell.mask);
    const effects = [...inUse(world, name, minus(next, before), cell), ...linesOf(world, cell, undefined, true)];
    if (succeeds(cell)) world[name] = next;
    const call = writeOf({ on: "bus", name }, data);
    const unseen = unseenConfiguration(world);
    const latitude: Latitude = { ...latitudeOf(world), missing: unseen, elsewhere: unseen };
    world.perform(operationOf(name, call, resultOf(cell.result, data.length), effects), where, latitude);
  });
}

function numbersOfMask(text: string): Numbers {
  return [...text].flatMap((digit, place) =>
    [0, 1, 2, 3].filter((bit) => (Number.parseInt(digit, 16) & (8 >> bit)) !== 0).map((bit) => place * 4 + bit),
  );
}

/** Single numbers with signs, joined with commas: what the examples write where they do not print the mask. */
function relative(before: Numbers, data: string): Numbers | undefined {
  let now = before;
  for (const item of data.trimEnd().split(",")) {
    const n = Number(item.slice(1));
    if (item.startsWith("+")) now = plus(now, [n]);
    else if (item.startsWith("-")) now = minus(now, [n]);
    else return undefined;
  }
  return now;
}

/** MASK-2: the driver is asked once, with the newly set bits and the other mask, if there are any. */
function inUse(world: World, name: "apmask" | "aqmask", added: Numbers, cell: Cell): readonly ApEffect[] {
  if (world.profile === "V9" || added.length === 0) return [];
  if (cell.result?.kind === "error" && cell.result.errno !== "EBUSY") return [];
  const refused = world.profile === "V61" ? -98 : -16;
  const rc = cell.result?.kind === "error" ? refused : 0;
  const [apm, aqm] = name === "apmask" ? [added, world.aqmask] : [world.apmask, added];
  return [{ kind: "resource_in_use", apm: maskOfNumbers(apm), aqm: maskOfNumbers(aqm), rc }];
}

export function bind(queue: string, driver = "vfio_ap"): Step {
  return step(`bind ${queue} to ${driver}`, undefined, (world, cell, where) => {
    const fine = succeeds(cell);
    const line: readonly ApEffect[] =
      fine && driver === "vfio_ap" ? [{ kind: "queue_probe", apqn: apqn(queue), rc: 0 }] : [];
    const effects = [...linesOf(world, cell, "A", false), ...line];
    const call = writeOf({ on: "driver", driver, name: "bind" }, `${queue}\n`);
    // The errno for a bound device belongs to the driver core (DRV-5), and without
    // QCI, as in aqic-v9, no line tells what scans do.
    const told = world.profile === "V61" && world.qci.apm.length > 0;
    const latitude = latitudeOf(world, ...(told ? [] : ["ENODEV", "EBUSY"]));
    if (fine && driver === "vfio_ap") world.bound.add(apqn(queue));
    world.perform(operationOf("bind", call, resultOf(cell.result, queue.length + 1), effects), where, latitude);
  });
}

export function unbind(queue: string, driver = "vfio_ap"): Step {
  return step(`unbind ${queue} from ${driver}`, undefined, (world, cell, where) => {
    const effects = linesOf(world, cell, "A", true);
    const call = writeOf({ on: "driver", driver, name: "unbind" }, `${queue}\n`);
    const latitude = driver === "vfio_ap" ? latitudeOf(world) : latitudeOf(world, "ENODEV");
    world.perform(operationOf("unbind", call, resultOf(cell.result, queue.length + 1), effects), where, latitude);
  });
}

/** A bus scan that finds another configuration: control domains as before unless they are given. */
export function scan(text: string, apm: string, aqm: string, adm?: string): Step {
  return step(text, undefined, (world, cell, where) => {
    const before = world.qci;
    const after = { apm: setOf(apm), aqm: setOf(aqm), adm: adm === undefined ? before.adm : setOf(adm) };
    world.qci = after;
    if (world.profile === "V9") {
      for (const happening of cell.happenings) queueComesOrGoes(world, happening, where);
      return;
    }
    const lines = linesOf(world, cell, "A", true);
    const masks = { before: masksOf(before), after: masksOf(after) };
    const effects: ApEffect[] = [{ kind: "cfg_changed", ...masks }, ...lines, { kind: "scan_complete", ...masks }];
    // A recording may end inside a scan; that a queue does not answer is input.
    const latitude: Latitude = { errnos: [], anyResult: true, missing: ["scan_complete", "queue_probe"] };
    world.perform(operationOf("scan", { kind: "scan" }, resultOf(undefined, 0), effects), where, latitude);
  });
}

function masksOf({ apm, aqm, adm }: Masks): ApMasks {
  return { apm: maskOfNumbers(apm), aqm: maskOfNumbers(aqm), adm: maskOfNumbers(adm) };
}

/** aqic-v9 is not told of configurations: each queue comes or goes by itself (SCAN-7). */
function queueComesOrGoes(world: World, happening: Happening, where: string): void {
  if (!("apqn" in happening) || happening.kind === "tapq") return;
  const kind = happening.kind === "reset" ? "queue-remove" : "queue-probe";
  const effects = linesOfOne(world, happening, undefined, true);
  const operation = operationOf(kind, { kind, apqn: happening.apqn }, resultOf(undefined, 0), effects);
  world.perform(operation, where, { errnos: [], anyResult: true });
}

/** A queue that a scan without another configuration finds gone, or new. */
export function queueDevice(kind: "vanishes" | "appears", queue: string): Step {
  return step(`${queue} ${kind}`, undefined, (world, cell, where) => {
    const effects = linesOf(world, cell, "A", true);
    const call: ApCall = { kind: kind === "vanishes" ? "queue-remove" : "queue-probe", apqn: apqn(queue) };
    const operation = operationOf("queue", call, resultOf(undefined, 0), effects);
    world.perform(operation, where, { errnos: [], anyResult: true });
  });
}

/** rmmod vfio_ap. */
export function unloadModule(): Step {
  return step("rmmod vfio_ap", undefined, (world, cell, where) => {
    const call: ApCall = { kind: "module", action: "unload" };
    const effects = linesOf(world, cell, undefined, true);
    // Others can hold the module, and who may unload it is not the driver's matter.
    const latitude = { errnos: [], anyResult: succeeds(cell), anyOrder: true };
    world.perform(operationOf("rmmod", call, resultOf(cell.result, 0), effects), where, latitude);
  });
}

/** modprobe vfio_ap. */
export function loadModule(): Step {
  return step("modprobe vfio_ap", undefined, (world, cell, where) => {
    const call: ApCall = { kind: "module", action: "load" };
    const effects = linesOf(world, cell, undefined, false);
    const latitude = {
      errnos: [],
      anyResult: true,
      missing: ["queue_probe"],
      elsewhere: unseenConfiguration(world),
      anyOrder: true,
    };
    world.perform(operationOf("modprobe", call, resultOf(cell.result, 0), effects), where, latitude);
  });
}

/** A write of exactly these bytes to `create`; the name is what the new mdev is called from then on. */
export function createBytes(name: string, data: string): Step {
  return step(`create ← ${JSON.stringify(data)}`, undefined, (world, cell, where) => {
    const call = writeOf({ on: "mdev-type", name: "create" }, data);
    world.perform(operationOf("create", call, resultOf(cell.result, data.length), []), where, latitudeOf(world));
    if (succeeds(cell)) world.addMdev(name, data.slice(0, 36).toLowerCase());
  });
}

/** A read: the cell says `reads` and the text. */
export function read(attribute: Attribute): Step {
  return step(`read ${attribute.name}`, undefined, (world, cell, where) =>
    reads(world, attribute, cell.text ?? "", where),
  );
}

/** A read of something that is input: the cell says `reads` and the text. */
export function readForm(attribute: Attribute): Step {
  return step(`read ${attribute.name}`, undefined, (world, cell, where) => {
    readsForm(world, attribute, cell.text ?? "", where);
  });
}

/** A write of exactly these bytes to an attribute of the bus, a card or a queue. */
export function write(attribute: Attribute, data: string, errnos: readonly string[] = []): Step {
  return step(`${attribute.name} ← ${JSON.stringify(data)}`, undefined, (world, cell, where) => {
    const operation = operationOf("write", writeOf(attribute, data), resultOf(cell.result, data.length), []);
    world.perform(operation, where, { errnos, anyResult: false });
  });
}

/** Something that nobody records. */
export function unseen(text: string, happens: (world: World) => void): Step {
  return step(text, undefined, happens);
}

/** A step that only states something. */
export function states(text: string, mdev = "A"): Step {
  return step(text, mdev, () => undefined);
}
