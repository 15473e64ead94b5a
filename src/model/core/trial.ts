import type { Event } from "../../event/event.js";
import type { ObservedEffect, Operation } from "../../operation/operation.js";
import type { Choices } from "./choices.js";
import type { Tri } from "./known.js";
import type { Observability } from "./observability.js";
import type { Rule } from "./rule.js";

/** What most operations have of remarks, and of effects: one for all, to which nobody adds. */
const NOTHING: readonly never[] = [];
const NO_EFFECTS: ObservedEffect[] = [];

/** Where a run of the model and the observation part. */
export interface Mismatch {
  readonly kind: "result" | "effect" | "state";
  readonly rules: readonly Rule[];
  readonly expected: string;
  readonly observed: string;
  /** The line that shows it; the operation's own where nothing was recorded. */
  readonly event: Event | undefined;
  /** How much of the observation the run explained before: the run that got furthest explains best. */
  readonly progress: number;
}

/** Something that an operation shows, beside its verdict, and the rules that say so. */
export interface Remark {
  readonly message: string;
  readonly rules: readonly Rule[];
}

type KnownResult = Exclude<Operation["result"], { readonly kind: "unknown" }>;

function isFailure(result: Operation["result"], errno: string | readonly string[]): boolean {
  if (result.kind !== "error") return false;
  return typeof errno === "string" ? result.errno === errno : errno.includes(result.errno);
}

type EffectOf<E extends { readonly kind: string }, K extends E["kind"]> = Extract<E, { readonly kind: K }>;

/** Says in which field an observed effect differs from the expected one; undefined where it fits. */
export type Matcher<E> = (effect: E) => string | undefined;

/**
 * One run of a model over one operation. The model tells what it expects, in order; the trial holds it against what was
 * observed and notes the first place where they part. Where the rules or what is known leave a choice, the trial makes
 * it, guided by the observation; the driver runs the model again for the other options.
 *
 * In a lenient run (after a divergence) the observation wins: refusals follow the observed result, effects that do not
 * fit are taken as observed, and the state that the observation implies comes out.
 */
export class Trial {
  readonly operation: Operation;
  readonly observability: Observability;
  readonly lenient: boolean;
  /** First place where the run and the observation part. */
  mismatch: Mismatch | undefined;
  /** Rules that led to where the run is, as they were named: one may be among them several times. */
  readonly cited: (readonly Rule[])[] = [];
  /** Whether anything could be held against the observation. */
  judged = false;
  /** Why the result, or what depends on it, could not be judged. */
  unchecked: readonly string[] = NOTHING;
  /** Known defects of the profile that this operation shows. */
  defects: readonly Remark[] = NOTHING;
  /** What is unlikely, but no fault of the kernel. */
  remarks: readonly Remark[] = NOTHING;
  /** Hints that the run did not explain: of several runs that explain the rest, the one with the fewest is right. */
  hints: ObservedEffect[] = NO_EFFECTS;
  private readonly choices: Choices;
  private ordered: readonly ObservedEffect[] = NO_EFFECTS;
  private brackets: ObservedEffect[] = NO_EFFECTS;
  private cursor = 0;
  private crashed = false;

  constructor(operation: Operation, observability: Observability, choices: Choices, lenient: boolean) {
    this.operation = operation;
    this.observability = observability;
    this.choices = choices;
    this.lenient = lenient;
    if (operation.effects.length > 0) this.sort(operation.effects);
  }

  private sort(effects: readonly ObservedEffect[]): void {
    if (effects.every(hasPlace)) {
      this.ordered = effects;
      return;
    }
    const ordered: ObservedEffect[] = [];
    const brackets: ObservedEffect[] = [];
    const hints: ObservedEffect[] = [];
    for (const seen of effects) {
      if (seen.hint === true) hints.push(seen);
      else (seen.bracket ? brackets : ordered).push(seen);
    }
    this.ordered = ordered;
    this.brackets = brackets;
    this.hints = hints;
  }

  get failed(): boolean {
    return this.mismatch !== undefined && !this.lenient;
  }

  /** Notes rules that led here. */
  by(...rules: readonly Rule[]): void {
    this.cited.push(rules);
  }

