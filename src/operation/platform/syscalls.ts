import { bytesOf, descriptorOf, numberOf } from "../../event/arguments.js";
import type { CallResult, SyscallEvent } from "../../event/event.js";
import { fcntlOf, flagDuplicate, setFlag } from "../descriptor-flags.js";
import type { TaskTable } from "../tasks.js";
import { mapCall, readCall, writeCall } from "./accesses.js";
import {
  absolutePath,
  addressOf,
  argumentOf,
  closesOnExec,
  deviceName,
  type InputNote,
  O_CLOEXEC,
  returned,
} from "./arguments.js";
import type { Argument, Meaning, PlatformCall, PlatformDeviceRef } from "./call.js";
import { CLOSE_NAMES, closing } from "./closing.js";
import type { DecodedCall } from "./decoded.js";
import { Descriptors, type PlatformTask } from "./descriptors.js";
import type { PlatformFile } from "./file.js";
import { MAKERS } from "./makers.js";
import { type Request, requestOf, VFIO } from "./requests.js";
import { decodeIrqSetHeader, irqSetData, u32 } from "./structures.js";
import { Transfers } from "./transfers.js";

const EFD_SEMAPHORE = 1;

/**
 * Reads system calls: follows descriptors and tells which calls are operations of the model. `enter` looks at a call
 * that did not return yet and changes nothing; `exit` sees the whole call and updates the tables.
 */
export class SyscallDecoder {
  readonly descriptors: Descriptors;
  private readonly tasks: TaskTable<PlatformFile>;
  private readonly transfers: Transfers;
  /** A VFIO file was met: operations on eventfds and on wrong descriptors belong to the story from then on. */
  vfioSeen = false;
  /** A file was met that only VFIO platform devices have. */
  platformSeen = false;

  constructor(tasks: TaskTable<PlatformFile>) {
    this.tasks = tasks;
    this.descriptors = new Descriptors(tasks);
    this.transfers = new Transfers(this.descriptors, tasks);
  }

