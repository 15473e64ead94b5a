import { describe, expect, it } from "vitest";
import { cpus, EINVAL, enableCap, hcall, hvHost, machine, oneReg, prHost, Trace } from "./trace.js";

/** What answers teach of the host, and what the rules leave open. */

type Facts = Readonly<Record<string, string>>;
const hv = (cpu: keyof typeof cpus): Facts => ({ ...cpus[cpu], ...hvHost });
const pr: Facts = { ...cpus.p10, ...prHost };
const EMFILE = "0xffffffffffffffe8";
const ENOMEM = "0xfffffffffffffff4";

async function verdict(trace: Trace, facts: Facts, profile = "linux-6.1"): Promise<string> {
  return (await trace.check(profile, facts)).verdict;
}

async function fitting(make: (result: string) => Trace, results: readonly string[], facts: Facts): Promise<string[]> {
  const fine: string[] = [];
  for (const result of results) if ((await verdict(make(result), facts)) === "conform") fine.push(result);
  return fine;
}

const createVm = (trace: Trace, type: string, result: string): Trace => trace.ioctl(5, "2000ae01", type, result);
const ask = (trace: Trace, number: number, result: string, fd = 6): Trace =>
  trace.ioctl(fd, "2000ae03", number.toString(16), result);

describe("KVM_CREATE_VM (CAP-11)", () => {
  it("for want of memory or descriptors says nothing", async () => {
    for (const errno of [EMFILE, ENOMEM]) {
      expect(await verdict(createVm(new Trace(), "1", errno), hv("p10"))).toBe("inconclusive");
    }
    expect(await verdict(createVm(new Trace(), "1", "0xfffffffffffffffb"), hv("p10"))).toBe("divergent");
  });

  it("teaches which modules there are", async () => {
    const pair = (first: readonly [string, string], second: readonly [string, string]): Promise<string> =>
      verdict(createVm(createVm(new Trace(), ...first), ...second), cpus.p10);
    expect(await pair(["1", EINVAL], ["1", "0x6"])).toBe("divergent");
    expect(await pair(["1", "0x6"], ["1", EINVAL])).toBe("divergent");
    expect(await pair(["2", EINVAL], ["2", "0x6"])).toBe("divergent");
    expect(await pair(["0", EINVAL], ["1", "0x6"])).toBe("divergent");
    expect(await pair(["0", EINVAL], ["2", "0x6"])).toBe("divergent");
    expect(await pair(["1", EINVAL], ["2", "0x6"])).toBe("conform");
    // Without KVM-HV a VM of the default type is one of KVM-PR.
    const facts = { ...cpus.p10, "dawr.hvModule": "false" };
    expect(await verdict(createVm(createVm(new Trace(), "0", "0x6"), "2", EINVAL), facts)).toBe("divergent");
    expect(await verdict(ask(createVm(new Trace(), "0", "0x6"), 194, "0x1"), facts)).toBe("divergent");
  });

  it("of a VM of KVM-HV makes no hcall (GUEST-8)", async () => {
    const inside = [
      "pseries_disable_reloc_on_exc: (pseries_disable_reloc_on_exc+0xc/0xc0) a=0x1 b=0x2 c=0x3",
      "hset: (plpar_hcall_norets+0x8/0x48) op=0x31c flags=0x0 res=0x3 v1=0x0 v2=0x0",
      "hcall_entry: opcode=796",
      "hcall_exit: opcode=796 retval=0",
    ];
    const facts = { ...hv("p10"), "dawr.hostIsPseries": "true" };
    const report = await new Trace().ioctl(5, "2000ae01", "1", "0x6", ...inside).check("linux-6.1", facts);
    expect(report.divergences.map(({ rules }) => rules)).toEqual([["GUEST-8"]]);
  });
});

