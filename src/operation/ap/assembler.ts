import type { Event, GapEvent, LogEvent, ProbeEvent, SyscallEvent } from "../../event/event.js";
import { Losses } from "../losses.js";
import { beginOperation, type OpenOperation } from "../open-operation.js";
import type { ObservedResult, Operation } from "../operation.js";
import { Overlaps } from "../overlaps.js";
import { ProbePairs } from "../probe-pairs.js";
import { Running } from "../running.js";
import { TaskTable } from "../tasks.js";
import type { ApCall } from "./call.js";
import { canCause, endsBySilence, explainsLog, isStray, named, repeatsLast } from "./causes.js";
import { type ApEffect, bracketKinds } from "./effect.js";
import { decimalField, decodeApEffect, wordField } from "./effect-decode.js";
import type { FileObject } from "./file.js";
import { CrycbLog, decodeRefusal } from "./log-decode.js";
import { hasStructure, readStructure, type Structure, structuredCommand, withStructure } from "./structures.js";
import { type DecodedCall, observedResult, SyscallDecoder } from "./syscalls.js";

/** Structures of tasks whose ioctl never comes are not kept for ever. */
const WAITING_STRUCTURES = 256;

const notRecorded: ObservedResult = { kind: "unknown", reason: "the call was not recorded" };

/**
 * Makes operations out of the merged stream of events: entry and exit paired per task, effects given to the innermost
 * open operation of their task (design, Operations). Hands over groups: operations of one group overlap in time, and
 * everything in an earlier group happened before everything in a later one.
 */
export class ApAssembler {
  private readonly tasks = new TaskTable<FileObject>();
  private readonly syscalls = new SyscallDecoder(this.tasks);
  private readonly pairs = new ProbePairs();
  private readonly overlaps: Overlaps<ApCall>;
  private readonly crycb = new CrycbLog();
  private readonly losses = new Losses();
  private readonly running = new Running<ApCall>();
  /** The latest complete call of each strace source: its next line ends it. */
  private readonly lastComplete: (OpenOperation<ApCall> | undefined)[] = [];
  /** Which of the plain calls each recorder of calls has not printed yet. */
  private readonly unprinted: (Set<string> | undefined)[] = [];
  /** By task: the structure of an ioctl whose line did not come yet. */
  private readonly structures = new Map<number, Structure>();
  private sequence = 0;
  /** Place of the latest probe line. */
  private lastProbe = 0;

  constructor(emit: (group: readonly Operation[]) => void) {
    this.overlaps = new Overlaps(emit, endsBySilence);
  }

  /** Takes the next event of the stream. */
  push(event: Event): void {
    this.sequence++;
    switch (event.kind) {
      case "syscall":
        this.syscall(event);
        break;
      case "probe": {
        this.lastProbe = this.sequence;
        if (event.name === "ioctl_in" || event.name === "ioctl_out") {
          this.structure(event);
          break;
        }
        const probe = this.pairs.join(event);
        if (probe !== undefined) this.probe(probe);
        break;
      }
      case "task-exit":
        this.taskExit(event);
        break;
      case "gap":
        this.gap(event);
        break;
      case "log":
        this.log(event);
        break;
      case "mark":
      case "environment":
        break;
    }
    this.overlaps.advance(this.sequence);
  }

  /** At the end of a loss, what the missing lines may have shown is a happening of its own. */
  private gap(event: GapEvent): void {
    this.overlaps.loss(event.edge);
    this.losses.edge(event, this.sequence);
    if (event.edge === "begin") return;
    const lost = this.start({ call: { kind: "gap" }, name: "lost events" }, event, observedResult(undefined));
    this.close(lost);
  }

  /** The stream ended: whatever is open has no result, and may lack lines that were not recorded any more. */
  finish(): void {
    for (const operation of this.running.all()) {
      if (neverEnded(operation) || operation.end === this.lastProbe) {
        operation.cut = operation.returned ? "call" : "effects";
      }
      this.close(operation);
    }
    this.overlaps.finish();
  }

  // --- system calls

