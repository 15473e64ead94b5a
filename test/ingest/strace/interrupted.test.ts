import { describe, expect, it } from "vitest";
import { calls, parse } from "./harness.js";

const TIMES = "1795156516";

function shortOf(lines: readonly string[]): unknown[] {
  return calls(lines).map(({ phase, tid, name, args, result, line }) => {
    const shown = result?.kind === "value" ? result.text : result?.kind;
    return [phase, tid, name, args, shown, line];
  });
}

/** Section a.2: the examples of the spec, in their order. */
describe("unfinished and resumed", () => {
  it("joins the halves of every task", () => {
    const lines = [
      `16734 ${TIMES}.152572 read(4<pipe:[36527]>,  <unfinished ...>`,
      `16736 ${TIMES}.152600 write(7</sys/x/assign_adapter>, "0x08\\n", 5 <unfinished ...>`,
      `16734 ${TIMES}.153788 <... read resumed>"0", 64) = 1`,
      `16736 ${TIMES}.155805 <... write resumed>) = 5`,
      `16732 ${TIMES}.155830 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>`,
      `16732 ${TIMES}.156060 <... clone resumed>, child_tidptr=0x3e662690) = 16737`,
      `16732 ${TIMES}.152400 clone3({flags=CLONE_VM} <unfinished ...>`,
      `16732 ${TIMES}.152508 <... clone3 resumed> => {parent_tid=[16735]}, 88) = 16735`,
      `16736 ${TIMES}.163078 exit(0 <unfinished ...>`,
      `16736 ${TIMES}.163128 <... exit resumed>)     = ?`,
      `142   ${TIMES}.268988 perf_event_open( <unfinished ...>`,
      `142   ${TIMES}.270440 <... perf_event_open resumed>{type=PERF_TYPE_BREAKPOINT, ...}, 0, -1, -1, 0) = 3`,
    ];
    expect(shortOf(lines)).toEqual([
      ["enter", 16734, "read", ["4<pipe:[36527]>"], undefined, 1],
      ["enter", 16736, "write", ["7</sys/x/assign_adapter>", '"0x08\\n"', "5"], undefined, 2],
      ["exit", 16734, "read", ["4<pipe:[36527]>", '"0"', "64"], "1", 3],
      ["exit", 16736, "write", ["7</sys/x/assign_adapter>", '"0x08\\n"', "5"], "5", 4],
      ["enter", 16732, "clone", ["child_stack=NULL", "flags=SIGCHLD"], undefined, 5],
      ["exit", 16732, "clone", ["child_stack=NULL", "flags=SIGCHLD", "child_tidptr=0x3e662690"], "16737", 6],
      ["enter", 16732, "clone3", ["{flags=CLONE_VM}"], undefined, 7],
      ["exit", 16732, "clone3", ["{flags=CLONE_VM} => {parent_tid=[16735]}", "88"], "16735", 8],
      ["enter", 16736, "exit", ["0"], undefined, 9],
      ["exit", 16736, "exit", ["0"], "unknown", 10],
      ["enter", 142, "perf_event_open", [], undefined, 11],
      ["exit", 142, "perf_event_open", ["{type=PERF_TYPE_BREAKPOINT, ...}", "0", "-1", "-1", "0"], "3", 12],
    ]);
  });

  it("stamps each half with its own line", () => {
    const [enter, exit] = calls([
      "1 1795156516.000001 read(4,  <unfinished ...>",
      '1 1795156517.000002 <... read resumed>"0", 64) = 1 <1.000001>',
    ]);
    expect(enter?.time).toEqual({ seconds: 1795156516, nanos: 1000 });
    expect(exit?.time).toEqual({ seconds: 1795156517, nanos: 2000 });
    expect(enter?.durationNs).toBeUndefined();
    expect(exit?.durationNs).toBe(1_000_001_000);
  });

  it("allows blanks behind the mark, as older versions print", () => {
    expect(shortOf(['1 write(5, "0", 1 <unfinished ...>', "1 <... write resumed> )     = 1"])).toEqual([
      ["enter", 1, "write", ["5", '"0"', "1"], undefined, 1],
      ["exit", 1, "write", ["5", '"0"', "1"], "1", 2],
    ]);
  });

  it("loses the first call where a task leaves two unfinished", () => {
    expect(
      shortOf(["7 read(4,  <unfinished ...>", '7 write(5, "1", 1 <unfinished ...>', "7 <... write resumed>) = 1"]),
    ).toEqual([
      ["enter", 7, "read", ["4"], undefined, 1],
      ["enter", 7, "write", ["5", '"1"', "1"], undefined, 2],
      ["exit", 7, "write", ["5", '"1"', "1"], "1", 3],
    ]);
  });

  it("knows no arguments of a call that began before the recording", () => {
    expect(
      shortOf([
        '7 <... read resumed>"0", 64) = 1',
        "8 <... ioctl resumed>, 0xffffdfbd7df8) = -1 EINVAL (Invalid argument)",
        "9 <... wait4 resumed>[{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 142",
        "9 <... openat resumed>) = 7</sys/x>",
        "9 <... poll resumed>}], 1, 0) = 1 ([{fd=3, revents=POLLIN}])",
      ]),
    ).toEqual([
      ["exit", 7, "read", [], "1", 1],
      ["exit", 8, "ioctl", [], "error", 2],
      ["exit", 9, "wait4", [], "142", 3],
      ["exit", 9, "openat", [], "7", 4],
      ["exit", 9, "poll", [], "1", 5],
    ]);
  });

  it("does not join another call's first half", () => {
    expect(shortOf(["7 read(4,  <unfinished ...>", '7 <... pread64 resumed>"0", 64, 0) = 1'])).toEqual([
      ["enter", 7, "read", ["4"], undefined, 1],
      ["exit", 7, "pread64", [], "1", 2],
    ]);
  });

  it("forgets the call of a task that ended", () => {
    expect(
      shortOf(["7 read(4,  <unfinished ...>", "7 +++ killed by SIGKILL +++", '7 <... read resumed>"0", 64) = 1']).at(
        -1,
      ),
    ).toEqual(["exit", 7, "read", [], "1", 3]);
  });

  it("takes the second half without a head that status filters print", () => {
    const lines = [
      "626   1795157717.990132 pause( <unfinished ...>",
      ")                                       = ? ERESTARTNOHAND (To be restarted if no handler)",
      '16967 1795156517.792178 write(11</sys/x/remove>, "1", 1 <unfinished ...>',
      ")                                       = 1",
      "16967 1795156517.800000 read(3,  <unfinished ...>",
      '"\\1\\0", 8) = 8',
    ];
    const outcome = parse(lines);
    expect(outcome.diagnosed).toBe(0);
    expect(outcome.events[1]?.time).toBeUndefined();
    expect(shortOf(lines)).toEqual([
      ["enter", 626, "pause", [], undefined, 1],
      ["exit", 626, "pause", [], "unknown", 2],
      ["enter", 16967, "write", ["11</sys/x/remove>", '"1"', "1"], undefined, 3],
      ["exit", 16967, "write", ["11</sys/x/remove>", '"1"', "1"], "1", 4],
      ["enter", 16967, "read", ["3"], undefined, 5],
      ["exit", 16967, "read", ["3", '"\\1\\0"', "8"], "8", 6],
    ]);
  });

  it("takes a second half only from the line directly behind", () => {
    const outcome = parse(["626 pause( <unfinished ...>", "627 close(3) = 0", ") = 1"]);
    expect(outcome.diagnostics).toEqual([expect.objectContaining({ code: "unparsed-line", line: 3 })]);
  });

  it("ends a resumed call that dies, and one that the tracer leaves", () => {
    expect(
      shortOf([
        "7 read(4,  <unfinished ...>",
        "7 <... read resumed> <unfinished ...>) = ?",
        "7 read(5,  <unfinished ...>",
        "7 <... read resumed> <detached ...>",
      ]),
    ).toEqual([
      ["enter", 7, "read", ["4"], undefined, 1],
      ["exit", 7, "read", ["4"], "unknown", 2],
      ["enter", 7, "read", ["5"], undefined, 3],
      ["exit", 7, "read", ["5"], "unknown", 4],
    ]);
  });

  it("follows an execve of a thread to the id of its process", () => {
    expect(
      shortOf([
        "17    futex(0x7f, FUTEX_WAIT, 1, NULL <unfinished ...>",
        '20    execve("/bin/x", ["x"], NULL <pid changed to 17 ...>',
        "17    +++ superseded by execve in pid 20 +++",
        "17    <... execve resumed>) = 0",
      ]),
    ).toEqual([
      ["enter", 17, "futex", ["0x7f", "FUTEX_WAIT", "1", "NULL"], undefined, 1],
      ["enter", 20, "execve", ['"/bin/x"', '["x"]', "NULL"], undefined, 2],
      ["exit", 17, "execve", ['"/bin/x"', '["x"]', "NULL"], "0", 4],
    ]);
  });

  it("holds a bounded number of calls", () => {
    const lines: string[] = [];
    for (let tid = 1; tid <= 70_000; tid += 1) lines.push(`${tid} read(${tid},  <unfinished ...>`);
    lines.push('1 <... read resumed>"0", 64) = 1', '70000 <... read resumed>"0", 64) = 1');
    expect(shortOf(lines).slice(-2)).toEqual([
      ["exit", 1, "read", [], "1", 70_001],
      ["exit", 70_000, "read", ["70000", '"0"', "64"], "1", 70_002],
    ]);
  });
});

