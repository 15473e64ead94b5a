import { describe, expect, test } from "vitest";
import { ftraceImporter } from "../../../src/ingest/ftrace/importer.js";
import { asProbe, headOf, readSample, runImporter } from "../run-importer.js";

/**
 * Recorded by real tools. The counts were taken with grep: lines with task columns (`\[[0-9]{3}\] `), losses, `#` lines,
 * `sys_NAME(` and `sys_NAME ->`, markers.
 */
interface Counts {
  readonly lines: number;
  readonly probes: number;
  readonly enters?: number;
  readonly exits?: number;
  readonly marks?: number;
  readonly gaps?: number;
  readonly unparsed?: number;
}

const samples: Readonly<Record<string, Counts>> = {
  "ap-lost-events.txt": { lines: 140, probes: 128, gaps: 12 },
  "ppc64le-hcall-bp.txt": { lines: 95, probes: 82, marks: 1 },
  "ppc64le-hv.txt": { lines: 150, probes: 2, enters: 68, exits: 67, marks: 1 },
  "ppc64le-pr.txt": { lines: 60, probes: 0, enters: 24, exits: 23, marks: 1 },
  "s390x-clock-counter.txt": { lines: 60, probes: 45, marks: 1 },
  "s390x-latency-format.txt": { lines: 60, probes: 39, marks: 1 },
  "s390x-latency-verbose.txt": { lines: 60, probes: 48, marks: 1 },
  "s390x-report-R.txt": { lines: 60, probes: 56 },
  "s390x-report-instances.txt": { lines: 60, probes: 57 },
  "s390x-report-l.txt": { lines: 60, probes: 56 },
  "s390x-report-tsdiff.txt": { lines: 60, probes: 56 },
  "s390x-tc-extract-dropped.report.txt": { lines: 195, probes: 190, gaps: 1 },
  "s390x-tc-v7-nocomp.report.txt": { lines: 190, probes: 180 },
  "s390x-tgid.txt": { lines: 60, probes: 45, marks: 1 },
  "s390x-trace-default.txt": { lines: 295, probes: 268, marks: 2 },
  "x86-bpftrace-layout.txt": { lines: 160, probes: 103 },
  "x86-perf-script-callchain.txt": { lines: 108, probes: 12 },
  "x86-perf-script-header.txt": { lines: 60, probes: 15 },
  "x86-perf-script-ip-sym.txt": { lines: 80, probes: 76 },
  "x86-perf-script-lost.txt": { lines: 101, probes: 4, enters: 48, exits: 47, gaps: 2 },
  "x86-perf-script-task-events.txt": { lines: 60, probes: 21 },
  // Two lines `--` between the extracts.
  "x86-trace_pipe-lost.txt": { lines: 117, probes: 24, enters: 42, exits: 43, gaps: 3, unparsed: 2 },
};

describe.each(Object.entries(samples))("%s", (name, counts) => {
  const text = readSample("ftrace", name);
  const outcome = runImporter(ftraceImporter, text);
  const count = (kind: string, phase?: string) =>
    outcome.events.filter(
      (event) => event.kind === kind && (phase === undefined || ("phase" in event && event.phase === phase)),
    ).length;

  test("is recognised", () => {
    expect(ftraceImporter.recognises(headOf(text))).toBe(true);
  });

  test("gives as many events as grep counts", () => {
    expect({
      lines: outcome.lines,
      probes: count("probe"),
      enters: count("syscall", "enter"),
      exits: count("syscall", "exit"),
      marks: count("mark"),
      gaps: count("gap"),
      unparsed: outcome.unparsed,
    }).toEqual({ enters: 0, exits: 0, marks: 0, gaps: 0, unparsed: 0, ...counts });
  });

  test("every line is counted once", () => {
    expect(outcome.events.length + outcome.context + outcome.unparsed).toBe(outcome.lines);
  });

  test("every event keeps its own lines", () => {
    const lines = text.split("\n");
    for (const event of outcome.events) {
      const height = event.text.split("\n").length;
      expect(event.text).toBe(lines.slice(event.line - 1, event.line - 1 + height).join("\n"));
    }
  });
});

test("the task name in the columns is the one that the probe recorded", () => {
  const { events } = runImporter(ftraceImporter, readSample("ftrace", "s390x-trace-default.txt"));
  const returns = events.flatMap((event) => (event.kind === "probe" && event.name === "sys_open_ret" ? [event] : []));
  expect(returns.length).toBe(82);
  for (const event of returns) expect(event.fields).toEqual(["rc", expect.any(String), "comm", `"${event.comm}"`]);
});

test("a sequence that is known to the letter", () => {
  const { events } = runImporter(ftraceImporter, readSample("ftrace", "ppc64le-hcall-bp.txt"));
  expect(asProbe(events[1])).toMatchObject({
    name: "hcall_entry",
    tid: 117,
    comm: "bp",
    time: { seconds: 3, nanos: 804_143_000 },
    fields: ["opcode", "796"],
  });
  expect(asProbe(events[2])).toMatchObject({ name: "hcall_exit", fields: ["opcode", "796", "retval", "-55"] });
});
