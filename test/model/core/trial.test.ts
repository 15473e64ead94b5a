import { describe, expect, test } from "vitest";
import { Choices } from "../../../src/model/core/choices.js";
import type { Trial } from "../../../src/model/core/trial.js";
import type { ObservedResult } from "../../../src/operation/operation.js";
import { line, type Observed, R1, R2, trial } from "./observed.js";

/** One run of a model over one operation: its choices, and what it may say of a result. */

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
