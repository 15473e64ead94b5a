import { describe, expect, test } from "vitest";
import type { ApCall } from "../../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../../src/operation/ap/effect.js";
import {
  ALL,
  type Column,
  done,
  failed,
  isOld,
  isV9,
  never,
  operationOf,
  type Setting,
  V9,
  type World,
} from "./host.js";
import { apcbSet, aqic, reset, tapq, unpin, unregister, zapq } from "./lines.js";
import { type Common, common, enable, keyOf } from "./setting.js";

const QUEUES = ["0405", "0416", "0505", "0516"] as const;

/** A NIB of its own for each queue, so that the lines tell whose it is. */
const NIBS: Readonly<Record<string, string>> = {
  "0405": "0x11111040",
  "0416": "0x22222080",
  "0505": "0x333330c0",
  "0516": "0x44444100",
};

/** All four queues have an enabled interrupt, ISC 3. */
function allEnabled(column: Column, setting: Setting = {}): Common {
  const setup = common(column, setting);
  for (const queue of QUEUES) enable(setup.world, queue, 3, NIBS[queue]);
  return setup;
}

function resetCall({ device }: Common): ApCall {
  return { kind: "device-ioctl", device, request: "reset", command: "VFIO_DEVICE_RESET" };
}

function free(world: World, queue: string): readonly ApEffect[] {
  return [unregister(3), unpin(keyOf(world.column, NIBS[queue] ?? ""))];
}

describe("Example 13: VFIO_DEVICE_RESET with mixed answers, linux-6.1", () => {
  const lines = (world: World): readonly ApEffect[] => [
    zapq("0405", 0x81000000),
    tapq("0405", 0x01000000),
    tapq("0405", 0x80000000),
    ...free(world, "0405"),
    reset("0405", 0, 0x80000000),
    zapq("0516", 0x00020000),
    zapq("0516", 0x00020000),
    tapq("0516", 0x00020000),
    tapq("0516", 0x00020000),
    ...free(world, "0516"),
    reset("0516", -16, 0x00020000),
    zapq("0416", 0x00030000),
    ...free(world, "0416"),
    reset("0416", -16, 0x00030000),
    zapq("0505", 0x00050000),
    reset("0505", -5, 0x00050000),
  ];

  test("as the example has it", () => {
    const setup = allEnabled("linux-6.1");
    const { world } = setup;
    const { defects } = world.holds(resetCall(setup), failed("EIO"), lines(world), {
      survivors: [
        // RST-3 goes on while E is 0 or I is 1, and one poll may do; the code of a TAPQ is ignored.
        /^line 1 .* with the empty bit/,
        /^without line 2 /,
        /^line 2 .* with (another response code|the )/,
        /^line 9 .* with (another response code|the interrupt bit)/,
        // RST-2: of a ZAPQ that is repeated only the code counts; the second one is polled unless it is empty and quiet.
        /^line 7 .* with the (interrupt|empty) bit/,
        /^line 8 .* with the interrupt bit/,
      ],
    });
    expect(defects.map(({ rules }) => rules)).toEqual([["RST-2"]]);
    const key = keyOf("linux-6.1", NIBS["0505"] ?? "");
    expect(world.ledger()).toEqual({ queues: { "0505": `3 ${key}` }, gisc: { "3": 1 }, pins: { [key]: 1 }, leaks: [] });
    expect(QUEUES.map((queue) => world.queue(queue).resetRc)).toEqual([0x00, 0x03, 0x05, 0x02]);
    expect(world.broken()).toEqual([]);
    expect(world.missing("RST-2 RST-3 RST-4 RST-5 RST-6 RST-7 RST-8 QUEUE-10 IOC-3 INV-20 INV-21")).toEqual([]);
  });

  test("the result is that of the last queue that failed in hash order", () => {
    const setup = allEnabled("linux-6.1");
    const { world } = setup;
    for (const result of [done, failed("EBUSY")]) {
      expect(world.refusesCall(resetCall(setup), result, lines(world))).toBe(true);
    }
  });

  test("another order of the queues is that of no table", () => {
    const setup = allEnabled("linux-6.1");
    const { world } = setup;
    const [first, second] = [lines(world).slice(0, 6), lines(world).slice(6, 13)];
    const swapped = [...second, ...first, ...lines(world).slice(13)];
    expect(world.refusesCall(resetCall(setup), failed("EIO"), swapped)).toBe(true);
  });

  test("the old profiles reset in another order, and go on differently", () => {
    for (const column of ["posted", "released", "dynamic-v12"] as const) {
      const setup = allEnabled(column);
      expect(setup.world.refusesCall(resetCall(setup), failed("EIO"), lines(setup.world)), column).toBe(true);
    }
  });
});

