/**
 * The protobuf wire format, as far as events need it: varints, texts as `bytes`, nested messages.
 *
 * Written by hand because an event holds some ten short texts, and a call out of JavaScript for each of them costs
 * more than all the rest. The tests hold these bytes against those of the generated classes.
 */

/** Largest number that a varint field of ours may hold: beyond it a JavaScript number loses bits. */
const MAX_COUNT = Number.MAX_SAFE_INTEGER;

/** Up to this length a loop over the characters is faster than a call of Buffer. */
const SHORT_TEXT = 24;

// Nothing of a one-byte string can match, and the engine knows that without looking at the characters.
const WIDE_CHARACTER = /[^\0-\xff]/;

/** Bytes of the varint of `value`; NaN where it is no integer of 0 to 2^53 - 1, so that a sum of sizes shows it. */
export function varintSize(value: number): number {
  if (value >>> 0 === value) {
    if (value < 0x80) return 1;
    if (value < 0x4000) return 2;
    if (value < 0x20_0000) return 3;
    return value < 0x1000_0000 ? 4 : 5;
  }
  if (!Number.isSafeInteger(value) || value < 0) return Number.NaN;
  if (value < 2 ** 35) return 5;
  if (value < 2 ** 42) return 6;
  return value < 2 ** 49 ? 7 : 8;
}

/** Like {@link varintSize}, for a field of 32 bits. */
export function uint32Size(value: number): number {
  return value >>> 0 === value ? varintSize(value) : Number.NaN;
}

/** Bytes of a text (or message) of `length` bytes with its length before it. */
export function delimitedSize(length: number): number {
  return varintSize(length) + length;
}

/** A growing buffer. Whoever writes calls {@link reserve} first. */
export class WireWriter {
  buffer: Buffer;
  /** Number of bytes that were written. */
  position = 0;
  /** A text with a character above U+00FF was written, which no byte can hold. */
  wide = false;

  constructor(capacity = 4096) {
    this.buffer = Buffer.allocUnsafe(capacity);
  }

  /** Makes room for `size` bytes more. */
  reserve(size: number): void {
    const needed = this.position + size;
    if (needed <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(larger, 0, 0, this.position);
    this.buffer = larger;
  }

  /** An integer of 0 to 2^53 - 1. */
  varint(value: number): void {
    const { buffer } = this;
    let rest = value;
    // Bit operations work on 32 bits, so the low bits of a larger number are taken off by division.
    while (rest >= 2 ** 32) {
      buffer[this.position++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    while (rest >= 0x80) {
      buffer[this.position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[this.position++] = rest;
  }

  /** A latin-1 text with its length before it. */
  text(value: string): void {
    const { length } = value;
    this.varint(length);
    if (length <= SHORT_TEXT) {
      const { buffer, position } = this;
      let seen = 0;
      for (let i = 0; i < length; i++) {
        const code = value.charCodeAt(i);
        seen |= code;
        buffer[position + i] = code;
      }
      if (seen > 0xff) this.wide = true;
    } else {
      this.buffer.write(value, this.position, "latin1");
      if (WIDE_CHARACTER.test(value)) this.wide = true;
    }
    this.position += length;
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.buffer.set(bytes, this.position);
    this.position += bytes.length;
  }

  /** What was written; a view, valid until the next write. */
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.position);
  }
}

/**
 * Reads one message out of a buffer. Whatever the bytes are, it stays within the message, makes progress and does
 * not throw: what cannot be read makes {@link ok} false.
 */
export class WireReader {
  #buffer: Buffer = Buffer.alloc(0);
  #start = 0;
  /** The whole message as a latin-1 string: the texts of the message are slices of it. */
  #text = "";
  position = 0;
  end = 0;
  ok = true;

  /** Begins the message that lies in `buffer` from `start` to before `end`. */
  open(buffer: Buffer, start: number, end: number): this {
    this.#buffer = buffer;
    this.#start = start;
    // One string a message, not one a chunk: who keeps a text of an event keeps the event's own bytes alive, no more.
    this.#text = buffer.toString("latin1", start, end);
    this.position = start;
    this.end = end;
    this.ok = true;
    return this;
  }

  /** Gives the current message up. */
  fail(): void {
    this.ok = false;
    this.position = this.end;
  }

  /** An integer of 0 to 2^53 - 1; more is a failure, and the answer 0. */
  varint(): number {
    if (this.position >= this.end) {
      this.fail();
      return 0;
    }
    const first = this.#buffer[this.position] ?? 0;
    if (first < 0x80) {
      this.position++;
      return first;
    }
    return this.#longVarint();
  }

  #longVarint(): number {
    let value = 0;
    let scale = 1;
    // Ten bytes are the longest varint of 64 bits.
    for (let i = 0; i < 10 && this.position < this.end; i++) {
      const byte = this.#buffer[this.position++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value <= MAX_COUNT) return value;
        break;
      }
      scale *= 0x80;
    }
    this.fail();
    return 0;
  }

  /** An integer of 0 to 2^32 - 1. */
  uint32(): number {
    const value = this.varint();
    if (value <= 0xffff_ffff) return value;
    this.fail();
    return 0;
  }

  /** Length of a text or message that lies within the current message. */
  length(): number {
    const length = this.varint();
    if (length <= this.end - this.position) return length;
    this.fail();
    return 0;
  }

  /** A latin-1 text. */
  text(): string {
    const length = this.length();
    const from = this.position - this.#start;
    this.position += length;
    return this.#text.slice(from, from + length);
  }

  /** Enters a nested message; the answer is the end of the outer one, for {@link leave}. */
  enter(): number {
    const length = this.length();
    const outer = this.end;
    this.end = this.position + length;
    return outer;
  }

  /** Leaves a nested message that was read to its end. */
  leave(outer: number): void {
    this.end = outer;
  }

  /** Skips the field of `tag`, which a newer writer may have added. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        // Not varint(): an unknown field may be any word of 64 bits.
        this.#skipVarint();
        return;
      case 1:
        this.#skipBytes(8);
        return;
      case 2:
        this.#skipBytes(this.length());
        return;
      case 5:
        this.#skipBytes(4);
        return;
      default:
        // Groups (3 and 4) have left the language; 6 and 7 were never in it.
        this.fail();
    }
  }

  #skipVarint(): void {
    for (let i = 0; i < 10 && this.position < this.end; i++) {
      if ((this.#buffer[this.position++] ?? 0) < 0x80) return;
    }
    this.fail();
  }

  #skipBytes(count: number): void {
    if (count <= this.end - this.position) this.position += count;
    else this.fail();
  }
}
