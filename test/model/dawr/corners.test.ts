import { describe, expect, it } from "vitest";
import { cpus, EINVAL, enableCap, hcall, hvHost, machine, oneReg, prHost, Trace } from "./trace.js";

/** Places of the rules that no worked example reaches: what is not known, what is learned, and the edges of numbers. */

type Facts = Readonly<Record<string, string>>;
const hv = (cpu: keyof typeof cpus): Facts => ({ ...cpus[cpu], ...hvHost });
const pr: Facts = { ...cpus.p10, ...prHost };
const bothModules: Facts = { ...hv("p10"), "dawr.prModule": "true" };

async function verdict(trace: Trace, facts: Facts, profile = "linux-6.1"): Promise<string> {
  return (await trace.check(profile, facts)).verdict;
}

/** The lines that diverge, with their rules. */
async function found(trace: Trace, facts: Facts): Promise<readonly (readonly [number, readonly string[]])[]> {
  const { divergences } = await trace.check("linux-6.1", facts);
  return divergences.map(({ source, rules }) => [source.line, rules] as const);
}

const ids = {
  dabr: "0x1030000000000008",
  dawr0: "0x10300000000000aa",
  dawrx0: "0x10300000000000ab",
  ciabr: "0x10300000000000ac",
  dabrx: "0x10200000000000b8",
  archCompat: "0x10200000000000b7",
  lpcr: "0x10200000000000b5",
  lpcr64: "0x10300000000000b5",
} as const;

describe("CAP-2: a descriptor that nothing tells of", () => {
  const asked = (result: string): Trace => new Trace().ioctl(9, "2000ae03", "c2", result);

  it.each([
    ["may be of a PR VM", bothModules, ["0x0", "0x1"]],
    ["the VMs are of KVM-HV", { ...bothModules, "dawr.vmKind": "HV" }, ["0x1"]],
    ["no KVM-HV", pr, ["0x0"]],
  ])("%s", async (_what, facts, expected) => {
    const fine: string[] = [];
    for (const result of ["0x0", "0x1"]) if ((await verdict(asked(result), facts)) === "conform") fine.push(result);
    expect(fine).toEqual(expected);
  });

  it("a second DAWR tells a POWER10, and with it a usable DAWR (0.2)", async () => {
    const trace = machine("1", true).ioctl(6, "2000ae03", "c2", "0x1");
    const set = (code: string): Trace => hcall(trace, "H_SET_MODE", ["0x0", "0x2", "0x1000", "0x53"], code);
    const facts = { "dawr.hvModule": "true" };
    expect(await found(set("H_SUCCESS"), facts)).toEqual([]);
    expect((await found(set("H_P2"), facts)).length).toBe(1);
  });
});

