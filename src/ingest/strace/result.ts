/** What stands behind the `=` of a call (spec, section a.3). */

import { pathOfDecoration } from "../../event/arguments.js";
import type { CallResult } from "../../event/event.js";
import type { Line } from "../../event/line.js";
import { hexDigit } from "../../event/mask.js";
import { endOfDecoration } from "../../event/notation.js";

const BLANK = 0x20;
const PARENTHESIS_OPEN = 0x28;
const MINUS = 0x2d;
const DOT = 0x2e;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const ANGLE_OPEN = 0x3c;
const EQUALS = 0x3d;
const ANGLE_CLOSE = 0x3e;
const QUESTION = 0x3f;
const LETTER_E = 0x45;
const LETTER_X = 0x78;

/** By far the most frequent result. */
const SUCCESS = plainValue("0");
/** Counts of bytes that calls return, below this, are made once. */
const FEW = 256;
const COUNTS: readonly CallResult[] = Array.from({ length: FEW }, (_, count) => plainValue(String(count)));

function plainValue(text: string): CallResult {
  return Object.freeze({ kind: "value", text, decoration: undefined });
}

/** The index of the result behind `)`, blanks (strace pads to a column), `=` and a blank; -1 where it is not there. */
export function startOfResult(line: Line, at: number): number {
  let equals = at;
  while (line.codeAt(equals) === BLANK) equals += 1;
  return line.codeAt(equals) === EQUALS && line.codeAt(equals + 1) === BLANK ? equals + 2 : -1;
}

/** Where the result ends: before the duration of `-T` at `duration`, where there is one; without trailing blanks. */
export function endOfResult(line: Line, duration: number): number {
  let end = duration < 0 ? line.text.length : duration;
  while (line.codeAt(end - 1) === BLANK) end -= 1;
  return end;
}

/** The duration of `-T` that begins at `start` (` <0.000114>`, 0 to 9 digits) in ns; undefined without. */
export function durationAt(text: string, start: number): number | undefined {
  if (start < 0) return undefined;
  const nanos = Math.round(Number(text.slice(start + 1, -1)) * 1e9);
  return Number.isSafeInteger(nanos) ? nanos : undefined;
}

/** Index of the `<` of the duration at the end of a line, or -1. A blank before it tells it from the decoration of a descriptor. */
export function startOfDuration(line: Line): number {
  const last = line.text.length - 1;
  if (line.codeAt(last) !== ANGLE_CLOSE) return -1;
  let at = last - 1;
  let dots = 0;
  for (; at > 0; at -= 1) {
    const code = line.codeAt(at);
    if (code === DOT) dots += 1;
    else if (code < DIGIT_0 || code > DIGIT_9) break;
  }
  const found = line.codeAt(at) === ANGLE_OPEN && line.codeAt(at - 1) === BLANK && at < last - 1 && dots <= 1;
  return found ? at : -1;
}

/** The result that stands from `from` to `end`; undefined where there is none that strace prints. */
export function parseResult(line: Line, from: number, end: number): CallResult | undefined {
  const first = line.codeAt(from);
  if (first === DIGIT_0 && from + 1 === end) return SUCCESS;
  if (first >= DIGIT_0 && first <= DIGIT_9) return valueResult(line, from, end);
  if (first === MINUS) return errorResult(line.text, from, end);
  if (first === QUESTION) return unknownResult(line.text, from, end);
  // `= <unavailable>`: the task was lost between entry and exit.
  if (first === ANGLE_OPEN && line.codeAt(end - 1) === ANGLE_CLOSE) {
    return { kind: "unknown", reason: line.text.slice(from + 1, end - 1) };
  }
  return undefined;
}

