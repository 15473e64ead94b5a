import { describe, expect, it } from "vitest";
import { judge } from "./judge.js";
import { CONTAINER, DEVICE, GROUP, NAME, opened, Script, words } from "./script.js";

/** Recordings that begin with the device open: what was set on it before is not known, whatever the facts name. */

const DEVICE_FACTS = {
  bus: "platform",
  hasReset: true,
  resetResult: 0,
  regions: [],
  wired: [{ trigger: "level" }, { trigger: "edge" }],
};
const MACHINE = { noiommu: true, resetRequired: true, nrIrqs: 64 };
const BASE = "platform-base";
const V2 = "platform-msi-rfc-v2";

/** What the hardware was made to do before the recording is not known either, unless the program says so (3.3). */
const SILENT = 'write(200</tmp/vfio-notes>, "vfio-note env hw=silent\\n", 24) = 24';

const facts = (hasMsiDomain: boolean): Readonly<Record<string, unknown>> => ({
  ...MACHINE,
  devices: { "d.test": { ...DEVICE_FACTS, hasMsiDomain } },
});

const inProfiles = [
  [BASE, facts(false)],
  [V2, facts(true)],
] as const;

describe.each(inProfiles)("%s", (profile, named) => {
  const divergent = (script: Script): number => judge(script.lines, profile, named).divergent.length;

  it("a line may be masked", () => {
    const late = (counter: number): Script =>
      new Script().free(SILENT).eventfd(6).set(0x24, 0, 0, 1, [6], 0).set(0x21, 0, 0, 1, [], 0).read(6, counter);
    expect([divergent(late(0)), divergent(late(1)), divergent(late(2))]).toEqual([0, 0, 1]);
    // Without that note the hardware may have signalled it.
    const active = new Script().eventfd(6).set(0x24, 0, 0, 1, [6], 0).set(0x21, 0, 0, 1, [], 0).read(6, 2);
    expect(divergent(active)).toBe(0);
    // Seen to be opened, it is not.
    const whole = opened().set(0x24, 0, 0, 1, [6], 0).set(0x21, 0, 0, 1, [], 0).read(6, 0);
    expect(divergent(whole)).toBe(1);
  });

  it("a line may have a trigger, and a mask or unmask eventfd", () => {
    expect(divergent(new Script().eventfd(7).set(0x0c, 0, 0, 1, [7], "EBUSY"))).toBe(0);
    expect(divergent(opened().set(0x0c, 0, 0, 1, [7], "EBUSY"))).toBe(1);
  });

  it("an edge line is never masked", () => {
    const late = (counter: number): Script =>
      new Script().free(SILENT).eventfd(6).set(0x24, 1, 0, 1, [6], 0).set(0x21, 1, 0, 1, [], 0).read(6, counter);
    expect([divergent(late(1)), divergent(late(2))]).toEqual([0, 1]);
  });

  it("the device stays open when this descriptor is closed", () => {
    const late = new Script().eventfd(6).set(0x24, 0, 0, 1, [6], 0).close(DEVICE);
    expect(judge(late.lines, profile, named).divergent).toEqual([]);
    expect(judge(late.lines, profile, named).state).toMatchObject({ devices: [{ name: "d.test", open: "unknown" }] });
  });

  it("is the device of a descriptor that a failed open cannot have given", () => {
    const script = new Script()
      .free(`openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR|O_CLOEXEC) = ${CONTAINER}`)
      .free(`openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC) = ${GROUP}`)
      .ioctl(GROUP, "GROUP_SET_CONTAINER", { before: words(3) }, 0)
      .ioctl(CONTAINER, "SET_IOMMU", 8, 0)
      .ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: NAME }, "ENODEV")
      .eventfd(6)
      .set(0x24, 0, 0, 1, [6], 0)
      .close(DEVICE);
    // No invariant is broken (INV-10): the device was open all the time.
    expect(judge(script.lines, profile, named).divergent).toEqual([]);
  });
});

