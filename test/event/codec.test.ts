import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeEvent, encodeEvent, sizeOfEvent, WireReader, WireWriter } from "../../src/event/codec.js";
import type { Event, MarkEvent } from "../../src/event/event.js";
import { kvm_conform } from "../../src/event/generated/event.js";
import { counts, events } from "./arbitraries.js";
import { toMessage } from "./messages.js";

const schema = kvm_conform.event.Event;
const everything = { defaults: true, oneofs: true, longs: String, bytes: String };

function encode(event: Event): Buffer {
  const writer = new WireWriter(1);
  expect(encodeEvent(event, writer)).toBe(true);
  return Buffer.from(writer.bytes());
}

function decode(bytes: Uint8Array): Event | undefined {
  // Other bytes around the message show a reader that leaves it.
  const buffer = Buffer.concat([Buffer.from([0xff, 0x08]), bytes, Buffer.from([0x08, 0x01])]);
  return decodeEvent(new WireReader().open(buffer, 2, 2 + bytes.length));
}

const mark: MarkEvent = {
  kind: "mark",
  source: 0,
  line: 1,
  time: undefined,
  tid: 0,
  comm: "",
  text: "",
  message: "",
};

describe("an event", () => {
  test("comes back from its bytes as it was, and has the size that was announced", () => {
    fc.assert(
      fc.property(events, (event) => {
        const bytes = encode(event);
        expect(bytes.length).toBe(sizeOfEvent(event));
        expect(decode(bytes)).toStrictEqual(event);
      }),
      { numRuns: 1000 },
    );
  });

  test("has the bytes that the generated classes of the schema write", () => {
    fc.assert(
      fc.property(events, (event) => {
        expect(encode(event).equals(schema.encode(toMessage(event)).finish())).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test("is read by the generated classes as it was", () => {
    fc.assert(
      fc.property(events, (event) => {
        const read = schema.toObject(schema.decode(encode(event)), everything);
        expect(read).toStrictEqual(schema.toObject(schema.fromObject(toMessage(event)), everything));
      }),
    );
  });

  test("has the bytes that the schema prescribes, worked out by hand", () => {
    const event: Event = {
      kind: "syscall",
      source: 1,
      line: 300,
      time: { seconds: 1795156516, nanos: 5 },
      tid: 42,
      comm: "",
      text: "\xff",
      phase: "exit",
      name: "dup",
      args: ["", "3"],
      result: { kind: "value", text: "4", decoration: "" },
      durationNs: 0,
      dump: undefined,
    };
    const expected = [
      ..."08 01".split(" "),
      ..."10 ac 02".split(" "),
      ..."1a 08 08 a4 d4 ff d7 06 10 05".split(" "),
      ..."20 2a".split(" "),
      ..."32 01 ff".split(" "),
      ..."3a 15 08 03 12 03 64 75 70 1a 00 1a 01 33 22 05 0a 01 34 12 00 40 00".split(" "),
    ];
    expect(encode(event).toString("hex")).toBe(expected.join(""));
  });

  test("keeps every byte of its texts, short and long", () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString("latin1");
    for (const message of [bytes, ...bytes]) {
      expect(decode(encode({ ...mark, message }))).toStrictEqual({ ...mark, message });
    }
  });
});

describe("what cannot be encoded", () => {
  const refused: readonly [string, Event][] = [
    ["a character above U+00FF in a short text", { ...mark, message: "\u0100" }],
    ["a character above U+00FF in a long text", { ...mark, message: `${"a".repeat(500)}\u{1f600}` }],
    ["a line above 2^53 - 1", { ...mark, line: 2 ** 53 }],
    ["a negative line", { ...mark, line: -1 }],
    ["a fraction", { ...mark, line: 1.5 }],
    ["no number", { ...mark, line: Number.NaN }],
    ["a thread id of more than 32 bits", { ...mark, tid: 2 ** 32 }],
    ["a source of more than 32 bits", { ...mark, source: 2 ** 32 }],
    ["a negative time", { ...mark, time: { seconds: -1, nanos: 0 } }],
    ["a second of nanoseconds", { ...mark, time: { seconds: 0, nanos: 1_000_000_000 } }],
    ["a CPU below -1", { ...mark, kind: "gap", cpu: -2, lost: undefined }],
    ["a fraction of a duration", { ...mark, kind: "gap", cpu: 0, lost: 0.5 }],
  ];
  test.each(refused)("%s", (_, event) => {
    const writer = new WireWriter();
    expect(encodeEvent(mark, writer)).toBe(true);
    const { position } = writer;
    expect(encodeEvent(event, writer)).toBe(false);
    expect(writer.position).toBe(position);
    // The writer goes on as if nothing had been.
    expect(encodeEvent(mark, writer)).toBe(true);
    expect(writer.position).toBe(2 * position);
  });
});

describe("bytes that are no event", () => {
  const message = (...parts: string[]): Buffer => Buffer.from(parts.join("").replaceAll(" ", ""), "hex");
  const malformed: readonly [string, Buffer][] = [
    ["nothing", message()],
    ["no body", message("10 01")],
    ["a text that is longer than the message", message("62 00", "32 05 61")],
    ["a body that is longer than the message", message("62 05 0a 00")],
    ["a text that leaves its body", message("62 02 0a 05", "32 03 61 62 63")],
    ["a varint without an end", message("62 00 10 80")],
    ["a varint of eleven bytes", message("62 00 10", "80".repeat(10), "00")],
    ["a line of 2^53", message("62 00 10", "80 80 80 80 80 80 80 10")],
    ["a line of 2^63", message("62 00 10", "80".repeat(9), "01")],
    ["a line of 2^64 - 1", message("62 00 10", "ff".repeat(9), "01")],
    ["a thread id of 2^32", message("62 00 20", "80 80 80 80 10")],
    ["nanoseconds of a second", message("62 00 1a 06 10", "80 94 eb dc 03")],
    ["a system call without a phase", message("3a 03 12 01 61")],
    ["a system call of an unknown phase", message("3a 02 08 04")],
    ["a group", message("62 00 7b 7c")],
    ["a wire type that does not exist", message("62 00 7f")],
  ];
  test.each(malformed)("%s", (_, bytes) => {
    expect(decode(bytes)).toBeUndefined();
  });

  test("2^53 - 1 is the largest line that is read", () => {
    expect(decode(message("62 00 10", "ff ff ff ff ff ff ff 0f"))).toStrictEqual({ ...mark, line: 2 ** 53 - 1 });
  });

  test("fields that are not known are skipped, whatever 64-bit words they hold", () => {
    const unknown = ["78", "ff".repeat(9), "01", "79 0102030405060708", "7d 01020304", "7a 03 616263"];
    expect(decode(message(...unknown, "10 01 62 02 0a 00", ...unknown))).toStrictEqual(mark);
    expect(
      decode(message("10 01 62", "18", "18 ff ff ff ff ff ff ff ff ff 01 ", "22 02 61 62", "29", "00".repeat(8))),
    ).toStrictEqual(mark);
  });

  test("any bytes are read or refused, never thrown at", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        decode(bytes);
      }),
      { numRuns: 5000 },
    );
  });

  test("a changed or cut event is read or refused, and what is read can be written", () => {
    fc.assert(
      fc.property(events, fc.nat(), fc.nat({ max: 255 }), fc.boolean(), (event, at, byte, cut) => {
        const bytes = encode(event);
        const position = at % bytes.length;
        if (cut) bytes.fill(byte, position, position + 1);
        const changed = decode(cut ? bytes : bytes.subarray(0, position));
        if (changed !== undefined) expect(decode(encode(changed))).toStrictEqual(changed);
      }),
      { numRuns: 2000 },
    );
  });

  test("counts agree with the generated classes over their whole range", () => {
    fc.assert(
      fc.property(counts, (line) => {
        const bytes = schema.encode({ line, mark: {} }).finish();
        expect(decode(bytes)).toStrictEqual({ ...mark, line });
      }),
    );
  });
});
