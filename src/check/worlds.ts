import type { Changes, Touched } from "../model/core/journal.js";
import type { Model, ModelState } from "../model/core/model.js";
import type { Observability } from "../model/core/observability.js";
import type { Mismatch, Trial } from "../model/core/trial.js";
import type { Operation } from "../operation/operation.js";
import { adoptObserved, applyJoined, attempt } from "./attempt.js";
import { type Outcome, searchOrders } from "./order-search.js";
import { inOrderOfCompletion, ordersOf } from "./orders.js";

/** Candidate states beyond this many are joined field by field. */
const FORKS = 8;

/** Groups up to this size are looked at in every order; larger ones where the model wants it. */
const FEW = 4;

/** What came of one operation of a group. */
export interface Settled {
  readonly operation: Operation;
  readonly trial: Trial;
  /** Set where no candidate state explains it. */
  readonly mismatches: readonly Mismatch[] | undefined;
  /** Of a divergence: the state that led there, for people. */
  readonly before?: readonly string[];
  readonly touched: Touched;
  readonly cut: boolean;
  /** The state after it, where others of its group came after; else it is that of the worlds. */
  readonly state?: unknown;
}

/**
 * The candidate states: one, except after overlapping operations whose order the observations leave open and whose
 * outcome depends on it. A candidate that does not explain what follows is dropped, equal ones merge.
 */
export class Worlds<S extends ModelState> {
  private states: S[];
  private readonly model: Model<S>;
  private readonly observability: Observability;
  private readonly rendering: (operation: Operation) => boolean;
  /** Candidates that were joined because there were too many. */
  joined = 0;
  /** Some orders of the group at hand were not followed. */
  private searchCut = false;

  /** `rendering`: whether the state after an operation is wanted, also between those of a group. */
  constructor(model: Model<S>, initial: S, observability: Observability, rendering: (operation: Operation) => boolean) {
    this.model = model;
    this.states = [initial];
    this.observability = observability;
    this.rendering = rendering;
  }

  /** The candidate that has explained most: the first. */
  get state(): S {
    const [first] = this.states;
    if (first === undefined) throw new Error("no candidate state left");
    return first;
  }

  /** The candidates in the JSON form. */
  render(): readonly unknown[] {
    return this.states.map((state) => this.model.render(state));
  }

  /** Holds a group of overlapping operations against all candidates. */
  settle(group: readonly Operation[]): readonly Settled[] {
    const settled = this.settleGroup(group);
    for (const state of this.states) this.model.forget?.(state);
    return group.length > 1 ? this.withInterleaved(group, settled) : settled;
  }

  /** What each of the operations shows may be right, and that they ran at the same time not. */
  private withInterleaved(group: readonly Operation[], settled: readonly Settled[]): readonly Settled[] {
    const found = this.model.interleaved?.(group) ?? [];
    if (found.length === 0) return settled;
    return settled.map((one) => {
      const among = found.find(({ operation }) => operation === one.operation);
      if (among === undefined || one.mismatches !== undefined) return one;
      const { event, expected, observed, rules } = among;
      return { ...one, mismatches: [{ kind: "effect", rules, expected, observed, event, progress: 0 }] };
    });
  }

  private settleGroup(group: readonly Operation[]): readonly Settled[] {
    const [only] = group;
    if (only !== undefined && group.length === 1 && this.states.length === 1) return this.settleOne(only);
    const next: S[] = [];
    let settled: readonly Settled[] | undefined;
    this.searchCut = false;
    for (const [i, state] of this.states.entries()) {
      const room = FORKS - next.length - (this.states.length - i);
      const result = this.explain(state, group, room);
      if (result === undefined) continue;
      settled ??= result.settled;
      next.push(...result.states);
    }
    if (settled === undefined) {
      this.states = [this.state];
      if (this.searchCut) return this.undecided(this.state, group);
      return this.doubt(group) ?? this.diverge(this.state, group);
    }
    this.states = next;
    this.mergeEqual();
    return settled;
  }

  /** By far the most frequent case: one state, and nothing overlaps. */
  private settleOne(operation: Operation): readonly Settled[] {
    const { state } = this;
    const settled = this.run(state, operation);
    if (settled === undefined) return this.doubt([operation]) ?? this.diverge(state, [operation]);
    state.journal.commit();
    return [settled];
  }

  /** Nothing explains the group: what the model took from the silence of a recorder may be wrong. */
  private doubt(group: readonly Operation[]): readonly Settled[] | undefined {
    const doubted = this.model.doubted?.(this.state, group, this.observability);
    const result = doubted === undefined ? undefined : this.explain(doubted, group, FORKS - 1);
    if (result === undefined) return undefined;
    this.states = result.states;
    return result.settled;
  }

  /** `room`: how many candidates may come out beyond one. */
  private explain(
    state: S,
    group: readonly Operation[],
    room: number,
  ): { settled: readonly Settled[]; states: S[] } | undefined {
    const [only] = group;
    if (group.length === 1 && only !== undefined) {
      const settled = this.run(state, only);
      if (settled === undefined) return undefined;
      state.journal.commit();
      return { settled: [settled], states: [state] };
    }
    return this.explainOverlap(state, group, room);
  }

