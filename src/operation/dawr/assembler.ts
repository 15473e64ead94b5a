import type { Event, GapEvent, ProbeEvent, SyscallEvent, TaskExitEvent } from "../../event/event.js";
import { fieldOf } from "../../event/event.js";
import type { ObservedResult, Operation } from "../operation.js";
import type { DawrCall, VcpuRef } from "./call.js";
import { Descriptors } from "./descriptor-calls.js";
import { KvmFiles } from "./files.js";
import { GuestHcallLines } from "./guest-lines.js";
import { HostHcallLines, type Run } from "./hcall-lines.js";
import { InFlight } from "./in-flight.js";
import { commandOf, detailProbes, type IoctlDetails, mayHaveDetails, noDetails, readDetails } from "./ioctl-details.js";
import { IoctlCalls, type OpenIoctl } from "./ioctls.js";
import { CallJoin } from "./join.js";
import { MachineGate } from "./machine-gate.js";
import { foreignRequests, isKvmRequest, KVM_CREATE_VM, KVM_RUN } from "./numbers.js";
import { argumentWord, decorationOf, descriptorNumber, requestOf } from "./request.js";
import { type ErrorSign, plainResult } from "./results.js";

/** What the assembler needs to know of a capture. */
export interface DawrSetting {
  /** Format of each source, by its index. */
  readonly formats: readonly string[];
  /** Machine of the manifest; undefined where it does not say. */
  readonly arch: string | undefined;
}

/** Hcalls and ioctls of this system have no effects of their own: what they do is in their result. */
const noEffects: Operation["effects"] = [];

/** What is known of a task at work. */
class TaskContext {
  ioctl: OpenIoctl | undefined;
  run: Run | undefined;
  /** What lines without a call show. */
  stray: IoctlDetails | undefined;
  strayEvent: ProbeEvent | undefined;
  sign: ErrorSign = "unknown";
}

/**
 * Makes operations out of the merged stream of events: ioctls of KVM with their structures, hcalls as KVM-HV, KVM-PR or
 * the guest's own kernel show them. strace and trace of one run are joined by the sequence of calls. An operation is
 * handed over when its last line was seen, in the order of the trace.
 */
export class DawrAssembler {
  private readonly join: CallJoin;
  private readonly files = new KvmFiles();
  private readonly descriptors = new Descriptors(this.files, (call, name, event) =>
    this.emit(call, name, { kind: "value", value: 0 }, event, event),
  );
  private readonly tasks = new Map<number, TaskContext>();
  private readonly ioctls: IoctlCalls;
  private readonly host: HostHcallLines;
  private readonly guest: GuestHcallLines;
  private readonly inFlight: InFlight;
  private readonly setting: DawrSetting;
  private readonly little: boolean;
  /** strace alone, so that a call is complete with its line. */
  private readonly straceOnly: boolean;
  private readonly gate: MachineGate;
  private sequence = 0;
  private number = 0;

  constructor(setting: DawrSetting, hand: (group: readonly Operation[]) => void) {
    this.setting = setting;
    this.gate = new MachineGate(setting.arch, hand);
    this.little = setting.arch !== "ppc64" && setting.arch !== "powerpc64";
    this.straceOnly = !setting.formats.some((format) => format !== "strace" && format !== "sysfs");
    const emit = this.emit.bind(this);
    this.host = new HostHcallLines(emit);
    this.guest = new GuestHcallLines(emit);
    this.ioctls = new IoctlCalls(this.files, emit, this.little);
    this.inFlight = new InFlight(this.files, this.ioctls, this.host);
    this.join = new CallJoin(setting.formats, (event, partner) => this.take(event, partner));
  }

  /** Takes the next event of the merged stream. */
  push(event: Event): void {
    // CAP-10: requests have other numbers there.
    if (this.gate.elsewhere) return;
    switch (event.kind) {
      case "log":
      case "mark":
      case "environment":
        return;
      default:
        this.join.push(event);
    }
  }

  /** The stream ended: whatever is open has no result. */
  finish(): void {
    this.join.finish();
    for (const [tid, task] of this.tasks) {
      if (task.ioctl !== undefined) this.endIoctl(tid, task, task.ioctl.event);
    }
    this.host.finishAll();
    this.guest.finishAll();
  }

  private take(event: Event, partner: SyscallEvent | undefined): void {
    this.sequence++;
    switch (event.kind) {
      case "syscall":
        if (event.name === "ioctl") this.ioctl(event, partner);
        else this.otherCall(event);
        break;
      case "probe":
        this.probe(event);
        break;
      case "task-exit":
        this.taskExit(event);
        break;
      case "gap":
        this.lost(event);
        break;
      case "log":
      case "mark":
      case "environment":
        break;
    }
  }

  private task(tid: number): TaskContext {
    const known = this.tasks.get(tid);
    if (known !== undefined) return known;
    const task = new TaskContext();
    this.tasks.set(tid, task);
    return task;
  }

