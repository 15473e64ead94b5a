import { bytesOf, descriptorOf, numberOf, wordOf } from "../../event/arguments.js";
import type { CallResult, SyscallEvent } from "../../event/event.js";
import type { TaskTable } from "../tasks.js";
import type { Argument, Closed, Meaning, PlatformCall, PlatformDeviceRef } from "./call.js";
import { Descriptors, type PlatformOpenFile, type PlatformTask } from "./descriptors.js";
import type { PlatformFile } from "./file.js";
import { hexBytes, type Note } from "./notes.js";
import { type Request, requestOf, VFIO } from "./requests.js";
import { decodeIrqSetHeader, irqSetData, u32 } from "./structures.js";

/** What one system call is for the model. */
export interface DecodedCall {
  readonly call: PlatformCall;
  readonly name: string;
}

export type InputNote = Extract<Note, { kind: "in" }>;

/** Requests whose third argument is a number, or ignored. */
const PLAIN: ReadonlySet<number> = new Set([
  VFIO.GET_API_VERSION,
  VFIO.CHECK_EXTENSION,
  VFIO.SET_IOMMU,
  VFIO.GROUP_UNSET_CONTAINER,
  VFIO.DEVICE_RESET,
]);

const NOT_RECORDED = "the structure behind the pointer was not recorded (probe ioctl_in or vfio-note would show it)";
const notRecorded: Argument = { kind: "unknown", reason: NOT_RECORDED };

/** Flags that several calls share, by their numbers on every machine in scope. */
const O_CLOEXEC = 0x80000;
const EFD_SEMAPHORE = 1;

/**
 * Reads system calls: follows descriptors and tells which calls are operations of the model. `enter` looks at a call
 * that did not return yet and changes nothing; `exit` sees the whole call and updates the tables.
 */
export class SyscallDecoder {
  readonly descriptors: Descriptors;
  private readonly tasks: TaskTable<PlatformFile>;
  /** Files that were sent over sockets and not received yet. */
  private readonly inFlight: PlatformOpenFile[][] = [];
  /** A VFIO file was met: operations on eventfds and on wrong descriptors belong to the story from then on. */
  vfioSeen = false;
  /** A file was met that only VFIO platform devices have. */
  platformSeen = false;

  constructor(tasks: TaskTable<PlatformFile>) {
    this.tasks = tasks;
    this.descriptors = new Descriptors(tasks);
  }

  /** The operation that a call begins, judged by its arguments at entry. */
  enter(event: SyscallEvent, task: PlatformTask, note: InputNote | undefined): DecodedCall | undefined {
    switch (event.name) {
      case "ioctl":
        return this.ioctl(event, task, note, undefined);
      case "write":
      case "pwrite64":
        return this.write(event, task);
      case "read":
      case "pread64":
        return this.read(event, task);
      case "close": {
        const file = this.descriptors.fileOf(event.args[0], task);
        return file !== undefined && file.references <= 1 ? this.closing([file], true) : undefined;
      }
      default:
        return undefined;
    }
  }

