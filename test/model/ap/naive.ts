import type { ApCall } from "../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../src/operation/ap/effect.js";
import type { ObservedResult } from "../../../src/operation/operation.js";
import { hex } from "./notation.js";
import { apcbSet, failed, maskOfNumbers, resetLines, writeOf } from "./observed.js";

/**
 * linux-6.1 written down once more, from the rules of vfio-ap-config, on sets of numbers: two mdevs, each with a guest of
 * its own, on a machine with QCI whose masks reserve whole adapters. It says what happens; nothing of it is shared with
 * the model.
 */
export interface Happened {
  readonly call: ApCall;
  readonly result: ObservedResult;
  readonly effects: readonly ApEffect[];
  /** Freed memory is touched (D61-3): what follows is the kernel's luck. */
  readonly luck: boolean;
}

type Driver = "vfio_ap" | "default" | "none";

interface NaiveQueue {
  readonly apid: number;
  readonly apqi: number;
  readonly order: number;
  /** No recorder saw when it was made. */
  readonly unseen: boolean;
  driver: Driver;
  linked: NaiveMdev | undefined;
  linkedAt: number;
  resetRc: number;
  freed: boolean;
}

interface Sets {
  readonly apm: Set<number>;
  readonly aqm: Set<number>;
  readonly adm: Set<number>;
}

export interface NaiveMdev extends Sets {
  readonly uuid: string;
  readonly kvm: string;
  readonly shadow: Sets;
  readonly added: Sets;
  guest: boolean;
}

export interface Configuration {
  readonly apm: readonly number[];
  readonly aqm: readonly number[];
  readonly adm: readonly number[];
}

function sets(): Sets {
  return { apm: new Set(), aqm: new Set(), adm: new Set() };
}

function sorted(set: Iterable<number>): number[] {
  return [...set].sort((a, b) => a - b);
}

function same(a: Iterable<number>, b: Iterable<number>): boolean {
  return sorted(a).join() === sorted(b).join();
}

function refill(set: Set<number>, numbers: Iterable<number>): void {
  const now = [...numbers];
  set.clear();
  for (const n of now) set.add(n);
}

/** Hash bucket of an APQN (appendix A, bucket32), in exact arithmetic. */
function bucket(queue: NaiveQueue): number {
  const product = BigInt(queue.apid * 256 + queue.apqi) * 0x61c88647n;
  return Number((product % (1n << 32n)) >> 24n);
}

export class Naive {
  /** Newest first, as the driver's list has them. */
  readonly mdevs: readonly [NaiveMdev, NaiveMdev];
  readonly queues = new Map<number, NaiveQueue>();
  /** Adapters that the masks reserve; aqmask has every domain. */
  readonly reserved: Set<number>;
  host: Configuration;
  private time = 1;

  constructor(
    host: Configuration,
    reserved: readonly number[],
    uuids: readonly [string, string],
    kvms: readonly [string, string],
  ) {
    this.host = host;
    this.reserved = new Set(reserved);
    const mdev = (i: 0 | 1): NaiveMdev => ({
      ...sets(),
      uuid: uuids[i],
      kvm: kvms[i],
      shadow: sets(),
      added: sets(),
      guest: false,
    });
    this.mdevs = [mdev(1), mdev(0)];
    for (const apid of host.apm) for (const apqi of host.aqm) this.newQueue(apid, apqi);
  }

  mdev(name: "A" | "B"): NaiveMdev {
    return name === "B" ? this.mdevs[0] : this.mdevs[1];
  }

  /** Whether there are queues of which no recorder saw when they were made: their place in bus order is not known. */
  get unordered(): boolean {
    return [...this.queues.values()].some((queue) => queue.unseen);
  }

  private newQueue(apid: number, apqi: number): NaiveQueue {
    this.time++;
    const driver = this.reserved.has(apid) ? "default" : "vfio_ap";
    const queue: NaiveQueue = {
      apid,
      apqi,
      order: this.time,
      unseen: driver !== "vfio_ap",
      driver,
      linked: undefined,
      linkedAt: 0,
      resetRc: 0,
      freed: false,
    };
    this.queues.set(apid * 256 + apqi, queue);
    return queue;
  }

