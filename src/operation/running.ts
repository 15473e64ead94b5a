import type { OpenOperation } from "./open-operation.js";
import type { Call } from "./operation.js";

/** Tasks whose stacks are kept; beyond this many those on which nothing runs are forgotten. */
const TASKS = 4096;

/** The operations that run on each task, innermost last. */
export class Running<C extends Call> {
  /** Stacks stay when they are empty: the next call of the task needs one again. */
  private readonly stacks = new Map<number, OpenOperation<C>[]>();
  /** The stack that was asked for last: a task's lines often follow each other. */
  private latest: OpenOperation<C>[] = [];
  private latestTid = -1;

  /** The operations of a task, to be looked at; what runs is changed by {@link add} and {@link remove}. */
  on(tid: number): readonly OpenOperation<C>[] {
    return this.stackOf(tid);
  }

  add(operation: OpenOperation<C>): void {
    this.stackOf(operation.tid).push(operation);
  }

  remove(operation: OpenOperation<C>): void {
    const stack = this.stackOf(operation.tid);
    if (stack.at(-1) === operation) {
      stack.pop();
      return;
    }
    const at = stack.lastIndexOf(operation);
    if (at >= 0) stack.splice(at, 1);
  }

  /** All operations that run; they may be removed meanwhile. */
  all(): readonly OpenOperation<C>[] {
    return [...this.stacks.values()].flat();
  }

  /** The task has ended. */
  forget(tid: number): void {
    this.stacks.delete(tid);
    this.latestTid = -1;
  }

  private stackOf(tid: number): OpenOperation<C>[] {
    if (tid === this.latestTid) return this.latest;
    this.latest = this.stacks.get(tid) ?? this.newStack(tid);
    this.latestTid = tid;
    return this.latest;
  }

  private newStack(tid: number): OpenOperation<C>[] {
    if (this.stacks.size >= TASKS) {
      for (const [idle, stack] of this.stacks) if (stack.length === 0) this.stacks.delete(idle);
    }
    const stack: OpenOperation<C>[] = [];
    this.stacks.set(tid, stack);
    return stack;
  }
}
