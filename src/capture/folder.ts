import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { type ByteSource, FileBytes } from "./bytes.js";

/** The files of one capture: a directory, or an archive of one. */
export interface Folder {
  /** Names of the files directly in it, sorted. */
  list(): Promise<readonly string[]>;
  /** A file by its name below the folder (`trace.txt`, `logs/trace.txt`); undefined where there is none. */
  file(name: string): Promise<ByteSource | undefined>;
}

/** Files of a capture that never are recordings. */
const neverSources: ReadonlySet<string> = new Set([
  "capture.json",
  "expected.json",
  "truth.jsonl",
  "environment.txt",
  "kprobe_events",
  "lost.txt",
  "kernel.log",
]);

/** Whether a file of this name can be a recording at all; its content decides then. */
export function canBeSource(path: string): boolean {
  const name = basename(path);
  return !neverSources.has(name) && !/^readme/i.test(name) && !name.startsWith(".");
}

/** Whether a folder with these files is one capture. */
export function isCaptureFolder(names: readonly string[]): boolean {
  return names.includes("capture.json") || names.includes("sysfs.txt");
}

/** A directory's contents. Links to files count as files; links to directories are not followed, nor devices and pipes. */
export interface DirectoryListing {
  readonly files: readonly string[];
  readonly directories: readonly string[];
}

/** @throws the file system's error. */
export async function listDirectory(path: string): Promise<DirectoryListing> {
  const files: string[] = [];
  const directories: string[] = [];
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) directories.push(entry.name);
    else if (entry.isFile()) files.push(entry.name);
    else if (entry.isSymbolicLink() && (await isFile(join(path, entry.name)))) files.push(entry.name);
  }
  return { files: files.sort(), directories: directories.sort() };
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    // A dangling link: nothing to read there.
    return false;
  }
}

/** A directory on disk. */
export class DirectoryFolder implements Folder {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async list(): Promise<readonly string[]> {
    return (await listDirectory(this.#path)).files;
  }

  async file(name: string): Promise<ByteSource | undefined> {
    const path = join(this.#path, name);
    return (await isFile(path)) ? new FileBytes(path) : undefined;
  }
}
