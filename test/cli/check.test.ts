import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { scratch } from "../capture/files.js";
import { runWith } from "./fakes.js";

const make = scratch();

describe("check", () => {
  it.each([
    [["good"], 0],
    [["good", "unsure"], 0],
    [["good", "unsure", "--strict"], 4],
    [["good", "broken"], 3],
    [["unsure", "broken", "--strict"], 3],
    [["good", "broken", "bad", "unsure", "--strict"], 1],
  ])("%j ends with %i", async (args, code) => {
    expect((await runWith(["check", ...args])).code).toBe(code);
  });

  it("prints the text report", async () => {
    const { out, err } = await runWith(["check", "bad"]);
    expect(out).toMatch(/^DIVERGENT {5}bad\n/);
    expect(err).toBe("");
  });

  it("hands its options over", async () => {
    const { asked } = await runWith([
      "check",
      "--profile",
      "ap=linux-6.1",
      "good",
      "--profile",
      "pre-dawr1",
      "--fact",
      "ap.hostAqicStatus=lost",
      "--fact",
      "dawr.cpu.name=b=c",
      "--together",
      "--max-divergences",
      "7",
      "--no-progress",
      "unsure",
    ]);
    expect(asked.paths).toEqual(["good", "unsure"]);
    expect(asked.check).toMatchObject({
      profile: ["ap=linux-6.1", "pre-dawr1"],
      facts: { "ap.hostAqicStatus": "lost", "dawr.cpu.name": "b=c" },
      together: true,
      maxDivergences: 7,
    });
  });

  it("takes paths of digits, and paths behind --", async () => {
    const { err } = await runWith(["check", "0123"]);
    expect(err).toContain("no such fake: 0123");
    const { asked } = await runWith(["check", "unsure", "--strict", "--", "good"]);
    expect(asked.paths).toEqual(["unsure", "good"]);
    expect((await runWith(["check", "--", "-x"])).err).toContain("no such fake: ./-x");
  });

  it("writes reports into files, whole", async () => {
    const root = make({ "report.json": "old" });
    const { code, out } = await runWith([
      "check",
      "bad",
      "--reporter",
      `json=${join(root, "report.json")}`,
      "--reporter",
      "text",
    ]);
    expect(code).toBe(1);
    expect(out).toContain("DIVERGENT");
    expect(JSON.parse(readFileSync(join(root, "report.json"), "utf8")).summary.divergent).toBe(1);
    expect(readdirSync(root)).toEqual(["report.json"]);
  });

  it("writes files although nobody reads standard output", async () => {
    const file = join(make({}), "report.json");
    const { code } = await runWith(["check", "good", "--reporter", "text", "--reporter", `json=${file}`], {
      stdout: "EPIPE",
    });
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(file, "utf8")).summary.conform).toBe(1);
  });
});
