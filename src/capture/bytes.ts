import { type FileHandle, open } from "node:fs/promises";

/** Bytes read at a time. */
const READ = 256 * 1024;
/** Bytes handed on at a time: some hundred lines. Events of more would wait, and be copied by each collection of garbage. */
const CHUNK = 64 * 1024;

/** The bytes of a file, however it is given: looked into at its beginning first, then read through once. */
export interface ByteSource {
  /**
   * Up to `limit` bytes from the beginning; can be called any number of times before {@link stream}.
   * @throws the file system's error.
   */
  peek(limit: number): Promise<Uint8Array>;
  /**
   * All bytes from `start` on (0 where it is left out). A chunk is valid until the next one is asked for. Where
   * `repeatable` is false, this can be called once.
   * @throws the file system's error.
   */
  stream(start?: number): AsyncIterable<Uint8Array>;
  /** Whether the bytes can be streamed several times, also at the same time. */
  readonly repeatable: boolean;
}

/** A named input that is no file: the library's callers, an entry of an archive. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** A file that can be opened again: nothing is held in memory between two readings. */
export class FileBytes implements ByteSource {
  readonly repeatable = true;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async peek(limit: number): Promise<Uint8Array> {
    const handle = await open(this.#path, "r");
    try {
      const { size } = await handle.stat();
      // The size is a hint only: files of /proc and /sys tell none.
      return await fill(handle, Buffer.allocUnsafe(size > 0 ? Math.min(limit, size) : limit));
    } finally {
      await handle.close();
    }
  }

  async *stream(start = 0): AsyncGenerator<Uint8Array> {
    const handle = await open(this.#path, "r");
    try {
      // Two buffers by turns: the next bytes are read while those at hand are worked on.
      let spare = Buffer.allocUnsafe(READ);
      // Without a position the kernel keeps it, which also serves files that can't be sought in.
      let position = start === 0 ? null : start;
      let reading = handle.read(Buffer.allocUnsafe(READ), 0, READ, position);
      for (;;) {
        const { buffer, bytesRead } = await reading;
        if (bytesRead === 0) return;
        if (position !== null) position += bytesRead;
        reading = handle.read(spare, 0, READ, position);
        // An error is told when its turn comes.
        reading.catch(() => {});
        spare = buffer;
        for (let at = 0; at < bytesRead; at += CHUNK) yield buffer.subarray(at, Math.min(at + CHUNK, bytesRead));
      }
    } finally {
      await handle.close();
    }
  }
}

async function fill(handle: FileHandle, buffer: Buffer): Promise<Uint8Array> {
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

/** Bytes that come once (a pipe, a generator): what was peeked at is kept until it is streamed. */
export class OnceBytes implements ByteSource {
  readonly repeatable = false;
  readonly #rest: AsyncIterator<Uint8Array>;
  #peeked: Uint8Array[] = [];
  #ended = false;

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#rest = bytes[Symbol.asyncIterator]();
  }

  async peek(limit: number): Promise<Uint8Array> {
    let length = this.#peeked.reduce((sum, chunk) => sum + chunk.length, 0);
    while (length < limit && !this.#ended) {
      const chunk = await this.#next();
      if (chunk === undefined) break;
      // The producer may use its buffer again.
      this.#peeked.push(Uint8Array.from(chunk));
      length += chunk.length;
    }
    return Buffer.concat(this.#peeked, Math.min(length, limit));
  }

  async *stream(start = 0): AsyncGenerator<Uint8Array> {
    try {
      const peeked = this.#peeked;
      this.#peeked = [];
      yield* withoutFirst(this.#all(peeked), start);
    } finally {
      if (!this.#ended) await this.#rest.return?.();
    }
  }

  async *#all(peeked: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    yield* peeked;
    for (;;) {
      const chunk = await this.#next();
      if (chunk === undefined) return;
      yield chunk;
    }
  }

  async #next(): Promise<Uint8Array | undefined> {
    if (this.#ended) return undefined;
    const result = await this.#rest.next();
    if (result.done !== true) return result.value;
    this.#ended = true;
    return undefined;
  }
}

/** A part of other bytes: a file in an archive. Those must be repeatable. */
export class SectionBytes implements ByteSource {
  readonly repeatable = true;
  readonly #whole: ByteSource;
  readonly #start: number;
  readonly #length: number;

  constructor(whole: ByteSource, start: number, length: number) {
    this.#whole = whole;
    this.#start = start;
    this.#length = length;
  }

  async peek(limit: number): Promise<Uint8Array> {
    const wanted = Math.min(limit, this.#length);
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of this.stream()) {
      parts.push(Uint8Array.from(chunk));
      length += chunk.length;
      if (length >= wanted) break;
    }
    return Buffer.concat(parts, Math.min(length, wanted));
  }

  async *stream(start = 0): AsyncGenerator<Uint8Array> {
    let left = this.#length - start;
    if (left <= 0) return;
    for await (const chunk of this.#whole.stream(this.#start + start)) {
      const part = chunk.subarray(0, left);
      yield part;
      left -= part.length;
      if (left === 0) return;
    }
  }
}

/** Chunks without their first bytes. */
export async function* withoutFirst(chunks: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const chunk of chunks) {
    const part = left === 0 ? chunk : chunk.subarray(left);
    left -= chunk.length - part.length;
    if (part.length > 0) yield part;
  }
}
