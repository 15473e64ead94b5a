import type { Diagnostic } from "../event/diagnostic.js";
import type { ByteSource } from "./bytes.js";
import { SectionBytes } from "./bytes.js";
import { type Folder, isCaptureFolder } from "./folder.js";
import { readTar } from "./tar.js";

/** A capture within an archive. */
export interface ArchivedCapture {
  readonly path: string;
  readonly folder: Folder;
  /** What of the archive was not read. */
  readonly notes: readonly Diagnostic[];
}

/** Where a file lies in the archive's bytes. */
interface Section {
  readonly start: number;
  readonly length: number;
}

/**
 * The captures of a tar archive: each directory in it that has a manifest or a snapshot; without one, all its files are
 * one capture.
 * @throws the file system's error.
 */
export async function capturesInArchive(path: string, bytes: ByteSource): Promise<readonly ArchivedCapture[]> {
  const notes: Diagnostic[] = [];
  /** Files by directory (empty for the top) and name. */
  const directories = new Map<string, Map<string, Section>>();
  for await (const item of readTar(bytes.stream())) {
    switch (item.kind) {
      case "file": {
        const slash = item.name.lastIndexOf("/");
        const directory = slash < 0 ? "" : item.name.slice(0, slash);
        const files = directories.get(directory) ?? new Map<string, Section>();
        directories.set(directory, files.set(item.name.slice(slash + 1), item));
        break;
      }
      case "refused":
        notes.push(note("archive-entry-refused", item.name, `not read: it ${item.reason}`));
        break;
      case "fault":
        notes.push({ ...note("archive-fault", path, item.reason), severity: "loss" });
        break;
    }
  }
  const found = [...directories].filter(([, files]) => isCaptureFolder([...files.keys()]));
  if (found.length === 0) {
    const all = [...directories].flatMap(([directory, files]) =>
      [...files].map(([name, section]): [string, Section] => [
        directory === "" ? name : `${directory}/${name}`,
        section,
      ]),
    );
    return [{ path, folder: new ArchiveFolder(bytes, new Map(all), true), notes }];
  }
  return found.map(([directory]) => ({
    path: found.length === 1 ? path : `${path}:${directory}`,
    folder: new ArchiveFolder(bytes, filesBelow(directories, directory), false),
    notes,
  }));
}

function note(code: string, file: string, message: string): Diagnostic {
  return { code, severity: "note", file, line: 0, message };
}

/** The files of a directory and of those below it, by their names from there. */
function filesBelow(
  directories: ReadonlyMap<string, ReadonlyMap<string, Section>>,
  top: string,
): ReadonlyMap<string, Section> {
  const files = new Map<string, Section>();
  for (const [directory, names] of directories) {
    if (directory !== top && top !== "" && !directory.startsWith(`${top}/`)) continue;
    const below = directory === top ? "" : `${top === "" ? directory : directory.slice(top.length + 1)}/`;
    for (const [name, section] of names) files.set(below + name, section);
  }
  return files;
}

class ArchiveFolder implements Folder {
  readonly #bytes: ByteSource;
  readonly #files: ReadonlyMap<string, Section>;
  readonly #deep: boolean;

  /** `deep`: the files of all directories count as those of the folder. */
  constructor(bytes: ByteSource, files: ReadonlyMap<string, Section>, deep: boolean) {
    this.#bytes = bytes;
    this.#files = files;
    this.#deep = deep;
  }

  async list(): Promise<readonly string[]> {
    return [...this.#files.keys()].filter((name) => this.#deep || !name.includes("/")).sort();
  }

  async file(name: string): Promise<ByteSource | undefined> {
    const section = this.#files.get(name);
    return section === undefined ? undefined : new SectionBytes(this.#bytes, section.start, section.length);
  }
}