  private explainOverlap(
    state: S,
    group: readonly Operation[],
    room: number,
  ): { settled: readonly Settled[]; states: S[] } | undefined {
    if (group.length > FEW && this.model.everyOrder === true) {
      const { outcomes, cut } = searchOrders<Settled>(group, {
        journal: state.journal,
        run: (operation) => {
          const settled = this.run(state, operation);
          return settled === undefined ? undefined : this.between(state, settled);
        },
        same: sameChanges,
        applyEither: (a, b) => applyJoined(this.model, state, [a, b]),
      });
      if (outcomes.length === 0 && cut) this.searchCut = true;
      return this.follow(state, outcomes, room);
    }
    const outcomes: Outcome<Settled>[] = [];
    const everyOrder = group.length <= FEW && group.filter(changesSomething).length > 1;
    for (const order of ordersOf(group)) {
      const settled = this.runAll(state, order);
      if (settled === undefined) continue;
      if (!everyOrder) {
        state.journal.commit();
        return { settled, states: [state] };
      }
      const changes = state.journal.extract();
      if (!outcomes.some((other) => sameChanges(other.changes, changes))) outcomes.push({ order, settled, changes });
    }
    return this.follow(state, outcomes, room);
  }

  /** Goes on with what each of several orders leads to: in states of their own, or joined where there is no room. */
  private follow(
    state: S,
    outcomes: readonly Outcome<Settled>[],
    room: number,
  ): { settled: readonly Settled[]; states: S[] } | undefined {
    const [first, ...others] = outcomes;
    if (first === undefined) return undefined;
    if (others.length === 0 || others.length > room) {
      if (others.length > 0) this.joined += others.length;
      applyJoined(
        this.model,
        state,
        outcomes.map((outcome) => outcome.changes),
      );
      state.journal.commit();
      return { settled: first.settled, states: [state] };
    }
    // Of a joined one its order tells only a part: it takes the state itself.
    const own = outcomes.find(({ joined }) => joined === true) ?? first;
    const states = outcomes.map((outcome) => {
      if (outcome === own) return state;
      const copy = this.model.clone(state);
      this.runAll(copy, outcome.order);
      copy.journal.commit();
      return copy;
    });
    state.journal.apply(own.changes);
    state.journal.commit();
    return { settled: first.settled, states };
  }

  private runAll(state: S, order: readonly Operation[]): readonly Settled[] | undefined {
    const settled: Settled[] = [];
    for (const operation of order) {
      const one = this.run(state, operation);
      if (one === undefined) {
        state.journal.rollback();
        return undefined;
      }
      settled.push(this.between(state, one));
    }
    return settled;
  }

  private between(state: S, settled: Settled): Settled {
    return this.rendering(settled.operation) ? { ...settled, state: this.model.render(state) } : settled;
  }

  private run(state: S, operation: Operation): Settled | undefined {
    const mark = state.journal.mark();
    const result = attempt(this.model, state, operation, this.observability);
    if (result.kind === "refused") return undefined;
    const touched = state.journal.touched(mark);
    return { operation, trial: result.trial, mismatches: undefined, touched, cut: result.cut };
  }

  /** No candidate explains the group: it is taken in order, and the operation that does not fit is a divergence. */
  private diverge(state: S, group: readonly Operation[]): readonly Settled[] {
    const settled: Settled[] = [];
    for (const operation of inOrderOfCompletion(group)) {
      const result = attempt(this.model, state, operation, this.observability);
      if (result.kind === "explained") {
        const touched = state.journal.touched();
        state.journal.commit();
        const one = { operation, trial: result.trial, mismatches: undefined, touched, cut: result.cut };
        settled.push(this.between(state, one));
        continue;
      }
      const before = this.model.describe(state, operation);
      const trial = adoptObserved(this.model, state, operation, this.observability);
      const touched = state.journal.touched();
      state.journal.commit();
      const { mismatches, cut } = result;
      settled.push(this.between(state, { operation, trial, mismatches, before, touched, cut }));
    }
    return settled;
  }

  /** No order that was followed explains the group, but not all were: the observation counts, and nothing is judged. */
  private undecided(state: S, group: readonly Operation[]): readonly Settled[] {
    return inOrderOfCompletion(group).map((operation) => {
      const trial = adoptObserved(this.model, state, operation, this.observability);
      trial.cannotCheck("more calls overlap than there is room to follow all their orders");
      const touched = state.journal.touched();
      state.journal.commit();
      return this.between(state, { operation, trial, mismatches: undefined, touched, cut: true });
    });
  }

  /** Candidates that have become the same are one again. */
  private mergeEqual(): void {
    if (this.states.length < 2) return;
    const seen = new Set<string>();
    this.states = this.states.filter((state) => {
      const print = this.model.fingerprint(state);
      return !seen.has(print) && seen.add(print);
    });
  }
}

function changesSomething(operation: Operation): boolean {
  const { kind } = operation.call;
  return (
    kind !== "attribute-read" &&
    kind !== "attribute-open" &&
    kind !== "pqap" &&
    kind !== "iommu-group" &&
    kind !== "gap"
  );
}

/** Whether two runs lead to the same state. */
function sameChanges(a: Changes, b: Changes): boolean {
  if (a.fields.size !== b.fields.size || a.keys.length !== b.keys.length) return false;
  for (const [object, fields] of a.fields) {
    const other = b.fields.get(object);
    if (other === undefined || other.size !== fields.size) return false;
    for (const [key, value] of fields) if (!sameValue(value, other.get(key))) return false;
  }
  return true;
}

function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  return typeof a === "object" && typeof b === "object" && a !== null && b !== null && sameBits(a, b);
}

/** Masks are values: two objects with the same words are the same. */
function sameBits(a: object, b: object): boolean {
  return "ones" in a && "ones" in b && JSON.stringify(a) === JSON.stringify(b);
}
