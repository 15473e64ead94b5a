import type { VfioIoctl } from "../../operation/platform/call.js";
import { putU32, putU64, u32 } from "../../operation/platform/structures.js";
import type { Tri } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { platformRule } from "./profile.js";

export const VDEV_14 = platformRule(
  "VDEV-14",
  "Fault first, nothing written on error",
  "The copy of a structure's header comes before any check: a bad pointer gives EFAULT whatever it would hold. On an error nothing is written back, and beyond the written length nothing changes.",
  "vfio_platform_common.c, vfio_main.c; section 5.6",
);
export const SHORTAGE = platformRule(
  "ND-1",
  "Shortage of memory or vectors",
  "ENOMEM may come from opening a device, from SET_IRQS with data, from the install of a mask or unmask eventfd, from enabling and arming MSI vectors, and from the MSI info; ENOSPC from enabling MSI. The state stays, except that VMSI-6, VMSI-7 and VSET-10 drop triggers.",
  "section 5.1",
);

/** Whether the first bytes of the structure can be read by the kernel. A probe prints bytes also of memory that it could not read. */
export function readable({ argument }: VfioIoctl, size: number): Tri {
  switch (argument.kind) {
    case "bad":
      return false;
    case "bytes":
      return argument.mapped === undefined ? "unknown" : argument.mapped >= size;
    case "header":
      return true;
    case "unknown":
      return "unknown";
  }
}

/** Whether the kernel can write that many bytes back. */
export function writable({ argument }: VfioIoctl, size: number): Tri {
  switch (argument.kind) {
    case "bad":
      return false;
    case "bytes":
      if (!argument.writable) return false;
      return argument.mapped === undefined ? "unknown" : argument.mapped >= size;
    case "header":
    case "unknown":
      return "unknown";
  }
}

/** A word of the structure as the program passed it; undefined where it was not recorded. */
export function word({ argument }: VfioIoctl, at: number): number | undefined {
  return argument.kind === "bytes" ? u32(argument.bytes, at) : undefined;
}

/** Why the structure is not known; undefined where it is. */
export function unknownStructure({ argument }: VfioIoctl): string | undefined {
  return argument.kind === "unknown" ? argument.reason : undefined;
}

/** A shortage of memory is always allowed here (5.1). */
export function shortage(x: Trial, rule: Rule): boolean {
  const { result } = x.operation;
  if (result.kind !== "error" || result.errno !== "ENOMEM") return false;
  x.fails("ENOMEM", SHORTAGE, rule);
  return true;
}

/** A field that the kernel writes; a value that is undefined may be anything. */
export interface Written {
  readonly at: number;
  readonly name: string;
  readonly value: number | bigint | undefined;
  /** Bytes: 4 or 8. */
  readonly size: 4 | 8;
  readonly rule: Rule;
}

export function field(at: number, name: string, value: number | undefined, rule: Rule): Written {
  return { at, name, value, size: 4, rule };
}

export function longField(at: number, name: string, value: bigint | undefined, rule: Rule): Written {
  return { at, name, value, size: 8, rule };
}

/** Holds the bytes after a successful call against the fields that the kernel writes; all others stay as they were. */
export function compareAfter(x: Trial, call: VfioIoctl, written: readonly Written[]): void {
  const { argument, after } = call;
  if (after === undefined || argument.kind !== "bytes") return;
  const before = argument.bytes;
  const length = Math.min(before.length, after.length);
  const expected = withFields(before.slice(0, length), after, written);
  const at = difference(expected, after, length);
  if (at < 0) return;
  const wrong = written.find((one) => at >= one.at && at < one.at + one.size);
  if (wrong === undefined) {
    x.differs(
      `byte ${at} of the structure unchanged (${hex(before, at)})`,
      `byte ${at} of the structure ${hex(after, at)}`,
      VDEV_14,
    );
    return;
  }
  const show = (bytes: Uint8Array): string => `${wrong.name} 0x${littleEndian(bytes, wrong.at, wrong.size)}`;
  x.differs(show(expected), show(after), wrong.rule);
}

/** After an error, and after requests that only read, the structure is as it was. */
export function unchanged(x: Trial, call: VfioIoctl): void {
  partlyWritten(x, call, []);
}

/** After a fault during the write-back each byte of the given fields is as it was, or as it would have been written. */
export function partlyWritten(x: Trial, call: VfioIoctl, written: readonly Written[]): void {
  const { argument, after } = call;
  if (after === undefined || argument.kind !== "bytes" || argument.bytes === after) return;
  const length = Math.min(argument.bytes.length, after.length);
  const whole = withFields(argument.bytes.slice(0, length), after, written);
  for (let at = 0; at < length; at++) {
    if (argument.bytes[at] === after[at] || whole[at] === after[at]) continue;
    x.differs(
      `byte ${at} of the structure unchanged (${hex(argument.bytes, at)})`,
      `byte ${at} of the structure ${hex(after, at)}`,
      VDEV_14,
    );
    return;
  }
}

/** Puts the fields into the bytes; one that may be anything as it was observed. */
function withFields(bytes: Uint8Array, after: Uint8Array, written: readonly Written[]): Uint8Array {
  for (const { at, size, value } of written) {
    if (at + size > bytes.length) continue;
    if (value === undefined) bytes.set(after.subarray(at, at + size), at);
    else if (typeof value === "bigint") putU64(bytes, at, value);
    else putU32(bytes, at, value);
  }
  return bytes;
}

/** A word after the call; undefined where it was not recorded. */
export function wordAfter({ after }: VfioIoctl, at: number): number | undefined {
  return after === undefined ? undefined : u32(after, at);
}

function difference(a: Uint8Array, b: Uint8Array, length: number): number {
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return -1;
}

function hex(bytes: Uint8Array, at: number): string {
  return `0x${(bytes[at] ?? 0).toString(16).padStart(2, "0")}`;
}

function littleEndian(bytes: Uint8Array, at: number, size: number): string {
  let text = "";
  for (let i = size - 1; i >= 0; i--) text += (bytes[at + i] ?? 0).toString(16).padStart(2, "0");
  return text;
}
