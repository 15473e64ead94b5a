import { bytesOf, descriptorOf, iovecBytesOf, numberOf } from "../../event/arguments.js";
import type { CallResult, SyscallEvent } from "../../event/event.js";
import { fcntlOf, flagDuplicate, setFlag } from "../descriptor-flags.js";
import type * as descriptors from "../descriptors.js";
import type { ObservedResult } from "../operation.js";
import type * as tasks from "../tasks.js";
import { attributeOf } from "./attribute.js";
import { AttributeCache } from "./attribute-cache.js";
import { closing, closingAll } from "./closes.js";
import type { DecodedCall } from "./decoded-call.js";
import type { FileObject } from "./file.js";
import { contradicts, mayBeKnown, numberOfDescriptor, plainDescriptor, plainlyNames } from "./file-arguments.js";
import { memorySlotOf } from "./memory-slot.js";
import { moduleCall } from "./module-call.js";
import { closedOnExec, inherited, type OpenMode, openMode } from "./open-mode.js";
import { ioctlName, namesOf } from "./operation-names.js";
import { deviceRequest, requestIs, vmChange } from "./requests.js";

export type { DecodedCall } from "./decoded-call.js";

type OpenFile = descriptors.OpenFile<FileObject>;
type Process = tasks.Process<FileObject>;
type Task = tasks.Task<FileObject>;
type TaskTable = tasks.TaskTable<FileObject>;

/** Decodes a call that returned. */
type Handler = (event: SyscallEvent, task: Task) => DecodedCall | undefined;

const SYSFS_WRITE_LIMIT = 4096;

/**
 * Reads system calls: follows descriptors (capture-formats a.5) and tells which calls are operations of a model.
 * `enter` looks at a call that did not return yet and changes nothing; `exit` sees the whole call and updates tables.
 */
export class SyscallDecoder {
  private nextFile = 1;
  private readonly attributes = new AttributeCache();

  private readonly tasks: TaskTable;
  /** What becomes of a call that returned, by its name. */
  private readonly handlers: ReadonlyMap<string, Handler>;

  constructor(tasks: TaskTable) {
    this.tasks = tasks;
    this.handlers = this.handlersByName();
  }

  /** The operation that a call begins, judged by its arguments at entry. */
  enter(event: SyscallEvent, task: Task): DecodedCall | undefined {
    switch (event.name) {
      case "write":
      case "pwrite64":
      case "writev":
      case "pwritev":
        return this.write(event, task, "begin");
      case "ioctl":
        return this.ioctl(event, task, undefined);
      case "close": {
        const file = this.fileOf(event.args[0], task.process);
        return file !== undefined && file.references <= 1 ? closing(file) : undefined;
      }
      case "exit_group":
        return closingAll(soleFiles(task.process));
      case "delete_module":
      case "finit_module":
        return moduleCall(event);
      default:
        return undefined;
    }
  }

  /** The operation that a complete call is; undefined for calls that no model knows. */
  exit(event: SyscallEvent, task: Task): DecodedCall | undefined {
    return this.handlers.get(event.name)?.(event, task);
  }

  /** A table, because most calls of a recording are none of these, and a name is cheaper to look up than to compare. */
  private handlersByName(): ReadonlyMap<string, Handler> {
    const write: Handler = (event, task) => this.write(event, task, event.phase === "exit" ? "end" : "whole");
    const read: Handler = (event, task) => this.read(event, task);
    const open: Handler = (event, task) => this.open(event, task, undefined, event.args[0], event.args[1]);
    const openat: Handler = (event, task) => this.open(event, task, event.args[0], event.args[1], event.args[2]);
    const duplicate: Handler = (event, task) => this.duplicate(event, task);
    const fcntl: Handler = (event, task) => this.fcntl(event, task);
    const readLink: Handler = (event) => this.readLink(event);
    const clone: Handler = (event, task) => this.clone(event, task);
    const exec: Handler = (event, task) => (succeeded(event.result) ? closingAll(this.exec(task)) : undefined);
    return new Map<string, Handler>([
      ["write", write],
      ["pwrite64", write],
      ["writev", write],
      ["pwritev", write],
      ["read", read],
      ["pread64", read],
      ["readv", read],
      ["preadv", read],
      ["open", open],
      ["creat", open],
      ["openat", openat],
      ["openat2", openat],
      ["ioctl", (event, task) => this.ioctl(event, task, event.result)],
      ["close", (event, task) => this.close(event, task)],
      ["lseek", (event, task) => this.seek(event, task)],
      ["dup", duplicate],
      ["dup2", duplicate],
      ["dup3", duplicate],
      ["fcntl", fcntl],
      ["fcntl64", fcntl],
      ["close_range", (event, task) => this.closeRange(event, task)],
      ["readlink", readLink],
      ["readlinkat", readLink],
      ["chdir", (event, task) => this.changeDirectory(event, task)],
      ["clone", clone],
      ["clone3", clone],
      ["fork", clone],
      ["vfork", clone],
      ["execve", exec],
      ["execveat", exec],
      ["exit_group", (_event, task) => this.leave(task)],
      ["delete_module", moduleCall],
      ["finit_module", moduleCall],
    ]);
  }

