import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { reporterOf, reporters } from "../report/registry.js";
import type { Reporter } from "../report/reporter.js";
import { UsageError } from "./errors.js";

/** A report to be written: to standard output where there is no file. */
export interface ReportTarget {
  readonly reporter: Reporter;
  readonly file: string | undefined;
}

/**
 * Reads `NAME` and `NAME=FILE`; none stands for the text report.
 * @throws UsageError
 */
export function parseReporters(values: readonly string[]): readonly ReportTarget[] {
  if (values.length === 0) return parseReporters(["text"]);
  const targets = values.map((value): ReportTarget => {
    const equals = value.indexOf("=");
    const name = equals < 0 ? value : value.slice(0, equals);
    const reporter = reporterOf(name);
    if (reporter === undefined) {
      const names = reporters.map((one) => one.name).join(", ");
      throw new UsageError(`--reporter ${value}: there is no reporter ${name}; these are: ${names}`);
    }
    const file = equals < 0 ? undefined : value.slice(equals + 1);
    if (file === "") throw new UsageError(`--reporter ${value}: the name of the file is missing`);
    return { reporter, file };
  });
  const files = targets.map(({ file }) => file);
  for (const [index, file] of files.entries()) {
    if (files.indexOf(file) === index) continue;
    throw new UsageError(
      file === undefined
        ? "--reporter: two reports can't share standard output; give one a file (--reporter json=report.json)"
        : `--reporter: two reports can't share the file ${file}`,
    );
  }
  return targets;
}

/**
 * Looks whether a file can be written, before hours are spent on what is to stand in it.
 * @throws UsageError
 */
export async function checkWritable(file: string): Promise<void> {
  const directory = dirname(file);
  try {
    await access(directory, constants.W_OK | constants.X_OK);
  } catch {
    const device = await stat(file).catch(() => undefined);
    if (device !== undefined && !device.isFile() && !device.isDirectory()) return;
    throw new UsageError(`${file} can't be written: ${directory} is no directory that may be written to`);
  }
  if ((await stat(file).catch(() => undefined))?.isDirectory() === true) {
    throw new UsageError(`${file} can't be written: it is a directory`);
  }
}