describe("Example 14: the same reset in the old profiles", () => {
  /** The matrix has domain 0020 too, whose devices have gone. */
  const SETTING: Setting = {
    queues: ["04.0005", "04.0016", "04.0020", "05.0005", "05.0016", "05.0020"],
    domains: ["5", "0x16", "0x20"],
    gone: ["0420", "0520"],
  };
  const MATRIX = apcbSet("0c", "040002008");

  test.each(V9)("%s", (column) => {
    const setup = allEnabled(column, { ...SETTING, masks: MATRIX });
    const { world } = setup;
    const freed = (queue: string): readonly ApEffect[] => (column === "posted" ? [] : free(world, queue));
    const busy = Array.from({ length: 6 }, () => aqic("0416", "off", 0x01050000));
    const lines = [
      zapq("0405", 0x00000000),
      tapq("0405", 0x80000000),
      reset("0405", 0, 0x80000000),
      aqic("0405", "off", 0x80070000),
      tapq("0405", 0x80000000),
      ...freed("0405"),
      zapq("0416", 0x00050000),
      zapq("0416", 0x00050000),
      reset("0416", -16, 0x00050000),
      ...busy,
      ...freed("0416"),
      zapq("0420", 0x00010000),
      reset("0420", -5, 0x00010000),
      zapq("0505", 0x00030000),
      reset("0505", -5, 0x00030000),
      aqic("0505", "off", 0x00030000),
      ...freed("0505"),
      zapq("0516", 0x80000000),
      reset("0516", 0, 0x80000000),
      aqic("0516", "off", 0x80070000),
      tapq("0516", 0x80000000),
      ...freed("0516"),
      zapq("0520", 0x00010000),
      reset("0520", -5, 0x00010000),
    ];
    const { defects } = world.holds(resetCall(setup), failed("EIO"), lines, {
      survivors: [
        // RST-1 does not look at I, nor at the flags of a ZAPQ that is repeated.
        /hw_zapq 0405. with the interrupt bit/,
        new RegExp(`^line ${column === "posted" ? 6 : 8} .* with the (interrupt|empty) bit`),
        // IRQ-8: the last TAPQ of a disable; IRQ-7: every other code ends the attempts, and so does the sixth answer.
        /^line (5|23|29) .hw_tapq .* with (another response code|the empty bit)/,
        new RegExp(
          `^line ${column === "posted" ? 14 : 16} .hw_aqic 0416. with (another response code|a response code)`,
        ),
        /hw_aqic 0505. with a response code that no machine has/,
      ],
    });
    const keys = QUEUES.map((queue) => keyOf(column, NIBS[queue] ?? ""));
    if (column === "posted") {
      // No queue has its mdev since the enable (IRQ-11): four pins and four registrations are lost, the fields are empty.
      expect(defects.map(({ rules }) => rules[0])).toEqual(["IRQ-10", "IRQ-9", "IRQ-10", "IRQ-10", "IRQ-10"]);
      const leaks = keys.flatMap((key) => ["isc 3 IRQ-11", `pin ${key} IRQ-11`]);
      const pins = Object.fromEntries(keys.map((key) => [key, 1]));
      expect(world.ledger()).toEqual({ queues: {}, gisc: { "3": 4 }, pins, leaks });
    } else {
      expect(defects.map(({ rules }) => rules[0])).toEqual(["IRQ-9"]);
      expect(world.ledger()).toEqual({ queues: {}, gisc: {}, pins: {}, leaks: [] });
    }
    expect(QUEUES.map((queue) => world.queue(queue).owner)).toEqual([null, null, null, null]);
    expect(world.broken()).toEqual([]);
    expect(world.missing("RST-1 RST-4 RST-6 RST-7 RST-8 IRQ-9 IRQ-10 IRQ-11 AQIC-10 IOC-3")).toEqual([]);
    expect(world.refusesCall(resetCall(setup), done, lines)).toBe(true);
    expect(world.refusesCall(resetCall(setup), failed("EBUSY"), lines)).toBe(true);
  });

  test("the lines of one variant are not those of the other", () => {
    for (const [column, queues] of [
      ["posted", true],
      ["released", false],
    ] as const) {
      const setup = allEnabled(column);
      const lines = QUEUES.flatMap((queue) => [
        zapq(queue, 0x80000000),
        reset(queue, 0, 0x80000000),
        aqic(queue, "off", 0x80070000),
        tapq(queue, 0x80000000),
        ...(queues ? free(setup.world, queue) : []),
      ]);
      expect(setup.world.refusesCall(resetCall(setup), done, lines), column).toBe(true);
    }
  });

  test("dynamic-v12: linked queues only, and no AQIC", () => {
    const setup = allEnabled("dynamic-v12", { ...SETTING, masks: apcbSet("", "040002008") });
    const { world } = setup;
    const lines = [
      zapq("0405", 0x00000000),
      tapq("0405", 0x80000000),
      reset("0405", 0, 0x80000000),
      ...free(world, "0405"),
      zapq("0416", 0x00050000),
      zapq("0416", 0x00050000),
      reset("0416", -16, 0x00050000),
      ...free(world, "0416"),
      zapq("0505", 0x00030000),
      reset("0505", -5, 0x00030000),
      ...free(world, "0505"),
      zapq("0516", 0x80000000),
      reset("0516", 0, 0x80000000),
      ...free(world, "0516"),
    ];
    world.holds(resetCall(setup), failed("EIO"), lines, {
      survivors: [/hw_zapq 0405. with the interrupt bit/, /^line 6 .* with the (interrupt|empty) bit/],
    });
    expect(world.ledger()).toEqual({ queues: {}, gisc: {}, pins: {}, leaks: [] });
    expect(world.broken()).toEqual([]);
    // The queues that went are not linked any more: a reset of theirs is a queue too many.
    const more = [...lines, zapq("0520", 0x00010000), reset("0520", -5, 0x00010000)];
    expect(world.refusesCall(resetCall(setup), failed("EIO"), more)).toBe(true);
  });

  test.each(V9)("row 9, %s: a host without facility 65 crashes at the first disable", (column) => {
    const setup = common(column, { facts: { fac65: false } });
    const { world } = setup;
    const lines = [zapq("0405", 0x80000000), reset("0405", 0, 0x80000000)];
    const { defects } = world.explain(operationOf(resetCall(setup), never, lines), true);
    expect(defects.map(({ rules }) => rules)).toEqual([["RST-9"]]);
    // Nothing is asserted from here on.
    const { unchecked } = world.explain(operationOf(resetCall(setup), done, []), true);
    expect(unchecked.join()).toContain("crashed");
  });
});

