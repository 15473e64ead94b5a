import type { CommandModule } from "yargs";
import type { Context } from "../context.js";
import { UsageError } from "../errors.js";
import type { RuleText } from "../services.js";
import { wrap } from "../wrap.js";

/** Columns of the text. */
const WIDTH = 90;

interface ExplainArguments {
  readonly rule: string[];
}

/** `explain RULE...`: a rule in words. */
export function explainCommand(context: Context): CommandModule<object, ExplainArguments> {
  return {
    command: "explain <rule..>",
    describe: "Say what a rule is: its text, the profiles that it holds in, its source",
    builder: (argv) =>
      argv
        .positional("rule", { array: true, type: "string", demandOption: true, describe: "name of the rule" })
        .example("$0 explain ap-config/SHARE-2", "a rule by its full name")
        .example("$0 explain HSM-7", "by its ID, where only one specification has it")
        .example("$0 explain aqic", "the names of all rules of a specification"),
    handler: (args) => explain(context, args),
  };
}

async function explain(context: Context, args: ExplainArguments): Promise<void> {
  const rules = await context.services.loadRules();
  const parts: string[] = [];
  for (const name of args.rule) {
    const ofSpecification = rules.filter(({ id }) => id.toLowerCase().startsWith(`${name.toLowerCase()}/`));
    parts.push(ofSpecification.length > 0 ? list(ofSpecification) : describe(findRule(name, rules)));
  }
  await context.io.stdout.writeAll([parts.join("\n")]);
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