  private link(m: NaiveMdev, queue: NaiveQueue): void {
    this.time++;
    queue.linked = m;
    queue.linkedAt = this.time;
    queue.freed = false;
  }

  // --- APCB

  /** APCB-1. */
  private refilter(m: NaiveMdev): boolean {
    const before = [sorted(m.shadow.apm).join(), sorted(m.shadow.aqm).join()].join(" ");
    refill(
      m.shadow.aqm,
      [...m.aqm].filter((y) => this.host.aqm.includes(y)),
    );
    const passes = (x: number): boolean =>
      [...m.shadow.aqm].every((y) => {
        const queue = this.queues.get(x * 256 + y);
        return queue?.linked === m && queue.resetRc === 0;
      });
    refill(
      m.shadow.apm,
      [...m.apm].filter((x) => this.host.apm.includes(x) && passes(x)),
    );
    return before !== [sorted(m.shadow.apm).join(), sorted(m.shadow.aqm).join()].join(" ");
  }

  /** APCB-2. */
  private refilterControl(m: NaiveMdev): boolean {
    const before = [...m.shadow.adm];
    refill(
      m.shadow.adm,
      [...m.adm].filter((z) => this.host.adm.includes(z)),
    );
    return !same(before, m.shadow.adm);
  }

  /** COMMIT. */
  private commit(m: NaiveMdev): readonly ApEffect[] {
    if (!m.guest) return [];
    return [apcbSet(m.kvm, sorted(m.shadow.apm), sorted(m.shadow.aqm), sorted(m.shadow.adm))];
  }

  private reset(queue: NaiveQueue, rc: number): readonly ApEffect[] {
    queue.resetRc = rc;
    return resetLines("V61", { apqn: queue.apid * 256 + queue.apqi, rc }, true);
  }

  /** PLUG-4: the queues of a table. */
  private table(m: NaiveMdev): NaiveQueue[] {
    return [...this.queues.values()]
      .filter((queue) => queue.linked === m)
      .sort((a, b) => bucket(a) - bucket(b) || b.linkedAt - a.linkedAt);
  }

  // --- stores

  /** ASG-1. */
  assign(m: NaiveMdev, side: "adapter" | "domain", n: number): Happened {
    const call = this.store(m, `assign_${side}`, n);
    const own = side === "adapter" ? m.apm : m.aqm;
    if (own.has(n)) return done(call);
    own.add(n);
    const fails = (errno: string): Happened => {
      own.delete(n);
      return { call, result: failed(errno), effects: [], luck: false };
    };
    if (m.aqm.size > 0 && [...m.apm].some((x) => this.reserved.has(x))) return fails("EADDRNOTAVAIL");
    const other = this.mdevs.find((one) => one !== m);
    const shares = (a: Set<number>, b: Set<number> | undefined): boolean => [...a].some((k) => b?.has(k) === true);
    if (shares(m.apm, other?.apm) && shares(m.aqm, other?.aqm)) return fails("EADDRINUSE");
    for (const k of sorted(side === "adapter" ? m.aqm : m.apm)) {
      const queue = this.queues.get(side === "adapter" ? n * 256 + k : k * 256 + n);
      if (queue?.driver === "vfio_ap") this.link(m, queue);
    }
    return done(call, this.refilter(m) ? this.commit(m) : []);
  }

