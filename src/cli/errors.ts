/** The command line, or what it configures, is wrong: exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Whoever read our output has gone away (`| head`): the rest need not be written. */
export class ReaderGoneError extends Error {
  override readonly name = "ReaderGoneError";
}
