import { describe, expect, it } from "vitest";
import { Line, Pieces } from "../../src/event/line.js";

describe("Line", () => {
  it("reads the characters from its place among the bytes, and the one behind them", () => {
    const line = new Line("b\u00ff", Buffer.from("a\nb\u00ff\rc\n", "latin1"), 2);
    expect([0, 1, 2].map((index) => line.codeAt(index))).toEqual([0x62, 0xff, 0x0d]);
  });

  it("makes the bytes of a text that has none, with a line feed behind", () => {
    const line = new Line("a\u00e9");
    expect([0, 1, 2, 3].map((index) => line.codeAt(index))).toEqual([0x61, 0xe9, 0x0a, 0x0a]);
  });

  it("skips blanks, up to the end of the line", () => {
    expect(new Line("a   b").afterBlanks(1)).toBe(4);
    expect(new Line("ab").afterBlanks(1)).toBe(1);
    expect(new Line("a  ").afterBlanks(1)).toBe(3);
  });
});

describe("Pieces", () => {
  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 2000])("cuts %i pieces, and begins anew when cleared", (count) => {
    const words = Array.from({ length: count }, (_, word) => `w${word}`);
    const text = words.join(" ");
    const pieces = new Pieces();
    for (let time = 0; time < 2; time += 1) {
      pieces.clear();
      let start = 0;
      for (const word of words) {
        pieces.add(start, start + word.length);
        start += word.length + 1;
      }
      expect(pieces.of(text)).toEqual(words);
    }
  });
});
