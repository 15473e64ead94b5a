import { describe, expect, it } from "vitest";
import { parseWord, type Word } from "../../../src/event/word.js";
import { answersOf } from "../../../src/model/dawr/vmm.js";
import { cpus, Trace } from "./trace.js";

/** Places of the guest's rules that no worked example reaches. */

type Facts = Readonly<Record<string, string>>;

async function verdict(trace: Trace, facts: Facts): Promise<string> {
  return (await trace.check("linux-6.1", facts)).verdict;
}

function word(text: string): Word {
  const parsed = parseWord(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

const tcg = { "dawr.hypervisor": "qemu-tcg" };

/** One hcall of a guest, its arguments by the probe before it. */
function call(trace: Trace, opcode: number, args: readonly string[] | undefined, value: string): Trace {
  if (args !== undefined) {
    const [flags = "0x0", res = "0x0", v1 = "0x0", v2 = "0x0"] = args;
    trace.add(
      `hset: (plpar_hcall_norets+0x8/0x48) op=0x${opcode.toString(16)} flags=${flags} res=${res} v1=${v1} v2=${v2}`,
    );
  }
  return trace.add(`hcall_entry: opcode=${opcode}`, `hcall_exit: opcode=${opcode} retval=${value}`);
}

/** A watchpoint call of one CPU. */
function set(trace: Trace, slot: number, address: string, dawrx: string, cpu = 0): Trace {
  trace.on(100 + cpu, cpu, `pseries_set_dawr: (pseries_set_dawr+0xc/0x90) a=0x${slot} b=${address} c=${dawrx}`);
  trace.on(100 + cpu, cpu, "hcall_entry: opcode=796");
  return trace.on(100 + cpu, cpu, "hcall_exit: opcode=796 retval=0");
}

describe("GUEST-12: an hcall_exit alone", () => {
  const alone = (opcode: number): Trace =>
    call(new Trace(), opcode, undefined, "0").add(`hcall_exit: opcode=${opcode} retval=0`);

  it.each([796, 40, 308])("of hcall %i is missed", async (opcode) => {
    const report = await alone(opcode).check("linux-6.1", {});
    expect(report.divergences.map(({ source, rules }) => [source.line, rules])).toEqual([[3, ["GUEST-12", "ND-8"]]]);
  });

  it("of an hcall that no rule speaks of is not", async () => {
    expect(await verdict(alone(88), {})).toBe("conform");
  });
});

describe("DABR-9: QEMU's own H_SET_DABR and H_SET_XDABR", () => {
  const [H_HARDWARE, H_PARAMETER, H_RESERVED_DABR, H_SUCCESS] = ["-1", "-4", "-8", "0"] as const;
  const answers = [H_HARDWARE, H_PARAMETER, H_RESERVED_DABR, H_SUCCESS, "-55"];

  async function fitting(
    opcode: number,
    args: readonly string[] | undefined,
    facts: Facts,
  ): Promise<readonly string[]> {
    const fine: string[] = [];
    for (const value of answers) {
      if ((await verdict(call(new Trace(), opcode, args, value), { ...facts, ...tcg })) === "conform") fine.push(value);
    }
    return fine;
  }

  it.each([
    ["H_SET_DABR", 40, undefined, [H_HARDWARE, H_RESERVED_DABR, H_SUCCESS]],
    ["H_SET_XDABR", 308, undefined, [H_HARDWARE, H_PARAMETER, H_SUCCESS]],
    ["H_SET_XDABR(0x10000005, 0x3)", 308, ["0x10000005", "0x3"], [H_HARDWARE, H_SUCCESS]],
    ["H_SET_XDABR(0x10000005, 0xb)", 308, ["0x10000005", "0xb"], [H_HARDWARE, H_SUCCESS]],
    ["H_SET_XDABR(0x10000005, 0x8)", 308, ["0x10000005", "0x8"], [H_HARDWARE, H_PARAMETER]],
    ["H_SET_XDABR(0x10000005, 0x7)", 308, ["0x10000005", "0x7"], [H_HARDWARE, H_PARAMETER]],
    ["H_SET_XDABR(0x10000005, 0x13)", 308, ["0x10000005", "0x13"], [H_HARDWARE, H_PARAMETER]],
    ["H_SET_XDABR(0x10000005, 0x100000003)", 308, ["0x10000005", "0x100000003"], [H_HARDWARE, H_PARAMETER]],
  ] as const)("%s of a POWER7 model", async (_what, opcode, args, expected) => {
    expect(await fitting(opcode, args, cpus.p7)).toEqual(expected);
    // From POWER8 on there is no DABR.
    expect(await fitting(opcode, args, cpus.p8)).toEqual([H_HARDWARE]);
  });
});

describe("HSM-11: what answers a guest's H_SET_MODE", () => {
  const resource5 = ["0x0", "0x5", "0x1000", "0x53"];

  it.each([
    ["qemu-dawr1", "0", "conform"],
    ["qemu-dawr1", "-55", "divergent"],
    ["qemu-old", "0", "divergent"],
    ["qemu-old", "-55", "conform"],
    // Nothing is known of another emulator.
    ["other", "0", "conform"],
    ["other", "-55", "conform"],
    ["other", "-2", "conform"],
  ])("%s: %s is %s", async (vmm, value, expected) => {
    expect(await verdict(call(new Trace(), 796, resource5, value), { ...cpus.p10, ...tcg, "dawr.vmm": vmm })).toBe(
      expected,
    );
  });

  it("knows ail-mode-3 from the answer to mflags 3 without values, and from no other", async () => {
    const facts = { ...cpus.p10, ...tcg, "dawr.vmm": "qemu-ail3" };
    const ail = (mflags: string, ...values: readonly string[]): readonly string[] => [mflags, "0x3", ...values];
    const on = call(new Trace(), 796, ail("0x3"), "0");
    expect(await verdict(call(on, 796, ail("0x3"), "-256"), facts)).toBe("divergent");
    const off = call(new Trace(), 796, ail("0x3"), "-256");
    expect(await verdict(call(off, 796, ail("0x3"), "0"), facts)).toBe("divergent");
    const others = call(
      call(call(new Trace(), 796, ail("0x0"), "0"), 796, ail("0x1"), "-256"),
      796,
      ail("0x7"),
      "-256",
    );
    call(call(others, 796, ail("0x3", "0x1"), "-56"), 796, ail("0x3", "0x0", "0x1"), "-57");
    expect(await verdict(call(others, 796, ail("0x3"), "0"), facts)).toBe("conform");
    expect(await verdict(call(others, 796, ail("0x3"), "0"), facts)).toBe("conform");
  });

  it("knows nothing from a call whose values were not recorded", async () => {
    const facts = { ...cpus.p10, ...tcg, "dawr.vmm": "qemu-ail3" };
    const cut = (values: string, value: string): Trace =>
      new Trace().add(
        `hset: (plpar_hcall_norets+0x8/0x48) op=0x31c flags=0x3 res=0x3${values}`,
        "hcall_entry: opcode=796",
        `hcall_exit: opcode=796 retval=${value}`,
      );
    for (const values of ["", " v1=0x0"]) {
      expect(await verdict(call(cut(values, "-256"), 796, ["0x3", "0x3"], "0"), facts)).toBe("conform");
    }
    expect(await verdict(call(cut(" v1=0x0 v2=0x0", "-256"), 796, ["0x3", "0x3"], "0"), facts)).toBe("divergent");
  });

  it("has any of the answers where the arguments were not recorded", () => {
    const machine = { tcg: true, arch207s: true, arch31: true, ailCapability: undefined };
    const all = ["H_P2", "H_P3", "H_P4", "H_SUCCESS", "H_UNSUPPORTED_FLAG_START"];
    const args = ["0x0", "0x5", "0x1000", "0x53"].map(word);
    for (let known = 0; known < 4; known++) {
      expect([...answersOf("qemu-dawr1", machine, args.slice(0, known))].sort()).toEqual(all);
    }
    expect([...answersOf("qemu-dawr1", machine, args)]).toEqual(["H_SUCCESS"]);
  });
});

describe("NEST-16: what QEMU answers to H_ENTER_NESTED", () => {
  it.each([
    ["0", "conform"],
    ["3328", "conform"],
    ["-2", "conform"],
    ["-64", "divergent"],
    ["-1", "divergent"],
    ["16", "divergent"],
    ["6176", "divergent"],
  ])("%s: %s", async (value, expected) => {
    expect(await verdict(call(new Trace(), 0xf804, undefined, value), { ...cpus.p10, ...tcg })).toBe(expected);
  });
});

describe("INV-14: bits above the low half of DAWRX", () => {
  const facts = { ...cpus.p10, "dawr.cpu.dawr1": "true" };

  it.each([
    ["0x1000", "0x53", "conform"],
    ["0x1000", "0x100000053", "divergent"],
    ["0x1000", "0x10053", "divergent"],
    ["0x0", "0xfc00", "conform"],
    ["0x0", "0x10000fc00", "divergent"],
  ])("(%s, %s): %s", async (address, dawrx, expected) => {
    expect(await verdict(set(new Trace(), 0, address, dawrx), facts)).toBe(expected);
  });
});

describe("lost events and the slots of a CPU", () => {
  const facts = { ...cpus.p10, "dawr.cpu.dawr1": "true" };

  it.each([
    ["nothing lost", undefined, "divergent"],
    ["lost on its CPU", 0, "conform"],
    ["lost on another CPU", 1, "divergent"],
  ])("%s", async (_what, cpu, expected) => {
    const trace = set(set(new Trace(), 0, "0x1000", "0x53", 0), 0, "0x1000", "0x53", 1);
    if (cpu !== undefined) trace.lost(cpu);
    // INV-16: another value over the one that the slot holds.
    expect(await verdict(set(trace, 0, "0x2000", "0x53", 0), facts)).toBe(expected);
  });
});
