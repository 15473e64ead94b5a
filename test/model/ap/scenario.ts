import { describe, expect, test } from "vitest";
import { renderState } from "../../../src/model/ap/render.js";
import { apRules } from "../../../src/model/ap/rules.js";
import { type Cell, cellOf } from "./cell.js";
import { type Machine, type Profile, profileNames, S0 } from "./machine.js";
import { apqn, digits, entriesText, fileText, hex, type Numbers } from "./notation.js";
import { reads } from "./reads.js";
import { A, type Step } from "./steps.js";
import { type Masks, type MdevBook, World } from "./world.js";

/** Profiles whose columns are checked. A profile joins when its model is whole. */
const READY: ReadonlySet<Profile> = new Set<Profile>(["V9", "V12", "V61"]);

/** A cell that says the same as the one before it in its row. */
export const same = "same";
/** A step that the profile's column does not have. */
export const none = "none";

/** One column for each of these groups of profiles, in the order of the cells. */
export type Columns = readonly (readonly Profile[])[];
export const V9_V12_V61: Columns = [["V9"], ["V12"], ["V61"]];
export const V12_V61: Columns = [["V12"], ["V61"]];
export const V61: Columns = [["V61"]];
export const ALL: Columns = [["V9", "V12", "V61"]];

export type Row = readonly [step: Step, ...cells: readonly string[]];

/** A worked example: a table of vfio-ap-config section 7. */
export interface Example {
  /** Rules that it shows: each must be among those that led to a result, an effect or a state; `CFG-2@V61` only there. */
  readonly covers: string;
  readonly machine?: Partial<Machine>;
  /** Mdevs that exist at the start; A for undefined. */
  readonly mdevs?: readonly Step[];
  readonly columns: Columns;
  readonly rows: readonly Row[];
}

/** Runs an example's table in each profile that has a column in it. */
export function example(id: string, title: string, plan: Example): void {
  describe(`${id} ${title}`, () => {
    plan.columns.forEach((profiles, column) => {
      for (const profile of profiles) {
        test.skipIf(!READY.has(profile))(profileNames[profile], () => runExample(id, plan, profile, column));
      }
    });
  });
}

function runExample(id: string, plan: Example, profile: Profile, column: number): void {
  const world = new World(profile, { ...S0, ...plan.machine });
  for (const step of plan.mdevs ?? [A.create()]) step.run(world, cellOf("n"), `${id} ${step.text}`);
  plan.rows.forEach(([step, ...cells], row) => {
    const text = cellAt(cells, column);
    if (text === none) return;
    runRow(world, step, cellOf(text), `${id} row ${row + 1} (${step.text})`);
  });
  expect(missingRules(plan.covers, profile, world.reached), `${id}: rules that led to nothing`).toEqual([]);
}

function cellAt(cells: readonly string[], column: number): string {
  for (let place = column; place >= 0; place--) {
    const text = cells[place];
    if (text === undefined) throw new Error("a row lacks a cell");
    if (text !== same) return text;
  }
  throw new Error("the first cell of a row cannot be the same as another");
}

function missingRules(covers: string, profile: Profile, reached: ReadonlySet<string>): readonly string[] {
  return covers.split(" ").filter((entry) => {
    const [name, only] = entry.split("@");
    if (only !== undefined && !only.split(",").includes(profile)) return false;
    const rule = apRules.find(({ id }) => id === `ap-config/${name}` || id === `aqic/${name}`);
    if (rule === undefined) return true;
    return rule.profiles.includes(profileNames[profile]) && !reached.has(rule.id);
  });
}

function runRow(world: World, step: Step, cell: Cell, where: string): void {
  takeShadows(world, step, cell);
  if (cell.tainted) world.tainted = true;
  step.run(world, cell, where);
  if (world.tainted) return;
  checkTexts(world, step, cell, where);
  checkState(world, where);
  checkCrycb(world, step, cell, where);
  checkQueues(world, cell, where);
  expect([...world.broken()].sort(), `${where}: broken invariants`).toEqual([...cell.broken].sort());
}

/** The columns G and CR say what the shadow is after the step. */
function takeShadows(world: World, step: Step, cell: Cell): void {
  for (const [name, matrix] of cell.guestMatrix) {
    const book = world.mdev(name === "" ? (step.mdev ?? "A") : name);
    book.shadow = { ...book.shadow, ...matrix };
  }
  for (const [name, crycb] of cell.crycb) {
    const book = world.mdev(name === "" ? (step.mdev ?? "A") : name);
    book.shadow = { ...book.shadow, ...crycb };
  }
}

