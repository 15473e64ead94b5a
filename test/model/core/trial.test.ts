import { describe, expect, test } from "vitest";
import type { Event } from "../../../src/event/event.js";
import { wordOf } from "../../../src/event/word.js";
import type { Rule } from "../../../src/model/core/rule.js";
import { Choices, Trial } from "../../../src/model/core/trial.js";
import type { Effect, ObservedEffect, ObservedResult, Operation } from "../../../src/operation/operation.js";

/** One run of a model over one operation: what it may say of a result and of effects. */

const rule = (id: string): Rule => ({ id, title: id, text: id, source: id, profiles: ["p"] });
const R1 = rule("R-1");
const R2 = rule("R-2");

const line = (number: number): Event => ({
  kind: "mark",
  source: 0,
  line: number,
  time: undefined,
  tid: 1,
  comm: "",
  text: "",
  message: "",
});

const pin = (page: number): Effect => ({ kind: "pin_pages", iova: wordOf(0, page), npage: 1, rc: 1 });
const unpin = (page: number): Effect => ({ kind: "unpin_pages", iova: wordOf(0, page), npage: 1 });
const probe = (apqn: number): Effect => ({ kind: "queue_probe", apqn, rc: 0 });
const refused = (apqn: number): Effect => ({ kind: "aqic_refused", reason: "no-aiv", apqn });

/** Effects in recorded order, from line 2 on. */
function seen(
  effects: readonly Effect[],
  how: { readonly bracket?: boolean; readonly hint?: true } = {},
): ObservedEffect[] {
  return effects.map((effect, i) => ({
    effect,
    event: line(i + 2),
    bracket: how.bracket ?? false,
    ...(how.hint === undefined ? {} : { hint: how.hint }),
  }));
}

interface Observed {
  readonly result?: ObservedResult;
  readonly effects?: readonly ObservedEffect[];
  readonly gap?: boolean;
  readonly cut?: "effects" | "call";
  readonly unseen?: readonly string[];
  readonly lenient?: boolean;
}

function trial(observed: Observed, choices = new Choices()): Trial {
  const {
    result = { kind: "value", value: 0 },
    effects = [],
    gap = false,
    cut,
    unseen = [],
    lenient = false,
  } = observed;
  const operation: Operation = {
    number: 1,
    call: { kind: "unrecorded" },
    name: "call",
    result,
    effects,
    event: line(1),
    tid: 1,
    time: undefined,
    endTime: undefined,
    begin: 1,
    end: 9,
    overlapping: false,
    gap,
    cut,
  };
  return new Trial(operation, { syscalls: true, sees: (kind) => !unseen.includes(kind) }, choices, lenient);
}

const value = (number: number): ObservedResult => ({ kind: "value", value: number });
const error = (errno: string): ObservedResult => ({ kind: "error", errno });
const nothing: ObservedResult = { kind: "unknown", reason: "it did not come back" };

/** What all runs of a model over an operation come to. */
function runs<T>(observed: Observed, model: (x: Trial) => T): readonly T[] {
  const choices = new Choices();
  const all: T[] = [];
  do all.push(model(trial(observed, choices)));
  while (choices.advance());
  return all;
}

describe("choices", () => {
  test("every combination comes once, the first options first", () => {
    const combinations = runs({}, (x) => [x.choose(2), x.choose(3), x.choose(1)].join(""));
    expect(combinations).toEqual(["000", "010", "020", "100", "110", "120"]);
  });

  test("a choice may lead to others", () => {
    expect(runs({}, (x) => (x.choose(2) === 0 ? "a" : `b${x.choose(2)}`))).toEqual(["a", "b0", "b1"]);
  });

  test("a condition that is not known is tried both ways, one that is known is none", () => {
    expect(runs({}, (x) => x.either("unknown"))).toEqual([true, false]);
    expect(runs({}, (x) => x.either(true))).toEqual([true]);
    expect(runs({}, (x) => x.either(false))).toEqual([false]);
  });
});

