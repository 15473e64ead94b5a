import { describe, expect, it } from "vitest";
import { cpus, EINVAL, EIO, enableCap, hcall, hvHost, machine, oneReg, prHost, Trace } from "./trace.js";

/** What is not known at first: an answer that only some states lead to leaves only these, and nothing is invented. */

type Facts = Readonly<Record<string, string>>;
const p10: Facts = { ...cpus.p10, ...hvHost };

/** The rules of what diverges. */
async function broken(trace: Trace, facts: Facts = {}, profile = "linux-6.1"): Promise<readonly (readonly string[])[]> {
  const { divergences } = await trace.check(profile, facts);
  return divergences.map(({ rules }) => rules);
}

const ids = {
  dawr0: "0x10300000000000aa",
  archCompat: "0x10200000000000b7",
  dabrx: "0x10200000000000b8",
  lpcr64: "0x10300000000000b5",
} as const;

const DAWR0 = ["0x0", "0x2", "0x1000", "0x53"];
const DAWR1 = ["0x0", "0x5", "0x1000", "0x53"];

describe("the kind of a VM (CAP-11, HSM-12)", () => {
  const made = (type: string): Trace => new Trace().ioctl(5, "2000ae01", type, "0x6").ioctl(6, "2000ae41", "0", "0x7");
  const read = (trace: Trace, result: string): Trace => oneReg(trace, { id: ids.dawr0 }, result);

  it("is that of the one module there is", async () => {
    expect(await broken(read(new Trace(), "0x0"), { "dawr.hvModule": "false" })).toEqual([["REG-9", "REG-2"]]);
    expect(await broken(read(new Trace(), EINVAL), { "dawr.prModule": "false" })).not.toEqual([]);
    expect(await broken(read(new Trace(), "0x0"), { "dawr.prModule": "false" })).toEqual([]);
    expect(await broken(read(new Trace(), EINVAL), { "dawr.hvModule": "false" })).toEqual([]);
  });

  it("by default is HV where there is no KVM-PR", async () => {
    expect(await broken(read(made("0"), EINVAL), { "dawr.prModule": "false" })).not.toEqual([]);
    expect(await broken(read(made("0"), "0x0"), { "dawr.prModule": "false" })).toEqual([]);
  });

  it("tells a module: what KVM-HV does on a VM, it does on /dev/kvm", async () => {
    const facts = { ...cpus.p10 };
    const asked = (result: string): Trace => read(made("0"), "0x0").ioctl(5, "2000ae03", "c2", result);
    expect(await broken(asked("0x1"), facts)).toEqual([]);
    expect(await broken(asked("0x0"), facts)).toEqual([["CAP-1", "CAP-2"]]);
  });

  it("decides the hcalls that are on by default, once it is known", async () => {
    const called = (code: string, enabled: boolean): Trace => {
      const trace = made("0");
      enableCap(trace, "vcpu", { cap: 68 }, "0x0");
      if (enabled) enableCap(trace, "vm", { cap: 104, args: ["0x31c", "0x1"] }, "0x0");
      return hcall(read(trace, "0x0"), "H_SET_MODE", DAWR0, code);
    };
    expect(await broken(called("H_SUCCESS", false), cpus.p10)).toEqual([["HSM-1"]]);
    expect(await broken(called("H_TOO_HARD", false), cpus.p10)).toEqual([]);
    expect(await broken(called("H_SUCCESS", true), cpus.p10)).toEqual([]);
    expect(await broken(called("H_TOO_HARD", true), cpus.p10)).not.toEqual([]);
  });

  it("shows in whether a vCPU without PAPR mode runs (CAP-12)", async () => {
    const ran = (result: string, answer: string): Trace => read(made("0").ioctl(7, "2000ae80", "0", result), answer);
    expect(await broken(ran("0x0", EINVAL), {})).toEqual([]);
    expect(await broken(ran("0x0", "0x0"), {})).not.toEqual([]);
    expect(await broken(ran(EINVAL, "0x0"), {})).toEqual([]);
    expect(await broken(ran(EINVAL, EINVAL), {})).not.toEqual([]);
  });

  it("and the second DAWR: a descriptor of a VM always gets the same answer (INV-12)", async () => {
    const asked = (first: string, second: string): Trace =>
      made("0").ioctl(6, "2000ae03", "c2", first).ioctl(6, "2000ae03", "c2", second);
    expect(await broken(asked("0x0", "0x0"))).toEqual([]);
    expect(await broken(asked("0x0", "0x1"))).toEqual([["INV-12", "CAP-2"]]);
    // A VM of KVM-HV that has none: the host has none.
    const granted = (result: string): Trace => {
      const trace = read(made("0").ioctl(6, "2000ae03", "c2", "0x0"), "0x0");
      return enableCap(trace, "vm", { cap: 194, args: ["0x1"] }, result);
    };
    expect(await broken(granted("0xffffffffffffffed"))).toEqual([]);
    expect(await broken(granted("0x0"))).not.toEqual([]);
  });
});