  /** A task ended: what its process held is closed with the last of them. */
  taskExit(task: Task): DecodedCall | undefined {
    return this.tasks.exit(task) ? this.leave(task) : undefined;
  }

  private leave(task: Task): DecodedCall | undefined {
    return closingAll(task.process.files.closeWhere(() => true));
  }

  private write(event: SyscallEvent, task: Task, phase: "whole" | "begin" | "end"): DecodedCall | undefined {
    const file = this.fileOf(event.args[0], task.process);
    if (file?.object.kind !== "attribute") return undefined;
    const { attribute } = file.object;
    const vector = event.name.endsWith("v");
    const bytes = vector ? iovecBytesOf(event.args[1] ?? "") : bytesOf(event.args[1] ?? "");
    const known = event.dump ?? bytes?.data ?? "";
    const offered = vector ? known.length : (numberOf(event.args[2] ?? "") ?? known.length);
    const data = known.slice(0, SYSFS_WRITE_LIMIT);
    const truncated = bytes === undefined || data.length < Math.min(offered, SYSFS_WRITE_LIMIT);
    return {
      call: { kind: "attribute-write", attribute, data, truncated, length: offered, phase },
      name: namesOf(attribute).write,
    };
  }

  private read(event: SyscallEvent, task: Task): DecodedCall | undefined {
    const file = this.fileOf(event.args[0], task.process);
    if (file?.object.kind !== "attribute" || event.result === undefined) return undefined;
    const positioned = event.name === "pread64" || event.name === "preadv";
    const offset = positioned ? numberOf(event.args[3] ?? "") : file.shown ? 1 : 0;
    if (!positioned && succeeded(event.result)) file.shown = true;
    if (offset !== 0 || (file.openUnseen === true && isEndOfFile(event.result))) return undefined;
    const { attribute } = file.object;
    const bytes = event.name.endsWith("v") ? iovecBytesOf(event.args[1] ?? "") : bytesOf(event.args[1] ?? "");
    const returned = numberOf(event.result.kind === "value" ? event.result.text : "") ?? 0;
    const room = numberOf(event.args[2] ?? "") ?? Number.POSITIVE_INFINITY;
    const text = (event.dump ?? bytes?.data ?? "").slice(0, returned);
    return {
      call: { kind: "attribute-read", attribute, text, partial: text.length < returned || returned >= room },
      name: namesOf(attribute).read,
    };
  }

  private open(
    event: SyscallEvent,
    task: Task,
    directory: string | undefined,
    path: string | undefined,
    flags: string | undefined,
  ): DecodedCall | undefined {
    const { result } = event;
    const shown =
      result?.kind === "value" && result.decoration?.startsWith("/") === true ? result.decoration : undefined;
    const found = shown === undefined ? undefined : this.attributes.of(shown);
    // What was asked for tells where the answer does not: the path that the recorder shows is not always one of the names known.
    const asked = found === undefined ? this.absolutePath(directory, path, task.process) : undefined;
    const name = shown ?? asked;
    if (name === undefined) return undefined;
    const mode = openMode(event.name === "creat" ? "O_WRONLY|O_CREAT|O_TRUNC" : (flags ?? ""));
    const fd = returnedDescriptor(result);
    const attribute = found ?? (asked === undefined ? undefined : this.attributes.of(asked));
    if (attribute === undefined) return this.openDevice(name, fd, task.process, mode, result);
    const replaced = fd === undefined ? undefined : this.put(task.process, fd, { kind: "attribute", attribute }, mode);
    if (replaced !== undefined) return closing(replaced);
    const { access, create } = mode;
    return { call: { kind: "attribute-open", attribute, access, create }, name: namesOf(attribute).open };
  }

