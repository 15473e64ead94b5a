import type { Diagnostic } from "../event/diagnostic.js";
import type { Format } from "../ingest/importer.js";
import { jsonErrorOffset } from "./json-syntax.js";
import type { Manifest, ManifestSource } from "./manifest.js";

/** The version of `capture.json` that is read; a file without one has it. */
const VERSION = 1;

const formats: readonly Format[] = ["strace", "ftrace", "sysfs", "s390dbf", "dmesg", "jsonl"];

/** Names of clocks that recorders have (capture-formats section h). */
const clocks: ReadonlySet<string> = new Set([
  "realtime",
  "local",
  "global",
  "mono",
  "mono_raw",
  "boot",
  "tai",
  "perf",
  "counter",
  "uptime",
  "x86-tsc",
  "ppc-tb",
  "s390-tod",
]);

const systems: ReadonlySet<string> = new Set(["ap", "dawr", "platform"]);

export type ManifestResult =
  | { readonly kind: "manifest"; readonly manifest: Manifest; readonly notes: readonly Diagnostic[] }
  /** What is wrong, each a line for people with file and JSON path. */
  | { readonly kind: "errors"; readonly errors: readonly string[] };

/** The manifest of a capture that has none. */
export const emptyManifest: Manifest = {
  arch: undefined,
  kernel: undefined,
  profile: {},
  sources: undefined,
  environment: undefined,
  facts: {},
};

/**
 * Reads `capture.json`. A wrong type is an error with its JSON path, an unknown key a note; text that is no JSON is an
 * error with line and column. `file` names the file in messages. `fileNames`: whether the sources' names are opened, and
 * so must lie in the capture's directory, or are labels only.
 */
export function parseManifest(text: string, file: string, fileNames: "opened" | "labels" = "opened"): ManifestResult {
  let value: unknown;
  try {
    value = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch {
    return { kind: "errors", errors: [`${file}:${describeSyntaxError(text)}`] };
  }
  const reader = new Reader(file, fileNames);
  const manifest = readManifest(reader, value);
  if (reader.errors.length > 0) return { kind: "errors", errors: reader.errors };
  return { kind: "manifest", manifest, notes: reader.notes };
}

function readManifest(reader: Reader, value: unknown): Manifest {
  const top = reader.object(value, "");
  reader.known(top, "", ["version", "arch", "kernel", "profile", "sources", "environment", "facts"]);
  const version = top.get("version");
  if (version !== undefined && version !== VERSION) {
    reader.error(
      "version",
      typeof version === "number"
        ? `version ${version} is not read by this program; it reads version ${VERSION}`
        : `expected the number ${VERSION}, found ${nameOf(version)}`,
    );
  }
  const sources = top.get("sources");
  const environment = reader.text(top.get("environment"), "environment");
  return {
    arch: reader.text(top.get("arch"), "arch"),
    kernel: reader.text(top.get("kernel"), "kernel"),
    profile: readProfile(reader, top.get("profile")),
    sources: sources === undefined ? undefined : readSources(reader, sources),
    environment: environment === undefined ? undefined : reader.fileName(environment, "environment"),
    facts: readFacts(reader, top.get("facts")),
  };
}

function readProfile(reader: Reader, value: unknown): Manifest["profile"] {
  if (value === undefined) return {};
  if (typeof value === "string") return { "*": value };
  const entries: [string, string][] = [];
  for (const [system, name] of reader.object(value, "profile", "a text or an object")) {
    const path = `profile${keyPath(system)}`;
    if (!systems.has(system)) reader.note(path, "is no system: ap, dawr and platform are");
    const profile = reader.text(name, path);
    if (profile !== undefined) entries.push([system, profile]);
  }
  return Object.fromEntries(entries);
}

function readSources(reader: Reader, value: unknown): readonly ManifestSource[] {
  const sources: ManifestSource[] = [];
  const seen = new Set<string>();
  for (const [index, item] of reader.array(value, "sources").entries()) {
    const path = `sources[${index}]`;
    const source = reader.object(item, path);
    reader.known(source, path, ["file", "format", "clock", "offsetNs", "probes"]);
    const name = reader.text(source.get("file"), `${path}.file`);
    if (name === undefined) {
      if (source.get("file") === undefined && reader.isObject(item)) {
        reader.error(`${path}.file`, "is missing: every source names its file");
      }
      continue;
    }
    const file = reader.fileName(name, `${path}.file`);
    if (seen.has(file)) reader.error(`${path}.file`, `${quote(file)} is listed twice`);
    seen.add(file);
    sources.push({
      file,
      format: readFormat(reader, source.get("format"), `${path}.format`),
      clock: readClock(reader, source.get("clock"), `${path}.clock`),
      offsetNs: readOffset(reader, source.get("offsetNs"), `${path}.offsetNs`),
      probes: readProbes(reader, source.get("probes"), `${path}.probes`),
    });
  }
  return sources;
}

function readFormat(reader: Reader, value: unknown, path: string): Format | undefined {
  const name = reader.text(value, path);
  const format = formats.find((candidate) => candidate === name);
  if (name !== undefined && format === undefined) {
    reader.error(path, `${quote(name)} is not a format; these are: ${formats.join(", ")}`);
  }
  return format;
}

function readClock(reader: Reader, value: unknown, path: string): string | undefined {
  const name = reader.text(value, path);
  if (name !== undefined && !clocks.has(name)) reader.note(path, `clock ${quote(name)} is not known`);
  return name;
}

/** Nanoseconds as a text of digits (a double loses bits of a realtime stamp), or as a whole number. */
function readOffset(reader: Reader, value: unknown, path: string): bigint {
  if (value === undefined) return 0n;
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value === "string" && /^[+-]?\d{1,20}$/.test(value)) return BigInt(value.replace("+", ""));
  const found = typeof value === "string" ? quote(value) : nameOf(value);
  reader.error(path, `expected nanoseconds as a text of digits ("-1500"), found ${found}`);
  return 0n;
}

