/** Bytes of a line at most; a longer one is left out. */
export const MAX_LINE = 16 * 2 ** 20;

/**
 * Bytes turned into a string at a time. Above 128 KiB the string would be a large object of V8's, which costs ten times
 * as much; and a line that somebody keeps pins the string that it was cut from.
 */
const SLICE = 64 * 1024;

const CR = 13;
const BOM = "\u00ef\u00bb\u00bf";

/** Who gets the lines. */
export interface LineConsumer {
  /** A line without its end (LF or CRLF) and without a byte order mark; `number` counts from 1. */
  line(text: string, number: number): void;
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

  /** The next bytes. */
  pushBytes(bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let start = 0; start < buffer.length; start += SLICE)
      this.push(buffer.toString("latin1", start, start + SLICE));
  }

  /** The next characters. */
  push(text: string): void {
    let start = 0;
    let lineFeed = text.indexOf("\n");
    if (lineFeed >= 0 && (this.#skipping || this.#carry !== "")) {
      if (!this.#skipping) this.#emit(this.#carry + text.slice(0, lineFeed));
      this.#skipping = false;
      this.#carry = "";
      start = lineFeed + 1;
      lineFeed = text.indexOf("\n", start);
    }
    while (lineFeed >= 0) {
      this.#emit(text.slice(start, lineFeed));
      start = lineFeed + 1;
      lineFeed = text.indexOf("\n", start);
    }
    if (this.#skipping || start === text.length) return;
    this.#carry += text.slice(start);
    if (this.#carry.length > this.#limit) {
      this.#drop();
      this.#skipping = true;
    }
  }

  /** No more text. True where the last line was complete (ended in LF, or there was none). */
  end(): boolean {
    const complete = this.#carry === "" && !this.#skipping;
    if (this.#carry !== "") this.#emit(this.#carry);
    this.#carry = "";
    this.#skipping = false;
    return complete;
  }

  #emit(text: string): void {
    if (text.length > this.#limit) {
      this.#drop();
      return;
    }
    this.#number += 1;
    const line = text.charCodeAt(text.length - 1) === CR ? text.slice(0, -1) : text;
    this.#consumer.line(this.#number === 1 && line.startsWith(BOM) ? line.slice(BOM.length) : line, this.#number);
  }

  #drop(): void {
    this.#number += 1;
    this.#carry = "";
    this.#consumer.tooLong(this.#number);
  }
}
