import type { Importer, Sink } from "../importer.js";
import { StraceParser } from "./parser.js";

/** The text that strace writes, with any of its options (spec, section a). */
export const straceImporter: Importer = {
  format: "strace",
  recognises,
  parser: (info, sink) => new StraceParser(info, sink),
};

/** At least one call or exit of a task, and not more lines that strace does not print: the first may be program output. */
function recognises(head: readonly string[]): boolean {
  let events = 0;
  let context = 0;
  let unparsed = 0;
  const sink: Sink = {
    event: () => {
      events += 1;
    },
    context: (lines) => {
      context += lines;
    },
    diagnostic: (_, lines) => {
      unparsed += lines;
    },
  };
  const parser = new StraceParser({ source: 0, file: "" }, sink);
  head.forEach((text, index) => {
    parser.line(text, index + 1);
  });
  parser.end(true);
  if (events > 0) return events >= unparsed;
  return unparsed === 0 && context > 0 && head.some((text) => /strace: |--- SIG|^% time /.test(text));
}
