import { attempt } from "../../../../src/check/attempt.js";
import type { EnvironmentEvent, Event } from "../../../../src/event/event.js";
import { initialState } from "../../../../src/model/ap/initial.js";
import { apModel } from "../../../../src/model/ap/model.js";
import { apRules } from "../../../../src/model/ap/rules.js";
import type { ApState, Guest, Mdev, Queue } from "../../../../src/model/ap/state.js";
import type { Observability } from "../../../../src/model/core/observability.js";
import type { Rule } from "../../../../src/model/core/rule.js";
import type { ApCall, VmRef } from "../../../../src/operation/ap/call.js";
import { type ApEffect, bracketKinds } from "../../../../src/operation/ap/effect.js";
import type { MemorySlot } from "../../../../src/operation/ap/memory-slot.js";
import type { ObservedResult, Operation } from "../../../../src/operation/operation.js";
import { environmentOf } from "../../environment.js";
import { everyFieldOf } from "../../touched.js";
import { type Exit, G, M, pqapCall, type Request } from "./lines.js";
import { mutantsOf } from "./mutants.js";

/** The columns of the examples: a profile, and of aqic-v9 its variant. */
export type Column = "posted" | "released" | "dynamic-v12" | "linux-6.1";
export const ALL: readonly Column[] = ["posted", "released", "dynamic-v12", "linux-6.1"];
export const OLD: readonly Column[] = ["posted", "released", "dynamic-v12"];
export const V9: readonly Column[] = ["posted", "released"];

export const isV9 = (column: Column): boolean => column === "posted" || column === "released";
export const isOld = (column: Column): boolean => column !== "linux-6.1";

/** Everything is recorded: system calls and all probes, the host's own instructions included. */
const everything: Observability = { sees: () => true, syscalls: true };
/** The host's own instructions are inline in stock kernels: most recorders cannot see them (probes.md). */
export const noInstructions: Observability = { sees: (kind) => !kind.startsWith("hw_"), syscalls: true };

export const done: ObservedResult = { kind: "value", value: 0 };
export const value = (number: number): ObservedResult => ({ kind: "value", value: number });
export const failed = (errno: string): ObservedResult => ({ kind: "error", errno });
export const never: ObservedResult = { kind: "unknown", reason: "the recording ends before it returns" };

/** The common setting of the examples: nisc 5 and a host with everything (section 7). */
const COMMON_FACTS: Readonly<Record<string, unknown>> = {
  apInstructions: true,
  fac15: true,
  fac65: true,
  fac76: true,
  aiv: true,
  apxa: true,
  nisc: 5,
  facList: [15, 65],
  hostAqicStatus: "true",
};

/** The four queues of M. */
export const COMMON_QUEUES: readonly string[] = ["04.0005", "04.0016", "05.0005", "05.0016"];

export interface Setting {
  readonly facts?: Readonly<Record<string, unknown>>;
  /** Queue devices, all bound to vfio_ap. */
  readonly queues?: readonly string[];
  readonly adapters?: readonly string[];
  readonly domains?: readonly string[];
  /** Queue devices that vanish before the guest starts. */
  readonly gone?: readonly string[];
  /** The masks that the guest gets, where they are not those of the common setting. */
  readonly masks?: ApEffect;
}

const lineOf = (text: string): Event => ({
  kind: "probe",
  source: 0,
  line: 1,
  time: undefined,
  tid: 1,
  comm: "",
  text,
  name: "",
  fields: [],
  cpu: 0,
});

let operations = 0;

/** An operation as the assembler makes it, with its recorded lines in order. */
export function operationOf(call: ApCall, result: ObservedResult, effects: readonly ApEffect[]): Operation {
  operations++;
  return {
    number: operations,
    call,
    name: call.kind,
    result,
    effects: effects.map((effect) => ({ effect, event: lineOf(effect.kind), bracket: bracketKinds.has(effect.kind) })),
    event: lineOf(call.kind),
    tid: 1,
    time: undefined,
    endTime: undefined,
    begin: operations,
    end: operations,
    overlapping: false,
    gap: false,
  };
}

export interface Known {
  readonly rules: readonly string[];
  readonly message: string;
}

/** What came of an operation that the model explains. */
export interface Explained {
  readonly rules: ReadonlySet<string>;
  readonly defects: readonly Known[];
  readonly unchecked: readonly string[];
  readonly remarks: readonly string[];
}

/** How an operation is held against the model. */
export interface Demand {
  /** Mutants by name that are no fault: each must be explained too. */
  readonly survivors?: readonly RegExp[];
  readonly unchecked?: boolean;
}

/** A host in one column of the examples: the model's state, and what its tests need to drive it. */
export class World {
  readonly column: Column;
  readonly state: ApState;
  /** Rules that led to a result, an effect or a state. */
  readonly reached = new Set<string>();
  private files = 100;

