import type { Capture } from "../capture/capture.js";
import type { Touched } from "../model/core/journal.js";
import type { Model, ModelState, Setting } from "../model/core/model.js";
import type { Rule } from "../model/core/rule.js";
import type { Trial } from "../model/core/trial.js";
import type { Operation } from "../operation/operation.js";
import { agreed } from "./agreed.js";
import { Findings } from "./findings.js";
import { LastLines } from "./last-lines.js";
import { Recorders } from "./observed.js";
import { Tally } from "./tally.js";
import { type Settled, Worlds } from "./worlds.js";

/** What an operation came to, for those who want each one (`replay`, `onOperation`). */
export interface Judged {
  readonly system: string;
  readonly operation: Operation;
  readonly verdict: "checked" | "unchecked" | "divergent";
  /** Full names of the rules that led to its result, effects or state, and of those that it broke. */
  readonly rules: readonly string[];
  /** Whether the model knows its result and effects; else it only informs the model, and there is nothing to judge. */
  readonly modelled: boolean;
  /** The state after it, in the JSON form; made when asked for, and only before the next operation is judged. */
  state(): unknown;
  /** The same, each of the states that explain the recording apart: several where overlapping operations left that open. */
  states(): readonly unknown[];
}

export interface CheckerOptions {
  readonly maxDivergences: number;
  readonly unique: ReadonlySet<string>;
  readonly onJudged: ((judged: Judged) => void) | undefined;
  /** Whether `state` of an operation may be asked for. */
  readonly wantsState: (operation: Operation) => boolean;
  /** Whether the rules that were reached will be asked for. */
  readonly gathersRules?: boolean;
}

/** Kinds of remarks beyond this many are not told. */
const MAX_REMARKS = 20;

const NONE: readonly Rule[] = [];

/** Holds the operations of one capture against the model of one system. */
export class Checker<S extends ModelState> {
  readonly tally = new Tally();
  readonly findings: Findings;
  readonly recorders: Recorders;
  /** Rules that led to a result, an effect or a state; gathered where somebody asks. */
  private readonly reachedRules = new Set<Rule>();
  private readonly worlds: Worlds<S>;
  private readonly model: Model<S>;
  private readonly options: CheckerOptions;
  private readonly lastLines = new LastLines();
  /** Broken invariants that were reported: one finding each. */
  private readonly broken = new Set<string>();
  private cut = 0;
  /** Remarks by their text: how often, and where first. */
  private readonly remarks = new Map<string, { count: number; readonly line: string; readonly rules: string }>();

  constructor(model: Model<S>, capture: Capture, setting: Setting, options: CheckerOptions) {
    this.model = model;
    this.options = options;
    this.recorders = new Recorders(capture.sources);
    this.findings = new Findings(capture, options.maxDivergences, options.unique);
    this.worlds = new Worlds(model, model.initial(setting), this.recorders, options.wantsState);
  }

  /** Rules that led to a result, an effect or a state of this capture; none where they were not to be gathered. */
  get reached(): ReadonlySet<string> {
    return new Set([...this.reachedRules].map(({ id }) => id));
  }

  /** Takes the next group of overlapping operations. */
  take(group: readonly Operation[]): void {
    for (const operation of group) for (const { effect } of operation.effects) this.recorders.seen(effect.kind);
    for (const settled of this.worlds.settle(group)) this.judge(settled);
  }

  /** Remarks for the report. */
  notes(): readonly string[] {
    const notes: string[] = [];
    const missing = this.recorders.missing(this.model.probes);
    if (missing.length > 0) {
      notes.push(`probe lines: no ${missing.join(", ")} recorded; what they would show is not judged`);
    }
    const { unexplainedLogs, logPlaces } = this.findings;
    if (unexplainedLogs > 0) {
      notes.push(
        `${unexplainedLogs} lines of the debug log speak against the other recorders: ${logPlaces.join(", ")}`,
      );
    }
    const ended = this.recorders.both ? this.lastLines.note((event) => this.findings.placeOf(event)) : undefined;
    if (ended !== undefined) notes.push(ended);
    for (const [message, { count, line, rules }] of this.remarks) {
      notes.push(`${message} (${rules}): ${count === 1 ? "once" : `${count} times`}, first at ${line}`);
    }
    notes.push(...(this.model.remains?.(this.worlds.state) ?? []));
    if (this.cut > 0)
      notes.push(`${this.cut} operations: not all possibilities were tried, what is left of them is not decided`);
    if (this.worlds.joined > 0) {
      notes.push(
        `${this.worlds.joined} possible states were joined, because overlapping operations left more than can be kept apart`,
      );
    }
    return notes;
  }