  private openDevice(
    name: string,
    fd: number | undefined,
    process: Process,
    mode: OpenMode,
    result: CallResult | undefined,
  ): DecodedCall | undefined {
    if (name === "/dev/kvm" || name === "/dev/vfio/vfio") {
      if (fd !== undefined) this.put(process, fd, { kind: name === "/dev/kvm" ? "kvm" : "container" }, mode);
      return undefined;
    }
    const match = name.startsWith("/dev/vfio/") ? /^\/dev\/vfio\/(\d{1,9})$/.exec(name) : null;
    if (match?.[1] === undefined || result === undefined) return undefined;
    const group = Number(match[1]);
    const file = fd === undefined ? undefined : { id: this.nextFile++, group };
    if (fd !== undefined && file !== undefined) this.put(process, fd, { kind: "group", ref: file }, mode);
    return { call: { kind: "group-open", group, file }, name: "open VFIO group" };
  }

  private ioctl(event: SyscallEvent, task: Task, result: CallResult | undefined): DecodedCall | undefined {
    const request = event.args[1] ?? "";
    const file = this.fileOf(event.args[0], task.process);
    if (file === undefined) return undefined;
    const { object } = file;
    switch (object.kind) {
      case "kvm":
        return this.createVm(request, task.process, result);
      case "vm":
        return this.vmIoctl(object.ref, event, task.process, result);
      case "kvm-vfio": {
        if (!requestIs(request, "KVM_SET_DEVICE_ATTR", 0xae, 0xe1)) return undefined;
        if (result !== undefined) task.process.guestSet = true;
        return { call: { kind: "guest-set", vm: soleVm(task.process) }, name: "ioctl KVM_SET_DEVICE_ATTR" };
      }
      case "container":
        if (requestIs(request, "VFIO_IOMMU_UNMAP_DMA", 0x3b, 114))
          return {
            call: { kind: "dma-unmap", vm: soleVm(task.process), range: undefined },
            name: "ioctl VFIO_IOMMU_UNMAP_DMA",
          };
        return undefined;
      case "group":
        if (!requestIs(request, "VFIO_GROUP_GET_DEVICE_FD", 0x3b, 106)) return undefined;
        return this.getDevice(object.ref, event, task, result);
      case "device":
        return {
          call: { kind: "device-ioctl", device: object.ref, request: deviceRequest(request), command: request },
          name: ioctlName(request),
        };
      case "attribute":
      case "vcpu":
        return undefined;
    }
  }

  private createVm(request: string, process: Process, result: CallResult | undefined): DecodedCall | undefined {
    const fd = returnedDescriptor(result);
    if (fd === undefined || !requestIs(request, "KVM_CREATE_VM", 0xae, 0x01)) return undefined;
    const vm = { id: this.nextFile++, name: `${process.pid}/${fd}` };
    this.put(process, fd, { kind: "vm", ref: vm }, closedOnExec);
    return { call: { kind: "vm-create", vm }, name: "ioctl KVM_CREATE_VM" };
  }

  private vmIoctl(
    vm: { readonly id: number; readonly name: string },
    event: SyscallEvent,
    process: Process,
    result: CallResult | undefined,
  ): DecodedCall | undefined {
    const request = event.args[1] ?? "";
    const fd = returnedDescriptor(result);
    if (fd !== undefined && requestIs(request, "KVM_CREATE_VCPU", 0xae, 0x41)) {
      this.put(process, fd, { kind: "vcpu", vm, number: 0 }, closedOnExec);
      return undefined;
    }
    const change = vmChange(request);
    if (change === undefined || result?.kind === "error") return undefined;
    const slot = change === "memory" ? memorySlotOf(event.args[2]) : undefined;
    return { call: { kind: "vm-change", vm, change, slot }, name: ioctlName(request) };
  }