describe("KVM_ENABLE_CAP", () => {
  it("whose structure was not recorded may have granted the second DAWR, or not", async () => {
    for (const [result, codes] of [
      ["0x0", ["H_SUCCESS", "H_FUNCTION"]],
      [EINVAL, ["H_FUNCTION"]],
    ] as const) {
      for (const code of ["H_SUCCESS", "H_FUNCTION", "H_P2"]) {
        const trace = machine("1", true).ioctl(6, "8068aea3", "7fff00001000", result);
        hcall(trace, "H_SET_MODE", ["0x0", "0x5", "0x1000", "0x73"], code);
        const fine = codes.some((one) => one === code);
        expect([result, code, await verdict(trace, hv("p10"))]).toEqual([result, code, fine ? "conform" : "divergent"]);
      }
    }
  });

  it("on /dev/kvm is refused beside another task's call too", async () => {
    const beside = (result: string): Trace => {
      const trace = machine("1", true).add("sys_ioctl(fd: 5, cmd: 8068aea3, arg: 7fff00001000)");
      trace.on(101, 1, "sys_ioctl(fd: 6, cmd: 2000ae03, arg: c2)").on(101, 1, "sys_ioctl -> 0x1");
      return trace.add(`sys_ioctl -> ${result}`);
    };
    expect(await verdict(beside(EINVAL), hv("p10"))).toBe("conform");
    expect(await verdict(beside("0x0"), hv("p10"))).toBe("divergent");
  });

  it("on its way: H_SUCCESS once is H_SUCCESS from then on (ND-14)", async () => {
    const race = (...codes: readonly string[]): Trace => {
      const trace = machine("1", true).on(101, 1, "sys_ioctl(fd: 7, cmd: 2000ae80, arg: 0)");
      trace.add(
        "sys_ioctl(fd: 6, cmd: 8068aea3, arg: 7fff00001000)",
        "vm_enable_cap: (kvm_vm_ioctl+0xc/0x10 [kvm]) cmd=0x8068aea3 cap=194 flags=0 a0=0x1 a1=0x0 a2=0x0 a3=0x0",
      );
      for (const code of codes) {
        trace.on(101, 1, "kvm_hcall_enter: VCPU 0: hcall=H_SET_MODE GPR4-7=0x0,0x5,0x1000,0x73");
        trace.on(101, 1, `kvm_hcall_exit: VCPU 0: ret=RESUME_GUEST hcall_rc=${code}`);
      }
      return trace.add("sys_ioctl -> 0x0");
    };
    expect(await verdict(race("H_FUNCTION", "H_SUCCESS", "H_SUCCESS"), hv("p10"))).toBe("conform");
    expect(await verdict(race("H_FUNCTION", "H_FUNCTION", "H_SUCCESS"), hv("p10"))).toBe("conform");
    expect(await verdict(race("H_SUCCESS", "H_FUNCTION"), hv("p10"))).toBe("divergent");
  });

  it("of an hcall number is judged by all 64 bits (CAP-6)", async () => {
    for (const [result, fine] of [
      ["0x0", false],
      [EINVAL, true],
    ] as const) {
      for (const args of [
        ["0x10000031c", "0x1"],
        ["0x31c", "0x100000001"],
      ]) {
        const trace = enableCap(machine("1", false), "vm", { cap: 104, args }, result);
        expect([args, result, await verdict(trace, hv("p10"))]).toEqual([args, result, fine ? "conform" : "divergent"]);
      }
    }
  });
});

describe("HSM-1: numbers at the end of the gate", () => {
  it.each([
    ["0x45c", "H_TOO_HARD"],
    ["0x458", "H_TOO_HARD"],
    ["0x460", "H_TOO_HARD"],
  ])("%s is left to user space", async (number, code) => {
    expect(await verdict(hcall(machine("1", true), number, [], code), hv("p10"))).toBe("conform");
    expect(await verdict(hcall(machine("1", true), number, [], "H_SUCCESS"), hv("p10"))).toBe("divergent");
  });
});

describe("what a call teaches of the host", () => {
  it("nothing, where archCompat is not known (HSM-3)", async () => {
    const trace = machine("1", true).ioctl(7, "8010aeac", "7fff00001000", "0x0");
    hcall(trace, "H_SET_MODE", ["0x0", "0x1", "0x1002", "0x0"], "H_P2");
    // Another VM, whose archCompat is 0: its answer is the host's.
    trace.ioctl(5, "2000ae01", "1", "0x8").ioctl(8, "2000ae41", "0", "0x9");
    trace.ioctl(
      9,
      "8068aea3",
      "7fff00001000",
      "0x0",
      "vcpu_enable_cap: (kvm_vcpu_ioctl+0xc/0x10 [kvm]) cmd=0x8068aea3 cap=68 flags=0 a0=0x0 a1=0x0",
    );
    trace.ioctl(
      8,
      "8068aea3",
      "7fff00001000",
      "0x0",
      "vm_enable_cap: (kvm_vm_ioctl+0xc/0x10 [kvm]) cmd=0x8068aea3 cap=104 flags=0 a0=0x31c a1=0x1 a2=0x0 a3=0x0",
    );
    trace.ioctl(
      9,
      "2000ae80",
      "0",
      "0xfffffffffffffffc",
      "kvm_hcall_enter: VCPU 0: hcall=H_SET_MODE GPR4-7=0x0,0x1,0x1002,0x0",
      "kvm_hcall_exit: VCPU 0: ret=RESUME_GUEST hcall_rc=H_SUCCESS",
    );
    expect(await found(trace, { "dawr.hvModule": "true" })).toEqual([]);
  });

  it("that it has ISA 2.07, where archCompat is 0 (HSM-3)", async () => {
    const trace = machine("1", true);
    for (const code of ["H_P2", "H_SUCCESS"]) hcall(trace, "H_SET_MODE", ["0x0", "0x1", "0x1002", "0x0"], code);
    expect((await found(trace, { "dawr.hvModule": "true" })).length).toBe(1);
  });
});

