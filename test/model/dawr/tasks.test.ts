import { describe, expect, it } from "vitest";
import { cpus, hvHost, machine, Trace } from "./trace.js";

/** Several tasks, interrupts and vCPUs whose lines stand among each other. */

type Facts = Readonly<Record<string, string>>;

/** The rules of what diverges. */
async function broken(trace: Trace, facts: Facts): Promise<readonly (readonly string[])[]> {
  const { divergences } = await trace.check("linux-6.1", facts);
  return divergences.map(({ rules }) => rules);
}

describe("GUEST-12: an interrupt between the two lines of an hcall", () => {
  const guest = { ...cpus.p10, "dawr.view": "guest", "dawr.hypervisor": "other" };
  const entry = "hcall_entry: opcode=796";
  const exit = "hcall_exit: opcode=796 retval=0";

  it.each(["d.h1.", "..s1.", "d.H1."])("may make hcalls of its own: %s", async (flags) => {
    const trace = new Trace().on(100, 0, entry);
    for (const opcode of [752, 100]) {
      trace
        .on(100, 0, `hcall_entry: opcode=${opcode}`, flags)
        .on(100, 0, `hcall_exit: opcode=${opcode} retval=0`, flags);
    }
    trace.on(100, 0, exit).on(100, 0, entry).on(100, 0, exit);
    expect(await broken(trace, guest)).toEqual([]);
  });

  it("but not the task itself, nor another one", async () => {
    for (const tid of [100, 200]) {
      const trace = new Trace().on(100, 0, entry).on(tid, 0, "hcall_entry: opcode=100");
      trace.on(tid, 0, "hcall_exit: opcode=100 retval=0");
      expect((await broken(trace, guest))[0]).toEqual(["GUEST-12", "ND-8"]);
    }
  });

  it("has its own exit: one that is missing is missed", async () => {
    const trace = new Trace().on(100, 0, exit).on(100, 0, "hcall_entry: opcode=100").on(100, 0, entry, "d.h1.");
    trace.on(100, 0, "hcall_exit: opcode=100 retval=0");
    expect(await broken(trace, guest)).toEqual([["GUEST-12", "ND-8"]]);
  });
});

describe("GUEST-8: two tasks that make VMs", () => {
  it("the call inside one KVM_CREATE_VM is none of the other's", async () => {
    const facts = { ...cpus.p10, "dawr.hvModule": "true", "dawr.prModule": "true", "dawr.hostIsPseries": "true" };
    const make = (owner: number): Trace =>
      new Trace()
        .on(100, 0, "sys_ioctl(fd: 5, cmd: 2000ae01, arg: 1)")
        .on(200, 1, "sys_ioctl(fd: 5, cmd: 2000ae01, arg: 2)")
        .on(owner, 1, "pseries_disable_reloc_on_exc: (pseries_disable_reloc_on_exc+0x4/0x10)")
        .on(owner, 1, "hcall_entry: opcode=796")
        .on(owner, 1, "hcall_exit: opcode=796 retval=0")
        .on(100, 0, "sys_ioctl -> 0x40")
        .on(200, 1, "sys_ioctl -> 0x41");
    expect(await broken(make(200), facts)).toEqual([]);
    expect(await broken(make(100), facts)).toEqual([["GUEST-8"]]);
  });
});

describe("FMT-3: hcalls without the calls around them", () => {
  const facts = { ...cpus.p10, ...hvHost, "dawr.vmKind": "HV" };
  const call = (code: string): readonly string[] => [
    "kvm_hcall_enter: VCPU 0: hcall=H_SET_MODE GPR4-7=0x0,0x5,0x1000,0x53",
    `kvm_hcall_exit: VCPU 0: ret=RESUME_GUEST hcall_rc=${code}`,
  ];

  it("an exit to user space may be the end of the VM", async () => {
    const exit = "kvm_userspace_exit: reason KVM_EXIT_MMIO (6)";
    expect(await broken(new Trace().add(...call("H_SUCCESS"), exit, ...call("H_FUNCTION")), facts)).toEqual([]);
    expect(await broken(new Trace().add(...call("H_SUCCESS"), ...call("H_FUNCTION")), facts)).toEqual([
      ["HSM-7", "HSM-18"],
    ]);
    const again = new Trace().add(exit, ...call("H_SUCCESS"), ...call("H_FUNCTION"));
    expect(await broken(again, facts)).toEqual([["HSM-7", "HSM-18"]]);
  });
});

