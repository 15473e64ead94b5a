import { describe, expect, test } from "vitest";
import type { ApCall } from "../../../../src/operation/ap/call.js";
import { ALL, type Column, done, failed, isOld, operationOf, value } from "./host.js";
import { type Common, common } from "./setting.js";

/** `struct vfio_device_info` in the byte order of the machine: argsz, flags, num_regions, num_irqs, and what lies behind. */
function info(
  argsz: number,
  flags: number,
  rest: readonly number[] = [0, 0],
  behind: readonly number[] = [],
): Uint8Array {
  const bytes = [argsz, flags, ...rest].flatMap((word) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff));
  return Uint8Array.from([...bytes, ...behind]);
}

function getInfo({ device }: Common, input?: Uint8Array, output?: Uint8Array): ApCall {
  return { kind: "device-ioctl", device, request: "get-info", command: "VFIO_DEVICE_GET_INFO", input, output };
}

describe("Example 12: ioctls", () => {
  test.each(ALL)("row 1, %s: argsz 16", (column) => {
    const setup = common(column);
    const call = getInfo(setup, info(16, 0), info(16, 0x21));
    // Memory that can be read and not written is not seen in the bytes (row 5).
    const survivors = isOld(column) ? [/^result 1$/, /^result 16$/] : [/^result EFAULT$/];
    setup.world.holds(call, done, [], { survivors });
    for (const wrong of [info(16, 0x20), info(16, 0x21, [1, 0]), info(16, 0x21, [0, 1]), info(20, 0x21)]) {
      expect(setup.world.refusesCall(getInfo(setup, info(16, 0), wrong), done, [])).toBe(true);
    }
    expect(setup.world.missing("IOC-1")).toEqual([]);
  });

  test.each(ALL)("row 2, %s: argsz 20 and the bytes behind", (column) => {
    const setup = common(column);
    const before = info(20, 0, [0, 0], [1, 2, 3, 4]);
    setup.world.explain(operationOf(getInfo(setup, before, info(20, 0x21, [0, 0], [1, 2, 3, 4])), done, []));
    const touched = getInfo(setup, before, info(20, 0x21, [0, 0], [1, 2, 0, 4]));
    expect(setup.world.refusesCall(touched, done, [])).toBe(true);
    const shrunk = getInfo(setup, before, info(16, 0x21, [0, 0], [1, 2, 3, 4]));
    expect(setup.world.refusesCall(shrunk, done, [])).toBe(true);
  });

  test.each(ALL)("row 3, %s: argsz 15", (column) => {
    const setup = common(column);
    setup.world.holds(getInfo(setup, info(15, 0)), failed("EINVAL"), []);
    expect(setup.world.missing("IOC-2")).toEqual([]);
  });

  test.each(ALL)("row 4, %s: an unreadable pointer", (column) => {
    const setup = common(column);
    // Without the structure the size may be too small as well, or the memory writable.
    const survivors = [/^result EINVAL$/, /^result 0$/];
    setup.world.holds(getInfo(setup), failed("EFAULT"), [], { survivors });
  });

  test("row 5: memory that cannot be written", () => {
    for (const column of ALL) {
      const setup = common(column);
      const call = getInfo(setup, info(16, 0));
      expect(setup.world.refusesCall(call, failed("EFAULT"), []), column).toBe(isOld(column));
      expect(setup.world.refusesCall(call, value(16), []), column).toBe(!isOld(column));
      expect(setup.world.refusesCall(call, value(17), []), column).toBe(true);
      expect(setup.world.refusesCall(getInfo(setup, info(15, 0)), failed("EFAULT"), []), column).toBe(true);
    }
  });

  test.each(ALL)("row 6, %s: an unknown command", (column: Column) => {
    const { world, device } = common(column);
    const call: ApCall = { kind: "device-ioctl", device, request: "other", command: "0x3b70" };
    world.holds(call, failed("EOPNOTSUPP"), []);
    expect(world.missing("IOC-4")).toEqual([]);
  });

  test.each(ALL)("%s: the answer is the same without a guest", (column) => {
    const setup = common(column);
    const { world, device } = setup;
    expect(world.mdev().kvm).not.toBe(null);
    world.mdev().kvm = null;
    world.explain(operationOf({ ...getInfo(setup, info(16, 0), info(16, 0x21)), device } as ApCall, done, []));
  });
});
