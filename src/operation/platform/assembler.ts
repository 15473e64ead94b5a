import type { CallResult, Event, GapEvent, ProbeEvent, SyscallEvent } from "../../event/event.js";
import { fieldOf } from "../../event/event.js";
import { beginOperation, type OpenOperation } from "../open-operation.js";
import type { ObservedResult, Operation } from "../operation.js";
import { Overlaps } from "../overlaps.js";
import { TaskTable } from "../tasks.js";
import type { InputNote } from "./arguments.js";
import type { Argument, PlatformCall } from "./call.js";
import type { DecodedCall } from "./decoded.js";
import type { PlatformFile } from "./file.js";
import { afterOf, joined, withAfter } from "./halves.js";
import { type Note, noteOf } from "./notes.js";
import { ProbePairing } from "./probe-pairing.js";
import { lacksHeader } from "./probe-records.js";
import { probedCall } from "./probed-call.js";
import { bytesField, ioctlInput, type ProbedIoctl, returnField, setIrqsInput } from "./probes.js";
import { requestNumbered, requestOf } from "./requests.js";
import { observedResult, resultOfNote, resultOfReturn } from "./results.js";
import { SyscallDecoder } from "./syscalls.js";
import { newTaskState, type TaskState } from "./task-state.js";

type Open = OpenOperation<PlatformCall>;

/** Which recorders ran, as the sources of the capture tell. */
export interface PlatformRecorders {
  /** Sources (by number) whose system calls count; all where it is undefined. Others show the same calls once more. */
  readonly callSources: ReadonlySet<number> | undefined;
  /** Several sources show calls: a line of one says nothing about when a call of another ended. */
  readonly severalSources: boolean;
  /** Probes ioctl_in or set_irqs ran: structures come from them. */
  readonly structures: boolean;
}

/**
 * Makes operations out of the merged stream of events: calls with the argument notes before and after them, probe lines
 * given to the calls that they belong to by task and sequence (design, Operations).
 */
export class PlatformAssembler {
  private readonly tasks = new TaskTable<PlatformFile>();
  private readonly syscalls = new SyscallDecoder(this.tasks);
  private readonly overlaps: Overlaps<PlatformCall>;
  private readonly states = new Map<number, TaskState>();
  private readonly lastComplete = new Map<number, Open>();
  private readonly recorders: PlatformRecorders;
  private readonly pairs: ProbePairing;
  private sequence = 0;
  private noted = false;

  constructor(emit: (group: readonly Operation[]) => void, recorders: PlatformRecorders) {
    this.overlaps = new Overlaps(emit, (operation) => operation.returned);
    this.recorders = recorders;
    this.pairs = new ProbePairing(recorders.structures, (operation, argument) => this.give(operation, argument));
  }

  /** Argument notes, groups without IOMMU, and the drivers' own files belong to no other system. */
  get evident(): boolean {
    return this.noted || this.syscalls.platformSeen;
  }

  /** Takes the next event of the stream. */
  push(event: Event): void {
    this.sequence++;
    switch (event.kind) {
      case "syscall":
        if (this.recorders.callSources?.has(event.source) !== false) this.syscall(event);
        break;
      case "probe":
        this.probe(event);
        break;
      case "task-exit":
        this.taskExit(event);
        break;
      case "gap":
        this.gap(event);
        break;
      case "log":
      case "mark":
      case "environment":
        break;
    }
    this.overlaps.advance(this.sequence);
  }

  /** Lost lines of a source of system calls: anything may have been called meanwhile. */
  private gap(event: GapEvent): void {
    this.overlaps.loss(event.edge);
    if (event.edge !== "begin" && this.recorders.callSources?.has(event.source) !== false) {
      this.syscalls.descriptors.doubtAll();
      this.happening({ kind: "platform-gap" }, "lost events", event);
    }
  }

  /** The stream ended: whatever is open has no result. */
  finish(): void {
    for (const state of this.states.values()) this.pairs.end(state);
    this.overlaps.finish();
  }

  // --- system calls

  private syscall(event: SyscallEvent): void {
    if (this.recorders.severalSources) this.endPrevious(event.source);
    const state = this.stateOf(event.tid);
    if (event.name === "write") {
      const note = noteOf(event.args[1] ?? "");
      if (note !== undefined) {
        if (event.phase !== "enter") this.note(note, event, state);
        return;
      }
    }
    if (event.phase === "enter") {
      this.settle(state);
      this.enter(event, state);
      return;
    }
    if (event.phase === "exit") {
      this.returnOf(event, state);
      return;
    }
    this.settle(state);
    if (event.result?.kind === "injected") return;
    const decoded = this.syscalls.exit(event, this.tasks.get(event.tid), this.inputFor(event, state));
    if (decoded !== undefined) this.begin(decoded, event, state, event.result);
  }

