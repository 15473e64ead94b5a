import fc from "fast-check";
import { expect, test } from "vitest";
import type { ApCall } from "../../../src/operation/ap/call.js";
import type { Operation } from "../../../src/operation/operation.js";
import { cellOf } from "./cell.js";
import { S0 } from "./machine.js";
import { type Latitude, mutantsOf } from "./mutations.js";
import { type Configuration, type Happened, Naive } from "./naive.js";
import { allBut, digits } from "./notation.js";
import { operationOf } from "./observed.js";
import { rendered } from "./scenario.js";
import { A, B } from "./steps.js";
import { World } from "./world.js";

const ADAPTERS = [0x05, 0x06, 0x07];
/** 02 and 92 lie in one bucket of each adapter (appendix A). */
const DOMAINS = [0x02, 0x04, 0x92];
const CONTROL = [0x04, 0x47];

type Name = "A" | "B";
type Action =
  | {
      readonly kind: "assign" | "unassign";
      readonly mdev: Name;
      readonly side: "adapter" | "domain";
      readonly n: number;
    }
  | { readonly kind: "control"; readonly mdev: Name; readonly assign: boolean; readonly n: number }
  | { readonly kind: "bind" | "unbind"; readonly apqn: number }
  | { readonly kind: "start" | "stop"; readonly mdev: Name }
  | { readonly kind: "reset"; readonly mdev: Name; readonly failing: readonly number[] }
  | { readonly kind: "mask"; readonly apid: number; readonly set: boolean }
  | { readonly kind: "scan"; readonly next: Configuration; readonly silent: readonly number[] };

const mdev = fc.constantFrom<Name>("A", "B");
const apqn = fc.constantFrom(...ADAPTERS.flatMap((x) => DOMAINS.map((y) => x * 256 + y)));
const numbers = fc.oneof(
  fc.record({ side: fc.constant("adapter" as const), n: fc.constantFrom(...ADAPTERS) }),
  fc.record({ side: fc.constant("domain" as const), n: fc.constantFrom(...DOMAINS) }),
);
const number = (kind: "assign" | "unassign"): fc.Arbitrary<Action> =>
  fc.tuple(mdev, numbers).map(([name, one]) => ({ kind, mdev: name, ...one }));
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: number("assign") },
  { weight: 4, arbitrary: number("unassign") },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("control" as const),
      mdev,
      assign: fc.boolean(),
      n: fc.constantFrom(...CONTROL),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("bind" as const), apqn }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("unbind" as const), apqn }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("start" as const), mdev }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("stop" as const), mdev }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("reset" as const), mdev, failing: fc.subarray([0x0502, 0x0604, 0x0792]) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("mask" as const), apid: fc.constantFrom(...ADAPTERS), set: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("scan" as const),
      next: fc.record({ apm: fc.subarray(ADAPTERS), aqm: fc.subarray(DOMAINS), adm: fc.subarray(CONTROL) }),
      silent: fc.subarray([0x0502, 0x0604, 0x0792, 0x0702], { maxLength: 2 }),
    }),
  },
);

const START: Configuration = { apm: [0x05, 0x06], aqm: [0x02, 0x04], adm: [0x04] };

/** The model and the naive one beside each other: what the second says must be explained by the first, and nothing near it. */
class Pair {
  readonly world: World;
  readonly naive: Naive;
  private readonly devices = new Map<Name, { readonly group: number; readonly device: number }>();

  constructor() {
    this.world = new World("V61", { ...S0, qci: START, apmask: allBut(...ADAPTERS) });
    for (const step of [A.create(), B.create()]) step.run(this.world, cellOf("n"), "create");
    const uuids = [this.world.mdev("A").uuid, this.world.mdev("B").uuid] as const;
    this.naive = new Naive(START, allBut(...ADAPTERS), uuids, ["0x80010000", "0x80020000"]);
  }

  act(one: Action): void {
    const { unordered } = this.naive;
    const happened = this.happens(one);
    if (happened === undefined) return;
    const operation = operationOf(one.kind, happened.call, happened.result, happened.effects);
    const where = JSON.stringify(one);
    if (!happened.luck) this.refuseMutants(one, operation, unordered || remade(one, happened), where);
    this.world.explain(operation, where);
    this.compare(where);
  }

  private happens(one: Action): Happened | undefined {
    const { naive } = this;
    switch (one.kind) {
      case "assign":
        return naive.assign(naive.mdev(one.mdev), one.side, one.n);
      case "unassign":
        return naive.unassign(naive.mdev(one.mdev), one.side, one.n);
      case "control":
        return naive.control(naive.mdev(one.mdev), one.assign, one.n);
      case "bind":
        return naive.bind(one.apqn);
      case "unbind":
        return naive.unbind(one.apqn);
      case "mask":
        return naive.mask(one.apid, one.set);
      case "scan": {
        const same = (side: keyof Configuration): boolean => naive.host[side].join() === one.next[side].join();
        if (same("apm") && same("aqm") && same("adm")) return undefined;
        return naive.scan(one.next, new Set(one.silent));
      }
      case "start":
        return this.start(one.mdev);
      case "stop":
        return this.stop(one.mdev);
      case "reset":
        return this.reset(one.mdev, one.failing);
    }
  }

