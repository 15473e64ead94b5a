import type { Importer } from "../importer.js";
import { readLogHead } from "./head.js";
import { DmesgParser } from "./parser.js";

/** The kernel log as dmesg or journalctl -k print it (e.3). */
export const dmesgImporter: Importer = {
  format: "dmesg",
  recognises,
  parser: (info, sink) => new DmesgParser(info, sink),
};

/** Nearly all lines have the head of a kernel message; the others may continue one. */
function recognises(head: readonly string[]): boolean {
  let messages = 0;
  let other = 0;
  for (const line of head) {
    if (readLogHead(line) !== undefined) messages++;
    else if (!/^(?:[ \t]|-- )/.test(line)) other++;
  }
  return messages > 0 && other * 10 <= messages;
}
