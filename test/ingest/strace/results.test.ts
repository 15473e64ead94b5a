import { describe, expect, it } from "vitest";
import type { CallResult } from "../../../src/event/event.js";
import { call } from "./harness.js";

const value = (text: string, decoration?: string): CallResult => ({ kind: "value", text, decoration });
const error = (errno: string): CallResult => ({ kind: "error", errno });
const unknown = (reason: string): CallResult => ({ kind: "unknown", reason });

/** Section a.3. */
describe("results", () => {
  const table: readonly (readonly [string, CallResult, number | undefined])[] = [
    ["= 0", value("0"), undefined],
    ["= 4096", value("4096"), undefined],
    ["= 0x7f56aa000000", value("0x7f56aa000000"), undefined],
    ["= 0xc", value("0xc"), undefined],
    ["= 7<anon_inode:kvm-vcpu:0>", value("7", "anon_inode:kvm-vcpu:0"), undefined],
    ["= 4</sys/bus/ap/apmask> <0.006151>", value("4", "/sys/bus/ap/apmask"), 6_151_000],
    ["= 4</dev/null<char 1:3>> <0.000009114>", value("4", "/dev/null"), 9114],
    ["= 4<\\x2f\\x78>", value("4", "/x"), undefined],
    ["= 4</memfd:x>(deleted) <0.1>", value("4", "/memfd:x"), 100_000_000],
    ["= 5<UNIX:[123->124]>", value("5", "UNIX:[123->124]"), undefined],
    ["= -1 EBUSY (Device or resource busy)", error("EBUSY"), undefined],
    ["= -1 EBUSY (Ger\xe4t belegt)", error("EBUSY"), undefined],
    ["= -1 EBUSY (Device or resource busy) <0.000012>", error("EBUSY"), 12_000],
    [
      "= -1 ENOTTY (Inappropriate ioctl for device) (INJECTED)",
      { kind: "injected", text: "-1 ENOTTY (Inappropriate ioctl for device)" },
      undefined,
    ],
    ["= 0 (INJECTED: args)", { kind: "injected", text: "0" }, undefined],
    ["= 7</x> (INJECTED: args, retval) <0.000012>", { kind: "injected", text: "7</x>" }, 12_000],
    ["= -1 (errno 515) (INJECTED)", { kind: "injected", text: "-1 (errno 515)" }, undefined],
    ["= 5 (DELAYED)", value("5"), undefined],
    ["= -1 EBUSY (Device or resource busy) (DELAYED)", error("EBUSY"), undefined],
    ["= ? ERESTARTSYS (To be restarted if SA_RESTART is set)", unknown("ERESTARTSYS"), undefined],
    ["= ? ERESTARTNOINTR (To be restarted)", unknown("ERESTARTNOINTR"), undefined],
    ["= ? ERESTARTNOHAND (To be restarted if no handler)", unknown("ERESTARTNOHAND"), undefined],
    ["= ? ERESTART_RESTARTBLOCK (Interrupted by signal)", unknown("ERESTART_RESTARTBLOCK"), undefined],
    ["= -1 ERESTARTSYS (To be restarted)", unknown("ERESTARTSYS"), undefined],
    ["= ?", unknown("?"), undefined],
    ["= ? <unavailable>", unknown("unavailable"), undefined],
    ["= 0 (Timeout)", value("0"), undefined],
    ["= 1 ([{fd=3, revents=POLLIN}])", value("1"), undefined],
    ["= 1 ([{fd=3, revents=POLLIN}]) <0.5>", value("1"), 500_000_000],
    ["= 0 (KVM_EXIT_INTERNAL_ERROR)", value("0"), undefined],
    ["= 0x8000 (flags O_RDONLY|O_LARGEFILE)", value("0x8000"), undefined],
    ["= -1 (errno 515)", error("515"), undefined],
    ["= -1 ENOTSUPP (Unknown error 524)", error("ENOTSUPP"), undefined],
    ["= -1 ENOTSUPP", error("ENOTSUPP"), undefined],
    ["= -524", error("524"), undefined],
    ["= -1", unknown("-1 without an errno"), undefined],
    ["= 022", value("022"), undefined],
    ["= 3 <1.2.3>", value("3"), undefined],
    ["= 3 <1>", value("3"), 1_000_000_000],
    ["= 3 <12.000000001>", value("3"), 12_000_000_001],
    // a decoration that looks like a duration
    ["= 3<12.5>", value("3", "12.5"), undefined],
  ];

  it.each(table)("%s", (printed, result, durationNs) => {
    for (const blanks of [" ", "                        "]) {
      const event = call(`16732 1795156516.142887 read(3</x>, 0x7ffd, 8)${blanks}${printed}`);
      expect(event.result).toEqual(result);
      expect(event.durationNs).toBe(durationNs);
      expect(event.args).toEqual(["3</x>", "0x7ffd", "8"]);
    }
  });

  it("leaves marks of a death out of the arguments", () => {
    const event = call(
      "90    1795159050.185856 ioctl(5<anon_inode:[vfio-device]>, VFIO_DEVICE_SET_IRQS <unfinished ...>) = ?",
    );
    expect(event).toMatchObject({ phase: "complete", args: ["5<anon_inode:[vfio-device]>", "VFIO_DEVICE_SET_IRQS"] });
    expect(event.result).toEqual(unknown("?"));
    expect(call("exit_group(0 <unavailable>) = ?").args).toEqual(["0"]);
    expect(call("read(3,  <unfinished ...>) = ?").args).toEqual(["3"]);
  });

  it("takes a call that the tracer left as one without a known result", () => {
    const event = call("16732 1795156516.142887 read(3</x>,  <detached ...>");
    expect(event).toMatchObject({ phase: "complete", name: "read", args: ["3</x>"] });
    expect(event.result).toEqual(unknown("detached"));
  });
});
