import type { Capture } from "../capture/capture.js";
import type { Event } from "../event/event.js";
import { systems } from "../model/registry.js";
import type { Operation } from "../operation/operation.js";
import { captureReport } from "./capture-report.js";
import type { Judged } from "./checker.js";
import type { Checkpoints, StatesBySystem } from "./checkpoints.js";
import { Expectations, ExpectedWriter } from "./expected.js";
import { type ExpectedStates, type Place, parseExpected } from "./expected-parse.js";
import { profileErrors } from "./profile.js";
import type { CaptureReport } from "./report.js";
import { type StartOptions, type SystemRun, systemsFor } from "./systems.js";

export interface CaptureCheckOptions {
  /** `P` or `SYSTEM=P`; `all` for the verdict of every profile. */
  readonly profiles: readonly string[];
  readonly facts: Readonly<Record<string, string>>;
  readonly maxDivergences: number;
  /** Called for each operation, also for those that only inform a model. */
  readonly onJudged: ((judged: Judged) => void) | undefined;
  /** Whether `onJudged` may ask for the state after an operation. */
  readonly wantsState: (operation: Operation) => boolean;
  /** Whether the rules that were reached will be asked for. */
  readonly gathersRules?: boolean;
  /** What becomes of the states that `expected.json` holds: they are compared, left alone, or gathered anew. */
  readonly expected: "compare" | "ignore" | "gather";
}

/** One capture on its way through the systems that it can be about: events in, a report out. */
export class CaptureCheck {
  readonly runs: readonly SystemRun[];
  /** Events taken so far. */
  events = 0;
  /** Text for `expected.json`, where it was to be gathered and could be; there after the end. */
  expectedText: string | undefined;
  private readonly capture: Capture;
  private readonly notes: string[] = [];
  private readonly errors: string[] = [];
  private readonly expectations: Expectations | undefined;
  private readonly writer: ExpectedWriter | undefined;
  /** The latest operation that a model knows. */
  private last: Operation | undefined;

  constructor(capture: Capture, options: CaptureCheckOptions) {
    this.capture = capture;
    this.errors.push(...profileErrors(capture.manifest, options.profiles, systems));
    const written = options.expected === "ignore" ? undefined : this.readExpected();
    if (options.expected === "gather") {
      const places = written?.checkpoints.map(({ after }) => after) ?? [];
      this.writer = new ExpectedWriter(places.length > 0 ? places : atEnd, capture.sources);
    } else if (written !== undefined) {
      this.expectations = new Expectations(written, capture.sources);
    }
    const { checkpoints } = this;
    const { profiles, facts, maxDivergences, onJudged, wantsState, gathersRules = false } = options;
    const start: StartOptions = {
      profiles,
      facts,
      maxDivergences,
      onJudged: checkpoints === undefined ? onJudged : (judged) => this.judged(judged, onJudged),
      wantsState: (operation) => wantsState(operation) || checkpoints?.wants(operation) === true,
      gathersRules,
      note: (text) => this.notes.push(text),
    };
    this.runs = systemsFor(capture).map((system) => system.start(capture, start));
  }

  /** Takes the next event. */
  push(event: Event): void {
    this.events++;
    for (const run of this.runs) run.push(event);
  }

  /** The capture has ended: what came of it. Called once. */
  finish(): CaptureReport {
    const { capture, events, runs, notes, errors } = this;
    for (const run of runs) run.finish();
    const states = (): StatesBySystem => new Map(runs.map(({ system, checker }) => [system, checker.states()]));
    this.checkpoints?.end(states, this.last);
    const compared = this.expectations?.report(runs);
    errors.push(...(compared?.errors ?? []));
    notes.push(...(compared?.notes ?? []));
    const shown = runsThatCount(runs);
    const written = errors.length > 0 ? undefined : this.writer?.text(shown);
    if (written !== undefined && "errors" in written) errors.push(...written.errors);
    else this.expectedText = written?.text;
    return captureReport({ capture, runs: shown, events, notes, errors });
  }

  private get checkpoints(): Checkpoints<unknown> | undefined {
    return (this.writer ?? this.expectations)?.checkpoints;
  }

  private judged(judged: Judged, tell: ((judged: Judged) => void) | undefined): void {
    if (judged.modelled) this.last = judged.operation;
    this.checkpoints?.after(judged.operation, () => {
      const states = new Map(this.runs.map(({ system, checker }) => [system, checker.states()]));
      return states.set(judged.system, judged.states());
    });
    tell?.(judged);
  }

  /** What the capture's `expected.json` says; what is wrong with it is an error of the capture. */
  private readExpected(): ExpectedStates | undefined {
    if (this.capture.expected === undefined) return undefined;
    const parsed = parseExpected(this.capture.expected);
    if (parsed.kind === "errors") {
      this.errors.push(...parsed.errors);
      return undefined;
    }
    this.notes.push(...parsed.notes);
    return parsed.states;
  }
}

/** Where states are gathered if nothing says where. */
const atEnd: readonly Place[] = ["end"];

/** The systems that the capture turned out to be about; the first where it is about none. */
function runsThatCount(runs: readonly SystemRun[]): readonly SystemRun[] {
  const met = runs.filter(
    ({ checker: { tally, findings } }) =>
      tally.operations + findings.divergences.length + findings.divergencesLeftOut > 0,
  );
  // Systems share system calls: one that the recording is certainly about outweighs those that only could be meant.
  const evident = met.filter((run) => run.evident());
  if (evident.length > 0) return evident;
  return met.length > 0 ? met : runs.slice(0, 1);
}
