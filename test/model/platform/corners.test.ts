import { describe, expect, it } from "vitest";
import { judge } from "./judge.js";
import { CONTAINER, DEVICE, GROUP, NAME, opened, type Result, Script, words } from "./script.js";
import {
  BASE,
  DEVICE_FACTS,
  diverges,
  FACTS,
  type Facts,
  fitting,
  MACHINE,
  type Profile,
  V2,
  withDevice,
} from "./verdicts.js";

/** Places of the rules that no worked example reaches: limits, resets, what was not recorded. */

/** What was said of the last operation. */
function last(script: Script, profile: Profile = BASE, facts: Facts = FACTS): string {
  return judge(script.lines, profile, facts).verdicts.at(-1)?.verdict ?? "none";
}

const E6 = "6<anon_inode:[eventfd]>";

describe("eventfds (INV-9, section 2.7)", () => {
  it("fewer than 8 bytes are refused", () => {
    for (const call of [`read(${E6}, 0x10, 4)`, `write(${E6}, "\\1\\0\\0\\0", 4)`]) {
      expect(diverges(opened().write(6, 1).call(call, "EINVAL"))).toBe(false);
      expect(diverges(opened().write(6, 1).call(call, 4))).toBe(true);
    }
  });

  it("the largest value cannot be written, and nothing beyond the largest counter", () => {
    const write = (script: Script, bytes: string, result: Result): Script =>
      script.call(`write(${E6}, "${bytes}", 8)`, result);
    const all = "\\377".repeat(8);
    const most = `\\376${"\\377".repeat(7)}`;
    const one = "\\1\\0\\0\\0\\0\\0\\0\\0";
    expect(diverges(write(opened(), all, "EINVAL"))).toBe(false);
    expect(diverges(write(opened(), all, 8))).toBe(true);
    expect(diverges(write(opened(), most, 8))).toBe(false);
    expect(diverges(write(opened(), most, "EAGAIN"))).toBe(true);
    expect(diverges(write(write(opened(), most, 8), one, "EAGAIN"))).toBe(false);
    expect(diverges(write(write(opened(), most, 8), one, 8))).toBe(true);
    expect(diverges(write(opened().write(6, 3), one, "EAGAIN"))).toBe(true);
  });

  it("whether one is a semaphore was not recorded: 1 may be one of several", () => {
    const read = (script: Script, value: number): Script => script.read(9, value);
    const found = (): Script => opened().free(`dup(200) = 9<anon_inode:[eventfd]>`).write(9, 3);
    expect(diverges(read(found(), 1))).toBe(false);
    expect(diverges(read(read(read(found(), 1), 1), 1))).toBe(false);
  });
});

describe("VDEV-11: a device has no position", () => {
  it.each([BASE, V2] as const)("%s", (profile) => {
    const seek = (result: Result): Script => opened().call(`lseek(${DEVICE}, 0, SEEK_SET)`, result);
    expect(fitting(seek, ["ESPIPE", 0, "EINVAL"], profile, FACTS)).toEqual(["ESPIPE"]);
  });
});

