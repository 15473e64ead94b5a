/**
 * Events as JSON lines: one object a line, keys as in event.ts. Rules of the capture formats, section f.2, as far as
 * they fit: what is not known is an absent key (never null, never -1), and a time is a text, because a JSON number would
 * lose its nanoseconds. A text is a JSON string of characters up to U+00FF, one a byte; a line is pure ASCII.
 *
 *     {"kind":"mark","source":0,"line":7,"time":"1795156516.142887000","tid":42,"comm":"sh","text":"...","message":"go"}
 */

import type { Diagnostic } from "./diagnostic.js";
import type { CallResult, Event, Stamp, SyscallEvent } from "./event.js";

const NOT_ASCII = /[\x7f-\uffff]/g;

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function timeText(time: Stamp | undefined): string | undefined {
  return time === undefined ? undefined : `${time.seconds}.${String(time.nanos).padStart(9, "0")}`;
}

function known(number: number): number | undefined {
  return number === -1 ? undefined : number;
}

/** The fields of one kind, in the order in which they are written. */
function bodyOf(event: Event): Record<string, unknown> {
  switch (event.kind) {
    case "syscall": {
      const { phase, name, args, result, durationNs, dump } = event;
      return { phase, name, args, result, durationNs, dump };
    }
    case "probe":
      return { name: event.name, fields: event.fields, cpu: known(event.cpu) };
    case "log":
      return { area: event.area, message: event.message, level: known(event.level) };
    case "task-exit":
      return { status: event.status };
    case "gap":
      return { cpu: known(event.cpu), lost: event.lost, edge: event.edge };
    case "mark":
      return { message: event.message };
    case "environment":
      return { path: event.path, value: event.value };
  }
}

/** The event as one line of ASCII, without a line feed. */
export function toJsonLine(event: Event): string {
  const { kind, source, line, tid, comm, text } = event;
  const object = { kind, source, line, time: timeText(event.time), tid, comm, text, ...bodyOf(event) };
  return JSON.stringify(object).replace(NOT_ASCII, escapeCharacter);
}

/** What a line was read to. */
export interface JsonLineResult {
  /** Undefined where the line is no event. */
  readonly event: Event | undefined;
  /** Why it is none (`unparsed-line`), or what was ignored in it (`unknown-key`). */
  readonly diagnostic: Diagnostic | undefined;
}

const MAX_WORD = 2 ** 32 - 1;
const MAX_TIME_TEXT = 40;
const TIME = /^(\d{1,16})(?:\.(\d{1,9}))?$/;
const WIDE_CHARACTER = /[^\0-\xff]/;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && !WIDE_CHARACTER.test(value);
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText);
}

/** Reads the keys of one object; keeps the first thing that is wrong, and counts the keys that were asked for. */
class Fields {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #asked: string[] = [];
  #inner: string | undefined;
  problem: string | undefined;

  constructor(object: Readonly<Record<string, unknown>>) {
    this.#object = object;
  }

  take(key: string): unknown {
    const value = this.#object[key];
    if (value !== undefined) this.#asked.push(key);
    return value;
  }

  /** A key that nobody asked for. */
  unknown(): string | undefined {
    const keys = Object.keys(this.#object);
    return keys.length === this.#asked.length ? this.#inner : keys.find((key) => !this.#asked.includes(key));
  }

  wrong(key: string, expected: string): void {
    this.problem ??= `"${key}" must be ${expected}`;
  }

  text(key: string, absent?: string): string {
    const value = this.take(key);
    if (isText(value)) return value;
    if (value === undefined && absent !== undefined) return absent;
    this.wrong(key, "a string of characters up to U+00FF");
    return "";
  }

  optionalText(key: string): string | undefined {
    const value = this.take(key);
    if (value === undefined || isText(value)) return value;
    this.wrong(key, "a string of characters up to U+00FF, or absent");
    return undefined;
  }

  texts(key: string): readonly string[] {
    const value = this.take(key);
    if (isTextList(value)) return value;
    this.wrong(key, "an array of strings of characters up to U+00FF");
    return [];
  }

  optionalInteger(key: string, max = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.take(key);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) return value;
    this.wrong(key, `an integer of 0 to ${max}`);
    return undefined;
  }

  time(): Stamp | undefined {
    const value = this.take("time");
    if (value === undefined) return undefined;
    const match = typeof value === "string" && value.length < MAX_TIME_TEXT ? TIME.exec(value) : null;
    const seconds = Number(match?.[1]);
    if (Number.isSafeInteger(seconds)) return { seconds, nanos: Number((match?.[2] ?? "").padEnd(9, "0")) };
    this.wrong("time", 'a string of seconds with up to 9 decimals ("1795156516.142887000")');
    return undefined;
  }

