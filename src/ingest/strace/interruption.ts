/** The texts of calls that were interrupted: their halves, and the marks at the seam (spec, section a.2). */

import type { CallResult } from "../../event/event.js";
import { Line, Pieces } from "../../event/line.js";
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
  const line = new Line(text);
  const pieces = new Pieces();
  const close = splitArguments(line, 0, pieces);
  for (const piece of pieces.of(text)) args.push(piece);
  if (close < 0) return text.endsWith(DETACHED) ? { kind: "unknown", reason: "detached" } : undefined;
  const from = startOfResult(line, close + 1);
  return from < 0 ? undefined : parseResult(line, from, endOfResult(line, startOfDuration(line)));
}

/** The result behind the first parenthesis that can close the call: how deep the text began is not known. */
export function lateResultOf(text: string): CallResult | undefined {
  const line = new Line(text);
  const ignored = new Pieces();
  const end = endOfResult(line, startOfDuration(line));
  for (let close = splitArguments(line, 0, ignored); close >= 0; close = splitArguments(line, close + 1, ignored)) {
    const from = startOfResult(line, close + 1);
    const result = from < 0 ? undefined : parseResult(line, from, end);
    if (result !== undefined) return result;
  }
  return text.endsWith(DETACHED) ? { kind: "unknown", reason: "detached" } : undefined;
}
