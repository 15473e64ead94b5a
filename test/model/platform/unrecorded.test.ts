import { describe, expect, it } from "vitest";
import { platformModel } from "../../../src/model/platform/model.js";
import { judge } from "./judge.js";
import { CONTAINER, DEVICE, GROUP, opened, type Result, Script, words } from "./script.js";
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

/** Descriptors, names and answers that the recording does not tell, and what it tells nevertheless. */

const verdicts = (script: Script, profile: Profile = BASE, facts: Facts = FACTS): readonly string[] =>
  judge(script.lines, profile, facts).verdicts.map(({ verdict }) => verdict);
/** The rules of the first divergence. */
const broken = (script: Script, profile: Profile = BASE, facts: Facts = FACTS): readonly string[] | undefined =>
  judge(script.lines, profile, facts).divergent[0]?.rules;

const info = (script: Script, flags: number, fd = DEVICE): Script =>
  script.ioctl(fd, "DEVICE_GET_INFO", { before: words(16, 9, 9, 9), after: words(16, flags, 1, 2) }, 0);
/** SET_IRQS whose structure was not recorded. */
const unseenSet = (result: Result): string =>
  `ioctl(${DEVICE}, VFIO_DEVICE_SET_IRQS, 0xffffee3c2240) = ${typeof result === "number" ? result : `-1 ${result} (as the errno says)`}`;

describe("a device descriptor whose open was not recorded", () => {
  const other = "9<anon_inode:[vfio-device]>";
  const line = (script: Script, fd: string, flags: number): Script => {
    const before = words(16, 9, 0, 9);
    return script.ioctl(fd, "DEVICE_GET_IRQ_INFO", { before, after: words(16, flags, 0, 1) }, 0);
  };

  it("is the one device that facts name, and else another than those that were opened", () => {
    const both = (): Script => line(line(opened(), DEVICE, 7), other, 1);
    expect(diverges(both(), BASE, {})).toBe(false);
    expect(diverges(both(), BASE, withDevice({ bus: "platform" }))).toBe(true);
  });

  it("is a platform device where argument notes were written (3.3)", () => {
    const small = { before: words(15, 9, 9, 9) };
    expect(diverges(new Script().ioctl(DEVICE, "DEVICE_GET_INFO", small, "EINVAL"), BASE, {})).toBe(false);
    expect(diverges(new Script().ioctl(DEVICE, "DEVICE_GET_INFO", small, 0), BASE, {})).toBe(true);
    // Without them it may be any.
    const bare = new Script().call(`ioctl(${DEVICE}, VFIO_DEVICE_GET_INFO, 0xffffee3c2240)`, 1);
    expect(verdicts(bare, BASE, {})).toEqual(["unchecked"]);
  });
});

describe("a device of another bus", () => {
  const open = { before: Buffer.from("0000:01:00.0\0").toString("hex") };
  const pci = (): Script =>
    new Script()
      .free(`openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR|O_CLOEXEC) = ${CONTAINER}`)
      .free(`openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC) = ${GROUP}`)
      .ioctl(GROUP, "GROUP_SET_CONTAINER", { before: words(3) }, 0)
      .ioctl(CONTAINER, "SET_IOMMU", 8, 0)
      .ioctl(GROUP, "GROUP_GET_DEVICE_FD", open, 5);

  it("is not judged (VDEV-10)", () => {
    const reset = { before: words(12, 0, 0) };
    const script = pci().ioctl(DEVICE, "DEVICE_GET_PCI_HOT_RESET_INFO", reset, 0);
    expect(verdicts(script, BASE, {}).at(-1)).toBe("unchecked");
    expect(diverges(opened().ioctl(DEVICE, "DEVICE_GET_PCI_HOT_RESET_INFO", reset, 0), BASE, {})).toBe(true);
  });
});