  private getDevice(
    group: { readonly id: number; readonly group: number },
    event: SyscallEvent,
    task: Task,
    result: CallResult | undefined,
  ): DecodedCall {
    const fd = returnedDescriptor(event.result);
    const device = fd === undefined || result === undefined ? undefined : { id: this.nextFile++, group };
    if (fd !== undefined && device !== undefined)
      this.put(task.process, fd, { kind: "device", ref: device }, closedOnExec);
    return {
      call: {
        kind: "device-open",
        group,
        device,
        vm: soleVm(task.process),
        guestSet: task.process.guestSet,
      },
      name: "ioctl VFIO_GROUP_GET_DEVICE_FD",
    };
  }

  private close(event: SyscallEvent, task: Task): DecodedCall | undefined {
    const arg = event.args[0] ?? "";
    const fd = numberOfDescriptor(arg);
    if (fd === undefined) return undefined;
    this.fileOf(arg, task.process);
    const closed = task.process.files.close(fd);
    return closed === undefined ? undefined : closing(closed);
  }

  private closeRange(event: SyscallEvent, task: Task): DecodedCall | undefined {
    const first = numberOf(event.args[0] ?? "") ?? 0;
    const last = numberOf(event.args[1] ?? "") ?? Number.POSITIVE_INFINITY;
    if (!succeeded(event.result) || event.args[2]?.includes("CLOEXEC") === true) return undefined;
    return closingAll(task.process.files.closeWhere((fd) => fd >= first && fd <= last));
  }

  private seek(event: SyscallEvent, task: Task): undefined {
    const file = this.fileOf(event.args[0], task.process);
    if (file !== undefined && event.args[2] === "SEEK_SET" && event.args[1] === "0") file.shown = false;
    return undefined;
  }

  private duplicate(event: SyscallEvent, task: Task): DecodedCall | undefined {
    const fd = returnedDescriptor(event.result);
    if (fd === undefined) return undefined;
    const file = this.fileOf(event.args[0], task.process);
    const before = file === undefined ? task.process.files.close(fd) : task.process.files.put(fd, file);
    flagDuplicate(task.process.files, fd, event);
    return before === undefined ? undefined : closing(before);
  }

  private fcntl(event: SyscallEvent, task: Task): DecodedCall | undefined {
    switch (fcntlOf(event)) {
      case "duplicate":
        return this.duplicate(event, task);
      case "flag":
        this.fileOf(event.args[0], task.process);
        return setFlag(task.process.files, event);
      case undefined:
        return undefined;
    }
  }

  private readLink(event: SyscallEvent): DecodedCall | undefined {
    const at = event.name === "readlinkat" ? 1 : 0;
    const path = bytesOf(event.args[at] ?? "")?.data;
    if (path?.endsWith("/iommu_group") !== true || !succeeded(event.result)) return undefined;
    const attribute = attributeOf(path);
    const target = bytesOf(event.args[at + 1] ?? "")?.data;
    const group = target === undefined ? null : /\/(\d{1,9})$/.exec(target);
    if (attribute?.on !== "mdev" || group?.[1] === undefined) return undefined;
    return {
      call: { kind: "iommu-group", uuid: attribute.uuid, group: Number(group[1]) },
      name: "readlink iommu_group",
    };
  }

  private changeDirectory(event: SyscallEvent, task: Task): undefined {
    const path = bytesOf(event.args[0] ?? "");
    if (path === undefined || path.truncated || !succeeded(event.result)) return undefined;
    task.process.cwd = joinPath(task.process.cwd, path.data);
    return undefined;
  }

  private clone(event: SyscallEvent, task: Task): undefined {
    const child = numberOf(event.result?.kind === "value" ? event.result.text : "");
    if (child === undefined || child === 0) return undefined;
    this.tasks.clone(
      task,
      child,
      event.args.some((arg) => arg.includes("CLONE_FILES")),
    );
    return undefined;
  }

  private exec(task: Task): OpenFile[] {
    return task.process.files.exec();
  }

  private put(process: Process, fd: number, object: FileObject, { closeOnExec }: OpenMode): OpenFile | undefined {
    return process.files.put(fd, { object, references: 0, shown: false, closeOnExec });
  }

