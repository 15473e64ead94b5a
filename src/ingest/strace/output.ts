/** What the parser hands over: events in the order of lines, the last call held back for the dump that may follow it. */

import type { SyscallEvent } from "../../event/event.js";
import type { Sink, SourceInfo } from "../importer.js";
import { UnparsedLines } from "../unparsed.js";

/** Bytes of a dump that are kept, 16 MiB: as much as a line may hold. */
const MAX_DUMP = 16 * 2 ** 20;

/** What puts other lines into a log. */
const HINT = "the output of the traced program may be mixed in: record with strace -o FILE";

/** Hands events to a sink; a finished call waits for dump lines until another line is read. */
export class Output {
  readonly #info: SourceInfo;
  readonly #sink: Sink;
  readonly #unparsed: UnparsedLines;
  #held: SyscallEvent | undefined;
  #dump: string[] = [];
  #dumped = 0;

  constructor(info: SourceInfo, sink: Sink) {
    this.#info = info;
    this.#sink = sink;
    this.#unparsed = new UnparsedLines(info, sink);
  }

  /** A call that returned: dump lines may follow. */
  call(event: SyscallEvent): void {
    this.settle();
    this.#held = event;
  }

  /** An event that no dump can follow. */
  event(event: Parameters<Sink["event"]>[0]): void {
    this.settle();
    this.#sink.event(event);
  }

  /** Lines that are understood and carry no event, and end what a dump could belong to. */
  context(lines = 1): void {
    this.settle();
    this.#sink.context(lines);
  }

  /** Lines that belong to the call before them and carry nothing themselves: a stack frame, the head of a dump. */
  trailer(lines = 1): void {
    this.#unparsed.settle();
    this.#sink.context(lines);
  }

  /** Data of the call before the line; false where there is none. */
  dump(bytes: string, line: number): boolean {
    if (this.#held === undefined) return false;
    if (this.#dumped <= MAX_DUMP) {
      this.#dumped += bytes.length;
      if (this.#dumped <= MAX_DUMP) this.#dump.push(bytes);
      else this.#tooLong(line);
    }
    this.#sink.context(1);
    return true;
  }

  /** A line that is not understood. */
  unparsed(line: number): void {
    this.settle();
    this.#unparsed.take(line, "a line that strace prints", HINT);
  }

  /** Hands over what was held back: another line begins. */
  settle(): void {
    this.#unparsed.settle();
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    if (this.#dumped === 0) {
      this.#sink.event(held);
      return;
    }
    this.#sink.event({ ...held, dump: this.#dump.join("") });
    this.#dump = [];
    this.#dumped = 0;
  }

  /** The source ends after line `last`. */
  end(complete: boolean, last: number): void {
    const held = this.#held;
    if (held !== undefined) this.settle();
    this.#unparsed.end(complete, last);
  }

  #tooLong(line: number): void {
    this.#sink.diagnostic(
      {
        code: "dump-too-long",
        severity: "loss",
        file: this.#info.file,
        line,
        message: `the dump of one call is longer than ${MAX_DUMP} bytes: the rest of it was left out`,
      },
      0,
    );
  }
}