describe("the level of the host", () => {
  const hv = { ...hvHost, "dawr.vmKind": "HV" };

  it("follows from the facts about its DAWRs (0.2)", async () => {
    const set = (code: string): Trace => hcall(machine("1", true), "H_SET_MODE", DAWR0, code);
    expect(await broken(set("H_SUCCESS"), { ...hv, "dawr.cpu.dawr1": "true" })).toEqual([]);
    expect(await broken(set("H_P2"), { ...hv, "dawr.cpu.dawr1": "true" })).toEqual([["HSM-6", "HSM-18"]]);
    const off = { ...hv, "dawr.cpu.arch207s": "true", "dawr.cpu.dawr": "false" };
    const asked = (result: string): Trace => machine("1", true).ioctl(6, "2000ae03", "c2", result);
    expect(await broken(asked("0x0"), off)).toEqual([]);
    expect(await broken(asked("0x1"), off)).toEqual([["CAP-1", "CAP-2"]]);
  });

  it("H_HARDWARE tells a POWER9 (DABR-4): it has no second DAWR, and ISA 2.07", async () => {
    const trace = (): Trace => hcall(machine("1", true), "H_SET_DABR", ["0x10000007"], "H_HARDWARE");
    expect(await broken(hcall(trace(), "H_SET_MODE", ["0x0", "0x1", "0x1002", "0x0"], "H_SUCCESS"), hv)).toEqual([]);
    expect(await broken(hcall(trace(), "H_SET_MODE", ["0x0", "0x1", "0x1002", "0x0"], "H_P2"), hv)).not.toEqual([]);
    expect(await broken(trace().ioctl(6, "2000ae03", "c2", "0x1"), hv)).not.toEqual([]);
  });

  it("H_P2 for the first DAWR does too, where the vCPU is compatible (HSM-4)", async () => {
    const trace = (code: string): Trace =>
      hcall(machine("1", true), "H_SET_MODE", ["0x0", "0x1", "0x1002", "0x0"], code);
    const both = (code: string): Trace => hcall(trace(code), "H_SET_MODE", DAWR0, "H_P2");
    expect(await broken(both("H_SUCCESS").ioctl(6, "2000ae03", "c2", "0x0"), hv)).toEqual([]);
    expect(await broken(both("H_SUCCESS").ioctl(6, "2000ae03", "c2", "0x1"), hv)).not.toEqual([]);
    // Not compatible: it is a POWER7, which has DABR.
    expect(await broken(hcall(both("H_P2"), "H_SET_DABR", ["0x10000007"], "H_HARDWARE"), hv)).not.toEqual([]);
  });

  it("ARCH_COMPAT tells which levels it has (REG-12)", async () => {
    const set = (trace: Trace, value: string, result: string): Trace =>
      oneReg(trace, { set: value, id: ids.archCompat }, result);
    expect(await broken(set(set(machine("1", false), "0xf000006", EINVAL), "0xf000006", "0x0"), hv)).not.toEqual([]);
    expect(await broken(set(set(machine("1", false), "0xf000006", "0x0"), "0xf000004", EINVAL), hv)).not.toEqual([]);
    expect(await broken(set(set(machine("1", false), "0xf000006", EINVAL), "0xf000005", "0x0"), hv)).toEqual([]);
    expect(
      await broken(set(machine("1", false), "0xf000006", EINVAL).ioctl(6, "2000ae03", "c2", "0x1"), hv),
    ).not.toEqual([]);
  });

  it("mflags 3 tells the erratum, and that the VM is a radix one (HSM-8)", async () => {
    const facts = { ...hvHost, "dawr.cpu.name": "POWER9" };
    const ail = (trace: Trace, code: string): Trace => hcall(trace, "H_SET_MODE", ["0x3", "0x3", "0x0", "0x0"], code);
    const flag = "H_UNSUPPORTED_FLAG_START";
    expect(await broken(ail(ail(machine("1", true), flag), flag), facts)).toEqual([]);
    expect(await broken(ail(ail(machine("1", true), flag), "H_TOO_HARD"), facts)).not.toEqual([]);
    expect(await broken(ail(machine("1", true), flag).ioctl(5, "2000ae03", "d2", "0x1"), facts)).not.toEqual([]);
  });
});

describe("the virtual core of a POWER8 (1.2, REG-12)", () => {
  const facts = { ...cpus.p8, ...hvHost };
  /** Two vCPUs of one VM; the compatibility level is set on the first. */
  const compatible = (trace: Trace): Trace => oneReg(trace, { set: "0xf000003", id: ids.archCompat }, "0x0");
  const second = (trace: Trace): Trace => trace.ioctl(6, "2000ae41", "1", "0x8");
  const read = (trace: Trace, value: string): Trace =>
    trace.ioctl(
      8,
      "8010aeab",
      "7fff00001000",
      "0x0",
      `vcpu_one_reg: (kvm_vcpu_ioctl+0xc/0x918 [kvm]) cmd=0x8010aeab id=${ids.archCompat} addr=0x100f2390 val=0x0`,
      `one_reg_get_out: (x+0x0/0x1) val=${value} rc=0`,
    );

  it("may be another vCPU's too", async () => {
    for (const value of ["0x0", "0xf000003"]) {
      expect(await broken(read(compatible(second(machine("1", true))), value), facts)).toEqual([]);
      expect(await broken(read(second(compatible(machine("1", true))), value), facts)).toEqual([]);
    }
  });

  it("is a vCPU's own from POWER9 on", async () => {
    for (const make of [
      (): Trace => compatible(second(machine("1", true))),
      (): Trace => second(compatible(machine("1", true))),
    ]) {
      expect(await broken(read(make(), "0x0"), p10)).toEqual([]);
      expect(await broken(read(make(), "0xf000003"), p10)).toEqual([["REG-12", "REG-11"]]);
    }
  });
});

