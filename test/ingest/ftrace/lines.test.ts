import { describe, expect, test } from "vitest";
import { ftraceImporter } from "../../../src/ingest/ftrace/importer.js";
import { asProbe, headOf, runImporter } from "../run-importer.js";

const record = (body: string, task = "              sh-100  ") => `${task}   [001] .....    12.000001: ${body}\n`;
const run = (text: string) => runImporter(ftraceImporter, text);

describe("losses", () => {
  test.each([
    ["CPU:1 [LOST 813 EVENTS]", 1, 813],
    ["CPU:2 [LOST EVENTS]", 2, undefined],
    ["CPU:0 [813 EVENTS DROPPED]", 0, 813],
    ["CPU:0 [EVENTS DROPPED]", 0, undefined],
    ["a.dat: CPU:0 [EVENTS DROPPED]", 0, undefined],
    ["##### CPU 1 buffer started ####", 1, undefined],
    ["Lost 12 events", -1, 12],
  ])("%s", (line, cpu, lost) => {
    const { events } = run(`${record("e: a=1")}${line}\n${record("e: a=2")}`);
    expect(events.map((event) => event.kind)).toEqual(["probe", "gap", "probe"]);
    expect(events[1]).toEqual({
      kind: "gap",
      source: 3,
      line: 2,
      time: undefined,
      tid: 0,
      comm: "",
      text: line,
      cpu,
      lost,
    });
  });

  test("perf names the reader's cpu, not the one that lost", () => {
    const line = "            perf   189 [001]    30.052995: PERF_RECORD_LOST lost 28";
    expect(run(`${line}\n`).events).toEqual([
      {
        kind: "gap",
        source: 3,
        line: 1,
        time: { seconds: 30, nanos: 52_995_000 },
        tid: 0,
        comm: "",
        text: line,
        cpu: -1,
        lost: 28,
      },
    ]);
  });

  test.each(["CPU 0: 954 events lost", "Processed 40725 samples and lost 52.70%!"])("at no place: %s", (line) => {
    const { diagnostics, unparsed } = run(`${line}\n`);
    expect(unparsed).toBe(1);
    expect(diagnostics[0]).toMatchObject({ code: "lost-events", severity: "loss", line: 1 });
  });

  test("an overwritten beginning is a note", () => {
    const { diagnostics, unparsed, context } = run("# entries-in-buffer/entries-written: 1025/3961   #P:3\n");
    expect({ unparsed, context }).toEqual({ unparsed: 0, context: 1 });
    expect(diagnostics[0]).toMatchObject({ code: "trace-overwritten", severity: "note", line: 1 });
    expect(diagnostics[0]?.message).toContain("1025 of 3961");
    expect(run("# entries-in-buffer/entries-written: 270/270   #P:3\n").diagnostics).toEqual([]);
  });
});

describe("lines that are no record", () => {
  test.each([
    "# tracer: nop",
    "#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION",
    "cpus=3",
    "a.dat: cpus=3",
    "version = 7",
    "CPU 3 is empty",
    "Attaching 4 probes...",
    "Attached 4 probes",
    "libtraceevent: something",
    "@reads[4242]: 17",
    "[2, 4)                 1 |@@@@@@@                                             |",
    " => do_sys_open",
    "\tffffffff8141c441 kernfs_fop_write_iter+0x1 ([kernel.kallsyms])",
    "",
    "   ",
  ])("context: %s", (line) => {
    const { events, context, unparsed } = run(`${record("e: a=1")}${line}\n${record("e: a=2")}`);
    expect({ events: events.length, context, unparsed }).toEqual({ events: 2, context: 1, unparsed: 0 });
    expect(asProbe(events[0]).fields).toEqual(["a", "1"]);
  });

  test.each([
    "some other text",
    " CPU 0/KVM-4107    [002] ..... 17111184",
    "            bash-2201    [002] ....",
    "sys_open: (do_sys_openat2+0x0/0x188) dfd",
  ])("reported: %s", (line) => {
    const { events, unparsed, diagnostics } = run(`${record("e: a=1")}${line}\n${record("e: a=2")}`);
    expect({ events: events.length, unparsed }).toEqual({ events: 2, unparsed: 1 });
    expect(diagnostics[0]).toMatchObject({ code: "unparsed-line", line: 2 });
  });

  test("lines without columns say which trace option took them away", () => {
    const { diagnostics } = run("# tracer: nop\nsys_open: (do_sys_openat2+0x0/0x188) dfd=-100\n");
    expect(diagnostics[0]?.hint).toContain("nocontext-info");
  });

  test("ticks without a unit are noted once", () => {
    const line = "              sh-100     [001] .....            4: e: a=1\n";
    const { diagnostics, unparsed } = run(line + line);
    expect(unparsed).toBe(0);
    expect(diagnostics.map(({ code }) => code)).toEqual(["clock-without-unit"]);
  });
});

