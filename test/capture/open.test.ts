import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Capture, CaptureFailure } from "../../src/capture/capture.js";
import type { CaptureInput } from "../../src/capture/discovery.js";
import { openCapture, openCaptures } from "../../src/capture/open.js";
import { scratch } from "./files.js";
import { toyImporters } from "./stub-importers.js";

const make = scratch();
const options = { importers: toyImporters };

async function openAll(inputs: readonly CaptureInput[], together = false): Promise<(Capture | CaptureFailure)[]> {
  const found: (Capture | CaptureFailure)[] = [];
  for await (const one of openCaptures(inputs, { ...options, together })) found.push(one);
  return found;
}

async function opened(input: CaptureInput): Promise<Capture> {
  const one = await openCapture(input, options);
  if ("error" in one) throw new Error(one.error);
  return one;
}

async function failed(input: CaptureInput): Promise<string> {
  const one = await openCapture(input, options);
  return "error" in one ? one.error : "it was opened";
}

/** The stream as `FILE:LINE`. */
async function streamOf(capture: Capture): Promise<string[]> {
  const lines: string[] = [];
  for await (const batch of capture.events()) {
    for (const event of batch) lines.push(`${capture.sources[event.source]?.file}:${event.line}`);
  }
  return lines;
}

function pathsOf(found: readonly (Capture | CaptureFailure)[], root: string): string[] {
  return found.map(
    (one) =>
      ("error" in one ? "! " : "") +
      one.path
        .split(" + ")
        .map((path) => relative(root, path))
        .join(" + "),
  );
}

describe("finding captures", () => {
  const tree = make({
    "a/strace.txt": "S 1 1 x\n",
    "a/notes.md": "hello\n",
    "a/environment.txt": "S 1 1 x\n",
    "a/README.txt": "S 1 1 x\n",
    "a/.hidden": "S 1 1 x\n",
    "a/empty.txt": "",
    "b/capture.json": "{}",
    "b/one.txt": "F 1 1 x\n",
    "b/inner/strace.txt": "S 1 1 x\n",
    "c/deep/sysfs.txt": "/a:1\n",
    "c/deep/trace.txt": "F 1 1 x\n",
    "c/snapshot.txt": "/a:1\n",
    "d/nothing.txt": "hello\n",
  });

  it("takes directories with a manifest or a snapshot whole, and other recognised files each by itself", async () => {
    expect(pathsOf(await openAll([tree]), tree)).toEqual(["a/strace.txt", "b", "c/deep"]);
  });

  it("keeps the order of the inputs", async () => {
    expect(pathsOf(await openAll([join(tree, "c"), join(tree, "a/strace.txt"), join(tree, "b")]), tree)).toEqual([
      "c/deep",
      "a/strace.txt",
      "b",
    ]);
  });

  it("fails for a directory without a recording, and goes on", async () => {
    expect(pathsOf(await openAll([join(tree, "d"), join(tree, "none"), join(tree, "b")]), tree)).toEqual([
      "! d",
      "! none",
      "b",
    ]);
    expect(await failed(join(tree, "d"))).toContain("no recording");
    expect(await failed(join(tree, "none"))).toBe("there is no such file or directory");
  });

  it("takes files together where it is told to", async () => {
    const found = await openAll(
      [join(tree, "a/strace.txt"), join(tree, "b/one.txt"), join(tree, "c/snapshot.txt")],
      true,
    );
    expect(pathsOf(found, tree)).toEqual(["a/strace.txt + b/one.txt + c/snapshot.txt"]);
    const [capture] = found;
    expect(capture !== undefined && "sources" in capture && capture.environment.map(({ path }) => path)).toEqual([
      "/a",
    ]);
  });

  it("takes the files of one directory together", async () => {
    const root = make({ "x.txt": "F 2 1 x\n", "y.txt": "S 1 1 x\n", "z.md": "hello\n" });
    const found = await openAll([root], true);
    expect(found).toHaveLength(1);
    const [capture] = found;
    if (capture === undefined || "error" in capture) throw new Error("not opened");
    expect(capture.sources.map(({ file, format }) => [file, format])).toEqual([
      ["y.txt", "strace"],
      ["x.txt", "ftrace"],
    ]);
  });

  it("follows links to files, not to directories", async () => {
    const root = make({ "real/strace.txt": "S 1 1 x\n" });
    mkdirSync(join(root, "links"));
    symlinkSync("../real/strace.txt", join(root, "links/to-file"));
    symlinkSync("..", join(root, "links/to-directory"));
    symlinkSync("nowhere", join(root, "links/dangling"));
    symlinkSync("/dev/zero", join(root, "links/device"));
    expect(pathsOf(await openAll([root]), root)).toEqual(["links/to-file", "real/strace.txt"]);
  });

  it.runIf(process.getuid?.() !== 0)("reports a file that can't be read, and goes on", async () => {
    const root = make({ "a.txt": "S 1 1 x\n", "b.txt": "S 1 1 x\n" });
    chmodSync(join(root, "a.txt"), 0);
    expect(pathsOf(await openAll([root]), root)).toEqual(["! a.txt", "b.txt"]);
  });

  it("says so where one capture is wanted and several are there", async () => {
    expect(await failed(tree)).toMatch(/several captures .*a.strace\.txt.*: name one/);
  });

  it("stops where it is told to", async () => {
    const read = async () => {
      for await (const one of openCaptures([tree], { ...options, signal: AbortSignal.abort() })) expect(one).toBe(one);
    };
    await expect(read()).rejects.toThrow(/abort/i);
  });
});

