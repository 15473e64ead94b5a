/** What a line means that is not a record. */
export type SideLine =
  | { readonly kind: "context" }
  /** Events of `cpu` (-1: of any) were lost here. */
  | { readonly kind: "gap"; readonly cpu: number; readonly lost: number | undefined }
  /** The recorder says that it lost events, but not where. */
  | { readonly kind: "loss"; readonly message: string }
  /** The header of a buffer whose first events were overwritten or read by somebody else. */
  | { readonly kind: "overwritten"; readonly kept: number; readonly written: number };

const CONTEXT: SideLine = { kind: "context" };

const LOST = /^CPU:(\d{1,6}) \[LOST (?:(\d{1,15}) )?EVENTS\]$/;
const DROPPED = /^CPU:(\d{1,6}) \[(?:(\d{1,15}) )?EVENTS DROPPED\]$/;
const STARTED = /^#{2,} CPU (\d{1,6}) buffer started #{2,}$/;
const BPFTRACE_LOST = /^Lost (\d{1,15}) events$/;
const ENTRIES = /^# entries-in-buffer\/entries-written: (\d{1,15})\/(\d{1,15})\b/;
/** `CPU 0: 954 events lost` of trace-cmd record, `Processed 40725 samples and lost 52.70%!` of perf. */
const LOSS_SOMEWHERE = /^(?:CPU \d{1,6}: \d{1,15} events lost|Processed \d{1,15} (?:samples|events) and lost .{1,40})$/;

/** Lines of the tools themselves that end up in a saved file (b.3, b.4, e.2). */
const TOOL_LINES = [
  /^cpus=\d{1,6}$/,
  /^version = /,
  /^CPU \d{1,6} is empty$/,
  /^Attach(?:ing|ed) \d{1,6} probes?/,
  /^(?:trace-cmd|libtracecmd|libtraceevent|libtracefs): /,
  /^Could not find /,
  /^\[[\w-]{1,64}:[\w-]{1,64}\] function /,
  /^(?:failed to read event|Error: expected|bad op token|overriding event|registering plugin)/,
  /^Processed \d{1,15} /,
  /^\d{1,15} out of order events recorded\.?$/,
  // Maps and histograms of bpftrace.
  /^@/,
  /^[[(].{1,60}[\])] {1,40}\d{1,15} \|.{0,80}\|$/,
  // Stack traces.
  /^=> /,
];

/** Longer lines are none of these: what a pattern sees is bounded. */
const LONGEST = 1000;

/**
 * Tells what a line means that stands between records, or undefined if it is none of the known ones (it may then belong to
 * the record before it).
 */
export function readSideLine(line: string): SideLine | undefined {
  if (line.length > LONGEST) return undefined;
  const text = line.trim();
  if (text === "") return CONTEXT;
  if (text.charCodeAt(0) === 35) return readHeader(text);
  const known = readToolLine(text);
  if (known !== undefined) return known;
  // trace-cmd report -i prints the file's name before each line, headers included.
  const behindFile = /^\S{1,255}: (?=cpus=|CPU:|version = )/.exec(text);
  return behindFile === null ? undefined : readToolLine(text.slice(behindFile[0].length));
}

function readHeader(text: string): SideLine {
  const started = STARTED.exec(text);
  // Only printed where the ring was overwritten: the events of that cpu before this line are missing (b.1).
  if (started !== null) return { kind: "gap", cpu: Number(started[1]), lost: undefined };
  const entries = ENTRIES.exec(text);
  if (entries !== null) {
    const kept = Number(entries[1]);
    const written = Number(entries[2]);
    if (kept < written) return { kind: "overwritten", kept, written };
  }
  return CONTEXT;
}

function readToolLine(text: string): SideLine | undefined {
  const lost = LOST.exec(text) ?? DROPPED.exec(text);
  if (lost !== null) return { kind: "gap", cpu: Number(lost[1]), lost: countOf(lost[2]) };
  const bpftrace = BPFTRACE_LOST.exec(text);
  if (bpftrace !== null) return { kind: "gap", cpu: -1, lost: countOf(bpftrace[1]) };
  if (LOSS_SOMEWHERE.test(text)) return { kind: "loss", message: text };
  // Call chains of perf: `\tffffffff8141c441 kernfs_fop_write_iter+0x1 ([kernel.kallsyms])`.
  if (text.endsWith(")") && /^[0-9a-f]{1,16} \S/.test(text)) return CONTEXT;
  return TOOL_LINES.some((pattern) => pattern.test(text)) ? CONTEXT : undefined;
}

function countOf(digits: string | undefined): number | undefined {
  return digits === undefined ? undefined : Number(digits);
}