  private syscall(event: SyscallEvent): void {
    this.endPrevious(event.source);
    this.notePrinted(event);
    const task = this.tasks.get(event.tid);
    this.settle(event.tid);
    if (event.result?.kind === "injected") return;
    if (event.phase === "enter") {
      const decoded = this.syscalls.enter(event, task);
      if (decoded !== undefined) this.open(decoded, event, undefined);
      return;
    }
    const decoded = this.syscalls.exit(event, task);
    if (event.phase === "exit") this.returnOf(event, decoded);
    else if (decoded !== undefined) this.complete(event, decoded);
  }

  private notePrinted({ source, name }: SyscallEvent): void {
    const unprinted = this.unprinted[source];
    if (unprinted === undefined) this.unprinted[source] = new Set(plainCalls.filter((call) => call !== name));
    else if (unprinted.size > 0) unprinted.delete(name);
  }

  private complete(event: SyscallEvent, decoded: DecodedCall): void {
    const operation = this.open(decoded, event, event.result);
    operation.returned = true;
    this.lastComplete[event.source] = operation;
  }

  /** A call that was entered before returns: its whole arguments are known now. */
  private returnOf(event: SyscallEvent, decoded: DecodedCall | undefined): void {
    const stack = this.running.on(event.tid);
    const entered = stack.find((operation) => !operation.returned && operation.event.kind === "syscall");
    if (entered === undefined) {
      if (decoded !== undefined) this.complete(event, decoded);
      return;
    }
    if (decoded === undefined) {
      this.drop(entered);
      return;
    }
    const { call } = decoded;
    const isWrite = call.kind === "attribute-write" && !isRemove(call);
    entered.call = isWrite ? { ...call, phase: "whole" } : call;
    entered.name = decoded.name;
    entered.result = observedResult(event.result);
    entered.answer = event;
    entered.end = this.sequence;
    entered.endTime = event.time;
    entered.returned = true;
  }

  private open(decoded: DecodedCall, event: Event, result: SyscallEvent["result"]): OpenOperation<ApCall> {
    if (result === undefined && decoded.call.kind === "attribute-write" && isRemove(decoded.call)) {
      // MDEV-4: a remove may wait for minutes; that it began is a happening of its own.
      const begin = this.start(decoded, event, observedResult(undefined));
      this.close(begin);
      return this.start({ ...decoded, call: { ...decoded.call, phase: "end" } }, event, observedResult(undefined));
    }
    const { call } = decoded;
    const begun = call.kind === "attribute-write" && call.phase === "begin";
    const whole: DecodedCall = begun ? { ...decoded, call: { ...call, phase: "whole" } } : decoded;
    return this.start(whole, event, observedResult(result));
  }

  private start(decoded: DecodedCall, event: Event, result: ObservedResult): OpenOperation<ApCall> {
    const operation = beginOperation(decoded.call, decoded.name, event, result, this.sequence);
    this.running.add(operation);
    this.overlaps.add(operation);
    const early = this.structures.size === 0 ? undefined : this.structures.get(event.tid);
    if (early !== undefined && early.command === structuredCommand(operation.call)) {
      operation.call = withStructure(operation.call, early);
      this.structures.delete(event.tid);
    }
    return operation;
  }

  /** The structure of an ioctl: of the one that runs on the task, or of the next one, whose line comes later. */
  private structure(event: ProbeEvent): void {
    const seen = readStructure(event);
    if (seen === undefined) return;
    const stack = this.running.on(event.tid);
    const operation = stack.findLast(({ call }) => structuredCommand(call) === seen.command);
    if (operation !== undefined && (seen.before === undefined || !hasStructure(operation.call))) {
      operation.call = withStructure(operation.call, seen);
      return;
    }
    if (this.structures.size >= WAITING_STRUCTURES) this.structures.clear();
    const known = this.structures.get(event.tid);
    const joined = seen.after !== undefined && known?.command === seen.command;
    this.structures.set(event.tid, joined ? { ...known, after: seen.after } : seen);
  }

  /** A line of strace: the call that the same file printed complete before it has ended (capture-formats h). */
  private endPrevious(source: number): void {
    const previous = this.lastComplete[source];
    if (previous === undefined) return;
    this.lastComplete[source] = undefined;
    if (previous.end < this.sequence - 1) {
      previous.last = previous.end;
      previous.end = this.sequence - 1;
    }
    this.close(previous);
  }

