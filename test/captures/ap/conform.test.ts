import { beforeAll, describe, expect, test } from "vitest";
import { check } from "../../../src/check/check.js";
import type { OperationCount, Report } from "../../../src/check/report.js";
import { shipped } from "./places.js";

interface Floor {
  readonly kind: string;
  readonly names: RegExp;
  /** Share of the operations that must have been checked. */
  readonly share: number;
  /** Another share, or none, for a profile in which the specs say less. */
  readonly but?: Readonly<Record<string, number | "none">>;
}

/**
 * What may be missing: operations without a recorded result, and what the specs say nothing of (the attributes of cards,
 * the interrupts of the host's own queues). The static profile has no line for a changed host configuration.
 */
const floors: readonly Floor[] = [
  { kind: "writes that assign and unassign", names: /^sysfs write (?:un)?assign_/, share: 1 },
  { kind: "writes of bus masks", names: /^sysfs write a[pq]mask$/, share: 1 },
  { kind: "bind", names: /^sysfs write bind$/, share: 1 },
  { kind: "unbind", names: /^sysfs write unbind$/, share: 0.95 },
  { kind: "create", names: /^sysfs write create$/, share: 1 },
  { kind: "remove", names: /^sysfs write remove$/, share: 1, but: { "linux-6.1": 0.75 } },
  { kind: "reads of mdevs", names: /^sysfs read (?:guest_matrix|matrix|control_domains)$/, share: 1 },
  { kind: "reads of bus masks", names: /^sysfs read a[pq]mask$/, share: 1 },
  { kind: "reads of the host configuration", names: /^sysfs read ap_.*_mask$/, share: 1, but: { "aqic-v9": 0.2 } },
  { kind: "reads of the instances left", names: /^sysfs read available_instances$/, share: 1 },
  {
    kind: "reads of a queue's status",
    names: /^sysfs read queue status$/,
    share: 1,
    but: { "aqic-v9": "none", "dynamic-v12": "none" },
  },
  { kind: "opens of attributes", names: /^sysfs open (?!bindings|card |queue |nosuch)/, share: 1 },
  { kind: "opens of groups", names: /^open VFIO group$/, share: 1 },
  { kind: "attach", names: /^ioctl VFIO_GROUP_GET_DEVICE_FD$/, share: 1 },
  { kind: "detach", names: /^close (?:VFIO device|of VFIO and KVM files)$/, share: 1 },
  { kind: "device reset", names: /^ioctl VFIO_DEVICE_RESET$/, share: 1 },
  { kind: "get-info", names: /^ioctl VFIO_DEVICE_GET_INFO$/, share: 1 },
  { kind: "configuration changes", names: /^AP configuration change$/, share: 1, but: { "aqic-v9": "none" } },
  { kind: "PQAP", names: /^PQAP$/, share: 1 },
];

const profiles = ["linux-6.1", "aqic-v9", "dynamic-v12"];

test("there are captures of each kind", () => {
  const count = (names: RegExp): number => shipped.filter(({ name }) => names.test(name)).length;
  expect(count(/^linux-6\.1\/\d\d-/)).toBeGreaterThanOrEqual(6);
  expect(count(/^linux-6\.1\/random-/)).toBeGreaterThanOrEqual(4);
  expect(count(/^linux-6\.1\/late-start-/)).toBeGreaterThanOrEqual(1);
  expect(count(/^linux-6\.1\/lost-events-/)).toBeGreaterThanOrEqual(1);
  expect(new Set(shipped.map(({ name }) => name.split("/")[0]))).toEqual(new Set(profiles));
});

describe.each(profiles)("captures of a driver as it is, %s", (profile) => {
  const captures = shipped.filter(({ name }) => name.startsWith(`${profile}/`));
  let report: Report;

  beforeAll(async () => {
    report = await check(captures.map(({ capture }) => capture));
  });

  test("all conform, under their own profile", () => {
    const others = report.captures.filter(({ verdict }) => verdict !== "conform");
    expect(others.map(({ path, divergences }) => [path, divergences[0]?.message])).toEqual([]);
    expect(report.captures.map((capture) => capture.profile)).toEqual(captures.map(() => ({ ap: profile })));
  });

  test("every recorded line was understood", () => {
    expect(report.summary.unparsed).toBe(0);
  });

  test.each(floors)("$kind: checked", ({ names, share, but }) => {
    const least = but?.[profile] ?? share;
    if (least === "none") return;
    // Where lines were lost it is not a question of the kind what can be checked.
    const whole = report.captures.filter(({ path }) => !path.includes("lost-events-"));
    const kinds = whole.flatMap((capture) => capture.kinds).filter(({ name }) => names.test(name));
    const total = sum(kinds, (kind) => kind.total);
    expect(total).toBeGreaterThan(0);
    expect(sum(kinds, (kind) => kind.checked) / total).toBeGreaterThanOrEqual(least);
  });

  test("what was not checked has a reason for each operation", () => {
    const kinds = report.captures.flatMap((capture) => capture.kinds);
    expect(kinds.filter((kind) => kind.total - kind.checked > reasons(kind))).toEqual([]);
    expect(sum(kinds, (kind) => kind.total)).toBe(report.summary.operations);
    expect(sum(kinds, (kind) => kind.checked)).toBe(report.summary.checked);
  });

  test("with lost lines, 90 % of the operations were checked", () => {
    const lossy = report.captures.filter(({ path }) => path.includes("lost-events-"));
    expect(lossy.filter(({ operations, checked }) => checked / operations < 0.9)).toEqual([]);
  });

  test("97 % of all operations were checked", () => {
    expect(report.summary.checked / report.summary.operations).toBeGreaterThanOrEqual(0.97);
  });
});

function sum(kinds: readonly OperationCount[], of: (kind: OperationCount) => number): number {
  return kinds.reduce((total, kind) => total + of(kind), 0);
}

/** Reasons counted; one operation can have several. */
function reasons(kind: OperationCount): number {
  return Object.values(kind.unchecked).reduce((total, count) => total + count, 0);
}
