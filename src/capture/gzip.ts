import { createGunzip } from "node:zlib";
import { type ByteSource, withoutFirst } from "./bytes.js";

/** Compressed bytes handed to zlib at a time: what comes out of them at once stays within some MiB. */
const BLOCK = 16 * 1024;
/** Size of zlib's output chunks. */
const OUTPUT = 256 * 1024;

/** How much a compressed file may expand to. */
export interface ExpansionLimits {
  /** Bytes that may come out whatever the ratio. */
  readonly free: number;
  /** Beyond `free`: bytes out for each byte in. Logs reach 10 to 60; the format's end is 1032. */
  readonly ratio: number;
  /** Bytes that may come out at all. */
  readonly total: number;
}

const defaultLimits: ExpansionLimits = { free: 256 * 2 ** 20, ratio: 200, total: 2 ** 40 };

/** Why the bytes ended before the compressed file's end did. */
export type ExpansionFault =
  | { readonly kind: "truncated" }
  | { readonly kind: "corrupt"; readonly reason: string }
  | { readonly kind: "too-large" };

/** Whether bytes begin as gzip does. */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/**
 * A gzip file's contents. Bytes up to a fault are handed over and the fault is told, because a recorder that was killed
 * leaves a file that ends in the middle.
 */
export class GunzippedBytes implements ByteSource {
  readonly #inner: ByteSource;
  readonly #onFault: (fault: ExpansionFault) => void;
  readonly #limits: ExpansionLimits;

  constructor(inner: ByteSource, onFault: (fault: ExpansionFault) => void, limits: ExpansionLimits = defaultLimits) {
    this.#inner = inner;
    this.#onFault = onFault;
    this.#limits = limits;
  }

  async peek(limit: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let length = 0;
    // Text does not grow when it is compressed, but for the header: this many bytes hold what is asked for.
    const compressed = await this.#inner.peek(limit + 1024);
    for await (const chunk of expand(blocks([compressed]), this.#limits, () => {})) {
      parts.push(chunk);
      length += chunk.length;
      if (length >= limit) break;
    }
    return Buffer.concat(parts, Math.min(length, limit));
  }

  get repeatable(): boolean {
    return this.#inner.repeatable;
  }

  stream(start = 0): AsyncIterable<Uint8Array> {
    const all = expand(blocks(this.#inner.stream()), this.#limits, this.#onFault);
    return start === 0 ? all : withoutFirst(all, start);
  }
}

/**
 * Bytes in blocks of one size, whatever the chunks are: what zlib gives before it meets damage depends on the blocks.
 * Each is a buffer of its own, because zlib works in another thread while the producer may use its buffer again.
 */
async function* blocks(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let block = Buffer.alloc(BLOCK);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let start = 0; start < chunk.length; ) {
      const part = chunk.subarray(start, start + BLOCK - filled);
      block.set(part, filled);
      filled += part.length;
      start += part.length;
      if (filled < BLOCK) continue;
      yield block;
      block = Buffer.alloc(BLOCK);
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

async function* expand(
  input: AsyncIterable<Uint8Array>,
  limits: ExpansionLimits,
  onFault: (fault: ExpansionFault) => void,
): AsyncGenerator<Uint8Array> {
  const zlib = createGunzip({ chunkSize: OUTPUT });
  let ready: Uint8Array[] = [];
  let failure: NodeJS.ErrnoException | undefined;
  let ended = false;
  let bytesIn = 0;
  let bytesOut = 0;
  let wake = (): void => {};
  zlib.on("data", (chunk: Uint8Array) => ready.push(chunk));
  zlib.on("end", () => {
    ended = true;
  });
  zlib.on("error", (error: NodeJS.ErrnoException) => {
    failure ??= error;
    wake();
  });
  const settle = (start: (done: () => void) => void): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
      start(() => resolve());
    });
  try {
    for await (const block of input) {
      bytesIn += block.length;
      await settle((done) => zlib.write(block, done));
      for (const chunk of take()) {
        bytesOut += chunk.length;
        if (bytesOut > limits.total || (bytesOut > limits.free && bytesOut > bytesIn * limits.ratio)) {
          onFault({ kind: "too-large" });
          return;
        }
        yield chunk;
      }
      // An end before the input's: zeros or other bytes behind the last member.
      if (failure !== undefined || ended) break;
    }
    if (failure === undefined && !ended) {
      await settle((done) => {
        zlib.once("end", done);
        zlib.end();
      });
      yield* take();
    }
    if (failure !== undefined) {
      onFault(failure.code === "Z_BUF_ERROR" ? { kind: "truncated" } : { kind: "corrupt", reason: failure.message });
    }
  } finally {
    zlib.destroy();
  }

  function take(): Uint8Array[] {
    const taken = ready;
    ready = [];
    return taken;
  }
}
