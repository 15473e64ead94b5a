/**
 * Finds the files in a tar archive (POSIX ustar and pax, GNU long names). Nothing is unpacked: a file is a section of the
 * archive's bytes.
 */

const BLOCK = 512;
/** Bytes of a long name or of pax records at most. */
const MAX_META = 1024 * 1024;
/** Entries looked at in one archive. */
const MAX_ENTRIES = 100_000;

/** What an archive holds. */
export type TarItem =
  /** A regular file: `length` bytes from `start` on. */
  | { readonly kind: "file"; readonly name: string; readonly start: number; readonly length: number }
  /** An entry that is not read, and why: links, devices, names that lead out of the archive. */
  | { readonly kind: "refused"; readonly name: string; readonly reason: string }
  /** The archive can't be followed any further. */
  | { readonly kind: "fault"; readonly reason: string };

/** The files of an archive, in its order. @throws what the chunks throw. */
export async function* readTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TarItem> {
  const input = new BlockReader(chunks);
  try {
    yield* readEntries(input);
  } finally {
    await input.close();
  }
}

async function* readEntries(input: BlockReader): AsyncGenerator<TarItem> {
  let longName: string | undefined;
  let pax: ReadonlyMap<string, string> = new Map();
  for (let count = 0; count < MAX_ENTRIES; count++) {
    const block = await input.take(BLOCK);
    if (block === undefined || block.every((byte) => byte === 0)) return;
    const header = block.length === BLOCK ? readHeader(block) : undefined;
    if (header === undefined) {
      yield { kind: "fault", reason: "the archive is damaged or cut: there is no entry where one should begin" };
      return;
    }
    const length = numberOf(pax.get("size")) ?? header.size;
    const padded = Math.ceil(length / BLOCK) * BLOCK;
    if (header.type === "x" || header.type === "L") {
      const meta = length <= MAX_META ? await input.take(padded) : undefined;
      if (meta === undefined || meta.length < length) {
        yield { kind: "fault", reason: "the archive is damaged or cut: a name is longer than what is left" };
        return;
      }
      if (header.type === "L") longName = textOf(meta.subarray(0, length));
      else pax = readPax(meta.subarray(0, length));
      continue;
    }
    const name = pax.get("path") ?? longName ?? header.name;
    longName = undefined;
    pax = new Map();
    const start = input.position;
    // Directories, global pax records and long link names say nothing of a file.
    if (!"5gK".includes(header.type)) {
      const reason = refusal(header.type, name);
      const kept = name.split("/").filter((part) => part !== "" && part !== ".");
      if (reason !== undefined) yield { kind: "refused", name, reason };
      else yield { kind: "file", name: kept.join("/"), start, length };
    }
    if (!(await input.skip(padded))) {
      yield { kind: "fault", reason: "the archive ends in the middle of a file" };
      return;
    }
  }
  yield { kind: "fault", reason: `the archive has more than ${MAX_ENTRIES} entries` };
}

interface Header {
  readonly name: string;
  readonly size: number;
  readonly type: string;
}

function readHeader(block: Uint8Array): Header | undefined {
  let sum = 0;
  for (const [index, byte] of block.entries()) sum += index >= 148 && index < 156 ? 32 : byte;
  if (octalOf(block.subarray(148, 156)) !== sum) return undefined;
  const size = sizeOf(block.subarray(124, 136));
  if (size === undefined) return undefined;
  const name = textOf(block.subarray(0, 100));
  // GNU's own header has times where ustar has the beginning of a long name.
  const isUstar = textOf(block.subarray(257, 265)).startsWith("ustar") && block[262] === 0;
  const prefix = isUstar ? textOf(block.subarray(345, 500)) : "";
  const type = block[156] === 0 ? "0" : String.fromCharCode(block[156] ?? 0);
  return { name: prefix === "" ? name : `${prefix}/${name}`, size, type };
}

function refusal(type: string, name: string): string | undefined {
  if (type === "1" || type === "2") return "is a link";
  if (type === "3" || type === "4" || type === "6") return "is a device or a pipe";
  if (type !== "0" && type !== "7") return `is an entry of the unknown type ${JSON.stringify(type)}`;
  if (name.startsWith("/") || name.includes("\0") || name.split("/").includes("..")) return "has a name that leads out";
  return undefined;
}

/** Octal digits, or (GNU, for 8 GiB and more) a binary number marked by the first bit. */
function sizeOf(field: Uint8Array): number | undefined {
  if (((field[0] ?? 0) & 0x80) === 0) return octalOf(field);
  let value = (field[0] ?? 0) & 0x7f;
  for (const byte of field.subarray(1)) value = value * 256 + byte;
  return Number.isSafeInteger(value) ? value : undefined;
}

function octalOf(field: Uint8Array): number | undefined {
  const digits = textOf(field).trim();
  return /^[0-7]{1,12}$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

/** Text up to the first NUL. Names that are no UTF-8 stay what they are, byte for byte. */
function textOf(field: Uint8Array): string {
  const end = field.indexOf(0);
  return decodeName(end < 0 ? field : field.subarray(0, end));
}

function decodeName(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes).toString("latin1");
  }
}

/** pax records: `LENGTH KEY=VALUE\n`, the length counting the whole record. */
function readPax(bytes: Uint8Array): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  let at = 0;
  while (at < bytes.length) {
    const blank = bytes.indexOf(32, at);
    const length = blank < 0 ? undefined : numberOf(decodeName(bytes.subarray(at, blank)));
    if (length === undefined || length <= blank - at || at + length > bytes.length) break;
    const record = decodeName(bytes.subarray(blank + 1, at + length - 1));
    const equals = record.indexOf("=");
    if (equals > 0) records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,15}$/.test(text)) return undefined;
  return Number(text);
}

/** Takes bytes out of a stream, some at a time. */
class BlockReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);
  /** Bytes taken or skipped so far. */
  position = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next bytes, fewer at the end; undefined where there are none. */
  async take(length: number): Promise<Uint8Array | undefined> {
    const taken = Buffer.alloc(length);
    let filled = 0;
    while (filled < length && (await this.#fill())) {
      const part = this.#rest.subarray(0, length - filled);
      taken.set(part, filled);
      filled += part.length;
      this.#advance(part.length);
    }
    return filled === 0 && length > 0 ? undefined : taken.subarray(0, filled);
  }

  /** False where the stream ended before. */
  async skip(length: number): Promise<boolean> {
    let left = length;
    while (left > 0) {
      if (!(await this.#fill())) return false;
      const step = Math.min(left, this.#rest.length);
      this.#advance(step);
      left -= step;
    }
    return true;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      this.#rest = next.value;
    }
    return true;
  }

  #advance(length: number): void {
    this.#rest = this.#rest.subarray(length);
    this.position += length;
  }
}
