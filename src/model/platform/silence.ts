import type { PlatformState } from "./state.js";

/** Hardware acted, or may act from now on, without notes. */
export function endSilence(s: PlatformState): void {
  if (s.machine.declaredSilent) return;
  s.journal.set(s.machine, "silent", false);
  s.journal.set(s.machine, "active", true);
}

/**
 * Structures are recorded: then a program that makes hardware act would say so in notes, too, and without them the hardware is
 * silent (3.3). Of a recording of system calls alone nothing of that kind is known.
 */
export function assumeSilence(s: PlatformState): void {
  if (!s.machine.silent && !s.machine.active) s.journal.set(s.machine, "silent", true);
}
