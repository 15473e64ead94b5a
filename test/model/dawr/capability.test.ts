import { describe, expect, it } from "vitest";
import {
  cpus,
  EFAULT,
  EINVAL,
  EIO,
  ENODEV,
  enableCap,
  hcall,
  hvHost,
  machine,
  oneReg,
  prHost,
  Trace,
} from "./trace.js";

/** Worked examples EX-9, EX-12 to EX-14 and EX-23 to EX-25: capabilities, registers, set-up of machines. */

const profiles = ["pre-dawr1", "dawr1-v2", "linux-6.1"] as const;
type Facts = Readonly<Record<string, string>>;

const results = ["0x0", "0x1", "0x2", EINVAL, ENODEV, EFAULT, EIO];

/** Which results conform. */
async function fitting(make: (result: string) => Trace, profile: string, facts: Facts): Promise<readonly string[]> {
  const fine: string[] = [];
  for (const result of results) {
    const report = await make(result).check(profile, facts);
    if (report.verdict === "conform") fine.push(result);
  }
  return fine;
}

const hv = (cpu: keyof typeof cpus): Facts => ({ ...cpus[cpu], ...hvHost });
const pr = (cpu: keyof typeof cpus): Facts => ({ ...cpus[cpu], ...prHost });
const both = (cpu: keyof typeof cpus): Facts => ({ ...cpus[cpu], ...hvHost, "dawr.prModule": "true" });

/** KVM_CHECK_EXTENSION on a VM of that machine type, or on /dev/kvm. */
function checkExtension(number: number, on: "kvm" | "1" | "2"): (result: string) => Trace {
  return (result) => {
    // A VM is made first, so that it is known which descriptor is which.
    const trace = new Trace().ioctl(5, "2000ae01", on === "kvm" ? "0" : on, "0x6");
    return trace.ioctl(on === "kvm" ? 5 : 6, "2000ae03", number.toString(16), result);
  };
}

describe("EX-12: capability check", () => {
  const answers = (number: number, on: "kvm" | "1" | "2", profile: string, facts: Facts): Promise<readonly string[]> =>
    fitting(checkExtension(number, on), profile, facts);

  it.each([
    [hv("p10"), "kvm", "0x0", "0x1", "0x1"],
    [hv("p10"), "1", "0x0", "0x1", "0x1"],
    [both("p10"), "2", "0x0", "0x1", "0x0"],
    [pr("p10"), "kvm", "0x0", "0x1", "0x0"],
    [hv("p9"), "1", "0x0", "0x0", "0x0"],
    [hv("p10one"), "1", "0x0", "0x0", "0x0"],
  ] as const)("the second DAWR with %o on %s", async (facts, on, pre, v2, merged) => {
    expect(await answers(187, on, "pre-dawr1", facts)).toEqual([pre]);
    expect(await answers(187, on, "dawr1-v2", facts)).toEqual([v2]);
    expect(await answers(194, on, "linux-6.1", facts)).toEqual([merged]);
    expect(await answers(194, on, "pre-dawr1", facts)).toEqual(["0x0"]);
    expect(await answers(194, on, "dawr1-v2", facts)).toEqual(["0x0"]);
    expect(await answers(187, on, "linux-6.1", facts)).toEqual(["0x0"]);
    expect(await answers(191, on, "linux-6.1", facts)).toEqual(["0x0"]);
  });

  it("AIL mode 3", async () => {
    const bug = { ...hv("p9"), "dawr.cpu.p9PrefetchBug": "true" };
    const fine = { ...hv("p9"), "dawr.cpu.p9PrefetchBug": "false" };
    for (const on of ["kvm", "1"] as const) {
      expect(await answers(210, on, "linux-6.1", hv("p10"))).toEqual(["0x1"]);
      expect(await answers(210, on, "pre-dawr1", hv("p10"))).toEqual(["0x0"]);
    }
    expect(await answers(210, "kvm", "linux-6.1", pr("p10"))).toEqual(["0x0"]);
    expect(await answers(210, "1", "linux-6.1", fine)).toEqual(["0x1"]);
    expect(await answers(210, "1", "linux-6.1", bug)).toEqual(["0x0"]);
    expect(await answers(210, "2", "linux-6.1", both("p10"))).toEqual(["0x0"]);
    expect(await answers(210, "1", "dawr1-v2", hv("p10"))).toEqual(["0x0"]);
    const l1 = { ...hv("p10"), "dawr.hostIsPseries": "true" };
    expect(await answers(210, "1", "linux-6.1", l1)).toEqual(["0x0", "0x1"]);
  });

  it("INV-12: the answer is constant", async () => {
    const trace = new Trace().ioctl(5, "2000ae01", "1", "0x6");
    trace.ioctl(6, "2000ae03", "c2", "0x1").ioctl(6, "2000ae03", "c2", "0x0");
    const report = await trace.check("linux-6.1", { "dawr.hvModule": "true", "dawr.cpu.name": "POWER10" });
    expect(report.divergences.map(({ source }) => source.line)).toEqual([6]);
  });
});

