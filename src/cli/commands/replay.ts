import type { CommandModule } from "yargs";
import type { Context } from "../context.js";
import { UsageError } from "../errors.js";
import { modelOptions, withModelOptions } from "../options.js";

/** Characters gathered before they are written. */
const FLUSH = 64 * 1024;

interface ReplayArguments {
  readonly path: string;
  readonly profile: string[] | undefined;
  readonly fact: string[] | undefined;
  readonly together: boolean;
  readonly at: number | undefined;
  readonly states: string | undefined;
  readonly delta: boolean;
}

/** `replay PATH`: the states that the model goes through. */
export function replayCommand(context: Context): CommandModule<object, ReplayArguments> {
  return {
    command: "replay <path>",
    describe: "Print the states that a capture leads to, one line an operation, or one state",
    builder: (argv) =>
      withModelOptions(argv)
        .positional("path", { type: "string", demandOption: true, describe: "the capture" })
        .option("at", {
          type: "number",
          requiresArg: true,
          describe: "the state after this operation alone",
          coerce: operationNumber,
        })
        .option("states", { type: "string", requiresArg: true, choices: ["jsonl"], describe: "form of the states" })
        .option("delta", { type: "boolean", default: false, describe: "only what changed since the operation before" })
        .option("together", { type: "boolean", default: false, describe: "the files of the directory are one capture" })
        .example("$0 replay run-0815 --at 42", "the state after operation 42")
        .example("$0 replay run-0815 --states jsonl --delta > states.jsonl", "every change of state"),
    handler: (args) => replay(context, args),
  };
}

async function replay(context: Context, args: ReplayArguments): Promise<void> {
  const { io, services } = context;
  const { at, delta, together } = args;
  if (at !== undefined && (delta || args.states !== undefined)) {
    throw new UsageError("--at prints one whole state: it goes without --states and --delta");
  }
  const model = modelOptions(args, await services.loadSystems(), io.signal);
  const run = await services.loadReplay();
  if (at !== undefined) {
    for await (const operation of run(args.path, { ...model, at, together })) {
      await io.stdout.write(`${JSON.stringify(operation, null, 2)}\n`);
      return;
    }
    throw new UsageError(`--at ${at}: the capture has no operation of this number`);
  }
  let text = "";
  for await (const operation of run(args.path, { ...model, delta, together })) {
    text += `${JSON.stringify(operation)}\n`;
    if (text.length < FLUSH) continue;
    await io.stdout.write(text);
    text = "";
  }
  await io.stdout.write(text);
}

function operationNumber(value: number | number[]): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1) return value;
  throw new UsageError("--at: expected the number of an operation, 1 or more");
}