function readProbes(reader: Reader, value: unknown, path: string): readonly string[] | undefined {
  if (value === undefined) return undefined;
  const names: string[] = [];
  for (const [index, item] of reader.array(value, path).entries()) {
    const name = reader.text(item, `${path}[${index}]`);
    if (name !== undefined) names.push(name);
  }
  return names;
}

function readFacts(reader: Reader, value: unknown): Manifest["facts"] {
  if (value === undefined) return {};
  const facts: [string, Readonly<Record<string, unknown>>][] = [];
  for (const [system, known] of reader.object(value, "facts")) {
    const path = `facts${keyPath(system)}`;
    if (!systems.has(system)) reader.note(path, "is no system: ap, dawr and platform are");
    facts.push([system, Object.fromEntries(reader.object(known, path))]);
  }
  return Object.fromEntries(facts);
}

/** Reads values of an expected type; gathers what does not fit. */
class Reader {
  readonly errors: string[] = [];
  readonly notes: Diagnostic[] = [];
  readonly #file: string;
  readonly #fileNames: "opened" | "labels";

  constructor(file: string, fileNames: "opened" | "labels") {
    this.#file = file;
    this.#fileNames = fileNames;
  }

  error(path: string, message: string): void {
    this.errors.push(`${this.#file}: ${path === "" ? "the file" : path}: ${message}`);
  }

  note(path: string, message: string): void {
    this.notes.push({
      code: "unknown-key",
      severity: "note",
      file: this.#file,
      line: 0,
      message: `${path} ${message}`,
    });
  }

  isObject(value: unknown): value is object {
    return typeof value === "object" && value !== null && !Array.isArray(value);
  }

  object(value: unknown, path: string, expected = "an object"): ReadonlyMap<string, unknown> {
    if (this.isObject(value)) return new Map(Object.entries(value));
    this.error(path, `expected ${expected}, found ${nameOf(value)}`);
    return new Map();
  }

  array(value: unknown, path: string): readonly unknown[] {
    if (Array.isArray(value)) return value;
    this.error(path, `expected a list, found ${nameOf(value)}`);
    return [];
  }

  text(value: unknown, path: string): string | undefined {
    if (value === undefined || typeof value === "string") return value;
    this.error(path, `expected a text, found ${nameOf(value)}`);
    return undefined;
  }

  /** A name below the capture's directory: a manifest of somebody else's must not reach for other files. */
  fileName(name: string, path: string): string {
    if (this.#fileNames === "labels") return name;
    const parts = name.split(/[/\\]/);
    if (name === "" || name.includes("\0") || /^([/\\]|[A-Za-z]:)/.test(name) || parts.includes("..")) {
      this.error(path, `${quote(name)} must be the name of a file in the capture's directory`);
    }
    return name
      .split("/")
      .filter((part) => part !== "." && part !== "")
      .join("/");
  }

  known(object: ReadonlyMap<string, unknown>, path: string, keys: readonly string[]): void {
    for (const key of object.keys()) {
      if (!keys.includes(key)) this.note(`${path}${keyPath(key)}`.replace(/^\./, ""), "is not known and was not read");
    }
  }
}

/** A key as the next step of a JSON path. */
export function keyPath(key: string): string {
  return /^[A-Za-z_]\w*$/.test(key) ? `.${key}` : `[${quote(key)}]`;
}

/** A value as JSON writes it, short enough for a message. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}

/** The type of a JSON value in words. */
export function nameOf(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  switch (typeof value) {
    case "string":
      return "a text";
    case "number":
      return "a number";
    case "boolean":
      return String(value);
    default:
      return "an object";
  }
}

/** `LINE:COLUMN: message` of a text that is not JSON. */
export function describeSyntaxError(text: string): string {
  const offset = jsonErrorOffset(text) ?? text.length;
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  const column = offset - (before.lastIndexOf("\n") + 1) + 1;
  const found = text.trim() === "" ? "the file is empty" : offset >= text.length ? "it ends too early" : undefined;
  return `${line}:${column}: not valid JSON: ${found ?? `unexpected ${quote(text.charAt(offset))}`}`;
}