describe("a capture with a manifest", () => {
  it("has the listed sources, with what the manifest says of them", async () => {
    const root = make({
      "capture.json": JSON.stringify({
        sources: [
          { file: "t/trace.txt", probes: ["apcb_set"], offsetNs: "5000000000" },
          { file: "odd", format: "strace" },
        ],
      }),
      "t/trace.txt": "F 1 1 x\nF 3 1 x\n",
      odd: "# nothing that tells the format\nS 7 1 x\n",
      "strace.txt": "S 1 1 x\n",
      "sysfs.txt": "/b:2\n",
      "expected.json": '{"version":1}',
    });
    const capture = await opened(root);
    expect(capture.sources.map(({ file, format, probes }) => [file, format, probes])).toEqual([
      ["t/trace.txt", "ftrace", ["apcb_set"]],
      ["odd", "strace", undefined],
      ["sysfs.txt", "sysfs", undefined],
    ]);
    expect(capture.environment).toMatchObject([{ path: "/b", value: "2", source: 2, line: 1 }]);
    expect(capture.expected).toBe('{"version":1}');
    expect(await streamOf(capture)).toEqual(["t/trace.txt:1", "odd:2", "t/trace.txt:2"]);
  });

  it.each([
    [{ "capture.json": '{"sources":[{"file":"gone"}]}' }, "sources[0].file: there is no file gone"],
    [{ "capture.json": '{"environment":"gone"}', "a.txt": "S 1 1 x\n" }, "environment: there is no file gone"],
    [{ "capture.json": '{"sources":[{"file":"a"}]}', a: "hello\n" }, "capture.json lists a, which is text of no known"],
    [{ "capture.json": '{"arch": 5}' }, "capture.json: arch: expected a text, found a number"],
    [{ "capture.json": "{" }, "capture.json:1:2: not valid JSON"],
    [{ "capture.json": "{}" }, "holds no recording"],
    [{ "sysfs.txt": "/a:1\n" }, "holds a snapshot and no recording"],
  ])("%j fails", async (files, error) => {
    expect(await failed(make(files))).toContain(error);
  });

  it("notes what it does not know and what it does not read", async () => {
    const capture = await opened(
      make({
        "capture.json": '{"colour":1}',
        "links.txt": "hello\n",
        "s.txt": "S 1 1 x\n",
        "after.txt": "/a:1\n",
        "sysfs.txt": "/a:0\n",
      }),
    );
    expect(capture.diagnostics.map(({ code, file }) => [code, file])).toEqual([
      ["unknown-key", "capture.json"],
      ["not-a-source", "links.txt"],
      ["second-snapshot", "after.txt"],
    ]);
    expect(capture.environment.map(({ value }) => value)).toEqual(["0"]);
  });
});

