import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { writeWholeFile } from "../report/whole-file.js";
import { UsageError } from "./errors.js";
import type { Output } from "./io.js";

/** A report to be written: to standard output where there is no file. */
export interface ReportTarget<R> {
  readonly reporter: R;
  readonly file: string | undefined;
}

/**
 * Reads `NAME` and `NAME=FILE`; none stands for the first of the reporters that there are.
 * @throws UsageError
 */
export function parseReporters<R extends { readonly name: string }>(
  values: readonly string[],
  reporters: readonly R[],
): readonly ReportTarget<R>[] {
  const [usual] = reporters;
  if (values.length === 0 && usual !== undefined) return [{ reporter: usual, file: undefined }];
  const targets = values.map((value): ReportTarget<R> => {
    const equals = value.indexOf("=");
    const name = equals < 0 ? value : value.slice(0, equals);
    const reporter = reporters.find((one) => one.name === name);
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

/**
 * Writes reports. Files first: they are written although nobody reads standard output any more.
 * @throws UsageError where a file can't be written.
 */
export async function writeReports<R>(
  targets: readonly ReportTarget<R>[],
  render: (reporter: R) => Iterable<string>,
  stdout: Output,
): Promise<void> {
  for (const { reporter, file } of targets) if (file !== undefined) await writeFile(file, render(reporter));
  for (const { reporter, file } of targets) if (file === undefined) await stdout.writeAll(render(reporter));
}

async function writeFile(file: string, pieces: Iterable<string>): Promise<void> {
  try {
    await writeWholeFile(file, pieces);
  } catch (error) {
    if (error instanceof Error && "syscall" in error) {
      throw new UsageError(`${file} can't be written: ${error.message}`);
    }
    throw error;
  }
}
