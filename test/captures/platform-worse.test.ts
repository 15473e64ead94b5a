import { readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { type Recording, readRecording, Scratch, withLines, withoutFacts, withStretch } from "./worse-recordings.js";

/** What nobody recorded of a run with platform devices is not known: it never makes a divergence of a run that conforms. */

const scratch = new Scratch();
afterAll(() => scratch.remove());

const folder = join(import.meta.dirname, "platform");
const recordings: ReadonlyMap<string, Recording> = new Map(
  readdirSync(folder).flatMap((profile) =>
    readdirSync(join(folder, profile)).map(
      (name) => [`${profile}/${name}`, readRecording(join(folder, profile, name))] as const,
    ),
  ),
);
const anyName = fc.constantFrom(...recordings.keys());

function named(name: string): Recording {
  const recording = recordings.get(name);
  if (recording === undefined) throw new Error(`no recording ${name}`);
  return recording;
}

const fine = ["conform", "inconclusive"];
const share = fc.double({ min: 0, max: 1, noNaN: true });

/** A note of the bytes before a call, or of those after it. */
const isStructure = (line: string): boolean => / "vfio-note (in|out) /.test(line);

test.each([
  { what: "the facts", without: withoutFacts },
  { what: "the structures", without: (one: Recording) => withLines(one, "strace", (line) => !isStructure(line)) },
  {
    what: "the bytes before a call",
    without: (one: Recording) => withLines(one, "strace", (line) => !line.includes(' "vfio-note in ')),
  },
  {
    what: "the bytes after it",
    without: (one: Recording) => withLines(one, "strace", (line) => !line.includes(' "vfio-note out ')),
  },
  {
    what: "the paths of descriptors",
    without: (one: Recording) => withoutPaths(one),
  },
])("nobody recorded $what: no divergence", async ({ without }) => {
  const verdicts = await scratch.verdictsOf([...recordings.values()].map(without));
  const bad = [...recordings.keys()].map((name, i) => [name, verdicts[i]] as const);
  expect(bad.filter(([, verdict]) => !fine.includes(verdict ?? ""))).toEqual([]);
});

/** strace without `-y`. */
function withoutPaths(recording: Recording): Recording {
  const files = new Map(recording.files);
  const text = files.get("strace.txt") ?? "";
  files.set("strace.txt", text.replace(/(\d|AT_FDCWD)<(?:\/|anon_inode)[^>]*>/g, "$1"));
  return { ...recording, files };
}

/** The numbers of the notes around the opens of devices: without them it is not known which device is which. */
function opens(recording: Recording): ReadonlySet<string> {
  const lines = (recording.files.get("strace.txt") ?? "").split("\n");
  return new Set(lines.filter((line) => line.includes("cmd=0x3b6a ")).map(numberOf));
}

function numberOf(line: string): string {
  return /seq=(\d+) /.exec(line)?.[1] ?? "";
}

test("some structures are missing: no divergence", async () => {
  const some = fc.array(fc.boolean(), { minLength: 7, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(anyName, some, async (name, kept) => {
      const needed = opens(named(name));
      const worse = withLines(
        named(name),
        "strace",
        (line, at) => !isStructure(line) || needed.has(numberOf(line)) || kept[at % kept.length] === true,
      );
      expect(fine).toContain((await scratch.verdictsOf([worse]))[0]);
    }),
    { numRuns: 60, seed: 61 },
  );
});

test("a recorder that was started late and stopped early: no divergence", async () => {
  await fc.assert(
    fc.asyncProperty(anyName, share, share, async (name, from, to) => {
      const worse = withStretch(named(name), "strace", Math.min(from, to), Math.max(from, to));
      expect(fine).toContain((await scratch.verdictsOf([worse]))[0]);
    }),
    { numRuns: 150, seed: 61 },
  );
});

test("a late beginning of each recording at many places: no divergence", async () => {
  const places = [0.1, 0.3, 0.5, 0.7, 0.9];
  const worse = [...recordings].flatMap(([name, recording]) =>
    places.map((place) => ({ name, place, recording: withStretch(recording, "strace", place, 1) })),
  );
  const verdicts = await scratch.verdictsOf(worse.map(({ recording }) => recording));
  const bad = worse.map(({ name, place }, i) => [name, place, verdicts[i]] as const);
  expect(bad.filter(([, , verdict]) => !fine.includes(verdict ?? ""))).toEqual([]);
});