describe("EX-13: enabling", () => {
  const onVm =
    (cap: number, flags: number, type = "1") =>
    (result: string): Trace =>
      enableCap(new Trace().ioctl(5, "2000ae01", type, "0x6"), "vm", { cap, flags }, result);
  /** Memory that no line shows may be unreadable, and the caller another process. */
  const always = [EFAULT];

  it.each([
    ["P10 HV", onVm(194, 0), hv("p10"), "0x0"],
    ["flags 1", onVm(194, 1), hv("p10"), EINVAL],
    ["P9 HV", onVm(194, 0), hv("p9"), ENODEV],
    ["P10 PR", onVm(194, 0, "2"), both("p10"), EINVAL],
    ["187", onVm(187, 0), hv("p10"), EINVAL],
  ])("%s", async (_what, make, facts, result) => {
    expect(await fitting(make, "linux-6.1", facts)).toEqual([result, ...always]);
    expect(await fitting(make, "pre-dawr1", facts)).toEqual([EINVAL, ...always]);
    expect(await fitting(make, "dawr1-v2", facts)).toEqual([EINVAL, ...always]);
  });

  it("on a vCPU and on /dev/kvm", async () => {
    const onVcpu = (result: string): Trace => enableCap(machine("1", false), "vcpu", { cap: 194 }, result);
    const onKvm = (result: string): Trace =>
      new Trace().ioctl(5, "2000ae01", "1", "0x6").ioctl(5, "8068aea3", "7fff00001000", result);
    expect(await fitting(onVcpu, "linux-6.1", hv("p10"))).toEqual([EINVAL, ...always]);
    expect(await fitting(onKvm, "linux-6.1", hv("p10"))).toEqual([EINVAL]);
  });

  it("with a bad pointer", async () => {
    const make = (result: string): Trace =>
      enableCap(new Trace().ioctl(5, "2000ae01", "1", "0x6"), "vm", { cap: 194 }, result, "0");
    expect(await fitting(make, "linux-6.1", hv("p10"))).toEqual([EFAULT]);
  });

  it("sticks, whatever args[0] says (CAP-4)", async () => {
    const trace = machine("1", true);
    for (const a0 of ["0x1", "0x0", "0x0"]) enableCap(trace, "vm", { cap: 194, args: [a0] }, "0x0");
    hcall(trace, "H_SET_MODE", ["0x0", "0x5", "0x1000", "0x73"], "H_SUCCESS");
    expect((await trace.check("linux-6.1", hv("p10"))).divergences).toEqual([]);
  });

  it("may be felt by another task before it returns, and must be afterwards (ND-6)", async () => {
    const race = (code: string, behind: boolean): Trace => {
      const trace = machine("1", true);
      const enter = "sys_ioctl(fd: 6, cmd: 8068aea3, arg: 7fff00001000)";
      const probe =
        "vm_enable_cap: (kvm_vm_ioctl+0xc/0x10 [kvm]) cmd=0x8068aea3 cap=194 flags=0 a0=0x1 a1=0x0 a2=0x0 a3=0x0";
      const call = (): void => {
        trace.on(101, 1, "kvm_hcall_enter: VCPU 0: hcall=H_SET_MODE GPR4-7=0x0,0x5,0x1000,0x73");
        trace.on(101, 1, `kvm_hcall_exit: VCPU 0: ret=RESUME_GUEST hcall_rc=${code}`);
      };
      trace.on(101, 1, "sys_ioctl(fd: 7, cmd: 2000ae80, arg: 0)").add(enter, probe);
      if (!behind) call();
      trace.add("sys_ioctl -> 0x0");
      if (behind) call();
      return trace;
    };
    for (const code of ["H_SUCCESS", "H_FUNCTION"]) {
      expect((await race(code, false).check("linux-6.1", hv("p10"))).divergences).toEqual([]);
    }
    expect((await race("H_SUCCESS", true).check("linux-6.1", hv("p10"))).divergences).toEqual([]);
    expect((await race("H_FUNCTION", true).check("linux-6.1", hv("p10"))).verdict).toBe("divergent");
  });
});

