import { describe, expect, it } from "vitest";
import { DEVICE, opened, type Result, type Script, words } from "./script.js";
import { BASE, DEVICE_FACTS, diverges, fitting, V2, withDevice } from "./verdicts.js";

/** What no fact tells is learned from the first answer, and stays so (INV-1). */

describe("what is learned of a device without facts stays so", () => {
  const info = (script: Script, flags: number, regions: number, irqs: number): Script =>
    script.ioctl(DEVICE, "DEVICE_GET_INFO", { before: words(16, 9, 9, 9), after: words(16, flags, regions, irqs) }, 0);
  const region = (script: Script, flags: number, size: number): Script =>
    script.ioctl(
      DEVICE,
      "DEVICE_GET_REGION_INFO",
      { before: words(32, 9, 0, 1, 9, 9, 9, 9), after: words(32, flags, 0, 1, size, 0, 0, 0) },
      0,
    );

  it.each([
    [5, 1, 2, false],
    [4, 1, 2, true],
    [9, 1, 2, true],
    [5, 2, 2, true],
    [5, 1, 3, true],
  ])("GET_INFO 5, 1, 2 and then %i, %i, %i (VDEV-7, INV-1)", (flags, regions, irqs, expected) => {
    expect(diverges(info(info(opened(), 5, 1, 2), flags, regions, irqs), BASE, {})).toBe(expected);
  });

  it("an AMBA device says so each time, and is required to have a reset function", () => {
    expect(diverges(info(info(opened(), 9, 1, 2), 9, 1, 2), BASE, {})).toBe(false);
    expect(diverges(info(info(opened(), 9, 1, 2), 5, 1, 2), BASE, {})).toBe(true);
    // VDEV-1: none can be bound without one.
    expect(diverges(info(opened(), 8, 1, 2), BASE, {})).toBe(true);
    expect(diverges(info(opened(), 0xc, 1, 2), BASE, {})).toBe(true);
  });

  it.each([
    [7, 0x1000, false],
    [3, 0x1000, true],
    [7, 0x2000, true],
  ])("a region of 7, 0x1000 and then %i, %i (VDEV-8)", (flags, size, expected) => {
    expect(diverges(region(region(opened(), 7, 0x1000), flags, size), BASE, {})).toBe(expected);
  });

  it("a region that was seen limits accesses (VDEV-11, VDEV-13)", () => {
    const read = (result: Result): Script =>
      region(opened(), 3, 0x1000).call(`pread64(${DEVICE}, 0xffffdadb8cd0, 4, 4096)`, result);
    expect(fitting(read, ["EINVAL", 4], BASE, {})).toEqual(["EINVAL"]);
    const map =
      (flags: number): ((result: Result) => Script) =>
      (result) =>
        region(opened(), flags, 0x1000).call(`mmap(NULL, 4096, PROT_READ, MAP_SHARED, ${DEVICE}, 0)`, result);
    expect(fitting(map(3), ["EINVAL", 281473209335808], BASE, {})).toEqual(["EINVAL"]);
    expect(fitting(map(7), ["EINVAL", 281473209335808], BASE, {})).toEqual([281473209335808]);
  });

  it.each([
    [1, 1, false],
    [7, 7, false],
    [1, 7, true],
    [7, 1, true],
    [3, 3, true],
  ])("a line of flags %i and then %i (VIRQ-2)", (first, second, expected) => {
    expect(diverges(opened().irqInfo(0, 16, first, 1).irqInfo(0, 16, second, 1), BASE, {})).toBe(expected);
  });

  it("an index that was seen is there (INV-1)", () => {
    const again = (result: Result): Script =>
      opened()
        .irqInfo(0, 16, 7, 1)
        .ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: words(16, 7, 0, 1) }, result);
    expect(fitting(again, [0, "EINVAL"], BASE, {})).toEqual([0]);
    const region0 = (result: Result): Script =>
      region(opened(), 7, 0x1000).ioctl(
        DEVICE,
        "DEVICE_GET_REGION_INFO",
        { before: words(32, 7, 0, 1, 0x1000, 0, 0, 0) },
        result,
      );
    expect(fitting(region0, [0, "EINVAL"], BASE, {})).toEqual([0]);
  });

  it("a line of flags 1 cannot be masked, one of flags 7 can (VMASK-1)", () => {
    const mask =
      (flags: number): ((result: Result) => Script) =>
      (result) =>
        opened().irqInfo(0, 16, flags, 1).set(0x09, 0, 0, 1, [], result);
    expect(fitting(mask(1), [0, "EINVAL"], BASE, {})).toEqual(["EINVAL"]);
    expect(fitting(mask(7), [0], BASE, {})).toEqual([0]);
  });

  it("an index beyond the number that GET_INFO gave does not exist (VIRQ-1)", () => {
    const query = (result: Result): Script => {
      const before = words(16, 9, 2, 9);
      const after = result === 0 ? words(16, 7, 2, 1) : before;
      return info(opened(), 5, 1, 2).ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before, after }, result);
    };
    expect(fitting(query, [0, "EINVAL"], BASE, {})).toEqual(["EINVAL"]);
  });
});

describe("VIRQ-3: whether there is an MSI block is not known", () => {
  const facts = withDevice(DEVICE_FACTS);
  const wired =
    (index: number): ((result: Result) => Script) =>
    (result) => {
      const before = words(16, 9, index, 9);
      const after = result === 0 ? words(48, 0x11, index, 64) : before;
      return opened().ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before, after }, result);
    };

  it("the index behind the lines may be there, the one behind that not", () => {
    expect(fitting(wired(2), [0, "EINVAL"], V2, facts)).toEqual([0, "EINVAL"]);
    expect(fitting(wired(3), [0, "EINVAL"], V2, facts)).toEqual(["EINVAL"]);
  });

  it("once seen it stays, and so does its absence", () => {
    for (const first of [0, "EINVAL"] as const) {
      const again = (result: Result): Script => {
        const before = words(16, 9, 2, 9);
        const after = result === 0 ? words(48, 0x11, 2, 64) : before;
        return wired(2)(first).ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before, after }, result);
      };
      if (first === 0) expect(fitting(again, [0, "EINVAL"], V2, facts)).toEqual([0]);
      else expect(fitting(again, ["EINVAL"], V2, facts)).toEqual(["EINVAL"]);
    }
  });

  it("GET_INFO tells (VDEV-7)", () => {
    for (const [irqs, results] of [
      [2, ["EINVAL"]],
      [3, [0]],
    ] as const) {
      const query = (result: Result): Script => {
        const before = words(16, 9, 2, 9);
        const after = result === 0 ? words(48, 0x11, 2, 64) : before;
        return opened()
          .ioctl(DEVICE, "DEVICE_GET_INFO", { before: words(16, 9, 9, 9), after: words(16, 5, 1, irqs) }, 0)
          .ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before, after }, result);
      };
      expect(fitting(query, [0, "EINVAL"], V2, facts)).toEqual(results);
    }
    const four = opened().ioctl(
      DEVICE,
      "DEVICE_GET_INFO",
      { before: words(16, 9, 9, 9), after: words(16, 5, 1, 4) },
      0,
    );
    expect(diverges(four, V2, facts)).toBe(true);
  });
});