describe("VDEV-3: the reset at the first open", () => {
  const unopened = (): Script =>
    new Script()
      .free(`openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR|O_CLOEXEC) = ${CONTAINER}`)
      .free(`openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC) = ${GROUP}`)
      .ioctl(GROUP, "GROUP_SET_CONTAINER", { before: words(3) }, 0)
      .ioctl(CONTAINER, "SET_IOMMU", 8, 0);
  const open = (result: Result): Script => unopened().ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: NAME }, result);
  const results = [5, "EIO", "EINVAL"] as const;
  const { resetResult: _, ...unknownReset } = DEVICE_FACTS;
  const optional = { ...MACHINE, resetRequired: false };

  it.each([
    ["succeeds", DEVICE_FACTS, MACHINE, [5]],
    ["fails", { ...DEVICE_FACTS, resetResult: "EIO" }, MACHINE, ["EIO"]],
    ["fails and is not required", { ...DEVICE_FACTS, resetResult: "EIO" }, optional, [5]],
    ["may fail with EIO", { ...DEVICE_FACTS, resetResult: [0, "EIO"] }, MACHINE, [5, "EIO"]],
    ["is not known", unknownReset, MACHINE, [5, "EIO", "EINVAL"]],
    ["is not known and not required", unknownReset, optional, [5]],
    [
      "fails on AMBA, where it is always required",
      { ...DEVICE_FACTS, bus: "amba", resetResult: "EIO" },
      optional,
      ["EIO"],
    ],
  ])("%s", (_what, device, machine, expected) => {
    expect(fitting(open, results, BASE, withDevice(device, machine))).toEqual(expected);
  });

  it("an open that was refused leaves the device closed", () => {
    const again = open("EIO").ioctl(GROUP, "GROUP_UNSET_CONTAINER", 0, 0);
    expect(diverges(again, BASE, withDevice(unknownReset))).toBe(false);
    const busy = open("EIO").ioctl(GROUP, "GROUP_UNSET_CONTAINER", 0, "EBUSY");
    expect(diverges(busy, BASE, withDevice(unknownReset))).toBe(true);
  });

  it("a reset that worked at the open works later, where it is one and the same", () => {
    const reset = (result: Result): Script => open(5).ioctl(DEVICE, "DEVICE_RESET", 0, result);
    expect(fitting(reset, [0, "EIO"], BASE, withDevice(unknownReset))).toEqual([0]);
    expect(fitting(reset, [0, "EIO"], BASE, withDevice(unknownReset, optional))).toEqual([0, "EIO"]);
  });

  it("EPERM is for another process than the one that opened the group (VDEV-4)", () => {
    expect(diverges(open("EPERM"), BASE, FACTS)).toBe(true);
    const inherited = unopened();
    inherited.lines.push(
      `77    1795158265.000100 fork() = 78`,
      `78    1795158265.000101 write(200</tmp/vfio-notes>, "vfio-note in seq=900 fd=4 cmd=0x3b6a len=7 hex=${NAME}\\n", 60) = 60`,
      `78    1795158265.000102 ioctl(${GROUP}, VFIO_GROUP_GET_DEVICE_FD, 0xffffee3c2240) = -1 EPERM (Operation not permitted)`,
    );
    expect(judge(inherited.lines, BASE, FACTS).divergent).toEqual([]);
  });
});

describe("an argument that was not recorded", () => {
  const call = (result: Result): string =>
    `ioctl(${DEVICE}, VFIO_DEVICE_SET_IRQS, 0xffffee3c2240) = ${typeof result === "number" ? result : `-1 ${result} (as the errno says)`}`;

  it.each([BASE, V2] as const)("SET_IRQS: never these results (%s, section 5.7)", (profile) => {
    const make = (result: Result): Script => opened().free(call(result));
    expect(fitting(make, [0, 1, "EINVAL", "ENOTTY", "EBADF", "ERANGE", "EPERM", "EOVERFLOW"], profile, FACTS)).toEqual([
      0,
      "EINVAL",
      "ENOTTY",
      "EBADF",
    ]);
    expect(last(make(0), profile)).toBe("unchecked");
  });

  it("another errno only where a line cannot be requested (VSET-7)", () => {
    const make = (result: Result): Script => opened().free(call(result));
    expect(fitting(make, ["ENOSPC"], BASE, FACTS)).toEqual([]);
    const busy = withDevice({
      ...DEVICE_FACTS,
      wired: [{ trigger: "level" }, { trigger: "edge", requestError: "EIO" }],
    });
    expect(fitting(make, ["ENOSPC"], BASE, busy)).toEqual(["ENOSPC"]);
    const later = withDevice({
      ...DEVICE_FACTS,
      wired: [{ trigger: "level", requestError: "EIO" }, { trigger: "edge" }],
    });
    expect(fitting(make, ["ENOSPC"], BASE, later)).toEqual(["ENOSPC"]);
  });

  it("after a success anything may be set; after a failure at most a trigger is gone (INV-7)", () => {
    const armed = (): Script => opened().set(0x24, 0, 0, 1, [6], 0).set(0x24, 1, 0, 1, [7], 0);
    const loop =
      (index: number, fd: number, counter: number): ((result: Result) => Script) =>
      (result) =>
        armed().free(call(result)).set(0x21, index, 0, 1, [], 0).read(fd, counter);
    expect(fitting(loop(0, 6, 0), [0, "EINVAL"], BASE, FACTS)).toEqual([0, "EINVAL"]);
    expect(fitting(loop(0, 6, 1), [0, "EINVAL"], BASE, FACTS)).toEqual([0, "EINVAL"]);
    expect(fitting(loop(1, 7, 2), [0, "EINVAL"], BASE, FACTS)).toEqual([0]);
    // A mask survives the failure.
    const masked = (result: Result): Script =>
      opened()
        .set(0x09, 0, 0, 1, [], 0)
        .set(0x24, 0, 0, 1, [6], 0)
        .free(call(result))
        .set(0x21, 0, 0, 1, [], 0)
        .read(6, 1);
    expect(fitting(masked, [0, "EINVAL"], BASE, FACTS)).toEqual([0]);
  });

  it("of the MSI block neither", () => {
    const block = (): Script => opened().set(0x24, 2, 0, 2, [6, 7], 0);
    const beyond = (result: Result): Script => block().free(call(result)).set(0x24, 2, 2, 1, [8], 0);
    expect(fitting(beyond, [0, "EBADF"], V2, FACTS)).toEqual([0]);
    const loop =
      (counter: number): ((result: Result) => Script) =>
      (result) =>
        block().free(call(result)).set(0x21, 2, 0, 2, [], 0).read(6, counter);
    expect(fitting(loop(1), [0, "EBADF"], V2, FACTS)).toEqual([0, "EBADF"]);
    expect(fitting(loop(0), [0, "EBADF"], V2, FACTS)).toEqual([0, "EBADF"]);
  });

  it("GROUP_GET_STATUS is not judged, and never anything but EFAULT, EINVAL and 0", () => {
    const make = (result: Result): Script =>
      opened().call(`ioctl(${GROUP}, VFIO_GROUP_GET_STATUS, 0xffffee3c2240)`, result);
    expect(fitting(make, [0, 1, "EINVAL", "EFAULT", "ENOTTY"], BASE, FACTS)).toEqual([0, "EINVAL", "EFAULT"]);
    expect(last(make(0))).toBe("unchecked");
  });

  it("whether a group is there and may be opened", () => {
    for (const errno of ["ENOENT", "EACCES", "ENODEV"]) {
      const script = new Script().call('openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC)', errno);
      expect(last(script)).toBe("unchecked");
    }
    const script = new Script().call('openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC)', "EIO");
    expect(last(script)).toBe("divergent");
  });
});

