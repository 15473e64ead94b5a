import type { EnvironmentEvent, Event } from "../event/event.js";
import type { Sink } from "../ingest/importer.js";
import type { DiagnosticLog } from "./diagnostics.js";
import { cutterFor } from "./lines.js";
import { type OpenSource, readSource } from "./source-reader.js";

/** Lines kept of a snapshot: a machine with 256 adapters and domains has some 100 000. */
const MAX_LINES = 1_000_000;

/** Bytes looked at to tell a list of links. */
const HEAD = 16 * 1024;

/**
 * Which files make up the environment: the snapshot (the one that was named, else the first) and the lists of links
 * that were recorded with it. A second snapshot, taken after the run, is another state: it is left out with a note.
 */
export async function chooseSnapshots(
  named: OpenSource | undefined,
  found: readonly OpenSource[],
  log: DiagnosticLog,
): Promise<readonly OpenSource[]> {
  const snapshots: OpenSource[] = named === undefined ? [] : [named];
  const links: OpenSource[] = [];
  for (const source of found) {
    if (await isListOfLinks(source)) {
      links.push(source);
    } else if (snapshots.length === 0) {
      snapshots.push(source);
    } else {
      const message = `not read: the snapshot of this capture is ${snapshots[0]?.file}, and it has only one`;
      log.add({ code: "second-snapshot", severity: "note", file: source.file, line: 0, message });
    }
  }
  return [...snapshots, ...links];
}

/** `PATH -> TARGET` lines, as `find PATHS -type l -printf '%p -> %l\n'` prints them. */
async function isListOfLinks({ bytes }: OpenSource): Promise<boolean> {
  const lines = Buffer.from(await bytes.peek(HEAD))
    .toString("latin1")
    .split("\n")
    .filter((line) => line.startsWith("/"));
  return lines.length > 0 && lines.filter((line) => line.includes(" -> ")).length * 2 > lines.length;
}

/** Bytes of an event file in which its snapshot stands, before the first recorded event. */
const MAX_PRELUDE = 64 * 2 ** 20;

/** The snapshot at the beginning of a file of events, which carries its own. */
export async function leadingEnvironment(source: OpenSource, index: number): Promise<readonly EnvironmentEvent[]> {
  const environment: EnvironmentEvent[] = [];
  let recorded = false;
  const sink: Sink = {
    event(event) {
      if (event.kind === "environment" && !recorded) environment.push(event);
      else recorded = true;
    },
    context: () => {},
    diagnostic: () => {},
  };
  const parser = source.importer.parser({ source: index, file: source.file }, sink);
  const cutter = cutterFor(parser);
  const head = await source.bytes.peek(MAX_PRELUDE);
  for (let start = 0; start < head.length && !recorded; start += HEAD) {
    cutter.pushBytes(head.subarray(start, start + HEAD));
  }
  return environment;
}

/** The events but those of a snapshot. */
export async function* withoutEnvironment(batches: AsyncIterable<readonly Event[]>): AsyncGenerator<readonly Event[]> {
  for await (const batch of batches) yield batch.filter((event) => event.kind !== "environment");
}

/** Reads the files of the environment whole; they have the indexes from `first` on among the capture's sources. */
export async function readEnvironment(
  sources: readonly OpenSource[],
  first: number,
  log: DiagnosticLog,
): Promise<readonly EnvironmentEvent[]> {
  const environment: EnvironmentEvent[] = [];
  for (const [index, source] of sources.entries()) {
    for await (const batch of readSource(source, first + index, log)) {
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
      return environment;
    }
  }
  return environment;
}
