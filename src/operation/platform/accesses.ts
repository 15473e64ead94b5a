import { bytesOf, numberOf } from "../../event/arguments.js";
import type { SyscallEvent } from "../../event/event.js";
import { badBuffer, counterOf, flagsOf, offsetOf, PROTECTION, SHARED } from "./arguments.js";
import type { PlatformDeviceRef } from "./call.js";
import type { DecodedCall } from "./decoded.js";
import type { PlatformFile } from "./file.js";

/** A write on a file that the model knows. `counted`: whether it belongs to the story of a VFIO file. */
export function writeCall(event: SyscallEvent, object: PlatformFile, counted: boolean): DecodedCall | undefined {
  switch (object.kind) {
    case "eventfd":
      return {
        call: {
          kind: "eventfd-write",
          eventfd: object.eventfd,
          size: numberOf(event.args[2] ?? ""),
          value: counterOf(event.args[1]),
          badBuffer: badBuffer(event.args[1], true),
          counted,
        },
        name: "write eventfd",
      };
    case "device":
      return regionAccess(event, object.device, true);
    case "driver": {
      const bytes = bytesOf(event.args[1] ?? "");
      return {
        call: {
          kind: "driver-write",
          file: object.file,
          bus: object.bus,
          owner: object.owner,
          data: event.dump ?? bytes?.data ?? "",
          length: numberOf(event.args[2] ?? "") ?? bytes?.data.length ?? 0,
        },
        name: `sysfs write ${object.file}`,
      };
    }
    case "reset-parameter":
      return { call: { kind: "reset-parameter" }, name: "sysfs write reset parameter" };
    default:
      return undefined;
  }
}

/** A read of a file that the model knows. */
export function readCall(event: SyscallEvent, object: PlatformFile, counted: boolean): DecodedCall | undefined {
  if (object.kind === "device") return regionAccess(event, object.device, false);
  if (object.kind !== "eventfd") return undefined;
  return {
    call: {
      kind: "eventfd-read",
      eventfd: object.eventfd,
      size: numberOf(event.args[2] ?? ""),
      value: counterOf(event.args[1]),
      badBuffer: badBuffer(event.args[1], false),
      counted,
    },
    name: "read eventfd",
  };
}

function regionAccess(event: SyscallEvent, device: PlatformDeviceRef, write: boolean): DecodedCall | undefined {
  const count = numberOf(event.args[2] ?? "");
  const position = event.name.startsWith("p") ? offsetOf(event.args[3]) : 0;
  if (count === undefined || position === undefined) return undefined;
  return {
    call: { kind: "region-access", device, write, position, count, badBuffer: badBuffer(event.args[1], write) },
    name: write ? "write VFIO region" : "read VFIO region",
  };
}

/** An mmap of a device. */
export function mapCall(event: SyscallEvent, device: PlatformDeviceRef): DecodedCall | undefined {
  const length = numberOf(event.args[1] ?? "");
  const offset = offsetOf(event.args[5]);
  const protection = flagsOf(event.args[2], PROTECTION);
  const flags = flagsOf(event.args[3], SHARED);
  if (length === undefined || offset === undefined || protection === undefined || flags === undefined) return undefined;
  const unit = event.name === "mmap2" ? 4096 : 1;
  return {
    call: {
      kind: "region-map",
      device,
      length,
      read: (protection & 1) !== 0,
      write: (protection & 2) !== 0,
      shared: (flags & 1) !== 0,
      offset: offset * unit,
    },
    name: "mmap VFIO region",
  };
}
