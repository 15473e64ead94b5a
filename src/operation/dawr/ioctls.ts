import { errnoName } from "../../event/errno.js";
import type { Event, SyscallEvent } from "../../event/event.js";
import { type Word, wordOf } from "../../event/word.js";
import type { ObservedResult } from "../operation.js";
import type { CapRequest, Holder, Pointer, VcpuRef } from "./call.js";
import type { KvmFiles } from "./files.js";
import type { Emit, Run } from "./hcall-lines.js";
import type { IoctlDetails } from "./ioctl-details.js";
import {
  capabilityNumber,
  KVM_CHECK_EXTENSION,
  KVM_CREATE_VCPU,
  KVM_CREATE_VM,
  KVM_ENABLE_CAP,
  KVM_GET_ONE_REG,
  KVM_GET_REGS,
  KVM_RUN,
  KVM_SET_ONE_REG,
  KVM_SET_REGS,
} from "./numbers.js";
import { type ErrorSign, type IoctlResult, ioctlResult } from "./results.js";

/** An ioctl of KVM that a task is in. */
export interface OpenIoctl {
  readonly event: Event;
  /** The same call as strace has it. */
  partner: SyscallEvent | undefined;
  exit: SyscallEvent | undefined;
  readonly command: number;
  readonly fd: number;
  readonly decoration: string | undefined;
  /** The third argument. */
  readonly argument: Word | undefined;
  readonly argumentName: string;
  /** Recorded by the kernel: entry and return are two lines. */
  readonly traced: boolean;
  details: IoctlDetails;
  run?: Run;
  /** That it is on its way was told. */
  begun: boolean;
  /** An hcall of its vCPU ended meanwhile. */
  raced: boolean;
}

/** Makes operations out of ioctls of KVM. */
export class IoctlCalls {
  private readonly files: KvmFiles;
  private readonly emit: Emit;
  private readonly little: boolean;

  /** `little`: the recorded machine is little-endian. */
  constructor(files: KvmFiles, emit: Emit, little: boolean) {
    this.files = files;
    this.emit = emit;
    this.little = little;
  }

  /** A KVM_ENABLE_CAP is on its way. */
  begin(tid: number, open: OpenIoctl): void {
    const call = {
      kind: "kvm-enable-cap",
      phase: "begin",
      on: this.holderOf(tid, open),
      request: open.details.request,
      ...this.capMemory(tid, open, undefined),
      ...noDoubt,
    } as const;
    this.emit(call, "ioctl KVM_ENABLE_CAP", { kind: "unknown", reason: "on its way" }, open.event, open.event);
  }

  /** The call returned, or nothing more is recorded of it. */
  finish(tid: number, open: OpenIoctl, sign: ErrorSign, end: Event): void {
    const observed = this.resultOf(open, sign);
    const line = open.exit ?? (open.event.kind === "syscall" ? open.event : end);
    switch (open.command) {
      case KVM_CREATE_VM:
        this.createVm(tid, open, observed, line);
        break;
      case KVM_CREATE_VCPU:
        this.createVcpu(tid, open, observed, line);
        break;
      case KVM_CHECK_EXTENSION:
        this.checkExtension(tid, open, observed, line);
        break;
      case KVM_ENABLE_CAP:
        this.enableCap(tid, open, observed, line);
        break;
      case KVM_GET_ONE_REG:
      case KVM_SET_ONE_REG:
        this.oneReg(tid, open, observed, line);
        break;
      case KVM_GET_REGS:
      case KVM_SET_REGS:
        this.registers(tid, open, observed, line);
        break;
      case KVM_RUN:
        this.run(open, observed, line);
        break;
    }
  }

  private resultOf(open: OpenIoctl, sign: ErrorSign): IoctlResult {
    const { exit, details, command, partner } = open;
    if (!open.traced) return ioctlResult(command, undefined, exit?.result, sign);
    if (exit !== undefined || partner !== undefined) return ioctlResult(command, exit?.result, partner?.result, sign);
    if (details.rc === undefined) return ioctlResult(command, undefined, undefined, sign);
    return { result: kernelResult(details.rc), ...noDoubt };
  }

