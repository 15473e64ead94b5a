import type { EnvironmentEvent } from "../event/event.js";
import type { DiagnosticLog } from "./diagnostics.js";
import { type OpenSource, readSource } from "./source-reader.js";

/** Lines kept of a snapshot: a machine with 256 adapters and domains has some 100 000. */
const MAX_LINES = 1_000_000;

/** Reads an environment snapshot whole. */
export async function readSnapshot(
  source: OpenSource,
  index: number,
  log: DiagnosticLog,
): Promise<readonly EnvironmentEvent[]> {
  const environment: EnvironmentEvent[] = [];
  for await (const batch of readSource(source, index, log)) {
    for (const event of batch) if (event.kind === "environment") environment.push(event);
    if (environment.length < MAX_LINES) continue;
    log.add({
      code: "snapshot-too-large",
      severity: "loss",
      file: source.file,
      line: source.counts.lines,
      message: `only the first ${environment.length} lines of the snapshot were read`,
      hint: "record only the paths that the recipe names",
    });
    break;
  }
  return environment;
}
