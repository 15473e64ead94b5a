import { describe, expect, it } from "vitest";
import { check } from "../../src/check/check.js";
import { filesOf } from "./archive.js";
import { allowedBy, type Change, type Place } from "./ppc-oracle.js";

/**
 * One field of one recorded line changed to another legal-looking value, many times: each change is found, or a rule
 * allows it. Which rule that is says an oracle that knows the tables of the spec and nothing of the model.
 */

const folder = new URL("ppc/", import.meta.url).pathname;

/** The lines of `trace.txt` of a recording. */
function traceOf(name: string): readonly string[] {
  const trace = filesOf(`${folder}${name}.tar.gz`).get("trace.txt");
  if (trace === undefined) throw new Error(`no trace in ${name}`);
  return trace.split("\n");
}

/** A part of a recording that stands for itself: whole VMs, or a stretch of a guest's calls. */
interface Stretch {
  readonly lines: readonly string[];
  readonly facts: Readonly<Record<string, string>>;
  readonly place: Omit<Place, "line" | "lines" | "changed">;
}

const p10 = { "dawr.cpu.name": "POWER10", "dawr.cpu.dawr1": "true" };
const p9 = { "dawr.cpu.name": "POWER9", "dawr.cpu.dawr1": "false" };
const hv = { "dawr.vmKind": "HV", "dawr.hvModule": "true", "dawr.hostIsPseries": "true", "dawr.vmm": "other" };
const pr = { "dawr.hvModule": "false", "dawr.prModule": "true", "dawr.hostIsPseries": "true", "dawr.vmm": "other" };
const tcg = { "dawr.hypervisor": "qemu-tcg" };

/** The lines from one phase's marker to the next one's, with the first `most` of them. */
function phase(lines: readonly string[], name: string, most: number): readonly string[] {
  const from = lines.findIndex((line) => line.includes(`phase=${name} `));
  const length = lines.slice(from + 1).findIndex((line) => line.includes("phase="));
  return lines.slice(from, from + 1 + Math.min(length, most));
}

/** The set-up of a phase's VM up to its first KVM_RUN, and `most` lines from an hcall on, farther behind. */
function later(lines: readonly string[], name: string, from: number, most: number): readonly string[] {
  const all = phase(lines, name, Number.POSITIVE_INFINITY);
  const run = all.findIndex((line) => line.includes("cmd: 2000ae80"));
  const start = all.findIndex((line, i) => i >= from && line.includes("kvm_hcall_enter:"));
  return [...all.slice(0, run + 1), ...all.slice(start, start + most)];
}

function stretches(): readonly Stretch[] {
  const found: Stretch[] = [];
  for (const [name, cpu, host] of [
    ["hv-p10-q10-dawr1-k61", p10, "p10"],
    ["hv-p9-q72-k61", p9, "p9"],
  ] as const) {
    const lines = traceOf(name);
    const facts = { ...cpu, ...hv };
    for (const [phaseName, enabled, granted] of [
      ["vmtypes", false, true],
      ["fresh-regs", true, false],
      ["hcalls-default-not-enabled", false, false],
      ["hcalls-nodawr1", true, false],
      ["enable-dawr1-variants", true, undefined],
      ["hcalls-dawr1", true, true],
      ["compat", true, undefined],
      ["enable-hcall", undefined, true],
      ["two-vcpus", true, true],
      ["no-papr", true, false],
    ] as const) {
      const place = {
        view: "hv",
        host,
        enabled,
        granted: granted === true && host === "p9" ? false : granted,
      } as const;
      found.push({
        lines: phase(lines, phaseName, phaseName === "compat" ? 1800 : 700),
        facts,
        place: { ...place, phase: phaseName },
      });
    }
  }
  for (const [name, cpu, host] of [
    ["hv-p10-q10-dawr1-k61", p10, "p10"],
    ["hv-p9-q72-k61", p9, "p9"],
  ] as const) {
    const lines = traceOf(name);
    for (const [phaseName, enabled, granted] of [
      ["hcalls-default-not-enabled", false, false],
      ["hcalls-nodawr1", true, false],
      ["hcalls-dawr1", true, true],
    ] as const) {
      for (const from of [1200, 2400, 3300]) {
        const place = { view: "hv", host, enabled, granted: granted && host === "p10", phase: phaseName } as const;
        found.push({ lines: later(lines, phaseName, from, 400), facts: { ...cpu, ...hv }, place });
      }
    }
  }
  const prLines = traceOf("pr-p9-q10-kpr");
  for (const [phaseName, enabled] of [
    ["vmtypes", true],
    ["fresh-regs", true],
    ["hcalls-default-not-enabled", true],
    ["hcalls-nodawr1", true],
    ["enable-hcall", undefined],
    ["two-vcpus", true],
    ["problem-state", true],
  ] as const) {
    const place = { view: "pr", host: "p9", enabled, granted: false, phase: phaseName } as const;
    found.push({ lines: phase(prLines, phaseName, 900), facts: { ...p9, ...pr }, place });
  }
  const guest = (name: string, facts: Readonly<Record<string, string>>, host: "p10" | "p8", from: number): void => {
    const lines = traceOf(name).slice(from, from + 900);
    const place = { view: "guest", host, enabled: undefined, granted: undefined, phase: name } as const;
    found.push({ lines, facts: { ...facts, ...tcg }, place });
  };
  guest("hset-p10-q10-dawr1-kpr", { ...p10, "dawr.vmm": "qemu-dawr1" }, "p10", 12);
  guest("hset-p10-q10-dawr1-kpr", { ...p10, "dawr.vmm": "qemu-dawr1" }, "p10", 4000);
  guest("wp-p10-q10-dawr1-k61", { ...p10, "dawr.vmm": "qemu-dawr1" }, "p10", 2200);
  guest("wp-p8-q72-k61", { "dawr.cpu.name": "POWER8", "dawr.vmm": "qemu-p10" }, "p8", 12);
  return found;
}

