import { describe, expect, it } from "vitest";
import type { CaptureReport } from "../../../src/check/report.js";
import { parseWord, type Word, wordOf } from "../../../src/event/word.js";
import { setLpcr } from "../../../src/model/dawr/lpcr.js";
import { enterNestedKernel } from "../../../src/model/dawr/nested.js";
import { answersOf } from "../../../src/model/dawr/vmm.js";
import { cpus, EINVAL, EIO, ENODEV, enableCap, hcall, hvHost, machine, oneReg, prHost, Trace } from "./trace.js";

/** Worked examples by the lines that a recording has of them: EX-6, EX-9, EX-13, EX-15, EX-18, EX-19, EX-21, EX-22, EX-25. */

const profiles = ["pre-dawr1", "dawr1-v2", "linux-6.1"] as const;
const p10 = { ...cpus.p10, ...hvHost };
const EINTR = "0xfffffffffffffffc";

const verdictOf = async (
  trace: Trace,
  profile: string,
  facts: Readonly<Record<string, string>> = p10,
): Promise<string> => (await trace.check(profile, facts)).verdict;

/** One KVM_RUN with these lines in it. */
const run = (trace: Trace, result: string, ...lines: readonly string[]): Trace =>
  trace.ioctl(7, "2000ae80", "0", result, ...lines);

const enter = (name: string, args: string): string => `kvm_hcall_enter: VCPU 0: hcall=${name} GPR4-7=${args}`;
const exit = (ret: string, code: string): string => `kvm_hcall_exit: VCPU 0: ret=${ret} hcall_rc=${code}`;
const userExit = (reason: string, number: number): string => `kvm_userspace_exit: reason ${reason} (${number})`;

describe("EX-6 and EX-7: mflags behind a punt", () => {
  const qemu = { tcg: false, arch207s: true, arch31: true, ailCapability: true };
  const word = (text: string): Word => parseWord(text) ?? wordOf(0, 0);
  const columns = ["qemu-old", "qemu-p10", "qemu-ail3", "qemu-dbg", "qemu-dawr1"] as const;
  const FLAG = "H_UNSUPPORTED_FLAG_START";

  it.each([
    [
      ["0x7", "0x3", "0x0", "0x0"],
      ["H_SUCCESS", "H_SUCCESS", FLAG, FLAG, FLAG],
    ],
    [
      ["0x0", "0x4", "0x0", "0x0"],
      ["H_SUCCESS", "H_SUCCESS", "H_SUCCESS", "H_SUCCESS", "H_SUCCESS"],
    ],
  ])("%j", (args, expected) => {
    expect(columns.map((column) => [...answersOf(column, qemu, args.map(word))].join())).toEqual(expected);
  });

  it.each([
    [0, 0, 0],
    [2, 0, 0],
    [3, 3, 0],
    [4, 0, 1],
    [7, 3, 1],
  ])("mflags %i shifted into LPCR unmasked: AIL %i, ILE %i in linux-6.1", (mflags, ail, ile) => {
    const before = { value: wordOf(0, 0), known: wordOf(0xffffffff, 0xffffffff) };
    const machineOf = { filtered: true, arch207s: true, arch300: true, radix: false, p9PrefetchBug: false, wide: true };
    const { value } = setLpcr(before, wordOf(0, mflags << 23), machineOf);
    expect([(value.lo >>> 23) & 3, (value.lo >>> 25) & 1]).toEqual([ail, ile]);
  });
});

