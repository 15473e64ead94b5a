import type { NamedBytes } from "../capture/bytes.js";
import type { Capture } from "../capture/capture.js";
import { InputError } from "../capture/input-error.js";
import { openCapture } from "../capture/open.js";
import { CaptureCheck } from "./capture-check.js";
import type { Judged } from "./checker.js";
import { timeText } from "./findings.js";
import { changed } from "./state-delta.js";

/** Choices of a replay. */
export interface ReplayOptions {
  readonly profile?: readonly string[];
  readonly facts?: Readonly<Record<string, string>>;
  readonly together?: boolean;
  /** Only what changed since the operation before. */
  readonly delta?: boolean;
  /** Only the operation of this number (none, where no model knows it); nothing of the capture is read behind it. */
  readonly at?: number;
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
 * Replays one capture: the state after each operation, as soon as it is judged; also after those whose result no model
 * knows, because they too change states (a container that is closed, lost events). Holds the states of
 * the operations that one recorded line completes, and no more.
 * @throws InputError where the capture cannot be opened.
 */
export async function* replay(input: string | NamedBytes, options: ReplayOptions = {}): AsyncGenerator<ReplayLine> {
  const { signal } = options;
  const opening = { together: options.together ?? false, ...(signal && { signal }) };
  const capture = await openCapture(input, opening);
  if ("error" in capture) throw new InputError(`${capture.path}: ${capture.error}`);
  const lines = new Lines(capture, options);
  for await (const batch of capture.events(signal)) {
    for (const event of batch) {
      lines.check.push(event);
      if (lines.ready.length === 0) continue;
      yield* lines.ready.splice(0);
      if (lines.complete) return;
    }
  }
  lines.check.finish();
  yield* lines.ready.splice(0);
}

/** The lines of a replay, as the check makes operations ready. */
class Lines {
  readonly check: CaptureCheck;
  readonly ready: ReplayLine[] = [];
  /** The operation that was asked for is among the lines. */
  complete = false;
  private readonly capture: Capture;
  private readonly options: ReplayOptions;
  private readonly before = new Map<string, unknown>();

  constructor(capture: Capture, options: ReplayOptions) {
    this.capture = capture;
    this.options = options;
    const { at, profile = [], facts = {} } = options;
    this.check = new CaptureCheck(capture, {
      profiles: profile,
      facts,
      maxDivergences: 0,
      onJudged: (judged) => this.take(judged),
      wantsState: ({ number }) => at === undefined || number === at,
      expected: "ignore",
    });
  }

  private take(judged: Judged): void {
    const { number, event } = judged.operation;
    const { at, delta = false } = this.options;
    if (this.complete || (at !== undefined && number !== at)) return;
    this.complete = at !== undefined;
    const state = judged.state();
    const shown = delta ? changed(this.before.get(judged.system), state) : state;
    if (delta) this.before.set(judged.system, state);
    const file = this.capture.sources[event.source]?.file ?? "";
    this.ready.push(lineOf(judged, file, { [judged.system]: shown }));
  }
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
