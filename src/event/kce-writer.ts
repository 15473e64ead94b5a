/** Writes .kce files. */

import { randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { encodeEvent, sizeOfEvent, WireWriter } from "./codec.js";
import type { Diagnostic } from "./diagnostic.js";
import type { Event } from "./event.js";
import { KCE_MAGIC, type KceHeader, type KceTotals, MAX_HEADER_BYTES, MAX_RECORD_BYTES, RECORD } from "./kce-format.js";
import { varintSize } from "./wire.js";

type Messages = typeof import("./kce-messages.js");

/** Encoded bytes are handed to the file when there are so many. */
const FLUSH_BYTES = 256 * 1024;

/** Longest varint of a length. */
const MAX_LENGTH_BYTES = 5;

/** What the body of {@link writeKce} writes with, in the order of the stream. */
export interface KceWriter {
  /**
   * Writes a batch of events. The answer names those that could not be written: longer than a record may be, with a
   * number outside its range, with a character above U+00FF, or of a source that the header does not list.
   */
  write(events: readonly Event[]): Promise<readonly Diagnostic[]>;
  /** Writes a diagnostic of the input; `lines` of its source were not understood (0: a remark). */
  diagnostic(diagnostic: Diagnostic, lines: number): Promise<void>;
}

class FileWriter implements KceWriter {
  readonly #messages: Messages;
  readonly #header: KceHeader;
  readonly #file: FileHandle;
  readonly #out = new WireWriter(2 * FLUSH_BYTES);
  #events = 0;
  #diagnostics = 0;

  constructor(messages: Messages, header: KceHeader, file: FileHandle) {
    this.#messages = messages;
    this.#header = header;
    this.#file = file;
  }

  begin(encodedHeader: Uint8Array): void {
    this.#out.reserve(KCE_MAGIC.length);
    this.#out.raw(KCE_MAGIC);
    this.#delimited(encodedHeader);
  }

  async write(events: readonly Event[]): Promise<readonly Diagnostic[]> {
    const refused: Diagnostic[] = [];
    for (const event of events) {
      if (this.#encode(event)) this.#events++;
      else refused.push(this.#refusal(event));
      if (this.#out.position >= FLUSH_BYTES) await this.#flush();
    }
    return refused;
  }

  async diagnostic(diagnostic: Diagnostic, lines: number): Promise<void> {
    this.#delimited(this.#messages.encodeDiagnosticRecord(diagnostic, lines));
    this.#diagnostics++;
    if (this.#out.position >= FLUSH_BYTES) await this.#flush();
  }

  async end({ sources, diagnosticsLeftOut }: KceTotals): Promise<void> {
    const end = { events: this.#events, diagnostics: this.#diagnostics, sources, diagnosticsLeftOut };
    this.#delimited(this.#messages.encodeEndRecord(end));
    await this.#flush();
  }

  async #flush(): Promise<void> {
    await this.#file.writeFile(this.#out.bytes());
    this.#out.position = 0;
  }

  #delimited(message: Uint8Array): void {
    this.#out.reserve(MAX_LENGTH_BYTES + message.length);
    this.#out.varint(message.length);
    this.#out.raw(message);
  }

  #encode(event: Event): boolean {
    const out = this.#out;
    const size = sizeOfEvent(event);
    const record = 1 + varintSize(size) + size;
    // Written so that NaN, the size of an event that cannot be encoded, is refused as well.
    if (!(record <= MAX_RECORD_BYTES) || event.source >= this.#header.sources.length) return false;
    const begin = out.position;
    out.reserve(MAX_LENGTH_BYTES + record);
    out.varint(record);
    out.varint(RECORD.event);
    out.varint(size);
    if (encodeEvent(event, out)) return true;
    out.position = begin;
    return false;
  }

  #refusal(event: Event): Diagnostic {
    return {
      code: "event-not-written",
      severity: "loss",
      file: this.#header.sources[event.source]?.file ?? this.#header.name,
      line: event.line,
      message: `the ${event.kind} event of this line is longer than ${MAX_RECORD_BYTES} bytes or holds a value out of range`,
      hint: "the .kce file lacks this event; check the recording itself",
    };
  }
}

/**
 * Writes a .kce file: the header, what `body` writes, and the totals that `body` answers. The file appears at `path` whole when everything is written and on the disk; if
 * anything throws, nothing appears. The answer is a diagnostic where the header is too long, and then nothing is
 * written either. Throws what `body` throws, and errors of the file system.
 */
export async function writeKce(
  path: string,
  header: KceHeader,
  body: (writer: KceWriter) => Promise<KceTotals>,
): Promise<Diagnostic | undefined> {
  const messages = await import("./kce-messages.js");
  const encodedHeader = messages.encodeHeader(header);
  if (encodedHeader.length > MAX_HEADER_BYTES) return headerTooLong(path, encodedHeader.length);
  // In the same folder, because a file can be renamed only within its file system.
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  const file = await open(temporary, "wx");
  try {
    const writer = new FileWriter(messages, header, file);
    writer.begin(encodedHeader);
    await writer.end(await body(writer));
    await file.sync();
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  return undefined;
}

function headerTooLong(path: string, length: number): Diagnostic {
  return {
    code: "header-too-long",
    severity: "error",
    file: path,
    line: 0,
    message: `the header would take ${length} bytes, and ${MAX_HEADER_BYTES} is the limit`,
    hint: "shorten capture.json or expected.json, or put fewer sources into one capture",
  };
}
