import { describe, expect, test } from "vitest";
import type { ApEffect } from "../../../../src/operation/ap/effect.js";
import { ALL, type Column, noInstructions, OLD, operationOf, value, type World } from "./host.js";
import { aqicOf, asksFor, type Exit, exit, NIB_A, NIB_B, pin, pqapCall, register, unpin, unregister } from "./lines.js";
import { common, enabled, keyOf } from "./setting.js";

/** 5.4: without the lines of the host's own instructions the guest's answer tells the response code. */
describe("unseen instructions", () => {
  const REQUEST_A = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A };
  const REQUEST_B = { gr0: aqicOf("0405"), gr1: asksFor(7), gr2: NIB_B };
  const DISABLE = { gr0: aqicOf("0405") };

  function sees(world: World, request: typeof REQUEST_A | typeof DISABLE, lines: readonly ApEffect[], end: Exit): void {
    world.explain(operationOf(pqapCall(request, end), value(0), lines), false, noInstructions);
  }

  function refuses(
    world: World,
    request: typeof REQUEST_A | typeof DISABLE,
    lines: readonly ApEffect[],
    end: Exit,
  ): boolean {
    return world.refusesCall(pqapCall(request, end), value(0), lines, noInstructions);
  }

  const keys = (column: Column): readonly [string, string] => [keyOf(column, NIB_A), keyOf(column, NIB_B)];

  test.each(ALL)("00 to an enable, %s: the new registration is remembered, the old one freed", (column) => {
    const { world } = enabled(column);
    const [keyA, keyB] = keys(column);
    const freed = [unregister(3), unpin(keyA)];
    expect(refuses(world, REQUEST_B, [pin(keyB), register(7)], exit("0x80000000", 1))).toBe(true);
    sees(world, REQUEST_B, [pin(keyB), register(7), ...freed], exit("0x80000000", 1));
    expect(world.ledger()).toEqual({
      queues: { "0405": `7 ${keyB}` },
      gisc: { "7": 1 },
      pins: { [keyB]: 1 },
      leaks: [],
    });
  });

  test.each(ALL)("07 to an enable, %s: the new one is undone", (column) => {
    const { world } = enabled(column);
    const [keyA, keyB] = keys(column);
    const undone = [unpin(keyB), unregister(7)];
    expect(refuses(world, REQUEST_B, [pin(keyB), register(7), ...undone], exit("0x80000000", 1))).toBe(true);
    sees(world, REQUEST_B, [pin(keyB), register(7), ...undone], exit("0x81070000", 3));
    expect(world.ledger()).toEqual({
      queues: { "0405": `3 ${keyA}` },
      gisc: { "3": 1 },
      pins: { [keyA]: 1 },
      leaks: [],
    });
  });

  test.each(ALL)("any other code, %s: the old one is freed, the new one leaks", (column) => {
    for (const rc of [0x01, 0x05, 0x06, 0x08]) {
      const { world } = enabled(column);
      const [keyA, keyB] = keys(column);
      const lines = [pin(keyB), register(7), unregister(3), unpin(keyA)];
      sees(world, REQUEST_B, lines, exit(`0x${(rc << 16).toString(16)}`, 3));
      expect(world.ledger(), `rc ${rc}`).toEqual({
        queues: {},
        gisc: { "7": 1 },
        pins: { [keyB]: 1 },
        leaks: [`pin ${keyB} IRQ-4`, "isc 7 IRQ-4"],
      });
      expect(world.broken()).toEqual([]);
    }
  });

  test.each(ALL)("%s: no machine answers an enable with a code above 08 (5.1)", (column) => {
    const { world } = common(column);
    const [keyA] = keys(column);
    for (const [answer, wrong] of [
      ["0x80000", false],
      ["0x90000", true],
      ["0x2a0000", true],
    ] as const) {
      expect(refuses(world, REQUEST_A, [pin(keyA), register(3)], exit(answer, 3)), answer).toBe(wrong);
    }
  });

  test("08 with one unpin and no disable: the registration had failed (linux-6.1)", () => {
    const { world } = enabled("linux-6.1");
    sees(world, REQUEST_B, [pin(NIB_B), register(7, -19), unpin(NIB_B)], exit("0x80000", 3));
    expect(world.ledger().queues).toEqual({ "0405": `3 ${NIB_A}` });
    expect(refuses(world, REQUEST_B, [pin(NIB_B), register(7), unpin(NIB_B)], exit("0x80000", 3))).toBe(true);
  });

  test.each(OLD)("08, %s: without an instruction nobody answers it", (column) => {
    const { world } = enabled(column);
    const [, keyB] = keys(column);
    expect(refuses(world, REQUEST_B, [pin(keyB), register(7, -19), unpin(keyB)], exit("0x80000", 3))).toBe(true);
  });

  test.each(ALL)("01 without a line, %s: the queue was not found, and this one is", (column) => {
    const { world } = common(column);
    expect(refuses(world, REQUEST_A, [], exit("0x10000", 3))).toBe(true);
    sees(world, { ...REQUEST_A, gr0: aqicOf("0a0a") }, [], exit("0x10000", 3));
  });

  test.each(ALL)("a disable, %s: whatever is answered, what was registered is freed", (column) => {
    for (const [answer, cc] of [
      ["0x80000000", 1],
      ["0x80070000", 3],
      ["0x81020000", 3],
      ["0x30000", 3],
    ] as const) {
      const { world } = enabled(column);
      const [keyA] = keys(column);
      expect(refuses(world, DISABLE, [], exit(answer, cc))).toBe(true);
      expect(refuses(world, DISABLE, [unregister(3), unpin(keyA)], exit(answer, cc === 1 ? 3 : 1))).toBe(true);
      sees(world, DISABLE, [unregister(3), unpin(keyA)], exit(answer, cc));
      expect(world.ledger()).toEqual({ queues: {}, gisc: {}, pins: {}, leaks: [] });
    }
  });

  test.each(ALL)("%s: 06 and 08 make no sense for a disable, and are remarked (5.1)", (column) => {
    for (const [answer, remarks] of [
      ["0x30000", 0],
      ["0x60000", 1],
      ["0x80000", 1],
    ] as const) {
      const { world } = common(column);
      const operation = operationOf(pqapCall(DISABLE, exit(answer, 3)), value(0), []);
      expect(world.explain(operation, false, noInstructions).remarks, answer).toHaveLength(remarks);
    }
  });

  test.each(ALL)("%s: no machine sets the reserved half of a status word", (column) => {
    const [keyA] = keys(column);
    for (const reserved of ["0x80000001", "0x80008300", "0x80070100"]) {
      const { world } = common(column);
      const cc = reserved.startsWith("0x8007") ? 3 : 1;
      const undone = cc === 3 ? [unpin(keyA), unregister(3)] : [];
      expect(refuses(world, REQUEST_A, [pin(keyA), register(3), ...undone], exit(reserved, cc)), reserved).toBe(true);
    }
  });

  test.each(OLD)("%s: but one that loses the status may leave the control word there", (column) => {
    const [keyA] = keys(column);
    for (const [fact, wrong] of [
      ["lost", false],
      [undefined, false],
      ["true", true],
    ] as const) {
      const { world } = common(column, { facts: { hostAqicStatus: fact } });
      expect(refuses(world, REQUEST_A, [pin(keyA), register(3)], exit("0x8300", 1)), fact).toBe(wrong);
      expect(refuses(world, REQUEST_A, [pin(keyA), register(3)], exit("0x8500", 1)), fact).toBe(true);
    }
  });

  test.each(OLD)("%s: nor one that gave a status before (IRQ-13)", (column) => {
    const [keyA] = keys(column);
    const { world } = common(column, { facts: { hostAqicStatus: undefined } });
    sees(world, DISABLE, [], exit("0x80070000", 3));
    expect(refuses(world, REQUEST_A, [pin(keyA), register(3)], exit("0x8300", 1))).toBe(true);
    expect(refuses(world, REQUEST_A, [pin(keyA), register(3)], exit("0x80000000", 1))).toBe(false);
  });

  test.each(ALL)("an exit that is missing too, %s: the lines tell which way it went", (column) => {
    const [keyA, keyB] = keys(column);
    const start = [pin(keyB), register(7)];
    const ways: readonly (readonly [readonly ApEffect[], string])[] = [
      [[...start, unregister(3), unpin(keyA)], "either 00 or a refusal"],
      [[...start, unpin(keyB), unregister(7)], "07"],
    ];
    for (const [lines, way] of ways) {
      const { world } = enabled(column);
      const operation = operationOf(pqapCall(REQUEST_B, undefined), { kind: "unknown", reason: "no exit" }, lines);
      expect(world.refuses(operation, noInstructions), way).toBe(false);
      world.explain(operation, true, noInstructions);
      const { queues } = world.ledger();
      expect(queues["0405"], way).toBe(way === "07" ? `3 ${keyA}` : "unknown unknown");
    }
  });
});
