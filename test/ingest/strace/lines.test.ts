import { describe, expect, it } from "vitest";
import { call, calls, parse } from "./harness.js";

const E = "\u2026";

/** The example lines of section a.1 of the spec, and what they say. */
describe("heads of lines", () => {
  const table: readonly (readonly [string, number, string, { seconds: number; nanos: number } | undefined, string])[] =
    [
      [
        '16732 1795156516.142887 write(4</sys/bus/x/assign_adapter>, "0x05", 4) = 4',
        16732,
        "",
        { seconds: 1795156516, nanos: 142_887_000 },
        "write",
      ],
      ['06:35:16 write(4, "0x05", 4)            = 4', 0, "", { seconds: 23_716, nanos: 0 }, "write"],
      ["[pid 16768] 06:35:16 exit(0)            = ?", 16768, "", { seconds: 23_716, nanos: 0 }, "exit"],
      [
        "639   1795156913.642959 ioctl(-1, KVM_GET_API_VERSION, 0) = -1 EBADF (...)",
        639,
        "",
        { seconds: 1795156913, nanos: 642_959_000 },
        "ioctl",
      ],
      [
        '16783      0.000123 write(4, "0x00000000000000"..., 67) = 67',
        16783,
        "",
        { seconds: 0, nanos: 123_000 },
        "write",
      ],
      [
        `1795156517.554713512 (+     0.000000000) openat(${E}) = 4 <0.000009114>`,
        0,
        "",
        { seconds: 1795156517, nanos: 554_713_512 },
        "openat",
      ],
      ['16892 [   1] [0000000000435ff0] write(5</x>, "x", 1) = 1', 16892, "", undefined, "write"],
      [
        '17000<worker-x y> 1795156517.881980 write(7</x>, "0x05\\n", 5) = 5',
        17000,
        "worker-x y",
        { seconds: 1795156517, nanos: 881_980_000 },
        "write",
      ],
      ['write(4, "0x05", 4) = 4', 0, "", undefined, "write"],
      ['639   write(4, "0x05", 4) = 4', 639, "", undefined, "write"],
      ['[pid   503] write(4, "0x05", 4) = 4', 503, "", undefined, "write"],
      ["23:59:59.000001 close(3) = 0", 0, "", { seconds: 86_399, nanos: 1000 }, "close"],
      ["457   07:04:53.172394 close(3) = 0", 457, "", { seconds: 25_493, nanos: 172_394_000 }, "close"],
      // --absolute-timestamps=format:unix,precision:s, ms and ns
      ["1795156516 close(3) = 0", 0, "", { seconds: 1795156516, nanos: 0 }, "close"],
      ["457   1795156516 close(3) = 0", 457, "", { seconds: 1795156516, nanos: 0 }, "close"],
      ["457   1795156516.142 close(3) = 0", 457, "", { seconds: 1795156516, nanos: 142_000_000 }, "close"],
      ["457   1795156516.000000001 close(3) = 0", 457, "", { seconds: 1795156516, nanos: 1 }, "close"],
      // a machine whose clock was never set
      ["457   12.000001 close(3) = 0", 457, "", { seconds: 12, nanos: 1000 }, "close"],
      ["472   1795158293.943234 [  56] close(3) = 0", 472, "", { seconds: 1795158293, nanos: 943_234_000 }, "close"],
      ["[  56] close(3) = 0", 0, "", undefined, "close"],
      ["[0000000000435ff0] close(3) = 0", 0, "", undefined, "close"],
      ["[pid 503<a>] b>] 1795156516.1 close(3) = 0", 503, "a>] b", { seconds: 1795156516, nanos: 1e8 }, "close"],
      ["4194305 close(3) = 0", 0, "", { seconds: 4_194_305, nanos: 0 }, "close"],
      ["4194304 1795156516.142887 close(3) = 0", 4_194_304, "", { seconds: 1795156516, nanos: 142_887_000 }, "close"],
    ];

  it.each(table)("%s", (text, tid, comm, time, name) => {
    const outcome = parse([text]);
    expect(outcome.events).toEqual([
      expect.objectContaining({ kind: "syscall", source: 3, line: 1, phase: "complete", text, tid, comm, time, name }),
    ]);
    expect(outcome.context + outcome.diagnosed).toBe(0);
  });

  it("takes the longest task name that leaves a line", () => {
    const [event] = calls(["17000<x> 1.1 close(> 1795156517.881980 close(3</a>) = 0"]);
    expect(event).toMatchObject({ tid: 17000, comm: "x> 1.1 close(", name: "close", args: ["3</a>"] });
    const [plain] = calls(["17000<w> 1795156517.881980 wait4(5<b>, NULL, 0, NULL) = 5<b> <0.000001>"]);
    expect(plain).toMatchObject({ comm: "w", name: "wait4", durationNs: 1000 });
    const [odd] = calls(["17000<]y [003] z> 1795156517.881980 <... read resumed>) = 5"]);
    expect(odd).toMatchObject({ comm: "]y [003] z", phase: "exit" });
  });

  it("sums relative times over all tasks", () => {
    const events = calls([
      "16783      0.000000 close(3) = 0",
      "16784      0.999999 close(4) = 0",
      "16783      0.000001 --- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---",
      "16784    100.000001 close(5) = 0",
      "16784 100000.000001 close(6) = 0",
    ]);
    expect(events.map((event) => event.time)).toEqual([
      { seconds: 0, nanos: 0 },
      { seconds: 0, nanos: 999_999_000 },
      { seconds: 101, nanos: 1000 },
      { seconds: 100_101, nanos: 2000 },
    ]);
  });

  it("does not sum the times of a machine whose clock was never set", () => {
    const events = calls(["457   12.000001 close(3) = 0", "457   13.000001 close(4) = 0"]);
    expect(events.at(-1)?.time).toEqual({ seconds: 13, nanos: 1000 });
  });

  it("carries what fills a second", () => {
    const events = calls(["     0.400000 close(3) = 0", "     0.600000 close(4) = 0"]);
    expect(events.at(-1)?.time).toEqual({ seconds: 1, nanos: 0 });
  });

  it("sums relative times without a pid, and with whole seconds", () => {
    const events = calls(["     0.000000 close(3) = 0", "     0.015950 close(4) = 0", "     1.000050 close(5) = 0"]);
    expect(events.at(-1)?.time).toEqual({ seconds: 1, nanos: 16_000_000 });
    const whole = calls(["     0 close(3) = 0", "    12 close(4) = 0", "    30 close(5) = 0"]);
    expect(whole.at(-1)?.time).toEqual({ seconds: 42, nanos: 0 });
  });

  it("counts the time of a line once that a note interrupted", () => {
    const events = calls([
      "     0.000000 close(3) = 0",
      "     0.500000 clone(child_stack=NULL, flags=SIGCHLD/usr/bin/strace: Process 16772 attached",
      ", child_tidptr=0xa213690) = 16772",
      "     0.250000 close(5) = 0",
    ]);
    expect(events.map((event) => event.time?.nanos)).toEqual([0, 5e8, 75e7]);
  });
});