  /** The operation that a complete call is; undefined for calls that the model does not know. */
  exit(event: SyscallEvent, task: PlatformTask, note: InputNote | undefined): DecodedCall | undefined {
    switch (event.name) {
      case "ioctl":
        return this.ioctl(event, task, note, event.result);
      case "write":
      case "pwrite64":
        return this.write(event, task);
      case "read":
      case "pread64":
        return this.read(event, task);
      case "close":
        return this.close(event, task);
      case "eventfd":
      case "eventfd2":
        return this.eventfd(event, task);
      case "open":
      case "creat":
        return this.open(event, task, undefined, event.args[0], event.args[1]);
      case "openat":
      case "openat2":
        return this.open(event, task, event.args[0], event.args[1], event.args[2]);
      case "dup":
        return this.duplicate(event, task, true);
      case "dup2":
      case "dup3":
        return this.duplicate(event, task, false);
      case "fcntl":
      case "fcntl64":
        return this.fcntl(event, task);
      case "mmap":
      case "mmap2":
        return this.map(event, task);
      case "lseek":
        return this.seek(event, task);
      case "close_range":
        return this.closeRange(event, task);
      case "clone":
      case "clone3":
      case "fork":
      case "vfork":
        return this.clone(event, task);
      case "execve":
      case "execveat":
        return event.result?.kind === "value"
          ? this.closing(
              task.process.files.closeWhere((_fd, file) => file.closeOnExec),
              false,
            )
          : undefined;
      case "exit_group":
        return this.leave(task);
      case "sendmsg":
        return this.send(event, task);
      case "recvmsg":
        return this.receive(event, task);
      case "pipe":
      case "pipe2":
      case "socketpair":
        return this.pair(event, task);
      case "io_submit":
        return this.exposed(task, "io_submit");
      case "io_uring_register":
        return this.exposed(task, "io_uring_register");
      case "chdir":
        return this.changeDirectory(event, task);
      default:
        return MAKERS.has(event.name) ? this.ordinary(event, task) : undefined;
    }
  }

  /** A task ended: what its process held is closed with the last of them. */
  taskExit(task: PlatformTask): DecodedCall | undefined {
    return this.tasks.exit(task) ? this.leave(task) : undefined;
  }

  private leave(task: PlatformTask): DecodedCall | undefined {
    return this.closing(
      task.process.files.closeWhere(() => true),
      false,
    );
  }

  // --- ioctl

  private ioctl(
    event: SyscallEvent,
    task: PlatformTask,
    note: InputNote | undefined,
    result: CallResult | undefined,
  ): DecodedCall | undefined {
    const request = requestOf(event.args[1] ?? "");
    const target = this.descriptors.meaningOfArgument(event.args[0], task);
    if (target.kind === "container" || target.kind === "group" || target.kind === "device") this.vfioSeen = true;
    else if (request.number < 0 || !this.vfioSeen) return this.foreignIoctl(event, task, request);
    if (request.generic) return undefined;
    const value = addressOf(event.args[2]);
    const argument = argumentOf(request, value, note);
    const descriptors = this.descriptorsIn(request, argument, task);
    const made = result === undefined ? undefined : this.madeDevice(target, request, argument, task, result);
    return {
      call: {
        kind: "vfio-ioctl",
        target,
        request,
        value,
        argument,
        after: undefined,
        descriptors,
        made,
        process: task.process.id,
      },
      name: `ioctl ${request.name}`,
    };
  }

  /** The call with a structure that a probe showed later than the call itself. */
  withArgument(call: PlatformCall & { kind: "vfio-ioctl" }, argument: Argument, task: PlatformTask): PlatformCall {
    const { made } = call;
    const name = deviceName(call.request, argument);
    return {
      ...call,
      argument,
      descriptors: this.descriptorsIn(call.request, argument, task),
      made: made === undefined || name === undefined ? made : { ...made, name },
    };
  }

  /** A request of another family: KVM can tie an eventfd to an interrupt or an address, and then signals or reads it. */
  private foreignIoctl(event: SyscallEvent, task: PlatformTask, request: Request): DecodedCall | undefined {
    const exposes =
      request.name.startsWith("KVM_IRQFD") ||
      request.name.startsWith("KVM_IOEVENTFD") ||
      request.name.startsWith("VHOST_SET_VRING") ||
      event.args[1]?.includes("KVM_IRQFD") === true;
    return exposes ? this.exposed(task, request.name) : undefined;
  }

