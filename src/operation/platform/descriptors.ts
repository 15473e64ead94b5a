import { descriptorOf } from "../../event/arguments.js";
import type { DescriptorTable, OpenFile } from "../descriptors.js";
import type { Process, Task, TaskTable } from "../tasks.js";
import type { Meaning, PlatformFileRef } from "./call.js";
import { groupOfPath, namesGroup, type PlatformFile, sysfsFile } from "./file.js";

type Table = DescriptorTable<PlatformFile>;
export type PlatformOpenFile = OpenFile<PlatformFile>;
export type PlatformProcess = Process<PlatformFile>;
export type PlatformTask = Task<PlatformFile>;

/** What is known of a table beyond its entries. */
interface TableFacts {
  /** The recording saw the process begin: a number that is not in the table is closed. */
  complete: boolean;
  /** An allocation was seen: numbers below it that are not in the table were open before, and unknown. */
  used: boolean;
}

/** Tables of processes that are no longer looked through for the origin of a descriptor. */
const SEARCHED = 64;

/**
 * Which file each descriptor stands for (capture-formats a.5). Beyond the tables it uses two facts: the kernel gives out
 * the lowest free number, so that lower numbers are in use; and a task that appears without its clone and uses a
 * descriptor of a traced process is a thread of that process.
 */
export class Descriptors {
  private readonly tasks: TaskTable<PlatformFile>;
  private readonly facts = new WeakMap<Table, TableFacts>();
  private nextFile = 1;
  private eventfdSeen = false;
  /** Files of descriptors that lost calls may have closed. */
  private readonly doubted = new WeakSet<PlatformOpenFile>();

  constructor(tasks: TaskTable<PlatformFile>) {
    this.tasks = tasks;
  }

  newRef(): PlatformFileRef {
    return { id: this.nextFile++ };
  }

  /** The file behind a descriptor argument: from the table, else from its decoration. */
  fileOf(arg: string | undefined, task: PlatformTask): PlatformOpenFile | undefined {
    const descriptor = arg === undefined ? undefined : descriptorOf(arg);
    return descriptor === undefined ? undefined : this.fileAt(descriptor.fd, descriptor.path, task);
  }

  private fileAt(fd: number, path: string | undefined, task: PlatformTask): PlatformOpenFile | undefined {
    const known = task.process.files.get(fd);
    if (known !== undefined && (path === undefined || !contradicts(known.object, path))) return known;
    if (known === undefined && this.adopt(fd, path, task)) return task.process.files.get(fd);
    if (path === undefined) return known;
    const facts = this.factsOf(task.process.files);
    facts.used = true;
    // The call that made it was not recorded, nor need that of others be.
    facts.complete = false;
    const object = this.objectOfPath(path, fd, task.process);
    this.place(task.process.files, fd, object, false);
    return task.process.files.get(fd);
  }

  /** What a number means to the task: for descriptors that stand in structures. */
  meaningOf(fd: number, task: PlatformTask): Meaning {
    if (fd < 0) return { kind: "closed" };
    const { files } = task.process;
    const file = files.get(fd);
    if (file === undefined) return { kind: this.factsOf(files).complete ? "closed" : "unknown" };
    return this.doubted.has(file) ? { kind: "unknown" } : meaningOfFile(file.object);
  }

  /** Calls were lost: a number that stands in a structure may mean another file by now, or none. */
  doubtAll(): void {
    for (const { files } of this.tasks.processes()) {
      this.factsOf(files).complete = false;
      for (const file of files.files()) this.doubted.add(file);
    }
  }

  /** The same where an eventfd is meant: until one was seen to be made it is not known whether that would be recorded. */
  eventfdMeant(fd: number, task: PlatformTask): Meaning {
    const meaning = this.meaningOf(fd, task);
    return meaning.kind === "closed" && fd >= 0 && !this.eventfdSeen ? { kind: "unknown" } : meaning;
  }

  /** The meaning of a descriptor argument of a call. */
  meaningOfArgument(arg: string | undefined, task: PlatformTask): Meaning {
    const file = this.fileOf(arg, task);
    if (file !== undefined) return meaningOfFile(file.object);
    const fd = arg === undefined ? undefined : descriptorOf(arg)?.fd;
    return fd === undefined ? { kind: "unknown" } : this.meaningOf(fd, task);
  }

  /** A call returned the new descriptor `fd`, the lowest free one; returns the file whose place it took, if any. */
  allocate(
    task: PlatformTask,
    fd: number,
    object: PlatformFile,
    closeOnExec: boolean,
    lowest: boolean,
  ): PlatformOpenFile | undefined {
    if (object.kind === "eventfd") this.eventfdSeen = true;
    this.learn(task.process.files, fd, lowest);
    return this.place(task.process.files, fd, object, closeOnExec);
  }

