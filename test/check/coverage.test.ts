import { beforeAll, describe, expect, test } from "vitest";
import { type CoverageReport, coverage, type ProfileCoverage } from "../../src/check/coverage.js";
import { type Firings, firings } from "../../src/check/firings.js";
import { ruleRegistry } from "../../src/model/registry.js";
import { scratch } from "../capture/files.js";
import { kvmConform } from "./command.js";
import { faulty, interrupts, randomCaptures, sharing } from "./recordings.js";

const make = scratch();

function profileOf({ profiles }: CoverageReport, name: string): ProfileCoverage {
  const found = profiles.find(({ profile }) => profile === name);
  if (found === undefined) throw new Error(`no capture was judged by ${name}`);
  return found;
}

function reached({ reachedRules }: ProfileCoverage): readonly string[] {
  return reachedRules.map(({ rule }) => rule);
}

describe("coverage", () => {
  const old = randomCaptures["aqic-v9"] ?? [];
  let report: CoverageReport;

  beforeAll(async () => {
    report = await coverage([sharing, interrupts, ...old]);
  });

  test("is told apart by profile", () => {
    expect(report.captures).toBe(2 + old.length);
    expect(report.profiles.map(({ profile, captures }) => [profile, captures])).toEqual([
      ["linux-6.1", 2],
      ["aqic-v9", old.length],
    ]);
    expect(report.unused).toContainEqual({ system: "ap", profile: "dynamic-v12" });
    expect(report.unused).not.toContainEqual({ system: "ap", profile: "linux-6.1" });
  });

  test("names each rule of a profile once: reached, not reached, or an invariant", () => {
    for (const one of report.profiles) {
      const named = [
        ...reached(one),
        ...one.notReached.map(({ rule }) => rule),
        ...one.invariants.map(({ rule }) => rule),
      ];
      const holding = ruleRegistry.filter(
        ({ id, profiles }) => /^(?:ap-config|aqic)\//.test(id) && profiles.includes(one.profile),
      );
      expect([...named].sort()).toEqual(holding.map(({ id }) => id).sort());
      expect(one.rules).toBe(one.reachedRules.length + one.notReached.length);
      expect(one.reached).toBe(one.reachedRules.length);
      expect(one.percent).toBeLessThanOrEqual((100 * one.reached) / one.rules);
      expect(one.percent).toBeGreaterThan((100 * one.reached) / one.rules - 0.1);
    }
  });

  test("knows what the captures are about", () => {
    const linux = profileOf(report, "linux-6.1");
    expect(reached(linux)).toEqual(expect.arrayContaining(["ap-config/SHARE-1", "aqic/IRQ-1", "ap-config/ASG-1"]));
    expect(linux.reachedRules.find(({ rule }) => rule === "ap-config/SHARE-1")).toMatchObject({
      captures: 1,
      first: sharing,
    });
    expect(linux.reachedRules.find(({ rule }) => rule === "aqic/IRQ-1")).toMatchObject({
      captures: 1,
      first: interrupts,
    });
    expect(linux.reachedRules.find(({ rule }) => rule === "ap-config/ASG-1")).toMatchObject({
      captures: 2,
      first: sharing,
    });
    expect(linux.notReached.map(({ rule }) => rule)).toContain("ap-config/BUS-6");
  });

  test("of another profile where that is asked for", async () => {
    const { profiles } = await coverage([sharing], { profile: ["aqic-v9"] });
    expect(profiles.map(({ profile }) => profile)).toEqual(["aqic-v9"]);
  });

  test("goes on where a capture can't be read", async () => {
    const broken = make({ "capture.json": "{" });
    const { captures, errors, profiles } = await coverage([broken, sharing]);
    expect(captures).toBe(1);
    expect(errors).toEqual([{ path: broken, error: expect.stringContaining("capture.json:1:2: not valid JSON") }]);
    expect(profiles).toHaveLength(1);
  });
});

test("the gate of coverage, on the command line", async () => {
  const { out } = await kvmConform(["coverage", sharing, "--reporter", "json"]);
  const [{ percent }] = JSON.parse(out).profiles;
  expect(percent).toBeGreaterThan(5);
  expect(percent).toBeLessThan(95);
  expect((await kvmConform(["coverage", sharing, "--min", String(percent)])).code).toBe(0);
  expect((await kvmConform(["coverage", sharing, "--min", String(percent + 0.1)])).code).toBe(1);
  expect((await kvmConform(["coverage", make({}), "--min", "0"])).code).toBe(1);
  expect((await kvmConform(["coverage", make({})])).code).toBe(3);
});

describe("where a rule fired", () => {
  async function found(paths: readonly string[], rule: string, limit = 10): Promise<readonly Firings[]> {
    const all: Firings[] = [];
    for await (const one of firings(paths, rule, { limit })) all.push(one);
    return all;
  }

  test("the operations are named by line, up to a number", async () => {
    const [one, never] = await found([sharing, interrupts], "ap-config/SHARE-1", 2);
    expect(one?.path).toBe(sharing);
    expect(one?.total).toBeGreaterThan(2);
    expect(one?.first).toHaveLength(2);
    for (const { name, source, verdict } of one?.first ?? []) {
      expect(name).toMatch(/^sysfs write assign_/);
      expect(source.file).toBe("strace.txt");
      expect(verdict).toBe("checked");
    }
    expect(never).toEqual({ path: interrupts, total: 0, first: [] });
  });

  test("a divergence shows the rule that was broken", async () => {
    const capture = faulty("m09-errno-sharing--c-04-sharing");
    const [one] = await found([capture], "ap-config/SHARE-2", 1000);
    expect(one?.first.filter(({ verdict }) => verdict === "divergent").length).toBeGreaterThan(0);
  });

  test("explain prints it", async () => {
    const { code, out } = await kvmConform(["explain", "SHARE-1", sharing, "--first", "1"]);
    expect(code).toBe(0);
    expect(out).toMatch(
      /\n {2}\S+04-sharing: \d+ operations\n {4}operation \d+, strace\.txt:\d+: sysfs write assign_\w+\n {4}\d+ more\n$/,
    );
  });
});
