import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dmesgImporter } from "../../../src/ingest/dmesg/importer.js";
import { headOf, onlyEvent, readSample, runImporter } from "../run-importer.js";

const run = (text: string) => runImporter(dmesgImporter, text);

const MESSAGE = "vfio_ap_mdev 62177883: Userspace may not assign queue 05.0004 to mdev: already assigned to 3702f564";

describe("a message (e.3)", () => {
  test("of dmesg", () => {
    const line = `[    1.582731] ${MESSAGE}`;
    expect(onlyEvent(dmesgImporter, `${line}\n`)).toEqual({
      kind: "log",
      source: 3,
      line: 1,
      time: { seconds: 1, nanos: 582_731_000 },
      tid: 0,
      comm: "",
      text: line,
      area: "kernel",
      message: MESSAGE,
      level: -1,
    });
  });

  const forms: readonly (readonly [line: string, seen: object])[] = [
    [`[12345.000001] ${MESSAGE}`, { time: { seconds: 12_345, nanos: 1000 } }],
    [`[    5.100000][  T123] ${MESSAGE}`, { time: { seconds: 5, nanos: 100_000_000 }, tid: 123 }],
    [`[    5.100000] [    C1] ${MESSAGE}`, { tid: 0 }],
    [`<4>[    5.100000] ${MESSAGE}`, { level: 4 }],
    [`<30>[    5.100000] ${MESSAGE}`, { level: 6 }],
    [`kern  :warn  : [    5.100000] ${MESSAGE}`, { level: 4 }],
    // journalctl -k -o short-monotonic, short-unix, short-iso-precise
    [`[    5.100000] a-host kernel: ${MESSAGE}`, { time: { seconds: 5, nanos: 100_000_000 } }],
    [`1795158940.123456 a-host kernel: ${MESSAGE}`, { time: { seconds: 1_795_158_940, nanos: 123_456_000 } }],
    [
      `2026-11-20T08:35:40.123456+01:00 a-host kernel: ${MESSAGE}`,
      { time: { seconds: 1_795_160_140, nanos: 123_456_000 } },
    ],
    // dmesg --time-format=iso; dmesg -T, whose time is of no use
    [`2026-11-20T07:35:40,123456+00:00 ${MESSAGE}`, { time: { seconds: 1_795_160_140, nanos: 123_456_000 } }],
    [`[Fri Nov 20 07:11:43 2026] ${MESSAGE}`, { time: undefined }],
  ];
  test.each(forms)("%s", (line, seen) => {
    expect(onlyEvent(dmesgImporter, `${line}\n`)).toMatchObject({
      kind: "log",
      area: "kernel",
      message: MESSAGE,
      ...seen,
    });
  });

  test("the two ISO forms above are what the calendar says", () => {
    expect(Date.UTC(2026, 10, 20, 7, 35, 40)).toBe(1_795_160_140_000);
  });

  test("of several lines", () => {
    const { events, context } = run("[    1.000000] first\n               second\n[    2.000000] next\n");
    expect(context).toBe(1);
    expect(events).toMatchObject([
      { message: "first\nsecond", line: 1 },
      { message: "next", line: 3 },
    ]);
  });

  test("another program's line of the journal is context", () => {
    expect(run("1795158940.123456 a-host systemd[1]: Started.\n")).toMatchObject({
      events: [],
      context: 1,
      unparsed: 0,
    });
    expect(run("-- Journal begins at Fri 2026-11-20. --\n")).toMatchObject({ events: [], context: 1, unparsed: 0 });
  });

  test("reported: prose", () => {
    const { unparsed, diagnostics } = run("[    1.000000] first\nprose\n[    2.000000] next\n");
    expect(unparsed).toBe(1);
    expect(diagnostics[0]).toMatchObject({ code: "unparsed-line", line: 2 });
  });

  test("what is joined is bounded", () => {
    const { events, context } = run(`[    1.000000] first\n${"  x\n".repeat(100_000)}`);
    expect(context).toBe(100_000);
    expect(events[0]?.text.length).toBeLessThan(20_000);
  });
});

describe("samples", () => {
  // grep -c '^\[' FILE
  test.each([
    ["s390x-dmesg.txt", 150],
    ["x86-dmesg.txt", 40],
  ])("%s", (name, count) => {
    const text = readSample("dmesg", name);
    expect(dmesgImporter.recognises(headOf(text))).toBe(true);
    expect(run(text)).toMatchObject({ lines: count, context: 0, unparsed: 0 });
    expect(run(text).events.length).toBe(count);
  });
});

test.each([
  ["strace -ttt", '1795156516.142887 write(4</sys/x>, "0x05", 4) = 4\n'],
  ["strace -n -i", '[   1] [0000000000435ff0] write(5</x>, "x", 1) = 1\n'],
  ["strace on stderr", "[pid 16768] exit(0) = ?\n"],
  ["ftrace", "   sh-1       [000] ..... 1.000001: e: a=1\n"],
  ["nothing", ""],
])("%s is not taken for it", (_, text) => {
  expect(dmesgImporter.recognises(headOf(text))).toBe(false);
});

test("never throws, every line is counted once", () => {
  const pieces = [
    "[    1.000000] ",
    "<6>",
    "kern  :info  : ",
    "[  T1] ",
    "h kernel: ",
    "2026-99-99T99:99:99,000000+99:99 ",
    "\n",
    "  x",
    "-- Boot",
  ];
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: "binary" })), { maxLength: 40 }),
      (parts) => {
        const { events, context, unparsed, lines } = run(parts.join(""));
        expect(events.length + context + unparsed).toBe(lines);
      },
    ),
    { numRuns: 1000 },
  );
});