describe.each(profiles)("EX-9: KVM-PR in %s", (profile) => {
  const facts = { ...cpus.p10, ...prHost };
  const answers = ["0x0", "0x1", EINVAL, ENODEV];
  const fitting = async (make: (result: string) => Trace): Promise<readonly string[]> => {
    const fine: string[] = [];
    for (const result of answers) if ((await verdictOf(make(result), profile, facts)) === "conform") fine.push(result);
    return fine;
  };
  const vm = (): Trace => new Trace().ioctl(5, "2000ae01", "2", "0x6");

  it("capabilities and registers", async () => {
    const check = (number: string) => (result: string) => vm().ioctl(6, "2000ae03", number, result);
    expect(await fitting(check("bb"))).toEqual([profile === "dawr1-v2" ? "0x1" : "0x0"]);
    expect(await fitting(check("c2"))).toEqual(["0x0"]);
    expect(await fitting((result) => enableCap(vm(), "vm", { cap: 194 }, result))).toEqual([EINVAL]);
    for (const id of ["0x10300000000000aa", "0x10300000000000ab", "0x10300000000000ac", "0x10300000000000c4"]) {
      expect(await fitting((result) => oneReg(machine("2", false), { id }, result))).toEqual([EINVAL]);
    }
  });

  it.each(["0x28", "0x134"])("hcall %s goes to user space", async (op) => {
    for (const rc of ["0", "2"]) {
      const trace = run(
        machine("2", false),
        rc === "2" ? "0x0" : EINTR,
        `p_kvmppc_h_pr: (x+0xc/0x8d8 [kvm_pr]) vcpu=0xc0 op=${op} gpr4=0x0 gpr5=0x0 gpr6=0x0 gpr7=0x0`,
        `r_kvmppc_h_pr: (x+0x648/0x8f8 [kvm_pr] <- kvmppc_h_pr) rc=${rc}`,
        rc === "2" ? userExit("KVM_EXIT_PAPR_HCALL", 19) : userExit("restart", 4),
      );
      expect(await verdictOf(trace, profile, facts)).toBe(rc === "2" ? "conform" : "divergent");
    }
  });
});

describe("EX-13: from another process", () => {
  const request = (tid: number, result: string): Trace =>
    new Trace()
      .ioctl(5, "2000ae01", "1", "0x6")
      .on(tid, 0, "sys_ioctl(fd: 6, cmd: 8068aea3, arg: 7fff00001000)")
      .on(
        tid,
        0,
        "vm_enable_cap: (kvm_vm_ioctl+0xc/0x10 [kvm]) cmd=0x8068aea3 cap=194 flags=0 a0=0x0 a1=0x0 a2=0x0 a3=0x0",
      )
      .on(tid, 0, `sys_ioctl -> ${result}`);

  it.each(profiles)("EIO in %s", async (profile) => {
    expect(await verdictOf(request(101, EIO), profile)).toBe("conform");
    expect(await verdictOf(request(100, EIO), profile)).toBe("divergent");
  });
});

describe("EX-15: raw requests by the machine of the recording", () => {
  const report = async (arch: string, command: string): Promise<CaptureReport> => {
    const trace = new Trace().ioctl(6, command, "c2", "0x0");
    return trace.checkCapture({ arch, kernel: "6.1.0", profile: { dawr: "linux-6.1" } });
  };
  const kinds = ({ kinds: all }: CaptureReport): readonly string[] =>
    all.filter(({ total }) => total > 0).map(({ name }) => name);

  it.each([
    ["2000ae03", "ioctl KVM_CHECK_EXTENSION"],
    ["8068aea3", "ioctl KVM_ENABLE_CAP"],
    ["8010aeac", "ioctl KVM_SET_ONE_REG"],
  ])("0x%s is %s of powerpc, and unknown on x86", async (command, name) => {
    expect(kinds(await report("ppc64le", command))).toEqual([name]);
    expect(kinds(await report("x86_64", command))).toEqual([]);
  });

  it("0x2000ae80 is KVM_RUN of powerpc, and unknown on x86", async () => {
    const manifest = { kernel: "6.1.0", profile: { dawr: "linux-6.1" } };
    const runs = run(machine("1", false), EINTR);
    expect(kinds(await runs.checkCapture({ ...manifest, arch: "ppc64le" }))).toContain("ioctl KVM_RUN");
    expect(kinds(await runs.checkCapture({ ...manifest, arch: "x86_64" }))).toEqual([]);
  });

  it.each(["ae03", "4068aea3"])("0x%s is no request of a powerpc recording (CAP-10)", async (command) => {
    const seen = await report("ppc64le", command);
    expect(seen.divergences.map(({ rules }) => rules)).toEqual([["CAP-10"]]);
    expect((await report("x86_64", command)).divergences).toEqual([]);
    // Without a machine in the manifest nothing says that it is a powerpc recording.
    const unnamed = machine("1", false).ioctl(6, command, "c2", "0x0");
    expect((await unnamed.check("linux-6.1", p10)).divergences).toEqual([]);
  });
});

