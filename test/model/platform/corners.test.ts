import { describe, expect, it } from "vitest";
import { platformModel } from "../../../src/model/platform/model.js";
import { Device, Eventfd, Line, Vector } from "../../../src/model/platform/state.js";
import { judge } from "./judge.js";
import { CONTAINER, DEVICE, GROUP, NAME, opened, type Result, Script, words } from "./script.js";

/** Places of the rules that no worked example reaches: limits, what is learned, what was not recorded. */

const BASE = "platform-base";
const V2 = "platform-msi-rfc-v2";
type Profile = typeof BASE | typeof V2;
type Facts = Readonly<Record<string, unknown>>;

const MACHINE = { noiommu: true, resetRequired: true, nrIrqs: 64 };
const DEVICE_FACTS = {
  bus: "platform",
  hasReset: true,
  resetResult: 0,
  regions: [{ size: 0x1000, flags: 7 }],
  wired: [{ trigger: "level" }, { trigger: "edge" }],
};
const withDevice = (device: Facts, machine: Facts = MACHINE): Facts => ({ ...machine, devices: { "d.test": device } });
const FACTS = withDevice({ ...DEVICE_FACTS, hasMsiDomain: true });

/** Whether a recording diverges. */
function diverges(script: Script, profile: Profile = BASE, facts: Facts = FACTS): boolean {
  return judge(script.lines, profile, facts).divergent.length > 0;
}

/** What was said of the last operation. */
function last(script: Script, profile: Profile = BASE, facts: Facts = FACTS): string {
  return judge(script.lines, profile, facts).verdicts.at(-1)?.verdict ?? "none";
}

/** Which of some results of a step conform. */
function fitting(
  make: (result: Result) => Script,
  results: readonly Result[],
  profile: Profile,
  facts: Facts,
): Result[] {
  return results.filter((result) => !diverges(make(result), profile, facts));
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

describe("states of a check", () => {
  const setting = { profile: V2, facts: FACTS, environment: [], arch: "aarch64", note: () => {} };

  it("a copy has its own vectors, and the eventfds of its own state in their slots", () => {
    const state = platformModel.initial(setting);
    const device = state.devices.get("d.test");
    if (device === undefined) throw new Error("no device");
    const eventfd = new Eventfd(1, "eventfd 77/6");
    state.eventfds.set(1, eventfd);
    const vector = new Vector(0);
    vector.trigger = eventfd;
    device.msi.vectors = [vector];
    device.msi.configured = true;
    const copy = platformModel.clone(state);
    const twin = copy.devices.get("d.test")?.msi.vectors?.[0];
    expect(twin?.trigger).toBe(copy.eventfds.get(1));
    expect(twin?.trigger).not.toBe(eventfd);
    expect(platformModel.fingerprint(copy)).toBe(platformModel.fingerprint(state));
    if (twin === undefined) throw new Error("no vector");
    twin.trigger = null;
    expect(vector.trigger).toBe(eventfd);
    expect(platformModel.fingerprint(copy)).not.toBe(platformModel.fingerprint(state));
  });

  it("invariants are broken by what no call can lead to, and by nothing else", () => {
    const state = platformModel.initial(setting);
    const eventfd = new Eventfd(1, "eventfd 77/6");
    const broken = (...objects: readonly object[]): readonly string[] =>
      platformModel.broken(state, new Set(objects)).map(({ rule }) => rule.id.replace("platform/", ""));
    const line = (flags: number, change: (line: Line) => unknown): Line => {
      const made = new Line(0);
      made.flags = flags;
      change(made);
      return made;
    };
    const mask = (made: Line): void => {
      made.masked = true;
      made.maskFd = eventfd;
    };
    expect(broken(line(1, mask))).toEqual(["INV-2", "INV-3"]);
    expect(broken(line(7, mask))).toEqual([]);
    const unmask = line(1, (made) => Object.assign(made, { unmaskFd: eventfd }));
    expect(broken(unmask)).toEqual(["INV-3"]);
    const device = new Device("d.test", "d.test");
    device.lines.set(
      0,
      line(1, (made) => Object.assign(made, { trigger: eventfd })),
    );
    expect(broken(device)).toEqual(["INV-10"]);
    device.openCount = 1;
    expect(broken(device)).toEqual([]);
    device.msi.configured = true;
    expect(broken(device.msi)).toEqual(["INV-5"]);
    device.msi.vectors = [new Vector(0)];
    expect(broken(device.msi)).toEqual([]);
    device.msi.configured = false;
    expect(broken(device.msi)).toEqual(["INV-5"]);
  });
});
