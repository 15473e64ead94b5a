import { describe, expect, it } from "vitest";
import { scanProbes } from "../../src/capture/probe-scan.js";

function scan(...lines: readonly string[]): readonly string[] {
  return scanProbes(Buffer.from(lines.map((line) => `${line}\n`).join("")));
}

describe("scanProbes", () => {
  it("finds names in the layouts of ftrace, trace-cmd and perf", () => {
    expect(
      scan(
        " qemu-system-s39-4100    [003] ..... 1711118462.052326: reset_queue: apqn=0504 retry=1 rc=0",
        "        vfiowalk-942   [000]    98.633913030: dma_unmap:            (ffffffffc03aa9f0) mdev=0x3b64",
        "vmm 129 [000]     2.701922:        kvm:vm_enable_cap: (ffff) cmd=0x8068aea3",
      ),
    ).toEqual(["dma_unmap", "reset_queue", "vm_enable_cap"]);
  });

  it("finds them behind task names with colons, and takes no name from a task or an argument", () => {
    expect(scan(" a: b: c-4100 [003] ..... 1.000001: queue_probe: apqn=0504 rc=0")).toEqual([
      "queue_probe",
      "queue_remove",
    ]);
    expect(scan(" x-1 [003] ..... 1.000001: sched_switch: prev_comm=reset_queue")).toEqual([]);
    expect(scan("reset_queue", ": reset_queue", "reset_queue: x")).toEqual([]);
  });

  it("takes masks as arrays for the recipe that prints them so", () => {
    expect(scan(" x-1 [003] ..... 1.000001: apcb_set: kvm=0x1 apm={0x0,0x0,0x0,0x0}")).toContain("gisc_register");
    expect(scan(" x-1 [003] ..... 1.000001: apcb_set: kvm=0x1 apm=0 aqm=0")).toEqual(["apcb_clear", "apcb_set"]);
  });

  it("takes whatever bytes there are", () => {
    expect(scan("\u00ff\0: : : : ::: ", ": ".repeat(100_000))).toEqual([]);
  });
});
