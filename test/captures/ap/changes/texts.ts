import type { Change } from "./change.js";
import { linesOf, type Recording, STRACE } from "./recording.js";

const READ = /^(\S+\s+\S+\s+(?:read|pread64)\(\d+<(\/sys[^>]*)>, )"((?:[^"\\]|\\.)*)"(, \d+(?:, 0)?\) += )(\d+)$/;

/** Other texts of the attributes that were read. */
export function textChanges(recording: Recording): readonly Change[] {
  const changes: Change[] = [];
  let previous = "";
  linesOf(recording, STRACE).forEach((line, at) => {
    const parts = READ.exec(line);
    const [, head = "", path = "", quoted = "", middle = ""] = parts ?? [];
    const again = previous === path;
    previous = parts === null ? "" : path;
    // The second read of a descriptor only meets the end of the text.
    if (parts === null || again) return;
    const text = quoted.replaceAll("\\n", "\n");
    const name = path.slice(path.lastIndexOf("/") + 1);
    const add = (kind: string, other: string): void => {
      if (other === text) return;
      const lines = [`${head}"${other.replaceAll("\n", "\\n")}"${middle}${other.length}`];
      changes.push({ kind: `read ${name}: ${kind}`, file: STRACE, at, count: 1, lines });
    };
    for (const [kind, other] of otherTexts(name, text)) add(kind, other);
    const failed = `${head}"", 131072) = -1 ENODEV (No such device)`;
    changes.push({ kind: `read ${name}: ENODEV`, file: STRACE, at, count: 1, lines: [failed] });
  });
  return changes;
}

function* otherTexts(name: string, text: string): Generator<readonly [string, string]> {
  const lines = text.split("\n").slice(0, -1);
  const joined = (others: readonly string[]): string => others.map((line) => `${line}\n`).join("");
  if (name === "status") {
    for (const other of ["unassigned", "assigned", "in use"]) yield [`another of the three`, `${other}\n`];
    yield ["another wording", "in-use\n"];
    return;
  }
  if (text !== "") yield ["no text", ""];
  if (lines.length > 0) yield ["the last newline is missing", text.slice(0, -1)];
  yield ["a line more", text + moreOf(name, lines)];
  if (lines.length === 0) return;
  const middle = Math.floor(lines.length / 2);
  if (lines.length > 1) {
    yield ["a line less", joined(lines.toSpliced(middle, 1))];
    yield ["the first line is missing", joined(lines.slice(1))];
    yield ["two lines swapped", joined(lines.toSpliced(middle - 1, 2, lines[middle] ?? "", lines[middle - 1] ?? ""))];
    yield ["a line twice", joined(lines.toSpliced(middle, 0, lines[middle] ?? ""))];
  }
  const line = lines[middle] ?? "";
  const digit = /[0-9a-f](?=[^0-9a-f]*$)/.exec(line);
  if (digit !== null) {
    const other = ((Number.parseInt(digit[0], 16) + 1) % 10).toString();
    const changed = line.slice(0, digit.index) + other + line.slice(digit.index + 1);
    yield ["a digit changed", joined(lines.toSpliced(middle, 1, changed))];
  }
  if (/[a-f]/.test(text)) yield ["upper case", text.toUpperCase().replaceAll("0X", "0x")];
  if (text.startsWith("0x")) yield ["without 0x", text.slice(2)];
}

/** A line that could be one of the text, and is not. */
function moreOf(name: string, lines: readonly string[]): string {
  const last = lines.at(-1) ?? "";
  if (name === "control_domains") return last === "00ff" ? "0100\n" : "00ff\n";
  if (name === "matrix" || name === "guest_matrix") {
    return last.includes(".") ? `${last.slice(0, 2) === "fe" ? "ff" : "fe"}.${last.split(".")[1]}\n` : "05.0004\n";
  }
  return "1\n";
}
