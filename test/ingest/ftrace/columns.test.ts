import { describe, expect, test } from "vitest";
import { ftraceImporter } from "../../../src/ingest/ftrace/importer.js";
import { onlyEvent, runImporter } from "../run-importer.js";

/** A record's line, and the comm, tid, cpu, seconds and nanoseconds that stand in it. */
const records: readonly (readonly [line: string, comm: string, tid: number, cpu: number, s: number, ns: number])[] = [
  ["      vhost-4242-204     [000] .....    11.244087: e: a=1", "vhost-4242", 204, 0, 11, 244_087_000],
  [" qemu-system-s39-198     [002] d.h1.    11.241020: e: a=1", "qemu-system-s39", 198, 2, 11, 241_020_000],
  ["          <idle>-0       [002] dNh2. 223087.004012: e: a=1", "<idle>", 0, 2, 223_087, 4_012_000],
  ["           <...>-4711    [003] .....    12.000001: e: a=1", "<...>", 4711, 3, 12, 1000],
  // Names with blanks, dashes, brackets and what looks like columns.
  ["      a b-c: d=1-512     [000] .....    46.832937: e: a=1", "a b-c: d=1", 512, 0, 46, 832_937_000],
  ["     x]y [003] z-330     [001] .....     5.797365: e: a=1", "x]y [003] z", 330, 1, 5, 797_365_000],
  ["      <weird>-99-217     [001] .....     5.792043: e: a=1", "<weird>-99", 217, 1, 5, 792_043_000],
  ["       1234-5678-9       [001] .....     5.792043: e: a=1", "1234-5678", 9, 1, 5, 792_043_000],
  ["               --262     [001] .....     5.792043: e: a=1", "-", 262, 1, 5, 792_043_000],
  ["        tab\there-369     [002] .....     5.792043: e: a=1", "tab\there", 369, 2, 5, 792_043_000],
  [
    "   caf\u00c3\u00a9 \u00e2\u0082\u00ac-370     [002] .....     5.792043: e: a=1",
    "caf\u00c3\u00a9 \u00e2\u0082\u00ac",
    370,
    2,
    5,
    792_043_000,
  ],
  // record-tgid, noirq-info, flags of four and of odd letters, a cpu above 999.
  ["        (sd-pam)-260     (    255) [000] .....    12.506151: e: a=1", "(sd-pam)", 260, 0, 12, 506_151_000],
  ["              sh-100     (-------) [001] .....    12.491033: e: a=1", "sh", 100, 1, 12, 491_033_000],
  ["              sh-100     [001]     12.229614: e: a=1", "sh", 100, 1, 12, 229_614_000],
  ["              sh-100     [001] ....    12.229614: e: a=1", "sh", 100, 1, 12, 229_614_000],
  ["            bash-28917   [001] DBZff  2835.839808: e: a=1", "bash", 28917, 1, 2835, 839_808_000],
  ["            bash-28917   [1023] .....  2835.839808: e: a=1", "bash", 28917, 1023, 2835, 839_808_000],
  // Clocks: realtime of trace-cmd --date, ns of report -t, ticks of counter and of x86-tsc, raw 64 bits.
  ["              sh-1   [001] 1795156884.141088: e:   a=1", "sh", 1, 1, 1_795_156_884, 141_088_000],
  ["              sh-100   [000]    46.832936691: e:             a=1", "sh", 100, 0, 46, 832_936_691],
  ["              sh-100     [001] .....            4: e: a=1", "sh", 100, 1, 0, 4],
  ["              sh-116     [001] .....  44690929400: e: a=1", "sh", 116, 1, 44, 690_929_400],
  ["              sh-116     [001] 18446744073709551615: e: a=1", "sh", 116, 1, 18_446_744_073, 709_551_615],
  // trace-cmd report: -i FILE, instances, --ts-diff, -l.
  ["a.dat:               sh-100   [001]     9.865238: e:  a=1", "sh", 100, 1, 9, 865_238_000],
  ["second:            <...>-558   [002]    63.340047: e:  a=1", "<...>", 558, 2, 63, 340_047_000],
  ["               CPU 0/KVM-562   [002]    63.343972: e:  a=1", "CPU 0/KVM", 562, 2, 63, 343_972_000],
  ["              sh-512   [000]    46.833078: (+141)   e:         a=1", "sh", 512, 0, 46, 833_078_000],
  ["              sh-512   [000]    46.832937:          e:         a=1", "sh", 512, 0, 46, 832_937_000],
  ["CPU 0/KV-511     1.....    46.834119: e:             a=1", "CPU 0/KV", 511, 1, 46, 834_119_000],
  ["x]y [003-514    12d.h1.    46.847355: e:             a=1", "x]y [003", 514, 12, 46, 847_355_000],
  // latency-format, without and with verbose.
  ["      sh-100       1..... 58331us+: e: a=1", "sh", 100, 1, 0, 58_331_000],
  ["CPU 0/KV-214       0..... 1065895us : e: a=1", "CPU 0/KV", 214, 0, 1, 65_895_000],
  [
    "              sh     100   1 0 00000000 00000000 [00b255e7] 1042.516ms (+0.077ms): e: a=1",
    "sh",
    100,
    1,
    1,
    42_516_000,
  ],
  // perf script: no dash, PID/TID, ns, no cpu, misc, no name.
  ["       CPU 0/KVM   511 [001]    46.834119:             apx:e: a=1", "CPU 0/KVM", 511, 1, 46, 834_119_000],
  ["         a b 12   345 [001]    46.834119:             apx:e: a=1", "a b 12", 345, 1, 46, 834_119_000],
  ["            perf   126/127   [001]    10.367014370:             apx:e: a=1", "perf", 127, 1, 10, 367_014_370],
  ["            perf   126    10.367014:             apx:e: a=1", "perf", 126, -1, 10, 367_014_000],
  ["            perf   126 [001] K     10.367014:             apx:e: a=1", "perf", 126, 1, 10, 367_014_000],
  ["            :197   197 [001]    30.046720:    apx:e: a=1", ":197", 197, 1, 30, 46_720_000],
  ["              :-1    -1 [000]     0.000000:    apx:e: a=1", ":-1", 0, 0, 0, 0],
];

