import { describe, expect, it } from "vitest";
import { judge, judgeProbes, LOST } from "./judge.js";
import { CONTAINER, DEVICE, GROUP, NAME, opened, type Result, Script, words } from "./script.js";
import { BASE, DEVICE_FACTS, diverges, FACTS, type Facts, fitting, V2, withDevice } from "./verdicts.js";

/** What happens beside the recorded calls of the device: other files, other devices, its hardware while it is closed or reset. */

const counters = [0, 1, 2, 3];
const fits = (
  make: (counter: number) => Script,
  facts: Facts = FACTS,
  profile: typeof BASE | typeof V2 = BASE,
): number[] => counters.filter((counter) => !diverges(make(counter), profile, facts));
const arm = (script: Script, fd: number, index = 0): Script => script.set(0x24, index, 0, 1, [fd], 0);
const reopen = (script: Script): Script => script.ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: NAME }, 5);

describe("opening files (VDEV-15)", () => {
  const container = (result: Result): Script =>
    new Script().call('openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR|O_CLOEXEC)', result);
  const group = (result: Result): Script =>
    new Script().call('openat(AT_FDCWD</>, "/dev/vfio/12", O_RDWR|O_CLOEXEC)', result);

  it("may fail before the driver is asked", () => {
    const before = ["ENOENT", "EACCES", "EPERM", "EMFILE"];
    const results = [...before, "EIO", "EINVAL"];
    expect(fitting(container, results, BASE, FACTS)).toEqual(before);
    expect(fitting(group, results, BASE, FACTS)).toEqual(before);
  });

  it("other drivers may answer for a container without IOMMU", () => {
    const bare = (): Script => new Script().free(`openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR) = ${CONTAINER}`);
    const extension =
      (script: () => Script): ((result: Result) => Script) =>
      (result) =>
        script().ioctl(CONTAINER, "CHECK_EXTENSION", 1, result);
    expect(fitting(extension(bare), [0, 1, 2, "EINVAL"], BASE, FACTS)).toEqual([0, 1]);
    expect(fitting(extension(opened), [0, 1, 2, "EINVAL"], BASE, FACTS)).toEqual([0]);
  });
});

describe("a device of another bus", () => {
  const pci = { before: Buffer.from("0000:01:00.0\0").toString("hex") };
  const set = (script: Script): Script =>
    script
      .ioctl(GROUP, "GROUP_GET_DEVICE_FD", pci, 9)
      .ioctl("9<anon_inode:[vfio-device]>", "DEVICE_SET_IRQS", { before: words(24, 0x24, 0, 0, 1, 6) }, 0);

  it("signals what was set on it, whatever is known of platform devices", () => {
    expect(fits((n) => set(opened()).read(6, 1).read(6, n))).toEqual(counters);
    const closed = (script: Script): Script => script.close("9<anon_inode:[vfio-device]>");
    expect(fits((n) => closed(set(opened()).read(6, 1)).read(6, n))).toEqual(counters);
    expect(fits((n) => closed(set(opened())).read(6, 1).read(6, n))).toEqual([0]);
  });
});

