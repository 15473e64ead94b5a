import type { HardwareState } from "./notes.js";
import type { Request } from "./requests.js";
import type { IrqSetHeader } from "./structures.js";

/** Identity of an open file; stable from its open to its last close. */
export interface PlatformFileRef {
  /** Running number, unique within a capture. */
  readonly id: number;
}

/** A group as its device node names it: `noiommu-0`, `12`. */
export interface PlatformGroupRef extends PlatformFileRef {
  readonly group: string;
}

/** A device descriptor. */
export interface PlatformDeviceRef extends PlatformFileRef {
  /** The group it was obtained through; undefined for a descriptor that is older than the recording. */
  readonly group: string | undefined;
  /** The device's name, where the argument of its open was recorded. */
  readonly name: string | undefined;
}

/** An eventfd object: descriptors that were duplicated share it. */
export interface EventfdRef extends PlatformFileRef {
  /** `PID/FD` of its first descriptor, for people. */
  readonly name: string;
}

/** What a descriptor number meant in the calling process at the time. */
export type Meaning =
  | { readonly kind: "eventfd"; readonly eventfd: EventfdRef }
  | { readonly kind: "container"; readonly container: PlatformFileRef }
  | { readonly kind: "device"; readonly device: PlatformDeviceRef }
  | { readonly kind: "group"; readonly group: PlatformGroupRef }
  /** Open, and neither an eventfd nor a VFIO file. */
  | { readonly kind: "ordinary" }
  | { readonly kind: "closed" }
  | { readonly kind: "unknown" };

/** The memory that an ioctl's third argument points to, as far as it was recorded. */
export type Argument =
  | {
      readonly kind: "bytes";
      readonly bytes: Uint8Array;
      /** Bytes that can be read there; undefined where a probe shows only the beginning. */
      readonly mapped: number | undefined;
      readonly writable: boolean;
    }
  /** Nothing is mapped there. */
  | { readonly kind: "bad" }
  /** Only these fields of a SET_IRQS were recorded (probe set_irqs). */
  | { readonly kind: "header"; readonly header: Omit<IrqSetHeader, "argsz"> }
  | { readonly kind: "unknown"; readonly reason: string };

export interface VfioIoctl {
  readonly kind: "vfio-ioctl";
  readonly target: Meaning;
  readonly request: Request;
  /** The third argument as a number; undefined where it was not printed. */
  readonly value: number | undefined;
  readonly argument: Argument;
  /** The bytes after the call, where they were recorded. */
  readonly after: Uint8Array | undefined;
  /** What the descriptors in the structure mean, in their order. */
  readonly descriptors: readonly Meaning[];
  /** The descriptor that VFIO_GROUP_GET_DEVICE_FD made. */
  readonly made: PlatformDeviceRef | undefined;
  readonly process: number;
}

/** A file that was closed for good. */
export type Closed =
  | { readonly kind: "eventfd"; readonly eventfd: EventfdRef }
  | { readonly kind: "container"; readonly container: PlatformFileRef }
  | { readonly kind: "device"; readonly device: PlatformDeviceRef }
  | { readonly kind: "group"; readonly group: PlatformGroupRef };

/** The calls of VFIO platform devices. */
export type PlatformCall =
  | { readonly kind: "vfio-container-open"; readonly container: PlatformFileRef | undefined }
  | {
      readonly kind: "vfio-group-open";
      readonly name: string;
      readonly group: PlatformGroupRef | undefined;
      readonly process: number;
    }
  | VfioIoctl
  | {
      readonly kind: "vfio-close";
      /** None where another descriptor still stands for the device. */
      readonly files: readonly Closed[];
      /** close(2) of one descriptor: its result is judged. */
      readonly single: boolean;
    }
  | {
      readonly kind: "eventfd-create";
      readonly eventfd: EventfdRef;
      /** Undefined where the argument was not printed. */
      readonly initial: number | undefined;
      readonly semaphore: boolean;
    }
  | {
      readonly kind: "eventfd-read";
      readonly eventfd: EventfdRef;
      readonly size: number | undefined;
      readonly value: bigint | undefined;
      /** As for a region's access. */
      readonly badBuffer: boolean | undefined;
      readonly counted: boolean;
    }
  | {
      readonly kind: "eventfd-write";
      readonly eventfd: EventfdRef;
      readonly size: number | undefined;
      readonly value: bigint | undefined;
      /** As for a region's access. */
      readonly badBuffer: boolean | undefined;
      readonly counted: boolean;
    }
  /** Something that the recording does not show may signal or read eventfds from now on; all of them where none is named. */
  | { readonly kind: "eventfd-exposed"; readonly eventfds: readonly EventfdRef[]; readonly by: string }
  | {
      readonly kind: "region-access";
      readonly device: PlatformDeviceRef;
      readonly write: boolean;
      readonly position: number;
      readonly count: number;
      /** Whether the user's memory cannot be accessed. */
      readonly badBuffer: boolean | undefined;
    }
  | {
      readonly kind: "region-map";
      readonly device: PlatformDeviceRef;
      readonly length: number;
      readonly read: boolean;
      readonly write: boolean;
      readonly shared: boolean;
      readonly offset: number;
    }
  | { readonly kind: "device-seek"; readonly device: PlatformDeviceRef }
  | {
      readonly kind: "driver-write";
      readonly file: "bind" | "unbind" | "driver_override";
      readonly bus: "platform" | "amba";
      /** The driver of `bind` and `unbind`, the device of `driver_override`. */
      readonly owner: string;
      readonly data: string;
      readonly length: number;
    }
  /** A parameter of a reset helper was written: what reset functions answer may change. */
  | { readonly kind: "reset-parameter" }
  | {
      readonly kind: "hardware";
      readonly index: number;
      readonly vector: number | undefined;
      readonly state: HardwareState;
    }
  | { readonly kind: "platform-note"; readonly values: ReadonlyMap<string, string> }
  /** Calls were lost: nothing is known of what they did. */
  | { readonly kind: "platform-gap" };

const flags: Readonly<Record<PlatformCall["kind"], true>> = {
  "vfio-container-open": true,
  "vfio-group-open": true,
  "vfio-ioctl": true,
  "vfio-close": true,
  "eventfd-create": true,
  "eventfd-read": true,
  "eventfd-write": true,
  "eventfd-exposed": true,
  "region-access": true,
  "region-map": true,
  "device-seek": true,
  "driver-write": true,
  "reset-parameter": true,
  hardware: true,
  "platform-note": true,
  "platform-gap": true,
};
const kinds: ReadonlySet<string> = new Set(Object.keys(flags));

/** Whether a call is one of the VFIO platform system. */
export function isPlatformCall(call: { readonly kind: string }): call is PlatformCall {
  return kinds.has(call.kind);
}
