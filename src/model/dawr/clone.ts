import { sameWord, type Word, wordOf } from "../../event/word.js";
import { join, OneOf, Unknown, unknown } from "../core/known.js";
import type { Lpcr } from "./lpcr.js";
import { DawrState, GuestCpu, GuestKernel, type Slot, Vcpu, Vm } from "./state.js";

/** A copy of a state that shares nothing that can change: for a fork of the check. */
export function cloneState(s: DawrState): DawrState {
  const copy = new DawrState(s.parameters);
  const vms = new Map<Vm, Vm>();
  Object.assign(copy.host, s.host);
  for (const [key, vm] of s.vms) {
    const twin = Object.assign(new Vm(vm.ref), vm);
    vms.set(vm, twin);
    copy.vms.set(key, twin);
  }
  for (const [key, vcpu] of s.vcpus) {
    const vm = vms.get(vcpu.vm) ?? vcpu.vm;
    copy.vcpus.set(key, Object.assign(new Vcpu(vcpu.ref, vm), vcpu, { vm }));
  }
  for (const [key, cpu] of s.cpus) copy.cpus.set(key, Object.assign(new GuestCpu(cpu.cpu), cpu));
  for (const [key, kernel] of s.kernels) copy.kernels.set(key, Object.assign(new GuestKernel(), kernel));
  for (const [key, count] of s.addresses) copy.addresses.set(key, count);
  return copy;
}

/** Fields that always hold a value: of two runs that end differently there the first counts, of numbers the larger. */
const PLAIN: ReadonlySet<string> = new Set(["address", "live", "hypervisor", "nrCpus", "enabling", "disabledInCreate"]);
/** What is sure only where both runs say so. */
const BOTH: ReadonlySet<string> = new Set(["announced", "busy", "defaults"]);

/** What a field allows after two runs that both explain an observation. */
export function joinField(_object: object, key: string, a: unknown, b: unknown): unknown {
  if (a === b) return a;
  if (BOTH.has(key)) return a === true && b === true;
  if (key === "open") return a === true || b === true;
  if (PLAIN.has(key)) return typeof a === "number" && typeof b === "number" ? Math.max(a, b) : a;
  if (key === "punted" || key === "cleared0") return undefined;
  if (isSlot(a) && isSlot(b)) return { current: joinValue(a.current, b.current), held: joinValue(a.held, b.held) };
  if (isLpcr(a) && isLpcr(b)) return joinLpcr(a, b);
  return joinValue(a, b);
}

function joinValue(a: unknown, b: unknown): unknown {
  if (a === b) return a;
  if (isWord(a) && isWord(b)) return sameWord(a, b) ? a : unknown;
  const plain = (value: unknown): boolean =>
    typeof value !== "object" || value instanceof OneOf || value instanceof Unknown;
  return plain(a) && plain(b) ? join(a, b) : unknown;
}

function isWord(value: unknown): value is Word {
  return typeof value === "object" && value !== null && "hi" in value && "lo" in value;
}

function isSlot(value: unknown): value is Slot {
  return typeof value === "object" && value !== null && "current" in value && "held" in value;
}

function isLpcr(value: unknown): value is Lpcr {
  return typeof value === "object" && value !== null && "value" in value && "known" in value;
}

/** The bits that both know and agree on. */
function joinLpcr(a: Lpcr, b: Lpcr): Lpcr {
  const differ = wordOf(a.value.hi ^ b.value.hi, a.value.lo ^ b.value.lo);
  const known = wordOf(a.known.hi & b.known.hi & ~differ.hi, a.known.lo & b.known.lo & ~differ.lo);
  return { value: wordOf(a.value.hi & known.hi, a.value.lo & known.lo), known };
}

/** A text that two states have in common exactly if all their objects have the same fields. */
export function fingerprint(s: DawrState): string {
  const objects: readonly Iterable<object>[] = [
    [s.host],
    s.vms.values(),
    s.vcpus.values(),
    s.cpus.values(),
    s.kernels.values(),
  ];
  return objects.map((kind) => [...kind].map(fieldsText).join("\n")).join("\n\n");
}

function fieldsText(object: object): string {
  return JSON.stringify(object, (key: string, value: unknown) => {
    if (key === "") return value;
    return value instanceof Vm ? `VM ${value.ref.id}` : value;
  });
}
