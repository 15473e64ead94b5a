import { describe, expect, it } from "vitest";
import { cpus, enableCap, hcall, hvHost, machine, oneReg, type Trace } from "./trace.js";

/** What the calls of EX-1, EX-3, EX-5, EX-8, EX-10, EX-11, EX-17 and EX-24 leave behind in the registers. */

const profiles = ["pre-dawr1", "dawr1-v2", "linux-6.1"] as const;
const FLAG = "H_UNSUPPORTED_FLAG_START";
const ids = {
  dabr: "0x1030000000000008",
  dawr0: "0x10300000000000aa",
  dawrx0: "0x10300000000000ab",
  ciabr: "0x10300000000000ac",
  dabrx: "0x10200000000000b8",
  dawr1: "0x10300000000000c4",
  dawrx1: "0x10300000000000c5",
  compat: "0x10200000000000b7",
} as const;
type Register = keyof typeof ids;
type Facts = Readonly<Record<string, string>>;

const host = (cpu: keyof typeof cpus): Facts => ({ ...cpus[cpu], ...hvHost });

/** A machine whose H_SET_DABR and H_SET_XDABR are off: served in real mode they would leave no line (DABR-1). */
function withoutDabr(): Trace {
  const trace = machine("1", true);
  for (const number of ["0x28", "0x134"]) enableCap(trace, "vm", { cap: 104, args: [number, "0x0"] }, "0x0");
  return trace;
}

/** Reads registers behind what a trace holds: these values conform, and others do not (if that is `certain`). */
async function holds(
  make: () => Trace,
  profile: string,
  facts: Facts,
  values: Partial<Record<Register, string>>,
  certain = true,
): Promise<void> {
  for (const name of Object.keys(ids)) {
    if (!isRegister(name)) continue;
    const value = values[name];
    if (value === undefined) continue;
    for (const read of [value, "0x5550"]) {
      const report = await oneReg(make(), { id: ids[name], read }, "0x0").check(profile, facts);
      const verdict = read === value || !certain ? "conform" : "divergent";
      expect([name, read, report.verdict]).toEqual([name, read, verdict]);
    }
  }
}

function isRegister(name: string): name is Register {
  return name in ids;
}

describe("EX-1: what resource 5 stores", () => {
  const before = { set: "0x1230", id: ids.dawr1 } as const;
  const call = (profile: string, args: readonly string[], code: string, granted: boolean) => (): Trace => {
    const trace = withoutDabr();
    if (granted) enableCap(trace, "vm", { cap: 194 }, "0x0");
    if (profile !== "pre-dawr1") oneReg(trace, before, "0x0");
    return hcall(trace, "H_SET_MODE", args, code);
  };

  it.each([
    [["0x0", "0x5", "0x10000000", "0x73"], "H_SUCCESS", "0x10000000", "0x73"],
    [["0x1", "0x5", "0x10000000", "0x73"], FLAG, "0x1230", "0x0"],
    [["0x0", "0x5", "0x10000000", "0x77"], "H_P4", "0x1230", "0x0"],
    [["0x1", "0x5", "0x10000000", "0x77"], FLAG, "0x1230", "0x0"],
    [["0x0", "0x5", "0x10000003", "0xffff0000000000f3"], "H_SUCCESS", "0x10000003", "0xffff0000000000f3"],
    [["0x0", "0x100000005", "0x0", "0x0"], "H_TOO_HARD", "0x1230", "0x0"],
  ])("%j", async (args, code, dawr1, dawrx1) => {
    const left = { dawr1, dawrx1, dawr0: "0x0", dawrx0: "0x0" };
    await holds(call("dawr1-v2", args, code, false), "dawr1-v2", host("p10"), left);
    await holds(call("linux-6.1", args, code, true), "linux-6.1", host("p10"), left);
    // Refused, or left to user space: everything stays.
    const refused = code === "H_TOO_HARD" ? code : "H_FUNCTION";
    const kept = { dawr1: "0x1230", dawrx1: "0x0" };
    await holds(call("linux-6.1", args, refused, false), "linux-6.1", host("p10"), kept);
    const slot0 = { dawr0: "0x0", dawrx0: "0x0" };
    await holds(call("pre-dawr1", args, "H_TOO_HARD", false), "pre-dawr1", host("p10"), slot0);
  });
});

describe("EX-2: resource 5 on a POWER9 with DAWR and on one without", () => {
  it.each([
    ["dawr1-v2", "true"],
    ["dawr1-v2", "false"],
    ["linux-6.1", "true"],
    ["linux-6.1", "false"],
  ])("%s, DAWR %s", async (profile, dawr) => {
    for (const code of ["H_P2", "H_FUNCTION", "H_SUCCESS", "H_TOO_HARD", FLAG]) {
      const trace = hcall(machine("1", true), "H_SET_MODE", ["0x0", "0x5", "0x1000", "0x73"], code);
      const report = await trace.check(profile, { ...host("p9"), "dawr.cpu.dawr": dawr });
      expect([code, report.verdict]).toEqual([code, code === "H_P2" ? "conform" : "divergent"]);
    }
  });
});

