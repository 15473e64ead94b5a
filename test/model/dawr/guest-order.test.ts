import { describe, expect, it } from "vitest";
import type { CaptureReport } from "../../../src/check/report.js";
import { cpus, hcall, hvHost, machine, oneReg, Trace } from "./trace.js";

/**
 * Worked example EX-20: the lists of hcalls that a Linux guest makes, as its hypervisor records them and as its own trace
 * does. A fact says that no program but the kernel makes hcalls.
 */

const profiles = ["pre-dawr1", "dawr1-v2", "linux-6.1"] as const;
type Profile = (typeof profiles)[number];

/** (mflags, resource, value1, value2) of H_SET_MODE, or the arguments of H_SET_DABR or H_SET_XDABR. */
type Call = readonly [string, string, string, string] | readonly ["dabr", string] | readonly ["xdabr", string, string];

const A = "0x10000000";
const B = "0x10000104";
const off0: Call = ["0x0", "0x2", "0x0", "0xfc00"];
const off1: Call = ["0x0", "0x5", "0x0", "0xfc00"];
const firmware: Call = ["dabr", "0x0"];
const ailOn: Call = ["0x3", "0x3", "0x0", "0x0"];
const ailOff: Call = ["0x0", "0x3", "0x0", "0x0"];
const little: Call = ["0x1", "0x4", "0x0", "0x0"];
const big: Call = ["0x0", "0x4", "0x0", "0x0"];
const ciabrOff: Call = ["0x0", "0x1", "0x0", "0x0"];
const watchA: Call = ["0x0", "0x2", A, "0x73"];
const watchB: Call = ["0x0", "0x5", B, "0x453"];
const breakAtX: Call = ["0x0", "0x1", "0xc000000000012342", "0x0"];
const booted = [firmware, firmware, firmware, firmware, ailOn, little] as const;

/** What KVM-HV answers. */
function codeOf(call: Call, profile: Profile): string {
  if (call[0] === "dabr" || call[0] === "xdabr") return "H_SUCCESS";
  const [mflags, resource, , value2] = call;
  const flagged = mflags !== "0x0" ? "H_UNSUPPORTED_FLAG_START" : undefined;
  switch (resource) {
    case "0x1":
      return flagged ?? "H_SUCCESS";
    case "0x2":
      return flagged ?? (value2 === "0x77" ? "H_P4" : "H_SUCCESS");
    case "0x3":
      return profile !== "linux-6.1" && mflags === "0x2" ? "H_UNSUPPORTED_FLAG_START" : "H_TOO_HARD";
    case "0x5":
      return profile === "pre-dawr1" ? "H_TOO_HARD" : profile === "dawr1-v2" ? "H_SUCCESS" : "H_FUNCTION";
    default:
      return "H_TOO_HARD";
  }
}

interface Guest {
  readonly cpu: keyof typeof cpus;
  readonly archCompat?: string;
}

/** As the host records the calls of a vCPU of a new VM. */
async function onHost(profile: Profile, guest: Guest, calls: readonly Call[]): Promise<CaptureReport> {
  const trace = machine("1", true);
  if (guest.archCompat !== undefined) oneReg(trace, { set: guest.archCompat, id: "0x10200000000000b7" }, "0x0");
  for (const call of calls) {
    const code = codeOf(call, profile);
    if (call[0] === "dabr") hcall(trace, "H_SET_DABR", [call[1]], code);
    else if (call[0] === "xdabr") hcall(trace, "H_SET_XDABR", [call[1], call[2]], code);
    else hcall(trace, "H_SET_MODE", call, code);
  }
  return trace.check(profile, { ...cpus[guest.cpu], ...hvHost, "dawr.guest": "linux" });
}