describe("the columns before an event (b.1, b.3, b.4)", () => {
  test.each(records)("%s", (line, comm, tid, cpu, seconds, nanos) => {
    expect(onlyEvent(ftraceImporter, `${line}\n`)).toEqual({
      kind: "probe",
      source: 3,
      line: 1,
      time: { seconds, nanos },
      tid,
      comm,
      text: line,
      name: "e",
      fields: ["a", "1"],
      cpu,
    });
  });

  test.each([
    ["no columns", "hello world"],
    ["no cpu", "              sh-100     ..... 12.229614: e: a=1"],
    ["two digits of cpu", "              sh-100     [01] ..... 12.229614: e: a=1"],
    ["no tid", "              sh-x     [001] ..... 12.229614: e: a=1"],
    ["a name of more than 16 bytes", "           CPU 0/KVM-41     bash-100     [001] ..... 12.229614: e: a=1"],
    ["five digits of microseconds", "              sh-100     [001] ..... 12.22961: e: a=1"],
    ["no colon behind the time", "              sh-100     [001] ..... 12.229614 e a=1"],
    ["nothing behind the time", "              sh-100     [001] ..... 12.229614"],
    ["an event without a name", "              sh-100     [001] ..... 12.229614: what is this"],
    ["no event", "              sh-100     [001] ..... 12.229614:"],
  ])("not a record: %s", (_, line) => {
    const { events, unparsed, diagnostics } = runImporter(ftraceImporter, `${line}\n`);
    expect(events).toEqual([]);
    expect(unparsed).toBe(1);
    expect(diagnostics.map(({ code, severity, line }) => ({ code, severity, line }))).toEqual([
      { code: "unparsed-line", severity: "loss", line: 1 },
    ]);
  });
});
