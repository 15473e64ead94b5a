import { describe, expect, test } from "vitest";
import type { Trial } from "../../../src/model/core/trial.js";
import type { Effect, ObservedEffect } from "../../../src/operation/operation.js";
import { pin, probe, R1, refused, seen, trial, unpin } from "./observed.js";

/** What a run of a model may say of the effects of an operation: those with a place, those without, hints. */

/** Expects pins of these pages in turn, and says where the run parts from what was observed. */
function pins(x: Trial, ...pages: readonly number[]): readonly [observed: string, line: number] | undefined {
  for (const page of pages) {
    x.expect(
      "pin_pages",
      ({ iova }) => (iova.lo === page ? undefined : `page ${iova.lo}`),
      () => `page ${page}`,
      R1,
    );
    if (x.failed) break;
  }
  x.finish();
  return x.mismatch === undefined ? undefined : [x.mismatch.observed, x.mismatch.event?.line ?? 0];
}

describe("effects in their order", () => {
  test.each([
    ["as they must be", [pin(1), pin(2)], undefined],
    ["one is missing at the end", [pin(1)], ["no pin_pages", 0]],
    ["the other way round", [pin(2), pin(1)], ["page 2", 2]],
    ["another kind", [pin(1), unpin(2)], ["unpin_pages", 3]],
    ["one too many", [pin(1), pin(2), pin(3)], ["pin_pages", 4]],
  ] as const)("%s", (_what, effects, expected) => {
    expect(pins(trial({ effects: seen(effects) }), 1, 2)).toEqual(expected);
  });

  test.each([
    ["a kind that no recorder sees", { unseen: ["pin_pages"] }, undefined, false],
    ["lines were lost", { gap: true }, undefined, false],
    ["the recording ended in it", { cut: "effects" as const }, undefined, false],
    ["the recording ended behind it", { cut: "call" as const }, ["no pin_pages", 0], true],
  ])("one that is missing: %s", (_what, observed, expected, judged) => {
    const x = trial(observed);
    expect(pins(x, 1)).toEqual(expected);
    expect(x.judged).toBe(judged);
  });

  test("one too many: not where lines were lost, or the recording ended behind the call", () => {
    const effects = seen([pin(1), unpin(1)]);
    for (const [observed, expected] of [
      [{ gap: true }, undefined],
      [{ cut: "call" as const }, undefined],
      [{ cut: "effects" as const }, ["unpin_pages", 3]],
      [{}, ["unpin_pages", 3]],
    ] as const) {
      const x = trial({ effects, ...observed });
      expect(pins(x, 1)).toEqual(expected);
      expect(x.unchecked.length).toBe(expected === undefined ? 1 : 0);
    }
  });

  test("another one than expected: where lines were lost it may be a later one", () => {
    const x = trial({ effects: seen([pin(2)]), gap: true });
    expect(pins(x, 1, 2)).toBeUndefined();
    expect(x.remaining()).toBe(0);
  });

  test("the kernel may have crashed: what is missing is not missed", () => {
    const x = trial({});
    x.allowCrash();
    expect(pins(x, 1)).toBeUndefined();
    expect(x.certain("pin_pages")).toBe(false);
  });

  test("after a divergence the observed one is taken", () => {
    const x = trial({ effects: seen([pin(2)]), lenient: true });
    const taken = x.expect(
      "pin_pages",
      () => "another page",
      () => "page 1",
      R1,
    );
    expect(taken?.iova.lo).toBe(2);
    expect(x.remaining()).toBe(0);
    const strict = trial({ effects: seen([pin(2)]) });
    expect(
      strict.expect(
        "pin_pages",
        () => "another page",
        () => "page 1",
        R1,
      ),
    ).toBeUndefined();
  });

  test("maybe takes the next one only if it fits", () => {
    const x = trial({ effects: seen([pin(1), pin(2)]) });
    expect(x.maybe("unpin_pages", () => undefined)).toBeUndefined();
    expect(x.maybe("pin_pages", () => "not this")).toBeUndefined();
    expect(x.judged).toBe(false);
    expect(x.maybe("pin_pages", () => undefined)?.iova.lo).toBe(1);
    expect(x.judged).toBe(true);
    expect(x.peek("pin_pages")?.iova.lo).toBe(2);
    expect(x.ahead("pin_pages", ({ iova }) => iova.lo === 1)).toBeUndefined();
    expect(x.ahead("pin_pages", ({ iova }) => iova.lo === 2)?.npage).toBe(1);
    expect(x.rest().length).toBe(1);
    x.skip();
    expect(x.peek("pin_pages")).toBeUndefined();
    expect(x.remaining()).toBe(0);
  });

  test("takeAll leaves nothing to be judged", () => {
    const x = trial({ effects: [...seen([pin(1)]), ...seen([probe(5)], { bracket: true })] });
    x.takeAll();
    x.finish();
    expect([x.mismatch, x.judged]).toEqual([undefined, false]);
  });

  test("certain: seen, nothing lost, and not at the cut end", () => {
    expect(trial({}).certain("pin_pages")).toBe(true);
    expect(trial({ unseen: ["pin_pages"] }).certain("pin_pages")).toBe(false);
    expect(trial({ gap: true }).certain("pin_pages")).toBe(false);
    expect(trial({ cut: "effects" }).certain("pin_pages")).toBe(false);
    expect(trial({ cut: "effects", effects: seen([pin(1)]) }).certain("unpin_pages")).toBe(true);
    expect(trial({ cut: "call" }).certain("pin_pages")).toBe(true);
  });
});

