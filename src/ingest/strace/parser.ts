/** The parser of strace text (spec, section a). */

import type { CallResult, Stamp, SyscallEvent } from "../../event/event.js";
import { Line, Pieces } from "../../event/line.js";
import { splitArguments } from "../../event/notation.js";
import type { LineParser, Sink, SourceInfo } from "../importer.js";
import { bytesOfDumpLine, isDumpHead } from "./dump.js";
import { endOfName, LineHead } from "./head.js";
import { DETACHED, dropMark, endOfFirstHalf, lateResultOf, resultOf, UNFINISHED } from "./interruption.js";
import { isMessage, type TaskNote, taskNoteOf } from "./notes.js";
import { Output } from "./output.js";
import { type PendingCall, PendingCalls } from "./pending.js";
import { durationAt, endOfResult, parseResult, startOfDuration, startOfResult } from "./result.js";
import { makesTask, TaskNames, tidOfFileName } from "./tasks.js";

const BLANK = 0x20;
const PARENTHESIS_OPEN = 0x28;
const PLUS = 0x2b;
const MINUS = 0x2d;
const ANGLE_OPEN = 0x3c;

const RESUMED = " resumed>";
/** The longest name of a call is a good deal shorter. */
const LONGEST_NAME = 64;
/** A line into which strace put notes; more text than a line may have is not joined. */
const MAX_JOINED = 16 * 2 ** 20;
/** A first half that is interrupted again is kept up to this length. */
const MAX_INTERRUPTED_AGAIN = 65_536;

/** A line that a note of strace interrupted, waiting for its rest. */
interface OpenLine {
  readonly text: string;
  readonly line: number;
  /** Physical lines that it took so far. */
  readonly lines: number;
}

/** A parser of the text that strace writes, with any options. */
export class StraceParser implements LineParser {
  readonly #source: number;
  readonly #output: Output;
  readonly #head = new LineHead();
  readonly #pieces = new Pieces();
  readonly #pending = new PendingCalls();
  readonly #placeholder: number;
  readonly #tasks: TaskNames;
  /** Number of the line read last. */
  #number = 0;
  #open: OpenLine | undefined;
  /** The task whose call was interrupted on line `#unfinishedLine`: with `-z` its rest follows on the next line. */
  #unfinishedTid = 0;
  #unfinishedLine = -1;
  #inSummary = false;

  constructor(info: SourceInfo, sink: Sink) {
    this.#source = info.source;
    this.#output = new Output(info, sink);
    this.#placeholder = tidOfFileName(info.file);
    this.#tasks = new TaskNames(this.#placeholder);
  }

  line(text: string, number: number, bytes?: Uint8Array, start?: number): void {
    this.#number = number;
    if (this.#open !== undefined) this.#continue(this.#open, text);
    else this.#single(new Line(text, bytes, start));
  }

  end(complete: boolean): void {
    const open = this.#open;
    this.#open = undefined;
    if (open !== undefined) this.#giveUp(open);
    this.#output.end(complete, this.#number);
  }

  /** A physical line that does not continue one before it. */
  #single(line: Line): void {
    const { text } = line;
    if (this.#inSummary) {
      this.#inSummary = !text.endsWith(" total");
      this.#output.context();
      return;
    }
    if (text.charCodeAt(0) === BLANK && this.#trailer(text)) return;
    if (!this.#logical(line, this.#number)) this.#odd(text);
  }

  /** A line that belongs to the call before it: a dump, or the stack of `-k`. */
  #trailer(text: string): boolean {
    const bytes = bytesOfDumpLine(text);
    if (bytes !== undefined) return this.#output.dump(bytes, this.#number);
    if (!text.startsWith(" > ") && !isDumpHead(text)) return false;
    this.#output.trailer();
    return true;
  }

  /** A whole line of the log, which begins on line `line`; false where it is none. */
  #logical(whole: Line, line: number): boolean {
    const at = this.#head.scan(whole);
    if (at < 0) return false;
    const { text } = whole;
    switch (whole.codeAt(at)) {
      case PLUS:
        return this.#ending(text, at, line);
      case MINUS:
        return this.#signal(text, at);
      case ANGLE_OPEN:
        return this.#resumed(whole, at, line);
      default:
        return this.#call(whole, at, line);
    }
  }

