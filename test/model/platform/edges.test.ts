import { describe, expect, it } from "vitest";
import { judge } from "./judge.js";
import { CONTAINER, DEVICE, GROUP, NAME, opened, type Result, Script, words } from "./script.js";

/** Shortage of memory, edges without trigger, groups of two kinds, long names: what no worked example reaches. */

const BASE = "platform-base";
const V2 = "platform-msi-rfc-v2";
type Facts = Readonly<Record<string, unknown>>;

const DEVICE_FACTS = {
  bus: "platform",
  hasReset: true,
  resetResult: 0,
  regions: [
    { size: 0x1000, flags: 7 },
    { size: 0x1000, flags: 5 },
    { size: 0x10, flags: 0 },
  ],
  wired: [{ trigger: "level" }, { trigger: "edge" }],
  hasMsiDomain: true,
};
const FACTS: Facts = { noiommu: true, resetRequired: true, nrIrqs: 64, devices: { "d.test": DEVICE_FACTS } };

function diverges(script: Script, profile = BASE, facts = FACTS): boolean {
  return judge(script.lines, profile, facts).divergent.length > 0;
}

function fitting(
  make: (result: Result) => Script,
  results: readonly Result[],
  profile = BASE,
  facts = FACTS,
): Result[] {
  return results.filter((result) => !diverges(make(result), profile, facts));
}

/** Counters of eventfd 6 that fit after a script. */
function counters(make: () => Script, profile = BASE, facts = FACTS): number[] {
  return [0, 1, 2, 3].filter((counter) => !diverges(make().read(6, counter), profile, facts));
}

describe("ENOMEM (section 5.1)", () => {
  it("may come from requests with data, and from no other", () => {
    for (const profile of [BASE, V2]) {
      const set = (flags: number, data: readonly number[]) => (): Script =>
        opened().set(flags, 0, 0, 1, data, "ENOMEM");
      for (const flags of [0x24, 0x0c, 0x14])
        expect([flags, diverges(set(flags, [6])(), profile)]).toEqual([flags, false]);
      for (const flags of [0x21, 0x09, 0x11])
        expect([flags, diverges(set(flags, [])(), profile)]).toEqual([flags, true]);
    }
  });

  it("from arming leaves the old trigger, or none (VSET-10)", () => {
    const loop = (): Script =>
      opened().set(0x24, 1, 0, 1, [6], 0).set(0x24, 1, 0, 1, [7], "ENOMEM").set(0x21, 1, 0, 1, [], 0);
    expect(counters(loop)).toEqual([0, 1]);
    const untouched = (): Script =>
      opened().set(0x24, 1, 0, 1, [6], 0).set(0x0c, 0, 0, 1, [7], "ENOMEM").set(0x21, 1, 0, 1, [], 0);
    expect(counters(untouched)).toEqual([1]);
  });

  it("from vectors likewise, and only of those that were addressed (VMSI-6)", () => {
    const loop = (start: number) => (): Script =>
      opened().set(0x24, 2, 0, 2, [6, 7], 0).set(0x24, 2, start, 1, [8], "ENOMEM").set(0x21, 2, 0, 2, [], 0);
    expect(counters(loop(0), V2)).toEqual([0, 1]);
    expect(counters(loop(1), V2)).toEqual([1]);
  });

  it("from an install leaves the slot empty (VMASK-5)", () => {
    const again = (result: Result): Script =>
      opened().set(0x0c, 0, 0, 1, [7], "ENOMEM").set(0x0c, 0, 0, 1, [7], result);
    expect(fitting(again, [0, "EBUSY"])).toEqual([0]);
  });
});

describe("the postings request a line when it is armed (VSET-10)", () => {
  const { wired: _, ...others } = DEVICE_FACTS;
  const facts: Facts = { ...FACTS, devices: { "d.test": others } };
  const arm = (script: Script, result: Result): Script => script.set(0x24, 0, 0, 1, [6], result);

  it("what it answers stays so, where no fact tells", () => {
    const again = (result: Result): Script => arm(arm(opened().irqInfo(0, 16, 7, 1), "EIO"), result);
    expect(fitting(again, [0, "EIO", "EBUSY"], V2, facts)).toEqual(["EIO"]);
    expect(fitting((result) => arm(opened(), result), ["EPERM", "ERANGE", "ENOTTY"], V2, facts)).toEqual([]);
  });
});

