import { describe, expect, it } from "vitest";
import { CONTAINER, DEVICE, GROUP, NAME, opened, Script, words } from "./script.js";
import { BASE, DEVICE_FACTS, diverges, FACTS, type Facts, MACHINE, type Profile, V2 } from "./verdicts.js";

/** Hardware that acts without a note of it, or whose device is not told (5.2, 3.3): which counters a read may find. */

const fits = (
  make: (counter: number) => Script,
  counters: readonly number[],
  profile: Profile = BASE,
  facts: Facts = FACTS,
): number[] => counters.filter((counter) => !diverges(make(counter), profile, facts));

const env = (text: string): string => {
  const note = `vfio-note env ${text}`;
  return `write(200</tmp/vfio-notes>, "${note}\\n", ${note.length + 1}) = ${note.length + 1}`;
};
/** The device is open, and its lines may change at any time. */
const active = (): Script => opened().free(env("hw=active"));
const loop = (script: Script, index = 0): Script => script.set(0x21, index, 0, 1, [], 0);
const arm = (script: Script, fd: number, index = 0): Script => script.set(0x24, index, 0, 1, [fd], 0);
const disarm = (script: Script, index = 0): Script => script.set(0x24, index, 0, 1, [-1], 0);
const unmask = (script: Script): Script => script.set(0x11, 0, 0, 1, [], 0);

const counters = [0, 1, 2, 3, 7];

describe("a level line that hardware may have signalled", () => {
  it.each<[string, (counter: number) => Script, readonly number[]]>([
    ["signals once", (n) => arm(active(), 6).read(6, n), [0, 1]],
    ["once before an unmask and once behind it", (n) => unmask(arm(active(), 6)).read(6, n), [0, 1, 2]],
    // What was written is there, and nothing more: it is not masked, so that the loopback signals.
    ["not before a read that found nothing more", (n) => loop(arm(active(), 6).write(6, 2).read(6, 2)).read(6, n), [1]],
    // It masked itself, so that the loopback does nothing.
    ["before a read that found more", (n) => loop(arm(active(), 6).write(6, 2).read(6, 3)).read(6, n), [0]],
    // Before the unmask, or behind it: then it is masked again.
    // The edge line may have signalled it, too.
    ["or an edge line", (n) => loop(arm(arm(arm(active(), 6), 6, 1).read(6, 1), 8)).read(8, n), [0, 1]],
    [
      "before an unmask or behind it, as a read leaves open",
      (n) => loop(unmask(arm(active(), 6)).read(6, 1)).read(6, n),
      [0, 1],
    ],
    ["and masked before it was disarmed", (n) => loop(arm(disarm(arm(active(), 6)), 7)).read(7, n), [0, 1]],
    [
      "not while it was masked",
      (n) => loop(arm(disarm(arm(active().set(0x09, 0, 0, 1, [], 0), 6)), 6)).read(6, n),
      [0],
    ],
  ])("%s", (_what, make, expected) => {
    expect(fits(make, counters)).toEqual(expected);
  });
});

describe("edges and messages may come any number of times", () => {
  it.each<[string, (counter: number) => Script, Profile]>([
    ["while an edge line is armed", (n) => arm(active(), 6, 1).read(6, n), BASE],
    ["before an edge line was disarmed", (n) => disarm(arm(active(), 6, 1), 1).read(6, n), BASE],
    [
      "where ENOMEM left the trigger open",
      (n) => arm(active(), 6, 1).set(0x24, 1, 0, 1, [7], "ENOMEM").read(6, n),
      BASE,
    ],
    ["while a vector is armed", (n) => active().set(0x24, 2, 0, 1, [6], 0).read(6, n), V2],
  ])("%s", (_what, make, profile) => {
    expect(fits(make, counters, profile)).toEqual(counters);
  });

  it("not where hardware is silent", () => {
    expect(fits((n) => arm(opened(), 6, 1).read(6, n), counters)).toEqual([0]);
    expect(fits((n) => opened().set(0x24, 2, 0, 1, [6], 0).read(6, n), counters, V2)).toEqual([0]);
  });
});

describe("what ends the silence of hardware", () => {
  const write = (script: Script): Script => script.call(`pwrite64(${DEVICE}, "\\1\\0\\0\\0", 4, 0)`, 4);

  it.each([
    ["a write to a region", FACTS],
    ["a write to a region that nothing is known of", {}],
  ])("%s", (_what, facts) => {
    expect(fits((n) => write(arm(opened(), 6)).read(6, n), [0, 1, 7], BASE, facts)).toContain(1);
    expect(fits((n) => arm(opened(), 6).read(6, n), [0, 1, 7], BASE, facts)).toEqual([0]);
  });
});

