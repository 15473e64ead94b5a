import type { CommandModule } from "yargs";
import type { CoverageReport } from "../../check/coverage.js";
import { coverageReporters } from "../../report/coverage.js";
import type { Context } from "../context.js";
import { UsageError } from "../errors.js";
import { exitCodes } from "../exit-codes.js";
import { modelOptions, withModelOptions } from "../options.js";
import { startProgress } from "../progress.js";
import { checkWritable, parseReporters, writeReports } from "../report-targets.js";

interface CoverageArguments {
  readonly path: string[];
  readonly profile: string[] | undefined;
  readonly fact: string[] | undefined;
  readonly reporter: string[] | undefined;
  readonly together: boolean;
  readonly min: number | undefined;
  readonly "no-progress": boolean;
}

/** `coverage PATH...`: which rules did the captures put to the test? */
export function coverageCommand(context: Context): CommandModule<object, CoverageArguments> {
  return {
    command: "coverage <path..>",
    describe: "Say which rules of which profile captures reach, and which none does",
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
          describe: `NAME or NAME=FILE, any number of times: ${coverageReporters.map(({ name }) => name).join(", ")}`,
        })
        .option("together", { type: "boolean", default: false, describe: "the files named are one capture" })
        .option("min", {
          type: "number",
          requiresArg: true,
          describe: "percentage of the rules that has to be reached of each profile; below it the exit status is 1",
          coerce: percentage,
        })
        .option("no-progress", { type: "boolean", default: false, describe: "no progress line on the terminal" })
        .example("$0 coverage captures/", "the rules that no capture reaches, by profile")
        .example("$0 coverage captures/ --min 80 --reporter json=coverage.json", "a gate for a corpus of captures"),
    handler: (args) => coverage(context, args),
  };
}

async function coverage(context: Context, args: CoverageArguments): Promise<void> {
  const { io, services } = context;
  const targets = parseReporters(args.reporter ?? [], coverageReporters);
  for (const { file } of targets) if (file !== undefined) await checkWritable(file);
  const model = modelOptions(args, await services.loadSystems(), io.signal);
  const run = await services.loadCoverage();
  const progress = await startProgress(io.stderr, !args["no-progress"]);
  let report: CoverageReport;
  try {
    report = await run(args.path, {
      ...model,
      together: args.together,
      onProgress: ({ path, events }) => progress.update(path, events),
    });
  } finally {
    progress.stop();
  }
  if (belowGate(report, args.min)) context.finish(exitCodes.divergent);
  else if (report.errors.length > 0) context.finish(exitCodes.error);
  await writeReports(targets, (reporter) => reporter.render(report), io.stdout);
}

/** Whether a profile is below the gate; without any capture there is nothing that could be above it. */
function belowGate({ profiles }: CoverageReport, min: number | undefined): boolean {
  if (min === undefined) return false;
  return profiles.length === 0 || profiles.some(({ percent }) => percent < min);
}

function percentage(value: number | number[]): number {
  if (typeof value === "number" && value >= 0 && value <= 100) return value;
  throw new UsageError("--min: expected one number from 0 to 100");
}