describe("effects without a place", () => {
  const queues = (...effects: readonly Effect[]): ObservedEffect[] => seen(effects, { bracket: true });
  const of =
    (apqn: number) =>
    (effect: { readonly apqn: number }): string | undefined =>
      effect.apqn === apqn ? undefined : `queue ${effect.apqn}`;
  const expectQueue = (x: Trial, apqn: number): void => {
    x.expectBracket("queue_probe", of(apqn), () => `queue ${apqn}`, R1);
  };

  test("come in any order, beside those that have one", () => {
    const x = trial({ effects: [...queues(probe(5), probe(6)), ...seen([pin(1)])] });
    expect(x.bracketList().length).toBe(2);
    expect(x.hasBracket("queue_probe", ({ apqn }) => apqn === 6)).toBe(true);
    expect(x.hasBracket("queue_probe", ({ apqn }) => apqn === 7)).toBe(false);
    expectQueue(x, 6);
    expectQueue(x, 5);
    expect(pins(x, 1)).toBeUndefined();
    expect(x.judged).toBe(true);
  });

  test("one that is left over is ascribed to the rules that were named last", () => {
    const rules = ["R-1", "R-2", "R-3", "R-4", "R-5"].map((id) => ({ ...R1, id }));
    const left = trial({ effects: queues(probe(5)) });
    for (const rule of rules) left.by(rule);
    left.finish();
    expect(left.mismatch?.rules.map(({ id }) => id)).toEqual(["R-3", "R-4", "R-5"]);
  });

  test("one that is left over, or of another queue, is the mismatch", () => {
    const left = trial({ effects: queues(probe(5)) });
    left.finish();
    expect(left.mismatch).toMatchObject({ expected: "no further effect", observed: "queue_probe" });
    const other = trial({ effects: queues(probe(5)) });
    expectQueue(other, 6);
    expect(other.mismatch).toMatchObject({ observed: "queue 5", expected: "queue 6" });
  });

  test.each([
    ["seen", {}, true],
    ["not seen", { unseen: ["queue_probe"] }, false],
    ["lost", { gap: true }, false],
    ["cut", { cut: "effects" as const }, false],
  ])("one that is missing: %s", (_what, observed, missed) => {
    const x = trial(observed);
    expectQueue(x, 5);
    expect([x.failed, x.judged]).toEqual([missed, missed]);
    if (missed) expect(x.mismatch?.observed).toBe("no queue_probe");
  });

  test("one may be missing at a cut end though others without a place are there", () => {
    const x = trial({ effects: [...seen([pin(1)]), ...queues({ kind: "queue_remove", apqn: 5 })], cut: "effects" });
    expectQueue(x, 5);
    expect(x.failed).toBe(false);
  });

  test("bracket takes the next that fits", () => {
    const x = trial({ effects: queues(probe(5), probe(6), probe(5)) });
    expect(x.bracket("queue_remove")).toBeUndefined();
    expect(x.bracket("queue_probe", of(6))?.apqn).toBe(6);
    expect(x.bracket("queue_probe", of(6))).toBeUndefined();
    expect([x.bracket("queue_probe")?.apqn, x.bracket("queue_probe")?.apqn, x.bracket("queue_probe")]).toEqual([
      5,
      5,
      undefined,
    ]);
  });

  test("a hint is taken where it fits, and is no mismatch where it does not", () => {
    const x = trial({ effects: seen([refused(5), refused(6)], { hint: true }) });
    expect(x.hint("queue_probe")).toBeUndefined();
    expect(x.hint("aqic_refused", of(6))?.apqn).toBe(6);
    expect(x.hint("aqic_refused", of(6))).toBeUndefined();
    expect(x.hints.length).toBe(1);
    x.finish();
    expect(x.mismatch).toBeUndefined();
  });
});
