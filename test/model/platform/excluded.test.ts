import { describe, expect, it } from "vitest";
import { CONTAINER, DEVICE, GROUP, NAME, opened, type Result, Script, words } from "./script.js";
import { BASE, DEVICE_FACTS, diverges, fitting, MACHINE, V2, withDevice } from "./verdicts.js";

/** An answer that only some states lead to excludes the others: what contradicts it later is a divergence. */

const counters = [0, 1, 2, 3];
const arm = (script: Script, fd: number, index = 0): Script => script.set(0x24, index, 0, 1, [fd], 0);

describe("what an answer excludes is not accepted later", () => {
  const lines = withDevice({ bus: "platform", hasMsiDomain: false }, MACHINE);

  it("a line that was armed can be requested (VSET-10, postings)", () => {
    const again = (result: Result): Script => arm(opened(), 6).set(0x24, 0, 0, 1, [7], result);
    expect(fitting(again, [0, "EBUSY", "EBADF"], V2, lines)).toEqual([0]);
    const first = (result: Result): Script => opened().set(0x24, 0, 0, 1, [7], result);
    expect(fitting(first, [0, "EBUSY"], V2, lines)).toEqual([0, "EBUSY"]);
  });

  it("an index that exists allows the range up to its own number (VSET-3)", () => {
    const again =
      (start: number, count: number): ((result: Result) => Script) =>
      (result) =>
        arm(opened().irqInfo(0, 16, 7, 1), 6).set(0x21, 0, start, count, [], result);
    expect(fitting(again(0, 1), [0, "EINVAL"], BASE, {})).toEqual([0]);
    expect(fitting(again(1, 0), [0, "EINVAL"], BASE, {})).toEqual([0, "EINVAL"]);
  });

  it("a line that may be refused is refused with an errno of the facts", () => {
    const several = withDevice({ ...DEVICE_FACTS, wired: [{ trigger: "level", requestError: [0, "EBUSY"] }] });
    const make = (result: Result): Script => opened().set(0x24, 0, 0, 1, [6], result);
    expect(fitting(make, [0, "EBUSY", "EIO", "ENODEV"], V2, several)).toEqual([0, "EBUSY"]);
  });

  it("a line that cannot be masked never can (VMASK-1)", () => {
    const masked = (result: Result): Script =>
      opened()
        .ioctl(DEVICE, "DEVICE_GET_INFO", { before: words(16, 9, 9, 9), after: words(16, 5, 1, 2) }, 0)
        .set(0x24, 1, 0, 1, [6], 0)
        .set(0x09, 1, 0, 1, [], "EINVAL")
        .set(0x11, 1, 0, 1, [], result);
    expect(fitting(masked, [0, "EINVAL"], BASE, {})).toEqual(["EINVAL"]);
  });

  it("an index that does not exist never does, nor one behind it (INV-1, VIRQ-1, VDEV-8)", () => {
    const irq = (index: number, result: Result): Script => {
      const before = words(16, 9, index, 9);
      const script = opened().ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: words(16, 9, 2, 9) }, "EINVAL");
      return script.ioctl(
        DEVICE,
        "DEVICE_GET_IRQ_INFO",
        { before, after: result === 0 ? words(16, 7, index, 1) : before },
        result,
      );
    };
    expect([1, 2, 3].map((index) => fitting((result) => irq(index, result), [0, "EINVAL"], BASE, {}))).toEqual([
      [0, "EINVAL"],
      ["EINVAL"],
      ["EINVAL"],
    ]);
    const region = (index: number, result: Result): Script => {
      const asked = (at: number): string => words(32, 9, at, 1, 9, 9, 9, 9);
      const after = result === 0 ? words(32, 7, index, 1, 0x1000, 0, 0, index * 0x100) : asked(index);
      return opened()
        .ioctl(DEVICE, "DEVICE_GET_REGION_INFO", { before: asked(1) }, "EINVAL")
        .ioctl(DEVICE, "DEVICE_GET_REGION_INFO", { before: asked(index), after }, result);
    };
    expect([0, 1].map((index) => fitting((result) => region(index, result), [0, "EINVAL"], BASE, {}))).toEqual([
      [0, "EINVAL"],
      ["EINVAL"],
    ]);
  });
});