describe("EX-9: KVM-PR", () => {
  const facts = pr("p10");
  const prCall = (resource: string, mflags: string, rc: string, op = "0x31c"): Trace => {
    const trace = machine("2", false);
    const inside = [
      `p_kvmppc_h_pr: (kvmppc_h_pr+0xc/0x8d8 [kvm_pr]) vcpu=0xc0 op=${op} gpr4=${mflags} gpr5=${resource} gpr6=0x9 gpr7=0x9`,
      `r_kvmppc_h_pr: (kvmppc_core_emulate_op_pr+0x648/0x8f8 [kvm_pr] <- kvmppc_h_pr) rc=${rc}`,
    ];
    const punted = rc === "2" ? ["kvm_userspace_exit: reason KVM_EXIT_PAPR_HCALL (19)"] : [];
    const end = rc === "2" ? "0x0" : "0xfffffffffffffffc";
    const exits = rc === "2" ? punted : ["kvm_userspace_exit: reason restart (4)"];
    return trace.ioctl(7, "2000ae80", "0", end, ...inside, ...exits);
  };

  it.each([
    ["0x3", "0x0", "2", "2", "0"],
    ["0x3", "0x3", "2", "2", "0"],
    ["0x2", "0x0", "2", "2", "2"],
    ["0x5", "0x0", "2", "2", "2"],
    ["0x100000003", "0x0", "2", "2", "2"],
  ])("resource %s, mflags %s", async (resource, mflags, pre, v2, merged) => {
    for (const [profile, who] of [
      ["pre-dawr1", pre],
      ["dawr1-v2", v2],
      ["linux-6.1", merged],
    ] as const) {
      for (const rc of ["0", "2"]) {
        const report = await prCall(resource, mflags, rc).check(profile, facts);
        expect([profile, rc, report.verdict === "conform"]).toEqual([profile, rc, rc === who]);
      }
    }
  });

  it("leaves H_SET_DABR and H_SET_XDABR to user space (DABR-10)", async () => {
    for (const op of ["0x28", "0x134"]) {
      expect((await prCall("0x3", "0x0", "2", op).check("linux-6.1", facts)).verdict).toBe("conform");
      expect((await prCall("0x3", "0x0", "0", op).check("linux-6.1", facts)).verdict).toBe("divergent");
    }
  });

  it.each([
    ["pre-dawr1", EINVAL],
    ["dawr1-v2", EINVAL],
    ["linux-6.1", "0x0"],
  ])("KVM_CAP_PPC_ENABLE_HCALL of H_SET_MODE in %s", async (profile, result) => {
    const make = (one: string): Trace =>
      enableCap(new Trace().ioctl(5, "2000ae01", "2", "0x6"), "vm", { cap: 104, args: ["0x31c", "0x1"] }, one);
    expect(await fitting(make, profile, facts)).toEqual([result, EFAULT]);
  });

  it("has no breakpoint registers", async () => {
    const make = (result: string): Trace => oneReg(machine("2", false), { id: "0x10300000000000aa" }, result);
    expect(await fitting(make, "linux-6.1", facts)).toEqual([EINVAL, EFAULT]);
  });
});

