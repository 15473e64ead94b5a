/**
 * Text of a capture for a terminal. A capture comes from somebody else's machine: an escape sequence or a bidi override
 * in a task name must be seen, not obeyed.
 */

/** Controls of C0 and C1, DEL; line separators, zero-width and bidi characters; halves of surrogate pairs. */
const INVISIBLE =
  /[\p{Cc}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Cs}/gu;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text with every character that can't be seen written as an escape: `\x1b`, `\u{202e}`; a tab as `\t`. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, (character) => {
    if (character === "\t") return "\\t";
    if (character === "\n") return "\\n";
    if (character === "\r") return "\\r";
    const code = character.codePointAt(0) ?? 0;
    return code <= 0xff ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/**
 * A recorded line (latin-1: one character a byte) as a person wrote it: as UTF-8 where its bytes are that, else
 * unchanged.
 */
export function decoded(text: string): string {
  let plain = true;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0xff) return text;
    if (code > 0x7f) plain = false;
  }
  if (plain) return text;
  try {
    return utf8.decode(Buffer.from(text, "latin1"));
  } catch {
    // Bytes of another encoding: they stay as they are.
    return text;
  }
}

/** The beginning of a text of more than `limit` characters, and how much was left out. */
export function shortened(text: string, limit: number): string {
  if (text.length <= limit) return text;
  return `${text.slice(0, limit)} ... (${text.length - limit} more characters)`;
}
