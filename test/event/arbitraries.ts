/** Arbitrary events for properties. */
import fc from "fast-check";
import type { CallResult, Event, Stamp } from "../../src/event/event.js";

/** Records with the usual prototype, as events have it. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true });
}

/** Around the sizes at which numbers and words change their form. */
const COUNT_EDGES = [0, 1, 127, 128, 16383, 16384, 2 ** 21, 2 ** 28, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1];
const LARGE_EDGES = [2 ** 35 - 1, 2 ** 35, 2 ** 40, 2 ** 42, 2 ** 49 - 1, 2 ** 49, 2 ** 53 - 1];
const WORD_TEXTS = [0n, 1n << 31n, (1n << 32n) - 1n, (1n << 32n) + 1n, (1n << 53n) - 1n, (1n << 53n) + 1n, 1n << 63n];

/** Counts of 0 to 2^53 - 1. */
export const counts: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(...COUNT_EDGES, ...LARGE_EDGES),
  fc.maxSafeNat(),
  fc.nat({ max: 1000 }),
);

/** Numbers of 32 bits. */
const words: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(...COUNT_EDGES.filter((edge) => edge < 2 ** 32)),
  fc.nat({ max: 0xffff_ffff }),
);

const characters = fc.integer({ min: 0, max: 0xff }).map((code) => String.fromCharCode(code));

/** One-byte texts with every byte, of lengths on both sides of the fast path for short ones; 64-bit words as texts. */
const texts: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: characters, maxLength: 40 }),
  fc.string({ unit: characters, minLength: 120, maxLength: 300 }),
  fc.constantFrom(...[...WORD_TEXTS, (1n << 64n) - 1n].flatMap((word) => [`0x${word.toString(16)}`, word.toString()])),
);

const stamps: fc.Arbitrary<Stamp> = record({
  seconds: fc.oneof(
    fc.nat({ max: 2 ** 31 - 1 }),
    fc.maxSafeNat().map((n) => n % (2 ** 40 + 1)),
    fc.constant(2 ** 40),
  ),
  nanos: fc.oneof(fc.nat({ max: 999_999_999 }), fc.constantFrom(0, 1, 999_999_999)),
});

const results: fc.Arbitrary<CallResult> = fc.oneof(
  record({ kind: fc.constant("value" as const), text: texts, decoration: fc.option(texts, { nil: undefined }) }),
  record({ kind: fc.constant("error" as const), errno: texts }),
  record({ kind: fc.constant("unknown" as const), reason: texts }),
  record({ kind: fc.constant("injected" as const), text: texts }),
);

const base = {
  source: fc.nat({ max: 3 }),
  line: counts,
  time: fc.option(stamps, { nil: undefined }),
  tid: words,
  comm: texts,
  text: texts,
};
const orMinusOne = fc.oneof(words, fc.constant(-1));
const orUndefined = fc.option(counts, { nil: undefined });
const lists = fc.array(texts, { maxLength: 6 });

/** Events of every kind; sources are 0 to 3. */
export const events: fc.Arbitrary<Event> = fc.oneof(
  record({
    kind: fc.constant("syscall" as const),
    ...base,
    phase: fc.constantFrom("complete" as const, "enter" as const, "exit" as const),
    name: texts,
    args: lists,
    result: fc.option(results, { nil: undefined }),
    durationNs: orUndefined,
    dump: fc.option(texts, { nil: undefined }),
  }),
  record({ kind: fc.constant("probe" as const), ...base, name: texts, fields: lists, cpu: orMinusOne }),
  record({ kind: fc.constant("log" as const), ...base, area: texts, message: texts, level: orMinusOne }),
  record({ kind: fc.constant("task-exit" as const), ...base, status: texts }),
  record({ kind: fc.constant("gap" as const), ...base, cpu: orMinusOne, lost: orUndefined }),
  record({
    kind: fc.constant("gap" as const),
    ...base,
    cpu: orMinusOne,
    lost: orUndefined,
    edge: fc.constantFrom("begin" as const, "end" as const),
  }),
  record({ kind: fc.constant("mark" as const), ...base, message: texts }),
  record({ kind: fc.constant("environment" as const), ...base, path: texts, value: texts }),
);
