import { describe, expect, it } from "vitest";
import { bytesOf, descriptorOf } from "../../../src/event/arguments.js";
import { straceImporter } from "../../../src/ingest/strace/importer.js";
import { calls, parse, sample } from "./harness.js";

/**
 * Recordings of strace 6.1, one for each set of options, with counts that grep made:
 *
 *     enter    grep -cE ' <unfinished \.\.\.>$'
 *     exit     grep -cE '<\.\.\. [a-z0-9_]+ resumed>'        (and the lines '^)' of x86-f-ttt-y-z)
 *     ends     grep -cE '\+\+\+ (exited|killed)'
 *     results  grep -cE '\) += (-?[0-9]|\?)'                 all calls with a result: complete + exit
 *     ioctl    grep -E '\) += (-?[0-9]|\?)' | grep -v 'resumed>' | grep -cE '(^| )ioctl\('
 *     write    the same with write
 */
interface Counts {
  readonly file: string;
  readonly lines: number;
  readonly enter: number;
  readonly exit: number;
  readonly ends: number;
  readonly results: number;
  readonly ioctl: number;
  readonly write: number;
}

const table: readonly Counts[] = [
  { file: "ap-lifecycle.strace", lines: 92, enter: 0, exit: 0, ends: 1, results: 91, ioctl: 30, write: 6 },
  { file: "platform-undef-1.strace", lines: 20, enter: 0, exit: 0, ends: 1, results: 19, ioctl: 4, write: 9 },
  { file: "ppc64le-bp-ttt-y.strace", lines: 53, enter: 0, exit: 0, ends: 1, results: 52, ioctl: 12, write: 1 },
  { file: "s390x-f-ttt-y-s4096.strace", lines: 217, enter: 23, exit: 23, ends: 6, results: 183, ioctl: 27, write: 25 },
  { file: "x86-f-C-w-y.strace", lines: 154, enter: 0, exit: 0, ends: 6, results: 135, ioctl: 42, write: 25 },
  { file: "x86-f-n-i-y.strace", lines: 109, enter: 1, exit: 1, ends: 6, results: 97, ioctl: 42, write: 24 },
  { file: "x86-f-ns-stamps.strace", lines: 109, enter: 1, exit: 1, ends: 6, results: 97, ioctl: 42, write: 24 },
  { file: "x86-f-r-x-s16.strace", lines: 259, enter: 34, exit: 34, ends: 6, results: 214, ioctl: 42, write: 22 },
  { file: "x86-f-t-on-stderr.strace", lines: 264, enter: 34, exit: 34, ends: 6, results: 214, ioctl: 42, write: 23 },
  { file: "x86-f-ttt-y-Y.strace", lines: 84, enter: 0, exit: 0, ends: 6, results: 73, ioctl: 42, write: 25 },
  { file: "x86-f-ttt-y-dump.strace", lines: 234, enter: 18, exit: 18, ends: 6, results: 112, ioctl: 0, write: 22 },
  { file: "x86-f-ttt-y-inject.strace", lines: 91, enter: 0, exit: 0, ends: 6, results: 80, ioctl: 27, write: 25 },
  { file: "x86-f-ttt-y-z.strace", lines: 76, enter: 1, exit: 1, ends: 6, results: 64, ioctl: 14, write: 20 },
  { file: "x86-vfio-session-rawioctl.strace", lines: 90, enter: 0, exit: 0, ends: 1, results: 89, ioctl: 56, write: 0 },
  {
    file: "x86-vfio-session-tt-T-yy-xx.strace",
    lines: 90,
    enter: 0,
    exit: 0,
    ends: 1,
    results: 89,
    ioctl: 56,
    write: 0,
  },
];

