import { errnoName } from "../../event/errno.js";
import { type Event, fieldOf, type ProbeEvent } from "../../event/event.js";
import { parseWord, type Word } from "../../event/word.js";
import type { ObservedResult } from "../operation.js";
import type { DawrCall, HostHcall, Pairing, RunCall, VcpuRef, VmRef } from "./call.js";
import { H_ENTER_NESTED, hcallName, hcallNumber, parseCode } from "./numbers.js";
import { numberField } from "./words.js";

/** A KVM_RUN that a task is in, as its lines show it. */
export interface Run {
  readonly vcpu: VcpuRef;
  last: RunCall["last"];
  failure: string | undefined;
  nested: boolean;
  gap: boolean;
  readonly exits: { reason: string; number: number }[];
}

/** Makes an operation out of a call, its lines and its result. */
export type Emit = (call: DawrCall, name: string, result: ObservedResult, begin: Event, end: Event) => void;

/** The entry of an hcall whose exit is awaited. */
interface Pending {
  readonly event: ProbeEvent;
  readonly vcpu: VcpuRef;
  readonly number: number | undefined;
  readonly args: readonly Word[];
  raced: boolean;
}

const noExit: ObservedResult = { kind: "unknown", reason: "no line of its exit" };

/** Pairs the lines of KVM-HV and KVM-PR per task (FMT-3, ND-8). */
export class HostHcallLines {
  private readonly emit: Emit;
  private readonly pending = new Map<number, Pending>();
  private readonly prPending = new Map<number, Pending>();
  /** Tasks whose next exit may lack its entry: at the begin of the recording and behind lost events. */
  private readonly seen = new Set<number>();

  /** Tasks without calls that were seen to be in user space since their last hcall. */
  private readonly left = new Set<number>();

  constructor(emit: Emit) {
    this.emit = emit;
  }

  /** kvm_userspace_exit of a task whose KVM_RUN was not recorded. */
  exitsUnseen(tid: number): void {
    this.left.add(tid);
  }

  enter(event: ProbeEvent, vcpu: VcpuRef, run: Run | undefined): void {
    const before = this.pending.get(event.tid);
    if (before !== undefined) this.lostExit(before, "no-exit", run);
    this.seen.add(event.tid);
    const printed = fieldOf(event, "hcall");
    this.pending.set(event.tid, {
      event,
      vcpu,
      number: printed === undefined ? undefined : hcallNumber(printed),
      args: registers(event),
      raced: false,
    });
  }

  exit(event: ProbeEvent, vcpu: VcpuRef, run: Run | undefined): void {
    const entry = this.pending.get(event.tid);
    this.pending.delete(event.tid);
    const first = !this.seen.has(event.tid);
    this.seen.add(event.tid);
    const pairing: Pairing = entry !== undefined ? "both" : first ? "excused" : "no-entry";
    const ret = fieldOf(event, "ret");
    const code = parseCode(fieldOf(event, "hcall_rc") ?? "");
    const result: ObservedResult =
      code.name !== undefined ? { kind: "error", errno: code.name } : { kind: "value", value: code.value ?? 0 };
    this.finish(entry, event, entry?.vcpu ?? vcpu, pairing, ret, result, run);
    if (run === undefined) return;
    run.nested = entry?.number === H_ENTER_NESTED;
    run.failure = failureOf(ret);
    run.last = run.failure !== undefined ? "failed" : leftToUser(ret) ? "punt" : "answer";
  }

  /** `kvmppc_h_pr`: its entry has the arguments, its return says who answers. */
  prEnter(event: ProbeEvent, vcpu: VcpuRef): void {
    this.prPending.set(event.tid, {
      event,
      vcpu,
      number: numberField(event, "op"),
      args: registers(event),
      raced: false,
    });
  }

  prExit(event: ProbeEvent, run: Run | undefined): void {
    const entry = this.prPending.get(event.tid);
    if (entry === undefined) return;
    this.prPending.delete(event.tid);
    const rc = Number(fieldOf(event, "rc") ?? "");
    const { vcpu, number, args, raced } = entry;
    const result: ObservedResult = Number.isFinite(rc)
      ? { kind: "value", value: rc }
      : { kind: "unknown", reason: "the return was not printed" };
    const name = `PR hcall ${number === undefined ? "?" : hcallName(number)}`;
    const inRun = run !== undefined;
    this.emit({ kind: "hcall-pr", vcpu, inRun, raced, number, args }, name, result, entry.event, event);
    if (run === undefined) return;
    run.nested = false;
    run.failure = undefined;
    run.last = rc === 2 ? "punt" : "answer";
  }

  /** What a VM's hcalls go by may have changed: of those under way it is not known which side of the change they saw. */
  raced(vm: VmRef): void {
    for (const entry of this.pending.values()) if (entry.vcpu.vm === vm) entry.raced = true;
    for (const entry of this.prPending.values()) if (entry.vcpu.vm === vm) entry.raced = true;
  }

  /** Events were lost: what is open may have ended. */
  lost(): void {
    this.pending.clear();
    this.prPending.clear();
    this.seen.clear();
  }

  finishAll(): void {
    for (const entry of this.pending.values()) this.lostExit(entry, "excused", undefined);
    this.pending.clear();
  }

  private lostExit(entry: Pending, pairing: Pairing, run: Run | undefined): void {
    this.finish(entry, entry.event, entry.vcpu, pairing, undefined, noExit, run);
  }

  private finish(
    entry: Pending | undefined,
    end: ProbeEvent,
    vcpu: VcpuRef,
    pairing: Pairing,
    ret: string | undefined,
    result: ObservedResult,
    run: Run | undefined,
  ): void {
    const number = entry?.number;
    const call: HostHcall = {
      kind: "hcall-host",
      vcpu,
      pairing,
      number,
      args: entry?.args ?? [],
      ret,
      afterPunt: run?.last === "punt",
      inRun: run !== undefined,
      afterExit: this.left.size > 0 && this.left.delete(end.tid),
      raced: entry?.raced === true,
    };
    const printed = entry === undefined ? undefined : fieldOf(entry.event, "hcall");
    const name = `hcall ${printed ?? "(entry not recorded)"}`;
    this.emit(call, name, result, entry?.event ?? end, end);
  }
}

/** The errno of a negative `ret`, with which KVM_RUN fails (INV-10); undefined where it is none. */
export function failureOf(ret: string | undefined): string | undefined {
  if (ret?.startsWith("0xffffffff") !== true) return undefined;
  const word = parseWord(ret);
  if (word === undefined || word.hi !== 0xffffffff || word.lo < 0x80000000) return undefined;
  const errno = -(word.lo | 0);
  return errnoName(errno) ?? String(errno);
}

/** Whether bit 1 of `ret` is set: the lines say that the call went to user space, whatever its answer (HSM-16). */
export function leftToUser(ret: string | undefined): boolean {
  if (ret === "RESUME_HOST" || ret === "RESUME_HOST_NV") return true;
  if (ret === undefined || !ret.startsWith("0x")) return false;
  const word = parseWord(ret);
  return word !== undefined && (word.lo & 2) !== 0;
}

const KEYS = ["gpr4", "gpr5", "gpr6", "gpr7"] as const;

function registers(event: ProbeEvent): readonly Word[] {
  const { fields } = event;
  const words: Word[] = [];
  for (let i = 0; i + 1 < fields.length && words.length < 4; i += 2) {
    if (fields[i] !== KEYS[words.length]) continue;
    const word = parseWord(fields[i + 1] ?? "");
    if (word === undefined) break;
    words.push(word);
  }
  return words;
}
