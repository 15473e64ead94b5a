/** What a .kce file is made of: schemas/event.proto, section "The .kce file". */

import type { Diagnostic } from "./diagnostic.js";

/** The first byte tells a text reader off; CR LF and LF show a transfer in text mode; 1A ends a `type` on DOS. */
export const KCE_MAGIC: Uint8Array = Uint8Array.of(0x89, 0x4b, 0x43, 0x45, 0x0d, 0x0a, 0x1a, 0x0a);

/** Version of the format that this program writes, and the newest that it reads. */
export const KCE_VERSION = 1;

/** Longest record in bytes: what claims to be longer is damage. */
export const MAX_RECORD_BYTES = 16 * 1024 * 1024;

/** Longest header. Lower, because two bytes of it can make an object of a hundred. */
export const MAX_HEADER_BYTES = 4 * 1024 * 1024;

/** Field tags of `Record` (`field number << 3 | wire type`). */
export const RECORD = { event: 0x0a, diagnostic: 0x12, end: 0x1a } as const;

/** A recorded file of the capture. */
export interface KceSource {
  /** File name as the user named it. */
  readonly file: string;
  /** Name of the format: strace, ftrace ... */
  readonly format: string;
  /** Names of the probes that recorded; undefined where that is not known. */
  readonly probes: readonly string[] | undefined;
}

/** What is known of a capture before its first event. */
export interface KceHeader {
  /** Version of the kvm-conform that wrote the file. */
  readonly toolVersion: string;
  /** Name of the capture, as the user named it. */
  readonly name: string;
  /** Text of capture.json; empty where there was none. */
  readonly manifest: string;
  /** Text of expected.json; empty where there was none. */
  readonly expected: string;
  /** `Event.source` is an index into this list. */
  readonly sources: readonly KceSource[];
  /** About the capture as a whole. */
  readonly diagnostics: readonly Diagnostic[];
}

/** How the lines of one source were accounted for. */
export interface SourceCounts {
  /** Events made of it. */
  readonly events: number;
  /** Lines that are understood and carry no event. */
  readonly contextLines: number;
  /** Lines that were not understood. */
  readonly diagnosticLines: number;
}

/** What is known of a capture only after its last event. */
export interface KceTotals {
  /** In the order of the header's sources. */
  readonly sources: readonly SourceCounts[];
  /** Diagnostics of the input that were not written, because there were too many. */
  readonly diagnosticsLeftOut: number;
}

/** The end record of a file. */
export interface KceEnd extends KceTotals {
  /** Events in the file. */
  readonly events: number;
  /** Diagnostic records in the file. */
  readonly diagnostics: number;
}
