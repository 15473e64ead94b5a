/**
 * Which task a line belongs to. On stderr strace prints `[pid N]` only while it traces more than one task, so that one
 * task appears with and without it in one file, and its pid is known only when others join it (spec, section a.1).
 */

import type { LineHead } from "./head.js";

const LETTER_C = 0x63;
const LETTER_F = 0x66;
const LETTER_V = 0x76;

/** More tasks than this are not kept apart; a real recording has some thousands. */
const MAX_TASKS = 65_536;
/** Gives lines their thread ids: one id for one task, whether or not a line names it. */
export class TaskNames {
  /** The id of the task that was traced first, where no line says another: 0, or that of the file name (`-ff`). */
  readonly #placeholder: number;
  /** The task of lines that name none. */
  #alone: number;
  /** The pid of the placeholder, once known. */
  #first: number | undefined;
  /** A line without a pid was read, so that the placeholder is a task. */
  #sawPlaceholder = false;
  #sawLine = false;
  #last = -1;
  readonly #children = new Set<number>();
  readonly #alive = new Set<number>();

  constructor(placeholder: number) {
    this.#placeholder = placeholder;
    this.#alone = placeholder;
  }

  /** The task of a line with the given head. `inClone`: the placeholder is inside a call that makes a task. */
  of(head: LineHead, inClone: boolean): number {
    if (head.form === "column") return head.tid;
    this.#sawLine = true;
    if (head.form === "none") {
      if (this.#alone === this.#placeholder) this.#sawPlaceholder = true;
      return this.#alone;
    }
    if (head.tid === this.#first) return this.#placeholder;
    if (head.tid === this.#last) return head.tid;
    if (this.#sawPlaceholder && this.#first === undefined && !inClone && !this.#children.has(head.tid)) {
      this.#found(head.tid);
      return this.#placeholder;
    }
    this.#last = head.tid;
    add(this.#alive, head.tid);
    return head.tid;
  }

  /** The task of a `resumed` line that completes a call of the placeholder: they are the same. */
  resumes(head: LineHead): boolean {
    const same =
      head.form === "bracket" &&
      this.#sawPlaceholder &&
      this.#first === undefined &&
      !this.#children.has(head.tid) &&
      head.tid !== this.#placeholder;
    if (same) this.#found(head.tid);
    return same;
  }

  /** strace attached to a task: a child of one that is traced, or, before any line, the task it was told to trace. */
  attached(tid: number): void {
    add(this.#children, tid);
    add(this.#alive, tid);
    if (!this.#sawLine && this.#placeholder === 0) this.#alone = this.#alive.size === 1 ? tid : 0;
  }

  /** A call that makes tasks returned `tid`. */
  created(tid: number): void {
    if (this.#first === undefined) add(this.#children, tid);
  }

  /** A task ended. If one remains, the lines that follow do not name it. */
  ended(tid: number): void {
    this.#alive.delete(tid);
    this.#children.delete(tid);
    if (this.#last === tid) this.#last = -1;
    const placeholderEnded = tid === this.#placeholder;
    if (placeholderEnded) {
      this.#first = undefined;
      this.#sawPlaceholder = false;
    }
    if (this.#alive.size === 1 && !this.#sawPlaceholder) this.#alone = this.#alive.values().next().value ?? 0;
    else this.#alone = this.#placeholder;
  }

  /** A line without a pid turned out to be of task `tid`. */
  isAlone(tid: number): void {
    this.#alone = tid;
  }

  #found(tid: number): void {
    this.#first = tid;
    this.#children.clear();
    this.#alive.delete(tid);
  }
}

/** Whether a call of this name makes a task. */
export function makesTask(name: string): boolean {
  const first = name.charCodeAt(0);
  if (first !== LETTER_C && first !== LETTER_F && first !== LETTER_V) return false;
  return name === "clone" || name === "clone3" || name === "fork" || name === "vfork";
}

function add(set: Set<number>, tid: number): void {
  if (set.size < MAX_TASKS) set.add(tid);
}

/** The thread id in the name of a file that `-ff -o NAME` wrote (`NAME.TID`), 0 where there is none. */
export function tidOfFileName(file: string): number {
  const match = /\.(?:pid)?(\d{1,7})(?:\.strace)?(?:\.txt|\.log)?(?:\.gz)?$/.exec(file);
  return Number(match?.[1] ?? 0);
}
