/** The texts of calls that were interrupted: their halves, and the marks at the seam (spec, section a.2). */

import type { CallResult } from "../../event/event.js";
import { splitArguments } from "../../event/notation.js";
import { endOfResult, parseResult, startOfDuration, startOfResult } from "./result.js";

const DOT = 0x2e;
const ANGLE_CLOSE = 0x3e;

/** Ends the first half of a call; its blank does not belong to the arguments. */
export const UNFINISHED = " <unfinished ...>";
/** Ends a call in which strace left its task. */
export const DETACHED = "<detached ...>";

/** Index where the first half of an interrupted call ends, -1 where the line is not interrupted. */
export function endOfFirstHalf(text: string): number {
  const length = text.length;
  if (text.charCodeAt(length - 1) !== ANGLE_CLOSE || text.charCodeAt(length - 2) !== DOT) return -1;
  if (text.endsWith(UNFINISHED)) return length - UNFINISHED.length;
  // `execve(... <pid changed to 17 ...>`: the call goes on under the id of the process.
  const changed = text.lastIndexOf(" <pid changed to ");
  return changed >= 0 && length - changed < 40 ? changed : -1;
}

/** Takes a mark such as `<unfinished ...>` or `<unavailable>` off the end of the last argument. */
export function dropMark(args: string[]): void {
  const last = args.at(-1);
  if (last === undefined || last.charCodeAt(last.length - 1) !== ANGLE_CLOSE) return;
  const match = / ?<(?:unfinished \.\.\.|detached \.\.\.|unavailable|pid changed to \d{1,7} \.\.\.)>$/.exec(last);
  if (match === null) return;
  args.pop();
  const rest = last.slice(0, match.index).trimEnd();
  if (rest !== "") args.push(rest);
}

/** Arguments and result of a call whose text begins behind the opening parenthesis. */
export function resultOf(text: string, args: string[]): CallResult | undefined {
  const close = splitArguments(text, 0, args);
  if (close < 0) return text.endsWith(DETACHED) ? { kind: "unknown", reason: "detached" } : undefined;
  const from = startOfResult(text, close + 1);
  return from < 0 ? undefined : parseResult(text, from, endOfResult(text, startOfDuration(text)));
}

/** The result behind the first parenthesis that can close the call: how deep the text began is not known. */
export function lateResultOf(text: string): CallResult | undefined {
  const ignored: string[] = [];
  const end = endOfResult(text, startOfDuration(text));
  for (let close = splitArguments(text, 0, ignored); close >= 0; close = splitArguments(text, close + 1, ignored)) {
    const from = startOfResult(text, close + 1);
    const result = from < 0 ? undefined : parseResult(text, from, end);
    if (result !== undefined) return result;
    ignored.length = 0;
  }
  return text.endsWith(DETACHED) ? { kind: "unknown", reason: "detached" } : undefined;
}