describe("edges (VMASK-4, section 5.2)", () => {
  const edge = (script: Script, state = "pulse"): Script => script.hardware(`index=1 state=${state}`);

  it("each signals once; its end does not", () => {
    const armed = (): Script => opened().set(0x24, 1, 0, 1, [6], 0);
    expect(counters(() => edge(edge(armed())))).toEqual([2]);
    expect(counters(() => edge(edge(armed(), "assert"), "deassert"))).toEqual([1]);
  });

  it("those that came without trigger may be delivered when one is set: once", () => {
    const late = (): Script => edge(edge(opened())).set(0x24, 1, 0, 1, [6], 0);
    expect(counters(late)).toEqual([0, 1]);
    // Once, and not again at the next one.
    expect(counters(() => late().set(0x24, 1, 0, 1, [7], 0).set(0x24, 1, 0, 1, [6], 0))).toEqual([0, 1]);
  });

  it("of an eventfd that may be the trigger", () => {
    const maybe = (): Script => edge(opened().set(0x24, 1, 0, 1, [6], 0).set(0x24, 1, 0, 1, [7], "ENOMEM"));
    expect(counters(maybe)).toEqual([0, 1]);
  });

  it("a line of which it is not known what it is, a vector that is not allocated", () => {
    const { wired: _, ...others } = DEVICE_FACTS;
    const facts: Facts = { ...FACTS, devices: { "d.test": others } };
    expect(counters(() => edge(opened().set(0x24, 1, 0, 1, [6], 0)), BASE, facts)).toEqual([0, 1]);
    const vector = (): Script => opened().set(0x24, 2, 0, 1, [6], 0).hardware("index=2 vector=1 state=pulse");
    expect(counters(vector, V2)).toEqual([0]);
  });
});

describe("a recording whose hardware is not silent", () => {
  it("a level line may fire once, an edge any number of times, where a region was written (section 5.2)", () => {
    const written = (index: number) => (): Script =>
      opened().set(0x24, index, 0, 1, [6], 0).call(`pwrite64(${DEVICE}, "virt", 4, 0)`, 4);
    expect(counters(written(0))).toEqual([0, 1]);
    expect(counters(written(1))).toEqual([0, 1, 2, 3]);
    // Fired, it is masked; a read of nothing tells that it did not.
    const fired = (): Script => written(0)().read(6, 1).set(0x21, 0, 0, 1, [], 0);
    expect(counters(fired)).toEqual([0]);
    const unmasked = (): Script => fired().set(0x11, 0, 0, 1, [], 0).set(0x21, 0, 0, 1, [], 0);
    expect(counters(unmasked)).toContain(1);
    expect(counters(unmasked)).not.toContain(3);
  });

  it("a masked line does not fire", () => {
    const masked = (): Script =>
      opened().set(0x24, 0, 0, 1, [6], 0).set(0x09, 0, 0, 1, [], 0).call(`pwrite64(${DEVICE}, "virt", 4, 0)`, 4);
    expect(counters(masked)).toEqual([0]);
  });

  it("a write of nothing, or a refused one, ends no silence", () => {
    const nothing = (): Script => opened().set(0x24, 1, 0, 1, [6], 0).call(`pwrite64(${DEVICE}, "", 0, 0)`, 0);
    expect(counters(nothing)).toEqual([0]);
    const refused = (): Script =>
      opened().set(0x24, 1, 0, 1, [6], 0).call(`pwrite64(${DEVICE}, "virt", 4, 1099511627776)`, "EINVAL");
    expect(counters(refused)).toEqual([0]);
  });

  it("declared silent it stays silent (section 3.3)", () => {
    const declared = (): Script =>
      opened()
        .free('write(200</tmp/vfio-notes>, "vfio-note env hw=silent\\n", 24) = 24')
        .set(0x24, 1, 0, 1, [6], 0)
        .call(`pwrite64(${DEVICE}, "virt", 4, 0)`, 4);
    expect(counters(declared)).toEqual([0]);
    const active = (): Script =>
      opened().free('write(200</tmp/vfio-notes>, "vfio-note env hw=active\\n", 24) = 24').set(0x24, 1, 0, 1, [6], 0);
    expect(counters(active)).toEqual([0, 1, 2, 3]);
  });
});

