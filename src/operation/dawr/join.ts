import { errnoNumber } from "../../event/errno.js";
import type { CallResult, Event, SyscallEvent } from "../../event/event.js";
import { isKvmRequest } from "./numbers.js";
import { descriptorNumber, requestOf } from "./request.js";

/** Events that are held while it is not known whether the trace records calls at all. */
const UNDECIDED = 4096;
/** Places of the stream that a traced call waits for its partner. */
const PATIENCE = 1024;
/** Calls of one task that wait for a traced one. */
const WAITING = 512;
/** Calls that one recorder may lack before the two fit again. */
const SHIFT = 64;
/** Calls in a row that must fit before two recorders are taken to be in step. */
const RUN = 16;

/** What strace printed of a traced call; shared by its entry and its return. */
interface Partner {
  strace: SyscallEvent | undefined;
  /** What the traced call returned. */
  returned: CallResult | undefined;
  /** strace printed the entry alone: the return comes with a line of its own. */
  open: boolean;
}

/** A place of the joined stream. */
interface Item {
  readonly event: Event;
  /** The partner is not known yet. */
  waiting: boolean;
  partner: Partner | undefined;
  /** Calls of strace alone that come before it. */
  before: SyscallEvent[];
  /** Number of the item in the stream. */
  readonly number: number;
}

/** What one task waits for. */
class TaskJoin {
  /** Events of strace that have no place in the stream yet. */
  readonly strace: SyscallEvent[] = [];
  /** Traced entries of KVM calls without a partner yet. */
  readonly traced: Item[] = [];
  /** The traced call that the task is in. */
  current: Partner | undefined;
  inStep = false;
}

/** Takes the events of the joined stream, in order; `partner` is what strace printed of the same call. */
export type JoinedSink = (event: Event, partner: SyscallEvent | undefined) => void;

/**
 * Joins the calls that strace and a trace both recorded, per task by the sequence of calls: call, descriptor, low 32
 * bits of the command (design, Operations). The trace gives the order; what strace alone recorded keeps its place
 * between the calls of its task. Where only one of them recorded calls, the stream passes as it is.
 */
export class CallJoin {
  private readonly formats: readonly string[];
  private readonly out: JoinedSink;
  private mode: "pass" | "undecided" | "join";
  private readonly held: Event[] = [];
  private queue: Item[] = [];
  private head = 0;
  private count = 0;
  private readonly tasks = new Map<number, TaskJoin>();

  constructor(formats: readonly string[], out: JoinedSink) {
    this.formats = formats;
    this.out = out;
    this.mode = formats.includes("strace") && formats.includes("ftrace") ? "undecided" : "pass";
  }

  /** strace and a trace recorded, but the trace no calls: its lines can't be placed among those of strace. */
  get loose(): boolean {
    return this.mode === "pass" && this.formats.includes("strace") && this.formats.includes("ftrace");
  }

  /** strace and the trace both recorded calls: what the trace has of a call lies inside its lines. */
  get joins(): boolean {
    return this.mode === "join";
  }

  push(event: Event): void {
    switch (this.mode) {
      case "pass":
        if (this.isTracedCall(event) && this.formats.includes("strace")) {
          this.mode = "join";
          this.take(event);
        } else this.out(event, undefined);
        break;
      case "undecided":
        this.held.push(event);
        if (this.isTracedCall(event)) this.start("join");
        else if (this.held.length >= UNDECIDED) this.start("pass");
        break;
      case "join":
        this.take(event);
        break;
    }
  }

  /** The stream ended: what waits finds its place. */
  finish(): void {
    if (this.mode === "undecided") this.start("pass");
    for (const task of this.tasks.values()) {
      this.match(task, true);
      for (const item of task.traced) item.waiting = false;
      task.traced.length = 0;
    }
    for (let i = this.head; i < this.queue.length; i++) {
      const item = this.queue[i];
      if (item === undefined) continue;
      item.waiting = false;
      if (item.partner !== undefined) item.partner.open = false;
    }
    this.release();
    for (const task of this.tasks.values()) {
      for (const event of task.strace) this.out(event, undefined);
      task.strace.length = 0;
    }
  }

