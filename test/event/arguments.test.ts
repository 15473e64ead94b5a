import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bytesOf,
  descriptorOf,
  iovecBytesOf,
  memberOf,
  numberOf,
  pathOfDecoration,
  wordOf,
} from "../../src/event/arguments.js";

describe("descriptorOf", () => {
  it.each([
    ["3", 3, undefined, false],
    ["200", 200, undefined, false],
    ["3</sys/bus/ap/apmask>", 3, "/sys/bus/ap/apmask", false],
    ["3<anon_inode:[eventfd]>", 3, "anon_inode:[eventfd]", false],
    ["7<anon_inode:kvm-vcpu:0>", 7, "anon_inode:kvm-vcpu:0", false],
    ["4</dev/null<char 1:3>>", 4, "/dev/null", false],
    ["3<anon_inode:[eventfd]<{eventfd-count=0, eventfd-id=1}>>", 3, "anon_inode:[eventfd]", false],
    ["5<UNIX:[123->124]>", 5, "UNIX:[123->124]", false],
    ["5<TCP:[1.2.3.4:1->5.6.7.8:2]>", 5, "TCP:[1.2.3.4:1->5.6.7.8:2]", false],
    ["4</tmp/a-->", 4, "/tmp/a--", false],
    ['4</tmp/odd\\74name\\76,\\")>', 4, '/tmp/odd<name>,")', false],
    ["4<\\x2f\\x73\\x79\\x73>", 4, "/sys", false],
    ["4</path>(deleted)", 4, "/path", true],
    ["4</path (deleted)>", 4, "/path", true],
    ["4</tmp/a->(deleted)", 4, "/tmp/a-", true],
    ["4</dev/null<char 1:3>>(deleted)", 4, "/dev/null", true],
    ["AT_FDCWD", -100, undefined, false],
    ["AT_FDCWD</root>", -100, "/root", false],
    ["-100</>", -100, "/", false],
    ["-100 /* AT_FDCWD */</cwd>", -100, "/cwd", false],
    ["-100 /* AT_FDCWD */", -100, undefined, false],
    ["-1", -1, undefined, false],
    ["0x4", 4, undefined, false],
    ["0xffffff9c", -100, undefined, false],
    ["0xffffffff", -1, undefined, false],
    ["2147483647", 2147483647, undefined, false],
  ])("%s", (arg, fd, path, deleted) => {
    expect(descriptorOf(arg)).toEqual({ fd, path, deleted });
  });

  it.each([
    "",
    "NUL",
    '"/path"',
    "x",
    "3x",
    "3</path",
    "3</path>x",
    "3 </path>",
    "3</path>(delete)",
    "3</path>(deleted)x",
    "-",
    "0x",
    "0x100000000",
    "2147483648",
    "[4<pipe:[36527]>]",
    "3 /* open",
  ])("is undefined for %s", (arg) => {
    expect(descriptorOf(arg)).toBeUndefined();
  });

  it("gives the path of a decoration alone", () => {
    expect(pathOfDecoration("/dev/null<char 1:3>")).toBe("/dev/null");
    expect(pathOfDecoration("\\x2f\\x61")).toBe("/a");
  });
});

describe("bytesOf", () => {
  it.each([
    ['""', "", false],
    ['"0x05\\n"', "0x05\n", false],
    ['"\\1\\0\\0\\0"', "\u0001\0\0\0", false],
    ['"\\177\\377"', "\u007f\u00ff", false],
    ['"\\0010"', "\u00010", false],
    ['"\\18"', "\u00018", false],
    ['"\\n\\t\\r\\v\\f\\"\\\\"', '\n\t\r\v\f"\\', false],
    ['"\\x30\\x0a\\xff\\xAf"', "0\n\u00ff\u00af", false],
    ['"caf\\303\\251"', "caf\u00c3\u00a9", false],
    ['"-0x05,-0x0a,-0xf"...', "-0x05,-0x0a,-0xf", true],
    // what strace does not print is left as it is
    ['"a\\qb\\xg"', "a\\qb\\xg", false],
  ])("%s", (arg, data, truncated) => {
    expect(bytesOf(arg)).toEqual({ data, truncated });
  });

  it.each(["", "0x7ffd0085cc47", "NULL", '"open', '"a\\"', '"a"b', '"a"..', '[{iov_base="a"}]'])(
    "is undefined for %s",
    (arg) => {
      expect(bytesOf(arg)).toBeUndefined();
    },
  );
});

