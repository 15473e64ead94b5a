/**
 * Finds where a text stops being JSON (RFC 8259). `JSON.parse` says so only in some versions and for some faults, and a
 * person who edits a manifest wants line and column.
 */

const LITERALS = ["true", "false", "null"] as const;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;

/**
 * Offset of the first character that cannot belong to a JSON text beginning like this one; the text's length where it
 * ends too early, undefined where it is JSON.
 */
export function jsonErrorOffset(text: string): number | undefined {
  /** Open brackets, innermost last. */
  const open: ("{" | "[")[] = [];
  let at = skipSpace(text, 0);
  /** `first`: a value, or the end of an empty list or object; `key` likewise within an object. */
  let expecting: "value" | "first" | "key" | "first-key" | "next" = "value";
  for (;;) {
    const char = text[at];
    if (expecting === "next") {
      const bracket = open.at(-1);
      if (bracket === undefined) return at === text.length ? undefined : at;
      if (char === (bracket === "{" ? "}" : "]")) {
        open.pop();
      } else if (char === ",") {
        expecting = bracket === "{" ? "key" : "value";
      } else {
        return at;
      }
      at = skipSpace(text, at + 1);
      continue;
    }
    if ((expecting === "first" && char === "]") || (expecting === "first-key" && char === "}")) {
      open.pop();
      expecting = "next";
      at = skipSpace(text, at + 1);
      continue;
    }
    if (expecting === "key" || expecting === "first-key") {
      const string = scanString(text, at);
      if (string.fault) return string.at;
      at = skipSpace(text, string.at);
      if (text[at] !== ":") return at;
      at = skipSpace(text, at + 1);
      expecting = "value";
      continue;
    }
    if (char === "{" || char === "[") {
      open.push(char);
      expecting = char === "{" ? "first-key" : "first";
      at = skipSpace(text, at + 1);
      continue;
    }
    const scalar = scanScalar(text, at);
    if (scalar.fault) return scalar.at;
    at = skipSpace(text, scalar.at);
    expecting = "next";
  }
}

/** Where a scan ended: behind what was scanned, or at the fault. */
interface Scan {
  readonly at: number;
  readonly fault: boolean;
}

function scanScalar(text: string, at: number): Scan {
  if (text[at] === '"') return scanString(text, at);
  for (const literal of LITERALS) if (text.startsWith(literal, at)) return { at: at + literal.length, fault: false };
  NUMBER.lastIndex = at;
  const number = NUMBER.exec(text)?.[0];
  return number === undefined ? { at, fault: true } : { at: at + number.length, fault: false };
}

function scanString(text: string, start: number): Scan {
  if (text[start] !== '"') return { at: start, fault: true };
  let at = start + 1;
  for (; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === '"') return { at: at + 1, fault: false };
    if (char < " ") return { at, fault: true };
    if (char !== "\\") continue;
    at += 1;
    const escaped = text.charAt(at);
    if (escaped === "u") {
      if (!/^[0-9a-fA-F]{4}$/.test(text.slice(at + 1, at + 5))) return { at, fault: true };
      at += 4;
    } else if (escaped === "" || !'"\\/bfnrt'.includes(escaped)) {
      return { at: Math.min(at, text.length), fault: true };
    }
  }
  return { at: text.length, fault: true };
}

function skipSpace(text: string, at: number): number {
  SPACE.lastIndex = at;
  return at + (SPACE.exec(text)?.[0].length ?? 0);
}
