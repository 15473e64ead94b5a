/**
 * The bench: makes long captures, measures each part of the way and the whole of it, and prints one JSON document.
 * `npm run bench -- [--quick] [--keep DIRECTORY] [--lines N]`; README.md beside this file says how to read it.
 */

import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Sample } from "./measure.js";
import { type Made, Round } from "./rounds.js";

const here = dirname(fileURLToPath(import.meta.url));
/** Where `npm run bench` put what it compiled, and the project around it. */
const built = join(here, "..", "..");
const root = join(built, "..");
const inputs = join(root, "test", "bench", "inputs");
/** The round of each workload. */
const workloadRounds = {
  mix: join(inputs, "mix"),
  pqap: join(inputs, "pqap"),
  large: join(inputs, "large"),
  hcalls: join(inputs, "hcalls"),
  platform: join(root, "traces", "platform", "platform-base", "random-b-seed1"),
};

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    keep: { type: "string" },
    lines: { type: "string" },
  },
});

const runs = options.quick ? 1 : 5;
const lines = Number(options.lines ?? (options.quick ? 200_000 : 1_000_000));
/** Times as many lines for a second look: at memory, and at the speed once the engine has compiled everything. */
const LONG = 5;
const longWorkloads = ["mix", "pqap"] as const;
/** Events held in memory for the assembler and the model. */
const AT_HAND = 200_000;
/** Lines of the snapshot and the log, which are short in a round. */
const SMALL = 200_000;
/** Share of the operations that a run must have checked. */
const CHECKED = 0.9;

const directory = options.keep ?? mkdtempSync(join(tmpdir(), "kvm-conform-bench-"));

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function sample(what: string, paths: readonly string[]): Sample {
  const out = execFileSync(process.execPath, [join(here, "measure.js"), what, ...paths], { encoding: "utf8" });
  return JSON.parse(out);
}

/** The run with the median time of several. */
function median(what: string, paths: readonly string[], times = runs): Sample {
  const samples = Array.from({ length: times }, () => sample(what, paths)).sort((a, b) => a.seconds - b.seconds);
  const middle = samples[samples.length >> 1];
  if (middle === undefined) throw new Error("no run");
  say(`  ${what.padEnd(9)} ${middle.seconds.toFixed(3)} s  ${Math.round(middle.count / middle.seconds)} /s`);
  return middle;
}

function rate(count: number, seconds: number): number {
  return Math.round(count / seconds);
}

function megabytes(bytes: number, seconds: number): number {
  return Math.round(bytes / seconds / 1e4) / 100;
}

function seconds(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}

/** One importer over one file. */
function importer(format: string, path: string): Record<string, number> {
  const { size } = statSync(path);
  const found = median(format, [path]);
  const raw = median("lines", [path]);
  return {
    seconds: seconds(found.seconds),
    eventsPerSecond: rate(found.count, found.seconds),
    megabytesPerSecond: megabytes(size, found.seconds),
    rawLineCountSeconds: seconds(raw.seconds),
  };
}

/** The text of a file so often that it has enough lines: formats of which a round holds little. */
function repeated(file: string, name: string): string {
  const text = readFileSync(file);
  const count = Math.ceil(SMALL / text.toString("latin1").split("\n").length);
  const path = join(directory, name);
  writeFileSync(path, "");
  for (let i = 0; i < count; i++) appendFileSync(path, text);
  return path;
}

/** A capture to its verdict, with the demands that make the time worth something. */
function verdict(path: string, times = runs): Sample {
  const found = median("check", [path], times);
  const { operations = 0, checked = 0 } = found;
  if (found.verdict !== "conform" || checked < operations * CHECKED) {
    throw new Error(`${path}: ${found.verdict}, ${checked} of ${operations} operations checked`);
  }
  return found;
}

function sources({ directory: path }: Made): readonly string[] {
  return [join(path, "strace.txt"), join(path, "trace.txt")].filter((file) => existsSync(file));
}

