import { describe, expect, it } from "vitest";
import { parseWord, type Word, wordOf, wordText } from "../../../src/event/word.js";
import { setLpcr, unknownLpcr } from "../../../src/model/dawr/lpcr.js";
import {
  enterNestedKernel,
  enterNestedQemu,
  type NestedEntry,
  type NestedImage,
} from "../../../src/model/dawr/nested.js";
import { answersOf, type QemuColumn, type QemuMachine } from "../../../src/model/dawr/vmm.js";
import { cpus, hcall, hvHost, machine } from "./trace.js";

function word(text: string): Word {
  const parsed = parseWord(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

const image: NestedImage = {
  version: wordOf(0, 2),
  lpid: 1,
  token: 0,
  dawr0: wordOf(0, 0x7000),
  dawrx0: wordOf(0, 0x77),
  ciabr: wordOf(0, 0x1003),
  dawr1: wordOf(0, 0x9000),
  dawrx1: wordOf(0, 0x57),
};

const entry: NestedEntry = {
  image,
  nestedEnable: true,
  radix: true,
  l1Ptcr: wordOf(0, 0x1000004),
  nrCpus: 2048,
  readable: 4096,
  regsReadable: true,
  writable: true,
  l1Transactional: false,
  oppositeEndian: false,
  end: { kind: "trap", trap: 0xe00 },
};

function withVersion(version: string, others: Partial<NestedEntry> = {}): NestedEntry {
  return { ...entry, image: { ...image, version: word(version) }, ...others };
}

describe("EX-16 and NEST-5: version negotiation", () => {
  it.each([
    ["0x0", -55, -4, 0xe00],
    ["0x1", 0xe00, 0xe00, 0xe00],
    ["0x2", -55, 0xe00, 0xe00],
    ["0x3", -55, -4, -4],
    ["0xffffffff", -55, -4, -4],
    ["0x100000000", -55, -4, -4],
    ["0x100000001", -55, -55, -4],
    ["0x100000002", -55, -55, -4],
  ])("version %s", (version, pre, later, qemu) => {
    expect(enterNestedKernel("pre-dawr1", withVersion(version)).answer).toBe(pre);
    expect(enterNestedKernel("dawr1-v2", withVersion(version)).answer).toBe(later);
    expect(enterNestedKernel("linux-6.1", withVersion(version)).answer).toBe(later);
    expect(enterNestedQemu(withVersion(version), true)).toBe(qemu);
  });

  it.each([
    ["0x1", 0xe00, 0xe00, -4],
    ["0x2", -55, -4, -4],
  ])("version %s straddling the end of memory at byte 240", (version, pre, later, qemu) => {
    const short = withVersion(version, { readable: 240 });
    expect(enterNestedKernel("pre-dawr1", short).answer).toBe(pre);
    expect(enterNestedKernel("linux-6.1", short).answer).toBe(later);
    expect(enterNestedQemu(short, true)).toBe(qemu);
  });
});

describe("EX-17: sanitising and write-back", () => {
  it.each([
    ["pre-dawr1", "0x1", { dawr1: "0x0", dawrx1: "0x0" }, "0x73", "0x1000", "0x57"],
    ["dawr1-v2", "0x2", { dawr1: "0x9000", dawrx1: "0x53" }, "0x73", "0x1000", "0x53"],
    ["dawr1-v2", "0x1", { dawr1: undefined, dawrx1: undefined }, "0x73", "0x1000", "0x57"],
    ["linux-6.1", "0x2", { dawr1: "0x9000", dawrx1: "0x53" }, "0x77", "0x1003", "0x57"],
    ["linux-6.1", "0x1", { dawr1: "0x0", dawrx1: "0x0" }, "0x77", "0x1003", "0x57"],
  ] as const)("%s, version %s", (profile, version, second, dawrx0, ciabr, dawrx1) => {
    const { l2, image: after, answer } = enterNestedKernel(profile, withVersion(version));
    expect(answer).toBe(0xe00);
    expect(l2?.dawrx0).toEqual(word("0x73"));
    expect(l2?.ciabr).toEqual(word("0x1000"));
    const text = (value: Word | undefined): string | undefined => (value === undefined ? undefined : wordText(value));
    const want = (value: string | undefined): string | undefined =>
      value === undefined ? undefined : wordText(word(value));
    if (profile !== "pre-dawr1") {
      expect([text(l2?.dawr1), text(l2?.dawrx1)]).toEqual([want(second.dawr1), want(second.dawrx1)]);
    }
    expect([after.dawrx0, after.ciabr, after.dawrx1].map(wordText)).toEqual(
      [dawrx0, ciabr, dawrx1].map((value) => wordText(word(value))),
    );
    expect([after.dawr0, after.dawr1]).toEqual([image.dawr0, image.dawr1]);
  });
});

describe("EX-18: order of refusals and odd ends", () => {
  const all = ["pre-dawr1", "dawr1-v2", "linux-6.1"] as const;
  it.each([
    ["nesting off, everything else bad", { nestedEnable: false, l1Ptcr: wordOf(0, 0), readable: 0 }, [-2, -2, -2]],
    ["no partition table, bad pointers", { l1Ptcr: wordOf(0, 0), readable: 0, regsReadable: false }, [3, 3, 3]],
    ["version 3 and token 5000", { image: { ...image, version: wordOf(0, 3), token: 5000 } }, [-55, -4, -4]],
    ["version 1, token 5000", { image: { ...image, version: wordOf(0, 1), token: 5000 } }, [-4, -4, -4]],
    ["version 1, lpid out of range", { image: { ...image, version: wordOf(0, 1), lpid: 4096 } }, [-4, -4, -4]],
    ["transactional", { image: { ...image, version: wordOf(0, 1) }, l1Transactional: true }, [0xe00, 0xe00, -5]],
    ["opposite endian", { image: { ...image, version: wordOf(0, 1) }, oppositeEndian: true }, [0xe00, -10, -10]],
    ["read-only slot", { image: { ...image, version: wordOf(0, 1) }, writable: false }, [-10, -10, -10]],
  ] as const)("%s", (_what, change, answers) => {
    expect(all.map((profile) => enterNestedKernel(profile, { ...entry, ...change }).answer)).toEqual(answers);
  });

  it.each(["signal", "mmio"] as const)("%s while L2 runs", (kind) => {
    for (const profile of all) {
      const outcome = enterNestedKernel(profile, withVersion("0x1", { end: { kind } }));
      expect([outcome.answer, outcome.exit]).toEqual([0, kind]);
    }
  });

  it("H_ENTER_NESTED of a VM without nesting answers H_FUNCTION (NEST-1)", async () => {
    for (const code of ["H_FUNCTION", "H_PARAMETER", "H_NOT_AVAILABLE", "0xe00", "H_SUCCESS"]) {
      const report = await hcall(machine("1", true), "H_ENTER_NESTED", ["0x1000", "0x2000"], code).check("linux-6.1", {
        ...cpus.p10,
        ...hvHost,
      });
      expect([code, report.verdict]).toEqual([code, code === "H_FUNCTION" ? "conform" : "divergent"]);
    }
  });
});

describe("HSM-11: answers of QEMU", () => {
  const p10: QemuMachine = { tcg: false, arch207s: true, arch31: true, ailCapability: true };
  const columns = ["qemu-old", "qemu-p10", "qemu-ail3", "qemu-dbg", "qemu-dawr1"] as const;
  const answers = (machineOf: QemuMachine, args: readonly string[]): readonly string[] =>
    columns.map((column: QemuColumn) => [...answersOf(column, machineOf, args.map(word))].join(" or "));
  const FLAG = "H_UNSUPPORTED_FLAG_START";

  it.each([
    // EX-6
    [
      ["0x0", "0x3", "0x0", "0x0"],
      ["H_SUCCESS", "H_SUCCESS", "H_SUCCESS", "H_SUCCESS", "H_SUCCESS"],
    ],
    [
      ["0x1", "0x3", "0x0", "0x0"],
      [FLAG, FLAG, FLAG, FLAG, FLAG],
    ],
    [
      ["0x2", "0x3", "0x0", "0x0"],
      ["H_SUCCESS", FLAG, FLAG, FLAG, FLAG],
    ],
    [
      ["0x3", "0x3", "0x0", "0x0"],
      ["H_SUCCESS", "H_SUCCESS", "H_SUCCESS", "H_SUCCESS", "H_SUCCESS"],
    ],
    [
      ["0x4", "0x3", "0x0", "0x0"],
      ["H_SUCCESS", "H_SUCCESS", FLAG, FLAG, FLAG],
    ],
    [
      ["0x3", "0x3", "0x1", "0x0"],
      ["H_P3", "H_P3", "H_P3", "H_P3", "H_P3"],
    ],
    [
      ["0x3", "0x3", "0x0", "0x1"],
      ["H_P4", "H_P4", "H_P4", "H_P4", "H_P4"],
    ],
    // EX-7
    [
      ["0x1", "0x4", "0x0", "0x0"],
      ["H_SUCCESS", "H_SUCCESS", "H_SUCCESS", "H_SUCCESS", "H_SUCCESS"],
    ],
    [
      ["0x2", "0x4", "0x0", "0x0"],
      [FLAG, FLAG, FLAG, FLAG, FLAG],
    ],
    [
      ["0x1", "0x4", "0x5", "0x0"],
      ["H_P3", "H_P3", "H_P3", "H_P3", "H_P3"],
    ],
    [
      ["0x1", "0x4", "0x0", "0x5"],
      ["H_P4", "H_P4", "H_P4", "H_P4", "H_P4"],
    ],
    [
      ["0x0", "0x0", "0x0", "0x0"],
      ["H_P2", "H_P2", "H_P2", "H_P2", "H_P2"],
    ],
    [
      ["0x0", "0x6", "0x0", "0x0"],
      ["H_P2", "H_P2", "H_P2", "H_P2", "H_P2"],
    ],
    // With KVM the later ones end the emulator.
    [
      ["0x0", "0x2", "0x0", "0x0"],
      ["H_P2", "H_P2", "H_P2", "abort", "abort"],
    ],
    [
      ["0x0", "0x5", "0x0", "0x0"],
      ["H_P2", "H_P2", "H_P2", "H_P2", "abort"],
    ],
  ])("%j", (args, expected) => {
    expect(answers(p10, args)).toEqual(expected);
  });

  it.each([
    // EX-4, the emulation without KVM: mflags before value2.
    [["0x0", "0x1", "0xc000000000001002", "0x0"], "H_SUCCESS"],
    [["0x0", "0x1", "0x1003", "0x0"], "H_P3"],
    [["0x1", "0x1", "0x1003", "0x1"], FLAG],
    [["0x1", "0x1", "0x1003", "0x0"], FLAG],
    [["0x0", "0x1", "0x1000", "0x1"], "H_P4"],
    [["0x0", "0x5", "0x1000", "0x57"], "H_P4"],
    [["0x1", "0x5", "0x1000", "0x57"], FLAG],
  ])("TCG %j", (args, expected) => {
    expect(answers({ ...p10, tcg: true }, args)[4]).toBe(expected);
  });
});

describe("HSM-17: LPCR after KVM_SET_ONE_REG", () => {
  const AIL = 0x01800000;
  const inputs = { filtered: true, arch207s: true, arch300: true, radix: false, p9PrefetchBug: false, wide: true };

  it.each([
    [0, 0],
    [1, 0],
    [2, 0],
    [3, 3],
  ])("AIL %i becomes %i in linux-6.1", (asked, kept) => {
    const after = setLpcr(unknownLpcr, wordOf(0, asked << 23), inputs);
    expect((after.value.lo & AIL) >>> 23).toBe(kept);
    expect(after.known.lo & AIL).toBe(AIL);
  });

  it("keeps AIL=2 in the older profiles", () => {
    expect(setLpcr(unknownLpcr, wordOf(0, 2 << 23), { ...inputs, filtered: false }).value.lo).toBe(2 << 23);
  });

  it("takes AIL away where the POWER9 erratum forbids it, and TC in radix VMs", () => {
    const radix = { ...inputs, radix: true, p9PrefetchBug: true };
    expect(setLpcr(unknownLpcr, wordOf(0, AIL | 0x200), radix).value.lo).toBe(0);
  });

  it("leaves what it may not touch as it was", () => {
    const before = { value: wordOf(0, 0x413), known: wordOf(0xffffffff, 0xffffffff) };
    const after = setLpcr(before, wordOf(0, 0x02000000), inputs);
    expect([after.value.lo, after.known.lo]).toEqual([0x02000413, 0xffffffff]);
  });
});