  /** Rules that led to where the run is, each once. */
  get rules(): readonly Rule[] {
    const rules: Rule[] = [];
    for (const some of this.cited) for (const rule of some) if (!rules.includes(rule)) rules.push(rule);
    return rules;
  }

  /** A promise is broken that the profile's own rules break: the first rule is the one that prescribes it. */
  knownDefect(message: string, ...rules: readonly Rule[]): void {
    this.cited.push(rules);
    this.defects = [...this.defects, { message, rules }];
  }

  /** Something unlikely that the rules allow: a note for the report. */
  remark(message: string, ...rules: readonly Rule[]): void {
    this.cited.push(rules);
    this.remarks = [...this.remarks, { message, rules }];
  }

  /** What depends on something that nobody recorded. */
  cannotCheck(reason: string): void {
    if (!this.unchecked.includes(reason)) this.unchecked = [...this.unchecked, reason];
  }

  /** From here on anything of the operation may be missing: the kernel may have crashed in it. */
  allowCrash(): void {
    this.crashed = true;
  }

  /** Whether lines of the operation may have been lost. */
  get lossy(): boolean {
    return this.operation.gap;
  }

  /** Effects that are missing are not missed: lines were lost, or the kernel may have crashed. */
  private get loose(): boolean {
    return this.operation.gap || this.crashed;
  }

  /** The recording ended here, before the operation did: what would come next is not missed. */
  private get atEnd(): boolean {
    return this.operation.cut === "effects" && this.cursor >= this.ordered.length;
  }

  // --- choices

  /** One of `options` (at least 1); the driver comes back for the others. */
  choose(options: number): number {
    return options <= 1 ? 0 : this.choices.take(options);
  }

  /** A condition: where it is not known, both ways are tried, `yes` first. */
  either(condition: Tri): boolean {
    return condition === "unknown" ? this.choose(2) === 0 : condition;
  }

  // --- results

  /**
   * A check of the kernel that ends the operation with `errno` if `condition` holds. Returns whether it does. Where the
   * condition is not known the observed result decides, and both ways are tried only if it cannot.
   */
  refuse(condition: Tri, errno: string | readonly string[], ...rules: readonly Rule[]): boolean {
    if (!this.refuses(condition, errno)) return false;
    this.fails(errno, ...rules);
    return true;
  }

  private refuses(condition: Tri, errno: string | readonly string[]): boolean {
    const { result } = this.operation;
    if (this.lenient && result.kind !== "unknown") return isFailure(result, errno);
    if (condition !== "unknown") return condition;
    if (result.kind === "unknown") return this.choose(2) === 0;
    return isFailure(result, errno) && this.choose(2) === 0;
  }

  /** Whether the operation is observed to have succeeded, failed, or not known to. */
  get observedSuccess(): Tri {
    const { kind } = this.operation.result;
    return kind === "unknown" ? "unknown" : kind === "value";
  }

  /** The operation fails with one of the given errnos. */
  fails(errno: string | readonly string[], ...rules: readonly Rule[]): void {
    const result = this.answered(rules);
    if (result === undefined || isFailure(result, errno)) return;
    this.misses(result, typeof errno === "string" ? errno : errno.join(" or "), rules);
  }

  /** The operation returns that value. */
  returns(value: number, ...rules: readonly Rule[]): void {
    const result = this.answered(rules);
    if (result === undefined || (result.kind === "value" && result.value === value)) return;
    this.misses(result, String(value), rules);
  }

  /** The operation succeeds, whatever the value (a descriptor, an address). */
  succeeds(...rules: readonly Rule[]): void {
    const result = this.answered(rules);
    if (result !== undefined && result.kind !== "value") this.misses(result, "success", rules);
  }

  /** The operation answers by these rules: the observed result, undefined where there is none to hold against them. */
  private answered(rules: readonly Rule[]): KnownResult | undefined {
    this.cited.push(rules);
    const { result } = this.operation;
    if (result.kind === "unknown") {
      this.cannotCheck(`result unknown: ${result.reason}`);
      return undefined;
    }
    this.judged = true;
    return result;
  }

  private misses(result: KnownResult, expected: string, rules: readonly Rule[]): void {
    this.part("result", rules, expected, result.kind === "value" ? String(result.value) : result.errno, undefined);
  }