  private createVm(tid: number, open: OpenIoctl, observed: IoctlResult, end: Event): void {
    this.files.holder(tid, open.fd, open.decoration, "kvm");
    const fd = descriptorOf(observed);
    const vm = fd === undefined ? undefined : this.files.createVm(tid, fd);
    if (fd === undefined) this.mayBeMade(tid, observed);
    const { result, ambiguous, contradiction } = observed;
    this.emit(
      { kind: "kvm-create-vm", type: open.argument, vm, traced: wholeInTrace(open), ambiguous, contradiction },
      "ioctl KVM_CREATE_VM",
      result,
      open.event,
      end,
    );
  }

  private createVcpu(tid: number, open: OpenIoctl, observed: IoctlResult, end: Event): void {
    const holder = this.files.holder(tid, open.fd, open.decoration, "vm");
    const fd = descriptorOf(observed);
    if (fd === undefined) this.mayBeMade(tid, observed);
    if (fd === undefined || holder.kind !== "vm") return;
    const vcpu = this.files.createVcpu(tid, fd, holder.vm, open.argument?.lo);
    this.emit({ kind: "kvm-create-vcpu", vcpu }, "ioctl KVM_CREATE_VCPU", observed.result, open.event, end);
  }

  /** A descriptor may have come that was not recorded: a number that it may be does not tell any more what it stands for. */
  private mayBeMade(tid: number, { result, ambiguous }: IoctlResult): void {
    if (result.kind === "unknown") this.files.mayBeAnother(tid, ambiguous);
  }

  private checkExtension(tid: number, open: OpenIoctl, observed: IoctlResult, end: Event): void {
    const { result, ambiguous, contradiction } = observed;
    const on = this.files.holder(tid, open.fd, open.decoration, undefined);
    const word = open.argument;
    const number =
      word === undefined ? capabilityNumber(open.argumentName) : word.hi === 0 ? word.lo : Number.MAX_SAFE_INTEGER;
    this.emit(
      {
        kind: "kvm-check-extension",
        on,
        number,
        hook: open.details.hook,
        hookEvent: open.details.hookEvent,
        owner: on.kind === "vm" ? this.files.owns(tid, on.vm) : undefined,
        ambiguous,
        contradiction,
      },
      "ioctl KVM_CHECK_EXTENSION",
      result,
      open.event,
      end,
    );
  }

  private enableCap(tid: number, open: OpenIoctl, observed: IoctlResult, end: Event): void {
    const { result, ambiguous, contradiction } = observed;
    const failed = result.kind === "error" && result.errno === "EFAULT";
    const memory = this.capMemory(tid, open, result);
    // probes.md: what could not be read shows an earlier line's bytes.
    const stale = memory.pointer === "bad" || (failed && memory.pointer !== "good");
    const request: CapRequest | undefined = stale ? undefined : open.details.request;
    this.emit(
      {
        kind: "kvm-enable-cap",
        phase: "whole",
        on: this.holderOf(tid, open),
        request,
        ...memory,
        ambiguous,
        contradiction,
      },
      "ioctl KVM_ENABLE_CAP",
      result,
      open.event,
      end,
    );
  }

  private capMemory(
    tid: number,
    open: OpenIoctl,
    result: ObservedResult | undefined,
  ): {
    pointer: Pointer;
    hook: number | undefined;
    hookEvent: Event | undefined;
    address: string | undefined;
    owner: boolean | undefined;
  } {
    const pointer = this.pointer(tid, open.argument);
    if (result?.kind === "value") this.remember(tid, open.argument);
    const holder = this.holderOf(tid, open);
    const vm = holder.kind === "vm" ? holder.vm : holder.kind === "vcpu" ? holder.vcpu.vm : undefined;
    const owner = vm === undefined ? undefined : this.files.owns(tid, vm);
    return {
      pointer,
      hook: open.details.hook,
      hookEvent: open.details.hookEvent,
      address: open.details.hookAddress,
      owner,
    };
  }

