import { existsSync, readdirSync, readFileSync } from "node:fs";
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

  it("lists the rules of a specification", async () => {
    const { out } = await runWith(["explain", "aqic"]);
    expect(out).toBe("aqic/ASG-1  Other\naqic/IRQ-4  Enable\n");
  });

  it("says where a rule fired", async () => {
    const { code, out, asked } = await runWith(["explain", "irq-4", "run", "never", "--first", "5"]);
    expect(code).toBe(0);
    expect(asked.rule).toBe("aqic/IRQ-4");
    expect(out).toMatch(/^aqic\/IRQ-4 {2}Enable\n/);
    expect(out).toContain(`
  run: 7 operations
    operation 1, t.txt:3: pqap
    operation 2, t.txt:3: pqap
    5 more

  never: not reached
`);
  });

  it("goes on where a capture can't be read", async () => {
    const { code, out } = await runWith(["explain", "IRQ-4", "broken", "never"]);
    expect(code).toBe(3);
    expect(out).toContain("\n  broken: it is\n    broken\n\n  never: not reached\n");
  });
});

describe("coverage", () => {
  it("says which rules were reached, and which not", async () => {
    const { code, out } = await runWith(["coverage", "a", "b"]);
    expect(code).toBe(0);
    expect(out).toBe(`ap aqic-v9: 2 of 2 rules reached (100.0 %), 1 capture
  looked for after each operation, and not counted: aqic/INV-1

ap linux-6.1: 1 of 2 rules reached (50.0 %), 1 capture
  not reached
    aqic/IRQ-4  Enable
  looked for after each operation, and not counted: aqic/INV-1

no capture of dawr pre-dawr1
`);
  });

  it("is a gate", async () => {
    expect((await runWith(["coverage", "a", "--min", "50"])).code).toBe(0);
    expect((await runWith(["coverage", "a", "--min", "50.1"])).code).toBe(1);
    expect((await runWith(["coverage", "broken", "--min", "50"])).code).toBe(3);
    expect((await runWith(["coverage", "broken", "--min", "60"])).code).toBe(1);
  });

  it("writes JSON into a file", async () => {
    const file = join(make({}), "coverage.json");
    const { out } = await runWith(["coverage", "a", "--reporter", `json=${file}`]);
    expect(out).toBe("");
    expect(JSON.parse(readFileSync(file, "utf8")).profiles[1].percent).toBe(50);
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
