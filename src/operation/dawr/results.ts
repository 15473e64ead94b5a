import { errnoName } from "../../event/errno.js";
import type { CallResult } from "../../event/event.js";
import type { ObservedResult } from "../operation.js";
import { KVM_CHECK_EXTENSION, KVM_CREATE_VCPU, KVM_CREATE_VM } from "./numbers.js";

/** The result of an ioctl, with what is not certain about it. */
export interface IoctlResult {
  readonly result: ObservedResult;
  readonly ambiguous: number | undefined;
  readonly contradiction: ObservedResult | undefined;
}

/** How a program's failures are printed at the return of a call (FMT-2): not seen yet, or two's complement. */
export type ErrorSign = "unknown" | "negative";

const MAX_ERRNO = 4095;
/** Numbers of the failures that KVM_CREATE_VM and KVM_CREATE_VCPU have: ENOMEM, EINVAL, ENFILE, EMFILE, EIO, EEXIST. */
const vmFailures: ReadonlySet<number> = new Set([12, 22, 23, 24]);
const vcpuFailures: ReadonlySet<number> = new Set([5, 12, 17, 22, 23, 24]);
const notRecorded: ObservedResult = { kind: "unknown", reason: "the return was not recorded" };

/** Reads results of ioctls: those of strace are plain, those of a powerpc trace may have lost the sign of an errno. */
export function ioctlResult(
  command: number,
  traced: CallResult | undefined,
  printed: CallResult | undefined,
  sign: ErrorSign,
): IoctlResult {
  const own = plainResult(printed);
  if (traced === undefined) return { result: own ?? notRecorded, ambiguous: undefined, contradiction: undefined };
  const fromTrace = tracedResult(command, traced, sign);
  if (own === undefined || own.kind === "unknown") {
    return { result: fromTrace.result, ambiguous: fromTrace.ambiguous, contradiction: undefined };
  }
  if (agree(own, fromTrace)) return { result: own, ambiguous: undefined, contradiction: undefined };
  return { result: fromTrace.result, ambiguous: fromTrace.ambiguous, contradiction: own };
}

function agree(own: ObservedResult, traced: { result: ObservedResult; ambiguous: number | undefined }): boolean {
  const { ambiguous, result } = traced;
  if (ambiguous !== undefined) {
    return own.kind === "value" ? own.value === ambiguous : own.kind === "error" && own.errno === errnoName(ambiguous);
  }
  if (result.kind === "unknown") return true;
  if (own.kind === "value") return result.kind === "value" && result.value === own.value;
  return own.kind === "error" && result.kind === "error" && result.errno === own.errno;
}

/** A result as strace prints it. */
export function plainResult(printed: CallResult | undefined): ObservedResult | undefined {
  switch (printed?.kind) {
    case undefined:
      return undefined;
    case "value":
      return { kind: "value", value: Number(printed.text) };
    case "error":
      return { kind: "error", errno: printed.errno };
    case "unknown":
      return { kind: "unknown", reason: printed.reason };
    case "injected":
      return { kind: "unknown", reason: "the result was made up by fault injection" };
  }
}

function tracedResult(
  command: number,
  traced: CallResult,
  sign: ErrorSign,
): { readonly result: ObservedResult; readonly ambiguous: number | undefined } {
  const result = plainResult(traced) ?? notRecorded;
  if (result.kind !== "value") return { result, ambiguous: undefined };
  const { value } = result;
  if (value === 0 || value > MAX_ERRNO || command === KVM_CHECK_EXTENSION) return { result, ambiguous: undefined };
  if (command === KVM_CREATE_VM || command === KVM_CREATE_VCPU) {
    const failures = command === KVM_CREATE_VM ? vmFailures : vcpuFailures;
    if (sign === "negative" || !failures.has(value)) return { result, ambiguous: undefined };
    const reason = `${value} is a descriptor or ${errnoName(value)}: the trace does not tell failures of this program`;
    return { result: { kind: "unknown", reason }, ambiguous: value };
  }
  // FMT-2: requests that answer nothing but 0.
  return { result: { kind: "error", errno: errnoName(value) ?? String(value) }, ambiguous: undefined };
}