describe("REG-10: a request of another task beside the run of its vCPU", () => {
  const facts = { ...cpus.p10, ...hvHost };
  const id = "0x10300000000000aa";
  const request = (command: string): readonly string[] => [
    `sys_ioctl(fd: 7, cmd: ${command}, arg: 7fff00001000)`,
    `vcpu_one_reg: (kvm_vcpu_ioctl+0xc/0x918 [kvm]) cmd=0x${command} id=${id} addr=0x100f2390 val=0x2000`,
  ];
  const hcall = [
    "kvm_hcall_enter: VCPU 0: hcall=H_SET_MODE GPR4-7=0x0,0x2,0x1000,0x53",
    "kvm_hcall_exit: VCPU 0: ret=RESUME_GUEST hcall_rc=H_SUCCESS",
  ];
  /** The run of task 200 with an hcall in it. */
  const run = (trace: Trace): Trace => {
    trace.on(200, 1, "sys_ioctl(fd: 7, cmd: 2000ae80, arg: 0)");
    for (const line of hcall) trace.on(200, 1, line);
    return trace.on(200, 1, "sys_ioctl -> 0xfffffffffffffffc");
  };
  const read = (trace: Trace, value: string): Trace =>
    trace.add(`one_reg_get_out: (x+0x0/0x1) val=${value} rc=0`, "sys_ioctl -> 0x0");

  it("sees the value before it or behind it", async () => {
    for (const value of ["0x0", "0x1000"]) {
      const trace = machine("1", true).add(...request("8010aeab"));
      expect([value, await broken(read(run(trace), value), facts)]).toEqual([value, []]);
    }
    const behind = run(machine("1", true)).add(...request("8010aeab"));
    expect(await broken(read(behind, "0x0"), facts)).toEqual([["REG-4", "REG-11"]]);
  });

  it("sets it before it or behind it", async () => {
    for (const value of ["0x1000", "0x2000"]) {
      const trace = run(machine("1", true).add(...request("8010aeac"))).add("sys_ioctl -> 0x0");
      expect([value, await broken(read(trace.add(...request("8010aeab")), value), facts)]).toEqual([value, []]);
    }
    const behind = run(machine("1", true)).add(...request("8010aeac"), "sys_ioctl -> 0x0");
    expect(await broken(read(behind.add(...request("8010aeab")), "0x1000"), facts)).toEqual([["REG-4", "REG-11"]]);
  });
});

describe("GUEST-6: xmon on a CPU whose slot is in use", () => {
  const guest = { ...cpus.p10, "dawr.view": "guest", "dawr.hypervisor": "other" };
  const set = (slot: number, address: string, dawrx: string): readonly string[] => [
    `pseries_set_dawr: (pseries_set_dawr+0xc/0x90) a=0x${slot} b=${address} c=${dawrx}`,
    "hcall_entry: opcode=796",
    "hcall_exit: opcode=796 retval=0",
  ];
  const cleared = [...set(0, "0x0", "0xfc00"), ...set(1, "0x0", "0xfc00")];
  const ciabr = [
    "hset: (plpar_hcall_norets+0x8/0x48) op=0x31c flags=0x0 res=0x1 v1=0x0 v2=0x0",
    "hcall_entry: opcode=796",
    "hcall_exit: opcode=796 retval=0",
  ];

  it("puts its own watchpoint into the slot", async () => {
    const own = set(0, "0x3000", "0x73");
    const before = [...set(1, "0x0", "0xfc00"), ...set(0, "0x1000", "0x53")];
    for (const call of [ciabr, ciabr.slice(1)]) {
      expect(await broken(new Trace().add(...before, ...cleared, ...call, ...own), guest)).toEqual([]);
    }
    expect(await broken(new Trace().add(...before, ...cleared, ...own), guest)).toEqual([["GUEST-5", "INV-16"]]);
    const linux = { ...guest, "dawr.guest": "linux" };
    expect(await broken(new Trace().add(...before, ...cleared, ...ciabr, ...own), linux)).toEqual([]);
  });
});
