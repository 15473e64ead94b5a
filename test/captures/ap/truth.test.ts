import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Comparison, compareWithTruth } from "./compare.js";
import { shipped } from "./places.js";

/** Why a field may be unknown, and in how many comparisons of each capture at most. */
interface UnknownReason {
  readonly field: string;
  readonly reason: string;
  readonly captures: Readonly<Record<string, number>>;
}

const file = join(import.meta.dirname, "unknown-reasons.json");
const reasons: readonly UnknownReason[] = JSON.parse(readFileSync(file, "utf8"));

/** In how many comparisons of a capture a field may be unknown. */
function allowed(name: string, field: string): number {
  return reasons
    .filter((one) => one.field === field)
    .reduce((most, { captures }) => Math.max(most, captures[name] ?? 0), 0);
}

function text({ step, op, field, object, truth, replayed }: Comparison): string {
  return `step ${step} (${op}): ${field} of ${object} is ${truth}, replayed as ${replayed}`;
}

describe("states of a replay and what really happened", () => {
  const compared = new Map<string, { total: number; equal: number }>();

  test.each(shipped)("$name", async ({ name, capture, truth }) => {
    const found = await compareWithTruth(capture, truth);
    const wrong = found.filter(({ outcome }) => outcome === "differs");
    expect(wrong.slice(0, 5).map(text)).toEqual([]);

    const unknown = new Map<string, number>();
    for (const { field, outcome } of found) {
      const counts = compared.get(field) ?? { total: 0, equal: 0 };
      counts.total++;
      if (outcome === "equal") counts.equal++;
      else unknown.set(field, (unknown.get(field) ?? 0) + 1);
      compared.set(field, counts);
    }
    const unexplained = [...unknown].filter(([field, count]) => count > allowed(name, field));
    expect(Object.fromEntries(unexplained)).toEqual({});
    expect(found.length).toBeGreaterThan(100);
  });

  test("the rate, by field", () => {
    const rows = [...compared].sort(([a], [b]) => a.localeCompare(b));
    const lines = rows.map(([field, { equal, total }]) => `  ${field}: ${percent(equal, total)} of ${total}`);
    const total = rows.reduce((sum, [, counts]) => sum + counts.total, 0);
    const equal = rows.reduce((sum, [, counts]) => sum + counts.equal, 0);
    console.log(
      `equal to what really happened: ${percent(equal, total)} of ${total}, the others unknown\n${lines.join("\n")}`,
    );
    expect(total).toBeGreaterThan(10_000);
  });

  test("every reason is for a capture that is here, and says something", () => {
    const names = new Set(shipped.map(({ name }) => name));
    const stray = reasons.flatMap(({ captures }) => Object.keys(captures)).filter((name) => !names.has(name));
    expect(stray).toEqual([]);
    expect(reasons.filter(({ reason }) => reason.length < 30)).toEqual([]);
  });
});

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)} %`;
}