describe("registers", () => {
  it("archCompat reads as it was set (REG-12)", async () => {
    const get = (trace: Trace, read: string): Trace => oneReg(trace, { id: ids.archCompat, read }, "0x0");
    for (const [set, read, fine] of [
      [undefined, "0x0", true],
      [undefined, "0xf000004", false],
      ["0x0f000004", "0xf000004", true],
      ["0x0f000004", "0x0", false],
    ] as const) {
      const trace = machine("1", true);
      if (set !== undefined) oneReg(trace, { set, id: ids.archCompat }, "0x0");
      expect([set, read, await verdict(get(trace, read), hv("p10"))]).toEqual([
        set,
        read,
        fine ? "conform" : "divergent",
      ]);
    }
  });

  it("LPCR of KVM-PR is ILE alone (REG-13)", async () => {
    for (const [id, read, fine] of [
      [ids.lpcr, "0x0", true],
      [ids.lpcr, "0x2000000", true],
      [ids.lpcr, "0x2000001", false],
      [ids.lpcr64, "0x2000000", true],
      [ids.lpcr64, "0x100000000", false],
      [ids.lpcr64, "0x20000", false],
    ] as const) {
      const trace = oneReg(machine("2", false), { id, read }, "0x0");
      expect([id, read, await verdict(trace, pr)]).toEqual([id, read, fine ? "conform" : "divergent"]);
    }
  });

  it("LPCR by its 32-bit id shows the low half, by its 64-bit id all of it (HSM-17)", async () => {
    const AIL3 = "0x1800000";
    for (const [id, read, fine] of [
      [ids.lpcr, AIL3, true],
      [ids.lpcr, "0x0", false],
      [ids.lpcr64, `0x70000001800000`, true],
      [ids.lpcr64, AIL3, false],
    ] as const) {
      const trace = oneReg(machine("1", false), { set: `0x70000001800000`, id: ids.lpcr64 }, "0x0");
      oneReg(trace, { id, read }, "0x0");
      expect([id, read, await verdict(trace, hv("p10"))]).toEqual([id, read, fine ? "conform" : "divergent"]);
    }
  });

  it("LPCR takes LD and AIL only of a host that has them (HSM-17)", async () => {
    const LD = "0x20000";
    const AIL3 = "0x1800000";
    for (const [profile, cpu, asked, read, fine] of [
      ["pre-dawr1", "p8", LD, "0x0", true],
      ["pre-dawr1", "p9", LD, "0x0", false],
      ["pre-dawr1", "p9", LD, LD, true],
      ["pre-dawr1", "p7", AIL3, "0x0", true],
      ["pre-dawr1", "p8", AIL3, "0x0", false],
      ["pre-dawr1", "p8", AIL3, AIL3, true],
      // linux-6.1 takes all and filters: what the host does not have is 0.
      ["linux-6.1", "p8", LD, "0x0", true],
      ["linux-6.1", "p8", LD, LD, false],
    ] as const) {
      const trace = oneReg(machine("1", false), { set: asked, id: ids.lpcr64 }, "0x0");
      oneReg(trace, { id: ids.lpcr64, read }, "0x0");
      const { verdict: seen } = await trace.check(profile, hv(cpu));
      expect([profile, cpu, asked, read, seen]).toEqual([profile, cpu, asked, read, fine ? "conform" : "divergent"]);
    }
  });

  it("of KVM-PR are refused by the rule of KVM-PR (REG-9)", async () => {
    for (const id of [ids.dabr, ids.dabrx, ids.dawr0, ids.dawrx0, ids.ciabr]) {
      const [first] = await found(oneReg(machine("2", false), { id }, "0x0"), pr);
      expect([id, first?.[1]]).toEqual([id, ["REG-9", "REG-2"]]);
    }
  });

  it("keep their values where a request that was not recorded failed (REG-3)", async () => {
    for (const [result, fine] of [
      ["0x0", true],
      [EINVAL, false],
    ] as const) {
      const trace = oneReg(machine("1", true), { set: "0x1000", id: ids.dawr0 }, "0x0");
      trace.ioctl(7, "8010aeac", "7fff00001000", result);
      oneReg(trace, { id: ids.dawr0, read: "0x5000" }, "0x0");
      expect([result, await verdict(trace, hv("p10"))]).toEqual([result, fine ? "conform" : "divergent"]);
    }
  });

  it("of a POWER7 hold H_SET_DABR as it was given (DABR-6)", async () => {
    for (const [id, read, fine] of [
      [ids.dabr, "0x10000007", true],
      [ids.dabr, "0x10000000", false],
      [ids.dabrx, "0x3", true],
      [ids.dabrx, "0x0", false],
      [ids.dawr0, "0x0", true],
    ] as const) {
      const trace = hcall(machine("1", true), "H_SET_DABR", ["0x10000007"], "H_SUCCESS");
      oneReg(trace, { id, read }, "0x0");
      expect([id, read, await verdict(trace, hv("p7"))]).toEqual([id, read, fine ? "conform" : "divergent"]);
    }
  });

  it("of a POWER8 may change unseen while one of the DABR calls is enabled (DABR-1)", async () => {
    for (const [numbers, fine] of [
      [[], true],
      [["0x28"], true],
      [["0x134"], true],
      [["0x28", "0x134"], false],
    ] as const) {
      const trace = machine("1", true);
      for (const number of numbers) enableCap(trace, "vm", { cap: 104, args: [number, "0x0"] }, "0x0");
      // A run with lines of other hcalls: what is in virtual mode would be seen.
      hcall(trace, "H_SET_MODE", ["0x0", "0x1", "0x1002", "0x0"], "H_SUCCESS");
      oneReg(trace, { id: ids.dawr0, read: "0x5000" }, "0x0");
      expect([numbers, await verdict(trace, hv("p8"))]).toEqual([numbers, fine ? "conform" : "divergent"]);
    }
  });

  it("that hold what no call can have put there break INV-1 and INV-2", async () => {
    for (const [id, read, rule] of [
      [ids.dawrx0, "0x77", "INV-1"],
      [ids.ciabr, "0x1003", "INV-2"],
    ] as const) {
      // Without hcall lines the guest may have set anything that is allowed.
      const trace = machine("1", true).ioctl(7, "2000ae80", "0", "0xfffffffffffffffc");
      oneReg(trace, { id, read }, "0x0");
      expect((await found(trace, hv("p10"))).map(([, rules]) => rules)).toEqual([[rule]]);
    }
  });
});

