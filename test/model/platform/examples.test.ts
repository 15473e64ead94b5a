import { describe, expect, it } from "vitest";
import { judge } from "./judge.js";
import { CONTAINER, DEVICE, GROUP, NAME, opened, type Result, Script, words } from "./script.js";

const REGION = { size: 0x1000, flags: 7 };
const LINES = [{ trigger: "level" }, { trigger: "edge" }, { trigger: "level", requestError: "EBUSY" }];
const DEVICE_D = {
  bus: "platform",
  hasReset: true,
  resetResult: 0,
  regions: [REGION],
  wired: LINES,
  hasMsiDomain: false,
};
const MACHINE = { noiommu: true, resetRequired: true, pageSize: 4096, nrIrqs: 64 };
const FACTS = { ...MACHINE, devices: { "d.test": DEVICE_D } };
/** D': the same device with an MSI domain that has 32 vectors. */
const FACTS_MSI = { ...MACHINE, devices: { "d.test": { ...DEVICE_D, hasMsiDomain: true, msiAvailable: 32 } } };

const BASE = "platform-base";
const V2 = "platform-msi-rfc-v2";
const V3 = "platform-msi-rfc-v3";

type Profile = typeof BASE | typeof V2 | typeof V3;

function factsOf(profile: Profile): Readonly<Record<string, unknown>> {
  return profile === BASE ? FACTS : FACTS_MSI;
}

/** Errnos that requests answer somewhere, and two that none answers. */
const ERRNOS = ["EIO", "ERANGE", "EINVAL", "EBADF", "EBUSY", "ENOTTY", "EFAULT", "ENODEV", "EAGAIN"];

/** Results that a step could have had instead. */
function others(result: Result): readonly Result[] {
  const errnos = ERRNOS.filter((errno) => errno !== result);
  return typeof result === "number" ? errnos : [0, ...errnos];
}

/** Steps whose result is open by a rule: the errors of a controller, of a refused line, or of a reset. */
interface Options {
  readonly facts?: Readonly<Record<string, unknown>>;
  /** Steps of which another errno is allowed, too: by part of their text. */
  readonly open?: RegExp;
}

/** Other results that a rule allows: a bad buffer that no line shows, a group whose devices are not known, another driver. */
function isOpen(line: string, result: Result): boolean {
  if (result === "EFAULT") return line.includes("[eventfd]>, 0x");
  if (result === "EBUSY") return line.includes("/vfio-platform/bind>");
  return result === "ENODEV" && (line.includes("GROUP_GET_DEVICE_FD") || line.includes('"/dev/vfio/noiommu'));
}

/** The script is what the specification says; and nothing else is. */
function holds(profile: Profile, script: Script, { facts = factsOf(profile), open }: Options = {}): void {
  const whole = judge(script.lines, profile, facts);
  expect(whole.divergent).toEqual([]);
  expect(whole.verdicts.filter(({ verdict }) => verdict !== "checked")).toEqual([]);
  for (const step of script.steps) {
    for (const result of others(step.result)) {
      if (isOpen(script.lines[step.line - 1] ?? "", result)) continue;
      if (open?.test(script.lines[step.line - 2] ?? "") && typeof result === "string") continue;
      const { divergent } = judge(script.with(step, result), profile, facts);
      expect([script.lines[step.line - 1], result, divergent.length > 0]).toEqual([
        script.lines[step.line - 1],
        result,
        true,
      ]);
    }
    for (const text of script.readsOtherwise(step)) {
      const lines = script.lines.with(step.line - 1, text);
      expect({ text, found: judge(lines, profile, facts).divergent.length > 0 }).toMatchObject({ found: true });
    }
  }
}

function inProfiles(profiles: readonly Profile[], test: (profile: Profile) => void): void {
  for (const profile of profiles) test(profile);
}

const BOTH = [BASE, V2] as const;