describe("a line that the program tells of, while the device is closed (3.3, VDEV-6)", () => {
  const one = withDevice({ ...DEVICE_FACTS, hasMsiDomain: false });
  const asserted = (): Script => arm(opened(), 6).hardware("index=0 state=assert").read(6, 1);

  it("is as it was left", () => {
    const dropped = (n: number): Script =>
      arm(reopen(asserted().close(DEVICE).hardware("index=0 state=deassert")), 7).read(7, n);
    expect(fits(dropped, one)).toContain(0);
    const raised = (n: number): Script =>
      arm(reopen(opened().close(DEVICE).hardware("index=0 state=assert")), 7).read(7, n);
    expect(fits(raised, one)).toContain(1);
  });

  it("may deliver an edge that came then, once it is armed (5.2)", () => {
    const edge = (script: Script): Script => script.hardware("index=1 state=pulse");
    const later = (n: number): Script => arm(reopen(edge(edge(opened()).close(DEVICE))), 7, 1).read(7, n);
    expect(fits(later, one)).toEqual([0, 1]);
    const before = (n: number): Script => arm(reopen(edge(opened()).close(DEVICE)), 7, 1).read(7, n);
    expect(fits(before, one)).toEqual([0, 1]);
  });

  it("may be changed by a reset of the device, or a write to its registers (VDEV-9)", () => {
    const reset = (script: Script): Script => script.ioctl(DEVICE, "DEVICE_RESET", 0, 0);
    const unmask = (script: Script): Script => script.set(0x11, 0, 0, 1, [], 0);
    expect(fits((n) => unmask(asserted()).read(6, n), one)).toEqual([1]);
    expect(fits((n) => unmask(reset(asserted())).read(6, n), one)).toEqual([0, 1]);
    // It may raise the line; the masked one fires when it is unmasked.
    const down = (): Script => unmask(asserted().hardware("index=0 state=deassert"));
    expect(fits((n) => down().read(6, n), one)).toEqual([0]);
    expect(fits((n) => reset(down()).read(6, n), one)).toEqual([0, 1]);
    const edge = (): Script => arm(opened(), 6, 1).hardware("index=1 state=pulse").read(6, 1);
    expect(fits((n) => edge().read(6, n), one)).toEqual([0]);
    expect(fits((n) => reset(edge()).read(6, n), one)).toEqual([0, 1]);
    const write = (script: Script): Script => script.call(`pwrite64(${DEVICE}, "\\1\\0\\0\\0", 4, 0)`, 4);
    expect(fits((n) => unmask(write(asserted())).read(6, n), one)).toEqual([0, 1]);
    // Nothing was told of: then the hardware is silent.
    expect(fits((n) => reset(arm(opened(), 6)).read(6, n), one)).toEqual([0]);
  });
});

describe("an edge while it is not known whether the line has a trigger (INV-7, 5.2)", () => {
  it("may wait until the line is armed", () => {
    const lost = `ioctl(${DEVICE}, VFIO_DEVICE_SET_IRQS, 0xffffee3c2240) = -1 EINVAL (Invalid argument)`;
    const make = (n: number): Script =>
      arm(arm(opened(), 6, 1).free(lost).hardware("index=1 state=pulse"), 7, 1).read(7, n);
    expect(fits(make)).toEqual([0, 1]);
  });
});

describe("an asserted line that may have been unmasked may have fired again (VMASK-3, VMASK-6)", () => {
  it("at the install of an eventfd that is not known", () => {
    const unknown =
      "recvmsg(10<socket:[1]>, {msg_control=[{cmsg_type=SCM_RIGHTS, cmsg_data=[30]}], msg_flags=0}, 0) = 1";
    const make = (flags: number, n: number): Script =>
      arm(opened(), 6)
        .free(unknown)
        .hardware("index=0 state=assert")
        .read(6, 1)
        .set(flags, 0, 0, 1, [30], 0)
        .read(6, n);
    expect(fits((n) => make(0x14, n))).toEqual(expect.arrayContaining([0, 1]));
  });

  it("by a signal that may have come on its unmask eventfd", () => {
    const chained = (): Script =>
      arm(arm(opened(), 6).set(0x14, 0, 0, 1, [7], 0), 7, 1)
        .hardware("index=0 state=assert")
        .hardware("index=1 state=pulse")
        .read(6, 2);
    expect(fits((n) => chained().read(6, n))).toEqual([0]);
    const reset = (n: number): Script => chained().ioctl(DEVICE, "DEVICE_RESET", 0, 0).read(6, n);
    expect(fits(reset)).toEqual(expect.arrayContaining([0, 1]));
  });
});

