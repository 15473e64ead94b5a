/**
 * The dump lines of `-e read=` and `-e write=`, which show the whole data of the call before them (spec, section a.4):
 *
 *      | 00000  2d 30 78 30 35 2c 2d 30  78 30 61 2c 2d 30 78 66  -0x05,-0x0a,-0xf |
 */

import { hexDigit } from "../../event/notation.js";

const BLANK = 0x20;
const BYTES_A_LINE = 16;
const BYTES_A_GROUP = 8;
const MIN_OFFSET_DIGITS = 5;

/** The bytes of a dump line (latin-1), or undefined where the line is none. */
export function bytesOfDumpLine(text: string): string | undefined {
  if (!text.startsWith(" | ") || !text.endsWith(" |")) return undefined;
  let at = 3;
  while (hexDigit(text, at) >= 0) at += 1;
  if (at < 3 + MIN_OFFSET_DIGITS || !text.startsWith("  ", at)) return undefined;
  at += 2;
  const bytes: number[] = [];
  while (bytes.length < BYTES_A_LINE) {
    const high = hexDigit(text, at);
    const low = hexDigit(text, at + 1);
    if (high < 0 || low < 0 || text.charCodeAt(at + 2) !== BLANK) break;
    bytes.push(high * 16 + low);
    at += bytes.length === BYTES_A_GROUP ? 4 : 3;
  }
  return bytes.length === 0 ? undefined : String.fromCharCode(...bytes);
}

/** A head that strace prints before the dump of each buffer of a vector; no data of its own. */
export function isDumpHead(text: string): boolean {
  return /^ [*=] \d{1,20} (bytes in buffer|buffers in vector) \d{1,10}$/.test(text);
}
