import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { merge } from "../../src/capture/merge.js";
function mark(source, line, time) {
    return { kind: "mark", source, line, time, tid: 0, comm: "", text: "", message: "" };
}
function at(seconds, nanos = 0) {
    return { seconds, nanos };
}
function lane(source, times, batch = 2, offsetNs = 0n) {
    async function* batches() {
        for (let start = 0; start < times.length; start += batch) {
            yield times.slice(start, start + batch).map((time, index) => mark(source, start + index + 1, time));
        }
    }
    return { batches: batches(), offsetNs };
}
async function order(lanes) {
    const names = [];
    for await (const batch of merge(lanes))
        for (const event of batch)
            names.push(`${event.source}:${event.line}`);
    return names;
}
/** The same by the definition: at each step the earliest head, the first source where they tie. */
function naive(lanes) {
    const place = lanes.map(() => 0);
    const key = lanes.map(() => Number.NEGATIVE_INFINITY);
    const names = [];
    for (;;) {
        let best = -1;
        for (const [index, { times, offset }] of lanes.entries()) {
            const next = place[index] ?? 0;
            if (next >= times.length)
                continue;
            const time = times[next];
            if (time !== undefined)
                key[index] = time + offset;
            if (best === -1 || (key[index] ?? 0) < (key[best] ?? 0))
                best = index;
        }
        if (best === -1)
            return names;
        place[best] = (place[best] ?? 0) + 1;
        names.push(`${best}:${place[best]}`);
    }
}
describe("merge", () => {
    it("orders by seconds and nanoseconds; the first source wins ties", async () => {
        const a = lane(0, [at(1, 5), at(2), at(3)]);
        const b = lane(1, [at(1, 4), at(2), at(2, 1)]);
        expect(await order([a, b])).toEqual(["1:1", "0:1", "0:2", "1:2", "1:3", "0:3"]);
    });
    it("never changes the order within a source", async () => {
        const a = lane(0, [at(10), at(5), at(11)]);
        const b = lane(1, [at(7), at(10, 500)]);
        expect(await order([a, b])).toEqual(["1:1", "0:1", "0:2", "1:2", "0:3"]);
    });
    it("lets an event without a time follow the one before it", async () => {
        const a = lane(0, [undefined, at(1), undefined, undefined, at(4)]);
        const b = lane(1, [at(0), at(2), at(3)]);
        expect(await order([a, b])).toEqual(["0:1", "1:1", "0:2", "0:3", "0:4", "1:2", "1:3", "0:5"]);
    });
    it("adds the offsets, across seconds and below zero", async () => {
        const a = lane(0, [at(1711118461, 900_000_000)]);
        const b = lane(1, [at(11, 0), at(11, 950_000_000)], 2, 1711118450900000001n);
        const c = lane(2, [at(1711118462, 0)], 2, -200000000n);
        expect(await order([a, b, c])).toEqual(["2:1", "0:1", "1:1", "1:2"]);
    });
    it("takes no source, empty sources and empty batches", async () => {
        expect(await order([])).toEqual([]);
        expect(await order([lane(0, []), lane(1, [at(1)])])).toEqual(["1:1"]);
        async function* sparse() {
            yield [];
            yield [mark(0, 1, at(2))];
            yield [];
        }
        expect(await order([{ batches: sparse(), offsetNs: 0n }, lane(1, [at(1)])])).toEqual(["1:1", "0:1"]);
    });
    it("gives what the definition gives", async () => {
        const times = fc.array(fc.option(fc.nat({ max: 12 }), { nil: undefined }), { maxLength: 30 });
        await fc.assert(fc.asyncProperty(fc.array(fc.record({ times, offset: fc.integer({ min: -3, max: 3 }) }), { maxLength: 4 }), fc.integer({ min: 1, max: 7 }), async (lanes, batch) => {
            const merged = await order(lanes.map(({ times: list, offset }, source) => lane(source, list.map((time) => (time === undefined ? undefined : at(Math.floor(time / 4), (time % 4) * 250_000_000))), batch, BigInt(offset) * 250000000n)));
            expect(merged).toEqual(naive(lanes));
        }));
    });
    it("stops where it is told to, and closes its sources", async () => {
        const controller = new AbortController();
        let closed = 0;
        async function* endless(source) {
            try {
                for (let line = 1;; line++)
                    yield [mark(source, line, at(line))];
            }
            finally {
                closed += 1;
            }
        }
        const lanes = [0, 1].map((source) => ({ batches: endless(source), offsetNs: 0n }));
        const read = async () => {
            for await (const batch of merge(lanes, controller.signal))
                if (batch.length > 0)
                    controller.abort();
        };
        await expect(read()).rejects.toThrow(/abort/i);
        expect(closed).toBe(2);
    });
});
