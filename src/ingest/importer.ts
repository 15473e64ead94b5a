import type { Diagnostic } from "../event/diagnostic.js";
import type { Event } from "../event/event.js";

/** The formats that a source can have; the names stand in manifests (`sources[].format`). */
export type Format = "strace" | "ftrace" | "sysfs" | "s390dbf" | "dmesg" | "jsonl" | "kce";

/** What a parser hands over. Every line ends in exactly one of the three: events + context + diagnostics = lines. */
export interface Sink {
  event(event: Event): void;
  /** `lines` lines that are understood and carry no event: headers, blanks, signals, continuation lines. */
  context(lines: number): void;
  /** `lines` lines that are not understood, or a remark with `lines` 0. */
  diagnostic(diagnostic: Diagnostic, lines: number): void;
}

/** What a parser must know of the file it reads. */
export interface SourceInfo {
  /** Index of the source in its capture: goes into each event. */
  readonly source: number;
  /** File name for diagnostics, as the user named it. */
  readonly file: string;
}

/** Reads one text source, line by line. Never throws on input. */
export interface LineParser {
  /**
   * One line without its LF (and without a CR before it); `number` counts from 1. Where the line is at hand as bytes, they
   * begin at `start` of `bytes`, and what ends the line stands behind them.
   */
  line(text: string, number: number, bytes?: Uint8Array, start?: number): void;
  /** No more lines: hand over what was held back. `complete` is false where the last line had no line feed. */
  end(complete: boolean): void;
}

/** An importer of a text format. */
export interface Importer {
  readonly format: Format;
  /** Says from the beginning of a file (some non-empty lines, latin-1) whether it is of this format. */
  recognises(head: readonly string[]): boolean;
  parser(info: SourceInfo, sink: Sink): LineParser;
}