describe("reading a capture", () => {
  it("counts every line once", async () => {
    const capture = await opened(`${make({ "s.txt": "# head\nS 1 1 x\nwhat?\nS 2 1 x" })}/s.txt`);
    expect(await streamOf(capture)).toHaveLength(2);
    expect(capture.sources[0]?.counts).toEqual({ lines: 4, events: 2, context: 1, unparsed: 1 });
    expect(capture.diagnostics.map(({ code, line }) => [code, line])).toEqual([["unparsed-line", 3]]);
  });

  it("keeps the first diagnostics and counts the others", async () => {
    const capture = await opened({ name: "s", bytes: once(`S 1 1 x\n${"what?\n".repeat(500)}`) });
    await streamOf(capture);
    expect(capture.diagnostics.length).toBeLessThanOrEqual(100);
    expect(capture.diagnostics.length + capture.diagnosticsLeftOut).toBe(500);
    expect(capture.sources[0]?.counts.unparsed).toBe(500);
  });

  it("leaves out a line that is too long", async () => {
    const capture = await opened({ name: "s", bytes: once(`S 1 1 x\nS 2 1 ${"y".repeat(17 * 2 ** 20)}\nS 3 1 x\n`) });
    expect(await streamOf(capture)).toEqual(["s:1", "s:3"]);
    expect(capture.diagnostics).toMatchObject([{ code: "line-too-long", severity: "loss", line: 2 }]);
    expect(capture.sources[0]?.counts).toEqual({ lines: 3, events: 2, context: 0, unparsed: 1 });
  });

  it("takes an empty file as a source without events", async () => {
    const capture = await opened(`${make({ "strace.txt": "" })}/strace.txt`);
    expect(await streamOf(capture)).toEqual([]);
    expect(capture.sources).toMatchObject([{ format: "strace", counts: { lines: 0 } }]);
  });

  it("unpacks gzip, and tells a file that ends in the middle", async () => {
    const text = Array.from({ length: 5000 }, (_, index) => `S ${index} 1 ${Math.imul(index, 2654435761)}\n`).join("");
    const root = make({ "whole.gz": gzipSync(text), "cut.gz": gzipSync(text).subarray(0, 10_000) });
    const whole = await opened(join(root, "whole.gz"));
    expect(await streamOf(whole)).toHaveLength(5000);
    expect(whole.diagnostics).toEqual([]);
    const cut = await opened(join(root, "cut.gz"));
    const read = await streamOf(cut);
    expect(read.length).toBeGreaterThan(100);
    expect(read.length).toBeLessThan(5000);
    expect(cut.diagnostics.map(({ code }) => code)).toContain("truncated-source");
  });

  it("takes bytes of the caller's, in chunks of any size", async () => {
    for (const size of [1, 7, 64, 4096]) {
      const capture = await opened({ name: "mine", bytes: once("\u00ef\u00bb\u00bfS 1 1 x\r\nS 2 1 \0y\r\n", size) });
      const texts: string[] = [];
      for await (const batch of capture.events()) for (const event of batch) texts.push(event.text);
      expect(texts).toEqual(["S 1 1 x", "S 2 1 \0y"]);
    }
  });

  it("puts the entries of debug areas into the order of time", async () => {
    const capture = await opened({ name: "d", bytes: once("D 5 0 e\nD 6 0 f\nD - 0 g\nD 3 0 a\nD 5 0 e\nD 5 0 h\n") });
    expect(await streamOf(capture)).toEqual(["d:4", "d:1", "d:6", "d:2", "d:3"]);
    expect(capture.diagnostics).toMatchObject([{ code: "repeated-entries", severity: "note" }]);
  });

  it("makes a read error a diagnostic of the source", async () => {
    async function* broken() {
      yield Buffer.from("S 1 1 x\n".repeat(40_000));
      throw Object.assign(new Error("EIO: i/o error, read"), { code: "EIO", syscall: "read" });
    }
    const capture = await opened({ name: "s", bytes: broken() });
    expect(await streamOf(capture)).toHaveLength(40_000);
    expect(capture.diagnostics).toMatchObject([{ code: "read-failed", severity: "error", file: "s", line: 40_000 }]);
  });

  it("can be read once", async () => {
    const capture = await opened({ name: "s", bytes: once("S 1 1 x\n") });
    await streamOf(capture);
    expect(() => capture.events()).toThrow("once");
  });
});