describe("a check that refuses", () => {
  const refuse =
    (condition: boolean | "unknown", errno: string | readonly string[] = "EBUSY") =>
    (x: Trial): readonly [boolean, boolean] => [x.refuse(condition, errno, R1), x.failed];

  test.each([
    // The condition is known: it decides, and the result fits or not.
    [true, error("EBUSY"), [[true, false]]],
    [true, error("EINVAL"), [[true, true]]],
    [true, value(0), [[true, true]]],
    [false, error("EBUSY"), [[false, false]]],
    [false, value(0), [[false, false]]],
    // It is not: the result decides; another check may give the same errno.
    ["unknown", value(0), [[false, false]]],
    ["unknown", error("EINVAL"), [[false, false]]],
    [
      "unknown",
      error("EBUSY"),
      [
        [true, false],
        [false, false],
      ],
    ],
    [
      "unknown",
      nothing,
      [
        [true, false],
        [false, false],
      ],
    ],
  ] as const)("condition %s, result %j", (condition, result, expected) => {
    expect(runs({ result }, refuse(condition))).toEqual(expected);
  });

  test("one of several errnos", () => {
    expect(runs({ result: error("EINVAL") }, refuse(true, ["EBADF", "EINVAL"]))).toEqual([[true, false]]);
    expect(runs({ result: error("EIO") }, refuse(true, ["EBADF", "EINVAL"]))).toEqual([[true, true]]);
  });

  test("after a divergence the result decides", () => {
    for (const condition of [true, false, "unknown"] as const) {
      expect(runs({ result: error("EBUSY"), lenient: true }, refuse(condition))).toEqual([[true, false]]);
      expect(runs({ result: value(0), lenient: true }, refuse(condition))).toEqual([[false, false]]);
    }
    expect(runs({ result: nothing, lenient: true }, refuse(true))).toEqual([[true, false]]);
    expect(runs({ result: nothing, lenient: true }, refuse(false))).toEqual([[false, false]]);
  });
});

describe("results", () => {
  test("one that fits is judged, one that does not is the mismatch", () => {
    const x = trial({ result: value(3) });
    x.returns(3, R1);
    expect([x.judged, x.mismatch]).toEqual([true, undefined]);
    x.returns(4, R2);
    expect(x.mismatch).toEqual({
      kind: "result",
      rules: [R2],
      expected: "4",
      observed: "3",
      event: undefined,
      progress: -1,
    });
    // The first place counts.
    x.fails("EIO", R1);
    expect(x.mismatch?.expected).toBe("4");
    expect(x.rules).toEqual([R1, R2]);
  });

  test("success is any value", () => {
    for (const [result, failed] of [
      [value(0), false],
      [value(7), false],
      [error("EIO"), true],
    ] as const) {
      const x = trial({ result });
      x.succeeds(R1);
      expect(x.failed).toBe(failed);
      expect(x.observedSuccess).toBe(!failed);
    }
  });

  test("one that is not known is not judged", () => {
    for (const say of [
      (x: Trial) => x.returns(0, R1),
      (x: Trial) => x.fails("EIO", R1),
      (x: Trial) => x.succeeds(R1),
    ]) {
      const x = trial({ result: nothing });
      say(x);
      say(x);
      expect([x.judged, x.failed, x.unchecked]).toEqual([false, false, ["result unknown: it did not come back"]]);
      expect(x.observedSuccess).toBe("unknown");
    }
  });

  test("a lenient run has its mismatch and goes on", () => {
    const x = trial({ result: value(3), lenient: true });
    x.returns(4, R1);
    expect(x.mismatch?.expected).toBe("4");
    expect(x.failed).toBe(false);
  });
});

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

describe("what a run says beside its verdict", () => {
  test("defects and remarks with their rules, reasons once", () => {
    const x = trial({});
    x.knownDefect("leaks", R1, R2);
    x.knownDefect("again", R2);
    x.remark("odd", R2);
    x.cannotCheck("no line");
    x.cannotCheck("no line");
    x.cannotCheck("no fact");
    expect(x.defects).toEqual([
      { message: "leaks", rules: [R1, R2] },
      { message: "again", rules: [R2] },
    ]);
    expect(x.remarks).toEqual([{ message: "odd", rules: [R2] }]);
    expect(x.unchecked).toEqual(["no line", "no fact"]);
    expect(x.rules).toEqual([R1, R2]);
    expect([x.judged, x.failed, x.lossy]).toEqual([false, false, false]);
    expect(trial({ gap: true }).lossy).toBe(true);
  });

  test("a state that was read: it agrees or differs", () => {
    const x = trial({});
    x.agrees(R1);
    expect([x.judged, x.failed]).toEqual([true, false]);
    const y = trial({});
    y.differsAt(line(7), "a", "b", R1);
    expect([y.judged, y.mismatch?.kind, y.mismatch?.event?.line]).toEqual([true, "state", 7]);
    const z = trial({});
    z.differs("a", "b", R1);
    expect([z.judged, z.mismatch?.event, z.mismatch?.rules]).toEqual([true, undefined, [R1]]);
  });
});
