import { describe, expect, it } from "vitest";
import { cpus, hvHost, Trace } from "./trace.js";

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
