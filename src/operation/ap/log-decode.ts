import type { LogEvent } from "../../event/event.js";
import { type Mask, parseMask } from "../../event/mask.js";
import type { ApEffect } from "./effect.js";

/** Why the driver refused a PQAP(AQIC), as its debug area says it (vfio-ap-aqic, appendix C). */
export type Refusal = "no-aiv" | "no-hook" | "mdev-not-in-use" | "queue-not-bound" | "nib" | "pin" | "gisc" | "aqic";

/** Messages of the area vfio_ap: a text that only one reason prints, and where the APQN stands. */
const refusals: readonly { readonly text: string; readonly reason: Refusal }[] = [
  // handle_pqap: AIV facility not installed: apqn=0x0504, eca=0x...
  { text: "AIV facility not installed", reason: "no-aiv" },
  // handle_pqap: PQAP(AQIC) hook not registered with the vfio_ap driver: apqn=0x0504
  { text: "hook not registered", reason: "no-hook" },
  // handle_pqap: mdev 62177883-f1bb-47f0-914d-32a22e3a8804 not in use: apqn=0x0504
  { text: "not in use", reason: "mdev-not-in-use" },
  // handle_pqap: Queue 05.0004 not bound to the vfio_ap driver
  { text: "not bound to the vfio_ap driver", reason: "queue-not-bound" },
  // vfio_ap_irq_enable: invalid NIB address: nib=0x..., apqn=0x504
  { text: "invalid NIB address", reason: "nib" },
  // vfio_ap_irq_enable: vfio_pin_pages failed: rc=-22,nib=0x..., apqn=0x504
  { text: "vfio_pin_pages failed", reason: "pin" },
  // vfio_ap_irq_enable: gisc registration failed: nisc=-19, isc=3, apqn=0x504
  { text: "gisc registration failed", reason: "gisc" },
  // vfio_ap_irq_enable: PQAP(AQIC) failed with status=0x7: zone=..., isc=0x3, apqn=0x504
  { text: "PQAP(AQIC) failed with status", reason: "aqic" },
];

const QUEUE = /Queue ([0-9a-f]{2})\.([0-9a-f]{4}) not bound/;
const APQN = /apqn=(?:0x)?([0-9a-f]{1,4})\b/;

/** The refusal that a line of the driver's debug area tells; undefined for every other message. */
export function decodeRefusal(message: string): ApEffect | undefined {
  const found = refusals.find(({ text }) => message.includes(text));
  if (found === undefined) return undefined;
  const queue = QUEUE.exec(message);
  const digits =
    queue?.[1] !== undefined && queue[2] !== undefined ? queue[1] + queue[2].slice(2) : APQN.exec(message)?.[1];
  return digits === undefined
    ? undefined
    : { kind: "aqic_refused", reason: found.reason, apqn: Number.parseInt(digits, 16) };
}

const WORD = /^[0-9a-f]{16}$/;
const SHORT = /^SET CRYCB: apm ([0-9a-f]{16}) aqm ([0-9a-f]{4}) adm ([0-9a-f]{4})$/;

/** An update of a CRYCB whose three lines (format 2) did not all come yet. */
interface Partial {
  apm?: Mask;
  aqm?: Mask;
}

/** Reads the CRYCB messages of the areas `kvm-PID` (capture-formats d.2): an update of format 2 takes three lines. */
export class CrycbLog {
  private readonly partial = new Map<string, Partial>();

  /** The effect that the line completes; undefined where more lines are to come, or for every other message. */
  take(event: LogEvent): ApEffect | undefined {
    const pid = Number(event.area.slice("kvm-".length));
    if (!Number.isSafeInteger(pid)) return undefined;
    const message = event.message.trimEnd();
    if (message.startsWith("CLR CRYCB:")) return { kind: "crycb_clear", pid };
    if (!message.startsWith("SET CRYCB: ")) return undefined;
    return short(message, pid) ?? this.long(event.area, message, pid);
  }

  private long(area: string, message: string, pid: number): ApEffect | undefined {
    const [, , which, ...words] = message.split(" ");
    if (words.length !== 4 || !words.every((word) => WORD.test(word))) return undefined;
    const mask = parseMask(words.join(""));
    if (mask === undefined) return undefined;
    const known = this.partial.get(area) ?? {};
    if (which === "apm") this.partial.set(area, { apm: mask });
    else if (which === "aqm" && known.apm !== undefined) this.partial.set(area, { ...known, aqm: mask });
    else if (which === "adm") {
      this.partial.delete(area);
      const { apm, aqm } = known;
      if (apm !== undefined && aqm !== undefined) return { kind: "crycb_set", pid, wide: true, apm, aqm, adm: mask };
    }
    return undefined;
  }
}

/** Formats 0 and 1: 64 adapters, 16 domains, 16 control domains on one line. */
function short(message: string, pid: number): ApEffect | undefined {
  const match = SHORT.exec(message);
  if (match?.[1] === undefined || match[2] === undefined || match[3] === undefined) return undefined;
  const apm = parseMask(match[1].padEnd(64, "0"));
  const aqm = parseMask(match[2].padEnd(64, "0"));
  const adm = parseMask(match[3].padEnd(64, "0"));
  if (apm === undefined || aqm === undefined || adm === undefined) return undefined;
  return { kind: "crycb_set", pid, wide: false, apm, aqm, adm };
}
