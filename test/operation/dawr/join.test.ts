import { describe, expect, it } from "vitest";
import type { SyscallEvent } from "../../../src/event/event.js";
import { CallJoin } from "../../../src/operation/dawr/join.js";

/** strace is source 0, the trace source 1. */
function call(
  source: 0 | 1,
  line: number,
  phase: SyscallEvent["phase"],
  name: string,
  args: readonly string[],
  result?: string,
): SyscallEvent {
  return {
    kind: "syscall",
    source,
    line,
    time: undefined,
    tid: 7,
    comm: "",
    text: "",
    phase,
    name,
    args,
    result: result === undefined ? undefined : { kind: "value", text: result, decoration: undefined },
    durationNs: undefined,
    dump: undefined,
  };
}

const requests = [
  "KVM_CHECK_EXTENSION",
  "KVM_CREATE_VM",
  "KVM_CREATE_VCPU",
  "KVM_RUN",
  "KVM_GET_REGS",
  "KVM_ENABLE_CAP",
];
const commands = ["0x2000ae03", "0x2000ae01", "0x2000ae41", "0x2000ae80", "0x4188ae81", "0xffffffff8068aea3"];

/** Calls of both recorders, in the order of the merged stream: strace runs `lead` calls ahead of the trace, or behind. */
function merged(count: number, lead: number, missing: ReadonlySet<number>): readonly SyscallEvent[] {
  const events: SyscallEvent[] = [];
  for (let i = 0 - Math.abs(lead); i < count + Math.abs(lead); i++) {
    const strace = i + lead;
    if (strace >= 0 && strace < count) {
      const kind = (strace * 7 + (strace >> 3)) % requests.length;
      events.push(call(0, strace, "complete", "ioctl", ["5</dev/kvm>", requests[kind] ?? "", "0"], String(strace)));
      if (strace % 5 === 0) events.push(call(0, 10_000 + strace, "complete", "close", ["9"], "0"));
    }
    if (i < 0 || i >= count || missing.has(i)) continue;
    const kind = (i * 7 + (i >> 3)) % commands.length;
    const args = ["0x5", commands[kind] ?? "", "0x0"];
    events.push(call(1, i, "enter", "ioctl", args), call(1, i, "exit", "ioctl", args, String(i)));
  }
  return events;
}

function joined(events: readonly SyscallEvent[]): readonly (readonly [SyscallEvent, number | undefined])[] {
  const out: (readonly [SyscallEvent, number | undefined])[] = [];
  const join = new CallJoin(["strace", "ftrace"], (event, partner) => {
    if (event.kind === "syscall") out.push([event, partner?.line]);
  });
  for (const event of events) join.push(event);
  join.finish();
  return out;
}

describe("CallJoin", () => {
  it.each([0, 3, 20, -3, -20])("joins call by call where one recorder is %i calls ahead", (lead) => {
    const out = joined(merged(300, lead, new Set()));
    const traced = out.filter(([event]) => event.source === 1);
    expect(traced.length).toBe(600);
    for (const [event, partner] of traced) expect(partner).toBe(event.line);
    // No call of strace is left over but those that the trace does not record.
    expect(out.filter(([event]) => event.source === 0 && event.name === "ioctl")).toEqual([]);
    expect(out.filter(([event]) => event.name === "close").length).toBe(60);
  });

  it("keeps the place of what strace alone recorded", () => {
    const order = joined(merged(300, 4, new Set())).map(([event]) =>
      event.source === 0 ? event.line - 10_000 : event.line,
    );
    for (let i = 1; i < order.length; i++) expect(order[i]).toBeGreaterThanOrEqual(order[i - 1] ?? 0);
  });

  it("finds its step again where the trace lacks calls", () => {
    const missing = new Set([100, 101, 102, 103, 104, 105, 106]);
    const traced = joined(merged(300, 0, missing)).filter(([event]) => event.source === 1);
    const wrong = traced.filter(([event, partner]) => partner !== undefined && partner !== event.line);
    expect(wrong).toEqual([]);
    expect(traced.filter(([, partner]) => partner !== undefined).length).toBe(2 * 293);
  });

  it("passes a stream through in which only strace recorded calls", () => {
    const only = merged(40, 0, new Set()).filter(({ source }) => source === 0);
    expect(joined(only).map(([event]) => event.line)).toEqual(only.map(({ line }) => line));
  });
});
