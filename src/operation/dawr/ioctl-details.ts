import { fieldOf, type ProbeEvent } from "../../event/event.js";
import { parseWord, type Word } from "../../event/word.js";
import type { CapRequest } from "./call.js";
import { KVM_ENABLE_CAP, KVM_GET_ONE_REG, KVM_GET_REGS, KVM_RUN, KVM_SET_ONE_REG, KVM_SET_REGS } from "./numbers.js";
import { bytesField, numberField, StructReader, wordField } from "./words.js";

/** What probe lines inside an ioctl show of its structures (probes.md, powerpc). */
export interface IoctlDetails {
  /** The contents of struct kvm_enable_cap. */
  request: CapRequest | undefined;
  /** Which kind of descriptor the probe's place tells. */
  on: "vm" | "vcpu" | undefined;
  /** The contents of struct kvm_one_reg, and the memory that it points to as it was before the call. */
  id: Word | undefined;
  address: Word | undefined;
  before: Word | undefined;
  /** The value that a GET returned. */
  returned: Word | undefined;
  /** What kvmhv_enable_dawr1 was given and returned. */
  hookAddress: string | undefined;
  hook: number | undefined;
  hookEvent: ProbeEvent | undefined;
  /** GPR3 to GPR7 of struct kvm_regs. */
  gprs: readonly Word[] | undefined;
  /** The kernel's own return value, where a probe shows it. */
  rc: number | undefined;
  /** The command that a line without a call names. */
  command: number | undefined;
}

export function noDetails(): IoctlDetails {
  return {
    request: undefined,
    on: undefined,
    id: undefined,
    address: undefined,
    before: undefined,
    returned: undefined,
    hookAddress: undefined,
    hook: undefined,
    hookEvent: undefined,
    gprs: undefined,
    rc: undefined,
    command: undefined,
  };
}

/** Names of the probes that tell something of an ioctl. */
export const detailProbes: ReadonlySet<string> = new Set([
  "vm_cap",
  "vm_cap_out",
  "vm_cap_ret",
  "vm_cap_in",
  "vm_enable_cap",
  "vcpu_enable_cap",
  "vcpu_ioctl",
  "one_reg_get",
  "one_reg_get_in",
  "one_reg_get_out",
  "one_reg_get_ret",
  "one_reg_set",
  "one_reg_set_in",
  "one_reg_set_out",
  "one_reg_set_ret",
  "vcpu_one_reg",
  "kvmhv_enable_dawr1",
  "r_kvmhv_enable_dawr1",
  "ioctl_in",
  "ioctl_out",
]);

/**
 * The command that a line belongs to, where the line tells it: a probe on a function that serves every ioctl says so, and
 * is of no use for another one.
 */
export function commandOf(event: ProbeEvent): number | undefined {
  switch (event.name) {
    case "vm_cap":
    case "vm_cap_in":
    case "vm_cap_out":
    case "vm_cap_ret":
      return KVM_ENABLE_CAP;
    case "one_reg_get":
    case "one_reg_get_in":
    case "one_reg_get_out":
    case "one_reg_get_ret":
      return KVM_GET_ONE_REG;
    case "one_reg_set":
    case "one_reg_set_in":
    case "one_reg_set_out":
    case "one_reg_set_ret":
      return KVM_SET_ONE_REG;
    case "kvmhv_enable_dawr1":
    case "r_kvmhv_enable_dawr1":
      return undefined;
    default:
      return wordField(event, "cmd")?.lo;
  }
}

/** Requests whose structures probes show. */
export function mayHaveDetails(command: number): boolean {
  return (
    command === KVM_ENABLE_CAP || command === KVM_RUN || (command & 0xffff) === 0xaeab || (command & 0xffff) === 0xaeac
  );
}

