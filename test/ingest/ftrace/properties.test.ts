import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ftraceImporter } from "../../../src/ingest/ftrace/importer.js";
import { asSyscall, readSample, runImporter } from "../run-importer.js";

/** What task names may hold, with the characters of the columns among it. */
const comm = fc
  .string({ unit: fc.constantFrom(..."ab0 -:[]()=<>\t.019\u00e9"), minLength: 1, maxLength: 15 })
  // The blanks at the ends of a name are lost in the columns.
  .filter((name) => !/^ | $/.test(name));

const record = fc.record({
  comm,
  tid: fc.integer({ min: 1, max: 4_194_304 }),
  cpu: fc.integer({ min: 0, max: 1500 }),
  seconds: fc.integer({ min: 0, max: 4_000_000_000 }),
  micros: fc.integer({ min: 0, max: 999_999 }),
  flags: fc.constantFrom(".....", "d.h1.", "DBZff", "...."),
  fields: fc.array(
    fc.tuple(
      fc.stringMatching(/^[a-z_][a-z0-9_]{0,8}$/),
      fc.oneof(
        fc.stringMatching(/^-?[0-9a-fx]{1,16}$/),
        fc.stringMatching(/^\{0x[0-9a-f]{1,16}(,0x[0-9a-f]{1,16}){3}\}$/),
        fc.stringMatching(/^"[ a-z0-9_/:,.-]{0,20}"$/),
      ),
    ),
    { maxLength: 6 },
  ),
});

type Recorded = typeof record extends fc.Arbitrary<infer T> ? T : never;

const time = ({ seconds, micros }: Recorded) => `${seconds}.${String(micros).padStart(6, "0")}`;
const cpu = ({ cpu }: Recorded) => `[${String(cpu).padStart(3, "0")}]`;
const body = ({ fields }: Recorded) => ["probe:", ...fields.map(([key, value]) => `${key}=${value}`)].join(" ");

/** The layouts in which the recorders print one and the same record (b.1, b.3, b.4). */
const layouts: Readonly<Record<string, (r: Recorded) => string>> = {
  ftrace: (r) =>
    `${r.comm.padStart(16)}-${String(r.tid).padEnd(7)} ${cpu(r)} ${r.flags} ${time(r).padStart(12)}: ${body(r)}`,
  "ftrace with tgid": (r) =>
    `${r.comm.padStart(16)}-${String(r.tid).padEnd(7)} (${String(r.tid).padStart(7)}) ${cpu(r)} ${r.flags} ${time(r).padStart(12)}: ${body(r)}`,
  "noirq-info": (r) =>
    `${r.comm.padStart(16)}-${String(r.tid).padEnd(7)} ${cpu(r)} ${time(r).padStart(12)}: ${body(r)}`,
  "trace-cmd report": (r) =>
    `${r.comm.padStart(16)}-${String(r.tid).padEnd(5)} ${cpu(r)} ${time(r).padStart(13)}: probe:               ${body(r).slice(6).trimStart()}`,
  "trace-cmd report -t -i": (r) =>
    `run-1.dat: ${r.comm.padStart(16)}-${String(r.tid).padEnd(5)} ${cpu(r)} ${time(r)}000: ${body(r)}`,
  "perf script": (r) =>
    `${r.comm.padStart(16)} ${String(r.tid).padStart(5)} ${cpu(r)} ${time(r)}:             ap:${body(r)}`,
  "perf script --ns -F +pid": (r) =>
    `${r.comm.padStart(16)} ${String(r.tid).padStart(5)}/${String(r.tid).padEnd(5)} ${cpu(r)} ${time(r)}000:             ap:${body(r)}`,
};

