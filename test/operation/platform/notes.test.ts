import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noteOf } from "../../../src/operation/platform/notes.js";
import { requestOf } from "../../../src/operation/platform/requests.js";

describe("argument notes (vfio-platform-msi 3.3)", () => {
  it("a note before an ioctl", () => {
    const text = '"vfio-note in seq=17 fd=5 cmd=0x3b6e len=24 hex=180000002400000000000000000000000100000006000000\\n"';
    expect(noteOf(text)).toEqual({
      kind: "in",
      seq: 17,
      fd: 5,
      command: 0x3b6e,
      bad: false,
      readOnly: false,
      length: 24,
      hex: "180000002400000000000000000000000100000006000000",
    });
  });

  it("keys in any order, unknown keys ignored, a pointer to nothing, a read-only buffer", () => {
    expect(noteOf('"vfio-note in cmd=0x3b6b fd=4 new=1 ptr=bad seq=3\\n"')).toMatchObject({
      seq: 3,
      fd: 4,
      bad: true,
      hex: undefined,
    });
    expect(noteOf('"vfio-note in seq=1 fd=5 cmd=0x3b6b len=1 prot=ro hex=20\\n"')).toMatchObject({ readOnly: true });
  });

  it("a note after an ioctl", () => {
    expect(noteOf('"vfio-note out seq=9 ret=-1 errno=22 len=4 hex=00ff00ff\\n"')).toEqual({
      kind: "out",
      seq: 9,
      errno: 22,
      result: -1,
      hex: "00ff00ff",
    });
  });

  it("hardware and environment", () => {
    expect(noteOf('"vfio-note hw index=2 vector=3 state=pulse\\n"')).toEqual({
      kind: "hardware",
      index: 2,
      vector: 3,
      state: "pulse",
    });
    expect(noteOf('"vfio-note hw index=0 state=sideways\\n"')).toEqual({ kind: "other" });
    const environment = noteOf('"vfio-note env hw=silent device=a.b\\n"');
    expect(environment).toEqual({
      kind: "environment",
      values: new Map([
        ["hw", "silent"],
        ["device", "a.b"],
      ]),
    });
  });

  it("a note that strace cut is unusable, other writes are none", () => {
    expect(noteOf('"vfio-note in seq=1 fd=5 cmd=0x3b6e len=24 hex=18"...')).toEqual({ kind: "other" });
    expect(noteOf('"hello\\n"')).toBeUndefined();
    expect(noteOf("0x7fff")).toBeUndefined();
  });

  it("with every byte escaped (-xx)", () => {
    const plain = "vfio-note out seq=2 ret=0 errno=0\n";
    const escaped = [...Buffer.from(plain)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
    expect(noteOf(`"${escaped}"`)).toEqual({ kind: "out", seq: 2, errno: 0, result: 0, hex: undefined });
  });

  it("any text is read without an exception", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        noteOf(`"vfio-note in ${text}\\n"`);
        noteOf(`"vfio-note ${text}`);
        noteOf(text);
      }),
    );
  });
});

describe("requests (vfio-platform-msi 2.1, 3.2)", () => {
  const numbers: readonly (readonly [string, number])[] = [
    ["VFIO_DEVICE_SET_IRQS", 0x3b6e],
    ["0x3b6e", 0x3b6e],
    ["0x3b6e /* VFIO_DEVICE_SET_IRQS */", 0x3b6e],
    ["0x20003b6e", 0x3b6e],
    ["VFIO_DEVICE_PCI_HOT_RESET or VFIO_IOMMU_MAP_DMA", 0x3b71],
    ["VFIO_IOMMU_MAP_DMA or VFIO_DEVICE_PCI_HOT_RESET", 0x3b71],
    ["VFIO_IOMMU_SPAPR_REGISTER_MEMORY", 0x3b75],
    ["_IOC(_IOC_NONE, 0x3b, 0x7a, 0)", 0x3b7a],
    ["_IOC(_IOC_NONE, 0x3b, 0x6e, 0)", 0x3b6e],
    // With a direction or a size it is another request.
    ["_IOC(_IOC_READ, 0x3b, 0x6e, 0x4)", -1],
    ["0xc0043b6e", -1],
    ["TCGETS", -1],
    ["KVM_IRQFD", -1],
  ];
  it.each(numbers)("%s", (text, number) => {
    expect(requestOf(text).number).toBe(number);
  });
});