describe("a descriptor in the data that nothing tells of", () => {
  // The recording begins with the device open: which descriptors there are is not known.
  const set = (flags: number, index: number, result: Result): Script =>
    new Script().set(flags, index, 0, 1, [30], result);

  it("may be no eventfd, or not open", () => {
    for (const [flags, index] of [
      [0x24, 0],
      [0x0c, 0],
    ] as const) {
      const make = (result: Result): Script => set(flags, index, result);
      expect([flags, fitting(make, [0, "EBADF", "EINVAL", "ENOTTY"], BASE, FACTS)]).toEqual([
        flags,
        [0, "EBADF", "EINVAL"],
      ]);
    }
  });
});

describe("VMSI-6: the kernel refuses the interrupt of a vector", () => {
  it("those from it down to start are released, others keep their trigger", () => {
    const refused = (): Script => opened().set(0x24, 2, 0, 3, [6, 7, 8], 0).set(0x24, 2, 0, 2, [7, 6], "EBUSY");
    const loop = (counters: readonly [number, number, number]): Script =>
      counters.reduce((script, counter, i) => script.read(6 + i, counter), refused().set(0x21, 2, 0, 3, [], 0));
    // The first vector is released for certain; whether the second was reached is not known.
    expect(diverges(loop([0, 0, 1]), V2)).toBe(false);
    expect(diverges(loop([0, 1, 1]), V2)).toBe(false);
    expect(diverges(loop([1, 0, 1]), V2)).toBe(true);
    expect(diverges(loop([0, 0, 0]), V2)).toBe(true);
  });
});

describe("notes of hardware (section 3.3)", () => {
  it("a level that is asserted and dropped signals once, or not; masked never", () => {
    const pulse = (masked: boolean, counter: number): Script => {
      const script = opened().set(0x24, 0, 0, 1, [6], 0);
      if (masked) script.set(0x09, 0, 0, 1, [], 0);
      return script.hardware("index=0 state=pulse").read(6, counter);
    };
    expect([0, 1, 2].map((counter) => diverges(pulse(false, counter)))).toEqual([false, false, true]);
    expect([0, 1].map((counter) => diverges(pulse(true, counter)))).toEqual([false, true]);
  });

  it("of one of several open devices may be any one's", () => {
    const two = {
      ...MACHINE,
      devices: {
        "d.test": { ...DEVICE_FACTS, hasMsiDomain: false },
        "e.test": { ...DEVICE_FACTS, hasMsiDomain: false },
      },
    };
    const other = Buffer.from("e.test\0").toString("hex");
    const script = (counter: number): Script =>
      opened()
        .ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: other }, 9)
        .set(0x24, 0, 0, 1, [6], 0)
        .hardware("index=0 state=assert")
        .read(6, counter);
    expect([0, 1, 2].map((counter) => diverges(script(counter), BASE, two))).toEqual([false, false, true]);
    // One open device alone: it is its line.
    const alone = (counter: number): Script =>
      opened().set(0x24, 0, 0, 1, [6], 0).hardware("index=0 state=assert").read(6, counter);
    expect([0, 1, 2].map((counter) => diverges(alone(counter), BASE, two))).toEqual([true, false, true]);
  });
});