/** As the guest's own trace has them; `answers` by place, 0 where none is given. */
async function inGuest(
  facts: Readonly<Record<string, string>>,
  calls: readonly Call[],
  answers: Readonly<Record<number, string>> = {},
): Promise<CaptureReport> {
  const trace = new Trace();
  for (const [at, call] of calls.entries()) {
    const [op, opcode, args] =
      call[0] === "dabr"
        ? ["0x28", 40, [call[1]]]
        : call[0] === "xdabr"
          ? ["0x134", 308, call.slice(1)]
          : ["0x31c", 796, call];
    const [flags = "0x0", res = "0x0", v1 = "0x0", v2 = "0x0"] = args;
    trace.add(
      `hset: (plpar_hcall_norets+0x8/0x48) op=${op} flags=${flags} res=${res} v1=${v1} v2=${v2}`,
      `hcall_entry: opcode=${opcode}`,
      `hcall_exit: opcode=${opcode} retval=${answers[at] ?? "0"}`,
    );
  }
  return trace.check("linux-6.1", { ...facts, "dawr.guest": "linux", "dawr.view": "guest" });
}

const findings = ({ divergences }: CaptureReport): readonly (readonly string[])[] =>
  divergences.map(({ rules }) => rules);
const one: Guest = { cpu: "p8" };
const two: Guest = { cpu: "p10" };

const rows: readonly (readonly [name: string, oneSlot: readonly Call[], twoSlots: readonly Call[]])[] = [
  ["firmware, boot, little-endian", booted, booted],
  ["boot, big-endian", [firmware, ailOn, watchA], [firmware, ailOn, watchA]],
  ["one watchpoint", [...booted, watchA], [...booted, watchA]],
  ["a second one", [...booted, watchA], [...booted, watchA, watchB]],
  ["out", [...booted, watchA, off0], [...booted, watchA, watchB, off0, off1]],
  ["first one hit, ptrace", [...booted, watchA, off0, off0], [...booted, watchA, watchB, off0, off1, off0, watchB]],
  [
    "perf, hit in user mode",
    [...booted, ["0x0", "0x2", A, "0x71"], off0, ["0x0", "0x2", A, "0x71"]],
    [...booted, ["0x0", "0x2", A, "0x71"], off0, off1, ["0x0", "0x2", A, "0x71"]],
  ],
  ["xmon", [...booted, off0, ciabrOff, breakAtX], [...booted, off0, off1, ciabrOff, breakAtX]],
  [
    "kexec of the boot CPU, radix",
    [...booted, off0, off0, ailOff, ciabrOff],
    [...booted, off0, off1, off0, off1, ailOff, ciabrOff],
  ],
  [
    "kexec of the boot CPU, hash, little-endian",
    [...booted, off0, off0, ailOff, big, ciabrOff],
    [...booted, off0, off1, off0, off1, ailOff, big, ciabrOff],
  ],
  [
    "kexec of 5.10 and early 6.1",
    [...booted, ailOff, off0, off0, big, ciabrOff],
    [...booted, ailOff, off0, off1, off0, off1, ciabrOff],
  ],
  ["crash kexec", [...booted, watchA, ailOff, ciabrOff], [...booted, watchA, ailOff, big, ciabrOff]],
  ["kexec, cut (ND-13)", [...booted, off0, off0, ailOff], [...booted, off0, off1, off0, off1, ailOff]],
  [
    "kexec and the next kernel",
    [...booted, ailOff, ciabrOff, ailOn, little],
    [...booted, ailOff, big, ciabrOff, ailOn, little],
  ],
  ["started again", [...booted, watchA, ...booted, off0], [...booted, watchA, ...booted, watchB]],
  [
    "first PR VM and last one gone",
    [...booted, ailOff, ailOn, watchA],
    [...booted, ailOff, ailOn, ailOff, ailOn, watchA],
  ],
];

describe.each(profiles)("EX-20 as the hypervisor sees it, %s", (profile) => {
  it.each(rows)("%s", async (_what, oneSlot, twoSlots) => {
    expect(findings(await onHost(profile, one, oneSlot))).toEqual([]);
    expect(findings(await onHost(profile, two, twoSlots))).toEqual([]);
  });
});

