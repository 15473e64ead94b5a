import type { ProbeEvent } from "../../event/event.js";
import { Line } from "../../event/line.js";
import type { LineParser, Sink, SourceInfo } from "../importer.js";
import { UnparsedLines } from "../unparsed.js";
import { type Body, BodyReader } from "./body.js";
import { COMM_COLUMN, RecordPrefix, resemblesRecord } from "./prefix.js";
import { readSideLine, type SideLine } from "./side-lines.js";

const HASH = 35;
const LETTER_C = 67;

/** A record that spans lines is cut behind so many characters: a string argument has at most a page. */
const LONGEST_RECORD = 65536;
/** The rest of a string that was printed without quotes, or had quotes in it: fields follow (trace-cmd report -R). */
const CONTINUATION = /^"|\b[A-Za-z_]\w{0,63}=/;
const NOT_A_RECORD = "a record of ftrace, trace-cmd report, perf script or bpftrace in ftrace layout";
const NO_COLUMNS =
  "the lines may have been recorded without task and time (trace option nocontext-info, raw, hex or bin)";

/**
 * Parser of ftrace text. A record is handed over when the line after it is known, because a string in it may hold line feeds:
 * then the lines that follow are a part of it (b.1).
 */
export class FtraceParser implements LineParser {
  readonly #info: SourceInfo;
  readonly #sink: Sink;
  readonly #unparsed: UnparsedLines;
  readonly #body: BodyReader;

  /** Columns of the record that is held back; undefined text: none is. */
  #held: RecordPrefix;
  #text: string | undefined;
  /** The event of the held record, if it is a probe and no other line belongs to it. */
  #probe: ProbeEvent | undefined;
  #line = 0;
  /** Lines that continue the held record. */
  #more: string[] = [];
  #moreLength = 0;
  /** How many quotes the held record has so far; -1 where nobody asked yet. */
  #quotes = -1;
  /** Columns of the line that is being looked at. */
  #next: RecordPrefix;

  /** A line that may be the first part of a task name with a line feed in it. */
  #nameHead: string | undefined;
  #nameHeadLine = 0;

  #last = 0;
  #clockNoted = false;

  constructor(info: SourceInfo, sink: Sink) {
    this.#info = info;
    this.#sink = sink;
    this.#unparsed = new UnparsedLines(info, sink);
    this.#body = new BodyReader(info.source);
    this.#held = new RecordPrefix();
    this.#next = new RecordPrefix();
  }

  line(text: string, number: number, bytes?: Uint8Array, start?: number): void {
    this.#last = number;
    this.#unparsed.settle();
    const next = this.#next;
    const line = new Line(text, bytes, start);
    if (next.scan(line)) {
      let from = number;
      let whole = text;
      if (this.#nameHead !== undefined) {
        if (this.#joinsName(next)) {
          // The record begins where its task name does.
          next.comm = `${this.#nameHead.trimStart()}\n${next.comm}`;
          next.body += this.#nameHead.length + 1;
          whole = `${this.#nameHead}\n${text}`;
          from = this.#nameHeadLine;
          this.#nameHead = undefined;
          this.#sink.context(1);
        } else this.#settleNameHead();
      }
      const probe = from === number ? this.#body.probe(line, next, number) : undefined;
      this.#flush();
      this.#next = this.#held;
      this.#held = next;
      this.#text = whole;
      this.#line = from;
      this.#probe = probe;
      return;
    }
    this.#settleNameHead();
    this.#other(text, number);
  }

  end(complete: boolean): void {
    this.#settleNameHead();
    this.#flush();
    this.#unparsed.end(complete, this.#last);
  }

  /** Hands the held record over. */
  #flush(): void {
    if (this.#text === undefined) return;
    const prefix = this.#held;
    let text = this.#text;
    let body: Body = this.#probe;
    if (this.#more.length > 0) {
      body = undefined;
      text = joined(text, this.#more);
      this.#more = [];
      this.#moreLength = 0;
    }
    this.#quotes = -1;
    this.#text = undefined;
    if (prefix.unitless && !this.#clockNoted) this.#noteClock();
    body ??= this.#body.read(text, prefix, this.#line);
    if (body === undefined) {
      this.#unparsed.take(this.#line, "an event: the text behind task and time has no name");
    } else if (body === "no-event") this.#sink.context(1);
    else this.#sink.event(body);
  }

  /** Takes a line that is no record. */
  #other(text: string, number: number): void {
    let open = this.#isStringOpen();
    if (open && endsRecord(text)) {
      this.#flush();
      open = false;
    }
    const side = open ? undefined : readSideLine(text);
    if (side !== undefined) this.#side(side, text, number);
    else if (resemblesRecord(text)) this.#unparsed.take(number, NOT_A_RECORD);
    else if (mayBeNameHead(text)) {
      this.#nameHead = text;
      this.#nameHeadLine = number;
    } else this.#stray(text, number);
  }

  /** A line of no known form belongs to the record before it, if it looks like the rest of one. */
  #stray(text: string, number: number): void {
    const continues = this.#more.length > 0 || this.#isStringOpen() || CONTINUATION.test(text.slice(0, 400));
    if (this.#text !== undefined && continues) {
      this.#continue(text);
    } else {
      const columns = /^[A-Za-z_][\w.-]{0,63}: /.test(text.slice(0, 80));
      this.#unparsed.take(number, NOT_A_RECORD, columns ? NO_COLUMNS : undefined);
    }
  }

