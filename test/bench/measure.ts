/**
 * One measurement in a process of its own: `node measure.js WHAT PATH`. Prints a line of JSON. What a process did before
 * changes how fast it does the next thing, and its peak of memory; so each number comes from a fresh one.
 */

import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { FileBytes } from "../../src/capture/bytes.js";
import type { Capture } from "../../src/capture/capture.js";
import { allImporters } from "../../src/capture/importers.js";
import { cutterFor } from "../../src/capture/lines.js";
import { openCapture } from "../../src/capture/open.js";
import { check, checkCapture } from "../../src/check/check.js";
import type { Event } from "../../src/event/event.js";
import { readKce } from "../../src/event/kce.js";
import type { Format, Sink } from "../../src/ingest/importer.js";
import { ApAssembler } from "../../src/operation/ap/assembler.js";
import type { Operation } from "../../src/operation/operation.js";

/** What one measurement found. */
export interface Sample {
  /** Time of the measured stretch alone, without what was prepared for it. */
  readonly seconds: number;
  /**
   * Processor time of its thread, where the system tells (Linux), else the time: what else the machine does moves it less.
   * Threads of the engine, which compile and collect garbage beside, are not in it.
   */
  readonly cpuSeconds: number;
  /** How much was done: lines, events, operations. */
  readonly count: number;
  /** Peak resident memory of the process, MB (10^6 bytes). */
  readonly peakMB: number;
  /** Of a check: what the report says. */
  readonly verdict?: string;
  readonly operations?: number;
  readonly checked?: number;
}

type Measured = Omit<Sample, "peakMB">;

/** Takes the time from its making on. */
class Stopwatch {
  readonly #begin = process.hrtime.bigint();
  readonly #cpuBegin = cpuNanoseconds();

  read(): { readonly seconds: number; readonly cpuSeconds: number } {
    const seconds = Number(process.hrtime.bigint() - this.#begin) / 1e9;
    const cpu = cpuNanoseconds();
    const known = cpu !== undefined && this.#cpuBegin !== undefined;
    return { seconds, cpuSeconds: known ? (cpu - this.#cpuBegin) / 1e9 : seconds };
  }
}

/** Processor time of the main thread so far; undefined where the system does not tell. */
function cpuNanoseconds(): number | undefined {
  try {
    const text = readFileSync(`/proc/self/task/${process.pid}/schedstat`, "latin1");
    return Number(text.split(" ")[0]);
  } catch {
    return undefined;
  }
}

const READ = 1024 * 1024;

/** The lines of files: how fast bytes come in at all. */
function countLines(paths: readonly string[]): Measured {
  const watch = new Stopwatch();
  const buffer = Buffer.allocUnsafe(READ);
  let count = 0;
  for (const path of paths) {
    const file = openSync(path, "r");
    for (let size = readSync(file, buffer); size > 0; size = readSync(file, buffer)) {
      const chunk = buffer.subarray(0, size);
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) count++;
    }
    closeSync(file);
  }
  return { ...watch.read(), count };
}

/** The events of a file of text. */
async function importText(format: Format, path: string): Promise<Measured> {
  const importer = allImporters.of(format);
  if (importer === undefined) throw new Error(`no importer for ${format}`);
  const watch = new Stopwatch();
  let count = 0;
  const sink: Sink = {
    event: () => {
      count++;
    },
    context: () => {},
    diagnostic: ({ message }) => {
      throw new Error(message);
    },
  };
  const parser = importer.parser({ source: 0, file: path }, sink);
  const cutter = cutterFor(parser);
  for await (const chunk of new FileBytes(path).stream()) cutter.pushBytes(chunk);
  parser.end(cutter.end());
  return { ...watch.read(), count };
}

/** The events of a .kce file. */
async function importKce(path: string): Promise<Measured> {
  const watch = new Stopwatch();
  let count = 0;
  for await (const item of readKce(new FileBytes(path).stream(), path)) {
    if (item.kind === "events") count += item.events.length;
  }
  return { ...watch.read(), count };
}

async function eventsOf(path: string): Promise<{ readonly capture: Capture; readonly events: readonly Event[] }> {
  const capture = await openCapture(path);
  if ("error" in capture) throw new Error(capture.error);
  const events: Event[] = [];
  for await (const batch of capture.events()) for (const event of batch) events.push(event);
  return { capture, events };
}

/** The operations that an assembler makes of events at hand. */
async function assemble(path: string): Promise<Measured> {
  const { events } = await eventsOf(path);
  let count = 0;
  const watch = new Stopwatch();
  const assembler = new ApAssembler((group: readonly Operation[]) => {
    count += group.length;
  });
  for (const event of events) assembler.push(event);
  assembler.finish();
  return { ...watch.read(), count };
}

/** A capture whose events are at hand, to its verdict; the bench takes the assembler's time off. */
async function judge(path: string): Promise<Measured> {
  const { capture, events } = await eventsOf(path);
  const atHand: Capture = {
    path: capture.path,
    manifest: capture.manifest,
    manifestText: capture.manifestText,
    expected: capture.expected,
    sources: capture.sources,
    environment: capture.environment,
    diagnostics: capture.diagnostics,
    diagnosticsLeftOut: capture.diagnosticsLeftOut,
    events: async function* () {
      yield events;
    },
  };
  const watch = new Stopwatch();
  const report = await checkCapture(atHand);
  return { ...watch.read(), count: report.operations };
}

/** A capture to its verdict. */
async function checkAll(path: string): Promise<Measured> {
  const watch = new Stopwatch();
  const { captures } = await check([path]);
  const times = watch.read();
  const [report] = captures;
  if (report === undefined) throw new Error("no capture");
  const { verdict, events, operations, checked } = report;
  return { ...times, count: events, verdict, operations, checked };
}

function measure(what: string, paths: readonly string[]): Measured | Promise<Measured> {
  const [path = ""] = paths;
  switch (what) {
    case "lines":
      return countLines(paths);
    case "strace":
    case "ftrace":
    case "sysfs":
    case "s390dbf":
      return importText(what, path);
    case "kce":
      return importKce(path);
    case "assemble":
      return assemble(path);
    case "judge":
      return judge(path);
    case "check":
      return checkAll(path);
    default:
      throw new Error(`what is ${what}?`);
  }
}

const [what = "", ...paths] = process.argv.slice(2);
const measured = await measure(what, paths);
// resourceUsage counts KiB.
const sample: Sample = { ...measured, peakMB: (process.resourceUsage().maxRSS * 1024) / 1e6 };
process.stdout.write(`${JSON.stringify(sample)}\n`);
