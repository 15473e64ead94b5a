import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Event, SyscallEvent } from "../../src/event/event.js";
import { fromJsonLine, toJsonLine } from "../../src/event/jsonl.js";
import { events } from "./arbitraries.js";

const call: SyscallEvent = {
  kind: "syscall",
  source: 1,
  line: 812,
  time: { seconds: 1795156516, nanos: 142887000 },
  tid: 16732,
  comm: "qemu",
  text: '16732 write(4, "\\1", 1) = 1',
  phase: "complete",
  name: "write",
  args: ["4", '"\\1"', "1"],
  result: { kind: "value", text: "1", decoration: undefined },
  durationNs: 9114,
  dump: "\x01\xff",
};
const callLine = String.raw`{"kind":"syscall","source":1,"line":812,"time":"1795156516.142887000","tid":16732,"comm":"qemu","text":"16732 write(4, \"\\1\", 1) = 1","phase":"complete","name":"write","args":["4","\"\\1\"","1"],"result":{"kind":"value","text":"1"},"durationNs":9114,"dump":"\u0001\u00ff"}`;

function problem(line: string): string | undefined {
  const { event, diagnostic } = fromJsonLine(line, 7, "x.jsonl");
  expect(event).toBeUndefined();
  expect(diagnostic).toMatchObject({ code: "unparsed-line", severity: "loss", file: "x.jsonl", line: 7 });
  return diagnostic?.message;
}

describe("an event as a line of JSON", () => {
  test("has the documented form", () => {
    expect(toJsonLine(call)).toBe(callLine);
    expect(fromJsonLine(callLine, 1, "x")).toStrictEqual({ event: call, diagnostic: undefined });
  });

  test("leaves out what is not known", () => {
    const gap: Event = {
      kind: "gap",
      source: 0,
      line: 1,
      time: undefined,
      tid: 0,
      comm: "",
      text: "",
      cpu: -1,
      lost: undefined,
    };
    expect(toJsonLine(gap)).toBe('{"kind":"gap","source":0,"line":1,"tid":0,"comm":"","text":""}');
  });

  test("comes back as it was, and is printable ASCII", () => {
    fc.assert(
      fc.property(events, (event) => {
        const line = toJsonLine(event);
        expect(line).toMatch(/^[\x20-\x7e]*$/);
        expect(fromJsonLine(line, 1, "x")).toStrictEqual({ event, diagnostic: undefined });
      }),
      { numRuns: 1000 },
    );
  });

  test("may be short where it is written by hand", () => {
    const { event } = fromJsonLine('{"kind":"probe","time":"5.25","name":"apcb_clear","fields":["kvm","0x1"]}', 9, "x");
    expect(event).toStrictEqual({
      kind: "probe",
      source: 0,
      line: 9,
      time: { seconds: 5, nanos: 250_000_000 },
      tid: 0,
      comm: "",
      text: "",
      name: "apcb_clear",
      fields: ["kvm", "0x1"],
      cpu: -1,
    });
  });

  test.each([
    ["0", 0, 0],
    ["1.000000001", 1, 1],
    ["1099511627776.999999999", 2 ** 40, 999_999_999],
    ["9007199254740991", 2 ** 53 - 1, 0],
  ])("takes the time %s", (time, seconds, nanos) => {
    const { event } = fromJsonLine(JSON.stringify({ kind: "mark", message: "", time }), 1, "x");
    expect(event?.time).toStrictEqual({ seconds, nanos });
  });

  test("with an unknown key is taken, and the key named", () => {
    const { event, diagnostic } = fromJsonLine('{"kind":"mark","message":"m","colour":"red"}', 3, "x.jsonl");
    expect(event).toMatchObject({ kind: "mark", message: "m" });
    expect(diagnostic).toMatchObject({ code: "unknown-key", severity: "note", file: "x.jsonl", line: 3 });
    expect(diagnostic?.message).toContain('"colour"');
    const inner = fromJsonLine(
      '{"kind":"syscall","phase":"exit","name":"a","args":[],"result":{"kind":"error","errno":"EIO","x":1}}',
      3,
      "x",
    );
    expect(inner.event).toMatchObject({ result: { kind: "error", errno: "EIO" } });
    expect(inner.diagnostic?.message).toContain('"result.x"');
  });
});

