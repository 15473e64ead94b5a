import type { Sink, SourceInfo } from "./importer.js";

/** A line feed is missing at the end of a source; says so without taking the line from the counts. */
function noteTruncation(info: SourceInfo, sink: Sink, line: number): void {
  sink.diagnostic(
    {
      code: "truncated-source",
      severity: "note",
      file: info.file,
      line,
      message: "the last line has no line feed: the recording may end in the middle of it",
    },
    0,
  );
}

/**
 * Reports the lines that a parser does not understand. The newest is held back by one line, because an odd last line
 * without a line feed is what a recorder leaves that was killed (section 0.5): a truncation, not a fault of the file.
 */
export class UnparsedLines {
  readonly #info: SourceInfo;
  readonly #sink: Sink;
  #line = 0;
  #expected = "";
  #hint: string | undefined;

  constructor(info: SourceInfo, sink: Sink) {
    this.#info = info;
    this.#sink = sink;
  }

  /** Takes line `line`; `expected` says what it is not ("a record of an s390 debug area"). */
  take(line: number, expected: string, hint?: string): void {
    this.settle();
    this.#line = line;
    this.#expected = expected;
    this.#hint = hint;
  }

  /** Reports the line that is held back; to be called when another line follows. */
  settle(): void {
    if (this.#line === 0) return;
    const diagnostic = {
      code: "unparsed-line",
      severity: "loss" as const,
      file: this.#info.file,
      line: this.#line,
      message: `not ${this.#expected}`,
    };
    this.#sink.diagnostic(this.#hint === undefined ? diagnostic : { ...diagnostic, hint: this.#hint }, 1);
    this.#line = 0;
  }

  /** The source ends after line `last`; `complete` as in {@link LineParser.end}. */
  end(complete: boolean, last: number): void {
    if (complete || last === 0) {
      this.settle();
    } else if (this.#line === last) {
      this.#line = 0;
      this.#sink.diagnostic(
        {
          code: "truncated-source",
          severity: "note",
          file: this.#info.file,
          line: last,
          message: "the source ends in the middle of this line",
        },
        1,
      );
    } else {
      this.settle();
      noteTruncation(this.#info, this.#sink, last);
    }
  }
}
