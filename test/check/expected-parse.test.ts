import { describe, expect, test } from "vitest";
import { parseExpected } from "../../src/check/expected-parse.js";

const end = { after: "end", state: { ap: {} } };

function fileOf(...checkpoints: readonly unknown[]): string {
  return JSON.stringify({ version: 1, checkpoints });
}

function stateOf(state: unknown): string {
  return fileOf({ after: "end", state });
}

function errorsOf(text: string): readonly string[] {
  const parsed = parseExpected(text);
  return parsed.kind === "errors" ? parsed.errors : [];
}

/** Objects within objects. */
function nested(depth: number): string {
  return `{"version":1,"checkpoints":[{"after":"end","state":{"ap":${'{"x":'.repeat(depth)}1${"}".repeat(depth)}}}]}`;
}

describe("expected.json", () => {
  test("holds checkpoints", () => {
    const line = { after: { source: "strace.txt", line: 812 }, state: { ap: { mdevs: [{ uuid: "a" }] }, dawr: {} } };
    const text = `\ufeff${JSON.stringify({ version: 1, profile: { ap: "linux-6.1" }, checkpoints: [line, end] })}`;
    expect(parseExpected(text)).toEqual({
      kind: "states",
      states: { profile: { ap: "linux-6.1" }, checkpoints: [line, end] },
      notes: [],
    });
  });

  test("notes keys that it does not know", () => {
    const text = JSON.stringify({ version: 1, x: 1, checkpoints: [{ ...end, "y z": 1 }] });
    expect(parseExpected(text)).toMatchObject({
      kind: "states",
      notes: [
        "expected.json: x is not known and was not read",
        'expected.json: checkpoints[0]["y z"] is not known and was not read',
      ],
    });
  });

  test.each([
    ["", "expected.json:1:1: not valid JSON: the file is empty"],
    ['{"version": 1,\n}', 'expected.json:2:1: not valid JSON: unexpected "}"'],
    ["[]", "expected.json: the file: expected an object, found a list"],
    ["{}", "expected.json: version: expected the number 1, found nothing"],
    ['{"version":2,"checkpoints":[]}', "expected.json: version: expected the number 1, found 2"],
    ['{"version":1}', "expected.json: checkpoints: expected a list, found nothing"],
    ['{"version":1,"profile":"x","checkpoints":[]}', "expected.json: profile: expected an object, found a text"],
    ['{"version":1,"profile":{"ap":1},"checkpoints":[]}', "expected.json: profile.ap: expected a text, found a number"],
    [fileOf(end, 7), "expected.json: checkpoints[1]: expected an object, found a number"],
    [fileOf({ after: "end" }), "expected.json: checkpoints[0].state: expected an object, found nothing"],
    [fileOf({ state: {} }), 'checkpoints[0].after: expected "end" or {"source": FILE, "line": NUMBER}, found nothing'],
    [fileOf({ ...end, after: "start" }), 'checkpoints[0].after: expected "end" or'],
    [fileOf({ ...end, after: { line: 1 } }), "checkpoints[0].after.source: expected the name of a file, found nothing"],
    [fileOf({ ...end, after: { source: "a", line: "1" } }), "checkpoints[0].after.line: expected the number of a line"],
    [fileOf({ ...end, after: { source: "a", line: 0 } }), "1 or more, found 0"],
    [stateOf({ apo: {} }), "checkpoints[0].state.apo: is no system: ap, dawr and platform are"],
    [stateOf({ ap: [] }), "checkpoints[0].state.ap: expected an object, found a list"],
    [stateOf({ ap: { queues: [{ isc: 3 }] } }), "checkpoints[0].state.ap.queues[0]: has none of the keys that tell"],
    [stateOf({ ap: { queues: ["04.0005"] } }), "checkpoints[0].state.ap.queues[0]: expected an object, found a text"],
    [
      stateOf({ ap: { mdevs: [{ uuid: "a" }, { uuid: "b" }, { uuid: "a" }] } }),
      'checkpoints[0].state.ap.mdevs[2]: "a" is in the list twice',
    ],
    [nested(20), "is nested too deep for a state"],
    [nested(100_000), "is nested too deep for a state"],
  ])("%.60s: says what is wrong, and where", (text, message) => {
    expect(errorsOf(text).join("\n")).toContain(message);
  });

  test("tells all errors of a file, up to a number", () => {
    expect(errorsOf(fileOf(1, 2, 3)).length).toBeGreaterThanOrEqual(3);
    const many = errorsOf(fileOf(...Array.from({ length: 1000 }, () => ({ after: 1, state: 1 }))));
    expect(many).toHaveLength(21);
    expect(many.at(-1)).toBe("expected.json: 1980 more errors");
  });

  test("vectors need no name", () => {
    const vectors = [{ trigger: true }, { trigger: false }];
    const devices = [{ name: "d", irqs: [{ index: 1, msi: { configured: true, vectors } }] }];
    expect(parseExpected(stateOf({ platform: { devices } })).kind).toBe("states");
  });
});
