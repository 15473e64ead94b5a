import { errnoName } from "../../event/errno.js";
import type { CallResult, SyscallEvent } from "../../event/event.js";

/** Tasks with an open call that are remembered; more than a machine has running at once. */
const MOST_OPEN_CALLS = 16384;

/** A longer record is no plain call (six numbers): its arguments are not kept. */
const LONGEST_REMEMBERED = 4096;

/**
 * Remembers the arguments of the call that a task is in, so that the event of its return has them too, as the event of
 * an strace line has.
 */
export class OpenCalls {
  readonly #calls = new Map<number, SyscallEvent>();

  enter(event: SyscallEvent): void {
    if (event.text.length > LONGEST_REMEMBERED) {
      this.#calls.delete(event.tid);
      return;
    }
    if (this.#calls.size >= MOST_OPEN_CALLS && !this.#calls.has(event.tid)) {
      const oldest = this.#calls.keys().next();
      if (!oldest.done) this.#calls.delete(oldest.value);
    }
    this.#calls.set(event.tid, event);
  }

  /** The arguments with which task `tid` entered `name`; none where its entry was not recorded. */
  exit(tid: number, name: string): readonly string[] {
    const open = this.#calls.get(tid);
    if (open === undefined) return [];
    this.#calls.delete(tid);
    return open.name === name ? open.args : [];
  }

  /** Events were lost: what is open may have ended, and the next return may be another call's. */
  forget(): void {
    this.#calls.clear();
  }
}

/**
 * The arguments of `fd: 5, cmd: ae03, arg: 46` (kernel text: hex without prefix, b.3) or `fd: 0x00000005, ...` (the tools),
 * from `from` to `to`, as `0x` numbers without leading zeros. A kernel that prints strings behind their pointers
 * (`filename: 0x7f.. "/dev/kvm"`) gives the string.
 */
export function namedArguments(text: string, from: number, to: number): string[] {
  const args: string[] = [];
  let p = from;
  while (p < to) {
    const colon = text.indexOf(": ", p);
    if (colon === -1 || colon >= to) break;
    const start = colon + 2;
    const end = argumentEnd(text, start, to);
    args.push(argumentText(text.slice(start, end)));
    p = end + 1;
  }
  return args;
}

/** The comma behind the argument at `start`, outside a string; `to` where it is the last. */
function argumentEnd(text: string, start: number, to: number): number {
  const comma = text.indexOf(",", start);
  const quote = text.indexOf('"', start);
  if (quote !== -1 && quote < to && (comma === -1 || quote < comma)) {
    // Quotes inside are not escaped: the string ends where another argument or the end follows.
    for (let close = text.indexOf('"', quote + 1); close !== -1 && close < to; close = text.indexOf('"', close + 1)) {
      if (close + 1 === to || text.startsWith(", ", close + 1)) return close + 1;
    }
    return to;
  }
  return comma === -1 || comma > to ? to : comma;
}

function argumentText(printed: string): string {
  const quote = printed.indexOf('"');
  return quote === -1 ? hexText(printed) : printed.slice(quote);
}

/** The arguments of `NR 54 (6, 8068aea3, 7fff0000)` between its parentheses. */
export function bareArguments(text: string, from: number, to: number): string[] {
  return from >= to ? [] : text.slice(from, to).split(", ").map(hexText);
}

/** `ae03`, `0xae03` or `0x0000ae03` as `0xae03`; what is no hex number stays as it is. */
function hexText(printed: string): string {
  let p = printed.startsWith("0x") ? 2 : 0;
  for (let i = p; i < printed.length; i++) {
    if (!isHexDigit(printed.charCodeAt(i))) return printed;
  }
  if (p === printed.length) return printed;
  while (p < printed.length - 1 && printed.charCodeAt(p) === 48) p++;
  return `0x${printed.slice(p)}`;
}

function isHexDigit(c: number): boolean {
  return (c >= 48 && c <= 57) || (c >= 97 && c <= 102) || (c >= 65 && c <= 70);
}

/** ERESTARTSYS and its kin: never seen by the program, which repeats the call or gets EINTR (a.3). */
const RESTARTS: ReadonlyMap<number, string> = new Map([
  [512, "ERESTARTSYS"],
  [513, "ERESTARTNOINTR"],
  [514, "ERESTARTNOHAND"],
  [516, "ERESTART_RESTARTBLOCK"],
]);

/**
 * The result of a return as printed: hex (`0xffffffffffffffe7`, two's complement of 64 or 32 bits) or decimal (`-25`).
 * -4095 to -1 is an error. A positive number stays a value, also where it is a powerpc errno: whether it is, is not to be
 * seen on this line (FMT-2 of ppc-dawr.md).
 */
export function exitResult(printed: string): CallResult {
  const errno = errnoOf(printed);
  if (errno === 0) return { kind: "value", text: printed, decoration: undefined };
  const restart = RESTARTS.get(errno);
  if (restart !== undefined) return { kind: "unknown", reason: restart };
  return { kind: "error", errno: errnoName(errno) ?? String(errno) };
}

/** 1 to 4095 for a failure, else 0. */
function errnoOf(printed: string): number {
  if (printed.startsWith("0xfffff")) {
    const digits = printed.length - 2;
    if (digits === 16 && !printed.startsWith("fffffffffffff", 2)) return 0;
    if (digits !== 16 && digits !== 8) return 0;
    const low = Number.parseInt(printed.slice(-3), 16);
    return low > 0 ? 4096 - low : 0;
  }
  if (printed.startsWith("-")) {
    const value = Number(printed.slice(1));
    return value >= 1 && value <= 4095 ? value : 0;
  }
  return 0;
}
