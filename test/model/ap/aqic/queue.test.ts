import { describe, expect, test } from "vitest";
import { noBits } from "../../../../src/model/core/bits.js";
import { oneOf, unknown } from "../../../../src/model/core/known.js";
import type { ApCall } from "../../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../../src/operation/ap/effect.js";
import { ALL, type Column, done, failed, isV9, operationOf, V9, value, World } from "./host.js";
import {
  apcbClear,
  apcbSet,
  aqic,
  aqicOf,
  asksFor,
  exit,
  G,
  M,
  NIB_A,
  queueProbe,
  queueRemove,
  reset,
  tapq,
  unpin,
  unregister,
  unsetKvm,
  zapq,
} from "./lines.js";
import { AQM, enable, enabled, keyOf, LAST_TAPQ, makeMdev, quietReset, writeOf } from "./setting.js";

const UNBIND = writeOf({ on: "driver", driver: "vfio_ap", name: "unbind" }, "04.0005\n");
const BIND = writeOf({ on: "driver", driver: "vfio_ap", name: "bind" }, "04.0005\n");
const WRITTEN = value(8);

/** The lines of the removal of 04.0005, which has an enabled interrupt; the bus adds a ZAPQ at the end (QUEUE-8). */
function removal(column: Column): readonly ApEffect[] {
  const freed = [unregister(3), unpin(keyOf(column, NIB_A))];
  const zapqs = [zapq("0405", 0x80000000)];
  const result = reset("0405", 0, 0x80000000);
  const epilogue = zapq("0405", 0x80000000);
  switch (column) {
    case "posted":
    case "released":
      return [
        ...zapqs,
        result,
        aqic("0405", "off", 0x80070000),
        tapq("0405", 0x80000000),
        ...(column === "posted" ? [] : freed),
        queueRemove("0405"),
        epilogue,
      ];
    case "dynamic-v12":
      return [apcbSet("04", AQM), ...zapqs, result, ...freed, queueRemove("0405"), epilogue];
    case "linux-6.1":
      return [apcbSet("04", AQM), ...zapqs, ...freed, result, queueRemove("0405"), epilogue];
  }
}

/** The line of the bus's own reset may be missing, and its answer is nobody's business (QUEUE-8). */
function survivors(column: Column): readonly RegExp[] {
  const last = removal(column).length;
  const epilogue = [new RegExp(`^without line ${last} `), new RegExp(`^line ${last} .* with (another response|the)`)];
  return isV9(column) ? [...epilogue, ...LAST_TAPQ] : epilogue;
}