/** `4096`, `0x7f56c0`, `7<anon_inode:kvm-vcpu:0>`, `0 (Timeout)`. */
function valueResult(line: Line, from: number, end: number): CallResult | undefined {
  let at = from;
  let count = 0;
  if (line.codeAt(at + 1) === LETTER_X) {
    at += 2;
    while (hexDigit(line.codeAt(at)) >= 0) at += 1;
    if (at === from + 2) return undefined;
  } else {
    for (let code = line.codeAt(at); code >= DIGIT_0 && code <= DIGIT_9; code = line.codeAt(at)) {
      count = count * 10 + (code - DIGIT_0);
      at += 1;
    }
    if (at === end && count < FEW && line.codeAt(from) !== DIGIT_0) return COUNTS[count];
  }
  const value = line.text.slice(from, at);
  if (at === end) return { kind: "value", text: value, decoration: undefined };
  let decoration: string | undefined;
  if (line.codeAt(at) === ANGLE_OPEN) {
    const close = endOfDecoration(line.text, at);
    if (close < 0 || close >= end) return undefined;
    decoration = pathOfDecoration(line.text.slice(at + 1, close));
    at = line.text.startsWith("(deleted)", close + 1) ? close + 10 : close + 1;
  }
  if (at !== end && !hasRemark(line.text, at)) return undefined;
  return injected(line.text, from, at, end) ?? { kind: "value", text: value, decoration };
}

/** `-1 EBUSY (Device or resource busy)`, `-1 (errno 515)`, `-524`. */
function errorResult(text: string, from: number, end: number): CallResult | undefined {
  let at = from + 1;
  while (text.charCodeAt(at) >= DIGIT_0 && text.charCodeAt(at) <= DIGIT_9) at += 1;
  const digits = text.slice(from + 1, at);
  if (digits === "") return undefined;
  if (digits === "1" && text.charCodeAt(at) === BLANK && text.charCodeAt(at + 1) === LETTER_E) {
    const start = at + 1;
    at = start;
    while (isErrnoCharacter(text.charCodeAt(at))) at += 1;
    if (at !== end && !hasRemark(text, at)) return undefined;
    return injected(text, from, at, end) ?? failure(text.slice(start, at));
  }
  if (at !== end && !hasRemark(text, at)) return undefined;
  const made = injected(text, from, at, end);
  if (made !== undefined) return made;
  if (digits !== "1") return { kind: "error", errno: digits };
  const errno = /^ \(errno (\d{1,4})\)/.exec(text.slice(at, end))?.[1];
  return errno === undefined ? { kind: "unknown", reason: "-1 without an errno" } : { kind: "error", errno };
}

/** A restart is no result: the call may have had its effect. */
function failure(errno: string): CallResult {
  return errno.startsWith("ERESTART") && errno !== "ERESTART"
    ? { kind: "unknown", reason: errno }
    : { kind: "error", errno };
}

/** `?`, `? ERESTARTSYS (To be restarted if SA_RESTART is set)`, `? <unavailable>`. */
function unknownResult(text: string, from: number, end: number): CallResult | undefined {
  if (from + 1 === end) return { kind: "unknown", reason: "?" };
  if (text.charCodeAt(from + 1) !== BLANK) return undefined;
  const made = injected(text, from, from + 1, end);
  if (made !== undefined) return made;
  const blank = text.indexOf(" ", from + 2);
  const name = text.slice(from + 2, blank < 0 || blank > end ? end : blank);
  return { kind: "unknown", reason: name === "<unavailable>" ? "unavailable" : name };
}

/** What may follow a value or an error: auxiliary text in parentheses, or `<unavailable>`; neither says anything to us. */
function hasRemark(text: string, at: number): boolean {
  if (text.charCodeAt(at) !== BLANK) return false;
  const next = text.charCodeAt(at + 1);
  return next === PARENTHESIS_OPEN || next === ANGLE_OPEN;
}

/**
 * `(INJECTED)`, `(INJECTED: args, retval)`: the recorder's own doing. `(DELAYED)` is a real result that came late.
 * The text of the error stands before it, in any language.
 */
function injected(text: string, from: number, at: number, end: number): CallResult | undefined {
  if (at === end) return undefined;
  const mark = text.indexOf(" (INJECTED", at);
  return mark < 0 ? undefined : { kind: "injected", text: text.slice(from, mark) };
}

function isErrnoCharacter(code: number): boolean {
  return (code >= LETTER_E - 4 && code <= 0x5a) || (code >= DIGIT_0 && code <= DIGIT_9) || code === 0x5f;
}