  private start(mode: "pass" | "join"): void {
    this.mode = mode;
    const held = this.held.splice(0);
    for (const event of held) this.push(event);
  }

  private take(event: Event): void {
    if (this.isStrace(event)) {
      if (event.kind === "syscall") this.straceCall(event);
      else this.add(event);
    } else if (event.kind === "syscall") this.tracedCall(event);
    else {
      if (event.kind === "gap") for (const task of this.tasks.values()) task.inStep = false;
      this.add(event);
    }
    this.release();
  }

  private straceCall(event: SyscallEvent): void {
    const task = this.task(event.tid);
    if (event.phase === "exit") {
      const open = this.openPartner(task, event);
      if (open !== undefined) {
        open.strace = event;
        open.open = false;
        return;
      }
      // The whole call takes the place of its entry: one event is enough.
      const entered = task.strace.findIndex((other) => other.phase === "enter" && other.name === event.name);
      if (entered >= 0) {
        task.strace[entered] = event;
        return;
      }
    }
    task.strace.push(event);
    this.match(task, false);
    // Out of step, what waits for long has no partner: the clocks are not that far apart.
    const limit = task.inStep || task.traced.length > 0 ? WAITING : SHIFT;
    if (task.strace.length > limit) {
      for (const early of task.strace.splice(0, task.strace.length - limit)) this.add(early);
    }
  }

  /** The partner that a return of strace completes, where its entry found its place already. */
  private openPartner(task: TaskJoin, event: SyscallEvent): Partner | undefined {
    if (task.current?.open === true && task.current.strace?.name === event.name) return task.current;
    for (let i = this.queue.length - 1; i >= this.head; i--) {
      const partner = this.queue[i]?.partner;
      if (partner?.open === true && partner.strace?.tid === event.tid && partner.strace.name === event.name)
        return partner;
    }
    return undefined;
  }

  private tracedCall(event: SyscallEvent): void {
    // strace has the other calls as well, with their strings.
    if (event.name !== "ioctl") return;
    const task = this.task(event.tid);
    if (event.phase === "exit") {
      const item = this.add(event);
      item.partner = task.current;
      if (task.current !== undefined) task.current.returned = event.result;
      task.current = undefined;
      this.match(task, false);
      return;
    }
    task.current = undefined;
    const item = this.add(event);
    if (!isKvmIoctl(event)) return;
    item.waiting = true;
    item.partner = { strace: undefined, returned: undefined, open: false };
    task.current = item.partner;
    task.traced.push(item);
    this.match(task, false);
  }

  private add(event: Event): Item {
    const item: Item = {
      event,
      waiting: false,
      partner: undefined,
      before: [],
      number: this.count++,
    };
    this.queue.push(item);
    return item;
  }

  private task(tid: number): TaskJoin {
    const known = this.tasks.get(tid);
    if (known !== undefined) return known;
    const task = new TaskJoin();
    this.tasks.set(tid, task);
    return task;
  }

  /** Joins what can be joined of a task. `last`: nothing more comes. */
  private match(task: TaskJoin, last: boolean): void {
    for (;;) {
      const calls = candidates(task.strace);
      const [first] = calls;
      const [entry] = task.traced;
      if (first === undefined || entry === undefined) return;
      if (!task.inStep || !fits(first.event, entry.event)) {
        const shift = shiftOf(calls, task.traced, last);
        if (shift === undefined) return;
        const { strace, traced } = shift;
        for (const item of task.traced.splice(0, traced)) item.waiting = false;
        const target = task.traced[0];
        const skipped = task.strace.splice(0, calls[strace]?.at ?? task.strace.length);
        if (target === undefined) for (const call of skipped) this.add(call);
        else target.before.push(...skipped);
        task.inStep = true;
        continue;
      }
      this.link(task, entry, first.event, first.at);
    }
  }

  private link(task: TaskJoin, entry: Item, call: SyscallEvent, at: number): void {
    entry.before.push(...task.strace.splice(0, at));
    task.strace.shift();
    task.traced.shift();
    entry.waiting = false;
    if (entry.partner === undefined) return;
    entry.partner.strace = call;
    entry.partner.open = call.phase === "enter";
  }

