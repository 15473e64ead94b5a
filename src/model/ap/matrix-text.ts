import { bitsOf, emptyMask, type Mask, maskOf, or } from "../../event/mask.js";

/** Bytes that user space gets of a text that does not fit in its page (SHOW-4). */
export const PAGE_TEXT = 4095;

/** Two hex digits of each adapter and domain. */
const numbers = Array.from({ length: 256 }, (_, number) => number.toString(16).padStart(2, "0"));

/** The text of `matrix` and `guest_matrix` (SHOW-1): the full text, before the page ends it. */
export function matrixText(apm: Mask, aqm: Mask): string {
  const adapters = bitsOf(apm);
  const domains = bitsOf(aqm);
  let text = "";
  if (domains.length === 0) for (const apid of adapters) text += `${numbers[apid]}.\n`;
  if (adapters.length === 0) for (const apqi of domains) text += `.00${numbers[apqi]}\n`;
  for (const apid of adapters) {
    const head = `${numbers[apid]}.00`;
    for (const apqi of domains) text += `${head}${numbers[apqi]}\n`;
  }
  return text;
}

/** The text of `control_domains` (SHOW-3). */
export function controlText(adm: Mask): string {
  let text = "";
  for (const domain of bitsOf(adm)) text += `00${numbers[domain]}\n`;
  return text;
}

/** What user space reads of an attribute's text: 4096 bytes and more lose everything from byte 4095 on (SHOW-4). */
export function asRead(text: string): string {
  return text.length > PAGE_TEXT ? text.slice(0, PAGE_TEXT) : text;
}

/** The masks that a whole matrix text shows; undefined where it is not such a text. */
export function parseMatrix(text: string): { readonly apm: Mask; readonly aqm: Mask } | undefined {
  let apm = emptyMask;
  let aqm = emptyMask;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const match = /^([0-9a-f]{2})?\.([0-9a-f]{4})?$/.exec(line);
    if (match === null) return undefined;
    if (match[1] !== undefined) apm = or(apm, maskOf(Number.parseInt(match[1], 16)));
    if (match[2] !== undefined) {
      const apqi = Number.parseInt(match[2], 16);
      if (apqi > 255) return undefined;
      aqm = or(aqm, maskOf(apqi));
    }
  }
  return matrixText(apm, aqm) === text ? { apm, aqm } : undefined;
}

/** The mask that a whole control_domains text shows; undefined where it is not such a text. */
export function parseControl(text: string): Mask | undefined {
  let adm = emptyMask;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    if (!/^00[0-9a-f]{2}$/.test(line)) return undefined;
    adm = or(adm, maskOf(Number.parseInt(line, 16)));
  }
  return controlText(adm) === text ? adm : undefined;
}
