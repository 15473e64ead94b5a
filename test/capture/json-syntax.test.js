import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonErrorOffset } from "../../src/capture/json-syntax.js";
describe("jsonErrorOffset", () => {
    it.each([
        ["", 0],
        ["  ", 2],
        ["{", 1],
        ['{"a" 1}', 5],
        ['{"a": 1,}', 8],
        ["[1 2]", 3],
        ["[1,]", 3],
        ["{a: 1}", 1],
        ["nul", 0],
        ["01", 1],
        ['"a\nb"', 2],
        ['"a', 2],
        ['"\\q"', 2],
        ["[1]]", 3],
        ["{} x", 3],
        ["[}", 1],
    ])("of %j is %i", (text, offset) => {
        expect(jsonErrorOffset(text)).toBe(offset);
    });
    it("does not overflow on deep nesting", () => {
        expect(jsonErrorOffset("[".repeat(1_000_000))).toBe(1_000_000);
    });
    it("finds an error exactly where JSON.parse does", () => {
        const mutated = fc.tuple(fc.json(), fc.nat(), fc.constantFrom("", ",", '"', "}", "]", ":", "\\", "x", "1", " "));
        fc.assert(fc.property(mutated, ([json, where, put]) => {
            const at = where % (json.length + 1);
            const text = json.slice(0, at) + put + json.slice(at + 1);
            let valid = true;
            try {
                JSON.parse(text);
            }
            catch {
                valid = false;
            }
            expect(jsonErrorOffset(text) === undefined).toBe(valid);
        }), { numRuns: 1000 });
    });
});