/** A workload from text to verdict. */
function endToEnd(made: Made): Record<string, number> {
  const found = verdict(made.directory);
  const raw = median("lines", sources(made));
  return {
    lines: made.lines,
    rounds: made.rounds,
    operations: found.operations ?? 0,
    checked: found.checked ?? 0,
    seconds: seconds(found.seconds),
    linesPerSecond: rate(made.lines, found.seconds),
    megabytesPerSecond: megabytes(made.bytes, found.seconds),
    operationsPerSecond: rate(found.operations ?? 0, found.seconds),
    rawLineCountSeconds: seconds(raw.seconds),
    peakMegabytes: Math.round(found.peakMB),
  };
}

/** The parts that need a whole capture's events in memory. */
function parts(made: Made): Record<string, Record<string, number>> {
  const assembled = median("assemble", [made.directory]);
  const judged = median("judge", [made.directory]);
  const model = Math.max(judged.seconds - assembled.seconds, 0);
  return {
    assembler: {
      operations: assembled.count,
      operationsPerSecond: rate(assembled.count, assembled.seconds),
      linesPerSecond: rate(made.lines, assembled.seconds),
    },
    model: { operations: judged.count, operationsPerSecond: rate(judged.count, model) },
  };
}

function fromKce(made: Made): Record<string, number> {
  const file = join(directory, "mix.kce");
  execFileSync(process.execPath, [join(built, "src", "cli", "main.js"), "ingest", made.directory, "-o", file]);
  const { size } = statSync(file);
  const read = median("kce", [file]);
  const found = verdict(file);
  return {
    importEventsPerSecond: rate(read.count, read.seconds),
    importMegabytesPerSecond: megabytes(size, read.seconds),
    events: found.count,
    seconds: seconds(found.seconds),
    eventsPerSecond: rate(found.count, found.seconds),
    peakMegabytes: Math.round(found.peakMB),
  };
}

/** A workload so long that the engine's warm-up counts for little. */
function lengthy(name: (typeof longWorkloads)[number]): Record<string, number> {
  const made = new Round(workloadRounds[name]).write(join(directory, `${name}-long`), lines * LONG);
  const found = verdict(made.directory, options.quick ? 1 : 3);
  return {
    lines: made.lines,
    linesPerSecond: rate(made.lines, found.seconds),
    peakMegabytes: Math.round(found.peakMB),
  };
}

function bench(): unknown {
  const made = new Map<string, Made>();
  for (const [name, round] of Object.entries(workloadRounds)) {
    say(`making ${name}`);
    made.set(name, new Round(round).write(join(directory, name), lines));
  }
  const mix = made.get("mix");
  if (mix === undefined) throw new Error("no mix");
  const [strace = "", trace = ""] = sources(mix);
  say("importers");
  const importers = {
    strace: importer("strace", strace),
    ftrace: importer("ftrace", trace),
    s390dbf: importer("s390dbf", repeated(join(inputs, "mix", "s390dbf.txt"), "s390dbf.txt")),
    sysfs: importer("sysfs", repeated(join(inputs, "large", "sysfs.txt"), "sysfs.txt")),
  };
  say("assembler and model");
  const short = new Round(join(inputs, "mix")).write(join(directory, "mix-at-hand"), Math.min(AT_HAND, lines));
  const operations = parts(short);
  const workloads: Record<string, unknown> = {};
  for (const [name, one] of made) {
    say(`${name}, text to verdict`);
    workloads[name] = endToEnd(one);
  }
  say("mix, .kce to verdict");
  const kce = fromKce(mix);
  const long: Record<string, unknown> = {};
  for (const name of longWorkloads) {
    say(`${name}, ${LONG} times as long`);
    long[name] = lengthy(name);
  }
  const [cpu] = cpus();
  return {
    version: 1,
    machine: { cpu: cpu?.model ?? "", cores: cpus().length, node: process.version },
    runs,
    importers,
    ...operations,
    workloads,
    kce,
    long,
  };
}

// The version in reports is read from the package.
copyFileSync(join(root, "package.json"), join(built, "package.json"));
try {
  process.stdout.write(`${JSON.stringify(bench(), undefined, 2)}\n`);
} finally {
  if (options.keep === undefined) rmSync(directory, { recursive: true, force: true });
}
