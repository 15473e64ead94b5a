import type { CallResult, Event, ProbeEvent, Stamp, SyscallEvent } from "../../event/event.js";
import { Line, Pieces } from "../../event/line.js";
import { afterBlanks, isWordCharacter } from "./characters.js";
import { afterAddress } from "./fields.js";
import type { RecordPrefix } from "./prefix.js";
import { bareArguments, exitResult, namedArguments, OpenCalls } from "./syscalls.js";
import { readFields } from "./tracepoints.js";

const BLANK = 32;
const OPEN = 40;
const COLON = 58;
const LETTER_F = 102;
const LETTER_K = 107;
const LETTER_P = 112;
const LETTER_S = 115;
const LETTER_T = 116;
const LETTER_U = 117;

/** What a record's text holds: an event, nothing of ours, or something that is not understood. */
export type Body = Event | "no-event" | undefined;

/** Reads the text behind the columns of a record. */
export class BodyReader {
  readonly #source: number;
  readonly #calls = new OpenCalls();
  readonly #pieces = new Pieces();

  constructor(source: number) {
    this.#source = source;
  }

  /** Events were lost: forgets which calls are open. */
  lost(): void {
    this.#calls.forget();
  }

  /**
   * The event of the record that is `line`, whose columns are `prefix`, where it is a probe: as most are, and their event
   * does not depend on other records. Undefined where {@link read} must say what it is.
   */
  probe(line: Line, prefix: RecordPrefix, number: number): ProbeEvent | undefined {
    const { text } = line;
    const start = prefix.body;
    // A group may stand before the name, as perf prints it: `ap:pin_pages: `.
    let nameStart = start;
    let colon = -1;
    let at = start;
    for (; at < text.length; at++) {
      const c = line.codeAt(at);
      if (c === BLANK) break;
      if (c === COLON) {
        if (colon !== -1) nameStart = colon + 1;
        colon = at;
      }
    }
    if (colon <= start || colon !== at - 1 || nameStart === colon || !isWordCharacter(line.codeAt(start)))
      return undefined;
    const name = text.slice(nameStart, colon);
    return meaningOf(name) === "probe" ? this.#probe(name, line, prefix, number, colon) : undefined;
  }

  #probe(name: string, line: Line, prefix: RecordPrefix, number: number, colon: number): ProbeEvent {
    const { text } = line;
    const from = afterAddress(text, line.afterBlanks(colon + 1));
    return {
      kind: "probe",
      source: this.#source,
      line: number,
      time: stampOf(prefix),
      tid: prefix.tid,
      comm: prefix.comm,
      text,
      name,
      fields: readFields(name, line, from, this.#pieces),
      cpu: prefix.cpu,
    };
  }

  /** The event of the record `text`, whose columns are `prefix`; it begins on line `line`. */
  read(text: string, prefix: RecordPrefix, line: number): Body {
    const start = prefix.body;
    if (start >= text.length) return undefined;
    const colon = text.indexOf(":", start);
    const blank = text.indexOf(" ", start);
    const wordEnd = blank === -1 ? text.length : blank;
    if (colon <= start || colon >= wordEnd) return this.#unnamed(text, prefix, line, start, wordEnd);
    // A group may stand before the name, as perf prints it: `ap:pin_pages: `.
    const nameStart = colon === wordEnd - 1 ? start : 1 + text.lastIndexOf(":", wordEnd - 2);
    if (
      !isWordCharacter(text.charCodeAt(start)) ||
      text.charCodeAt(wordEnd - 1) !== COLON ||
      nameStart === wordEnd - 1
    ) {
      return this.#unnamed(text, prefix, line, start, wordEnd);
    }
    return this.#named(text, prefix, line, nameStart, wordEnd - 1);
  }

