import { fieldOf, type ProbeEvent } from "../../event/event.js";
import { hexDigit } from "../../event/mask.js";
import { parseWord, type Word, wordOf } from "../../event/word.js";

/** A field as a 64-bit number: hex with `0x`, else decimal. */
export function wordField(event: ProbeEvent, key: string): Word | undefined {
  const text = fieldOf(event, key);
  return text === undefined ? undefined : parseWord(text);
}

/** A field as a number of up to 53 bits; two's complement in hex is a negative number. */
export function numberField(event: ProbeEvent, key: string): number | undefined {
  const word = wordField(event, key);
  if (word === undefined) return undefined;
  if (word.hi === 0xffffffff && word.lo >= 0x80000000) return word.lo | 0;
  if (word.hi === 0 && word.lo >= 0xfffff000 && fieldOf(event, key)?.startsWith("0x") === true) return word.lo | 0;
  return word.hi > 0x1fffff ? undefined : word.hi * 0x100000000 + word.lo;
}

/** The bytes of `data=`: pairs of hex digits, joined or separated by blanks. */
export function bytesField(event: ProbeEvent): Uint8Array | undefined {
  const text = fieldOf(event, "data");
  if (text === undefined) return undefined;
  const bytes: number[] = [];
  for (let at = 0; at < text.length; ) {
    if (text.charCodeAt(at) === 32) {
      at++;
      continue;
    }
    const high = hexDigit(text.charCodeAt(at));
    const low = at + 1 < text.length ? hexDigit(text.charCodeAt(at + 1)) : -1;
    if (high < 0 || low < 0) return undefined;
    bytes.push(high * 16 + low);
    at += 2;
  }
  return Uint8Array.from(bytes);
}

/** Reads words of a structure in the order of the recorded machine. */
export class StructReader {
  private readonly bytes: Uint8Array;
  private readonly little: boolean;

  constructor(bytes: Uint8Array, little: boolean) {
    this.bytes = bytes;
    this.little = little;
  }

  u32(at: number): number | undefined {
    if (at + 4 > this.bytes.length) return undefined;
    let value = 0;
    for (let i = 0; i < 4; i++) value = value * 256 + (this.bytes[this.little ? at + 3 - i : at + i] ?? 0);
    return value;
  }

  u64(at: number): Word | undefined {
    const first = this.u32(at);
    const second = this.u32(at + 4);
    if (first === undefined || second === undefined) return undefined;
    return this.little ? wordOf(second, first) : wordOf(first, second);
  }
}
