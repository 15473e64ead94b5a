import { describe, expect, it } from "vitest";
import type { Report } from "../../src/check/report.js";
import { textReporter } from "../../src/report/text.js";
import { conform, divergence, divergent, reportOf, unreadable } from "./sample.js";

function render(report: Report): string {
  return [...textReporter.render(report)].join("");
}

describe("the text report", () => {
  it("explains a divergent capture", () => {
    expect(render(reportOf(divergent))).toBe(`DIVERGENT     run-0815
  profile: ap linux-6.1, dawr pre-dawr1
  1200 events, 210 operations: 180 checked, 30 not; 1 line not understood

  1. another result: sysfs write assign_adapter (operation 17 at 1711118461.150061000)
     the write failed with EBUSY; another mdev has 05.0004
     strace.txt:42
       2201  1711118461.150061 write(3</sys/assign_adapter>, "5\\n", 2) = -1 EBUSY (Device or resource busy)
     expected   EADDRINUSE
                0
     observed   EBUSY
     rule       SHARE-2  Two mdevs never share an APQN (vfio-ap-config 4.2)
     state      apmask: 0x00
                mdev 3702f564: adapters 05

  2. broken invariant: sysfs write assign_adapter (operation 18)
     the write failed with EBUSY; another mdev has 05.0004
     strace.txt:42
       2201  1711118461.150061 write(3</sys/assign_adapter>, "5\\n", 2) = -1 EBUSY (Device or resource busy)
     expected   EADDRINUSE
                0
     observed   EBUSY

  3 more divergences left out (--max-divergences)

  not checked
    sysfs read matrix: 12 of 40
      - state unknown (10)
      - the text was cut (2)
    pqap: 18 of 170
      - no hw_aqic recorded (18)

  known defects of this profile, not divergences
    - operation 9: the guest's subclass 3 stays registered [aqic/IRQ-10  Freeing gives the subclass back (vfio-ap-aqic 3.4)]
    1 more left out

  notes
    - profile: linux-6.1, by the kernel release 6.1.0-31-s390x

`);
  });

  it("gives one conforming capture whole", () => {
    expect(render(reportOf(conform))).toBe(`conform       good
  profile: ap linux-6.1
  10 events, 1 operation: 1 checked, 0 not; 0 lines not understood

`);
  });

  it("gives conforming captures a line each among several, and a total", () => {
    expect(render(reportOf(conform, unreadable))).toBe(`conform       good (ap linux-6.1; 1 of 1 operation checked)
ERROR         bad
  capture.json: arch: expected a text, found a number
  capture.json: kernel: expected a text, found null

2 captures: 1 conform, 0 divergent, 0 inconclusive, 1 error; 1 of 1 operation checked
`);
  });

  it("says which profiles explain a capture, and what contradicts the others", () => {
    const counts = { checked: 3, unchecked: 1 };
    const profiles = [
      {
        system: "ap",
        profile: "aqic-v9",
        chosen: false,
        verdict: "divergent",
        ...counts,
        divergences: 2,
        first: divergence,
      },
      { system: "ap", profile: "linux-6.1", chosen: true, verdict: "conform", ...counts, divergences: 0 },
      { system: "ap", profile: "x", chosen: false, verdict: "inconclusive", checked: 0, unchecked: 4, divergences: 0 },
    ] as const;
    const lines = `    ap aqic-v9     does not explain it: 2 divergences, the first
      strace.txt:42: the write failed with EBUSY; another mdev has 05.0004
    ap linux-6.1 * explains it: 3 operations checked
    ap x           is not decided: no operation was checked
`;
    expect(render(reportOf({ ...conform, profiles }))).toContain(`\n\n  profiles\n${lines}`);
    expect(render(reportOf({ ...conform, profiles }, conform))).toContain(`checked)\n${lines}conform `);
  });

  it("says that nothing was checked", () => {
    expect(render(reportOf())).toBe("no capture was checked\n");
  });

  it("obeys no escape sequence and no bidi override of the input", () => {
    const evil = "\u001b]0;x\u0007\u009b2J\u202etxt\u2028\r";
    const text = render(
      reportOf({
        ...divergent,
        path: evil,
        profile: { [evil]: evil },
        error: evil,
        divergences: [
          {
            ...divergence,
            name: evil,
            message: evil,
            observed: evil,
            expected: [evil],
            rules: [evil],
            state: [evil],
            time: evil,
            source: { file: evil, line: 1, text: evil },
          },
        ],
        knownDefects: [{ operation: 1, rules: [evil], message: evil }],
        notes: [evil],
        kinds: [{ name: evil, total: 1, checked: 0, unchecked: { [evil]: 1 } }],
        rules: { [evil]: { title: evil, source: evil } },
      }),
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e\u2028]/);
    expect(text).toContain("\\x1b]0;x\\x07\\x9b2J\\u{202e}txt\\u{2028}\\r");
  });

  it("shows UTF-8 of a recorded line, and cuts a long one", () => {
    const line = `${Buffer.from("qemu-\u00fc ").toString("latin1")}${"y".repeat(1000)}`;
    const text = render(
      reportOf({ ...divergent, divergences: [{ ...divergence, source: { file: "f", line: 1, text: line } }] }),
    );
    expect(text).toContain("       qemu-\u00fc yyy");
    expect(text).toContain("y ... (507 more characters)\n");
  });

  it("takes rule names of the input for names only", () => {
    const text = render(
      reportOf({ ...divergent, rules: {}, divergences: [{ ...divergence, rules: ["constructor", "__proto__"] }] }),
    );
    expect(text).toContain("rules      constructor\n                __proto__\n");
  });
});