describe("worked examples (vfio-platform-msi 7)", () => {
  it("1: opening", () => {
    inProfiles(BOTH, (profile) => {
      const indexes = profile === BASE ? 3 : 4;
      const script = new Script()
        .free(`openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR|O_CLOEXEC) = ${CONTAINER}`)
        .ioctl(CONTAINER, "GET_API_VERSION", 0, 0)
        .ioctl(CONTAINER, "CHECK_EXTENSION", 8, 1)
        .ioctl(CONTAINER, "CHECK_EXTENSION", 1, 0)
        .ioctl(CONTAINER, "SET_IOMMU", 8, "EINVAL")
        .free(`openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC) = ${GROUP}`)
        .call('openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC)', "EBUSY")
        .ioctl(GROUP, "GROUP_GET_STATUS", { before: words(8, 9), after: words(8, 1) }, 0)
        .ioctl(GROUP, "GROUP_GET_STATUS", { before: words(7, 9) }, "EINVAL")
        .ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: NAME }, "EINVAL")
        .free('openat(AT_FDCWD</>, "/dev/null", O_RDWR|O_CLOEXEC) = 6</dev/null>')
        .ioctl(GROUP, "GROUP_SET_CONTAINER", { before: words(6) }, "EINVAL")
        .ioctl(GROUP, "GROUP_SET_CONTAINER", { before: words(99) }, "EBADF")
        .ioctl(GROUP, "GROUP_SET_CONTAINER", { before: undefined }, "EFAULT")
        .ioctl(GROUP, "GROUP_SET_CONTAINER", { before: words(3) }, 0)
        .ioctl(GROUP, "GROUP_SET_CONTAINER", { before: words(3) }, "EINVAL")
        .ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: NAME }, "EINVAL")
        .ioctl(CONTAINER, "SET_IOMMU", 1, "ENODEV")
        .ioctl(CONTAINER, "SET_IOMMU", 8, 0)
        .ioctl(CONTAINER, "SET_IOMMU", 8, "EINVAL")
        .ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: undefined }, "EFAULT")
        .ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: NAME }, 5)
        .ioctl(GROUP, "GROUP_UNSET_CONTAINER", 0, "EBUSY")
        .ioctl(GROUP, "GROUP_GET_STATUS", { before: words(8, 9), after: words(8, 3) }, 0)
        .ioctl(DEVICE, "DEVICE_GET_INFO", { before: words(16, 9, 9, 9), after: words(16, 5, 1, indexes) }, 0)
        .ioctl(DEVICE, "DEVICE_GET_INFO", { before: words(15, 9, 9, 9) }, "EINVAL")
        .ioctl(DEVICE, "DEVICE_GET_INFO", { before: words(20, 9, 9, 9, 7), after: words(20, 5, 1, indexes, 7) }, 0)
        .ioctl(DEVICE, "DEVICE_GET_INFO", { before: undefined }, "EFAULT");
      holds(profile, script);
    });
  });

  it("1: a device before the container has an IOMMU, and one of another name", () => {
    inProfiles(BOTH, (profile) => {
      const script = opened()
        .ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: Buffer.from("other.test\0").toString("hex") }, "ENODEV")
        .close(DEVICE)
        .ioctl(GROUP, "GROUP_UNSET_CONTAINER", 0, 0)
        .ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: NAME }, "EINVAL");
      expect(judge(script.lines, profile, factsOf(profile)).divergent).toEqual([]);
      for (const step of script.steps.slice(-3)) {
        const other = step.result === 0 ? "EBUSY" : 5;
        expect(judge(script.with(step, other), profile, factsOf(profile)).divergent.length).toBeGreaterThan(0);
      }
    });
  });

  it("2: regions", () => {
    inProfiles(BOTH, (profile) => {
      const region = (index: number, argsz: number): string => words(argsz, 9, index, 0xddccbbaa, 9, 9, 9, 9);
      const script = opened()
        .ioctl(
          DEVICE,
          "DEVICE_GET_REGION_INFO",
          { before: region(0, 32), after: words(32, 7, 0, 0xddccbbaa, 0x1000, 0, 0, 0) },
          0,
        )
        .ioctl(DEVICE, "DEVICE_GET_REGION_INFO", { before: region(1, 32) }, "EINVAL")
        .ioctl(DEVICE, "DEVICE_GET_REGION_INFO", { before: region(0, 31) }, "EINVAL")
        .call(`pread64(${DEVICE}, "\\0\\0\\0\\0", 8, 4092)`, 4)
        .call(`pread64(${DEVICE}, 0xffffdadb8cd0, 4, 1099511627776)`, "EINVAL")
        .call(`pwrite64(${DEVICE}, "virt", 4, 112)`, 4)
        .call(`pread64(${DEVICE}, 0x10, 4, 0)`, "EFAULT")
        .call(`read(${DEVICE}, "virt", 4)`, 4)
        .call(`read(${DEVICE}, "virt", 4)`, 4)
        .call(`mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, ${DEVICE}, 0)`, 281473209335808)
        .call(`mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, ${DEVICE}, 0)`, "EINVAL")
        .call(`mmap(NULL, 8192, PROT_READ, MAP_SHARED, ${DEVICE}, 0)`, "EINVAL")
        .call(`mmap(NULL, 4096, PROT_READ, MAP_SHARED, ${DEVICE}, 0x10000000000)`, "EINVAL");
      if (profile === BASE) script.call(`pread64(${DEVICE}, 0xffffdadb8cd0, 4, 4096)`, "EINVAL");
      holds(profile, script);
    });
    const beyond = opened().call(`pread64(${DEVICE}, "virt", 4, 4096)`, 4);
    const { divergent, defects } = judge(beyond.lines, V2, FACTS_MSI);
    expect({ divergent, defects }).toEqual({ divergent: [], defects: ["platform/VDEV-11"] });
  });

  it("2: a region of 0x200 bytes cannot be mapped", () => {
    const small = { ...DEVICE_D, regions: [{ size: 0x200, flags: 3 }] };
    const script = opened()
      .ioctl(
        DEVICE,
        "DEVICE_GET_REGION_INFO",
        { before: words(32, 9, 0, 1, 9, 9, 9, 9), after: words(32, 3, 0, 1, 0x200, 0, 0, 0) },
        0,
      )
      .call(`mmap(NULL, 4096, PROT_READ, MAP_SHARED, ${DEVICE}, 0)`, "EINVAL");
    holds(BASE, script, { facts: { ...MACHINE, devices: { "d.test": small } } });
  });

  it("3: irq info", () => {
    const wired = (script: Script): Script => script.irqInfo(0, 16, 7, 1).irqInfo(1, 16, 1, 1).irqInfo(2, 16, 7, 1);
    const outside = words(16, 9, 3, 9);
    holds(BASE, wired(opened()).ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: outside }, "EINVAL"));
    const msi = wired(opened())
      .ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: outside, after: words(48, 0x11, 3, 64) }, 0)
      .ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: words(15, 9, 3, 9) }, "EINVAL");
    holds(V2, msi);
  });

  it("4: room for cap_offset at a wired index; the answers stay the same", () => {
    const room = words(20, 9, 0, 9, 0xa5a5a5a5);
    holds(
      BASE,
      opened().ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: room, after: words(20, 7, 0, 1, 0xa5a5a5a5) }, 0),
    );
    const stack = words(20, 7, 0, 1, 0x10183e00);
    holds(V2, opened().ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: room, after: stack }, 0));
    const inBase = opened().ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: room, after: stack }, 0);
    expect(judge(inBase.lines, BASE, FACTS).divergent).toHaveLength(1);
    inProfiles(BOTH, (profile) => {
      holds(profile, opened().set(0x24, 0, 0, 1, [6], 0).set(0x09, 0, 0, 1, [], 0).irqInfo(0, 16, 7, 1));
    });
  });

  it("5: loopback and automask of a level line", () => {
    inProfiles(BOTH, (profile) => {
      const script = opened()
        .set(0x24, 0, 0, 1, [6], 0)
        .set(0x21, 0, 0, 1, [], 0)
        .set(0x21, 0, 0, 1, [], 0)
        .set(0x11, 0, 0, 1, [], 0)
        .set(0x21, 0, 0, 1, [], 0)
        .read(6, 2)
        .read(6, 0);
      holds(profile, script);
    });
  });

  it("5: a real device that keeps its line asserted", () => {
    inProfiles(BOTH, (profile) => {
      const script = opened()
        .set(0x24, 0, 0, 1, [6], 0)
        .hardware("index=0 state=assert")
        .read(6, 1)
        .set(0x11, 0, 0, 1, [], 0)
        .read(6, 1)
        .hardware("index=0 state=deassert")
        .set(0x11, 0, 0, 1, [], 0)
        .read(6, 0)
        .set(0x09, 0, 0, 1, [], 0)
        .hardware("index=0 state=assert")
        .read(6, 0)
        .set(0x11, 0, 0, 1, [], 0)
        .read(6, 1)
        .set(0x21, 0, 0, 0, [], 0)
        .set(0x11, 0, 0, 1, [], 0)
        .read(6, 0)
        .set(0x24, 0, 0, 1, [6], 0)
        .read(6, 1)
        .ioctl(DEVICE, "DEVICE_RESET", 0, 0)
        .read(6, 0);
      holds(profile, script);
    });
  });

  it("5: the trigger is the unmask eventfd, too", () => {
    const script = (first: number, second: number): Script =>
      opened()
        .set(0x24, 0, 0, 1, [6], 0)
        .set(0x14, 0, 0, 1, [6], 0)
        .set(0x21, 0, 0, 1, [], 0)
        .read(6, first)
        .set(0x21, 0, 0, 1, [], 0)
        .read(6, second);
    holds(BASE, script(0, 0));
    holds(V2, script(1, 1));
  });

  it("6: edge line", () => {
    inProfiles(BOTH, (profile) => {
      const script = opened()
        .set(0x24, 1, 0, 1, [7], 0)
        .set(0x21, 1, 0, 1, [], 0)
        .set(0x21, 1, 0, 1, [], 0)
        .set(0x21, 1, 0, 1, [], 0)
        .read(7, 3)
        .set(0x09, 1, 0, 1, [], "EINVAL");
      holds(profile, script);
    });
  });

  it("7: no trigger", () => {
    const script = opened().set(0x21, 0, 0, 1, [], 0).set(0x24, 0, 0, 1, [6], 0).set(0x21, 0, 0, 1, [], 0).read(6, 0);
    holds(BASE, script);
    const dead = opened().free(`ioctl(${DEVICE}, VFIO_DEVICE_SET_IRQS <unfinished ...>) = ?`);
    expect(judge(dead.lines, V2, FACTS_MSI).divergent).toEqual([]);
    const { divergent, defects } = judge(opened().set(0x21, 0, 0, 1, [], 0).lines, V2, FACTS_MSI);
    expect({ divergent, defects }).toEqual({ divergent: [], defects: ["platform/VSET-12"] });
  });

  it("8: range", () => {
    const common = (script: Script, noAction: string, disable: Result): Script =>
      script
        .set(0x24, 0, 0, 1, [6], 0)
        .set(0x24, 0, 1, 1, [6], "EINVAL")
        .set(0x04, 0, 1, 1, [6], noAction)
        .set(0x21, 0, 2, 0, [], disable)
        .set(0x21, 0, 3, 0, [], "EINVAL")
        .set(0x21, 0, 0, 1, [], 0)
        .read(6, disable === 0 ? 0 : 1);
    holds(BASE, common(opened(), "ENOTTY", 0));
    holds(V2, common(opened(), "EINVAL", "EINVAL"));
  });

  it("9: data", () => {
    inProfiles(BOTH, (profile) => {
      const script = opened()
        .set(0x26, 0, 0, 1, [6], "EINVAL")
        .set(0x20, 0, 0, 1, [6], "EINVAL")
        .set(0x64, 0, 0, 1, [6], "EINVAL")
        .ioctl(DEVICE, "DEVICE_SET_IRQS", { before: words(23, 0x24, 0, 0, 1, 6) }, "EINVAL")
        .ioctl(DEVICE, "DEVICE_SET_IRQS", { before: words(19, 0x21, 0, 0, 1) }, "EINVAL")
        .set(0x24, 0, 0, 0xffffffff, [6], "EINVAL")
        .ioctl(DEVICE, "DEVICE_SET_IRQS", { before: words(24, 0x24, 0, 0, 1) }, "EFAULT")
        .ioctl(DEVICE, "DEVICE_SET_IRQS", { before: words(0, 0xff, 99, 7) }, "EFAULT")
        .set(0x3c, 0, 0, 1, [6], "ENOTTY");
      holds(profile, script);
    });
  });

  it("10: busy line", () => {
    const base = opened()
      .set(0x24, 2, 0, 1, [6], "EBUSY")
      .set(0x21, 2, 0, 0, [], "EBUSY")
      .set(0x01, 2, 0, 1, [], "EBUSY")
      .set(0x07, 2, 0, 1, [6], "EINVAL");
    holds(BASE, base);
    const msi = opened().set(0x24, 2, 0, 1, [6], "EBUSY").set(0x21, 2, 0, 0, [], 0).set(0x01, 2, 0, 1, [], "ENOTTY");
    holds(V2, msi);
  });

  it("11: bad descriptors drop the old trigger", () => {
    const script = (): Script =>
      opened()
        .free('openat(AT_FDCWD</>, "/dev/null", O_RDWR|O_CLOEXEC) = 9</dev/null>')
        .set(0x24, 1, 0, 1, [6], 0)
        .set(0x24, 1, 0, 1, [99], "EBADF");
    holds(BASE, script().set(0x21, 1, 0, 1, [], 0).read(6, 0));
    inProfiles(BOTH, (profile) => {
      holds(profile, script().set(0x24, 1, 0, 1, [9], "EINVAL").set(0x24, 1, 0, 1, [-5], 0));
    });
  });

  it("12: mask and unmask eventfds", () => {
    const script = (left: number): Script =>
      opened()
        .set(0x24, 0, 0, 1, [6], 0)
        .set(0x0c, 0, 0, 1, [7], 0)
        .set(0x0c, 0, 0, 1, [7], "EBUSY")
        .write(7, 1)
        .read(7, left)
        .set(0x21, 0, 0, 1, [], 0)
        .read(6, 0)
        .set(0x14, 0, 0, 1, [8], 0)
        .write(8, 0)
        .set(0x21, 0, 0, 1, [], 0)
        .read(6, 1)
        .set(0x0c, 0, 0, 1, [-1], 0)
        .set(0x0c, 0, 0, 1, [-1], 0)
        .close("8<anon_inode:[eventfd]>")
        .set(0x14, 0, 0, 1, [7], 0);
    holds(BASE, script(0));
    holds(V2, script(1));
  });

  it("13: install of an eventfd that is signalled", () => {
    inProfiles(BOTH, (profile) => {
      const install = (): Script =>
        opened().set(0x24, 0, 0, 1, [6], 0).write(7, 3).set(0x0c, 0, 0, 1, [7], 0).set(0x21, 0, 0, 1, [], 0).read(6, 0);
      holds(profile, install().read(7, 3));
      holds(profile, install().set(0x0c, 0, 0, 1, [-1], 0).read(7, 0));
      const semaphore = opened()
        .eventfd(9, "EFD_SEMAPHORE|EFD_CLOEXEC|EFD_NONBLOCK")
        .write(9, 3)
        .set(0x0c, 0, 0, 1, [9], 0)
        .set(0x0c, 0, 0, 1, [-1], 0)
        .read(9, 1)
        .read(9, 1)
        .read(9, 0);
      holds(profile, semaphore);
    });
  });

  it("14: BOOL data", () => {
    inProfiles(BOTH, (profile) => {
      const script = opened()
        .set(0x24, 0, 0, 1, [6], 0)
        .set(0x24, 1, 0, 1, [7], 0)
        .set(0x0a, 0, 0, 1, "00", 0)
        .set(0x22, 0, 0, 1, "01", 0)
        .read(6, 1)
        .set(0x12, 0, 0, 1, "01", 0)
        .set(0x0a, 0, 0, 1, "80", 0)
        .set(0x21, 0, 0, 1, [], 0)
        .read(6, 0)
        .set(0x22, 1, 0, 1, "00", 0)
        .read(7, 0)
        .set(0x0a, 0, 0, 0, [], "EINVAL");
      holds(profile, script);
    });
  });

  it("15: reset, further opens, last close", () => {
    inProfiles(BOTH, (profile) => {
      const script = opened()
        .set(0x24, 1, 0, 1, [6], 0)
        .set(0x09, 0, 0, 1, [], 0)
        .ioctl(DEVICE, "DEVICE_RESET", 0, 0)
        .set(0x21, 1, 0, 1, [], 0)
        .read(6, 1)
        .ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: NAME }, 9)
        .close(DEVICE)
        .ioctl("5", "DEVICE_SET_IRQS", { before: words(20, 0x21, 1, 0, 1) }, "EBADF")
        .ioctl("9<anon_inode:[vfio-device]>", "DEVICE_SET_IRQS", { before: words(20, 0x21, 1, 0, 1) }, 0)
        .read(6, 1);
      holds(profile, script);
      const again = opened()
        .set(0x09, 0, 0, 1, [], 0)
        .close(DEVICE)
        .ioctl(GROUP, "GROUP_GET_DEVICE_FD", { before: NAME }, 5)
        .set(0x24, 0, 0, 1, [6], 0)
        .set(0x21, 0, 0, 1, [], 0)
        .read(6, 1)
        .ioctl(DEVICE, "DEVICE_GET_PCI_HOT_RESET_INFO", { before: words(8, 0) }, "ENOTTY")
        .ioctl(DEVICE, "DEVICE_FEATURE", { before: words(8, 0x10000) }, "ENOTTY")
        .ioctl(DEVICE, "DEVICE_FEATURE", { before: words(4, 0) }, profile === BASE ? "EINVAL" : "ENOTTY");
      holds(profile, again);
    });
    const none = { ...DEVICE_D, hasReset: false };
    const script = opened().ioctl(DEVICE, "DEVICE_RESET", 0, "EINVAL");
    const facts = { ...MACHINE, resetRequired: false, devices: { "d.test": none } };
    // Where a reset function is required after all, its open is refused (VDEV-3).
    holds(V2, script, { facts, open: /cmd=0x3b6a/ });
  });

  it("15: a device without reset function cannot be bound", () => {
    const facts = { ...MACHINE, devices: { "d.test": { ...DEVICE_D, hasReset: false } } };
    const bind = (result: Result): Script =>
      new Script()
        .free(
          'openat(AT_FDCWD</>, "/sys/bus/platform/devices/d.test/driver_override", O_WRONLY) = 3</sys/devices/platform/d.test/driver_override>',
        )
        .call('write(3</sys/devices/platform/d.test/driver_override>, "vfio-platform", 13)', 13)
        .free(
          'openat(AT_FDCWD</>, "/sys/bus/platform/drivers/vfio-platform/bind", O_WRONLY) = 4</sys/bus/platform/drivers/vfio-platform/bind>',
        )
        .call('write(4</sys/bus/platform/drivers/vfio-platform/bind>, "d.test", 6)', result);
    holds(BASE, bind("ENOENT"), { facts });
    holds(V2, bind("ENODEV"), { facts });
    expect(judge(bind(6).lines, V2, { ...facts, resetRequired: false }).divergent).toEqual([]);
    expect(judge(bind(6).lines, BASE, { ...facts, resetRequired: false }).divergent).toHaveLength(1);
  });
});

