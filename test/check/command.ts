import { defaultServices } from "../../src/cli/default-services.js";
import { Output } from "../../src/cli/io.js";
import { run } from "../../src/cli/run.js";
import { Sink } from "../cli/fakes.js";

/** Runs the command as it is, with streams of our own. */
export async function kvmConform(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const out = new Sink();
  const err = new Sink();
  const { signal } = new AbortController();
  const io = { stdout: new Output(out), stderr: new Output(err), env, signal };
  const code = await run(argv, io, defaultServices);
  // The last writes are still on their way.
  await new Promise((resolve) => setTimeout(resolve, 5));
  return { code, out: out.text, err: err.text };
}
