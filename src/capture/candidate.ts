import type { Format, Importer } from "../ingest/importer.js";
import type { ByteSource } from "./bytes.js";
import type { DiagnosticLog } from "./diagnostics.js";
import type { ImporterSet } from "./importers.js";
import type { ManifestSource } from "./manifest.js";
import { PROBE_SCAN, scanProbes } from "./probe-scan.js";
import { noteExpansionFault, type Sniffed, sniff } from "./sniff.js";
import { noCounts, type OpenSource } from "./source-reader.js";

/** A file of a capture, looked into. */
export interface Candidate {
  readonly name: string;
  readonly sniffed: Sniffed;
  /** What the manifest says of it. */
  readonly settings: ManifestSource | undefined;
}

/** Looks into a file of a capture. @throws the file system's error. */
export async function lookInto(
  name: string,
  bytes: ByteSource,
  settings: ManifestSource | undefined,
  importers: ImporterSet,
  log: DiagnosticLog,
): Promise<Candidate> {
  const sniffed = await sniff(bytes, importers, (fault) => noteExpansionFault(log, name, fault));
  return { name, sniffed, settings };
}

/** Why a file can't be one of a capture's sources, for people; undefined where it can. */
export function refusal({ sniffed }: Candidate): string | undefined {
  switch (sniffed.kind) {
    case "kce":
      return "is a .kce file, which is a whole capture: check it by itself";
    case "tar":
      return "is a tar archive, which is a capture of its own, and is read from a file only: name it by itself";
    case "unrecognised":
      return sniffed.reason;
    case "text":
    case "empty":
      return undefined;
  }
}

/** Why a candidate can't be a source. */
export interface NoSource {
  readonly reason: string;
}

/**
 * Makes a source of a candidate. The format is the manifest's, else that of the content; an empty file's follows from
 * its name. @throws the file system's error.
 */
export async function toSource(candidate: Candidate, importers: ImporterSet): Promise<OpenSource | NoSource> {
  const { name, sniffed, settings } = candidate;
  if (sniffed.kind !== "text" && sniffed.kind !== "empty") return { reason: refusal(candidate) ?? "" };
  const importer = importerOf(candidate, importers);
  if (importer === undefined) return { reason: `is of the format ${settings?.format}, which is not read here` };
  const { format } = importer;
  const { bytes } = sniffed;
  const probes = settings?.probes ?? (format === "ftrace" ? scanProbes(await bytes.peek(PROBE_SCAN)) : undefined);
  return { file: name, format, probes, counts: noCounts(), importer, bytes, clock: settings?.clock };
}

function importerOf({ name, sniffed, settings }: Candidate, importers: ImporterSet): Importer | undefined {
  if (settings?.format !== undefined) return importers.of(settings.format);
  return sniffed.kind === "text" ? sniffed.importer : importers.of(formatOfEmptyFile(name) ?? "strace");
}

const formatNames: readonly (readonly [pattern: RegExp, format: Format])[] = [
  [/strace/i, "strace"],
  [/dbf/i, "s390dbf"],
  [/dmesg/i, "dmesg"],
  [/sysfs/i, "sysfs"],
  [/trace|report/i, "ftrace"],
  [/\.jsonl?$/i, "jsonl"],
];

/** The format that the name of an empty file promises. */
export function formatOfEmptyFile(name: string): Format | undefined {
  return formatNames.find(([pattern]) => pattern.test(name))?.[1];
}
