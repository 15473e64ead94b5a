import { describe, expect, it } from "vitest";
import { cpus, EINVAL, EIO, hcall, hvHost, machine, prHost, Trace } from "./trace.js";

/** How a KVM_RUN ends, and what an hcall that waits for user space leaves in the registers (INV-10, INV-11, HSM-19). */

type Facts = Readonly<Record<string, string>>;
const p10: Facts = { ...cpus.p10, ...hvHost };

/** The rules of what diverges; the lines of one KVM_RUN behind the set-up of a machine. */
async function broken(
  result: string,
  lines: readonly string[],
  facts: Facts = p10,
  profile = "linux-6.1",
): Promise<readonly (readonly string[])[]> {
  const trace = machine("1", true).ioctl(7, "2000ae80", "0", result, ...lines);
  const { divergences } = await trace.check(profile, facts);
  return divergences.map(({ rules }) => rules);
}

const enter = (name: string): string => `kvm_hcall_enter: VCPU 0: hcall=${name} GPR4-7=0x0,0x2,0x1000,0x73`;
const exit = (ret: string, code: string): string => `kvm_hcall_exit: VCPU 0: ret=${ret} hcall_rc=${code}`;
const userExit = (reason: string, number: number): string => `kvm_userspace_exit: reason ${reason} (${number})`;

describe("INV-10: an hcall whose handler failed", () => {
  const EFAULT = "0xfffffffffffffff2";

  it.each([
    // Bit 1 of -14, -22 and -5 is set, so the code is hidden; that of -12 is not (HSM-16).
    ["H_RTAS", EFAULT, "H_TOO_HARD", userExit("error", 14)],
    ["H_RTAS", EINVAL, "H_TOO_HARD", userExit("error", 22)],
    ["H_RTAS", "0xfffffffffffffff4", "0xf000", userExit("error", 12)],
    ["H_CEDE", EIO, "H_TOO_HARD", userExit("error", 5)],
  ])("%s ret=%s: KVM_RUN fails with it", async (name, ret, code, line) => {
    expect(await broken(ret, [enter(name), exit(ret, code), line])).toEqual([]);
    expect(await broken("0x0", [enter(name), exit(ret, code), userExit("KVM_EXIT_PAPR_HCALL", 19)])).toEqual([
      ["INV-10"],
    ]);
    expect(await broken(ret, [enter(name), exit(ret, code), userExit("restart", 4)])).toEqual([["HSM-19"]]);
  });

  it.each(["H_SET_MODE", "H_SET_DABR", "H_SET_XDABR", "H_ENTER_NESTED", "0x2000"])("never of %s", async (name) => {
    const [first] = await broken(EFAULT, [enter(name), exit(EFAULT, "H_TOO_HARD"), userExit("error", 14)]);
    expect(first).toContain("HSM-16");
  });
});

describe("HSM-19: failures before the vCPU is looked at", () => {
  it.each([EIO, "0xfffffffffffffff7"])("%s leaves no line", async (result) => {
    expect(await broken("0xfffffffffffffffc", [userExit("restart", 4)])).toEqual([]);
    const trace = machine("1", true).ioctl(7, "2000ae80", "0", "0xfffffffffffffffc", userExit("restart", 4));
    trace.ioctl(7, "2000ae80", "0", result);
    expect((await trace.check("linux-6.1", p10)).divergences).toEqual([]);
  });
});

describe("ND-12: sc 1 from problem state on the radix path of the older profiles", () => {
  const lines = [enter("H_SET_MODE"), exit("RESUME_GUEST", "H_SUCCESS"), userExit("KVM_EXIT_PAPR_HCALL", 19)];
  it.each([
    ["pre-dawr1", "p10", []],
    ["dawr1-v2", "p10", []],
    ["linux-6.1", "p10", [["INV-10", "HSM-12"]]],
    ["pre-dawr1", "p8", [["INV-10", "HSM-12"]]],
  ] as const)("may exit to user space without a line: %s on %s", async (profile, cpu, rules) => {
    expect(await broken("0x0", lines, { ...cpus[cpu], ...hvHost }, profile)).toEqual(rules);
  });
});

describe("INV-11: the number of an hcall that waits", () => {
  const registers = (trace: Trace, gpr3: bigint): Trace => {
    const bytes = Buffer.alloc(392);
    [gpr3, 1n, 2n, 3n, 4n].forEach((value, i) => {
      bytes.writeBigUInt64LE(value, 160 + 8 * i);
    });
    const line = `ioctl_out: cmd=0x4188ae81 rc=0 data=${bytes.toString("hex")}`;
    return trace.ioctl(7, "4188ae81", "7fff00001000", "0x0", line);
  };
  const args = ["0x1", "0x2", "0x3", "0x4"];

  it.each([
    // A symbol that no rule needs tells no number; one of more than 32 bits keeps them all.
    ["H_PUT_TERM_CHAR", 0x58n, []],
    ["0x10000031c", 0x10000031cn, []],
    ["0x10000031c", 0x31cn, [["INV-11", "HSM-10"]]],
    ["0xffffffffffffffff", 0xffffffffffffffffn, []],
  ] as const)("%s stands in GPR3 as %s", async (name, gpr3, rules) => {
    const trace = registers(hcall(machine("1", true), name, args, "H_TOO_HARD"), gpr3);
    const { divergences } = await trace.check("linux-6.1", p10);
    expect(divergences.map((one) => one.rules)).toEqual(rules);
  });

  it("of 64 bits is left to user space like any number that the kernel does not know (HSM-1)", async () => {
    const trace = hcall(machine("1", true), "0xffffffffffffffff", args, "H_FUNCTION");
    expect((await trace.check("linux-6.1", p10)).divergences.map(({ rules }) => rules)).toEqual([["HSM-1"]]);
  });
});

describe("CAP-12: an hcall of a vCPU that is not in PAPR mode", () => {
  it("is none for KVM-PR", async () => {
    const call = [
      "p_kvmppc_h_pr: (kvmppc_h_pr+0xc/0x8d8 [kvm_pr]) vcpu=0xc0 op=0x31c gpr4=0x0 gpr5=0x5 gpr6=0x0 gpr7=0x0",
      "r_kvmppc_h_pr: (kvmppc_core_emulate_op_pr+0x648/0x8f8 [kvm_pr] <- kvmppc_h_pr) rc=2",
    ];
    const trace = new Trace().ioctl(5, "2000ae01", "2", "0x6").ioctl(6, "2000ae41", "0", "0x7");
    trace.ioctl(7, "2000ae80", "0", "0x0", ...call, userExit("KVM_EXIT_PAPR_HCALL", 19));
    const { divergences } = await trace.check("linux-6.1", { ...cpus.p10, ...prHost });
    expect(divergences.map(({ rules }) => rules)).toEqual([["CAP-12", "HSM-12"]]);
  });
});
