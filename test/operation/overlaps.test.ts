import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Event } from "../../src/event/event.js";
import type { ApCall } from "../../src/operation/ap/call.js";
import { beginOperation, type OpenOperation } from "../../src/operation/open-operation.js";
import { Overlaps } from "../../src/operation/overlaps.js";

const line: Event = { kind: "mark", source: 0, line: 1, time: undefined, tid: 1, comm: "", text: "", message: "" };

function operation(tid: number, begin: number): OpenOperation<ApCall> {
  return beginOperation({ kind: "unrecorded" }, "", { ...line, tid }, { kind: "unknown", reason: "" }, begin);
}

/** What happens at a place of the stream: an operation begins, or the one that began so many before the last one ends. */
type Step = "begin" | { readonly ends: number };

/** The groups, each as the places at which its operations began, that come out of the steps. */
function run(steps: readonly Step[]): readonly (readonly number[])[] {
  const groups: number[][] = [];
  const overlaps = new Overlaps<ApCall>(
    (group) => groups.push(group.map(({ begin }) => begin)),
    () => false,
  );
  const open: OpenOperation<ApCall>[] = [];
  steps.forEach((step, place) => {
    if (step === "begin") {
      const one = operation(place, place);
      open.push(one);
      overlaps.add(one);
    } else {
      const [one] = open.splice(open.length - 1 - (step.ends % Math.max(open.length, 1)), 1);
      if (one !== undefined) {
        one.end = place;
        one.complete = true;
      }
    }
    overlaps.advance(place);
  });
  overlaps.finish();
  return groups;
}

/** The same by definition: operations are in one group exactly if a chain of overlaps joins them. */
function byDefinition(steps: readonly Step[]): readonly (readonly number[])[] {
  const all: { begin: number; end: number }[] = [];
  const open: { begin: number; end: number }[] = [];
  steps.forEach((step, place) => {
    if (step === "begin") {
      const one = { begin: place, end: place };
      all.push(one);
      open.push(one);
    } else {
      const [one] = open.splice(open.length - 1 - (step.ends % Math.max(open.length, 1)), 1);
      if (one !== undefined) one.end = place;
    }
  });
  // What never ended holds nothing together: it was not seen to run beyond its beginning.
  const groups: number[][] = [];
  let end = -1;
  for (const one of all) {
    if (one.begin > end) groups.push([]);
    groups.at(-1)?.push(one.begin);
    end = Math.max(end, one.end);
  }
  return groups;
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Step>("begin") },
  { weight: 3, arbitrary: fc.nat(5).map((ends): Step => ({ ends })) },
);

describe("groups of overlapping operations", () => {
  test("are those of the definition", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        expect(run(steps)).toEqual(byDefinition(steps));
      }),
    );
  });

  test("wait for nobody for ever: an operation that stays open is put aside, and comes when it ends", () => {
    const groups: number[][] = [];
    const overlaps = new Overlaps<ApCall>(
      (group) => groups.push(group.map(({ begin }) => begin)),
      () => false,
    );
    const stuck = operation(1, 0);
    overlaps.add(stuck);
    for (let place = 1; place <= 600; place++) {
      const one = operation(2, place);
      overlaps.add(one);
      one.complete = true;
      overlaps.advance(place);
    }
    expect(groups.map((group) => group[0])).toEqual(Array.from({ length: 600 }, (_, i) => i + 1));
    stuck.end = 601;
    stuck.complete = true;
    overlaps.advance(601);
    expect(groups.at(-1)).toEqual([0]);
  });

  test("and those that never end are given up, the oldest first: their number is bounded", () => {
    const groups: number[][] = [];
    const overlaps = new Overlaps<ApCall>(
      (group) => groups.push(group.map(({ begin }) => begin)),
      () => false,
    );
    for (let place = 0; place < 2000; place++) {
      overlaps.add(operation(place, place));
      overlaps.advance(place);
    }
    expect(groups.length).toBeGreaterThan(1000);
    expect(groups.slice(0, 3)).toEqual([[0], [1], [2]]);
    overlaps.finish();
    expect(groups.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 2000 }, (_, i) => i));
  });
});
