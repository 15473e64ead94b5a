import { createReadStream } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Event } from "../../src/event/event.js";
import { type KceItem, readKce } from "../../src/event/kce.js";

/*
 * One fixture for each version of the format, written once by the program of that version and never again: an older file
 * stays readable. Every event kind, every result kind, and the presence and absence of every optional field is in it.
 */

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString("latin1");
const time = { seconds: 1795156516, nanos: 142887000 };
const strace = { source: 0, line: 1, time, tid: 16732, comm: "", text: "a line" };
const trace = { source: 1, line: 2 ** 53 - 1, time: undefined, tid: 0, comm: "CPU 0/KVM", text: everyByte };
const bare = { durationNs: undefined, dump: undefined };

const events: readonly Event[] = [
  {
    ...{ kind: "syscall", ...strace, phase: "complete", name: "write" },
    ...{ args: ["3</sys/x>", '"0x05\\n"', "5"], result: { kind: "value", text: "5", decoration: undefined } },
    ...{ durationNs: 9114, dump: everyByte },
  },
  { kind: "syscall", ...strace, line: 2, phase: "enter", name: "ioctl", args: [], result: undefined, ...bare },
  {
    ...{ kind: "syscall", ...strace, line: 3, phase: "exit", name: "openat", args: [""] },
    ...{ result: { kind: "value", text: "7", decoration: "/dev/vfio/12" }, ...bare, durationNs: 0 },
  },
  {
    ...{ kind: "syscall", ...strace, line: 4, phase: "exit", name: "write", args: [] },
    ...{ result: { kind: "error", errno: "EBUSY" }, ...bare, dump: "" },
  },
  {
    ...{ kind: "syscall", ...strace, line: 5, phase: "exit", name: "write", args: [] },
    ...{ result: { kind: "unknown", reason: "ERESTARTSYS" }, ...bare },
  },
  {
    ...{ kind: "syscall", ...strace, line: 6, phase: "exit", name: "write", args: [] },
    ...{ result: { kind: "injected", text: "-1 EIO" }, ...bare },
  },
  { kind: "task-exit", ...strace, line: 7, status: "SIGKILL" },
  { kind: "probe", ...trace, name: "pqap_entry", fields: ["gr0", "0xffffffffffffffff", "cc", ""], cpu: 0 },
  { kind: "probe", ...trace, name: "apcb_clear", fields: [], cpu: -1 },
  { kind: "log", ...trace, area: "kvm-4100", message: "SET CRYCB", level: 3 },
  { kind: "log", ...trace, area: "kernel", message: "", level: -1 },
  { kind: "gap", ...trace, cpu: 255, lost: 2 ** 32 + 1 },
  { kind: "gap", ...trace, cpu: -1, lost: undefined },
  { kind: "mark", ...trace, time: { seconds: 2 ** 40, nanos: 999_999_999 }, message: "phase=2" },
  { kind: "environment", ...trace, time: { seconds: 0, nanos: 0 }, path: "/sys/bus/ap/apmask", value: "0xff" },
];

const expected: readonly KceItem[] = [
  {
    kind: "header",
    version: 1,
    header: {
      toolVersion: "0.1.0",
      name: "run-0815",
      manifest: '{"version":1}',
      expected: '{"version":1,"checkpoints":[]}',
      sources: [
        { file: "strace.txt", format: "strace", probes: undefined },
        { file: "trace.txt", format: "ftrace", probes: ["pqap_entry", "apcb_clear"] },
      ],
      diagnostics: [
        { code: "unknown-key", severity: "note", file: "capture.json", line: 2, message: "what is it?", hint: "look" },
      ],
    },
  },
  { kind: "events", events: events.slice(0, 7) },
  {
    kind: "recorded",
    diagnostic: { code: "unparsed-line", severity: "loss", file: "trace.txt", line: 9, message: "not a line: \xff" },
    lines: 2,
  },
  { kind: "events", events: events.slice(7) },
  {
    kind: "end",
    end: {
      events: 15,
      diagnostics: 1,
      sources: [
        { events: 7, contextLines: 2, diagnosticLines: 0 },
        { events: 8, contextLines: 2 ** 40, diagnosticLines: 2 },
      ],
      diagnosticsLeftOut: 3,
    },
  },
];

test("version 1", async () => {
  const items: KceItem[] = [];
  const file = createReadStream(join(import.meta.dirname, "fixtures/v1.kce"));
  for await (const item of readKce(file, "v1.kce")) items.push(item);
  expect(items).toStrictEqual(expected);
});