describe("CAP-12: PAPR mode of a vCPU whose set-up was not recorded", () => {
  const facts = { ...hv("p10"), "dawr.vmKind": "HV" };
  const run = (trace: Trace, result: string): Trace => trace.ioctl(7, "2000ae80", "0", result);

  it("shows in what KVM_RUN answers", async () => {
    expect(await verdict(run(run(new Trace(), EINVAL), EINVAL), facts)).toBe("conform");
    expect(await verdict(run(run(new Trace(), EINVAL), "0x0"), facts)).toBe("divergent");
    expect(await verdict(run(run(new Trace(), "0x0"), EINVAL), facts)).toBe("divergent");
    const enabled = enableCap(run(new Trace(), EINVAL), "vcpu", { cap: 68 }, "0x0");
    expect(await verdict(run(enabled, "0x0"), facts)).toBe("conform");
  });
});

describe("CAP-12: PAPR mode of a vCPU that was seen to be set up", () => {
  it("lets it run: another failure than EINTR is one of that rule", async () => {
    const run = async (result: string): Promise<readonly unknown[]> => {
      const report = await machine("1", false).ioctl(7, "2000ae80", "0", result).check("linux-6.1", hv("p10"));
      return report.divergences.map(({ rules, expected }) => [rules, expected]);
    };
    expect(await run(EINVAL)).toEqual([[["CAP-12"], ["0"]]]);
    expect(await run("0xfffffffffffffffc")).toEqual([]);
    expect(await run("0x0")).toEqual([]);
  });
});

