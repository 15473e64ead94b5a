import { bytesOf, descriptorOf, iovecBytesOf, numberOf } from "../../event/arguments.js";
import type { CallResult, SyscallEvent } from "../../event/event.js";
import type * as descriptors from "../descriptors.js";
import type { ObservedResult } from "../operation.js";
import type * as tasks from "../tasks.js";
import { type Attribute, attributeOf } from "./attribute.js";
import type { ApCall } from "./call.js";
import type { FileObject } from "./file.js";

type OpenFile = descriptors.OpenFile<FileObject>;
type Process = tasks.Process<FileObject>;
type Task = tasks.Task<FileObject>;
type TaskTable = tasks.TaskTable<FileObject>;

/** What one system call is for the models. */
export interface DecodedCall {
  readonly call: ApCall;
  readonly name: string;
}

const SYSFS_WRITE_LIMIT = 4096;

/** The module by its name at an unload, by its file (`strace -y`) at a load. */
const MODULE_NAME = '"vfio_ap"';
const MODULE_FILE = /\/vfio_ap\.ko(?:\.[a-z0-9]{1,8})?$/;

/** finit_module(2) or delete_module(2) of vfio_ap; undefined for other modules. */
function moduleCall(event: SyscallEvent): DecodedCall | undefined {
  const argument = event.args[0] ?? "";
  if (event.name === "delete_module") {
    return argument === MODULE_NAME
      ? { call: { kind: "module", action: "unload" }, name: "unload of vfio_ap" }
      : undefined;
  }
  const path = descriptorOf(argument)?.path;
  if (path === undefined || !MODULE_FILE.test(path)) return undefined;
  return { call: { kind: "module", action: "load" }, name: "load of vfio_ap" };
}

/**
 * Reads system calls: follows descriptors (capture-formats a.5) and tells which calls are operations of a model.
 * `enter` looks at a call that did not return yet and changes nothing; `exit` sees the whole call and updates tables.
 */
export class SyscallDecoder {
  private nextFile = 1;
  private readonly attributes = new Map<string, Attribute | null>();

  private readonly tasks: TaskTable;