describe("the install of an eventfd that is not signalled leaves the mask (VMASK-6)", () => {
  it.each([
    ["mask", 0x0c],
    ["unmask", 0x14],
  ])("%s", (_what, flags) => {
    const masked = flags === 0x14;
    const make = (n: number): Script => {
      const script = arm(opened(), 6);
      if (masked) script.set(0x09, 0, 0, 1, [], 0);
      return loop(script.set(flags, 0, 0, 1, [7], 0)).read(6, n);
    };
    expect(fits(make, counters)).toEqual([masked ? 0 : 1]);
  });
});

describe("a note of hardware that may be meant for either of two devices (3.3)", () => {
  const two = {
    ...MACHINE,
    devices: {
      "d.test": { ...DEVICE_FACTS, hasMsiDomain: false },
      "e.test": { ...DEVICE_FACTS, hasMsiDomain: false },
    },
  };
  const both = (): Script =>
    opened().ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: Buffer.from("e.test\0").toString("hex") }, 9);
  const asserted = (script: Script): Script => script.hardware("index=0 state=assert");

  it.each<[string, (counter: number) => Script, readonly number[]]>([
    ["an edge comes once or not", (n) => arm(both(), 6, 1).hardware("index=1 state=pulse").read(6, n), [0, 1]],
    [
      "an edge that came before its line was armed, too (5.2)",
      (n) => arm(both().hardware("index=1 state=pulse"), 6, 1).read(6, n),
      [0, 1],
    ],
    ["a level may have masked its line", (n) => loop(asserted(arm(both(), 6)).read(6, 1)).read(6, n), [0, 1]],
    [
      "a masked level line delivers nothing (VMASK-4)",
      (n) => loop(asserted(arm(both().set(0x09, 0, 0, 1, [], 0), 6))).read(6, n),
      [0],
    ],
    ["until it is unmasked", (n) => unmask(asserted(arm(both().set(0x09, 0, 0, 1, [], 0), 6))).read(6, n), [0, 1]],
  ])("%s", (_what, make, expected) => {
    expect(fits(make, counters, BASE, two)).toEqual(expected);
  });
});

describe("the storm protection after an upset disable count (5.2, postings)", () => {
  it("may shut a line off that was unmasked without trigger and armed while asserted", () => {
    const make = (upset: boolean, n: number): Script => {
      const script = opened().set(0x09, 0, 0, 1, [], 0);
      if (!upset) arm(script, 7);
      unmask(script).hardware("index=0 state=assert");
      arm(script, 6).read(6, 1);
      return unmask(script).read(6, n);
    };
    expect(fits((n) => make(true, n), counters, V2)).toEqual([0, 1]);
    expect(fits((n) => make(true, n), counters, BASE)).toEqual([1]);
  });
});

describe("an undefined outcome (5.3)", () => {
  const overrun = (): Script => opened().set(0x24, 2, 0, 1, [6], 0).set(0x21, 2, 0, 64, [], 0);

  it("may have signalled what the device holds, or not", () => {
    expect(fits((n) => overrun().read(6, n), [0, 1], V2)).toEqual([0, 1]);
    expect(fits((n) => opened().set(0x24, 2, 0, 1, [6], 0).set(0x21, 2, 0, 1, [], 0).read(6, n), [0, 1], V2)).toEqual([
      1,
    ]);
  });

  it("ends what is judged of the device: requests, maps, further opens", () => {
    const open = { before: NAME };
    for (const result of [0, "EINVAL", "EIO"] as const) {
      expect(diverges(overrun().set(0x24, 0, 0, 1, [7], result), V2)).toBe(false);
      expect(diverges(overrun().ioctl(GROUP, "GROUP_GET_DEVICE_FD", open, result), V2)).toBe(false);
      const map = `mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, ${DEVICE}, 0)`;
      expect(diverges(overrun().call(map, result), V2)).toBe(false);
      expect(diverges(opened().call(map, result), V2)).toBe(result !== "EINVAL");
    }
  });

  it("later calls may set and signal anything", () => {
    const later = (n: number): Script =>
      overrun().eventfd(9).set(0x24, 1, 0, 1, [9], 0).set(0x21, 1, 0, 1, [], 0).read(9, n);
    expect(fits(later, counters, V2)).toEqual(counters);
  });
});

describe("a container and a group of a real IOMMU (VDEV-15)", () => {
  it("the type that SET_IOMMU took stays", () => {
    const open = (result: number | string): Script =>
      new Script()
        .free(`openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR|O_CLOEXEC) = ${CONTAINER}`)
        .free(`openat(AT_FDCWD</>, "/dev/vfio/12", O_RDWR|O_CLOEXEC) = 4</dev/vfio/12>`)
        .ioctl("4</dev/vfio/12>", "GROUP_SET_CONTAINER", { before: words(3) }, 0)
        .ioctl(CONTAINER, "SET_IOMMU", 1, 0)
        .ioctl("4</dev/vfio/12>", "GROUP_GET_DEVICE_FD", { before: NAME }, result);
    expect([5, "EINVAL"].filter((result) => !diverges(open(result)))).toEqual([5]);
  });
});
