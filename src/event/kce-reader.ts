/** Reads .kce files. */

import { decodeEvent, WireReader } from "./codec.js";
import type { Diagnostic } from "./diagnostic.js";
import type { Event } from "./event.js";
import {
  KCE_MAGIC,
  KCE_VERSION,
  type KceEnd,
  type KceHeader,
  MAX_HEADER_BYTES,
  MAX_RECORD_BYTES,
  RECORD,
} from "./kce-format.js";

type Messages = typeof import("./kce-messages.js");

/** What a .kce file hands over, in the order of the file. */
export type KceItem =
  /** The first item of a file that can be read at all. `version` is that of the file's format. */
  | { readonly kind: "header"; readonly version: number; readonly header: KceHeader }
  /** A batch of events. */
  | { readonly kind: "events"; readonly events: readonly Event[] }
  /** A diagnostic that the file holds: said of the capture when it was ingested; `lines` were not understood. */
  | { readonly kind: "recorded"; readonly diagnostic: Diagnostic; readonly lines: number }
  /** The totals. Absent where the file was cut. */
  | { readonly kind: "end"; readonly end: KceEnd }
  /** A diagnostic about the .kce file itself. */
  | { readonly kind: "diagnostic"; readonly diagnostic: Diagnostic };

/** A chunk is taken in pieces of at most this size, which bounds a batch of events. */
const PIECE_BYTES = 64 * 1024;

/** So many damaged records are named one by one; the others are only counted. */
const MAX_NAMED_RECORDS = 20;

/** Longest varint of a length: five bytes hold 2^32, and no length comes near. */
const MAX_LENGTH_BYTES = 5;

/** Bytes that have come in and are not taken yet, in one buffer that is used again and again. */
class Inbox {
  buffer: Buffer = Buffer.allocUnsafe(2 * PIECE_BYTES);
  start = 0;
  end = 0;

  get size(): number {
    return this.end - this.start;
  }

  add(piece: Uint8Array): void {
    const needed = this.size + piece.length;
    if (this.end + piece.length > this.buffer.length) {
      // Moving is for a small rest only; else a large record that comes in small pieces would be moved for each.
      const target = needed > this.buffer.length / 2 ? Buffer.allocUnsafe(2 * needed) : this.buffer;
      this.buffer.copy(target, 0, this.start, this.end);
      this.buffer = target;
      this.end -= this.start;
      this.start = 0;
    }
    this.buffer.set(piece, this.end);
    this.end += piece.length;
  }
}

/** The reader without its input: bytes in, items out. Never throws, whatever the bytes are. */
class KceParser {
  readonly #messages: Messages;
  readonly #path: string;
  readonly #inbox = new Inbox();
  readonly #wire = new WireReader();
  #state: "magic" | "header" | "records" | "ended" | "stopped" = "magic";
  /** Nothing can be taken until the inbox holds so many bytes. */
  #wanted = KCE_MAGIC.length;
  /** Offset in the file of the first byte of the inbox. */
  #offset = 0;
  #items: KceItem[] = [];
  #batch: Event[] = [];
  #sources = 0;
  #records = 0;
  #events = 0;
  #diagnostics = 0;
  #damaged = 0;

  constructor(messages: Messages, path: string) {
    this.#messages = messages;
    this.#path = path;
  }

  /** No more bytes are of use. */
  get stopped(): boolean {
    return this.#state === "stopped";
  }

  /** Takes a piece of the file; hands over what has become readable. */
  push(piece: Uint8Array): readonly KceItem[] {
    this.#inbox.add(piece);
    while (this.#inbox.size >= this.#wanted && this.#step());
    return this.#take();
  }

  /** The file is at its end; hands over the rest. */
  finish(): readonly KceItem[] {
    if (this.#state !== "ended" && this.#state !== "stopped") this.#truncated();
    if (this.#damaged > MAX_NAMED_RECORDS) {
      const more = this.#damaged - MAX_NAMED_RECORDS;
      this.#say("malformed-record", "loss", `${more} more records cannot be read`);
    }
    return this.#take();
  }

  #take(): readonly KceItem[] {
    this.#flush();
    const items = this.#items;
    this.#items = [];
    return items;
  }

  /** Events that are held back go out before any other item: the order of the file is kept. */
  #flush(): void {
    if (this.#batch.length === 0) return;
    this.#items.push({ kind: "events", events: this.#batch });
    this.#batch = [];
  }

  #emit(item: KceItem): void {
    this.#flush();
    this.#items.push(item);
  }