  /** Something unlikely: told once, with how often it was seen. */
  private remark(operation: Operation, message: string, rules: readonly Rule[]): void {
    const known = this.remarks.get(message);
    if (known !== undefined) known.count++;
    else if (this.remarks.size < MAX_REMARKS) {
      this.remarks.set(message, {
        count: 1,
        line: this.findings.placeOf(operation.event),
        rules: rules.map((rule) => this.findings.cite(rule)).join(", "),
      });
    }
  }

  private judge(settled: Settled): void {
    const { operation, trial, mismatches, touched } = settled;
    const modelled = this.model.models(operation);
    if (this.options.gathersRules === true) {
      for (const rules of trial.cited) for (const rule of rules) this.reachedRules.add(rule);
    }
    this.lastLines.meet(operation);
    if (settled.cut) this.cut++;
    for (const { event } of trial.hints) this.findings.unexplainedLog(event);
    const divergent = mismatches !== undefined;
    const checked = divergent || (trial.judged && trial.unchecked.length === 0);
    if (modelled) this.tally.count(operation.name, trial.unchecked, checked);
    for (const remark of trial.remarks) this.remark(operation, remark.message, remark.rules);
    for (const defect of trial.defects) this.findings.defect(operation, defect.rules, defect.message);
    if (mismatches !== undefined) {
      const [first] = mismatches;
      if (first !== undefined) this.lastLines.contradicted(operation, first);
      this.findings.divergence(operation, mismatches, trial, settled.before ?? []);
    }
    const broken = this.checkInvariants(operation, touched, divergent, trial.defects);
    if (this.options.onJudged !== undefined) {
      this.options.onJudged({
        system: this.model.system,
        modelled,
        operation,
        verdict: divergent ? "divergent" : checked ? "checked" : "unchecked",
        rules: idsOf(...trial.rules, ...(mismatches?.[0]?.rules ?? []), ...broken),
        state: () => agreed(this.statesAfter(settled)),
        states: () => this.statesAfter(settled),
      });
    }
  }

  /** The states that explain what was recorded up to here, in the JSON form. */
  states(): readonly unknown[] {
    return this.worlds.render();
  }

  private statesAfter(settled: Settled): readonly unknown[] {
    return settled.state === undefined ? this.worlds.render() : [settled.state];
  }

  /** One fault gives one finding: what a divergence broke is not reported once more. Returns the rules reported. */
  private checkInvariants(
    operation: Operation,
    touched: Touched,
    divergent: boolean,
    defects: Trial["defects"],
  ): readonly Rule[] {
    if (touched.objects.length === 0) return NONE;
    const reported: Rule[] = [];
    for (const { rule, also = [], message, prescribedBy } of this.model.broken(this.worlds.state, touched)) {
      const key = `${rule.id} ${message}`;
      if (this.broken.has(key) || this.broken.size > 1000) continue;
      this.broken.add(key);
      // What was cut off, or what the call was that nobody recorded, may put it right.
      if (divergent || operation.cut !== undefined || operation.call.kind === "unrecorded") continue;
      reported.push(rule, ...also);
      const state = this.model.describe(this.worlds.state, operation);
      if (prescribedBy === undefined) this.findings.invariant(operation, [rule, ...also], message, state);
      // What the operation itself has told as a known defect of that rule is not told again.
      else if (!defects.some(({ rules }) => rules.includes(prescribedBy))) {
        this.findings.defect(operation, [prescribedBy, rule], message);
      }
    }
    return reported;
  }
}

function idsOf(...rules: readonly Rule[]): readonly string[] {
  return [...new Set(rules.map(({ id }) => id))];
}
