import { describe, expect, it } from "vitest";
import { judge } from "./judge.js";
import { samples } from "./samples.js";

describe("recordings of real kernels", () => {
  it.each(samples())("$name conforms, with its ioctls checked", (sample) => {
    const { divergent, verdicts } = judge(sample.lines, sample.profile, sample.facts);
    expect(divergent).toEqual([]);
    const unchecked = verdicts.filter(({ verdict }) => verdict === "unchecked");
    const allowed = sample.name.includes("undef") ? 2 : 1;
    expect(unchecked.length).toBeLessThanOrEqual(allowed);
    expect(verdicts.length).toBeGreaterThan(unchecked.length);
  });

  it("names the defect of a run that the specification leaves undefined", () => {
    const sample = samples().find(({ name }) => name.endsWith("undef-4-m"));
    const { defects } = judge(sample?.lines ?? [], sample?.profile ?? "", sample?.facts);
    expect(defects).toEqual(["platform/VMSI-13"]);
  });

  it.each(samples())("$name by strace alone raises no alarm and says what was not recorded", (sample) => {
    const lines = sample.lines.filter((line) => !line.includes("vfio-note"));
    const { divergent, verdicts } = judge(lines, sample.profile, sample.facts);
    expect(divergent).toEqual([]);
    for (const { name, verdict, message } of verdicts) {
      if (name === "ioctl VFIO_DEVICE_SET_IRQS" && verdict === "unchecked") {
        expect(message).toMatch(/probe ioctl_in|vfio-note|undefined outcome/);
      }
    }
  });

  it.each(samples())("$name without any fact raises no alarm", (sample) => {
    expect(judge(sample.lines, sample.profile).divergent).toEqual([]);
  });
});
