import type { CommandModule } from "yargs";
import type { Report } from "../../check/report.js";
import { reporters } from "../../report/registry.js";
import type { Context } from "../context.js";
import { UsageError } from "../errors.js";
import { exitCodeOf, exitCodes } from "../exit-codes.js";
import { modelOptions, wholeNumber, withModelOptions } from "../options.js";
import { startProgress } from "../progress.js";
import { checkWritable, parseReporters, writeReports } from "../report-targets.js";
import { ExpectedFiles } from "../update-expected.js";

interface CheckArguments {
  readonly path: string[];
  readonly profile: string[] | undefined;
  readonly fact: string[] | undefined;
  readonly reporter: string[] | undefined;
  readonly together: boolean;
  readonly strict: boolean;
  readonly "max-divergences": number | undefined;
  readonly update: boolean;
  readonly force: boolean;
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
          coerce: wholeNumber("--max-divergences"),
        })
        .option("update", {
          type: "boolean",
          default: false,
          describe: "write the states into the expected.json of each capture, instead of comparing them with it",
        })
        .option("force", {
          type: "boolean",
          default: false,
          describe: "--update also of a divergent capture, and where CI is set",
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
  const targets = parseReporters(args.reporter ?? [], reporters);
  for (const { file } of targets) if (file !== undefined) await checkWritable(file);
  const model = modelOptions(args, await services.loadSystems(), io.signal, true);
  const run = await services.loadCheck();
  const { together, strict, "max-divergences": maxDivergences } = args;
  if (args.force && !args.update) throw new UsageError("--force goes with --update");
  const expected = args.update ? new ExpectedFiles(io, args.force) : undefined;
  const progress = await startProgress(io.stderr, !args["no-progress"]);
  let report: Report;
  try {
    report = await run(args.path, {
      ...model,
      together,
      ...(maxDivergences === undefined ? {} : { maxDivergences }),
      ...(expected && { onExpected: (capture, text) => expected.write(capture, text) }),
      onProgress: ({ path, events }) => progress.update(path, events),
    });
  } finally {
    progress.stop();
  }
  const code = exitCodeOf(report.summary, strict);
  context.finish(code === exitCodes.conform && expected !== undefined && expected.refused > 0 ? exitCodes.usage : code);
  await writeReports(targets, (reporter) => reporter.render(report), io.stdout);
}
