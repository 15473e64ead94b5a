import type { ExitCode } from "./exit-codes.js";
import type { Io } from "./io.js";
import type { Services } from "./services.js";

/** What a command works with. */
export interface Context {
  readonly io: Io;
  readonly services: Services;
  /** Sets the exit status; it stands where the output is closed before all is written. */
  finish(code: ExitCode): void;
}