describe.each(table)("$file", (counts) => {
  const lines = sample(counts.file);
  const outcome = parse(lines, counts.file);

  it("is recognised", () => {
    expect(straceImporter.recognises(lines.slice(0, 20))).toBe(true);
  });

  it("is understood to the last line", () => {
    expect(outcome.diagnostics).toEqual([]);
    expect(lines).toHaveLength(counts.lines);
    expect(outcome.events.length + outcome.context).toBe(counts.lines);
  });

  it("has the calls and exits that grep counts", () => {
    const inPhase = (phase: string): number =>
      outcome.events.filter((event) => event.kind === "syscall" && event.phase === phase).length;
    const complete = (name: string): number =>
      outcome.events.filter((event) => event.kind === "syscall" && event.phase === "complete" && event.name === name)
        .length;
    expect({
      enter: inPhase("enter"),
      exit: inPhase("exit"),
      results: inPhase("complete") + inPhase("exit"),
      ends: outcome.events.filter((event) => event.kind === "task-exit").length,
      ioctl: complete("ioctl"),
      write: complete("write"),
    }).toEqual({
      enter: counts.enter,
      exit: counts.exit,
      results: counts.results,
      ends: counts.ends,
      ioctl: counts.ioctl,
      write: counts.write,
    });
  });

  it("keeps where each event comes from", () => {
    for (const event of outcome.events) {
      expect(event.source).toBe(3);
      expect(event.text.startsWith(lines[event.line - 1]?.slice(0, 20) ?? "?")).toBe(true);
    }
  });
});

describe("contents", () => {
  it("are whole in dumps, though the strings are cut", () => {
    // grep -cE '^ \| ' x86-f-ttt-y-dump.strace: 93 lines
    const events = calls(sample("x86-f-ttt-y-dump.strace"));
    const dumped = events.filter((event) => event.dump !== undefined);
    for (const event of dumped) {
      const bytes = bytesOf(event.args[1] ?? "");
      expect(bytes).toBeDefined();
      expect(event.dump?.startsWith(bytes?.data ?? "?")).toBe(true);
      // What was offered, for a write also where it failed; what came, for a read.
      const length = event.name === "write" ? event.args[2] : event.result?.kind === "value" ? event.result.text : "";
      expect(String(event.dump?.length)).toBe(length);
    }
    const dumpLines = dumped.reduce((sum, event) => sum + Math.ceil((event.dump?.length ?? 0) / 16), 0);
    expect(dumpLines).toBe(93);
  });

  it("have paths in hex with -xx", () => {
    // grep -cE 'ioctl\(3<(\\x[0-9a-f]{2})+<char' of the sample
    const events = calls(sample("x86-vfio-session-tt-T-yy-xx.strace"));
    const paths = events
      .filter((event) => event.name === "ioctl")
      .map((event) => descriptorOf(event.args[0] ?? ""))
      .filter((descriptor) => descriptor?.path === "/dev/vfio/vfio");
    expect(paths).toHaveLength(16);
  });

  it("are marked where they were injected", () => {
    // grep -c '(INJECTED)' x86-f-ttt-y-inject.strace
    const injected = calls(sample("x86-f-ttt-y-inject.strace")).filter((event) => event.result?.kind === "injected");
    expect(injected).toHaveLength(7);
  });

  it("have the sum of the relative times", () => {
    // awk '{s += $2} END {printf "%.6f", s}' x86-f-r-x-s16.strace
    const events = parse(sample("x86-f-r-x-s16.strace")).events;
    expect(events.at(-1)?.time).toEqual({ seconds: 0, nanos: 30_841_000 });
  });

  it("have the names of the tasks with -Y", () => {
    // grep -v -- '---' x86-f-ttt-y-Y.strace | sed 's/> .*//' | sort | uniq -c
    const events = parse(sample("x86-f-ttt-y-Y.strace")).events;
    const names = new Map<string, number>();
    for (const { tid, comm } of events) names.set(`${tid}<${comm}`, (names.get(`${tid}<${comm}`) ?? 0) + 1);
    expect(Object.fromEntries(names)).toEqual({
      "16996<apwalk": 63,
      "16998<CPU 0/KVM": 1,
      "16999<IO mon iothread": 1,
      "17000<worker-x y": 9,
      "17001<mdevctl": 4,
      "17002<apwalk": 1,
    });
  });
});