describe("Example 17: a queue unbound while the guest runs", () => {
  test.each(ALL)("a to c, %s", (column) => {
    const { world } = enabled(column);
    const { defects } = world.holds(UNBIND, WRITTEN, removal(column), { survivors: survivors(column) });
    const key = keyOf(column, NIB_A);
    const causes = defects.map(({ rules }) => rules[0]);
    switch (column) {
      case "posted":
        expect(causes).toEqual(["QUEUE-5", "IRQ-10"]);
        break;
      case "released":
        expect(causes).toEqual(["QUEUE-5"]);
        break;
      case "dynamic-v12":
        expect(causes).toEqual(["QUEUE-6"]);
        break;
      case "linux-6.1":
        expect(causes).toEqual([]);
        break;
    }
    const lost = { queues: {}, gisc: { "3": 1 }, pins: { [key]: 1 }, leaks: ["isc 3 IRQ-11", `pin ${key} IRQ-11`] };
    expect(world.ledger()).toEqual(column === "posted" ? lost : { queues: {}, gisc: {}, pins: {}, leaks: [] });
    expect(world.guestAt(G).refs).toBe(column === "dynamic-v12" ? 0 : 1);
    expect(world.queue("0405").driver).toBe("none");
    expect(world.broken()).toEqual([]);
    const covers = "QUEUE-5 QUEUE-6 QUEUE-7 QUEUE-8 INV-22";
    expect(world.missing(covers)).toEqual([]);
    // Its next AQIC gets response code 01; the other queue of the adapter is linked yet, and served.
    world.guest({ gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A }, [], exit("0x10000", 3));
    enable(world, "0416");
  });

  test.each(V9)("a, %s: the guest's masks stay", (column) => {
    const { world } = enabled(column);
    expect(world.refusesCall(UNBIND, WRITTEN, [apcbSet("04", AQM), ...removal(column)])).toBe(true);
  });

  test("each profile prints other lines", () => {
    for (const column of ALL) {
      for (const other of ALL) {
        if (column === other) continue;
        const { world } = enabled(column);
        expect(world.refusesCall(UNBIND, WRITTEN, removal(other)), `${other} under ${column}`).toBe(true);
      }
    }
  });

  test("b: at close the references fall below none", () => {
    const { world, device } = enabled("dynamic-v12");
    world.explain(operationOf(UNBIND, WRITTEN, removal("dynamic-v12")));
    const quiet = (queue: string): ApEffect[] => [zapq(queue, 0x80000000), reset(queue, 0, 0x80000000)];
    const lines = [apcbClear(), ...["0416", "0505", "0516"].flatMap(quiet), unsetKvm()];
    world.explain(operationOf({ kind: "device-close", device }, done, lines));
    expect(world.guestAt(G).refs).toBe(-1);
    expect(world.broken()).toEqual(["aqic/INV-12 by aqic/QUEUE-6"]);
  });

  test.each(ALL)("d, %s: bound again", (column) => {
    const { world } = enabled(column);
    world.explain(operationOf(UNBIND, WRITTEN, removal(column)));
    const lines = isV9(column) ? [queueProbe("0405")] : [apcbSet("0c", AQM), queueProbe("0405")];
    world.holds(BIND, WRITTEN, lines);
    const queue = world.queue("0405");
    expect([queue.driver, queue.savedIsc, queue.savedNib, queue.resetRc]).toEqual(["vfio_ap", null, null, 0]);
    expect(queue.owner).toBe(isV9(column) ? null : world.mdev());
    expect(world.missing("QUEUE-1 QUEUE-2 QUEUE-3")).toEqual([]);
    enable(world);
  });

  test.each(ALL)("d, %s: without memory nothing is left of the queue object", (column) => {
    const { world } = enabled(column);
    world.explain(operationOf(UNBIND, WRITTEN, removal(column)));
    const errno = column === "linux-6.1" ? "ENOMEM" : "ENODEV";
    world.explain(operationOf(BIND, failed(errno), [queueProbe("0405", -12)]));
    expect(world.queue("0405").driver).toBe("none");
    expect(world.missing("QUEUE-4")).toEqual([]);
    expect(world.refusesCall(BIND, WRITTEN, [queueProbe("0405", -12)])).toBe(true);
    expect(world.refusesCall(BIND, failed(errno), [queueProbe("0405", -5)])).toBe(true);
    world.guest({ gr0: aqicOf("0405"), gr1: asksFor(3), gr2: NIB_A }, [], exit("0x10000", 3));
  });

  test.each(ALL)("e, %s: reserved queues and old cards are not vfio_ap's", (column) => {
    const world = new World(column, { queues: ["04.0005"] });
    makeMdev(world, "aaaaaaaa-0000-4000-8000-00000000000a", 1, ["4"], ["5"]);
    const card = world.state.cards.get(4);
    if (card === undefined) throw new Error("no card");
    card.type = 9;
    world.queue("0405").driver = "none";
    expect(world.refusesCall(BIND, WRITTEN, [queueProbe("0405")])).toBe(true);
    expect(world.refusesCall(BIND, failed("ENODEV"), [])).toBe(false);
  });

  test("a reset that fails with -EIO leaves pin and registration behind (linux-6.1)", () => {
    const { world } = enabled("linux-6.1");
    const lines = [apcbSet("04", AQM), zapq("0405", 0x00050000), reset("0405", -5, 0x00050000), queueRemove("0405")];
    const { defects } = world.explain(operationOf(UNBIND, WRITTEN, lines));
    expect(defects.map(({ rules }) => rules[0])).toEqual(["RST-2"]);
    expect(world.ledger()).toEqual({
      queues: {},
      gisc: { "3": 1 },
      pins: { [NIB_A]: 1 },
      leaks: ["isc 3 RST-2", `pin ${NIB_A} RST-2`],
    });
    expect(world.broken()).toEqual([]);
  });
});

