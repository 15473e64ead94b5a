import { fieldOf, type ProbeEvent } from "../../event/event.js";
import type { Word } from "../../event/word.js";
import type { ObservedResult } from "../operation.js";
import type { GuestCaller, GuestHcall, Pairing } from "./call.js";
import type { Emit } from "./hcall-lines.js";
import { codeName, H_SET_MODE, hcallName } from "./numbers.js";
import { numberField, wordField } from "./words.js";

/** A line before an hcall that tells what it is. */
type Announced =
  | { readonly kind: "hset"; readonly event: ProbeEvent; readonly number: number; readonly args: readonly Word[] }
  | {
      readonly kind: "caller";
      readonly event: ProbeEvent;
      readonly number: number;
      readonly caller: GuestCaller;
      readonly watchpoint: GuestHcall["watchpoint"];
    };

/** What the lines before an hcall tell of it. */
interface Announcements {
  readonly caller: GuestCaller;
  readonly args: readonly Word[] | undefined;
  readonly watchpoint: GuestHcall["watchpoint"];
  readonly callerEvent: ProbeEvent | undefined;
  readonly argsEvent: ProbeEvent | undefined;
}

interface Pending extends Announcements {
  readonly event: ProbeEvent;
  readonly number: number | undefined;
  readonly inCreate: boolean;
  /** The hcall that an interrupt with this one came into the middle of. */
  readonly outer: Pending | undefined;
}

const unannounced: Announcements = {
  caller: "direct",
  args: undefined,
  watchpoint: undefined,
  callerEvent: undefined,
  argsEvent: undefined,
};

/** Announcements of one task that wait for their hcall: interrupts may make others in between. */
const DEPTH = 8;

const callers: ReadonlyMap<string, GuestCaller> = new Map([
  ["pseries_disable_reloc_on_exc", "disable-reloc"],
  ["pseries_enable_reloc_on_exc", "enable-reloc"],
  ["pseries_big_endian_exceptions", "big-endian"],
]);

const noExit: ObservedResult = { kind: "unknown", reason: "no line of its exit" };

/** Pairs the guest's own hcall lines per CPU, and gives them the arguments that probes before them show (GUEST-12). */
export class GuestHcallLines {
  private readonly emit: Emit;
  private readonly pending = new Map<number, Pending>();
  private readonly announced = new Map<number, Announced[]>();
  /** CPUs whose next exit must have an entry. */
  private readonly seen = new Set<number>();

  constructor(emit: Emit) {
    this.emit = emit;
  }

  announce(event: ProbeEvent): void {
    const line = announcement(event);
    if (line === undefined) return;
    const stack = this.announced.get(event.tid);
    if (stack === undefined) this.announced.set(event.tid, [line]);
    else if (stack.push(line) > DEPTH) stack.shift();
  }

  entry(event: ProbeEvent, inCreate: boolean): void {
    let outer = this.pending.get(event.cpu);
    if (outer !== undefined && !interrupts(event, outer.event)) {
      this.withoutExit(outer);
      outer = undefined;
    }
    this.seen.add(event.cpu);
    const number = decimalField(event, "opcode");
    this.pending.set(event.cpu, { event, number, inCreate, outer, ...this.announcedFor(event.tid, number) });
  }

  /** Hcalls of one CPU that have no exit, the outermost first. */
  private withoutExit(entry: Pending): void {
    if (entry.outer !== undefined) this.withoutExit(entry.outer);
    this.finish(entry, entry.event, "no-exit", undefined, noExit);
  }

  /** What the lines before an hcall of a task tell of it; they are used up. */
  private announcedFor(tid: number, number: number | undefined): Announcements {
    const stack = this.announced.get(tid);
    let top = stack?.at(-1);
    if (stack === undefined || top === undefined) return unannounced;
    let found = unannounced;
    if (top.kind === "hset" && top.number === number) {
      found = { ...found, args: top.args, argsEvent: top.event };
      stack.pop();
      top = stack.at(-1);
    }
    if (top?.kind === "caller" && top.number === number) {
      found = { ...found, caller: top.caller, watchpoint: top.watchpoint, callerEvent: top.event };
      stack.pop();
    }
    return found;
  }

  exit(event: ProbeEvent, inCreate: boolean): void {
    const number = decimalField(event, "opcode");
    const entry = this.ended(event.cpu, number);
    const first = !this.seen.has(event.cpu);
    this.seen.add(event.cpu);
    const value = Number(fieldOf(event, "retval") ?? "");
    const name = codeName(value);
    const result: ObservedResult = !Number.isFinite(value)
      ? noExit
      : name === undefined
        ? { kind: "value", value }
        : { kind: "error", errno: name };
    const pairing: Pairing = entry !== undefined ? "both" : first ? "excused" : "no-entry";
    this.finish(entry, event, pairing, number, result, inCreate);
  }

