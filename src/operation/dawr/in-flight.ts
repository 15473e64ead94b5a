import type { ProbeEvent } from "../../event/event.js";
import type { VcpuRef } from "./call.js";
import type { KvmFiles } from "./files.js";
import type { HostHcallLines } from "./hcall-lines.js";
import type { IoctlCalls, OpenIoctl } from "./ioctls.js";
import { KVM_ENABLE_CAP, KVM_GET_ONE_REG, KVM_SET_ONE_REG } from "./numbers.js";

/** Ioctls on their way that hcalls of other tasks may feel, or that may feel those: either may have come first. */
export class InFlight {
  private readonly files: KvmFiles;
  private readonly ioctls: IoctlCalls;
  private readonly host: HostHcallLines;
  private readonly enabling = new Set<OpenIoctl>();
  private readonly requests = new Set<OpenIoctl>();

  constructor(files: KvmFiles, ioctls: IoctlCalls, host: HostHcallLines) {
    this.files = files;
    this.ioctls = ioctls;
    this.host = host;
  }

  begins(open: OpenIoctl): void {
    const { command } = open;
    if (command === KVM_ENABLE_CAP) this.enabling.add(open);
    else if (command === KVM_GET_ONE_REG || command === KVM_SET_ONE_REG) this.requests.add(open);
  }

  /** The call is told: what it did holds from here on, but hcalls that were entered before need not have seen it. */
  ended(tid: number, open: OpenIoctl): void {
    this.requests.delete(open);
    this.enabling.delete(open);
    if (open.command !== KVM_ENABLE_CAP) return;
    const on = this.files.holder(tid, open.fd, open.decoration, open.details.on);
    if (on.kind === "vm") this.host.raced(on.vm);
  }

  /** ND-6: a KVM_ENABLE_CAP that is on its way may be felt by an hcall of another task. */
  announce(event: ProbeEvent): void {
    if (this.enabling.size === 0) return;
    for (const open of this.enabling) {
      if (open.begun || open.event.tid === event.tid) continue;
      open.begun = true;
      this.ioctls.begin(open.event.tid, open);
    }
  }

  /** An hcall of a vCPU was told. */
  hcallEnded(vcpu: VcpuRef): void {
    // ND-14: what this answer tells of the VM need not hold yet for an hcall that was entered before.
    if (this.enabling.size > 0) this.host.raced(vcpu.vm);
    if (this.requests.size === 0) return;
    // REG-10: a request waits for the run, or the run for the request.
    for (const open of this.requests) {
      const on = this.files.holder(open.event.tid, open.fd, open.decoration, "vcpu");
      if (on.kind === "vcpu" && on.vcpu === vcpu) open.raced = true;
    }
  }

  /** Events were lost: what was on its way may have ended. */
  lost(): void {
    this.enabling.clear();
    this.requests.clear();
  }
}