  private oneReg(tid: number, open: OpenIoctl, observed: IoctlResult, end: Event): void {
    const { result, ambiguous, contradiction } = observed;
    const { details } = open;
    const direction = open.command === KVM_GET_ONE_REG ? "get" : "set";
    const holder = this.files.holder(tid, open.fd, open.decoration, "vcpu");
    const vcpu = this.vcpuOf(holder, tid);
    const pointer = this.pointer(tid, open.argument);
    const failed = result.kind === "error" && result.errno === "EFAULT";
    const stale = pointer === "bad" || (failed && pointer !== "good");
    const target = stale ? "unknown" : this.pointer(tid, details.address);
    if (result.kind === "value") {
      this.remember(tid, open.argument);
      this.remember(tid, details.address);
    }
    const id = stale ? undefined : details.id;
    const value =
      direction === "get"
        ? this.sized(details.returned, id)
        : target === "bad"
          ? undefined
          : this.sized(details.before, id);
    const owner = vcpu === undefined ? undefined : this.files.owns(tid, vcpu.vm);
    this.emit(
      {
        kind: "kvm-one-reg",
        direction,
        vcpu,
        id,
        value,
        pointer,
        target,
        owner,
        raced: open.raced,
        ambiguous,
        contradiction,
      },
      direction === "get" ? "ioctl KVM_GET_ONE_REG" : "ioctl KVM_SET_ONE_REG",
      result,
      open.event,
      end,
    );
  }

  private registers(tid: number, open: OpenIoctl, observed: IoctlResult, end: Event): void {
    const { gprs } = open.details;
    const direction = open.command === KVM_GET_REGS ? "get" : "set";
    if (observed.result.kind === "value") this.remember(tid, open.argument);
    if (gprs === undefined && direction === "get") return;
    const vcpu = this.vcpuOf(this.files.holder(tid, open.fd, open.decoration, "vcpu"), tid);
    const name = `ioctl KVM_${direction === "get" ? "GET" : "SET"}_REGS`;
    this.emit({ kind: "kvm-registers", direction, vcpu, gprs: gprs ?? [] }, name, observed.result, open.event, end);
  }

  private run(open: OpenIoctl, observed: IoctlResult, end: Event): void {
    const { run } = open;
    if (run === undefined) return;
    const { result, ambiguous, contradiction } = observed;
    const { vcpu, last, failure, nested, exits, gap } = run;
    this.emit(
      {
        kind: "kvm-run",
        vcpu,
        last,
        failure,
        nested,
        exits,
        gap,
        traced: wholeInTrace(open),
        ambiguous,
        contradiction,
      },
      "ioctl KVM_RUN",
      result,
      open.event,
      end,
    );
  }

  /** `val` is the 8 bytes at the address: a register of 4 bytes is the first four of them (probes.md). */
  private sized(value: Word | undefined, id: Word | undefined): Word | undefined {
    if (value === undefined || id === undefined || ((id.hi >>> 20) & 0xf) !== 2) return value;
    return wordOf(0, this.little ? value.lo : value.hi);
  }

  private holderOf(tid: number, open: OpenIoctl): Holder {
    return this.files.holder(tid, open.fd, open.decoration, open.details.on);
  }

  private vcpuOf(holder: Holder, tid: number): VcpuRef | undefined {
    if (holder.kind === "vcpu") return holder.vcpu;
    return holder.kind === "unknown" ? this.files.ofTask(tid, 0) : undefined;
  }

  private pointer(tid: number, address: Word | undefined): Pointer {
    if (address === undefined) return "unknown";
    if ((address.hi === 0 && address.lo < 0x1000) || address.hi >= 0x80000000) return "bad";
    return this.files.isMapped(tid, page(address)) ? "good" : "unknown";
  }

  private remember(tid: number, address: Word | undefined): void {
    if (address !== undefined) this.files.touched(tid, page(address));
  }
}

/** The trace shows the call up to its return: a line inside it that is missing was not printed. */
function wholeInTrace({ traced, exit }: OpenIoctl): boolean {
  return traced && exit !== undefined;
}

const noDoubt = { ambiguous: undefined, contradiction: undefined } as const;

/** Pages of 64 KiB; their number is exact in a number. */
function page(address: Word): number {
  return address.hi * 0x10000 + (address.lo >>> 16);
}

/** The descriptor that a call returned. An errno that looks like one is taken for none. */
function descriptorOf({ result, contradiction }: IoctlResult): number | undefined {
  if (result.kind === "value") return result.value;
  return contradiction?.kind === "value" ? contradiction.value : undefined;
}

/** A return value of the kernel's own function. */
function kernelResult(rc: number): ObservedResult {
  return rc < 0 ? { kind: "error", errno: errnoName(-rc) ?? String(-rc) } : { kind: "value", value: rc };
}