  #say(code: string, severity: Diagnostic["severity"], message: string, hint?: string): void {
    const diagnostic = { code, severity, file: this.#path, line: 0, message, ...(hint === undefined ? {} : { hint }) };
    this.#emit({ kind: "diagnostic", diagnostic });
  }

  #stop(code: string, severity: Diagnostic["severity"], message: string, hint?: string): false {
    this.#state = "stopped";
    this.#say(code, severity, message, hint);
    return false;
  }

  #consume(count: number): void {
    this.#inbox.start += count;
    this.#offset += count;
  }

  /** Takes one element of the file. False: more bytes are needed first, or none are wanted any more. */
  #step(): boolean {
    switch (this.#state) {
      case "magic":
        return this.#magic();
      case "header":
        return this.#delimited(MAX_HEADER_BYTES, (start, end) => this.#header(start, end));
      case "records":
        return this.#delimited(MAX_RECORD_BYTES, (start, end) => this.#record(start, end));
      case "ended":
        return this.#stop(
          "trailing-data",
          "loss",
          `there are bytes after the end record, from byte ${this.#offset} on`,
        );
      case "stopped":
        return false;
    }
  }

  #magic(): boolean {
    const { buffer, start } = this.#inbox;
    for (const [i, byte] of KCE_MAGIC.entries()) {
      if (buffer[start + i] !== byte) {
        const hint = "make it with `kvm-conform ingest`, and transfer it in binary mode";
        return this.#stop("not-kce", "error", "this is not a .kce file: its first bytes are others", hint);
      }
    }
    this.#consume(KCE_MAGIC.length);
    this.#state = "header";
    this.#wanted = 1;
    return true;
  }

  /** Takes a length and, if it is all there, the message behind it. */
  #delimited(limit: number, take: (start: number, end: number) => boolean): boolean {
    const { buffer, start, size } = this.#inbox;
    const known = Math.min(size, MAX_LENGTH_BYTES);
    let length = 0;
    let prefix = 0;
    let more = true;
    while (more && prefix < known) {
      const byte = buffer[start + prefix] ?? 0;
      length += (byte & 0x7f) * 2 ** (7 * prefix);
      more = byte >= 0x80;
      prefix++;
    }
    if (more && prefix < MAX_LENGTH_BYTES) {
      this.#wanted = size + 1;
      return false;
    }
    if (more || length > limit) {
      const where = `byte ${this.#offset}`;
      const hint = "the file is damaged from there on; ingest the capture again";
      return this.#stop("bad-length", "error", `the record at ${where} claims more than ${limit} bytes`, hint);
    }
    if (size < prefix + length) {
      this.#wanted = prefix + length;
      return false;
    }
    this.#wanted = 1;
    const goOn = take(start + prefix, start + prefix + length);
    this.#consume(prefix + length);
    return goOn;
  }

  #header(start: number, end: number): boolean {
    const decoded = this.#messages.decodeHeader(this.#inbox.buffer.subarray(start, end));
    if ("reason" in decoded) {
      return this.#stop("malformed-header", "error", `the header cannot be read: ${decoded.reason}`);
    }
    const { version, header } = decoded.value;
    if (version > KCE_VERSION) {
      const hint = "use a newer kvm-conform, or ingest the capture with this one";
      const message = `the file has format version ${version}, and this kvm-conform reads up to version ${KCE_VERSION}`;
      return this.#stop("newer-format", "error", message, hint);
    }
    if (version < 1) return this.#stop("malformed-header", "error", "the header names no format version");
    this.#state = "records";
    this.#sources = header.sources.length;
    this.#emit({ kind: "header", version, header });
    return true;
  }

  #record(start: number, end: number): boolean {
    this.#records++;
    const wire = this.#wire.open(this.#inbox.buffer, start, end);
    const tag = wire.varint();
    const length = wire.length();
    let problem: string | undefined;
    // A record holds one field; the schema's version 1 gives it no other.
    if (!wire.ok || wire.position + length !== end) problem = "its content does not fill it";
    else if (tag === RECORD.event) problem = this.#eventRecord(wire);
    else if (tag === RECORD.diagnostic) problem = this.#diagnosticRecord(wire.position, end);
    else if (tag === RECORD.end) problem = this.#endRecord(wire.position, end);
    else problem = "it is of no known kind";
    if (problem !== undefined) this.#damage(problem);
    return true;
  }

  #damage(problem: string): void {
    this.#damaged++;
    if (this.#damaged > MAX_NAMED_RECORDS) return;
    const message = `record ${this.#records} at byte ${this.#offset} cannot be read: ${problem}`;
    this.#say("malformed-record", "loss", message, "the file is damaged; ingest the capture again");
  }

  #eventRecord(wire: WireReader): string | undefined {
    const event = decodeEvent(wire);
    if (event === undefined) return "it is no event";
    if (event.source >= this.#sources) return `its source ${event.source} is not listed in the header`;
    this.#events++;
    this.#batch.push(event);
    return undefined;
  }

  #diagnosticRecord(start: number, end: number): string | undefined {
    const decoded = this.#messages.decodeDiagnostic(this.#inbox.buffer.subarray(start, end));
    if ("reason" in decoded) return decoded.reason;
    const { diagnostic, lines } = decoded.value;
    this.#diagnostics++;
    this.#emit({ kind: "recorded", diagnostic, lines });
    return undefined;
  }

  #endRecord(start: number, end: number): string | undefined {
    const decoded = this.#messages.decodeEnd(this.#inbox.buffer.subarray(start, end));
    if ("reason" in decoded) return decoded.reason;
    const totals = decoded.value;
    this.#state = "ended";
    this.#emit({ kind: "end", end: totals });
    // Damaged records have been named already, and what they were is not known.
    if (this.#damaged === 0) this.#compare(totals);
    return undefined;
  }

  #compare(end: KceEnd): void {
    if (end.events !== this.#events || end.diagnostics !== this.#diagnostics) {
      const wrote = `${end.events} events and ${end.diagnostics} diagnostics`;
      const found = `${this.#events} and ${this.#diagnostics}`;
      this.#say("count-mismatch", "loss", `the end record counts ${wrote}, and the file holds ${found}`);
    }
    if (end.sources.length !== this.#sources) {
      const message = `the end record counts the lines of ${end.sources.length} sources, and the header lists ${this.#sources}`;
      this.#say("count-mismatch", "loss", message);
    }
  }

  #truncated(): void {
    const where = `after ${this.#offset + this.#inbox.size} bytes and ${this.#events} events`;
    // Without its header a file says nothing of any source.
    const severity = this.#state === "records" ? "loss" : "error";
    const message = `the file ends ${where}, before its end record`;
    this.#say("truncated-source", severity, message, "it was cut in writing or transfer; ingest the capture again");
  }
}

/**
 * Reads a .kce file: the header, then batches of events in the order of the file with the diagnostics between them,
 * then the totals. `path` names the file in diagnostics. Damage of any kind becomes a diagnostic, and reading goes on
 * where it can; only errors of the input itself are thrown. Memory is bounded by the longest record, not by the file.
 */
export async function* readKce(chunks: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<KceItem, void, void> {
  const parser = new KceParser(await import("./kce-messages.js"), path);
  for await (const chunk of chunks) {
    for (let start = 0; start < chunk.length && !parser.stopped; start += PIECE_BYTES) {
      yield* parser.push(chunk.subarray(start, start + PIECE_BYTES));
    }
    if (parser.stopped) break;
  }
  yield* parser.finish();
}
