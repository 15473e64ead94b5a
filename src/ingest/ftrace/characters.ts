const BLANK = 32;

/** The offset of the first character at or behind `from` that is no blank; the text's length if there is none. */
export function afterBlanks(text: string, from: number): number {
  let p = from;
  while (p < text.length && text.charCodeAt(p) === BLANK) p++;
  return p;
}

/** Letters, digits and `_`: what names of events and fields are made of. */
export function isWordCharacter(c: number): boolean {
  return (c >= 97 && c <= 122) || (c >= 48 && c <= 57) || c === 95 || (c >= 65 && c <= 90);
}
