import { describe, expect, it } from "vitest";
import { codes, cpus, enableCap, hcall, hvHost, machine, oneReg, Trace } from "./trace.js";

/** Worked examples EX-1 to EX-11: which answers each profile accepts, all others being refused. */

const profiles = ["pre-dawr1", "dawr1-v2", "linux-6.1"] as const;
type Profile = (typeof profiles)[number];
const FLAG = "H_UNSUPPORTED_FLAG_START";
const PUNT = "H_TOO_HARD";

interface Host {
  readonly profile: Profile;
  readonly cpu?: keyof typeof cpus;
  readonly enabled?: boolean;
  /** KVM_CAP_PPC_DAWR1 was enabled (linux-6.1). */
  readonly granted?: boolean;
  readonly archCompat?: string;
}

/** The codes that the model accepts for a call of a fresh machine. */
async function accepted(host: Host, name: string, args: readonly string[]): Promise<readonly string[]> {
  const fine: string[] = [];
  for (const code of codes) {
    const trace = machine("1", host.enabled ?? true);
    if (host.granted === true && host.profile === "linux-6.1") enableCap(trace, "vm", { cap: 194 }, "0x0");
    if (host.archCompat !== undefined) {
      oneReg(trace, { set: host.archCompat, id: "0x10200000000000b7" }, "0x0");
    }
    hcall(trace, name, args, code);
    const report = await trace.check(host.profile, { ...cpus[host.cpu ?? "p10"], ...hvHost });
    if (report.verdict === "conform") fine.push(code);
  }
  return fine;
}

const setMode = (host: Host, ...args: readonly string[]): Promise<readonly string[]> =>
  accepted(host, "H_SET_MODE", args);

describe("EX-1: resource 5", () => {
  it.each([
    [["0x0", "0x5", "0x10000000", "0x73"], PUNT, "H_SUCCESS", "H_FUNCTION", "H_SUCCESS"],
    [["0x1", "0x5", "0x10000000", "0x73"], PUNT, FLAG, "H_FUNCTION", FLAG],
    [["0x0", "0x5", "0x10000000", "0x77"], PUNT, "H_P4", "H_FUNCTION", "H_P4"],
    [["0x1", "0x5", "0x10000000", "0x77"], PUNT, FLAG, "H_FUNCTION", FLAG],
    [["0x0", "0x5", "0x10000003", "0xffff0000000000f3"], PUNT, "H_SUCCESS", "H_FUNCTION", "H_SUCCESS"],
    [["0x0", "0x100000005", "0x0", "0x0"], PUNT, PUNT, PUNT, PUNT],
  ])("%j", async (args, pre, v2, refused, granted) => {
    expect(await setMode({ profile: "pre-dawr1" }, ...args)).toEqual([pre]);
    expect(await setMode({ profile: "dawr1-v2" }, ...args)).toEqual([v2]);
    expect(await setMode({ profile: "linux-6.1" }, ...args)).toEqual([refused]);
    expect(await setMode({ profile: "linux-6.1", granted: true }, ...args)).toEqual([granted]);
  });
});

describe("EX-2: resource 5 on other hosts", () => {
  const call = ["0x0", "0x5", "0x1000", "0x73"];
  it.each(["dawr1-v2", "linux-6.1"] as const)("%s", async (profile) => {
    expect(await setMode({ profile, cpu: "p9" }, ...call)).toEqual(["H_P2"]);
    expect(await setMode({ profile, archCompat: "0x0f000003", granted: true }, ...call)).toEqual(["H_P2"]);
    expect(await setMode({ profile, archCompat: "0x0f000005", granted: true }, ...call)).toEqual(["H_SUCCESS"]);
  });
});