  constructor(tasks: TaskTable) {
    this.tasks = tasks;
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
        return file !== undefined && file.references <= 1 ? this.closing([file]) : undefined;
      }
      case "exit_group":
        return this.closing(soleFiles(task.process));
      case "delete_module":
      case "finit_module":
        return moduleCall(event);
      default:
        return undefined;
    }
  }

  /** The operation that a complete call is; undefined for calls that no model knows. */
  exit(event: SyscallEvent, task: Task): DecodedCall | undefined {
    switch (event.name) {
      case "write":
      case "pwrite64":
      case "writev":
      case "pwritev":
        return this.write(event, task, event.phase === "exit" ? "end" : "whole");
      case "read":
      case "pread64":
      case "readv":
      case "preadv":
        return this.read(event, task);
      case "open":
      case "creat":
        return this.open(event, task, undefined, event.args[0], event.args[1]);
      case "openat":
      case "openat2":
        return this.open(event, task, event.args[0], event.args[1], event.args[2]);
      case "ioctl":
        return this.ioctl(event, task, event.result);
      case "close":
        return this.close(event, task);
      case "lseek":
        return this.seek(event, task);
      case "dup":
      case "dup2":
      case "dup3":
        return this.duplicate(event, task);
      case "fcntl":
      case "fcntl64":
        return event.args[1]?.startsWith("F_DUPFD") === true ? this.duplicate(event, task) : undefined;
      case "close_range":
        return this.closeRange(event, task);
      case "readlink":
      case "readlinkat":
        return this.readLink(event);
      case "chdir":
        return this.changeDirectory(event, task);
      case "clone":
      case "clone3":
      case "fork":
      case "vfork":
        return this.clone(event, task);
      case "execve":
      case "execveat":
        return succeeded(event.result) ? this.closing(this.exec(task)) : undefined;
      case "exit_group":
        return this.leave(task);
      case "delete_module":
      case "finit_module":
        return moduleCall(event);
      default:
        return undefined;
    }
  }

  /** A task ended: what its process held is closed with the last of them. */
  taskExit(task: Task): DecodedCall | undefined {
    return this.tasks.exit(task) ? this.leave(task) : undefined;
  }

  private leave(task: Task): DecodedCall | undefined {
    return this.closing(task.process.files.closeWhere(() => true));
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
      name: `sysfs write ${attributeName(attribute)}`,
    };
  }

  private read(event: SyscallEvent, task: Task): DecodedCall | undefined {
    const file = this.fileOf(event.args[0], task.process);
    if (file?.object.kind !== "attribute" || event.result === undefined) return undefined;
    const positioned = event.name === "pread64" || event.name === "preadv";
    const offset = positioned ? numberOf(event.args[3] ?? "") : file.shown ? 1 : 0;
    if (!positioned && succeeded(event.result)) file.shown = true;
    if (offset !== 0) return undefined;
    const { attribute } = file.object;
    const bytes = event.name.endsWith("v") ? iovecBytesOf(event.args[1] ?? "") : bytesOf(event.args[1] ?? "");
    const returned = numberOf(event.result.kind === "value" ? event.result.text : "") ?? 0;
    const room = numberOf(event.args[2] ?? "") ?? Number.POSITIVE_INFINITY;
    const text = (event.dump ?? bytes?.data ?? "").slice(0, returned);
    return {
      call: { kind: "attribute-read", attribute, text, partial: text.length < returned || returned >= room },
      name: `sysfs read ${attributeName(attribute)}`,
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
    const asked = this.absolutePath(directory, path, task.process);
    const shown = result?.kind === "value" && result.decoration !== undefined ? result.decoration : undefined;
    const name = shown?.startsWith("/") === true ? shown : asked;
    if (name === undefined) return undefined;
    const flagText = event.name === "creat" ? "O_WRONLY|O_CREAT|O_TRUNC" : (flags ?? "");
    const fd = returnedDescriptor(result);
    const attribute = this.attribute(name) ?? (asked === undefined ? undefined : this.attribute(asked));
    if (attribute !== undefined) {
      const replaced =
        fd === undefined ? undefined : this.put(task.process, fd, { kind: "attribute", attribute }, flagText);
      if (replaced !== undefined) return this.closing([replaced]);
      const call: ApCall = {
        kind: "attribute-open",
        attribute,
        access: accessOf(flagText),
        create: flagText.includes("O_CREAT"),
      };
      return { call, name: `sysfs open ${attributeName(attribute)}` };
    }
    return this.openDevice(name, fd, task.process, flagText, result);
  }

  private openDevice(
    name: string,
    fd: number | undefined,
    process: Process,
    flags: string,
    result: CallResult | undefined,
  ): DecodedCall | undefined {
    if (name === "/dev/kvm" || name === "/dev/vfio/vfio") {
      if (fd !== undefined) this.put(process, fd, { kind: name === "/dev/kvm" ? "kvm" : "container" }, flags);
      return undefined;
    }
    const match = name.startsWith("/dev/vfio/") ? /^\/dev\/vfio\/(\d{1,9})$/.exec(name) : null;
    if (match?.[1] === undefined || result === undefined) return undefined;
    const group = Number(match[1]);
    const file = fd === undefined ? undefined : { id: this.nextFile++, group };
    if (fd !== undefined && file !== undefined) this.put(process, fd, { kind: "group", ref: file }, flags);
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
        return this.vmIoctl(object.ref, request, task.process, result);
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
          name: `ioctl ${request}`,
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
    this.put(process, fd, { kind: "vm", ref: vm }, "O_CLOEXEC");
    return { call: { kind: "vm-create", vm }, name: "ioctl KVM_CREATE_VM" };
  }

  private vmIoctl(
    vm: { readonly id: number; readonly name: string },
    request: string,
    process: Process,
    result: CallResult | undefined,
  ): DecodedCall | undefined {
    const fd = returnedDescriptor(result);
    if (fd !== undefined && requestIs(request, "KVM_CREATE_VCPU", 0xae, 0x41)) {
      this.put(process, fd, { kind: "vcpu", vm, number: 0 }, "O_CLOEXEC");
      return undefined;
    }
    const change = vmChanges.find(([name, number]) => requestIs(request, name, 0xae, number))?.[2];
    if (change === undefined || result?.kind === "error") return undefined;
    return { call: { kind: "vm-change", vm, change }, name: `ioctl ${request}` };
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
      this.put(task.process, fd, { kind: "device", ref: device }, "O_CLOEXEC");
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
    const descriptor = descriptorOf(event.args[0] ?? "");
    if (descriptor === undefined) return undefined;
    this.fileOf(event.args[0], task.process);
    const closed = task.process.files.close(descriptor.fd);
    return closed === undefined ? undefined : this.closing([closed]);
  }

  private closeRange(event: SyscallEvent, task: Task): DecodedCall | undefined {
    const first = numberOf(event.args[0] ?? "") ?? 0;
    const last = numberOf(event.args[1] ?? "") ?? Number.POSITIVE_INFINITY;
    if (!succeeded(event.result) || event.args[2]?.includes("CLOEXEC") === true) return undefined;
    return this.closing(task.process.files.closeWhere((fd) => fd >= first && fd <= last));
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
    return before === undefined ? undefined : this.closing([before]);
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
    return task.process.files.closeWhere((_fd, file) => file.closeOnExec);
  }

  /** What the last closes of some files are: one close, or several in one call. */
  private closing(files: readonly OpenFile[]): DecodedCall | undefined {
    const calls: ApCall[] = [];
    for (const file of files) {
      const call = closeOf(file.object);
      if (call !== undefined) calls.push(call);
    }
    const [only] = calls;
    if (only === undefined) return undefined;
    // A device is released before the group and the VM that it holds references on, whatever the descriptors' order.
    calls.sort((a, b) => closeRank(a) - closeRank(b));
    return calls.length === 1
      ? { call: only, name: closeName(only) }
      : { call: { kind: "closes", closes: calls }, name: "close of VFIO and KVM files" };
  }

  private put(process: Process, fd: number, object: FileObject, flags: string): OpenFile | undefined {
    return process.files.put(fd, { object, references: 0, shown: false, closeOnExec: flags.includes("O_CLOEXEC") });
  }

  /** The file behind a descriptor argument: from the table, else from its decoration (a descriptor older than the recording). */
  private fileOf(arg: string | undefined, process: Process): OpenFile | undefined {
    const descriptor = arg === undefined ? undefined : descriptorOf(arg);
    if (descriptor === undefined) return undefined;
    const known = process.files.get(descriptor.fd);
    if (known !== undefined && !contradicts(known.object, descriptor.path)) return known;
    const object = descriptor.path === undefined ? undefined : this.objectOf(descriptor.path, process, descriptor.fd);
    if (object === undefined) return undefined;
    this.put(process, descriptor.fd, object, "");
    return process.files.get(descriptor.fd);
  }

  private objectOf(path: string, process: Process, fd: number): FileObject | undefined {
    if (path.startsWith("/")) {
      const attribute = this.attribute(path);
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

  private attribute(path: string): Attribute | undefined {
    const cached = this.attributes.get(path);
    if (cached !== undefined) return cached ?? undefined;
    const attribute = attributeOf(path) ?? null;
    if (this.attributes.size >= 4096) this.attributes.clear();
    // A key must not hold on to the chunk of input that it was cut from.
    this.attributes.set(flatCopy(path), attribute);
    return attribute ?? undefined;
  }

  private absolutePath(directory: string | undefined, path: string | undefined, process: Process): string | undefined {
    const bytes = path === undefined ? undefined : bytesOf(path);
    if (bytes === undefined) return undefined;
    if (bytes.data.startsWith("/")) return bytes.data;
    const base = directory === undefined ? undefined : descriptorOf(directory);
    return joinPath(base?.path ?? process.cwd, bytes.data);
  }
}

function flatCopy(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
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

function contradicts(object: FileObject, path: string | undefined): boolean {
  if (path === undefined) return false;
  switch (object.kind) {
    case "attribute":
      return !path.startsWith("/sys/");
    case "group":
    case "container":
      return !path.startsWith("/dev/vfio/");
    case "kvm":
      return path !== "/dev/kvm";
    case "vm":
      return path !== "anon_inode:kvm-vm";
    case "vcpu":
      return !path.startsWith("anon_inode:kvm-vcpu");
    case "kvm-vfio":
      return path !== "anon_inode:kvm-vfio";
    case "device":
      return path !== "anon_inode:[vfio-device]";
  }
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

function closeOf(object: FileObject): ApCall | undefined {
  switch (object.kind) {
    case "group":
      return { kind: "group-close", file: object.ref };
    case "device":
      return { kind: "device-close", device: object.ref };
    case "vm":
      return { kind: "vm-close", vm: object.ref };
    case "attribute":
    case "container":
    case "kvm":
    case "vcpu":
    case "kvm-vfio":
      return undefined;
  }
}

function closeRank(call: ApCall): number {
  return call.kind === "device-close" ? 0 : call.kind === "group-close" ? 1 : 2;
}

function closeName(call: ApCall): string {
  if (call.kind === "device-close") return "close VFIO device";
  return call.kind === "group-close" ? "close VFIO group" : "close VM";
}

function accessOf(flags: string): "read" | "write" | "both" {
  if (flags.includes("O_RDWR")) return "both";
  return flags.includes("O_WRONLY") ? "write" : "read";
}

/** Ioctls of a VM that change what its CPUs answer: name, number, what they change (KVM-2, GISC-8, NIB-3). */
const vmChanges: readonly (readonly [string, number, "attribute" | "protected" | "memory"])[] = [
  ["KVM_SET_DEVICE_ATTR", 0xe1, "attribute"],
  ["KVM_S390_PV_COMMAND", 0xc5, "protected"],
  ["KVM_SET_USER_MEMORY_REGION", 0x46, "memory"],
  ["KVM_SET_USER_MEMORY_REGION2", 0x49, "memory"],
];

function deviceRequest(request: string): "reset" | "get-info" | "other" {
  if (requestIs(request, "VFIO_DEVICE_RESET", 0x3b, 111)) return "reset";
  return requestIs(request, "VFIO_DEVICE_GET_INFO", 0x3b, 107) ? "get-info" : "other";
}

/**
 * Whether an ioctl request is `name`: by membership where several names are joined with `or`, else by type and number of
 * the printed code, in either coding of the direction bits (capture-formats a.6, a.7).
 */
function requestIs(request: string, name: string, type: number, number: number): boolean {
  const first = request.charCodeAt(0);
  if (first === 0x4b || first === 0x56) {
    if (request === name) return true;
    return request.includes(" or ") && request.split(" or ").includes(name);
  }
  if (request.startsWith("_IOC(")) {
    const parts = request.slice(5, -1).split(",");
    return numberOf(parts[1]?.trim() ?? "") === type && numberOf(parts[2]?.trim() ?? "") === number;
  }
  const code = numberOf(request);
  return code !== undefined && ((code >>> 8) & 0xff) === type && (code & 0xff) === number;
}

function returnedDescriptor(result: CallResult | undefined): number | undefined {
  return result?.kind === "value" ? numberOf(result.text) : undefined;
}

function succeeded(result: CallResult | undefined): boolean {
  return result?.kind === "value";
}

const attributeName = (attribute: Attribute): string =>
  attribute.on === "card" || attribute.on === "queue" ? `${attribute.on} ${attribute.name}` : attribute.name;

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
