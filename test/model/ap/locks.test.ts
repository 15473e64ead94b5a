import { describe, expect, test } from "vitest";
import { attempt } from "../../../src/check/attempt.js";
import { apModel } from "../../../src/model/ap/model.js";
import type { ApCall } from "../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../src/operation/ap/effect.js";
import type { Operation } from "../../../src/operation/operation.js";
import { cellOf } from "./cell.js";
import { type Profile, S0 } from "./machine.js";
import { allBut, fileText } from "./notation.js";
import { everything, failed, maskOfNumbers, operationOf, readOf, writeOf } from "./observed.js";
import { reads } from "./reads.js";
import { A } from "./steps.js";
import { World } from "./world.js";

/** A = {5}×{4} with a running guest. */
function running(profile: Profile): World {
  const world = new World(profile, S0);
  A.create().run(world, cellOf("n"), "create");
  A.has("{05}×{04}").run(world, cellOf("n"), "has");
  world.mdev("A").shadow = { apm: [5], aqm: [4], adm: [] };
  A.start().run(world, cellOf("set"), "start");
  return world;
}

/** While another operation of the driver runs, or not. */
function operation(call: ApCall, errno: string, overlapping: boolean, effects: readonly ApEffect[] = []): Operation {
  return { ...operationOf("write", call, failed(errno), effects), overlapping };
}

function store(world: World, file: string, data: string): ApCall {
  return writeOf(world.attributeOf("A", file), data);
}

/** The driver's answer while its lock is taken, for bits that nobody has. */
const busy: ApEffect = {
  kind: "resource_in_use",
  apm: maskOfNumbers([7]),
  aqm: maskOfNumbers(allBut()),
  rc: -16,
};

function maskWrite(): { readonly world: World; readonly call: ApCall } {
  const world = new World("V12", { ...S0, apmask: allBut(5, 6, 7) });
  A.create().run(world, cellOf("n"), "create");
  return { world, call: writeOf({ on: "bus", name: "apmask" }, "+7\n") };
}

describe("EX-26 try-lock (NOND-1)", () => {
  test.each([
    ["assign_adapter", "6\n"],
    ["assign_domain", "0x47\n"],
    ["assign_control_domain", "4\n"],
  ])("%s answers EBUSY while another operation runs, and nothing changes", (file, data) => {
    const world = running("V12");
    const result = attempt(apModel, world.state, operation(store(world, file, data), "EBUSY", true), everything);
    expect(result.kind).toBe("explained");
    expect(result.kind === "explained" && result.trial.unchecked).toEqual([]);
    expect(result.kind === "explained" && [...result.trial.rules].map(({ id }) => id)).toContain("ap-config/NOND-1");
    reads(world, world.attributeOf("A", "matrix"), fileText("05.0004"), "EX-26");
    reads(world, world.attributeOf("A", "guest_matrix"), fileText("05.0004"), "EX-26");
    reads(world, world.attributeOf("A", "control_domains"), "", "EX-26");
  });

  test("without an operation that could hold the lock it is marked, not judged", () => {
    const world = running("V12");
    const call = store(world, "assign_adapter", "6\n");
    const result = attempt(apModel, world.state, operation(call, "EBUSY", false), everything);
    expect(result.kind === "explained" && result.trial.unchecked.length).toBe(1);
  });

  test("a mask write answers EBUSY, and the mask stays", () => {
    const { world, call } = maskWrite();
    const result = attempt(apModel, world.state, operation(call, "EBUSY", true, [busy]), everything);
    expect(result.kind).toBe("explained");
    reads(world, { on: "bus", name: "apmask" }, `0xf8${"f".repeat(62)}\n`, "EX-26");
  });

  test.each([
    ["unassign_adapter", "5\n"],
    ["unassign_domain", "4\n"],
    ["unassign_control_domain", "4\n"],
  ])("%s waits for the lock", (file, data) => {
    const world = running("V12");
    expect(world.refuses(operation(store(world, file, data), "EBUSY", true))).toBe(true);
  });

  test.each([
    ["999\n", "ENODEV"],
    ["x\n", "EINVAL"],
    ["0x10000000000000000\n", "ERANGE"],
  ])("assign_adapter %j fails before the lock is tried", (data, errno) => {
    const world = running("V12");
    expect(world.refuses(operation(store(world, "assign_adapter", data), "EBUSY", true))).toBe(true);
    expect(world.refuses(operation(store(world, "assign_adapter", data), errno, true))).toBe(false);
  });

  test.each(["assign_adapter", "assign_domain", "assign_control_domain"])(
    "linux-6.1 waits in %s too (NOND-2)",
    (file) => {
      const world = running("V61");
      for (const errno of ["EBUSY", "EAGAIN"]) {
        expect(world.refuses(operation(store(world, file, "6\n"), errno, true))).toBe(true);
      }
    },
  );
});

