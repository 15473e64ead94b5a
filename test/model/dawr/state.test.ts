import { describe, expect, it } from "vitest";
import { wordOf } from "../../../src/event/word.js";
import { OneOf, oneOf, unknown } from "../../../src/model/core/known.js";
import { dawrModel } from "../../../src/model/dawr/model.js";
import type { DawrState } from "../../../src/model/dawr/state.js";
import { environmentOf } from "../environment.js";
import { everyFieldOf } from "../touched.js";

/** The state at the begin of a recording, its copies, and what is left of two runs that both explain an observation. */

const VM = { id: 1, name: "100/6" };
const VCPU = { id: 2, vm: VM, number: 0 };

interface Given {
  readonly facts?: Readonly<Record<string, unknown>>;
  readonly snapshot?: readonly (readonly [path: string, value: string])[];
  readonly profile?: string;
  readonly kernel?: string;
}

function initial({ facts = {}, snapshot = [], profile = "linux-6.1", kernel }: Given): {
  readonly state: DawrState;
  readonly notes: readonly string[];
} {
  const notes: string[] = [];
  const environment = environmentOf(snapshot);
  const setting = { profile, facts, environment, arch: "ppc64le", kernel, note: (text: string) => notes.push(text) };
  return { state: dawrModel.initial(setting), notes };
}

describe("what a snapshot and facts tell of the host (0.2)", () => {
  const levels = (state: DawrState): readonly unknown[] => {
    const { arch206, arch207s, arch300, arch31, dawr, dawr1, p9PrefetchBug } = state.host;
    return [arch206, arch207s, arch300, arch31, dawr, dawr1, p9PrefetchBug].map((one) =>
      typeof one === "boolean" ? one : "?",
    );
  };

  it.each([
    ["POWER10 (architected), altivec supported", [true, true, true, true, true, "?", false]],
    ["POWER9, altivec supported", [true, true, true, false, "?", false, "?"]],
    ["POWER8E (raw), altivec supported", [true, true, false, false, true, false, false]],
    ["POWER7 (architected)", [true, false, false, false, false, false, false]],
    ["PPC970MP", ["?", "?", "?", "?", "?", "?", "?"]],
  ])("%s", (name, expected) => {
    expect(levels(initial({ snapshot: [["/proc/cpuinfo", `cpu\t\t: ${name}`]] }).state)).toEqual(expected);
    expect(levels(initial({ facts: { "cpu.name": name } }).state)).toEqual(expected);
    expect(levels(initial({ facts: { cpu: name } }).state)).toEqual(expected);
  });

  it("modules, the platform, the administrator's switch", () => {
    const { host } = initial({
      snapshot: [
        ["/proc/cpuinfo", "platform\t: pSeries"],
        ["/sys/module/kvm_hv/initstate", "live"],
        ["/sys/kernel/debug/powerpc/dawr_enable_dangerous", "Y"],
      ],
    }).state;
    expect([host.isPseries, host.hvModule, host.prModule, host.dawr]).toEqual([true, true, unknown, true]);
    const other = initial({
      snapshot: [
        ["/proc/cpuinfo", "platform\t: PowerNV"],
        ["/sys/module/kvm_pr/initstate", "live"],
        ["/sys/kernel/debug/powerpc/dawr_enable_dangerous", "N"],
      ],
    }).state.host;
    expect([other.isPseries, other.hvModule, other.prModule, other.dawr]).toEqual([false, unknown, true, false]);
  });

  it("a feature given by its name wins over the name of the CPU, whatever the order", () => {
    for (const facts of [
      { "cpu.arch31": "false", "cpu.name": "POWER10" },
      { "cpu.name": "POWER10", "cpu.arch31": "false" },
      { cpu: { arch31: false, name: "POWER10" } },
      { cpu: { name: "POWER10" }, "cpu.arch31": false },
    ]) {
      expect(levels(initial({ facts }).state).slice(0, 4)).toEqual([true, true, true, false]);
    }
  });

  it("each level implies the earlier ones, and what a host lacks its successors", () => {
    expect(levels(initial({ facts: { "cpu.arch300": true } }).state).slice(0, 4)).toEqual([true, true, true, "?"]);
    expect(levels(initial({ facts: { "cpu.arch300": false } }).state).slice(0, 4)).toEqual(["?", "?", false, false]);
  });

  it("what is of a wrong type, or not known, is a remark", () => {
    const { state, notes } = initial({
      facts: { hvModule: "perhaps", vmKind: "KVM", vmm: "bochs", surprise: 1, dawrForceEnable: "true", hostLE: true },
    });
    expect(notes.map((note) => /dawr\.(\w+)/.exec(note)?.[1])).toEqual(["hvModule", "vmKind", "vmm", "surprise"]);
    expect([state.host.hvModule, state.host.vmKind, state.host.vmm, state.host.dawr]).toEqual([
      unknown,
      unknown,
      unknown,
      true,
    ]);
  });

  it("the second nested interface is one of kernels after 6.1 (section 9)", () => {
    expect(initial({ kernel: "6.1.192" }).state.host.nestedPapr).toBe(false);
    expect(initial({ kernel: "6.12.5" }).state.host.nestedPapr).toBe(unknown);
    expect(initial({}).state.host.nestedPapr).toBe(false);
  });
});

