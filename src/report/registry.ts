import { jsonReporter } from "./json.js";
import type { Reporter } from "./reporter.js";
import { textReporter } from "./text.js";

/** All reporters, in the order of the help. */
export const reporters: readonly Reporter[] = [textReporter, jsonReporter];