describe.each(profiles)("EX-3: resource 2 in %s", (profile) => {
  it.each([
    [["0x0", "0x2", "0x1000", "0x53"], "H_SUCCESS", "0x1000", "0x53"],
    [["0x4", "0x2", "0x1000", "0x57"], FLAG, "0x7770", "0x0"],
    [["0x0", "0x2", "0x1000", "0x57"], "H_P4", "0x7770", "0x0"],
    [["0x0", "0x2", "0xffffffffffffffff", "0xfc73"], "H_SUCCESS", "0xffffffffffffffff", "0xfc73"],
  ])("%j", async (args, code, dawr0, dawrx0) => {
    const make = (compat: string | undefined, answer: string) => (): Trace => {
      const trace = oneReg(withoutDabr(), { set: "0x7770", id: ids.dawr0 }, "0x0");
      if (compat !== undefined) oneReg(trace, { set: compat, id: ids.compat }, "0x0");
      return hcall(trace, "H_SET_MODE", args, answer);
    };
    await holds(make(undefined, code), profile, host("p10"), { dawr0, dawrx0 });
    const kept = { dawr0: "0x7770", dawrx0: "0x0" };
    await holds(make("0x0f000003", "H_P2"), profile, host("p10"), kept);
    await holds(make(undefined, "H_P2"), profile, host("p9"), kept);
  });
});

describe.each(profiles)("EX-5: a POWER7 host in %s", (profile) => {
  it.each(["0x0f000004", "0x0f000005", "0x0f000006"])("cannot be set to %s", async (value) => {
    for (const [result, verdict] of [
      ["0x0", "divergent"],
      ["0xffffffffffffffea", "conform"],
    ] as const) {
      const trace = oneReg(machine("1", true), { set: value, id: ids.compat }, result);
      expect((await trace.check(profile, host("p7"))).verdict).toBe(verdict);
    }
  });
});

describe("EX-8: the VMM completes a call", () => {
  const facts = host("p10");
  const call = ["0x0", "0x2", "0x1000", "0x53"];

  /** KVM_GET_REGS with GPR3 to GPR7 as the structure has them after the call. */
  function registers(trace: Trace, gprs: readonly number[]): Trace {
    const bytes = Buffer.alloc(392);
    gprs.forEach((value, i) => {
      bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), 160 + 8 * i);
    });
    const data = bytes.toString("hex");
    return trace.ioctl(7, "4188ae81", "7fff00001000", "0x0", `ioctl_out: cmd=0x4188ae81 rc=0 data=${data}`);
  }

  it.each([
    [[0x31c, 0, 2, 0x1000, 0x53], "conform"],
    [[-55, 0, 2, 0x1000, 0x53], "divergent"],
    [[0x31c, 0, 2, 0x1000, 0x57], "divergent"],
  ] as const)("step 1: the registers %j wait (INV-11): %s", async (gprs, verdict) => {
    const trace = registers(hcall(machine("1", false), "H_SET_MODE", call, "H_TOO_HARD"), gprs);
    expect((await trace.check("linux-6.1", facts)).verdict).toBe(verdict);
  });

  it("step 2: the next KVM_RUN takes the answer, whatever it is", async () => {
    for (const gpr3 of [-55, 0, 9]) {
      const trace = hcall(machine("1", false), "H_SET_MODE", call, "H_TOO_HARD");
      trace.ioctl(7, "2000ae80", "0", "0xfffffffffffffffc");
      registers(trace, [gpr3, 0, 2, 0x1000, 0x53]);
      expect((await trace.check("linux-6.1", facts)).divergences).toEqual([]);
    }
  });

  it("step 6: H_SET_MODE disabled, the register stays", async () => {
    const make = (): Trace => {
      const trace = hcall(machine("1", true), "H_SET_MODE", call, "H_SUCCESS");
      enableCap(trace, "vm", { cap: 104, args: ["0x31c", "0x0"] }, "0x0");
      return hcall(trace, "H_SET_MODE", ["0x0", "0x2", "0x2000", "0x73"], "H_TOO_HARD");
    };
    await holds(make, "linux-6.1", facts, { dawr0: "0x1000", dawrx0: "0x53" });
  });
});

