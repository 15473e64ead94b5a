import { InputError } from "../capture/input-error.js";
import { openCapture } from "../capture/open.js";
import { checkCapture } from "./check.js";
import type { Judged } from "./checker.js";
import { timeText } from "./findings.js";

/** Choices of a replay. */
export interface ReplayOptions {
  readonly profile?: readonly string[];
  readonly facts?: Readonly<Record<string, string>>;
  readonly together?: boolean;
  /** Only what changed since the operation before. */
  readonly delta?: boolean;
  readonly signal?: AbortSignal;
}

/** One line of `replay --states jsonl` (design section 5). */
export interface ReplayLine {
  readonly operation: number;
  readonly time: string;
  readonly endTime: string;
  readonly name: string;
  readonly result: number | string | null;
  readonly source: { readonly file: string; readonly line: number };
  readonly state: unknown;
  readonly [key: string]: unknown;
}

/**
 * Replays one capture: the state after each operation.
 * @throws InputError where the capture cannot be opened.
 */
export async function* replay(path: string, options: ReplayOptions = {}): AsyncGenerator<ReplayLine> {
  const opening = { together: options.together ?? false, ...(options.signal && { signal: options.signal }) };
  const capture = await openCapture(path, opening);
  if ("error" in capture) throw new InputError(`${capture.path}: ${capture.error}`);
  const lines: ReplayLine[] = [];
  let before: unknown;
  const onOperation = (_capture: string, judged: Judged): void => {
    const full = { ap: judged.state() };
    const file = capture.sources[judged.operation.event.source]?.file ?? "";
    lines.push(lineOf(judged, file, options.delta === true ? changed(before, full) : full));
    before = full;
  };
  await checkCapture(capture, { ...options, onOperation });
  yield* lines;
}

function lineOf({ operation }: Judged, file: string, state: unknown): ReplayLine {
  const { result } = operation;
  return {
    operation: operation.number,
    time: timeText(operation.time),
    endTime: timeText(operation.endTime),
    name: operation.name,
    result: result.kind === "value" ? result.value : result.kind === "error" ? result.errno : null,
    source: { file, line: operation.event.line },
    state,
  };
}

/** What of `after` differs from `before`: objects by key, everything else whole. */
function changed(before: unknown, after: unknown): unknown {
  if (!isRecord(before) || !isRecord(after)) return after;
  const difference: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(after)) {
    if (JSON.stringify(before[key]) === JSON.stringify(value)) continue;
    difference[key] = changed(before[key], value);
  }
  return difference;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