describe("a queue that is reset alone", () => {
  test.each(ALL)("%s: neither a third ZAPQ nor a third poll", (column) => {
    const setup = common(column);
    const { world } = setup;
    const after = isV9(column) ? [aqic("0405", "off", 0x80070000), tapq("0405", 0x80000000)] : [];
    const rest = (queues: readonly string[]): readonly ApEffect[] =>
      queues.flatMap((queue) => [
        zapq(queue, 0x80000000),
        reset(queue, 0, 0x80000000),
        ...(isV9(column) ? [aqic(queue, "off", 0x80070000), tapq(queue, 0x80000000)] : []),
      ]);
    const others = rest(isOld(column) ? ["0416", "0505", "0516"] : ["0516", "0416", "0505"]);
    const zapqs = [zapq("0405", 0x00020000), zapq("0405", 0x00020000), zapq("0405", 0x00020000)];
    expect(
      world.refusesCall(resetCall(setup), failed("EBUSY"), [
        ...zapqs,
        reset("0405", -16, 0x00020000),
        ...after,
        ...others,
      ]),
    ).toBe(true);
    const polls = [tapq("0405", 0), tapq("0405", 0), tapq("0405", 0)];
    expect(
      world.refusesCall(resetCall(setup), done, [zapq("0405", 0), ...polls, reset("0405", 0, 0), ...after, ...others]),
    ).toBe(true);
    expect(
      world.refusesCall(resetCall(setup), done, [
        zapq("0405", 0),
        ...polls.slice(1),
        reset("0405", 0, 0),
        ...after,
        ...others,
      ]),
    ).toBe(false);
  });
});
