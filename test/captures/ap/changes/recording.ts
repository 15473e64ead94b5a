import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Capture } from "../../../../src/capture/capture.js";
import { parseManifest } from "../../../../src/capture/manifest-parse.js";
import { merge } from "../../../../src/capture/merge.js";
import { checkCapture } from "../../../../src/check/check.js";
import type { CaptureReport } from "../../../../src/check/report.js";
import type { Event } from "../../../../src/event/event.js";
import type { Format } from "../../../../src/ingest/importer.js";
import { importerOf } from "../../../../src/ingest/registry.js";

/** A capture in memory: the lines of its files, to be changed and checked again and again. */
export interface Recording {
  readonly name: string;
  /** Text of capture.json. */
  readonly manifest: string;
  /** Lines of the sources and of the snapshot, by file name. */
  readonly files: ReadonlyMap<string, readonly string[]>;
}

export const STRACE = "strace.txt";
export const TRACE = "trace.txt";
const SNAPSHOT = "sysfs.txt";

/** Reads a capture directory with a manifest. */
export function load(directory: string, name: string): Recording {
  const path = join(directory, name);
  const manifest = readFileSync(join(path, "capture.json"), "utf8");
  const files = new Map<string, readonly string[]>();
  for (const file of readdirSync(path)) {
    if (!file.endsWith(".txt")) continue;
    const lines = readFileSync(join(path, file), "latin1").split("\n");
    if (lines.at(-1) === "") lines.pop();
    files.set(file, lines);
  }
  return { name, manifest, files };
}

export function linesOf(recording: Recording, file: string): readonly string[] {
  return recording.files.get(file) ?? [];
}

/** The recording with other lines in one of its files. */
export function withLines(recording: Recording, file: string, lines: readonly string[]): Recording {
  return { ...recording, files: new Map([...recording.files, [file, lines]]) };
}

/** Checks a recording as the command does, without a way over files. */
export async function check(recording: Recording): Promise<CaptureReport> {
  const manifest = manifestOf(recording);
  const listed = manifest.sources ?? [];
  const sources = listed.map(({ file, format, probes }) => ({
    file,
    format: format ?? "strace",
    probes,
    counts: { lines: 0, events: 0, context: 0, unparsed: 0 },
  }));
  const environment = eventsOf(recording, SNAPSHOT, "sysfs", sources.length);
  const capture: Capture = {
    path: recording.name,
    manifest,
    sources,
    manifestText: recording.manifest,
    expected: undefined,
    environment: environment.filter((event) => event.kind === "environment"),
    diagnostics: [],
    diagnosticsLeftOut: 0,
    events: () =>
      merge(
        sources.map(({ file, format }, source) => ({
          batches: once(eventsOf(recording, file, format, source)),
          offsetNs: 0n,
        })),
      ),
  };
  return checkCapture(capture);
}

const manifests = new Map<string, ReturnType<typeof manifestFrom>>();

function manifestOf(recording: Recording): ReturnType<typeof manifestFrom> {
  const known = manifests.get(recording.manifest);
  if (known !== undefined) return known;
  const parsed = manifestFrom(recording.manifest);
  manifests.set(recording.manifest, parsed);
  return parsed;
}

function manifestFrom(text: string): Capture["manifest"] {
  const parsed = parseManifest(text, "capture.json");
  if (parsed.kind === "errors") throw new Error(parsed.errors.join("\n"));
  return parsed.manifest;
}

function eventsOf(recording: Recording, file: string, format: Format, source: number): Event[] {
  const events: Event[] = [];
  const importer = importerOf(format);
  if (importer === undefined) throw new Error(`no importer for ${format}`);
  const parser = importer.parser(
    { source, file },
    { event: (e) => events.push(e), context: () => {}, diagnostic: () => {} },
  );
  linesOf(recording, file).forEach((line, i) => {
    parser.line(line, i + 1);
  });
  parser.end(true);
  return events;
}

async function* once(events: readonly Event[]): AsyncGenerator<readonly Event[]> {
  yield events;
}