/** A field that can be changed: how it stands in a line, and other values for it. */
interface Field {
  readonly name: string;
  readonly pattern: RegExp;
  readonly values: readonly string[];
  /** Only in stretches of which it is known what user space had enabled. */
  readonly definite?: true;
}

const codes = [
  "H_SUCCESS",
  "H_HARDWARE",
  "H_FUNCTION",
  "H_PRIVILEGE",
  "H_PARAMETER",
  "H_BAD_MODE",
  "H_P2",
  "H_P3",
  "H_P4",
  "H_UNSUPPORTED_FLAG_START",
  "H_TOO_HARD",
  "H_LONG_BUSY_ORDER_10_MSEC",
];
const words = [
  "0x0",
  "0x1",
  "0x2",
  "0x3",
  "0x4",
  "0x5",
  "0x7",
  "0x53",
  "0x73",
  "0x1003",
  "0x10000000",
  "0xffffffffffffffff",
];
const numbers = ["H_SET_MODE", "H_SET_DABR", "H_SET_XDABR", "0x29", "0x31d", "0x418"];
const decimals = ["0", "3", "-1", "-2", "-4", "-55", "-56", "-57", "-256", "9999", "-69", "9901"];
const returns = ["0x0", "0x1", "0x16", "0xe", "0x13", "0xffffffffffffffea", "0xfffffffffffffff2", "0xffffffffffffffed"];
const ids = ["aa", "ab", "ac", "b7", "b8", "c4", "c5", "8"].map((index) => `0x10300000000000${index.padStart(2, "0")}`);

const hset = (key: string, values: readonly string[]): Field => ({
  name: `hset ${key}`,
  pattern: new RegExp(`( hset: .*\\b${key}=)(0x[0-9a-f]+)`),
  values,
});
const register = (number: number): Field => ({
  name: `GPR${number}`,
  pattern: new RegExp(`(hcall=H_SET_\\S+ GPR4-7=(?:0x[0-9a-f]+,){${number - 4}})(0x[0-9a-f]+)`),
  values: words,
  definite: true,
});
const prRegister = (number: number): Field => ({
  name: `PR gpr${number}`,
  pattern: new RegExp(`(p_kvmppc_h_pr: .*op=0x31c .*gpr${number}=)(0x[0-9a-f]+)`),
  values: words,
  definite: true,
});

const fields: readonly Field[] = [
  { name: "hcall_rc", pattern: /(hcall_rc=)(\S+)/, values: codes, definite: true },
  {
    name: "ret",
    pattern: /( ret=)(RESUME_\S+)/,
    values: ["RESUME_GUEST", "RESUME_GUEST_NV", "RESUME_HOST", "RESUME_HOST_NV"],
    definite: true,
  },
  { name: "hcall", pattern: /( hcall=)(H_SET_\S+)/, values: numbers, definite: true },
  register(4),
  register(5),
  register(6),
  register(7),
  { name: "sys_ioctl return", pattern: /(sys_ioctl -> )(0x[0-9a-f]+)/, values: returns },
  { name: "cap", pattern: /(v(?:m|cpu)_enable_cap: .*cap=)(\d+)/, values: ["68", "104", "187", "191", "194", "9999"] },
  { name: "cap flags", pattern: /(v(?:m|cpu)_enable_cap: .*flags=)(\d+)/, values: ["0", "1", "2", "4", "4294967295"] },
  {
    name: "cap a0",
    pattern: /(vm_enable_cap: .*a0=)(0x[0-9a-f]+)/,
    values: ["0x0", "0x28", "0x31c", "0x31d", "0xf804"],
  },
  {
    name: "cap a1",
    pattern: /(vm_enable_cap: .*a1=)(0x[0-9a-f]+)/,
    values: ["0x0", "0x1", "0x2", "0x3", "0x31c", "0x100000001", "0xffffffffffffffff"],
  },
  {
    name: "register id",
    pattern: /(vcpu_one_reg: .*id=)(0x[0-9a-f]+)/,
    values: [...ids, "0x10200000000000c4", "0x10500000000000aa"],
  },
  { name: "register value", pattern: /(vcpu_one_reg: .*cmd=0x8010aeac .*val=)(0x[0-9a-f]+)/, values: words },
  {
    name: "PR op",
    pattern: /(p_kvmppc_h_pr: .*op=)(0x31c)/,
    values: ["0x28", "0x134", "0x31d", "0x31c"],
    definite: true,
  },
  prRegister(4),
  prRegister(5),
  prRegister(6),
  prRegister(7),
  { name: "PR rc", pattern: /(r_kvmppc_h_pr: .*rc=)(\d)/, values: ["0", "2"] },
  {
    name: "exit reason",
    pattern: /(kvm_userspace_exit: reason )(.*)/,
    values: ["KVM_EXIT_PAPR_HCALL (19)", "restart (4)", "KVM_EXIT_MMIO (6)", "error (22)"],
  },
  { name: "opcode", pattern: /(opcode=)(796)$/, values: ["796", "40", "312"] },
  { name: "retval", pattern: /(opcode=796 retval=)(\S+)/, values: decimals },
  { name: "slot", pattern: /(pseries_set_dawr: .* a=)(0x[0-9a-f]+)/, values: ["0x0", "0x1", "0x2"] },
  {
    name: "slot address",
    pattern: /(pseries_set_dawr: .* b=)(0x[0-9a-f]+)/,
    values: ["0x0", "0x10000000", "0x7fff00000008"],
  },
  {
    name: "slot DAWRX",
    pattern: /(pseries_set_dawr: .* c=)(0x[0-9a-f]+)/,
    values: ["0x0", "0x51", "0x53", "0x57", "0x73", "0x7b", "0xfc00"],
  },
  hset("op", ["0x31c", "0x28"]),
  hset("flags", words),
  hset("res", words),
  hset("v1", words),
  hset("v2", words),
];

