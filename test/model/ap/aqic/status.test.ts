import { describe, expect, test } from "vitest";
import { renderState } from "../../../../src/model/ap/render.js";
import { ALL, type World } from "./host.js";
import { aqic, aqicOf, asksFor, exit, NIB_A, NIB_B, pin, register, tapq, unpin, unregister } from "./lines.js";
import { common, enable, enabled, keyOf, LAST_TAPQ } from "./setting.js";

interface Shown {
  readonly queues: readonly { readonly apqn: string; readonly status?: unknown }[];
}

function status(world: World, apqn: string): unknown {
  return (renderState(world.state) as Shown).queues.find((queue) => queue.apqn === apqn)?.status;
}

describe("queue status, learned and predicted (1.6)", () => {
  test.each(ALL)("%s: E, R, F and the code are those of the last status word", (column) => {
    const { world } = common(column);
    expect(status(world, "04.0005")).toBe(undefined);
    const lines = [pin(keyOf(column, NIB_A)), register(3), aqic("0405", 3, 0x40000000)];
    world.guest({ gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A }, lines, exit("0x40000000", 1));
    // I is 0 in the word, and will be 1: the enable was accepted.
    expect(status(world, "04.0005")).toEqual({ empty: false, replies: true, full: false, irq: true, rc: 0 });
  });

  test.each(ALL)(
    "%s: what the guest can have changed since is not known, and it cannot turn the interrupt on",
    (column) => {
      const { world } = enabled(column);
      enable(world, "0416", 3, NIB_B);
      expect(status(world, "04.0005")).toEqual({
        empty: "unknown",
        replies: "unknown",
        full: "unknown",
        irq: "unknown",
        rc: 0,
      });
      const disabled = [
        aqic("0405", "off", 0x80000000),
        tapq("0405", 0x80000000),
        unregister(3),
        unpin(keyOf(column, NIB_A)),
      ];
      world.guest({ gr0: aqicOf("0405") }, disabled, exit("0x80000000", 1), { survivors: LAST_TAPQ });
      expect(status(world, "04.0005")).toEqual({ empty: true, replies: false, full: false, irq: false, rc: 0 });
      world.guest({ gr0: aqicOf("0a0a") }, [], exit("0x10000", 3));
      expect(status(world, "04.0005")).toEqual({
        empty: "unknown",
        replies: "unknown",
        full: "unknown",
        irq: false,
        rc: 0,
      });
    },
  );

  test.each(ALL)("%s: full and interrupt bits are bits 2 and 7 of the word", (column) => {
    const { world } = enabled(column);
    const keyB = keyOf(column, NIB_B);
    const lines = [pin(keyB), register(3), aqic("0405", 3, 0x21070000), unpin(keyB), unregister(3)];
    world.guest({ gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_B }, lines, exit("0x21070000", 3));
    expect(status(world, "04.0005")).toEqual({ empty: false, replies: false, full: true, irq: true, rc: 7 });
  });
});

describe("5.1: what hardware may answer", () => {
  const remarks = (
    world: World,
    lines: Parameters<World["remarksOf"]>[1],
    answer: ReturnType<typeof exit>,
    enables = true,
  ) =>
    world.remarksOf(
      enables ? { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A } : { gr0: aqicOf("0405") },
      lines,
      answer,
    );

  test.each(ALL)("%s: 07 to an enable of an interrupt that was seen off is unlikely", (column) => {
    const { world } = common(column);
    const disabled = [aqic("0405", "off", 0x80070000), tapq("0405", 0x80000000)];
    expect(remarks(world, disabled, exit("0x80070000", 3), false)).toEqual([]);
    const key = keyOf(column, NIB_A);
    const lines = [pin(key), register(3), aqic("0405", 3, 0x80070000), unpin(key), unregister(3)];
    expect(remarks(world, lines, exit("0x80070000", 3))).toHaveLength(1);
    // Nothing was known of it before: then it is no news.
    const { world: fresh } = common(column);
    expect(remarks(fresh, lines, exit("0x80070000", 3))).toEqual([]);
  });

  test.each(ALL)("%s: 06 and 08 to a disable are unlikely, and every other code is handled", (column) => {
    for (const [rc, unlikely] of [
      [0x06, 1],
      [0x08, 1],
      [0x01, 0],
      [0x03, 0],
      [0x04, 0],
      [0x0b, 1],
    ] as const) {
      const { world } = common(column);
      const word = rc << 16;
      const found = remarks(world, [aqic("0405", "off", word)], exit(`0x${word.toString(16)}`, 3), false);
      expect(found, `rc ${rc}`).toHaveLength(unlikely);
    }
  });

  test.each(ALL)("%s: an enable of an interrupt that was on shows an unseen reset of the guest", (column) => {
    const { world } = enabled(column);
    const [keyA, keyB] = [keyOf(column, NIB_A), keyOf(column, NIB_B)];
    const lines = [pin(keyB), register(3), aqic("0405", 3, 0x80000000), unregister(3), unpin(keyA)];
    const { rules } = world.guest({ gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_B }, lines, exit("0x80000000", 1));
    expect([...rules]).toContain("IRQ-12");
  });
});

const GIVEN_UP = [...LAST_TAPQ, /hw_tapq .* with the interrupt bit/];

describe("INV-16: an interrupt that is on belongs to somebody", () => {
  test("a status word with I after it was seen off", () => {
    const { world } = common("linux-6.1");
    const disabled = [aqic("0405", "off", 0x80070000), tapq("0405", 0x80000000)];
    world.guest({ gr0: aqicOf("0405") }, disabled, exit("0x80070000", 3), { survivors: LAST_TAPQ });
    expect(world.broken()).toEqual([]);
    const again = [aqic("0405", "off", 0x81070000), tapq("0405", 0x80000000)];
    world.guest({ gr0: aqicOf("0405") }, again, exit("0x81070000", 3), { survivors: LAST_TAPQ });
    expect(world.broken()).toEqual(["aqic/INV-16"]);
  });

  test.each(ALL)("%s: it may stay on for a while after it was turned off (5.1)", (column) => {
    const { world } = common(column);
    for (let again = 0; again < 2; again++) {
      // The wait ends before the interrupt is seen off.
      const lines = [aqic("0405", "off", 0x81000000), tapq("0405", 0x80010000)];
      world.guest({ gr0: aqicOf("0405") }, lines, exit("0x81000000", 1), { survivors: GIVEN_UP });
      expect(world.broken()).toEqual([]);
    }
  });

  test.each(ALL)("%s: 07 to an enable of an interrupt that was seen off is remarked only", (column) => {
    const { world } = common(column);
    const disabled = [aqic("0405", "off", 0x80070000), tapq("0405", 0x80000000)];
    world.guest({ gr0: aqicOf("0405") }, disabled, exit("0x80070000", 3), { survivors: LAST_TAPQ });
    const key = keyOf(column, NIB_A);
    const lines = [pin(key), register(3), aqic("0405", 3, 0x81070000), unpin(key), unregister(3)];
    const asks = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A };
    expect(world.remarksOf(asks, lines, exit("0x81070000", 3))).toHaveLength(1);
    expect(world.broken()).toEqual([]);
  });

  test.each(ALL)("%s: a queue of which nothing was seen may have its interrupt on from somebody before", (column) => {
    const { world } = common(column);
    const lines = [aqic("0405", "off", 0x81070000), tapq("0405", 0x80000000)];
    world.guest({ gr0: aqicOf("0405") }, lines, exit("0x81070000", 3), { survivors: LAST_TAPQ });
    expect(world.broken()).toEqual([]);
  });
});