  // --- effects

  /** The next effect that has a place among the others, if it is of that kind. */
  peek<K extends ObservedEffect["effect"]["kind"]>(kind: K): EffectOf<ObservedEffect["effect"], K> | undefined {
    const effect = this.ordered[this.cursor]?.effect;
    return effect !== undefined && isKind(effect, kind) ? effect : undefined;
  }

  /** The first effect of that kind, from here on, that fits: what the recording will show. Takes nothing. */
  ahead<K extends ObservedEffect["effect"]["kind"]>(
    kind: K,
    fits: (effect: EffectOf<ObservedEffect["effect"], K>) => boolean,
  ): EffectOf<ObservedEffect["effect"], K> | undefined {
    for (let i = this.cursor; i < this.ordered.length; i++) {
      const effect = this.ordered[i]?.effect;
      if (effect !== undefined && isKind(effect, kind) && fits(effect)) return effect;
    }
    return undefined;
  }

  /** The effects that have a place and were not taken yet. */
  rest(): readonly ObservedEffect["effect"][] {
    return this.ordered.slice(this.cursor).map((seen) => seen.effect);
  }

  /** How many effects that have a place were not taken yet. */
  remaining(): number {
    return this.ordered.length - this.cursor;
  }

  /** Takes everything that was observed: nothing of it is judged. */
  takeAll(): void {
    this.cursor = this.ordered.length;
    this.brackets = NO_EFFECTS;
  }

  /** Takes the next effect unseen: what it belongs to is not known. */
  skip(): void {
    this.cursor++;
  }

  /** Whether lines of that kind are recorded and none was lost here: an effect that is missing did not happen. */
  certain(kind: string): boolean {
    return this.observability.sees(kind) && !this.loose && !this.atEnd;
  }

  /**
   * The kernel does this now. Returns the observed effect that fits, or undefined where it could not be seen (not
   * recorded, lost) or does not fit.
   */
  expect<K extends ObservedEffect["effect"]["kind"]>(
    kind: K,
    matcher: Matcher<EffectOf<ObservedEffect["effect"], K>>,
    expected: () => string,
    ...rules: readonly Rule[]
  ): EffectOf<ObservedEffect["effect"], K> | undefined {
    this.cited.push(rules);
    if (!this.observability.sees(kind)) return undefined;
    const next = this.ordered[this.cursor];
    const effect = next?.effect;
    if (next === undefined || effect === undefined || !isKind(effect, kind)) {
      if (this.loose || this.atEnd) return undefined;
      this.judged = true;
      const seen = next === undefined ? `no ${kind}` : next.effect.kind;
      this.part("effect", rules, expected(), seen, next?.event);
      return undefined;
    }
    this.judged = true;
    const difference = matcher(effect);
    if (difference === undefined) {
      this.cursor++;
      return effect;
    }
    if (this.loose && !this.lenient) return undefined;
    this.part("effect", rules, expected(), difference, next.event);
    this.cursor++;
    return this.lenient ? effect : undefined;
  }

  /** The kernel may do this now: takes the next effect if it is of that kind and fits. */
  maybe<K extends ObservedEffect["effect"]["kind"]>(
    kind: K,
    matcher: Matcher<EffectOf<ObservedEffect["effect"], K>>,
  ): EffectOf<ObservedEffect["effect"], K> | undefined {
    const effect = this.peek(kind);
    if (effect === undefined || matcher(effect) !== undefined) return undefined;
    this.cursor++;
    this.judged = true;
    return effect;
  }

  /** The bracket lines of one kind, in recorded order: each call takes the next one. */
  bracket<K extends ObservedEffect["effect"]["kind"]>(
    kind: K,
    matcher: Matcher<EffectOf<ObservedEffect["effect"], K>> = () => undefined,
  ): EffectOf<ObservedEffect["effect"], K> | undefined {
    for (let i = 0; i < this.brackets.length; i++) {
      const effect = this.brackets[i]?.effect;
      if (effect === undefined || !isKind(effect, kind) || matcher(effect) !== undefined) continue;
      this.brackets.splice(i, 1);
      return effect;
    }
    return undefined;
  }