describe("regions (VDEV-11 to VDEV-13)", () => {
  it("without READ, WRITE or MMAP they refuse", () => {
    const at = (index: number): string => String(index * 2 ** 40);
    const write =
      (index: number) =>
      (result: Result): Script =>
        opened().call(`pwrite64(${DEVICE}, "virt", 4, ${at(index)})`, result);
    expect(fitting(write(0), [4, "EINVAL"])).toEqual([4]);
    expect(fitting(write(1), [4, "EINVAL"])).toEqual(["EINVAL"]);
    const read =
      (index: number) =>
      (result: Result): Script =>
        opened().call(`pread64(${DEVICE}, "virt", 4, ${at(index)})`, result);
    expect(fitting(read(1), [4, "EINVAL"])).toEqual([4]);
    expect(fitting(read(2), [4, "EINVAL"])).toEqual(["EINVAL"]);
    const map =
      (index: number, protection: string) =>
      (result: Result): Script =>
        opened().call(
          `mmap(NULL, 4096, ${protection}, MAP_SHARED, ${DEVICE}, 0x${(index * 2 ** 40).toString(16)})`,
          result,
        );
    const mapped = 281473209335808;
    expect(fitting(map(0, "PROT_READ|PROT_WRITE"), [mapped, "EINVAL"])).toEqual([mapped]);
    expect(fitting(map(1, "PROT_READ"), [mapped, "EINVAL"])).toEqual([mapped]);
    expect(fitting(map(1, "PROT_READ|PROT_WRITE"), [mapped, "EINVAL"])).toEqual(["EINVAL"]);
    expect(fitting(map(2, "PROT_READ"), [mapped, "EINVAL"])).toEqual(["EINVAL"]);
  });

  it("an access may fail for want of a mapping, and reads no more than is left", () => {
    const read = (result: Result): Script => opened().call(`pread64(${DEVICE}, "virt", 8, 4092)`, result);
    expect(fitting(read, [4, 8, 2, "ENOMEM", "EIO"])).toEqual([4, "ENOMEM"]);
  });
});

