import type { EnvironmentEvent, Event } from "../event/event.js";
import { type KceHeader, readKce } from "../event/kce.js";
import type { Format } from "../ingest/importer.js";
import type { ByteSource } from "./bytes.js";
import type { Capture, CaptureFailure, Source } from "./capture.js";
import { DiagnosticLog } from "./diagnostics.js";
import type { Manifest } from "./manifest.js";
import { emptyManifest, parseManifest } from "./manifest-parse.js";
import { noCounts } from "./source-reader.js";

/** Bytes that hold the header and the snapshot of any capture that we wrote. */
const MAX_PRELUDE = 64 * 2 ** 20;

const formats: readonly Format[] = ["strace", "ftrace", "sysfs", "s390dbf", "dmesg", "jsonl"];

/** What stands before the first recorded event of a .kce file. */
interface Prelude {
  readonly header: KceHeader;
  readonly environment: readonly EnvironmentEvent[];
}

/**
 * Opens a .kce file: its events are merged already, the snapshot's stand before the others.
 * @throws the file system's error.
 */
export async function openKce(path: string, bytes: ByteSource): Promise<Capture | CaptureFailure> {
  const prelude = await readPrelude(path, bytes);
  if (typeof prelude === "string") return { path, error: prelude };
  const { header, environment } = prelude;
  const log = new DiagnosticLog();
  let manifest = emptyManifest;
  if (header.manifest !== "") {
    const parsed = parseManifest(header.manifest, `${path}: capture.json`, "labels");
    if (parsed.kind === "errors") return { path, error: parsed.errors.join("\n") };
    // Notes on the manifest are among the header's diagnostics.
    manifest = parsed.manifest;
  }
  for (const diagnostic of header.diagnostics) log.add(diagnostic);
  const sources = header.sources.map(({ file, format, probes }): Source => {
    const known = formats.find((name) => name === format) ?? "kce";
    return { file, format: known, probes, counts: noCounts() };
  });
  return new KceCapture(path, bytes, manifest, header, sources, environment, log);
}

/** Reads up to the first recorded event; a text that says why where it can't. */
async function readPrelude(path: string, bytes: ByteSource): Promise<Prelude | string> {
  const head = await bytes.peek(MAX_PRELUDE);
  async function* once(): AsyncGenerator<Uint8Array> {
    yield head;
  }
  let header: KceHeader | undefined;
  const environment: EnvironmentEvent[] = [];
  for await (const item of readKce(once(), path)) {
    switch (item.kind) {
      case "header":
        header = item.header;
        break;
      case "events":
        for (const event of item.events) {
          if (event.kind === "environment") environment.push(event);
          else if (header !== undefined) return { header, environment };
        }
        break;
      case "diagnostic":
        if (header === undefined) return item.diagnostic.message;
        break;
      case "recorded":
      case "end":
        break;
    }
  }
  return header === undefined ? "the file is empty" : { header, environment };
}

class KceCapture implements Capture {
  readonly path: string;
  readonly manifest: Manifest;
  readonly manifestText: string | undefined;
  readonly expected: string | undefined;
  readonly sources: readonly Source[];
  readonly environment: readonly EnvironmentEvent[];
  readonly #bytes: ByteSource;
  readonly #log: DiagnosticLog;
  #leftOutBefore = 0;
  #read = false;

  constructor(
    path: string,
    bytes: ByteSource,
    manifest: Manifest,
    header: KceHeader,
    sources: readonly Source[],
    environment: readonly EnvironmentEvent[],
    log: DiagnosticLog,
  ) {
    this.path = path;
    this.#bytes = bytes;
    this.manifest = manifest;
    this.manifestText = header.manifest === "" ? undefined : header.manifest;
    this.expected = header.expected === "" ? undefined : header.expected;
    this.sources = sources;
    this.environment = environment;
    this.#log = log;
  }

  get diagnostics(): Capture["diagnostics"] {
    return this.#log.kept;
  }

  get diagnosticsLeftOut(): number {
    return this.#log.leftOut + this.#leftOutBefore;
  }

  events(signal?: AbortSignal): AsyncIterable<readonly Event[]> {
    if (this.#read) throw new Error("the events of a capture can be read once");
    this.#read = true;
    return this.#events(signal);
  }

  async *#events(signal: AbortSignal | undefined): AsyncGenerator<readonly Event[]> {
    for await (const item of readKce(this.#bytes.stream(), this.path)) {
      signal?.throwIfAborted();
      switch (item.kind) {
        case "events": {
          for (const { source } of item.events) {
            const counts = this.sources[source]?.counts;
            if (counts === undefined) continue;
            counts.events += 1;
            counts.lines += 1;
          }
          const recorded = item.events.filter((event) => event.kind !== "environment");
          if (recorded.length > 0) yield recorded;
          break;
        }
        case "recorded":
        case "diagnostic":
          this.#log.add(item.diagnostic);
          break;
        case "end":
          this.#leftOutBefore = item.end.diagnosticsLeftOut;
          for (const [index, { events, contextLines, diagnosticLines }] of item.end.sources.entries()) {
            const counts = this.sources[index]?.counts;
            if (counts === undefined) continue;
            counts.events = events;
            counts.context = contextLines;
            counts.unparsed = diagnosticLines;
            counts.lines = events + contextLines + diagnosticLines;
          }
          break;
        case "header":
          break;
      }
    }
  }
}
