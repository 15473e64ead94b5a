/**
 * What strace says about itself. On stderr its notes stand between the lines of the log, and are even glued into a line
 * that is open (spec, section a.2):
 *
 *     clone(child_stack=NULL, flags=SIGCHLD/usr/bin/strace: Process 16772 attached
 *     , child_tidptr=0xa213690) = 16772
 */

/** A note about a task. */
export interface TaskNote {
  readonly tid: number;
  readonly event: "attached" | "detached" | "exited";
  /** The part of the line before the note; empty where the note stands alone. */
  readonly before: string;
}

const LEAD = "strace: Process ";
/** The longest note is `strace: Process 4194304 attached with 4194304 threads`. */
const LONGEST_NOTE = 64;
const NOTE = /^(\d{1,7}) (attached|detached|exited)(?: with \d{1,7} threads?)?$/;

/** The note at the end of a line, if there is one. */
export function taskNoteOf(text: string): TaskNote | undefined {
  const lead = text.lastIndexOf(LEAD);
  if (lead < 0 || text.length - lead > LONGEST_NOTE) return undefined;
  const match = NOTE.exec(text.slice(lead + LEAD.length));
  const [, tid, event] = match ?? [];
  if (tid === undefined || (event !== "attached" && event !== "detached" && event !== "exited")) return undefined;
  return { tid: Number(tid), event, before: text.slice(0, startOfProgram(text, lead)) };
}

/**
 * Where the name begins under which strace was called, which ends at `end`. An argument may stand directly before it
 * (`flags=SIGCHLD/usr/bin/strace:`), so that only a path, which begins with its first slash, is told from it.
 */
function startOfProgram(text: string, end: number): number {
  let start = end;
  while (start > 0 && isPathCharacter(text.charCodeAt(start - 1))) start -= 1;
  const slash = text.indexOf("/", start);
  if (slash < 0 || slash >= end) return start === 0 ? 0 : end;
  // `./strace`, `../strace`: the dots belong to the path.
  let dots = slash;
  while (dots > start && text.charAt(dots - 1) === ".") dots -= 1;
  return dots;
}

function isPathCharacter(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x2d && code <= 0x39) ||
    code === 0x5f ||
    code === 0x2b
  );
}

/** Whether a line is a message of strace, of which nothing follows for the traced tasks. */
export function isMessage(text: string): boolean {
  return /^(?:[^ ()"]*\/)?strace: /.test(text.slice(0, 4200)) || isPersonality(text);
}

/** `[ Process PID=626 runs in 32 bit mode. ]`, also behind a head. */
function isPersonality(text: string): boolean {
  return text.endsWith(" mode. ]") && /\[ Process PID=\d{1,7} runs in [^\]]{1,40} \]$/.test(text.slice(-120));
}