describe.each(profiles)("EX-3: order of resource 2 in %s", (profile) => {
  it.each([
    [["0x0", "0x2", "0x1000", "0x53"], "H_SUCCESS"],
    [["0x4", "0x2", "0x1000", "0x57"], FLAG],
    [["0x0", "0x2", "0x1000", "0x57"], "H_P4"],
    [["0x0", "0x2", "0xffffffffffffffff", "0xfc73"], "H_SUCCESS"],
  ])("%j", async (args, p10) => {
    expect(await setMode({ profile }, ...args)).toEqual([p10]);
    // ND-5: on a POWER9 DAWR may be on or off.
    expect([...(await setMode({ profile, cpu: "p9" }, ...args))].sort()).toEqual([p10, "H_P2"].sort());
    expect(await setMode({ profile, archCompat: "0x0f000003" }, ...args)).toEqual(["H_P2"]);
  });
});

describe.each(profiles)("EX-4: order of resource 1 in %s", (profile) => {
  it.each([
    [["0x0", "0x1", "0xc000000000001002", "0x0"], "H_SUCCESS"],
    [["0x0", "0x1", "0x1003", "0x0"], "H_P3"],
    [["0x1", "0x1", "0x1003", "0x1"], "H_P4"],
    [["0x1", "0x1", "0x1003", "0x0"], FLAG],
    [["0x0", "0x1", "0x1000", "0x1"], "H_P4"],
  ])("%j", async (args, code) => {
    expect(await setMode({ profile }, ...args)).toEqual([code]);
    // No breakpoint test: a POWER9 without DAWR answers the same.
    expect(await setMode({ profile, cpu: "p9" }, ...args)).toEqual([code]);
  });
});

describe.each(profiles)("EX-5: compatibility in %s", (profile) => {
  const call = ["0x0", "0x2", "0x1000", "0x53"];
  it.each([
    ["0x0", "H_SUCCESS"],
    ["0x0f000002", "H_P2"],
    ["0x0f000003", "H_P2"],
    ["0x0f100003", "H_SUCCESS"],
    ["0x0f000004", "H_SUCCESS"],
    ["0x0f000005", "H_SUCCESS"],
    ["0x0f000006", "H_SUCCESS"],
  ])("archCompat %s on POWER10", async (archCompat, code) => {
    expect(await setMode({ profile, archCompat }, ...call)).toEqual([code]);
  });

  it("on POWER7", async () => {
    expect(await setMode({ profile, cpu: "p7" }, ...call)).toEqual(["H_P2"]);
    expect(await setMode({ profile, cpu: "p7", archCompat: "0x0f100003" }, ...call)).toEqual(["H_SUCCESS"]);
  });
});

describe("EX-6: resource 3", () => {
  it.each(["0x0", "0x1", "0x2", "0x3", "0x4", "0x7"])("mflags %s", async (mflags) => {
    const old = mflags === "0x0" || mflags === "0x3" ? PUNT : FLAG;
    for (const profile of ["pre-dawr1", "dawr1-v2"] as const) {
      expect(await setMode({ profile }, mflags, "0x3", "0x0", "0x0")).toEqual([old]);
    }
    expect(await setMode({ profile: "linux-6.1" }, mflags, "0x3", "0x0", "0x0")).toEqual([PUNT]);
  });

  it("answers the POWER9 prefetch erratum in linux-6.1 alone", async () => {
    const answers = await setMode({ profile: "linux-6.1", cpu: "p9" }, "0x3", "0x3", "0x0", "0x0");
    expect([...answers].sort()).toEqual([PUNT, FLAG].sort());
    expect(await setMode({ profile: "linux-6.1", cpu: "p9" }, "0x2", "0x3", "0x0", "0x0")).toEqual([PUNT]);
  });

  it("leaves bad values to user space", async () => {
    expect(await setMode({ profile: "linux-6.1" }, "0x3", "0x3", "0x1", "0x0")).toEqual([PUNT]);
    expect(await setMode({ profile: "linux-6.1" }, "0x3", "0x3", "0x0", "0x1")).toEqual([PUNT]);
  });
});

describe.each(profiles)("EX-7: resource 4 and unknown ones in %s", (profile) => {
  it.each([
    [["0x1", "0x4", "0x0", "0x0"]],
    [["0x0", "0x4", "0x0", "0x0"]],
    [["0x2", "0x4", "0x0", "0x0"]],
    [["0x1", "0x4", "0x5", "0x0"]],
    [["0x0", "0x0", "0x0", "0x0"]],
    [["0x0", "0x6", "0x0", "0x0"]],
    [["0xffffffffffffffff", "0xffffffffffffffff", "0x7", "0x7"]],
  ])("%j", async (args) => {
    expect(await setMode({ profile }, ...args)).toEqual([PUNT]);
  });
});