/** One hcall in a KVM_RUN of its own, with its exit line. */
function answered(trace: Trace, name: string, args: string, code: string): Trace {
  if (code === "H_TOO_HARD") {
    return run(trace, "0x0", enter(name, args), exit("RESUME_HOST", code), userExit("KVM_EXIT_PAPR_HCALL", 19));
  }
  return run(trace, EINTR, enter(name, args), exit("RESUME_GUEST", code), userExit("restart", 4));
}

/** A VM that may nest, with a partition table. */
function nesting(): Trace {
  const trace = machine("1", true);
  enableCap(trace, "vm", { cap: 160, args: ["0x1"] }, "0x0");
  return answered(trace, "H_SET_PARTITION_TABLE", "0x1000004,0x0,0x0,0x0", "H_SUCCESS");
}

describe.each(profiles)("EX-18: odd ends of a nested run in %s", (profile) => {
  const begin = enter("H_ENTER_NESTED", "0x1000,0x2000,0x0,0x0");

  it("a signal: GPR3 is 0, KVM_RUN fails with EINTR", async () => {
    const lines = [begin, exit("0xfffffffffffffffc", "H_SUCCESS"), userExit("restart", 4)];
    expect(await verdictOf(run(nesting(), EINTR, ...lines), profile)).toBe("conform");
    expect(await verdictOf(run(nesting(), "0x0", ...lines), profile)).toBe("divergent");
    const trapped = [begin, exit("0xfffffffffffffffc", "0xe00"), userExit("restart", 4)];
    expect(await verdictOf(run(nesting(), EINTR, ...trapped), profile)).toBe("divergent");
  });

  it("MMIO: an exit of its own", async () => {
    const lines = [begin, exit("RESUME_HOST", "H_TOO_HARD"), userExit("KVM_EXIT_MMIO", 6)];
    expect(await verdictOf(run(nesting(), "0x0", ...lines), profile)).toBe("conform");
    expect(await verdictOf(run(nesting(), EINTR, ...lines), profile)).toBe("divergent");
    const mode = [enter("H_SET_MODE", "0x0,0x4,0x0,0x0"), ...lines.slice(1)];
    expect(await verdictOf(run(nesting(), "0x0", ...mode), profile)).toBe("divergent");
  });

  it("transactional: H_BAD_MODE in linux-6.1, and in later 5.10 (ND-11)", async () => {
    const bad = answered(nesting(), "H_ENTER_NESTED", "0x1000,0x2000,0x0,0x0", "H_BAD_MODE");
    expect(await verdictOf(bad, profile)).toBe(profile === "dawr1-v2" ? "divergent" : "conform");
  });
});

describe("EX-16: an L1 whose entry was refused", () => {
  it("returns from KVM_RUN with exit reason 0 (NEST-18)", async () => {
    const l1 = { ...cpus.p10, ...hvHost, "dawr.hostIsPseries": "true" };
    const refused = run(machine("1", true), "0x0", userExit("KVM_EXIT_UNKNOWN", 0));
    expect(await verdictOf(refused, "linux-6.1", l1)).toBe("conform");
    // To its hypervisor the same is an answer of H_ENTER_NESTED.
    for (const code of ["H_P2", "H_PARAMETER", "H_AUTHORITY"]) {
      const l0 = answered(nesting(), "H_ENTER_NESTED", "0x1000,0x2000,0x0,0x0", code);
      expect(await verdictOf(l0, "linux-6.1")).toBe("conform");
    }
    const other = answered(nesting(), "H_ENTER_NESTED", "0x1000,0x2000,0x0,0x0", "H_P4");
    expect(await verdictOf(other, "linux-6.1")).toBe("divergent");
  });
});