describe("capabilities that are learned from the first answer", () => {
  const twice = (number: number, first: string, second: string, facts: Facts): Promise<string> =>
    verdict(ask(ask(createVm(new Trace(), "1", "0x6"), number, first), number, second), facts);

  it("AIL mode 3 of a pseries host, and of a POWER9 that may have the erratum (CAP-8)", async () => {
    const l1 = { ...hv("p10"), "dawr.hostIsPseries": "true" };
    for (const facts of [l1, hv("p9")]) {
      expect(await twice(210, "0x1", "0x1", facts)).toBe("conform");
      expect(await twice(210, "0x0", "0x0", facts)).toBe("conform");
      expect(await twice(210, "0x1", "0x0", facts)).toBe("divergent");
      expect(await twice(210, "0x0", "0x1", facts)).toBe("divergent");
    }
  });

  it("the erratum decides resource 3, too (HSM-8)", async () => {
    const asked = ask(machine("1", true), 210, "0x1");
    const call = hcall(asked, "H_SET_MODE", ["0x3", "0x3", "0x0", "0x0"], "H_UNSUPPORTED_FLAG_START");
    expect(await verdict(call, hv("p9"))).toBe("divergent");
  });

  it("the kind of a VM whose making was not recorded (CAP-2)", async () => {
    const facts = { ...cpus.p10, "dawr.cpu.dawr1": "true", "dawr.hvModule": "true", "dawr.prModule": "true" };
    // KVM_CREATE_VCPU tells that the descriptor is a VM.
    const vm = (): Trace => new Trace().ioctl(6, "2000ae41", "0", "0x7");
    const then = (answer: string, result: string): Promise<string> =>
      verdict(enableCap(ask(vm(), 194, answer), "vm", { cap: 194 }, result), facts);
    expect(await then("0x1", "0x0")).toBe("conform");
    expect(await then("0x1", EINVAL)).toBe("divergent");
    expect(await then("0x0", EINVAL)).toBe("conform");
    expect(await then("0x0", "0x0")).toBe("divergent");
  });

  it("nesting: 1 on an L1, 0 without ISA 3.0 or KVM-HV, else either (2.6)", async () => {
    const make =
      (type: string) =>
      (result: string): Trace =>
        ask(createVm(new Trace(), type, "0x6"), 160, result);
    const both = { ...hv("p10"), "dawr.prModule": "true" };
    const answers = ["0x0", "0x1"];
    expect(await fitting(make("1"), answers, { ...hv("p10"), "dawr.hostIsPseries": "true" })).toEqual(["0x1"]);
    expect(await fitting(make("1"), answers, hv("p10"))).toEqual(["0x0", "0x1"]);
    expect(await fitting(make("1"), answers, hv("p8"))).toEqual(["0x0"]);
    expect(await fitting(make("2"), answers, both)).toEqual(["0x0"]);
  });

  it("never fails (FMT-2), and is no request of a vCPU", async () => {
    expect(await verdict(ask(createVm(new Trace(), "1", "0x6"), 194, EINVAL), hv("p10"))).toBe("divergent");
    const onVcpu = await ask(machine("1", false), 194, "0x1", 7).check("linux-6.1", hv("p10"));
    expect(onVcpu.divergences).toEqual([]);
    expect(onVcpu.unchecked).toBeGreaterThan(0);
  });
});

describe("KVM_CAP_PPC_ENABLE_HCALL (CAP-6)", () => {
  const enable =
    (type: string, number: string) =>
    (result: string): Trace =>
      enableCap(createVm(new Trace(), type, "0x6"), "vm", { cap: 104, args: [number, "0x1"] }, result);
  const both: Facts = { ...hv("p10"), "dawr.prModule": "true" };

  it.each([
    // KVM-HV: always there; there with an option of the build; never there.
    ["1", "0x4", ["0x0"]],
    ["1", "0x448", ["0x0"]],
    ["1", "0x8c", [EINVAL]],
    ["1", "0x31d", [EINVAL]],
    ["1", "0x10000031c", [EINVAL]],
    // KVM-PR: H_SET_MODE alone of those that the rules name; what KVM-HV does not have it does not have either.
    ["2", "0x31c", ["0x0"]],
    ["2", "0x28", [EINVAL]],
    ["2", "0x134", [EINVAL]],
    ["2", "0x8c", [EINVAL]],
  ])("type %s, hcall %s", async (type, number, expected) => {
    expect(await fitting(enable(type, number), ["0x0", EINVAL], both)).toEqual(expected);
  });

  it.each([
    ["1", "0x1c"],
    ["1", "0x2fc"],
    ["2", "0x4"],
  ])("type %s, hcall %s depends on what no recorder shows", async (type, number) => {
    for (const result of ["0x0", EINVAL]) {
      const report = await enable(type, number)(result).check("linux-6.1", both);
      expect([result, report.divergences, report.unchecked]).toEqual([result, [], 1]);
    }
  });
});