  private descriptorsIn(request: Request, argument: Argument, task: PlatformTask): readonly Meaning[] {
    if (argument.kind !== "bytes") return [];
    if (request.number === VFIO.GROUP_SET_CONTAINER) {
      const fd = u32(argument.bytes, 0);
      return fd === undefined ? [] : [this.descriptors.meaningOf(fd | 0, task)];
    }
    if (request.number !== VFIO.DEVICE_SET_IRQS) return [];
    const header = decodeIrqSetHeader(argument.bytes);
    if (header === undefined) return [];
    const data = irqSetData(argument.bytes, header);
    return data.kind === "eventfd" ? data.fds.map((fd) => this.descriptors.meaningOf(fd, task)) : [];
  }

  private madeDevice(
    target: Meaning,
    request: Request,
    argument: Argument,
    task: PlatformTask,
    result: CallResult,
  ): PlatformDeviceRef | undefined {
    const fd = returned(result);
    if (fd === undefined || target.kind !== "group" || request.number !== VFIO.GROUP_GET_DEVICE_FD) return undefined;
    const device = {
      ...this.descriptors.newRef(),
      group: target.group.group,
      name: deviceName(request, argument),
    };
    this.descriptors.allocate(task, fd, { kind: "device", device }, true, true);
    return device;
  }

  // --- reads and writes

  private write(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    const file = this.descriptors.fileOf(event.args[0], task);
    if (file === undefined) return undefined;
    const { object } = file;
    switch (object.kind) {
      case "eventfd":
        return {
          call: {
            kind: "eventfd-write",
            eventfd: object.eventfd,
            size: numberOf(event.args[2] ?? ""),
            value: counterOf(event.args[1]),
            badBuffer: badBuffer(event.args[1], true),
            counted: this.vfioSeen,
          },
          name: "write eventfd",
        };
      case "device":
        return this.regionAccess(event, object.device, true);
      case "driver": {
        const bytes = bytesOf(event.args[1] ?? "");
        return {
          call: {
            kind: "driver-write",
            file: object.file,
            bus: object.bus,
            owner: object.owner,
            data: event.dump ?? bytes?.data ?? "",
            length: numberOf(event.args[2] ?? "") ?? bytes?.data.length ?? 0,
          },
          name: `sysfs write ${object.file}`,
        };
      }
      case "reset-parameter":
        return { call: { kind: "reset-parameter" }, name: "sysfs write reset parameter" };
      default:
        return undefined;
    }
  }

  private read(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    const file = this.descriptors.fileOf(event.args[0], task);
    if (file === undefined) return undefined;
    const { object } = file;
    if (object.kind === "device") return this.regionAccess(event, object.device, false);
    if (object.kind !== "eventfd") return undefined;
    return {
      call: {
        kind: "eventfd-read",
        eventfd: object.eventfd,
        size: numberOf(event.args[2] ?? ""),
        value: counterOf(event.args[1]),
        badBuffer: badBuffer(event.args[1], false),
        counted: this.vfioSeen,
      },
      name: "read eventfd",
    };
  }

  private regionAccess(event: SyscallEvent, device: PlatformDeviceRef, write: boolean): DecodedCall | undefined {
    this.vfioSeen = true;
    const count = numberOf(event.args[2] ?? "");
    const position = event.name.startsWith("p") ? offsetOf(event.args[3]) : 0;
    if (count === undefined || position === undefined) return undefined;
    return {
      call: { kind: "region-access", device, write, position, count, badBuffer: badBuffer(event.args[1], write) },
      name: write ? "write VFIO region" : "read VFIO region",
    };
  }

  private map(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    const fd = event.args[4];
    if (fd === undefined || fd.startsWith("-1")) return undefined;
    const file = this.descriptors.fileOf(fd, task);
    if (file?.object.kind !== "device") return undefined;
    const length = numberOf(event.args[1] ?? "");
    const offset = offsetOf(event.args[5]);
    const protection = flagsOf(event.args[2], PROTECTION);
    const flags = flagsOf(event.args[3], SHARED);
    if (length === undefined || offset === undefined || protection === undefined || flags === undefined)
      return undefined;
    const unit = event.name === "mmap2" ? 4096 : 1;
    return {
      call: {
        kind: "region-map",
        device: file.object.device,
        length,
        read: (protection & 1) !== 0,
        write: (protection & 2) !== 0,
        shared: (flags & 1) !== 0,
        offset: offset * unit,
      },
      name: "mmap VFIO region",
    };
  }

