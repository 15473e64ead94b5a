import type { CoverageReport, ProfileCoverage, RuleTitle } from "../check/coverage.js";
import { visible } from "./visible.js";

/** Turns a measurement of coverage into text. */
export interface CoverageReporter {
  /** Its name in `--reporter NAME`. */
  readonly name: string;
  render(report: CoverageReport): Iterable<string>;
}

const textReporter: CoverageReporter = {
  name: "text",
  *render(report) {
    for (const { path, error } of report.errors) yield `ERROR  ${visible(path)}: ${visible(error)}\n`;
    for (const profile of report.profiles) yield* renderProfile(profile);
    if (report.unused.length > 0) {
      yield `no capture of ${report.unused.map(({ system, profile }) => visible(`${system} ${profile}`)).join(", ")}\n`;
    }
  },
};

function* renderProfile(one: ProfileCoverage): Generator<string> {
  const captures = `${one.captures} capture${one.captures === 1 ? "" : "s"}`;
  yield `${visible(`${one.system} ${one.profile}`)}: ${one.reached} of ${one.rules} rules reached (${one.percent.toFixed(1)} %), ${captures}\n`;
  if (one.notReached.length > 0) {
    yield "  not reached\n";
    yield* list(one.notReached);
  }
  if (one.invariants.length > 0) {
    yield `  looked for after each operation, and not counted: ${one.invariants.map(({ rule }) => rule).join(", ")}\n`;
  }
  yield "\n";
}

function* list(rules: readonly RuleTitle[]): Generator<string> {
  const width = Math.max(...rules.map(({ rule }) => rule.length));
  for (const { rule, title } of rules) yield `    ${rule.padEnd(width)}  ${title}\n`;
}

const jsonReporter: CoverageReporter = {
  name: "json",
  *render(report) {
    yield `${JSON.stringify(report, null, 2)}\n`;
  },
};

/** The reporters of `coverage`; the first is the default. */
export const coverageReporters: readonly CoverageReporter[] = [textReporter, jsonReporter];
