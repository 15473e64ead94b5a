import { expect, test } from "vitest";
import { check } from "../../src/check/check.js";

const PLACE = "traces/ap/linux-6.1";

async function captureOf(name: string): Promise<Awaited<ReturnType<typeof check>>["captures"][number]> {
  const { captures } = await check([`${PLACE}/${name}`]);
  const [capture] = captures;
  if (capture === undefined) throw new Error("no capture");
  return capture;
}

test("what is unlikely is a note with its place, and no divergence", async () => {
  // Line 141: an AQIC that was disabled at line 136 is enabled, and answers 07.
  const { verdict, notes } = await captureOf("random-s005");
  expect(verdict).toBe("conform");
  expect(notes).toContain(
    "response code 07 to an enable of an interrupt that was off (5.1): once, first at trace.txt:141",
  );
});

test("a leak is a known defect at the operation that leaked, and told again at the end where it is still there", async () => {
  const { knownDefects, notes } = await captureOf("18-aqic-hw-errors");
  const leaks = knownDefects.filter(({ rules }) => rules.includes("IRQ-4") && !rules.includes("NIB-11"));
  expect(leaks.length).toBeGreaterThan(0);
  const torn = knownDefects.filter(({ rules }) => rules.includes("NIB-11"));
  const left = notes.filter((note) => note.startsWith("at the end: 0x"));
  // Each leaked pin surfaces when its container goes, or is there at the end.
  expect(torn.length + left.length).toBe(leaks.length);
});
