import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogEvent } from "../../../src/event/event.js";
import { s390dbfImporter } from "../../../src/ingest/s390dbf/importer.js";
import { headOf, onlyEvent, readSample, runImporter } from "../run-importer.js";

const run = (text: string, file?: string) => runImporter(s390dbfImporter, text, file);

const entries = (text: string, file?: string): readonly LogEvent[] =>
  run(text, file).events.flatMap((event) => (event.kind === "log" ? [event] : []));

const HEAD = "00 01795158940:664371 4 - 0002 000003ff7fd09180  ";

describe("an entry (d.1)", () => {
  test("has area, level, time and message", () => {
    const line = "00 01795156297:959379 2 - 0001 00000000009c74a6  snsid: device 0.0.0000: rc=0 3832/02 0000/00";
    expect(entries(`${line}\n`, "run/vfio_ap/sprintf")).toEqual([
      {
        kind: "log",
        source: 3,
        line: 1,
        time: { seconds: 1_795_156_297, nanos: 959_379_000 },
        tid: 0,
        comm: "",
        text: line,
        area: "vfio_ap",
        message: "snsid: device 0.0.0000: rc=0 3832/02 0000/00",
        level: 2,
      },
    ]);
  });

  test.each([
    ["an exception call", "00 01795158940:664528 3 * 0002 000003ff7fd10654  message"],
    ["a cpu of two digits and a short caller (older kernels)", "00 01795158940:664528 3 - 02 7fd10654  message"],
    ["hidden pointers", "00 01795158940:664528 3 - 0002 0000000000000000  message"],
    ["an area number of three digits", "100 01795158940:664528 3 - 0002 000003ff7fd10654  message"],
  ])("%s", (_, line) => {
    expect(onlyEvent(s390dbfImporter, `${line}\n`)).toMatchObject({
      kind: "log",
      message: "message",
      level: 3,
      time: { seconds: 1_795_158_940, nanos: 664_528_000 },
    });
  });

  test("keeps its message to the letter", () => {
    const messages = [
      "CLR CRYCB:",
      "vfio_ap_irq_enable: vfio_pin_pages failed: rc=-14,nib=0x000000007f008000, apqn=0x05",
      "00[0404c00180000000-00000000001a2b3c]: AIV disabled for cpu 000",
      " two blanks more",
      "",
      "a time 01795158940:664371 in it",
    ];
    for (const message of messages)
      expect(entries(`${HEAD}${message}\n`).map((entry) => entry.message)).toEqual([message]);
  });

  test("without a line feed glues the next to its line", () => {
    const first = "00 01795158940:664572 4 - 0002 000003ff7fd106f2  card dev config off";
    const second = "00 01795158940:664579 6 - 0002 000003ff7fd1072c  queue dev config off";
    const { events, context, unparsed, lines } = run(`${first}${second}${first}\n${second}\n`);
    expect(events.map((event) => [event.line, event.text])).toEqual([
      [1, first],
      [1, second],
      [1, first],
      [2, second],
    ]);
    expect(events.length + context + unparsed).toBe(lines);
  });

  test.each([
    ["ten digits of seconds", "00 1795158940:664528 3 - 0002 000003ff7fd10654  message"],
    ["one blank before the message", "00 01795158940:664528 3 - 0002 000003ff7fd10654 message"],
    ["another exception mark", "00 01795158940:664528 3 + 0002 000003ff7fd10654  message"],
    ["a cut head", "00 01795158940:664528 3 - 00"],
    ["a level file", "vfio_ap level=4 pages=1"],
  ])("reported: %s", (_, line) => {
    const { events, unparsed, diagnostics } = run(`${line}\n${HEAD}x\n`);
    expect({ events: events.length, unparsed }).toEqual({ events: 1, unparsed: 1 });
    expect(diagnostics[0]).toMatchObject({ code: "unparsed-line", line: 1 });
  });

  test("a dump that stops in the middle of a line is a truncation", () => {
    const { diagnostics, unparsed } = run(`${HEAD}x\n00 01795158940:6643`);
    expect(unparsed).toBe(1);
    expect(diagnostics.map(({ code, line }) => [code, line])).toEqual([["truncated-source", 2]]);
  });
});

