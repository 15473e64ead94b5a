import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { emptyMask, fullMask, maskDigits, parseMask } from "../../../src/event/mask.js";
import { parseMaskWrite, parseNumber, scanDecimal, scanNumber } from "../../../src/model/ap/numbers.js";
import { stringOf } from "../../../src/model/ap/store.js";
import { all, allBut, digits, numbersOf } from "./notation.js";
import { writeOf } from "./observed.js";

/** What an attribute makes of the bytes of a write: it sees them up to the first NUL (2.3). */
function seen(bytes: string): string {
  const call = writeOf({ on: "bus", name: "apmask" }, bytes);
  return call.kind === "attribute-write" ? (stringOf(call) ?? "") : "";
}

function numberOf(bytes: string): number | string {
  const parsed = parseNumber(seen(bytes));
  return parsed.ok ? parsed.value : parsed.errno;
}

describe("grammar N (2.4)", () => {
  test.each([
    ["5", 5],
    ["5\n", 5],
    ["+5\n", 5],
    ["0x5\n", 5],
    ["0X05", 5],
    ["05", 5],
    ["0x47\n", 71],
    ["71", 71],
    ["0107", 71],
    ["0xAb", 171],
    ["5\0zz", 5],
    ["0", 0],
  ])("%j is %i", (bytes, value) => {
    expect(numberOf(bytes)).toBe(value);
  });

  test.each(["-5", " 5", "5 ", "5\n\n", "\n", "+", "++5", "08", "0x", "0xg", "5,6", "5.", "0b11", ""])(
    "%j is EINVAL",
    (bytes) => {
      expect(numberOf(bytes)).toBe("EINVAL");
    },
  );

  test("the largest number is above every maximum, one more is ERANGE", () => {
    expect(numberOf("18446744073709551615")).toBeGreaterThan(255);
    expect(numberOf("18446744073709551616")).toBe("ERANGE");
    expect(numberOf("0x10000000000000000")).toBe("ERANGE");
    expect(numberOf("0xffffffffffffffff")).toBeGreaterThan(255);
  });

  test("the overflow is found before what follows is looked at", () => {
    expect(numberOf("18446744073709551616x")).toBe("ERANGE");
    expect(numberOf("18446744073709551615x")).toBe("EINVAL");
  });

  test("agrees with a parser written from the grammar's lines", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(..."+-0123456789abfxX \n,"), { maxLength: 8 }), (characters) => {
        const text = characters.join("");
        expect(numberOf(text)).toBe(grammarN(text));
      }),
      { numRuns: 5000 },
    );
  });
});

/** N := [ "+" ] number [ "\n" ] end, taken apart with one expression for each kind of number. */
function grammarN(text: string): number | string {
  const body = text.replace(/^\+/, "").replace(/\n$/, "");
  if (/^0[xX][0-9a-fA-F]+$/.test(body)) return Number.parseInt(body.slice(2), 16);
  if (/^0[0-7]*$/.test(body)) return Number.parseInt(body, 8);
  return /^[1-9][0-9]*$/.test(body) ? Number.parseInt(body, 10) : "EINVAL";
}

function maskAfter(bytes: string, current: readonly number[]): string {
  const parsed = parseMaskWrite(seen(bytes), parseMask(digits(current)) ?? emptyMask);
  return parsed.ok ? maskDigits(parsed.value) : parsed.errno;
}

const nothing: readonly number[] = [];
const f64 = "f".repeat(64);

describe("grammar M (2.5)", () => {
  test.each([
    ["0x41\n", [1, 7]],
    ["41", [1, 7]],
    ["xff", [0, 1, 2, 3, 4, 5, 6, 7]],
    ["5\n", [1, 3]],
    ["f", [0, 1, 2, 3]],
    ["x8\n", [0]],
    ["0xffff", all.slice(0, 16)],
    ["0x", nothing],
    ["x", nothing],
    ["\n", nothing],
    ["0x\n", nothing],
    ["0", nothing],
    [f64, all],
    [`0x${f64}`, all],
    [`${f64}\n`, all],
    [`0x${f64}\n`, all],
  ])("%j makes the mask, whatever it was", (bytes, after) => {
    for (const current of [nothing, all, [128, 255]]) expect(maskAfter(bytes, current)).toBe(digits(after));
  });

  test.each([
    ["-5,-6\n", all, allBut(5, 6)],
    ["+0-15,+32,-128,-0xFF", [128, 255], [...all.slice(0, 16), 32]],
    ["+1+2", nothing, [1, 2]],
    ["+1,,+2", nothing, [1, 2]],
    ["+1\n+2\n", nothing, [1, 2]],
    ["+1,+2,", nothing, [1, 2]],
    ["+0-255,-128", nothing, allBut(128)],
    ["+0x10000000000000005", nothing, [5]],
  ])("%j changes the mask", (bytes, before, after) => {
    expect(maskAfter(bytes, before)).toBe(digits(after));
  });

  test.each([
    ...["0X41", "0X8\n", "xx8", "0xx8", " 41", "41 ", "0x4g", "41\n\n", "\n\n", "0x41,+1", `${f64}f`, `0x${f64}f`],
    ...["-0-255,+1-16,+0x128", "+", "+-1", "+1-", "+5-3", "+256", "+1 ,+2", "+1;+2", "+08", "+0x"],
  ])("%j is EINVAL", (bytes) => {
    for (const current of [nothing, all]) expect(maskAfter(bytes, current)).toBe("EINVAL");
  });

  test("a mask at boot starts empty, and one that does not parse stays so (BUS-2)", () => {
    expect(maskAfter("0xffff", nothing)).toBe(`ffff${"0".repeat(60)}`);
    expect(maskAfter("0xfg", nothing)).toBe("EINVAL");
  });

  test("agrees with a parser written from the grammar's lines: relative", () => {
    const text = fc.array(fc.constantFrom("+", "-", ",", "\n", "0", "7", "8", "0x", "f", "12", "255", "256", " "), {
      maxLength: 9,
    });
    fc.assert(
      fc.property(fc.constantFrom("+", "-"), text, fc.boolean(), (sign, parts, full) => {
        const bytes = sign + parts.join("");
        expect(maskAfter(bytes, full ? all : nothing)).toBe(relativeM(bytes, new Set(full ? all : nothing)));
      }),
      { numRuns: 5000 },
    );
  });

  test("agrees with a parser written from the grammar's lines: absolute", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("0x", "x", "0", "8", "f", "A", "g", "\n"), { maxLength: 6 }), (parts) => {
        expect(maskAfter(parts.join(""), all)).toBe(absoluteM(parts.join("")));
      }),
      { numRuns: 3000 },
    );
  });
});