describe("EX-14: one-reg", () => {
  /** What a GET returns after the sets. */
  async function reads(
    profile: string,
    sets: readonly (readonly [string, string])[],
    id: string,
    read: string,
  ): Promise<boolean> {
    const trace = machine("1", true);
    for (const [register, value] of sets) oneReg(trace, { set: value, id: register }, "0x0");
    oneReg(trace, { id, read }, "0x0");
    return (await trace.check(profile, hv("p8"))).verdict === "conform";
  }

  it.each([
    ["0x10300000000000ab", "0xffffffffffffffff", "0xfffffffffffffffb"],
    ["0x10300000000000ac", "0x1003", "0x1000"],
    ["0x10300000000000ac", "0x1002", "0x1002"],
    ["0x10200000000000b8", "0xf", "0xb"],
    ["0x10300000000000aa", "0x1234567", "0x1234567"],
    ["0x1030000000000008", "0x10000007", "0x10000007"],
  ])("SET %s = %s reads %s in every profile", async (id, value, read) => {
    for (const profile of profiles) {
      expect(await reads(profile, [[id, value]], id, read)).toBe(true);
      expect(await reads(profile, [[id, value]], id, "0x5555")).toBe(false);
    }
  });

  it.each([
    ["0x10300000000000c4", "0x1234567", "0x1234567"],
    ["0x10300000000000c5", "0x77", "0x73"],
  ])("SET %s = %s reads %s, not enabled and on POWER8", async (id, value, read) => {
    for (const profile of ["dawr1-v2", "linux-6.1"]) {
      expect(await reads(profile, [[id, value]], id, read)).toBe(true);
      expect(await reads(profile, [[id, value]], id, "0x5555")).toBe(false);
    }
    const make = (result: string): Trace => oneReg(machine("1", false), { set: value, id }, result);
    expect(await fitting(make, "pre-dawr1", hv("p10"))).toEqual([EINVAL, EFAULT]);
    expect(await fitting(make, "linux-6.1", hv("p10"))).toEqual(["0x0", EFAULT]);
  });

  it.each([
    ["GET another size", { id: "0x10200000000000c4" }, [EINVAL, EFAULT]],
    ["SET an unknown id, bad address", { id: "0x20300000000000aa", set: "0x1", addr: "0x0" }, [EFAULT]],
    ["GET an unknown id, bad address", { id: "0x20300000000000aa", addr: "0x0" }, [EINVAL, EFAULT]],
    ["GET a known id, bad address", { id: "0x10300000000000aa", addr: "0x0" }, [EFAULT]],
    ["32 bytes", { id: "0x10500000000000aa", set: "0x1", addr: "0x0" }, [EINVAL, EFAULT]],
    ["another architecture", { id: "0x40300000000000c5" }, [EINVAL, EFAULT]],
  ] as const)("%s", async (_what, request, expected) => {
    // EFAULT is always possible where it is not known that the descriptor can be read.
    for (const profile of profiles) {
      const fine = await fitting((result) => oneReg(machine("1", false), request, result), profile, hv("p10"));
      expect([profile, fine]).toEqual([profile, expected]);
    }
  });

  it("keeps a register that the hcall refuses (INV-3)", async () => {
    const id = "0x10300000000000c4";
    const trace = machine("1", true);
    oneReg(trace, { set: "0x1234567", id }, "0x0");
    hcall(trace, "H_SET_MODE", ["0x0", "0x5", "0x1000", "0x73"], "H_FUNCTION");
    oneReg(trace, { id, read: "0x1234567" }, "0x0");
    expect((await trace.check("linux-6.1", hv("p10"))).divergences).toEqual([]);
  });

  it("reads 0 on a fresh vCPU (REG-11)", async () => {
    for (const read of ["0x0", "0x1"]) {
      const trace = oneReg(machine("1", false), { id: "0x10300000000000ac", read }, "0x0");
      expect((await trace.check("linux-6.1", hv("p10"))).verdict).toBe(read === "0x0" ? "conform" : "divergent");
    }
  });
});