  /** ASG-4, PLUG-3, PLUG-4. */
  unassign(m: NaiveMdev, side: "adapter" | "domain", n: number): Happened {
    const call = this.store(m, `unassign_${side}`, n);
    const [own, shadow] = side === "adapter" ? [m.apm, m.shadow.apm] : [m.aqm, m.shadow.aqm];
    if (!own.has(n)) return done(call);
    own.delete(n);
    const mine = [...this.queues.values()].filter(
      (queue) => queue.linked === m && (side === "adapter" ? queue.apid : queue.apqi) === n,
    );
    const resets = mine
      .filter(({ apid, apqi }) => m.shadow.apm.has(apid) && m.shadow.aqm.has(apqi))
      .sort((a, b) => bucket(a) - bucket(b) || (side === "adapter" ? b.apqi - a.apqi : b.apid - a.apid));
    for (const queue of mine) queue.linked = undefined;
    const effects = shadow.delete(n) ? [...this.commit(m)] : [];
    resets.forEach((queue, i) => {
      const before = resets[i - 1];
      if (before !== undefined && bucket(before) === bucket(queue)) queue.freed = true;
      effects.push(...this.reset(queue, 0));
    });
    return done(call, effects);
  }

  /** CDOM-1, CDOM-2. */
  control(m: NaiveMdev, assign: boolean, n: number): Happened {
    const call = this.store(m, assign ? "assign_control_domain" : "unassign_control_domain", n);
    if (m.adm.has(n) === assign) return done(call);
    if (assign) {
      m.adm.add(n);
      return done(call, this.refilterControl(m) ? this.commit(m) : []);
    }
    m.adm.delete(n);
    return done(call, m.shadow.adm.delete(n) ? this.commit(m) : []);
  }

  private store(m: NaiveMdev, file: string, n: number): ApCall {
    return writeOf({ on: "mdev", uuid: m.uuid, name: file }, `0x${hex(n, 2)}\n`);
  }

  // --- guests

  /** MDEV-8. `failing`: queues that answer 04. */
  resetAll(m: NaiveMdev, failing: ReadonlySet<number>): { readonly rc: number; readonly effects: readonly ApEffect[] } {
    let rc = 0;
    const effects = this.table(m).flatMap((queue) => {
      const code = failing.has(queue.apid * 256 + queue.apqi) ? 0x04 : 0x00;
      if (code !== 0) rc = -16;
      return this.reset(queue, code);
    });
    return { rc, effects };
  }

  /** MDEV-6, MDEV-7: the masks at the start; the resets at the stop. */
  start(m: NaiveMdev): readonly ApEffect[] {
    m.guest = true;
    return [...this.commit(m), { kind: "mdev_set_kvm", mdev: m.uuid, kvm: m.kvm, rc: 0 }];
  }

  stop(m: NaiveMdev): readonly ApEffect[] {
    m.guest = false;
    const { effects } = this.resetAll(m, new Set());
    return [{ kind: "mdev_unset_kvm", mdev: m.uuid, kvm: m.kvm }, { kind: "apcb_clear", kvm: m.kvm }, ...effects];
  }

  // --- bindings

  /** DRV-8, PLUG-5. */
  private probe(queue: NaiveQueue): readonly ApEffect[] {
    queue.driver = "vfio_ap";
    queue.linked = undefined;
    queue.resetRc = 0;
    queue.freed = false;
    const line: ApEffect = { kind: "queue_probe", apqn: queue.apid * 256 + queue.apqi, rc: 0 };
    const m = this.mdevs.find(({ apm, aqm }) => apm.has(queue.apid) && aqm.has(queue.apqi));
    if (m === undefined) return [line];
    this.link(m, queue);
    if (m.added.apm.size > 0 || m.added.aqm.size > 0) return [line];
    return [line, ...(this.refilter(m) ? this.commit(m) : [])];
  }

  /** DRV-9. */
  private leave(queue: NaiveQueue, rc: number, after: Driver): readonly ApEffect[] {
    const line: ApEffect = { kind: "queue_remove", apqn: queue.apid * 256 + queue.apqi };
    const m = queue.linked;
    const unplugs = m?.shadow.apm.has(queue.apid) === true && m.shadow.aqm.has(queue.apqi);
    if (m !== undefined && unplugs) m.shadow.apm.delete(queue.apid);
    const effects = [line, ...(m !== undefined && unplugs ? this.commit(m) : []), ...this.reset(queue, rc)];
    queue.linked = undefined;
    queue.driver = after;
    return effects;
  }

