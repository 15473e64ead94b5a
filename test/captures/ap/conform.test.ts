import { beforeAll, describe, expect, test } from "vitest";
import { check } from "../../../src/check/check.js";
import type { OperationCount, Report } from "../../../src/check/report.js";
import { shipped } from "./places.js";

/**
 * Kinds of operations, and the share of each that must have been checked. What may be missing: operations without a
 * recorded result, and what the specs say nothing of (the attributes of cards, the interrupts of the host's own queues).
 */
const floors: readonly { readonly kind: string; readonly names: RegExp; readonly share: number }[] = [
  { kind: "writes that assign and unassign", names: /^sysfs write (?:un)?assign_/, share: 1 },
  { kind: "writes of bus masks", names: /^sysfs write a[pq]mask$/, share: 1 },
  { kind: "bind", names: /^sysfs write bind$/, share: 1 },
  { kind: "unbind", names: /^sysfs write unbind$/, share: 0.98 },
  { kind: "create", names: /^sysfs write create$/, share: 1 },
  { kind: "remove", names: /^sysfs write remove$/, share: 0.8 },
  { kind: "reads of mdevs", names: /^sysfs read (?:guest_matrix|matrix|control_domains)$/, share: 1 },
  { kind: "reads of bus masks", names: /^sysfs read (?:a[pq]mask|ap_.*)$/, share: 1 },
  { kind: "reads of the instances left", names: /^sysfs read available_instances$/, share: 1 },
  { kind: "reads of a queue's status", names: /^sysfs read queue status$/, share: 1 },
  { kind: "opens of attributes", names: /^sysfs open (?!bindings|card |queue (?!status)|nosuch)/, share: 1 },
  { kind: "opens of groups", names: /^open VFIO group$/, share: 1 },
  { kind: "attach", names: /^ioctl VFIO_GROUP_GET_DEVICE_FD$/, share: 1 },
  { kind: "detach", names: /^close (?:VFIO device|of VFIO and KVM files)$/, share: 1 },
  { kind: "device reset", names: /^ioctl VFIO_DEVICE_RESET$/, share: 1 },
  { kind: "get-info", names: /^ioctl VFIO_DEVICE_GET_INFO$/, share: 1 },
  { kind: "configuration changes", names: /^AP configuration change$/, share: 1 },
  { kind: "PQAP", names: /^PQAP$/, share: 0.99 },
];

describe("captures of a driver as it is", () => {
  let report: Report;

  beforeAll(async () => {
    report = await check(shipped.map(({ capture }) => capture));
  });

  test("there are some of each kind", () => {
    expect(shipped.filter(({ name }) => /^linux-6\.1\/\d\d-/.test(name)).length).toBeGreaterThanOrEqual(6);
    expect(shipped.filter(({ name }) => name.startsWith("linux-6.1/random-")).length).toBeGreaterThanOrEqual(4);
  });

  test("all conform", () => {
    const others = report.captures.filter(({ verdict }) => verdict !== "conform");
    expect(others.map(({ path, divergences }) => [path, divergences[0]?.message])).toEqual([]);
    expect(report.captures.length).toBe(shipped.length);
  });

  test("every recorded line was understood", () => {
    expect(report.summary.unparsed).toBe(0);
  });

  test.each(floors)("$kind: checked, or the report says why not", ({ names, share }) => {
    const kinds = report.captures.flatMap((capture) => capture.kinds).filter(({ name }) => names.test(name));
    const total = sum(kinds, (kind) => kind.total);
    const checked = sum(kinds, (kind) => kind.checked);
    expect(total).toBeGreaterThan(0);
    expect(checked / total).toBeGreaterThanOrEqual(share);
  });

  test("what was not checked has a reason for each operation", () => {
    const kinds = report.captures.flatMap((capture) => capture.kinds);
    const unexplained = kinds.filter((kind) => kind.total - kind.checked > reasons(kind));
    expect(unexplained).toEqual([]);
    expect(sum(kinds, (kind) => kind.total)).toBe(report.summary.operations);
    expect(sum(kinds, (kind) => kind.checked)).toBe(report.summary.checked);
  });

  test("98 % of all operations were checked", () => {
    expect(report.summary.checked / report.summary.operations).toBeGreaterThanOrEqual(0.98);
  });
});

function sum(kinds: readonly OperationCount[], of: (kind: OperationCount) => number): number {
  return kinds.reduce((total, kind) => total + of(kind), 0);
}

/** Reasons counted; one operation can have several. */
function reasons(kind: OperationCount): number {
  return Object.values(kind.unchecked).reduce((total, count) => total + count, 0);
}
