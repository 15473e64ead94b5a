import type { OpenOperation } from "../open-operation.js";
import type { ObservedResult } from "../operation.js";
import type { Argument, PlatformCall } from "./call.js";
import { requestNumbered } from "./requests.js";
import { IRQ_SET_SIZE } from "./structures.js";

/** What the probe lines of one ioctl show together. */
export interface ProbeRecord {
  readonly command: number;
  /** `ioctl_in` began it: `set_irqs` lies inside. */
  readonly whole: boolean;
  argument: Argument;
  after: Uint8Array | undefined;
  result: ObservedResult | undefined;
}

/** Whether a call can be the one that probe lines show: the same command, and the same result where both are known. */
export function isOf(
  { command, result }: ProbeRecord,
  { call, result: observed }: OpenOperation<PlatformCall>,
): boolean {
  if (call.kind !== "vfio-ioctl" || call.request.number !== canonical(command)) return false;
  if (result === undefined || result.kind === "unknown" || observed.kind === "unknown") return true;
  if (result.kind === "error") return observed.kind === "error" && observed.errno === result.errno;
  return observed.kind === "value" && observed.value === result.value;
}

/** Whether the count of a SET_IRQS is not among the bytes: the recipe's ioctl_in prints four words. */
export function lacksHeader(argument: Argument): boolean {
  return argument.kind !== "bytes" || argument.bytes.length < IRQ_SET_SIZE;
}

/** The request of a command that a note or a probe line gives as a number. */
export function canonical(command: number): number {
  return requestNumbered(command).number;
}
