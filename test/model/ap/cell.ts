import { apqn, type Matrix, maskNotation, matrixOf, type Numbers, wordsNotation } from "./notation.js";

/** A queue that was reset, or asked, with the response code that it answered. */
export interface Answer {
  readonly apqn: number;
  readonly rc: number;
}

/** What happens in a step besides its result, in order. */
export type Happening =
  | { readonly kind: "set" | "clr"; readonly mdev: string | undefined }
  | ({ readonly kind: "reset" | "tapq" } & Answer)
  | { readonly kind: "probe"; readonly apqn: number };

export type ExpectedResult =
  /** The byte count of the write, or success where there is no count. */
  | { readonly kind: "n" }
  | { readonly kind: "value"; readonly value: number }
  | { readonly kind: "error"; readonly errno: string }
  /** It does not return: the recording ends first. */
  | { readonly kind: "waits" };

export interface Crycb {
  readonly apm?: Numbers;
  readonly aqm?: Numbers;
  readonly adm?: Numbers;
}

/** A cell of an example's table. */
export interface Cell {
  readonly result: ExpectedResult | undefined;
  readonly happenings: readonly Happening[];
  /** Texts of guest_matrix and matrix afterwards, by mdev ("" is the mdev that the step is about). */
  readonly guestMatrix: ReadonlyMap<string, Matrix>;
  readonly matrix: ReadonlyMap<string, string>;
  readonly crycb: ReadonlyMap<string, Crycb>;
  readonly control: string | undefined;
  /** 64 digits of the mask that was written. */
  readonly mask: string | undefined;
  /** Drivers of queues. */
  readonly drivers: ReadonlyMap<number, string>;
  readonly statuses: ReadonlyMap<number, string>;
  /** What a step that only reads gets. */
  readonly text: string | undefined;
  /** Invariants that the profile's own rules break here. */
  readonly broken: readonly string[];
  /** The profile corrupts memory here: nothing is judged any more. */
  readonly tainted: boolean;
}

interface Draft {
  result: ExpectedResult | undefined;
  readonly happenings: Happening[];
  readonly guestMatrix: Map<string, Matrix>;
  readonly matrix: Map<string, string>;
  readonly crycb: Map<string, Crycb>;
  control: string | undefined;
  mask: string | undefined;
  readonly drivers: Map<number, string>;
  readonly statuses: Map<number, string>;
  text: string | undefined;
  readonly broken: string[];
  tainted: boolean;
}

type Item = readonly [pattern: RegExp, take: (draft: Draft, match: readonly string[]) => void];

const ITEMS: readonly Item[] = [
  [/^n$/, (draft) => (draft.result = { kind: "n" })],
  [/^waits$/, (draft) => (draft.result = { kind: "waits" })],
  [/^(\d+)$/, (draft, [value]) => (draft.result = { kind: "value", value: Number(value) })],
  [/^(E[A-Z0-9]+)$/, (draft, [errno]) => (draft.result = { kind: "error", errno: errno ?? "" })],
  [/^(set|clr)(?: ([A-Z]))?$/, takeSet],
  [/^(?:(?:R|TAPQ|probe)\([^)]*\) ?)+$/, (draft, [text]) => takeQueues(draft, text ?? "")],
  [/^G(?:\(([A-Z])\))? (.*)$/, (draft, [mdev, text]) => draft.guestMatrix.set(mdev ?? "", matrixOf(text ?? ""))],
  [/^M(?:\(([A-Z])\))? (.*)$/, (draft, [mdev, text]) => draft.matrix.set(mdev ?? "", text ?? "")],
  [/^CR(?:\(([A-Z])\))? (.*)$/, (draft, [mdev, text]) => draft.crycb.set(mdev ?? "", crycbOf(text ?? ""))],
  [/^C (.*)$/, (draft, [text]) => (draft.control = text)],
  [/^mask (.*)$/, (draft, [text]) => (draft.mask = maskNotation(text ?? ""))],
  [/^(cex4queue|vfio_ap|no driver): (.*)$/, takeDrivers],
  [/^status (\S+) (.*)$/, (draft, [queue, text]) => draft.statuses.set(apqn(queue ?? ""), text ?? "")],
  [/^reads (".*")$/, (draft, [text]) => (draft.text = JSON.parse(text ?? ""))],
  [/^broken (.*)$/, (draft, [ids]) => draft.broken.push(...(ids ?? "").split(" "))],
  [/^tainted$/, (draft) => (draft.tainted = true)],
];

/** Reads a cell: items in the notation of vfio-ap-config section 7, separated by semicolons. */
export function cellOf(text: string): Cell {
  const draft: Draft = {
    result: undefined,
    happenings: [],
    guestMatrix: new Map(),
    matrix: new Map(),
    crycb: new Map(),
    control: undefined,
    mask: undefined,
    drivers: new Map(),
    statuses: new Map(),
    text: undefined,
    broken: [],
    tainted: false,
  };
  for (const item of text.split("; ")) takeItem(draft, item);
  return draft;
}

function takeItem(draft: Draft, item: string): void {
  for (const [pattern, take] of ITEMS) {
    const match = pattern.exec(item);
    if (match === null) continue;
    take(draft, match.length > 1 ? match.slice(1) : [match[0]]);
    return;
  }
  throw new Error(`an example cannot say: ${item}`);
}

function takeSet(draft: Draft, [kind, mdev]: readonly string[]): void {
  draft.happenings.push({ kind: kind === "set" ? "set" : "clr", mdev });
}

/** `R(05.0047) R(05.0004:01)`: without a code the queue answered 00. */
function takeQueues(draft: Draft, text: string): void {
  for (const match of text.matchAll(/(R|TAPQ|probe)\(([0-9a-f.]+)(?::([0-9a-f]{2}))?\)/g)) {
    const queue = apqn(match[2] ?? "");
    const rc = Number.parseInt(match[3] ?? "00", 16);
    if (match[1] === "probe") draft.happenings.push({ kind: "probe", apqn: queue });
    else draft.happenings.push({ kind: match[1] === "R" ? "reset" : "tapq", apqn: queue, rc });
  }
}

function takeDrivers(draft: Draft, [driver, queues]: readonly string[]): void {
  for (const queue of (queues ?? "").split(" ")) draft.drivers.set(apqn(queue), driver ?? "");
}

/** `apm w0=0400000000000000, aqm 0, adm w1=0100000000000000`: masks that are not named are not compared. */
function crycbOf(text: string): Crycb {
  const crycb: { apm?: Numbers; aqm?: Numbers; adm?: Numbers } = {};
  for (const part of text.split(", ")) {
    const match = /^(apm|aqm|adm) (.*)$/.exec(part);
    if (match?.[2] === undefined) throw new Error(`no part of a CRYCB: ${part}`);
    const numbers = wordsNotation(match[2]);
    if (match[1] === "apm") crycb.apm = numbers;
    else if (match[1] === "aqm") crycb.aqm = numbers;
    else crycb.adm = numbers;
  }
  return crycb;
}
