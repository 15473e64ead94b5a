import type { Word } from "../../event/word.js";
import type { Attribute } from "./attribute.js";
import type { MemorySlot } from "./memory-slot.js";

/** Identity of an open file of a kind that the models know; stable from its open to its last close. */
export interface FileRef {
  /** Running number, unique within a capture. */
  readonly id: number;
}

/** A VFIO group as a process uses it: the number in /dev/vfio/N. */
export interface GroupRef extends FileRef {
  readonly group: number;
}

/** A VFIO device descriptor; the mdev follows from the group where the link was recorded. */
export interface DeviceRef extends FileRef {
  /** Group it was obtained through; undefined for a descriptor that was open before the recording. */
  readonly group: GroupRef | undefined;
}

/** A guest as a process holds it: the VM descriptor. */
export interface VmRef extends FileRef {
  /** `PID/FD`: the guest's id until its kvm pointer is known. */
  readonly name: string;
}

/** The calls of the AP system. */
export type ApCall =
  /** open(2) of an attribute; the model judges its result by the file's existence and direction (vfio-ap-config 2.3). */
  | {
      readonly kind: "attribute-open";
      readonly attribute: Attribute;
      readonly access: "read" | "write" | "both";
      readonly create: boolean;
    }
  /** One write(2) on an attribute: one store. `data` is what is known of the bytes, `length` the true count. */
  | {
      readonly kind: "attribute-write";
      readonly attribute: Attribute;
      readonly data: string;
      /** The recorder cut the data: only the beginning is known. */
      readonly truncated: boolean;
      readonly length: number;
      /** `begin`: the write to `remove` was entered and did not return yet (MDEV-4); `end`: its return; `whole`: both. */
      readonly phase: "whole" | "begin" | "end";
    }
  /** The first read at offset 0 of an attribute: one show. `text` is what was returned, as far as it is known. */
  | {
      readonly kind: "attribute-read";
      readonly attribute: Attribute;
      readonly text: string;
      /** `text` is only the beginning of what the attribute gave. */
      readonly partial: boolean;
    }
  | { readonly kind: "group-open"; readonly group: number; readonly file: GroupRef | undefined }
  | { readonly kind: "group-close"; readonly file: GroupRef }
  | {
      readonly kind: "device-open";
      readonly group: GroupRef | undefined;
      readonly device: DeviceRef | undefined;
      /** The VM of the calling process, where it has exactly one. */
      readonly vm: VmRef | undefined;
      /** Whether the process may have told the group its guest (KVM_SET_DEVICE_ATTR); false: certainly not. */
      readonly guestSet: boolean;
    }
  | { readonly kind: "device-close"; readonly device: DeviceRef }
  | {
      readonly kind: "device-ioctl";
      /** Its structure before and after the call, where a probe recorded it (ioctl_in, ioctl_out). */
      readonly input?: Uint8Array | undefined;
      readonly output?: Uint8Array | undefined;
      readonly device: DeviceRef;
      readonly request: "reset" | "get-info" | "other";
      readonly command: string;
    }
  | { readonly kind: "iommu-group"; readonly uuid: string; readonly group: number }
  | { readonly kind: "vm-create"; readonly vm: VmRef }
  | { readonly kind: "vm-close"; readonly vm: VmRef }
  /** KVM_SET_DEVICE_ATTR on a vfio-kvm device: a group may learn or lose its guest (KVM-7, KVM-10). */
  | {
      readonly kind: "guest-set";
      readonly vm: VmRef | undefined;
      /** Whether a group was added or taken out, where its structure is recorded. */
      readonly change?: "add" | "remove" | undefined;
    }
  /** `vm`: the VM of the calling process, where it has exactly one; `range`: what its structure names, where it is recorded. */
  | {
      readonly kind: "dma-unmap";
      readonly vm: VmRef | undefined;
      readonly range: { readonly iova: Word; readonly size: Word } | undefined;
    }
  /** An ioctl of a VM that changes what its CPUs answer: an attribute, protected mode, a memory slot. */
  | {
      readonly kind: "vm-change";
      readonly vm: VmRef;
      readonly change: "attribute" | "protected" | "memory";
      /** The memory slot that is set, where its structure is recorded. */
      readonly slot?: MemorySlot | undefined;
    }
  /** Several last closes in one call: close_range, exec, the exit of a process. */
  | { readonly kind: "closes"; readonly closes: readonly ApCall[] }
  | {
      readonly kind: "pqap";
      /** vCPU number; -1 where not recorded. */
      readonly vcpu: number;
      readonly tid: number;
      readonly gr0: Word;
      readonly gr1: Word;
      readonly gr2: Word;
      readonly problemState: boolean | undefined;
      readonly ccBefore: number | undefined;
      readonly eca: Word | undefined;
      readonly exit:
        | { readonly rc: number; readonly gr1: Word; readonly cc: number; readonly pgm: number | undefined }
        | undefined;
    }
  /** A bus scan: everything a kernel worker did from `cfg_changed` to `scan_complete`. */
  | { readonly kind: "scan" }
  /** The module vfio_ap is loaded or unloaded: finit_module(2), delete_module(2). */
  | { readonly kind: "module"; readonly action: "load" | "unload" }
  /** A queue device that came or went by itself. */
  | { readonly kind: "queue-probe" | "queue-remove"; readonly apqn: number }
  /** Lines were lost up to here: operations that leave no other trace may have run. */
  | { readonly kind: "gap" }
  /** A call that nobody recorded: its effects alone show it. */
  | { readonly kind: "unrecorded" };

const kindsOfCalls: Readonly<Record<ApCall["kind"], true>> = {
  "attribute-open": true,
  "attribute-write": true,
  "attribute-read": true,
  "group-open": true,
  "group-close": true,
  "device-open": true,
  "device-close": true,
  "device-ioctl": true,
  "iommu-group": true,
  "vm-create": true,
  "vm-close": true,
  "guest-set": true,
  "dma-unmap": true,
  "vm-change": true,
  closes: true,
  pqap: true,
  scan: true,
  module: true,
  "queue-probe": true,
  "queue-remove": true,
  unrecorded: true,
  gap: true,
};

const kinds: ReadonlySet<string> = new Set(Object.keys(kindsOfCalls));

/** Whether a call is one of the AP system. */
export function isApCall(call: { readonly kind: string }): call is ApCall {
  return kinds.has(call.kind);
}