  /** The next line of a task: what had returned on it is over. */
  private settle(tid: number): void {
    const stack = this.running.on(tid);
    for (let i = stack.length - 1; i >= 0; i--) {
      const operation = stack[i];
      if (operation?.returned === true || operation?.call.kind === "unrecorded") this.close(operation);
    }
  }

  private close(operation: OpenOperation<ApCall>): void {
    operation.complete = true;
    this.running.remove(operation);
  }

  private drop(operation: OpenOperation<ApCall>): void {
    this.close(operation);
    this.overlaps.remove(operation);
  }

  private taskExit(event: Event): void {
    this.endPrevious(event.source);
    const stack = this.running.on(event.tid);
    // Effects of an exit come before its line where exit_group itself was not recorded: they stand in an unrecorded call.
    const effects = stack.find((operation) => operation.call.kind === "unrecorded");
    const decoded = this.tasks.has(event.tid) ? this.syscalls.taskExit(this.tasks.get(event.tid)) : undefined;
    if (decoded !== undefined && effects !== undefined) {
      effects.call = decoded.call;
      effects.name = decoded.name;
      effects.event = event;
      effects.end = this.sequence;
    } else if (decoded !== undefined) {
      this.start(decoded, event, { kind: "value", value: 0 });
    }
    for (const operation of [...this.running.on(event.tid)]) this.close(operation);
    this.running.forget(event.tid);
  }

  // --- the debug log

  /**
   * A line of the debug log names no task: it belongs to the one running operation that can have caused it, the one whose
   * probe line it repeats where there are several. Where that is not clear, it is left out.
   */
  private log(event: LogEvent): void {
    const effect = event.area === "vfio_ap" ? decodeRefusal(event.message) : this.crycb.take(event);
    if (effect === undefined) return;
    const owner = this.causeOf(effect);
    owner?.effects.push({ effect, event, bracket: true, hint: true });
  }

  private causeOf(effect: ApEffect): OpenOperation<ApCall> | undefined {
    const candidates: OpenOperation<ApCall>[] = [];
    for (const operation of this.running.all()) if (explainsLog(operation, effect)) candidates.push(operation);
    const repeated = candidates.filter((operation) => repeatsLast(operation, effect));
    const [only] = repeated.length > 0 ? repeated : candidates;
    return repeated.length > 1 || (repeated.length === 0 && candidates.length > 1) ? undefined : only;
  }

  // --- probes

  private probe(event: ProbeEvent): void {
    switch (event.name) {
      case "pqap_entry":
        this.pqapEntry(event);
        return;
      case "pqap_exit":
        this.pqapExit(event);
        return;
      default:
        this.effect(event);
    }
  }

  private pqapEntry(event: ProbeEvent): void {
    this.settle(event.tid);
    // A CPU runs one instruction after the other: one whose exit is not recorded has ended.
    const stack = this.running.on(event.tid);
    for (let i = stack.length - 1; i >= 0; i--) {
      const earlier = stack[i];
      if (earlier?.call.kind === "pqap") this.close(earlier);
    }
    const gr0 = wordField(event, "gr0");
    const gr1 = wordField(event, "gr1");
    const gr2 = wordField(event, "gr2");
    if (gr0 === undefined || gr1 === undefined || gr2 === undefined) return;
    const pstate = decimalField(event, "pstate");
    const call: ApCall = {
      kind: "pqap",
      vcpu: decimalField(event, "vcpu") ?? -1,
      tid: event.tid,
      gr0,
      gr1,
      gr2,
      problemState: pstate === undefined ? undefined : pstate !== 0,
      ccBefore: decimalField(event, "cc"),
      eca: wordField(event, "eca"),
      exit: undefined,
    };
    this.start({ call, name: "PQAP" }, event, notRecorded);
  }

  private pqapExit(event: ProbeEvent): void {
    const stack = this.running.on(event.tid);
    const operation = stack.findLast((candidate) => candidate.call.kind === "pqap");
    const rc = decimalField(event, "rc");
    const gr1 = wordField(event, "gr1");
    const cc = decimalField(event, "cc");
    if (operation?.call.kind !== "pqap") return;
    if (rc !== undefined && gr1 !== undefined && cc !== undefined && this.isExitOf(operation, event)) {
      operation.call = { ...operation.call, exit: { rc, gr1, cc, pgm: decimalField(event, "pgm") } };
      operation.result = { kind: "value", value: rc };
      operation.answer = event;
    }
    operation.end = this.sequence;
    operation.endTime = event.time;
    this.close(operation);
  }

