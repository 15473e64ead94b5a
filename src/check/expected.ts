import type { Source } from "../capture/capture.js";
import type { Operation } from "../operation/operation.js";
import { agreed } from "./agreed.js";
import { Checkpoints, type StatesBySystem } from "./checkpoints.js";
import { compareStates, type StateComparison } from "./expected-compare.js";
import { EXPECTED_VERSION, type ExpectedStates, type Place } from "./expected-parse.js";
import type { Findings } from "./findings.js";

/** A system whose states are compared. */
export interface ExpectedOf {
  readonly system: string;
  readonly profile: { readonly name: string };
  readonly checker: { readonly findings: Findings };
}

/** Undecided paths that a note names. */
const NAMED = 5;

/** Holds the states of a replay against those of `expected.json`. */
export class Expectations {
  readonly checkpoints: Checkpoints<ComparedState>;
  private readonly expected: ExpectedStates;
  private readonly sources: readonly Source[];

  constructor(expected: ExpectedStates, sources: readonly Source[]) {
    this.expected = expected;
    this.sources = sources;
    const places = expected.checkpoints.map(({ after }) => after);
    this.checkpoints = new Checkpoints(places, sources, (index, states, operation) =>
      compareCheckpoint(expected.checkpoints[index]?.state ?? {}, states, operation),
    );
  }

  /** After the end: what differs becomes findings. Returns what could not be compared. */
  report(systems: readonly ExpectedOf[]): { readonly errors: readonly string[]; readonly notes: readonly string[] } {
    const notes = systems.flatMap((one) => otherProfile(one, this.expected.profile[one.system]));
    const errors: string[] = [];
    const told = new Set<string>();
    for (const [index, { after, state }] of this.expected.checkpoints.entries()) {
      const path = `expected.json: checkpoints[${index}]`;
      const compared = this.checkpoints.result(index);
      if (compared === undefined) {
        errors.push(`${path}.after: ${unmet(after, this.sources)}`);
        continue;
      }
      for (const system of Object.keys(state)) {
        const one = systems.find((candidate) => candidate.system === system);
        const comparison = compared.comparisons.get(system);
        if (one === undefined || comparison === undefined) {
          errors.push(`${path}.state.${system}: the capture is of a machine without that system`);
          continue;
        }
        for (const difference of comparison.differences) {
          // A value that stays wrong is told once.
          const key = `${difference.path}\n${difference.expected}\n${difference.observed}`;
          if (told.has(key)) continue;
          told.add(key);
          one.checker.findings.expected(compared.operation, placeText(after), difference);
        }
        if (comparison.undecided.length > 0) notes.push(`${path}: ${undecidedText(comparison.undecided)}`);
      }
    }
    return { errors, notes };
  }
}

interface ComparedState {
  readonly operation: Operation | undefined;
  readonly comparisons: ReadonlyMap<string, StateComparison>;
}

function compareCheckpoint(
  expected: Readonly<Record<string, unknown>>,
  states: StatesBySystem,
  operation: Operation | undefined,
): ComparedState {
  const comparisons = new Map<string, StateComparison>();
  for (const [system, value] of Object.entries(expected)) {
    const own = states.get(system);
    if (own !== undefined) comparisons.set(system, compareStates(value, own, system));
  }
  return { operation, comparisons };
}

function otherProfile({ system, profile }: ExpectedOf, written: string | undefined): readonly string[] {
  if (written === undefined || written === profile.name) return [];
  return [
    `expected.json was written under ${system} ${written}; its states are compared with those of ${profile.name}`,
  ];
}

/** A place in words. */
function placeText(place: Place): string {
  return place === "end" ? "state at the end" : `state after ${place.source}:${place.line}`;
}

function unmet(place: Place, sources: readonly Source[]): string {
  if (place === "end") return "the end was not reached";
  if (sources.some(({ file }) => file === place.source)) {
    return `no operation is recorded at ${place.source}:${place.line} (\`replay\` prints the lines that there are)`;
  }
  return `the capture has no source ${place.source}; it has ${sources.map(({ file }) => file).join(", ")}`;
}

function undecidedText(paths: readonly string[]): string {
  const more = paths.length > NAMED ? ` and ${paths.length - NAMED} more` : "";
  return `not decided, because the state is not known there: ${paths.slice(0, NAMED).join(", ")}${more}`;
}

/** Gathers the states at places, to be written as `expected.json`. */
export class ExpectedWriter {
  readonly checkpoints: Checkpoints<ReadonlyMap<string, unknown>>;
  private readonly places: readonly Place[];
  private readonly sources: readonly Source[];

  constructor(places: readonly Place[], sources: readonly Source[]) {
    this.places = places;
    this.sources = sources;
    this.checkpoints = new Checkpoints(
      places,
      sources,
      (_index, states) => new Map([...states].map(([system, several]) => [system, agreed(several)])),
    );
  }

  /** The text of the file, with the states of these systems; errors where a place was not met. */
  text(systems: readonly ExpectedOf[]): { readonly text: string } | { readonly errors: readonly string[] } {
    const errors: string[] = [];
    const checkpoints = this.places.map((after, index) => {
      const states = this.checkpoints.result(index);
      if (states === undefined) {
        errors.push(`expected.json: checkpoints[${index}].after: ${unmet(after, this.sources)}`);
      }
      const state = systems.map(({ system }) => [system, states?.get(system)]);
      return { after, state: Object.fromEntries(state) };
    });
    if (errors.length > 0) return { errors };
    const profile = Object.fromEntries(systems.map((one) => [one.system, one.profile.name]));
    return { text: `${JSON.stringify({ version: EXPECTED_VERSION, profile, checkpoints }, null, 2)}\n` };
  }
}
