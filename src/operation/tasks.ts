import { DescriptorTable } from "./descriptors.js";

/** A process as far as it is known: tasks that share descriptors. */
export interface Process<O> {
  readonly id: number;
  /** Id of the task that it was first seen with: the process id, as far as the recording shows. */
  readonly pid: number;
  files: DescriptorTable<O>;
  cwd: string | undefined;
  /** Descriptors of a vfio-kvm device got an attribute set: groups may know their guest from then on. */
  guestSet: boolean;
  tasks: number;
}

/** A task (thread) of the recording. */
export interface Task<O> {
  readonly tid: number;
  process: Process<O>;
}

/** Tasks and processes, as clone, exec and exit calls make and end them. */
export class TaskTable<O> {
  private readonly tasks = new Map<number, Task<O>>();
  /** Tasks whose clone was seen. */
  private readonly cloned = new WeakSet<Task<O>>();
  private nextProcess = 1;

  /** The task with that id; one that was never seen becomes a process of its own. */
  get(tid: number): Task<O> {
    const known = this.tasks.get(tid);
    if (known !== undefined) return known;
    return this.add(tid, this.newProcess(undefined, tid));
  }

  has(tid: number): boolean {
    return this.tasks.has(tid);
  }

  /** A clone, fork or vfork of `parent` returned `tid`. */
  clone(parent: Task<O>, tid: number, shareFiles: boolean): void {
    const known = this.tasks.get(tid);
    // The child's first line may come before the parent's clone returns (capture-formats a.2): then it was taken for a
    // process of its own, with an empty table, and only a shared table can still be put right.
    if (known !== undefined) {
      if (shareFiles) this.join(known, parent.process);
      this.cloned.add(known);
      return;
    }
    this.cloned.add(this.add(tid, this.childOf(parent.process, shareFiles, tid)));
  }

  /** Whether the call that made the task was recorded. */
  wasCloned(task: Task<O>): boolean {
    return this.cloned.has(task);
  }

  /** A task that was taken for a process of its own turned out to be a thread of another process. */
  join(task: Task<O>, process: Process<O>): void {
    if (task.process === process) return;
    task.process.tasks--;
    process.tasks++;
    task.process = process;
  }

  /** The task ended; true if it was the last of its process. */
  exit(task: Task<O>): boolean {
    this.tasks.delete(task.tid);
    task.process.tasks--;
    return task.process.tasks <= 0;
  }

  /** All processes that are known to hold descriptors. */
  *processes(): Generator<Process<O>> {
    const seen = new Set<Process<O>>();
    for (const task of this.tasks.values()) {
      if (!seen.has(task.process)) {
        seen.add(task.process);
        yield task.process;
      }
    }
  }

  private add(tid: number, process: Process<O>): Task<O> {
    const task = { tid, process };
    process.tasks++;
    this.tasks.set(tid, task);
    return task;
  }

  private childOf(parent: Process<O>, shareFiles: boolean, tid: number): Process<O> {
    return shareFiles ? parent : this.newProcess(parent, tid);
  }

  private newProcess(parent: Process<O> | undefined, tid: number): Process<O> {
    return {
      id: this.nextProcess++,
      pid: tid,
      files: parent === undefined ? new DescriptorTable<O>() : parent.files.fork(),
      cwd: parent?.cwd,
      guestSet: parent?.guestSet ?? false,
      tasks: 0,
    };
  }
}
