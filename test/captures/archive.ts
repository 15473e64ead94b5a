import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** The files of a packed recording, as latin-1 text. */
export function filesOf(path: string): ReadonlyMap<string, string> {
  const archive = gunzipSync(readFileSync(path));
  const files = new Map<string, string>();
  for (let at = 0; at + 512 <= archive.length; ) {
    const name = archive.toString("latin1", at, at + 100).replace(/\0.*$/, "");
    const size = Number.parseInt(archive.toString("latin1", at + 124, at + 136), 8);
    if (name !== "" && size > 0) files.set(name, archive.toString("latin1", at + 512, at + 512 + size));
    at += 512 + Math.ceil((Number.isNaN(size) ? 0 : size) / 512) * 512;
  }
  return files;
}