test("a status read beside a probe or an unbind may show unassigned, at rest it may not (NOND-9)", () => {
  const world = running("V61");
  const call = readOf({ on: "queue", apqn: 0x0504, name: "status" }, "unassigned\n");
  const read = operationOf("read", call, { kind: "value", value: 11 }, []);
  expect(world.refuses(read)).toBe(true);
  expect(world.refuses({ ...read, overlapping: true })).toBe(false);
});

test("a read of matrix beside a store may mix its forms in V9 (NOND-3)", () => {
  const world = running("V9");
  const call = readOf(world.attributeOf("A", "matrix"), "05.\n.0004\n");
  const read = operationOf("read", call, { kind: "value", value: 10 }, []);
  expect(world.refuses(read)).toBe(true);
  expect(world.refuses({ ...read, overlapping: true })).toBe(false);
  const later = running("V61");
  const other = operationOf("read", readOf(later.attributeOf("A", "matrix"), "05.\n.0004\n"), read.result, []);
  expect(later.refuses({ ...other, overlapping: true })).toBe(true);
});

describe("signals (NOND-10)", () => {
  test.each(["V9", "V12", "V61"] as const)("a mask's read and write may end with EINTR, in %s", (profile) => {
    const world = running(profile);
    const mask = { on: "bus", name: "apmask" } as const;
    expect(world.refuses(operation(writeOf(mask, "+7\n"), "EINTR", false))).toBe(false);
    expect(world.refuses(operation(readOf(mask, ""), "EINTR", false))).toBe(false);
    world.explain(operation(writeOf(mask, "-7\n"), "EINTR", false), "NOND-10");
    reads(world, mask, `0xf9${"f".repeat(62)}\n`, "NOND-10");
  });

  test.each(["config_time", "ap_domain"])("%s takes no lock", (name) => {
    const world = running("V61");
    expect(world.refuses(operation(writeOf({ on: "bus", name }, "30\n"), "EINTR", false))).toBe(true);
    expect(world.refuses(operation(readOf({ on: "bus", name }, ""), "EINTR", false))).toBe(true);
  });
});

