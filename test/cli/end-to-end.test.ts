import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

/** The command as it is built and installed; `npm test` builds it first. */
const root = join(import.meta.dirname, "../..");
const command = join(root, "dist/cli/main.js");

const good = "traces/ap/linux-6.1/09-hotplug";
const faulty = "test/captures/ap/faulty/m12-matrix-decimal--c-01-lifecycle";

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command as a user would, in the top folder, without a terminal. */
function run(...args: readonly string[]): Promise<Outcome> {
  return new Promise((done) => {
    const child = execFile(process.execPath, [command, ...args], { cwd: root }, (_error, stdout, stderr) => {
      done({ status: child.exitCode, stdout, stderr });
    });
  });
}

let scratch = "";

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "kvm-conform-"));
});

afterAll(() => rm(scratch, { recursive: true, force: true }));

describe("check", () => {
  test("captures that conform: a line each, status 0, nothing on stderr", async () => {
    const { status, stdout, stderr } = await run("check", good, "traces/ap/linux-6.1/01-lifecycle");
    expect(status).toBe(0);
    expect(stdout).toContain(`conform       ${good} (ap linux-6.1; `);
    expect(stdout).toContain("2 captures: 2 conform, 0 divergent");
    expect(stderr).toBe("");
  });

  test("a divergence: the line, the rule, expected and observed, status 1", async () => {
    const { status, stdout } = await run("check", faulty);
    expect(status).toBe(1);
    expect(stdout).toContain("strace.txt:50\n");
    expect(stdout).toContain("SHOW-1");
    expect(stdout).toMatch(/expected +05\.0004 05\.0047\n +observed +05\.0004 05\.0071\n/);
  });

  test("two runs print the same bytes", async () => {
    const [first, second] = await Promise.all([run("check", "traces", faulty), run("check", "traces", faulty)]);
    expect(first.stdout).toBe(second.stdout);
    expect(first.status).toBe(1);
  });

  test("the JSON report, to a file", async () => {
    const file = join(scratch, "report.json");
    const { status, stdout } = await run("check", good, faulty, "--reporter", `json=${file}`);
    expect(status).toBe(1);
    expect(stdout).toBe("");
    const report = JSON.parse(await readFile(file, "utf8"));
    expect(report.summary).toMatchObject({ captures: 2, conform: 1, divergent: 1, errors: 0 });
    expect(report.captures[1].divergences[0]).toMatchObject({
      name: "sysfs read matrix",
      source: { file: "strace.txt", line: 50 },
      rules: ["SHOW-1"],
    });
  });

  test("nothing to check: inconclusive, which counts with --strict", async () => {
    const file = join(scratch, "strace.txt");
    await writeFile(file, '100  1711118461.150027 openat(AT_FDCWD, "/etc/hostname", O_RDONLY) = 3\n');
    expect(await run("check", file)).toMatchObject({ status: 0, stdout: expect.stringContaining("inconclusive") });
    expect(await run("check", file, "--strict")).toMatchObject({ status: 4 });
  });

  test("a capture that is not there: status 3, and the others are checked", async () => {
    const { status, stdout } = await run("check", good, "traces/nothing-of-that-name");
    expect(status).toBe(3);
    expect(stdout).toContain("nothing-of-that-name");
    expect(stdout).toContain("1 conform");
  });

  test("an option that is not known: status 2, said on stderr", async () => {
    const { status, stdout, stderr } = await run("check", good, "--no-such-option");
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain("no-such-option");
  });
});

describe("the other commands", () => {
  test("ingest: check of the .kce gives what check of the capture gives", async () => {
    const file = join(scratch, "faulty.kce");
    expect((await run("ingest", faulty, "-o", file)).status).toBe(0);
    const direct = await run("check", faulty, "--reporter", "json");
    const ingested = await run("check", file, "--reporter", "json");
    expect(ingested.stdout.replaceAll(file, faulty)).toBe(direct.stdout);
  });

  test("replay: a line of JSON an operation, in the order of the report", async () => {
    const { status, stdout } = await run("replay", good, "--states", "jsonl");
    expect(status).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    const last = JSON.parse(lines.at(-1) ?? "");
    expect(lines.length).toBeGreaterThanOrEqual(58);
    expect(last.state.ap.bus.apmask).toMatch(/^0x[0-9a-f]{64}$/);
    expect(last.state.ap.mdevs.length).toBeGreaterThan(0);
  });

  test("replay --at: the state after one operation", async () => {
    const { status, stdout } = await run("replay", good, "--at", "5");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ operation: 5, state: { ap: {} } });
  });

  test("explain, profiles, --version, --help", async () => {
    expect((await run("explain", "KVM-8")).stdout).toContain("aqic/KVM-8");
    expect((await run("profiles")).stdout).toContain("linux-6.1");
    expect((await run("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const help = await run("--help");
    expect(help.status).toBe(0);
    for (const name of ["check", "ingest", "replay", "explain", "profiles"]) expect(help.stdout).toContain(name);
  });
});
