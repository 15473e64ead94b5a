import type { LineParser } from "../ingest/importer.js";

/** Bytes of a line at most; a longer one is left out. */
export const MAX_LINE = 16 * 2 ** 20;

/** Bytes that become one string, of which the lines in it are slices: to make a string of each is half the cost of cutting them. */
const BLOCK = 2048;

const LF = 10;
const CR = 13;
const BOM = "\u00ef\u00bb\u00bf";

/** Who gets the lines. */
export interface LineConsumer {
  /**
   * A line without its end (LF or CRLF) and without a byte order mark; `number` counts from 1. Until the call returns, its
   * characters stand in `bytes` from `start` on, and behind them what ends it.
   */
  line(text: string, number: number, bytes: Uint8Array, start: number): void;
  /** A line longer than the limit, left out. */
  tooLong(number: number): void;
}

/**
 * Cuts chunks of text (latin-1, one character a byte) into lines. NUL bytes and invalid UTF-8 pass through. Memory stays
 * flat: a line without an end in sight is dropped at the limit and skipped up to the next LF.
 */
export class LineCutter {
  readonly #consumer: LineConsumer;
  readonly #limit: number;
  /** The beginning of a line whose end has not come yet. */
  #carry = "";
  #skipping = false;
  #number = 0;

  constructor(consumer: LineConsumer, limit: number = MAX_LINE) {
    this.#consumer = consumer;
    this.#limit = limit;
  }

  /** Lines seen so far, those left out among them. */
  get count(): number {
    return this.#number;
  }

  /**
   * The next bytes. They are not kept, and no string is made of all: a line that somebody keeps holds its block, not a
   * whole chunk.
   */
  pushBytes(bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let start = 0;
    if (this.#skipping || this.#carry !== "") {
      const lineFeed = buffer.indexOf(LF);
      if (lineFeed >= 0) {
        if (!this.#skipping) this.#emitApart(this.#carry + buffer.toString("latin1", 0, lineFeed));
        this.#skipping = false;
        this.#carry = "";
        start = lineFeed + 1;
      }
    }
    while (start < buffer.length) {
      const used = this.#cut(buffer.toString("latin1", start, start + BLOCK), buffer, start);
      if (used === 0) {
        // A line that no block holds, or the beginning of one.
        const lineFeed = buffer.indexOf(LF, start);
        if (lineFeed < 0) break;
        this.#emit(buffer.toString("latin1", start, lineFeed), buffer, start);
        start = lineFeed + 1;
      }
      start += used;
    }
    if (this.#skipping || start === buffer.length) return;
    this.#carry += buffer.toString("latin1", start, buffer.length);
    if (this.#carry.length > this.#limit) {
      this.#drop();
      this.#skipping = true;
    }
  }

  /** The next characters (latin-1). */
  push(text: string): void {
    this.pushBytes(Buffer.from(text, "latin1"));
  }

  /** No more text. True where the last line was complete (ended in LF, or there was none). */
  end(): boolean {
    const complete = this.#carry === "" && !this.#skipping;
    if (this.#carry !== "") this.#emitApart(this.#carry);
    this.#carry = "";
    this.#skipping = false;
    return complete;
  }

  /** The whole lines of a block, which stands in `bytes` from `start` on; gives their length with that of their ends. */
  #cut(block: string, bytes: Uint8Array, start: number): number {
    let at = 0;
    for (let lineFeed = block.indexOf("\n"); lineFeed >= 0; lineFeed = block.indexOf("\n", at)) {
      this.#emit(block.slice(at, lineFeed), bytes, start + at);
      at = lineFeed + 1;
    }
    return at;
  }

  /** A line that lay in two chunks, or has no end. */
  #emitApart(text: string): void {
    this.#emit(text, Buffer.from(`${text}\n`, "latin1"), 0);
  }

  /** `text` stands in `bytes` from `start` on, with the LF behind it. */
  #emit(text: string, bytes: Uint8Array, start: number): void {
    if (text.length > this.#limit) {
      this.#drop();
      return;
    }
    this.#number += 1;
    const line = text.charCodeAt(text.length - 1) === CR ? text.slice(0, -1) : text;
    const mark = this.#number === 1 && line.startsWith(BOM) ? BOM.length : 0;
    this.#consumer.line(mark === 0 ? line : line.slice(mark), this.#number, bytes, start + mark);
  }

  #drop(): void {
    this.#number += 1;
    this.#carry = "";
    this.#consumer.tooLong(this.#number);
  }
}

/** A cutter that hands its lines to a parser; one that is too long is passed over where nobody is to be told. */
export function cutterFor(parser: LineParser, tooLong: LineConsumer["tooLong"] = () => {}): LineCutter {
  return new LineCutter({ line: (text, number, bytes, start) => parser.line(text, number, bytes, start), tooLong });
}
