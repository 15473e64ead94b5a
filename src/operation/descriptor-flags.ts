import { descriptorOf, numberOf } from "../event/arguments.js";
import type { SyscallEvent } from "../event/event.js";
import type { DescriptorTable } from "./descriptors.js";

/** Commands of fcntl(2), where a recorder prints numbers. */
const F_DUPFD = 0;
const F_SETFD = 2;
const F_DUPFD_CLOEXEC = 1030;

/** What an fcntl(2) does to descriptors: it makes another one, or sets the flag of one; undefined: nothing. */
export function fcntlOf({ args }: SyscallEvent): "duplicate" | "flag" | undefined {
  const command = args[1] ?? "";
  if (command.startsWith("F_DUPFD")) return "duplicate";
  if (command === "F_SETFD") return "flag";
  switch (command.startsWith("F_") ? undefined : numberOf(command)) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      return "duplicate";
    case F_SETFD:
      return "flag";
    default:
      return undefined;
  }
}

/** The descriptor that a dup3(2) or fcntl(2) made has a flag of its own, whatever its file was opened with. */
export function flagDuplicate<O>(files: DescriptorTable<O>, fd: number, { name, args }: SyscallEvent): void {
  const byNumber = name.startsWith("fcntl") && numberOf(args[1] ?? "") === F_DUPFD_CLOEXEC;
  files.setCloseOnExec(fd, byNumber || args.some((arg) => arg.includes("CLOEXEC")));
}

/** fcntl(2) with F_SETFD. */
export function setFlag<O>(files: DescriptorTable<O>, { args, result }: SyscallEvent): undefined {
  const fd = descriptorOf(args[0] ?? "")?.fd;
  const flags = args[2] ?? "";
  if (fd === undefined || result?.kind !== "value") return;
  files.setCloseOnExec(fd, flags.includes("FD_CLOEXEC") || (numberOf(flags) ?? 0) % 2 === 1);
}
