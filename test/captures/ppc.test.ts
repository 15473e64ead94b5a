import { describe, expect, it } from "vitest";
import { check } from "../../src/check/check.js";
import type { CaptureReport } from "../../src/check/report.js";

/** Recordings of real kernels (ppc/*.tar.gz): each conforms under its own facts, and not under those that it contradicts. */

const folder = new URL("ppc/", import.meta.url).pathname;

async function report(name: string, options: Parameters<typeof check>[1] = {}): Promise<CaptureReport> {
  const { captures } = await check([`${folder}${name}.tar.gz`], options);
  const [capture] = captures;
  if (capture === undefined) throw new Error(`no report of ${name}`);
  return capture;
}

function uncheckedOf(capture: CaptureReport): Record<string, number> {
  return Object.fromEntries(
    capture.kinds
      .filter(({ total, checked }) => checked < total)
      .map(({ name, total, checked }) => [name, total - checked]),
  );
}

const TIMEOUT = 120_000;

/** Only capabilities, registers and hcalls that no rule speaks of stay unchecked. */
const outside = { "ioctl KVM_CHECK_EXTENSION": 510, "ioctl KVM_GET_ONE_REG": 108 };

describe("recordings of real kernels", () => {
  it.each([
    ["boot-p10-q10-dawr1-k61", 1915, {}],
    ["hset-p10-q10-dawr1-kpr", 2775, {}],
    ["hv-p10-q10-dawr1-k61", 10221, outside],
    ["hv-p9-q72-k61", 10221, outside],
    ["pr-p9-q10-kpr", 14234, { ...outside, "PR hcall H_RTAS": 155 }],
    ["wp-p10-q10-dawr1-k61", 3050, {}],
    ["wp-p10-q10-dawr1-k61--under-strace", 8458, {}],
    ["wp-p8-q72-k61", 9814, {}],
    ["wp-p8-q72-k61--under-strace", 7068, {}],
  ] as const)("%s conforms", { timeout: TIMEOUT }, async (name, operations, unchecked) => {
    const capture = await report(name);
    expect(capture.divergences).toEqual([]);
    expect(capture.verdict).toBe("conform");
    expect(capture.operations).toBe(operations);
    expect(uncheckedOf(capture)).toEqual(unchecked);
  });

  it.each([
    ["hv-p10-q10-dawr1-k61", "pre-dawr1", 23, "CAP-1"],
    ["hv-p10-q10-dawr1-k61", "dawr1-v2", 23, "CAP-1"],
    ["hv-p9-q72-k61", "pre-dawr1", 45, "CAP-8"],
    ["pr-p9-q10-kpr", "dawr1-v2", 623, "CAP-6"],
  ])("%s contradicts %s at line %i", { timeout: TIMEOUT }, async (name, profile, line, rule) => {
    const capture = await report(name, { profile: [profile] });
    expect(capture.verdict).toBe("divergent");
    expect(capture.divergences[0]?.source).toMatchObject({ file: "trace.txt", line });
    expect(capture.divergences[0]?.rules.map((name) => name.replace(/^dawr\//, ""))).toContain(rule);
  });

  it.each([
    // The return line of kvmhv_enable_dawr1, then the first answer to capability 194.
    ["hv-p10-q10-dawr1-k61", { "dawr.cpu.dawr1": "false" }, 22],
    ["hv-p9-q72-k61", { "dawr.cpu.dawr1": "true" }, 22],
    // The first call for slot 1.
    ["wp-p10-q10-dawr1-k61", { "dawr.cpu.dawr1": "false" }, 2241],
    // The first answer of a generation that emulates nothing.
    ["wp-p8-q72-k61", { "dawr.vmm": "qemu-dawr1" }, 16],
    ["hset-p10-q10-dawr1-kpr", { "dawr.vmm": "qemu-ail3" }, 15],
  ])("%s contradicts %o at line %i", { timeout: TIMEOUT }, async (name, facts, line) => {
    const capture = await report(name, { facts });
    expect(capture.verdict).toBe("divergent");
    expect(capture.divergences[0]?.source.line).toBe(line);
  });

  it("needs no facts: what is seen first narrows what is not known", { timeout: TIMEOUT }, async () => {
    const profile = ["dawr=linux-6.1"];
    const facts = { "dawr.cpu.dawr1": "", "dawr.vmm": "" };
    for (const name of ["hv-p10-q10-dawr1-k61", "wp-p10-q10-dawr1-k61"]) {
      expect((await report(name, { profile, facts })).verdict).toBe("conform");
    }
  });
});
