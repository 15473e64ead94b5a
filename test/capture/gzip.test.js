import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { OnceBytes } from "../../src/capture/bytes.js";
import { GunzippedBytes, isGzip } from "../../src/capture/gzip.js";
async function* chunksOf(bytes, size) {
    for (let start = 0; start < bytes.length; start += size)
        yield bytes.subarray(start, start + size);
}
/** Text whose compressed form is longer than one block. */
function noise(length) {
    const bytes = Buffer.alloc(length);
    let state = 12345;
    for (let i = 0; i < length; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        bytes[i] = 32 + ((state >>> 16) % 90);
    }
    return bytes;
}
async function expand(compressed, chunk, limits) {
    const faults = [];
    const source = new GunzippedBytes(new OnceBytes(chunksOf(compressed, chunk)), (fault) => faults.push(fault), limits);
    const head = await source.peek(10);
    const parts = [];
    for await (const part of source.stream())
        parts.push(Uint8Array.from(part));
    return { text: Buffer.concat(parts).toString("latin1"), head: Buffer.from(head).toString("latin1"), faults };
}
describe("a gzip file", () => {
    const plain = noise(300_000);
    it.each([1, 64, 4096, 1_000_000])("is read whole in chunks of %i", async (size) => {
        const { text, head, faults } = await expand(gzipSync(plain.subarray(0, size === 1 ? 500 : 300_000)), size);
        expect(text).toBe(plain.toString("latin1", 0, size === 1 ? 500 : 300_000));
        expect(head).toBe(plain.toString("latin1", 0, 10));
        expect(faults).toEqual([]);
    });
    it("may consist of several members", async () => {
        const { text, faults } = await expand(Buffer.concat([gzipSync("one\n"), gzipSync("two\n")]), 7);
        expect(text).toBe("one\ntwo\n");
        expect(faults).toEqual([]);
    });
    it("may have other bytes behind its last member", async () => {
        const { text } = await expand(Buffer.concat([gzipSync("one\n"), Buffer.alloc(100_000)]), 1000);
        expect(text).toBe("one\n");
    });
    it("may end in the middle: what came before is kept", async () => {
        const { text, faults } = await expand(gzipSync(plain).subarray(0, 100_000), 4096);
        expect(text.length).toBeGreaterThan(90_000);
        expect(plain.toString("latin1").startsWith(text)).toBe(true);
        expect(faults).toEqual([{ kind: "truncated" }]);
    });
    it("may be damaged: what came before is kept", async () => {
        const compressed = gzipSync(plain);
        compressed.fill(0xff, 120_000, 120_100);
        const { text, faults } = await expand(compressed, 4096);
        expect(text.length).toBeGreaterThan(50_000);
        expect(faults).toHaveLength(1);
        expect(faults[0]?.kind).toBe("corrupt");
    });
    it("is given up where it expands beyond the ratio", async () => {
        const bomb = gzipSync(Buffer.alloc(20_000_000));
        const { text, faults } = await expand(bomb, 4096, { free: 1_000_000, ratio: 100, total: 2 ** 40 });
        expect(faults).toEqual([{ kind: "too-large" }]);
        expect(text.length).toBeLessThan(10_000_000);
    });
    it("is given up where it expands beyond the size", async () => {
        const { text, faults } = await expand(gzipSync(plain), 4096, { free: 0, ratio: 1000, total: 200_000 });
        expect(faults).toEqual([{ kind: "too-large" }]);
        expect(text.length).toBeLessThanOrEqual(200_000);
    });
    it("is recognised by its content", () => {
        expect(isGzip(gzipSync("x"))).toBe(true);
        expect(isGzip(Buffer.from("\x1f"))).toBe(false);
        expect(isGzip(Buffer.alloc(0))).toBe(false);
    });
});
