import type { Summary } from "../check/report.js";

/** Exit status of every command (design section 5). */
export const exitCodes = {
  conform: 0,
  divergent: 1,
  usage: 2,
  error: 3,
  inconclusive: 4,
  internal: 70,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The worst of the captures; an inconclusive one counts only where `strict`. */
export function exitCodeOf(summary: Summary, strict: boolean): ExitCode {
  if (summary.divergent > 0) return exitCodes.divergent;
  if (summary.errors > 0) return exitCodes.error;
  if (strict && summary.inconclusive > 0) return exitCodes.inconclusive;
  return exitCodes.conform;
}
