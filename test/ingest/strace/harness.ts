import { readFileSync } from "node:fs";
import type { Diagnostic } from "../../../src/event/diagnostic.js";
import type { Event, SyscallEvent } from "../../../src/event/event.js";
import { straceImporter } from "../../../src/ingest/strace/importer.js";

/** What the importer made of some lines. */
export interface Outcome {
  readonly events: readonly Event[];
  readonly context: number;
  readonly diagnostics: readonly Diagnostic[];
  /** Lines that diagnostics took. */
  readonly diagnosed: number;
  readonly lines: number;
}

export function parse(lines: readonly string[], file = "strace.txt", complete = true): Outcome {
  const events: Event[] = [];
  const diagnostics: Diagnostic[] = [];
  let context = 0;
  let diagnosed = 0;
  const parser = straceImporter.parser(
    { source: 3, file },
    {
      event: (event) => {
        events.push(event);
      },
      context: (count) => {
        context += count;
      },
      diagnostic: (diagnostic, count) => {
        diagnostics.push(diagnostic);
        diagnosed += count;
      },
    },
  );
  lines.forEach((line, index) => {
    parser.line(line, index + 1);
  });
  parser.end(complete);
  return { events, context, diagnostics, diagnosed, lines: lines.length };
}

/** The calls among the events of some lines. */
export function calls(lines: readonly string[], file?: string): SyscallEvent[] {
  return parse(lines, file).events.filter((event) => event.kind === "syscall");
}

/** The only call of one line; fails where the line is something else. */
export function call(line: string): SyscallEvent {
  const outcome = parse([line]);
  const [event] = outcome.events;
  if (event?.kind !== "syscall" || outcome.events.length !== 1) throw new Error(`not one call: ${line}`);
  return event;
}

export function sample(name: string): string[] {
  const text = readFileSync(new URL(`samples/${name}`, import.meta.url), "latin1");
  return text.replace(/\n$/, "").split("\n");
}
