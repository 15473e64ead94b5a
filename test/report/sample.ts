import type { CaptureReport, Divergence, Report } from "../../src/check/report.js";

export const divergence: Divergence = {
  operation: 17,
  time: "1711118461150061000",
  kind: "result",
  name: "sysfs write assign_adapter",
  source: {
    file: "strace.txt",
    line: 42,
    text: '2201  1711118461.150061 write(3</sys/assign_adapter>, "5\\n", 2) = -1 EBUSY (Device or resource busy)',
  },
  rules: ["SHARE-2"],
  expected: ["EADDRINUSE", "0"],
  observed: "EBUSY",
  message: "the write failed with EBUSY; another mdev has 05.0004",
  state: ["apmask: 0x00", "mdev 3702f564: adapters 05"],
};

export const divergent: CaptureReport = {
  path: "run-0815",
  verdict: "divergent",
  profile: { ap: "linux-6.1", dawr: "pre-dawr1" },
  events: 1200,
  operations: 210,
  checked: 180,
  unchecked: 30,
  unparsed: 1,
  divergences: [divergence, { ...divergence, operation: 18, kind: "invariant", time: "", state: [], rules: [] }],
  divergencesLeftOut: 3,
  knownDefects: [{ operation: 9, rules: ["aqic/IRQ-10"], message: "the guest's subclass 3 stays registered" }],
  knownDefectsLeftOut: 1,
  notes: ["profile: linux-6.1, by the kernel release 6.1.0-31-s390x"],
  kinds: [
    { name: "sysfs read matrix", total: 40, checked: 28, unchecked: { "the text was cut": 2, "state unknown": 10 } },
    { name: "pqap", total: 170, checked: 152, unchecked: { "no hw_aqic recorded": 18 } },
    { name: "open", total: 0, checked: 0, unchecked: {} },
  ],
  rules: {
    "ap-config/SHARE-2": { title: "Two mdevs never share an APQN", source: "vfio-ap-config 4.2" },
    "aqic/IRQ-10": { title: "Freeing gives the subclass back", source: "vfio-ap-aqic 3.4" },
  },
};

export const conform: CaptureReport = {
  path: "good",
  verdict: "conform",
  profile: { ap: "linux-6.1" },
  events: 10,
  operations: 1,
  checked: 1,
  unchecked: 0,
  unparsed: 0,
  divergences: [],
  divergencesLeftOut: 0,
  knownDefects: [],
  knownDefectsLeftOut: 0,
  notes: [],
  kinds: [{ name: "pqap", total: 1, checked: 1, unchecked: {} }],
  rules: {},
};

export const unreadable: CaptureReport = {
  ...conform,
  path: "bad",
  verdict: "error",
  profile: {},
  error: "capture.json: arch: expected a text, found a number\ncapture.json: kernel: expected a text, found null",
  events: 0,
  operations: 0,
  checked: 0,
  kinds: [],
};

export function reportOf(...captures: readonly CaptureReport[]): Report {
  const count = (verdict: CaptureReport["verdict"]) => captures.filter((capture) => capture.verdict === verdict).length;
  const sum = (key: "events" | "operations" | "checked" | "unchecked" | "unparsed") =>
    captures.reduce((total, capture) => total + capture[key], 0);
  return {
    version: 1,
    tool: { name: "kvm-conform", version: "0.1.0" },
    summary: {
      captures: captures.length,
      conform: count("conform"),
      divergent: count("divergent"),
      inconclusive: count("inconclusive"),
      errors: count("error"),
      events: sum("events"),
      operations: sum("operations"),
      checked: sum("checked"),
      unchecked: sum("unchecked"),
      unparsed: sum("unparsed"),
    },
    captures,
  };
}
