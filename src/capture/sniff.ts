import type { Importer } from "../ingest/importer.js";
import type { ByteSource } from "./bytes.js";
import type { DiagnosticLog } from "./diagnostics.js";
import { type ExpansionFault, GunzippedBytes, isGzip } from "./gzip.js";
import type { ImporterSet } from "./importers.js";
import { LineCutter } from "./lines.js";

/** Bytes looked at to recognise a format. */
const HEAD = 64 * 1024;
/** Non-empty lines shown to the importers. */
const HEAD_LINES = 100;

/** The bytes that every .kce file begins with. */
const KCE_MAGIC = "\u0089KCE\r\n\u001a\n";

/** What a file turned out to be. `bytes` are its contents, unwrapped. */
export type Sniffed =
  | { readonly kind: "text"; readonly importer: Importer; readonly bytes: ByteSource }
  | { readonly kind: "kce"; readonly bytes: ByteSource }
  | { readonly kind: "tar"; readonly bytes: ByteSource }
  /** No byte but blanks. */
  | { readonly kind: "empty"; readonly bytes: ByteSource }
  | { readonly kind: "unrecognised"; readonly reason: string };

/** Binary formats that people have at hand, with what to do about them. */
const refusals: readonly (readonly [magic: string, reason: string])[] = [
  [
    "\u0017\u0008Dtracing",
    "is a binary trace.dat: print it with `trace-cmd report -t FILE > trace.txt` and give that file",
  ],
  ["PERFILE2", "is a binary perf.data: print it with `perf script --ns -i FILE > trace.txt` and give that file"],
  ["2ELIFREP", "is a binary perf.data: print it with `perf script --ns -i FILE > trace.txt` and give that file"],
  ["\u0028\u00b5\u002f\u00fd", "is compressed with zstd: unpack it with `zstd -d FILE` first"],
  ["\u00fd7zXZ\0", "is compressed with xz: unpack it with `xz -d FILE` first"],
  ["BZh", "is compressed with bzip2: unpack it with `bunzip2 FILE` first"],
  ["PK\u0003\u0004", "is a zip archive: unpack it first"],
  ["\u007fELF", "is a program, not a recording"],
  ["\u00ff\u00fe", "is UTF-16 text: convert it with `iconv -f UTF-16 -t UTF-8` first"],
  ["\u00fe\u00ff", "is UTF-16 text: convert it with `iconv -f UTF-16 -t UTF-8` first"],
];

/** What can be read, for the message about a file that can't. */
export const readFormats =
  "strace, ftrace (also trace-cmd report, perf script and bpftrace in its layout), s390dbf, the kernel log, snapshots of sysfs, .kce files, events as JSON lines";

/**
 * Finds out what a file is, from its content alone (capture-formats section 0.8).
 * @param onFault told of a compressed file that ends early, when it is streamed
 * @throws the file system's error.
 */
export async function sniff(
  source: ByteSource,
  importers: ImporterSet,
  onFault: (fault: ExpansionFault) => void,
): Promise<Sniffed> {
  let bytes = source;
  let head = await bytes.peek(HEAD);
  if (isGzip(head)) {
    bytes = new GunzippedBytes(source, onFault);
    head = await bytes.peek(HEAD);
    if (isGzip(head)) return { kind: "unrecognised", reason: "is compressed twice: unpack it first" };
  }
  const text = Buffer.from(head).toString("latin1");
  if (text.startsWith(KCE_MAGIC)) return { kind: "kce", bytes };
  if (text.slice(257, 262) === "ustar") return { kind: "tar", bytes };
  for (const [magic, reason] of refusals) if (text.startsWith(magic)) return { kind: "unrecognised", reason };
  const lines = headLines(text, head.length < HEAD);
  if (lines.length === 0 && head.length < HEAD) return { kind: "empty", bytes };
  const importer = importers.detect(lines);
  if (importer !== undefined) return { kind: "text", importer, bytes };
  return {
    kind: "unrecognised",
    reason:
      lines.some((line) => line.includes("\0")) && !lines.some((line) => line.startsWith("/"))
        ? "is a binary file of no known format"
        : "is text of no known format",
  };
}

/** The non-empty lines of a file's beginning; a last line that is cut off only where it is the only one. */
function headLines(text: string, whole: boolean): readonly string[] {
  const lines: string[] = [];
  const cutter = new LineCutter({
    line: (line) => {
      if (line.trim() !== "") lines.push(line);
    },
    tooLong: () => {},
  });
  cutter.push(text);
  const before = lines.length;
  if (!cutter.end() && !whole && before > 0) lines.length = before;
  return lines.slice(0, HEAD_LINES);
}

/** Puts what was wrong with a compressed file into the log. */
export function noteExpansionFault(log: DiagnosticLog, file: string, fault: ExpansionFault): void {
  switch (fault.kind) {
    case "truncated":
      log.add({
        code: "truncated-source",
        severity: "note",
        file,
        line: 0,
        message: "the compressed file ends in the middle: what is there was read",
      });
      return;
    case "corrupt":
      log.add({
        code: "corrupt-gzip",
        severity: "loss",
        file,
        line: 0,
        message: `the compressed file is damaged (${fault.reason}): it was read up to there`,
        hint: "fetch the file again, or check it with `gzip -t`",
      });
      return;
    case "too-large":
      log.add({
        code: "expansion-limit",
        severity: "loss",
        file,
        line: 0,
        message: "the compressed file expands beyond all measure: it was read up to the limit",
        hint: "unpack it yourself if it is meant to be so, and give the unpacked file",
      });
  }
}
