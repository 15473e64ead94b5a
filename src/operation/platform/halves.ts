import { deviceName } from "./arguments.js";
import type { Argument, PlatformCall } from "./call.js";
import { hexBytes } from "./notes.js";
import type { TaskState } from "./task-state.js";

/** The bytes after the call: most calls write nothing, then they are the bytes before. */
export function afterOf(hex: string, state: TaskState, argument: Argument): Uint8Array | undefined {
  if (argument.kind === "bytes" && hex === state.hex) return argument.bytes;
  return hexBytes(hex);
}

/** The call with the bytes that it left behind, written out: a spread of it takes ten times as long. */
export function withAfter(call: PlatformCall & { kind: "vfio-ioctl" }, after: Uint8Array): PlatformCall {
  const { kind, target, request, value, argument, descriptors, made, process } = call;
  return { kind, target, request, value, argument, after, descriptors, made, process };
}

/** The call as its return shows it, with what only its entry could tell: the structure and what its descriptors meant then. */
export function joined(entered: PlatformCall, returned: PlatformCall): PlatformCall {
  if (entered.kind !== "vfio-ioctl" || returned.kind !== "vfio-ioctl") return returned;
  if (entered.argument.kind === "unknown" && returned.argument.kind !== "unknown") return returned;
  const made =
    returned.made === undefined
      ? undefined
      : { ...returned.made, name: returned.made.name ?? deviceName(entered.request, entered.argument) };
  return {
    ...returned,
    argument: entered.argument,
    after: returned.after ?? entered.after,
    descriptors: entered.descriptors,
    made,
  };
}
