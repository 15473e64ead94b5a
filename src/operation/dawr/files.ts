import { type Process, TaskTable } from "../tasks.js";
import type { Holder, VcpuRef, VmRef } from "./call.js";

/** What a descriptor of /dev/kvm, a VM or a vCPU stands for. */
export type KvmFile =
  | { readonly kind: "kvm" }
  | { readonly kind: "vm"; readonly vm: VmRef }
  | { readonly kind: "vcpu"; readonly vcpu: VcpuRef };

/** Where memory was seen to be mapped: pages of 64 KiB that a call read or wrote with success. */
interface Memory {
  readonly good: Set<number>;
  /** Calls that change mappings are recorded, so that what was good stays so until one of them. */
  recorded: boolean;
}

/** Which descriptors and vCPU numbers stand for which VM and vCPU. */
export class KvmFiles {
  readonly tasks = new TaskTable<KvmFile>();
  private next = 1;
  private readonly names = new Map<string, number>();
  /** VMs and vCPUs that were met without their creation, by process. */
  private readonly metVms = new Map<number, VmRef>();
  /** vCPUs of tasks without descriptors (FMT-3): `TID/NUMBER`. */
  private readonly byTask = new Map<number, Map<number, VcpuRef>>();
  private readonly memories = new Map<number, Memory>();
  private readonly makers = new Map<number, number>();

  /** The object behind a descriptor of a task; what was never seen becomes an object of the kind that the call needs. */
  holder(tid: number, fd: number, decoration: string | undefined, wanted: KvmFile["kind"] | undefined): Holder {
    const { process } = this.tasks.get(tid);
    const kind = decoratedKind(decoration) ?? wanted;
    const own = process.files.get(fd)?.object;
    if (own !== undefined && (kind === undefined || own.kind === kind)) return own;
    const shared = this.inOtherTable(process, fd, kind);
    if (shared !== undefined) return shared;
    switch (kind) {
      case "kvm":
        this.put(process, fd, { kind: "kvm" });
        return { kind: "kvm" };
      case "vm": {
        const vm = this.metVm(process, tid, fd);
        this.put(process, fd, { kind: "vm", vm });
        return { kind: "vm", vm };
      }
      case "vcpu": {
        const vm = this.vmOf(process) ?? this.metVm(process, tid, fd);
        const vcpu = { id: this.next++, vm, number: decoratedNumber(decoration) };
        this.put(process, fd, { kind: "vcpu", vcpu });
        return { kind: "vcpu", vcpu };
      }
      case undefined:
        return { kind: "unknown" };
    }
  }

  /** A KVM_CREATE_VM returned a descriptor. */
  createVm(tid: number, fd: number): VmRef {
    const { process } = this.tasks.get(tid);
    const vm = this.newVm(`${tid}/${fd}`);
    this.makers.set(vm.id, process.id);
    this.put(process, fd, { kind: "vm", vm });
    this.metVms.delete(process.id);
    return vm;
  }

  /** A KVM_CREATE_VCPU returned a descriptor. */
  createVcpu(tid: number, fd: number, vm: VmRef, number: number | undefined): VcpuRef {
    const vcpu = { id: this.next++, vm, number };
    this.put(this.tasks.get(tid).process, fd, { kind: "vcpu", vcpu });
    return vcpu;
  }

  openKvm(tid: number, fd: number): void {
    this.put(this.tasks.get(tid).process, fd, { kind: "kvm" });
  }

  /** Another descriptor for the same file. */
  duplicate(tid: number, from: number, to: number): void {
    const { files } = this.tasks.get(tid).process;
    const file = files.get(from);
    if (file !== undefined) files.put(to, file);
    else files.close(to);
  }

  /** Closes a descriptor; the object if it was its last one. */
  close(tid: number, fd: number): KvmFile | undefined {
    return this.tasks.get(tid).process.files.close(fd)?.object;
  }

  /** A descriptor of a VM or vCPU may stand for another one now: that number, or any of the process. */
  mayBeAnother(tid: number, fd: number | undefined): void {
    const { files } = this.tasks.get(tid).process;
    files.closeWhere((other, { object }) => object.kind !== "kvm" && (fd === undefined || other === fd));
  }

  closeAll(process: Process<KvmFile>): readonly KvmFile[] {
    return process.files.closeWhere(() => true).map((file) => file.object);
  }

