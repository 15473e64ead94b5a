import type { LogEvent } from "../../event/event.js";
import type { LineParser, Sink, SourceInfo } from "../importer.js";
import { UnparsedLines } from "../unparsed.js";
import { readLogHead } from "./head.js";

/** The kernel's own limit of a record is 8 KiB. */
const LONGEST_MESSAGE = 16384;
/** What journalctl prints between the lines. */
const JOURNAL_NOTE = /^-- (?:Journal begins|Logs begin|Boot |No entries|Reboot)/;

/** Parser of the kernel log, as dmesg or journalctl print it. */
export class DmesgParser implements LineParser {
  readonly #info: SourceInfo;
  readonly #sink: Sink;
  readonly #unparsed: UnparsedLines;
  /** Held back, because indented lines may continue it. */
  #held: LogEvent | undefined;
  #last = 0;

  constructor(info: SourceInfo, sink: Sink) {
    this.#info = info;
    this.#sink = sink;
    this.#unparsed = new UnparsedLines(info, sink);
  }

  line(text: string, number: number): void {
    this.#last = number;
    this.#unparsed.settle();
    const head = readLogHead(text);
    if (head === undefined) {
      this.#other(text, number);
      return;
    }
    this.#flush();
    if (!head.kernel) {
      this.#sink.context(1);
      return;
    }
    this.#held = {
      kind: "log",
      source: this.#info.source,
      line: number,
      time: head.time,
      tid: head.tid,
      comm: "",
      text,
      area: "kernel",
      message: text.slice(head.message),
      level: head.level,
    };
  }

  end(complete: boolean): void {
    this.#flush();
    this.#unparsed.end(complete, this.#last);
  }

  #flush(): void {
    if (this.#held !== undefined) this.#sink.event(this.#held);
    this.#held = undefined;
  }

  /** A message with line feeds: what follows the first is indented by the width of the head. */
  #other(text: string, number: number): void {
    const held = this.#held;
    if (text.trim() === "" || JOURNAL_NOTE.test(text.slice(0, 80))) this.#sink.context(1);
    else if (held !== undefined && /^[ \t]/.test(text)) {
      this.#sink.context(1);
      if (held.text.length + text.length <= LONGEST_MESSAGE) {
        this.#held = { ...held, text: `${held.text}\n${text}`, message: `${held.message}\n${text.trimStart()}` };
      }
    } else
      this.#unparsed.take(
        number,
        "a line of the kernel log",
        "record it with `dmesg` or `journalctl -k -o short-monotonic`",
      );
  }
}
