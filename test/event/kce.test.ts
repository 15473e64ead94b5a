import { createReadStream } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { kvm_conform } from "../../src/event/generated/event.js";
import { readKce, writeKce } from "../../src/event/kce.js";
import { events as arbitraryEvents } from "./arbitraries.js";
import {
  delimitedMessages,
  diagnosticsOf,
  eventsOf,
  generated,
  header,
  joined,
  MAGIC,
  mark,
  read,
  totals,
  unparsed,
  written,
} from "./kce-files.js";
import { toMessage } from "./messages.js";

const schema = kvm_conform.event;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kce-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("a .kce file", () => {
  test("gives back what was written, in its order", async () => {
    const path = join(folder, "whole.kce");
    await writeKce(path, header, async (writer) => {
      await writer.write([mark(1), mark(2)]);
      await writer.diagnostic(unparsed, 5);
      await writer.write([mark(3)]);
      await writer.write([]);
      return totals;
    });
    expect(joined(await read(await readFile(path)))).toStrictEqual([
      { kind: "header", version: 1, header },
      { kind: "events", events: [mark(1), mark(2)] },
      { kind: "recorded", diagnostic: unparsed, lines: 5 },
      { kind: "events", events: [mark(3)] },
      { kind: "end", end: { ...totals, events: 3, diagnostics: 1 } },
    ]);
  });

  test("keeps any events, in chunks of any size", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryEvents, { maxLength: 20 }), async (events) => {
        const bytes = await written(events);
        for (const size of [1, 7, 64, 4096]) {
          const items = joined(await read(bytes, size));
          expect(items).toStrictEqual(joined(await read(bytes, bytes.length)));
          expect(diagnosticsOf(items)).toStrictEqual([]);
          expect(eventsOf(items)).toStrictEqual(events);
        }
      }),
      { numRuns: 40 },
    );
  });

  test("is read where it was written by a program that knows only the schema", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryEvents, { maxLength: 5 }), async (events) => {
        const here = events.map((event) => ({ ...event, source: 0 }));
        const records = here.map((event) => ({ event: toMessage(event) }));
        const items = await read(generated([...records, { end: { events: here.length, sources: [{}] } }]));
        expect(diagnosticsOf(items)).toStrictEqual([]);
        expect(eventsOf(items)).toStrictEqual(here);
      }),
      { numRuns: 40 },
    );
  });

  test("is read by the generated classes", async () => {
    const bytes = await written([mark(1), mark(2)]);
    const reader = delimitedMessages(bytes.subarray(MAGIC.length));
    expect(schema.Header.decode(reader()).toJSON()).toMatchObject({ formatVersion: 1, name: "run-0815" });
    expect(schema.Record.decode(reader()).event?.line?.toString()).toBe("1");
    expect(schema.Record.decode(reader()).event?.line?.toString()).toBe("2");
    const end = schema.Record.decode(reader()).toJSON();
    expect(end).toMatchObject({ end: { events: "2", diagnosticsLeftOut: "7" } });
    expect(end.end.sources[0]).toStrictEqual({
      events: "4294967297",
      contextLines: "9007199254740991",
      diagnosticLines: "1",
    });
    expect(reader().length).toBe(0);
  });

  test("holds events of many batches and of megabytes", async () => {
    const large = [
      mark(1, "a".repeat(3_000_000)),
      ...Array.from({ length: 30_000 }, (_, i) => mark(i + 2, "b".repeat(i % 300))),
    ];
    const bytes = await written(large);
    const items = await read(bytes, 1000);
    expect(diagnosticsOf(items)).toStrictEqual([]);
    expect(eventsOf(items)).toStrictEqual(large);
    for (const item of items) if (item.kind === "events") expect(item.events.length).toBeLessThan(65536);
  });

  test("takes texts that UTF-8 cannot hold, and cuts long ones of diagnostics", async () => {
    const path = join(folder, "texts.kce");
    await writeKce(path, { ...header, name: "half \ud83d" }, async (writer) => {
      await writer.diagnostic({ ...unparsed, message: "x".repeat(17 * 1024 * 1024), hint: "\udc00" }, 1);
      return totals;
    });
    const items = await read(await readFile(path));
    expect(items[0]).toMatchObject({ kind: "header", header: { name: "half \ufffd" } });
    expect(items[1]).toMatchObject({
      kind: "recorded",
      diagnostic: { message: `${"x".repeat(65536)}...`, hint: "\ufffd" },
    });
    expect(items[2]?.kind).toBe("end");
  });
});

describe("writing", () => {
  test("names the events that cannot be written, and goes on", async () => {
    const path = join(folder, "refused.kce");
    const long = mark(2, "x".repeat(16 * 1024 * 1024));
    await writeKce(path, header, async (writer) => {
      const refused = await writer.write([
        mark(1),
        long,
        { ...mark(3), source: 4 },
        mark(4, "\u0100"),
        mark(-5),
        mark(6),
      ]);
      expect(refused.map(({ code, file, line }) => `${code} ${file}:${line}`)).toStrictEqual([
        "event-not-written strace.txt:2",
        "event-not-written run-0815:3",
        "event-not-written strace.txt:4",
        "event-not-written strace.txt:-5",
      ]);
      return totals;
    });
    const items = await read(await readFile(path));
    expect(eventsOf(items)).toStrictEqual([mark(1), mark(6)]);
    expect(diagnosticsOf(items)).toStrictEqual([]);
  });

  test("leaves nothing behind where it fails, and no half file while it works", async () => {
    const place = await mkdtemp(join(folder, "place-"));
    const path = join(place, "x.kce");
    const failing = writeKce(path, header, async (writer) => {
      await writer.write(Array.from({ length: 10_000 }, (_, i) => mark(i, "b".repeat(100))));
      const [name, ...others] = await readdir(place);
      expect(name).toMatch(/^x\.kce\.[0-9a-f]{12}\.tmp$/);
      expect(others).toStrictEqual([]);
      throw new Error("the importer gave up");
    });
    await expect(failing).rejects.toThrow("the importer gave up");
    expect(await readdir(place)).toStrictEqual([]);
  });

  test("keeps the file that was there where it fails, and replaces it where it does not", async () => {
    const path = join(folder, "old.kce");
    await writeFile(path, "old");
    await expect(writeKce(path, header, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await readFile(path, "latin1")).toBe("old");
    await writeKce(path, header, async () => totals);
    expect((await read(await readFile(path))).map(({ kind }) => kind)).toStrictEqual(["header", "end"]);
  });

  test("refuses a header that no reader would take", async () => {
    const path = join(folder, "header.kce");
    const failure = await writeKce(path, { ...header, manifest: " ".repeat(5_000_000) }, async () => totals);
    expect(failure).toMatchObject({ code: "header-too-long", severity: "error", file: path });
    expect(await readdir(folder)).not.toContain("header.kce");
  });

  test("a folder that does not exist is an error of the file system", async () => {
    await expect(writeKce(join(folder, "no", "x.kce"), header, async () => totals)).rejects.toThrow(/ENOENT/);
  });
});

test("the input is closed when nobody reads on", async () => {
  let closed = false;
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield await written([mark(1)]);
    } finally {
      closed = true;
    }
  }
  for await (const item of readKce(source(), "x.kce")) if (item.kind === "events") break;
  expect(closed).toBe(true);
});

test("an error of the input is thrown", async () => {
  const chunks = createReadStream(join(folder, "nowhere.kce"));
  await expect(readKce(chunks, "nowhere.kce").next()).rejects.toThrow(/ENOENT/);
});
