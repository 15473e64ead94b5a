import { expect, test } from "vitest";
import type { Event, SyscallEvent } from "../../../src/event/event.js";
import { ApAssembler } from "../../../src/operation/ap/assembler.js";

/** What an exec closes of a device that was opened with VFIO_GROUP_GET_DEVICE_FD: such a descriptor closes on exec. */

const DEVICE = "<anon_inode:[vfio-device]>";

function call(name: string, args: readonly string[], result = "0"): SyscallEvent {
  return {
    source: 0,
    line: 1,
    time: undefined,
    tid: 4100,
    comm: "qemu",
    text: "",
    kind: "syscall",
    phase: "complete",
    name,
    args,
    result: { kind: "value", text: result, decoration: undefined },
    durationNs: undefined,
    dump: undefined,
  };
}

/** Whether the device is closed by an exec after these calls. */
function closedByExec(...events: readonly SyscallEvent[]): boolean {
  const kinds: string[] = [];
  const assembler = new ApAssembler((group) => kinds.push(...group.map((operation) => operation.call.kind)));
  const open = [
    call("openat", ["AT_FDCWD", '"/dev/vfio/1"', "O_RDWR|O_CLOEXEC"], "21"),
    call("ioctl", ["21</dev/vfio/1>", "VFIO_GROUP_GET_DEVICE_FD", "0x3fff"], "23"),
  ];
  const all: readonly Event[] = [...open, ...events, call("execve", ['"/bin/true"', "[]", "0x0"])];
  for (const event of all) assembler.push(event);
  assembler.finish();
  return kinds.some((kind) => kind === "device-close" || kind === "closes");
}

test.each([
  ["the descriptor itself", [], true],
  ["a duplicate stays", [call("dup", [`23${DEVICE}`], "24")], false],
  ["dup2 to a high number", [call("dup2", [`23${DEVICE}`, "1030"], "1030")], false],
  ["dup3 with the flag", [call("dup3", [`23${DEVICE}`, "24", "O_CLOEXEC"], "24")], true],
  ["F_DUPFD", [call("fcntl", [`23${DEVICE}`, "F_DUPFD", "30"], "30")], false],
  ["F_DUPFD as a number", [call("fcntl", [`23${DEVICE}`, "0", "30"], "30")], false],
  ["F_DUPFD_CLOEXEC", [call("fcntl", [`23${DEVICE}`, "F_DUPFD_CLOEXEC", "30"], "30")], true],
  ["F_DUPFD_CLOEXEC as a number", [call("fcntl", [`23${DEVICE}`, "0x406", "30"], "30")], true],
  ["the flag taken away", [call("fcntl", [`23${DEVICE}`, "F_SETFD", "0"])], false],
  ["the flag taken away, by number", [call("fcntl", [`23${DEVICE}`, "0x2", "0"])], false],
  [
    "the flag set on a duplicate",
    [call("dup", [`23${DEVICE}`], "24"), call("fcntl", [`24${DEVICE}`, "F_SETFD", "FD_CLOEXEC"])],
    true,
  ],
  ["the flag read", [call("fcntl", [`23${DEVICE}`, "F_GETFD"], "0x1")], true],
] as const)("%s", (_, events, closed) => {
  // The group's file closes in any case.
  expect(closedByExec(...events)).toBe(closed);
});
