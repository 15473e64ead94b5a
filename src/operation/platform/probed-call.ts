import type { Meaning, PlatformCall } from "./call.js";
import type { DecodedCall } from "./decoded.js";
import type { PlatformTask } from "./descriptors.js";
import type { ProbedIoctl } from "./probes.js";
import { requestNumbered, VFIO } from "./requests.js";
import type { SyscallDecoder } from "./syscalls.js";

/** An ioctl that only probe lines recorded, no system call. */
export function probedCall(probed: ProbedIoctl, syscalls: SyscallDecoder, task: PlatformTask): DecodedCall {
  const request = requestNumbered(probed.command);
  const call: PlatformCall = {
    kind: "vfio-ioctl",
    target: targetOf(request.number, probed.fd, syscalls, task),
    request,
    value: undefined,
    argument: probed.argument,
    after: undefined,
    descriptors: [],
    made: undefined,
    process: task.process.id,
  };
  return { call: syscalls.withArgument(call, probed.argument, task), name: request.operation };
}

/** Without system calls the command number tells the descriptor's kind (probes.md). */
function targetOf(number: number, fd: number | undefined, syscalls: SyscallDecoder, task: PlatformTask): Meaning {
  const kind = number <= VFIO.SET_IOMMU ? "/dev/vfio/vfio" : "anon_inode:[vfio-device]";
  if (number >= VFIO.GROUP_GET_STATUS && number <= VFIO.GROUP_GET_DEVICE_FD) return { kind: "unknown" };
  return syscalls.descriptors.meaningOfArgument(`${fd ?? 0x7fffffff}<${kind}>`, task);
}
