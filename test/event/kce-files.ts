/** .kce files for tests: made, read, and looked at. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import type { Diagnostic } from "../../src/event/diagnostic.js";
import type { Event, MarkEvent } from "../../src/event/event.js";
import { kvm_conform } from "../../src/event/generated/event.js";
import { type KceHeader, type KceItem, type KceTotals, readKce, writeKce } from "../../src/event/kce.js";

const schema = kvm_conform.event;
export const MAGIC = Buffer.from("894b43450d0a1a0a", "hex");

export const header: KceHeader = {
  toolVersion: "0.1.0",
  name: "run-0815",
  manifest: '{ "version": 1, "arch": "s390x" }\n',
  expected: "",
  sources: [
    { file: "strace.txt", format: "strace", probes: undefined },
    { file: "trace.txt", format: "ftrace", probes: ["pqap_entry", "pqap_exit"] },
    { file: "sysfs.txt", format: "sysfs", probes: [] },
    { file: "s390dbf-\u{1f4c4}.txt", format: "s390dbf", probes: undefined },
  ],
  diagnostics: [{ code: "unknown-key", severity: "note", file: "capture.json", line: 3, message: "what is `archh`?" }],
};

export const totals: KceTotals = {
  sources: [
    { events: 2 ** 32 + 1, contextLines: 2 ** 53 - 1, diagnosticLines: 1 },
    { events: 0, contextLines: 0, diagnosticLines: 0 },
    { events: 1, contextLines: 2, diagnosticLines: 3 },
    { events: 2 ** 31, contextLines: 0, diagnosticLines: 0 },
  ],
  diagnosticsLeftOut: 7,
};

export const unparsed: Diagnostic = {
  code: "unparsed-line",
  severity: "loss",
  file: "trace.txt",
  line: 2 ** 40,
  message: "not an ftrace line: \xff\x00 \u{1f600}",
  hint: "look at it",
};

export function mark(line: number, message = "m"): MarkEvent {
  return { kind: "mark", source: 0, line, time: undefined, tid: 1, comm: "sh", text: "t", message };
}

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function read(bytes: Uint8Array, chunkSize = 65536): Promise<KceItem[]> {
  const items: KceItem[] = [];
  for await (const item of readKce(inChunks(bytes, chunkSize), "x.kce")) items.push(item);
  return items;
}

/** The items with neighbouring batches of events joined: where a batch ends is of no meaning. */
export function joined(items: readonly KceItem[]): KceItem[] {
  const result: KceItem[] = [];
  for (const item of items) {
    const last = result.at(-1);
    if (item.kind === "events" && last?.kind === "events") {
      result[result.length - 1] = { kind: "events", events: [...last.events, ...item.events] };
    } else result.push(item);
  }
  return result;
}

export function diagnosticsOf(items: readonly KceItem[]): string[] {
  return items.flatMap((item) =>
    item.kind === "diagnostic" ? [`${item.diagnostic.severity} ${item.diagnostic.code}`] : [],
  );
}

export function eventsOf(items: readonly KceItem[]): Event[] {
  return items.flatMap((item) => (item.kind === "events" ? item.events : []));
}

/** The bytes of a file that holds `events`. */
export async function written(events: readonly Event[], useHeader = header): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), "kce-"));
  try {
    const path = join(folder, "x.kce");
    const failure = await writeKce(path, useHeader, async (writer) => {
      expect(await writer.write(events)).toStrictEqual([]);
      return totals;
    });
    expect(failure).toBeUndefined();
    return await readFile(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A file by the generated classes alone. */
export function generated(records: readonly kvm_conform.event.Record.$Properties[], formatVersion = 1): Buffer {
  const messageHeader = schema.Header.encodeDelimited({ formatVersion, sources: [{ file: "a" }] }).finish();
  return Buffer.concat([
    MAGIC,
    messageHeader,
    ...records.map((record) => schema.Record.encodeDelimited(record).finish()),
  ]);
}

/** Splits a buffer into its length-delimited messages. */
export function delimitedMessages(bytes: Uint8Array): () => Uint8Array {
  let at = 0;
  return () => {
    let length = 0;
    for (let shift = 0; at < bytes.length; shift += 7) {
      const byte = bytes[at++] ?? 0;
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    at += length;
    return bytes.subarray(at - length, at);
  };
}