  private release(): void {
    for (;;) {
      const item = this.queue[this.head];
      if (item === undefined) break;
      const returns = item.event.kind === "syscall" && item.event.phase === "exit";
      if (item.waiting || (returns && item.partner?.open === true)) {
        if (this.count - item.number < PATIENCE) break;
        this.giveUp(item);
      }
      for (const event of item.before) this.out(event, undefined);
      this.out(item.event, item.partner?.strace);
      this.head++;
    }
    if (this.head > 4096) {
      this.queue = this.queue.slice(this.head);
      this.head = 0;
    }
  }

  private giveUp(item: Item): void {
    item.waiting = false;
    if (item.partner !== undefined) item.partner.open = false;
    const task = this.task(item.event.tid);
    const at = task.traced.indexOf(item);
    if (at >= 0) task.traced.splice(at, 1);
    task.inStep = false;
  }

  private isStrace(event: Event): boolean {
    return this.formats[event.source] === "strace";
  }

  private isTracedCall(event: Event): boolean {
    return event.kind === "syscall" && event.name === "ioctl" && !this.isStrace(event) && isKvmIoctl(event);
  }
}

interface Candidate {
  readonly event: SyscallEvent;
  readonly at: number;
}

/** The KVM calls among the waiting events of strace, at most as many as a shift needs. */
function candidates(strace: readonly SyscallEvent[]): readonly Candidate[] {
  const found: Candidate[] = [];
  for (let at = 0; at < strace.length && found.length < SHIFT + RUN; at++) {
    const event = strace[at];
    if (event?.name === "ioctl" && isKvmIoctl(event)) found.push({ event, at });
  }
  return found;
}

function isKvmIoctl(event: SyscallEvent): boolean {
  const request = requestOf(event.args[1]);
  return request !== undefined && (request === 0 || isKvmRequest(request));
}

/** Whether strace's call and the traced entry are one call. */
function fits(strace: SyscallEvent, traced: Event): boolean {
  if (traced.kind !== "syscall") return false;
  if (descriptorNumber(strace.args[0]) !== descriptorNumber(traced.args[0])) return false;
  const named = requestOf(strace.args[1]);
  return named === 0 || named === requestOf(traced.args[1]);
}

/** Whether the returns that the two recorders printed can be those of one call. An errno may have lost its sign (FMT-2). */
function sameReturn(strace: SyscallEvent, item: Item): boolean {
  const traced = item.partner?.returned;
  const printed = strace.result;
  if (traced === undefined || printed === undefined) return true;
  if (traced.kind === "error") return printed.kind !== "error" || printed.errno === traced.errno;
  if (traced.kind !== "value") return true;
  const value = Number(traced.text);
  if (printed.kind === "value") return Number(printed.text) === value;
  return printed.kind !== "error" || errnoNumber(printed.errno) === value;
}

/** How many calls each recorder has that the other lacks, so that from there on they fit; undefined: not to be told yet. */
function shiftOf(
  calls: readonly Candidate[],
  traced: readonly Item[],
  last: boolean,
): { readonly strace: number; readonly traced: number } | undefined {
  if (runLength(calls, traced, 0, 0) >= RUN) return { strace: 0, traced: 0 };
  // Another shift is only to be looked for where all shifts can be compared.
  if (!last && (calls.length < SHIFT + RUN || traced.length < SHIFT + RUN)) return undefined;
  for (let sum = 0; sum <= SHIFT; sum++) {
    for (let skipped = 0; skipped <= sum; skipped++) {
      const other = sum - skipped;
      if (skipped >= calls.length || other >= traced.length) continue;
      const room = Math.min(calls.length - skipped, traced.length - other);
      if (runLength(calls, traced, skipped, other) >= Math.min(RUN, room)) return { strace: skipped, traced: other };
    }
  }
  return { strace: 1, traced: 1 };
}

function runLength(calls: readonly Candidate[], traced: readonly Item[], from: number, other: number): number {
  let run = 0;
  while (run < RUN) {
    const call = calls[from + run];
    const item = traced[other + run];
    if (call === undefined || item === undefined) break;
    if (!fits(call.event, item.event) || !sameReturn(call.event, item)) break;
    run++;
  }
  return run;
}