describe("iovecBytesOf", () => {
  it.each([
    ['[{iov_base="05.", iov_len=3}, {iov_base="0047\\n", iov_len=5}]', "05.0047\n", false],
    ["[]", "", false],
    ['[{iov_base="a, {b", iov_len=5}]', "a, {b", false],
    ['[{iov_base="ab"..., iov_len=5}, {iov_base="c", iov_len=1}]', "ab", true],
    ['[{iov_base="ab", iov_len=2}, ...]', "ab", true],
  ])("%s", (arg, data, truncated) => {
    expect(iovecBytesOf(arg)).toEqual({ data, truncated });
  });

  it.each(["0x7ffd", '"abc"', "[{iov_base=0x7f, iov_len=5}]", "[{iov_len=5}]", "[", "]", "[1)]"])(
    "is undefined for %s",
    (arg) => {
      expect(iovecBytesOf(arg)).toBeUndefined();
    },
  );

  it("reads members of structures", () => {
    const region = "{slot=0, flags=KVM_MEM_LOG_DIRTY_PAGES, guest_phys_addr=0, memory_size=65536, name={a=1, slot=2}}";
    expect(memberOf(region, "slot")).toBe("0");
    expect(memberOf(region, "memory_size")).toBe("65536");
    expect(memberOf(region, "name")).toBe("{a=1, slot=2}");
    expect(memberOf(region, "a")).toBeUndefined();
    expect(memberOf("0x7f", "slot")).toBeUndefined();
  });
});

describe("numbers", () => {
  it.each([
    ["0", 0],
    ["4096", 4096],
    ["-1", -1],
    ["-100", -100],
    ["0x3b6f", 0x3b6f],
    ["0xFFff", 0xffff],
    ["0600", 0o600],
    ["00", 0],
    ["NULL", 0],
    ["0x201 /* O_WRONLY|O_TRUNC */", 0x201],
    ["-100 /* AT_FDCWD */", -100],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
  ])("%s", (arg, value) => {
    expect(numberOf(arg)).toBe(value);
    expect(wordOf(arg)).toBe(BigInt.asUintN(64, BigInt(value)));
  });

  it.each([
    "",
    "-",
    "0x",
    "x",
    "1x",
    "1 2",
    "089",
    "1e3",
    "0b1",
    " 1",
    "1 ",
    "8192*1024",
    "O_RDONLY",
    "--1",
    "-0x1",
    "1 /*",
    "0o7",
  ])("neither reads %s", (arg) => {
    expect(numberOf(arg)).toBeUndefined();
    expect(wordOf(arg)).toBeUndefined();
  });

  it("reads 64-bit words exactly", () => {
    expect(wordOf("18446744073709551615")).toBe(2n ** 64n - 1n);
    expect(wordOf("0xffffffffffffffff")).toBe(2n ** 64n - 1n);
    expect(wordOf("0x8000000000000000")).toBe(2n ** 63n);
    expect(wordOf("-9223372036854775808")).toBe(2n ** 63n);
    expect(wordOf("-1")).toBe(2n ** 64n - 1n);
    expect(wordOf("01777777777777777777777")).toBe(2n ** 64n - 1n);
    expect(wordOf("9007199254740993")).toBe(9007199254740993n);
    expect(wordOf("18446744073709551615 /* RLIM64_INFINITY */")).toBe(2n ** 64n - 1n);
    for (const arg of ["18446744073709551616", "0x10000000000000000", "-9223372036854775809"]) {
      expect(wordOf(arg)).toBeUndefined();
    }
  });

  it("reads every safe number in hex and decimal", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(numberOf(`0x${value.toString(16)}`)).toBe(value);
        expect(numberOf(`0x00${value.toString(16).toUpperCase()}`)).toBe(value);
        expect(numberOf(String(value))).toBe(value);
      }),
    );
  });

  it("gives no number that a double cannot hold", () => {
    expect(numberOf("9007199254740993")).toBeUndefined();
    expect(numberOf("0xffffffffffffffff")).toBeUndefined();
  });
});
