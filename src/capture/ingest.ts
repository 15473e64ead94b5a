import type { Diagnostic } from "../event/diagnostic.js";
import type { Event } from "../event/event.js";
import { toJsonLine } from "../event/jsonl.js";
import { type KceHeader, writeKce } from "../event/kce.js";
import type { Capture } from "./capture.js";

export { openCaptures } from "./open.js";

/**
 * Writes a capture as a .kce file, whole or not at all: the snapshot first, then the merged stream. Returns what could not be written; an error where there is no file.
 * @throws the file system's error, and the signal's reason.
 */
export async function writeCapture(
  capture: Capture,
  file: string,
  toolVersion: string,
  signal?: AbortSignal,
): Promise<readonly Diagnostic[]> {
  const before = capture.diagnostics.length;
  const header: KceHeader = {
    toolVersion,
    name: capture.path,
    manifest: capture.manifestText ?? "",
    expected: capture.expected ?? "",
    sources: capture.sources.map(({ file: name, format, probes }) => ({ file: name, format, probes })),
    diagnostics: [...capture.diagnostics],
  };
  const refused: Diagnostic[] = [];
  const failure = await writeKce(file, header, async (writer) => {
    for (const diagnostic of await writer.write(capture.environment)) refused.push(diagnostic);
    for await (const events of capture.events(signal)) {
      for (const diagnostic of await writer.write(events)) refused.push(diagnostic);
    }
    // How many lines each stands for is in the counts of the sources.
    for (const diagnostic of [...capture.diagnostics.slice(before), ...refused]) await writer.diagnostic(diagnostic, 0);
    return {
      sources: capture.sources.map(({ counts }) => ({
        events: counts.events,
        contextLines: counts.context,
        diagnosticLines: counts.unparsed,
      })),
      diagnosticsLeftOut: capture.diagnosticsLeftOut,
    };
  });
  return failure === undefined ? refused : [failure];
}

/** Lines made at a time. */
const LINES = 512;

/** A capture as JSON lines, an event each, in pieces of text: the snapshot first, then the merged stream. */
export async function* captureAsJsonLines(capture: Capture, signal?: AbortSignal): AsyncGenerator<string> {
  yield* jsonLines(capture.environment);
  for await (const events of capture.events(signal)) yield* jsonLines(events);
}

function* jsonLines(events: readonly Event[]): Generator<string> {
  for (let start = 0; start < events.length; start += LINES) {
    let text = "";
    for (const event of events.slice(start, start + LINES)) text += `${toJsonLine(event)}\n`;
    yield text;
  }
}
