import { readFileSync } from "node:fs";
import type { Diagnostic } from "../../src/event/diagnostic.js";
import type { Event, ProbeEvent, SyscallEvent } from "../../src/event/event.js";
import type { Importer } from "../../src/ingest/importer.js";

/** What an importer made of a text. */
export interface Outcome {
  readonly events: readonly Event[];
  readonly context: number;
  readonly diagnostics: readonly Diagnostic[];
  /** Lines that went into diagnostics. */
  readonly unparsed: number;
  readonly lines: number;
}

/** Runs an importer over a text as a reader of files does: lines without their line feed, numbered from 1. */
export function runImporter(importer: Importer, text: string, file = "source.txt"): Outcome {
  const complete = text === "" || text.endsWith("\n");
  const lines = text === "" ? [] : (complete ? text.slice(0, -1) : text).split("\n");
  const events: Event[] = [];
  const diagnostics: Diagnostic[] = [];
  let context = 0;
  let unparsed = 0;
  const parser = importer.parser(
    { source: 3, file },
    {
      event: (event) => void events.push(event),
      context: (count) => {
        context += count;
      },
      diagnostic: (diagnostic, count) => {
        diagnostics.push(diagnostic);
        unparsed += count;
      },
    },
  );
  lines.forEach((line, index) => {
    parser.line(line, index + 1);
  });
  parser.end(complete);
  return { events, context, diagnostics, unparsed, lines: lines.length };
}

/** The text of a sample beside the test, one character a byte. */
export function readSample(folder: string, name: string): string {
  return readFileSync(new URL(`./${folder}/samples/${name}`, import.meta.url), "latin1");
}

/** The non-empty lines that a file begins with, as importers are asked to recognise it. */
export function headOf(text: string): readonly string[] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(0, 100);
}

/** The only event of a text, which must be one. */
export function onlyEvent(importer: Importer, text: string): Event {
  const { events } = runImporter(importer, text);
  const [event] = events;
  if (event === undefined || events.length !== 1) throw new Error(`${events.length} events in: ${text}`);
  return event;
}

export function asProbe(event: Event | undefined): ProbeEvent {
  if (event?.kind !== "probe") throw new Error(`a probe was expected, not ${event?.kind}`);
  return event;
}

export function asSyscall(event: Event | undefined): SyscallEvent {
  if (event?.kind !== "syscall") throw new Error(`a system call was expected, not ${event?.kind}`);
  return event;
}
