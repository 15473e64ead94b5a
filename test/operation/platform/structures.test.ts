import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hexBytes } from "../../../src/operation/platform/notes.js";
import {
  decodeArgszAndFlags,
  decodeCapabilities,
  decodeDeviceInfo,
  decodeIrqInfo,
  decodeIrqSet,
  decodeRegionInfo,
  encodeArgszAndFlags,
  encodeCapabilities,
  encodeDeviceInfo,
  encodeIrqInfo,
  encodeIrqSet,
  encodeRegionInfo,
  type IrqCapability,
  type IrqSet,
  type IrqSetData,
} from "../../../src/operation/platform/structures.js";

function bytes(hex: string): Uint8Array {
  const read = hexBytes(hex);
  if (read === undefined) throw new Error(`no hex digits: ${hex}`);
  return read;
}

function hex(read: Uint8Array): string {
  return Buffer.from(read).toString("hex");
}

describe("byte examples of the specification (vfio-platform-msi 2.8)", () => {
  it("B1: device info of a platform device with a reset function", () => {
    expect(decodeDeviceInfo(bytes("10000000 00000000 00000000 00000000"))).toEqual({
      argsz: 16,
      flags: 0,
      numRegions: 0,
      numIrqs: 0,
    });
    expect(decodeDeviceInfo(bytes("10000000 05000000 02000000 01000000"))).toEqual({
      argsz: 16,
      flags: 5,
      numRegions: 2,
      numIrqs: 1,
    });
  });

  it("B2: region info of region 1", () => {
    expect(decodeRegionInfo(bytes("20000000 07000000 01000000 aabbccdd 0010000000000000 0000000000010000"))).toEqual({
      argsz: 32,
      flags: 7,
      index: 1,
      capOffset: 0xddccbbaa,
      size: 4096n,
      offset: 0x10000000000n,
    });
  });

  it("B3: irq info of a level line", () => {
    expect(decodeIrqInfo(bytes("10000000 00000000 00000000 00000000"))).toMatchObject({ argsz: 16, index: 0 });
    expect(decodeIrqInfo(bytes("10000000 07000000 00000000 01000000"))).toEqual({
      argsz: 16,
      flags: 7,
      index: 0,
      count: 1,
      capOffset: undefined,
    });
  });

  it("B4: arm line 0 with eventfd 5", () => {
    expect(decodeIrqSet(bytes("18000000 24000000 00000000 00000000 01000000 05000000"))).toEqual({
      argsz: 24,
      flags: 0x24,
      index: 0,
      start: 0,
      count: 1,
      data: { kind: "eventfd", fds: [5] },
    });
  });

  it("B5: disable line 2", () => {
    expect(decodeIrqSet(bytes("14000000 21000000 02000000 00000000 00000000"))).toEqual({
      argsz: 20,
      flags: 0x21,
      index: 2,
      start: 0,
      count: 0,
      data: { kind: "none" },
    });
  });

  it("B6, B7: irq info of an MSI block without vectors", () => {
    const short = decodeIrqInfo(bytes("30000000 11000000 01000000 40000000"));
    expect(short).toEqual({ argsz: 48, flags: 0x11, index: 1, count: 64, capOffset: undefined });
    const whole = decodeIrqInfo(bytes("30000000 11000000 01000000 40000000 00000000"));
    expect(whole).toEqual({ argsz: 48, flags: 0x11, index: 1, count: 64, capOffset: 0 });
  });

  it("B8: irq info with the capabilities of four vectors", () => {
    const answer = bytes(
      "30030000 11000000 02000000 40000000 14000000" +
        "03000100 24000000 01000000 00000000" +
        "04000100 00000000 04000000" +
        "40000908 00000000 00000000" +
        "40000908 00000000 01000000" +
        "00000000 00000000 00000000" +
        "40000908 00000000 03000000",
    );
    expect(answer.length).toBe(96);
    expect(decodeIrqInfo(answer)?.capOffset).toBe(20);
    const doorbell = { addressLow: 0x08090040, addressHigh: 0 };
    const chain: IrqCapability[] = [
      { kind: "type", version: 1, type: 1, subtype: 0 },
      {
        kind: "msi-descs",
        version: 1,
        messages: [
          { ...doorbell, data: 0 },
          { ...doorbell, data: 1 },
          { addressLow: 0, addressHigh: 0, data: 0 },
          { ...doorbell, data: 3 },
        ],
      },
    ];
    expect(decodeCapabilities(answer, 20)).toEqual(chain);
    expect(hex(encodeCapabilities(chain))).toBe(hex(answer.subarray(20)));
  });

  it("B9: arm MSI vectors 0 and 2, leave 1 without eventfd", () => {
    expect(decodeIrqSet(bytes("20000000 24000000 01000000 00000000 03000000 07000000 ffffffff 08000000"))).toEqual({
      argsz: 32,
      flags: 0x24,
      index: 1,
      start: 0,
      count: 3,
      data: { kind: "eventfd", fds: [7, -1, 8] },
    });
  });

  it("v3: a reserved word stands before the messages (V3-4)", () => {
    const message = { addressLow: 0x08090040, addressHigh: 0, data: 7 };
    const chain: IrqCapability[] = [
      { kind: "type", version: 1, type: 1, subtype: 0 },
      { kind: "msi-descs", version: 1, messages: [message] },
    ];
    const encoded = encodeCapabilities(chain, true);
    expect(encoded.length).toBe(52 + 12 - 20);
    expect(hex(encoded.subarray(16))).toBe("040001000000000001000000" + "00000000" + "400009080000000007000000");
    const whole = new Uint8Array(20 + encoded.length);
    whole.set(encoded, 20);
    expect(decodeCapabilities(whole, 20, true)).toEqual(chain);
  });
});

