import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kvm_conform } from "../../src/event/generated/event.js";
import { diagnosticsOf, eventsOf, generated, header, MAGIC, mark, read, written } from "./kce-files.js";
import { toMessage } from "./messages.js";

const schema = kvm_conform.event;

describe("a damaged .kce file", () => {
  test("cut at any byte, gives the events before the cut and says so once", async () => {
    const all = [mark(1), mark(2, "long".repeat(100)), mark(3)];
    const bytes = await written(all);
    let most = 0;
    for (let length = 0; length < bytes.length; length++) {
      const items = await read(bytes.subarray(0, length), 7);
      const found = eventsOf(items);
      expect(found).toStrictEqual(all.slice(0, found.length));
      expect(found.length).toBeGreaterThanOrEqual(most);
      most = found.length;
      const severity = items[0]?.kind === "header" ? "loss" : "error";
      expect(diagnosticsOf(items)).toStrictEqual([`${severity} truncated-source`]);
    }
    expect(most).toBe(3);
  });

  test("with any byte changed, ends without an exception, and says what it lost", async () => {
    const all = [mark(1), mark(2), mark(3)];
    const bytes = await written(all, { ...header, diagnostics: [] });
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [0x01, 0x80, 0xff]) {
        const changed = Buffer.from(bytes);
        changed.writeUInt8((bytes[at] ?? 0) ^ bit, at);
        const items = await read(changed);
        if (eventsOf(items).length < all.length) expect(diagnosticsOf(items)).not.toStrictEqual([]);
      }
    }
  });

  test("of any bytes behind the magic and header is read to its end", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, withHeader) => {
        const start = withHeader ? generated([]) : MAGIC;
        const items = await read(Buffer.concat([start, bytes]), 16);
        // Random bytes hold no end record but by a chance that these lengths exclude.
        expect(diagnosticsOf(items).length).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });

  test("of any bytes at all is refused", async () => {
    const items = await read(Buffer.from("1795156516.142887 write(4, ...) = 4\n"), 3);
    expect(diagnosticsOf(items)).toStrictEqual(["error not-kce"]);
    expect(items.length).toBe(1);
  });

  test("after a transfer in text mode is refused by its magic", async () => {
    const text = (await written([mark(1)])).toString("latin1").replaceAll("\r\n", "\n");
    expect(diagnosticsOf(await read(Buffer.from(text, "latin1")))).toStrictEqual(["error not-kce"]);
  });

  test("of a newer version is refused, and says which", async () => {
    const items = await read(generated([{ event: toMessage(mark(1)) }], 2));
    expect(diagnosticsOf(items)).toStrictEqual(["error newer-format"]);
    expect(items[0]).toMatchObject({ diagnostic: { message: expect.stringContaining("format version 2") } });
    expect(items.length).toBe(1);
  });

  test("without a version, or with a header that is none, is refused", async () => {
    expect(diagnosticsOf(await read(generated([], 0)))).toStrictEqual(["error malformed-header"]);
    const broken = Buffer.concat([MAGIC, Buffer.from("02 0a 05".replaceAll(" ", ""), "hex")]);
    expect(diagnosticsOf(await read(broken))).toStrictEqual(["error malformed-header"]);
    const notUtf8 = Buffer.concat([MAGIC, Buffer.from("05080112" + "01ff", "hex")]);
    expect(diagnosticsOf(await read(notUtf8))).toStrictEqual(["error malformed-header"]);
  });

  test.each([
    ["of a header above 4 MiB", MAGIC, "81808002"],
    ["of a record above 16 MiB", generated([]), "81808008"],
    ["of 2^32 - 1", generated([]), "ffffffff0f"],
    ["that does not end", generated([]), "ffffffffffffffffffff"],
  ])("with a length %s stops there", async (_, start, length) => {
    const items = await read(Buffer.concat([start, Buffer.from(length, "hex"), Buffer.alloc(100_000)]), 64);
    expect(diagnosticsOf(items)).toStrictEqual(["error bad-length"]);
  });

  test("a length that is possible but not there is a cut, and costs no memory", async () => {
    const before = process.memoryUsage().arrayBuffers;
    const items = await read(Buffer.concat([generated([]), Buffer.from("80808008", "hex"), Buffer.alloc(1000)]));
    expect(diagnosticsOf(items)).toStrictEqual(["loss truncated-source"]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
  });

  test("reads on behind a record that is none", async () => {
    const good = { event: toMessage(mark(1)) };
    const bad = [
      Buffer.from("00", "hex"),
      Buffer.from("02 0a 05".replaceAll(" ", ""), "hex"),
      Buffer.from("032a0161", "hex"),
    ];
    const wrongSource = schema.Record.encodeDelimited({ event: toMessage({ ...mark(9), source: 1 }) }).finish();
    const severity = schema.Record.encodeDelimited({ diagnostic: { code: "x" } }).finish();
    const bytes = Buffer.concat([
      generated([good]),
      ...bad,
      wrongSource,
      severity,
      ...[good, { end: { events: 2, sources: [{}] } }].map((record) => schema.Record.encodeDelimited(record).finish()),
    ]);
    const items = await read(bytes, 5);
    expect(eventsOf(items)).toStrictEqual([mark(1), mark(1)]);
    expect(diagnosticsOf(items)).toStrictEqual(Array(5).fill("loss malformed-record"));
    expect(items.at(-1)?.kind).toBe("end");
  });

  test("names twenty bad records and counts the others", async () => {
    const items = await read(Buffer.concat([generated([]), Buffer.alloc(1000)]), 10);
    const said = items.flatMap((item) => (item.kind === "diagnostic" ? [item.diagnostic] : []));
    expect(said.length).toBe(22);
    expect(said[20]?.code).toBe("truncated-source");
    expect(said[21]).toMatchObject({ code: "malformed-record", message: expect.stringContaining("980 more") });
  });

  test("says where its totals do not fit, and where bytes follow them", async () => {
    const good = { event: toMessage(mark(1)) };
    const fewer = await read(generated([good, { end: { events: 2, sources: [{}] } }]));
    expect(diagnosticsOf(fewer)).toStrictEqual(["loss count-mismatch"]);
    const sources = await read(generated([good, { end: { events: 1 } }]));
    expect(diagnosticsOf(sources)).toStrictEqual(["loss count-mismatch"]);
    const more = await read(generated([good, { end: { events: 1, sources: [{}] } }, good]), 1);
    expect(diagnosticsOf(more)).toStrictEqual(["loss trailing-data"]);
    expect(eventsOf(more).length).toBe(1);
  });

  test("a total above 2^53 - 1 makes no record", async () => {
    const large = kvm_conform.event.Record.fromObject({ end: { events: "18446744073709551615" } });
    expect(diagnosticsOf(await read(generated([large])))).toStrictEqual([
      "loss malformed-record",
      "loss truncated-source",
    ]);
  });
});
