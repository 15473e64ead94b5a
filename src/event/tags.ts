/**
 * Field numbers of `kvm_conform.event` (schemas/event.proto) as the wire has them: `field number << 3 | wire type`. Every
 * number is below 16, so every tag is one byte.
 */

export const EVENT = {
  source: 0x08,
  line: 0x10,
  time: 0x1a,
  tid: 0x20,
  comm: 0x2a,
  text: 0x32,
  syscall: 0x3a,
  probe: 0x42,
  log: 0x4a,
  taskExit: 0x52,
  gap: 0x5a,
  mark: 0x62,
  environment: 0x6a,
} as const;
export const STAMP = { seconds: 0x08, nanos: 0x10 } as const;
export const SYSCALL = {
  phase: 0x08,
  name: 0x12,
  args: 0x1a,
  value: 0x22,
  errno: 0x2a,
  unknown: 0x32,
  injected: 0x3a,
  duration: 0x40,
  dump: 0x4a,
} as const;
export const VALUE = { text: 0x0a, decoration: 0x12 } as const;
export const PROBE = { name: 0x0a, fields: 0x12, cpu: 0x18 } as const;
export const LOG = { area: 0x0a, message: 0x12, level: 0x18 } as const;
export const TASK_EXIT = { status: 0x0a } as const;
export const GAP = { cpu: 0x08, lost: 0x10, edge: 0x18 } as const;

/** Numbers of Gap.Edge. */
export const EDGE = { begin: 1, end: 2 } as const;
export const MARK = { message: 0x0a } as const;
export const ENVIRONMENT = { path: 0x0a, value: 0x12 } as const;

/** Numbers of the enum `Syscall.Phase`; 0 is never written. */
export const PHASES = [undefined, "complete", "enter", "exit"] as const;
export const PHASE_NUMBER = { complete: 1, enter: 2, exit: 3 } as const;

/** Largest `Stamp.nanos`. */
export const MAX_NANOS = 999_999_999;