describe("clocks", () => {
  const strace =
    'S 1700000000.5 7 openat\nS 1700000001 7 write <trace_marker> "sync-123456\\n"\nS 1700000002 7 ioctl\n';

  async function together(...texts: readonly string[]): Promise<{ order: string[]; codes: string[] }> {
    const inputs = texts.map((text, index) => ({ name: String(index), bytes: once(text) }));
    const [capture] = await openAll(inputs, true);
    if (capture === undefined || "error" in capture) throw new Error("not opened");
    return { order: await streamOf(capture), codes: capture.diagnostics.map(({ code }) => code) };
  }

  it("are placed by a marker that both recorded", async () => {
    expect(await together(strace, "F 10 7 a\nF 11 7 sync-123456\nF 11.5 7 b\nF 13 7 c\n")).toEqual({
      order: ["1:1", "0:1", "0:2", "1:2", "1:3", "0:3", "1:4"],
      codes: ["clock-aligned"],
    });
  });

  it("are placed by a marker that names the realtime", async () => {
    expect(await together(strace, "F 10 7 phase realtime=1700000001.250000 monotonic=10.1\nF 11 7 c\n")).toEqual({
      order: ["0:1", "0:2", "1:1", "0:3", "1:2"],
      codes: ["clock-aligned"],
    });
  });

  it("are placed by a task that both saw, where there is no marker", async () => {
    expect(await together(strace, "F 10 3 a\nF 20 7 b\nF 20.7 7 c\n")).toEqual({
      order: ["1:1", "0:1", "1:2", "0:2", "1:3", "0:3"],
      codes: ["clock-guess"],
    });
  });

  it("are taken as they are where they are the same", async () => {
    expect(await together(strace, "F 1700000000.75 7 b\n")).toEqual({ order: ["0:1", "1:1", "0:2", "0:3"], codes: [] });
  });

  it("are noted where a source has none", async () => {
    expect(await together(strace, "F - 7 b\n")).toEqual({ order: ["1:1", "0:1", "0:2", "0:3"], codes: ["no-times"] });
  });

  it("follow the manifest's offset", async () => {
    const root = make({
      "capture.json": JSON.stringify({
        sources: [
          { file: "a", clock: "realtime" },
          { file: "b", clock: "mono", offsetNs: "1699999990600000000" },
        ],
      }),
      a: strace,
      b: "F 10 7 x\nF 11 7 y\n",
    });
    const capture = await opened(root);
    expect(await streamOf(capture)).toEqual(["a:1", "b:1", "a:2", "b:2", "a:3"]);
    expect(capture.diagnostics).toEqual([]);
  });
});

describe("files that are no recordings", () => {
  it.each([
    ["\u0017\u0008\u0044tracing6", "trace-cmd report"],
    ["PERFILE2....", "perf script"],
    ["\u0028\u00b5\u002f\u00fd....", "zstd -d"],
    ["\u00ff\u00feS\0", "UTF-16"],
    ["a\0b\0c", "binary file"],
    ["Dear reader,\n", "text of no known format"],
  ])("%j is refused with what to do", async (text, error) => {
    expect(await failed({ name: "x", bytes: once(text) })).toContain(error);
  });

  it("is refused where it is compressed twice", async () => {
    const root = make({ x: gzipSync(gzipSync("S 1 1 x\n")) });
    expect(await failed(join(root, "x"))).toContain("compressed twice");
  });
});

async function* once(text: string, size = 65_536): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text, "latin1");
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}
