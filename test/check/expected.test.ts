import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { check } from "../../src/check/check.js";
import type { CaptureReport, Divergence } from "../../src/check/report.js";
import { scratch } from "../capture/files.js";
import { kvmConform } from "./command.js";
import { faulty, filesOf, hotplug } from "./recordings.js";

const make = scratch();

const uuid = "3702f564-a27d-4bbd-b8e5-bcee24412bb9";
const mask = (first: string): string => `0x${first.padEnd(64, "0")}`;

/** The write of "5" to assign_adapter. */
const firstAssign = { source: "strace.txt", line: 5 };
/** The write of "0x4" to assign_domain: with it, 05.0004 is complete. */
const firstDomain = { source: "strace.txt", line: 8 };
/** The write of "6" to assign_adapter, with a guest. */
const plug = { source: "strace.txt", line: 54 };

/** One mdev with these masks. */
function mdev(matrix: object, shadow: object): object {
  return { ap: { mdevs: [{ uuid, matrix, shadow }] } };
}

/** The recording with expected states beside it. */
function withExpected(expected: string | readonly object[]): string {
  const text = typeof expected === "string" ? expected : JSON.stringify({ version: 1, checkpoints: expected });
  return make({ ...filesOf(hotplug), "expected.json": text });
}

async function checkWith(expected: string | readonly object[], options = {}): Promise<CaptureReport> {
  const [capture] = (await check([withExpected(expected)], options)).captures;
  if (capture === undefined) throw new Error("no capture");
  return capture;
}

describe("expected states", () => {
  test("that are met", async () => {
    const capture = await checkWith([
      { after: firstAssign, state: mdev({ apm: mask("04"), aqm: mask("") }, {}) },
      { after: firstDomain, state: mdev({ apm: mask("04"), aqm: mask("08") }, {}) },
      { after: plug, state: mdev({ apm: mask("06") }, { apm: mask("06") }) },
      { after: plug, state: { ap: { guests: [{ crycb: { apm: mask("06") }, kvm: "0x814c0000", hook: uuid }] } } },
      { after: "end", state: mdev({ apm: mask("04") }, { apm: mask("04") }) },
    ]);
    expect(capture.divergences).toEqual([]);
    expect(capture.verdict).toBe("conform");
    expect(capture.notes.join("\n")).not.toContain("expected.json");
  });

  test("that differ are divergences, each with its path, after the line of the checkpoint", async () => {
    const wrong = mdev({ apm: mask("04"), adm: mask("08") }, { apm: mask("05") });
    const { verdict, divergences } = await checkWith([{ after: plug, state: wrong }]);
    expect(verdict).toBe("divergent");
    const path = `ap.mdevs[${uuid}]`;
    expect(divergences.map(({ message }) => message)).toEqual([
      `state after strace.txt:54: ${path}.matrix.apm: expected ${mask("04")}, observed ${mask("06")} (too many: 06)`,
      `state after strace.txt:54: ${path}.shadow.apm: expected ${mask("05")}, observed ${mask("06")} (too many: 06; missing: 07)`,
    ]);
    for (const { kind, source, operation, rules } of divergences) {
      expect({ kind, file: source.file, line: source.line, rules }).toEqual({
        kind: "expected",
        file: "strace.txt",
        line: 54,
        rules: [],
      });
      expect(source.text).toContain('assign_adapter>, "6\\n", 2) = 2');
      expect(operation).toBeGreaterThan(0);
    }
  });

  test("a value that stays wrong is told once", async () => {
    const wrong = { ap: { bus: { apmask: mask("") } } };
    const { divergences } = await checkWith(
      [firstAssign, firstDomain, "end"].map((after) => ({ after, state: wrong })),
    );
    expect(divergences.map(({ name }) => name)).toEqual(["state after strace.txt:5"]);
  });

  test("are compared with those of the profile that the capture is judged by", async () => {
    const text = JSON.stringify({
      version: 1,
      profile: { ap: "linux-6.1" },
      checkpoints: [{ after: firstDomain, state: mdev({ apm: mask("04") }, { apm: mask("04") }) }],
    });
    const { divergences, notes } = await checkWith(text, { profile: ["aqic-v9"] });
    expect(divergences.map(({ kind }) => kind)).toContain("expected");
    expect(notes).toContain(
      "expected.json was written under ap linux-6.1; its states are compared with those of aqic-v9",
    );
  });

  test("do not count where profiles are told apart", async () => {
    const { verdict, profiles = [] } = await checkWith([{ after: "end", state: { ap: { mdevs: [] } } }], {
      profile: ["all"],
    });
    expect(verdict).toBe("divergent");
    expect(profiles.find(({ chosen }) => chosen)).toMatchObject({ verdict: "conform", divergences: 0 });
  });

  test("of which nothing is known are a note", async () => {
    const { verdict, notes } = await checkWith([
      { after: firstAssign, state: { ap: { bus: { nosuch: 1 }, mdevs: [{ uuid, x: 2 }] } } },
    ]);
    expect(verdict).toBe("conform");
    expect(notes).toContain(
      `expected.json: checkpoints[0]: not decided, because the state is not known there: ap.bus.nosuch, ap.mdevs[${uuid}].x`,
    );
  });

  test.each([
    ["{", "expected.json:1:2: not valid JSON"],
    ['{"version": 1}', "expected.json: checkpoints: expected a list"],
    [[{ after: "end", state: { dawr: {} } }], "checkpoints[0].state.dawr: the capture is of a machine without that"],
    [
      [{ after: { source: "strace.txt", line: 6 }, state: {} }],
      "checkpoints[0].after: no operation is recorded at strace.txt:6",
    ],
    [
      [{ after: { source: "x.txt", line: 5 }, state: {} }],
      "checkpoints[0].after: the capture has no source x.txt; it has strace.txt",
    ],
  ])("%j: what is wrong is an error of the capture, and what was recorded is judged", async (expected, message) => {
    const { verdict, error, operations, checked } = await checkWith(expected);
    expect(verdict).toBe("error");
    expect(error).toContain(message);
    expect(operations).toBeGreaterThan(50);
    expect(checked).toBeGreaterThan(50);
  });

  test("errors do not hide a divergence", async () => {
    const root = make({ ...filesOf(faulty("m09-errno-sharing--c-04-sharing")), "expected.json": "{" });
    const [capture] = (await check([root])).captures;
    expect(capture?.verdict).toBe("divergent");
    expect(capture?.error).toBeUndefined();
    expect(capture?.notes.join("\n")).toContain("expected.json:1:2: not valid JSON");
  });

  test("are shown in the text report", async () => {
    const root = withExpected([{ after: "end", state: { ap: { guests: [] } } }]);
    const { code, out } = await kvmConform(["check", root]);
    expect(code).toBe(1);
    expect(out).toMatch(/1\. not the expected state: state at the end \(operation \d+ at [\d.]+\)\n/);
    expect(out).toContain("state at the end: ap.guests[0x814c0000]: expected it is not there, observed it is");
  });
});

