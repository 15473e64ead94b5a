import { describe, expect, it } from "vitest";
import { straceImporter } from "../../../src/ingest/strace/importer.js";

describe("recognition", () => {
  it.each([
    ['16732 1795156516.142887 write(4</x>, "0x05", 4) = 4'],
    ["06:35:16 exit(0)            = ?"],
    ["16732 +++ exited with 0 +++"],
    ["16732 --- SIGALRM {si_signo=SIGALRM} ---"],
    ["strace: Process 16772 attached"],
    ["% time     seconds  usecs/call     calls    errors syscall"],
    ["16734 read(4<pipe:[36527]>,  <unfinished ...>"],
    ["hello from the traced program", "close(3) = 0"],
    ["close(3) = 0", "16732 1795156516.142887 write(4</sys/bu"],
  ])("accepts %s", (...head) => {
    expect(straceImporter.recognises(head)).toBe(true);
  });

  it.each([
    [],
    ["/sys/bus/ap/apmask:0xffff"],
    ["     0.000 ( 0.004 ms): cat/1234 write(fd: 1, buf: 0x7f, count: 5) = 5"],
    ["           cat-1234    [001] .....   100.123456: sys_enter: NR 1 (1, 7f, 5)"],
    ["cat  1234 [001]   100.123456: kvm:kvm_s390_intercept: x(1) = 2"],
    ["[   12.345678] vfio_ap matrix: MDEV: Registered"],
    ["00 01711118463:123456 3 - 0001 000003ff8001234  SET CRYCB: apm 00 aqm 00"],
    ["type=SYSCALL msg=audit(1795156516.142:12): arch=80000016 syscall=4"],
    ['{"kind":"syscall"}'],
    ["time,kind,name", "1,syscall,write(1) = 2"],
    ["# tracer: nop"],
    ["p:pqap_entry handle_pqap r0=+0(%r2)"],
    ["int main(void)", "{", "int x = read(0, b, 1);", "}", "return close(3) = 0;"],
  ])("refuses %s", (...head) => {
    expect(straceImporter.recognises(head)).toBe(false);
  });

  it("has the name that manifests use", () => {
    expect(straceImporter.format).toBe("strace");
  });
});
