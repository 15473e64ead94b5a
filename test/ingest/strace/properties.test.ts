import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesOf, descriptorOf } from "../../../src/event/arguments.js";
import { call, calls, parse, sample } from "./harness.js";
import { printedPath, printedString, type Style } from "./printed.js";

const style = fc.constantFrom<Style>("default", "x", "xx");
const bytes = fc.uint8Array({ maxLength: 40 }).map((data) => String.fromCharCode(...data));
/** Bytes with many that mean something to the notation. */
const oddBytes = fc
  .array(
    fc.oneof(
      fc.constantFrom(...'"\\<>()[]{},/*-=01789 \n'),
      fc.nat(255).map((code) => String.fromCharCode(code)),
    ),
    {
      maxLength: 24,
    },
  )
  .map((characters) => characters.join(""));

const SAMPLES = ["x86-f-t-on-stderr.strace", "x86-f-ttt-y-z.strace", "x86-f-ttt-y-dump.strace", "x86-f-ttt-y-Y.strace"];
const recorded = SAMPLES.flatMap((name) => sample(name));

const anyLine = fc.oneof(
  fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 60 }),
  fc.string({ unit: fc.constantFrom(...'0123456789 .:[]<>(){}"\\,=-+?abc/*|%'), maxLength: 60 }),
  fc.constantFrom(...recorded),
  fc
    .tuple(fc.constantFrom(...recorded), fc.nat(), fc.nat())
    .map(([line, a, b]) => line.slice(a % (line.length + 1), (b % (line.length + 1)) + 30)),
  fc
    .tuple(fc.constantFrom(...recorded), fc.constantFrom(...recorded), fc.nat())
    .map(([one, other, at]) => one.slice(0, at % (one.length + 1)) + other.slice(at % (other.length + 1))),
  fc.constantFrom(
    " | 00000  41                                                A                |",
    "strace: Process 12 attached",
    "read(3, strace: Process 12 attached",
    " <unfinished ...>",
    "12 read(3,  <unfinished ...>",
    "12 <... read resumed>) = 1",
    "12 <... read resumed> <unfinished ...>",
    "% time",
    "100.00 total",
    ") = 1",
  ),
);