/** Section a.2: messages on stderr split lines. */
describe("notes of strace inside a line", () => {
  it("takes the note out and joins the rest", () => {
    const lines = [
      "06:35:16 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD/usr/bin/strace: Process 16772 attached",
      ", child_tidptr=0xa213690) = 16772",
      "[pid 16768] 06:35:16 read(4, /usr/bin/strace: Process 16769 attached",
      " <unfinished ...>",
      '[pid 16769] 06:35:16 openat(AT_FDCWD, "/x", O_RDONLY|O_CLOEXEC../bin/strace: Process 16771 attached',
      "strace: Process 16773 attached",
      ") = 9",
      '[pid 16768] 06:35:16 <... read resumed>"0", 64) = 1',
    ];
    const outcome = parse(lines);
    expect(outcome).toMatchObject({ context: 4, diagnosed: 0 });
    expect(shortOf(lines)).toEqual([
      [
        "complete",
        0,
        "clone",
        ["child_stack=NULL", "flags=CLONE_CHILD_CLEARTID|SIGCHLD", "child_tidptr=0xa213690"],
        "16772",
        1,
      ],
      ["enter", 0, "read", ["4"], undefined, 3],
      ["complete", 16769, "openat", ["AT_FDCWD", '"/x"', "O_RDONLY|O_CLOEXEC"], "9", 5],
      ["exit", 0, "read", ["4", '"0"', "64"], "1", 8],
    ]);
  });

  it("takes out the bare name of the program, and joins what it detached from", () => {
    expect(shortOf(["read(0, strace: Process 12345 detached", " <detached ...>"])).toEqual([
      ["complete", 0, "read", ["0"], "unknown", 1],
    ]);
  });

  it("gives up where the rest does not come", () => {
    const outcome = parse(["[pid 5] read(4, /usr/bin/strace: Process 6 attached", "[pid 6] close(3) = 0"]);
    expect(outcome.diagnostics).toEqual([expect.objectContaining({ code: "unparsed-line", line: 1 })]);
    expect(outcome.events).toEqual([expect.objectContaining({ name: "close", tid: 6, line: 2 })]);
    expect(outcome.diagnosed).toBe(1);
  });

  it("gives up at the end of the file", () => {
    const outcome = parse(["read(4, strace: Process 6 attached", "strace: Process 7 attached"]);
    expect(outcome).toMatchObject({ events: [], context: 0, diagnosed: 2 });
  });
});