/** The answer for three vectors of which 0 and 2 are armed. */
function threeVectors(argsz: number): string {
  const head = words(argsz, 0x11, 3, 64, 20, 0x00010003, 36, 1, 0, 0x00010004, 0, 3);
  return head + words(0x08090040, 0, 0) + words(0, 0, 0) + words(0x08090040, 0, 2);
}

/** An irq info of the MSI index as the program passes it. */
function question(argsz: number, size: number): string {
  return words(argsz, 0xa5a5a5a5, 3, 0xa5a5a5a5) + "a5".repeat(size - 16);
}

/** Enabling and arming: a controller may refuse with any errno of its own (VMSI-4, VMSI-6). */
const ENABLES = /hex=.{8}2400000003/;

describe("worked examples: the MSI block", () => {
  it("16: enable", () => {
    const script = opened()
      .set(0x24, 3, 0, 3, [6, -1, 7], 0)
      .ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: question(84, 84), after: threeVectors(84) }, 0)
      .ioctl(
        DEVICE,
        "DEVICE_GET_IRQ_INFO",
        { before: question(83, 84), after: words(84, 0x11, 3, 64, 0) + "a5".repeat(64) },
        0,
      )
      .set(0x21, 3, 0, 3, [], 0)
      .read(6, 1)
      .set(0x22, 3, 0, 3, "000101", 0)
      .read(7, 2)
      .set(0x24, 3, 2, 2, [8, 8], "EINVAL")
      .set(0x24, 3, 3, 1, [8], "EINVAL")
      .set(0x24, 3, 1, 0, [], 0)
      .set(0x09, 3, 0, 1, [], "ENOTTY")
      .set(0x24, 3, 1, 1, [6], 0)
      .set(0x21, 3, 0, 3, [], 0)
      .read(6, 2)
      .read(7, 1)
      .hardware("index=3 vector=2 state=pulse")
      .hardware("index=3 vector=2 state=pulse")
      .read(7, 2)
      .set(0x24, 3, 2, 1, [-1], 0)
      .hardware("index=3 vector=2 state=pulse")
      .read(7, 0)
      .set(0x24, 3, 2, 1, [7], 0)
      .read(7, 0);
    holds(V2, script, { open: ENABLES });
  });

  it("16: unarmed messages are zero, and nr_msgs is the number of vectors", () => {
    const answer = (after: string): number => {
      const before = question(84, 84);
      const script = opened().set(0x24, 3, 0, 3, [6, -1, 7], 0);
      script.ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before, after }, 0);
      return judge(script.lines, V2, FACTS_MSI).divergent.length;
    };
    const right = threeVectors(84);
    expect(answer(right)).toBe(0);
    expect(answer(right.replace(words(0x00010004, 0, 3), words(0x00010004, 0, 2)))).toBe(1);
    expect(answer(`${right.slice(0, 2 * 60)}01${right.slice(2 * 60 + 2)}`)).toBe(1);
    expect(answer(`${right.slice(0, 2 * 48)}01${right.slice(2 * 48 + 2)}`)).toBe(0);
  });

  it("16: a message of an armed vector that changes by itself is a warning (VIRQ-7)", () => {
    const twice = (between: (script: Script) => Script, second: string): readonly string[] => {
      const ask = (script: Script, after: string): Script =>
        script.ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: question(84, 84), after }, 0);
      const script = ask(opened().set(0x24, 3, 0, 3, [6, -1, 7], 0), threeVectors(84));
      const { divergent, remarks } = judge(ask(between(script), second).lines, V2, FACTS_MSI);
      expect(divergent).toEqual([]);
      return remarks;
    };
    const other = `${threeVectors(84).slice(0, 2 * 48)}80${threeVectors(84).slice(2 * 48 + 2)}`;
    const nothing = (script: Script): Script => script;
    expect(twice(nothing, threeVectors(84))).toEqual([]);
    expect(twice(nothing, other)).toEqual([expect.stringContaining("message of armed vector 0 changed")]);
    expect(twice((script) => script.set(0x24, 3, 2, 1, [8], 0), other)).toHaveLength(1);
    // Armed anew, it may have another one.
    expect(twice((script) => script.set(0x24, 3, 0, 1, [6], 0), other)).toEqual([]);
    expect(twice((script) => script.set(0x21, 3, 0, 0, [], 0).set(0x24, 3, 0, 3, [6, -1, 7], 0), other)).toEqual([]);
  });

  it("17: roll-back", () => {
    const script = opened()
      .set(0x24, 3, 0, 3, [6, -1, 7], 0)
      .set(0x24, 3, 0, 2, [8, 99], "EBADF")
      .set(0x21, 3, 0, 3, [], 0)
      .read(6, 0)
      .read(8, 0)
      .read(7, 1);
    holds(V2, script, { open: ENABLES });
    const failed = opened().set(0x24, 3, 0, 2, [6, 99], "EBADF");
    failed.ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: words(16, 9, 3, 9), after: words(48, 0x11, 3, 64) }, 0);
    holds(V2, failed, { open: ENABLES });
    const { defects } = judge(failed.close(DEVICE).lines, V2, FACTS_MSI);
    expect(defects).toEqual(["platform/VMSI-13"]);
  });

  it("18: disable, and requests that cannot be met", () => {
    const none = (argsz: number): string => words(argsz, 0x11, 3, 64, 20, 0x00010003, 36, 1, 0, 0x00010004, 0, 0);
    const script = opened()
      .set(0x24, 3, 0, 0, [], "EINVAL")
      .set(
        0x24,
        3,
        0,
        65,
        Array.from({ length: 65 }, () => 6),
        "EINVAL",
      )
      .set(0x24, 3, 0, 3, [6, -1, 7], 0)
      .set(0x21, 3, 5, 0, [], 0)
      .ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: question(48, 48), after: none(48) }, 0);
    holds(V2, script, { open: ENABLES });
    expect(judge(script.close(DEVICE).lines, V2, FACTS_MSI).defects).toEqual(["platform/VMSI-13"]);
    const many = Array.from({ length: 64 }, () => 6);
    const supply = (result: Result): number =>
      judge(opened().set(0x24, 3, 0, 64, many, result).lines, V2, FACTS_MSI).divergent.length;
    expect([supply("ENOSPC"), supply("ENOMEM"), supply(0), supply("EINVAL")]).toEqual([0, 0, 1, 1]);
    const never = judge(opened().set(0x21, 3, 0, 1, [], 0).lines, V2, FACTS_MSI);
    expect({ divergent: never.divergent, defects: never.defects }).toEqual({
      divergent: [],
      defects: ["platform/VMSI-8"],
    });
  });

  it("18: count 0 from start 2 allocates, fails and undoes", () => {
    const script = opened()
      .set(0x24, 3, 2, 0, [], "EINVAL")
      .set(0x24, 3, 0, 1, [6], 0)
      .set(0x21, 3, 0, 1, [], 0)
      .read(6, 1);
    holds(V2, script, { open: ENABLES });
  });

  it("v3: the chain without vectors, and the reserved word (V3-3, V3-4)", () => {
    const none = words(36, 0x11, 3, 64, 20, 0x00010003, 0, 1, 0);
    const script = opened()
      .ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: question(36, 36), after: none }, 0)
      .ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before: words(16, 9, 3, 9), after: words(36, 0x11, 3, 64) }, 0)
      .set(0x24, 3, 0, 1, [-1], 0)
      .ioctl(
        DEVICE,
        "DEVICE_GET_IRQ_INFO",
        {
          before: question(64, 64),
          after: words(64, 0x11, 3, 64, 20, 0x00010003, 36, 1, 0, 0x00010004, 0, 1, 0, 0, 0, 0),
        },
        0,
      );
    holds(V3, script, { open: ENABLES });
  });
});
