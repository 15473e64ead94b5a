/** The same text (latin-1) on its own: what is remembered must not hold on to the line that it was cut from. */
export function flatCopy(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}