  // --- system calls

  private otherCall(event: SyscallEvent): void {
    const task = this.tasks.get(event.tid);
    if (task?.ioctl !== undefined && event.phase !== "exit") this.endIoctl(event.tid, task, event);
    this.descriptors.take(event);
  }

  private taskExit(event: TaskExitEvent): void {
    const task = this.tasks.get(event.tid);
    if (task?.ioctl !== undefined) this.endIoctl(event.tid, task, event);
    this.tasks.delete(event.tid);
    this.descriptors.taskExit(event);
  }

  private ioctl(event: SyscallEvent, partner: SyscallEvent | undefined): void {
    const request = requestOf(event.args[1] ?? partner?.args[1]);
    const task = this.task(event.tid);
    if (event.phase !== "exit" && task.ioctl !== undefined) this.endIoctl(event.tid, task, event);
    if (event.phase === "exit") {
      this.learnSign(task, event);
      const open = task.ioctl;
      if (open !== undefined) {
        if (open.traced === this.isStrace(event)) return;
        if (event.args.length > 0 && requestOf(event.args[1]) !== open.command) return;
        if (event.args.length === 0 && open.traced) return;
        open.exit = event;
        open.partner ??= partner;
        this.endIoctl(event.tid, task, event);
        return;
      }
      if (event.args.length === 0) return;
    }
    if (request === undefined || request === 0 || event.result?.kind === "injected") return;
    const meant = foreignRequests.get(request);
    if (meant !== undefined) {
      if (event.phase !== "exit") this.foreign(event, request, meant);
      return;
    }
    if (!isKvmRequest(request)) return;
    if (event.args[1]?.startsWith("0x") === true && request >= 0x20000000) this.gate.isPowerpc();
    this.begin(event, partner, request, task);
  }

  private begin(event: SyscallEvent, partner: SyscallEvent | undefined, command: number, task: TaskContext): void {
    const whole = event.phase !== "enter";
    const argument = argumentWord(event.args[2]);
    const open: OpenIoctl = {
      event,
      partner,
      exit: whole ? event : undefined,
      command,
      fd: descriptorNumber(event.args[0]),
      decoration: decorationOf(event.args[0]) ?? decorationOf(partner?.args[0]),
      argument,
      argumentName: event.args[2] ?? "",
      traced: !this.isStrace(event),
      details: noDetails(),
      begun: false,
      raced: false,
    };
    if (task.stray?.command === command) {
      open.details = task.stray;
      task.stray = undefined;
    }
    task.ioctl = open;
    if (command === KVM_RUN) this.beginRun(event, task, open);
    if (!whole) this.inFlight.begins(open);
    // A line of strace is the whole call; but what probes show of it may follow.
    if (whole && (this.straceOnly || this.join.loose || !mayHaveDetails(command)))
      this.endIoctl(event.tid, task, event);
  }

  private beginRun(event: SyscallEvent, task: TaskContext, open: OpenIoctl): void {
    const holder = this.files.holder(event.tid, open.fd, open.decoration, "vcpu");
    if (holder.kind !== "vcpu") return;
    task.run = { vcpu: holder.vcpu, last: undefined, failure: undefined, nested: false, gap: false, exits: [] };
    open.run = task.run;
    const { traced } = open;
    this.emit(
      { kind: "kvm-run-begin", vcpu: holder.vcpu, traced },
      "KVM_RUN",
      { kind: "value", value: 0 },
      event,
      event,
    );
  }

  private endIoctl(tid: number, task: TaskContext, end: Event): void {
    const open = task.ioctl;
    if (open === undefined) return;
    task.ioctl = undefined;
    if (open.traced) this.guest.returned(tid);
    this.ioctls.finish(tid, open, task.sign, end);
    if (open.run !== undefined) task.run = undefined;
    this.inFlight.ended(tid, open);
  }

  /** FMT-2: one failure in two's complement, and all of the program's are. */
  private learnSign(task: TaskContext, event: SyscallEvent): void {
    if (event.result?.kind === "error" && !this.isStrace(event)) task.sign = "negative";
  }

  private foreign(event: SyscallEvent, command: number, meant: string): void {
    if (this.setting.arch?.startsWith("p") !== true) return;
    const result = plainResult(event.result) ?? { kind: "unknown", reason: "not looked at" };
    this.emit({ kind: "kvm-foreign-request", command, meant }, `ioctl ${meant}`, result, event, event);
  }

  // --- lines of tracepoints and probes

