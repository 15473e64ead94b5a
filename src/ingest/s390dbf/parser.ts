import type { LineParser, Sink, SourceInfo } from "../importer.js";
import { UnparsedLines } from "../unparsed.js";
import { areaOfFile, areaOfHeader } from "./area.js";
import { findGluedEntry, readHead } from "./head.js";

/**
 * Parser of the sprintf views of s390 debug areas. Entries are handed over as they stand in the file, which is page order of a ring
 * and not time order: who merges them sorts them (d.1).
 */
export class S390dbfParser implements LineParser {
  readonly #info: SourceInfo;
  readonly #sink: Sink;
  readonly #unparsed: UnparsedLines;
  #area: string;
  #last = 0;

  constructor(info: SourceInfo, sink: Sink) {
    this.#info = info;
    this.#sink = sink;
    this.#unparsed = new UnparsedLines(info, sink);
    this.#area = areaOfFile(info.file);
  }

  line(text: string, number: number): void {
    this.#last = number;
    this.#unparsed.settle();
    if (readHead(text, 0) !== undefined) {
      this.#entries(text, number);
      return;
    }
    const area = areaOfHeader(text);
    if (area !== undefined) {
      this.#area = area;
      this.#sink.context(1);
    } else if (text.trim() === "") this.#sink.context(1);
    else this.#unparsed.take(number, "an entry of an s390 debug area (sprintf view)");
  }

  end(complete: boolean): void {
    this.#unparsed.end(complete, this.#last);
  }

  /** The entry of a line, and those that are glued to it. */
  #entries(text: string, number: number): void {
    let at = 0;
    for (;;) {
      const head = readHead(text, at);
      if (head === undefined) return;
      const glued = findGluedEntry(text, head.message);
      const end = glued === -1 ? text.length : glued;
      this.#sink.event({
        kind: "log",
        source: this.#info.source,
        line: number,
        time: { seconds: head.seconds, nanos: head.micros * 1000 },
        tid: 0,
        comm: "",
        text: at === 0 && glued === -1 ? text : text.slice(at, end),
        area: this.#area,
        message: text.slice(head.message, end),
        level: head.level,
      });
      if (glued === -1) return;
      at = glued;
      // One line, one more event: the sum of events, context and reported lines stays that of the lines.
      this.#sink.context(-1);
    }
  }
}
