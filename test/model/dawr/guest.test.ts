import { describe, expect, it } from "vitest";
import { Trace } from "./trace.js";

/** Worked examples EX-20 and EX-21: the order of hcalls of a Linux guest, and the text of its lines. */

const two = { "dawr.cpu.name": "POWER10", "dawr.cpu.dawr1": "true" };
const one = { "dawr.cpu.name": "POWER10", "dawr.cpu.dawr1": "false" };

/** A call of pseries_set_dawr with its hcall: `c` is the DAWRX before HYP is cleared. */
function set(trace: Trace, slot: 0 | 1 | 2, address: string, dawrx: string, cpu = 0): Trace {
  trace.on(100 + cpu, cpu, `pseries_set_dawr: (pseries_set_dawr+0xc/0x90) a=0x${slot} b=${address} c=${dawrx}`);
  trace.on(100 + cpu, cpu, "hcall_entry: opcode=796");
  return trace.on(100 + cpu, cpu, "hcall_exit: opcode=796 retval=0");
}

const clear = (trace: Trace, slot: 0 | 1 | 2, cpu = 0): Trace => set(trace, slot, "0x0", "0xfc00", cpu);

type Step = readonly [slot: 0 | 1 | 2, address: string, dawrx: string] | 0 | 1;

/** Steps: a number clears that slot. */
function steps(list: readonly Step[]): Trace {
  const trace = new Trace();
  for (const step of list) {
    if (typeof step === "number") clear(trace, step);
    else set(trace, ...step);
  }
  return trace;
}

const A = ["0x10000000", "0x77"] as const;
const B = ["0x10000104", "0x457"] as const;
const C = ["0x20000000", "0x55"] as const;

async function rulesOf(list: readonly Step[], facts = two): Promise<readonly (readonly [number, readonly string[]])[]> {
  const report = await steps(list).check("linux-6.1", facts);
  return report.divergences.map(({ source, rules }) => [source.line, rules] as const);
}