describe("bodies", () => {
  it.each([
    ["exit_group(0)   = ?", "exit_group", ["0"]],
    [
      'execve("/bin/x", ["/bin/x"], 0x7ffe4d1ba0f8 /* 39 vars */) = 0',
      "execve",
      ['"/bin/x"', '["/bin/x"]', "0x7ffe4d1ba0f8 /* 39 vars */"],
    ],
    ["syscall_0x1b2(0x7f99065d09c8, 0, 0) = 0x5", "syscall_0x1b2", ["0x7f99065d09c8", "0", "0"]],
    ["getppid()                               = 31350", "getppid", []],
    [
      'writev(3</x>, [{iov_base="05.", iov_len=3}, {iov_base="0047\\n", iov_len=5}], 2) = 8',
      "writev",
      ["3</x>", '[{iov_base="05.", iov_len=3}, {iov_base="0047\\n", iov_len=5}]', "2"],
    ],
    [
      "pipe2([4<pipe:[36527]>, 5<pipe:[36527]>], O_CLOEXEC) = 0",
      "pipe2",
      ["[4<pipe:[36527]>, 5<pipe:[36527]>]", "O_CLOEXEC"],
    ],
    [
      "ioctl(5</dev/null>, _IOC(_IOC_READ|_IOC_WRITE, 0xae, 0xee, 0x8), 0x7ffcca0d65a0) = -1 ENOTTY (x)",
      "ioctl",
      ["5</dev/null>", "_IOC(_IOC_READ|_IOC_WRITE, 0xae, 0xee, 0x8)", "0x7ffcca0d65a0"],
    ],
    [
      "ioctl(4</dev/kvm>, KVM_CHECK_EXTENSION, 0x270f /* KVM_CAP_??? (, */) = 0",
      "ioctl",
      ["4</dev/kvm>", "KVM_CHECK_EXTENSION", "0x270f /* KVM_CAP_??? (, */"],
    ],
    [
      "ioctl(3, VFIO_DEVICE_PCI_HOT_RESET or VFIO_IOMMU_MAP_DMA, 0x7ffd) = 0",
      "ioctl",
      ["3", "VFIO_DEVICE_PCI_HOT_RESET or VFIO_IOMMU_MAP_DMA", "0x7ffd"],
    ],
    [
      "clone3({flags=CLONE_VM, stack=0x7f33} => {parent_tid=[16768]}, 88) = 16768",
      "clone3",
      ["{flags=CLONE_VM, stack=0x7f33} => {parent_tid=[16768]}", "88"],
    ],
    [
      "capset({version=3, pid=0}, {effective=1<<CAP_CHOWN|1<<CAP_KILL, permitted=0}) = 0",
      "capset",
      ["{version=3, pid=0}", "{effective=1<<CAP_CHOWN|1<<CAP_KILL, permitted=0}"],
    ],
    [
      "restart_syscall(<... resuming interrupted read ...>) = 4",
      "restart_syscall",
      ["<... resuming interrupted read ...>"],
    ],
    ['write(1, "a\\"), (\\\\", 7) = 7', "write", ["1", '"a\\"), (\\\\"', "7"]],
    ['open("\\\\", O_RDONLY) = 3', "open", ['"\\\\"', "O_RDONLY"]],
    ["close(5<UNIX:[123->124]>) = 0", "close", ["5<UNIX:[123->124]>"]],
    ["dup2(4</dev/null<char 1:3>>, 5</a,b)c>(deleted)) = 5", "dup2", ["4</dev/null<char 1:3>>", "5</a,b)c>(deleted)"]],
    ["close(4</tmp/odd->) = 0", "close", ["4</tmp/odd->"]],
    [
      "read(3<anon_inode:[eventfd]<{eventfd-count=0, eventfd-id=1}>>, 0x7f, 8) = -1 EAGAIN (x)",
      "read",
      ["3<anon_inode:[eventfd]<{eventfd-count=0, eventfd-id=1}>>", "0x7f", "8"],
    ],
    ['write(1, "0x00000000000000"..., 67) = 67', "write", ["1", '"0x00000000000000"...', "67"]],
    [
      "openat(-100 /* AT_FDCWD */</>, 0x7f, 0x201 /* O_WRONLY|O_TRUNC */) = -1 EFAULT (x)",
      "openat",
      ["-100 /* AT_FDCWD */</>", "0x7f", "0x201 /* O_WRONLY|O_TRUNC */"],
    ],
    [
      "futex(0x7f, FUTEX_WAKE_OP, 1, 1, 0x7e, FUTEX_OP_SET<<28|0<<12|FUTEX_OP_CMP_GT<<24|0x1) = 1",
      "futex",
      ["0x7f", "FUTEX_WAKE_OP", "1", "1", "0x7e", "FUTEX_OP_SET<<28|0<<12|FUTEX_OP_CMP_GT<<24|0x1"],
    ],
  ])("%s", (text, name, args) => {
    expect(call(text)).toMatchObject({ name, args, phase: "complete" });
  });

  it.each([
    "--- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---",
    "16732 1795156516.142887 --- SIGCHLD {si_signo=SIGCHLD, si_pid=16737<apwalk>} ---",
    "16732 --- stopped by SIGSTOP ---",
    "16732 1795156516.142887 +++ superseded by execve in pid 16735 +++",
    "strace: Process 16772 attached",
    "/usr/bin/strace: Process 16772 attached with 4 threads",
    "strace: Process 16772 detached",
    "strace: [ Process PID=626 runs in 32 bit mode. ]",
    "626   [ Process PID=626 runs in 32 bit mode. ]",
    "strace: Can't stat 'x': No such file or directory",
    " <detached ...>",
    "",
    " > /usr/lib/x86_64-linux-gnu/libc.so.6(write+0x1b) [0xe1b]",
    " * 5 bytes in buffer 0",
    "System call usage summary for 32 bit mode:",
  ])("context: %s", (text) => {
    expect(parse([text])).toMatchObject({ events: [], context: 1, diagnosed: 0 });
  });

  it.each([
    ["16732 1795156516.142887 +++ exited with 3 +++", 16732, "3"],
    ["+++ killed by SIGABRT (core dumped) +++", 0, "SIGABRT"],
    ["16732 [????????????????] +++ exited with 0 +++", 16732, "0"],
    ["472   1795158294.144921 [  94] +++ exited with 0 +++", 472, "0"],
    ["17002<apwalk> 1795156518.892668 +++ killed by SIGKILL +++", 17002, "SIGKILL"],
  ])("exit: %s", (text, tid, status) => {
    expect(parse([text]).events).toEqual([expect.objectContaining({ kind: "task-exit", tid, status, text })]);
  });

  it.each([
    "total 1234",
    "write(1, 2",
    "write(1, 2)",
    "write(1, 2) =",
    "write(1, 2) = x",
    "write(1, 2) = 3 4",
    "write(1, 2) = 0xg",
    "write 1, 2) = 3",
    "123 (1, 2) = 3",
    "123 1795156516.1428871234 write(1) = 3",
    "25:00:00 close(3) = 0",
    "+++ exited +++",
    "--- SIGALRM {si_signo=SIGALRM",
    "<... read resumed>",
    "     0.000 ( 0.004 ms): cat/1234 write(fd: 1, count: 5) = 5",
    "[   12.345678] vfio_ap: queue_probe(1) = 0",
    " | 00000  61                                                a                |",
  ])("is not understood: %s", (text) => {
    const outcome = parse([text]);
    expect(outcome).toMatchObject({ events: [], context: 0, diagnosed: 1 });
    expect(outcome.diagnostics).toEqual([
      expect.objectContaining({ code: "unparsed-line", severity: "loss", file: "strace.txt", line: 1 }),
    ]);
  });

  it("takes a summary table as context and goes on behind it", () => {
    const outcome = parse([
      "16925 +++ exited with 0 +++",
      "% time     seconds  usecs/call     calls    errors syscall",
      "------ ----------- ----------- --------- --------- ----------------",
      " 34.02    0.001003          33        30         1 openat",
      "------ ----------- ----------- --------- --------- ----------------",
      "100.00    0.002948          21       135        33 total",
      "16926 close(3) = 0",
    ]);
    expect(outcome).toMatchObject({ context: 5, diagnosed: 0 });
    expect(outcome.events.map((event) => event.kind)).toEqual(["task-exit", "syscall"]);
  });
});

describe("the end of a file", () => {
  it("accepts a last line without a line feed", () => {
    const outcome = parse(["close(3) = 0", "close(4) = 0"], "x", false);
    expect(outcome.events).toHaveLength(2);
    expect(outcome.diagnosed).toBe(0);
  });

  it("reports a line that is cut as a truncation, not as a loss", () => {
    const outcome = parse(["close(3) = 0", "16732 1795156516.142887 write(4</sys/bu"], "x", false);
    expect(outcome.events).toHaveLength(1);
    expect(outcome.diagnostics).toEqual([
      expect.objectContaining({ code: "truncated-source", severity: "note", line: 2 }),
    ]);
    expect(outcome.diagnosed).toBe(1);
  });

  it("has nothing to say about an empty file", () => {
    expect(parse([])).toMatchObject({ events: [], context: 0, diagnostics: [] });
  });
});
