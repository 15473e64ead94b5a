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
 * Reads the fields of an event's text from `from` on: `key=value` (b.2) and `key: value` (syscall events, b.3), and appends
 * them to `fields`, key, value, key, value ... in printed order. Words that are neither are skipped. Quoted strings keep their quotes, arrays
 * `{..}` their braces. The field `tail` takes all that is left of the text: its value may hold blanks.
 */
export function scanFields(text: string, from: number, tail: string | undefined, fields: string[]): void {
  const end = text.length;
  let p = from;
  let equals = from - 1;
  while (p < end) {
    if (equals < p && equals !== -1) equals = text.indexOf("=", p);
    let space = text.indexOf(" ", p);
    if (space === -1) space = end;
    if (equals === -1 || equals > space) {
      p = text.charCodeAt(space - 1) === COLON && space > p ? scanColonField(text, p, space, fields) : space + 1;
    } else if (equals === p) {
      // `==> next_comm=...`: a sign.
      p = space + 1;
    } else {
      const key = text.slice(p, equals);
      let value = equals + 1;
      // kvmppc_run_core prints `runner_vcpu==1`.
      if (value < end && text.charCodeAt(value) === EQUALS) value++;
      const valueEnd = key === tail ? Math.max(value, text.trimEnd().length) : valueEndAt(text, value, space);
      fields.push(key, text.slice(value, valueEnd));
      p = valueEnd + 1;
    }
  }
}

/** Reads `key: value` whose colon stands before `space`; gives the offset at which to go on. */
function scanColonField(text: string, p: number, space: number, fields: string[]): number {
  const start = space + 1;
  const nextSpace = text.indexOf(" ", start);
  const valueEnd = valueEndAt(text, start, nextSpace === -1 ? text.length : nextSpace);
  const value = text.slice(start, valueEnd);
  // `IOMMU: iova=0x0 ...`: a heading, the fields stand behind it.
  if (value === "" || (!value.startsWith('"') && value.includes("="))) return start;
  fields.push(text.slice(p, space - 1), value);
  return valueEnd + 1;
}

/** The end of the value that begins at `p`, if it is one word that of `space`; a comma between two fields is no part of it. */
function valueEndAt(text: string, p: number, space: number): number {
  if (p >= space) return space;
  const c = text.charCodeAt(p);
  if (c === QUOTE) return quoteEnd(text, p);
  if (c === OPEN_BRACE) {
    const close = text.indexOf("}", p);
    return close === -1 ? text.length : close + 1;
  }
  let end = space;
  // A comma, or the line feed of a string that is printed without quotes (trace-cmd report -R).
  while (end > p + 1) {
    const last = text.charCodeAt(end - 1);
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
