import type { Importer } from "../importer.js";
import { FtraceParser } from "./parser.js";
import { hasFtraceHeader, hasFtraceRecords } from "./recognise.js";

/** ftrace text: the kernel's `trace` and `trace_pipe`, trace-cmd report, perf script, bpftrace in ftrace layout (b). */
export const ftraceImporter: Importer = {
  format: "ftrace",
  recognises: (head) => hasFtraceHeader(head) || hasFtraceRecords(head),
  parser: (info, sink) => new FtraceParser(info, sink),
};