describe("registers", () => {
  it("of KVM-PR: LPCR shows the ILE that was set (REG-13)", async () => {
    const facts = { ...cpus.p10, ...prHost };
    const set = (value: string, read: string): Trace => {
      const trace = oneReg(machine("2", false), { set: value, id: ids.lpcr64 }, "0x0");
      return oneReg(trace, { id: ids.lpcr64, read }, "0x0");
    };
    expect(await broken(set("0x3800000", "0x2000000"), facts)).toEqual([]);
    expect(await broken(set("0x3800000", "0x0"), facts)).not.toEqual([]);
    expect(await broken(set("0x1800000", "0x0"), facts)).toEqual([]);
    expect(await broken(set("0x1800000", "0x2000000"), facts)).not.toEqual([]);
  });

  it("of a VM of unknown kind: LPCR may be that of either (REG-13, HSM-17)", async () => {
    for (const [read, fine] of [
      ["0x2000000", true],
      ["0x3800000", true],
      ["0x1800000", false],
    ] as const) {
      const trace = oneReg(new Trace(), { set: "0x3800000", id: ids.lpcr64 }, "0x0");
      oneReg(trace, { id: ids.lpcr64, read }, "0x0");
      expect([read, (await broken(trace, cpus.p10)).length === 0]).toEqual([read, fine]);
    }
  });

  it("that nobody named may be LPCR too (HSM-17)", async () => {
    const trace = oneReg(machine("1", false), { set: "0x3800000", id: ids.lpcr64 }, "0x0");
    trace.ioctl(7, "8010aeac", "7fff00001000", "0x0");
    oneReg(trace, { id: ids.lpcr64, read: "0x0" }, "0x0");
    expect(await broken(trace, p10)).toEqual([]);
  });

  it("of 4 bytes lie in the first half of what a big-endian recorder prints (probes)", async () => {
    const make = (read: string): Trace => {
      const trace = oneReg(machine("1", false), { set: "0x0000000b00000000", id: ids.dabrx }, "0x0");
      return oneReg(trace, { id: ids.dabrx, read }, "0x0");
    };
    const check = async (read: string): Promise<string> => {
      const dawr = { cpu: { name: "POWER10", dawr1: true }, hvModule: true };
      const manifest = { arch: "ppc64", kernel: "6.1.0", profile: { dawr: "linux-6.1" }, facts: { dawr } };
      return (await make(read).checkCapture(manifest)).verdict;
    };
    expect(await check("0x0000000b12345678")).toBe("conform");
    expect(await check("0x0000000300000000")).toBe("divergent");
  });

  it("but DAWRX keep all their bits on the second nested interface (K612-2)", async () => {
    const make = (read: string): Trace => {
      const trace = oneReg(machine("1", false), { set: "0x100001000", id: ids.dawr0 }, "0x0");
      return oneReg(trace, { id: ids.dawr0, read }, "0x0");
    };
    const dawr = { cpu: { name: "POWER10", dawr1: true }, hvModule: true, hostIsPseries: true };
    const manifest = { arch: "ppc64le", kernel: "6.12.1", profile: { dawr: "linux-6.1" }, facts: { dawr } };
    expect((await make("0x100001000").checkCapture(manifest)).verdict).toBe("conform");
    expect((await make("0x1000").checkCapture(manifest)).verdict).toBe("divergent");
  });
});

describe("calls on a descriptor that is closed", () => {
  it.each([
    [5, "2000ae01", "1"],
    [5, "2000ae03", "c2"],
    [6, "8068aea3", "7fff00001000"],
    [7, "8010aeab", "7fff00001000"],
    [7, "8010aeac", "7fff00001000"],
  ] as const)("%i %s: EBADF says nothing of KVM", async (fd, command, argument) => {
    const trace = machine("1", true).ioctl(fd, command, argument, "0xfffffffffffffff7");
    expect(await broken(hcall(trace, "H_SET_MODE", DAWR1, "H_FUNCTION"), p10)).toEqual([]);
  });

  it("another process gets EIO of any request of a VM (CAP-3)", async () => {
    const asked = (tid: number, fd: number): Trace =>
      machine("1", true).on(tid, 1, `sys_ioctl(fd: ${fd}, cmd: 2000ae03, arg: c2)`).on(tid, 1, `sys_ioctl -> ${EIO}`);
    expect(await broken(asked(300, 6), p10)).toEqual([]);
    expect(await broken(asked(100, 6), p10)).toEqual([["FMT-2"]]);
    expect(await broken(asked(300, 5), p10)).toEqual([["FMT-2"]]);
  });
});
