import { describe, expect, test } from "vitest";
import { interleaved } from "../../../src/model/ap/serialization.js";
import type { ApCall } from "../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../src/operation/ap/effect.js";
import type { Operation } from "../../../src/operation/operation.js";
import { operationOf, pqapDisable, resetLines } from "./observed.js";

/** AQIC-2: which operations hold the driver's mutex while their lines are printed. */

const clear: ApEffect = { kind: "apcb_clear", kvm: "0x1f5c0000" };
const unpin: ApEffect = { kind: "unpin_pages", iova: { hi: 0, lo: 0x1000 }, npage: 1 };
const test0: ApEffect = { kind: "hw_tapq", apqn: 0, status: 0x00010000 };
const resets = resetLines("V61", { apqn: 0x0504, rc: 0 }, true);
const device = { id: 2, group: undefined };
const pqap = pqapDisable(0x0504, 7, 1);
const reset: ApCall = { kind: "device-ioctl", device, request: "reset", command: "VFIO_DEVICE_RESET" };
const other: ApCall = { kind: "device-ioctl", device, request: "other", command: "0x3b6a" };
const close: ApCall = { kind: "device-close", device };
const unmap: ApCall = { kind: "dma-unmap", vm: undefined, range: undefined };

/** An operation whose lines come at these times. */
function timed(call: ApCall, lines: readonly (readonly [at: number, effect: ApEffect])[], source = 0): Operation {
  const effects = lines.map(([, effect]) => effect);
  const operation = operationOf(call.kind, call, { kind: "value", value: 0 }, effects);
  return {
    ...operation,
    effects: operation.effects.map((seen, i) => ({
      ...seen,
      event: { ...seen.event, source, time: { seconds: 1, nanos: lines[i]?.[0] ?? 0 } },
    })),
  };
}

/** All lines of a reset, from a time on. */
const from = (at: number): readonly (readonly [number, ApEffect])[] => resets.map((effect, i) => [at + i, effect]);

describe("a line of a PQAP at 5, and an operation with lines before and after", () => {
  const line = timed(pqap, [[5, unpin]]);

  test.each([
    ["another PQAP", pqap, 1],
    ["a reset of all queues", reset, 1],
    ["a close", close, 1],
    // NIB-8: the driver looks at nothing that its mutex guards.
    ["a DMA unmap", unmap, 0],
    ["another ioctl of the device", other, 0],
  ] as const)("%s", (_what, call, found) => {
    const around = timed(call, [...from(3), ...from(6)]);
    expect(interleaved([around, line])).toHaveLength(found);
    expect(interleaved([line, around])).toHaveLength(found);
    expect(interleaved([timed(call, from(6)), line])).toEqual([]);
    expect(interleaved([{ ...around, gap: true }, line])).toEqual([]);
    expect(interleaved([timed(call, [...from(3), ...from(6)], 1), line])).toEqual([]);
  });

  test("what comes before the mutex is taken does not count", () => {
    expect(interleaved([timed(close, [[3, clear], ...from(6)]), line])).toEqual([]);
    expect(interleaved([timed(pqap, [[3, test0], ...from(6)]), line])).toEqual([]);
  });

  test("the operation that did not wait is named", () => {
    const around = timed(reset, [...from(3), ...from(6)]);
    expect(interleaved([around, line]).map(({ operation }) => operation)).toEqual([line]);
  });
});