describe("MAX_HCALL_OPCODE (1.1, CAP-6)", () => {
  it.each([
    ["pre-dawr1", EINVAL],
    ["dawr1-v2", EINVAL],
    ["linux-6.1", "0x0"],
  ])("of %s: hcall 0x448 can be enabled: %s", async (profile, expected) => {
    for (const result of ["0x0", EINVAL]) {
      const trace = createVm(new Trace(), "1", "0x6");
      enableCap(trace, "vm", { cap: 104, args: ["0x448", "0x1"] }, result);
      expect([result, await verdict(trace, hv("p10"), profile)]).toEqual([
        result,
        result === expected ? "conform" : "divergent",
      ]);
    }
  });
});

describe("ARCH_COMPAT and LPCR that were not recorded", () => {
  it("leave nothing to hold a later read against", async () => {
    for (const [id, read] of [
      ["0x10200000000000b7", "0xf000005"],
      ["0x10300000000000aa", "0x1234"],
      ["0x10300000000000ac", "0x1002"],
    ] as const) {
      const trace = machine("1", true).ioctl(7, "8010aeac", "7fff00001000", "0x0");
      expect(await verdict(oneReg(trace, { id, read }, "0x0"), hv("p10"))).toBe("conform");
      // A failed call changed nothing.
      const failed = machine("1", true).ioctl(7, "8010aeac", "7fff00001000", EINVAL);
      expect(await verdict(oneReg(failed, { id, read }, "0x0"), hv("p10"))).toBe("divergent");
    }
  });

  it("a register that no rule names is not judged (2.5)", async () => {
    const id = "0x1030000000000001";
    for (const request of [{ id }, { id, set: "0x1" }]) {
      const report = await oneReg(machine("1", false), request, "0x0").check("linux-6.1", hv("p10"));
      expect([report.divergences, report.unchecked]).toEqual([[], 1]);
    }
  });

  it("a register shows whether its VM is of KVM-HV or KVM-PR (REG-9)", async () => {
    const vcpu = (): Trace => new Trace().ioctl(6, "2000ae41", "0", "0x7");
    const id = "0x10300000000000aa";
    const twice = (first: string, second: string): Promise<string> =>
      verdict(oneReg(oneReg(vcpu(), { id }, first), { id }, second), { ...cpus.p10, "dawr.prModule": "true" });
    expect(await twice("0x0", EINVAL)).toBe("divergent");
    expect(await twice(EINVAL, "0x0")).toBe("divergent");
    expect(await twice("0x0", "0x0")).toBe("conform");
    expect(await twice(EINVAL, EINVAL)).toBe("conform");
    expect(await verdict(oneReg(vcpu(), { id }, EINVAL), pr)).toBe("conform");
  });
});

describe("KVM_GET_ONE_REG that fails, or gives another value, breaks the rule of its register", () => {
  const get = async (type: string, id: string, result: string, read?: string): Promise<unknown> => {
    const request = read === undefined ? { id } : { id, read };
    const trace = oneReg(machine(type, false), request, result);
    const { divergences } = await trace.check("linux-6.1", type === "1" ? hv("p10") : pr);
    return divergences.map(({ rules }) => rules[0]);
  };

  it.each([
    ["DAWR", "0x10300000000000aa", "REG-4"],
    ["DAWRX", "0x10300000000000ab", "REG-4"],
    ["CIABR", "0x10300000000000ac", "REG-6"],
    ["DAWR1", "0x10300000000000c4", "REG-5"],
    ["DAWRX1", "0x10300000000000c5", "REG-5"],
    ["DABR", "0x1030000000000008", "REG-7"],
    ["DABRX", "0x10200000000000b8", "REG-7"],
    ["ARCH_COMPAT", "0x10200000000000b7", "REG-12"],
  ])("%s of KVM-HV", async (_what, id, rule) => {
    expect(await get("1", id, EINVAL)).toEqual([rule]);
    expect(await get("1", id, "0x0", "0x8")).toEqual([rule]);
  });

  it("LPCR of KVM-HV is there, ARCH_COMPAT of KVM-PR is not", async () => {
    expect(await get("1", "0x10300000000000b5", EINVAL)).toEqual(["HSM-17"]);
    expect(await get("2", "0x10300000000000b5", EINVAL)).toEqual(["REG-13"]);
    expect(await get("2", "0x10200000000000b7", "0x0")).toEqual(["REG-13"]);
    expect(await get("2", "0x10200000000000b7", EINVAL)).toEqual([]);
  });
});