/** Takes what a line shows. `little`: the recorded machine is little-endian. */
export function readDetails(event: ProbeEvent, details: IoctlDetails, little: boolean): void {
  switch (event.name) {
    case "vm_enable_cap":
      readRequest(event, details, "vm", ["a0", "a1", "a2", "a3"]);
      break;
    case "vcpu_enable_cap":
    case "vcpu_ioctl":
      readRequest(event, details, "vcpu", ["a0", "a1"]);
      break;
    case "vm_cap":
    case "vm_cap_in":
      readKernelRequest(event, details);
      break;
    case "vm_cap_out":
    case "vm_cap_ret":
      details.rc = numberField(event, "rc");
      break;
    case "vcpu_one_reg":
      details.on = "vcpu";
      details.id = wordField(event, "id");
      details.address = wordField(event, "addr");
      details.before = wordField(event, "val");
      break;
    case "one_reg_get":
    case "one_reg_get_in":
    case "one_reg_get_out":
    case "one_reg_get_ret":
    case "one_reg_set":
    case "one_reg_set_in":
    case "one_reg_set_out":
    case "one_reg_set_ret":
      readRegister(event, details);
      break;
    case "kvmhv_enable_dawr1": {
      const address = fieldOf(event, "kvm");
      details.hookAddress = address === "0x0" ? undefined : address;
      break;
    }
    case "r_kvmhv_enable_dawr1":
      details.hook = numberField(event, "rc");
      details.hookEvent = event;
      break;
    case "ioctl_in":
      readStructure(event, details, little, false);
      break;
    case "ioctl_out":
      readStructure(event, details, little, true);
      break;
  }
}

function readRequest(event: ProbeEvent, details: IoctlDetails, on: "vm" | "vcpu", keys: readonly string[]): void {
  const cap = numberField(event, "cap");
  const flags = numberField(event, "flags");
  details.on = on;
  if (cap === undefined || flags === undefined) return;
  const args: Word[] = [];
  for (const key of keys) {
    const word = wordField(event, key);
    if (word === undefined) break;
    args.push(word);
  }
  details.request = { cap, flags, args };
}

/** `cap=194 flags=0 args={0x1,0x0,0x0,0x0}`: the structure in kernel memory. */
function readKernelRequest(event: ProbeEvent, details: IoctlDetails): void {
  details.on = "vm";
  const cap = numberField(event, "cap");
  const flags = numberField(event, "flags") ?? 0;
  if (cap !== undefined) {
    const printed = fieldOf(event, "args") ?? "";
    const args: Word[] = [];
    for (const one of printed.replace(/^\{|\}$/g, "").split(",")) {
      const word = parseWord(one.trim());
      if (word === undefined) break;
      args.push(word);
    }
    details.request = { cap, flags, args };
  }
  if (fieldOf(event, "rc") !== undefined) details.rc = numberField(event, "rc");
}

/** A line with a return code is the return, or the whole call on one line; its value is the result then. */
function readRegister(event: ProbeEvent, details: IoctlDetails): void {
  details.on = "vcpu";
  const id = wordField(event, "id");
  if (id !== undefined) details.id = id;
  const value = wordField(event, "val");
  const returned = fieldOf(event, "rc") !== undefined;
  if (returned) details.rc = numberField(event, "rc");
  if (value === undefined) return;
  if (event.name.startsWith("one_reg_set")) details.before = value;
  else if (returned) details.returned = value;
}

const SIZE_OF_ENABLE_CAP = 104;

function readStructure(event: ProbeEvent, details: IoctlDetails, little: boolean, after: boolean): void {
  const command = wordField(event, "cmd")?.lo;
  const bytes = bytesField(event);
  if (after) details.rc = numberField(event, "rc");
  if (bytes === undefined) return;
  const struct = new StructReader(bytes, little);
  switch (command) {
    case KVM_ENABLE_CAP: {
      const cap = struct.u32(0);
      const flags = struct.u32(4);
      if (after || cap === undefined || flags === undefined || bytes.length > SIZE_OF_ENABLE_CAP) return;
      const args: Word[] = [];
      for (let i = 0; i < 4; i++) {
        const word = struct.u64(8 + 8 * i);
        if (word === undefined) break;
        args.push(word);
      }
      details.request = { cap, flags, args };
      break;
    }
    case KVM_GET_ONE_REG:
    case KVM_SET_ONE_REG:
      details.id ??= struct.u64(0);
      details.address ??= struct.u64(8);
      break;
    case KVM_GET_REGS:
    case KVM_SET_REGS: {
      // GPR3 is at 160 (2.7).
      if (after !== (command === KVM_GET_REGS)) return;
      const gprs: Word[] = [];
      for (let i = 0; i < 5; i++) {
        const word = struct.u64(160 + 8 * i);
        if (word === undefined) return;
        gprs.push(word);
      }
      details.gprs = gprs;
      break;
    }
  }
}
