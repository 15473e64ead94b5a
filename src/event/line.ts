const LF = 0x0a;
const BLANK = 0x20;

/**
 * A line twice: as text (latin-1), to cut pieces out of it, and as bytes, because to read one costs half as much as to read
 * a character of a string.
 */
export class Line {
  readonly text: string;
  /** Holds the characters of {@link text} from {@link start} on, and behind them one more that is no part of the line. */
  readonly bytes: Uint8Array;
  readonly start: number;

  /** The bytes are made of the text where they are not at hand. */
  constructor(text: string, bytes: Uint8Array = Buffer.from(`${text}\n`, "latin1"), start = 0) {
    this.text = text;
    this.bytes = bytes;
    this.start = start;
  }

  /** Code of the character at `index`; where the text ends, that of what stands behind it, such as a line feed. */
  codeAt(index: number): number {
    return this.bytes[this.start + index] ?? LF;
  }

  /** Index of the first character at or behind `from` that is no blank. */
  afterBlanks(from: number): number {
    let at = from;
    while (this.codeAt(at) === BLANK) at += 1;
    return at;
  }
}

/** Bounds that stay allocated from one text to the next. */
const MANY = 1024;

/**
 * The bounds of the pieces of a text, gathered before any is cut: an array that is made at its size takes a third of the
 * memory of one that grows.
 */
export class Pieces {
  #count = 0;
  #bounds: number[] = [];

  clear(): void {
    this.#count = 0;
    if (this.#bounds.length > MANY) this.#bounds = [];
  }

  /** One more piece, from `start` to before `end`. */
  add(start: number, end: number): void {
    const at = 2 * this.#count;
    this.#bounds[at] = start;
    this.#bounds[at + 1] = end;
    this.#count += 1;
  }

  /** The pieces of `text`, in the order in which they were added. */
  of(text: string): string[] {
    switch (this.#count) {
      case 0:
        return [];
      case 1:
        return [this.#cut(text, 0)];
      case 2:
        return [this.#cut(text, 0), this.#cut(text, 1)];
      case 3:
        return [this.#cut(text, 0), this.#cut(text, 1), this.#cut(text, 2)];
      case 4:
        return [this.#cut(text, 0), this.#cut(text, 1), this.#cut(text, 2), this.#cut(text, 3)];
      case 5:
        return [this.#cut(text, 0), this.#cut(text, 1), this.#cut(text, 2), this.#cut(text, 3), this.#cut(text, 4)];
      default: {
        const pieces = [
          this.#cut(text, 0),
          this.#cut(text, 1),
          this.#cut(text, 2),
          this.#cut(text, 3),
          this.#cut(text, 4),
          this.#cut(text, 5),
        ];
        for (let piece = 6; piece < this.#count; piece += 1) pieces.push(this.#cut(text, piece));
        return pieces;
      }
    }
  }

  #cut(text: string, piece: number): string {
    return text.slice(this.#bounds[2 * piece], this.#bounds[2 * piece + 1]);
  }
}
