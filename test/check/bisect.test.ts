import { beforeAll, describe, expect, test } from "vitest";
import { check } from "../../src/check/check.js";
import type { CaptureReport, ProfileVerdict } from "../../src/check/report.js";
import { hotplug, randomCaptures } from "./recordings.js";

const profiles = Object.keys(randomCaptures);

/** Profile to reports of the captures that were recorded under it. */
const reports = new Map<string, readonly CaptureReport[]>();

function reportsOf(profile: string): readonly CaptureReport[] {
  return reports.get(profile) ?? [];
}

function explaining({ profiles: verdicts = [] }: CaptureReport): readonly string[] {
  return verdicts.filter(({ verdict }) => verdict === "conform").map(({ profile }) => profile);
}

beforeAll(async () => {
  for (const [profile, paths] of Object.entries(randomCaptures)) {
    reports.set(profile, (await check(paths, { profile: ["all"] })).captures);
  }
});

describe.each(profiles)("random operations of %s, held against every profile", (own) => {
  test("there are some", () => {
    expect(reportsOf(own).length).toBeGreaterThanOrEqual(3);
  });

  test("each is held against all profiles, and judged by its own", () => {
    for (const { path, verdict, profiles: verdicts = [] } of reportsOf(own)) {
      expect(verdicts.map(({ profile }) => profile)).toEqual(profiles);
      expect({ path, verdict }).toEqual({ path, verdict: "conform" });
      expect(verdicts.filter(({ chosen }) => chosen).map(({ profile }) => profile)).toEqual([own]);
    }
  });

  test("the right profile explains each, and most of the time it alone", () => {
    const explained = reportsOf(own).map(explaining);
    expect(explained.filter((names) => !names.includes(own))).toEqual([]);
    const alone = explained.filter((names) => names.length === 1).length;
    expect(alone / explained.length).toBeGreaterThan(0.7);
  });

  test.each(profiles.filter((profile) => profile !== own))("most are divergent under %s", (wrong) => {
    const verdicts = reportsOf(own).map(
      ({ profiles: all = [] }) => all.find(({ profile }) => profile === wrong)?.verdict,
    );
    const divergent = verdicts.filter((verdict) => verdict === "divergent").length;
    expect(divergent / verdicts.length).toBeGreaterThan(0.7);
  });

  test("of a profile that does not explain it, the line is named that contradicts it first, and the rule", () => {
    for (const capture of reportsOf(own)) {
      for (const one of capture.profiles ?? []) {
        if (one.verdict !== "divergent") continue;
        expect(one.divergences).toBeGreaterThan(0);
        expect(one.first?.source.file).toMatch(/^(?:strace|trace|s390dbf)\.txt$/);
        expect(one.first?.source.line).toBeGreaterThan(0);
        expect(one.first?.message).not.toBe("");
        for (const rule of one.first?.rules ?? []) expect(Object.keys(capture.rules)).toContain(rule);
      }
    }
  });
});

test("a verdict of bisection is the verdict of a check under that profile", async () => {
  const [path = ""] = randomCaptures["aqic-v9"] ?? [];
  const [together] = (await check([path], { profile: ["all"] })).captures;
  for (const profile of profiles) {
    const [alone] = (await check([path], { profile: [profile] })).captures;
    const one = together?.profiles?.find((candidate) => candidate.profile === profile);
    expect(one).toMatchObject({ verdict: alone?.verdict, checked: alone?.checked, unchecked: alone?.unchecked });
    expect(one?.first?.message).toBe(alone?.divergences[0]?.message);
    expect(one?.divergences).toBe((alone?.divergences.length ?? 0) + (alone?.divergencesLeftOut ?? 0));
  }
});

test("SYSTEM=all asks for the profiles of one system", async () => {
  const count = async (profile: string): Promise<number | undefined> =>
    (await check([hotplug], { profile: [profile] })).captures[0]?.profiles?.length;
  expect(await count("ap=all")).toBe(3);
  expect(await count("dawr=all")).toBeUndefined();
  expect(await count("linux-6.1")).toBeUndefined();
});

test("what contradicts the chosen profile is told although no divergence is listed", async () => {
  const options = { profile: ["aqic-v9", "all"], maxDivergences: 0 };
  const [capture] = (await check([hotplug], options)).captures;
  const chosen = capture?.profiles?.find((one: ProfileVerdict) => one.chosen);
  expect(capture).toMatchObject({ verdict: "divergent", divergences: [] });
  expect(capture?.divergencesLeftOut).toBe(chosen?.divergences);
  expect(chosen).toMatchObject({ profile: "aqic-v9", verdict: "divergent" });
  expect(chosen?.first).toBeDefined();
});
