import type { Format } from "../ingest/importer.js";

/** `capture.json` (design section 3); every field is optional there. */
export interface Manifest {
  readonly arch: string | undefined;
  readonly kernel: string | undefined;
  /** System (`ap`, `dawr`, `platform`) to profile; a bare text in the file names the profile of every system that knows it: key `*`. */
  readonly profile: Readonly<Record<string, string>>;
  /** Undefined: all recognised files of the directory are sources. */
  readonly sources: readonly ManifestSource[] | undefined;
  /** File name of the environment snapshot. */
  readonly environment: string | undefined;
  /** Facts by system; their meaning is the models' business. */
  readonly facts: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface ManifestSource {
  readonly file: string;
  readonly format: Format | undefined;
  readonly clock: string | undefined;
  /** Nanoseconds to add to the source's times. */
  readonly offsetNs: bigint;
  readonly probes: readonly string[] | undefined;
}