  private enter(event: SyscallEvent, state: TaskState): void {
    const input = this.inputFor(event, state);
    const decoded = this.syscalls.enter(event, this.tasks.get(event.tid), input);
    if (decoded === undefined) {
      // Its arguments may come with its return.
      if (event.name === "ioctl") state.input = input;
      return;
    }
    const operation = this.start(decoded, event, { kind: "unknown", reason: "the call did not return" });
    state.running = operation;
    state.seq = input?.seq;
    if (decoded.call.kind === "vfio-ioctl") this.pairs.expect(operation, state);
  }

  /** A call that was entered before returns: its whole arguments are known now. */
  private returnOf(event: SyscallEvent, state: TaskState): void {
    const entered = state.running;
    const matches = entered !== undefined && !entered.returned && isCallOf(entered, event.name);
    if (event.result?.kind === "injected") {
      if (matches) this.drop(entered, state);
      return;
    }
    const input = matches ? undefined : this.inputFor(event, state);
    const decoded = this.syscalls.exit(event, this.tasks.get(event.tid), input);
    if (!matches) {
      this.settle(state);
      if (decoded !== undefined) this.begin(decoded, event, state, event.result);
      return;
    }
    if (decoded === undefined) {
      this.drop(entered, state);
      return;
    }
    entered.call = joined(entered.call, decoded.call);
    entered.name = decoded.name;
    entered.result = observedResult(event.result);
    entered.end = this.sequence;
    entered.endTime = event.time;
    entered.returned = true;
    if (!awaitsMore(entered)) this.close(entered, state);
  }

  private begin(decoded: DecodedCall, event: SyscallEvent, state: TaskState, result: CallResult | undefined): void {
    const operation = this.start(decoded, event, observedResult(result));
    operation.returned = true;
    if (this.recorders.severalSources) this.lastComplete.set(event.source, operation);
    state.running = operation;
    if (decoded.call.kind === "vfio-ioctl") this.pairs.expect(operation, state);
    if (!awaitsMore(operation) && !this.recorders.severalSources) this.close(operation, state);
  }

  /** The note that belongs to an ioctl: the one that its task wrote before it, for the same command. */
  private inputFor(event: SyscallEvent, state: TaskState): InputNote | undefined {
    const { input } = state;
    if (input === undefined) return undefined;
    state.input = undefined;
    if (event.name !== "ioctl") return undefined;
    state.seq = input.seq;
    state.hex = input.hex;
    return requestNumbered(input.command).number === requestOf(event.args[1] ?? "").number ? input : undefined;
  }

  private start(decoded: DecodedCall, event: Event, result: ObservedResult): Open {
    const operation = beginOperation(decoded.call, decoded.name, event, result, this.sequence);
    this.overlaps.add(operation);
    return operation;
  }

  /** A line of the same source: the call that it printed complete before has ended (capture-formats h). */
  private endPrevious(source: number): void {
    const previous = this.lastComplete.get(source);
    if (previous === undefined) return;
    this.lastComplete.delete(source);
    if (previous.end < this.sequence - 1 && !previous.complete) previous.end = this.sequence - 1;
  }

  /** The next line of a task: what had returned on it is over. */
  private settle(state: TaskState): void {
    const { running } = state;
    if (running?.returned !== true) return;
    state.seq = undefined;
    this.close(running, state);
  }

  private close(operation: Open, state: TaskState): void {
    if (state.running === operation) state.running = undefined;
    // Its probe lines may still come.
    if (this.recorders.structures && state.waiting.includes(operation)) return;
    operation.complete = true;
  }

  private drop(operation: Open, state: TaskState): void {
    if (state.running === operation) state.running = undefined;
    operation.complete = true;
    this.overlaps.remove(operation);
  }

  private taskExit(event: Event): void {
    if (this.recorders.severalSources) this.endPrevious(event.source);
    const state = this.stateOf(event.tid);
    const { running } = state;
    state.running = undefined;
    if (running !== undefined) running.complete = true;
    this.pairs.end(state);
    for (const waiting of state.waiting) waiting.complete = true;
    this.states.delete(event.tid);
    if (!this.tasks.has(event.tid)) return;
    const decoded = this.syscalls.taskExit(this.tasks.get(event.tid));
    if (decoded === undefined) return;
    const operation = this.start(decoded, event, { kind: "unknown", reason: "the end of a process has no result" });
    operation.complete = true;
  }

  // --- notes

