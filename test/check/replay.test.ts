import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { NamedBytes } from "../../src/capture/bytes.js";
import { type ReplayLine, replay } from "../../src/check/replay.js";
import { changed } from "../../src/check/state-delta.js";
import { hotplug, sharing } from "./recordings.js";

/** Reads of a bus mask without end; `given`: how many were handed out. */
function endless(given: { lines: number }): NamedBytes {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for (;;) {
      let text = "";
      for (let i = 0; i < 100; i++) {
        given.lines += 3;
        const time = `17111184${String(61 + Math.floor(given.lines / 1e6)).padStart(2, "0")}.${String(given.lines % 1e6).padStart(6, "0")}`;
        text += `2201  ${time} openat(AT_FDCWD, "/sys/bus/ap/apmask", O_RDONLY) = 3</sys/bus/ap/apmask>\n`;
        text += `2201  ${time} read(3</sys/bus/ap/apmask>, "0x${"f".repeat(64)}\\n", 4096) = 67\n`;
        text += `2201  ${time} close(3</sys/bus/ap/apmask>) = 0\n`;
      }
      yield Buffer.from(text);
    }
  }
  return { name: "endless.strace", bytes: bytes() };
}

async function all(lines: AsyncIterable<ReplayLine>): Promise<readonly ReplayLine[]> {
  const found: ReplayLine[] = [];
  for await (const line of lines) found.push(line);
  return found;
}

describe("replay", () => {
  test("has a line an operation, as the contract says", async () => {
    const lines = await all(replay(sharing));
    expect(lines.map(({ operation }) => operation)).toEqual(lines.map((_, index) => index + 1));
    const recorded = readFileSync(join(sharing, "strace.txt"), "latin1").split("\n");
    for (const line of lines) {
      expect(Object.keys(line)).toEqual(["operation", "time", "endTime", "name", "result", "source", "state"]);
      expect(line.time).toMatch(/^\d{19}$/);
      expect(Number(line.endTime)).toBeGreaterThanOrEqual(Number(line.time));
    }
    const refused = lines.find(({ result }) => result === "EADDRINUSE");
    expect(refused).toMatchObject({ name: /^sysfs write assign_/, source: { file: "strace.txt" } });
    expect(recorded[(refused?.source.line ?? 0) - 1]).toContain("EADDRINUSE");
  });

  test("gives each line before it reads on", async () => {
    const given = { lines: 0 };
    let operations = 0;
    for await (const { operation } of replay(endless(given))) {
      operations = operation;
      if (operation === 1000) break;
    }
    expect(operations).toBe(1000);
    expect(given.lines).toBeLessThan(10_000);
  });

  test("stops reading at the operation that was asked for", async () => {
    const given = { lines: 0 };
    const lines = await all(replay(endless(given), { at: 700 }));
    expect(lines.map(({ operation }) => operation)).toEqual([700]);
    expect(given.lines).toBeLessThan(10_000);
  });

  test("gives the state after one operation, and nothing where there is none of that number", async () => {
    const lines = await all(replay(sharing));
    expect(await all(replay(sharing, { at: 17 }))).toEqual([lines[16]]);
    expect(await all(replay(sharing, { at: lines.length + 1 }))).toEqual([]);
  });

  test("with delta, what is told adds up to the whole states", async () => {
    const whole = await all(replay(hotplug));
    const deltas = await all(replay(hotplug, { delta: true }));
    let state: unknown;
    for (const [index, line] of deltas.entries()) {
      state = index === 0 ? line.state : merged(state, line.state);
      expect(state).toEqual(whole[index]?.state);
    }
    const size = (lines: readonly ReplayLine[]): number => JSON.stringify(lines).length;
    expect(size(deltas)).toBeLessThan(size(whole) / 2);
  });
});

describe("the delta of two states", () => {
  test.each([
    [{ a: 1, b: { c: 2, d: 3 } }, { a: 1, b: { c: 2, d: 4 } }, { b: { d: 4 } }],
    [{ a: [1, 2] }, { a: [1, 3] }, { a: [1, 3] }],
    [{ a: [{ b: { c: 1 } }] }, { a: [{ b: { c: 1 } }] }, {}],
    [{ a: { b: 1 } }, { a: null }, { a: null }],
    [{ a: null }, { a: {} }, { a: {} }],
    [{ a: {} }, { a: [] }, { a: [] }],
    [undefined, { a: 1 }, { a: 1 }],
    [{ toString: 1 }, { toString: 1, constructor: 2 }, { constructor: 2 }],
  ])("%j to %j is %j", (before, after, delta) => {
    expect(changed(before, after)).toEqual(delta);
  });
});

/** Puts a delta into a state: objects by key, everything else whole. */
function merged(state: unknown, delta: unknown): unknown {
  if (typeof state !== "object" || typeof delta !== "object" || state === null || delta === null) return delta;
  if (Array.isArray(delta) || Array.isArray(state)) return delta;
  const result: Record<string, unknown> = { ...state };
  for (const [key, value] of Object.entries(delta)) result[key] = merged(result[key], value);
  return result;
}
