import { initialState } from "../../../src/model/ap/initial.js";
import type { ApState } from "../../../src/model/ap/state.js";
import { environmentOf } from "../environment.js";
import { all, allBut, apqn, digits, hex, type Numbers } from "./notation.js";

/** Profiles by the short names of the spec (vfio-ap-config section 0). */
export type Profile = "V9" | "V12" | "V61";

export const profileNames: Readonly<Record<Profile, string>> = {
  V9: "aqic-v9",
  V12: "dynamic-v12",
  V61: "linux-6.1",
};

/** The machine that an example starts on. */
export interface Machine {
  /** What QCI says; undefined: no QCI. */
  readonly qci: { readonly apm: Numbers; readonly aqm: Numbers; readonly adm: Numbers } | undefined;
  readonly maxAdapter: number;
  readonly maxDomain: number;
  /** Card type, by adapter; 13 for those not named. */
  readonly types: ReadonlyMap<number, number>;
  readonly apmask: Numbers;
  readonly aqmask: Numbers;
  /** Queue devices, all of adapters × domains for undefined. */
  readonly queues: readonly string[] | undefined;
  /** Queues without a driver. */
  readonly driverless: readonly string[];
  /** CRYCB format of its guests (1.4). */
  readonly crycbFormat: 0 | 1 | 2;
}

/** S0, the common start of the examples (section 7), before mdev A is made. */
export const S0: Machine = {
  qci: { apm: [0x05, 0x06], aqm: [0x04, 0x47, 0xab], adm: [0x04, 0x47, 0xab] },
  maxAdapter: 63,
  maxDomain: 255,
  types: new Map(),
  apmask: allBut(0x05, 0x06),
  aqmask: all,
  queues: undefined,
  driverless: [],
  crycbFormat: 2,
};

/** The APQNs of the machine's queue devices, in the order of their creation. */
export function queuesOf(machine: Machine): readonly number[] {
  if (machine.queues !== undefined) return machine.queues.map(apqn);
  const { apm, aqm } = machine.qci ?? { apm: [], aqm: [] };
  return apm.flatMap((adapter) => aqm.map((domain) => adapter * 256 + domain));
}

/** Whom a queue belongs to at the start: DRV-1 and DRV-2, as section 7 says it of S0. */
function driverOf(machine: Machine, queue: number): "cex4queue" | "vfio_ap" | undefined {
  const [adapter, domain] = [queue >> 8, queue & 0xff];
  const name = `${hex(adapter, 2)}.${hex(domain, 4)}`;
  if ((machine.types.get(adapter) ?? 13) < 10 || machine.driverless.includes(name)) return undefined;
  return machine.apmask.includes(adapter) && machine.aqmask.includes(domain) ? "cex4queue" : "vfio_ap";
}

/** A snapshot of the machine, as `grep -r . PATHS` prints it (capture-formats g). */
function snapshotOf(machine: Machine): readonly (readonly [path: string, value: string])[] {
  const { qci } = machine;
  const mask = (numbers: Numbers | undefined): string =>
    numbers === undefined ? "not supported" : `0x${digits(numbers)}`;
  const lines: [string, string][] = [
    ["/sys/bus/ap/ap_adapter_mask", mask(qci?.apm)],
    ["/sys/bus/ap/ap_usage_domain_mask", mask(qci?.aqm)],
    ["/sys/bus/ap/ap_control_domain_mask", mask(qci?.adm)],
    ["/sys/bus/ap/ap_max_adapter_id", String(machine.maxAdapter)],
    ["/sys/bus/ap/ap_max_domain_id", String(machine.maxDomain)],
    ["/sys/bus/ap/apmask", mask(machine.apmask)],
    ["/sys/bus/ap/aqmask", mask(machine.aqmask)],
    ["/sys/bus/ap/config_time", "30"],
    ["/sys/bus/ap/ap_domain", "4"],
    ["/sys/devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/available_instances", "65536"],
  ];
  const cards = new Set<number>();
  for (const queue of queuesOf(machine)) {
    const adapter = queue >> 8;
    const card = `/sys/devices/ap/card${hex(adapter, 2)}`;
    if (!cards.has(adapter)) {
      cards.add(adapter);
      lines.push([`${card}/hwtype`, String(machine.types.get(adapter) ?? 13)]);
      lines.push([`${card}/config`, "1"], [`${card}/online`, "1"]);
    }
    const device = `${card}/${hex(adapter, 2)}.${hex(queue & 0xff, 4)}`;
    lines.push([`${device}/config`, "1"]);
    const driver = driverOf(machine, queue);
    if (driver !== undefined) lines.push([`${device}/driver`, `../../../../bus/ap/drivers/${driver}`]);
  }
  return lines;
}

/** The state of a machine that has just been started: what its snapshot says, and what only a start can tell. */
export function stateOf(profile: Profile, machine: Machine, facts: Readonly<Record<string, unknown>> = {}): ApState {
  const environment = environmentOf(snapshotOf(machine));
  const state = initialState({
    profile: profileNames[profile],
    facts: { hostAqicStatus: "true", ...facts },
    environment,
    arch: "s390x",
    note: (text) => {
      throw new Error(text);
    },
  });
  queuesOf(machine).forEach((number, place) => {
    const queue = state.queues.get(number);
    if (queue === undefined) throw new Error("the snapshot's queue is not in the state");
    queue.order = place + 1;
    queue.resetRc = 0;
    queue.savedIsc = null;
    queue.savedNib = null;
  });
  state.clock.now = queuesOf(machine).length + 1;
  return state;
}