describe("any text", () => {
  it("is accounted for line by line, and never thrown at", () => {
    fc.assert(
      fc.property(fc.array(anyLine, { maxLength: 40 }), fc.boolean(), (lines, complete) => {
        const outcome = parse(lines, "any", complete);
        expect(outcome.events.length + outcome.context + outcome.diagnosed).toBe(lines.length);
        for (const event of outcome.events) {
          expect(event.line).toBeGreaterThan(0);
          expect(event.line).toBeLessThanOrEqual(lines.length);
          if (event.time !== undefined) expect(event.time.nanos).toBeLessThan(1e9);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("takes time in proportion to its length", () => {
    // Each of these would run into the time limit of the test if a scan began again at every character.
    const many = 2_000_000;
    const lines = [
      `read(${"< ".repeat(many)}) = 1`,
      `read(${'\\"'.repeat(many)}) = 1`,
      `read("${"\\".repeat(many)}) = 1`,
      `<... read resumed>${") ".repeat(many)}`,
      `read(${"(".repeat(many)}`,
      `12<${"> ".repeat(many)}`,
      `${"/".repeat(many)}strace: Process 12 attached`,
      `read(3, 4) = 1${" ".repeat(many)}x`,
      `read(3, 4) = 3<${"<".repeat(many)}`,
    ];
    const outcome = parse(lines);
    expect(outcome.events.length + outcome.context + outcome.diagnosed).toBe(lines.length);
  });
});

describe("arguments", () => {
  it("come back as the bytes that strace printed", () => {
    fc.assert(
      fc.property(fc.oneof(bytes, oddBytes), style, (data, how) => {
        const { args } = call(`1 write(1, ${printedString(data, how)}, ${data.length}) = ${data.length}`);
        expect(args).toHaveLength(3);
        expect(bytesOf(args[1] ?? "")).toEqual({ data, truncated: false });
      }),
      { numRuns: 2000 },
    );
  });

  it("say that they were cut", () => {
    fc.assert(
      fc.property(bytes, style, fc.nat(40), (data, how, limit) => {
        const { args } = call(`1 write(1, ${printedString(data, how, limit)}, ${data.length}) = ${data.length}`);
        expect(bytesOf(args[1] ?? "")).toEqual({ data: data.slice(0, limit), truncated: limit < data.length });
      }),
    );
  });

  it("come back as the path of a descriptor, whatever is in it", () => {
    fc.assert(
      fc.property(fc.oneof(bytes, oddBytes), style, fc.nat(1 << 20), fc.boolean(), (name, how, fd, deleted) => {
        const path = `/${name}`;
        fc.pre(!path.endsWith(" (deleted)"));
        const mark = deleted ? "(deleted)" : "";
        const decoration = `${printedPath(path, how)}${mark}`;
        const event = call(`1 openat(${fd}${decoration}, "x", O_RDONLY) = ${fd + 1}${decoration} <0.000001>`);
        expect(descriptorOf(event.args[0] ?? "")).toEqual({ fd, path, deleted });
        expect(event.args.slice(1)).toEqual(['"x"', "O_RDONLY"]);
        expect(event.result).toEqual({ kind: "value", text: String(fd + 1), decoration: path });
      }),
      { numRuns: 2000 },
    );
  });
});

interface Step {
  readonly tid: number;
  readonly args: readonly string[];
  /** Where the line is interrupted, in arguments; the whole call stands on one line where undefined. */
  readonly seam: number | undefined;
  readonly result: number;
}

const argument = fc.oneof(
  oddBytes.map((data) => printedString(data, "default")),
  oddBytes.map((path) => `5${printedPath(`/${path}`, "default")}`),
  fc.constantFrom("0x7ffd", "{a=1, b=[2, 3]}", "O_RDWR|O_CLOEXEC", "[{fd=3</x,y>, events=POLLIN}]", "1 /* ) */"),
);
const step: fc.Arbitrary<Step> = fc.record({
  tid: fc.integer({ min: 1, max: 4 }),
  args: fc.array(argument, { minLength: 1, maxLength: 4 }),
  seam: fc.option(fc.nat(4), { nil: undefined }),
  result: fc.nat(1000),
});

describe("interrupted calls of several tasks", () => {
  it("are joined, whatever interrupts them", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const lines: string[] = [];
        const expected: unknown[] = [];
        const open = new Map<number, Step>();
        const finish = (tid: number): void => {
          const first = open.get(tid);
          if (first === undefined) return;
          open.delete(tid);
          const seam = Math.min(first.seam ?? 0, first.args.length);
          const rest = first.args.slice(seam).join(", ");
          lines.push(`${tid} <... call resumed>${rest}) = ${first.result}`);
          expected.push(["exit", tid, first.args, String(first.result)]);
        };
        for (const next of steps) {
          finish(next.tid);
          const { tid, args, result } = next;
          if (next.seam === undefined) {
            lines.push(`${tid} call(${args.join(", ")}) = ${result}`);
            expected.push(["complete", tid, args, String(result)]);
          } else {
            const seam = Math.min(next.seam, args.length);
            const shown = args.slice(0, seam);
            const comma = seam > 0 && seam < args.length ? ", " : "";
            lines.push(`${tid} call(${shown.join(", ")}${comma} <unfinished ...>`);
            expected.push(["enter", tid, shown, undefined]);
            open.set(tid, next);
          }
        }
        for (const tid of [...open.keys()]) finish(tid);
        const found = calls(lines).map(({ phase, tid, args, result }) => [
          phase,
          tid,
          args,
          result?.kind === "value" ? result.text : undefined,
        ]);
        expect(found).toEqual(expected);
      }),
      { numRuns: 1000 },
    );
  });
});