  /** The operation that a call begins, judged by its arguments at entry. */
  enter(event: SyscallEvent, task: PlatformTask, note: InputNote | undefined): DecodedCall | undefined {
    switch (event.name) {
      case "ioctl":
        return this.ioctl(event, task, note, undefined);
      case "write":
      case "pwrite64":
        return this.access(event, task, true);
      case "read":
      case "pread64":
        return this.access(event, task, false);
      case "close": {
        const file = this.descriptors.fileOf(event.args[0], task);
        return file !== undefined && file.references <= 1 ? closing([file], true) : undefined;
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
        return this.access(event, task, true);
      case "read":
      case "pread64":
        return this.access(event, task, false);
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
        return event.result?.kind === "value" ? closing(task.process.files.exec(), false) : undefined;
      case "exit_group":
        return this.leave(task);
      case "sendmsg":
        return this.transfers.send(event, task);
      case "recvmsg":
        this.transfers.receive(event, task);
        return undefined;
      case "pipe":
      case "pipe2":
      case "socketpair":
        return this.pair(event, task);
      case "readv":
      case "writev":
      case "preadv2":
      case "pwritev2":
        return this.vectored(event, task);
      case "pidfd_getfd":
        return this.ordinary(event, task, "unknown");
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
    return closing(
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
    else if (request.number < 0 || !this.vfioSeen) return this.foreignIoctl(task, request);
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
      name: request.operation,
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
  private foreignIoctl(task: PlatformTask, request: Request): DecodedCall | undefined {
    return request.exposes ? this.exposed(task, request.name) : undefined;
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
    return data.kind === "eventfd" ? data.fds.map((fd) => this.descriptors.eventfdMeant(fd, task)) : [];
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

  private access(event: SyscallEvent, task: PlatformTask, write: boolean): DecodedCall | undefined {
    const object = this.descriptors.fileOf(event.args[0], task)?.object;
    if (object === undefined) return undefined;
    if (object.kind === "device") this.vfioSeen = true;
    // An eventfd has no positions: the file system refuses these.
    else if (object.kind === "eventfd" && event.name.startsWith("p")) return undefined;
    return write ? writeCall(event, object, this.vfioSeen) : readCall(event, object, this.vfioSeen);
  }

  /** What a call reads or writes in several pieces is not followed: an eventfd's counter is not known any more. */
  private vectored(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    const object = this.descriptors.fileOf(event.args[0], task)?.object;
    if (object?.kind !== "eventfd") return undefined;
    return { call: { kind: "eventfd-exposed", eventfds: [object.eventfd], by: event.name }, name: event.name };
  }

  private map(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    const fd = event.args[4];
    if (fd === undefined || fd.startsWith("-1")) return undefined;
    const object = this.descriptors.fileOf(fd, task)?.object;
    return object?.kind === "device" ? mapCall(event, object.device) : undefined;
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
    return replaced === undefined ? undefined : closing([replaced], false);
  }

  private eventfd(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    const fd = returned(event.result);
    if (fd === undefined) return undefined;
    const flags = event.args[1] ?? "0";
    const number = numberOf(flags);
    const semaphore = number === undefined ? flags.includes("EFD_SEMAPHORE") : (number & EFD_SEMAPHORE) !== 0;
    const { id } = this.descriptors.newRef();
    const eventfd = { id, name: `${task.tid}/${fd}` };
    const cloexec = number === undefined ? flags.includes("EFD_CLOEXEC") : (number & O_CLOEXEC) !== 0;
    this.descriptors.allocate(task, fd, { kind: "eventfd", eventfd }, cloexec, true);
    return {
      call: { kind: "eventfd-create", eventfd, initial: numberOf(event.args[0] ?? ""), semaphore },
      name: "eventfd2",
    };
  }

  /** A call that returned a descriptor of another file than those of the model, or of one that nothing tells. */
  private ordinary(
    event: SyscallEvent,
    task: PlatformTask,
    kind: "ordinary" | "unknown" = "ordinary",
  ): DecodedCall | undefined {
    const fd = returned(event.result);
    if (fd === undefined) return undefined;
    const cloexec = event.args.some((arg) => arg.includes("CLOEXEC"));
    const replaced = this.descriptors.allocate(task, fd, { kind }, cloexec, true);
    return replaced === undefined ? undefined : closing([replaced], false);
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
    flagDuplicate(task.process.files, fd, event);
    return replaced === undefined ? undefined : closing([replaced], false);
  }

  private fcntl(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    switch (fcntlOf(event)) {
      case "duplicate":
        return this.duplicate(event, task, numberOf(event.args[2] ?? "") === 0);
      case "flag":
        return setFlag(task.process.files, event);
      case undefined:
        return undefined;
    }
  }

  private close(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    const descriptor = descriptorOf(event.args[0] ?? "");
    if (descriptor === undefined) return undefined;
    const file = this.descriptors.fileOf(event.args[0], task);
    const isDevice = file?.object.kind === "device";
    // A failed close may still have closed: only EBADF did not.
    const refused = event.result?.kind === "error" && event.result.errno === "EBADF";
    const closed = refused ? undefined : task.process.files.close(descriptor.fd);
    if (closed !== undefined) return closing([closed], true);
    return isDevice ? { call: { kind: "vfio-close", files: [], single: true }, name: CLOSE_NAMES.device } : undefined;
  }

  private closeRange(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    const first = numberOf(event.args[0] ?? "") ?? 0;
    const last = numberOf(event.args[1] ?? "") ?? Number.POSITIVE_INFINITY;
    if (event.result?.kind !== "value" || event.args[2]?.includes("CLOEXEC") === true) return undefined;
    return closing(
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

  private exposed(task: PlatformTask, by: string): DecodedCall | undefined {
    const eventfds = [...task.process.files.objects()].flatMap((object) =>
      object.kind === "eventfd" ? [object.eventfd] : [],
    );
    if (eventfds.length === 0) return undefined;
    return { call: { kind: "eventfd-exposed", eventfds, by }, name: by };
  }
}