describe("a line that is no event", () => {
  test.each([
    ["", "not one JSON object"],
    ["null", "not one JSON object"],
    ["[]", "not one JSON object"],
    ['"mark"', "not one JSON object"],
    ['{"kind":"mark"', "not one JSON object"],
    ["{}{}", "not one JSON object"],
    ["{}", '"kind" must be one of'],
    ['{"kind":"toString"}', '"kind" must be one of'],
    ['{"kind":"mark"}', '"message" must be a string'],
    ['{"kind":"mark","message":null}', '"message" must be a string'],
    ['{"kind":"mark","message":"\u0100"}', '"message" must be a string of characters up to U+00FF'],
    ['{"kind":"mark","message":"","comm":null}', '"comm" must be a string'],
    ['{"kind":"mark","message":"","time":5}', '"time" must be a string of seconds'],
    ['{"kind":"mark","message":"","time":"-5"}', '"time" must be a string of seconds'],
    ['{"kind":"mark","message":"","time":"5."}', '"time" must be a string of seconds'],
    ['{"kind":"mark","message":"","time":"5.1234567890"}', '"time" must be a string of seconds'],
    ['{"kind":"mark","message":"","time":"9007199254740992"}', '"time" must be a string of seconds'],
    ['{"kind":"mark","message":"","line":-1}', '"line" must be an integer of 0 to 9007199254740991'],
    ['{"kind":"mark","message":"","line":9007199254740992}', '"line" must be an integer'],
    ['{"kind":"mark","message":"","line":1.5}', '"line" must be an integer'],
    ['{"kind":"mark","message":"","tid":4294967296}', '"tid" must be an integer of 0 to 4294967295'],
    ['{"kind":"mark","message":"","tid":"1"}', '"tid" must be an integer'],
    ['{"kind":"gap","cpu":-1}', '"cpu" must be an integer'],
    ['{"kind":"syscall","phase":"in","name":"a","args":[]}', '"phase" must be "complete", "enter" or "exit"'],
    ['{"kind":"syscall","phase":"exit","name":"a","args":[1]}', '"args" must be an array of strings'],
    ['{"kind":"syscall","phase":"exit","name":"a","args":{}}', '"args" must be an array of strings'],
    ['{"kind":"syscall","phase":"exit","name":"a","args":[],"result":5}', '"result" must be an object'],
    ['{"kind":"syscall","phase":"exit","name":"a","args":[],"result":{}}', 'in "result", "kind" must be'],
    [
      '{"kind":"syscall","phase":"exit","name":"a","args":[],"result":{"kind":"error"}}',
      'in "result", "errno" must be',
    ],
  ])("%s", (line, expected) => {
    expect(problem(line)).toContain(expected);
  });

  test("however deep or odd, is not thrown at", () => {
    expect(problem("[".repeat(1_000_000))).toContain("not one JSON object");
    expect(problem(`{"kind":"mark","message":${"[".repeat(100_000)}${"]".repeat(100_000)}}`)).toContain('"message"');
    const hostile = fromJsonLine('{"__proto__":{"kind":"mark"},"kind":"mark","message":"","constructor":1}', 1, "x");
    expect(hostile.event).toMatchObject({ kind: "mark" });
    expect(hostile.diagnostic?.code).toBe("unknown-key");
  });

  test("any JSON, and any text, gives an event or a diagnostic", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (line) => {
        const { event, diagnostic } = fromJsonLine(line, 1, "x");
        expect(event !== undefined || diagnostic !== undefined).toBe(true);
      }),
    );
  });
});
