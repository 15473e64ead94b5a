import type { Source } from "../capture/capture.js";
import type { Observability } from "../model/core/observability.js";

/**
 * Which recorders and probes ran in a capture: the lists of the manifest, or what was found in the sources; a probe that
 * nobody listed counts as recorded from the first time that it is seen.
 */
export class Recorders implements Observability {
  readonly syscalls: boolean;
  /** Calls and probe lines were recorded: there is one recorder that can have ended before the other. */
  readonly both: boolean;
  private readonly probes = new Set<string>();

  constructor(sources: readonly Source[]) {
    this.syscalls = sources.some((source) => source.format === "strace");
    this.both = this.syscalls && sources.some((source) => source.format === "ftrace");
    for (const source of sources) for (const name of source.probes ?? []) this.probes.add(name);
  }

  sees(kind: string): boolean {
    return this.probes.has(kind);
  }

  /** A line of that probe is there. */
  seen(kind: string): void {
    if (!this.probes.has(kind)) this.probes.add(kind);
  }

  /** Probes of a list that did not record. */
  missing(kinds: readonly string[]): readonly string[] {
    return kinds.filter((kind) => !this.probes.has(kind));
  }
}
