import { bitsOf, emptyMask, type Mask, maskOf, or } from "../../event/mask.js";

/** Bytes that user space gets of a text that does not fit in its page (SHOW-4). */
export const PAGE_TEXT = 4095;

/** The text of `matrix` and `guest_matrix` (SHOW-1): the full text, before the page ends it. */
export function matrixText(apm: Mask, aqm: Mask): string {
  const adapters = bitsOf(apm);
  const domains = bitsOf(aqm);
  if (domains.length === 0) return adapters.map((apid) => `${hex(apid, 2)}.\n`).join("");
  if (adapters.length === 0) return domains.map((apqi) => `.${hex(apqi, 4)}\n`).join("");
  const tails = domains.map((apqi) => `.${hex(apqi, 4)}\n`);
  let text = "";
  for (const apid of adapters) {
    const head = hex(apid, 2);
    for (const tail of tails) text += head + tail;
  }
  return text;
}

/** The text of `control_domains` (SHOW-3). */
export function controlText(adm: Mask): string {
  return bitsOf(adm)
    .map((domain) => `${hex(domain, 4)}\n`)
    .join("");
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

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
