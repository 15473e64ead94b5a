import type { EnvironmentEvent, Event } from "../../event/event.js";
import type { Operation } from "../../operation/operation.js";
import type { Journal, Touched } from "./journal.js";
import type { Observability } from "./observability.js";
import type { Broken, Rule } from "./rule.js";
import type { Trial } from "./trial.js";

/** What a model needs to know before the first operation. */
export interface Setting {
  readonly profile: string;
  /** Facts of the manifest or the command line, by name; absent ones are unknown. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly environment: readonly EnvironmentEvent[];
  readonly arch: string | undefined;
  /** Release of the recorded kernel, of the manifest or the snapshot. */
  readonly kernel?: string | undefined;
  /** Remarks for the report: a fact of a wrong type, a snapshot line that cannot be. */
  note(text: string): void;
}

/** A state: whatever the model keeps, with its undo log. */
export interface ModelState {
  readonly journal: Journal;
}

/** An operation with a line that another one, which excludes it, does not leave room for. */
export interface Interleaved {
  readonly operation: Operation;
  readonly event: Event;
  readonly expected: string;
  readonly observed: string;
  readonly rules: readonly Rule[];
}

/** The executable reference of one system. All knowledge of behaviour is here; matching and recovery are the check's. */
export interface Model<S extends ModelState> {
  readonly system: string;
  readonly rules: readonly Rule[];
  /** Probes that tell most: the report says which of them did not record. */
  readonly probes: readonly string[];
  initial(setting: Setting): S;
  /** Whether the model knows the operation's result and effects; others only inform it. */
  models(operation: Operation): boolean;
  /** Runs the operation: writes the state through its journal, tells the trial what must be observed. */
  step(state: S, operation: Operation, trial: Trial): void;
  /**
   * Large groups of overlapping operations are followed in every order, too: results seldom tell the order at once, so
   * that the first one that explains them may be contradicted later.
   */
  readonly everyOrder?: true;
  /**
   * Called between operations, when the journal is empty: forgets what has ended and cannot be met again, so that a state
   * does not grow with the length of a recording.
   */
  forget?(state: S): void;
  /**
   * Called where nothing explains a group of operations: the state without what it takes from the silence of a recorder that
   * may not have seen everybody; undefined where it takes nothing from that. The observation is then tried against it.
   */
  doubted?(state: S, group: readonly Operation[], observability: Observability): S | undefined;
  /** Operations of a group that overlap although the kernel does one after the other: in no order can that be. */
  interleaved?(group: readonly Operation[]): readonly Interleaved[];
  /** Invariants that do not hold after an operation, looked for in what it touched. */
  broken(state: S, touched: Touched): readonly Broken[];
  /** For people: what is left at the end of a recording that nobody will give back, and what may yet be. */
  remains?(state: S): readonly string[];
  /** The state in the JSON form of design section 4. */
  render(state: S): unknown;
  /** A few lines for people: the part of the state that an operation is about. */
  describe(state: S, operation: Operation): readonly string[];
  /** A field after two runs that both explain the observation: everything that either allows. */
  join(object: object, key: string, a: unknown, b: unknown): unknown;
  /** A text that is the same for two states exactly if they are the same. */
  fingerprint(state: S): string;
  /** A copy that shares nothing that can change. */
  clone(state: S): S;
}