describe("round trips", () => {
  const u32 = fc.integer({ min: 0, max: 0xffffffff });
  const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

  it("device info", () => {
    fc.assert(
      fc.property(fc.record({ argsz: u32, flags: u32, numRegions: u32, numIrqs: u32 }), (info) => {
        expect(decodeDeviceInfo(encodeDeviceInfo(info))).toEqual(info);
      }),
    );
  });

  it("region info", () => {
    const region = fc.record({ argsz: u32, flags: u32, index: u32, capOffset: u32, size: u64, offset: u64 });
    fc.assert(
      fc.property(region, (info) => {
        expect(decodeRegionInfo(encodeRegionInfo(info))).toEqual(info);
      }),
    );
  });

  it("irq info, with and without cap_offset", () => {
    const irq = fc.record({
      argsz: u32,
      flags: u32,
      index: u32,
      count: u32,
      capOffset: fc.option(u32, { nil: undefined }),
    });
    fc.assert(
      fc.property(irq, (info) => {
        expect(decodeIrqInfo(encodeIrqInfo(info))).toEqual(info);
      }),
    );
  });

  it("group status and feature head", () => {
    fc.assert(
      fc.property(fc.record({ argsz: u32, flags: u32 }), (status) => {
        expect(decodeArgszAndFlags(encodeArgszAndFlags(status))).toEqual(status);
      }),
    );
  });

  it("irq set with each data form", () => {
    const data: fc.Arbitrary<{ flag: number; count: number; data: IrqSetData }> = fc.oneof(
      u32.map((count) => ({ flag: 1, count, data: { kind: "none" as const } })),
      fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 70 }).map((values) => ({
        flag: 2,
        count: values.length,
        data: { kind: "bool" as const, values },
      })),
      fc.array(fc.integer({ min: -0x80000000, max: 0x7fffffff }), { maxLength: 70 }).map((fds) => ({
        flag: 4,
        count: fds.length,
        data: { kind: "eventfd" as const, fds },
      })),
    );
    fc.assert(
      fc.property(u32, u32, u32, fc.integer({ min: 0, max: 7 }), data, (argsz, index, start, action, one) => {
        const set: IrqSet = { argsz, flags: one.flag | (action << 3), index, start, count: one.count, data: one.data };
        expect(decodeIrqSet(encodeIrqSet(set))).toEqual(set);
      }),
    );
  });

  it("capability chains", () => {
    const message = fc.record({ addressLow: u32, addressHigh: u32, data: u32 });
    const capability: fc.Arbitrary<IrqCapability> = fc.oneof(
      fc.record({ kind: fc.constant("type" as const), version: fc.constant(1), type: u32, subtype: u32 }),
      fc.record({
        kind: fc.constant("msi-descs" as const),
        version: fc.constant(1),
        messages: fc.array(message, { maxLength: 64 }),
      }),
      fc.record({
        kind: fc.constant("other" as const),
        id: fc.integer({ min: 5, max: 0xffff }),
        version: fc.integer({ min: 0, max: 0xffff }),
      }),
    );
    fc.assert(
      fc.property(fc.array(capability, { minLength: 1, maxLength: 8 }), fc.boolean(), (chain, reserved) => {
        const encoded = encodeCapabilities(chain, reserved);
        const whole = new Uint8Array(20 + encoded.length);
        whole.set(encoded, 20);
        expect(decodeCapabilities(whole, 20, reserved)).toEqual(chain);
      }),
    );
  });
});

describe("bytes that are no structure", () => {
  it("fewer bytes than the fields need give nothing", () => {
    for (let size = 0; size < 16; size++) {
      expect(decodeDeviceInfo(new Uint8Array(size))).toBeUndefined();
      expect(decodeIrqInfo(new Uint8Array(size))).toBeUndefined();
    }
    for (let size = 0; size < 20; size++) expect(decodeIrqSet(new Uint8Array(size))).toBeUndefined();
    for (let size = 0; size < 32; size++) expect(decodeRegionInfo(new Uint8Array(size))).toBeUndefined();
  });

  it("data that the bytes do not hold are left out, whatever count says", () => {
    const set = decodeIrqSet(bytes("18000000 24000000 00000000 00000000 ffffff7f 05000000"));
    expect(set?.data).toEqual({ kind: "eventfd", fds: [5] });
  });

  it("any bytes: a chain that leaves them or runs in a circle gives nothing, and nothing throws", () => {
    const circle = bytes(`${"00".repeat(20)}ff00010014000000`);
    expect(decodeCapabilities(circle, 20)).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 300 }), (data, from) => {
        const chain = decodeCapabilities(data, from);
        expect((chain?.length ?? 0) <= 16).toBe(true);
        decodeIrqSet(data);
        decodeIrqInfo(data);
        decodeRegionInfo(data);
      }),
    );
  });
});
