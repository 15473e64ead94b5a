import { isKnown, type Known, unknown } from "../core/known.js";
import type { Setting } from "../core/model.js";
import { isDawrProfile, parametersOf } from "./profile.js";
import { DawrState, type Host, vmmColumns } from "./state.js";

/** The state at the begin of a recording: what facts and snapshot say, everything else unknown. */
export function initialState(setting: Setting): DawrState {
  const profile = isDawrProfile(setting.profile) ? setting.profile : "linux-6.1";
  const newer = isNewer(setting);
  const bursts = setting.kernel === undefined || newer;
  const s = new DawrState(parametersOf(profile, { newer, bursts, kexecTail: kexecTail(setting.kernel) }));
  const { host } = s;
  readSnapshot(host, setting);
  readFacts(host, setting);
  derive(host);
  if (!s.parameters.newer) host.nestedPapr = false;
  return s;
}

/** Section 9: a kernel newer than 6.1.y is replayed as linux-6.1, with what was seen of 6.12. */
function isNewer(setting: Setting): boolean {
  const release = setting.kernel;
  const match = /^(\d{1,3})\.(\d{1,3})/.exec(release ?? "");
  if (match === null) return false;
  return Number(match[1]) * 1000 + Number(match[2]) > 6001;
}

/** GUEST-7: 6.1.y sends (0,3,0,0) behind all clears from the middle of 2024 on; earlier ones, and 5.10, before them. */
function kexecTail(release: string | undefined): boolean {
  const match = /^6\.1\.(\d{1,4})/.exec(release ?? "");
  return match !== null && Number(match[1]) >= MIDDLE_OF_2024;
}

const MIDDLE_OF_2024 = 100;

const cpuFlags = ["arch206", "arch207s", "arch300", "arch31", "dawr", "dawr1", "p9PrefetchBug"] as const;
type CpuFlag = (typeof cpuFlags)[number];
const hostFlags = ["hvModule", "prModule"] as const;
/** Facts that are understood and of no use here, or read elsewhere. */
const otherFacts: ReadonlySet<string> = new Set(["profile", "hostLE", "radix"]);

function readFacts(host: Host, setting: Setting): void {
  const note = (name: string, value: unknown, what: string): void =>
    setting.note(`fact dawr.${name}: ${JSON.stringify(value)} is not ${what}; taken as unknown`);
  const flag = (name: string, value: unknown): boolean | undefined => {
    if (value === true || value === "true") return true;
    if (value === false || value === "false") return false;
    note(name, value, "true or false");
    return undefined;
  };
  for (const [name, value] of ordered(setting.facts)) {
    const bare = name.startsWith("cpu.") ? name.slice(4) : name;
    const cpuFlag = cpuFlags.find((one) => one === bare);
    const hostFlag = hostFlags.find((one) => one === bare);
    if (cpuFlag !== undefined) set(host, cpuFlag, flag(name, value));
    else if (hostFlag !== undefined) set(host, hostFlag, flag(name, value));
    else if (bare === "dawrForceEnable") set(host, "dawr", flag(name, value));
    else if (bare === "hostIsPseries") set(host, "isPseries", flag(name, value));
    else if (bare === "name") byName(host, String(value));
    else if (bare === "vmKind") {
      if (value === "HV" || value === "PR") host.vmKind = value;
      else note(name, value, "HV or PR");
    } else if (bare === "vmm") {
      const column = vmmColumns.find((one) => one === value);
      if (column === undefined) note(name, value, `one of ${vmmColumns.join(", ")}`);
      else host.vmm = column;
    } else if (bare === "guest") {
      if (value === "linux" || value === "other") host.guest = value;
      else note(name, value, "linux or other");
    } else if (bare === "view") host.guestView = value === "guest";
    else if (bare === "hypervisor") host.hypervisor = String(value);
    else if (bare === "nrCpus") host.nrCpus = Number.isSafeInteger(Number(value)) ? Number(value) : undefined;
    else if (!otherFacts.has(bare)) setting.note(`fact dawr.${name} is not known; left out`);
  }
}

