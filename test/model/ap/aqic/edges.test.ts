import { describe, expect, test } from "vitest";
import { unknown } from "../../../../src/model/core/known.js";
import type { ApCall } from "../../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../../src/operation/ap/effect.js";
import { ALL, type Column, done, failed, isOld, isV9, value, World } from "./host.js";
import {
  apcbClear,
  apcbSet,
  aqic,
  aqicOf,
  asksFor,
  exit,
  G,
  M,
  M2,
  NIB_A,
  pin,
  register,
  setKvm,
  unsetKvm,
  word,
} from "./lines.js";
import { APM, AQM, attachLines, common, keyOf, makeMdev, makeVm, openCall, openGroup, quietReset } from "./setting.js";

/** Observations beside the right ones that single changes of the model had let through. */

const ORDER: Readonly<Record<"old" | "hash", readonly string[]>> = {
  old: ["0405", "0416", "0505", "0516"],
  hash: ["0405", "0516", "0416", "0505"],
};

function resets(column: Column, but: readonly string[] = []): readonly ApEffect[] {
  const order = isOld(column) ? ORDER.old : ORDER.hash;
  return order.filter((queue) => !but.includes(queue)).flatMap((queue) => quietReset(column, queue));
}

describe.each(ALL)("closing the device, %s", (column) => {
  test("names the guest that it had (KVM-8, KVM-12)", () => {
    const { world, device } = common(column);
    const call: ApCall = { kind: "device-close", device };
    const lines = (unset: ApEffect): readonly ApEffect[] => [apcbClear(), ...resets(column), unset];
    expect(world.refusesCall(call, done, lines(unsetKvm()))).toBe(false);
    expect(world.refusesCall(call, done, lines(unsetKvm(M, "0x80990000")))).toBe(true);
    // In aqic-v9 the line decides which mdev a descriptor stands for: of another one nothing is known.
    expect(world.refusesCall(call, done, lines(unsetKvm(M2)))).toBe(!isV9(column));
  });

  test("resets every queue that is bound and assigned (RST-6, RST-8)", () => {
    for (const left of [["0405"], ["0516"], ["0405", "0416", "0505", "0516"]]) {
      const { world, device } = common(column);
      const lines = [apcbClear(), ...resets(column, left), unsetKvm()];
      expect([left, world.refusesCall({ kind: "device-close", device }, done, lines)]).toEqual([left, true]);
    }
  });
});

describe("opening the device", () => {
  test("of a second mdev for a guest that has one is refused, and cannot succeed (KVM-6)", () => {
    const { world, vm } = common("linux-6.1");
    makeMdev(world, M2, 2, ["6"], ["7"]);
    const group = openGroup(world, 2);
    const succeeds = [apcbSet("", ""), setKvm(M2, 0)];
    expect(world.refusesCall(openCall(group, undefined, vm), value(12), succeeds)).toBe(true);
    expect(world.refusesCall(openCall(group, undefined, vm), value(12), [setKvm(M2, 0)])).toBe(true);
    expect(world.refusesCall(openCall(group, undefined, vm), failed("EPERM"), [setKvm(M2, -1)])).toBe(false);
  });

  test("of an mdev that has its guest already may be refused or not: a second descriptor (KVM-6)", () => {
    const world = new World("linux-6.1", {});
    makeMdev(world, M, 1);
    const group = openGroup(world, 1);
    const vm = makeVm(world);
    expect(world.refusesCall(openCall(group, undefined, vm), value(11), attachLines(world))).toBe(false);
    expect(world.refusesCall(openCall(group, undefined, vm), failed("EPERM"), [setKvm(M, -1)])).toBe(true);
  });
});

describe.each(ALL)("gisc_register, %s", (column) => {
  const request = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A };

  test("answers a host ISC, always the same, or -ENODEV (GISC-1)", () => {
    const lines = (rc: number): readonly ApEffect[] => [
      pin(keyOf(column, NIB_A)),
      register(3, rc),
      aqic("0405", `0x000083001f5c290${rc & 7}`, 0x80000000),
    ];
    for (const rc of [8, 9, -5, -22]) {
      const { world } = common(column);
      world.state.host.nisc = unknown;
      expect([rc, world.refusesGuest(request, lines(rc), exit("0x80000000", 1))]).toEqual([rc, true]);
    }
    for (const rc of [0, 5, 7]) {
      const { world } = common(column);
      world.state.host.nisc = unknown;
      expect([rc, world.refusesGuest(request, lines(rc), exit("0x80000000", 1))]).toEqual([rc, false]);
    }
  });
});

describe("an exit of PQAP without a line of the driver, the hook not known (PQAP-12, 5.5)", () => {
  test.each([
    // As it was, or without a hook response code 01 in the high half and the low half as it was.
    ["0x0000800000000003", true],
    ["0x0000000080000000", false],
    ["0x0001000000000003", true],
    ["0x0001000000000004", false],
    ["0x0002000000000003", false],
    ["0x0001800000000003", false],
  ])("gr1 %s", (gr1, legal) => {
    const { world } = common("linux-6.1");
    for (const guest of world.state.guests.values()) guest.hook = unknown;
    const call: ApCall = {
      kind: "pqap",
      vcpu: 7,
      tid: 9999,
      gr0: word(aqicOf("0707")),
      gr1: word(asksFor(3)),
      gr2: word(NIB_A),
      problemState: undefined,
      ccBefore: undefined,
      eca: undefined,
      exit: exit(gr1, 3),
    };
    expect(world.refusesCall(call, value(0), [])).toBe(!legal);
  });
});

describe("the guest's masks", () => {
  test("are those of its mdev, whoever else runs", () => {
    const { world } = common("linux-6.1");
    expect(world.guestAt(G).hook).toBe(world.mdev(M));
    makeMdev(world, M2, 2, ["6"], ["7"]);
    const group = openGroup(world, 2);
    const vm = makeVm(world, "200/10");
    const other = "0x80aa0000";
    expect(
      world.refusesCall(openCall(group, undefined, vm), value(12), [
        apcbSet(APM, AQM, "", other),
        setKvm(M2, 0, other),
      ]),
    ).toBe(true);
  });
});
