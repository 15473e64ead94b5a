import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressText, wordOf } from "../../../src/event/word.js";
import { AddressTexts } from "../../../src/operation/ap/address-texts.js";

const few = fc.constantFrom(0, 1, 0x100, 0x101, 0x10000, 0x1000000, 0x80000000, 0xffffffff);

describe("remembered texts of addresses", () => {
  it("are the texts of the addresses, also of those that share a place", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(few, few), { maxLength: 40 }), (halves) => {
        const texts = new AddressTexts();
        for (const [hi, lo] of halves) expect(texts.of(wordOf(hi, lo))).toBe(addressText(wordOf(hi, lo)));
      }),
    );
  });
});
