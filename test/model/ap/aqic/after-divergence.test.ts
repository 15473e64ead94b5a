import { expect, test } from "vitest";
import { adoptObserved } from "../../../../src/check/attempt.js";
import { apModel } from "../../../../src/model/ap/model.js";
import type { ApEffect } from "../../../../src/operation/ap/effect.js";
import { ALL, OLD, operationOf, value, World } from "./host.js";
import {
  aqic,
  aqicOf,
  asksFor,
  type Exit,
  exit,
  M,
  NIB_A,
  NIB_B,
  pin,
  pqapCall,
  register,
  unpin,
  unregister,
} from "./lines.js";
import { attachLines, common, deviceOf, keyOf, makeMdev, makeVm, openCall, openGroup } from "./setting.js";

/** One fault gives one finding: what an instruction that diverged may have shown is not held against the next ones. */

const everything = { sees: () => true, syscalls: true };
const REQUEST = { gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A, eca: undefined };
/** Nothing is known of the host: a check that ended an instruction tells of it, or of the guest. */
const NO_FACTS = {
  apInstructions: undefined,
  facList: undefined,
  fac15: undefined,
  fac65: undefined,
  fac76: undefined,
  aiv: undefined,
  apxa: undefined,
  hostAqicStatus: undefined,
};

function diverges(world: World, effects: readonly ApEffect[], end: Exit): void {
  const operation = operationOf(pqapCall(REQUEST, end), value(end.rc), effects);
  expect(world.refuses(operation)).toBe(true);
  adoptObserved(apModel, world.state, operation, everything);
  world.state.journal.commit();
}

/** Whether a faultless enable of the queue is explained. */
function served(world: World): boolean {
  const lines = [pin(keyOf(world.column, NIB_A)), register(3), aqic("0405", 3, 0x80000000)];
  return !world.refusesGuest(REQUEST, lines, exit("0x80000000", 1));
}

test.each(ALL)("%s: an instruction that the checks ended in the middle of the driver", (column) => {
  for (const end of [exit(asksFor(3), 1, -95), exit(asksFor(3), 1, 0, 6)]) {
    const { world } = common(column, { facts: NO_FACTS });
    diverges(world, [pin(keyOf(column, NIB_A))], end);
    expect(served(world)).toBe(true);
  }
});

test.each(ALL)("%s: an answer that nobody gives, on a CPU whose guest is not known", (column) => {
  const world = new World(column, { facts: NO_FACTS });
  makeVm(world, "50/10");
  makeMdev(world, M, 1);
  const vm = makeVm(world);
  const group = openGroup(world, 1);
  world.explain(operationOf(openCall(group, deviceOf(world, group), vm), value(11), attachLines(world)));
  diverges(world, [], exit("0x77", 1));
  expect(served(world)).toBe(true);
});

test.each(OLD)("%s: a wrong page does not tell that the host loses its status (IRQ-13)", (column) => {
  const { world } = common(column, { facts: NO_FACTS });
  diverges(world, [pin(NIB_B), register(3), aqic("0405", 3, 0x80000000)], exit("0x80000000", 1));
  const key = keyOf(column, NIB_A);
  const undone = [pin(key), register(3), aqic("0405", 3, 0x81070000), unpin(key), unregister(3)];
  expect(world.refusesGuest(REQUEST, undone, exit("0x81070000", 3))).toBe(false);
});

test.each(ALL)("%s: a control word that is wrong does not tell where the GISA is", (column) => {
  const { world } = common(column);
  const lines = [pin(keyOf(column, NIB_A)), register(3), aqic("0405", "0x000083001f5c2805", 0x80030000)];
  diverges(world, lines, exit("0x80030000", 3));
  expect(served(world)).toBe(true);
});