describe.each(Object.entries(layouts))("%s", (_, print) => {
  test("what is printed is read back", () => {
    fc.assert(
      fc.property(record, (recorded) => {
        const line = print(recorded);
        // A name whose own text reads as columns before the true ones cannot be told from them; the reader takes the first.
        fc.pre(!/\d \[\d{3,}\] /.test(recorded.comm));
        const { events, unparsed } = runImporter(ftraceImporter, `${line}\n`);
        expect(unparsed).toBe(0);
        expect(events).toEqual([
          {
            kind: "probe",
            source: 3,
            line: 1,
            time: { seconds: recorded.seconds, nanos: recorded.micros * 1000 },
            tid: recorded.tid,
            comm: recorded.comm,
            text: line,
            name: "probe",
            fields: recorded.fields.flat(),
            cpu: recorded.cpu,
          },
        ]);
      }),
      { numRuns: 500 },
    );
  });
});

const counted = (text: string): void => {
  const { events, context, unparsed, lines } = runImporter(ftraceImporter, text);
  expect(events.length + context + unparsed).toBe(lines);
};

describe("hostile input", () => {
  const pieces = [
    "CPU:1 [LOST 2 EVENTS]",
    "##### CPU 1 buffer started ####",
    " sh-1 [000] ..... 1.000001: ",
    "e: a=1",
    'b="',
    "sys_ioctl(",
    "sys_ioctl -> ",
    "tracing_mark_write: ",
    "print: ",
    "NR ",
    "sys_enter: NR 1 (",
    "kvm_hcall_enter: VCPU 0: hcall=X GPR4-7=1,2",
    "# ",
    "cpus=",
    "{",
    "}",
    "=",
    ":",
    " ",
    "\n",
    "\n",
    "\t",
    "-",
    "[",
    "]",
    "0",
    "9".repeat(30),
    "PERF_RECORD_LOST",
    "\0",
    "\u00ff",
    "a.dat: ",
    " 1..... 5us+: ",
    "            nl\nx-1",
  ];

  test("made of the recorders' own pieces: never throws, every line is counted once", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 60 }), (parts) => {
        counted(parts.join(""));
      }),
      { numRuns: 3000 },
    );
  });

  test("any bytes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        counted(text);
      }),
      { numRuns: 1000 },
    );
  });

  test("a sample with bytes changed, lines cut, glued, doubled", () => {
    const sample = readSample("ftrace", "x86-trace_pipe-lost.txt").slice(0, 4000);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(sample.length - 1), fc.nat(40), fc.constantFrom("", "\n", '"', " ", "[", "\0")), {
          minLength: 1,
          maxLength: 8,
        }),
        (edits) => {
          counted(edits.reduce((text, [at, gone, put]) => text.slice(0, at) + put + text.slice(at + gone), sample));
        },
      ),
      { numRuns: 500 },
    );
  });

  test.each([
    ["blanks", " ".repeat(2_000_000)],
    ["brackets", "[000] ".repeat(400_000)],
    ["quotes in an open string", `   sh-1       [000] ..... 1.000001: e: a=${'" '.repeat(500_000)}`],
    ["words without fields", `   sh-1       [000] ..... 1.000001: e: ${"word ".repeat(400_000)}`],
    ["headings", `   sh-1       [000] ..... 1.000001: e: ${"a: b=".repeat(400_000)}`],
    ["arguments", `   sh-1       [000] ..... 1.000001: sys_x(${'a: "'.repeat(400_000)})`],
    ["digits", `   sh-1       [000] ..... ${"1".repeat(2_000_000)}: e: a=1`],
  ])("one long line of %s is read in time", (_, line) => {
    // Quadratic work on two million characters would outlast the test's time by hours.
    counted(`${line}\n`);
  });

  test("of open calls only the newest are remembered", () => {
    const tasks = 40_000;
    const enter = (tid: number) =>
      `              sh-${tid} [000] ..... 1.000001: sys_ioctl(fd: 5, cmd: ae03, arg: 46)\n`;
    const exit = (tid: number) => `              sh-${tid} [000] ..... 1.000002: sys_ioctl -> 0x0\n`;
    const text = Array.from({ length: tasks }, (_, index) => enter(index + 1)).join("") + exit(1) + exit(tasks);
    const { events } = runImporter(ftraceImporter, text);
    expect(events.slice(-2).map((event) => asSyscall(event).args)).toEqual([[], ["0x5", "0xae03", "0x46"]]);
  });
});
