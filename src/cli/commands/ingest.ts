import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { CommandModule } from "yargs";
import type { Capture } from "../../capture/capture.js";
import type { Diagnostic } from "../../event/diagnostic.js";
import { visible } from "../../report/visible.js";
import type { Context } from "../context.js";
import { UsageError } from "../errors.js";
import { exitCodes } from "../exit-codes.js";
import { checkWritable } from "../report-targets.js";
import { toolVersion } from "../version.js";

interface IngestArguments {
  readonly path: string[];
  readonly output: string | undefined;
  readonly to: "kce" | "jsonl";
  readonly together: boolean;
}

/** `ingest PATH...`: captures as protobuf events or JSON lines. */
export function ingestCommand(context: Context): CommandModule<object, IngestArguments> {
  return {
    command: "ingest <path..>",
    describe: "Turn captures into protobuf events (a .kce file each) or JSON lines",
    builder: (argv) =>
      argv
        .positional("path", {
          array: true,
          type: "string",
          demandOption: true,
          describe: "captures: files, directories",
        })
        .option("output", {
          alias: "o",
          type: "string",
          requiresArg: true,
          describe: "the file; a directory where there are several captures",
        })
        .option("to", { choices: ["kce", "jsonl"] as const, default: "kce" as const, describe: "form of the events" })
        .option("together", { type: "boolean", default: false, describe: "the files named are one capture" })
        .example("$0 ingest run-0815 -o run-0815.kce", "one capture as one file; `check run-0815.kce` reads it")
        .example("$0 ingest captures/ -o kce/", "every capture below a directory")
        .example("$0 ingest run-0815 --to jsonl | jq .kind", "an event a line"),
    handler: (args) => ingest(context, args),
  };
}

async function ingest(context: Context, args: IngestArguments): Promise<void> {
  const { io, services } = context;
  const { output, to } = args;
  if (Array.isArray(output)) throw new UsageError("-o: name one file");
  if (to === "kce" && output === undefined) throw new UsageError("ingest: name the file to write with -o FILE.kce");
  if (to === "jsonl" && output !== undefined) throw new UsageError("ingest --to jsonl writes to standard output");
  const directory = output !== undefined && (await isDirectory(output));
  if (output !== undefined && !directory) await checkWritable(output);
  const { openCaptures, captureAsJsonLines, writeCapture } = await services.loadIngest();
  const names = new Set<string>();
  for await (const capture of openCaptures(args.path, { together: args.together, signal: io.signal })) {
    if ("error" in capture) {
      context.finish(exitCodes.error);
      await io.stderr.write(`${visible(capture.path)}: ${capture.error.split("\n").map(visible).join("\n  ")}\n`);
      continue;
    }
    if (!directory && names.size > 0) {
      throw new UsageError(`${capture.path} is another capture: give -o a directory, or --together for one run`);
    }
    const name = freeName(capture.path, names);
    let refused: readonly Diagnostic[] = [];
    if (output === undefined) {
      for await (const text of captureAsJsonLines(capture, io.signal)) await io.stdout.write(text);
    } else {
      refused = await writeCapture(capture, directory ? join(output, name) : output, toolVersion(), io.signal);
    }
    await sayDiagnostics(context, capture, refused);
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** A file name for a capture, from the path that the user gave. */
function freeName(path: string, taken: Set<string>): string {
  const base = path
    .split("/")
    .filter((part) => part !== "" && part !== "." && part !== "..")
    .join("-");
  let name = `${base}.kce`;
  for (let number = 2; taken.has(name); number++) name = `${base}-${number}.kce`;
  taken.add(name);
  return name;
}

async function sayDiagnostics(context: Context, capture: Capture, refused: readonly Diagnostic[]): Promise<void> {
  const { io } = context;
  for (const { severity, file, line, message, hint } of [...capture.diagnostics, ...refused]) {
    if (severity === "error") context.finish(exitCodes.error);
    const place = line === 0 ? file : `${file}:${line}`;
    const advice = hint === undefined ? "" : `; ${hint}`;
    await io.stderr.write(`${visible(`${capture.path}: ${place}: ${severity}: ${message}${advice}`)}\n`);
  }
  if (capture.diagnosticsLeftOut > 0) {
    await io.stderr.write(`${visible(capture.path)}: ${capture.diagnosticsLeftOut} more remarks left out\n`);
  }
}