  constructor(column: Column, setting: Setting = {}) {
    this.column = column;
    const variant = isV9(column) ? { variant: column } : {};
    const queues = setting.queues ?? COMMON_QUEUES;
    this.state = initialState({
      profile: isV9(column) ? "aqic-v9" : column,
      facts: { ...COMMON_FACTS, ...variant, ...setting.facts },
      environment: snapshot(queues),
      arch: "s390x",
      note: (text) => {
        throw new Error(text);
      },
    });
    [...this.state.queues.values()].forEach((queue, place) => {
      queue.order = place + 1;
      queue.resetRc = 0;
      queue.savedIsc = null;
      queue.savedNib = null;
    });
    this.state.clock.now = 100;
  }

  file(): number {
    this.files++;
    return this.files;
  }

  /** Explained by the model, with every mutant of it refused. */
  holds(call: ApCall, result: ObservedResult, effects: readonly ApEffect[], demand: Demand = {}): Explained {
    const operation = operationOf(call, result, effects);
    const wrong = this.misjudged(operation, demand.survivors ?? []);
    if (wrong.length > 0) throw new Error(`${call.kind}: ${wrong.join("; ")}`);
    return this.explain(operation, demand.unchecked);
  }

  /** Mutants that the model explains although they are wrong, or refuses although they are right; patterns without one. */
  private misjudged(operation: Operation, survivors: readonly RegExp[]): readonly string[] {
    const wrong: string[] = [];
    const met = new Set<RegExp>();
    for (const mutant of mutantsOf(operation)) {
      const excused = survivors.filter((pattern) => pattern.test(mutant.name));
      for (const pattern of excused) met.add(pattern);
      const refused = this.refuses(mutant.operation);
      if (refused && excused.length > 0) wrong.push(`refused, but right: ${mutant.name}`);
      if (!refused && excused.length === 0) wrong.push(`not refused: ${mutant.name}`);
    }
    for (const pattern of survivors) if (!met.has(pattern)) wrong.push(`no mutant is called ${pattern}`);
    return wrong;
  }

  /** Whether no run of the model explains the operation; the state stays. */
  refuses(operation: Operation, observability = everything): boolean {
    const { journal } = this.state;
    const mark = journal.mark();
    const { kind } = attempt(apModel, this.state, operation, observability);
    journal.rollback(mark);
    return kind === "refused";
  }

  refusesCall(call: ApCall, result: ObservedResult, effects: readonly ApEffect[], observability = everything): boolean {
    return this.refuses(operationOf(call, result, effects), observability);
  }

  explain(operation: Operation, unchecked = false, observability = everything): Explained {
    const found = attempt(apModel, this.state, operation, observability);
    if (found.kind === "refused") {
      const texts = found.mismatches.map(
        ({ expected, observed, rules }) => `expected ${expected}, observed ${observed} (${namesOf(rules).join(", ")})`,
      );
      throw new Error(`${operation.name}: not explained: ${[...new Set(texts)].join("; ")}`);
    }
    const { trial } = found;
    for (const rule of trial.rules) this.reached.add(rule.id);
    if (trial.unchecked.length > 0 && !unchecked && operation.result.kind !== "unknown") {
      throw new Error(`${operation.name}: not judged: ${trial.unchecked.join("; ")}`);
    }
    this.state.journal.commit();
    return {
      rules: new Set(namesOf([...trial.rules])),
      defects: trial.defects.map(({ message, rules }) => ({ message, rules: namesOf(rules) })),
      unchecked: trial.unchecked,
      remarks: trial.remarks.map(({ message }) => message),
    };
  }

  /** An intercepted PQAP: with all its lines, and where the host's own instructions are not recorded. */
  guest(request: Request, effects: readonly ApEffect[], exit: Exit, demand: Demand = {}): Explained {
    const call = pqapCall(request, exit);
    const visible = effects.filter(({ kind }) => !kind.startsWith("hw_"));
    if (this.refusesCall(call, value(exit.rc), visible, noInstructions)) {
      throw new Error("not explained where the host's instructions are not recorded");
    }
    return this.holds(call, value(exit.rc), effects, demand);
  }

  /** An intercepted PQAP that the model explains; other observations may be right as well. */
  explainGuest(request: Request, effects: readonly ApEffect[], exit: Exit): Explained {
    return this.explain(operationOf(pqapCall(request, exit), value(exit.rc), effects));
  }

  /** What is remarked as unlikely in an intercepted PQAP that the model explains. */
  remarksOf(request: Request, effects: readonly ApEffect[], exit: Exit): readonly string[] {
    return this.explainGuest(request, effects, exit).remarks;
  }

  /** An intercepted PQAP in which the rules end before the lines do. */
  explainLoosely(request: Request, effects: readonly ApEffect[], exit: Exit): Explained {
    return this.explain(operationOf(pqapCall(request, exit), value(exit.rc), effects), true);
  }

  /** An ioctl of a VM that changes what its CPUs answer. */
  changes(vm: VmRef, change: "attribute" | "protected" | "memory", slot?: MemorySlot): void {
    this.explain(operationOf({ kind: "vm-change", vm, change, slot }, done, []));
  }