describe("EX-8: gate and completion", () => {
  const facts = { ...cpus.p10, ...hvHost };
  const call = ["0x0", "0x2", "0x1000", "0x53"];

  it.each(profiles)("keeps H_SET_MODE from the kernel until it is enabled, %s", async (profile) => {
    for (const resource of ["0x1", "0x2", "0x3", "0x5"]) {
      expect(await setMode({ profile, enabled: false }, "0x0", resource, "0x0", "0x0")).toEqual([PUNT]);
    }
  });

  it("follows the steps", async () => {
    const trace = machine("1", false);
    hcall(trace, "H_SET_MODE", call, PUNT);
    enableCap(trace, "vm", { cap: 104, args: ["0x31c", "0x1"] }, "0x0");
    hcall(trace, "H_SET_MODE", call, "H_SUCCESS");
    oneReg(trace, { id: "0x10300000000000aa", read: "0x1000" }, "0x0");
    oneReg(trace, { id: "0x10300000000000ab", read: "0x53" }, "0x0");
    const bad = "0xffffffffffffffea";
    enableCap(trace, "vm", { cap: 104, args: ["0x31d", "0x1"] }, bad);
    enableCap(trace, "vm", { cap: 104, args: ["0x31c", "0x2"] }, bad);
    enableCap(trace, "vm", { cap: 104, args: ["0xf804", "0x1"] }, bad);
    enableCap(trace, "vm", { cap: 104, flags: 1, args: ["0x31c", "0x1"] }, bad);
    enableCap(trace, "vm", { cap: 104, args: ["0x31c", "0x0"] }, "0x0");
    hcall(trace, "H_SET_MODE", call, PUNT);
    oneReg(trace, { id: "0x10300000000000aa", read: "0x1000" }, "0x0");
    const report = await trace.check("linux-6.1", facts);
    expect(report.divergences).toEqual([]);
    expect(report.verdict).toBe("conform");
  });

  it.each([
    ["0x31c", "0x1", 1],
    ["0x31d", "0x1", 0],
    ["0x31c", "0x2", 0],
    ["0xf804", "0x1", 0],
    ["0x3ec", "0x1", 0],
    ["0x0", "0x1", 0],
  ])("KVM_CAP_PPC_ENABLE_HCALL {%s, %s}", async (number, enable, succeeds) => {
    for (const [result, fine] of [
      ["0x0", succeeds === 1],
      ["0xffffffffffffffea", succeeds === 0],
      ["0xffffffffffffffed", false],
    ] as const) {
      const trace = enableCap(machine("1", false), "vm", { cap: 104, args: [number, enable] }, result);
      const report = await trace.check("linux-6.1", facts);
      expect([result, report.verdict === "conform"]).toEqual([result, fine]);
    }
  });
});

describe.each(profiles)("EX-10: DABR calls in %s", (profile) => {
  it.each([
    ["H_SET_DABR", ["0x10000007"], "H_SUCCESS"],
    ["H_SET_XDABR", ["0x10000005", "0x1"], "H_SUCCESS"],
    ["H_SET_XDABR", ["0x10000005", "0x8"], "H_PARAMETER"],
    ["H_SET_XDABR", ["0x10000005", "0x7"], "H_PARAMETER"],
    ["H_SET_XDABR", ["0x10000005", "0x13"], "H_PARAMETER"],
    ["H_SET_XDABR", ["0x0", "0x3"], "H_SUCCESS"],
  ])("%s %j", async (name, args, code) => {
    expect(await accepted({ profile }, name, args)).toEqual([code]);
    const onPower9 = await accepted({ profile, cpu: "p9" }, name, args);
    expect([...onPower9].sort()).toEqual((code === "H_SUCCESS" ? [code, "H_HARDWARE"] : [code]).sort());
    expect(await accepted({ profile, cpu: "p7" }, name, args)).toEqual([code]);
  });
});

