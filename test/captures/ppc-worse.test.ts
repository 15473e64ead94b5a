import { readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { filesOf } from "./archive.js";
import {
  isManifest,
  type Recording,
  Scratch,
  withLines,
  withLoss,
  withoutFacts,
  withoutSource,
  withStretch,
} from "./worse-recordings.js";

/** What nobody recorded of a powerpc run is not known: it never makes a divergence of a run that conforms. */

const scratch = new Scratch();
afterAll(() => scratch.remove());

/** Lines of each source that are looked at: the first machines of a recording, or the first watchpoints. */
const MOST = { ftrace: 3000, strace: 800 };

const folder = join(import.meta.dirname, "ppc");
const recordings = new Map(
  readdirSync(folder).map((file) => {
    const files = filesOf(join(folder, file));
    const manifest: unknown = JSON.parse(files.get("capture.json") ?? "null");
    if (!isManifest(manifest)) throw new Error(`${file}: not a manifest`);
    const whole = { manifest, files: new Map([...files].filter(([name]) => /^(trace|strace)\.txt$/.test(name))) };
    const start = Object.entries(MOST).reduce<Recording>(
      (recording, [format, most]) => withLines(recording, format, (_, at) => at < most),
      whole,
    );
    return [file.replace(".tar.gz", ""), start] as const;
  }),
);
const anyName = fc.constantFrom(...recordings.keys());

function named(name: string): Recording {
  const recording = recordings.get(name);
  if (recording === undefined) throw new Error(`no recording ${name}`);
  return recording;
}

const fine = ["conform", "inconclusive"];

describe("a recorder that did not run", () => {
  test.each([
    { what: "ftrace", without: (recording: Recording) => withoutSource(recording, "ftrace") },
    { what: "strace", without: (recording: Recording) => withoutSource(recording, "strace") },
    { what: "the facts", without: withoutFacts },
    { what: "the system calls of the trace", without: (recording: Recording) => withoutEvent(recording, "sys_ioctl(") },
    { what: "their returns", without: (recording: Recording) => withoutEvent(recording, "sys_ioctl ->") },
  ])("$what: no divergence", async ({ without }) => {
    const worse = [...recordings].filter(([, { manifest }]) => manifest.sources.length > 0);
    const verdicts = await scratch.verdictsOf(worse.map(([, recording]) => without(recording)));
    const bad = worse.map(([name], i) => [name, verdicts[i]]).filter(([, verdict]) => !fine.includes(verdict ?? ""));
    // Where only one recorder ran, none is left.
    expect(bad.filter(([, verdict]) => verdict !== "error")).toEqual([]);
  });
});

function withoutEvent(recording: Recording, text: string): Recording {
  return withLines(recording, "ftrace", (line) => !line.includes(`: ${text}`));
}

/** Events of the traces that may be off, each for itself. */
const events = [
  "kvm_hcall_enter",
  "kvm_hcall_exit",
  "kvm_userspace_exit",
  "hcall_entry",
  "hcall_exit",
  "hset",
  "pseries_set_dawr",
  "pseries_disable_reloc_on_exc",
  "pseries_enable_reloc_on_exc",
  "vm_enable_cap",
  "vcpu_enable_cap",
  "vcpu_one_reg",
  "kvmhv_enable_dawr1",
  "r_kvmhv_enable_dawr1",
  "p_kvmppc_h_pr",
  "r_kvmppc_h_pr",
] as const;

function withProbes({ manifest, files }: Recording, probes: readonly string[]): Recording {
  const sources = manifest.sources.map((source) => (source.format === "ftrace" ? { ...source, probes } : source));
  return { manifest: { ...manifest, sources }, files };
}

test("events and probes that were off: no divergence", async () => {
  await fc.assert(
    fc.asyncProperty(anyName, fc.subarray([...events], { minLength: 1, maxLength: 3 }), async (name, off) => {
      // The manifest says which were on: else those that are always set together count as on together.
      const trace = named(name).files.get("trace.txt") ?? "";
      const on = events.filter((event) => !off.includes(event) && trace.includes(`: ${event}:`));
      const worse = off.reduce((before, event) => withoutEvent(before, `${event}:`), withProbes(named(name), on));
      expect(fine).toContain((await scratch.verdictsOf([worse]))[0]);
    }),
    { numRuns: 40, seed: 61 },
  );
});

const share = fc.double({ min: 0, max: 1, noNaN: true });

test("recorders that were started late and stopped early, each for itself: no divergence", async () => {
  await fc.assert(
    fc.asyncProperty(anyName, share, share, share, share, async (name, a, b, c, d) => {
      const trace = withStretch(named(name), "ftrace", Math.min(a, b), Math.max(a, b));
      const worse = withStretch(trace, "strace", Math.min(c, d), Math.max(c, d));
      expect(fine).toContain((await scratch.verdictsOf([worse]))[0]);
    }),
    { numRuns: 40, seed: 61 },
  );
});

test("lines that were lost, and said to be: no divergence", async () => {
  const loss = fc.record({ at: share, length: fc.integer({ min: 1, max: 40 }) });
  await fc.assert(
    fc.asyncProperty(anyName, fc.array(loss, { minLength: 1, maxLength: 4 }), async (name, losses) => {
      const worse = losses.reduce((before, { at, length }) => withLoss(before, at, length), named(name));
      expect(fine).toContain((await scratch.verdictsOf([worse]))[0]);
    }),
    { numRuns: 40, seed: 61 },
  );
});
