import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineCutter } from "../../src/capture/lines.js";

interface Seen {
  readonly lines: [number, string][];
  readonly tooLong: number[];
  readonly complete: boolean;
  readonly count: number;
}

function cut(text: string, sizes: readonly number[], limit = 1000): Seen {
  const lines: [number, string][] = [];
  const tooLong: number[] = [];
  const cutter = new LineCutter(
    { line: (line, number) => lines.push([number, line]), tooLong: (number) => tooLong.push(number) },
    limit,
  );
  let start = 0;
  for (let i = 0; start < text.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    cutter.push(text.slice(start, start + size));
    start += size;
  }
  const complete = cutter.end();
  return { lines, tooLong, complete, count: cutter.count };
}

describe("LineCutter", () => {
  it("takes LF, CRLF and a missing last LF", () => {
    expect(cut("a\nb\r\n\nc", [100])).toEqual({
      lines: [
        [1, "a"],
        [2, "b"],
        [3, ""],
        [4, "c"],
      ],
      tooLong: [],
      complete: false,
      count: 4,
    });
  });

  it("gives no line for an empty file and none behind the last LF", () => {
    expect(cut("", [1])).toEqual({ lines: [], tooLong: [], complete: true, count: 0 });
    expect(cut("a\n", [1])).toEqual({ lines: [[1, "a"]], tooLong: [], complete: true, count: 1 });
  });

  it("shows each line among bytes, with what ends it behind", () => {
    const longer = "x".repeat(3000);
    const lines = ["", "a", "b\u00ff", "c", ...Array.from({ length: 500 }, (_, n) => `line ${n}`), longer, "", "last"];
    const text = `${lines.join("\n").replace("b\u00ff\n", "b\u00ff\r\n")}`;
    for (const size of [1, 7, 1000, 1024, text.length]) {
      const seen: string[] = [];
      const cutter = new LineCutter({
        line: (line, _, bytes, start) => {
          expect(Buffer.from(bytes).toString("latin1", start, start + line.length)).toBe(line);
          expect([0x0a, 0x0d]).toContain(bytes[start + line.length]);
          seen.push(line);
        },
        tooLong: () => {},
      });
      for (let start = 0; start < text.length; start += size) cutter.push(text.slice(start, start + size));
      cutter.end();
      expect(seen).toEqual(lines);
    }
  });

  it("takes a byte order mark off the first line alone", () => {
    const bom = "\u00ef\u00bb\u00bf";
    expect(cut(`${bom}a\n${bom}b\n`, [1]).lines).toEqual([
      [1, "a"],
      [2, `${bom}b`],
    ]);
  });

  it("keeps NUL bytes, bytes above 0x7f and a CR inside a line", () => {
    expect(cut("a\0b\n\u00ff\rx\n", [2]).lines).toEqual([
      [1, "a\0b"],
      [2, "\u00ff\rx"],
    ]);
  });

  it.each([1, 7, 64, 4096])("drops a line over the limit and goes on behind it, in chunks of %i", (size) => {
    const text = `first\n${"x".repeat(101)}\nthird\n${"y".repeat(100)}\n${"z".repeat(5000)}`;
    expect(cut(text, [size], 100)).toEqual({
      lines: [
        [1, "first"],
        [3, "third"],
        [4, "y".repeat(100)],
      ],
      tooLong: [2, 5],
      complete: false,
      count: 5,
    });
  });

  it("does not depend on where the chunks end", () => {
    const piece = fc.constantFrom("a", "bc", "\n", "\r\n", "\r", "x".repeat(30));
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 60 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 }),
        (parts, sizes) => {
          const text = parts.join("");
          expect(cut(text, sizes, 40)).toEqual(cut(text, [text.length + 1], 40));
        },
      ),
    );
  });
});
