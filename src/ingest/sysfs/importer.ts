import type { Importer } from "../importer.js";
import { isNoise, SysfsParser } from "./parser.js";
import { splitSnapshotLine } from "./split.js";

/** The environment snapshot: `PATH:VALUE` lines as `grep -rH . PATHS` prints them, and lists of links (g). */
export const sysfsImporter: Importer = {
  format: "sysfs",
  recognises,
  parser: (info, sink) => new SysfsParser(info, sink),
};

/** Nearly all lines have a path and a value; one in ten may be something else. */
function recognises(head: readonly string[]): boolean {
  let split = 0;
  let other = 0;
  for (const line of head) {
    if (splitSnapshotLine(line) !== undefined) split++;
    else if (!isNoise(line)) other++;
  }
  return split > 0 && other * 10 <= split;
}
