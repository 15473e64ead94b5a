import fc from "fast-check";
import { expect, test } from "vitest";
import { lastBit, maskOf } from "../../src/event/mask.js";

test("the highest bit of a mask", () => {
  const bits = fc.array(fc.nat(255));
  fc.assert(
    fc.property(bits, (some) => {
      expect(lastBit(maskOf(...some))).toBe(Math.max(-1, ...some));
    }),
  );
});
