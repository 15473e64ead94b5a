import type { Format, Importer } from "../ingest/importer.js";

/** The importers that captures are opened with; tests put in their own. */
export interface ImporterSet {
  /** The importer of a file that begins with these lines; undefined where none recognises it. */
  detect(head: readonly string[]): Importer | undefined;
  of(format: Format): Importer | undefined;
}