  phase(): SyscallEvent["phase"] {
    const value = this.take("phase");
    if (value === "complete" || value === "enter" || value === "exit") return value;
    this.wrong("phase", '"complete", "enter" or "exit"');
    return "complete";
  }

  result(): CallResult | undefined {
    const value = this.take("result");
    if (value === undefined) return undefined;
    if (!isObject(value)) {
      this.wrong("result", "an object");
      return undefined;
    }
    const fields = new Fields(value);
    const result = resultOf(fields);
    const unknown = fields.unknown();
    if (unknown !== undefined) this.#inner = `result.${unknown}`;
    if (fields.problem !== undefined) this.problem ??= `in "result", ${fields.problem}`;
    return result;
  }
}

function resultOf(fields: Fields): CallResult | undefined {
  const kind = fields.take("kind");
  switch (kind) {
    case "value":
      return { kind, text: fields.text("text"), decoration: fields.optionalText("decoration") };
    case "error":
      return { kind, errno: fields.text("errno") };
    case "unknown":
      return { kind, reason: fields.text("reason") };
    case "injected":
      return { kind, text: fields.text("text") };
    default:
      fields.wrong("kind", '"value", "error", "unknown" or "injected"');
      return undefined;
  }
}

function eventOf(fields: Fields, number: number): Event | undefined {
  const kind = fields.take("kind");
  const base = {
    source: fields.optionalInteger("source", MAX_WORD) ?? 0,
    line: fields.optionalInteger("line") ?? number,
    time: fields.time(),
    tid: fields.optionalInteger("tid", MAX_WORD) ?? 0,
    comm: fields.text("comm", ""),
    text: fields.text("text", ""),
  };
  const cpu = (): number => fields.optionalInteger("cpu", MAX_WORD) ?? -1;
  switch (kind) {
    case "syscall":
      return {
        kind,
        ...base,
        phase: fields.phase(),
        name: fields.text("name"),
        args: fields.texts("args"),
        result: fields.result(),
        durationNs: fields.optionalInteger("durationNs"),
        dump: fields.optionalText("dump"),
      };
    case "probe":
      return { kind, ...base, name: fields.text("name"), fields: fields.texts("fields"), cpu: cpu() };
    case "log": {
      const level = fields.optionalInteger("level", MAX_WORD) ?? -1;
      return { kind, ...base, area: fields.text("area"), message: fields.text("message"), level };
    }
    case "task-exit":
      return { kind, ...base, status: fields.text("status") };
    case "gap": {
      const edge = fields.optionalText("edge");
      const gap = { kind, ...base, cpu: cpu(), lost: fields.optionalInteger("lost") } as const;
      if (edge === undefined) return gap;
      if (edge === "begin" || edge === "end") return { ...gap, edge };
      fields.wrong("edge", "begin or end");
      return undefined;
    }
    case "mark":
      return { kind, ...base, message: fields.text("message") };
    case "environment":
      return { kind, ...base, path: fields.text("path"), value: fields.text("value") };
    default:
      fields.wrong("kind", "one of syscall, probe, log, task-exit, gap, mark, environment");
      return undefined;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The event in a line of JSON; `number` is the line's number in `file`. Absent: `source` is 0, `line` the number of the
 * JSON line itself, `tid` 0, `comm` and `text` empty. Of duplicate keys the last counts. Never throws.
 */
export function fromJsonLine(text: string, number: number, file: string): JsonLineResult {
  const object = parse(text);
  if (!isObject(object)) return refused("the line is not one JSON object", number, file);
  const fields = new Fields(object);
  const event = eventOf(fields, number);
  if (fields.problem !== undefined) return refused(fields.problem, number, file);
  const unknown = fields.unknown();
  if (unknown === undefined) return { event, diagnostic: undefined };
  const message = `the key ${JSON.stringify(unknown.slice(0, 80))} is not known and was ignored`;
  return { event, diagnostic: { code: "unknown-key", severity: "note", file, line: number, message } };
}

function refused(problem: string, number: number, file: string): JsonLineResult {
  const hint = "one event a line, as `kvm-conform ingest --to jsonl` writes them";
  return {
    event: undefined,
    diagnostic: { code: "unparsed-line", severity: "loss", file, line: number, message: `no event: ${problem}`, hint },
  };
}
