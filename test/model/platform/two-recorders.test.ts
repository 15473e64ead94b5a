import { describe, expect, it } from "vitest";
import { judgeBoth, PROBE } from "./judge.js";
import { BASE } from "./verdicts.js";

/**
 * strace together with the probes of vfio_platform_ioctl and vfio_platform_set_irqs_ioctl (capture-formats i.3). Their clocks
 * differ: lines of a probe may stand before their call, right behind it, or much later, always in the order of the task.
 */

const DEVICE = "5<anon_inode:[vfio-device]>";
const EVENTFD = "6<anon_inode:[eventfd]>";

interface Call {
  readonly strace: string;
  readonly probes: readonly string[];
}

const call = (strace: string): Call => ({ strace, probes: [] });

/** SET_IRQS; `reached`: the header passed its checks. Four words have no count. */
function set(
  flags: number,
  index: number,
  start: number,
  count: number,
  result: "0" | "EINVAL" | "ENOTTY",
  reached = true,
): Call {
  const rc = { "0": 0, EINVAL: -22, ENOTTY: -25 }[result];
  const shown = result === "0" ? "0" : `-1 ${result} (as the errno says)`;
  const probes = [
    `ioctl_in: (vfio_platform_ioctl+0x0/0x5f0) cmd=0x3b6e argsz=24 w1=0x${flags.toString(16)} w2=0x${index} w3=0x${start}`,
    ...(reached
      ? [
          `set_irqs: (vfio_platform_set_irqs_ioctl+0x0/0x1) flags=0x${flags.toString(16)} index=${index} start=${start} count=${count}`,
        ]
      : []),
    ...(reached ? [`set_irqs_out: (vfio_platform_ioctl+0x1/0x5f0 <- vfio_platform_set_irqs_ioctl) rc=${rc}`] : []),
    `ioctl_out: (vfio_device_fops_unl_ioctl+0x1/0x2 <- vfio_platform_ioctl) rc=${rc}`,
  ];
  return { strace: `ioctl(${DEVICE}, VFIO_DEVICE_SET_IRQS, 0xffffd200) = ${shown}`, probes };
}

const begin: readonly Call[] = [
  call('openat(AT_FDCWD</>, "/dev/vfio/vfio", O_RDWR|O_CLOEXEC) = 3</dev/vfio/vfio>'),
  call('openat(AT_FDCWD</>, "/dev/vfio/noiommu-0", O_RDWR|O_CLOEXEC) = 4</dev/vfio/noiommu-0>'),
  call("ioctl(4</dev/vfio/noiommu-0>, VFIO_GROUP_SET_CONTAINER, 0xffffd000) = 0"),
  call("ioctl(3</dev/vfio/vfio>, VFIO_SET_IOMMU, 0x8) = 0"),
  call("ioctl(4</dev/vfio/noiommu-0>, VFIO_GROUP_GET_DEVICE_FD, 0xffffd100) = 5"),
  call(`eventfd2(0, EFD_CLOEXEC|EFD_NONBLOCK) = ${EVENTFD}`),
  // The driver does not see this one.
  call("ioctl(99, VFIO_DEVICE_SET_IRQS, 0xffffd200) = -1 EBADF (Bad file descriptor)"),
  set(0x24, 0, 0, 1, "0"),
  set(0x21, 0, 0, 1, "0"),
  call(`read(${EVENTFD}, "\\1\\0\\0\\0\\0\\0\\0\\0", 8) = 8`),
  set(0x01, 0, 0, 1, "ENOTTY"),
  set(0x26, 0, 0, 1, "EINVAL", false),
  set(0x11, 0, 0, 1, "0"),
  set(0x09, 0, 0, 2, "EINVAL"),
];

/** The two streams, probe lines `later` than their calls by as many calls (before them where negative). */
function merged(calls: readonly Call[], later: number): readonly string[] {
  const lines: string[] = [];
  let time = 0;
  const stamp = (): string => `100.${String(++time).padStart(6, "0")}`;
  const probesOf = (at: number): void => {
    for (const text of calls[at]?.probes ?? []) lines.push(`${PROBE}     [000] ..... ${stamp()}: ${text}`);
  };
  if (later < 0) for (let i = 0; i < -later; i++) probesOf(i);
  calls.forEach(({ strace }, i) => {
    lines.push(`77    1795158${stamp()} ${strace}`);
    probesOf(i - later);
  });
  for (let i = calls.length - later; later > 0 && i < calls.length; i++) probesOf(i);
  return lines;
}

const shifts = [-20, -3, -1, 0, 1, 2, 20];

describe.each(shifts)("probe lines %i calls behind", (later) => {
  const divergent = (calls: readonly Call[]): readonly string[] =>
    judgeBoth(merged(calls, later), BASE, {}).divergent.map(({ name, rules }) => `${name} ${rules.join()}`);

  it("belong to the calls that they show", () => {
    expect(divergent(begin)).toEqual([]);
    const { verdicts } = judgeBoth(merged(begin, later), BASE, {});
    expect(verdicts.filter(({ name, verdict }) => name.includes("SET_IRQS") && verdict === "checked")).toHaveLength(5);
  });

  it("show a fault at its own call", () => {
    expect(divergent([...begin, set(0x01, 0, 0, 1, "0"), set(0x11, 0, 0, 1, "0")])).toEqual([
      "ioctl VFIO_DEVICE_SET_IRQS VSET-8",
    ]);
  });
});
