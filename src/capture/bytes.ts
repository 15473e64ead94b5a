import { type FileHandle, open } from "node:fs/promises";

/** Bytes read at a time. */
const CHUNK = 256 * 1024;

/** The bytes of a file, however it is given: looked into at its beginning first, then read through once. */
export interface ByteSource {
  /**
   * Up to `limit` bytes from the beginning; can be called any number of times before {@link stream}.
   * @throws the file system's error.
   */
  peek(limit: number): Promise<Uint8Array>;
  /**
   * All bytes, from the beginning, once. A chunk is valid until the next one is asked for.
   * @throws the file system's error.
   */
  stream(): AsyncIterable<Uint8Array>;
}

/** A named input that is no file: the library's callers, an entry of an archive. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** A file that can be opened again: nothing is held in memory between two readings. */
export class FileBytes implements ByteSource {
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

  async *stream(): AsyncGenerator<Uint8Array> {
    const handle = await open(this.#path, "r");
    try {
      const buffer = Buffer.allocUnsafe(CHUNK);
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, CHUNK, null);
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
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

  async *stream(): AsyncGenerator<Uint8Array> {
    try {
      const peeked = this.#peeked;
      this.#peeked = [];
      yield* peeked;
      for (;;) {
        const chunk = await this.#next();
        if (chunk === undefined) return;
        yield chunk;
      }
    } finally {
      if (!this.#ended) await this.#rest.return?.();
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
