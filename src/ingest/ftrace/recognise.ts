import { Line } from "../../event/line.js";
import { RecordPrefix } from "./prefix.js";
import { readSideLine } from "./side-lines.js";

/** The first line of a kernel `trace` file, a trace-cmd report, a perf script with --header, a bpftrace run (section 0.8). */
const HEADER = /^(?:# tracer: |\S{0,255}:? ?cpus=\d+$|# ========$|Attach(?:ing|ed) \d+ probes?)/;

/** Whether the first line is a header that only these recorders print. */
export function hasFtraceHeader(head: readonly string[]): boolean {
  const first = head[0];
  return first !== undefined && first.length < 400 && HEADER.test(first.trimEnd());
}

/** Whether the lines have task, cpu and time as records have, with no header before them: trace_pipe, bpftrace, perf script. */
export function hasFtraceRecords(head: readonly string[]): boolean {
  const prefix = new RecordPrefix();
  let records = 0;
  let known = 0;
  let losses = 0;
  for (const line of head) {
    if (prefix.scan(new Line(line))) records++;
    else {
      const side = readSideLine(line);
      if (side !== undefined) known++;
      if (side?.kind === "gap") losses++;
    }
  }
  // A record may span lines; what is continued stays the lesser part. Everything else may have been lost.
  return (records > 0 || losses === head.length) && head.length > 0 && (records + known) * 2 >= head.length;
}
