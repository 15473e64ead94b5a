import { describe, expect, it } from "vitest";
import { jsonReporter } from "../../src/report/json.js";
import { conform, divergence, divergent, reportOf, unreadable } from "./sample.js";

function render(...args: Parameters<typeof jsonReporter.render>): string {
  return [...jsonReporter.render(...args)].join("");
}

describe("the JSON report", () => {
  it.each([[[]], [[conform]], [[conform, divergent, unreadable]]])("is the report itself (%#)", (captures) => {
    const report = reportOf(...captures);
    expect(JSON.parse(render(report))).toEqual(report);
  });

  it("is laid out as JSON.stringify does it", () => {
    const report = reportOf(conform, divergent);
    expect(render(report)).toBe(`${JSON.stringify(report, null, 2)}\n`);
    expect(render(reportOf())).toBe(`${JSON.stringify(reportOf(), null, 2)}\n`);
  });

  it("has the field names of the contract", () => {
    const [capture] = JSON.parse(render(reportOf(divergent))).captures;
    expect(capture).toMatchObject({
      path: "run-0815",
      verdict: "divergent",
      profile: { ap: "linux-6.1" },
      divergences: [
        {
          operation: 17,
          time: "1711118461150061000",
          kind: "result",
          name: "sysfs write assign_adapter",
          source: { file: "strace.txt", line: 42 },
          rules: ["SHARE-2"],
          expected: ["EADDRINUSE", "0"],
          observed: "EBUSY",
        },
        {},
      ],
      knownDefects: [{ operation: 9, rules: ["aqic/IRQ-10"] }],
    });
  });

  it("stays small where a recorded line is long, and decodes its UTF-8", () => {
    const text = `${Buffer.from("\u00fc").toString("latin1")}${"y".repeat(10_000)}`;
    const report = reportOf({ ...divergent, divergences: [{ ...divergence, source: { file: "f", line: 1, text } }] });
    const line = JSON.parse(render(report)).captures[0].divergences[0].source.text;
    expect(line).toBe(`\u00fc${"y".repeat(4095)} ... (5905 more characters)`);
  });
});