/** item := sign bit [ "-" bit ] sep*, taken off the front of the text one by one, on a set of numbers. */
function relativeM(text: string, mask: Set<number>): string {
  let rest = text;
  while (rest !== "") {
    const item = /^([+-])(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)(?:-(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*))?/.exec(
      rest,
    );
    if (item?.[2] === undefined) return "EINVAL";
    const first = value(item[2]);
    const last = item[3] === undefined ? first : value(item[3]);
    if (first > 255 || last > 255 || last < first) return "EINVAL";
    for (let bit = first; bit <= last; bit++) {
      if (item[1] === "+") mask.add(bit);
      else mask.delete(bit);
    }
    rest = rest.slice(item[0].length);
    // A dash that no number follows is no sign either: the range was begun and not ended.
    if (item[3] === undefined && rest.startsWith("-")) return "EINVAL";
    while (rest.startsWith(",") || rest.startsWith("\n")) rest = rest.slice(1);
  }
  return digits([...mask].sort((a, b) => a - b));
}

function value(text: string): number {
  if (/^0[xX]/.test(text)) return Number.parseInt(text.slice(2), 16);
  return Number.parseInt(text, text.startsWith("0") ? 8 : 10);
}

function absoluteM(text: string): string {
  const match = /^(?:0x|x)?([0-9a-fA-F]{0,64})\n?$/.exec(text);
  return match?.[1] === undefined || /\n\n/.test(text) ? "EINVAL" : match[1].toLowerCase().padEnd(64, "0");
}

describe("lenient scans", () => {
  test.each([
    ["30 sec\n", 30],
    ["4\n", 4],
    [" \t121\n", 121],
    ["-1", -1],
    ["+7", 7],
    ["0x10", 0],
    ["012", 12],
    ["x\n", undefined],
    ["", undefined],
  ])("a decimal out of %j: %s (BUS-4, BUS-7)", (text, expected) => {
    expect(scanDecimal(text)).toBe(expected);
  });

  test.each([
    ["0x47\n", 71],
    ["71 and more", 71],
    ["0107", 71],
    ["-1", -1],
    ["0", 0],
    ["08", 0],
    ["0x", 0],
    ["x", undefined],
  ])("a number of any base out of %j: %s (BUS-5)", (text, expected) => {
    expect(scanNumber(text)).toBe(expected);
  });
});

/** The rows of 2.1: the test's own digits against the table, and the masks of the event against both. */
describe("bit numbering (2.1)", () => {
  test.each([
    [[], "0000000000000000 0000000000000000 0000000000000000 0000000000000000"],
    [[0], "8000000000000000 0000000000000000 0000000000000000 0000000000000000"],
    [[5], "0400000000000000 0000000000000000 0000000000000000 0000000000000000"],
    [[5, 6], "0600000000000000 0000000000000000 0000000000000000 0000000000000000"],
    [[4, 0x47], "0800000000000000 0100000000000000 0000000000000000 0000000000000000"],
    [[4, 0xab], "0800000000000000 0000000000000000 0000000000100000 0000000000000000"],
    [[4, 0x47, 0x50], "0800000000000000 0100800000000000 0000000000000000 0000000000000000"],
    [[4, 0x20], "0800000080000000 0000000000000000 0000000000000000 0000000000000000"],
    [[255], "0000000000000000 0000000000000000 0000000000000000 0000000000000001"],
  ])("{%s}", (numbers, words) => {
    const text = words.replaceAll(" ", "");
    expect(digits(numbers)).toBe(text);
    expect(numbersOf(text)).toEqual(numbers);
    expect(maskDigits(parseMask(text) ?? fullMask)).toBe(text);
  });
});