describe("files that are closed", () => {
  it("the close of a device succeeds, whatever its reset answers (VDEV-6)", () => {
    expect(fitting((result) => opened().call(`close(${DEVICE})`, result), [0, "EIO", "EINVAL"], BASE, FACTS)).toEqual([
      0,
    ]);
    // Another descriptor stands for it.
    const shared = (result: Result): Script =>
      opened().free(`dup(${DEVICE}) = 9<anon_inode:[vfio-device]>`).call(`close(${DEVICE})`, result);
    expect(fitting(shared, [0, "EIO"], BASE, FACTS)).toEqual([0]);
  });

  it("a call that puts another file in the place of a device has a result of its own", () => {
    const script = opened().free("dup2(200</tmp/vfio-notes>, 5) = 5</tmp/vfio-notes>");
    expect(judge(script.lines, BASE, FACTS).divergent).toEqual([]);
    expect(judge(script.lines, BASE, FACTS).state).toEqual({ devices: [{ name: "d.test", open: false }] });
  });

  it("a device without MSI block has none to disable (VMSI-14)", () => {
    const rules = (hasMsiDomain: boolean): readonly string[] | undefined =>
      judge(opened().close(DEVICE).lines, V2, withDevice({ ...DEVICE_FACTS, hasMsiDomain })).verdicts.at(-1)?.rules;
    expect(rules(true)).toEqual(["VDEV-6", "VMSI-14"]);
    expect(rules(false)).toEqual(["VDEV-6"]);
  });

  it("an open device keeps its group, one that may be open may keep it (VDEV-15)", () => {
    const again = 'openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC)';
    const results = [11, "EBUSY"] as const;
    const held = (result: Result): Script => opened().close(GROUP).call(again, result);
    expect(fitting(held, results, BASE, FACTS)).toEqual(["EBUSY"]);
    const unset = (result: Result): Script => opened().ioctl(GROUP, "GROUP_UNSET_CONTAINER", 0, result);
    expect(fitting(unset, [0, "EBUSY"], BASE, FACTS)).toEqual(["EBUSY"]);
    const left = (result: Result): Script => opened().close(DEVICE).close(GROUP).call(again, result);
    expect(fitting(left, results, BASE, FACTS)).toEqual([11]);
    // The group was open before the recording.
    const status = { before: words(8, 9), after: words(8, 3) };
    const older = (result: Result): Script =>
      new Script().ioctl(GROUP, "GROUP_GET_STATUS", status, 0).close(GROUP).call(again, result);
    expect(fitting(older, results, BASE, FACTS)).toEqual([11, "EBUSY"]);
  });
});

describe("notes about a device (3.3)", () => {
  const noted = (text: string): Script => {
    const note = `vfio-note env device=d.test${text}`;
    return opened().free(`write(200</tmp/vfio-notes>, "${note}\\n", ${note.length + 1}) = ${note.length + 1}`);
  };

  it.each([
    [" bus=amba", 9, false],
    [" bus=amba", 5, true],
    [" bus=platform", 5, false],
    [" bus=platform", 9, true],
    ["", 9, false],
    ["", 5, false],
    [" bus=pci", 9, false],
  ])("'%s': GET_INFO with flags %i diverges: %s (VDEV-7)", (text, flags, expected) => {
    expect(diverges(info(noted(text), flags), BASE, {})).toBe(expected);
  });

  it("do not outweigh facts", () => {
    expect(diverges(info(noted(" bus=amba"), 5), BASE, withDevice({ bus: "platform" }))).toBe(false);
  });

  it("without a bus leave it to the first answer", () => {
    expect(diverges(info(info(noted(""), 5), 9), BASE, {})).toBe(true);
  });
});