describe("EX-20: a guest with a second vCPU that makes no hcall", () => {
  it("starts again: of the first one's slots nothing is known (GUEST-1, INV-16)", async () => {
    const trace = machine("1", true).ioctl(6, "2000ae41", "1", "0x8");
    for (const call of [...booted, watchA, ...booted, ["0x0", "0x2", B, "0x73"] as const]) {
      const code = codeOf(call, "linux-6.1");
      if (call[0] === "dabr") hcall(trace, "H_SET_DABR", [call[1]], code);
      else hcall(trace, "H_SET_MODE", call, code);
    }
    expect(findings(await trace.check("linux-6.1", { ...cpus.p10, ...hvHost, "dawr.guest": "linux" }))).toEqual([]);
  });
});

const guestFacts = {
  one: { "dawr.cpu.name": "POWER8", "dawr.cpu.dawr1": "false" },
  two: { "dawr.cpu.name": "POWER10", "dawr.cpu.dawr1": "true" },
} as const;

describe("EX-20 as the guest itself records it", () => {
  // Its firmware and its boot are over when it can record.
  const later = (calls: readonly Call[]): readonly Call[] => calls.filter((call) => call !== firmware);

  it.each(rows.filter(([name]) => name !== "started again"))("%s", async (_what, oneSlot, twoSlots) => {
    expect(findings(await inGuest(guestFacts.one, later(oneSlot)))).toEqual([]);
    expect(findings(await inGuest(guestFacts.two, later(twoSlots)))).toEqual([]);
  });

  it("kexec: a secondary CPU clears its slots and CIABR", async () => {
    const trace = new Trace();
    const on = (cpu: number, ...calls: readonly Call[]): void => {
      for (const [flags = "", res = "", v1 = "", v2 = ""] of calls) {
        trace.on(
          100 + cpu,
          cpu,
          `hset: (plpar_hcall_norets+0x8/0x48) op=0x31c flags=${flags} res=${res} v1=${v1} v2=${v2}`,
        );
        trace.on(100 + cpu, cpu, "hcall_entry: opcode=796");
        trace.on(100 + cpu, cpu, "hcall_exit: opcode=796 retval=0");
      }
    };
    on(0, off0, off1);
    on(1, off0, off1);
    on(1, ciabrOff);
    on(0, off0, off1, ailOff, ciabrOff);
    const facts = { ...guestFacts.two, "dawr.guest": "linux", "dawr.view": "guest" };
    expect(findings(await trace.check("linux-6.1", facts))).toEqual([]);
    on(1, ciabrOff);
    expect(findings(await trace.check("linux-6.1", facts))).toEqual([["GUEST-6", "GUEST-7"]]);
  });

  it("(0,3,0,0) is repeated while it is long busy, and nothing else comes before (GUEST-7)", async () => {
    for (const answer of ["9900", "9901", "9905"]) {
      const again = await inGuest(guestFacts.two, [ailOff, ailOff, ciabrOff], { 0: answer });
      expect(findings(again)).toEqual([]);
    }
    expect(findings(await inGuest(guestFacts.two, [ailOff, ailOff, ciabrOff], { 1: "9901" }))).toEqual([["GUEST-7"]]);
    expect(findings(await inGuest(guestFacts.two, [ailOff, ciabrOff], { 0: "-55" }))).toEqual([]);
  });

  it("(3,3,0,0) comes again while it is long busy or its answer is not known, and not when it has one (GUEST-1)", async () => {
    const twice = async (answer: string): Promise<readonly (readonly string[])[]> =>
      findings(await inGuest(guestFacts.two, [ailOn, ailOn], { 0: answer }));
    expect(await twice("9900")).toEqual([]);
    for (const answer of ["0", "-55"]) expect([answer, await twice(answer)]).toEqual([answer, [["GUEST-1"]]]);
    // What user space answers is in no line of the host's (FMT-4).
    for (const profile of profiles)
      expect(findings(await onHost(profile, two, [firmware, ailOn, ailOn, little, watchA]))).toEqual([]);
  });

  it("(0,3,0,0) may be that of a first PR VM: then nothing is wrong behind it (GUEST-8)", async () => {
    const trace = new Trace();
    for (const [flags, res, v1, v2] of [ailOff, watchA]) {
      trace.add(
        `hset: (plpar_hcall_norets+0x8/0x48) op=0x31c flags=${flags} res=${res} v1=${v1} v2=${v2}`,
        "hcall_entry: opcode=796",
        "hcall_exit: opcode=796 retval=0",
      );
    }
    const dawr = { cpu: { name: "POWER8", dawr1: false }, guest: "linux", view: "guest" };
    expect(findings(await trace.checkCapture({ arch: "ppc64le", kernel: "6.1.192", facts: { dawr } }))).toEqual([]);
  });

  it("probes of the kernel's own functions tell the order without the fact", async () => {
    const call = (name: string, answer = "0"): readonly string[] => [
      `${name}: (${name}+0xc/0xc0) a=0x0 b=0x0 c=0xfc00`,
      "hcall_entry: opcode=796",
      `hcall_exit: opcode=796 retval=${answer}`,
    ];
    const clear = call("pseries_set_dawr");
    const off = call("pseries_disable_reloc_on_exc");
    const bigEndian = call("pseries_big_endian_exceptions");
    const facts = { ...guestFacts.one, "dawr.prModule": "false", "dawr.view": "guest" };
    const judged = async (kernel: string, ...lines: readonly string[]): Promise<readonly (readonly string[])[]> => {
      const dawr = { cpu: { name: "POWER8", dawr1: false }, prModule: false, view: "guest" };
      return findings(await new Trace().add(...lines).checkCapture({ arch: "ppc64le", kernel, facts: { dawr } }));
    };
    expect(findings(await new Trace().add(...clear, ...clear, ...off, ...bigEndian).check("linux-6.1", facts))).toEqual(
      [],
    );
    // Behind (0,4,0,0) the tail has no more than (0,1,0,0).
    expect(await judged("6.1.192", ...clear, ...off, ...bigEndian, ...clear)).toEqual([["GUEST-7", "ND-13"]]);
    expect(await judged("6.1.192", ...off, ...bigEndian, ...off)).toEqual([["GUEST-7", "ND-13"]]);
    // Which comes first depends on the point release.
    expect(await judged("6.1.192", ...off, ...clear)).toEqual([["GUEST-7", "ND-13"]]);
    expect(await judged("6.1.55", ...off, ...clear, ...clear, ...bigEndian)).toEqual([]);
    expect(await judged("5.10.46", ...off, ...clear, ...clear, ...bigEndian)).toEqual([]);
  });
});

