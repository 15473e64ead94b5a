/** What the user gave can't be worked with. The message is for people: what, where, what to do. */
export class InputError extends Error {
  override readonly name = "InputError";
}
