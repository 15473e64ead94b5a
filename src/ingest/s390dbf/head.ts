const BLANK = 32;
const ASTERISK = 42;
const DASH = 45;
const COLON = 58;

/** The columns before a message (d.1). */
export interface EntryHead {
  readonly seconds: number;
  readonly micros: number;
  readonly level: number;
  /** Offset of the message. */
  readonly message: number;
}

/**
 * Reads the columns of an entry that begins at `at`, or gives undefined:
 *
 *     00 01795156297:959379 2 - 0001 00000000009c74a6  snsid: device 0.0.0000: rc=0
 *
 * Area number, seconds : microseconds, level, `-` or `*` (exception), cpu, caller, two blanks. Older kernels print fewer digits
 * of cpu and caller.
 */
export function readHead(text: string, at: number): EntryHead | undefined {
  const time = afterDigits(text, at, 2, 4);
  if (time === -1 || text.charCodeAt(time) !== BLANK) return undefined;
  const colon = afterDigits(text, time + 1, 11, 15);
  if (colon === -1 || text.charCodeAt(colon) !== COLON) return undefined;
  const level = afterDigits(text, colon + 1, 6, 6);
  // ` L X CCCC`: the level is one digit.
  if (level === -1 || level + 5 >= text.length) return undefined;
  const digit = text.charCodeAt(level + 1) - 48;
  const exception = text.charCodeAt(level + 3);
  if (digit < 0 || digit > 9 || (exception !== DASH && exception !== ASTERISK)) return undefined;
  if (!isBlankAt(text, level) || !isBlankAt(text, level + 2) || !isBlankAt(text, level + 4)) return undefined;
  const caller = afterDigits(text, level + 5, 2, 6);
  if (caller === -1 || !isBlankAt(text, caller)) return undefined;
  const end = afterHex(text, caller + 1);
  if (end - caller < 9 || end - caller > 17 || !text.startsWith("  ", end)) return undefined;
  return {
    seconds: Number(text.slice(time + 1, colon)),
    micros: Number(text.slice(colon + 1, level)),
    level: digit,
    message: end + 2,
  };
}

function isBlankAt(text: string, at: number): boolean {
  return at < text.length && text.charCodeAt(at) === BLANK;
}

/** The offset behind `least` to `most` digits at `from`; -1 if there are fewer or more, or the text ends with them. */
function afterDigits(text: string, from: number, least: number, most: number): number {
  let p = from;
  while (p < text.length && p - from <= most) {
    const c = text.charCodeAt(p);
    if (c < 48 || c > 57) break;
    p++;
  }
  const count = p - from;
  return count < least || count > most || p === text.length ? -1 : p;
}

function afterHex(text: string, from: number): number {
  let p = from;
  while (p < text.length) {
    const c = text.charCodeAt(p);
    if ((c < 48 || c > 57) && (c < 97 || c > 102)) break;
    p++;
  }
  return p;
}

/**
 * The offset at which another entry begins within the message of one, from `from` on; -1 if none does. A message that does not end
 * in a line feed glues the next entry to its own line (d.1).
 */
export function findGluedEntry(text: string, from: number): number {
  // Before the colon of a time stand a blank and eleven digits, before these the area's number.
  for (let colon = text.indexOf(":", from + 14); colon !== -1; colon = text.indexOf(":", colon + 1)) {
    let p = colon - 1;
    while (p > from && isDigit(text.charCodeAt(p)) && colon - p <= 15) p--;
    if (colon - p < 12 || text.charCodeAt(p) !== BLANK) continue;
    // The number has two digits; what is before them is the message's own.
    const at = p - 2;
    if (at >= from && readHead(text, at) !== undefined) return at;
  }
  return -1;
}

function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}