  #call(whole: Line, at: number, line: number): boolean {
    const { text } = whole;
    const nameEnd = endOfName(whole, at);
    if (nameEnd === at || whole.codeAt(nameEnd) !== PARENTHESIS_OPEN || nameEnd - at > LONGEST_NAME) return false;
    const name = text.slice(at, nameEnd);
    const close = splitArguments(whole, nameEnd + 1, this.#pieces);
    const args = this.#pieces.of(text);
    if (close < 0) return this.#interrupted(text, nameEnd + 1, name, args, line);
    const from = startOfResult(whole, close + 1);
    if (from < 0) return false;
    const duration = startOfDuration(whole);
    const result = parseResult(whole, from, endOfResult(whole, duration));
    if (result === undefined) return false;
    if (result.kind === "unknown") dropMark(args);
    const tid = this.#tid();
    if (makesTask(name)) this.#created(result);
    this.#head.commit();
    this.#output.call(this.#syscall("complete", tid, this.#head.comm, line, text, name, args, result, duration));
    return true;
  }

  /** A call whose line ends before its closing parenthesis. */
  #interrupted(text: string, from: number, name: string, args: string[], line: number): boolean {
    const cut = endOfFirstHalf(text);
    if (cut < 0) return this.#detached(text, "complete", this.#tid(), name, args, line);
    dropMark(args);
    const tid = this.#tid();
    this.#head.commit();
    this.#pending.put(tid, name, this.#head.comm, text.slice(from, cut));
    this.#unfinishedTid = tid;
    this.#unfinishedLine = this.#number;
    this.#output.event(this.#syscall("enter", tid, this.#head.comm, line, text, name, args, undefined, -1));
    return true;
  }

  /** `read(3, <detached ...>`: strace left the task inside the call, and nothing will tell its result. */
  #detached(
    text: string,
    phase: "complete" | "exit",
    tid: number,
    name: string,
    args: string[],
    line: number,
  ): boolean {
    if (!text.endsWith(DETACHED)) return false;
    dropMark(args);
    this.#head.commit();
    this.#pending.delete(tid);
    const result: CallResult = { kind: "unknown", reason: "detached" };
    this.#output.event(this.#syscall(phase, tid, this.#head.comm, line, text, name, args, result, -1));
    return true;
  }

  /** `<... read resumed>"0", 64) = 1` */
  #resumed(whole: Line, at: number, line: number): boolean {
    const { text } = whole;
    const nameEnd = text.indexOf(RESUMED, at);
    if (!text.startsWith("<... ", at) || nameEnd < at + 6 || nameEnd - at > LONGEST_NAME + 5) return false;
    const name = text.slice(at + 5, nameEnd);
    const rest = text.slice(nameEnd + RESUMED.length);
    const tid = this.#taskOfResumed(name);
    const pending = this.#pending.get(tid);
    if (text.endsWith(UNFINISHED)) return this.#interruptedAgain(tid, name, pending, rest);
    const first = pending?.name === name ? pending.text : undefined;
    const done = this.#finish(tid, this.#head.comm, name, first, rest, whole, line);
    if (done) this.#head.commit();
    return done;
  }

  /** The task of a resumed line, which may be known under another name than the line has. */
  #taskOfResumed(name: string): number {
    const tid = this.#tid();
    if (this.#head.form === "column" || this.#pending.get(tid) !== undefined) return tid;
    if (this.#pending.get(this.#placeholder)?.name === name && this.#tasks.resumes(this.#head))
      return this.#placeholder;
    const only = this.#head.form === "none" ? this.#pending.onlyTaskIn(name) : undefined;
    if (only === undefined) return tid;
    this.#tasks.isAlone(only);
    return only;
  }

  #interruptedAgain(tid: number, name: string, pending: PendingCall | undefined, rest: string): boolean {
    const more = rest.slice(0, -UNFINISHED.length);
    // strace does not interrupt a line twice; what does must not make us copy a growing text again and again.
    if (pending?.name === name && pending.text.length <= MAX_INTERRUPTED_AGAIN) {
      this.#pending.put(tid, name, pending.comm, pending.text + more);
    } else {
      this.#pending.delete(tid);
    }
    this.#unfinishedTid = tid;
    this.#unfinishedLine = this.#number;
    this.#head.commit();
    this.#output.context();
    return true;
  }

  /**
   * The return of an interrupted call. Without its first half (a recording that began late) the arguments are not
   * known: the rest alone would stand at wrong places.
   */
  #finish(
    tid: number,
    comm: string,
    name: string,
    first: string | undefined,
    rest: string,
    whole: Line,
    line: number,
  ): boolean {
    let args: string[] = [];
    let result = first === undefined ? undefined : resultOf(first + rest, args);
    if (result === undefined) {
      args = [];
      result = lateResultOf(rest);
      if (result === undefined) return false;
    }
    if (result.kind === "unknown") dropMark(args);
    if (makesTask(name)) this.#created(result);
    this.#pending.delete(tid);
    const duration = startOfDuration(whole);
    this.#output.call(this.#syscall("exit", tid, comm, line, whole.text, name, args, result, duration));
    return true;
  }

  /** `+++ exited with 3 +++`, `+++ killed by SIGABRT (core dumped) +++`, `+++ superseded by execve in pid 17 +++` */
  #ending(text: string, at: number, line: number): boolean {
    if (!text.startsWith("+++ ", at) || !text.endsWith(" +++")) return false;
    const match =
      /^(?:exited with (\d{1,10})|killed by (\w{1,32})(?: \(core dumped\))?|superseded by execve in pid (\d{1,7}))$/.exec(
        text.slice(at + 4, -4),
      );
    if (match === null) return false;
    const [, code, signal, thread] = match;
    const tid = this.#tid();
    this.#head.commit();
    if (thread !== undefined) {
      // The thread goes on under the id of its process, whose own task vanishes: no task of that id ended.
      this.#pending.move(Number(thread), tid);
      this.#output.context();
      return true;
    }
    this.#pending.delete(tid);
    this.#tasks.ended(tid);
    this.#output.event({
      kind: "task-exit",
      source: this.#source,
      line,
      time: this.#stamp(),
      tid,
      comm: this.#head.comm,
      text,
      status: code ?? signal ?? "",
    });
    return true;
  }

  /** `--- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---`, `--- stopped by SIGSTOP ---` */
  #signal(text: string, at: number): boolean {
    if (!text.startsWith("--- ", at) || !text.endsWith(" ---") || text.length < at + 9) return false;
    this.#tid();
    this.#head.commit();
    this.#output.context();
    return true;
  }

  /** A line that is none of the log by itself. */
  #odd(text: string): void {
    const note = taskNoteOf(text);
    if (note !== undefined) {
      this.#note(note);
      if (note.before === "") this.#output.context();
      else this.#open = { text: note.before, line: this.#number, lines: 1 };
    } else if (this.#number === this.#unfinishedLine + 1 && this.#secondHalf(text)) {
      return;
    } else if (text.startsWith("% time ")) {
      this.#inSummary = true;
      this.#output.context();
    } else if (text.trim() === "" || isMessage(text) || text.trim() === DETACHED || isSummaryTitle(text)) {
      this.#output.context();
    } else {
      this.#output.unparsed(this.#number);
    }
  }

  /** The rest of a line that `-z`, `-Z` or `-e status=` held back: `)      = 1`, without a head. */
  #secondHalf(text: string): boolean {
    const tid = this.#unfinishedTid;
    const pending = this.#pending.get(tid);
    if (pending === undefined) return false;
    this.#head.stamped = false;
    return this.#finish(tid, pending.comm, pending.name, pending.text, text, new Line(text), this.#number);
  }

  #note(note: TaskNote): void {
    if (note.event === "attached") this.#tasks.attached(note.tid);
    else if (note.event === "detached") this.#tasks.ended(note.tid);
  }

  /** A line behind one that a note interrupted. */
  #continue(open: OpenLine, text: string): void {
    const note = taskNoteOf(text);
    if (note !== undefined && open.text.length + text.length <= MAX_JOINED) {
      this.#note(note);
      this.#open = { text: open.text + note.before, line: open.line, lines: open.lines + 1 };
      return;
    }
    this.#open = undefined;
    if (open.text.length + text.length <= MAX_JOINED && this.#logical(new Line(open.text + text), open.line)) {
      this.#output.trailer(open.lines);
      return;
    }
    this.#giveUp(open);
    this.#single(new Line(text));
  }

  /** The rest of an interrupted line did not come. */
  #giveUp(open: OpenLine): void {
    for (let line = 0; line < open.lines; line += 1) this.#output.unparsed(open.line + line);
  }

  /** The task of the line whose head was scanned last. */
  #tid(): number {
    const inClone = this.#head.form === "bracket" && makesTask(this.#pending.get(this.#placeholder)?.name ?? "");
    return this.#tasks.of(this.#head, inClone);
  }

  #created(result: CallResult): void {
    if (result.kind === "value") this.#tasks.created(Number(result.text));
  }

  #stamp(): Stamp | undefined {
    const { stamped, seconds, nanos } = this.#head;
    return stamped ? { seconds, nanos } : undefined;
  }

  #syscall(
    phase: SyscallEvent["phase"],
    tid: number,
    comm: string,
    line: number,
    text: string,
    name: string,
    args: readonly string[],
    result: CallResult | undefined,
    duration: number,
  ): SyscallEvent {
    return {
      kind: "syscall",
      source: this.#source,
      line,
      time: this.#stamp(),
      tid,
      comm,
      text,
      phase,
      name,
      args,
      result,
      durationNs: durationAt(text, duration),
      dump: undefined,
    };
  }
}

/** With two tables of `-C`: `System call usage summary for 32 bit mode:` */
function isSummaryTitle(text: string): boolean {
  return text.startsWith("System call usage summary for ") && text.endsWith(" mode:");
}
