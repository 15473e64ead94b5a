import type { Diagnostic } from "../event/diagnostic.js";
import type { EnvironmentEvent, Event } from "../event/event.js";
import type { Format } from "../ingest/importer.js";
import type { Manifest } from "./manifest.js";

/** A source of an opened capture, and what was counted in it so far. */
export interface Source {
  /** File name within the capture, as reports print it. */
  readonly file: string;
  readonly format: Format;
  /** Names of the probes that recorded: the manifest's list, else those found in the file; undefined where unknown. */
  readonly probes: readonly string[] | undefined;
  /** Counted while the stream is read; events + context + unparsed = lines. */
  readonly counts: { lines: number; events: number; context: number; unparsed: number };
}

/** A capture that could be opened. */
export interface Capture {
  /** As the user named it. */
  readonly path: string;
  readonly manifest: Manifest;
  readonly sources: readonly Source[];
  /** Text of `capture.json`; undefined without one. */
  readonly manifestText: string | undefined;
  /** Text of `expected.json`; undefined without one. */
  readonly expected: string | undefined;
  /** The environment snapshot, whole; empty without one. Its files stand behind the others among the sources. */
  readonly environment: readonly EnvironmentEvent[];
  /** Filled while the stream is read; capped, the number left out is in `diagnosticsLeftOut`. */
  readonly diagnostics: readonly Diagnostic[];
  readonly diagnosticsLeftOut: number;
  /**
   * The events of all sources but the snapshot, merged into one stream: by time where the clocks allow it, and never
   * against the order within one source. Can be read once.
   */
  events(signal?: AbortSignal): AsyncIterable<readonly Event[]>;
}

/** A capture that could not be opened: the other captures of the run are judged all the same. */
export interface CaptureFailure {
  readonly path: string;
  /** For people: what was wrong, where, what to do. */
  readonly error: string;
}