/** A state with a VM, its vCPU and a CPU of a guest. */
function filled(): DawrState {
  const { state } = initial({ facts: { "cpu.name": "POWER10" } });
  const vcpu = state.vcpu(VCPU);
  vcpu.fresh();
  vcpu.dawr0 = wordOf(0, 0x1000);
  state.cpu(3).slot0 = { current: { address: wordOf(0, 1), dawrx: wordOf(0, 0x53) }, held: null };
  state.addresses.set("c000", 1);
  state.journal.commit();
  return state;
}

describe("copies of a state", () => {
  const changes: readonly (readonly [string, (state: DawrState) => unknown])[] = [
    ["the host", (s) => Object.assign(s.host, { dawr1: true })],
    ["a VM", (s) => Object.assign(s.vm(VM), { setMode: true })],
    ["a vCPU", (s) => Object.assign(s.vcpu(VCPU), { ciabr: wordOf(0, 2) })],
    ["a CPU of a guest", (s) => Object.assign(s.cpu(3), { slot1: { current: null, held: null } })],
  ];

  it("are the same, and share nothing that can change", () => {
    for (const [what, change] of changes) {
      const state = filled();
      const before = dawrModel.fingerprint(state);
      const copy = dawrModel.clone(state);
      expect([what, dawrModel.fingerprint(copy)]).toEqual([what, before]);
      change(copy);
      expect([what, dawrModel.fingerprint(copy) === before]).toEqual([what, false]);
      expect([what, dawrModel.fingerprint(state)]).toEqual([what, before]);
    }
  });

  it("have vCPUs of their own VMs, and count addresses on their own", () => {
    const state = filled();
    const copy = dawrModel.clone(state);
    expect(copy.vcpu(VCPU).vm).toBe(copy.vm(VM));
    expect(copy.vcpu(VCPU).vm).not.toBe(state.vm(VM));
    copy.addresses.set("c000", 7);
    expect(state.addresses.get("c000")).toBe(1);
    expect(dawrModel.clone(copy).addresses.get("c000")).toBe(7);
  });
});

describe("INV-5: a second DAWR is granted in an HV VM of a host that has it", () => {
  it.each([
    [true, "HV", []],
    [unknown, unknown, []],
    [false, "HV", ["INV-5"]],
    [true, "PR", ["INV-5"]],
    [unknown, "PR", ["INV-5"]],
  ] as const)("host %s, VM %s", (dawr1, kind, expected) => {
    const state = filled();
    state.host.dawr1 = dawr1;
    const vm = Object.assign(state.vm(VM), { kind, dawr1Enabled: true });
    const broken = dawrModel.broken(state, everyFieldOf([vm]));
    expect(broken.map(({ rule }) => rule.id.replace("dawr/", ""))).toEqual(expected);
    vm.dawr1Enabled = false;
    expect(dawrModel.broken(state, everyFieldOf([vm]))).toEqual([]);
  });
});

describe("a field after two runs", () => {
  const join = (key: string, a: unknown, b: unknown): unknown => dawrModel.join({}, key, a, b);

  it("allows what either allows", () => {
    expect(join("setMode", true, true)).toBe(true);
    expect(join("setMode", true, false)).toEqual(new OneOf([true, false]));
    expect(join("vmm", "other", oneOf(["qemu-old", "qemu-dbg"]))).toEqual(new OneOf(["other", "qemu-old", "qemu-dbg"]));
    expect(join("setMode", true, unknown)).toBe(unknown);
  });

  it("is a register's value where both have it, else unknown", () => {
    const value = wordOf(1, 2);
    expect(join("dawr0", value, wordOf(1, 2))).toBe(value);
    for (const other of [wordOf(1, 3), wordOf(2, 2), unknown]) expect(join("dawr0", value, other)).toBe(unknown);
  });

  it("counts what is counted as the larger, and keeps plain values", () => {
    expect(join("enabling", 1, 2)).toBe(2);
    expect(join("enabling", 2, 1)).toBe(2);
    expect(join("address", "c000", undefined)).toBe("c000");
    expect(join("punted", [wordOf(0, 1)], undefined)).toBeUndefined();
  });

  it("is sure only where both are", () => {
    for (const [a, b] of [
      [true, false],
      [false, true],
    ] as const) {
      expect([join("announced", a, b), join("busy", a, b), join("open", a, b)]).toEqual([false, false, true]);
    }
  });

  it("of a slot joins what the register holds, and what the event is", () => {
    const breakpoint = { address: wordOf(0, 1), dawrx: wordOf(0, 0x53) };
    const slot = { current: breakpoint, held: null };
    expect(join("slot0", slot, { current: breakpoint, held: breakpoint })).toEqual({
      current: breakpoint,
      held: unknown,
    });
    expect(join("slot0", slot, { current: null, held: null })).toEqual({ current: unknown, held: null });
  });

  it("of LPCR knows the bits that both know and agree on", () => {
    const a = { value: wordOf(0x10, 0b1100), known: wordOf(0x30, 0b1110) };
    const b = { value: wordOf(0x10, 0b1010), known: wordOf(0x10, 0b1111) };
    expect(join("lpcr", a, b)).toEqual({ value: wordOf(0x10, 0b1000), known: wordOf(0x10, 0b1000) });
  });
});