describe("EX-19: L2's own watchpoint", () => {
  const l2Call = ["0x0", "0x5", "0x200", "0x73"];

  it("L0: the L1 is refused, its L2 runs, and the L2's call is a trap of H_ENTER_NESTED", async () => {
    const l0 = (code: string): Trace => {
      const trace = answered(nesting(), "H_SET_MODE", "0x0,0x5,0x100,0x73", code);
      answered(trace, "H_ENTER_NESTED", "0x1000,0x2000,0x0,0x0", "0xc00");
      return answered(trace, "H_ENTER_NESTED", "0x1000,0x2000,0x0,0x0", "0x980");
    };
    // Nobody granted the L1 its second DAWR; it goes on all the same (GUEST-11, NEST-15).
    expect(await verdictOf(l0("H_FUNCTION"), "linux-6.1")).toBe("conform");
    expect(await verdictOf(l0("H_SUCCESS"), "linux-6.1")).toBe("divergent");
  });

  it("L1: answers by its own profile, CPU and grant (HSM-13)", async () => {
    const l1 = { ...cpus.p10, ...hvHost, "dawr.hostIsPseries": "true" };
    const granted = (code: string): Trace =>
      hcall(enableCap(machine("1", true), "vm", { cap: 194, args: ["0x1"] }, "0x0"), "H_SET_MODE", l2Call, code);
    expect(await verdictOf(granted("H_SUCCESS"), "linux-6.1", l1)).toBe("conform");
    expect(await verdictOf(granted("H_FUNCTION"), "linux-6.1", l1)).toBe("divergent");
    for (const [id, read] of [
      ["0x10300000000000c4", "0x200"],
      ["0x10300000000000c5", "0x73"],
    ] as const) {
      expect(await verdictOf(oneReg(granted("H_SUCCESS"), { id, read }, "0x0"), "linux-6.1", l1)).toBe("conform");
      expect(await verdictOf(oneReg(granted("H_SUCCESS"), { id, read: "0x50" }, "0x0"), "linux-6.1", l1)).toBe(
        "divergent",
      );
    }
  });

  it("L0 loads what the image carries, granted or not (NEST-9, NEST-15)", () => {
    const { l2 } = enterNestedKernel("linux-6.1", {
      image: {
        version: wordOf(0, 2),
        lpid: 1,
        token: 0,
        dawr0: wordOf(0, 0),
        dawrx0: wordOf(0, 0),
        ciabr: wordOf(0, 0),
        dawr1: wordOf(0, 0x200),
        dawrx1: wordOf(0, 0x73),
      },
      nestedEnable: true,
      radix: true,
      l1Ptcr: wordOf(0, 0x1000004),
      nrCpus: 2048,
      readable: 4096,
      regsReadable: true,
      writable: true,
      l1Transactional: false,
      oppositeEndian: false,
      end: { kind: "trap", trap: 0x980 },
    });
    expect([l2?.dawr1, l2?.dawrx1]).toEqual([wordOf(0, 0x200), wordOf(0, 0x73)]);
  });

  it("sc 1 of the L2's user space: no hcall line, so no exit for an hcall either (INV-9, INV-10)", async () => {
    const l1 = { ...cpus.p10, ...hvHost, "dawr.hostIsPseries": "true" };
    // Another line of the kind shows that the tracepoint was on.
    const traced = (): Trace => answered(machine("1", true), "H_SET_MODE", "0x0,0x2,0x1000,0x73", "H_SUCCESS");
    expect(await verdictOf(run(traced(), EINTR, userExit("restart", 4)), "linux-6.1", l1)).toBe("conform");
    const punted = run(traced(), "0x0", userExit("KVM_EXIT_PAPR_HCALL", 19));
    expect(await verdictOf(punted, "linux-6.1", l1)).toBe("divergent");
  });
});