  bind(apqn: number): Happened {
    const call = writeOf({ on: "driver", driver: "vfio_ap", name: "bind" }, `${apqnName(apqn)}\n`);
    const queue = this.queues.get(apqn);
    if (queue === undefined || (queue.driver === "none" && this.reserved.has(queue.apid)))
      return refused(call, "ENODEV");
    if (queue.driver !== "none") return refused(call, "EBUSY");
    return done(call, this.probe(queue));
  }

  unbind(apqn: number): Happened {
    const call = writeOf({ on: "driver", driver: "vfio_ap", name: "unbind" }, `${apqnName(apqn)}\n`);
    const queue = this.queues.get(apqn);
    if (queue?.driver !== "vfio_ap") return refused(call, "ENODEV");
    const luck = queue.freed;
    return { ...done(call, this.leave(queue, 0, "none")), luck };
  }

  /** MASK-1, MASK-2, DRV-4. */
  mask(apid: number, set: boolean): Happened {
    const call = writeOf({ on: "bus", name: "apmask" }, `${set ? "+" : "-"}${apid}\n`);
    if (this.reserved.has(apid) === set) return done(call);
    const all = Array.from({ length: 256 }, (_, n) => n);
    const asked = (rc: number): ApEffect => ({
      kind: "resource_in_use",
      apm: maskOfNumbers([apid]),
      aqm: maskOfNumbers(all),
      rc,
    });
    if (set && this.mdevs.some(({ apm, aqm }) => apm.has(apid) && aqm.size > 0)) {
      return { call, result: failed("EBUSY"), effects: [asked(-98)], luck: false };
    }
    if (set) this.reserved.add(apid);
    else this.reserved.delete(apid);
    const effects: ApEffect[] = set ? [asked(0)] : [];
    let luck = false;
    for (const queue of this.inBusOrder()) {
      if (queue.apid !== apid) continue;
      luck ||= queue.freed;
      if (set && queue.driver === "vfio_ap") effects.push(...this.leave(queue, 0, "default"));
      else if (set) queue.driver = "default";
      else if (queue.driver === "default") effects.push(...this.probe(queue));
    }
    return { ...done(call, effects), luck };
  }

  private inBusOrder(): NaiveQueue[] {
    return [...this.queues.values()].sort((a, b) => a.order - b.order);
  }

  // --- scans

  /** CFG-1 to CFG-4, SCAN-1 to SCAN-5. `silent`: queues that do not answer. */
  scan(next: Configuration, silent: ReadonlySet<number>): Happened {
    const old = this.host;
    const masks = { before: masksOf(old), after: masksOf(next) };
    const effects: ApEffect[] = [{ kind: "cfg_changed", ...masks }];
    for (const m of this.mdevs) effects.push(...this.lose(m, old, next));
    effects.push(...this.gain(old, next, silent));
    this.host = next;
    let luck = false;
    const adapters = new Set([...next.apm, ...[...this.queues.values()].map(({ apid }) => apid)]);
    for (const apid of sorted(adapters)) {
      const here = this.inBusOrder().filter((queue) => queue.apid === apid);
      luck ||= here.some(({ freed }) => freed);
      const answering = next.aqm.filter((y) => next.apm.includes(apid) && this.answers(apid, y, silent));
      if (answering.length === 0) effects.push(...here.flatMap((queue) => this.vanish(queue)));
      else effects.push(...this.scanDomains(apid, next, new Set(answering)));
    }
    for (const m of this.mdevs) effects.push(...this.complete(m));
    effects.push({ kind: "scan_complete", ...masks });
    return { call: { kind: "scan" }, result: { kind: "value", value: 0 }, effects, luck };
  }

  /** Queues of other drivers are assumed to answer as long as the configuration has them: their loss leaves no line. */
  private answers(apid: number, apqi: number, silent: ReadonlySet<number>): boolean {
    const queue = this.queues.get(apid * 256 + apqi);
    return !silent.has(apid * 256 + apqi) || (queue !== undefined && queue.driver !== "vfio_ap");
  }

