import { Choices } from "../model/core/choices.js";
import type { Changes } from "../model/core/journal.js";
import type { Model, ModelState } from "../model/core/model.js";
import type { Observability } from "../model/core/observability.js";
import { type Mismatch, Trial } from "../model/core/trial.js";
import type { Operation } from "../operation/operation.js";

/** More combinations of choices than this are not tried: what is left of the operation is not decided. */
const RUNS = 64;

/** What came of holding an operation against the model. */
export type Attempt =
  /** The model explains the observation; its state is the next one. `trial` is the run that did, or the first of several. */
  | { readonly kind: "explained"; readonly trial: Trial; readonly cut: boolean }
  /** No run explains it; the state is as before. The run that got furthest comes first. */
  | { readonly kind: "refused"; readonly mismatches: readonly Mismatch[]; readonly cut: boolean };

/**
 * Runs the model over an operation for every combination of choices, until all are tried. Where several explain the
 * observation, the state allows what any of them leads to.
 */
export function attempt<S extends ModelState>(
  model: Model<S>,
  state: S,
  operation: Operation,
  observability: Observability,
): Attempt {
  const { journal } = state;
  const mark = journal.mark();
  const choices = new Choices();
  const first = new Trial(operation, observability, choices, false);
  model.step(state, operation, first);
  // By far the most frequent case: nothing was open, and the observation fits.
  if (first.mismatch === undefined && !choices.any) return { kind: "explained", trial: first, cut: false };
  const explained: { trial: Trial; changes: Changes }[] = [];
  const mismatches: Mismatch[] = [];
  let cut = false;
  let trial = first;
  for (let run = 1; ; run++) {
    if (trial.mismatch === undefined) {
      explained.push({ trial, changes: journal.extract(mark) });
    } else {
      mismatches.push(trial.mismatch);
      journal.rollback(mark);
    }
    if (!choices.advance()) break;
    if (run === RUNS) {
      cut = true;
      break;
    }
    trial = new Trial(operation, observability, choices, false);
    model.step(state, operation, trial);
  }
  if (explained.length === 0) {
    return { kind: "refused", mismatches: mismatches.sort((a, b) => b.progress - a.progress), cut };
  }
  // Of the runs that explain the probes and the result, those that the log speaks against are out.
  const fewest = Math.min(...explained.map((one) => one.trial.hints.length));
  const best = explained.filter((one) => one.trial.hints.length === fewest);
  applyJoined(
    model,
    state,
    best.map((one) => one.changes),
  );
  return { kind: "explained", trial: best[0]?.trial ?? first, cut };
}

/** Applies what several runs lead to, joined field by field. */
export function applyJoined<S extends ModelState>(model: Model<S>, state: S, runs: readonly Changes[]): void {
  const { journal } = state;
  const [first, ...others] = runs;
  if (first === undefined) return;
  if (others.length === 0) {
    journal.apply(first);
    return;
  }
  const same = runs.some(({ keys }) => keys.length > 0) ? withSameObjects(runs) : runs;
  const joined = new Map<object, Map<string, unknown>>();
  for (const { fields } of same) {
    for (const [object, changed] of fields) {
      const known = joined.get(object) ?? new Map<string, unknown>();
      joined.set(object, known);
      for (const key of changed.keys()) if (!known.has(key)) known.set(key, joinedField(model, same, object, key));
    }
  }
  const added = new Set<unknown>();
  for (const { keys } of same) {
    for (const entry of keys) {
      if (added.has(entry.value)) continue;
      added.add(entry.value);
      if (entry.map.get(entry.key) === undefined) journal.apply({ fields: new Map(), keys: [entry] });
    }
  }
  for (const [object, fields] of joined) for (const [key, value] of fields) journal.put(object, key, value);
}

/** The changes with one object for what several runs made under the same key: it is met for the first time in each of them. */
function withSameObjects(runs: readonly Changes[]): readonly Changes[] {
  const made = new Map<object, Map<unknown, object>>();
  const twins = new Map<unknown, object>();
  for (const { keys } of runs) {
    for (const { map, key, value } of keys) {
      if (typeof value !== "object" || value === null) continue;
      const ofMap = made.get(map) ?? new Map<unknown, object>();
      made.set(map, ofMap);
      const first = ofMap.get(key);
      if (first === undefined) ofMap.set(key, value);
      else if (first !== value) twins.set(value, first);
    }
  }
  if (twins.size === 0) return runs;
  const one = <T>(value: T): T | object => twins.get(value) ?? value;
  return runs.map(({ fields, keys }) => ({
    keys: keys.map(({ map, key, value }) => ({ map, key, value: one(value) })),
    fields: new Map(
      [...fields].map(([object, changed]) => [
        one(object),
        new Map([...changed].map(([name, value]) => [name, one(value)])),
      ]),
    ),
  }));
}

function joinedField<S extends ModelState>(
  model: Model<S>,
  runs: readonly Changes[],
  object: object,
  key: string,
): unknown {
  let value: unknown;
  runs.forEach(({ fields }, i) => {
    const changed = fields.get(object);
    const own = changed?.has(key) === true ? changed.get(key) : Reflect.get(object, key);
    value = i === 0 ? own : model.join(object, key, value, own);
  });
  return value;
}

/** Goes on after a divergence: the state that the observation implies, else the predicted one. */
export function adoptObserved<S extends ModelState>(
  model: Model<S>,
  state: S,
  operation: Operation,
  observability: Observability,
): Trial {
  const mark = state.journal.mark();
  const trial = new Trial(operation, observability, new Choices(), true);
  model.step(state, operation, trial);
  // A call that failed, for whatever reason, changed nothing.
  if (operation.result.kind === "error") state.journal.rollback(mark);
  return trial;
}
