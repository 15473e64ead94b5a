import { descriptorOf } from "../../event/arguments.js";
import type { SyscallEvent } from "../../event/event.js";
import type { TaskTable } from "../tasks.js";
import { passedDescriptors } from "./arguments.js";
import type { DecodedCall } from "./decoded.js";
import type { Descriptors, PlatformOpenFile, PlatformTask } from "./descriptors.js";
import type { PlatformFile } from "./file.js";

const IN_FLIGHT = 1024;

/** Descriptors that go to other processes over sockets (SCM_RIGHTS; capture-formats a.5). */
export class Transfers {
  private readonly descriptors: Descriptors;
  private readonly tasks: TaskTable<PlatformFile>;
  /** Files that were sent and not received yet. */
  private readonly inFlight: PlatformOpenFile[][] = [];

  constructor(descriptors: Descriptors, tasks: TaskTable<PlatformFile>) {
    this.descriptors = descriptors;
    this.tasks = tasks;
  }

  send(event: SyscallEvent, task: PlatformTask): DecodedCall | undefined {
    if (event.result?.kind !== "value") return undefined;
    const files: PlatformOpenFile[] = [];
    for (const fd of passedDescriptors(event)) {
      const file = this.descriptors.fileOf(fd, task);
      if (file === undefined) continue;
      // In flight it is one more reference.
      file.references++;
      files.push(file);
    }
    if (files.length > 0 && this.inFlight.length < IN_FLIGHT) this.inFlight.push(files);
    // Where no other process is traced, the receiver is none of the recording.
    const processes = this.tasks.processes();
    processes.next();
    if (processes.next().done !== true) return undefined;
    const eventfds = files.flatMap(({ object }) => (object.kind === "eventfd" ? [object.eventfd] : []));
    return eventfds.length === 0
      ? undefined
      : { call: { kind: "eventfd-exposed", eventfds, by: "sendmsg" }, name: "sendmsg" };
  }

  receive(event: SyscallEvent, task: PlatformTask): void {
    if (event.result?.kind !== "value") return;
    const numbers = passedDescriptors(event);
    if (numbers.length === 0) return;
    const at = this.inFlight.findIndex((files) => files.length === numbers.length);
    const files = at < 0 ? undefined : this.inFlight.splice(at, 1)[0];
    numbers.forEach((text, i) => {
      const fd = descriptorOf(text)?.fd;
      const file = files?.[i];
      if (fd === undefined) return;
      this.descriptors.duplicate(task, fd, file, true);
      if (file !== undefined) file.references--;
    });
  }
}
