import { describe, expect, it } from "vitest";
import { cpus, EINVAL, hcall, hvHost, machine, prHost, type Trace } from "./trace.js";

/** KVM_ENABLE_CAP of one task while another task's guest calls (ND-6, ND-14). */

const facts = { ...cpus.p10, ...hvHost };
const ENTER = "kvm_hcall_enter: VCPU 0: hcall=H_SET_MODE GPR4-7=0x0,0x5,0x1000,0x73";
const exit = (code: string): string =>
  `kvm_hcall_exit: VCPU 0: ret=${code === "H_TOO_HARD" ? "RESUME_HOST" : "RESUME_GUEST"} hcall_rc=${code}`;
const ASK = "sys_ioctl(fd: 6, cmd: 8068aea3, arg: 7fff00001000)";
const probe = (cap: number, a0: string, a1: string): string =>
  `vm_enable_cap: (kvm_vm_ioctl+0xc/0x10 [kvm]) cmd=0x8068aea3 cap=${cap} flags=0 a0=${a0} a1=${a1} a2=0x0 a3=0x0`;
const GRANT = probe(194, "0x1", "0x0");
const DONE = "sys_ioctl -> 0x0";

/** Lines of the vCPU's task (`v`) and of the task that asks (`a`), in order. */
function interleaved(...lines: readonly (readonly ["v" | "a", string])[]): Trace {
  const trace = machine("1", true).on(101, 1, "sys_ioctl(fd: 7, cmd: 2000ae80, arg: 0)");
  for (const [who, text] of lines) trace.on(who === "v" ? 101 : 100, who === "v" ? 1 : 0, text);
  return trace;
}

async function allowed(make: (code: string) => Trace, of: readonly string[]): Promise<readonly string[]> {
  const fine: string[] = [];
  for (const code of of) {
    const { verdict } = await make(code).check("linux-6.1", facts);
    if (verdict === "conform") fine.push(code);
  }
  return fine;
}

const both = ["H_SUCCESS", "H_FUNCTION", "H_P2"];

describe("ND-6: resource 5 while the second DAWR is being granted", () => {
  it.each([
    [
      "entered before the grant began",
      [
        ["v", ENTER],
        ["a", ASK],
        ["a", GRANT],
      ],
      [["a", DONE]],
    ],
    [
      "entered before it began, ended behind it",
      [
        ["v", ENTER],
        ["a", ASK],
        ["a", GRANT],
        ["a", DONE],
      ],
      [],
    ],
    [
      "entered before it ended, ended behind it",
      [
        ["a", ASK],
        ["a", GRANT],
        ["v", ENTER],
        ["a", DONE],
      ],
      [],
    ],
  ] as const)("%s", async (_what, before, behind) => {
    const make = (code: string): Trace => interleaved(...before, ["v", exit(code)], ...behind);
    expect(await allowed(make, both)).toEqual(["H_SUCCESS", "H_FUNCTION"]);
  });

  it("entered behind it: H_SUCCESS alone, also where the call before felt nothing of it", async () => {
    const make = (code: string): Trace =>
      interleaved(
        ["v", ENTER],
        ["a", ASK],
        ["a", GRANT],
        ["a", DONE],
        ["v", exit("H_FUNCTION")],
        ["v", ENTER],
        ["v", exit(code)],
      );
    expect(await allowed(make, both)).toEqual(["H_SUCCESS"]);
  });

  it("lost events end what was on its way (ND-8)", async () => {
    const make = (code: string): Trace => {
      const trace = interleaved(["a", ASK], ["a", probe(104, "0x31c", "0x0")], ["v", ENTER], ["v", exit("H_TOO_HARD")]);
      trace.lost(0).on(101, 1, "sys_ioctl -> 0x0");
      hcall(trace, "H_SET_MODE", ["0x0", "0x2", "0x1000", "0x73"], "H_SUCCESS");
      return hcall(trace, "H_SET_MODE", ["0x0", "0x2", "0x1000", "0x73"], code);
    };
    expect(await allowed(make, ["H_SUCCESS", "H_TOO_HARD"])).toEqual(["H_SUCCESS"]);
  });
});

describe("CAP-6: an hcall while it is being disabled", () => {
  it("is answered in the kernel or left to user space", async () => {
    const call = "kvm_hcall_enter: VCPU 0: hcall=H_SET_MODE GPR4-7=0x0,0x2,0x1000,0x73";
    const disable = probe(104, "0x31c", "0x0");
    for (const behind of [true, false]) {
      const make = (code: string): Trace =>
        behind
          ? interleaved(["v", call], ["a", ASK], ["a", disable], ["a", DONE], ["v", exit(code)])
          : interleaved(["v", call], ["a", ASK], ["a", disable], ["v", exit(code)], ["a", DONE]);
      expect(await allowed(make, ["H_SUCCESS", "H_TOO_HARD", "H_FUNCTION"])).toEqual(["H_SUCCESS", "H_TOO_HARD"]);
    }
  });

  it("under KVM-PR too (HSM-12)", async () => {
    const call =
      "p_kvmppc_h_pr: (kvmppc_h_pr+0x4/0x10 [kvm_pr]) vcpu=0xc0 op=0x31c gpr4=0x0 gpr5=0x3 gpr6=0x0 gpr7=0x0";
    for (const rc of ["0", "2", "1"]) {
      const trace = machine("2", false)
        .on(101, 1, "sys_ioctl(fd: 7, cmd: 2000ae80, arg: 0)")
        .on(101, 1, call)
        .on(100, 0, ASK)
        .on(100, 0, probe(104, "0x31c", "0x0"))
        .on(100, 0, DONE)
        .on(101, 1, `r_kvmppc_h_pr: (x+0x4/0x10 [kvm_pr] <- kvmppc_h_pr) rc=${rc}`);
      const { verdict } = await trace.check("linux-6.1", { ...cpus.p10, ...prHost });
      expect([rc, verdict]).toEqual([rc, rc === "1" ? "divergent" : "conform"]);
    }
  });
});

describe("what a capability call leaves open", () => {
  it("an hcall that is not named may be any (CAP-6)", async () => {
    const make = (code: string): Trace => {
      const trace = machine("1", false).ioctl(
        6,
        "8068aea3",
        "7fff00001000",
        "0x0",
        "vm_enable_cap: (kvm_vm_ioctl+0xc/0x10 [kvm]) cmd=0x8068aea3 cap=104 flags=0",
      );
      return hcall(trace, "H_SET_MODE", ["0x0", "0x2", "0x1000", "0x73"], code);
    };
    expect(await allowed(make, ["H_SUCCESS", "H_TOO_HARD", "H_FUNCTION"])).toEqual(["H_SUCCESS", "H_TOO_HARD"]);
  });

  it("nesting may have been enabled by a call whose result was not recorded (NEST-1)", async () => {
    const nested = (result: string | undefined, code: string): Trace => {
      const trace = machine("1", false).add(ASK, probe(160, "0x1", "0x0"));
      if (result !== undefined) trace.add(`sys_ioctl -> ${result}`);
      hcall(trace, "H_SET_PARTITION_TABLE", ["0x1000"], "H_SUCCESS");
      return hcall(trace, "H_ENTER_NESTED", ["0x1000", "0x2000"], code);
    };
    for (const [result, expected] of [
      [undefined, ["H_FUNCTION", "0xc00"]],
      ["0x0", ["H_FUNCTION", "0xc00"]],
      [EINVAL, ["H_FUNCTION"]],
    ] as const) {
      expect(await allowed((code) => nested(result, code), ["H_FUNCTION", "0xc00"])).toEqual(expected);
    }
  });
});