describe("GET_DEVICE_FD (VDEV-4)", () => {
  const unopened = (): Script =>
    new Script()
      .free(`openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR|O_CLOEXEC) = ${CONTAINER}`)
      .free(`openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC) = ${GROUP}`)
      .ioctl(GROUP, "GROUP_SET_CONTAINER", { before: words(3) }, 0)
      .ioctl(CONTAINER, "SET_IOMMU", 8, 0);
  const open =
    (name: string) =>
    (result: Result): Script =>
      unopened().ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: name }, result);

  it("a name without its end: a fault, or from a page on too long", () => {
    const text = (length: number): string => "61".repeat(length);
    expect(fitting(open(text(10)), [5, "EFAULT", "EINVAL"])).toEqual(["EFAULT"]);
    expect(fitting(open(text(4096)), [5, "EFAULT", "EINVAL"])).toEqual(["EINVAL"]);
    expect(fitting(open(`${text(4096)}00`), [5, "EFAULT", "EINVAL"])).toEqual(["EINVAL"]);
  });

  it("no descriptor is left: EMFILE, and the device stays closed", () => {
    expect(diverges(open(NAME)("EMFILE"))).toBe(false);
    const after = (result: Result): Script => open(NAME)("EMFILE").ioctl(GROUP, "GROUP_UNSET_CONTAINER", 0, result);
    expect(fitting(after, [0, "EBUSY"])).toEqual([0]);
  });

  it("that did not return may have opened the device, or not", () => {
    const script = unopened();
    script.lines.push(
      `77    1795158265.000900 write(200</tmp/vfio-notes>, "vfio-note in seq=900 fd=4 cmd=0x3b6a len=7 hex=${NAME}\\n", 60) = 60`,
      `77    1795158265.000901 ioctl(${GROUP}, VFIO_GROUP_GET_DEVICE_FD, 0xffffee3c2240) = ?`,
      `77    1795158265.000902 close(${DEVICE}) = 0`,
      `77    1795158265.000903 close(${GROUP}) = 0`,
    );
    for (const facts of [FACTS, {}]) expect(judge(script.lines, BASE, facts).divergent).toEqual([]);
  });

  it("a group of a real IOMMU does not go into a container of a no-IOMMU one (VDEV-15)", () => {
    const other = "6</dev/vfio/7>";
    const join = (result: Result): Script =>
      unopened()
        .free(`openat(AT_FDCWD</>, "/dev/vfio/7", O_RDWR|O_CLOEXEC) = ${other}`)
        .ioctl(other, "GROUP_SET_CONTAINER", { before: words(3) }, result);
    expect(fitting(join, [0, "EINVAL"])).toEqual(["EINVAL"]);
  });

  it("a container whose last group left has no IOMMU (VDEV-15)", () => {
    const left = (): Script => unopened().ioctl(GROUP, "GROUP_UNSET_CONTAINER", 0, 0);
    const request = (result: Result): Script => left().ioctl(CONTAINER, "0x3b70", { before: words(8, 0) }, result);
    expect(fitting(request, ["ENOTTY", "EINVAL"])).toEqual(["EINVAL"]);
    const attached = (result: Result): Script => unopened().ioctl(CONTAINER, "0x3b70", { before: words(8, 0) }, result);
    expect(fitting(attached, ["ENOTTY", "EINVAL"])).toEqual(["ENOTTY"]);
  });
});

describe("RESET (VDEV-9)", () => {
  const reset = (script: Script, result: Result): Script => script.ioctl(DEVICE, "DEVICE_RESET", 0, result);

  it("answers what the reset function does", () => {
    for (const [resetResult, expected] of [
      [0, [0]],
      ["EIO", ["EIO"]],
      [
        [0, "EIO"],
        [0, "EIO"],
      ],
    ] as const) {
      const facts: Facts = {
        ...FACTS,
        resetRequired: false,
        devices: { "d.test": { ...DEVICE_FACTS, resetResult } },
      };
      expect(fitting((result) => reset(opened(), result), [0, "EIO", "EBUSY", "ENOTTY"], BASE, facts)).toEqual(
        expected,
      );
    }
  });

  it("nothing is known of it: any errno of a driver, none of the request's own checks", () => {
    const { resetResult: _, ...others } = DEVICE_FACTS;
    const facts: Facts = { ...FACTS, resetRequired: false, devices: { "d.test": others } };
    const results = [0, "EIO", "EBUSY", "ENOTTY", "EFAULT", "EBADF"];
    expect(fitting((result) => reset(opened(), result), results, BASE, facts)).toEqual([0, "EIO", "EBUSY"]);
  });
});

describe("unbinding (VDEV-1)", () => {
  const driver = (file: string): string =>
    `openat(AT_FDCWD</>, "/sys/bus/platform/drivers/vfio-platform/${file}", O_WRONLY) = 4</sys/bus/platform/drivers/vfio-platform/${file}>`;
  const write = (script: Script, file: string, result: Result): Script =>
    script.free(driver(file)).call(`write(4</sys/bus/platform/drivers/vfio-platform/${file}>, "d.test", 6)`, result);

  it("of a device that another driver has, or none: ENODEV", () => {
    const twice = (result: Result): Script => write(write(new Script(), "unbind", 6), "unbind", result);
    expect(fitting(twice, [6, "ENODEV"])).toEqual(["ENODEV"]);
    const bound = (result: Result): Script => write(write(new Script(), "bind", 6), "unbind", result);
    expect(fitting(bound, [6, "ENODEV"])).toEqual([6]);
    const rebound = (result: Result): Script => write(write(new Script(), "bind", 6), "bind", result);
    expect(fitting(rebound, [6, "EBUSY"])).toEqual(["EBUSY"]);
  });
});