  private start(name: Name): Happened | undefined {
    const m = this.naive.mdev(name);
    if (m.guest) return undefined;
    const [vm, group, device] = [this.world.nextFile(), this.world.nextFile(), this.world.nextFile()];
    const number = this.world.mdev(name).group;
    const file = { id: group, group: number };
    this.tell({ kind: "vm-create", vm: { id: vm, name: `100/${vm}` } });
    this.tell({ kind: "group-open", group: number, file });
    this.devices.set(name, { group, device });
    const call: ApCall = {
      kind: "device-open",
      group: file,
      device: { id: device, group: file },
      vm: { id: vm, name: `100/${vm}` },
      guestSet: true,
    };
    return { call, result: { kind: "value", value: 9 }, effects: this.naive.start(m), luck: false };
  }

  private stop(name: Name): Happened | undefined {
    const open = this.devices.get(name);
    if (open === undefined) return undefined;
    this.devices.delete(name);
    const file = { id: open.group, group: this.world.mdev(name).group };
    const call: ApCall = {
      kind: "closes",
      closes: [
        { kind: "device-close", device: { id: open.device, group: file } },
        { kind: "group-close", file },
      ],
    };
    return { call, result: { kind: "value", value: 0 }, effects: this.naive.stop(this.naive.mdev(name)), luck: false };
  }

  private reset(name: Name, failing: readonly number[]): Happened | undefined {
    const open = this.devices.get(name);
    if (open === undefined) return undefined;
    const { rc, effects } = this.naive.resetAll(this.naive.mdev(name), new Set(failing));
    const file = { id: open.group, group: this.world.mdev(name).group };
    const device = { id: open.device, group: file };
    const call: ApCall = { kind: "device-ioctl", device, request: "reset", command: "VFIO_DEVICE_RESET" };
    const result = rc === 0 ? ({ kind: "value", value: 0 } as const) : ({ kind: "error", errno: "EBUSY" } as const);
    return { call, result, effects, luck: false };
  }

  private tell(call: ApCall): void {
    this.world.explain(operationOf(call.kind, call, { kind: "value", value: 9 }, []), call.kind);
  }

  private refuseMutants(one: Action, operation: Operation, anyOrder: boolean, where: string): void {
    const driver = "apqn" in one ? this.naive.queues.get(one.apqn)?.driver : undefined;
    const foreign = driver === "default" || ("apqn" in one && !driver && this.naive.reserved.has(one.apqn >> 8));
    for (const mutant of mutantsOf(operation, { ...latitudeOf(one, foreign), anyOrder })) {
      if (!this.world.refuses(mutant.operation)) throw new Error(`${where}: not refused: ${mutant.name}`);
    }
  }

  private compare(where: string): void {
    const { mdevs } = rendered(this.world);
    const text = (set: Iterable<number>): string => `0x${digits([...set])}`;
    for (const m of this.naive.mdevs) {
      const shown = mdevs.find(({ uuid }) => uuid === m.uuid);
      const { apm, aqm, adm, shadow } = m;
      expect(shown?.matrix, where).toEqual({ apm: text(apm), aqm: text(aqm), adm: text(adm) });
      expect(shown?.shadow, where).toEqual({ apm: text(shadow.apm), aqm: text(shadow.aqm), adm: text(shadow.adm) });
      expect(shown?.kvm, where).toBe(m.guest ? m.kvm : null);
    }
    expect(this.world.broken(), where).toEqual([]);
  }
}

/**
 * Whether an adapter may have gone as a whole, or not (SCAN-2): queues of it go and come, as if its card had got another
 * type, or some do not answer.
 */
function remade(one: Action, { effects }: Happened): boolean {
  if (one.kind === "scan" && one.silent.length > 0) return true;
  const adapters = (kind: string): number[] =>
    effects.flatMap((effect) => (effect.kind === kind && "apqn" in effect ? [effect.apqn >> 8] : []));
  const gone = adapters("queue_remove");
  return adapters("queue_probe").some((apid) => gone.includes(apid));
}

/** What may be otherwise without a rule being broken: see the steps of the examples. */
function latitudeOf(one: Action, foreign: boolean): Latitude {
  switch (one.kind) {
    case "scan":
      return { errnos: [], anyResult: true, missing: ["scan_complete", "queue_probe"] };
    case "mask":
      return { errnos: [], anyResult: false, missing: ["queue_probe"] };
    case "bind":
      // A device that no driver of ours has can have been made, or not, without a line; so can its card, of any type.
      return { errnos: foreign ? ["ENODEV", "EBUSY"] : one.apqn >> 8 === 0x07 ? ["ENODEV"] : [], anyResult: false };
    case "start":
    case "stop":
      return { errnos: [], anyResult: true };
    default:
      return { errnos: [], anyResult: false };
  }
}

test("any sequence of stores, binds, guests, resets, masks and scans: shadow, guests and effects as the rules say", () => {
  fc.assert(
    fc.property(fc.array(action, { minLength: 10, maxLength: 40 }), (actions) => {
      const pair = new Pair();
      for (const one of actions) pair.act(one);
    }),
    { numRuns: 300, includeErrorInReport: true },
  );
});
