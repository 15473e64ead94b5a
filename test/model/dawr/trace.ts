import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check } from "../../../src/check/check.js";
import type { CaptureReport } from "../../../src/check/report.js";

/** Writes ftrace text of a powerpc host or guest, line by line, and checks it. */

/** What is put into a trace: lines without their columns, of task 100. */
export class Trace {
  private readonly lines: string[] = [];
  private micros = 0;

  /** Lines as the recorder prints them behind the columns. */
  add(...texts: readonly string[]): this {
    for (const text of texts) this.on(100, 0, text);
    return this;
  }

  /** A line of another task or CPU; `flags` is the column that tells an interrupt. */
  on(tid: number, cpu: number, text: string, flags = "....."): this {
    this.micros += 10;
    const time = `${Math.floor(this.micros / 1e6) + 1}.${String(this.micros % 1e6).padStart(6, "0")}`;
    const place = `[${String(cpu).padStart(3, "0")}] ${flags}`;
    this.lines.push(`${"vmm".padStart(16)}-${String(tid).padEnd(7)} ${place} ${time.padStart(12)}: ${text}`);
    return this;
  }

  /** What the recorder prints where the buffer of a CPU ran over. */
  lost(cpu: number): this {
    this.lines.push(`CPU:${cpu} [LOST 5 EVENTS]`);
    return this;
  }

  ioctl(fd: number, command: string, argument: string, result: string, ...inside: readonly string[]): this {
    return this.add(
      `sys_ioctl(fd: ${fd.toString(16)}, cmd: ${command}, arg: ${argument})`,
      ...inside,
      `sys_ioctl -> ${result}`,
    );
  }

  text(): string {
    return `${this.lines.join("\n")}\n`;
  }

  async check(profile: string, facts: Readonly<Record<string, string>> = {}): Promise<CaptureReport> {
    const text = this.text();
    async function* bytes(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(text, "latin1");
    }
    const { captures } = await check([{ name: "trace.txt", bytes: bytes() }], { profile: [`dawr=${profile}`], facts });
    const [capture] = captures;
    if (capture === undefined) throw new Error("no report");
    return bare(capture);
  }

  /** As {@link check}, as a capture with a manifest. */
  async checkCapture(manifest: Readonly<Record<string, unknown>>): Promise<CaptureReport> {
    const folder = mkdtempSync(join(tmpdir(), "kvm-conform-"));
    try {
      writeFileSync(join(folder, "capture.json"), JSON.stringify({ version: 1, ...manifest }));
      writeFileSync(join(folder, "trace.txt"), this.text());
      const { captures } = await check([folder]);
      const [capture] = captures;
      if (capture === undefined) throw new Error("no report");
      return bare(capture);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
}

/** Rules without the name of their spec, which stands before those that another spec has too. */
function bare(capture: CaptureReport): CaptureReport {
  const divergences = capture.divergences.map((one) => ({
    ...one,
    rules: one.rules.map((rule) => rule.replace(/^dawr\//, "")),
  }));
  return { ...capture, divergences };
}

export const EINVAL = "0xffffffffffffffea";
export const ENODEV = "0xffffffffffffffed";
export const EFAULT = "0xfffffffffffffff2";
export const EIO = "0xfffffffffffffffb";

const POINTER = "7fff00001000";

/** KVM_ENABLE_CAP with its structure. */
export function enableCap(
  trace: Trace,
  on: "vm" | "vcpu",
  request: { readonly cap: number; readonly flags?: number; readonly args?: readonly string[] },
  result: string,
  pointer = POINTER,
): Trace {
  const [a0 = "0x0", a1 = "0x0"] = request.args ?? [];
  const head = `${on}_enable_cap: (kvm_${on}_ioctl+0xc/0x10 [kvm]) cmd=0x8068aea3 cap=${request.cap} flags=${request.flags ?? 0} a0=${a0} a1=${a1}`;
  return trace.ioctl(on === "vm" ? 6 : 7, "8068aea3", pointer, result, on === "vm" ? `${head} a2=0x0 a3=0x0` : head);
}

/** A VM (descriptor 6) with one vCPU (7) in PAPR mode. */
export function machine(type: string, enabled: boolean): Trace {
  const trace = new Trace().ioctl(5, "2000ae01", type, "0x6").ioctl(6, "2000ae41", "0", "0x7");
  enableCap(trace, "vcpu", { cap: 68 }, "0x0");
  if (enabled) enableCap(trace, "vm", { cap: 104, args: ["0x31c", "0x1"] }, "0x0");
  return trace;
}

/** One hcall in a KVM_RUN of its own. */
export function hcall(trace: Trace, name: string, args: readonly string[], code: string): Trace {
  const ret = code === "H_TOO_HARD" ? "RESUME_HOST" : "RESUME_GUEST";
  const registers = [...args, "0x0", "0x0", "0x0", "0x0"].slice(0, 4).join(",");
  const inside = [
    `kvm_hcall_enter: VCPU 0: hcall=${name} GPR4-7=${registers}`,
    `kvm_hcall_exit: VCPU 0: ret=${ret} hcall_rc=${code}`,
  ];
  return code === "H_TOO_HARD"
    ? trace.ioctl(7, "2000ae80", "0", "0x0", ...inside)
    : trace.ioctl(7, "2000ae80", "0", "0xfffffffffffffffc", ...inside);
}

/** KVM_GET_ONE_REG or KVM_SET_ONE_REG; `read`: the value that a return probe shows. */
export function oneReg(
  trace: Trace,
  request: { readonly set?: string; readonly id: string; readonly addr?: string; readonly read?: string },
  result: string,
): Trace {
  const command = request.set === undefined ? "8010aeab" : "8010aeac";
  const value = request.set ?? "0xeeeeeeeeeeeeeeee";
  const addr = request.addr ?? "0x100f2390";
  const lines = [
    `vcpu_one_reg: (kvm_vcpu_ioctl+0xc/0x918 [kvm]) cmd=0x${command} id=${request.id} addr=${addr} val=${value}`,
  ];
  if (request.read !== undefined) lines.push(`one_reg_get_out: (x+0x0/0x1) val=${request.read} rc=0`);
  return trace.ioctl(7, command, POINTER, result, ...lines);
}

/** Codes that an hcall may be answered with. */
export const codes = [
  "H_SUCCESS",
  "H_NOT_AVAILABLE",
  "H_TOO_HARD",
  "H_HARDWARE",
  "H_FUNCTION",
  "H_PRIVILEGE",
  "H_PARAMETER",
  "H_BAD_MODE",
  "H_P2",
  "H_P3",
  "H_P4",
  "H_UNSUPPORTED_FLAG_START",
  "H_LONG_BUSY_ORDER_10_MSEC",
] as const;

/** CPUs of hosts by the features that the spec's examples name. */
export const cpus = {
  p10: { "dawr.cpu.name": "POWER10", "dawr.cpu.dawr1": "true" },
  p10one: { "dawr.cpu.name": "POWER10", "dawr.cpu.dawr1": "false" },
  /** DAWR stays what the call decides: an administrator may switch it. */
  p9: { "dawr.cpu.name": "POWER9", "dawr.cpu.dawr1": "false" },
  p8: { "dawr.cpu.name": "POWER8", "dawr.cpu.dawr1": "false" },
  p7: { "dawr.cpu.name": "POWER7", "dawr.cpu.dawr1": "false" },
} as const;

export const hvHost = { "dawr.hvModule": "true", "dawr.prModule": "false", "dawr.hostIsPseries": "false" } as const;
export const prHost = { "dawr.hvModule": "false", "dawr.prModule": "true", "dawr.hostIsPseries": "false" } as const;