  private seek(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    const file = this.descriptors.fileOf(event.args[0], task);
    if (file?.object.kind !== "device") return undefined;
    return { call: { kind: "device-seek", device: file.object.device }, name: "lseek VFIO device" };
  }

  // --- descriptors

  private open(
    event: SyscallEvent,
    task: PlatformTask,
    directory: string | undefined,
    path: string | undefined,
    flags: string | undefined,
  ): DecodedCall | undefined {
    const { result } = event;
    if (result === undefined || result.kind === "unknown" || result.kind === "injected") return undefined;
    const shown = result.kind === "value" ? result.decoration : undefined;
    const asked = absolutePath(directory, path, task.process.cwd);
    const name = asked?.startsWith("/dev/vfio/") ? asked : (shown ?? asked);
    const fd = returned(result);
    const object = name === undefined ? ({ kind: "unknown" } as const) : this.descriptors.objectOfFile(name);
    const replaced =
      fd === undefined ? undefined : this.descriptors.allocate(task, fd, object, closesOnExec(flags), true);
    if (object.kind === "container" || object.kind === "group") this.vfioSeen = true;
    if (object.kind === "group" && object.group.group.startsWith("noiommu-")) this.platformSeen = true;
    if (object.kind === "driver" && object.owner.startsWith("vfio-")) this.platformSeen = true;
    if (object.kind === "container") {
      const container = fd === undefined ? undefined : object.container;
      return { call: { kind: "vfio-container-open", container }, name: "open VFIO container" };
    }
    if (object.kind === "group") {
      const group = fd === undefined ? undefined : object.group;
      return {
        call: { kind: "vfio-group-open", name: object.group.group, group, process: task.process.id },
        name: "open VFIO group",
      };
    }
    return replaced === undefined ? undefined : this.closing([replaced], false);
  }

  private eventfd(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    const fd = returned(event.result);
    if (fd === undefined) return undefined;
    const flags = event.args[1] ?? "0";
    const number = numberOf(flags);
    const semaphore = number === undefined ? flags.includes("EFD_SEMAPHORE") : (number & EFD_SEMAPHORE) !== 0;
    const eventfd = { ...this.descriptors.newRef(), name: `${task.tid}/${fd}` };
    const cloexec = number === undefined ? flags.includes("EFD_CLOEXEC") : (number & O_CLOEXEC) !== 0;
    this.descriptors.allocate(task, fd, { kind: "eventfd", eventfd }, cloexec, true);
    return {
      call: { kind: "eventfd-create", eventfd, initial: numberOf(event.args[0] ?? ""), semaphore },
      name: "eventfd2",
    };
  }

  private ordinary(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    const fd = returned(event.result);
    if (fd === undefined) return undefined;
    const cloexec = event.args.some((arg) => arg.includes("CLOEXEC"));
    const replaced = this.descriptors.allocate(task, fd, { kind: "ordinary" }, cloexec, true);
    return replaced === undefined ? undefined : this.closing([replaced], false);
  }

  private pair(event: SyscallEvent, task: PlatformTask): undefined {
    if (event.result?.kind !== "value") return undefined;
    const list = event.args[event.name === "socketpair" ? 3 : 0] ?? "";
    const cloexec = event.args.some((arg) => arg.includes("CLOEXEC"));
    for (const one of list
      .replace(/^\[|\]$/g, "")
      .split(", ")
      .slice(0, 2)) {
      const fd = descriptorOf(one)?.fd;
      if (fd !== undefined) this.descriptors.allocate(task, fd, { kind: "ordinary" }, cloexec, true);
    }
    return undefined;
  }