describe("EX-20: other orders are none of a Linux guest's", () => {
  it.each([
    ["LE before AIL", [firmware, little], "GUEST-1"],
    ["LE without AIL, late", [...booted, watchA, little], "GUEST-1"],
    ["AIL again", [...booted, watchA, ailOn], "GUEST-1"],
    ["a watchpoint before AIL", [firmware, watchA], "GUEST-1"],
    ["CIABR before AIL", [firmware, ciabrOff], "GUEST-1"],
    ["AIL off before it was on", [firmware, ailOff], "GUEST-1"],
    ["another AIL", [firmware, ["0x2", "0x3", "0x0", "0x0"]], "GUEST-1"],
    ["AIL with a value", [firmware, ["0x3", "0x3", "0x1", "0x0"]], "GUEST-1"],
    ["a resource that no kernel uses", [...booted, ["0x0", "0x6", "0x0", "0x0"]], "GUEST-1"],
    ["a watchpoint with mflags", [...booted, ["0x1", "0x2", A, "0x73"]], "ND-7"],
    ["HYP", [...booted, ["0x0", "0x2", A, "0x77"]], "INV-14"],
    ["a slot programmed over another value", [...booted, watchA, ["0x0", "0x2", B, "0x73"]], "INV-16"],
    ["cleared with 0", [...booted, watchA, ["0x0", "0x2", "0x0", "0x0"]], "GUEST-3"],
    ["xmon without the clears", [...booted, watchA, ciabrOff], "GUEST-6"],
    ["a breakpoint of user space", [...booted, off0, off1, ciabrOff, ["0x0", "0x1", "0x12341", "0x0"]], "GUEST-6"],
    ["a breakpoint twice", [...booted, off0, off1, ciabrOff, breakAtX, breakAtX], "GUEST-6"],
    ["CIABR with mflags", [...booted, off0, off1, ["0x1", "0x1", "0x0", "0x0"]], "GUEST-6"],
    ["big-endian while AIL is on", [...booted, watchA, big], "GUEST-7"],
    ["AIL off behind big-endian", [...booted, ailOff, big, ailOff], "GUEST-7"],
    ["a watchpoint behind big-endian", [...booted, ailOff, big, off0], "GUEST-7"],
    ["H_SET_XDABR with ISA 2.07", [...booted, ["xdabr", A, "0x1"]], "GUEST-9"],
    ["H_SET_DABR with ISA 2.07", [...booted, ["dabr", A]], "GUEST-9"],
  ] as const)("%s", async (_what, calls, rule) => {
    // Two slots: what a host of KVM-HV answers is that of the profile.
    const report = await onHost("dawr1-v2", two, calls);
    expect(report.divergences.length).toBeGreaterThan(0);
    expect(report.divergences[0]?.rules).toContain(rule);
  });

  it("are not judged where any program may make the calls", async () => {
    const trace = machine("1", true);
    for (const call of [watchA, ciabrOff, little, big])
      hcall(trace, "H_SET_MODE", [...call], codeOf(call, "linux-6.1"));
    expect((await trace.check("linux-6.1", { ...cpus.p10, ...hvHost })).divergences).toEqual([]);
  });
});