describe("EX-20: what a Linux guest emits", () => {
  it.each([
    ["one watchpoint", [[0, ...A], 0]],
    ["two watchpoints and out", [[0, ...A], [1, ...B], 0, 1]],
    ["first one hit, ptrace", [[0, ...A], [1, ...B], 0, 1, 0, [1, ...B]]],
    ["perf, hit in user mode", [[0, ...A], 0, 1, [0, ...A]]],
    ["hit of both, both again", [[0, ...A], [1, ...B], 0, 1, [0, ...A], [1, ...B]]],
    ["another event in the slot", [[0, ...A], 0, [0, ...C], 0]],
    ["slots change (GUEST-4)", [[0, ...A], 0, [0, ...C], [1, ...A], 0, 1]],
    ["kexec of the boot CPU", [[0, ...A], 0, 1, 0, 1]],
  ] as const)("%s", async (_what, list) => {
    expect(await rulesOf(list)).toEqual([]);
  });

  it.each([
    [
      "a value over another one",
      [
        [0, ...A],
        [0, ...C],
      ],
      4,
      "INV-16",
    ],
    ["a slot that is not there", [[2, ...A]], 1, "GUEST-10"],
    ["a flag that no watchpoint has", [[0, "0x1000", "0x5b"]], 1, "INV-14"],
    ["no translation", [[0, "0x1000", "0x63"]], 1, "INV-14"],
    ["neither read nor write", [[0, "0x1000", "0x13"]], 1, "INV-14"],
    [
      "cleared with 0",
      [
        [0, ...A],
        [0, "0x0", "0x0"],
      ],
      4,
      "GUEST-3",
    ],
    [
      "cleared with an address",
      [
        [0, ...A],
        [0, "0x1000", "0xfc00"],
      ],
      4,
      "GUEST-3",
    ],
  ] as const)("not %s", async (_what, list, line, rule) => {
    const [first] = await rulesOf(list);
    expect(first?.[0]).toBe(line);
    expect(first?.[1]).toContain(rule);
  });

  it("not slot 1 for a new event while slot 0 is free, nor another value after a hit", async () => {
    // Slot 1 is known to be free when it was cleared alone.
    const known: readonly Step[] = [[0, ...A], [1, ...B], 1, 0, [0, ...A], 0];
    expect(await rulesOf([...known, [0, ...A], [1, ...B]])).toEqual([]);
    const [late] = await rulesOf([...known, [0, ...A], 0, [1, ...C]]);
    expect(late?.[1]).toContain("GUEST-4");
    // The clear of the free slot 1 tells a hit: slot 0 keeps its event.
    const [other] = await rulesOf([...known, [0, ...A], 0, 1, [0, ...C]]);
    expect(other?.[1]).toContain("GUEST-5");
    expect(await rulesOf([...known, [0, ...A], 0, 1, [0, ...A]])).toEqual([]);
  });

  it("one slot where the CPU has no second DAWR", async () => {
    expect(await rulesOf([[0, ...A], 0], one)).toEqual([]);
    expect((await rulesOf([[1, ...A]], one)).length).toBe(1);
  });

  it("keeps CPUs apart (ND-7)", async () => {
    const trace = new Trace();
    set(trace, 0, ...A, 0);
    set(trace, 0, ...C, 1);
    clear(trace, 0, 0);
    clear(trace, 0, 1);
    expect((await trace.check("linux-6.1", two)).divergences).toEqual([]);
  });

  it("takes clear bursts of a 6.12 guest, and not of a 6.1 guest (K612-3)", async () => {
    const burst = steps([[0, ...A], [1, ...B], 1, 0, [0, ...A], 0, 1, [0, ...A], 1, 0, 1, [0, ...A], 1]);
    const facts = { dawr: { cpu: { name: "POWER10", dawr1: true } } };
    const judged = async (kernel: string): Promise<string> =>
      (await burst.checkCapture({ arch: "ppc64le", kernel, facts })).verdict;
    expect(await judged("6.12.5")).toBe("conform");
    expect(await judged("6.1.192")).toBe("divergent");
    expect(await rulesOf([0, 1, 0, 1, 0, 1, 0, 1])).toEqual([]);
  });
});

describe("GUEST-2: the arguments that the hcall gets", () => {
  const call = (c: string, hset: string): Trace =>
    new Trace().add(
      `pseries_set_dawr: (pseries_set_dawr+0xc/0x90) a=0x1 b=0x1000 c=${c}`,
      `hset: (plpar_hcall_norets+0x8/0x48) op=0x31c ${hset}`,
      "hcall_entry: opcode=796",
      "hcall_exit: opcode=796 retval=0",
    );

  it.each([
    ["0x57", "flags=0x0 res=0x5 v1=0x1000 v2=0x53", "conform"],
    ["0x57", "flags=0x0 res=0x5 v1=0x1000 v2=0x57", "divergent"],
    ["0x57", "flags=0x1 res=0x5 v1=0x1000 v2=0x53", "divergent"],
    ["0x57", "flags=0x0 res=0x2 v1=0x1000 v2=0x53", "divergent"],
    ["0x57", "flags=0x0 res=0x5 v1=0x1008 v2=0x53", "divergent"],
  ])("%s goes out as %s: %s", async (c, hset, verdict) => {
    const report = await call(c, hset).check("linux-6.1", two);
    expect(report.verdict).toBe(verdict);
    if (verdict === "divergent") expect(report.divergences[0]?.source.line).toBe(2);
  });
});

