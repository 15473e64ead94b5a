import { jsonReporter } from "./json.js";
import type { Reporter } from "./reporter.js";
import { textReporter } from "./text.js";

/** All reporters, in the order of the help. */
export const reporters: readonly Reporter[] = [textReporter, jsonReporter];

/** The reporter of a name; undefined where there is none. */
export function reporterOf(name: string): Reporter | undefined {
  return reporters.find((reporter) => reporter.name === name);
}
