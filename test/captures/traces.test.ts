import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { check } from "../../src/check/check.js";
import type { CaptureReport, Report } from "../../src/check/report.js";

const traces = join(import.meta.dirname, "../../traces");

/** What the folder of each system and profile must hold at least, and the share of its operations that was checked. */
const folders = [
  { folder: "ap/linux-6.1", captures: 20, share: 0.98 },
  { folder: "ap/aqic-v9", captures: 10, share: 0.97 },
  { folder: "ap/dynamic-v12", captures: 10, share: 0.97 },
  { folder: "dawr/linux-6.1", captures: 4, share: 0.95 },
  { folder: "platform/platform-base", captures: 8, share: 0.99 },
  { folder: "platform/platform-msi-rfc-v2", captures: 5, share: 0.98 },
];

describe("the captures that are shipped", () => {
  let report: Report;

  beforeAll(async () => {
    report = await check([traces]);
  }, 60_000);

  function below(folder: string): readonly CaptureReport[] {
    return report.captures.filter(({ path }) => path.startsWith(`${join(traces, folder)}/`));
  }

  test("all conform", () => {
    const others = report.captures.filter(({ verdict }) => verdict !== "conform");
    expect(others.map(({ path, verdict, divergences }) => [path, verdict, divergences[0]?.message])).toEqual([]);
  });

  test("no capture lies outside of the known folders", () => {
    const known = folders.flatMap(({ folder }) => below(folder));
    expect(known.length).toBe(report.captures.length);
  });

  test.each(folders)("$folder: enough of them, under the profile of the folder, and checked", (expected) => {
    const found = below(expected.folder);
    const [system = "", profile = ""] = expected.folder.split("/");
    expect(found.length).toBeGreaterThanOrEqual(expected.captures);
    expect(found.map((capture) => capture.profile[system])).toEqual(found.map(() => profile));
    const operations = found.reduce((sum, capture) => sum + capture.operations, 0);
    const checked = found.reduce((sum, capture) => sum + capture.checked, 0);
    expect(checked / operations).toBeGreaterThanOrEqual(expected.share);
  });
});