describe.each(profiles)("EX-10: what DABR calls store in %s", (profile) => {
  // On POWER7 and POWER8 hosts they leave no line (DABR-1), but a line that is there is judged alike.
  it.each([
    ["p10", "H_SET_DABR", ["0x10000007"], { dawr0: "0x10000000", dawrx0: "0x73" }],
    ["p10", "H_SET_XDABR", ["0x10000005", "0x1"], { dawr0: "0x10000000", dawrx0: "0x31" }],
    ["p10", "H_SET_XDABR", ["0x0", "0x3"], { dawr0: "0x0", dawrx0: "0x3" }],
    ["p7", "H_SET_DABR", ["0x10000007"], { dabr: "0x10000007", dabrx: "0x3" }],
    ["p7", "H_SET_XDABR", ["0x10000005", "0x1"], { dabr: "0x10000005", dabrx: "0x1" }],
  ] as const)("%s %s %j", async (cpu, name, args, values) => {
    const make = (): Trace => hcall(machine("1", true), name, args, "H_SUCCESS");
    await holds(make, profile, host(cpu), values);
  });

  it("a refused one keeps what was there (INV-3)", async () => {
    const make = (): Trace => {
      const trace = hcall(machine("1", true), "H_SET_DABR", ["0x3006"], "H_SUCCESS");
      return hcall(trace, "H_SET_XDABR", ["0x10000005", "0x7"], "H_PARAMETER");
    };
    // Before 6.1 another call may have come in between, in real mode.
    await holds(make, profile, host("p10"), { dawr0: "0x3000", dawrx0: "0x53" }, profile === "linux-6.1");
  });
});

describe("EX-11: number 0x29", () => {
  const dabrSet = (): Trace => hcall(machine("1", true), "H_SET_DABR", ["0x3006"], "H_SUCCESS");

  it("is left to user space on POWER10, and nothing changes (DABR-7)", async () => {
    const make = (): Trace => hcall(dabrSet(), "0x29", ["0x5007"], "H_TOO_HARD");
    await holds(make, "linux-6.1", host("p10"), { dawr0: "0x3000", dawrx0: "0x53" });
    const answered = hcall(dabrSet(), "0x29", ["0x5007"], "H_SUCCESS");
    expect((await answered.check("linux-6.1", host("p10"))).verdict).toBe("divergent");
  });

  it("is served in real mode on POWER8, without a line", async () => {
    for (const read of ["0x5000", "0x0"]) {
      const trace = machine("1", true);
      trace.ioctl(7, "2000ae80", "0", "0xfffffffffffffffc", "kvm_userspace_exit: reason restart (4)");
      oneReg(trace, { id: ids.dawr0, read }, "0x0");
      expect((await trace.check("linux-6.1", host("p8"))).divergences).toEqual([]);
    }
  });
});

describe("EX-17: L1's registers after a nested run (INV-7)", () => {
  it.each(profiles)("%s", async (profile) => {
    const make = (): Trace => {
      const trace = oneReg(withoutDabr(), { set: "0x1000", id: ids.dawr0 }, "0x0");
      enableCap(trace, "vm", { cap: 160, args: ["0x1"] }, "0x0");
      hcall(trace, "H_SET_PARTITION_TABLE", ["0x1000004"], "H_SUCCESS");
      return hcall(trace, "H_ENTER_NESTED", ["0x1000", "0x2000"], "0xe00");
    };
    await holds(make, profile, host("p10"), { dawr0: "0x1000", dawrx0: "0x0" });
  });
});

describe("EX-24: ARCH_COMPAT reads what was set, and decides resource 2", () => {
  it.each([
    ["0x0f000002", true, "H_P2"],
    ["0x0f000003", true, "H_P2"],
    ["0x0f100003", true, "H_SUCCESS"],
    ["0x0f000004", true, "H_SUCCESS"],
    ["0x0f000005", true, "H_SUCCESS"],
    ["0x0f000006", true, "H_SUCCESS"],
    ["0x0", true, "H_SUCCESS"],
    ["0x0f000001", false, "H_SUCCESS"],
    ["0x0f000007", false, "H_SUCCESS"],
    ["0x12345678", false, "H_SUCCESS"],
  ])("%s", async (value, taken, code) => {
    const set = (): Trace =>
      oneReg(machine("1", true), { set: value, id: ids.compat }, taken ? "0x0" : "0xffffffffffffffea");
    const read = taken ? `0x${Number(value).toString(16)}` : "0x0";
    await holds(set, "linux-6.1", host("p10"), { compat: read });
    for (const answer of ["H_P2", "H_SUCCESS"]) {
      const trace = hcall(set(), "H_SET_MODE", ["0x0", "0x2", "0x1000", "0x53"], answer);
      const { verdict } = await trace.check("linux-6.1", host("p10"));
      expect([answer, verdict]).toEqual([answer, answer === code ? "conform" : "divergent"]);
    }
  });
});
