import type { ApCall } from "../../operation/ap/call.js";
import type { Trial } from "../core/trial.js";
import { configRule } from "./profile.js";

export const SYSFS = configRule(
  "2.3",
  "Opening and writing sysfs files",
  "The direction is checked at open, for root too (EACCES); a missing file gives ENOENT, or EACCES where the open would create it. At most 4096 bytes of one write are taken, the attribute sees them up to the first NUL; success returns the count of bytes taken, failure consumes nothing.",
  "fs/sysfs/file.c, fs/kernfs/file.c",
);

export type AttributeWrite = Extract<ApCall, { kind: "attribute-write" }>;

const PAGE = 4096;

/** Bytes that the attribute is given: what the write returns on success (2.3). */
export function countOf(call: AttributeWrite): number {
  return Math.min(call.length, PAGE);
}

/** The C string that the attribute sees; undefined where the recorder cut the data before its end. */
export function stringOf(call: AttributeWrite): string | undefined {
  const end = call.data.indexOf("\0");
  if (end >= 0) return call.data.slice(0, end);
  return call.truncated ? undefined : call.data;
}

/** A store that succeeded returns its byte count. */
export function stored(x: Trial, call: AttributeWrite): void {
  x.returns(countOf(call), SYSFS);
}