  /** A hint that fits what the run does now, taken: the log says the same. */
  hint<K extends ObservedEffect["effect"]["kind"]>(
    kind: K,
    matcher: Matcher<EffectOf<ObservedEffect["effect"], K>> = () => undefined,
  ): EffectOf<ObservedEffect["effect"], K> | undefined {
    for (let i = 0; i < this.hints.length; i++) {
      const effect = this.hints[i]?.effect;
      if (effect === undefined || !isKind(effect, kind) || matcher(effect) !== undefined) continue;
      this.hints.splice(i, 1);
      return effect;
    }
    return undefined;
  }

  /** Whether a bracket line of that kind that fits was not taken yet. */
  hasBracket<K extends ObservedEffect["effect"]["kind"]>(
    kind: K,
    fits: (effect: EffectOf<ObservedEffect["effect"], K>) => boolean,
  ): boolean {
    for (const { effect } of this.brackets) if (isKind(effect, kind) && fits(effect)) return true;
    return false;
  }

  /** The bracket lines that were not taken yet, in recorded order. */
  bracketList(): readonly ObservedEffect["effect"][] {
    return this.brackets.map((seen) => seen.effect);
  }

  /** A bracket line that must be there where it is recorded. */
  expectBracket<K extends ObservedEffect["effect"]["kind"]>(
    kind: K,
    matcher: Matcher<EffectOf<ObservedEffect["effect"], K>>,
    expected: () => string,
    ...rules: readonly Rule[]
  ): EffectOf<ObservedEffect["effect"], K> | undefined {
    this.cited.push(rules);
    const found = this.bracket(kind, matcher);
    if (found !== undefined) {
      this.judged = true;
      return found;
    }
    if (!this.certain(kind)) return undefined;
    const other = this.brackets.find((seen) => seen.effect.kind === kind);
    if (other === undefined && this.operation.cut === "effects") return undefined;
    this.judged = true;
    const observed = other === undefined ? `no ${kind}` : describeMismatch(other.effect, kind, matcher);
    this.part("effect", rules, expected(), observed, other?.event);
    return undefined;
  }

  /** A state that was read does not fit. */
  differs(expected: string, observed: string, ...rules: readonly Rule[]): void {
    this.cited.push(rules);
    this.judged = true;
    this.part("state", rules, expected, observed, undefined);
  }

  /** As {@link differs}; `event` is the line that shows it. */
  differsAt(event: Event | undefined, expected: string, observed: string, ...rules: readonly Rule[]): void {
    this.cited.push(rules);
    this.judged = true;
    this.part("state", rules, expected, observed, event);
  }

  /** The observation fits what is known. */
  agrees(...rules: readonly Rule[]): void {
    this.cited.push(rules);
    this.judged = true;
  }

  /** The run is over: nothing observed may be left. */
  finish(): void {
    const left = this.ordered[this.cursor] ?? this.brackets[0];
    if (left === undefined) return;
    if (this.loose) {
      this.cannotCheck("lines of it were lost");
      return;
    }
    if (this.operation.cut === "call") {
      this.cannotCheck("the recording ended: its last effects may be another call's");
      return;
    }
    this.judged = true;
    this.part("effect", this.rules.slice(-3), "no further effect", left.effect.kind, left.event);
  }

  private part(
    kind: Mismatch["kind"],
    rules: readonly Rule[],
    expected: string,
    observed: string,
    event: Event | undefined,
  ): void {
    if (this.mismatch !== undefined) return;
    const progress = kind === "result" ? -1 : this.cursor;
    this.mismatch = { kind, rules, expected, observed, event, progress };
  }
}

/** Whether its place among the others says something. */
function hasPlace(seen: ObservedEffect): boolean {
  return !seen.bracket && seen.hint !== true;
}

function describeMismatch<E extends { readonly kind: string }, K extends E["kind"]>(
  effect: E,
  kind: K,
  matcher: Matcher<EffectOf<E, K>>,
): string {
  return isKind(effect, kind) ? (matcher(effect) ?? effect.kind) : effect.kind;
}

function isKind<E extends { readonly kind: string }, K extends E["kind"]>(
  effect: E,
  kind: K,
): effect is EffectOf<E, K> {
  return effect.kind === kind;
}