describe("GUEST-8: PR VMs of a guest", () => {
  const marker = (what: "disable" | "enable", ...flags: readonly string[]): readonly string[] => [
    `pseries_${what}_reloc_on_exc: (pseries_${what}_reloc_on_exc+0xc/0xc0) a=0x1 b=0x2 c=0x3`,
    `hset: (plpar_hcall_norets+0x8/0x48) op=0x31c flags=${flags[0] ?? (what === "disable" ? "0x0" : "0x3")} res=0x3 v1=0x0 v2=0x0`,
    "hcall_entry: opcode=796",
    "hcall_exit: opcode=796 retval=0",
  ];
  const facts = { ...two, "dawr.hvModule": "false", "dawr.prModule": "true", "dawr.hostIsPseries": "true" };
  const create = (trace: Trace, ...inside: readonly string[]): Trace =>
    trace.ioctl(5, "2000ae01", "2", "0x6", ...inside);

  it("first and last", async () => {
    const trace = create(new Trace(), ...marker("disable"));
    create(trace).add(...marker("enable"));
    create(trace, ...marker("disable"));
    expect((await trace.check("linux-6.1", facts)).divergences).toEqual([]);
  });

  it("not for a second VM, not for a refused one, and not left out", async () => {
    // A VM before them shows that both functions are probed.
    const first = (): Trace => create(new Trace(), ...marker("disable")).add(...marker("enable"));
    const second = create(create(first(), ...marker("disable")), ...marker("disable"));
    expect((await second.check("linux-6.1", facts)).divergences[0]?.rules).toEqual(["GUEST-8"]);
    const refused = new Trace().ioctl(5, "2000ae01", "1", "0xffffffffffffffea", ...marker("disable"));
    expect((await refused.check("linux-6.1", facts)).divergences[0]?.rules).toEqual(["CAP-11", "GUEST-8"]);
    const unknown = create(create(new Trace(), ...marker("disable")), ...marker("disable"));
    expect((await unknown.check("linux-6.1", facts)).divergences).toEqual([]);
    const left = create(create(new Trace(), ...marker("disable")).add(...marker("enable")));
    expect((await left.check("linux-6.1", facts)).divergences[0]?.rules).toEqual(["GUEST-8"]);
    const wrong = create(new Trace(), ...marker("disable", "0x3"));
    expect((await wrong.check("linux-6.1", facts)).verdict).toBe("divergent");
  });
});

describe("EX-21 and INV-8: the guest's lines", () => {
  it.each([
    ["-2", "conform"],
    ["9901", "conform"],
    ["9999", "divergent"],
    ["-69", "divergent"],
  ])("retval=%s", async (value, verdict) => {
    const trace = new Trace().add("hcall_entry: opcode=88", `hcall_exit: opcode=88 retval=${value}`);
    expect((await trace.check("linux-6.1")).verdict).toBe(verdict);
  });

  it("an exit of another hcall, an entry without an exit", async () => {
    const other = new Trace().add("hcall_entry: opcode=796", "hcall_exit: opcode=40 retval=0");
    expect((await other.check("linux-6.1")).divergences[0]?.rules).toEqual(["GUEST-12"]);
    const lost = new Trace().add(
      "hcall_entry: opcode=796",
      "hcall_entry: opcode=796",
      "hcall_exit: opcode=796 retval=0",
    );
    expect((await lost.check("linux-6.1")).divergences[0]?.rules).toContain("GUEST-12");
  });

  it("narrows the emulator's generation by what it answers (HSM-11)", async () => {
    const answer = (value: string): readonly string[] => [
      "hset: (plpar_hcall_norets+0x8/0x48) op=0x31c flags=0x0 res=0x5 v1=0x1000 v2=0x53",
      "hcall_entry: opcode=796",
      `hcall_exit: opcode=796 retval=${value}`,
    ];
    const facts = { ...two, "dawr.hypervisor": "qemu-tcg" };
    for (const [first, second, verdict] of [
      ["0", "0", "conform"],
      ["-55", "-55", "conform"],
      ["0", "-55", "divergent"],
      ["-55", "0", "divergent"],
      ["-2", "-2", "divergent"],
    ] as const) {
      const report = await new Trace().add(...answer(first), ...answer(second)).check("linux-6.1", facts);
      expect([first, second, report.verdict]).toEqual([first, second, verdict]);
    }
  });
});