describe("check --update", () => {
  test("writes states that the next check finds as expected", async () => {
    const root = make(filesOf(hotplug));
    const { code, err } = await kvmConform(["check", root, "--update"]);
    expect({ code, err }).toEqual({ code: 0, err: `${root}: expected.json written\n` });
    const written = JSON.parse(readFileSync(join(root, "expected.json"), "utf8"));
    expect(written).toMatchObject({ version: 1, profile: { ap: "linux-6.1" }, checkpoints: [{ after: "end" }] });
    expect(written.checkpoints[0].state.ap.mdevs).toMatchObject([{ uuid, matrix: { apm: mask("04") } }]);
    expect((await kvmConform(["check", root])).code).toBe(0);
    written.checkpoints[0].state.ap.mdevs[0].matrix.apm = mask("0c");
    writeFileSync(join(root, "expected.json"), JSON.stringify(written));
    expect((await kvmConform(["check", root])).code).toBe(1);
  });

  test("keeps the places of checkpoints, and renews what is wrong there", async () => {
    const root = withExpected([
      { after: plug, state: { ap: { mdevs: [] } } },
      { after: firstAssign, state: {} },
    ]);
    expect((await kvmConform(["check", root, "--update"])).code).toBe(0);
    const { checkpoints } = JSON.parse(readFileSync(join(root, "expected.json"), "utf8"));
    expect(checkpoints.map(({ after }: { after: unknown }) => after)).toEqual([plug, firstAssign]);
    const masks = checkpoints.map(
      (one: { state: { ap: { mdevs: { matrix: object }[] } } }) => one.state.ap.mdevs[0]?.matrix,
    );
    expect(masks).toMatchObject([
      { apm: mask("06"), aqm: mask("080000000000000001") },
      { apm: mask("04"), aqm: mask("") },
    ]);
    expect((await kvmConform(["check", root])).code).toBe(0);
  });

  test("refuses a divergent capture, unless forced", async () => {
    const root = make(filesOf(faulty("m09-errno-sharing--c-04-sharing")));
    const refused = await kvmConform(["check", root, "--update"]);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain("expected.json was not written: the capture is divergent");
    expect(readdirSync(root)).not.toContain("expected.json");
    const forced = await kvmConform(["check", root, "--update", "--force"]);
    expect(forced.code).toBe(1);
    expect(readdirSync(root)).toContain("expected.json");
  });

  test("refuses where CI is set, unless forced", async () => {
    const root = make(filesOf(hotplug));
    const refused = await kvmConform(["check", root, "--update"], { CI: "true" });
    expect(refused).toMatchObject({ code: 2, out: "" });
    expect(refused.err).toContain("CI is set");
    expect(readdirSync(root)).not.toContain("expected.json");
    expect((await kvmConform(["check", root, "--update", "--force"], { CI: "true" })).code).toBe(0);
    expect(readdirSync(root)).toContain("expected.json");
    expect((await kvmConform(["check", root], { CI: "true" })).code).toBe(0);
  });

  test("leaves a file with errors as it is", async () => {
    const root = withExpected("{");
    const { code, err } = await kvmConform(["check", root, "--update"]);
    expect(code).toBe(3);
    expect(err).toContain("expected.json was not written: the report says what is wrong");
    expect(readFileSync(join(root, "expected.json"), "utf8")).toBe("{");
  });

  test("says where there is no place for the file", async () => {
    const root = make(filesOf(hotplug));
    const { code, err } = await kvmConform(["check", join(root, "strace.txt"), "--update", "--force"]);
    expect([1, 2]).toContain(code);
    expect(err).toContain("only a directory with a capture.json or a sysfs.txt can have one");
    expect(readdirSync(root)).not.toContain("expected.json");
  });
});

test("every divergence of an expected state can be told from the others", async () => {
  const { divergences } = await checkWith([{ after: "end", state: { ap: { mdevs: [], guests: [], queues: [] } } }]);
  expect(divergences.length).toBeGreaterThan(5);
  expect(new Set(divergences.map(({ message }: Divergence) => message)).size).toBe(divergences.length);
});
