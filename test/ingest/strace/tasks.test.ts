import { describe, expect, it } from "vitest";
import { parse } from "./harness.js";

function tids(lines: readonly string[], file?: string): number[] {
  return parse(lines, file).events.map((event) => event.tid);
}

/** On stderr a line has a pid only while more than one task is traced (section a.1). */
describe("tasks of lines without a pid", () => {
  it("are one task, also while its lines have a pid", () => {
    const lines = [
      "close(3) = 0",
      "clone(flags=SIGCHLD/usr/bin/strace: Process 16772 attached",
      ") = 16772",
      "[pid 16772] close(4) = 0",
      "[pid 16766] close(5) = 0",
      "[pid 16772] +++ exited with 0 +++",
      "close(6) = 0",
    ];
    expect(tids(lines)).toEqual([0, 0, 16772, 0, 16772, 0]);
  });

  it("are found where strace says nothing of its children (-q)", () => {
    expect(tids(["clone(flags=SIGCHLD) = 16772", "[pid 16772] close(4) = 0", "[pid 16766] close(5) = 0"])).toEqual([
      0, 16772, 0,
    ]);
    const lines = [
      "clone(flags=SIGCHLD <unfinished ...>",
      "[pid 16772] close(4) = 0",
      "[pid 16766] <... clone resumed>) = 16772",
      "[pid 16766] wait4(-1,  <unfinished ...>",
      "[pid 16772] close(4) = 0",
      "[pid 16772] +++ exited with 0 +++",
      "<... wait4 resumed>NULL, 0, NULL) = 16772",
    ];
    expect(tids(lines)).toEqual([0, 16772, 0, 0, 16772, 16772, 0]);
    expect(parse(lines).events.at(-1)).toMatchObject({ phase: "exit", args: ["-1", "NULL", "0", "NULL"] });
  });

  it("are of the task that remains when the first one ends", () => {
    const lines = [
      "close(3) = 0",
      "strace: Process 16772 attached",
      "[pid 16766] close(5) = 0",
      "[pid 16772] close(5) = 0",
      "[pid 16766] +++ exited with 0 +++",
      "close(6) = 0",
      "+++ exited with 0 +++",
    ];
    expect(tids(lines)).toEqual([0, 0, 16772, 0, 16772, 16772]);
  });

  it("are of the task that strace was told to attach to", () => {
    const lines = [
      "strace: Process 1234 attached",
      "close(3) = 0",
      "clone(flags=SIGCHLDstrace: Process 1235 attached",
      ") = 1235",
      "[pid  1234] close(4) = 0",
      "[pid  1235] +++ exited with 0 +++",
      "close(5) = 0",
    ];
    expect(tids(lines)).toEqual([1234, 1234, 1234, 1235, 1234]);
  });

  it("are of the task whose call a line resumes, where no exit was printed (-qq)", () => {
    const lines = [
      "[pid 10] read(3,  <unfinished ...>",
      "[pid 11] close(3) = 0",
      '<... read resumed>"", 8) = 0',
      "close(3) = 0",
    ];
    expect(tids(lines)).toEqual([10, 11, 10, 10]);
  });

  it("are of the task in the name of a file that -ff wrote", () => {
    expect(tids(["close(3) = 0", "+++ exited with 0 +++"], "run/log.16749")).toEqual([16749, 16749]);
    expect(tids(["close(3) = 0"], "ff-multi.pid494.strace.txt")).toEqual([494]);
    expect(tids(["close(3) = 0"], "log.16749.gz")).toEqual([16749]);
    expect(tids(["close(3) = 0"], "strace.txt")).toEqual([0]);
    expect(tids(["7 close(3) = 0"], "log.16749")).toEqual([7]);
  });
});