  /** A call made `fd` stand for the same file as another descriptor. */
  duplicate(
    task: PlatformTask,
    fd: number,
    file: PlatformOpenFile | undefined,
    lowest: boolean,
  ): PlatformOpenFile | undefined {
    const { files } = task.process;
    this.learn(files, fd, lowest);
    return file === undefined ? this.place(files, fd, { kind: "unknown" }, false) : files.put(fd, file);
  }

  private place(files: Table, fd: number, object: PlatformFile, closeOnExec: boolean): PlatformOpenFile | undefined {
    return files.put(fd, { object, references: 0, shown: false, closeOnExec });
  }

  /** The table as the first allocation shows it: numbers below the lowest free one are in use. */
  private learn(files: Table, fd: number, lowest: boolean): void {
    const facts = this.factsOf(files);
    if (!lowest) return;
    if (!facts.used) {
      facts.used = true;
      // A fresh program has the three standard descriptors and no other.
      facts.complete = fd <= 3;
    }
    for (let below = Math.max(0, fd - 4096); below < fd; below++) {
      if (files.get(below) === undefined) this.place(files, below, { kind: "unknown" }, false);
    }
  }

  private factsOf(files: Table): TableFacts {
    const known = this.facts.get(files);
    if (known !== undefined) return known;
    const fresh = { complete: false, used: false };
    this.facts.set(files, fresh);
    return fresh;
  }

  /** A forked child knows as much of its table as its parent. */
  inherit(parent: Table, child: Table): void {
    if (parent !== child) this.facts.set(child, { ...this.factsOf(parent) });
  }

  /** A task without a recorded clone uses a descriptor that one traced process has: it is one of its threads. */
  private adopt(fd: number, path: string | undefined, task: PlatformTask): boolean {
    if (this.factsOf(task.process.files).used || this.tasks.wasCloned(task)) return false;
    let found: PlatformProcess | undefined;
    let searched = 0;
    for (const process of this.tasks.processes()) {
      if (++searched > SEARCHED) return false;
      if (process === task.process) continue;
      const file = process.files.get(fd);
      if (file === undefined || file.object.kind === "unknown") continue;
      if (path !== undefined && contradicts(file.object, path)) continue;
      if (found !== undefined) return false;
      found = process;
    }
    if (found === undefined) return false;
    this.tasks.join(task, found);
    return true;
  }

  private objectOfPath(path: string, fd: number, process: PlatformProcess): PlatformFile {
    if (path === "anon_inode:[vfio-device]") {
      return { kind: "device", device: { ...this.newRef(), group: soleGroup(process), name: undefined } };
    }
    if (path === "anon_inode:[eventfd]") {
      return { kind: "eventfd", eventfd: { ...this.newRef(), name: `${process.id}/${fd}` } };
    }
    if (path.startsWith("anon_inode:kvm-")) return { kind: "kvm" };
    return this.objectOfFile(path);
  }

  /** What an absolute path stands for; each call is a new open file. */
  objectOfFile(path: string): PlatformFile {
    if (path === "/dev/vfio/vfio") return { kind: "container", container: this.newRef() };
    const group = groupOfPath(path);
    if (group !== undefined) return { kind: "group", group: { ...this.newRef(), group } };
    // Later kernels have other ways to devices and IOMMUs, with requests of the same family that nothing is known of.
    if (path === "/dev/iommu" || path.startsWith("/dev/vfio/")) return { kind: "unknown" };
    return path.startsWith("/sys/") ? (sysfsFile(path) ?? { kind: "ordinary" }) : { kind: "ordinary" };
  }
}

/** The group of a process that holds exactly one. */
function soleGroup(process: PlatformProcess): string | undefined {
  let found: string | undefined;
  for (const object of process.files.objects()) {
    if (object.kind !== "group") continue;
    if (found !== undefined && found !== object.group.group) return undefined;
    found = object.group.group;
  }
  return found;
}

function meaningOfFile(object: PlatformFile): Meaning {
  switch (object.kind) {
    case "container":
    case "group":
    case "device":
    case "eventfd":
      return object;
    case "driver":
    case "reset-parameter":
    case "kvm":
    case "ordinary":
      return { kind: "ordinary" };
    case "unknown":
      return { kind: "unknown" };
  }
}

/** Whether a decoration shows that the number stands for another file than the table says. */
function contradicts(object: PlatformFile, path: string): boolean {
  switch (object.kind) {
    case "container":
      return path !== "/dev/vfio/vfio";
    case "group":
      return !namesGroup(path, object.group.group);
    case "device":
      return path !== "anon_inode:[vfio-device]";
    case "eventfd":
      return path !== "anon_inode:[eventfd]";
    case "driver":
    case "reset-parameter":
      return !path.startsWith("/sys/");
    case "kvm":
      return !path.startsWith("anon_inode:kvm-");
    case "ordinary":
      return path.startsWith("/dev/vfio/") || path === "anon_inode:[eventfd]" || path === "anon_inode:[vfio-device]";
    case "unknown":
      return true;
  }
}