describe("reads and writes in pieces, and none", () => {
  const vector = '[{iov_base="\\1\\0\\0\\0\\0\\0\\0\\0", iov_len=8}], 1';

  it("change the counter of an eventfd", () => {
    const file = "6<anon_inode:[eventfd]>";
    expect(fits((n) => opened().write(6, 1).free(`readv(${file}, ${vector}) = 8`).read(6, n))).toContain(0);
    expect(fits((n) => opened().free(`writev(${file}, ${vector}) = 8`).read(6, n))).toContain(1);
    expect(fits((n) => opened().write(6, 1).read(6, n))).toEqual([1]);
  });

  it("that were interrupted leave the counter", () => {
    const make = (n: number): Script =>
      opened().write(6, 2).call("read(6<anon_inode:[eventfd]>, 0xffffee3c2240, 8)", "EINTR").read(6, n);
    expect(fits(make)).toEqual([2]);
  });

  it("an eventfd has no positions", () => {
    const pread = opened().write(6, 1).free("pread64(6<anon_inode:[eventfd]>, 0xffffee3c2240, 8, 0) = -1 ESPIPE (x)");
    expect(diverges(pread.read(6, 1))).toBe(false);
    expect(diverges(pread.read(6, 1))).toBe(true);
  });
});

describe("eventfds that KVM or a virtqueue uses", () => {
  it.each(["KVM_IRQFD", "0x4020ae76", "0x8040ae79", "_IOC(_IOC_WRITE, 0xaf, 0x21, 0x8)"])(
    "by %s have any counter",
    (request) => {
      const use = opened().free(`ioctl(20<anon_inode:kvm-vm>, ${request}, 0xffffee3c2240) = 0`).read(6, 3);
      expect(judge(use.lines, BASE, FACTS).divergent).toEqual([]);
      const other = opened().free("ioctl(20<anon_inode:kvm-vm>, 0xae80, 0) = 0").read(6, 3);
      expect(judge(other.lines, BASE, FACTS).divergent).toHaveLength(1);
    },
  );
});

describe("a loopback of a line that may have no trigger (VSET-12, postings)", () => {
  const maybe = (): Script => arm(opened(), 6).set(0x24, 0, 0, 1, [7], "ENOMEM");

  it("did not crash where it came back", () => {
    const script = maybe().set(0x21, 0, 0, 1, [], 0).set(0x09, 1, 0, 1, [], 0);
    const { divergent, defects } = judge(script.lines, V2, FACTS);
    expect([divergent.map(({ rules }) => rules.join()), defects]).toEqual([["VMASK-1"], []]);
    const none = opened().set(0x21, 0, 0, 1, [], 0).set(0x09, 1, 0, 1, [], 0);
    expect(judge(none.lines, V2, FACTS).defects).toEqual(["platform/VSET-12"]);
  });
});

describe("a line that was shut off unseen (5.2, postings)", () => {
  it("may miss what the program tells of", () => {
    const note = "vfio-note env hw=active";
    const active = (): Script => opened().free(`write(200</tmp/vfio-notes>, "${note}\\n", 24) = 24`);
    const upset = (script: Script): Script =>
      arm(script.set(0x09, 0, 0, 1, [], 0).set(0x11, 0, 0, 1, [], 0), 6).hardware("index=0 state=assert");
    expect(fits((n) => upset(active()).read(6, n), FACTS, V2)).toContain(0);
    expect(fits((n) => arm(active(), 6).hardware("index=0 state=assert").read(6, n))).not.toContain(0);
  });
});

describe("binding anew (VDEV-1)", () => {
  it("may give the device another group", () => {
    const driver = (file: string): string => `/sys/bus/platform/drivers/vfio-platform/${file}`;
    const write = (script: Script, file: string): Script =>
      script
        .free(`openat(AT_FDCWD</>, "${driver(file)}", O_WRONLY) = 9<${driver(file)}>`)
        .free(`write(9<${driver(file)}>, "d.test", 6) = 6`);
    const other = "10</dev/vfio/noiommu-1>";
    const inOther = (script: Script, result: Result): Script =>
      script
        .free(`openat(AT_FDCWD</>, "/dev/vfio/noiommu-1", O_RDWR) = ${other}`)
        .ioctl(other, "GROUP_SET_CONTAINER", { before: words(3) }, 0)
        .ioctl(other, "GROUP_GET_DEVICE_FD", { before: NAME }, result);
    const results = [11, "ENODEV"] as const;
    const kept = (result: Result): Script => inOther(opened().close(DEVICE), result);
    expect(fitting(kept, results, BASE, FACTS)).toEqual(["ENODEV"]);
    const rebound = (result: Result): Script => inOther(write(write(opened().close(DEVICE), "unbind"), "bind"), result);
    expect(fitting(rebound, results, BASE, FACTS)).toEqual([11, "ENODEV"]);
  });
});

