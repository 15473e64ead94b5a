/** Prints bytes as strace does (spec, section a.4): what the decoders are held against. */

const LETTERS: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\t": "\\t",
  "\r": "\\r",
  "\v": "\\v",
  "\f": "\\f",
  '"': '\\"',
  "\\": "\\\\",
};

/** How strings are printed: by default, with `-x`, and with `-xx`. */
export type Style = "default" | "x" | "xx";

/** `data` (latin-1) between quotes, cut after `limit` bytes. */
export function printedString(data: string, style: Style, limit = Number.POSITIVE_INFINITY): string {
  const shown = data.slice(0, limit);
  return `"${escaped(shown, style, "")}"${shown.length < data.length ? "..." : ""}`;
}

/** A path in a decoration: the brackets in it are escaped, too. */
export function printedPath(path: string, style: Style): string {
  return `<${escaped(path, style === "x" ? "default" : style, "<>")}>`;
}

function escaped(data: string, style: Style, special: string): string {
  const inHex =
    style === "xx" || (style === "x" && [...data].some((c) => !isPrintable(c) && !"\n\t\r\v\f".includes(c)));
  if (inHex) return [...data].map((c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`).join("");
  return [...data]
    .map((c, index) => {
      const letter = LETTERS[c];
      if (letter !== undefined) return letter;
      if (isPrintable(c) && !special.includes(c)) return c;
      const octal = c.charCodeAt(0).toString(8);
      return `\\${/^[0-7]/.test(data.slice(index + 1)) ? octal.padStart(3, "0") : octal}`;
    })
    .join("");
}

function isPrintable(c: string): boolean {
  return c >= " " && c <= "~";
}
