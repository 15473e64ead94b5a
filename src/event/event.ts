/**
 * The event: the record of one recorded line, of whatever recorder. `schemas/event.proto` defines the same union
 * for files; in memory it stays plain data, so that nothing is encoded on the way from a source to a verdict.
 */

/** Seconds and nanoseconds as printed by the recorder (its own clock); a line without a stamp has none. */
export interface Stamp {
  /** Whole seconds, 0 and up (never negative). */
  readonly seconds: number;
  /** 0 to 999 999 999. */
  readonly nanos: number;
}

export function isEarlier(a: Stamp, b: Stamp): boolean {
  return a.seconds < b.seconds || (a.seconds === b.seconds && a.nanos < b.nanos);
}

interface EventBase {
  /** Index of the source within its capture. */
  readonly source: number;
  /** 1-based line of the source on which the record begins. */
  readonly line: number;
  /** Time as printed; undefined where the recorder printed none. */
  readonly time: Stamp | undefined;
  /** Thread id; 0 where the recorder prints none. */
  readonly tid: number;
  /** Task name as printed; empty where the recorder prints none. */
  readonly comm: string;
  /** The recorded line (latin-1: one character a byte), for reports. */
  readonly text: string;
}

/** What a system call returned. */
export type CallResult =
  /** A value of 0 and above, or an address; `text` as printed (decimal or 0x hex), `decoration` of a returned descriptor. */
  | { readonly kind: "value"; readonly text: string; readonly decoration: string | undefined }
  /** A failure. `errno` is the name (EBUSY), or the number as text where strace knew no name. */
  | { readonly kind: "error"; readonly errno: string }
  /** `= ?`, a restart, a killed or detached task: the call may have had its effect. */
  | { readonly kind: "unknown"; readonly reason: string }
  /** Made up by fault injection of the recorder: says nothing about the kernel. */
  | { readonly kind: "injected"; readonly text: string };

/**
 * A system call. `complete`: entry and exit on one line. `enter`: an entry alone (`<unfinished ...>`, sys_enter);
 * `exit`: its return, with the arguments of entry and exit joined.
 */
export interface SyscallEvent extends EventBase {
  readonly kind: "syscall";
  readonly phase: "complete" | "enter" | "exit";
  /** Name of the call: openat, write, ioctl ... */
  readonly name: string;
  /** Top-level arguments in strace's notation (`3</path>`, `"5\n"`, `0x3b6f`), untouched. */
  readonly args: readonly string[];
  /** Absent only for `enter`. */
  readonly result: CallResult | undefined;
  /** Duration in ns where the recorder printed one (strace -T). */
  readonly durationNs: number | undefined;
  /** Hex dump lines (strace -e write=) that followed: the whole data of the call, latin-1. */
  readonly dump: string | undefined;
}

/** A tracepoint or dynamic probe: its name without a group prefix, and its fields in printed order. */
export interface ProbeEvent extends EventBase {
  readonly kind: "probe";
  readonly name: string;
  /** key, value, key, value ... as printed; read with {@link fieldOf}. */
  readonly fields: readonly string[];
  /** CPU number; -1 where not printed. */
  readonly cpu: number;
}

/** A line of a log: an s390 debug area or the kernel log. */
export interface LogEvent extends EventBase {
  readonly kind: "log";
  /** `kvm-4100`, `vfio_ap`, or `kernel` for the kernel log. */
  readonly area: string;
  /** Message without its head. */
  readonly message: string;
  /** Debug level; -1 where there is none. */
  readonly level: number;
}

/** The end of a task. */
export interface TaskExitEvent extends EventBase {
  readonly kind: "task-exit";
  /** Exit code, or the name of the signal that killed it. */
  readonly status: string;
}

/** The recorder lost events, between the previous and the next event of `cpu` (all CPUs where -1). */
export interface GapEvent extends EventBase {
  readonly kind: "gap";
  readonly cpu: number;
  /** How many were lost; undefined where the recorder did not say. */
  readonly lost: number | undefined;
  /**
   * Absent for the recorded line, which stands behind the loss. The capture puts the two edges of the loss into the
   * merged stream, at the times of the events around it: between them lines may be missing.
   */
  readonly edge?: "begin" | "end";
}

/** A marker written into a trace (`tracing_mark_write`). */
export interface MarkEvent extends EventBase {
  readonly kind: "mark";
  readonly message: string;
}

/** One line of an environment snapshot. */
export interface EnvironmentEvent extends EventBase {
  readonly kind: "environment";
  readonly path: string;
  readonly value: string;
}

export type Event = SyscallEvent | ProbeEvent | LogEvent | TaskExitEvent | GapEvent | MarkEvent | EnvironmentEvent;

/** The value of a field of a probe, or undefined where the recorder did not print it. */
export function fieldOf(event: ProbeEvent, key: string): string | undefined {
  const { fields } = event;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (fields[i] === key) return fields[i + 1];
  }
  return undefined;
}