describe("the MSI block of a device that was open before", () => {
  const named = facts(true);
  const info = (argsz: number, after: string): string => {
    const before = words(argsz, 9, 2, 9) + "a5".repeat(argsz - 16);
    const script = new Script().ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before, after }, 0);
    script.ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before, after }, 0);
    return judge(script.lines, V2, named)
      .verdicts.map(({ verdict }) => verdict)
      .join();
  };
  const answer = (argsz: number, vectors: number, messages: number): string =>
    words(argsz, 0x11, 2, 64, 20, 0x00010003, 36, 1, 0, 0x00010004, 0, vectors) + "00".repeat(12 * messages);

  it("has as many vectors as the first answer shows (VIRQ-5, VIRQ-6)", () => {
    expect(info(72, answer(72, 2, 2))).toBe("checked,checked");
    // nr_msgs of 3 needs 84 bytes.
    expect(info(72, answer(72, 3, 2))).toContain("divergent");
    // Too little room: the size that is needed tells their number.
    expect(info(20, words(72, 0x11, 2, 64, 0))).toBe("checked,checked");
  });

  it("keeps that number", () => {
    const first = { before: words(20, 9, 2, 9, 9), after: words(72, 0x11, 2, 64, 0) };
    const again = (needed: number): number => {
      const script = new Script().ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", first, 0);
      script.ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { ...first, after: words(needed, 0x11, 2, 64, 0) }, 0);
      return judge(script.lines, V2, named).divergent.length;
    };
    expect([again(72), again(84), again(60), again(48)]).toEqual([0, 1, 1, 1]);
    // VMSI-5: a range beyond the two vectors.
    const set = (start: number, result: string | number): number => {
      const script = new Script().ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", first, 0).eventfd(6);
      return judge(script.set(0x24, 2, start, 1, [6], result).lines, V2, named).divergent.length;
    };
    expect([set(1, 0), set(1, "EINVAL"), set(2, 0), set(2, "EINVAL")]).toEqual([0, 1, 1, 0]);
  });

  it("never has an answer that no number of vectors leads to (INV-12)", () => {
    const one = (argsz: number, after: string): string => {
      const before = words(argsz, 9, 2, 9) + "a5".repeat(argsz - 16);
      const script = new Script().ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before, after }, 0);
      return judge(script.lines, V2, named)
        .verdicts.map(({ verdict, rules }) => (verdict === "divergent" ? rules.join() : verdict))
        .join();
    };
    const rest = (argsz: number): string => "a5".repeat(argsz - 20);
    const head = (needed: number, capOffset: number): string => words(needed, 0x11, 2, 64, capOffset);
    for (const needed of [36, 49, 71, 48 + 12 * 2049])
      expect([needed, one(20, head(needed, 0))]).toEqual([needed, "INV-12"]);
    for (const needed of [48, 60, 48 + 12 * 2048])
      expect([needed, one(20, head(needed, 0))]).toEqual([needed, "checked"]);
    // Where argsz stays there was room: then the capabilities are there.
    expect(one(20, head(20, 0))).toBe("INV-12");
    expect(one(72, head(72, 0) + rest(72))).toBe("INV-12");
    expect(one(72, answer(72, 2049, 0) + rest(44))).toBe("INV-12");
    expect(one(16, words(16, 0x11, 2, 64))).toBe("INV-12");
    // The program's own bytes are behind what was recorded of it.
    expect(one(72, head(72, 20))).toBe("unchecked");
    expect(one(72, head(72, 0))).toBe("INV-12");
  });

  it("is not learned from a call that failed: what stands there is the program's own", () => {
    const old = answer(72, 2, 2);
    const failed = new Script().ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: old, readOnly: true }, "EFAULT");
    failed.ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: old, after: answer(72, 1, 2) }, 0);
    expect(judge(failed.lines, V2, named).divergent).toEqual([]);
  });

  it("has messages that did not change where they were not recorded whole (VIRQ-7)", () => {
    const message = words(0x08090040, 0, 7);
    const head = words(72, 0x11, 2, 64, 20, 0x00010003, 36, 1, 0, 0x00010004, 0, 2);
    const before = words(72, 9, 2, 9) + "a5".repeat(56);
    const remarks = (second: string): readonly string[] => {
      const script = opened().set(0x24, 2, 0, 2, [6, 7], 0);
      for (const after of [head + message + message, head + message + second]) {
        script.ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before, after }, 0);
      }
      return judge(script.lines, V2, named).remarks;
    };
    expect(remarks(message)).toEqual([]);
    expect(remarks(message.slice(0, 16))).toEqual([]);
    expect(remarks(words(0x08090040, 0, 8))).toHaveLength(1);
  });

  it("tells v3 by the chain, which ends early without vectors (V3-3, V3-4)", () => {
    const info = (argsz: number, after: string): string => {
      const before = words(argsz, 9, 2, 9) + "a5".repeat(argsz - 16);
      const script = new Script().ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before, after }, 0);
      return judge(script.lines, "platform-msi-rfc-v3", named)
        .verdicts.map(({ verdict }) => verdict)
        .join();
    };
    const chain = (argsz: number, ...more: readonly number[]): string =>
      words(argsz, 0x11, 2, 64, 20, 0x00010003, ...more);
    expect(info(36, chain(36, 0, 1, 0))).toBe("checked");
    expect(info(36, chain(36, 36, 1, 0))).not.toBe("checked");
    expect(info(76, chain(76, 36, 1, 0, 0x00010004, 0, 2, 0) + "00".repeat(24))).toBe("checked");
    expect(info(20, words(36, 0x11, 2, 64, 0))).toBe("checked");
    expect(info(20, words(64, 0x11, 2, 64, 0))).toBe("checked");
    for (const needed of [48, 52, 60])
      expect([needed, info(20, words(needed, 0x11, 2, 64, 0))]).toEqual([needed, "divergent"]);
  });
});
