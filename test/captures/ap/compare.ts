import { replay } from "../../../src/check/replay.js";
import { apqnOf, apqnsOf, type Driver, type Masks, maskOf, type TruthState, truthSteps } from "./truth.js";

/** One field of one object after one step: what it really was, and what the replay says. */
export interface Comparison {
  readonly step: number;
  readonly op: string;
  /** `mdev.matrix`, `queue.resetRc`, ... */
  readonly field: string;
  /** The object: a UUID, an APQN, a kvm pointer. */
  readonly object: string;
  readonly outcome: "equal" | "unknown" | "differs";
  readonly truth: string;
  readonly replayed: string;
}

/** The state as `replay --states jsonl` prints it (the parts that are compared). */
interface Replayed {
  readonly bus: { readonly apmask: string; readonly aqmask: string };
  readonly mdevs: readonly {
    readonly uuid: string;
    readonly matrix: Masks;
    readonly shadow: Masks;
    readonly kvm: string | null;
  }[];
  readonly queues: readonly {
    readonly apqn: string;
    readonly driver: string | null;
    readonly mdev?: string | null;
    readonly isc?: number | string | null;
    readonly nib?: string | null;
    readonly resetRc?: number | string;
  }[];
  readonly guests: readonly {
    readonly kvm: string;
    readonly crycb: Masks;
    readonly hook: string | null;
    readonly gisc: Readonly<Record<string, number>> | "unknown";
    readonly pinned: Readonly<Record<string, number>> | "unknown";
  }[];
}

type Field = Pick<Comparison, "field" | "object" | "outcome" | "truth" | "replayed">;

/**
 * Replays a capture and holds the states against what really happened: after each step the state after the last
 * operation that ended before the next step began. Steps before the first operation are left out.
 */
export async function compareWithTruth(capture: string, truth: string): Promise<readonly Comparison[]> {
  const steps = truthSteps(truth);
  const found: Comparison[] = [];
  let at = 0;
  let last: Replayed | undefined;
  const compareUpTo = (micros: number): void => {
    for (let next = steps[at + 1]; next?.t !== undefined && next.t <= micros; next = steps[at + 1]) {
      take(last);
      at++;
    }
  };
  const take = (state: Replayed | undefined): void => {
    const step = steps[at];
    if (step?.state === undefined || state === undefined) return;
    for (const field of compareStates(step.driver, step.state, state))
      found.push({ step: step.step, op: step.op, ...field });
  };
  for await (const line of replay(capture)) {
    const micros = Number((line.endTime === "" ? line.time : line.endTime).slice(0, -3));
    compareUpTo(micros);
    // As a program outside reads it.
    const state: { ap: Replayed } = JSON.parse(JSON.stringify(line.state));
    last = state.ap;
  }
  compareUpTo(Number.POSITIVE_INFINITY);
  // After a step in which the kernel hung, the last state is not that of the step before.
  if (at === steps.length - 1) take(last);
  return found;
}

function* compareStates(driver: Driver, truth: TruthState, state: Replayed): Generator<Field> {
  yield field("bus.apmask", "bus", maskOf(truth.perm.apm), state.bus.apmask);
  yield field("bus.aqmask", "bus", maskOf(truth.perm.aqm), state.bus.aqmask);
  yield* compareMdevs(driver, truth, state);
  yield* compareQueues(driver, truth, state);
  yield* compareGuests(truth, state);
}

function* compareMdevs(driver: Driver, truth: TruthState, state: Replayed): Generator<Field> {
  const replayed = new Map(state.mdevs.map((mdev) => [mdev.uuid, mdev]));
  const real = new Set(truth.mdevs.map((mdev) => mdev.uuid));
  for (const uuid of replayed.keys()) if (!real.has(uuid)) yield field("mdev", uuid, "absent", "present");
  for (const mdev of truth.mdevs) {
    const other = replayed.get(mdev.uuid);
    if (other === undefined) {
      yield field("mdev", mdev.uuid, "present", "absent");
      continue;
    }
    yield* compareMasks("mdev.matrix", mdev.uuid, mdev, other.matrix);
    if (driver !== "5.10") yield* compareMasks("mdev.shadow", mdev.uuid, mdev.shadow, other.shadow);
    yield field("mdev.kvm", mdev.uuid, mdev.kvm === null ? "none" : "a guest", guestText(other.kvm));
  }
}

function guestText(kvm: string | null): string {
  if (kvm === "unknown") return kvm;
  return kvm === null ? "none" : "a guest";
}

