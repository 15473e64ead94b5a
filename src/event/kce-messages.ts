/**
 * The rare messages of a .kce file (header, diagnostics, end) to and from bytes, by the generated classes. Loaded only
 * where such a file is read or written: protobufjs takes some 20 ms to load.
 */

import type { Diagnostic } from "./diagnostic.js";
import { kvm_conform } from "./generated/event.js";
import { KCE_VERSION, type KceEnd, type KceHeader, type KceSource, type SourceCounts } from "./kce-format.js";

const schema = kvm_conform.event;

/** A count as the generated classes hand it over: a number, or two halves where the Long library is there. */
type Count = number | { readonly high: number; readonly low: number } | null | undefined;

const SEVERITY_NUMBER = {
  note: schema.Diagnostic.Severity.SEVERITY_NOTE,
  loss: schema.Diagnostic.Severity.SEVERITY_LOSS,
  error: schema.Diagnostic.Severity.SEVERITY_ERROR,
} as const;

const SEVERITIES = new Map<number, Diagnostic["severity"]>([
  [SEVERITY_NUMBER.note, "note"],
  [SEVERITY_NUMBER.loss, "loss"],
  [SEVERITY_NUMBER.error, "error"],
]);

/** A message could not be read: the text says what of it. */
class Malformed extends Error {}

function toCount(value: Count): number {
  if (value === null || value === undefined) return 0;
  const count = typeof value === "number" ? value : (value.high >>> 0) * 2 ** 32 + (value.low >>> 0);
  if (!Number.isSafeInteger(count)) throw new Malformed("a count above 2^53 - 1");
  return count;
}

/** Longest text of a diagnostic in characters, so that it always fits a record. */
const MAX_TEXT = 64 * 1024;

/**
 * A text that UTF-8 can hold: half of a surrogate pair (a message that was cut there) becomes U+FFFD. The generated
 * classes would write it as it is, and then refuse to read the whole message.
 */
function utf8(text: string, limit = Number.POSITIVE_INFINITY): string {
  const short = text.length <= limit ? text : `${text.slice(0, limit)}...`;
  return Buffer.from(short, "utf8").toString("utf8");
}

type SourceMessage = kvm_conform.event.Source.$Properties;
type DiagnosticMessage = kvm_conform.event.Diagnostic.$Properties;

function toMessage(diagnostic: Diagnostic, lines: number): DiagnosticMessage {
  const { code, severity, file, line, message, hint } = diagnostic;
  return {
    code: utf8(code, MAX_TEXT),
    severity: SEVERITY_NUMBER[severity],
    file: utf8(file, MAX_TEXT),
    line,
    message: utf8(message, MAX_TEXT),
    lines,
    ...(hint === undefined ? {} : { hint: utf8(hint, MAX_TEXT) }),
  };
}

function fromMessage(message: DiagnosticMessage): Diagnostic {
  const severity = SEVERITIES.get(message.severity ?? 0);
  if (severity === undefined) throw new Malformed("an unknown severity");
  return {
    code: message.code ?? "",
    severity,
    file: message.file ?? "",
    line: toCount(message.line),
    message: message.message ?? "",
    ...(typeof message.hint === "string" ? { hint: message.hint } : {}),
  };
}

function toSource({ file, format, probes }: KceSource): SourceMessage {
  const list = probes === undefined ? {} : { probes: { names: probes.map((name) => utf8(name)) } };
  return { file: utf8(file), format: utf8(format), ...list };
}

function fromSource({ file, format, probes }: SourceMessage): KceSource {
  return { file: file ?? "", format: format ?? "", probes: probes ? (probes.names ?? []) : undefined };
}

/** Bytes of a header of the current version. */
export function encodeHeader(header: KceHeader): Uint8Array {
  return schema.Header.encode({
    formatVersion: KCE_VERSION,
    toolVersion: utf8(header.toolVersion),
    name: utf8(header.name),
    manifest: utf8(header.manifest),
    expected: utf8(header.expected),
    sources: header.sources.map(toSource),
    diagnostics: header.diagnostics.map((diagnostic) => toMessage(diagnostic, 0)),
  }).finish();
}

/** Bytes of a record that holds a diagnostic. */
export function encodeDiagnosticRecord(diagnostic: Diagnostic, lines: number): Uint8Array {
  return schema.Record.encode({ diagnostic: toMessage(diagnostic, lines) }).finish();
}

/** Bytes of the record that ends a file. */
export function encodeEndRecord(end: KceEnd): Uint8Array {
  const { events, diagnostics, sources, diagnosticsLeftOut } = end;
  return schema.Record.encode({ end: { events, diagnostics, sources: [...sources], diagnosticsLeftOut } }).finish();
}

/** What a message was decoded to, or why it could not be. */
export type Decoded<T> = { readonly value: T } | { readonly reason: string };

function attempt<T>(decode: () => T): Decoded<T> {
  try {
    return { value: decode() };
  } catch (error) {
    // The generated classes answer damage with exceptions (RangeError, Error); here they become data again.
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

/** The header in `bytes` and its format version, which the caller judges. */
export function decodeHeader(bytes: Uint8Array): Decoded<{ version: number; header: KceHeader }> {
  return attempt(() => {
    const message = schema.Header.decode(bytes);
    return {
      version: message.formatVersion,
      header: {
        toolVersion: message.toolVersion,
        name: message.name,
        manifest: message.manifest,
        expected: message.expected,
        sources: message.sources.map(fromSource),
        diagnostics: message.diagnostics.map(fromMessage),
      },
    };
  });
}

/** The diagnostic in `bytes` and the number of lines that it stands for. */
export function decodeDiagnostic(bytes: Uint8Array): Decoded<{ diagnostic: Diagnostic; lines: number }> {
  return attempt(() => {
    const message = schema.Diagnostic.decode(bytes);
    return { diagnostic: fromMessage(message), lines: toCount(message.lines) };
  });
}

function fromCounts(message: kvm_conform.event.SourceCounts.$Properties): SourceCounts {
  return {
    events: toCount(message.events),
    contextLines: toCount(message.contextLines),
    diagnosticLines: toCount(message.diagnosticLines),
  };
}

/** The totals in `bytes`. */
export function decodeEnd(bytes: Uint8Array): Decoded<KceEnd> {
  return attempt(() => {
    const message = schema.End.decode(bytes);
    return {
      events: toCount(message.events),
      diagnostics: toCount(message.diagnostics),
      sources: message.sources.map(fromCounts),
      diagnosticsLeftOut: toCount(message.diagnosticsLeftOut),
    };
  });
}
