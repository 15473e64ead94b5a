import { randomBytes } from "node:crypto";
import { chmod, open, realpath, rename, rm, stat } from "node:fs/promises";

/** Text gathered before it is written. */
const FLUSH = 256 * 1024;

/**
 * Writes a file whole or not at all: into a temporary file beside it, which then takes its name. What is no regular file
 * (a pipe, /dev/stdout) is written to directly.
 * @throws the file system's error.
 */
export async function writeWholeFile(path: string, pieces: Iterable<string>): Promise<void> {
  const before = await existing(path);
  if (before !== undefined && !before.regular) {
    await writeAll(path, "w", pieces);
    return;
  }
  // A symbolic link stays one: the file behind it is replaced.
  const target = before === undefined ? path : await realpath(path);
  const temporary = `${target}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeAll(temporary, "wx", pieces);
    if (before !== undefined) await chmod(temporary, before.mode);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function existing(path: string): Promise<{ readonly regular: boolean; readonly mode: number } | undefined> {
  try {
    const stats = await stat(path);
    return { regular: stats.isFile(), mode: stats.mode & 0o777 };
  } catch {
    // No such file, or none that can be looked at: opening it says which.
    return undefined;
  }
}

async function writeAll(path: string, flags: string, pieces: Iterable<string>): Promise<void> {
  const handle = await open(path, flags);
  try {
    let text = "";
    for (const piece of pieces) {
      text += piece;
      if (text.length < FLUSH) continue;
      await handle.writeFile(text);
      text = "";
    }
    await handle.writeFile(text);
  } finally {
    await handle.close();
  }
}
