import { describe, expect, test } from "vitest";
import { attempt } from "../../../src/check/attempt.js";
import { apModel } from "../../../src/model/ap/model.js";
import type { Mdev } from "../../../src/model/ap/state.js";
import { unknownBits } from "../../../src/model/core/bits.js";
import { unknown } from "../../../src/model/core/known.js";
import type { Attribute } from "../../../src/operation/ap/attribute.js";
import type { ApEffect } from "../../../src/operation/ap/effect.js";
import type { ObservedResult, Operation } from "../../../src/operation/operation.js";
import { cellOf } from "./cell.js";
import { type Profile, S0 } from "./machine.js";
import { everything, failed, operationOf, readOf, writeOf } from "./observed.js";
import { A } from "./steps.js";
import { World } from "./world.js";

/** What the answer of a store tells of an mdev of which something was not known, and stores on an mdev that goes. */

const done = (value: number): ObservedResult => ({ kind: "value", value });

function world(profile: Profile): World {
  const made = new World(profile, S0);
  A.create().run(made, cellOf("n"), "create");
  return made;
}

function mdev(of: World): Mdev {
  const m = of.state.mdevs.get(of.mdev("A").uuid);
  if (m === undefined) throw new Error("no mdev A");
  return m;
}

const read = (attribute: Attribute, text: string): Operation =>
  operationOf("read", readOf(attribute, text), done(text.length), []);

const write = (
  attribute: Attribute,
  text: string,
  result: ObservedResult = done(text.length),
  effects: readonly ApEffect[] = [],
): Operation => operationOf("write", writeOf(attribute, text), result, effects);

function explains(of: World, operation: Operation): boolean {
  const { kind } = attempt(apModel, of.state, operation, everything);
  if (kind === "explained") of.state.journal.commit();
  return kind === "explained";
}

describe("an assign to a matrix that is not known (ASG-3)", () => {
  function assigned(result: ObservedResult): World {
    const of = world("V61");
    mdev(of).apm = unknownBits;
    mdev(of).shApm = unknownBits;
    of.state.host.hiddenMdevs = unknown;
    expect(explains(of, write(of.attributeOf("A", "assign_adapter"), "5\n", result))).toBe(true);
    return of;
  }

  test("that succeeds: the number is assigned, whether it was before or not", () => {
    const of = assigned(done(2));
    const matrix = of.attributeOf("A", "matrix");
    expect(of.refuses(read(matrix, ""))).toBe(true);
    expect(of.refuses(read(matrix, "06.\n"))).toBe(true);
    expect(of.refuses(read(matrix, "05.\n06.\n"))).toBe(false);
  });

  test("that is refused: the number was not assigned", () => {
    const of = assigned(failed("EADDRINUSE"));
    const matrix = of.attributeOf("A", "matrix");
    expect(of.refuses(read(matrix, "05.\n"))).toBe(true);
    expect(of.refuses(read(matrix, "06.\n"))).toBe(false);
  });
});

describe("a store of aqic-v9 where it is not known whether there is a guest (ASG-2)", () => {
  test.each([
    ["assign_adapter", "5\n", done(2)],
    ["assign_adapter", "x\n", failed("EINVAL")],
    ["unassign_domain", "4\n", done(2)],
    ["assign_control_domain", "4\n", done(2)],
    ["unassign_control_domain", "999\n", failed("ENODEV")],
  ] as const)("%s that gets as far as %j shows that there is none", (name, text, result) => {
    const of = world("V9");
    mdev(of).kvm = unknown;
    const busy = write(of.attributeOf("A", "assign_adapter"), "6\n", failed("EBUSY"));
    expect(of.refuses(busy)).toBe(false);
    expect(explains(of, write(of.attributeOf("A", name), text, result))).toBe(true);
    expect(of.refuses(busy)).toBe(true);
  });

  test("EBUSY leaves it open", () => {
    const of = world("V9");
    mdev(of).kvm = unknown;
    expect(explains(of, write(of.attributeOf("A", "assign_adapter"), "6\n", failed("EBUSY")))).toBe(true);
    expect(mdev(of).kvm).not.toBeNull();
  });
});

describe.each(["V9", "V12", "V61"] as const)("stores on an mdev that goes (NOND-9), %s", (profile) => {
  const files = [
    "assign_adapter",
    "unassign_adapter",
    "assign_domain",
    "unassign_domain",
    "assign_control_domain",
    "unassign_control_domain",
  ];

  test.each(files)("%s while its removal waits may find the file gone", (name) => {
    const of = world(profile);
    const text = name.endsWith("adapter") ? "5\n" : "4\n";
    const store = write(of.attributeOf("A", name), text, failed("ENODEV"));
    expect(of.refuses(store)).toBe(true);
    mdev(of).removing = true;
    expect(of.refuses(store)).toBe(false);
    expect(of.refuses(write(of.attributeOf("A", name), text))).toBe(false);
    mdev(of).removing = false;
    mdev(of).present = unknown;
    expect(of.refuses(store)).toBe(false);
    expect(of.refuses(write(of.attributeOf("A", name), "4\n", failed("ENXIO")))).toBe(true);
  });

  test.each(files)("%s after the removal finds the file gone, whatever is written", (name) => {
    const of = world(profile);
    const attribute = of.attributeOf("A", name);
    expect(explains(of, write(of.attributeOf("A", "remove"), "1\n"))).toBe(true);
    expect(of.refuses(write(attribute, "4\n"))).toBe(true);
    expect(of.refuses(write(attribute, "x\n", failed("EINVAL")))).toBe(true);
    expect(of.refuses(write(attribute, "4\n", failed("ENODEV")))).toBe(false);
    expect(explains(of, write(attribute, "4\n", failed("ENODEV")))).toBe(true);
    expect(mdev(of).present).toBe(false);
  });

  test("a removal beside another one that nobody recorded may find it gone (MDEV-3)", () => {
    const of = world(profile);
    const second = write(of.attributeOf("A", "remove"), "1\n", failed("ENODEV"));
    expect(of.refuses(second)).toBe(true);
    mdev(of).present = unknown;
    expect(of.refuses(second)).toBe(false);
  });
});
