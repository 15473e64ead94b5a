import { InputError } from "../capture/input-error.js";
import { checkCommand } from "./commands/check.js";
import { coverageCommand } from "./commands/coverage.js";
import { explainCommand } from "./commands/explain.js";
import { ingestCommand } from "./commands/ingest.js";
import { profilesCommand } from "./commands/profiles.js";
import { replayCommand } from "./commands/replay.js";
import type { Context } from "./context.js";
import { ReaderGoneError, UsageError } from "./errors.js";
import { type ExitCode, exitCodes } from "./exit-codes.js";
import type { Io } from "./io.js";
import type { Services } from "./services.js";
import { toolVersion } from "./version.js";

const NAME = "kvm-conform";
/** Columns of the help: those of the terminal up to these. */
const MAX_COLUMNS = 110;

const commandNames: readonly string[] = ["check", "ingest", "replay", "explain", "coverage", "profiles"];

const epilogue = `Exit status: 0 all conform or inconclusive; 1 a divergent capture; 2 usage; 3 a capture that can't be
read; 4 inconclusive with --strict; 70 a bug of this program; 130 interrupted.`;

/**
 * Runs the command that `argv` names (without the program's own name); gives the exit status. Never ends the process and
 * never throws.
 */
export async function run(argv: readonly string[], io: Io, services: Services): Promise<ExitCode> {
  let code: ExitCode = exitCodes.conform;
  const context: Context = {
    io,
    services,
    finish: (status) => {
      code = status;
    },
  };
  try {
    const output = await parse(argv, context);
    if (output !== "") await io.stdout.write(`${output}\n`);
    return code;
  } catch (error) {
    return await answer(error, io, code);
  }
}

/** Parses the command line and runs the command; gives the help or the version where these were asked for. */
async function parse(argv: readonly string[], context: Context): Promise<string> {
  const { default: yargs } = await import("yargs");
  const commands = [
    checkCommand(context),
    ingestCommand(context),
    replayCommand(context),
    explainCommand(context),
    coverageCommand(context),
    profilesCommand(context),
  ] as const;
  let shown = "";
  const parser = yargs([])
    .scriptName(NAME)
    .locale("en")
    .usage("$0 <command>\n\nDid this kernel behave as its specification says, in the run that was recorded?")
    .parserConfiguration({
      // A file may be called 0123, and `--fact ap.x=1` is one word.
      "parse-numbers": false,
      "parse-positional-numbers": false,
      "dot-notation": false,
      "boolean-negation": false,
      "greedy-arrays": false,
    })
    .command(commands[0])
    .command(commands[1])
    .command(commands[2])
    .command(commands[3])
    .command(commands[4])
    .command(commands[5])
    .demandCommand(1, `name a command; \`${NAME} --help\` lists them`)
    .strict()
    .recommendCommands()
    .version(toolVersion())
    .help()
    .alias({ h: "help", V: "version" })
    .epilogue(epilogue)
    .wrap(Math.min(MAX_COLUMNS, context.io.stdout.columns ?? MAX_COLUMNS))
    .exitProcess(false)
    .fail((message, error) => {
      // yargs makes errors of its own (YError) for what is wrong with the command line.
      if (error !== undefined && error.name !== "YError") throw error;
      throw new UsageError(explainUsage(message ?? error?.message ?? "", argv));
    });
  await parser.parseAsync(withoutDashes(argv), {}, (_error: unknown, _arguments: unknown, output: string) => {
    shown = output;
  });
  return shown;
}

/** What follows `--` are names, even where they begin with a dash; yargs would drop them. */
function withoutDashes(argv: readonly string[]): string[] {
  const dashes = argv.indexOf("--");
  if (dashes < 0) return [...argv];
  const names = argv.slice(dashes + 1).map((name) => (name.startsWith("-") ? `./${name}` : name));
  return [...argv.slice(0, dashes), ...names];
}

/** yargs' message on a command line, with what was written and where to read on. */
function explainUsage(message: string, argv: readonly string[]): string {
  const [command = ""] = argv;
  const said = message.startsWith("Did you mean") ? `there is no command ${command}. ${message}` : message;
  const help = commandNames.includes(command) ? `${NAME} ${command} --help` : `${NAME} --help`;
  return `${said}\n(${help} says more)`;
}

/** Says what went wrong, and gives the exit status for it. */
async function answer(error: unknown, io: Io, code: ExitCode): Promise<ExitCode> {
  if (error instanceof ReaderGoneError) return code;
  if (io.signal.aborted) return exitCodes.interrupted;
  try {
    if (error instanceof UsageError) {
      await io.stderr.write(`${NAME}: ${error.message}\n`);
      return exitCodes.usage;
    }
    if (error instanceof InputError) {
      await io.stderr.write(`${NAME}: ${error.message}\n`);
      return exitCodes.error;
    }
    await io.stderr.write(internalError(error, io.env.KVM_CONFORM_DEBUG));
  } catch {
    // Standard error is closed: nobody is left to be told.
  }
  return exitCodes.internal;
}

/** A bug of ours, for people; the stack only where it is asked for. */
export function internalError(error: unknown, debug: string | undefined): string {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const stack = error instanceof Error && debug !== undefined && debug !== "" ? `${error.stack}\n` : "";
  const advice = stack === "" ? " KVM_CONFORM_DEBUG=1 shows where it happened." : "";
  return `${NAME}: internal error: ${message}\nThis is a bug of ${NAME}, not of the capture: please report it.${advice}\n${stack}`;
}
