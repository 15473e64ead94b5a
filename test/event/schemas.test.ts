import { join } from "node:path";
import protobuf from "protobufjs";
import protojson from "protobufjs/ext/protojson.js";
import { describe, expect, test } from "vitest";
import type { CaptureReport, Divergence } from "../../src/check/report.js";
import { kvm_conform as generatedReport } from "../../src/event/generated/report.js";
import { kvm_conform as generatedState } from "../../src/event/generated/state.js";

const schemas = join(import.meta.dirname, "../../schemas");

function typeOf(file: string, name: string): protobuf.Type {
  const root = new protobuf.Root().loadSync(join(schemas, file));
  return root.lookupType(name);
}

/** Through the standard JSON mapping and the bytes of the generated class, back to JSON. Unknown keys throw. */
function throughBytes(type: protobuf.Type, generated: Codec, json: object): unknown {
  const bytes = type.encode(protojson.fromJson(type, json)).finish();
  const again = generated.encode(generated.decode(bytes)).finish();
  return protojson.toJson(type, type.decode(again));
}

interface Codec {
  encode(message: object): { finish(): Uint8Array };
  decode(bytes: Uint8Array): object;
}

const mask = `0x${"f".repeat(63)}e`;
const masks = { apm: mask, aqm: mask, adm: "unknown" };
const uuid = "62177883-f1bb-47f0-914d-32a22e3a8804";

const state = {
  ap: {
    bus: { apmask: mask, aqmask: "unknown" },
    mdevs: [
      { uuid, matrix: masks, shadow: masks, kvm: "0x0000000093ac4000#2" },
      { uuid, matrix: masks, shadow: masks, kvm: null },
      { uuid, kvm: "unknown" },
    ],
    queues: [
      {
        apqn: "04.0005",
        driver: "vfio_ap",
        mdev: uuid,
        isc: 0,
        nib: "0xffffffffffffffff",
        resetRc: 0,
        status: { empty: true, replies: false, full: "unknown", irq: false, rc: 0 },
      },
      { apqn: "ff.00ff", driver: null, mdev: null, isc: null, nib: null, resetRc: "unknown" },
    ],
    guests: [{ kvm: "4242/17", crycb: masks, hook: null, gisc: { "3": 1, "0": 2 }, pinned: { "0x7f001000": 1 } }],
  },
  dawr: {
    vms: [
      {
        id: "4242/5",
        kind: "HV",
        dawr1Enabled: false,
        vcpus: [
          { id: "4242/6", ciabr: "0x0", dawr0: "0x8000000000000000", dawrx0: "0x7", dawr1: "unknown", dawrx1: "0x0" },
        ],
      },
    ],
  },
  platform: {
    devices: [
      {
        name: "vtest-d",
        open: true,
        irqs: [
          { index: 0, flags: 7, count: 1, masked: false, trigger: true, unmaskFd: null, maskFd: "unknown" },
          { index: 1, flags: 9, count: 2, msi: { configured: true, vectors: [{ trigger: true }, { trigger: false }] } },
        ],
      },
    ],
  },
};

const first: Divergence = {
  operation: 12,
  time: "1795156516142887000",
  kind: "result",
  name: "sysfs write assign_adapter",
  source: { file: "strace.txt", line: 812, text: '1 write(3, "5", 1) = 1' },
  rules: ["ap-config/ASG-4"],
  expected: ["EADDRINUSE"],
  observed: "1",
  message: "expected EADDRINUSE, observed 1",
  state: ["apmask: 0x0"],
};

/** Typed, so that a field that is added there is missed here, and then in the schema. */
const divergent: CaptureReport = {
  path: "run-0815",
  verdict: "divergent",
  profile: { ap: "linux-6.1", dawr: "linux-6.1" },
  events: 100,
  operations: 23,
  checked: 20,
  unchecked: 3,
  unparsed: 1,
  divergences: [first],
  divergencesLeftOut: 2,
  knownDefects: [{ operation: 13, rules: ["aqic/IRQ-13"], message: "the host's AQIC status is lost" }],
  knownDefectsLeftOut: 1,
  notes: ["probe lines: no hw_aqic recorded"],
  kinds: [{ name: "sysfs write", total: 23, checked: 20, unchecked: { "result unknown": 3 } }],
  rules: { "ap-config/ASG-4": { title: "Sharing", source: "vfio_ap_ops.c" } },
  profiles: [
    {
      system: "ap",
      profile: "v9",
      chosen: true,
      verdict: "divergent",
      checked: 9,
      unchecked: 1,
      divergences: 1,
      first,
    },
  ],
};

const report = {
  version: 1,
  tool: { name: "kvm-conform", version: "0.1.0" },
  summary: {
    captures: 4,
    conform: 1,
    divergent: 1,
    inconclusive: 1,
    errors: 1,
    events: 2 ** 53 - 1,
    operations: 2 ** 32 + 1,
    checked: 20,
    unchecked: 3,
    unparsed: 1,
  },
  captures: [divergent, { path: "broken.tar", verdict: "error", error: "not a tar file" }],
};

describe("the JSON contracts are what the schemas say", () => {
  test("a state", () => {
    const type = typeOf("state.proto", "kvm_conform.state.State");
    expect(throughBytes(type, generatedState.state.State, state)).toStrictEqual(state);
  });

  test("a file of expected states", () => {
    const type = typeOf("state.proto", "kvm_conform.state.ExpectedStates");
    const expected = {
      version: 1,
      profile: { ap: "linux-6.1" },
      checkpoints: [
        { after: "end", state: { ap: state.ap } },
        { after: { source: "strace.txt", line: 812 }, state: { dawr: state.dawr } },
      ],
    };
    expect(throughBytes(type, generatedState.state.ExpectedStates, expected)).toStrictEqual(expected);
  });

  test("a line of replay", () => {
    const type = typeOf("state.proto", "kvm_conform.state.StateLine");
    for (const result of [0, -16, "EBUSY", null]) {
      const line = {
        operation: 1,
        time: "1795156516142887000",
        endTime: "1795156516142888000",
        name: "sysfs write assign_adapter",
        result,
        source: { file: "strace.txt", line: 2 ** 40 },
        state,
      };
      expect(throughBytes(type, generatedState.state.StateLine, line)).toStrictEqual(line);
    }
  });

  test("a report", () => {
    const type = typeOf("report.proto", "kvm_conform.report.Report");
    expect(throughBytes(type, generatedReport.report.Report, report)).toStrictEqual(report);
  });

  test("an unknown key is found (so the tests above can fail)", () => {
    const type = typeOf("report.proto", "kvm_conform.report.Report");
    expect(() => throughBytes(type, generatedReport.report.Report, { ...report, extra: 1 })).toThrow(/extra/);
  });
});