describe("INV-10: exit reason 19 without an hcall that was left to user space", () => {
  const exit = "kvm_userspace_exit: reason KVM_EXIT_PAPR_HCALL (19)";
  const call = [
    "p_kvmppc_h_pr: (kvmppc_h_pr+0xc/0x8d8 [kvm_pr]) vcpu=0xc0 op=0x31c gpr4=0x0 gpr5=0x5 gpr6=0x0 gpr7=0x0",
    "r_kvmppc_h_pr: (kvmppc_core_emulate_op_pr+0x648/0x8f8 [kvm_pr] <- kvmppc_h_pr) rc=2",
  ];
  const punt = [
    "kvm_hcall_enter: VCPU 0: hcall=H_SET_MODE GPR4-7=0x0,0x9,0x0,0x0",
    "kvm_hcall_exit: VCPU 0: ret=RESUME_HOST hcall_rc=H_TOO_HARD",
  ];

  it.each([
    ["KVM-PR", "2", call, pr],
    ["KVM-HV", "1", punt, hv("p10")],
  ])("%s", async (_what, type, lines, facts) => {
    const whole = machine(type, type === "1").ioctl(7, "2000ae80", "0", "0x0", ...lines, exit);
    expect(await found(whole, facts)).toEqual([]);
    whole.ioctl(7, "2000ae80", "0", "0x0", exit);
    expect((await found(whole, facts)).map(([, rules]) => rules)).toEqual([["INV-10", "HSM-12"]]);
  });
});

describe("HSM-12: a PR VM whose set-up was not recorded", () => {
  const call = (trace: Trace, rc: string): Trace =>
    trace.ioctl(
      7,
      "2000ae80",
      "0",
      rc === "2" ? "0x0" : "0xfffffffffffffffc",
      "p_kvmppc_h_pr: (kvmppc_h_pr+0xc/0x8d8 [kvm_pr]) vcpu=0xc0 op=0x31c gpr4=0x0 gpr5=0x3 gpr6=0x0 gpr7=0x0",
      `r_kvmppc_h_pr: (kvmppc_core_emulate_op_pr+0x648/0x8f8 [kvm_pr] <- kvmppc_h_pr) rc=${rc}`,
    );

  it("has H_SET_MODE enabled or not, as its first answer says", async () => {
    const calls = (...codes: readonly string[]): Trace => codes.reduce((trace, code) => call(trace, code), new Trace());
    const facts = { ...pr, "dawr.vmKind": "PR" };
    expect(await verdict(calls("0", "0"), facts)).toBe("conform");
    expect(await verdict(calls("2", "2"), facts)).toBe("conform");
    expect(await verdict(calls("0", "2"), facts)).toBe("divergent");
    expect(await verdict(calls("2", "0"), facts)).toBe("divergent");
  });
});

describe("NEST-2: the partition table", () => {
  const nested = (table: string, answer: string, code: string): Trace => {
    const trace = enableCap(machine("1", true), "vm", { cap: 160, args: ["0x1"] }, "0x0");
    hcall(trace, "H_SET_PARTITION_TABLE", [table], answer);
    return hcall(trace, "H_ENTER_NESTED", ["0x1000", "0x2000"], code);
  };

  it.each([
    ["0x4000004", "H_SUCCESS", "0xe00", "conform"],
    ["0x4000004", "H_SUCCESS", "H_NOT_AVAILABLE", "divergent"],
    ["0x0", "H_SUCCESS", "H_NOT_AVAILABLE", "conform"],
    ["0x0", "H_SUCCESS", "0xe00", "divergent"],
    ["0x4000004", "H_PARAMETER", "H_NOT_AVAILABLE", "conform"],
  ])("H_SET_PARTITION_TABLE(%s) = %s, then H_ENTER_NESTED = %s: %s", async (table, answer, code, expected) => {
    expect(await verdict(nested(table, answer, code), hv("p10"))).toBe(expected);
  });
});
