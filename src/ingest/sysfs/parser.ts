import type { LineParser, Sink, SourceInfo } from "../importer.js";
import { UnparsedLines } from "../unparsed.js";
import { splitSnapshotLine } from "./split.js";

/** What grep and find say besides, and the lines of `find -printf '%p %y %l\n'` that are no links. */
const NOISE = [/^(?:grep|find|cat): /, /^Binary file .{1,4096} matches$/, /^\/[^ ]{1,4096} [a-zA-Z] ?$/];

/** Whether a line is understood and says nothing about the environment. */
export function isNoise(line: string): boolean {
  if (line.trim() === "") return true;
  return line.length <= 5000 && NOISE.some((pattern) => pattern.test(line));
}

/** Parser of environment snapshots. An attribute of several lines gives as many events with one path. */
export class SysfsParser implements LineParser {
  readonly #info: SourceInfo;
  readonly #sink: Sink;
  readonly #unparsed: UnparsedLines;
  #last = 0;

  constructor(info: SourceInfo, sink: Sink) {
    this.#info = info;
    this.#sink = sink;
    this.#unparsed = new UnparsedLines(info, sink);
  }

  line(text: string, number: number): void {
    this.#last = number;
    this.#unparsed.settle();
    const split = splitSnapshotLine(text);
    if (split !== undefined) {
      this.#sink.event({
        kind: "environment",
        source: this.#info.source,
        line: number,
        time: undefined,
        tid: 0,
        comm: "",
        text,
        path: split.path,
        value: split.value,
      });
    } else if (isNoise(text)) this.#sink.context(1);
    else this.#unparsed.take(number, "a line of a snapshot: PATH:VALUE", "record it with `grep -rH . PATHS`");
  }

  end(complete: boolean): void {
    this.#unparsed.end(complete, this.#last);
  }
}