  /** Whether the observation of an intercepted PQAP is refused. */
  refusesGuest(request: Request, effects: readonly ApEffect[], exit: Exit): boolean {
    return this.refusesCall(pqapCall(request, exit), value(exit.rc), effects);
  }

  /** What the state holds: registrations by queue, and the guest's ledger (section 1). */
  ledger(pointer = G): Ledger {
    const queues: Record<string, string> = {};
    for (const { apqn, savedIsc, savedNib } of this.state.queues.values()) {
      if (savedIsc === null && savedNib === null) continue;
      queues[apqn.toString(16).padStart(4, "0")] = `${shown(savedIsc)} ${shown(savedNib)}`;
    }
    const guest = this.guestAt(pointer);
    const gisc: Record<string, number> = {};
    const counts: readonly number[] = Array.isArray(guest.gisc) ? guest.gisc : [];
    for (const [isc, count] of counts.entries()) if (count > 0) gisc[String(isc)] = count;
    const pins = guest.pins instanceof Map ? Object.fromEntries(guest.pins) : "unknown";
    const leaks = Array.isArray(guest.leaks) ? guest.leaks.filter(({ kind }) => kind !== "ref") : [];
    return {
      queues,
      gisc: Array.isArray(guest.gisc) ? gisc : "unknown",
      pins,
      leaks: leaks.map(({ kind, what, rule }) => `${kind} ${what} ${namesOf([rule])}`),
    };
  }

  /** The rules of a list that led to nothing although they hold in this profile, or that do not exist. */
  missing(covers: string): readonly string[] {
    const profile = isV9(this.column) ? "aqic-v9" : this.column;
    return covers.split(" ").filter((name) => {
      const rule = apRules.find(({ id }) => id === `aqic/${name}`);
      return rule === undefined || (rule.profiles.includes(profile) && !this.reached.has(rule.id));
    });
  }

  queue(name: string): Queue {
    const queue = this.state.queues.get(Number.parseInt(name, 16));
    if (queue === undefined) throw new Error(`no queue ${name}`);
    return queue;
  }

  mdev(uuid = M): Mdev {
    const mdev = this.state.mdevs.get(uuid);
    if (mdev === undefined) throw new Error(`no mdev ${uuid}`);
    return mdev;
  }

  guestAt(pointer: string): Guest {
    for (const guest of this.state.guests.values()) if (guest.pointer === pointer) return guest;
    throw new Error(`no guest ${pointer}`);
  }

  /** Names of invariants that do not hold, with the rule that prescribes it. */
  broken(): readonly string[] {
    const { mdevs, queues, guests, host } = this.state;
    const touched = everyFieldOf([host, ...mdevs.values(), ...queues.values(), ...guests.values()]);
    return apModel
      .broken(this.state, touched)
      .map(({ rule, prescribedBy }) => (prescribedBy === undefined ? rule.id : `${rule.id} by ${prescribedBy.id}`));
  }
}

/** What is registered: queues by APQN as "ISC NIB", counts, pins and leaks of a guest. */
export interface Ledger {
  readonly queues: Readonly<Record<string, string>>;
  readonly gisc: Readonly<Record<string, number>> | "unknown";
  readonly pins: Readonly<Record<string, number>> | "unknown";
  readonly leaks: readonly string[];
}

function shown(value: unknown): string {
  if (value === null) return "none";
  return typeof value === "object" ? "unknown" : String(value);
}

function namesOf(rules: readonly Rule[]): readonly string[] {
  return rules.map(({ id }) => id.replace(/^aqic\//, ""));
}

/** A snapshot of a host whose queue devices all belong to vfio_ap, and which has no mdev yet. */
function snapshot(queues: readonly string[]): readonly EnvironmentEvent[] {
  const ones = "f".repeat(64);
  const adapters = new Set(queues.map((queue) => Number.parseInt(queue, 16)));
  const lines: [string, string][] = [
    ["/sys/bus/ap/ap_adapter_mask", `0x${ones}`],
    ["/sys/bus/ap/ap_usage_domain_mask", `0x${ones}`],
    ["/sys/bus/ap/ap_control_domain_mask", `0x${ones}`],
    ["/sys/bus/ap/ap_max_adapter_id", "255"],
    ["/sys/bus/ap/ap_max_domain_id", "255"],
    ["/sys/bus/ap/apmask", `0x${"0".repeat(64)}`],
    ["/sys/bus/ap/aqmask", `0x${ones}`],
    ["/sys/devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/available_instances", "65536"],
  ];
  for (const adapter of adapters) {
    const card = `/sys/devices/ap/card${adapter.toString(16).padStart(2, "0")}`;
    lines.push([`${card}/hwtype`, "13"], [`${card}/config`, "1"]);
  }
  for (const queue of queues) {
    const device = `/sys/devices/ap/card${queue.slice(0, 2)}/${queue}`;
    lines.push([`${device}/config`, "1"], [`${device}/driver`, "../../../../bus/ap/drivers/vfio_ap"]);
  }
  return environmentOf(lines);
}
