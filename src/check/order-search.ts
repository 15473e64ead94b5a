import type { Changes, Journal } from "../model/core/journal.js";
import type { Operation } from "../operation/operation.js";
import { firstOf, inOrderOfCompletion } from "./orders.js";

/** Sets of operations that come first, of which beginnings are followed side by side. */
const SETS = 512;
/** Beginnings with the same operations that are followed apart; what further ones lead to is joined with the last. */
const APART = 8;
/** Runs of operations after which one set alone is followed on: the one whose calls end first. */
const RUNS = 16_384;

/** What one order of a group came to. */
export interface Outcome<T> {
  readonly order: readonly Operation[];
  readonly settled: readonly T[];
  readonly changes: Changes;
  /** The changes are those of several orders, joined; the order is one of them. */
  readonly joined?: true;
}

/** Beginnings of orders that hold the same operations. */
interface BeginningsOfSet<T> {
  /** The operations that do not belong to them. */
  readonly left: readonly Operation[];
  /** Mostly different for different sets. */
  readonly hash: number;
  readonly beginnings: Outcome<T>[];
}

const noChanges: Changes = { fields: new Map(), keys: [] };

/** How the search deals with a state. */
export interface SearchSteps<T> {
  readonly journal: Journal;
  /** Holds an operation against the state and says what came of it; undefined where it is not explained. */
  run(operation: Operation): T | undefined;
  same(a: Changes, b: Changes): boolean;
  /** Applies what either of two orders leads to. */
  applyEither(a: Changes, b: Changes): void;
}

/**
 * Follows all orders of overlapping operations at once, one operation further in each round: beginnings that hold the
 * same operations and lead to the same state are one from there on, and one that does not explain an observation is
 * dropped with all orders that begin so. Calls that have nothing to do with each other cost no orders then.
 *
 * The order of completion comes first among the outcomes, where it explains what was recorded. `cut`: not all orders
 * were followed.
 */
export function searchOrders<T>(
  group: readonly Operation[],
  steps: SearchSteps<T>,
): { readonly outcomes: readonly Outcome<T>[]; readonly cut: boolean } {
  const { journal } = steps;
  const natural = inOrderOfCompletion(group);
  const hashes = new Map(natural.map((operation, i) => [operation, Math.imul(i + 1, 0x9e3779b1)]));
  let sets: BeginningsOfSet<T>[] = [
    { left: natural, hash: 0, beginnings: [{ order: [], settled: [], changes: noChanges }] },
  ];
  let runs = 0;
  let cut = false;
  for (let round = 0; round < natural.length; round++) {
    const next: BeginningsOfSet<T>[] = [];
    const most = runs < RUNS ? SETS : 1;
    for (const { left, hash, beginnings } of sets) {
      for (const operation of firstOf(left)) {
        const target = setFor(next, left, operation, hash ^ (hashes.get(operation) ?? 0), most);
        if (target === undefined) {
          cut = true;
          continue;
        }
        for (const beginning of beginnings) {
          runs++;
          const mark = journal.mark();
          journal.apply(beginning.changes);
          const settled = steps.run(operation);
          if (settled === undefined) {
            journal.rollback(mark);
            continue;
          }
          add(steps, target, {
            order: [...beginning.order, operation],
            settled: [...beginning.settled, settled],
            changes: journal.extract(mark),
            ...(beginning.joined === true ? { joined: true } : {}),
          });
        }
      }
    }
    sets = next.filter(({ beginnings }) => beginnings.length > 0);
  }
  return { outcomes: withOneJoined(steps, sets[0]?.beginnings ?? []), cut };
}

/** At most one of the outcomes is a joined one: their orders do not tell how to come to them again. */
function withOneJoined<T>(steps: SearchSteps<T>, outcomes: readonly Outcome<T>[]): readonly Outcome<T>[] {
  const [first, ...others] = outcomes.filter(({ joined }) => joined === true);
  if (first === undefined || others.length === 0) return outcomes;
  const one = others.reduce((sum, { changes }) => either(steps, sum, changes), first.changes);
  return [...outcomes.filter(({ joined }) => joined !== true), { ...first, changes: one }];
}

function either<T>(steps: SearchSteps<T>, a: Changes, b: Changes): Changes {
  const mark = steps.journal.mark();
  steps.applyEither(a, b);
  return steps.journal.extract(mark);
}

/** The set with one operation more; undefined where there are too many already. */
function setFor<T>(
  sets: BeginningsOfSet<T>[],
  before: readonly Operation[],
  operation: Operation,
  hash: number,
  most: number,
): BeginningsOfSet<T> | undefined {
  const left = before.filter((other) => other !== operation);
  const known = sets.find((one) => one.hash === hash && sameMembers(one.left, left));
  if (known !== undefined || sets.length >= most) return known;
  const set = { left, hash, beginnings: [] };
  sets.push(set);
  return set;
}

function add<T>(steps: SearchSteps<T>, { beginnings }: BeginningsOfSet<T>, beginning: Outcome<T>): void {
  if (beginnings.some(({ changes }) => steps.same(changes, beginning.changes))) return;
  const last = beginnings[APART - 1];
  if (last === undefined) {
    beginnings.push(beginning);
    return;
  }
  beginnings[APART - 1] = { ...last, changes: either(steps, last.changes, beginning.changes), joined: true };
}

/** Both are in the same order, being parts of one list. */
function sameMembers(a: readonly Operation[], b: readonly Operation[]): boolean {
  return a.length === b.length && a.every((operation, i) => operation === b[i]);
}
