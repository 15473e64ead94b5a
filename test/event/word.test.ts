import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressText, isAddressText, parseWord, wordOf } from "../../src/event/word.js";

const half = fc.integer({ min: 0, max: 0xffffffff });

describe("addresses", () => {
  it("a text is an address's own form exactly if reading and writing it gives the same text", () => {
    const hex = fc.string({ unit: fc.constantFrom(..."0123456789abcdefAF"), maxLength: 17 });
    fc.assert(
      fc.property(fc.oneof(hex, fc.string({ maxLength: 6 })), fc.constantFrom("0x", "0X", ""), (digits, prefix) => {
        const text = prefix + digits;
        const word = parseWord(text);
        expect(isAddressText(text)).toBe(word !== undefined && addressText(word) === text);
      }),
      { numRuns: 1000 },
    );
  });

  it("every word's address is in its own form", () => {
    fc.assert(fc.property(half, half, (hi, lo) => isAddressText(addressText(wordOf(hi, lo)))));
  });
});
