import { describe, expect, test } from "vitest";
import { compareStates } from "../../src/check/expected-compare.js";

const mask = (first: string): string => `0x${first.padEnd(64, "0")}`;

const state = {
  bus: { apmask: mask("f"), aqmask: "unknown" },
  mdevs: [
    { uuid: "a", matrix: { apm: mask("0c"), aqm: mask("8") }, kvm: "0x1" },
    { uuid: "b", matrix: { apm: mask(""), aqm: mask("") }, kvm: null },
  ],
  queues: [{ apqn: "04.0005", driver: "vfio_ap", isc: 3, nib: "0x7f001000", status: { irq: true } }],
  guests: [{ kvm: "0x1", gisc: { "3": 1 }, pinned: {} }],
};

/** The differences as `path: expected -> observed`. */
function differences(expected: unknown, ...states: readonly unknown[]): readonly string[] {
  return compareStates(expected, states, "ap").differences.map(
    (one) => `${one.path}: ${one.expected} -> ${one.observed}`,
  );
}

function undecided(expected: unknown, ...states: readonly unknown[]): readonly string[] {
  return compareStates(expected, states, "ap").undecided;
}

describe("a state and an expected one", () => {
  test("that are the same do not differ", () => {
    expect(compareStates(state, [state], "ap")).toEqual({ differences: [], undecided: [] });
  });

  test.each([
    ["nothing", {}],
    ["an object of a part of the keys", { bus: { apmask: mask("f") } }],
    ["members of a list by a part of their keys", { mdevs: [{ uuid: "b", kvm: null }, { uuid: "a" }] }],
    ["digits of the other case", { queues: [{ apqn: "04.0005", nib: "0x7F001000" }] }],
    ["what is unknown there", { bus: { aqmask: mask("1"), apmask: "unknown" } }],
  ])("%s: what is absent is not compared", (_what, expected) => {
    expect(differences(expected, state)).toEqual([]);
  });

  test.each([
    [{ queues: [{ apqn: "04.0005", isc: 4 }] }, "ap.queues[04.0005].isc: 4 -> 3"],
    [{ queues: [{ apqn: "04.0005", isc: null }] }, "ap.queues[04.0005].isc: null -> 3"],
    [{ queues: [{ apqn: "04.0005", driver: "cex4queue" }] }, "ap.queues[04.0005].driver: cex4queue -> vfio_ap"],
    [{ queues: [{ apqn: "04.0005", status: { irq: false } }] }, "ap.queues[04.0005].status.irq: false -> true"],
    [{ queues: [{ apqn: "04.0005", isc: { x: 1 } }] }, "ap.queues[04.0005].isc: an object -> 3"],
    [{ queues: {} }, "ap.queues: an object -> a list"],
    [{ queues: [] }, "ap.queues[04.0005]: it is not there -> it is"],
    [{ queues: [{ apqn: "04.0005" }, { apqn: "04.0006" }] }, "ap.queues[04.0006]: it is there -> it is not"],
    [{ guests: [{ kvm: "0x1", gisc: {} }] }, "ap.guests[0x1].gisc.3: none -> 1"],
    [{ guests: [{ kvm: "0x1", gisc: { "3": 2 } }] }, "ap.guests[0x1].gisc.3: 2 -> 1"],
    [{ guests: [{ kvm: "0x1", pinned: { "0x7f001000": 1 } }] }, "ap.guests[0x1].pinned.0x7f001000: 1 -> none"],
    [{ mdevs: [{ uuid: "a", kvm: null }, { uuid: "b" }] }, "ap.mdevs[a].kvm: null -> 0x1"],
  ])("%j: the path that differs is named", (expected, difference) => {
    expect(differences(expected, state)).toEqual([difference]);
  });

  test("of a mask, the numbers are told", () => {
    const expected = { mdevs: [{ uuid: "a", matrix: { apm: mask("0a") } }, { uuid: "b" }] };
    expect(differences(expected, state)).toEqual([
      `ap.mdevs[a].matrix.apm: ${mask("0a")} -> ${mask("0c")} (too many: 05; missing: 06)`,
    ]);
  });

  test("a long value is cut", () => {
    const [difference] = compareStates({ bus: { apmask: "x".repeat(10_000) } }, [state], "ap").differences;
    expect(difference?.expected).toHaveLength(203);
  });

  test("what is not known decides nothing", () => {
    expect(undecided({ bus: { aqmask: mask("1") } }, state)).toEqual(["ap.bus.aqmask"]);
    expect(undecided({ bus: { nosuch: 1 } }, state)).toEqual(["ap.bus.nosuch"]);
    expect(undecided({ guests: [{ kvm: "0x1", hook: null }] }, state)).toEqual(["ap.guests[0x1].hook"]);
    expect(undecided({ bus: {} }, undefined)).toEqual(["ap"]);
    expect(undecided({ bus: {} })).toEqual(["ap"]);
  });

  test("where several states are possible, a value differs if it does in all of them", () => {
    const other = { ...state, queues: [{ apqn: "04.0005", driver: null, isc: 5 }] };
    const isc = (value: number): unknown => ({ queues: [{ apqn: "04.0005", isc: value }] });
    expect(differences(isc(4), state, other)).toEqual(["ap.queues[04.0005].isc: 4 -> 3 or 5"]);
    for (const possible of [3, 5]) {
      expect(differences(isc(possible), state, other)).toEqual([]);
      expect(undecided(isc(possible), state, other)).toEqual(["ap.queues[04.0005].isc"]);
      expect(undecided(isc(possible), other, state)).toEqual(["ap.queues[04.0005].isc"]);
    }
    const gone = { ...state, queues: [] };
    expect(differences({ queues: [] }, state, gone)).toEqual([]);
    expect(undecided({ queues: [] }, state, gone)).toEqual(["ap.queues[04.0005]"]);
  });
});
