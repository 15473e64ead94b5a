import { afterAll, expect, test } from "vitest";
import { type Recording, readRecording, Scratch } from "../captures/worse-recordings.js";

/** Recorders that were stopped at different moments: the report says that this may be all that is wrong. */
const scratch = new Scratch();
afterAll(() => scratch.remove());

const whole = readRecording("traces/ap/linux-6.1/01-lifecycle");

/** The recording with so many lines of one file. */
function upTo(recording: Recording, file: string, count: number): Recording {
  const kept = (recording.files.get(file) ?? "").split("\n").slice(0, count);
  return { ...recording, files: new Map(recording.files).set(file, `${kept.join("\n")}\n`) };
}

async function endNotes(recording: Recording): Promise<readonly string[]> {
  const [report] = await scratch.reportsOf([recording]);
  return (report?.notes ?? []).filter((note) => note.includes("only this recorder had ended"));
}

const trace = (whole.files.get("trace.txt") ?? "").split("\n");

test("the probes end before strace: the first divergence is behind their last line", async () => {
  const cleared = trace.findIndex((line) => line.includes(": apcb_clear: "));
  const notes = await endNotes(upTo(whole, "trace.txt", cleared));
  expect(notes).toHaveLength(1);
  expect(notes[0]).toMatch(/^no line of the probes comes after the first divergence, at strace\.txt:\d+: /);
});

test.each([
  // Before the device is opened, in the calls of the VMM, and before the administrator's.
  { name: "01-lifecycle", count: 22, place: "strace" },
  { name: "10-unbind-rebind", count: 7, place: "trace" },
])("strace ends before the probes ($name, $count lines): the first divergence is behind its last line", async (one) => {
  const notes = await endNotes(upTo(readRecording(`traces/ap/linux-6.1/${one.name}`), "strace.txt", one.count));
  expect(notes).toHaveLength(1);
  expect(notes[0]).toContain(`no line of strace comes after the first divergence, at ${one.place}.txt:`);
});

test("lines follow: no such note", async () => {
  const without = trace.filter((line) => !line.includes(": apcb_clear: "));
  const [report] = await scratch.reportsOf([
    { ...whole, files: new Map(whole.files).set("trace.txt", without.join("\n")) },
  ]);
  expect(report?.verdict).toBe("divergent");
  expect(report?.notes.filter((note) => note.includes("had ended"))).toEqual([]);
  expect(await endNotes(whole)).toEqual([]);
});
