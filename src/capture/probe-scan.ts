import { canonicalProbe, recordedProbes } from "../event/probes.js";
import { LineCutter } from "./lines.js";

/** Bytes of a trace that are searched for the names of its probes. */
export const PROBE_SCAN = 16 * 2 ** 20;

/** Places in a line where a probe's name may begin: behind the time's colon; task names hold colons as well. */
const MAX_PLACES = 6;

/**
 * The probes that recorded in an ftrace text, by the names of the vocabulary that occur in its beginning and by what
 * recipes set together with them.
 */
export function scanProbes(head: Uint8Array): readonly string[] {
  const found = new Set<string>();
  const cutter = new LineCutter({ line: (text) => scanLine(text, found), tooLong: () => {} });
  cutter.pushBytes(head);
  cutter.end();
  return recordedProbes(found);
}

/**
 * Adds the probe of a line such as
 * `  qemu-4100  [003] ..... 1711118462.052326: ap:apcb_set: (kvm_arch+0x0/0x1) kvm=0x814c0000 apm={0x0,0x0,0x0,0x0}`.
 */
function scanLine(line: string, found: Set<string>): void {
  let colon = line.indexOf(": ");
  for (let place = 0; colon >= 0 && place < MAX_PLACES; place++) {
    const start = skipBlanks(line, colon + 2);
    const end = nameEnd(line, start);
    // `NAME: ` or `GROUP:NAME: `; trace-cmd pads behind the colon.
    const name = line.charCodeAt(end) === COLON ? line.slice(start, end) : "";
    const next = name === "" ? -1 : nameEnd(line, end + 1);
    const inGroup = next > end + 1 && line.charCodeAt(next) === COLON ? line.slice(end + 1, next) : undefined;
    const probe = inGroup ?? name;
    if (probe !== "" && canonicalProbe(probe) !== undefined) {
      found.add(probe);
      // Masks as arrays are kprobe events of the recipe, whose other probes then recorded as well.
      if (probe === "apcb_set" && line.includes(" apm={")) found.add("pin_in");
      return;
    }
    colon = line.indexOf(": ", colon + 2);
  }
}

const COLON = 58;

function skipBlanks(line: string, at: number): number {
  let end = at;
  while (line.charCodeAt(end) === 32) end += 1;
  return end;
}

function nameEnd(line: string, at: number): number {
  let end = at;
  for (; end < line.length; end++) {
    const code = line.charCodeAt(end);
    const isWord =
      (code >= 97 && code <= 122) || code === 95 || (code >= 48 && code <= 57) || (code >= 65 && code <= 90);
    if (!isWord) break;
  }
  return end;
}
