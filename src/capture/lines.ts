/** Bytes of a line at most; a longer one is left out. */
export const MAX_LINE = 16 * 2 ** 20;

const LF = 10;
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

  /** The next bytes. They are not kept: every line is a string of its own, so that one line does not hold a whole chunk. */
  pushBytes(bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let start = 0;
    let lineFeed = buffer.indexOf(LF);
    if (lineFeed >= 0 && (this.#skipping || this.#carry !== "")) {
      if (!this.#skipping) this.#emit(this.#carry + buffer.toString("latin1", 0, lineFeed));
      this.#skipping = false;
      this.#carry = "";
      start = lineFeed + 1;
      lineFeed = buffer.indexOf(LF, start);
    }
    while (lineFeed >= 0) {
      this.#emit(buffer.toString("latin1", start, lineFeed));
      start = lineFeed + 1;
      lineFeed = buffer.indexOf(LF, start);
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