describe("the probes of vfio_platform_ioctl and vfio_platform_set_irqs_ioctl together (capture-formats i.3)", () => {
  const both = (count: number, rc: number): readonly string[] => [
    "ioctl_in: cmd=0x3b6e argsz=20 w1=0x21 w2=0x0 w3=0x0",
    `set_irqs: flags=0x21 index=0 start=0 count=${count}`,
    `set_irqs_out: rc=${rc}`,
    `ioctl_out: rc=${rc}`,
  ];
  const verdict = (...texts: readonly string[]): string | undefined =>
    judgeProbes(texts, BASE, FACTS).verdicts.at(-1)?.verdict;

  it("show the header: four words have no count", () => {
    expect(verdict(...both(0, 0))).toBe("checked");
    expect(verdict(...both(1, 0), ...both(0, 0))).toBe("checked");
    expect(verdict(...both(0, -22))).toBe("divergent");
  });

  it("tell that the device is one of the platform bus", () => {
    const call = (flags: number, rc: number): readonly string[] => [
      `set_irqs: flags=0x${flags.toString(16)} index=0 start=0 count=1`,
      `set_irqs_out: rc=${rc}`,
    ];
    const bare = (...texts: readonly string[]): string | undefined =>
      judgeProbes(texts, BASE, {}).verdicts.at(-1)?.verdict;
    expect(bare(...call(0x01, 0))).toBe("divergent");
    expect(bare(...call(0x01, -25))).toBe("checked");
  });

  it("show memory that the kernel may not be able to read further, or to write", () => {
    const call = (command: string, data: string, rc: number): string | undefined =>
      verdict(`ioctl_in: fd=5 cmd=${command} data=${data}`, `ioctl_out: cmd=${command} rc=${rc}`);
    const header = words(24, 0x24, 0, 0, 1);
    expect(call("0x3b6e", header, -14)).toBe("checked");
    expect(call("0x3b6e", words(24, 0x26, 0, 0, 1, 6), -25)).toBe("divergent");
    expect(call("0x3b6b", words(16, 9, 9, 9), -14)).toBe("checked");
    expect(call("0x3b6b", words(16, 9, 9, 9), -22)).toBe("divergent");
  });
});

describe("the name of a device that was recorded in part", () => {
  it("is no fault (VDEV-4)", () => {
    const part = Buffer.from("a003e00.virtio").toString("hex");
    const note = (length: number): string => {
      const text = `vfio-note in seq=900 fd=4 cmd=0x3b6a len=${length} hex=${part}`;
      return `write(200</tmp/vfio-notes>, "${text}\\n", ${text.length + 1}) = ${text.length + 1}`;
    };
    const make =
      (length: number): ((result: Result) => Script) =>
      (result) =>
        opened().free(note(length)).call(`ioctl(${GROUP}, VFIO_GROUP_GET_DEVICE_FD, 0xffffee3c2240)`, result);
    expect(fitting(make(20), [9, "EFAULT"], BASE, FACTS)).toEqual([9, "EFAULT"]);
    expect(fitting(make(14), [9, "EFAULT"], BASE, FACTS)).toEqual(["EFAULT"]);
  });
});

