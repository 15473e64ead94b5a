/** Calls whose line was interrupted and that were not resumed yet (spec, section a.2). */

import { flatCopy } from "../../event/flat-copy.js";

/** The first half of a call. */
export interface PendingCall {
  readonly name: string;
  readonly comm: string;
  /** The text behind the opening parenthesis, up to the seam. */
  readonly text: string;
}

/** There is one call at most for a task; more tasks than this are not kept. */
const MAX_PENDING = 65_536;
/** A longer first half is not kept: no line is longer. */
const MAX_TEXT = 16 * 2 ** 20;

/** Among more calls than this none is searched. */
const MAX_SEARCHED = 256;

/** The outstanding calls, by task. */
export class PendingCalls {
  readonly #calls = new Map<number, PendingCall>();

  /** Keeps the first half of a call; one that the task left open before is lost. */
  put(tid: number, name: string, comm: string, text: string): void {
    this.#calls.delete(tid);
    if (text.length > MAX_TEXT) return;
    if (this.#calls.size >= MAX_PENDING) this.#dropOldest();
    this.#calls.set(tid, { name, comm, text: flatCopy(text) });
  }

  get(tid: number): PendingCall | undefined {
    return this.#calls.get(tid);
  }

  delete(tid: number): void {
    this.#calls.delete(tid);
  }

  /** The task of the only outstanding call of this name; undefined where there is none, or more than one. */
  onlyTaskIn(name: string): number | undefined {
    if (this.#calls.size > MAX_SEARCHED) return undefined;
    let found: number | undefined;
    for (const [tid, call] of this.#calls) {
      if (call.name !== name) continue;
      if (found !== undefined) return undefined;
      found = tid;
    }
    return found;
  }

  /** An execve of thread `from` takes over the id `to` of its process. */
  move(from: number, to: number): void {
    const call = this.#calls.get(from);
    this.#calls.delete(from);
    if (call === undefined) this.#calls.delete(to);
    else this.#calls.set(to, call);
  }

  #dropOldest(): void {
    const oldest = this.#calls.keys().next();
    if (oldest.done !== true) this.#calls.delete(oldest.value);
  }
}