describe("EX-20: guests without ISA 2.07, and a POWER9 without DAWR", () => {
  const compat: Guest = { cpu: "p10", archCompat: "0x0f000003" };

  it.each(profiles)("a POWER7-compatible guest clears with H_SET_XDABR(0,1) (GUEST-9), %s", async (profile) => {
    expect(
      findings(
        await onHost(profile, compat, [
          ["xdabr", "0x0", "0x1"],
          ["xdabr", "0x10000006", "0x3"],
        ]),
      ),
    ).toEqual([]);
    expect(findings(await onHost(profile, { cpu: "p7" }, [["dabr", "0x10000006"]]))).toEqual([]);
  });

  it("and never with the calls of later CPUs, nor without flags", async () => {
    // The kernel refuses it as well (HSM-3).
    const trace = machine("1", true);
    oneReg(trace, { set: "0x0f000003", id: "0x10200000000000b7" }, "0x0");
    hcall(trace, "H_SET_MODE", [...watchA], "H_P2");
    const report = await trace.check("linux-6.1", { ...cpus.p10, ...hvHost, "dawr.guest": "linux" });
    expect(findings(report)).toEqual([["GUEST-9", "GUEST-6"]]);
    const guest = { "dawr.cpu.name": "POWER7" };
    expect(findings(await inGuest(guest, [["xdabr", "0x0", "0x1"]]))).toEqual([]);
    expect(findings(await inGuest(guest, [["xdabr", "0x0", "0x0"]]))).toEqual([["GUEST-9"]]);
    expect(findings(await inGuest(guest, [["xdabr", "0x0", "0x7"]]))).toEqual([["GUEST-9"]]);
    expect(findings(await inGuest(guest, [["xdabr", "0x0", "0x100000001"]]))).toEqual([["GUEST-9"]]);
    expect(findings(await inGuest(guest, [watchA]))).toEqual([["GUEST-9", "GUEST-6"]]);
  });

  it("the switch of a POWER9 guest sends (0,2,0,0xfc00), which the host refuses (GUEST-13)", async () => {
    const trace = machine("1", true);
    for (const call of [ailOn, little]) hcall(trace, "H_SET_MODE", [...call], "H_TOO_HARD");
    hcall(trace, "H_SET_MODE", [...off0], "H_P2");
    const host = { ...cpus.p9, ...hvHost, "dawr.guest": "linux", "dawr.cpu.dawr": "false" };
    expect(findings(await trace.check("linux-6.1", host))).toEqual([]);
    const guest = { "dawr.cpu.name": "POWER9", "dawr.cpu.dawr1": "false" };
    expect(findings(await inGuest(guest, [off0], { 0: "-55" }))).toEqual([]);
  });
});