describe("numbers that contradict what was seen (INV-1, VIRQ-3)", () => {
  const info = (script: Script, regions: number, irqs: number): Script =>
    script.ioctl(DEVICE, "DEVICE_GET_INFO", { before: words(16, 9, 9, 9), after: words(16, 5, regions, irqs) }, 0);
  const diverging = (make: (n: number) => Script, profile: typeof BASE | typeof V2 = BASE): number[] =>
    counters.filter((n) => diverges(make(n), profile, {}));

  it("an index that is there, or is not, bounds their number", () => {
    const seen = (): Script => opened().irqInfo(1, 16, 7, 1);
    expect(diverging((n) => info(seen(), 1, n))).toEqual([0, 1]);
    const refused = (): Script => seen().ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: words(16, 9, 2, 9) }, "EINVAL");
    expect(diverging((n) => info(refused(), 1, n))).toEqual([0, 1, 3]);
  });

  it("so does a region", () => {
    const query = (script: Script, index: number, found: boolean): Script => {
      const asked = words(32, 9, index, 1, 9, 9, 9, 9);
      const after = found ? words(32, 7, index, 1, 0x1000, 0, 0, index * 0x100) : asked;
      return script.ioctl(DEVICE, "DEVICE_GET_REGION_INFO", { before: asked, after }, found ? 0 : "EINVAL");
    };
    expect(diverging((n) => info(query(opened(), 1, true), n, 2))).toEqual([0, 1]);
    expect(diverging((n) => info(query(query(opened(), 1, true), 2, false), n, 2))).toEqual([0, 1, 3]);
  });
});

describe("what the postings tell by an answer", () => {
  const facts = withDevice({ bus: "platform" });
  const info = (script: Script, flags: number): Script =>
    script.ioctl(DEVICE, "DEVICE_GET_INFO", { before: words(16, 9, 9, 9), after: words(16, flags, 1, 3) }, 0);

  it("only the MSI block refuses to be masked with ENOTTY (VMSI-1), only a line can be (VMASK-2)", () => {
    const then = (first: Result, flags: number, count: number): Script =>
      info(opened(), 5)
        .set(0x09, 2, 0, 1, [], first)
        .ioctl(
          DEVICE,
          "DEVICE_GET_IRQ_INFO",
          { before: words(16, 9, 2, 9), after: words(flags === 7 ? 16 : 48, flags, 2, count) },
          0,
        );
    expect(diverges(then("ENOTTY", 0x11, 64), V2, facts)).toBe(false);
    expect(diverges(then("ENOTTY", 7, 1), V2, facts)).toBe(true);
    expect(diverges(then(0, 7, 1), V2, facts)).toBe(false);
    expect(diverges(then(0, 0x11, 64), V2, facts)).toBe(true);
  });

  it("only a device with a reset function can be reset (VDEV-9)", () => {
    // Nothing is learned of the reset at the open where it is not required.
    const optional = withDevice({ bus: "platform" }, { ...MACHINE, resetRequired: false });
    const then = (result: Result, flags: number): Script =>
      info(opened().ioctl(DEVICE, "DEVICE_RESET", 0, result), flags);
    expect(
      [then(0, 5), then(0, 4), then("EINVAL", 5), then("EINVAL", 4)].map((one) => diverges(one, V2, optional)),
    ).toEqual([false, true, false, false]);
  });
});

describe("a reset that fails at the first open (VDEV-3)", () => {
  it("refuses the open of an AMBA device, which the device may be", () => {
    const { bus: _, ...others } = { ...DEVICE_FACTS, resetResult: "EIO" };
    const open = (result: Result): Script =>
      new Script()
        .free(`openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR) = ${CONTAINER}`)
        .free(`openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR) = ${GROUP}`)
        .ioctl(GROUP, "GROUP_SET_CONTAINER", { before: words(3) }, 0)
        .ioctl(CONTAINER, "SET_IOMMU", 8, 0)
        .ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: NAME }, result);
    const results = [5, "EIO", "EBUSY"] as const;
    const optional = { ...MACHINE, resetRequired: false };
    expect(fitting(open, results, BASE, withDevice(others, optional))).toEqual([5, "EIO"]);
    expect(fitting(open, results, BASE, withDevice({ ...others, bus: "platform" }, optional))).toEqual([5]);
    expect(fitting(open, results, BASE, withDevice(others))).toEqual(["EIO"]);
  });
});
