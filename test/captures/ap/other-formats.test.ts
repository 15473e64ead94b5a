import { afterAll, describe, expect, test } from "vitest";
import type { CaptureReport } from "../../../src/check/report.js";
import { rewritings } from "../other-formats.js";
import { readRecording, Scratch } from "../worse-recordings.js";
import { shipped } from "./places.js";

/**
 * The options that somebody gave a recorder change the text and nothing else. Less can be checked where they leave something
 * out: without decorations what a descriptor stands for that is older than the recording, without a common file the order
 * of what different tasks did at the same time.
 */
const scratch = new Scratch();
afterAll(() => scratch.remove());

const recordings = shipped.map(({ name, capture }) => ({ name, recording: readRecording(capture) }));

const LEAST = 0.95;

function told({ verdict, divergences, operations, checked, unparsed }: CaptureReport): string {
  const { message = verdict } = divergences[0] ?? {};
  return `${message}: ${checked} of ${operations} checked, ${unparsed} lines not read`;
}

describe("a recorder with other options", async () => {
  const originals = await scratch.reportsOf(recordings.map(({ recording }) => recording));

  test.each(rewritings)(
    "%s",
    async (_name, rewriting) => {
      const others = recordings.map(({ recording }) => rewriting(recording));
      // A rewriting that changes nothing tests nothing.
      const changed = others.filter(({ files }, i) => {
        const before = recordings[i]?.recording.files;
        return [...files].some(([name, text]) => before?.get(name) !== text);
      });
      expect(changed.length).toBeGreaterThan(recordings.length / 2);
      const reports = await scratch.reportsOf(others);
      const differing = reports.flatMap((report, i) => {
        const original = originals[i];
        const fine = report.verdict === original?.verdict && report.unparsed === 0;
        return fine && report.checked >= LEAST * original.checked ? [] : [`${recordings[i]?.name} ${told(report)}`];
      });
      expect(differing).toEqual([]);
    },
    120_000,
  );
});
