import { bytesOf } from "../../event/arguments.js";
import { hexDigit } from "../../event/mask.js";

/** An argument note that the traced program wrote (vfio-platform-msi 3.3). */
export type Note =
  | {
      readonly kind: "in";
      readonly seq: number;
      readonly fd: number;
      readonly command: number;
      /** `ptr=bad`: the program passed an address that nothing is mapped at. */
      readonly bad: boolean;
      readonly readOnly: boolean;
      readonly length: number;
      /** The bytes as pairs of hex digits. */
      readonly hex: string | undefined;
    }
  | {
      readonly kind: "out";
      readonly seq: number;
      readonly errno: number | undefined;
      readonly result: number | undefined;
      readonly hex: string | undefined;
    }
  | {
      readonly kind: "hardware";
      readonly index: number;
      readonly vector: number | undefined;
      readonly state: HardwareState;
    }
  | { readonly kind: "environment"; readonly values: ReadonlyMap<string, string> }
  /** A comment, or a note that was cut or cannot be read. */
  | { readonly kind: "other" };

export type HardwareState = "pulse" | "assert" | "deassert";

const LEAD = '"vfio-note ';
const other: Note = { kind: "other" };

/** The note in the string argument of a write; undefined where the data are no note. */
export function noteOf(arg: string): Note | undefined {
  if (arg.startsWith(LEAD)) {
    // The bytes of a note are plain text: only its line feed is escaped.
    const end = arg.indexOf("\\", LEAD.length);
    if (end < 0) return arg.endsWith('"') ? parse(arg, LEAD.length, arg.length - 1) : other;
    return arg.endsWith('\\n"') && end === arg.length - 3 ? parse(arg, LEAD.length, end) : other;
  }
  // With -xx every byte is escaped.
  if (!arg.startsWith('"\\x76\\x66')) return undefined;
  const text = bytesOf(arg);
  if (text === undefined || !text.data.startsWith("vfio-note ")) return undefined;
  if (text.truncated) return other;
  const length = text.data.endsWith("\n") ? text.data.length - 1 : text.data.length;
  return parse(text.data, LEAD.length - 1, length);
}

function parse(text: string, from: number, to: number): Note {
  const blank = text.indexOf(" ", from);
  const end = blank < 0 || blank > to ? to : blank;
  switch (text.slice(from, end)) {
    case "in":
      return input(text, end, to);
    case "out":
      return output(text, end, to);
    case "hw":
      return hardware(valuesOf(text.slice(end, to)));
    case "env":
      return { kind: "environment", values: valuesOf(text.slice(end, to)) };
    default:
      return other;
  }
}

function input(text: string, from: number, to: number): Note {
  let seq = -1;
  let fd = -1;
  let command = -1;
  let bad = false;
  let readOnly = false;
  let length = -1;
  let hex: string | undefined;
  for (let at = from + 1; at < to; ) {
    const end = wordEnd(text, at, to);
    const equals = text.indexOf("=", at);
    if (equals > 0 && equals < end) {
      const value = equals + 1;
      switch (text.slice(at, equals)) {
        case "seq":
          seq = integer(text, value, end);
          break;
        case "fd":
          fd = integer(text, value, end);
          break;
        case "cmd":
          command = Number(text.slice(value, end));
          break;
        case "len":
          length = integer(text, value, end);
          break;
        case "hex":
          hex = text.slice(value, end);
          break;
        case "ptr":
          bad = text.slice(value, end) === "bad";
          break;
        case "prot":
          readOnly = text.slice(value, end) === "ro";
      }
    }
    at = end + 1;
  }
  if (!Number.isInteger(command) || command < 0) return other;
  return { kind: "in", seq, fd, command, bad, readOnly, length: length < 0 ? (hex?.length ?? 0) / 2 : length, hex };
}

function output(text: string, from: number, to: number): Note {
  let seq = -1;
  let errno: number | undefined;
  let result: number | undefined;
  let hex: string | undefined;
  for (let at = from + 1; at < to; ) {
    const end = wordEnd(text, at, to);
    const equals = text.indexOf("=", at);
    if (equals > 0 && equals < end) {
      const value = equals + 1;
      switch (text.slice(at, equals)) {
        case "seq":
          seq = integer(text, value, end);
          break;
        case "ret":
          result = integer(text, value, end);
          break;
        case "errno":
          errno = integer(text, value, end);
          break;
        case "hex":
          hex = text.slice(value, end);
      }
    }
    at = end + 1;
  }
  return { kind: "out", seq, errno, result, hex };
}

function hardware(values: ReadonlyMap<string, string>): Note {
  const index = Number(values.get("index") ?? Number.NaN);
  const vector = values.get("vector");
  const state = values.get("state");
  if (!Number.isInteger(index) || (state !== "pulse" && state !== "assert" && state !== "deassert")) return other;
  const number = vector === undefined ? undefined : Number(vector);
  if (number !== undefined && !Number.isInteger(number)) return other;
  return { kind: "hardware", index, vector: number, state };
}

function valuesOf(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const part of text.split(" ")) {
    const equals = part.indexOf("=");
    if (equals > 0) values.set(part.slice(0, equals), part.slice(equals + 1));
  }
  return values;
}

function wordEnd(text: string, from: number, to: number): number {
  const blank = text.indexOf(" ", from);
  return blank < 0 || blank > to ? to : blank;
}

/** A decimal number, possibly negative; -1 for anything else (notes use no other negative number than -1). */
function integer(text: string, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return to > from && Number.isSafeInteger(value) ? value : -1;
}

/** Bytes of pairs of hex digits, blanks between them allowed; undefined for anything else. */
export function hexBytes(text: string): Uint8Array | undefined {
  const digits = text.includes(" ") ? text.replaceAll(" ", "") : text;
  if (digits.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const high = hexDigit(digits.charCodeAt(2 * i));
    const low = hexDigit(digits.charCodeAt(2 * i + 1));
    if (high < 0 || low < 0) return undefined;
    bytes[i] = high * 16 + low;
  }
  return bytes;
}
