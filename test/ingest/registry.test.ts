import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { detect, importerOf } from "../../src/ingest/registry.js";
import { headOf, readSample } from "./run-importer.js";

describe("the format of a sample is told from its content", () => {
  const folders = ["ftrace", "sysfs", "s390dbf", "dmesg"] as const;
  const samples = folders.flatMap((folder) =>
    readdirSync(new URL(`./${folder}/samples/`, import.meta.url)).map((name) => [folder, name] as const),
  );
  test.each(samples)("%s: %s", (folder, name) => {
    expect(detect(headOf(readSample(folder, name)))?.format).toBe(folder);
  });
});

describe("the order of section 0.8", () => {
  test.each([
    ["strace", '16732 1795156516.142887 write(4</sys/bus/x/assign_adapter>, "0x05", 4) = 4'],
    ["strace", '[pid 16768] openat(AT_FDCWD, "/sys/bus/ap/apmask", O_RDONLY) = 3'],
    // What a traced program writes may look like any other format.
    ["strace", '1 1.000000 write(1, "# tracer: nop\\n   sh-1     [000] ..... 1.000001: e: a=1\\n", 50) = 50'],
    ["ftrace", "# tracer: nop"],
    ["ftrace", "cpus=3"],
    ["ftrace", "   sh-1       [000] ..... 1.000001: sys_ioctl(fd: 5, cmd: ae03, arg: 46)"],
    ["ftrace", "   sh-1       [000] ..... 1.000001: sys_ioctl -> 0x0"],
    ["s390dbf", "==> /sys/kernel/debug/s390dbf/vfio_ap/sprintf <=="],
    ["sysfs", "/sys/bus/ap/ap_domain:4"],
    ["dmesg", "[    1.582731] setup: Linux is running under KVM in 64-bit mode"],
  ])("%s: %s", (format, line) => {
    expect(detect([line])?.format).toBe(format);
  });

  test.each([
    ["JSON lines", '{"time":"1.5"}'],
    ["CSV", "time,pid,source,op,target,args,data,result"],
    ["perf trace", "     0.000 (14.727 ms): qemu/1185 openat(dfd: CWD, filename: 0x48fb90)           = 8"],
    ["audit", "type=SYSCALL msg=audit(1795156999.123:417): arch=c000003e syscall=257 success=yes"],
    ["prose", "Dear colleague,"],
  ])("%s is left to others", (_, line) => {
    expect(detect([line])).toBeUndefined();
  });

  test("nothing", () => {
    expect(detect([])).toBeUndefined();
  });
});

test("an importer by the name that a manifest gives its format", () => {
  for (const format of ["strace", "ftrace", "sysfs", "s390dbf", "dmesg"] as const) {
    expect(importerOf(format)?.format).toBe(format);
  }
  expect(importerOf("kce")).toBeUndefined();
});
