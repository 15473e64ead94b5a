import type { Event } from "../../event/event.js";
import type { Word } from "../../event/word.js";
import type { ObservedResult } from "../operation.js";

/** A virtual machine of the recording, by the descriptor that stands for it. */
export interface VmRef {
  /** Running number within the capture. */
  readonly id: number;
  /** `PID/FD`, with `#2` where both came again; `task TID` where no descriptor is known (FMT-3). */
  readonly name: string;
}

/** A vCPU of the recording. */
export interface VcpuRef {
  readonly id: number;
  readonly vm: VmRef;
  /** Its KVM id, where it is known. */
  readonly number: number | undefined;
}

/** What a descriptor stands for, as far as it is known. */
export type Holder =
  | { readonly kind: "kvm" }
  | { readonly kind: "vm"; readonly vm: VmRef }
  | { readonly kind: "vcpu"; readonly vcpu: VcpuRef }
  | { readonly kind: "unknown" };

/** What every ioctl has in common. */
interface Ioctl {
  /** A small positive result that may be an errno as well as a value (FMT-2); undefined where the result is plain. */
  readonly ambiguous: number | undefined;
  /** The result as another recorder has it, where the two disagree. */
  readonly contradiction: ObservedResult | undefined;
}

/** The contents of a struct kvm_enable_cap. */
export interface CapRequest {
  readonly cap: number;
  readonly flags: number;
  /** Those that the recorder printed; all four belong to the structure. */
  readonly args: readonly Word[];
}

export interface VmCreateCall extends Ioctl {
  readonly kind: "kvm-create-vm";
  /** The machine type as a 64-bit number. */
  readonly type: Word | undefined;
  /** Set where it succeeded. */
  readonly vm: VmRef | undefined;
  /** The trace recorded the call, and so shows the hcalls inside it. */
  readonly traced: boolean;
}

/** A vCPU came into being: tells who is who. */
export interface VcpuCreateCall {
  readonly kind: "kvm-create-vcpu";
  readonly vcpu: VcpuRef;
}

export interface CapabilityCall extends Ioctl {
  readonly kind: "kvm-check-extension";
  readonly on: Holder;
  /** Undefined for a name that no rule knows. */
  readonly number: number | undefined;
  /** What kvmhv_enable_dawr1 returned inside it, where that was recorded. */
  readonly hook: number | undefined;
  readonly hookEvent: Event | undefined;
  /** Whether the caller is the process that made the VM: any request of another one is refused (CAP-3). */
  readonly owner: boolean | undefined;
}

export interface EnableCapCall extends Ioctl {
  readonly kind: "kvm-enable-cap";
  /** `begin`: it is on its way, and other tasks may feel it already (ND-6). */
  readonly phase: "begin" | "whole";
  readonly on: Holder;
  /** Undefined where nobody recorded the structure. */
  readonly request: CapRequest | undefined;
  readonly pointer: Pointer;
  readonly hook: number | undefined;
  readonly hookEvent: Event | undefined;
  /** The VM's address in the kernel, where the hook showed it. */
  readonly address: string | undefined;
  /** Whether the caller is the process that made the VM: otherwise EIO (CAP-3). */
  readonly owner: boolean | undefined;
}

/** Whether memory that a call names can be read and written. */
export type Pointer = "good" | "bad" | "unknown";

export interface OneRegCall extends Ioctl {
  readonly kind: "kvm-one-reg";
  readonly direction: "get" | "set";
  readonly vcpu: VcpuRef | undefined;
  readonly id: Word | undefined;
  /** SET: what the program asks; GET: what the call returned. Undefined where it was not recorded. */
  readonly value: Word | undefined;
  /** Memory of the descriptor, and of the value. */
  readonly pointer: Pointer;
  readonly target: Pointer;
  readonly owner: boolean | undefined;
  /** An hcall of the vCPU ended between its two lines: the request was served before it or behind it (REG-10). */
  readonly raced: boolean;
}

/** KVM_GET_REGS and KVM_SET_REGS where the structure was recorded. */
export interface RegistersCall {
  readonly kind: "kvm-registers";
  readonly direction: "get" | "set";
  readonly vcpu: VcpuRef | undefined;
  /** GPR3 to GPR7. */
  readonly gprs: readonly Word[];
}

/** The guest goes on: a punt of the last run is completed. */
export interface RunBeginCall {
  readonly kind: "kvm-run-begin";
  readonly vcpu: VcpuRef;
  /** The trace recorded the call, and so shows what its tracepoints tell of the run. */
  readonly traced: boolean;
}

export interface RunCall extends Ioctl {
  readonly kind: "kvm-run";
  readonly vcpu: VcpuRef;
  /** What the last hcall line inside it said; undefined where there was none. */
  readonly last: "punt" | "answer" | "failed" | undefined;
  /** The errno that its `ret` told, where it failed. */
  readonly failure: string | undefined;
  /** Whether the last hcall was H_ENTER_NESTED, which may also end in an MMIO exit. */
  readonly nested: boolean;
  /** Numbers of kvm_userspace_exit inside it: the exit reason, or the errno of a failure. */
  readonly exits: readonly { readonly reason: string; readonly number: number }[];
  /** The trace recorded the call: a line that is missing was not printed. */
  readonly traced: boolean;
  /** It was interrupted in the middle by lost events. */
  readonly gap: boolean;
}