  /** The vCPU with that number that a task runs, where no descriptor tells (FMT-3). */
  ofTask(tid: number, number: number): VcpuRef {
    let numbers = this.byTask.get(tid);
    if (numbers === undefined) {
      numbers = new Map();
      this.byTask.set(tid, numbers);
    }
    const known = numbers.get(number);
    if (known !== undefined) return known;
    const [other] = numbers.values();
    const vm = other?.vm ?? this.newVm(`task ${tid}`);
    const vcpu = { id: this.next++, vm, number };
    numbers.set(number, vcpu);
    return vcpu;
  }

  /** Whether a task belongs to the process that made a VM; undefined where either is not known. */
  owns(tid: number, vm: VmRef): boolean | undefined {
    const maker = this.makers.get(vm.id);
    if (maker === undefined) return undefined;
    return this.tasks.get(tid).process.id === maker ? true : undefined;
  }

  // --- memory

  /** A call read or wrote memory of the task there with success. */
  touched(tid: number, page: number): void {
    this.memory(tid).good.add(page);
  }

  /** A call that changes mappings. */
  remapped(tid: number, name: string): void {
    const memory = this.memory(tid);
    memory.recorded = true;
    if (name !== "brk" && name !== "mmap") memory.good.clear();
  }

  isMapped(tid: number, page: number): boolean {
    const memory = this.memory(tid);
    return memory.recorded && memory.good.has(page);
  }

  private memory(tid: number): Memory {
    const { id } = this.tasks.get(tid).process;
    const known = this.memories.get(id);
    if (known !== undefined) return known;
    const memory = { good: new Set<number>(), recorded: false };
    this.memories.set(id, memory);
    return memory;
  }

  // ---

  private put(process: Process<KvmFile>, fd: number, object: KvmFile): void {
    process.files.put(fd, { object, references: 0, shown: false, closeOnExec: true });
  }

  private newVm(name: string): VmRef {
    const count = (this.names.get(name) ?? 0) + 1;
    this.names.set(name, count);
    return { id: this.next++, name: count === 1 ? name : `${name}#${count}` };
  }

  private metVm(process: Process<KvmFile>, tid: number, fd: number): VmRef {
    const known = this.metVms.get(process.id);
    if (known !== undefined) return known;
    const vm = this.newVm(`${tid}/${fd}`);
    this.metVms.set(process.id, vm);
    return vm;
  }

  /** The VM of a process, if it has one only. */
  private vmOf(process: Process<KvmFile>): VmRef | undefined {
    let found: VmRef | undefined;
    for (const object of process.files.objects()) {
      if (object.kind !== "vm") continue;
      if (found !== undefined && found !== object.vm) return undefined;
      found = object.vm;
    }
    return found;
  }

  /**
   * A trace without clone calls does not tell which tasks share a table: the one table in which the number stands for
   * such an object is the right one.
   */
  private inOtherTable(process: Process<KvmFile>, fd: number, kind: KvmFile["kind"] | undefined): KvmFile | undefined {
    let found: KvmFile | undefined;
    let where: Process<KvmFile> | undefined;
    for (const other of this.tasks.processes()) {
      if (other === process || other.files === process.files) continue;
      const object = other.files.get(fd)?.object;
      if (object === undefined || (kind !== undefined && object.kind !== kind)) continue;
      if (found !== undefined) return undefined;
      found = object;
      where = other;
    }
    if (where !== undefined && process.files.get(fd) === undefined) {
      let empty = true;
      for (const _object of process.files.objects()) empty = false;
      if (empty) process.files = where.files;
    }
    return found;
  }
}

function decoratedKind(decoration: string | undefined): KvmFile["kind"] | undefined {
  if (decoration === undefined) return undefined;
  if (decoration.startsWith("/dev/kvm")) return "kvm";
  if (decoration.startsWith("anon_inode:kvm-vm")) return "vm";
  return decoration.startsWith("anon_inode:kvm-vcpu") ? "vcpu" : undefined;
}

function decoratedNumber(decoration: string | undefined): number | undefined {
  const match = /^anon_inode:kvm-vcpu:(\d{1,6})/.exec(decoration ?? "");
  return match?.[1] === undefined ? undefined : Number(match[1]);
}