/** Changes of each field. */
const CHANGES = 210;

/** Numbers that look like chance and are always the same (mulberry32). */
function* chance(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    yield ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

async function isFound(stretch: Stretch, lines: readonly string[]): Promise<boolean> {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`${lines.join("\n")}\n`, "latin1");
  }
  const options = { profile: ["dawr=linux-6.1"], facts: stretch.facts, maxDivergences: 1 };
  const { captures } = await check([{ name: "trace.txt", bytes: bytes() }], options);
  return captures[0]?.verdict === "divergent";
}

function isDefinite({ place }: Stretch): boolean {
  return (
    place.view === "guest" || (place.enabled !== undefined && place.granted !== undefined && place.phase !== "compat")
  );
}

function changesOf(field: Field, all: readonly Stretch[]): readonly { stretch: Stretch; change: Change }[] {
  const places: { stretch: Stretch; line: number; before: string }[] = [];
  for (const stretch of all) {
    if (field.definite === true && !isDefinite(stretch)) continue;
    // What stands at the very end may lack the lines that show it.
    for (const [line, text] of stretch.lines.slice(0, -12).entries()) {
      const before = field.pattern.exec(text)?.[2];
      if (before !== undefined) places.push({ stretch, line, before });
    }
  }
  const random = chance(field.name.length * 7919 + places.length);
  const pick = (below: number): number => Math.floor((random.next().value ?? 0) * below);
  const made: { stretch: Stretch; change: Change }[] = [];
  const seen = new Set<string>();
  for (let tries = 0; made.length < CHANGES && tries < CHANGES * 60; tries++) {
    const at = places[pick(places.length)];
    const after = field.values[pick(field.values.length)];
    if (at === undefined || after === undefined || after === at.before) continue;
    const key = `${all.indexOf(at.stretch)} ${at.line} ${after}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const change = { field: field.name, line: at.line, before: at.before, after };
    made.push({ stretch: at.stretch, change });
  }
  return made;
}

/** What comes behind a change is looked at for so many lines. */
const BEHIND = 60;

describe("single changes of recordings", () => {
  const all = stretches();

  it("leaves the unchanged stretches conform", { timeout: 120_000 }, async () => {
    for (const stretch of all)
      expect([stretch.place.phase, await isFound(stretch, stretch.lines)]).toEqual([stretch.place.phase, false]);
  });

  it.each(fields.map((field) => [field.name, field] as const))("%s", { timeout: 240_000 }, async (_name, field) => {
    const unexplained: string[] = [];
    const changes = changesOf(field, all);
    for (const { stretch, change } of changes) {
      const lines = stretch.lines.slice(0, change.line + BEHIND);
      const text = lines[change.line] ?? "";
      lines[change.line] = text.replace(field.pattern, `$1${change.after}`);
      if (await isFound(stretch, lines)) continue;
      const place: Place = { ...stretch.place, lines: stretch.lines, changed: lines, line: change.line };
      if (allowedBy(change, place) === undefined) {
        unexplained.push(
          `${stretch.place.host} ${stretch.place.phase}: ${change.before} -> ${change.after}: ${text.trim()}`,
        );
      }
    }
    expect(unexplained).toEqual([]);
    expect(changes.length).toBeGreaterThanOrEqual(200);
  });
});