/** The facts with the members of `cpu` as `cpu.NAME`; those given by that name come last and win. */
function ordered(facts: Readonly<Record<string, unknown>>): readonly (readonly [string, unknown])[] {
  const list: (readonly [string, unknown])[] = [];
  const { cpu, ...others } = facts;
  if (typeof cpu === "object" && cpu !== null) {
    const members = Object.entries(cpu).sort(([a], [b]) => Number(b === "name") - Number(a === "name"));
    for (const [name, value] of members) list.push([`cpu.${name}`, value]);
  } else if (typeof cpu === "string") list.push(["cpu.name", cpu]);
  const rest = Object.entries(others).sort(([a], [b]) => Number(b === "cpu.name") - Number(a === "cpu.name"));
  return [...list, ...rest];
}

function set(host: Host, name: CpuFlag | "hvModule" | "prModule" | "isPseries", value: boolean | undefined): void {
  host[name] = value ?? unknown;
}

/** Levels of a CPU by its name: `POWER10`, `POWER9 (architected), altivec supported`. */
function byName(host: Host, name: string): void {
  const match = /POWER(\d{1,2})/i.exec(name);
  if (match?.[1] === undefined) return;
  const level = Number(match[1]);
  host.arch206 = level >= 7;
  host.arch207s = level >= 8;
  host.arch300 = level >= 9;
  host.arch31 = level >= 10;
}

/** `/proc/cpuinfo:cpu : POWER9 ...`, the modules, the administrator's switch (capture-formats g.5). */
function readSnapshot(host: Host, setting: Setting): void {
  for (const { path, value } of setting.environment) {
    if (path === "/proc/cpuinfo") {
      const match = /^(cpu|platform|MMU)\s*:\s*(.*)$/.exec(value);
      if (match?.[1] === "cpu") byName(host, match[2] ?? "");
      if (match?.[1] === "platform") host.isPseries = /pseries/i.test(match[2] ?? "");
    } else if (path.startsWith("/sys/module/kvm_hv/")) host.hvModule = true;
    else if (path.startsWith("/sys/module/kvm_pr/")) host.prModule = true;
    else if (path === "/sys/kernel/debug/powerpc/dawr_enable_dangerous") host.dawr = value.trim().startsWith("Y");
  }
}

/** Each level implies the earlier ones, and some features (0.2). */
export function derive(host: Host): void {
  const isOpen = <T>(known: Known<T>): boolean => !isKnown(known);
  // Only POWER10 has the second DAWR; ISA 2.07 without a usable one is a POWER9.
  if (isOpen(host.arch31) && host.dawr1 === true) host.arch31 = true;
  if (isOpen(host.arch31) && host.dawr === false && host.arch207s === true) {
    host.arch31 = false;
    if (isOpen(host.arch300)) host.arch300 = true;
  }
  const levels = ["arch206", "arch207s", "arch300", "arch31"] as const;
  for (let i = levels.length - 1; i > 0; i--) {
    const upper = levels[i];
    const lower = levels[i - 1];
    if (upper !== undefined && lower !== undefined && host[upper] === true) host[lower] = true;
  }
  for (let i = 0; i + 1 < levels.length; i++) {
    const upper = levels[i + 1];
    const lower = levels[i];
    if (upper !== undefined && lower !== undefined && host[lower] === false) host[upper] = false;
  }
  if (isOpen(host.dawr)) {
    if (host.arch31 === true || (host.arch207s === true && host.arch300 === false)) host.dawr = true;
    else if (host.arch207s === false) host.dawr = false;
  }
  if (isOpen(host.dawr1) && host.arch31 === false) host.dawr1 = false;
  if (isOpen(host.p9PrefetchBug) && (host.arch31 === true || host.arch300 === false)) host.p9PrefetchBug = false;
}

/** A POWER9, or possibly one: an administrator may switch its DAWR at run time (ND-5). */
export function mayToggle(host: Host): boolean {
  return host.arch300 !== false && host.arch31 !== true;
}
