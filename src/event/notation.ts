/**
 * The notation in which strace prints arguments: strings in C escapes, decorated descriptors, nested structures
 * (spec, sections a.4 and a.5). These scanners find where a piece ends; `arguments.ts` decodes the pieces.
 */

import type { Line, Pieces } from "./line.js";
import { hexDigit as hexDigitOf } from "./mask.js";

const BLANK = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const ASTERISK = 0x2a;
const MINUS = 0x2d;
const ANGLE_OPEN = 0x3c;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;
const LETTER_N = 0x6e;

const ORDINARY = 0;
const STRING = 1;
const OPENS = 2;
const CLOSES = 3;
const CALL_END = 4;
const SEPARATOR = 5;
const DECORATION = 6;
const SLASH = 7;

/** Each search for the end of a decoration may cost the whole text: after this many in vain no more are made. */
const MAX_UNCLOSED = 8;

/** What a character means between the parentheses of a call. */
const classes = new Uint8Array(256);
for (const character of "([{") classes[character.charCodeAt(0)] = OPENS;
for (const character of "]}") classes[character.charCodeAt(0)] = CLOSES;
classes[")".charCodeAt(0)] = CALL_END;
classes[QUOTE] = STRING;
classes[COMMA] = SEPARATOR;
classes[ANGLE_OPEN] = DECORATION;
classes["/".charCodeAt(0)] = SLASH;

/**
 * Index of the quote that closes the string opened at `open`, or -1. A quote behind an odd number of backslashes
 * belongs to the string.
 */
export function endOfString(text: string, open: number): number {
  let quote = text.indexOf('"', open + 1);
  while (quote >= 0) {
    let before = quote - 1;
    while (before > open && text.charCodeAt(before) === BACKSLASH) before -= 1;
    if (((quote - before) & 1) === 1) return quote;
    quote = text.indexOf('"', quote + 1);
  }
  return -1;
}

/**
 * Index of the `>` that closes the `<` at `open`, or -1. Decorations nest (`4</dev/null<char 1:3>>`), and the arrow of
 * `5<UNIX:[123->124]>` does not close. Special bytes of a path are escaped (`\74`, `\76`), so counting is sound; only
 * a path that ends in `-` or `=` looks like an arrow, and it is told by what follows the bracket.
 */
export function endOfDecoration(text: string, open: number): number {
  let depth = 1;
  let from = open + 1;
  let opening = text.indexOf("<", from);
  for (;;) {
    const close = text.indexOf(">", from);
    if (close < 0) return -1;
    while (opening >= 0 && opening < close) {
      depth += 1;
      opening = text.indexOf("<", opening + 1);
    }
    const before = text.charCodeAt(close - 1);
    if ((before !== MINUS && before !== EQUALS) || endsToken(text, close + 1)) {
      depth -= 1;
      if (depth === 0) return close;
    }
    from = close + 1;
  }
}

/** Whether nothing that could be the right side of an arrow stands at `at`. */
function endsToken(text: string, at: number): boolean {
  return at >= text.length || " ,()]}>".includes(text.charAt(at));
}

/**
 * Finds the arguments of a call that begin at `from`, behind its opening parenthesis: `pieces` gets their bounds, without
 * blanks around them. Returns the index of the closing parenthesis; -1 where the text ends before it: then what there is
 * of the last argument is a piece as well.
 */
