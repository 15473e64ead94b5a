import type { Argv } from "yargs";
import { UsageError } from "./errors.js";
import type { ModelOptions, SystemText } from "./services.js";

/** Adds the options that choose what a capture is compared with. */
export function withModelOptions<T>(
  argv: Argv<T>,
): Argv<T & { profile: string[] | undefined; fact: string[] | undefined }> {
  return argv
    .option("profile", {
      array: true,
      type: "string",
      requiresArg: true,
      describe: "behaviour to compare with, by name; SYSTEM=NAME for one system alone (see `profiles`)",
    })
    .option("fact", {
      array: true,
      type: "string",
      requiresArg: true,
      describe: "a fact that no recorder shows, NAME=VALUE (ap.hostAqicStatus=lost)",
    });
}

/**
 * Facts by name, from `NAME=VALUE`.
 * @throws UsageError
 */
function parseFacts(values: readonly string[], systems: readonly SystemText[]): Record<string, string> {
  const facts: [string, string][] = [];
  for (const value of values) {
    const equals = value.indexOf("=");
    const name = value.slice(0, equals);
    if (equals <= 0 || !/^[A-Za-z]\w*(\.[^.\s]+)+$/.test(name)) {
      throw new UsageError(`--fact ${value}: expected SYSTEM.NAME=VALUE, such as ap.hostAqicStatus=lost`);
    }
    const system = name.slice(0, name.indexOf("."));
    if (!systems.some((one) => one.system === system)) throw noSystem(`--fact ${value}`, system, systems);
    facts.push([name, value.slice(equals + 1)]);
  }
  return Object.fromEntries(facts);
}

function noSystem(option: string, system: string, systems: readonly SystemText[]): UsageError {
  const names = systems.map((one) => one.system).join(", ");
  return new UsageError(`${option}: there is no system ${system}; these are: ${names}`);
}

/** Stands for every profile of a system. */
const EVERY = "all";

/**
 * Checks `P` and `SYSTEM=P` against what there is; `every`: whether P may be `all`.
 * @throws UsageError
 */
function checkProfiles(values: readonly string[], systems: readonly SystemText[], every: boolean): void {
  for (const value of values) {
    const equals = value.indexOf("=");
    const system = equals < 0 ? undefined : value.slice(0, equals);
    const name = value.slice(equals + 1);
    const among = system === undefined ? systems : systems.filter((candidate) => candidate.system === system);
    if (among.length === 0) throw noSystem(`--profile ${value}`, system ?? "", systems);
    if (name === EVERY) {
      if (every) continue;
      throw new UsageError(`--profile ${value}: only \`check\` compares with every profile; name one`);
    }
    const names = [...new Set(among.flatMap(({ profiles }) => profiles.map((profile) => profile.name)))];
    if (!names.includes(name)) {
      throw new UsageError(`--profile ${value}: there is no profile ${name}; these are: ${names.join(", ")}`);
    }
  }
}

/**
 * The options of {@link withModelOptions} as the services take them; `every`: whether `--profile all` makes sense.
 * @throws UsageError
 */
export function modelOptions(
  args: { readonly profile: string[] | undefined; readonly fact: string[] | undefined },
  systems: readonly SystemText[],
  signal: AbortSignal,
  every = false,
): ModelOptions {
  const { profile = [], fact = [] } = args;
  checkProfiles(profile, systems, every);
  return { profile, facts: parseFacts(fact, systems), signal };
}

/** Reads the value of an option that counts something. The reader throws UsageError. */
export function wholeNumber(option: string): (value: number | number[]) => number {
  return (value) => {
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw new UsageError(`${option}: expected one whole number, 0 or more`);
  };
}