  private duplicate(event: SyscallEvent, task: PlatformTask, lowest: boolean): DecodedCall | undefined {
    const fd = returned(event.result);
    if (fd === undefined) return undefined;
    const replaced = this.descriptors.duplicate(task, fd, this.descriptors.fileOf(event.args[0], task), lowest);
    return replaced === undefined ? undefined : this.closing([replaced], false);
  }

  private fcntl(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    const command = event.args[1] ?? "";
    const number = command.startsWith("F_") ? undefined : numberOf(command);
    const duplicates = command.startsWith("F_DUPFD") || number === 0 || number === 1030;
    if (!duplicates) return undefined;
    return this.duplicate(event, task, numberOf(event.args[2] ?? "") === 0);
  }

  private close(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    const descriptor = descriptorOf(event.args[0] ?? "");
    if (descriptor === undefined) return undefined;
    const file = this.descriptors.fileOf(event.args[0], task);
    const isDevice = file?.object.kind === "device";
    // A failed close may still have closed: only EBADF did not.
    const refused = event.result?.kind === "error" && event.result.errno === "EBADF";
    const closed = refused ? undefined : task.process.files.close(descriptor.fd);
    if (closed !== undefined) return this.closing([closed], true);
    return isDevice ? { call: { kind: "vfio-close", files: [], single: true }, name: CLOSE_NAMES.device } : undefined;
  }

  private closeRange(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    const first = numberOf(event.args[0] ?? "") ?? 0;
    const last = numberOf(event.args[1] ?? "") ?? Number.POSITIVE_INFINITY;
    if (event.result?.kind !== "value" || event.args[2]?.includes("CLOEXEC") === true) return undefined;
    return this.closing(
      task.process.files.closeWhere((fd) => fd >= first && fd <= last),
      false,
    );
  }

  private clone(event: SyscallEvent, task: PlatformTask): undefined {
    const child = numberOf(event.result?.kind === "value" ? event.result.text : "");
    if (child === undefined || child === 0) return undefined;
    const known = this.tasks.has(child);
    this.tasks.clone(
      task,
      child,
      event.args.some((arg) => arg.includes("CLONE_FILES")),
    );
    if (!known) this.descriptors.inherit(task.process.files, this.tasks.get(child).process.files);
    return undefined;
  }

  private changeDirectory(event: SyscallEvent, task: PlatformTask): undefined {
    const path = bytesOf(event.args[0] ?? "");
    if (path === undefined || path.truncated || event.result?.kind !== "value") return undefined;
    task.process.cwd = absolutePath(undefined, event.args[0], task.process.cwd);
    return undefined;
  }

  // --- descriptors that go to other processes (capture-formats a.5)

  private send(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    if (event.result?.kind !== "value") return undefined;
    const files: PlatformOpenFile[] = [];
    for (const fd of passedDescriptors(event)) {
      const file = this.descriptors.fileOf(fd, task);
      if (file === undefined) continue;
      // In flight it is one more reference.
      file.references++;
      files.push(file);
    }
    if (files.length > 0 && this.inFlight.length < IN_FLIGHT) this.inFlight.push(files);
    // Where no other process is traced, the receiver is none of the recording.
    const processes = this.tasks.processes();
    processes.next();
    if (processes.next().done !== true) return undefined;
    const eventfds = files.flatMap(({ object }) => (object.kind === "eventfd" ? [object.eventfd] : []));
    return eventfds.length === 0
      ? undefined
      : { call: { kind: "eventfd-exposed", eventfds, by: "sendmsg" }, name: "sendmsg" };
  }

  private receive(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    if (event.result?.kind !== "value") return undefined;
    const numbers = passedDescriptors(event);
    if (numbers.length === 0) return undefined;
    const at = this.inFlight.findIndex((files) => files.length === numbers.length);
    const files = at < 0 ? undefined : this.inFlight.splice(at, 1)[0];
    numbers.forEach((text, i) => {
      const fd = descriptorOf(text)?.fd;
      const file = files?.[i];
      if (fd === undefined) return;
      this.descriptors.duplicate(task, fd, file, true);
      if (file !== undefined) file.references--;
    });
    return undefined;
  }

