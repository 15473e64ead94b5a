import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decoded, shortened, visible } from "../../src/report/visible.js";

describe("visible", () => {
  it.each([
    ["plain \\n text", "plain \\n text"],
    ["\u001b[31m", "\\x1b[31m"],
    ["\0\u007f\u0085", "\\x00\\x7f\\x85"],
    ["a\tb\nc\rd", "a\\tb\\nc\\rd"],
    ["\u202eabc\u2066", "\\u{202e}abc\\u{2066}"],
    ["\ufeff\u200b", "\\u{feff}\\u{200b}"],
    ["\ud800x", "\\u{d800}x"],
    ["\u{e0041}", "\\u{e0041}"],
    ["\u00fc\u4e2d\u{1f600}", "\u00fc\u4e2d\u{1f600}"],
  ])("%j becomes %j", (text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  it("leaves no control character, whatever comes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(visible(text)).not.toMatch(/[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/u);
      }),
    );
  });
});

describe("decoded", () => {
  it("takes UTF-8 where it is that, and else the bytes", () => {
    expect(decoded("abc")).toBe("abc");
    expect(decoded("\u00c3\u00bc")).toBe("\u00fc");
    expect(decoded("\u00fc")).toBe("\u00fc");
    expect(decoded("\u00c3\u00bc \u00ff")).toBe("\u00c3\u00bc \u00ff");
    expect(decoded("\u4e2d\u00c3\u00bc")).toBe("\u4e2d\u00c3\u00bc");
  });
});

describe("shortened", () => {
  it("cuts only what is too long", () => {
    expect(shortened("abc", 3)).toBe("abc");
    expect(shortened("abcd", 3)).toBe("abc ... (1 more characters)");
  });
});
