import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { maskOf } from "../../../src/event/mask.js";
import { asRead, controlText, matrixText, parseControl, parseMatrix } from "../../../src/model/ap/matrix-text.js";
import { entriesText, fileText, matrixOf } from "./notation.js";
import { maskOfNumbers } from "./observed.js";

function text(apm: readonly number[], aqm: readonly number[]): string {
  return matrixText(maskOfNumbers(apm), maskOfNumbers(aqm));
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

describe("matrix and guest_matrix (SHOW-1, SHOW-2)", () => {
  test("both sides: adapters ascending, then domains ascending", () => {
    expect(text([0x05], [0x04])).toBe("05.0004\n");
    expect(text([0x06, 0x05], [0xab, 0x04])).toBe("05.0004\n05.00ab\n06.0004\n06.00ab\n");
    expect(text([0xff], [0xff])).toBe("ff.00ff\n");
  });

  test("one side, and none", () => {
    expect(text([0x05, 0x34], [])).toBe("05.\n34.\n");
    expect(text([], [0x04, 0x47])).toBe(".0004\n.0047\n");
    expect(text([], [])).toBe("");
  });

  test("511 APQNs are 4088 bytes and whole (EX-31)", () => {
    const whole = text(upTo(7), upTo(73));
    expect(whole).toHaveLength(4088);
    expect(asRead(whole)).toBe(whole);
  });

  test("512 APQNs read as 4095 bytes without the last newline (EX-31, SHOW-4)", () => {
    const read = asRead(text(upTo(16), upTo(32)));
    expect(read).toHaveLength(4095);
    expect(read.endsWith("0f.001f")).toBe(true);
  });

  test("any longer text reads as its first 4095 bytes (SHOW-4)", () => {
    const whole = text(upTo(16), upTo(85));
    expect(whole).toHaveLength(16 * 85 * 8);
    expect(asRead(whole)).toBe(whole.slice(0, 4095));
  });

  test("agrees with lines that are built one by one, and reads back", () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 0, max: 255 }), { maxLength: 20 });
    fc.assert(
      fc.property(numbers, numbers, (adapters, domains) => {
        const sorted = { apm: adapters.sort((a, b) => a - b), aqm: domains.sort((a, b) => a - b) };
        const shown = text(sorted.apm, sorted.aqm);
        expect(shown).toBe(fileText(entriesText(sorted)));
        expect(matrixOf(entriesText(sorted))).toEqual(sorted);
        expect(parseMatrix(shown)).toEqual({ apm: maskOfNumbers(sorted.apm), aqm: maskOfNumbers(sorted.aqm) });
      }),
    );
  });

  test.each([
    "05.0004",
    "05.0004\n\n",
    "5.0004\n",
    "05.004\n",
    "05.0100\n",
    "05.0004\n04.0004\n",
    "05.\n.0004\n",
    "x\n",
  ])("%j is no matrix", (other) => {
    expect(parseMatrix(other)).toBeUndefined();
  });

  test("a text that is not the whole of a product is no matrix", () => {
    expect(parseMatrix("05.0004\n05.0047\n06.0004\n")).toBeUndefined();
  });
});

describe("control_domains (SHOW-3)", () => {
  test("one line a domain, ascending", () => {
    expect(controlText(maskOf())).toBe("");
    expect(controlText(maskOf(0xab))).toBe("00ab\n");
    expect(controlText(maskOf(0x20, 0x04))).toBe("0004\n0020\n");
    expect(controlText(maskOf(0xff))).toBe("00ff\n");
  });

  test("reads back", () => {
    expect(parseControl("0004\n0020\n")).toEqual(maskOf(0x04, 0x20));
    expect(parseControl("")).toEqual(maskOf());
  });

  test.each(["004\n", "0100\n", "0004", "0004 0020\n", "4\n", "0020\n0004\n", "0004\n0004\n", "0004\n\n"])(
    "%j is no text of it",
    (other) => {
      expect(parseControl(other)).toBeUndefined();
    },
  );
});