function* compareQueues(driver: Driver, truth: TruthState, state: Replayed): Generator<Field> {
  const bound = new Set(apqnsOf(truth.bound));
  const owners = new Map<string, string>();
  const dangling = new Set<string>();
  for (const { mdev, freed, q } of truth.links) {
    for (const apqn of apqnsOf(q)) {
      if (freed === true) dangling.add(apqn);
      else owners.set(apqn, mdev);
    }
  }
  const busy = new Map(truth.q.map((queue) => [apqnOf(queue.apqn), queue]));
  const seen = new Set<string>();
  for (const queue of state.queues) {
    const { apqn } = queue;
    seen.add(apqn);
    const holder = queue.driver === "unknown" ? "unknown" : queue.driver === "vfio_ap" ? "vfio_ap" : "another or none";
    yield field("queue.driver", apqn, bound.has(apqn) ? "vfio_ap" : "another or none", holder);
    if (queue.driver !== "vfio_ap" || !bound.has(apqn)) continue;
    const real = busy.get(apqn);
    // What a dangling pointer points to has no name any more.
    if (!dangling.has(apqn)) yield field("queue.mdev", apqn, owners.get(apqn) ?? "none", queue.mdev ?? "none");
    yield field(
      "queue.isc",
      apqn,
      real === undefined || real.isc === 255 ? "none" : String(real.isc),
      orNone(queue.isc),
    );
    yield field("queue.nib", apqn, addressText(real?.iova ?? "0x0"), addressText(queue.nib ?? "0x0"));
    if (driver === "6.1")
      yield field("queue.resetRc", apqn, String(real?.reset_rc ?? 0), String(queue.resetRc ?? "unknown"));
  }
  for (const apqn of bound) if (!seen.has(apqn)) yield field("queue", apqn, "vfio_ap", "absent");
}

function orNone(value: number | string | null | undefined): string {
  return value === null || value === undefined ? "none" : String(value);
}

/** A saved NIB; 0 is none. */
function addressText(text: string): string {
  if (text === "unknown") return text;
  const value = BigInt(text);
  return value === 0n ? "none" : `0x${value.toString(16)}`;
}

function* compareGuests(truth: TruthState, state: Replayed): Generator<Field> {
  const taken = new Set<string>();
  for (const guest of truth.kvms) {
    const other = state.guests.find(({ kvm }) => names(kvm, guest.kvm, guest.pid));
    if (other === undefined) {
      // A guest without an mdev is of no interest to the driver, and need not be known. One that ran before the
      // recording began is met when a line names it; until then some mdev has an unknown guest.
      const unmet = state.mdevs.some((mdev) => mdev.kvm === "unknown");
      if (guest.hook) yield field("guest", guest.kvm, "present", unmet ? "unknown" : "absent");
      continue;
    }
    taken.add(other.kvm);
    yield* compareMasks("guest.crycb", guest.kvm, guest.crycb, other.crycb);
    yield field("guest.hook", guest.kvm, guest.hook ? "set" : "none", hookText(other.hook));
    yield field("guest.gisc", guest.kvm, countsText(guest.gisc), isUnknown(other.gisc) ?? objectText(other.gisc));
    yield field("guest.pinned", guest.kvm, pinsText(guest.pins), isUnknown(other.pinned) ?? objectText(other.pinned));
  }
  for (const other of state.guests) {
    if (!taken.has(other.kvm) && other.hook !== null) yield field("guest", other.kvm, "absent", "present");
  }
}

/** Whether an id of the replay (a kvm pointer, `#N` after it where it was used before, or PID/FD) is that guest's. */
function names(id: string, pointer: string, pid: number): boolean {
  const bare = id.split("#")[0] ?? id;
  if (!bare.startsWith("0x")) return bare.startsWith(`${pid}/`);
  return BigInt(bare) === BigInt(pointer);
}

function hookText(hook: string | null): string {
  if (hook === "unknown") return hook;
  return hook === null ? "none" : "set";
}

function isUnknown(value: unknown): "unknown" | undefined {
  return value === "unknown" ? value : undefined;
}

function countsText(counts: readonly number[]): string {
  return objectText(Object.fromEntries(counts.map((count, isc) => [String(isc), count])));
}

function pinsText(pins: TruthState["kvms"][number]["pins"]): string {
  return objectText(Object.fromEntries(pins));
}

/** Counts above 0, sorted. */
function objectText(counts: Readonly<Record<string, number>> | "unknown"): string {
  const entries = Object.entries(counts).filter(([, count]) => Number(count) > 0);
  return `{${entries
    .map(([key, count]) => `${key}: ${count}`)
    .sort()
    .join(", ")}}`;
}

function* compareMasks(name: string, object: string, truth: Masks, replayed: Masks): Generator<Field> {
  for (const mask of ["apm", "aqm", "adm"] as const) {
    yield field(`${name}.${mask}`, object, maskOf(truth[mask]), replayed[mask]);
  }
}

function field(name: string, object: string, truth: string, replayed: string): Field {
  const outcome = replayed === "unknown" ? "unknown" : truth === replayed ? "equal" : "differs";
  return { field: name, object, outcome, truth, replayed };
}
