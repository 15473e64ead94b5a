import type { CommandModule } from "yargs";
import type { Firings } from "../../check/firings.js";
import { visible } from "../../report/visible.js";
import type { Context } from "../context.js";
import { UsageError } from "../errors.js";
import { exitCodes } from "../exit-codes.js";
import { modelOptions, wholeNumber, withModelOptions } from "../options.js";
import type { RuleText } from "../services.js";
import { wrap } from "../wrap.js";

/** Columns of the text. */
const WIDTH = 90;

interface ExplainArguments {
  readonly rule: string;
  readonly path: string[] | undefined;
  readonly profile: string[] | undefined;
  readonly fact: string[] | undefined;
  readonly together: boolean;
  readonly first: number;
}

/** `explain RULE [PATH...]`: a rule in words, and where it fired. */
export function explainCommand(context: Context): CommandModule<object, ExplainArguments> {
  return {
    command: "explain <rule> [path..]",
    describe: "Say what a rule is: its text, profiles and source, and where it fired in captures",
    builder: (argv) =>
      withModelOptions(argv)
        .positional("rule", { type: "string", demandOption: true, describe: "name of the rule" })
        .positional("path", { array: true, type: "string", describe: "captures: files, directories" })
        .option("first", {
          type: "number",
          requiresArg: true,
          default: 10,
          describe: "operations named for each capture",
          coerce: wholeNumber("--first"),
        })
        .option("together", { type: "boolean", default: false, describe: "the files named are one capture" })
        .example("$0 explain ap-config/SHARE-2", "a rule by its full name")
        .example("$0 explain HSM-7", "by its ID, where only one specification has it")
        .example("$0 explain IRQ-4 run-0815", "the operations of a capture in which it fired")
        .example("$0 explain aqic", "the names of all rules of a specification"),
    handler: (args) => explain(context, args),
  };
}

async function explain(context: Context, args: ExplainArguments): Promise<void> {
  const { io, services } = context;
  const { rule: name, path: paths = [] } = args;
  const rules = await services.loadRules();
  const ofSpecification = rules.filter(({ id }) => id.toLowerCase().startsWith(`${name.toLowerCase()}/`));
  if (ofSpecification.length > 0) {
    if (paths.length > 0) throw new UsageError(`explain ${name} PATH: name one rule; ${name} is a specification`);
    await io.stdout.writeAll([list(ofSpecification)]);
    return;
  }
  const rule = findRule(name, rules);
  await io.stdout.writeAll([describe(rule)]);
  if (paths.length === 0) return;
  const model = modelOptions(args, await services.loadSystems(), io.signal);
  const firings = await services.loadFirings();
  for await (const found of firings(paths, rule.id, { ...model, together: args.together, limit: args.first })) {
    if (found.error !== undefined) context.finish(exitCodes.error);
    await io.stdout.write(describeFirings(found));
  }
}

/** Where a rule fired in a capture. */
function describeFirings({ path, error, total, first }: Firings): string {
  if (error !== undefined) return `\n  ${visible(path)}: ${error.split("\n").map(visible).join("\n    ")}\n`;
  if (total === 0) return `\n  ${visible(path)}: not reached\n`;
  const lines = first.map(({ operation, name, verdict, source }) => {
    const place = `${visible(source.file)}:${source.line}`;
    return `    operation ${operation}, ${place}: ${visible(name)}${verdict === "divergent" ? " (divergent)" : ""}\n`;
  });
  const more = total > first.length ? `    ${total - first.length} more\n` : "";
  return `\n  ${visible(path)}: ${total} operation${total === 1 ? "" : "s"}\n${lines.join("")}${more}`;
}

function list(rules: readonly RuleText[]): string {
  const width = Math.max(...rules.map(({ id }) => id.length));
  return rules.map(({ id, title }) => `${id.padEnd(width)}  ${title}\n`).join("");
}

function describe(rule: RuleText): string {
  const profiles = rule.profiles.length === 0 ? "none" : rule.profiles.join(", ");
  return `${rule.id}  ${rule.title}\n\n${wrap(rule.text, WIDTH, "  ")}\n\n  profiles: ${profiles}\n  source:   ${rule.source}\n`;
}

/**
 * The rule of a name (`aqic/IRQ-4`) or of an ID that only one specification has (`IRQ-4`); case does not matter.
 * @throws UsageError
 */
function findRule(name: string, rules: readonly RuleText[]): RuleText {
  const wanted = name.toLowerCase();
  const found = rules.filter(({ id }) => id.toLowerCase() === wanted || id.toLowerCase().endsWith(`/${wanted}`));
  const [rule, another] = found;
  if (rule === undefined) throw new UsageError(`there is no rule ${name}${hintFor(wanted, rules)}`);
  if (another !== undefined) {
    throw new UsageError(`several rules are called ${name}: ${found.map(({ id }) => id).join(", ")}`);
  }
  return rule;
}

/** What may have been meant: the rules of the same group (`SHARE-99`: SHARE-1, SHARE-2 ...), else the specifications. */
function hintFor(wanted: string, rules: readonly RuleText[]): string {
  const group = wanted.replace(/[^/]*\//, "").replace(/\d*[a-z]?$/, "");
  const near = group === "" ? [] : rules.filter(({ id }) => id.toLowerCase().includes(`/${group}`));
  if (near.length > 0) return `; near it: ${near.map(({ id }) => id).join(", ")}`;
  const specifications = [...new Set(rules.map(({ id }) => id.slice(0, id.indexOf("/"))))];
  return `; \`explain NAME\` lists those of ${specifications.join(", ")}`;
}