  private note(note: Note, event: SyscallEvent, state: TaskState): void {
    this.noted = true;
    if (note.kind === "out") {
      const { running } = state;
      const belongs = running?.returned === true && state.seq !== undefined && state.seq === note.seq;
      if (belongs && running.call.kind === "vfio-ioctl") {
        const after = note.hex === undefined ? undefined : afterOf(note.hex, state, running.call.argument);
        if (after !== undefined) running.call = withAfter(running.call, after);
        if (running.result.kind === "unknown") running.result = resultOfNote(note.result, note.errno) ?? running.result;
      }
      this.settle(state);
      return;
    }
    this.settle(state);
    switch (note.kind) {
      case "in":
        state.input = note;
        break;
      case "hardware": {
        const { index, vector } = note;
        this.happening({ kind: "hardware", index, vector, state: note.state }, "hardware line", event);
        break;
      }
      case "environment":
        this.happening({ kind: "platform-note", values: note.values }, "note", event);
        break;
      case "other":
        break;
    }
  }

  private happening(call: PlatformCall, name: string, event: Event): void {
    const operation = this.start({ call, name }, event, { kind: "value", value: 0 });
    operation.returned = true;
    operation.complete = true;
  }

  // --- probes

  private probe(event: ProbeEvent): void {
    switch (event.name) {
      case "ioctl_in":
        this.structure(event, ioctlInput(event));
        break;
      case "set_irqs":
      case "set_irqs_in":
        this.structure(event, setIrqsInput(event));
        break;
      case "ioctl_out":
      case "set_irqs_out":
        this.structureAfter(event);
        break;
      case "irq_handler_entry":
        if (fieldOf(event, "name")?.includes("vfio") === true) {
          this.happening({ kind: "platform-note", values: new Map([["hw", "active"]]) }, "interrupt", event);
        }
        break;
    }
  }

  private structure(event: ProbeEvent, probed: ProbedIoctl | undefined): void {
    if (probed === undefined) return;
    const state = this.stateOf(event.tid);
    const whole = event.name === "ioctl_in";
    if (state.calls || this.recorders.callSources !== undefined) {
      this.pairs.take(probed, whole, state);
      return;
    }
    const merged = state.probed;
    // set_irqs lies inside the ioctl that ioctl_in showed; after another set_irqs it is that of the next call.
    const inside = !whole && merged?.complete === false && !shownBySetIrqs(merged);
    if (inside && merged.call.kind === "vfio-ioctl") {
      if (lacksHeader(merged.call.argument)) this.give(merged, probed.argument);
      return;
    }
    this.settle(state);
    // The next call of the task: the one before is over, whether its return was recorded or not.
    if (state.running !== undefined) state.running.complete = true;
    const decoded = probedCall(probed, this.syscalls, this.tasks.get(event.tid));
    const operation = this.start(decoded, event, { kind: "unknown", reason: "the call did not return" });
    state.running = operation;
    state.probed = operation;
  }

  private structureAfter(event: ProbeEvent): void {
    const state = this.stateOf(event.tid);
    if (state.record !== undefined) {
      this.pairs.takeAfter(event, state.record, state);
      return;
    }
    const after = bytesField(event);
    const operation = state.probed;
    if (operation?.call.kind !== "vfio-ioctl") return;
    if (after !== undefined) operation.call = withAfter(operation.call, after);
    if (operation.result.kind === "unknown") {
      const rc = returnField(event);
      if (rc !== undefined) operation.result = resultOfReturn(rc);
    }
    // Of a call that ioctl_in showed, ioctl_out is still to come.
    if (event.name === "set_irqs_out" && !shownBySetIrqs(operation)) return;
    state.probed = undefined;
    if (operation.event.kind === "probe") {
      operation.returned = true;
      operation.end = this.sequence;
      operation.endTime = event.time;
    }
    if (operation.returned && state.running !== operation) operation.complete = true;
    else if (operation.event.kind === "probe") this.close(operation, state);
  }

  private give(operation: Open, argument: Argument): void {
    if (operation.call.kind !== "vfio-ioctl" || operation.call.argument.kind === "bad") return;
    operation.call = this.syscalls.withArgument(operation.call, argument, this.tasks.get(operation.tid));
  }

  private stateOf(tid: number): TaskState {
    const known = this.states.get(tid);
    if (known !== undefined) return known;
    const state = newTaskState();
    this.states.set(tid, state);
    return state;
  }
}

/** A call that came back may still get a note or a probe line about what it wrote. */
function awaitsMore(operation: Open): boolean {
  return operation.call.kind === "vfio-ioctl";
}

/** Whether nothing but set_irqs shows the structure: it prints the header's fields alone. */
function shownBySetIrqs({ call }: Open): boolean {
  return call.kind === "vfio-ioctl" && call.argument.kind === "header";
}

function isCallOf(operation: Open, name: string): boolean {
  return operation.event.kind === "syscall" && operation.event.name === name;
}
