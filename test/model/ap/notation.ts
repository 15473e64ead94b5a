/**
 * The notation of the worked examples (vfio-ap-config, sections 2 and 7) and what it stands for, computed digit by
 * digit: none of this uses the code under test.
 */

/** Adapters, domains or control domains by number. */
export type Numbers = readonly number[];

/** 64 hex digits of a mask, bit 0 leftmost: number n is bit 0x8 >> (n mod 4) of digit n / 4 (2.1). */
export function digits(numbers: Numbers): string {
  const nibbles = new Array<number>(64).fill(0);
  for (const n of numbers) nibbles[Math.floor(n / 4)] = (nibbles[Math.floor(n / 4)] ?? 0) | (8 >> (n % 4));
  return nibbles.map((nibble) => nibble.toString(16)).join("");
}

/** The numbers of 64 hex digits. */
export function numbersOf(hex: string): Numbers {
  const numbers: number[] = [];
  [...hex].forEach((digit, place) => {
    for (let bit = 0; bit < 4; bit++)
      if ((Number.parseInt(digit, 16) & (8 >> bit)) !== 0) numbers.push(place * 4 + bit);
  });
  return numbers;
}

export const all: Numbers = Array.from({ length: 256 }, (_, n) => n);

export function allBut(...numbers: Numbers): Numbers {
  return all.filter((n) => !numbers.includes(n));
}

export function minus(a: Numbers, b: Numbers): Numbers {
  return a.filter((n) => !b.includes(n));
}

export function plus(a: Numbers, b: Numbers): Numbers {
  return [...new Set([...a, ...b])].sort((x, y) => x - y);
}

export function hex(n: number, width: number): string {
  return n.toString(16).padStart(width, "0");
}

export interface Matrix {
  readonly apm: Numbers;
  readonly aqm: Numbers;
}

/** Entries of `matrix` (SHOW-1), joined with blanks as the examples print them; "(0 B)" for an empty text. */
export function entriesText({ apm, aqm }: Matrix): string {
  const lines =
    apm.length === 0
      ? aqm.map((domain) => `.${hex(domain, 4)}`)
      : aqm.length === 0
        ? apm.map((adapter) => `${hex(adapter, 2)}.`)
        : apm.flatMap((adapter) => aqm.map((domain) => `${hex(adapter, 2)}.${hex(domain, 4)}`));
  return lines.length === 0 ? "(0 B)" : lines.join(" ");
}

/** The text that a read of the entries gives: each on a line of its own. */
export function fileText(entries: string): string {
  return entries === "(0 B)" ? "" : `${entries.split(" ").join("\n")}\n`;
}

/** The matrix that entries show. Throws where they are not the whole of a product: a slip of the pen in a table. */
export function matrixOf(entries: string): Matrix {
  const apm: number[] = [];
  const aqm: number[] = [];
  if (entries !== "(0 B)") {
    for (const entry of entries.split(" ")) {
      const match = /^([0-9a-f]{2})?\.([0-9a-f]{4})?$/.exec(entry);
      if (match === null) throw new Error(`no entry of a matrix: ${entry}`);
      if (match[1] !== undefined) apm.push(Number.parseInt(match[1], 16));
      if (match[2] !== undefined) aqm.push(Number.parseInt(match[2], 16));
    }
  }
  const matrix = { apm: plus(apm, []), aqm: plus(aqm, []) };
  if (entriesText(matrix) !== entries) throw new Error(`not a product of adapters and domains: ${entries}`);
  return matrix;
}

/** `{05,06}×{04,47}`: a matrix as the examples name it; numbers are hex, `all` is every number. */
export function productOf(text: string): Matrix {
  const [apm, aqm] = text.split("×");
  if (apm === undefined || aqm === undefined) throw new Error(`no product: ${text}`);
  return { apm: setOf(apm), aqm: setOf(aqm) };
}

/** `{04,47,ab}`. */
export function setOf(text: string): Numbers {
  if (text === "all") return all;
  const match = /^\{([0-9a-f,]*)\}$/.exec(text);
  if (match === null) throw new Error(`no set: ${text}`);
  return match[1] === "" ? [] : (match[1]?.split(",") ?? []).map((n) => Number.parseInt(n, 16));
}

/** `05.0047` as a number. */
export function apqn(text: string): number {
  const match = /^([0-9a-f]{2})\.([0-9a-f]{4})$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) throw new Error(`no APQN: ${text}`);
  return Number.parseInt(match[1], 16) * 256 + Number.parseInt(match[2], 16);
}

/** `0x41 + 62 0`: digits and a run of one digit, as the examples print masks. */
export function maskNotation(text: string): string {
  const match = /^(?:(?:0x)?([0-9a-f]+) \+ )?(\d+) × ([0-9a-f])$/.exec(text);
  const run = match?.[2] === undefined ? "" : (match[3] ?? "").repeat(Number(match[2]));
  const whole = `${match?.[1] ?? ""}${run}`;
  if (whole.length !== 64) throw new Error(`not 64 digits: ${text}`);
  return whole;
}

/** `w0=0800000000000000 w1=0100000000000000`, or `0`: 64-bit words of a mask, those not named being zero. */
export function wordsNotation(text: string): Numbers {
  if (text === "0") return [];
  const words = new Array<string>(4).fill("0".repeat(16));
  for (const word of text.split(" ")) {
    const match = /^w([0-3])=([0-9a-f]{16})$/.exec(word);
    if (match?.[1] === undefined || match[2] === undefined) throw new Error(`no word of a mask: ${word}`);
    words[Number(match[1])] = match[2];
  }
  return numbersOf(words.join(""));
}
