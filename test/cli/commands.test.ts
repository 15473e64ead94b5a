import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openCapture } from "../../src/capture/open.js";
import { scratch } from "../capture/files.js";
import { runWith } from "./fakes.js";

const make = scratch();
const strace = '2201  1711118461.150061 write(3</x>, "5\\n", 2) = 2\n';

describe("replay", () => {
  it("prints a line an operation", async () => {
    const { code, out, asked } = await runWith(["replay", "x", "--delta", "--states", "jsonl"]);
    expect(code).toBe(0);
    const lines = out.trimEnd().split("\n");
    expect(lines).toHaveLength(3000);
    expect(JSON.parse(lines[2999] ?? "")).toEqual({ operation: 3000, name: "pqap", state: { ap: {} } });
    expect(asked.replay).toMatchObject({ delta: true, together: false });
  });

  it("prints one state", async () => {
    const { code, out } = await runWith(["replay", "x", "--at", "42"]);
    expect(code).toBe(0);
    expect(JSON.parse(out).operation).toBe(42);
  });
});

describe("explain", () => {
  it("says what a rule is, by its name or its ID, in any case", async () => {
    const full = await runWith(["explain", "ap-config/SHARE-2"]);
    expect(full.code).toBe(0);
    expect(full.out).toMatch(/^ap-config\/SHARE-2 {2}Two mdevs never share an APQN\n\n {2}An assignment/);
    expect(full.out).toContain(
      "\n\n  Second paragraph.\n\n  profiles: aqic-v9, linux-6.1\n  source:   vfio-ap-config 4.2\n",
    );
    expect(Math.max(...full.out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(90);
    expect((await runWith(["explain", "share-2"])).out).toBe(full.out);
  });

  it("takes several, and lists those of a specification", async () => {
    const { out } = await runWith(["explain", "IRQ-4", "aqic"]);
    expect(out).toMatch(/^aqic\/IRQ-4 {2}Enable\n/);
    expect(out.endsWith("\naqic/ASG-1  Other\naqic/IRQ-4  Enable\n")).toBe(true);
  });
});

describe("profiles", () => {
  it("lists systems, profiles and parameters", async () => {
    const { code, out } = await runWith(["profiles"]);
    expect(code).toBe(0);
    expect(out).toBe(`ap
  aqic-v9: as posted
    hot plug  no
    x         1
  linux-6.1: Linux 6.1
    hot plug  yes
    x         1

dawr
  pre-dawr1: before 5.12
`);
  });
});

describe("ingest", () => {
  it("writes a .kce file that opens", async () => {
    const root = make({ "strace.txt": strace });
    const { code, out, err } = await runWith(["ingest", join(root, "strace.txt"), "-o", join(root, "x.kce")]);
    expect({ code, out, err }).toEqual({ code: 0, out: "", err: "" });
    expect(await openCapture(join(root, "x.kce"))).toMatchObject({ sources: [{ format: "strace" }] });
  });

  it("writes JSON lines to standard output", async () => {
    const root = make({ "strace.txt": strace.repeat(2000) });
    const { out } = await runWith(["ingest", root, "--to", "jsonl"]);
    const lines = out.trimEnd().split("\n");
    expect(lines).toHaveLength(2000);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ kind: "syscall", name: "write" });
  });

  it("writes several captures into a directory, and goes on where one can't be read", async () => {
    const root = make({ "a/strace.txt": strace, "b/strace.txt": strace, "c/capture.json": "{" });
    const target = make({});
    const { code, err } = await runWith(["ingest", root, "-o", target]);
    expect(code).toBe(3);
    expect(err).toContain("c: capture.json:1:2: not valid JSON");
    const names = readdirSync(target);
    expect(names).toHaveLength(2);
    expect(names.every((name) => /-[ab]-strace\.txt\.kce$/.test(name))).toBe(true);
  });

  it("refuses to put several captures into one file", async () => {
    const root = make({ "a.txt": strace, "b.txt": strace });
    const { code, err } = await runWith(["ingest", root, "-o", join(root, "x.kce")]);
    expect(code).toBe(2);
    expect(err).toContain("b.txt is another capture");
  });

  it("says what was not understood, with escapes shown", async () => {
    const root = make({ "s.txt": `${strace.repeat(20)}\u001b[31m nonsense\n` });
    const { code, err } = await runWith(["ingest", join(root, "s.txt"), "-o", join(root, "x.kce")]);
    expect(code).toBe(0);
    expect(err).toContain("s.txt:21: loss:");
    expect(err).not.toContain("\u001b");
    expect(existsSync(join(root, "x.kce"))).toBe(true);
  });
});