describe("records that span lines (b.1)", () => {
  test("a string with a line feed", () => {
    const { events, context } = run(`${record('ksm_store: buf="20\n" count=3 b0={0x32,0xa}')}${record("e: a=2")}`);
    expect(context).toBe(1);
    expect(asProbe(events[0])).toMatchObject({ line: 1, fields: ["buf", '"20\n"', "count", "3", "b0", "{0x32,0xa}"] });
    expect(asProbe(events[1]).line).toBe(3);
  });

  test("a string without quotes (trace-cmd report -R)", () => {
    const { events, context } = run(record("ksm_store: __probe_ip=3d41e0 buf=20\n count=3 b0=20"));
    expect(context).toBe(1);
    expect(asProbe(events[0]).fields).toEqual(["__probe_ip", "3d41e0", "buf", "20", "count", "3", "b0", "20"]);
  });

  test("a marker of several lines, with an empty one and one like a header among them", () => {
    const { events, context } = run(`${record("tracing_mark_write: two\n\n# lines")}${record("e: a=1")}`);
    expect(context).toBe(2);
    expect(events[0]).toMatchObject({ kind: "mark", message: "two\n\n# lines" });
  });

  test("a print format's own line feed adds nothing", () => {
    const { events, context } = run(`${record("tracing_mark_write: one\n")}${record("e: a=1")}`);
    expect(context).toBe(1);
    expect(events[0]).toMatchObject({ kind: "mark", message: "one" });
  });

  test("a loss ends an open string", () => {
    const { events } = run(`${record('e: buf="20')}CPU:1 [LOST 3 EVENTS]\n`);
    expect(events.map((event) => event.kind)).toEqual(["probe", "gap"]);
  });

  test("the header of an appended trace ends a marker", () => {
    const { events, context } = run(`${record("tracing_mark_write: one")}# tracer: nop\n#\n${record("e: a=1")}`);
    expect(context).toBe(2);
    expect(events[0]).toMatchObject({ kind: "mark", message: "one" });
  });

  test("a task name with a line feed fills the column of 16 bytes with both its parts", () => {
    const { events, context } = run(
      `${record("e: a=1")}            nl\nx-204     [000] .....    11.000000: e: a=2\n${record("e: a=3")}`,
    );
    expect(context).toBe(1);
    expect(asProbe(events[1])).toMatchObject({ line: 2, tid: 204, comm: "nl\nx", fields: ["a", "2"] });
    expect(asProbe(events[1]).text).toBe("            nl\nx-204     [000] .....    11.000000: e: a=2");
  });

  test("the same behind a marker", () => {
    const { events } = run(
      `${record("tracing_mark_write: one")}            nl\nx-204     [000] .....    11.000000: e: a=2\n`,
    );
    expect(events[0]).toMatchObject({ kind: "mark", message: "one" });
    expect(events[1]).toMatchObject({ comm: "nl\nx" });
  });

  test("a short line that fills no column with the next is no name", () => {
    const { events, unparsed } = run(`${record("e: a=1")}nl\n${record("e: a=2")}`);
    expect(unparsed).toBe(1);
    expect(events.map(({ comm }) => comm)).toEqual(["sh", "sh"]);
  });

  test("what is joined is bounded", () => {
    const { events, context } = run(`${record('e: buf="')}${"x\n".repeat(200_000)}`);
    expect(context).toBe(200_000);
    expect(asProbe(events[0]).text.length).toBeLessThan(70_000);
  });
});

describe("the end of a source (section 0.5)", () => {
  test("in the middle of a line", () => {
    const { events, unparsed, diagnostics } = run(`${record("e: a=1")}              sh-100     [00`);
    expect({ events: events.length, unparsed }).toEqual({ events: 1, unparsed: 1 });
    expect(diagnostics.map(({ code, severity, line }) => ({ code, severity, line }))).toEqual([
      { code: "truncated-source", severity: "note", line: 2 },
    ]);
  });

  test("without a line feed behind a whole record: used, and noted", () => {
    const { events, unparsed, diagnostics } = run(record("e: a=1").trimEnd());
    expect({ events: events.length, unparsed }).toEqual({ events: 1, unparsed: 0 });
    expect(diagnostics.map(({ code }) => code)).toEqual(["truncated-source"]);
  });

  test("an empty source", () => {
    expect(run("")).toMatchObject({ events: [], diagnostics: [], context: 0 });
  });
});

describe("recognition", () => {
  test.each([
    ["a trace file without an event", "# tracer: nop\n#\n"],
    ["trace_pipe", record("e: a=1")],
    ["a report", "cpus=3\n"],
    ["a report of two files", "a.dat: cpus=3\nb.dat: cpus=2\n"],
    [
      "perf script",
      "            perf   126 [001]    10.367014:             apx:sys_open: (ffffffff81363fa0) dfd=-100\n",
    ],
    ["perf script --header", "# ========\n# captured on    : Fri Nov 20 07:11:43 2026\n"],
    ["bpftrace", "Attaching 4 probes...\n"],
  ])("%s", (_, text) => {
    expect(ftraceImporter.recognises(headOf(text))).toBe(true);
  });

  test.each([
    ["strace", '16732 1795156516.142887 write(4</sys/bus/x/assign_adapter>, "0x05", 4) = 4\n'],
    ["an s390 debug area", "00 01795156297:959379 2 - 0001 00000000009c74a6  snsid: device 0.0.0000\n"],
    ["a snapshot", "/sys/bus/ap/ap_domain:4\n"],
    ["the kernel log", "[    1.582731] Linux version 6.1.0\n"],
    ["perf trace", "     0.000 (14.727 ms): qemu-system-s3/1185 openat(dfd: CWD, filename: 0x48fb90) = 8\n"],
    ["definitions of probes", "p:apx/sysfs_store kernfs_fop_write_iter iocb=$arg1\n"],
    ["nothing", ""],
    ["one record in much prose", `${"prose\n".repeat(5)}${record("e: a=1")}`],
  ])("not %s", (_, text) => {
    expect(ftraceImporter.recognises(headOf(text))).toBe(false);
  });
});