export function splitArguments(line: Line, from: number, pieces: Pieces): number {
  const { text, bytes, start: base } = line;
  const length = text.length;
  pieces.clear();
  let depth = 0;
  let start = from;
  let at = from;
  let unclosed = 0;
  while (at < length) {
    const kind = classes[bytes[base + at] ?? 0] ?? ORDINARY;
    if (kind === ORDINARY) {
      at += 1;
      continue;
    }
    switch (kind) {
      case STRING: {
        const close = endOfString(text, at);
        at = close < 0 ? length : close;
        break;
      }
      case DECORATION:
        if (line.codeAt(at + 1) === ANGLE_OPEN) {
          // The operator of `1<<CAP_CHOWN`.
          at += 1;
        } else if (unclosed < MAX_UNCLOSED) {
          const close = endOfDecoration(text, at);
          if (close < 0) unclosed += 1;
          else at = close;
        }
        break;
      case SLASH:
        if (line.codeAt(at + 1) === ASTERISK) {
          const close = text.indexOf("*/", at + 2);
          at = close < 0 ? length : close + 1;
        }
        break;
      case OPENS:
        depth += 1;
        break;
      case CLOSES:
        if (depth > 0) depth -= 1;
        break;
      case CALL_END:
        if (depth === 0) {
          addLast(line, start, at, pieces);
          return at;
        }
        depth -= 1;
        break;
      default:
        if (depth === 0) {
          addTrimmed(line, start, at, pieces);
          start = at + 1;
        }
    }
    at += 1;
  }
  addLast(line, start, length, pieces);
  return -1;
}

function addLast(line: Line, start: number, end: number, pieces: Pieces): void {
  let from = start;
  while (from < end && line.codeAt(from) === BLANK) from += 1;
  if (from < end) addTrimmed(line, from, end, pieces);
}

function addTrimmed(line: Line, start: number, end: number, pieces: Pieces): void {
  let from = start;
  let to = end;
  while (from < to && line.codeAt(from) === BLANK) from += 1;
  while (to > from && line.codeAt(to - 1) === BLANK) to -= 1;
  pieces.add(from, to);
}

/**
 * Undoes the C escapes of strace: `\n \t \r \v \f \" \\`, octal with one to three digits (`\0010` is the byte 1 and a
 * `0`), `\xNN`. What is no escape stays as it is. One character a byte (latin-1).
 */
export function unescapeBytes(text: string): string {
  let at = text.indexOf("\\");
  if (at < 0) return text;
  // By far the most frequent escape: what is written to a file of sysfs ends in a line feed.
  if (at === text.length - 2 && text.charCodeAt(at + 1) === LETTER_N) return `${text.slice(0, at)}\n`;
  const bytes = Buffer.allocUnsafe(text.length);
  let size = bytes.write(text.slice(0, at), 0, "latin1");
  const length = text.length;
  while (at < length) {
    const code = text.charCodeAt(at);
    at += 1;
    if (code !== BACKSLASH || at >= length) {
      bytes[size] = code;
      size += 1;
      continue;
    }
    const letter = text.charCodeAt(at);
    if (letter >= 0x30 && letter <= 0x37) {
      const end = Math.min(at + 3, length);
      let value = 0;
      while (at < end) {
        const digit = text.charCodeAt(at) - 0x30;
        if (digit < 0 || digit > 7) break;
        value = value * 8 + digit;
        at += 1;
      }
      bytes[size] = value & 0xff;
    } else if (letter === 0x78 && hexDigit(text, at + 1) >= 0 && hexDigit(text, at + 2) >= 0) {
      bytes[size] = hexDigit(text, at + 1) * 16 + hexDigit(text, at + 2);
      at += 3;
    } else {
      const value = ESCAPES.get(letter);
      bytes[size] = value ?? BACKSLASH;
      if (value !== undefined) at += 1;
    }
    size += 1;
  }
  return bytes.toString("latin1", 0, size);
}

/** The letter of an escape and its byte. */
const ESCAPES: ReadonlyMap<number, number> = new Map(
  [
    ["n", "\n"],
    ["t", "\t"],
    ["r", "\r"],
    ["v", "\v"],
    ["f", "\f"],
    ['"', '"'],
    ["\\", "\\"],
  ].map(([letter = "", byte = ""]) => [letter.charCodeAt(0), byte.charCodeAt(0)]),
);

/** Value of the hex digit at `at`, -1 where there is none. */
export function hexDigit(text: string, at: number): number {
  return hexDigitOf(text.charCodeAt(at));
}
