import { describeSyntaxError, keyPath, nameOf, quote } from "../capture/manifest-parse.js";
import { isRecord, memberName, ownValue } from "./agreed.js";

/** Where in a capture a state is expected: at its end, or after the operation that a recorded line belongs to. */
export type Place = "end" | { readonly source: string; readonly line: number };

/** A state that is expected at one place. */
export interface Checkpoint {
  readonly after: Place;
  /** By system. */
  readonly state: Readonly<Record<string, unknown>>;
}

/** `expected.json` (design section 3). */
export interface ExpectedStates {
  /** System to the profile that the states were written under. */
  readonly profile: Readonly<Record<string, string>>;
  readonly checkpoints: readonly Checkpoint[];
}

export type ExpectedResult =
  | { readonly kind: "states"; readonly states: ExpectedStates; readonly notes: readonly string[] }
  /** What is wrong, each a line for people with the JSON path. */
  | { readonly kind: "errors"; readonly errors: readonly string[] };

/** The version of `expected.json` that is read and written. */
export const EXPECTED_VERSION = 1;

const FILE = "expected.json";
const systems: readonly string[] = ["ap", "dawr", "platform"];

/** Levels of lists and objects in a state at most: those of schemas/state.proto are fewer. */
const MAX_DEPTH = 12;
/** Errors told of one file. */
const MAX_ERRORS = 20;

/** Lists whose members have no name: their place counts. */
const placed: ReadonlySet<string> = new Set(["vectors"]);

/** Reads `expected.json`. What is wrong is said with its JSON path; an unknown key beside the states is a note. */
export function parseExpected(text: string): ExpectedResult {
  let value: unknown;
  try {
    value = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch {
    return { kind: "errors", errors: [`${FILE}:${describeSyntaxError(text)}`] };
  }
  const reader = new Reader();
  const states = reader.file(value);
  if (reader.errors.length === 0) return { kind: "states", states, notes: reader.notes };
  const left = reader.errors.length - MAX_ERRORS;
  const more = left > 0 ? [`${FILE}: ${left} more errors`] : [];
  return { kind: "errors", errors: [...reader.errors.slice(0, MAX_ERRORS), ...more] };
}

class Reader {
  readonly errors: string[] = [];
  readonly notes: string[] = [];

  file(value: unknown): ExpectedStates {
    const top = this.object(value, "", ["version", "profile", "checkpoints"]);
    const version = ownValue(top, "version");
    if (version !== EXPECTED_VERSION && isRecord(value)) {
      const found = typeof version === "number" ? String(version) : nameOf(version);
      this.error("version", `expected the number ${EXPECTED_VERSION}, found ${found}`);
    }
    const profile: [string, string][] = [];
    const profiles = ownValue(top, "profile");
    if (profiles !== undefined) {
      for (const [system, name] of Object.entries(this.object(profiles, "profile"))) {
        if (typeof name === "string") profile.push([system, name]);
        else this.error(`profile${keyPath(system)}`, `expected a text, found ${nameOf(name)}`);
      }
    }
    const listed = ownValue(top, "checkpoints");
    if (!Array.isArray(listed)) {
      if (isRecord(value)) this.error("checkpoints", `expected a list, found ${nameOf(listed)}`);
      return { profile: {}, checkpoints: [] };
    }
    const checkpoints = listed.map((item, index) => this.checkpoint(item, `checkpoints[${index}]`));
    return { profile: Object.fromEntries(profile), checkpoints };
  }

  private checkpoint(value: unknown, path: string): Checkpoint {
    const checkpoint = this.object(value, path, ["after", "state"]);
    const state = this.object(ownValue(checkpoint, "state"), `${path}.state`);
    for (const [system, expected] of Object.entries(state)) {
      const inner = `${path}.state${keyPath(system)}`;
      if (!systems.includes(system)) this.error(inner, "is no system: ap, dawr and platform are");
      else if (isRecord(expected)) this.values(expected, inner, 0);
      else this.error(inner, `expected an object, found ${nameOf(expected)}`);
    }
    return { after: this.place(ownValue(checkpoint, "after"), `${path}.after`), state };
  }

  private place(value: unknown, path: string): Place {
    if (value === "end") return "end";
    if (!isRecord(value)) {
      const found = typeof value === "string" ? quote(value) : nameOf(value);
      this.error(path, `expected "end" or {"source": FILE, "line": NUMBER}, found ${found}`);
      return "end";
    }
    const place = this.object(value, path, ["source", "line"]);
    const source = ownValue(place, "source");
    const line = ownValue(place, "line");
    if (typeof source !== "string")
      this.error(`${path}.source`, `expected the name of a file, found ${nameOf(source)}`);
    const counted = typeof line === "number" && Number.isSafeInteger(line) && line >= 1;
    if (!counted) {
      const found = typeof line === "number" ? String(line) : nameOf(line);
      this.error(`${path}.line`, `expected the number of a line, 1 or more, found ${found}`);
    }
    return typeof source === "string" && counted ? { source, line } : "end";
  }

  /** Looks through the values of a state: lists whose members can't be told apart can't be compared. */
  private values(value: unknown, path: string, depth: number): void {
    if (depth > MAX_DEPTH) {
      this.error(path, "is nested too deep for a state");
      return;
    }
    if (Array.isArray(value)) {
      this.members(value, path, depth);
    } else if (isRecord(value)) {
      for (const [key, inner] of Object.entries(value)) this.values(inner, `${path}${keyPath(key)}`, depth + 1);
    }
  }

  private members(list: readonly unknown[], path: string, depth: number): void {
    const byPlace = [...placed].some((key) => path.endsWith(`.${key}`));
    const seen = new Set<string>();
    for (const [index, member] of list.entries()) {
      const inner = `${path}[${index}]`;
      const name = memberName(member);
      if (!isRecord(member)) {
        this.error(inner, `expected an object, found ${nameOf(member)}`);
      } else if (name === undefined && !byPlace) {
        this.error(
          inner,
          "has none of the keys that tell the members of a list apart (uuid, apqn, kvm, id, name, index)",
        );
      } else if (name !== undefined && seen.has(name)) {
        this.error(inner, `${quote(name)} is in the list twice`);
      }
      if (name !== undefined) seen.add(name);
      this.values(member, inner, depth + 1);
    }
  }

  /** With `known`, other keys are noted. */
  private object(value: unknown, path: string, known?: readonly string[]): Readonly<Record<string, unknown>> {
    if (!isRecord(value)) {
      this.error(path, `expected an object, found ${nameOf(value)}`);
      return {};
    }
    for (const key of Object.keys(value)) {
      if (known === undefined || known.includes(key)) continue;
      this.notes.push(`${FILE}: ${`${path}${keyPath(key)}`.replace(/^\./, "")} is not known and was not read`);
    }
    return value;
  }

  private error(path: string, message: string): void {
    this.errors.push(`${FILE}: ${path === "" ? "the file" : path}: ${message}`);
  }
}