  /** SCAN-3: domains ascending, those of devices that go and those of devices that come. */
  private scanDomains(apid: number, next: Configuration, answering: ReadonlySet<number>): readonly ApEffect[] {
    const known = [...this.queues.values()].filter((queue) => queue.apid === apid).map(({ apqi }) => apqi);
    return sorted(new Set([...known, ...next.aqm])).flatMap((apqi) => {
      const queue = this.queues.get(apid * 256 + apqi);
      if (!answering.has(apqi)) return queue === undefined ? [] : this.vanish(queue);
      if (queue !== undefined) return [];
      const fresh = this.newQueue(apid, apqi);
      return fresh.driver === "vfio_ap" ? this.probe(fresh) : [];
    });
  }

  /** SCAN-5. */
  private complete(m: NaiveMdev): readonly ApEffect[] {
    const { apm, aqm, adm } = m.added;
    const meets = (a: Set<number>, b: Set<number>): boolean => [...a].some((n) => b.has(n));
    let changed = false;
    if (meets(apm, m.apm) || meets(aqm, m.aqm)) changed = this.refilter(m);
    if (meets(adm, m.adm)) changed = this.refilterControl(m) || changed;
    for (const side of [apm, aqm, adm]) side.clear();
    return changed ? this.commit(m) : [];
  }

  private vanish(queue: NaiveQueue): readonly ApEffect[] {
    const effects = queue.driver === "vfio_ap" ? this.leave(queue, 0x01, "none") : [];
    this.queues.delete(queue.apid * 256 + queue.apqi);
    return effects;
  }

  /** CFG-2. */
  private lose(m: NaiveMdev, old: Configuration, next: Configuration): readonly ApEffect[] {
    let any = false;
    for (const side of ["apm", "aqm", "adm"] as const) {
      for (const n of old[side]) if (!next[side].includes(n)) any = m.shadow[side].delete(n) || any;
    }
    return any ? this.commit(m) : [];
  }

  /** CFG-3, CFG-4. */
  private gain(old: Configuration, next: Configuration, silent: ReadonlySet<number>): readonly ApEffect[] {
    const fresh = (side: keyof Configuration): number[] => sorted(next[side].filter((n) => !old[side].includes(n)));
    const [apm, aqm, adm] = [fresh("apm"), fresh("aqm"), fresh("adm")];
    if (apm.length + aqm.length + adm.length === 0) return [];
    const tests: ApEffect[] = [];
    const kept = apm.filter((x) => {
      for (const y of aqm) {
        const answers = !silent.has(x * 256 + y);
        tests.push({ kind: "hw_tapq", apqn: x * 256 + y, status: answers ? 0x80000000 : 0x00010000 });
        if (!answers) return false;
      }
      return true;
    });
    for (const m of this.mdevs) {
      refill(
        m.added.apm,
        kept.filter((n) => m.apm.has(n)),
      );
      refill(
        m.added.aqm,
        aqm.filter((n) => m.aqm.has(n)),
      );
      refill(
        m.added.adm,
        adm.filter((n) => m.adm.has(n)),
      );
    }
    return tests;
  }
}

function masksOf({ apm, aqm, adm }: Configuration): {
  readonly apm: ReturnType<typeof maskOfNumbers>;
  readonly aqm: ReturnType<typeof maskOfNumbers>;
  readonly adm: ReturnType<typeof maskOfNumbers>;
} {
  return { apm: maskOfNumbers(apm), aqm: maskOfNumbers(aqm), adm: maskOfNumbers(adm) };
}

function apqnName(apqn: number): string {
  return `${hex(apqn >> 8, 2)}.${hex(apqn & 0xff, 4)}`;
}

function done(call: ApCall, effects: readonly ApEffect[] = []): Happened {
  const value = call.kind === "attribute-write" ? call.length : 0;
  return { call, result: { kind: "value", value }, effects, luck: false };
}

function refused(call: ApCall, errno: string): Happened {
  return { call, result: failed(errno), effects: [], luck: false };
}