describe("EX-21: the text of the lines", () => {
  const call = enter("H_SET_MODE", "0x0,0x5,0x10000000,0x73");
  const granted = (): Trace => enableCap(machine("1", true), "vm", { cap: 194 }, "0x0");
  const restart = userExit("restart", 4);
  const left = userExit("KVM_EXIT_PAPR_HCALL", 19);

  it.each([
    ["allowed", granted, "linux-6.1", call, exit("RESUME_GUEST", "H_SUCCESS"), EINTR, restart],
    ["not allowed", () => machine("1", true), "linux-6.1", call, exit("RESUME_GUEST", "H_FUNCTION"), EINTR, restart],
    ["pre-dawr1", () => machine("1", true), "pre-dawr1", call, exit("RESUME_HOST", "H_TOO_HARD"), "0x0", left],
    [
      "mflags bad",
      granted,
      "linux-6.1",
      enter("H_SET_MODE", "0x1,0x5,0x10000000,0x73"),
      exit("RESUME_GUEST", "H_UNSUPPORTED_FLAG_START"),
      EINTR,
      restart,
    ],
    [
      "nested",
      nesting,
      "linux-6.1",
      enter("H_ENTER_NESTED", "0x1,0x2,0x0,0x0"),
      exit("RESUME_GUEST", "0xe00"),
      EINTR,
      restart,
    ],
  ])("%s", async (_what, make, profile, first, second, result, last) => {
    expect(await verdictOf(run(make(), result, first, second, last), profile)).toBe("conform");
    // Who answers, and how KVM_RUN ends, belong together (HSM-16, HSM-19, INV-10).
    const swapped = second.includes("RESUME_GUEST")
      ? second.replace("RESUME_GUEST", "RESUME_HOST")
      : second.replace("RESUME_HOST", "RESUME_GUEST");
    expect(await verdictOf(run(make(), result, first, swapped, last), profile)).toBe("divergent");
    expect(await verdictOf(run(make(), result, first, second, last === left ? restart : left), profile)).toBe(
      "divergent",
    );
    expect(await verdictOf(run(make(), result === "0x0" ? EINTR : "0x0", first, second, last), profile)).toBe(
      "divergent",
    );
  });

  it("the vCPU that the lines name is its own (FMT-3)", async () => {
    const trace = new Trace().add(
      "kvm_hcall_enter: VCPU 3: hcall=H_SET_MODE GPR4-7=0x0,0x2,0x10000000,0x73",
      "kvm_hcall_exit: VCPU 3: ret=RESUME_GUEST hcall_rc=H_SUCCESS",
    );
    expect(await verdictOf(trace, "linux-6.1")).toBe("conform");
  });
});

