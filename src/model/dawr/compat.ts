import { and, isKnown, not, or, type Tri, unknown } from "../core/known.js";
import type { Rule } from "../core/rule.js";
import type { Trial } from "../core/trial.js";
import { derive, mayToggle } from "./initial.js";
import { rule } from "./profile.js";
import { type DawrState, type Host, tri, type Vcpu, type Vm, type VmKind } from "./state.js";

export const HSM_3 = rule(
  "HSM-3",
  "POWER8-compatible test",
  "archCompat of 0x0f000004 and above passes as a plain number (so 2.06+ passes); 0 passes where the host has ISA 2.07. A guest compatible with POWER9 may use DAWR1.",
  "kvm/book3s_hv.c kvmppc_power8_compatible",
);
export const HSM_4 = rule(
  "HSM-4",
  "Breakpoint-available test",
  "True if DAWR is usable, else false where the host has ISA 2.07, else true (DABR hardware).",
  "arch/powerpc/kernel/process.c ppc_breakpoint_available",
);
export const K612_2 = rule(
  "K612-2",
  "Second nested interface",
  "An L1 of 6.12 on guest-state buffers: a vCPU whose ARCH_COMPAT was never set fails the POWER8 test, DAWRX is 32 bits wide, H_SET_(X)DABR loses its value, capability 160 answers 0.",
  "observed with 6.12",
  ["linux-6.1"],
);

/** The first archCompat that passes (2.4). */
const COMPAT_207 = 0x0f000004;

/** HSM-3. */
export function power8Compatible(s: DawrState, vcpu: Vcpu): Tri {
  const { host } = s;
  const { archCompat } = vcpu;
  const compat: Tri = isKnown(archCompat)
    ? archCompat === 0
      ? tri(host.arch207s)
      : archCompat >= COMPAT_207
    : "unknown";
  // K612-2 (b): the raw PVR stands there until ARCH_COMPAT is set.
  if (s.parameters.newer) return and(compat, or(not(tri(host.nestedPapr)), tri(vcpu.compatSet)));
  return compat;
}

/** HSM-4. Where an administrator may switch DAWR, nothing that was seen holds for the next call (ND-5). */
export function breakpointAvailable(host: Host): Tri {
  const usable = mayToggle(host) ? "unknown" : tri(host.dawr);
  return or(usable, not(tri(host.arch207s)));
}

/**
 * A check of the kernel that answers `code` where the condition holds; what decided an open condition is learned.
 */
export function refuses(
  x: Trial,
  condition: Tri,
  code: string,
  rules: readonly Rule[],
  learn: (refused: boolean) => void,
): boolean {
  const refused = x.refuse(condition, code, ...rules);
  if (condition === "unknown") learn(refused);
  return refused;
}

/** Learns a property of the host, and what it implies. */
export function learnHost(
  s: DawrState,
  name: (typeof cpuFields)[number] | "hvModule" | "prModule" | "ownAil3" | "nestedPapr",
  value: boolean,
): void {
  const { host, journal } = s;
  if (isKnown(host[name])) return;
  journal.set(host, name, value);
  const before = { ...host };
  derive(host);
  for (const key of cpuFields) {
    const derived = host[key];
    host[key] = before[key];
    journal.set(host, key, derived);
  }
}

const cpuFields = ["arch206", "arch207s", "arch300", "arch31", "dawr", "dawr1", "p9PrefetchBug"] as const;

/** A host with ISA 2.07 and no usable DAWR: a POWER9, the only one whose DAWR may be off (0.2, ND-5). */
export function learnPower9(s: DawrState): void {
  learnHost(s, "arch300", true);
  learnHost(s, "arch31", false);
}

/** The kind of a VM shows, and with it a module, and what the VM has by default (1.1). */
export function learnKind(s: DawrState, vm: Vm, kind: VmKind): void {
  if (isKnown(vm.kind)) return;
  const { journal, parameters } = s;
  const isPr = kind === "PR";
  journal.set(vm, "kind", kind);
  learnHost(s, isPr ? "prModule" : "hvModule", true);
  if (!isPr && parameters.optIn && vm.answered === false) learnHost(s, "dawr1", false);
  if (!vm.defaults) return;
  journal.set(vm, "defaults", false);
  if (!isKnown(vm.setMode)) journal.set(vm, "setMode", isPr && parameters.prSetMode);
  if (!isKnown(vm.setDabr)) journal.set(vm, "setDabr", !isPr);
  if (!isKnown(vm.setXdabr)) journal.set(vm, "setXdabr", !isPr);
}

/** The descriptor is none: no kernel's KVM was asked. */
export function isClosed(x: Trial): boolean {
  const { result } = x.operation;
  if (result.kind !== "error" || result.errno !== "EBADF") return false;
  x.cannotCheck("the descriptor is closed");
  return true;
}

/** What a VM's hcalls are is not known any more, whatever its kind. */
export function forgetHcalls(s: DawrState, vm: Vm): void {
  for (const field of ["setMode", "setDabr", "setXdabr"] as const) s.journal.set(vm, field, unknown);
  s.journal.set(vm, "defaults", false);
}