describe("the area", () => {
  test("is that of the header before", () => {
    const text = `==> /sys/kernel/debug/s390dbf/vfio_ap/sprintf <==\n${HEAD}a\n\n==> kvm-4100/sprintf <==\n${HEAD}b\n`;
    expect(entries(text).map(({ area, message }) => [area, message])).toEqual([
      ["vfio_ap", "a"],
      ["kvm-4100", "b"],
    ]);
    expect(run(text).context).toBe(3);
  });

  test.each([
    ["sys/kernel/debug/s390dbf/kvm-4100/sprintf", "kvm-4100"],
    ["dbf-kvm-4100.txt", "kvm-4100"],
    ["run-7/dbf-vfio_ap.txt", "vfio_ap"],
    ["kvm-trace-sprintf.txt", "kvm-trace"],
    ["demo-ap.txt", "ap"],
    ["cio_msg-sprintf.txt", "cio_msg"],
    ["s390dbf.txt", ""],
  ])("is that of the file %s", (file, area) => {
    expect(entries(`${HEAD}a\n`, file).map((entry) => entry.area)).toEqual([area]);
  });
});

describe("samples", () => {
  // grep -oE '[0-9]{2} [0-9]{11}:[0-9]{6} [0-9] [-*] ' FILE | wc -l
  test.each([
    ["cio_msg-sprintf.txt", 6],
    ["demo-ap.txt", 5],
    ["demo-kvm-4242.txt", 43],
    ["demo-vfio_ap.txt", 16],
    ["qdio_setup-hex_ascii.txt", 3],
  ])("%s", (name, count) => {
    const text = readSample("s390dbf", name);
    expect(s390dbfImporter.recognises(headOf(text))).toBe(true);
    const outcome = run(text, name);
    expect(outcome.events.length).toBe(count);
    expect(outcome.unparsed).toBe(0);
    expect(outcome.events.length + outcome.context).toBe(outcome.lines);
  });

  test("a file of several areas", () => {
    const text = readSample("s390dbf", "ap-areas.txt");
    expect(s390dbfImporter.recognises(headOf(text))).toBe(true);
    const counts = new Map<string, number>();
    for (const { area } of entries(text, "s390dbf.txt")) counts.set(area, (counts.get(area) ?? 0) + 1);
    expect(Object.fromEntries(counts)).toEqual({ "kvm-6100": 11, vfio_ap: 10, "kvm-4164": 10 });
  });
});

describe("recognition", () => {
  test("a header alone", () => {
    expect(s390dbfImporter.recognises(["==> /sys/kernel/debug/s390dbf/vfio_ap/sprintf <=="])).toBe(true);
  });
  test.each(["==> notes.txt <==", "/sys/bus/ap/ap_domain:4", "[    1.582731] x", ""])("not %s", (line) => {
    expect(s390dbfImporter.recognises(headOf(line))).toBe(false);
  });
});

describe("properties", () => {
  const entry = fc
    .tuple(
      fc.integer({ min: 0, max: 99_999_999_999 }),
      fc.integer({ min: 0, max: 999_999 }),
      fc.integer({ min: 0, max: 6 }),
      fc.constantFrom("-", "*"),
      fc.stringMatching(/^[ -9;-~]{0,40}$/),
    )
    .map(([seconds, micros, level, mark, message]) => ({
      line: `00 ${String(seconds).padStart(11, "0")}:${String(micros).padStart(6, "0")} ${level} ${mark} 0001 000003ff7fd10654  ${message}`,
      seen: { time: { seconds, nanos: micros * 1000 }, level, message },
    }));

  test("entries are read back, on lines of their own or glued together", () => {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 5 }), fc.constantFrom("", "\n"), (list, between) => {
        const text = `${list.map(({ line }) => line).join(between)}\n`;
        expect(entries(text).map(({ time, level, message }) => ({ time, level, message }))).toEqual(
          list.map(({ seen }) => seen),
        );
      }),
      { numRuns: 1000 },
    );
  });

  test("never throws, every line is counted once", () => {
    const pieces = [
      HEAD,
      "00 ",
      "01795158940",
      ":",
      "664371",
      " 4 - ",
      "0002",
      "\n",
      "==> ",
      " <==",
      "a/sprintf",
      " ",
      "x",
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

  test.each([["01795158940:"], [":"], [HEAD], ["9"]])("one long line of %s is read in time", (piece) => {
    const { events, context, unparsed } = run(`${HEAD}${piece.repeat(100_000)}\n`);
    expect(events.length + context + unparsed).toBe(1);
  });
});
