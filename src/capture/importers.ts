import type { Format, Importer } from "../ingest/importer.js";
import { detect, importerOf } from "../ingest/registry.js";
import { jsonLinesImporter } from "./json-lines.js";

/** The importers that captures are opened with; tests put in their own. */
export interface ImporterSet {
  /** The importer of a file that begins with these lines; undefined where none recognises it. */
  detect(head: readonly string[]): Importer | undefined;
  of(format: Format): Importer | undefined;
}

/** All formats that are read line by line. */
export const allImporters: ImporterSet = {
  detect: (head) => (jsonLinesImporter.recognises(head) ? jsonLinesImporter : detect(head)),
  of: (format) => (format === "jsonl" ? jsonLinesImporter : importerOf(format)),
};
