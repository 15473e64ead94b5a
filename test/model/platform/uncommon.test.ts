import { describe, expect, it } from "vitest";
import { judge } from "./judge.js";
import { CONTAINER, DEVICE, GROUP, NAME, opened, type Result, Script, words } from "./script.js";
import { BASE, DEVICE_FACTS, diverges, FACTS, type Facts, fitting, type Profile, V2, withDevice } from "./verdicts.js";

/** Combinations that programs seldom make: requests about nothing, two groups, semaphores that are empty. */

const last = (script: Script, profile: Profile = BASE): string | undefined =>
  judge(script.lines, profile, FACTS).verdicts.at(-1)?.verdict;
/** The counters of an eventfd that fit. */
const fits = (make: (counter: number) => Script, profile: Profile = BASE, facts: Facts = FACTS): number[] =>
  [0, 1, 2, 3].filter((counter) => !diverges(make(counter), profile, facts));

/** A script in which the group could give out its device. */
const unopened = (): Script =>
  new Script()
    .free(`openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR|O_CLOEXEC) = ${CONTAINER}`)
    .free(`openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC) = ${GROUP}`)
    .ioctl(GROUP, "GROUP_SET_CONTAINER", { before: words(3) }, 0)
    .ioctl(CONTAINER, "SET_IOMMU", 8, 0);
const note = (text: string): string =>
  `write(200</tmp/vfio-notes>, "vfio-note ${text}\\n", ${text.length + 11}) = ${text.length + 11}`;
const again = 'openat(AT_FDCWD</>, "/dev/vfio/noiommu-1", O_RDWR|O_CLOEXEC) = 9</dev/vfio/noiommu-1>';
const OTHER_GROUP = "9</dev/vfio/noiommu-1>";

describe("a device that is not judged any more (5.3)", () => {
  it("takes nothing of what is known of eventfds by requests that only read", () => {
    const info = { before: words(16, 9, 9, 9) };
    const make = (n: number): Script =>
      opened().set(0x21, 1, 0, 1, [], 0).ioctl(DEVICE, "DEVICE_GET_INFO", info, 0).read(6, n);
    expect(fits(make, V2)).toEqual([0]);
  });
});

describe("VDEV-3: whether there is a reset function is not known", () => {
  it("the open fails with its errno, or with EINVAL where there is none", () => {
    const { hasReset: _, ...others } = DEVICE_FACTS;
    const facts = withDevice({ ...others, resetResult: [0, "EIO"] });
    const open = (result: Result): Script => unopened().ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: NAME }, result);
    expect(fitting(open, [5, "EIO", "EINVAL", "EBUSY"], V2, facts)).toEqual([5, "EIO", "EINVAL"]);
  });
});

describe("VDEV-3: AMBA", () => {
  it("a device without a reset function is never opened", () => {
    const facts = withDevice({ ...DEVICE_FACTS, bus: "amba", hasReset: false });
    const open = (result: Result): Script => unopened().ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: NAME }, result);
    expect(fitting(open, [5, "EINVAL"], V2, facts)).toEqual(["EINVAL"]);
  });
});

describe("a request that failed writes nothing (VDEV-14)", () => {
  it.each([
    ["DEVICE_GET_INFO", words(15, 9, 9, 9), words(15, 5, 1, 2)],
    ["DEVICE_GET_IRQ_INFO", words(15, 9, 0, 9), words(15, 7, 0, 1)],
    ["DEVICE_SET_IRQS", words(19, 0x21, 0, 0, 1), words(20, 0x21, 0, 0, 1)],
  ])("%s", (request, before, after) => {
    expect(diverges(opened().ioctl(DEVICE, request, { before }, "EINVAL"))).toBe(false);
    expect(diverges(opened().ioctl(DEVICE, request, { before, after }, "EINVAL"))).toBe(true);
  });
});