describe("QUEUE-5: a queue that was not known to be bound", () => {
  test.each(V9)("%s: its removal shows that it was, so that its interrupt is disabled too", (column) => {
    const { world } = enabled(column);
    world.queue("0405").driver = unknown;
    const call: ApCall = { kind: "queue-remove", apqn: 0x0405 };
    const lines = removal(column);
    expect(world.refusesCall(call, done, lines)).toBe(false);
    const disabling = lines.filter(({ kind }) => kind !== "hw_aqic" && kind !== "hw_tapq");
    expect(world.refusesCall(call, done, disabling)).toBe(true);
  });
});

describe("QUEUE-6: a queue whose mdev may have lost its guest", () => {
  const lines = (...freed: readonly ApEffect[]): readonly ApEffect[] => [
    zapq("0405", 0x80000000),
    reset("0405", 0, 0x80000000),
    ...freed,
    queueRemove("0405"),
  ];

  test("dynamic-v12: what is freed shows whether it has", () => {
    const { world } = enabled("dynamic-v12");
    const guest = world.guestAt(G);
    // It is not in the shadow, so that no commit tells.
    Object.assign(world.mdev(), { kvm: oneOf([guest, null]), shApm: noBits });
    const freed = [unregister(3), unpin(keyOf("dynamic-v12", NIB_A))];
    const call: ApCall = { kind: "queue-remove", apqn: 0x0405 };
    expect(world.refusesCall(call, done, lines(...freed))).toBe(false);
    world.explain(operationOf(call, done, lines()));
    expect(world.ledger().leaks).toEqual(["isc 3 QUEUE-6", `pin ${keyOf("dynamic-v12", NIB_A)} QUEUE-6`]);
  });
});

test.each(V9)("%s: a request that was lost may have made a queue point to its mdev (AQIC-10)", (column) => {
  const { world, device } = enabled(column);
  world.explain(operationOf({ kind: "gap" }, done, []));
  world.queue("0405").owner = null;
  world.explain(operationOf({ kind: "gap" }, done, []));
  const freed = [unregister(3), unpin(keyOf(column, NIB_A))];
  const lines = ["0405", "0416", "0505", "0516"].flatMap((queue) =>
    quietReset(column, queue, queue === "0405" ? freed : []),
  );
  const call: ApCall = { kind: "device-ioctl", device, request: "reset", command: "VFIO_DEVICE_RESET" };
  expect(world.refusesCall(call, done, lines)).toBe(false);
});

test("dynamic-v12: a UUID that is used anew leaves its old queues pointing to the mdev that was (D12-4)", () => {
  const world = new World("dynamic-v12");
  makeMdev(world, M, 1);
  const lines = ["0405", "0416", "0505", "0516"].flatMap((queue) => quietReset("dynamic-v12", queue));
  world.explain(operationOf(writeOf({ on: "mdev", uuid: M, name: "remove" }, "1\n"), value(2), lines));
  expect(world.broken()).toEqual([]);
  world.explain(operationOf(writeOf({ on: "mdev-type", name: "create" }, `${M}\n`), value(37), []));
  expect([...new Set(world.broken())]).toEqual(["aqic/INV-8 by ap-config/D12-4"]);
});

describe("5.3: brackets", () => {
  test.each(ALL)("%s: the line of a removal may come first, or last", (column) => {
    const { world } = enabled(column);
    const lines = removal(column).filter(({ kind }) => kind !== "queue_remove");
    expect(world.refusesCall(UNBIND, WRITTEN, [queueRemove("0405"), ...lines])).toBe(false);
    const alone: ApCall = { kind: "queue-remove", apqn: 0x0405 };
    expect(world.refusesCall(alone, done, removal(column))).toBe(false);
  });
});