  private probe(event: ProbeEvent): void {
    switch (event.name) {
      case "hcall_entry":
        this.gate.isPowerpc();
        this.guest.entry(event, this.inCreate(event));
        return;
      case "hcall_exit":
        this.guest.exit(event, this.inCreate(event));
        return;
      case "kvm_hcall_enter":
        this.gate.isPowerpc();
        this.inFlight.announce(event);
        this.host.enter(event, this.vcpuOf(event), this.tasks.get(event.tid)?.run);
        return;
      case "kvm_hcall_exit":
        this.gate.isPowerpc();
        this.inFlight.announce(event);
        this.hostExit(event);
        return;
      case "p_kvmppc_h_pr":
        this.gate.isPowerpc();
        this.inFlight.announce(event);
        this.host.prEnter(event, this.runningVcpu(event.tid));
        return;
      case "r_kvmppc_h_pr":
        this.inFlight.announce(event);
        this.host.prExit(event, this.tasks.get(event.tid)?.run);
        return;
      case "kvm_userspace_exit": {
        const run = this.tasks.get(event.tid)?.run;
        if (run === undefined) this.host.exitsUnseen(event.tid);
        run?.exits.push({
          reason: fieldOf(event, "reason") ?? "",
          number: Number(fieldOf(event, "number") ?? "-1"),
        });
        return;
      }
      case "hset":
      case "pseries_set_dawr":
      case "pseries_disable_reloc_on_exc":
      case "pseries_enable_reloc_on_exc":
      case "pseries_big_endian_exceptions":
        this.guest.announce(event);
        return;
    }
    if (detailProbes.has(event.name)) this.details(event);
  }

  private details(event: ProbeEvent): void {
    if (this.join.loose) return;
    const command = commandOf(event);
    const open = this.tasks.get(event.tid)?.ioctl;
    if (open !== undefined) {
      if (command === undefined || command === open.command) readDetails(event, open.details, this.little);
      return;
    }
    // The entry of its call was lost: it is none of another call.
    if (this.join.joins) return;
    const named = event.name === "vcpu_one_reg" || event.name.endsWith("enable_cap") || event.name === "vcpu_ioctl";
    if (command === undefined || !mayHaveDetails(command) || named) {
      if (command === undefined || !mayHaveDetails(command)) return;
    }
    const task = this.task(event.tid);
    if (task.stray === undefined || task.stray.command !== command) {
      task.stray = noDetails();
      task.stray.command = command;
      task.strayEvent = event;
    }
    readDetails(event, task.stray, this.little);
    if (task.stray.rc !== undefined) this.endStray(event, task, task.stray, command);
  }

  /** A call that only probes recorded. */
  private endStray(event: ProbeEvent, task: TaskContext, details: IoctlDetails, command: number): void {
    task.stray = undefined;
    this.ioctls.finish(
      event.tid,
      {
        event: task.strayEvent ?? event,
        partner: undefined,
        exit: undefined,
        command,
        fd: Number(fieldOf(event, "fd") ?? "-1"),
        decoration: undefined,
        argument: undefined,
        argumentName: "",
        traced: true,
        details,
        begun: false,
        raced: false,
      },
      task.sign,
      event,
    );
  }

  private hostExit(event: ProbeEvent): void {
    const vcpu = this.vcpuOf(event);
    this.host.exit(event, vcpu, this.tasks.get(event.tid)?.run);
    this.inFlight.hcallEnded(vcpu);
  }

  private vcpuOf(event: ProbeEvent): VcpuRef {
    const printed = Number(fieldOf(event, "vcpu") ?? "0");
    const run = this.tasks.get(event.tid)?.run;
    if (run !== undefined && (run.vcpu.number === undefined || run.vcpu.number === printed)) return run.vcpu;
    return this.files.ofTask(event.tid, printed);
  }

  private inCreate(event: ProbeEvent): boolean {
    return this.tasks.get(event.tid)?.ioctl?.command === KVM_CREATE_VM;
  }

  private runningVcpu(tid: number): VcpuRef {
    return this.tasks.get(tid)?.run?.vcpu ?? this.files.ofTask(tid, 0);
  }

  private lost(event: GapEvent): void {
    this.host.lost();
    this.guest.lost(event.cpu);
    for (const task of this.tasks.values()) {
      if (task.run !== undefined) {
        task.run.gap = true;
        task.run.last = undefined;
      }
      if (task.ioctl?.traced === true && task.ioctl.run === undefined) task.ioctl = undefined;
    }
    this.inFlight.lost();
    const call: DawrCall = { kind: "kvm-lost", cpu: event.cpu };
    this.emit(call, "lost events", { kind: "value", value: 0 }, event, event);
  }

  // ---

  private isStrace(event: Event): boolean {
    return this.setting.formats[event.source] === "strace";
  }

  private emit(call: DawrCall, name: string, result: ObservedResult, begin: Event, end: Event): void {
    const operation: Operation = {
      number: ++this.number,
      call,
      name,
      result,
      effects: noEffects,
      event: end,
      tid: begin.tid,
      time: begin.time,
      endTime: end.time,
      begin: this.sequence,
      end: this.sequence,
      gap: false,
      overlapping: false,
    };
    this.gate.pass(operation);
  }
}