describe("a device that was open before the recording", () => {
  it("its close may be the last one, which takes the counter of a mask eventfd (VDEV-6, VMASK-8)", () => {
    const make = (n: number): Script =>
      new Script()
        .free(note("env hw=silent"))
        .eventfd(7)
        .write(7, 3)
        .set(0x0c, 0, 0, 1, [7], 0)
        .close(DEVICE)
        .read(7, n);
    for (const n of [0, 3]) expect([n, diverges(make(n))]).toEqual([n, false]);
  });
});

describe("two groups", () => {
  it("a device is in one of them (VDEV-4)", () => {
    const open = (result: Result): Script =>
      opened()
        .free(again)
        .ioctl(OTHER_GROUP, "GROUP_SET_CONTAINER", { before: words(3) }, 0)
        .ioctl(OTHER_GROUP, "GROUP_GET_DEVICE_FD", { before: NAME }, result);
    expect(fitting(open, [11, "ENODEV"], BASE, FACTS)).toEqual(["ENODEV"]);
  });

  it("the type that SET_IOMMU was given was not recorded (VDEV-15)", () => {
    const open = (): Script =>
      new Script()
        .free(`openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR|O_CLOEXEC) = ${CONTAINER}`)
        .free(`openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC) = ${GROUP}`)
        .ioctl(GROUP, "GROUP_SET_CONTAINER", { before: words(3) }, 0);
    const set = (result: Result): Script => open().call(`ioctl(${CONTAINER}, VFIO_SET_IOMMU, TYPE)`, result);
    expect(diverges(set(0))).toBe(false);
    expect(last(set(0))).toBe("unchecked");
  });

  it("into which of two containers one went was not recorded (VDEV-15)", () => {
    const second = "8</dev/vfio/vfio>";
    const joined = (containers: readonly string[]): Script => {
      const script = new Script();
      for (const one of containers) script.free(`openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR|O_CLOEXEC) = ${one}`);
      return script
        .free(`openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC) = ${GROUP}`)
        .call(`ioctl(${GROUP}, VFIO_GROUP_SET_CONTAINER, 0xffffee3c2240)`, 0);
    };
    const set = (containers: readonly string[], fd: string): readonly Result[] =>
      fitting((result) => joined(containers).ioctl(fd, "SET_IOMMU", 8, result), [0, "EINVAL"], BASE, FACTS);
    expect(set([CONTAINER], CONTAINER)).toEqual([0]);
    for (const fd of [CONTAINER, second]) expect([fd, set([CONTAINER, second], fd)]).toEqual([fd, [0, "EINVAL"]]);
  });
});

describe("the MSI block", () => {
  const block = (): Script => opened().set(0x24, 2, 0, 2, [6, 7], 0);

  it("a range of no vector asks the kernel for no interrupt (VMSI-5)", () => {
    const make = (result: Result): Script => block().set(0x24, 2, 1, 0, [], result);
    expect(fitting(make, [0, "EBUSY", "EIO", "EINVAL"], V2, FACTS)).toEqual([0]);
  });

  it("vectors may be short although there are enough, and then none was armed (VMSI-4, section 5.1)", () => {
    const facts = withDevice({ ...DEVICE_FACTS, hasMsiDomain: true, msiAvailable: 32 });
    const make = (result: Result): Script => opened().set(0x24, 2, 3, 0, [], result);
    expect(fitting(make, [0, "EINVAL", "ENOSPC", "ENOMEM", "EIO"], V2, facts)).toEqual(["EINVAL", "ENOSPC", "ENOMEM"]);
  });

  it("ENOMEM leaves the trigger that was there, or none, also the second time (VMSI-6)", () => {
    const short = (script: Script): Script => script.set(0x24, 2, 0, 1, [8], "ENOMEM");
    const loop = (script: Script): Script => script.set(0x21, 2, 0, 2, [], 0);
    for (const make of [(): Script => loop(short(block())), (): Script => loop(short(short(block())))]) {
      expect([6, 7, 8].map((fd) => fits((n) => make().read(fd, n), V2))).toEqual([[0, 1], [1], [0]]);
    }
  });
});