  private exposed(task: PlatformTask, by: string): DecodedCall | undefined {
    const eventfds = [...task.process.files.objects()].flatMap((object) =>
      object.kind === "eventfd" ? [object.eventfd] : [],
    );
    if (eventfds.length === 0) return undefined;
    return { call: { kind: "eventfd-exposed", eventfds, by }, name: by };
  }

  /** What the last closes of some files are. A device goes before the group and the container that it holds. */
  private closing(files: readonly PlatformOpenFile[], single: boolean): DecodedCall | undefined {
    const closed: Closed[] = [];
    for (const { object } of files) {
      if (
        object.kind === "container" ||
        object.kind === "group" ||
        object.kind === "device" ||
        object.kind === "eventfd"
      ) {
        closed.push(object);
      }
    }
    const [first] = closed;
    if (first === undefined) return undefined;
    if (closed.length > 1) closed.sort((a, b) => CLOSE_ORDER[a.kind] - CLOSE_ORDER[b.kind]);
    return {
      call: { kind: "vfio-close", files: closed, single },
      name: single ? CLOSE_NAMES[first.kind] : "close of VFIO files",
    };
  }
}

const CLOSE_ORDER = { eventfd: 0, device: 1, group: 2, container: 3 } as const;
const CLOSE_NAMES = {
  eventfd: "close eventfd",
  device: "close VFIO device",
  group: "close VFIO group",
  container: "close VFIO container",
} as const;

const IN_FLIGHT = 1024;

/** Calls that return a descriptor of no file that the model knows. */
const MAKERS: ReadonlySet<string> = new Set([
  "socket",
  "accept",
  "accept4",
  "epoll_create",
  "epoll_create1",
  "memfd_create",
  "signalfd",
  "signalfd4",
  "timerfd_create",
  "pidfd_open",
  "inotify_init",
  "inotify_init1",
  "perf_event_open",
  "userfaultfd",
  "io_uring_setup",
  "fanotify_init",
]);

/** Nothing can be mapped below (vm.mmap_min_addr); NULL and small numbers are bad addresses. */
export const LOWEST_ADDRESS = 0x1000;

const PROTECTION: ReadonlyMap<string, number> = new Map([
  ["PROT_NONE", 0],
  ["PROT_READ", 1],
  ["PROT_WRITE", 2],
]);
const SHARED: ReadonlyMap<string, number> = new Map([
  ["MAP_SHARED", 1],
  ["MAP_PRIVATE", 2],
  ["MAP_SHARED_VALIDATE", 3],
]);

/** The bits that a flag argument certainly has: of names, or of a number. */
function flagsOf(arg: string | undefined, names: ReadonlyMap<string, number>): number | undefined {
  if (arg === undefined) return undefined;
  const number = numberOf(arg);
  if (number !== undefined) return number;
  let bits = 0;
  for (const name of arg.split("|")) bits |= names.get(name) ?? 0;
  return bits;
}

function closesOnExec(flags: string | undefined): boolean {
  if (flags === undefined) return false;
  if (flags.includes("O_CLOEXEC")) return true;
  const number = numberOf(flags);
  return number !== undefined && (number & O_CLOEXEC) !== 0;
}

function returned(result: CallResult | undefined): number | undefined {
  if (result?.kind !== "value") return undefined;
  const fd = numberOf(result.text);
  return fd !== undefined && fd >= 0 && fd <= 0x7fffffff ? fd : undefined;
}

/** A pointer or integer argument as a number; undefined for anything else. Numbers above 2^53 lose their low bits. */
export function addressOf(arg: string | undefined): number | undefined {
  if (arg === undefined) return undefined;
  const number = numberOf(arg);
  if (number !== undefined) return number;
  const word = wordOf(arg);
  return word === undefined ? undefined : Number(word);
}

