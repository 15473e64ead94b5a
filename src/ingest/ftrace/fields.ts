import type { Line, Pieces } from "../../event/line.js";
import { afterBlanks, isWordCharacter } from "./characters.js";

const BLANK = 32;
const QUOTE = 34;
const OPEN = 40;
const COMMA = 44;
const COLON = 58;
const EQUALS = 61;
const OPEN_BRACE = 123;

/** A key is looked for over so many characters behind a closing quote, and no farther. */
const LONGEST_KEY = 64;

/**
 * Finds the fields of an event's text from `from` on: `key=value` (b.2) and `key: value` (syscall events, b.3), and adds
 * them to `pieces`, key, value, key, value ... in printed order. Words that are neither are skipped. Quoted strings keep their quotes, arrays
 * `{..}` their braces. The field `tail` takes all that is left of the text: its value may hold blanks.
 */
export function findFields(line: Line, from: number, tail: string | undefined, pieces: Pieces): void {
  const { text } = line;
  const end = text.length;
  let p = from;
  while (p < end) {
    const stop = endOfKey(line, p, end);
    if (stop === end || line.codeAt(stop) === BLANK) {
      p = line.codeAt(stop - 1) === COLON && stop > p ? scanColonField(line, p, stop, pieces) : stop + 1;
    } else if (stop === p) {
      // `==> next_comm=...`: a sign.
      p = endOfWord(line, p, end) + 1;
    } else {
      let value = stop + 1;
      // kvmppc_run_core prints `runner_vcpu==1`.
      if (line.codeAt(value) === EQUALS) value++;
      const isTail = tail !== undefined && stop - p === tail.length && text.startsWith(tail, p);
      const valueEnd = isTail ? Math.max(value, text.trimEnd().length) : valueEndAt(line, value);
      pieces.add(p, stop);
      pieces.add(value, valueEnd);
      p = valueEnd + 1;
    }
  }
}

/** The offset of the first `=` or blank at or behind `from`. */
function endOfKey(line: Line, from: number, end: number): number {
  let p = from;
  while (p < end) {
    const c = line.codeAt(p);
    if (c === EQUALS || c === BLANK) break;
    p++;
  }
  return p;
}

/** The offset of the first blank at or behind `from`. */
function endOfWord(line: Line, from: number, end: number): number {
  let p = from;
  while (p < end && line.codeAt(p) !== BLANK) p++;
  return p;
}

/** Finds `key: value` whose colon stands before `space`; gives the offset at which to go on. */
function scanColonField(line: Line, p: number, space: number, pieces: Pieces): number {
  const start = space + 1;
  const valueEnd = valueEndAt(line, start);
  const value = line.text.slice(start, valueEnd);
  // `IOMMU: iova=0x0 ...`: a heading, the fields stand behind it.
  if (value === "" || (!value.startsWith('"') && value.includes("="))) return start;
  pieces.add(p, space - 1);
  pieces.add(start, valueEnd);
  return valueEnd + 1;
}

/** The end of the value that begins at `p`: of a string, an array, or a word; a comma between two fields is no part of it. */
function valueEndAt(line: Line, p: number): number {
  const { text } = line;
  const length = text.length;
  const c = line.codeAt(p);
  if (p < length && c === QUOTE) return quoteEnd(text, p);
  if (p < length && c === OPEN_BRACE) {
    const close = text.indexOf("}", p);
    return close === -1 ? length : close + 1;
  }
  let end = endOfWord(line, p, length);
  // A comma, or the line feed of a string that is printed without quotes (trace-cmd report -R).
  while (end > p + 1) {
    const last = line.codeAt(end - 1);
    if (last !== COMMA && last >= BLANK) break;
    end--;
  }
  return end;
}

/**
 * The end of the string whose quote opens at `open`. Quotes inside are not escaped (b.1), so the closing one is the first
 * that another field or the end of the text follows; failing that, the first before a blank; failing that, the string is
 * open and takes the rest.
 */
function quoteEnd(text: string, open: number): number {
  let beforeBlank = -1;
  for (let q = text.indexOf('"', open + 1); q !== -1; q = text.indexOf('"', q + 1)) {
    if (q + 1 === text.length) return q + 1;
    const next = text.charCodeAt(q + 1);
    if (next === COMMA) return q + 1;
    if (next !== BLANK) continue;
    if (keyFollows(text, q + 2)) return q + 1;
    if (beforeBlank === -1) beforeBlank = q + 1;
  }
  return beforeBlank === -1 ? text.length : beforeBlank;
}

/** Whether `key=` stands at `from`. */
function keyFollows(text: string, from: number): boolean {
  const limit = Math.min(text.length, from + LONGEST_KEY);
  for (let p = from; p < limit; p++) {
    const c = text.charCodeAt(p);
    if (c === EQUALS) return p > from;
    if (!isWordCharacter(c)) return false;
  }
  return false;
}

/** The offset behind the address part `(func+0x0/0x220)`, `(caller+0x1c/0x40 [kvm] <- func)` at `from`, and blanks. */
export function afterAddress(text: string, from: number): number {
  if (from >= text.length || text.charCodeAt(from) !== OPEN) return from;
  const close = text.indexOf(")", from);
  return close === -1 ? from : afterBlanks(text, close + 1);
}