describe.each(profiles)("EX-23: set-up in %s", (profile) => {
  it.each([
    ["0", "0x6", "0x6"],
    ["1", "0x6", EINVAL],
    ["2", EINVAL, "0x6"],
    ["3", EINVAL, EINVAL],
    ["ffffffffffffffff", EINVAL, EINVAL],
  ])("KVM_CREATE_VM %s", async (type, onHv, onPr) => {
    for (const [facts, expected] of [
      [hv("p10"), onHv],
      [pr("p10"), onPr],
    ] as const) {
      for (const result of ["0x6", EINVAL]) {
        const report = await new Trace().ioctl(5, "2000ae01", type, result).check(profile, facts);
        expect([result, report.verdict === "conform"]).toEqual([result, result === expected]);
      }
    }
  });

  it("PAPR mode is for vCPUs", async () => {
    const bare = (): Trace => new Trace().ioctl(5, "2000ae01", "0", "0x6").ioctl(6, "2000ae41", "0", "0x7");
    const onVcpu = (result: string): Trace => enableCap(bare(), "vcpu", { cap: 68 }, result);
    const onVm = (result: string): Trace => enableCap(bare(), "vm", { cap: 68 }, result);
    expect(await fitting(onVcpu, profile, hv("p10"))).toEqual(["0x0", EFAULT]);
    expect(await fitting(onVm, profile, hv("p10"))).toEqual([EINVAL, EFAULT]);
    // CAP-12: KVM-HV runs no vCPU without it.
    const run = (result: string): Trace => bare().ioctl(7, "2000ae80", "0", result);
    expect(await fitting(run, profile, hv("p10"))).toEqual([EINVAL]);
    expect(await fitting(run, profile, pr("p10"))).toContain("0x0");
    expect(await fitting(run, profile, pr("p10"))).not.toContain(EINVAL);
  });

  it("unknown capabilities (CAP-13)", async () => {
    for (const facts of [hv("p10"), pr("p10")]) {
      const check = (result: string): Trace =>
        new Trace().ioctl(5, "2000ae01", "0", "0x6").ioctl(5, "2000ae03", "ffffffff", result);
      expect(await fitting(check, profile, facts)).toEqual(["0x0"]);
      for (const on of ["vm", "vcpu"] as const) {
        const make = (result: string): Trace => enableCap(machine("0", false), on, { cap: 9999 }, result);
        expect(await fitting(make, profile, facts)).toEqual([EINVAL, EFAULT]);
      }
    }
  });
});

describe("EX-24: ARCH_COMPAT", () => {
  const id = "0x10200000000000b7";
  const set = (value: string, facts: Facts, type = "1"): Promise<readonly string[]> =>
    fitting((result) => oneReg(machine(type, false), { set: value, id }, result), "linux-6.1", facts);

  it.each([
    ["0x0f000002", "0x0"],
    ["0x0f000003", "0x0"],
    ["0x0f100003", "0x0"],
    ["0x0f000004", "0x0"],
    ["0x0f000005", "0x0"],
    ["0x0f000006", "0x0"],
    ["0x0", "0x0"],
    ["0x0f000001", EINVAL],
    ["0x0f000007", EINVAL],
    ["0x12345678", EINVAL],
  ])("%s on POWER10", async (value, result) => {
    expect(await set(value, hv("p10"))).toEqual([result, EFAULT]);
  });

  it("is limited by the host, and no register of KVM-PR", async () => {
    expect(await set("0x0f000006", hv("p9"))).toEqual([EINVAL, EFAULT]);
    expect(await set("0x0f000005", hv("p8"))).toEqual([EINVAL, EFAULT]);
    expect(await set("0x0f000004", pr("p10"), "2")).toEqual([EINVAL, EFAULT]);
  });
});

describe("EX-25: reading a kernel-text ioctl line", () => {
  it("takes a positive errno for a failure where nothing else can be returned (FMT-2)", async () => {
    const make = (result: string): Trace =>
      enableCap(new Trace().ioctl(5, "2000ae01", "1", "0x6"), "vm", { cap: 194 }, result);
    expect((await make("0x13").check("linux-6.1", hv("p9"))).verdict).toBe("conform");
    expect((await make("0x16").check("linux-6.1", hv("p9"))).verdict).toBe("divergent");
    expect((await make(ENODEV).check("linux-6.1", hv("p9"))).verdict).toBe("conform");
  });

  it("keeps the low half of a request (FMT-1)", async () => {
    const trace = machine("1", false).ioctl(7, "ffffffff8010aeac", "7fff00001000", "0xe");
    const report = await trace.check("linux-6.1", hv("p10"));
    expect(report.kinds.find(({ name }) => name === "ioctl KVM_SET_ONE_REG")?.total).toBe(1);
    expect(report.divergences).toEqual([]);
  });

  it("does not take 22 for a descriptor or an errno without more", async () => {
    const report = await new Trace().ioctl(5, "2000ae01", "1", "0x16").check("linux-6.1", hv("p10"));
    expect(report.verdict).toBe("inconclusive");
    const refused = await new Trace().ioctl(5, "2000ae01", "2", "0x16").check("linux-6.1", hv("p10"));
    expect(refused.verdict).toBe("conform");
  });
});