  /** `name: text`; the name ends at `colon`. */
  #named(text: string, prefix: RecordPrefix, line: number, start: number, colon: number): Body {
    const name = text.slice(start, colon);
    switch (meaningOf(name)) {
      case "syscall": {
        // `sys_ioctl(fd: 5, ...`: the colon belongs to an argument.
        if (name.includes("(")) return this.#unnamed(text, prefix, line, start, colon);
        const call = this.#namedSyscall(name, text, prefix, line, afterBlanks(text, colon + 1));
        if (call !== undefined) return call;
        break;
      }
      case "mark":
        return this.#mark(text, prefix, line, colon + 2);
      case "print": {
        // trace-cmd prints the nearest symbol before the marker's text (b.3).
        const symbol = text.indexOf(": ", colon + 2);
        return this.#mark(text, prefix, line, symbol === -1 ? afterBlanks(text, colon + 1) : symbol + 2);
      }
      case "no-event":
        return "no-event";
      case "probe":
        break;
    }
    return this.#probe(name, new Line(text), prefix, line, colon);
  }

  /** A text without `name: `: the kernel's own syscall events, function records, perf's own records. */
  #unnamed(text: string, prefix: RecordPrefix, line: number, start: number, wordEnd: number): Body {
    const word = text.slice(start, wordEnd);
    if (word.startsWith("sys_")) {
      const open = text.indexOf("(", start);
      if (open !== -1 && open < wordEnd) {
        const close = text.lastIndexOf(")");
        if (close < open) return undefined;
        return this.#enter(text.slice(start + 4, open), namedArguments(text, open + 1, close), text, prefix, line);
      }
      if (!text.startsWith(" -> ", wordEnd)) return undefined;
      return this.#exit(word.slice(4), text.slice(wordEnd + 4).trimEnd(), text, prefix, line);
    }
    if (word.startsWith("PERF_RECORD_LOST")) return this.#perfLost(text, prefix, line);
    if (word.startsWith("PERF_RECORD_")) return "no-event";
    // `vfs_write <-ksys_write`; `<stack trace>`, `<user stack trace>`; `# 265962 marker` of trace_marker_raw.
    if (text.startsWith(" <-", wordEnd) || word.startsWith("<") || word.startsWith("#")) return "no-event";
    return undefined;
  }

  /** `sys_enter_ioctl: fd: 0x5, ...`, `sys_exit_ioctl: 0x0`, `sys_enter: NR 54 (6, ..)`, `sys_exit: NR 54 = 0`. */
  #namedSyscall(name: string, text: string, prefix: RecordPrefix, line: number, from: number): Event | undefined {
    if (name.startsWith("sys_enter_")) {
      if (from < text.length && text.indexOf(": ", from) === -1) return undefined;
      return this.#enter(name.slice(10), namedArguments(text, from, text.length), text, prefix, line);
    }
    if (name.startsWith("sys_exit_")) {
      const printed = text.slice(from).trimEnd();
      if (!/^(?:0x[0-9a-f]{1,16}|-?\d{1,20})$/.test(printed)) return undefined;
      return this.#exit(name.slice(9), printed, text, prefix, line);
    }
    if (!text.startsWith("NR ", from)) return undefined;
    const numberEnd = text.indexOf(" ", from + 3);
    if (numberEnd === -1) return undefined;
    const call = `syscall_${text.slice(from + 3, numberEnd)}`;
    if (name === "sys_enter") {
      const close = text.lastIndexOf(")");
      if (text.charCodeAt(numberEnd + 1) !== OPEN || close < numberEnd) return undefined;
      return this.#enter(call, bareArguments(text, numberEnd + 2, close), text, prefix, line);
    }
    if (name === "sys_exit" && text.startsWith("= ", numberEnd + 1)) {
      return this.#exit(call, text.slice(numberEnd + 3).trimEnd(), text, prefix, line);
    }
    return undefined;
  }

  #enter(name: string, args: readonly string[], text: string, prefix: RecordPrefix, line: number): Event {
    const event = this.#syscall("enter", name, args, undefined, text, prefix, line);
    this.#calls.enter(event);
    return event;
  }

  #exit(name: string, printed: string, text: string, prefix: RecordPrefix, line: number): Event {
    const result = exitResult(printed);
    return this.#syscall("exit", name, this.#calls.exit(prefix.tid, name), result, text, prefix, line);
  }

  #syscall(
    phase: "enter" | "exit",
    name: string,
    args: readonly string[],
    result: CallResult | undefined,
    text: string,
    prefix: RecordPrefix,
    line: number,
  ): SyscallEvent {
    return {
      kind: "syscall",
      source: this.#source,
      line,
      time: stampOf(prefix),
      tid: prefix.tid,
      comm: prefix.comm,
      text,
      phase,
      name,
      args,
      result,
      durationNs: undefined,
      dump: undefined,
    };
  }

  #mark(text: string, prefix: RecordPrefix, line: number, from: number): Event {
    return {
      kind: "mark",
      source: this.#source,
      line,
      time: stampOf(prefix),
      tid: prefix.tid,
      comm: prefix.comm,
      text,
      message: text.slice(from),
    };
  }

  /** `PERF_RECORD_LOST lost 28`: task and cpu are those of perf itself, the buffer that overflowed is not named (b.4). */
  #perfLost(text: string, prefix: RecordPrefix, line: number): Event {
    const lost = /lost (\d{1,15})/.exec(text.slice(prefix.body, prefix.body + 80))?.[1];
    this.lost();
    return {
      kind: "gap",
      source: this.#source,
      line,
      time: stampOf(prefix),
      tid: 0,
      comm: "",
      text,
      cpu: -1,
      lost: lost === undefined ? undefined : Number(lost),
    };
  }
}

/** What a record of this name is; its first letter says whether it can be one of those that are no probes. */
function meaningOf(name: string): "syscall" | "mark" | "print" | "no-event" | "probe" {
  switch (name.charCodeAt(0)) {
    case LETTER_S:
      return name.startsWith("sys_") ? "syscall" : "probe";
    case LETTER_T:
      return name === "tracing_mark_write" ? "mark" : "probe";
    case LETTER_P:
      return name === "print" ? "print" : "probe";
    case LETTER_F:
      // Records of the function tracers, and below of stack traces: understood, and no event (b.3).
      return name === "function" || name === "funcgraph_entry" || name === "funcgraph_exit" ? "no-event" : "probe";
    case LETTER_K:
      return name === "kernel_stack" ? "no-event" : "probe";
    case LETTER_U:
      return name === "user_stack" ? "no-event" : "probe";
    default:
      return "probe";
  }
}

function stampOf(prefix: RecordPrefix): Stamp {
  return { seconds: prefix.seconds, nanos: prefix.nanos };
}
