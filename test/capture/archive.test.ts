import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Capture, CaptureFailure } from "../../src/capture/capture.js";
import { openCaptures } from "../../src/capture/open.js";
import { readTar, type TarItem } from "../../src/capture/tar.js";
import { scratch } from "./files.js";
import { toyImporters } from "./stub-importers.js";

const make = scratch();

interface Entry {
  readonly name: string;
  readonly body?: string;
  readonly type?: string;
  readonly prefix?: string;
}

/** A ustar archive. */
function tar(entries: readonly Entry[]): Buffer {
  const parts: Buffer[] = [];
  for (const { name, body = "", type = "0", prefix = "" } of entries) {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write("0000644\0", 100);
    header.write(`${Buffer.byteLength(body).toString(8).padStart(11, "0")}\0`, 124);
    header.write("        ", 148);
    header.write(type, 156);
    header.write("ustar\0", 257);
    header.write("00", 263);
    header.write(prefix, 345);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    parts.push(header, Buffer.from(body), Buffer.alloc((512 - (Buffer.byteLength(body) % 512)) % 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

async function itemsOf(bytes: Uint8Array, size = 1000): Promise<TarItem[]> {
  const items: TarItem[] = [];
  for await (const item of readTar(inChunks(bytes, size))) items.push(item);
  return items;
}

async function openAll(path: string): Promise<(Capture | CaptureFailure)[]> {
  const found: (Capture | CaptureFailure)[] = [];
  for await (const one of openCaptures([path], { importers: toyImporters })) found.push(one);
  return found;
}

async function streamOf(capture: Capture | CaptureFailure | undefined): Promise<string[]> {
  if (capture === undefined || "error" in capture) throw new Error("not opened");
  const lines: string[] = [];
  for await (const batch of capture.events()) {
    for (const event of batch) lines.push(`${capture.sources[event.source]?.file}:${event.line}`);
  }
  return lines;
}

describe("readTar", () => {
  it("finds files, with pax, GNU and prefixed names", async () => {
    const long = `run/${"n".repeat(120)}.txt`;
    const pax = `path=${long}\n`;
    const record = `${String(pax.length + 4)} ${pax}`;
    const archive = tar([
      { name: "run/", type: "5" },
      { name: "./run/a.txt", body: "hello" },
      { name: "x", type: "x", body: record },
      { name: "cut", body: "1" },
      { name: "././@LongLink", type: "L", body: `${long}2\0` },
      { name: "cut", body: "2" },
      { name: "b.txt", prefix: "run/deep" },
    ]);
    expect(await itemsOf(archive)).toEqual([
      { kind: "file", name: "run/a.txt", start: 1024, length: 5 },
      { kind: "file", name: long, start: 3072, length: 1 },
      { kind: "file", name: `${long}2`, start: 5120, length: 1 },
      { kind: "file", name: "run/deep/b.txt", start: 6144, length: 0 },
    ]);
  });

  it.each([
    [{ name: "/etc/passwd" }, "leads out"],
    [{ name: "a/../../b" }, "leads out"],
    [{ name: "a", type: "2" }, "link"],
    [{ name: "a", type: "1" }, "link"],
    [{ name: "a", type: "3" }, "device"],
    [{ name: "a", type: "6" }, "device or a pipe"],
    [{ name: "a", type: "S" }, "unknown type"],
  ])("refuses %j", async (entry, reason) => {
    const items = await itemsOf(tar([entry, { name: "good", body: "x" }]));
    expect(items).toMatchObject([
      { kind: "refused", name: entry.name, reason: expect.stringContaining(reason) },
      { kind: "file", name: "good" },
    ]);
  });

  it("tells damage and an early end", async () => {
    const archive = tar([
      { name: "a", body: "x".repeat(2000) },
      { name: "b", body: "y" },
    ]);
    expect(await itemsOf(archive.subarray(0, 1500))).toMatchObject([{ kind: "file" }, { kind: "fault" }]);
    archive.fill("z", 2560, 2600);
    expect(await itemsOf(archive)).toMatchObject([{ kind: "file" }, { kind: "fault" }]);
  });

  it("takes any bytes, in chunks of any size, and ends", async () => {
    const start = tar([{ name: "a", body: "x" }]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat({ max: start.length - 1 }), fc.nat({ max: 255 })), { maxLength: 8 }),
        fc.integer({ min: 1, max: 700 }),
        async (changes, size) => {
          const archive = Buffer.from(start);
          for (const [at, byte] of changes) archive[at] = byte;
          expect(await itemsOf(archive, size)).toEqual(await itemsOf(archive, archive.length));
        },
      ),
    );
  });
});

describe("an archive of captures", () => {
  const files: readonly Entry[] = [
    {
      name: "run/capture.json",
      body: JSON.stringify({
        sources: ["strace.txt", "logs/trace.txt"].map((file) => ({ file, clock: "mono" })),
      }),
    },
    { name: "run/strace.txt", body: `S 1 1 x\n${"# context\n".repeat(100_000)}S 3 1 x\n` },
    { name: "run/logs/trace.txt", body: "F 2 1 x\nF 4 1 x\n" },
    { name: "run/sysfs.txt", body: "/a:1\n" },
    { name: "run/link", type: "2" },
  ];

  it.each([
    ["a.tar", tar(files)],
    ["a.tgz", gzipSync(tar(files))],
  ])("is read as the directory is (%s)", async (name, bytes) => {
    const path = join(make({ [name]: bytes }), name);
    const [capture, another] = await openAll(path);
    expect(another).toBeUndefined();
    expect(capture).toMatchObject({ path, environment: [{ path: "/a", value: "1" }] });
    expect(await streamOf(capture)).toEqual([
      "strace.txt:1",
      "logs/trace.txt:1",
      "strace.txt:100002",
      "logs/trace.txt:2",
    ]);
    expect(capture !== undefined && "diagnostics" in capture && capture.diagnostics).toMatchObject([
      { code: "archive-entry-refused", file: "run/link" },
    ]);
  });

  it("may hold several captures, and is found in a directory", async () => {
    const root = make({
      "corpus/all.tar": tar([
        { name: "one/sysfs.txt", body: "/a:1\n" },
        { name: "one/s", body: "S 1 1 x\n" },
        { name: "two/sysfs.txt", body: "/a:1\n" },
        { name: "two/f", body: "F 1 1 x\n" },
      ]),
    });
    const found = await openAll(root);
    const path = join(root, "corpus/all.tar");
    expect(found.map((capture) => capture.path)).toEqual([`${path}:one`, `${path}:two`]);
    expect(await streamOf(found[0])).toEqual(["s:1"]);
    expect(await streamOf(found[1])).toEqual(["f:1"]);
  });

  it("is one capture where it has no manifest and no snapshot", async () => {
    const path = join(
      make({
        "a.tar": tar([
          { name: "x/s", body: "S 1 1 x\n" },
          { name: "y/f", body: "F 2 1 x\n" },
          { name: "y/README", body: "S 1 1 x\n" },
        ]),
      }),
      "a.tar",
    );
    expect(await streamOf((await openAll(path))[0])).toEqual(["x/s:1", "y/f:1"]);
  });

  it("is read up to where it is cut", async () => {
    const path = join(make({ "a.tar": tar(files).subarray(0, 500_000) }), "a.tar");
    expect(await openAll(path)).toMatchObject([{ error: expect.stringContaining("no file logs/trace.txt") }]);
    const alone = tar([{ name: "s", body: "S 1 1 x\n".repeat(1000) }]);
    const cut = join(make({ "a.tar": alone.subarray(0, 4512) }), "a.tar");
    const [capture] = await openAll(cut);
    expect(await streamOf(capture)).toHaveLength(500);
    expect(capture !== undefined && "diagnostics" in capture && capture.diagnostics.map(({ code }) => code)).toEqual([
      "archive-fault",
    ]);
  });
});
