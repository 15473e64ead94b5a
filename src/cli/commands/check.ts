import type { CommandModule } from "yargs";
import type { Report } from "../../check/report.js";
import { reporters } from "../../report/registry.js";
import { writeWholeFile } from "../../report/whole-file.js";
import type { Context } from "../context.js";
import { UsageError } from "../errors.js";
import { exitCodeOf } from "../exit-codes.js";
import { modelOptions, withModelOptions } from "../options.js";
import { startProgress } from "../progress.js";
import { checkWritable, parseReporters, type ReportTarget } from "../report-targets.js";

interface CheckArguments {
  readonly path: string[];
  readonly profile: string[] | undefined;
  readonly fact: string[] | undefined;
  readonly reporter: string[] | undefined;
  readonly together: boolean;
  readonly strict: boolean;
  readonly "max-divergences": number | undefined;
  readonly "no-progress": boolean;
}

/** `check PATH...`: did the kernel behave as its specification says? */
export function checkCommand(context: Context): CommandModule<object, CheckArguments> {
  return {
    command: "check <path..>",
    describe: "Replay captures and report where the recorded kernel and its specification part",
    builder: (argv) =>
      withModelOptions(argv)
        .positional("path", {
          array: true,
          type: "string",
          demandOption: true,
          describe: "captures: files, directories",
        })
        .option("reporter", {
          array: true,
          type: "string",
          requiresArg: true,
          describe: `NAME or NAME=FILE, any number of times: ${reporters.map(({ name }) => name).join(", ")}`,
        })
        .option("together", { type: "boolean", default: false, describe: "the files named are one capture" })
        .option("strict", {
          type: "boolean",
          default: false,
          describe: "an inconclusive capture counts against the run",
        })
        .option("max-divergences", {
          type: "number",
          requiresArg: true,
          describe: "divergences listed of a capture",
          coerce: wholeNumber,
        })
        .option("no-progress", { type: "boolean", default: false, describe: "no progress line on the terminal" })
        .example("$0 check run-0815", "one capture: a directory with its recordings")
        .example("$0 check captures/ --reporter json=report.json", "every capture below a directory")
        .example("$0 check --together strace.txt trace.txt", "two recordings of one run")
        .example("$0 check run-0815 --profile all", "which profiles explain it, and what contradicts the others")
        .example("$0 check run-0815 --profile ap=dynamic-v12 --fact ap.hostAqicStatus=lost", "another behaviour"),
    handler: (args) => check(context, args),
  };
}

async function check(context: Context, args: CheckArguments): Promise<void> {
  const { io, services } = context;
  const targets = parseReporters(args.reporter ?? []);
  for (const { file } of targets) if (file !== undefined) await checkWritable(file);
  const model = modelOptions(args, await services.loadSystems(), io.signal, true);
  const run = await services.loadCheck();
  const { together, strict, "max-divergences": maxDivergences } = args;
  const progress = await startProgress(io.stderr, !args["no-progress"]);
  let report: Report;
  try {
    report = await run(args.path, {
      ...model,
      together,
      ...(maxDivergences === undefined ? {} : { maxDivergences }),
      onProgress: ({ path, events }) => progress.update(path, events),
    });
  } finally {
    progress.stop();
  }
  context.finish(exitCodeOf(report.summary, strict));
  // Files first: they are written although nobody reads standard output any more.
  for (const target of targets) if (target.file !== undefined) await writeReport(report, target.reporter, target.file);
  for (const { reporter, file } of targets) if (file === undefined) await io.stdout.writeAll(reporter.render(report));
}

async function writeReport(report: Report, reporter: ReportTarget["reporter"], file: string): Promise<void> {
  try {
    await writeWholeFile(file, reporter.render(report));
  } catch (error) {
    if (error instanceof Error && "syscall" in error)
      throw new UsageError(`${file} can't be written: ${error.message}`);
    throw error;
  }
}

function wholeNumber(value: number | number[]): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new UsageError("--max-divergences: expected one whole number, 0 or more");
}