/** A file position: negative ones wrap in strace's hexadecimal form. */
function offsetOf(arg: string | undefined): number | undefined {
  if (arg === undefined) return undefined;
  const word = wordOf(arg);
  return word === undefined ? undefined : Number(BigInt.asIntN(64, word));
}

const ESCAPED_ONE = '"\\1\\0\\0\\0\\0\\0\\0\\0"';

/** The 8 bytes of an eventfd's value (little-endian); undefined where they were not printed. */
function counterOf(arg: string | undefined): bigint | undefined {
  if (arg === undefined || arg.charCodeAt(0) !== 0x22) return undefined;
  if (arg === ESCAPED_ONE) return 1n;
  const bytes = bytesOf(arg);
  if (bytes === undefined || bytes.data.length < 8) return undefined;
  let low = 0;
  let high = 0;
  for (let i = 3; i >= 0; i--) {
    low = low * 256 + bytes.data.charCodeAt(i);
    high = high * 256 + bytes.data.charCodeAt(i + 4);
  }
  return high === 0 ? BigInt(low) : (BigInt(high) << 32n) | BigInt(low);
}

function argumentOf(request: Request, value: number | undefined, note: InputNote | undefined): Argument {
  if (note !== undefined) {
    if (note.bad && !PLAIN.has(request.number)) return { kind: "bad" };
    const bytes = note.hex === undefined ? undefined : hexBytes(note.hex);
    if (bytes !== undefined) {
      return {
        kind: "bytes",
        bytes: bytes.length > note.length ? bytes.subarray(0, note.length) : bytes,
        mapped: note.length,
        writable: !note.readOnly,
      };
    }
  }
  const bad = value !== undefined && value >= 0 && value < LOWEST_ADDRESS && !PLAIN.has(request.number);
  return bad ? { kind: "bad" } : notRecorded;
}

/** The device's name in the argument of GET_DEVICE_FD: the bytes before the first zero. */
export function deviceName(request: Request, argument: Argument): string | undefined {
  if (request.number !== VFIO.GROUP_GET_DEVICE_FD || argument.kind !== "bytes") return undefined;
  const end = argument.bytes.indexOf(0);
  return end < 0 ? undefined : Buffer.from(argument.bytes.subarray(0, end)).toString("latin1");
}

/**
 * Whether the user's memory of a read or write cannot be accessed. A string that strace could read is mapped; of a pointer
 * that it printed for a write it could not read the memory; whether a read's buffer can be written is not to be seen.
 */
function badBuffer(buffer: string | undefined, write: boolean): boolean | undefined {
  const address = addressOf(buffer);
  if (address === undefined) return false;
  return write || address < LOWEST_ADDRESS ? true : undefined;
}

/** The descriptors in `cmsg_data=[7, 8]` of a message with SCM_RIGHTS. */
function passedDescriptors(event: SyscallEvent): readonly string[] {
  const message = event.args[1] ?? "";
  const rights = message.indexOf("SCM_RIGHTS");
  const open = rights < 0 ? -1 : message.indexOf("cmsg_data=[", rights);
  const close = open < 0 ? -1 : message.indexOf("]}", open);
  return close < 0
    ? []
    : message
        .slice(open + 11, close)
        .split(", ")
        .slice(0, 253);
}

function absolutePath(
  directory: string | undefined,
  path: string | undefined,
  cwd: string | undefined,
): string | undefined {
  const bytes = path === undefined ? undefined : bytesOf(path);
  if (bytes === undefined || bytes.truncated) return undefined;
  if (bytes.data.startsWith("/")) return bytes.data;
  const base = (directory === undefined ? undefined : descriptorOf(directory)?.path) ?? cwd;
  if (base === undefined) return undefined;
  const parts = base === "/" ? [""] : base.split("/");
  for (const part of bytes.data.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.join("/");
}
