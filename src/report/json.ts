import type { CaptureReport } from "../check/report.js";
import type { Reporter } from "./reporter.js";
import { decoded, shortened } from "./visible.js";

/** Characters of a recorded line that are kept: a write of 64 KiB makes a line of 260 000. */
const MAX_LINE = 4096;

/** For programs: the report as it is (design section 5; schemas/report.proto), a capture after the other. */
export const jsonReporter: Reporter = {
  name: "json",
  summary: "for programs; the field names are a contract",
  *render(report) {
    yield `{\n  "version": ${report.version},\n`;
    yield `  "tool": ${indented(report.tool, "  ")},\n`;
    yield `  "summary": ${indented(report.summary, "  ")},\n`;
    yield '  "captures": [';
    for (const [index, capture] of report.captures.entries()) {
      yield `${index === 0 ? "" : ","}\n    ${indented(withShortLines(capture), "    ")}`;
    }
    yield report.captures.length === 0 ? "]\n}\n" : "\n  ]\n}\n";
  },
};

function withShortLines(capture: CaptureReport): CaptureReport {
  return {
    ...capture,
    divergences: capture.divergences.map((divergence) => ({
      ...divergence,
      source: { ...divergence.source, text: shortened(decoded(divergence.source.text), MAX_LINE) },
    })),
  };
}

/** JSON text whose further lines are indented. A line feed within a text is escaped there, so all are layout. */
function indented(value: unknown, indent: string): string {
  return JSON.stringify(value, null, 2).replaceAll("\n", `\n${indent}`);
}
