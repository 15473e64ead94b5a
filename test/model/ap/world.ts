import { attempt } from "../../../src/check/attempt.js";
import { brokenInvariants } from "../../../src/model/ap/invariants.js";
import { apModel } from "../../../src/model/ap/model.js";
import type { ApState } from "../../../src/model/ap/state.js";
import type { Attribute } from "../../../src/operation/ap/attribute.js";
import type { DeviceRef, GroupRef, VmRef } from "../../../src/operation/ap/call.js";
import type { Operation } from "../../../src/operation/operation.js";
import { everyFieldOf } from "../touched.js";
import { type Machine, type Profile, queuesOf, stateOf } from "./machine.js";
import { type Latitude, mutantsOf, noLatitude } from "./mutations.js";
import { type Matrix, minus, type Numbers, plus } from "./notation.js";
import { everything } from "./observed.js";

/** A guest as the tests keep it. */
export interface GuestBook {
  readonly pointer: string;
  readonly vm: VmRef;
}

export interface Masks extends Matrix {
  readonly adm: Numbers;
}

const nothing: Masks = { apm: [], aqm: [], adm: [] };

/** What the tables say of an mdev by now. */
export interface MdevBook {
  readonly name: string;
  readonly uuid: string;
  readonly group: number;
  /** The assigned matrix: bits set by assigns that succeeded, cleared by unassigns. */
  matrix: Masks;
  /** The last G of the table, and what the CR columns said of control domains. */
  shadow: Masks;
  guest: GuestBook | null;
  /** The matrix when its guest was started: what the guest runs with in aqic-v9. */
  started: Masks;
  /** A write to `remove` waits: its files are gone (MDEV-4). */
  removing: boolean;
  device: DeviceRef | undefined;
  groupFile: GroupRef | undefined;
}

/** Everything that an example's tables imply so far, beside the state of the model that it is held against. */
export class World {
  readonly profile: Profile;
  readonly state: ApState;
  readonly mdevs = new Map<string, MdevBook>();
  readonly bound: Set<number>;
  readonly crycbFormat: number;
  qci: Masks;
  apmask: Numbers;
  aqmask: Numbers;
  /** Rules that led to a result or an effect. */
  readonly reached = new Set<string>();
  /** Memory was corrupted: nothing is compared any more. */
  tainted = false;
  private files = 0;

  constructor(profile: Profile, machine: Machine) {
    this.profile = profile;
    this.state = stateOf(profile, machine);
    this.qci = machine.qci ?? nothing;
    this.crycbFormat = machine.crycbFormat;
    this.apmask = machine.apmask;
    this.aqmask = machine.aqmask;
    this.bound = new Set(queuesOf(machine).filter((queue) => this.state.queues.get(queue)?.driver === "vfio_ap"));
  }

  nextFile(): number {
    this.files++;
    return this.files;
  }

  mdev(name: string): MdevBook {
    const book = this.mdevs.get(name);
    if (book === undefined) throw new Error(`no mdev ${name}`);
    return book;
  }

  addMdev(name: string, uuid: string): MdevBook {
    const book: MdevBook = {
      name,
      uuid,
      group: this.mdevs.size + 1,
      matrix: nothing,
      shadow: nothing,
      guest: null,
      started: nothing,
      removing: false,
      device: undefined,
      groupFile: undefined,
    };
    this.mdevs.set(name, book);
    return book;
  }

  attributeOf(name: string, file: string): Attribute {
    return { on: "mdev", uuid: this.mdev(name).uuid, name: file };
  }

  /** Holds an operation against the model: it must be explained, and every mutant of it refused. */
  perform(operation: Operation, where: string, latitude: Latitude = noLatitude): void {
    for (const mutant of this.tainted ? [] : mutantsOf(operation, latitude)) {
      if (!this.refuses(mutant.operation)) throw new Error(`${where}: not refused: ${mutant.name}`);
    }
    this.explain(operation, where);
  }

  refuses(operation: Operation): boolean {
    const { journal } = this.state;
    const mark = journal.mark();
    const { kind } = attempt(apModel, this.state, operation, everything);
    journal.rollback(mark);
    return kind === "refused";
  }

  explain(operation: Operation, where: string): void {
    const result = attempt(apModel, this.state, operation, everything);
    if (result.kind === "refused") {
      const texts = result.mismatches.map(({ expected, observed, rules }) => {
        return `expected ${expected}, observed ${observed} (${rules.map((rule) => rule.id).join(", ")})`;
      });
      throw new Error(`${where}: not explained: ${[...new Set(texts)].join("; ")}`);
    }
    for (const rule of result.trial.rules) this.reached.add(rule.id);
    const { unchecked } = result.trial;
    if (unchecked.length > 0 && !this.tainted && operation.result.kind !== "unknown") {
      throw new Error(`${where}: not judged: ${unchecked.join("; ")}`);
    }
    this.state.journal.commit();
  }

  /** Invariants that do not hold, by their bare names. */
  broken(): readonly string[] {
    const { mdevs, queues, guests, host } = this.state;
    const touched = everyFieldOf([host, ...mdevs.values(), ...queues.values(), ...guests.values()]);
    const names = brokenInvariants(this.state, touched).map(({ rule }) => rule.id);
    return [...new Set(names.filter((id) => id.startsWith("ap-config/")).map((id) => id.slice("ap-config/".length)))];
  }
}

export type Side = "apm" | "aqm" | "adm";

export function withNumber(masks: Masks, side: Side, n: number): Masks {
  return { ...masks, [side]: plus(masks[side], [n]) };
}

export function withoutNumber(masks: Masks, side: Side, n: number): Masks {
  return { ...masks, [side]: minus(masks[side], [n]) };
}