describe("after lost events", () => {
  const lose = (script: Script): Script => {
    script.lines.push(LOST);
    return script;
  };

  it("a descriptor in the data may be open, closed, or another file's", () => {
    const results = [0, "EBADF", "EINVAL"] as const;
    const make =
      (fd: number): ((result: Result) => Script) =>
      (result) =>
        lose(opened()).set(0x24, 0, 0, 1, [fd], result);
    expect(fitting(make(6), results, BASE, FACTS)).toEqual(results);
    expect(fitting(make(99), results, BASE, FACTS)).toEqual(results);
    expect(
      fitting((result) => lose(opened()).eventfd(9).set(0x24, 0, 0, 1, [9], result), results, BASE, FACTS),
    ).toEqual([0]);
  });

  it("hardware may have been made to act", () => {
    const make = (script: Script, n: number): Script => arm(script.eventfd(9), 9).read(9, n);
    expect(fits((n) => make(opened(), n))).toEqual([0]);
    expect(fits((n) => make(lose(opened()), n))).toEqual(expect.arrayContaining([0, 1]));
    const asserted = (): Script => opened().hardware("index=0 state=assert");
    expect(fits((n) => make(asserted(), n))).toEqual([1]);
    expect(fits((n) => make(lose(asserted()), n))).toEqual(expect.arrayContaining([0, 1]));
  });
});

describe("the later posting (V3-2)", () => {
  it("counts what a helper tells, not the interrupts of the kernel", () => {
    const info = (count: number): Script =>
      opened().ioctl(
        DEVICE,
        "DEVICE_GET_IRQ_INFO",
        { before: words(16, 9, 2, 9), after: words(36, 0x11, 2, count) },
        0,
      );
    expect(judge(info(16).lines, "platform-msi-rfc-v3", FACTS).divergent).toEqual([]);
    const twice = info(16);
    twice.ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: words(16, 9, 2, 9), after: words(36, 0x11, 2, 17) }, 0);
    expect(judge(twice.lines, "platform-msi-rfc-v3", FACTS).divergent).toHaveLength(1);
  });
});

describe("descriptors that the model knows nothing of", () => {
  it("are other ways to devices and IOMMUs, of later kernels", () => {
    for (const path of ["/dev/iommu", "/dev/vfio/devices/vfio0"]) {
      const script = opened().free(`openat(AT_FDCWD</>, "${path}", O_RDWR) = 9<${path}>`);
      script.call(`ioctl(9<${path}>, _IOC(_IOC_NONE, 0x3b, 0x81, 0), 0xffffee3c2240)`, 0);
      expect(judge(script.lines, BASE, FACTS).verdicts.at(-1)?.verdict).toBe("unchecked");
    }
  });

  it("come from another process", () => {
    const results = [0, "EINVAL", "EBADF"] as const;
    const make = (result: Result): Script => opened().free("pidfd_getfd(30, 5, 0) = 9").set(0x24, 0, 0, 1, [9], result);
    expect(fitting(make, results, BASE, FACTS)).toEqual(results);
  });
});

describe("descriptors that stay open over an exec", () => {
  const exec = 'execve("/bin/vmm", ["vmm"], 0xffffee3c2240 /* 9 vars */) = 0';
  const busy = (script: Script): boolean[] =>
    [11, "EBUSY"].map((result) => {
      const again = new Script();
      again.lines.push(...script.lines);
      return diverges(again.call('openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC)', result));
    });

  it.each<[string, string, boolean]>([
    ["their flag was cleared", "fcntl(5<anon_inode:[vfio-device]>, F_SETFD, 0) = 0", true],
    ["by its number", "fcntl(5<anon_inode:[vfio-device]>, 0x2, 0) = 0", true],
    ["it is set", "fcntl(5<anon_inode:[vfio-device]>, F_SETFD, FD_CLOEXEC) = 0", false],
    ["a duplicate has none", "dup2(5<anon_inode:[vfio-device]>, 50) = 50<anon_inode:[vfio-device]>", true],
    ["a duplicate has one", "dup3(5<anon_inode:[vfio-device]>, 50, O_CLOEXEC) = 50<anon_inode:[vfio-device]>", false],
  ])("%s", (_what, call, kept) => {
    expect(busy(opened().free(call).free(exec))).toEqual([kept, !kept]);
  });
});