  #side(side: SideLine, text: string, number: number): void {
    switch (side.kind) {
      case "context":
        this.#sink.context(1);
        return;
      case "gap":
        this.#flush();
        this.#body.lost();
        this.#sink.event({
          kind: "gap",
          source: this.#info.source,
          line: number,
          time: undefined,
          tid: 0,
          comm: "",
          text,
          cpu: side.cpu,
          lost: side.lost,
        });
        return;
      case "loss":
        this.#sink.diagnostic(
          {
            code: "lost-events",
            severity: "loss",
            file: this.#info.file,
            line: number,
            message: `the recorder lost events at places that it does not name: ${side.message}`,
            hint: "record with a larger buffer (trace-cmd record -b, perf record -m)",
          },
          1,
        );
        return;
      case "overwritten":
        this.#sink.diagnostic(
          {
            code: "trace-overwritten",
            severity: "note",
            file: this.#info.file,
            line: number,
            message: `the beginning of the trace is missing: ${side.kept} of ${side.written} recorded events are left`,
            hint: "enlarge buffer_size_kb, or read trace_pipe while recording",
          },
          0,
        );
        this.#sink.context(1);
        return;
    }
  }

  #continue(text: string): void {
    this.#sink.context(1);
    if (this.#quotes !== -1) this.#quotes += countQuotes(text, 0);
    if (this.#moreLength + text.length > LONGEST_RECORD) return;
    this.#more.push(text);
    this.#moreLength += text.length + 1;
  }

  /** Whether the held record cannot be at its end: a marker's text, or a string whose quote is open. */
  #isStringOpen(): boolean {
    const text = this.#text;
    if (text === undefined) return false;
    const body = this.#held.body;
    if (text.startsWith("tracing_mark_write:", body) || text.startsWith("print:", body)) return true;
    if (this.#quotes === -1) this.#quotes = countQuotes(text, body);
    return (this.#quotes & 1) === 1;
  }

  /** Whether the held-back piece and the name of `next` fill the column of a task name together. */
  #joinsName(next: RecordPrefix): boolean {
    const head = this.#nameHead ?? "";
    return next.commStart === 0 && head.length + 1 + next.comm.length === COMM_COLUMN;
  }

  #settleNameHead(): void {
    const head = this.#nameHead;
    if (head === undefined) return;
    this.#nameHead = undefined;
    this.#stray(head, this.#nameHeadLine);
  }

  #noteClock(): void {
    this.#clockNoted = true;
    this.#sink.diagnostic(
      {
        code: "clock-without-unit",
        severity: "note",
        file: this.#info.file,
        line: this.#line,
        message: "the times are ticks without a unit: they order the events of this file and place them nowhere else",
        hint: "record with trace clock mono",
      },
      0,
    );
  }
}

/** A task name of up to 15 bytes that fills its column (16) with the rest on the next line. */
function mayBeNameHead(text: string): boolean {
  return text.length < COMM_COLUMN && /^ *\S/.test(text);
}

/** The record with the lines that continue it; empty lines at its end are the print format's own line feed (b.1). */
function joined(text: string, more: readonly string[]): string {
  let count = more.length;
  while (count > 0 && more[count - 1]?.trim() === "") count--;
  return count === 0 ? text : `${text}\n${more.slice(0, count).join("\n")}`;
}

/** Lines that are never a part of a record, even where a string of it is open: a loss, the header of a trace appended. */
function endsRecord(text: string): boolean {
  const first = text.charCodeAt(0);
  if (first !== LETTER_C && first !== HASH) return false;
  return text.startsWith("# tracer: ") || readSideLine(text)?.kind === "gap";
}

function countQuotes(text: string, from: number): number {
  let count = 0;
  for (let q = text.indexOf('"', from); q !== -1; q = text.indexOf('"', q + 1)) count++;
  return count;
}
