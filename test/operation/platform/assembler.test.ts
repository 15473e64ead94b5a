import { describe, expect, it } from "vitest";
import type { Event } from "../../../src/event/event.js";
import { ftraceImporter } from "../../../src/ingest/ftrace/importer.js";
import { straceImporter } from "../../../src/ingest/strace/importer.js";
import type { Operation } from "../../../src/operation/operation.js";
import { PlatformAssembler } from "../../../src/operation/platform/assembler.js";
import type { PlatformCall } from "../../../src/operation/platform/call.js";
import { isPlatformCall } from "../../../src/operation/platform/call.js";

interface Line {
  readonly from: "strace" | "ftrace";
  readonly text: string;
}

/** The calls of an interleaved recording. */
function callsOf(lines: readonly Line[]): { call: PlatformCall; result: Operation["result"] }[] {
  const calls: { call: PlatformCall; result: Operation["result"] }[] = [];
  const traced = lines.some(({ from }) => from === "strace");
  const assembler = new PlatformAssembler(
    (group) => {
      for (const { call, result } of group) if (isPlatformCall(call)) calls.push({ call, result });
    },
    {
      callSources: traced ? new Set([0]) : undefined,
      severalSources: false,
      structures: lines.some(({ from }) => from === "ftrace"),
    },
  );
  const sink = (events: Event[]) => ({
    event: (event: Event) => events.push(event),
    context: () => {},
    diagnostic: () => {},
  });
  const pending: Event[] = [];
  const parsers = {
    strace: straceImporter.parser({ source: 0, file: "strace.txt" }, sink(pending)),
    ftrace: ftraceImporter.parser({ source: 1, file: "trace.txt" }, sink(pending)),
  };
  lines.forEach(({ from, text }, i) => {
    parsers[from].line(text, i + 1);
    if (from === "strace") parsers.strace.line("", i + 1);
    for (const event of pending.splice(0)) assembler.push(event);
  });
  parsers.strace.end(true);
  parsers.ftrace.end(true);
  for (const event of pending.splice(0)) assembler.push(event);
  assembler.finish();
  return calls;
}

const strace = (text: string): Line => ({ from: "strace", text: `77    1795158265.000001 ${text}` });
const probe = (text: string): Line => ({ from: "ftrace", text: `  vmm-77      [000] .....     2.701736: ${text}` });

const ARM = "18 00 00 00 24 00 00 00 00 00 00 00 00 00 00 00 01 00 00 00 06 00 00 00";
const SET_IRQS = strace("ioctl(5<anon_inode:[vfio-device]>, VFIO_DEVICE_SET_IRQS, 0xffffda65809c) = 0");
const EVENTFD = strace("eventfd2(0, EFD_CLOEXEC) = 6<anon_inode:[eventfd]>");

function ioctls(lines: readonly Line[]): (PlatformCall & { kind: "vfio-ioctl" })[] {
  return callsOf(lines).flatMap(({ call }) => (call.kind === "vfio-ioctl" ? [call] : []));
}

describe("structures behind ioctls (probes.md)", () => {
  it("probe lines after the call of strace belong to it", () => {
    const [call] = ioctls([
      EVENTFD,
      SET_IRQS,
      probe(`ioctl_in: fd=5 cmd=0x3b6e data=${ARM}`),
      probe("ioctl_out: cmd=0x3b6e rc=0"),
    ]);
    expect(call?.argument.kind).toBe("bytes");
    expect(call?.descriptors).toMatchObject([{ kind: "eventfd" }]);
  });

  it("probe lines before the call of strace belong to it, too", () => {
    const lines = [
      EVENTFD,
      strace('openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR) = 7</dev/vfio/vfio>'),
      probe(`ioctl_in: fd=5 cmd=0x3b6e data=${ARM}`),
      SET_IRQS,
    ];
    expect(ioctls(lines)[0]?.argument.kind).toBe("bytes");
  });

  it("the header that set_irqs shows", () => {
    const [call] = ioctls([
      SET_IRQS,
      probe("set_irqs: flags=0x24 index=1 start=0 count=1"),
      probe("set_irqs_out: rc=0"),
    ]);
    expect(call?.argument).toEqual({ kind: "header", header: { flags: 0x24, index: 1, start: 0, count: 1 } });
  });

  it("calls that set_irqs alone shows are calls of their own", () => {
    const enter = (index: number): Line => probe(`set_irqs: flags=0x21 index=${index} start=0 count=0`);
    const shown = (lines: readonly Line[]): readonly unknown[] =>
      callsOf(lines).map(({ call, result }) => [
        call.kind === "vfio-ioctl" && call.argument.kind === "header" && call.argument.header.index,
        result.kind === "error" ? result.errno : result.kind,
      ]);
    const done = probe("set_irqs_out: rc=0");
    const refused = probe("set_irqs_out: rc=-22");
    expect(shown([enter(0), done, enter(1), refused, enter(2), done])).toEqual([
      [0, "value"],
      [1, "EINVAL"],
      [2, "value"],
    ]);
    // Their returns were not recorded.
    expect(shown([enter(0), enter(1)])).toEqual([
      [0, "unknown"],
      [1, "unknown"],
    ]);
    // The probe lines of two calls come after both of strace.
    expect(shown([SET_IRQS, SET_IRQS, enter(0), done, enter(1), done])).toEqual([
      [0, "value"],
      [1, "value"],
    ]);
  });

  it("without system calls a probe line is a call of its own", () => {
    const calls = callsOf([
      probe("ioctl_in: fd=5 cmd=0x3b6b data=10 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"),
      probe("ioctl_out: cmd=0x3b6b rc=0 data=10 00 00 00 05 00 00 00 01 00 00 00 03 00 00 00"),
      probe("ioctl_in: fd=5 cmd=0x3b6b data=0f 00 00 00"),
      probe("ioctl_out: cmd=0x3b6b rc=-22"),
    ]);
    expect(calls.map(({ result }) => result)).toEqual([
      { kind: "value", value: 0 },
      { kind: "error", errno: "EINVAL" },
    ]);
    const [first] = calls;
    expect(first?.call.kind === "vfio-ioctl" && first.call.target.kind).toBe("device");
    expect(first?.call.kind === "vfio-ioctl" && first.call.after?.[4]).toBe(5);
  });
});