describe("files (2.3)", () => {
  const open = (
    world: World,
    call: Extract<ApCall, { kind: "attribute-open" }>,
  ): { succeeds: boolean; errnos: string[] } => {
    const errnos = ["ENOENT", "EACCES", "EPERM", "ENODEV"].filter(
      (errno) => !world.refuses(operation(call, errno, false)),
    );
    const success = operationOf("open", call, { kind: "value", value: 3 }, []);
    return { succeeds: !world.refuses(success), errnos };
  };

  test.each([
    ["assign_adapter", "write", { succeeds: true, errnos: [] }],
    ["assign_adapter", "read", { succeeds: false, errnos: ["EACCES"] }],
    ["remove", "both", { succeeds: false, errnos: ["EACCES"] }],
    ["matrix", "read", { succeeds: true, errnos: [] }],
    ["matrix", "write", { succeeds: false, errnos: ["EACCES"] }],
    ["control_domains", "both", { succeeds: false, errnos: ["EACCES"] }],
  ] as const)("%s opened to %s", (name, access, answer) => {
    const world = running("V61");
    const call = { kind: "attribute-open", attribute: world.attributeOf("A", name), access, create: false } as const;
    expect(open(world, call)).toEqual(answer);
  });

  test.each(["V12", "V61"] as const)("guest_matrix exists in %s", (profile) => {
    const world = running(profile);
    const attribute = world.attributeOf("A", "guest_matrix");
    expect(open(world, { kind: "attribute-open", attribute, access: "read", create: false }).succeeds).toBe(true);
  });

  test("guest_matrix does not exist in V9", () => {
    const world = running("V9");
    const attribute = world.attributeOf("A", "guest_matrix");
    const call = { kind: "attribute-open", attribute, access: "read", create: false } as const;
    expect(open(world, call)).toEqual({ succeeds: false, errnos: ["ENOENT"] });
    // With O_CREAT the look-up may get as far as the creation that sysfs refuses.
    expect(open(world, { ...call, create: true })).toEqual({ succeeds: false, errnos: ["ENOENT", "EACCES"] });
  });

  test("an mdev that does not exist has no files", () => {
    const world = running("V61");
    const attribute = { on: "mdev", uuid: "dddddddd-0000-4000-8000-00000000000d", name: "matrix" } as const;
    const call = { kind: "attribute-open", attribute, access: "read", create: false } as const;
    expect(open(world, call)).toEqual({ succeeds: false, errnos: ["ENOENT"] });
  });

  test.each([
    ["status", "V61", 0x0504, { succeeds: true, errnos: [] }],
    ["status", "V12", 0x0504, { succeeds: false, errnos: ["ENOENT"] }],
    ["online", "V61", 0x0504, { succeeds: false, errnos: ["ENOENT"] }],
    ["config", "V61", 0x0504, { succeeds: true, errnos: [] }],
    ["status", "V61", 0x0904, { succeeds: false, errnos: ["ENOENT"] }],
  ] as const)("%s of a queue in %s", (name, profile, apqn, answer) => {
    const world = running(profile);
    const call = {
      kind: "attribute-open",
      attribute: { on: "queue", apqn, name },
      access: "read",
      create: false,
    } as const;
    expect(open(world, call)).toEqual(answer);
  });

  test.each([
    ["hwtype", 0x05, { succeeds: true, errnos: [] }],
    ["config", 0x05, { succeeds: true, errnos: [] }],
    ["config", 0x09, { succeeds: false, errnos: ["ENOENT"] }],
  ] as const)("%s of card %i", (name, apid, answer) => {
    const world = running("V61");
    const call = {
      kind: "attribute-open",
      attribute: { on: "card", apid, name },
      access: "read",
      create: false,
    } as const;
    expect(open(world, call)).toEqual(answer);
  });

  const MISSING = { succeeds: true, errnos: ["ENOENT"] };
  const THERE = { succeeds: true, errnos: [] };

  test.each([
    [{ on: "mdev-type", name: "create" }, "write", THERE],
    [{ on: "driver", driver: "vfio_ap", name: "bind" }, "write", THERE],
    [{ on: "driver", driver: "cex4queue", name: "bind" }, "write", MISSING],
    // BUS-3: the oldest kernels of aqic-v9 lack two of the files.
    [{ on: "bus", name: "ap_adapter_mask" }, "read", MISSING],
    [{ on: "bus", name: "ap_max_adapter_id" }, "read", MISSING],
    [{ on: "bus", name: "ap_usage_domain_mask" }, "read", THERE],
  ] as const)("%j in V9: whether it can be missing", (attribute, access, answer) => {
    const call = { kind: "attribute-open", attribute, access, create: false } as const;
    expect(open(running("V9"), call)).toEqual(answer);
    const loaded = attribute.on === "driver" && attribute.driver !== "vfio_ap" ? MISSING : THERE;
    expect(open(running("V61"), call)).toEqual(loaded);
  });

  test("the driver's files go with the module (DRV-10)", () => {
    const world = running("V61");
    world.state.host.loaded = false;
    const attribute = { on: "mdev-type", name: "create" } as const;
    const call = { kind: "attribute-open", attribute, access: "write", create: false } as const;
    expect(open(world, call)).toEqual({ succeeds: false, errnos: ["ENOENT"] });
  });

  test("a write of no bytes returns 0 and never reaches the attribute", () => {
    const world = running("V61");
    const call = store(world, "assign_adapter", "");
    world.perform(operationOf("write", call, { kind: "value", value: 0 }, []), "2.3");
    expect(world.refuses(operationOf("write", call, failed("EINVAL"), []))).toBe(true);
  });

  test("a long write is judged by its first 4096 bytes, which are its count", () => {
    const world = running("V61");
    const call = store(world, "assign_adapter", "6\n\0".padEnd(5000, "x"));
    const long = (value: number): Operation =>
      operationOf("write", call, { kind: "value", value }, [
        {
          kind: "apcb_set",
          kvm: world.mdev("A").guest?.pointer ?? "",
          apm: maskOfNumbers([5, 6]),
          aqm: maskOfNumbers([4]),
          adm: maskOfNumbers([]),
        },
      ]);
    expect(world.refuses(long(5000))).toBe(true);
    expect(world.refuses(long(4096))).toBe(false);
  });
});
