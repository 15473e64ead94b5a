import { describe, expect, it } from "vitest";
import { calls, parse } from "./harness.js";

const WRITE = '16979 1795156517.829736 write(4</sys/bus/ap/apmask>, "-0x05,-0x0a,-0xf"..., 18) = 18';

describe("dump lines", () => {
  it("belong to the call before them", () => {
    const outcome = parse([
      WRITE,
      " | 00000  2d 30 78 30 35 2c 2d 30  78 30 61 2c 2d 30 78 66  -0x05,-0x0a,-0xf |",
      " | 00010  66 0a                                             f.               |",
      "16979 1795156517.829848 close(4</sys/bus/ap/apmask>) = 0",
    ]);
    expect(outcome).toMatchObject({ context: 2, diagnosed: 0 });
    expect(outcome.events).toEqual([
      expect.objectContaining({ name: "write", line: 1, dump: "-0x05,-0x0a,-0xff\n" }),
      expect.objectContaining({ name: "close", line: 4, dump: undefined }),
    ]);
  });

  it("belong to a resumed call, and hold any byte", () => {
    const [, exit] = calls([
      "16980 read(3<anon_inode:[eventfd]>,  <unfinished ...>",
      '16980 <... read resumed>"\\t5\\n\\"\\\\\\1\\177\\377", 8) = 8',
      ' | 00000  09 35 0a 22 5c 01 7f ff                           .5."\\...         |',
    ]);
    expect(exit).toMatchObject({ phase: "exit", dump: '\t5\n"\\\u0001\u007f\u00ff' });
  });

  it("are not taken for data where the text column looks like it", () => {
    const [event] = calls([WRITE, " | 00000  41 41                                             61 62 63         |"]);
    expect(event?.dump).toBe("AA");
  });

  it("of a vector are joined over its buffers", () => {
    const outcome = parse([
      'writev(3, [{iov_base="05.", iov_len=3}, {iov_base="0047\\n", iov_len=5}], 2) = 8',
      " * 3 bytes in buffer 0",
      " | 00000  30 35 2e                                          05.              |",
      " * 5 bytes in buffer 1",
      " | 00000  30 30 34 37 0a                                    0047.            |",
      " > /usr/lib/libc.so.6(writev+0x1b) [0xe1b]",
    ]);
    expect(outcome).toMatchObject({ context: 5, diagnosed: 0 });
    expect(outcome.events).toEqual([expect.objectContaining({ name: "writev", dump: "05.0047\n" })]);
  });

  it("without a call before them are not understood", () => {
    const line = " | 00000  41                                                A                |";
    const outcome = parse(["16980 --- SIGALRM {si_signo=SIGALRM} ---", line]);
    expect(outcome).toMatchObject({ events: [], context: 1, diagnosed: 1 });
  });

  it("are kept up to a limit, and what is left out is said", () => {
    const line = " | 00000  41 41 41 41 41 41 41 41  41 41 41 41 41 41 41 41  AAAAAAAAAAAAAAAA |";
    const lines = [WRITE, ...new Array<string>(1_048_580).fill(line)];
    const outcome = parse(lines);
    expect(outcome.events).toHaveLength(1);
    expect(outcome.context).toBe(1_048_580);
    expect(outcome.diagnostics).toEqual([expect.objectContaining({ code: "dump-too-long", line: 1_048_578 })]);
    expect(calls(lines)[0]?.dump).toHaveLength(16 * 2 ** 20);
  });
});