describe("notes", () => {
  const note = (text: string): Line => strace(`write(200</tmp/vfio-notes>, "vfio-note ${text}\\n", 90) = 90`);

  it("a note of another command is not taken", () => {
    const [call] = ioctls([note("in seq=1 fd=5 cmd=0x3b6b len=4 hex=10000000"), SET_IRQS]);
    expect(call?.argument.kind).toBe("unknown");
  });

  it("an out note of another sequence number is not taken", () => {
    const lines = [
      note("in seq=1 fd=5 cmd=0x3b6e len=4 hex=10000000"),
      SET_IRQS,
      note("out seq=2 ret=0 errno=0 len=4 hex=11000000"),
    ];
    expect(ioctls(lines)[0]?.after).toBeUndefined();
  });
});

describe("descriptors", () => {
  it("duplicates share the eventfd; the last close ends it", () => {
    const calls = callsOf([
      strace('openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR|O_CLOEXEC) = 3</dev/vfio/vfio>'),
      strace("eventfd2(0, 0) = 4<anon_inode:[eventfd]>"),
      strace("fcntl(4<anon_inode:[eventfd]>, F_DUPFD_CLOEXEC, 50) = 50<anon_inode:[eventfd]>"),
      strace("close(4<anon_inode:[eventfd]>) = 0"),
      strace('write(50, "\\1\\0\\0\\0\\0\\0\\0\\0", 8) = 8'),
      strace("close(50) = 0"),
    ]);
    const kinds = calls.map(({ call }) => call.kind);
    expect(kinds).toEqual(["vfio-container-open", "eventfd-create", "eventfd-write", "vfio-close"]);
    const ids = calls.flatMap(({ call }) => ("eventfd" in call ? [call.eventfd.id] : []));
    expect(new Set(ids).size).toBe(1);
  });

  it("a descriptor that went through a socket is the same file on the other side", () => {
    const other = (text: string): Line => ({ from: "strace", text: `88    1795158265.000001 ${text}` });
    const message = (fd: string): string =>
      `{msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="x", iov_len=1}], msg_iovlen=1, msg_control=[{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[${fd}]}], msg_controllen=24, msg_flags=0}`;
    const calls = callsOf([
      strace('openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC) = 3</dev/vfio/noiommu-0>'),
      other("socket(AF_UNIX, SOCK_STREAM, 0) = 3<socket:[1]>"),
      strace(`sendmsg(9<socket:[2]>, ${message("3</dev/vfio/noiommu-0>")}, 0) = 1`),
      other(`recvmsg(3<socket:[1]>, ${message("4")}, 0) = 1`),
      strace("close(3</dev/vfio/noiommu-0>) = 0"),
      other("ioctl(4, VFIO_GROUP_UNSET_CONTAINER, 0) = -1 EINVAL (Invalid argument)"),
      other("close(4) = 0"),
    ]);
    const kinds = calls.map(({ call }) => call.kind);
    expect(kinds).toEqual(["vfio-group-open", "vfio-ioctl", "vfio-close"]);
    const groups = calls.flatMap(({ call }) =>
      call.kind === "vfio-ioctl" && call.target.kind === "group" ? [call.target.group] : [],
    );
    expect(groups).toMatchObject([{ group: "noiommu-0" }]);
  });

  it("VFIO requests without any VFIO file are no operations", () => {
    expect(
      callsOf([
        strace("ioctl(3</dev/null>, VFIO_EEH_PE_OP, 0x7fff2084409f) = -1 ENOTTY (Inappropriate ioctl for device)"),
      ]),
    ).toEqual([]);
  });
});
