import type { Event, SyscallEvent, TaskExitEvent } from "../../event/event.js";
import type { DawrCall } from "./call.js";
import type { KvmFile, KvmFiles } from "./files.js";
import { descriptorNumber } from "./request.js";

/** Follows the calls that move descriptors of KVM, and that change what memory is mapped. */
export class Descriptors {
  private readonly files: KvmFiles;
  private readonly closed: (call: DawrCall, name: string, event: Event) => void;

  constructor(files: KvmFiles, closed: (call: DawrCall, name: string, event: Event) => void) {
    this.files = files;
    this.closed = closed;
  }

  take(event: SyscallEvent): void {
    if (event.phase === "enter" || event.result?.kind === "injected") return;
    const { tid } = event;
    switch (event.name) {
      case "open":
        this.open(event, event.args[0]);
        break;
      case "openat":
      case "openat2":
        this.open(event, event.args[1]);
        break;
      case "close": {
        const file = this.files.close(tid, descriptorNumber(event.args[0]));
        if (file !== undefined) this.close(file, event);
        break;
      }
      case "dup":
      case "dup2":
      case "dup3":
      case "fcntl":
        this.duplicate(event);
        break;
      case "clone":
      case "clone3":
      case "fork":
      case "vfork":
        this.clone(event);
        break;
      case "execve":
      case "exit_group":
        if (event.name === "exit_group" || event.result?.kind === "value") {
          for (const file of this.files.closeAll(this.files.tasks.get(tid).process)) this.close(file, event);
        }
        break;
      case "mmap":
      case "munmap":
      case "mprotect":
      case "mremap":
      case "brk":
        this.files.remapped(tid, event.name);
        break;
    }
  }

  taskExit(event: TaskExitEvent): void {
    if (!this.files.tasks.has(event.tid)) return;
    const task = this.files.tasks.get(event.tid);
    if (!this.files.tasks.exit(task)) return;
    for (const file of this.files.closeAll(task.process)) this.close(file, event);
  }

  private open(event: SyscallEvent, path: string | undefined): void {
    if (event.result?.kind !== "value" || path === undefined || !path.includes("/dev/kvm")) return;
    if (path === '"/dev/kvm"') this.files.openKvm(event.tid, Number(event.result.text));
  }

  private duplicate(event: SyscallEvent): void {
    if (event.result?.kind !== "value") return;
    if (event.name === "fcntl" && event.args[1]?.startsWith("F_DUPFD") !== true) return;
    this.files.duplicate(event.tid, descriptorNumber(event.args[0]), Number(event.result.text));
  }

  private clone(event: SyscallEvent): void {
    if (event.result?.kind !== "value") return;
    const child = Number(event.result.text);
    const share = event.args.some((arg) => arg.includes("CLONE_FILES"));
    if (Number.isSafeInteger(child) && child > 0) this.files.tasks.clone(this.files.tasks.get(event.tid), child, share);
  }

  private close(file: KvmFile, event: Event): void {
    if (file.kind !== "kvm") this.closed({ kind: "kvm-close", on: file }, `close of a ${file.kind}`, event);
  }
}