/** How the two lines of an hcall were found. */
export type Pairing =
  | "both"
  /** A line is missing at the edge of the recording, or where events were lost (ND-8). */
  | "excused"
  /** An entry that no exit followed before the next entry. */
  | "no-exit"
  /** An exit without an entry. */
  | "no-entry";

/** An hcall as KVM-HV sees it (kvm_hcall_enter, kvm_hcall_exit). */
export interface HostHcall {
  readonly kind: "hcall-host";
  readonly vcpu: VcpuRef;
  readonly pairing: Pairing;
  /** Undefined where the entry was not seen. */
  readonly number: number | undefined;
  /** GPR4 to GPR7. */
  readonly args: readonly Word[];
  /** `ret=` of the exit. */
  readonly ret: string | undefined;
  /** Another hcall of this KVM_RUN was left to user space before. */
  readonly afterPunt: boolean;
  /** The KVM_RUN around it was recorded: without one user space may do anything after a punt (FMT-3). */
  readonly inRun: boolean;
  /** Without one: an exit to user space was recorded since the last hcall of the task. */
  readonly afterExit: boolean;
  /** A KVM_ENABLE_CAP of its VM took effect while it was under way, or may have: before it or behind it (ND-6, ND-14). */
  readonly raced: boolean;
}

/** An hcall as KVM-PR's handler sees it (p_kvmppc_h_pr, r_kvmppc_h_pr). The result is 0 answered, 2 left to user space. */
export interface PrHcall {
  readonly kind: "hcall-pr";
  readonly vcpu: VcpuRef;
  readonly inRun: boolean;
  readonly raced: boolean;
  readonly number: number | undefined;
  readonly args: readonly Word[];
}

/** Who in a guest's kernel makes an hcall, as the probe before it tells. */
export type GuestCaller = "watchpoint" | "disable-reloc" | "enable-reloc" | "big-endian" | "direct";

/** What pseries_set_dawr was asked. */
export interface WatchpointRequest {
  readonly slot: number;
  readonly address: Word;
  /** Before the HYP bit is cleared. */
  readonly dawrx: Word;
  readonly event: Event | undefined;
}

/** An hcall as the guest sees it (hcall_entry, hcall_exit), with the arguments that probes before it show. */
export interface GuestHcall {
  readonly kind: "hcall-guest";
  readonly cpu: number;
  readonly pairing: Pairing;
  readonly number: number | undefined;
  /** The exit named another hcall than the entry. */
  readonly exitNumber: number | undefined;
  readonly caller: GuestCaller;
  /** GPR4 to GPR7 as the line of `hset` shows them. */
  readonly args: readonly Word[] | undefined;
  /** What pseries_set_dawr was asked: slot, address, DAWRX before the HYP bit is cleared. */
  readonly watchpoint: WatchpointRequest | undefined;
  /** The line of the function that makes the call, and the line of `hset`. */
  readonly callerEvent: Event | undefined;
  readonly argsEvent: Event | undefined;
  /** It lies inside a KVM_CREATE_VM of this task (GUEST-8). */
  readonly inCreate: boolean;
}

/** A descriptor of a VM or vCPU was closed for good. */
export interface KvmCloseCall {
  readonly kind: "kvm-close";
  readonly on: Holder;
}

/** Events were lost: on one CPU, or on all (-1). */
export interface LostCall {
  readonly kind: "kvm-lost";
  readonly cpu: number;
}

/** A request number of another architecture (CAP-10). */
export interface ForeignRequestCall {
  readonly kind: "kvm-foreign-request";
  readonly command: number;
  readonly meant: string;
}

/** The calls of the powerpc system. */
export type DawrCall =
  | VmCreateCall
  | VcpuCreateCall
  | CapabilityCall
  | EnableCapCall
  | OneRegCall
  | RegistersCall
  | RunBeginCall
  | RunCall
  | HostHcall
  | PrHcall
  | GuestHcall
  | KvmCloseCall
  | LostCall
  | ForeignRequestCall;

const kinds: ReadonlySet<string> = new Set<DawrCall["kind"]>([
  "kvm-create-vm",
  "kvm-create-vcpu",
  "kvm-check-extension",
  "kvm-enable-cap",
  "kvm-one-reg",
  "kvm-registers",
  "kvm-run-begin",
  "kvm-run",
  "hcall-host",
  "hcall-pr",
  "hcall-guest",
  "kvm-close",
  "kvm-lost",
  "kvm-foreign-request",
]);

/** Whether a call is one of this system. */
export function isDawrCall<C extends { readonly kind: string }>(call: C | DawrCall): call is DawrCall {
  return kinds.has(call.kind);
}