describe("the MSI block, further", () => {
  it("messages may have come up to its end where hardware is active (VMSI-10, VMSI-3)", () => {
    const make = (n: number): Script =>
      opened().free(note("env hw=active")).set(0x24, 2, 0, 1, [6], 0).set(0x21, 2, 0, 0, [], 0).read(6, n);
    expect(fits(make, V2)).toEqual([0, 1, 2, 3]);
  });

  it("an answer about armed vectors need not be recorded (VIRQ-7)", () => {
    const info = opened()
      .set(0x24, 2, 0, 1, [6], 0)
      .ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: words(60, 9, 2, 9) + "a5".repeat(44) }, 0);
    info.lines.pop();
    expect(last(info, V2)).toBe("checked");
  });
});

describe("DEVICE_FEATURE (VDEV-10a)", () => {
  it.each([
    [0x30000, ["EINVAL"]],
    [0x70000, ["ENOTTY"]],
    [0x50000, ["ENOTTY"]],
    [0x80000, ["EINVAL"]],
  ])("flags %i", (flags, expected) => {
    const make = (result: Result): Script =>
      opened().ioctl(DEVICE, "DEVICE_FEATURE", { before: words(8, flags) }, result);
    expect(fitting(make, [0, "EINVAL", "ENOTTY"], BASE, FACTS)).toEqual(expected);
  });
});

describe("eventfds", () => {
  it("of an empty semaphore nothing can be taken (VMASK-8)", () => {
    const make = (n: number): Script =>
      opened()
        .eventfd(9, "EFD_SEMAPHORE|EFD_CLOEXEC|EFD_NONBLOCK")
        .set(0x0c, 0, 0, 1, [9], 0)
        .set(0x0c, 0, 0, 1, [-1], 0)
        .write(9, 1)
        .read(9, n);
    expect(fits(make)).toEqual([1]);
  });

  it("that may be signalled may mask a line at the install, and leave a masked one masked (VMASK-6)", () => {
    // Line 1 may signal 7 at any time.
    const make = (masked: boolean, n: number): Script => {
      const script = opened().free(note("env hw=active")).set(0x24, 1, 0, 1, [7], 0);
      if (masked) script.set(0x09, 0, 0, 1, [], 0);
      return script.set(0x0c, 0, 0, 1, [7], 0).set(0x24, 0, 0, 1, [6], 0).set(0x21, 0, 0, 1, [], 0).read(6, n);
    };
    expect(fits((n) => make(true, n))).toEqual([0]);
    expect(fits((n) => make(false, n))).toEqual([0, 1]);
  });

  it("whose value was cut says nothing of the counter", () => {
    const cut = (n: number): Script =>
      opened().write(6, 3).call('read(6<anon_inode:[eventfd]>, "\\3"..., 8)', 8).read(6, n);
    expect(last(opened().write(6, 3).call('read(6<anon_inode:[eventfd]>, "\\3"..., 8)', 8))).toBe("unchecked");
    expect(fits(cut)).toEqual([0]);
  });

  it("that the postings leave installed at the last close are not judged any more (section 5.4)", () => {
    const left = (): Script => opened().set(0x0c, 0, 0, 1, [7], 0).close(DEVICE);
    expect(judge(left().lines, V2, FACTS).defects).toEqual(["platform/VDEV-6"]);
    expect(last(left().read(7, 2), V2)).toBe("unchecked");
    expect(diverges(left().read(7, 2))).toBe(true);
    expect(diverges(left().read(6, 2), V2)).toBe(true);
  });

  it("a device that is closed signals none, whatever was set on it (5.2)", () => {
    const make = (n: number): Script =>
      opened()
        .free(`ioctl(${DEVICE}, VFIO_DEVICE_SET_IRQS, 0xffffee3c2240) = 0`)
        .close(DEVICE)
        .free(note("env hw=active"))
        .read(6, 0)
        .write(6, 2)
        .read(6, n);
    expect(fits(make)).toEqual([2]);
  });
});
