import { readFileSync } from "node:fs";

/**
 * What really happened in a run, told by the simulated machine and by the driver's own memory: one line a step, with
 * the parts of the state that changed. test/captures/README.md describes the fields.
 */
export interface TruthStep {
  readonly step: number;
  readonly driver: Driver;
  /** When the step began, in microseconds; absent at the start of a run. */
  readonly t: number | undefined;
  readonly op: string;
  /** Undefined where the kernel hung or crashed. */
  readonly state: TruthState | undefined;
}

/** The driver's generation: 5.10 has no shadow and no remembered reset codes, dynamic-v12 no remembered reset codes. */
export type Driver = "5.10" | "dynamic-v12" | "6.1";

export interface Masks {
  readonly apm: string;
  readonly aqm: string;
  readonly adm: string;
}

interface TruthMdev extends Masks {
  readonly uuid: string;
  readonly shadow: Masks;
  readonly kvm: string | null;
}

/** Queues that point to an mdev: by card, a mask of domains. */
interface TruthLinks {
  readonly mdev: string;
  /** The mdev is gone: the pointer dangles. */
  readonly freed?: boolean;
  readonly q: Readonly<Record<string, string>>;
}

interface TruthQueue {
  readonly apqn: string;
  /** 255: none. */
  readonly isc: number;
  readonly iova: string;
  readonly reset_rc: number;
}

interface TruthGuest {
  readonly kvm: string;
  readonly pid: number;
  readonly crycb: Masks;
  readonly hook: boolean;
  readonly gisc: readonly number[];
  readonly pins: readonly (readonly [string, number])[];
}

export interface TruthState {
  readonly perm: { readonly apm: string; readonly aqm: string };
  readonly mdevs: readonly TruthMdev[];
  /** Queues bound to vfio_ap: by card, a mask of domains. */
  readonly bound: Readonly<Record<string, string>>;
  readonly links: readonly TruthLinks[];
  /** Queues that are not at rest. */
  readonly q: readonly TruthQueue[];
  readonly kvms: readonly TruthGuest[];
}

interface TruthLine {
  readonly step: number;
  /** `hang` and `oops`: the kernel went no further; what it left is not told. */
  readonly kind: "init" | "op" | "env" | "bus" | "hang" | "oops";
  /** In the first line. */
  readonly profile?: Driver;
  readonly t?: number;
  readonly op?: string;
  readonly state?: Partial<TruthState>;
}

/** The steps of a truth file, each with its whole state. */
export function truthSteps(path: string): readonly TruthStep[] {
  const steps: TruthStep[] = [];
  let driver: Driver = "6.1";
  let state: TruthState = {
    perm: { apm: "", aqm: "" },
    mdevs: [],
    bound: {},
    links: [],
    q: [],
    kvms: [],
  };
  for (const text of readFileSync(path, "utf8").split("\n")) {
    if (text === "") continue;
    const line: TruthLine = JSON.parse(text);
    driver = line.profile ?? driver;
    state = { ...state, ...line.state };
    const t = line.t === undefined ? undefined : Math.round(line.t * 1e6);
    const lost = line.kind === "hang" || line.kind === "oops";
    steps.push({ step: line.step, driver, t, op: line.op ?? "start", state: lost ? undefined : state });
  }
  return steps;
}

/** `0x` form of a truth mask. */
export function maskOf(digits: string): string {
  return `0x${digits}`;
}

/** APQNs (`04.0005`) of a table from card to mask of domains. */
export function apqnsOf(table: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(table).flatMap(([card, digits]) =>
    bitsOf(digits).map((domain) => `${card}.${domain.toString(16).padStart(4, "0")}`),
  );
}

/** `0405` as `04.0005`. */
export function apqnOf(digits: string): string {
  return `${digits.slice(0, 2)}.00${digits.slice(2)}`;
}

/** Numbers of the bits that are set; bit 0 is the leftmost. */
function bitsOf(digits: string): readonly number[] {
  const bits: number[] = [];
  for (let at = 0; at < digits.length; at++) {
    const value = Number.parseInt(digits.charAt(at), 16);
    for (let bit = 0; bit < 4; bit++) if ((value & (8 >> bit)) !== 0) bits.push(at * 4 + bit);
  }
  return bits;
}
