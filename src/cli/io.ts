import type { Writable } from "node:stream";
import { ReaderGoneError, UsageError } from "./errors.js";

/** What a command sees of its process. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal;
}

/** A stream that text is written to, no faster than it is read. */
export class Output {
  readonly stream: Writable;
  readonly isTerminal: boolean;
  /** Columns of the terminal; undefined where it is none. */
  readonly columns: number | undefined;

  constructor(stream: Writable & { readonly isTTY?: boolean; readonly columns?: number }) {
    this.stream = stream;
    this.isTerminal = stream.isTTY === true;
    // A pseudo-terminal that nobody gave a size has 0 columns.
    this.columns = this.isTerminal && stream.columns !== 0 ? stream.columns : undefined;
    // A failed write tells its own caller; without a listener the event would end the process.
    stream.on("error", () => {});
  }

  /**
   * Writes text; resolves when it has been handed on.
   * @throws ReaderGoneError, or UsageError where the output can't be written.
   */
  async write(text: string): Promise<void> {
    if (text === "") return;
    await new Promise<void>((resolve, reject) => {
      this.stream.write(text, (error: NodeJS.ErrnoException | null | undefined) => {
        if (error === null || error === undefined) resolve();
        else if (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED") reject(new ReaderGoneError());
        else reject(new UsageError(`the output can't be written: ${error.message}`));
      });
    });
  }

  /** Writes pieces, several at a time. @throws as {@link write}. */
  async writeAll(pieces: Iterable<string>): Promise<void> {
    let text = "";
    for (const piece of pieces) {
      text += piece;
      if (text.length < 64 * 1024) continue;
      await this.write(text);
      text = "";
    }
    await this.write(text);
  }
}
