#!/usr/bin/env node
import { defaultServices } from "./default-services.js";
import { exitCodes } from "./exit-codes.js";
import { Output } from "./io.js";
import { internalError, run } from "./run.js";

const controller = new AbortController();

process.on("SIGINT", () => {
  // The second time without waiting for a command to end well.
  if (controller.signal.aborted) process.exit(exitCodes.interrupted);
  controller.abort();
});

process.on("uncaughtException", (error) => {
  process.stderr.write(internalError(error, process.env.KVM_CONFORM_DEBUG));
  process.exit(exitCodes.internal);
});

const io = {
  stdout: new Output(process.stdout),
  stderr: new Output(process.stderr),
  env: process.env,
  signal: controller.signal,
};

// The status is set, not forced: what stands in a pipe is still read.
process.exitCode = await run(process.argv.slice(2), io, defaultServices);