function checkTexts(world: World, step: Step, cell: Cell, where: string): void {
  for (const book of world.mdevs.values()) {
    if (book.removing) continue;
    const stated = cell.matrix.get(book.name === (step.mdev ?? "A") && cell.matrix.has("") ? "" : book.name);
    const matrix = entriesText(book.matrix);
    if (stated !== undefined) expect(matrix, `${where}: matrix`).toBe(stated);
    // SHOW-4: of a text that overruns its page the first 4095 bytes are read.
    reads(world, world.attributeOf(book.name, "matrix"), fileText(matrix).slice(0, 4095), where);
    if (world.profile !== "V9") {
      reads(world, world.attributeOf(book.name, "guest_matrix"), fileText(entriesText(book.shadow)), where);
    }
    const control = book.matrix.adm.map((domain) => hex(domain, 4)).join(" ");
    if (cell.control !== undefined && book.name === (step.mdev ?? "A")) expect(control, where).toBe(cell.control);
    reads(world, world.attributeOf(book.name, "control_domains"), fileText(control === "" ? "(0 B)" : control), where);
  }
  for (const name of ["apmask", "aqmask"] as const) {
    reads(world, { on: "bus", name }, `0x${digits(world[name])}\n`, where);
  }
}

interface Rendered {
  readonly mdevs: readonly { uuid: string; matrix: Hex; shadow: Hex; kvm: string | null }[];
  readonly queues: readonly { apqn: string; driver: string | null; mdev?: string | null }[];
  readonly guests: readonly { kvm: string; crycb: Hex; hook: string | null }[];
}

interface Hex {
  readonly apm: string;
  readonly aqm: string;
  readonly adm: string;
}

function hexOf(masks: { readonly apm: Numbers; readonly aqm: Numbers; readonly adm: Numbers }): Hex {
  return { apm: `0x${digits(masks.apm)}`, aqm: `0x${digits(masks.aqm)}`, adm: `0x${digits(masks.adm)}` };
}

export function rendered(world: World): Rendered {
  return renderState(world.state) as Rendered;
}

/** The rendered state of every mdev: matrix, shadow and guest. */
function checkState(world: World, where: string): void {
  const { mdevs } = rendered(world);
  expect(mdevs.map(({ uuid }) => uuid).sort(), `${where}: mdevs`).toEqual(
    [...world.mdevs.values()].map(({ uuid }) => uuid).sort(),
  );
  for (const book of world.mdevs.values()) {
    const shown = mdevs.find(({ uuid }) => uuid === book.uuid);
    expect(shown?.matrix, `${where}: matrix of ${book.name}`).toEqual(hexOf(book.matrix));
    if (world.profile !== "V9") expect(shown?.shadow, `${where}: shadow of ${book.name}`).toEqual(hexOf(book.shadow));
    expect(shown?.kvm, `${where}: guest of ${book.name}`).toBe(book.guest?.pointer ?? null);
  }
}

/** CR: what the guest has. */
function checkCrycb(world: World, step: Step, cell: Cell, where: string): void {
  const { guests } = rendered(world);
  for (const { kvm, crycb, hook } of guests) {
    const book = [...world.mdevs.values()].find(({ guest }) => guest?.pointer === kvm);
    expect(hook, `${where}: hook of ${kvm}`).toBe(book?.uuid ?? null);
    if (book === undefined) expect(crycb, `${where}: CRYCB of ${kvm}`).toEqual(hexOf({ apm: [], aqm: [], adm: [] }));
    else
      checkCrycbOf(
        world,
        book,
        crycb,
        cell.crycb.get(book.name) ?? (book.name === step.mdev ? cell.crycb.get("") : undefined),
        where,
      );
  }
}

function checkCrycbOf(
  world: World,
  book: MdevBook,
  crycb: Hex,
  stated: Partial<Record<keyof Hex, Numbers>> | undefined,
  where: string,
): void {
  const given = world.profile === "V9" ? book.started : book.shadow;
  expect(crycb, `${where}: CRYCB of ${book.name}'s guest`).toEqual(hexOf(cut(world, given)));
  for (const side of ["apm", "aqm", "adm"] as const) {
    const numbers = stated?.[side];
    if (numbers !== undefined) expect(crycb[side], `${where}: CR ${side}`).toBe(`0x${digits(numbers)}`);
  }
}

/** Formats 0 and 1 have room for adapters 0 to 63 and domains 0 to 15 (2.2). */
function cut(world: World, { apm, aqm, adm }: Masks): Masks {
  if (world.crycbFormat === 2) return { apm, aqm, adm };
  const narrow = (numbers: Numbers, room: number): Numbers => numbers.filter((n) => n < room);
  return { apm: narrow(apm, 64), aqm: narrow(aqm, 16), adm: narrow(adm, 16) };
}

function checkQueues(world: World, cell: Cell, where: string): void {
  const { queues } = rendered(world);
  for (const [queue, driver] of cell.drivers) {
    const shown = queues.find((one) => apqn(one.apqn) === queue);
    expect(shown?.driver ?? "no driver", `${where}: driver of ${hex(queue, 4)}`).toBe(driver);
  }
  for (const queue of world.bound) {
    expect(queues.find((one) => apqn(one.apqn) === queue)?.driver, `${where}: driver of ${hex(queue, 4)}`).toBe(
      "vfio_ap",
    );
  }
  for (const [queue, text] of cell.statuses)
    reads(world, { on: "queue", apqn: queue, name: "status" }, `${text}\n`, where);
}
