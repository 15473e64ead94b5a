import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Diagnostic } from "../event/diagnostic.js";
import { capturesInArchive } from "./archive.js";
import { type ByteSource, FileBytes, type NamedBytes, OnceBytes } from "./bytes.js";
import type { CaptureFailure } from "./capture.js";
import { canBeSource, DirectoryFolder, type Folder, isCaptureFolder, listDirectory } from "./folder.js";
import type { ImporterSet } from "./importers.js";
import { type Sniffed, sniff } from "./sniff.js";
import { describeFileError, isFileSystemError } from "./source-reader.js";

/** A path (file or directory), or bytes with a name. */
export type CaptureInput = string | NamedBytes;

/** A recording that was named by itself. */
export interface NamedFile {
  /** As reports print it. */
  readonly name: string;
  readonly bytes: ByteSource;
}

/** Where a capture is: found, not opened. */
export type CaptureLocation =
  /** A directory with a manifest or a snapshot. */
  | {
      readonly kind: "folder";
      readonly path: string;
      readonly folder: Folder;
      /** What was found out on the way to it. */
      readonly notes: readonly Diagnostic[];
    }
  /** One file, or several that are one capture. Files that are not recognised make it fail. */
  | { readonly kind: "files"; readonly path: string; readonly files: readonly NamedFile[] }
  | ({ readonly kind: "failure" } & CaptureFailure);

export interface DiscoveryOptions {
  /** The files named, or those of one directory, are one capture. */
  readonly together: boolean;
  readonly importers: ImporterSet;
  readonly signal: AbortSignal | undefined;
}

/**
 * Finds the captures that inputs stand for, in the order of the inputs and by name within a directory (design section
 * 3). What can't be looked into is a failure, and the search goes on.
 */
export async function* findCaptures(
  inputs: Iterable<CaptureInput>,
  options: DiscoveryOptions,
): AsyncGenerator<CaptureLocation> {
  const named: NamedFile[] = [];
  for (const input of inputs) {
    options.signal?.throwIfAborted();
    if (typeof input !== "string") {
      named.push({ name: input.name, bytes: new OnceBytes(input.bytes) });
    } else {
      const found = await lookAt(input, options.importers);
      if (found.kind === "file") named.push({ name: input, bytes: found.bytes });
      else if (found.kind === "archive") yield* inArchive(input, found.bytes);
      else if (found.kind === "failure") yield found;
      else if (options.together) yield await directoryTogether(input, options);
      else yield* walk(input, options);
    }
    if (!options.together) yield* named.splice(0).map(alone);
  }
  if (named.length > 0) {
    yield { kind: "files", path: named.map(({ name }) => name).join(" + "), files: named };
  }
}

function alone(file: NamedFile): CaptureLocation {
  return { kind: "files", path: file.name, files: [file] };
}

type Found =
  | { readonly kind: "file"; readonly bytes: ByteSource }
  | { readonly kind: "archive"; readonly bytes: ByteSource }
  | { readonly kind: "directory" }
  | Extract<CaptureLocation, { kind: "failure" }>;

async function lookAt(path: string, importers: ImporterSet): Promise<Found> {
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) return { kind: "directory" };
    // A pipe (`check <(...)`) gives its bytes once.
    if (!stats.isFile()) return { kind: "file", bytes: new OnceBytes(createReadStream(path)) };
    const bytes = new FileBytes(path);
    const sniffed = await sniff(bytes, importers, () => {});
    return sniffed.kind === "tar" ? { kind: "archive", bytes: sniffed.bytes } : { kind: "file", bytes };
  } catch (error) {
    return failure(path, error);
  }
}

async function* inArchive(path: string, bytes: ByteSource): AsyncGenerator<CaptureLocation> {
  try {
    for (const capture of await capturesInArchive(path, bytes)) yield { kind: "folder", ...capture };
  } catch (error) {
    yield failure(path, error);
  }
}

function failure(path: string, error: unknown): Extract<CaptureLocation, { kind: "failure" }> {
  if (!isFileSystemError(error)) throw error;
  return { kind: "failure", path, error: describeFileError(error) };
}

/** All captures below a directory; a failure where there is none. */
async function* walk(path: string, options: DiscoveryOptions): AsyncGenerator<CaptureLocation> {
  let found = 0;
  for await (const location of below(path, options)) {
    found += 1;
    yield location;
  }
  if (found === 0) yield nothingIn(path);
}

function nothingIn(path: string): CaptureLocation {
  return {
    kind: "failure",
    path,
    error: "the directory holds no recording of a known format, and no capture.json or sysfs.txt",
  };
}

async function* below(path: string, options: DiscoveryOptions): AsyncGenerator<CaptureLocation> {
  options.signal?.throwIfAborted();
  try {
    const { files, directories } = await listDirectory(path);
    if (isCaptureFolder(files)) {
      yield { kind: "folder", path, folder: new DirectoryFolder(path), notes: [] };
      return;
    }
    for (const name of files) {
      const file = { name: join(path, name), bytes: new FileBytes(join(path, name)) };
      const sniffed = await sniffFile(name, file.bytes, options.importers);
      if (sniffed === "unreadable") yield alone(file);
      else if (sniffed?.kind === "tar") yield* inArchive(file.name, sniffed.bytes);
      else if (sniffed !== undefined && isRecording(sniffed)) yield alone(file);
    }
    for (const name of directories) {
      if (!name.startsWith(".")) yield* below(join(path, name), options);
    }
  } catch (error) {
    yield failure(path, error);
  }
}

/** The files of a directory as one capture; a directory that is a capture anyway stays what it is. */
async function directoryTogether(path: string, options: DiscoveryOptions): Promise<CaptureLocation> {
  try {
    const { files } = await listDirectory(path);
    if (isCaptureFolder(files)) return { kind: "folder", path, folder: new DirectoryFolder(path), notes: [] };
    const named: NamedFile[] = [];
    for (const name of files) {
      const bytes = new FileBytes(join(path, name));
      const sniffed = await sniffFile(name, bytes, options.importers);
      if (sniffed === "unreadable" || sniffed?.kind === "text") named.push({ name, bytes });
    }
    return named.length === 0 ? nothingIn(path) : { kind: "files", path, files: named };
  } catch (error) {
    return failure(path, error);
  }
}

/**
 * Looks into a file of a directory; undefined where its name says that it is no recording. One that can't be looked into
 * is opened all the same, which says why.
 */
async function sniffFile(
  name: string,
  bytes: ByteSource,
  importers: ImporterSet,
): Promise<Sniffed | "unreadable" | undefined> {
  if (!canBeSource(name)) return undefined;
  try {
    return await sniff(bytes, importers, () => {});
  } catch (error) {
    if (isFileSystemError(error)) return "unreadable";
    throw error;
  }
}

/** A snapshot by itself is none. */
function isRecording(sniffed: Sniffed): boolean {
  return sniffed.kind === "kce" || (sniffed.kind === "text" && sniffed.importer.format !== "sysfs");
}
