import { fromJsonLine } from "../event/jsonl.js";
import type { Importer } from "../ingest/importer.js";

/**
 * Events as JSON lines, as `ingest --to jsonl` writes them. The lines of the file are the events' places: the files that
 * they were recorded in are not named there.
 */
export const jsonLinesImporter: Importer = {
  format: "jsonl",
  recognises: (head) => /^\s*\{\s*"/.test(head[0] ?? "") && fromJsonLine(head[0] ?? "", 1, "").event !== undefined,
  parser: (info, sink) => ({
    line(text, number) {
      if (text.trim() === "") {
        sink.context(1);
        return;
      }
      const { event, diagnostic } = fromJsonLine(text, number, info.file);
      if (diagnostic !== undefined) sink.diagnostic(diagnostic, event === undefined ? 1 : 0);
      if (event !== undefined) sink.event({ ...event, source: info.source, line: number });
    },
    end() {},
  }),
};
