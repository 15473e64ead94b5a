import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressText } from "../../src/event/address-text.js";
import { wordOf } from "../../src/event/word.js";

const few = fc.constantFrom(0, 1, 0x100, 0x101, 0x1000, 0x10000, 0x1000000, 0x80000000, 0xffffffff);

describe("the text of an address", () => {
  it("is that of the whole number, also of addresses that are remembered at the same place", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(few, few), { maxLength: 40 }), (halves) => {
        for (const [hi, lo] of halves) {
          const whole = (BigInt(hi) << 32n) | BigInt(lo);
          expect(addressText(wordOf(hi, lo))).toBe(`0x${whole.toString(16)}`);
        }
      }),
    );
  });
});