  /** The file behind a descriptor argument: from the table, else from its decoration (a descriptor older than the recording). */
  private fileOf(arg: string | undefined, process: Process): OpenFile | undefined {
    if (arg === undefined) return undefined;
    const fd = plainDescriptor(arg);
    if (fd >= 0) {
      const file = process.files.get(fd);
      if (file === undefined ? !mayBeKnown(arg) : plainlyNames(arg, fd, file.object)) return file;
    }
    const descriptor = descriptorOf(arg);
    if (descriptor === undefined) return undefined;
    const known = process.files.get(descriptor.fd);
    if (known !== undefined && !contradicts(known.object, descriptor.path)) return known;
    const object = descriptor.path === undefined ? undefined : this.objectOf(descriptor.path, process, descriptor.fd);
    if (object === undefined) return undefined;
    const { closeOnExec } = inherited;
    process.files.put(descriptor.fd, { object, references: 0, shown: false, closeOnExec, openUnseen: true });
    return process.files.get(descriptor.fd);
  }

  private objectOf(path: string, process: Process, fd: number): FileObject | undefined {
    if (path.startsWith("/")) {
      const attribute = this.attributes.of(path);
      if (attribute !== undefined) return { kind: "attribute", attribute };
      if (path === "/dev/kvm") return { kind: "kvm" };
      if (path === "/dev/vfio/vfio") return { kind: "container" };
      const group = path.startsWith("/dev/vfio/") ? /^\/dev\/vfio\/(\d{1,9})$/.exec(path) : null;
      return group?.[1] === undefined
        ? undefined
        : { kind: "group", ref: { id: this.nextFile++, group: Number(group[1]) } };
    }
    if (path === "anon_inode:kvm-vm") return { kind: "vm", ref: { id: this.nextFile++, name: `${process.pid}/${fd}` } };
    if (path.startsWith("anon_inode:kvm-vcpu")) return { kind: "vcpu", vm: undefined, number: 0 };
    if (path === "anon_inode:kvm-vfio") return { kind: "kvm-vfio" };
    if (path === "anon_inode:[vfio-device]") {
      return { kind: "device", ref: { id: this.nextFile++, group: soleGroup(process) } };
    }
    return undefined;
  }

  private absolutePath(directory: string | undefined, path: string | undefined, process: Process): string | undefined {
    const bytes = path === undefined ? undefined : bytesOf(path);
    if (bytes === undefined) return undefined;
    if (bytes.data.startsWith("/")) return bytes.data;
    const base = directory === undefined ? undefined : descriptorOf(directory);
    return joinPath(base?.path ?? process.cwd, bytes.data);
  }
}

function joinPath(base: string | undefined, path: string): string | undefined {
  if (path.startsWith("/")) return path;
  if (base === undefined) return undefined;
  const parts = base === "/" ? [] : base.split("/").slice(1);
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function soleFiles(process: Process): OpenFile[] {
  const files: OpenFile[] = [];
  for (const object of process.files.objects()) {
    files.push({ object, references: 1, shown: false, closeOnExec: false });
  }
  return files;
}

/** The VM of a process where it holds exactly one. */
function soleVm(process: Process): { readonly id: number; readonly name: string } | undefined {
  let found: { readonly id: number; readonly name: string } | undefined;
  for (const object of process.files.objects()) {
    if (object.kind !== "vm") continue;
    if (found !== undefined && found !== object.ref) return undefined;
    found = object.ref;
  }
  return found;
}

function soleGroup(process: Process): { readonly id: number; readonly group: number } | undefined {
  let found: { readonly id: number; readonly group: number } | undefined;
  for (const object of process.files.objects()) {
    if (object.kind !== "group") continue;
    if (found !== undefined) return undefined;
    found = object.ref;
  }
  return found;
}

function returnedDescriptor(result: CallResult | undefined): number | undefined {
  return result?.kind === "value" ? numberOf(result.text) : undefined;
}

function isEndOfFile(result: CallResult): boolean {
  return result.kind === "value" && numberOf(result.text) === 0;
}

function succeeded(result: CallResult | undefined): boolean {
  return result?.kind === "value";
}

/** The observed result of a call, for matching. */
export function observedResult(result: CallResult | undefined): ObservedResult {
  if (result === undefined) return { kind: "unknown", reason: "the call did not return while it was recorded" };
  switch (result.kind) {
    case "value": {
      const value = numberOf(result.text);
      return value === undefined
        ? { kind: "unknown", reason: "the return value could not be read" }
        : { kind: "value", value };
    }
    case "error":
      return { kind: "error", errno: result.errno };
    case "unknown":
      return { kind: "unknown", reason: result.reason };
    case "injected":
      return { kind: "unknown", reason: "the result was injected by the recorder" };
  }
}