describe("what an answer writes", () => {
  it("is ascribed to the rule of the field that is wrong, else to VDEV-14", () => {
    const before = words(16, 9, 9, 9);
    const answer = (...after: readonly number[]): Script =>
      opened().ioctl(DEVICE, "DEVICE_GET_INFO", { before, after: words(...after) }, 0);
    expect(broken(answer(16, 4, 1, 2))).toEqual(["VDEV-7"]);
    expect(broken(answer(16, 5, 1, 7))).toEqual(["VIRQ-3"]);
    expect(broken(answer(8, 5, 1, 2))).toEqual(["VDEV-14"]);
    const line = { before: words(16, 9, 0, 9), after: words(16, 7, 1, 1) };
    expect(broken(opened().ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", line, 0))).toEqual(["VDEV-14"]);
  });

  it("is not looked at where no note shows it", () => {
    const script = info(opened(), 5);
    script.lines.pop();
    expect(verdicts(script).at(-1)).toBe("checked");
  });
});

describe("SET_IRQS that was not recorded, and failed: a trigger may be gone (INV-7)", () => {
  it("of a line without one nothing goes: an edge before it is armed is delivered then (5.2)", () => {
    const edge = (n: number): Script =>
      opened().free(unseenSet("EINVAL")).hardware("index=1 state=pulse").set(0x24, 1, 0, 1, [6], 0).read(6, n);
    expect([0, 1, 2].filter((n) => !diverges(edge(n)))).toEqual([0, 1]);
  });

  it("a vector without one has no message (VIRQ-7)", () => {
    const message = words(0x08090040, 0, 1);
    const make = (second: string): Script => {
      const before = words(72, 9, 2, 9) + "a5".repeat(56);
      const head = words(72, 0x11, 2, 64, 20, 0x00010003, 36, 1, 0, 0x00010004, 0, 2);
      return opened()
        .set(0x24, 2, 0, 2, [6, -1], 0)
        .free(unseenSet("EINVAL"))
        .ioctl(DEVICE, "DEVICE_GET_IRQ_INFO", { before, after: head + message + second }, 0);
    };
    expect(diverges(make(words(0, 0, 0)), V2)).toBe(false);
    expect(diverges(make(message), V2)).toBe(true);
  });
});

describe("VSET-7: whether a line can be requested is not known", () => {
  /** That the line is there is known. */
  const known = (): Script => info(opened(), 5);
  const again =
    (first: Script): ((result: Result) => Script) =>
    (result) => {
      const script = new Script();
      script.lines.push(...first.lines);
      return script.set(0x24, 0, 0, 1, [8], result);
    };
  const results = [0, "EBUSY", "EINVAL"] as const;

  it.each<[string, () => Script, readonly Result[]]>([
    ["before it was asked", () => known(), [0, "EBUSY", "EINVAL"]],
    ["it could, as a success shows", () => known().set(0x24, 0, 0, 1, [7], 0), [0]],
    ["it could, as ENOTTY shows", () => known().set(0x04, 0, 0, 1, [7], "ENOTTY"), [0]],
    ["it could not", () => known().set(0x24, 0, 0, 1, [7], "EBUSY"), ["EBUSY"]],
    // EINVAL by VSET-9, or the errno of the line.
    ["EINVAL leaves two ways", () => known().set(0x21, 0, 1, 1, [], "EINVAL"), [0, "EINVAL"]],
  ])("%s", (_what, first, expected) => {
    expect(fitting(again(first()), results, BASE, {})).toEqual(expected);
  });
});

describe("ranges where the number of interrupts is not known (VSET-3, VSET-9)", () => {
  it.each([
    [0x21, 0, 5000],
    [0x21, 5000, 1],
    [0x09, 0, 5000],
  ])("flags %i, start %i, count %i", (flags, start, count) => {
    const make = (result: Result): Script => opened().set(flags, 0, start, count, [], result);
    expect(fitting(make, [0, "EINVAL"], BASE, {})).toEqual(["EINVAL"]);
  });

  it("a disable may have any start (VSET-11)", () => {
    const make = (result: Result): Script => opened().set(0x21, 0, 5000, 0, [], result);
    expect(fitting(make, [0, "EINVAL"], BASE, {})).toEqual([0, "EINVAL"]);
  });

  it("more vectors than a device can have are refused (VMSI-4)", () => {
    const { nrIrqs: _, ...machine } = MACHINE;
    const facts = withDevice({ ...DEVICE_FACTS, hasMsiDomain: true }, machine);
    const make = (result: Result): Script => opened().set(0x24, 2, 0xfffffff0, 0, [], result);
    expect(fitting(make, [0, "EINVAL"], V2, facts)).toEqual(["EINVAL"]);
    // What such a success would leave is not known.
    expect(judge(make(0).set(0x24, 2, 0, 1, [6], 0).lines, V2, facts).divergent).toHaveLength(1);
  });

  it("the first interrupt is in the range of a line and of a block, the second in that of a block", () => {
    const three = { before: words(16, 9, 9, 9), after: words(16, 5, 1, 3) };
    const make =
      (start: number): ((result: Result) => Script) =>
      (result) =>
        opened().ioctl(DEVICE, "DEVICE_GET_INFO", three, 0).set(0x21, 2, start, 0, [], result);
    expect(fitting(make(0), [0, "EINVAL"], V2, MACHINE)).toEqual([0]);
    expect(fitting(make(1), [0, "EINVAL"], V2, MACHINE)).toEqual([0, "EINVAL"]);
  });
});

describe("descriptors in the data that were not recorded", () => {
  const cut = (script: Script, count: number, shown: readonly number[]): Script => {
    const hex = words(20 + 4 * count, 0x24, 2, 0, count, ...shown);
    const note = `vfio-note in seq=900 fd=5 cmd=0x3b6e len=${20 + 4 * count} hex=${hex}`;
    return script
      .free(`write(200</tmp/vfio-notes>, "${note}\\n", ${note.length + 1}) = ${note.length + 1}`)
      .call(`ioctl(${DEVICE}, VFIO_DEVICE_SET_IRQS, 0xffffee3c2240)`, 0);
  };

  it("may have armed their vectors (VMSI-6)", () => {
    const make = (shown: readonly number[], n: number): Script =>
      cut(opened(), 2, shown).set(0x21, 2, 0, 2, [], 0).read(7, n);
    expect([0, 1, 2].filter((n) => !diverges(make([6, 7], n), V2))).toEqual([1]);
    expect([0, 1].filter((n) => !diverges(make([6], n), V2))).toEqual([0, 1]);
  });

  it("may be those of an eventfd whose counter the release takes (VMASK-8)", () => {
    const make = (n: number): Script =>
      opened()
        .free(`recvmsg(10<socket:[1]>, {msg_control=[{cmsg_type=SCM_RIGHTS, cmsg_data=[30]}], msg_flags=0}, 0) = 1`)
        .write(7, 3)
        .set(0x0c, 0, 0, 1, [30], 0)
        .set(0x0c, 0, 0, 1, [-1], 0)
        .read(7, n);
    expect([0, 3, 4].filter((n) => !diverges(make(n)))).toEqual([0, 3]);
  });

  it("a line may be refused where it is armed, whatever they are (VSET-10, postings)", () => {
    const make = (result: Result): Script => new Script().set(0x24, 0, 0, 1, [30], result);
    const lines = withDevice({ bus: "platform", hasMsiDomain: false });
    expect(fitting(make, [0, "EBUSY", "EBADF", "EINVAL", "EPERM"], V2, lines)).toEqual([0, "EBUSY", "EBADF", "EINVAL"]);
    expect(fitting(make, ["EBUSY"], V2, FACTS)).toEqual([]);
  });
});

describe("results that SET_IRQS never has (5.7)", () => {
  it("of an MSI block that may have been set before", () => {
    const facts = withDevice({ ...DEVICE_FACTS, hasMsiDomain: true });
    const make = (result: Result): Script => new Script().eventfd(6).set(0x24, 2, 0, 1, [6], result);
    const results = [0, 1, "EINVAL", "EBADF", "EBUSY", "ENOSPC", "EPERM", "ERANGE", "ENOTTY"] as const;
    expect(fitting(make, results, V2, facts)).toEqual([0, "EINVAL", "EBADF", "EBUSY", "ENOSPC"]);
  });
});

describe("VMSI-4: the kernel refuses the interrupt of a vector", () => {
  it("an enable that failed leaves nothing allocated", () => {
    const facts = withDevice({ ...DEVICE_FACTS, hasMsiDomain: true, msiAvailable: 32 });
    const then = (result: Result): Script =>
      opened().set(0x24, 2, 0, 2, [6, 7], "EBUSY").set(0x24, 2, 0, 3, [6, 7, 8], result);
    expect(fitting(then, [0, "EINVAL"], V2, facts)).toEqual([0]);
  });
});

describe("facts that are taken", () => {
  const notes = (device: Facts): readonly string[] => {
    const texts: string[] = [];
    const facts = withDevice(device);
    const setting = {
      profile: BASE,
      facts,
      environment: [],
      arch: undefined,
      note: (text: string) => texts.push(text),
    };
    platformModel.initial(setting);
    return texts;
  };

  it("as many regions and lines as a device can have, and errnos by name or number", () => {
    const regions = Array.from({ length: 4096 }, () => ({ size: 4096, flags: 7 }));
    expect(notes({ regions })).toEqual([]);
    expect(notes({ regions: [...regions, regions[0]] })).toHaveLength(1);
    for (const resetResult of [0, "0", 5, "5", "EIO", [0, "EIO"]]) expect(notes({ resetResult })).toEqual([]);
    for (const resetResult of [true, "E", [["5"]], { errno: 5 }]) expect(notes({ resetResult })).toHaveLength(1);
  });
});
