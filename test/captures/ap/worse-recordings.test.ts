import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { Verdict } from "../../../src/check/report.js";
import {
  type Recording,
  readRecording,
  Scratch,
  withLateStart,
  withLoss,
  withoutFacts,
  withoutLines,
  withoutProbes,
  withoutSnapshot,
  withoutSource,
  withTasksOf,
} from "../worse-recordings.js";
import { shipped } from "./places.js";

/** What nobody recorded is not known: it never makes a divergence of a run that conforms. */
const scratch = new Scratch();
afterAll(() => scratch.remove());

const recordings = shipped.map(({ name, capture }) => ({ name, recording: readRecording(capture) }));

const fine: readonly Verdict[] = ["conform", "inconclusive"];

describe("a recorder that did not run", () => {
  test.each([
    { what: "strace", without: (recording: Recording) => withoutSource(recording, "strace") },
    { what: "ftrace", without: (recording: Recording) => withoutSource(recording, "ftrace") },
    { what: "strace of all but the VMM", without: (recording: Recording) => withTasksOf(recording, "vmm") },
    { what: "strace of the VMM", without: (recording: Recording) => withTasksOf(recording, "others") },
    { what: "the debug log", without: (recording: Recording) => withoutSource(recording, "s390dbf") },
    { what: "the snapshot", without: withoutSnapshot },
    { what: "the facts", without: withoutFacts },
  ])(
    "$what: no divergence",
    async ({ without }) => {
      const verdicts = await scratch.verdictsOf(recordings.map(({ recording }) => without(recording)));
      expect(recordings.map(({ name }, i) => [name, verdicts[i]]).filter(([, verdict]) => !isFine(verdict))).toEqual(
        [],
      );
    },
    120_000,
  );
});

/** By name, so that a counterexample can be read. */
const anyName = fc.constantFrom(...recordings.map(({ name }) => name));
const byName = new Map(recordings.map(({ name, recording }) => [name, recording]));

function named(name: string): Recording {
  const recording = byName.get(name);
  if (recording === undefined) throw new Error(`no capture ${name}`);
  return recording;
}

test("probes that were not set: no divergence", async () => {
  const probes = [...new Set(recordings.flatMap(({ recording }) => recording.manifest.sources.flatMap(probesOf)))];
  await fc.assert(
    fc.asyncProperty(anyName, fc.subarray(probes, { minLength: 1, maxLength: 4 }), async (name, unset) => {
      const [verdict] = await scratch.verdictsOf([withoutProbes(named(name), (probe) => unset.includes(probe))]);
      expect(fine).toContain(verdict);
    }),
    { numRuns: 200, seed: 1 },
  );
}, 120_000);

/** What one recorder may leave out, and another one, at the same time. */
const followed = fc.constantFrom<(recording: Recording) => Recording>(
  (recording) => recording,
  (recording) => withTasksOf(recording, "vmm"),
  (recording) => withTasksOf(recording, "others"),
  (recording) => withoutSource(recording, "strace"),
);
const unsetTogether = [/^$/, /^mdev_/, /^apcb_/, /^(?:apcb|mdev)_/, /^queue_/, /_complete$|^cfg_/, /^hw_|^reset_/, /./];
const known = fc.constantFrom<(recording: Recording) => Recording>(
  (recording) => recording,
  withoutSnapshot,
  withoutFacts,
  (recording) => withLateStart(recording, 0.4),
);

test("tasks that strace did not follow, and probes that were not set: no divergence", async () => {
  await fc.assert(
    fc.asyncProperty(anyName, followed, fc.constantFrom(...unsetTogether), known, async (name, tasks, unset, rest) => {
      const worse = tasks(withoutProbes(rest(named(name)), (probe) => unset.test(probe)));
      const [verdict] = await scratch.verdictsOf([worse]);
      expect(fine).toContain(verdict);
    }),
    { numRuns: 150, seed: 4242 },
  );
}, 120_000);

test("lines that were lost, and said to be: no divergence", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyName,
      fc.array(fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), length: fc.integer({ min: 1, max: 40 }) }), {
        minLength: 1,
        maxLength: 3,
      }),
      async (name, losses) => {
        const worse = losses.reduce((before, { at, length }) => withLoss(before, at, length), named(name));
        const [verdict] = await scratch.verdictsOf([worse]);
        expect(fine).toContain(verdict);
      },
    ),
    { numRuns: 200, seed: 5 },
  );
}, 120_000);

test("a recording that starts in the middle, without a snapshot: no divergence", async () => {
  await fc.assert(
    fc.asyncProperty(anyName, fc.integer({ min: 0, max: 99 }), async (name, percent) => {
      const [verdict] = await scratch.verdictsOf([withLateStart(named(name), percent / 100)]);
      expect(fine).toContain(verdict);
    }),
    { numRuns: 150, seed: 61 },
  );
}, 120_000);

test("lines that are missing without a mark: found in most captures", async () => {
  const traced = recordings.filter(({ recording }) => linesOf(recording) > 0);
  const places = [0.15, 0.35, 0.55, 0.75, 0.95];
  const worse = places.flatMap((at) => traced.map(({ recording }) => withoutLines(recording, at, 2)));
  const verdicts = await scratch.verdictsOf(worse);
  const rate = verdicts.filter((verdict) => !isFine(verdict)).length / worse.length;
  console.info(`two lines missing without a mark: found in ${(100 * rate).toFixed(1)} % of ${worse.length} recordings`);
  expect(rate).toBeGreaterThan(0.5);
}, 120_000);

function linesOf({ manifest, files }: Recording): number {
  const trace = manifest.sources.find(({ format }) => format === "ftrace");
  return trace === undefined ? 0 : (files.get(trace.file) ?? "").length;
}

function probesOf({ probes }: { readonly probes?: readonly string[] }): readonly string[] {
  return probes ?? [];
}

function isFine(verdict: string | undefined): boolean {
  return fine.some((one) => one === verdict);
}
