/** Which recorders and probes ran: what was not recorded is not judged (design, section 2). */
export interface Observability {
  /** Whether an effect of that kind leaves a line if it happens. */
  sees(kind: string): boolean;
  /** Whether system calls were recorded. */
  readonly syscalls: boolean;
}