  /** The entry that an exit on a CPU belongs to. */
  private ended(cpu: number, number: number | undefined): Pending | undefined {
    const top = this.pending.get(cpu);
    if (top === undefined) return undefined;
    const { outer } = top;
    const belongs = outer !== undefined && top.number !== number && outer.number === number;
    if (belongs) this.finish(top, top.event, "no-exit", undefined, noExit);
    const entry = belongs ? outer : top;
    if (entry.outer === undefined) this.pending.delete(cpu);
    else this.pending.set(cpu, entry.outer);
    return entry;
  }

  /** A system call of the task returns: an hcall inside it has ended, with a line or without. */
  returned(tid: number): void {
    if (this.pending.size === 0) return;
    for (const [cpu, entry] of this.pending) {
      if (entry.event.tid !== tid) continue;
      this.pending.delete(cpu);
      this.withoutExit(entry);
    }
  }

  /** Events were lost, on one CPU or on all (-1). */
  lost(cpu: number): void {
    this.announced.clear();
    if (cpu < 0) {
      this.pending.clear();
      this.seen.clear();
    } else {
      this.pending.delete(cpu);
      this.seen.delete(cpu);
    }
  }

  finishAll(): void {
    for (const entry of this.pending.values()) this.finish(entry, entry.event, "excused", undefined, noExit);
    this.pending.clear();
  }

  private finish(
    entry: Pending | undefined,
    end: ProbeEvent,
    pairing: Pairing,
    exitNumber: number | undefined,
    result: ObservedResult,
    inCreate = false,
  ): void {
    const number = entry?.number ?? exitNumber;
    const { caller, args, watchpoint, callerEvent, argsEvent } = entry ?? this.announcedFor(end.tid, number);
    const call: GuestHcall = {
      kind: "hcall-guest",
      cpu: end.cpu,
      pairing,
      number,
      exitNumber,
      caller,
      args,
      watchpoint,
      callerEvent,
      argsEvent,
      inCreate: entry?.inCreate ?? inCreate,
    };
    this.emit(call, nameOf(number), result, entry?.event ?? end, end);
  }
}

/**
 * Whether an hcall is one of an interrupt that came into the middle of another: the lines are printed with interrupts off,
 * the call between them is made with interrupts as they were. The third of the flags before the time tells.
 */
function interrupts(event: ProbeEvent, before: ProbeEvent): boolean {
  return event.tid === before.tid && contextOf(event.text) > contextOf(before.text);
}

/** What may interrupt what comes before it: a task, soft interrupts, hard ones, those that can't be masked. */
const contexts: readonly string[] = [".", "s", "hH", "zZ"];

function contextOf(text: string): number {
  const flag = /\] [^ ]{2}([shHzZ])[^ ]{1,4} /.exec(text)?.[1];
  return flag === undefined ? 0 : contexts.findIndex((kind) => kind.includes(flag));
}

/** Hcalls that no rule speaks of share a name. */
function nameOf(number: number | undefined): string {
  const name = number === undefined ? "?" : hcallName(number);
  return name.startsWith("H_") ? `guest hcall ${name}` : "guest hcall";
}

function announcement(event: ProbeEvent): Announced | undefined {
  if (event.name === "hset") {
    const number = numberField(event, "op");
    if (number === undefined) return undefined;
    const args: Word[] = [];
    for (const key of ["flags", "res", "v1", "v2"]) {
      const word = wordField(event, key);
      if (word === undefined) break;
      args.push(word);
    }
    return { kind: "hset", event, number, args };
  }
  if (event.name === "pseries_set_dawr") {
    const slot = wordField(event, "a") ?? wordField(event, "nr");
    const address = wordField(event, "b") ?? wordField(event, "dawr");
    const dawrx = wordField(event, "c") ?? wordField(event, "dawrx");
    const watchpoint =
      slot === undefined || address === undefined || dawrx === undefined
        ? undefined
        : { slot: slot.hi === 0 ? slot.lo : -1, address, dawrx, event };
    return { kind: "caller", event, number: H_SET_MODE, caller: "watchpoint", watchpoint };
  }
  const caller = callers.get(event.name);
  return caller === undefined
    ? undefined
    : { kind: "caller", event, number: H_SET_MODE, caller, watchpoint: undefined };
}

/** `opcode=796`: always decimal. */
function decimalField(event: ProbeEvent, key: string): number | undefined {
  const value = Number(fieldOf(event, key) ?? "-1");
  return value >= 0 ? value : undefined;
}