describe("EX-11: one register, two interfaces", () => {
  const facts = { ...cpus.p10, ...hvHost };
  const registers = (trace: Trace, values: Readonly<Record<string, string>>): Trace => {
    for (const [id, read] of Object.entries(values)) oneReg(trace, { id, read }, "0x0");
    return trace;
  };
  const ids = {
    dabr: "0x1030000000000008",
    dawr0: "0x10300000000000aa",
    dawrx0: "0x10300000000000ab",
    dabrx: "0x10200000000000b8",
    dawr1: "0x10300000000000c4",
    dawrx1: "0x10300000000000c5",
  };

  function steps(dawrx0: string): Trace {
    const trace = machine("1", true);
    enableCap(trace, "vm", { cap: 194 }, "0x0");
    hcall(trace, "H_SET_MODE", ["0x0", "0x2", "0x2000", "0x453"], "H_SUCCESS");
    registers(trace, { [ids.dawr0]: "0x2000", [ids.dawrx0]: "0x453" });
    hcall(trace, "H_SET_DABR", ["0x3006"], "H_SUCCESS");
    registers(trace, { [ids.dawr0]: "0x3000", [ids.dawrx0]: dawrx0, [ids.dabr]: "0x0", [ids.dabrx]: "0x0" });
    hcall(trace, "H_SET_MODE", ["0x0", "0x5", "0x4000", "0x73"], "H_SUCCESS");
    registers(trace, { [ids.dawr0]: "0x3000", [ids.dawr1]: "0x4000", [ids.dawrx1]: "0x73" });
    hcall(trace, "0x29", ["0x5007"], PUNT);
    return registers(trace, { [ids.dawr0]: "0x3000" });
  }

  it("conforms, and not with another value", async () => {
    expect((await steps("0x53").check("linux-6.1", facts)).divergences).toEqual([]);
    const wrong = await steps("0x73").check("linux-6.1", facts);
    expect(wrong.divergences.map(({ kind, rules }) => [kind, rules])).toEqual([["state", ["REG-4", "REG-11"]]]);
  });

  it.each([
    ["0x10000007", "0x3", "0x10000000", "0x73"],
    ["0x10000006", "0x3", "0x10000000", "0x53"],
    ["0x10000005", "0x1", "0x10000000", "0x31"],
    ["0x10000003", "0x2", "0x10000000", "0x62"],
    ["0x10000007", "0xb", "0x10000000", "0x7b"],
    ["0x0", "0x3", "0x0", "0x3"],
    ["0xc000000000123457", "0x3", "0xc000000000123450", "0x73"],
  ])("DABR-5: H_SET_XDABR(%s, %s)", async (dabr, x, dawr0, dawrx0) => {
    const trace = hcall(machine("1", true), "H_SET_XDABR", [dabr, x], "H_SUCCESS");
    registers(trace, { [ids.dawr0]: dawr0, [ids.dawrx0]: dawrx0 });
    expect((await trace.check("linux-6.1", facts)).divergences).toEqual([]);
  });
});

describe("the first line of a trace", () => {
  it("is an hcall of a vCPU that nobody made", async () => {
    const trace = new Trace().add(
      "kvm_hcall_enter: VCPU 3: hcall=H_SET_MODE GPR4-7=0x0,0x5,0x10000000,0x73",
      "kvm_hcall_exit: VCPU 3: ret=RESUME_GUEST hcall_rc=H_SUCCESS",
      "kvm_hcall_enter: VCPU 3: hcall=H_SET_MODE GPR4-7=0x0,0x5,0x10000000,0x73",
      "kvm_hcall_exit: VCPU 3: ret=RESUME_GUEST hcall_rc=H_FUNCTION",
    );
    // ND-14: granted once, granted for good.
    const report = await trace.check("linux-6.1", {});
    expect(report.divergences.map(({ source, rules }) => [source.line, rules])).toEqual([[4, ["HSM-7", "HSM-18"]]]);
  });
});