describe("EX-22: what a VMM asks for at its start", () => {
  const vm = (): Trace => new Trace().ioctl(5, "2000ae01", "1", "0x6");
  const check = (trace: Trace, answer: string): Trace => trace.ioctl(6, "2000ae03", "c2", answer);
  /** Then a vCPU in PAPR mode, and hcall 0x31c. */
  const rest = (trace: Trace): Trace => {
    enableCap(trace.ioctl(6, "2000ae41", "0", "0x7"), "vcpu", { cap: 68 }, "0x0");
    return enableCap(trace, "vm", { cap: 104, args: ["0x31c", "0x1"] }, "0x0");
  };
  const handMade = (trace: Trace, code: string): Trace =>
    hcall(trace, "H_SET_MODE", ["0x0", "0x5", "0x1000", "0x53"], code);

  it.each([
    ["qemu-dawr1", "linux-6.1", "0x1", true, "H_SUCCESS"],
    ["qemu-dawr1, capability off", "linux-6.1", "0x1", false, "H_FUNCTION"],
    ["qemu-ail3", "linux-6.1", undefined, false, "H_FUNCTION"],
    ["qemu-ail3", "dawr1-v2", undefined, false, "H_SUCCESS"],
    ["qemu-dawr1, capability off", "pre-dawr1", "0x0", false, "H_TOO_HARD"],
  ] as const)("%s under %s", async (_vmm, profile, answer, grants, code) => {
    const make = (checked: string | undefined, granted: string, seen: string): Trace => {
      const trace = rest(checked === undefined ? vm() : check(vm(), checked));
      if (grants) enableCap(trace, "vm", { cap: 194, args: ["0x1"] }, granted);
      return handMade(trace, seen);
    };
    expect(await verdictOf(make(answer, "0x0", code), profile)).toBe("conform");
    for (const other of ["H_SUCCESS", "H_FUNCTION", "H_TOO_HARD"]) {
      if (other !== code) expect(await verdictOf(make(answer, "0x0", other), profile)).toBe("divergent");
    }
    if (answer !== undefined) {
      expect(await verdictOf(make(answer === "0x0" ? "0x1" : "0x0", "0x0", code), profile)).toBe("divergent");
    }
    if (grants) expect(await verdictOf(make(answer, ENODEV, code), profile)).toBe("divergent");
  });
});

describe("EX-25: kernel-text lines of ioctl", () => {
  const vm = (): Trace => new Trace().ioctl(5, "2000ae01", "1", "0x6");
  const names = async (trace: Trace, facts: Readonly<Record<string, string>>): Promise<readonly string[]> => {
    const report = await trace.check("linux-6.1", facts);
    return report.divergences.map(({ observed }) => String(observed));
  };

  it.each([
    ["0xffffffffffffffed", "scv"],
    ["0x13", "sc"],
  ])("KVM_ENABLE_CAP -> %s is ENODEV in a recording with %s", async (result) => {
    const make = (): Trace => enableCap(vm(), "vm", { cap: 194 }, result);
    expect(await names(make(), { ...cpus.p9, ...hvHost })).toEqual([]);
    expect(await names(make(), p10)).toEqual(["ENODEV"]);
  });

  it("a sign-extended KVM_SET_ONE_REG -> 0xe is EFAULT", async () => {
    const set = (pointer: string): Trace => machine("1", false).ioctl(7, "ffffffff8010aeac", pointer, "0xe");
    expect(await names(set("0"), p10)).toEqual([]);
    // The bad pointer is certain, so that success would not be.
    expect(await names(machine("1", false).ioctl(7, "ffffffff8010aeac", "0", "0x0"), p10)).toEqual(["0"]);
  });

  it("KVM_CHECK_EXTENSION -> 0x1 is present, and never EPERM", async () => {
    expect(await names(vm().ioctl(6, "2000ae03", "c2", "0x1"), p10)).toEqual([]);
    expect(await names(vm().ioctl(6, "2000ae03", "c2", "0x1"), { ...cpus.p9, ...hvHost })).toEqual(["1"]);
  });

  it("KVM_CREATE_VM -> 0x16 is a descriptor where failures are printed negative", async () => {
    const failed = new Trace().ioctl(5, "2000ae01", "3", EINVAL).ioctl(5, "2000ae01", "1", "0x16");
    const then = enableCap(failed, "vm", { cap: 194 }, "0x0");
    const report = await then.check("linux-6.1", p10);
    expect([report.verdict, report.unchecked]).toEqual(["conform", 0]);
    const ambiguous = await new Trace().ioctl(5, "2000ae01", "1", "0x16").check("linux-6.1", p10);
    expect([ambiguous.verdict, ambiguous.unchecked]).toEqual(["inconclusive", 1]);
  });
});
