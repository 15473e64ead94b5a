import type { ProbeEvent } from "../event/event.js";

/** Names of the recipes for the events of the vocabulary (probes.md; capture-formats i.1). */
const aliases: ReadonlyMap<string, string> = new Map([
  ["gisc_reg_in", "gisc_register_in"],
  ["gisc_reg_out", "gisc_register_out"],
  ["gisc_unreg_in", "gisc_unregister_in"],
  ["gisc_unreg_out", "gisc_unregister_out"],
  ["pin_in", "pin_pages_in"],
  ["pin_out", "pin_pages_out"],
  ["in_use_out", "resource_in_use_out"],
]);

const DEPTH = 16;
const LETTER_N = 110;
const LETTER_T = 116;

/** Joins the pair `NAME_in` and `NAME_out` of one task into the canonical one-line event (probes.md). Pairs nest. */
export class ProbePairs {
  private readonly open = new Map<number, ProbeEvent[]>();

  /** The canonical event, or undefined where the line is only the first half of one. */
  join(event: ProbeEvent): ProbeEvent | undefined {
    // Looked at first: the last letters of "_in" and "_out" end few of the names.
    const last = event.name.charCodeAt(event.name.length - 1);
    if (last !== LETTER_N && last !== LETTER_T) return event;
    if (!event.name.endsWith("_in") && !event.name.endsWith("_out")) return event;
    const name = aliases.get(event.name) ?? event.name;
    if (name.endsWith("_in")) {
      this.push({ ...event, name: name.slice(0, -3) });
      return undefined;
    }
    const canonical = name.slice(0, -4);
    const entry = this.pop(event.tid, canonical);
    const fields = entry === undefined ? event.fields : [...entry.fields, ...event.fields];
    return { ...event, name: canonical, fields };
  }

  private push(entry: ProbeEvent): void {
    const stack = this.open.get(entry.tid);
    if (stack === undefined) this.open.set(entry.tid, [entry]);
    else if (stack.push(entry) > DEPTH) stack.shift();
  }

  private pop(tid: number, name: string): ProbeEvent | undefined {
    const stack = this.open.get(tid);
    const at = stack?.findLastIndex((entry) => entry.name === name) ?? -1;
    if (stack === undefined || at < 0) return undefined;
    const [entry] = stack.splice(at);
    if (stack.length === 0) this.open.delete(tid);
    return entry;
  }
}
