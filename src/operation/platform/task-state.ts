import type { OpenOperation } from "../open-operation.js";
import type { InputNote } from "./arguments.js";
import type { PlatformCall } from "./call.js";
import type { ProbeRecord } from "./probe-records.js";

type Open = OpenOperation<PlatformCall>;

/** What is known of one task besides its files. */
export interface TaskState {
  /** The note before an ioctl that did not begin yet. */
  input: InputNote | undefined;
  /** The call that runs, or has returned and waits for what follows it. */
  running: Open | undefined;
  /** The note that belongs to `running`. */
  seq: number | undefined;
  /** Its bytes, as hex digits. */
  hex: string | undefined;
  /** An ioctl of this task was recorded as a system call: probe lines belong to such ones. */
  calls: boolean;
  /** What the probe lines of the running ioctl have shown so far, where calls are recorded, too. */
  record: ProbeRecord | undefined;
  /** Probe lines whose call did not come yet, and calls whose probe lines did not. */
  readonly early: ProbeRecord[];
  readonly waiting: Open[];
  /** The call that the last probe line belongs to. */
  probed: Open | undefined;
}

export function newTaskState(): TaskState {
  return {
    input: undefined,
    running: undefined,
    seq: undefined,
    hex: undefined,
    calls: false,
    record: undefined,
    early: [],
    waiting: [],
    probed: undefined,
  };
}