  /** Where lines of its CPU were lost since the entry, the exit can be that of another instruction, whose entry was lost. */
  private isExitOf(operation: OpenOperation<ApCall>, exit: ProbeEvent): boolean {
    if (!operation.gap || operation.event.kind !== "probe") return !operation.gap;
    return operation.event.cpu === exit.cpu && !this.losses.since(operation.begin, exit.cpu);
  }

  private effect(event: ProbeEvent): void {
    const effect = decodeApEffect(event);
    if (effect === undefined) return;
    const operation = this.ownerOf(effect, event);
    operation.effects.push({ effect, event, bracket: bracketKinds.has(effect.kind) });
    operation.end = this.sequence;
    operation.endTime = event.time;
  }

  /**
   * Whether the task is in that call and no other: it has not returned, or it was printed complete by a recorder that
   * leaves no call out, so that the next one would have been printed too.
   */
  private isWithin(operation: OpenOperation<ApCall>): boolean {
    if (!operation.returned) return true;
    return this.unprinted[operation.event.source]?.size === 0;
  }

  /** The innermost operation of the task that can cause the effect; an unrecorded call where there is none. */
  private ownerOf(effect: ApEffect, event: ProbeEvent): OpenOperation<ApCall> {
    const stack = this.running.on(event.tid);
    for (let i = stack.length - 1; i >= 0; i--) {
      const operation = stack[i];
      if (operation === undefined) continue;
      if (operation.complete || isLongPast(operation, event)) {
        // The silence after it ended it: what follows is another call.
        this.close(operation);
        continue;
      }
      // What follows a stray effect is of the same call, if that was one that is not printed any more.
      if (canCause(operation, effect) || operation.stray === true) return operation;
      if (named(operation, effect)) {
        const decoded = unrecordedCall(effect);
        operation.call = decoded.call;
        operation.name = decoded.name;
        return operation;
      }
      if (isStray(operation, effect) && this.isWithin(operation)) {
        operation.stray = true;
        return operation;
      }
      if (operation.returned || !isCallOfTask(operation)) this.close(operation);
    }
    return this.start(unrecordedCall(effect), event, notRecorded);
  }
}

/** Whether the line that ends an operation has not come: that of an instruction's exit, or of a scan's end. */
function neverEnded({ call, effects }: OpenOperation<ApCall>): boolean {
  if (call.kind === "scan") return !effects.some(({ effect }) => effect.kind === "scan_complete");
  return call.kind === "pqap";
}

/** The calls that have effects: a strace without a filter prints them sooner or later. */
const plainCalls = ["openat", "write", "ioctl", "close"];

function isRemove(call: ApCall & { kind: "attribute-write" }): boolean {
  return call.attribute.on === "mdev" && call.attribute.name === "remove";
}

/** A call that stays open until it returns, whatever else the task does in it. */
function isCallOfTask(operation: OpenOperation<ApCall>): boolean {
  return operation.event.kind === "syscall" || operation.call.kind === "pqap";
}

/** The operation that an effect without a call begins: a worker's scan, a queue that came or went, or a call that nobody recorded. */
function unrecordedCall(effect: ApEffect): DecodedCall {
  switch (effect.kind) {
    case "cfg_changed":
    case "scan_complete":
      return { call: { kind: "scan" }, name: "AP configuration change" };
    case "queue_probe":
      return { call: { kind: "queue-probe", apqn: effect.apqn }, name: "queue probe" };
    case "queue_remove":
      return { call: { kind: "queue-remove", apqn: effect.apqn }, name: "queue remove" };
    default:
      return { call: { kind: "unrecorded" }, name: "unrecorded call" };
  }
}

/** A pause that is longer than any wait of the driver (20 ms between two tries), in nanoseconds. */
const PAUSE = 100_000_000;

/** Nothing shows where a call that nobody recorded ends: a silence of its task does. */
function isLongPast(operation: OpenOperation<ApCall>, { time }: Event): boolean {
  const { endTime } = operation;
  if (endTime === undefined || time === undefined || operation.returned || !endsBySilence(operation)) return false;
  return (time.seconds - endTime.seconds) * 1e9 + time.nanos - endTime.nanos > PAUSE;
}
