import type { Event } from "../event/event.js";
import type { Format, Importer, Sink, SourceInfo } from "../ingest/importer.js";
import type { ByteSource } from "./bytes.js";
import type { Source } from "./capture.js";
import type { DiagnosticLog } from "./diagnostics.js";
import { cutterFor, MAX_LINE } from "./lines.js";

/** A source that can be read. */
export interface OpenSource extends Source {
  readonly importer: Importer;
  readonly bytes: ByteSource;
  /** Name of its clock as the manifest says it. */
  readonly clock: string | undefined;
}

/** Counts at the beginning of a reading. */
export function noCounts(): Source["counts"] {
  return { lines: 0, events: 0, context: 0, unparsed: 0 };
}

/**
 * The events of a source, a batch for each chunk of bytes. Counts go into the source, diagnostics into the log; an error
 * of the file system while reading becomes a diagnostic of severity error.
 */
export async function* readSource(
  source: OpenSource,
  index: number,
  log: DiagnosticLog,
): AsyncGenerator<readonly Event[]> {
  const { counts, file } = source;
  let batch: Event[] = [];
  const sink: Sink = {
    event(event) {
      batch.push(event);
      counts.events += 1;
    },
    context(lines) {
      counts.context += lines;
    },
    diagnostic(diagnostic, lines) {
      counts.unparsed += lines;
      log.add(diagnostic);
    },
  };
  const info: SourceInfo = { source: index, file };
  const parser = source.importer.parser(info, sink);
  const cutter = cutterFor(parser, (line) =>
    sink.diagnostic(
      {
        code: "line-too-long",
        severity: "loss",
        file,
        line,
        message: `the line is longer than ${MAX_LINE / 2 ** 20} MiB and was left out`,
      },
      1,
    ),
  );
  try {
    for await (const chunk of source.bytes.stream()) {
      cutter.pushBytes(chunk);
      counts.lines = cutter.count;
      if (batch.length > 0) {
        yield batch;
        batch = [];
      }
    }
  } catch (error) {
    if (!isFileSystemError(error)) throw error;
    log.add({
      code: "read-failed",
      severity: "error",
      file,
      line: cutter.count,
      message: `could not be read to its end: ${describeFileError(error)}`,
    });
  }
  parser.end(cutter.end());
  counts.lines = cutter.count;
  if (batch.length > 0) yield batch;
}

/** Whether an error came from the operating system, and is no bug. */
export function isFileSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && "syscall" in error;
}

/** An error of the file system for people. */
export function describeFileError(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ENOENT":
    case "ENOTDIR":
      return "there is no such file or directory";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "EISDIR":
      return "it is a directory";
    case "ELOOP":
      return "its symbolic links lead in a circle";
    case "EMFILE":
    case "ENFILE":
      return "too many files are open";
    default:
      return error.message;
  }
}

/** Order of sources that nobody listed: calls come before what happens inside them, logs last; then by name. */
export function formatRank(format: Format): number {
  const ranks: Readonly<Record<Format, number>> = {
    strace: 0,
    jsonl: 1,
    ftrace: 2,
    kce: 3,
    s390dbf: 4,
    dmesg: 5,
    sysfs: 6,
  };
  return ranks[format];
}
