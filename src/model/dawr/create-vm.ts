import type { VmCreateCall } from "../../operation/dawr/call.js";
import { and, isKnown, type Known, not, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { CAP_11, FMT_2 } from "./capability-rules.js";
import { learnHost, refuses } from "./compat.js";
import { isLinux } from "./guest-order.js";
import { GUEST_8 } from "./guest-rules.js";
import { type DawrState, kindOf, tri, type VmKind } from "./state.js";
import { equals } from "./words.js";

/** Failures for want of something, that say nothing about the rules. */
const exhausted: ReadonlySet<string> = new Set(["ENOMEM", "EMFILE", "ENFILE"]);

/** Whether the call failed for want of memory or descriptors. */
function ranOut(x: Trial): boolean {
  const { result } = x.operation;
  if (result.kind !== "error" || !exhausted.has(result.errno)) return false;
  x.cannotCheck(`the host ran out of something: ${result.errno}`);
  return true;
}

/** CAP-11; GUEST-8 for the host's own hcall. */
export function createVm(x: Trial, s: DawrState, call: VmCreateCall): void {
  const { host, journal } = s;
  const inside = host.disabledInCreate === x.operation.tid;
  if (inside) journal.set(host, "disabledInCreate", -1);
  if (ranOut(x)) return;
  const { type } = call;
  if (type === undefined) {
    x.cannotCheck("the machine type was not recorded");
    if (call.vm !== undefined) made(s, call, unknown);
    return;
  }
  const hv = tri(host.hvModule);
  const pr = tri(host.prModule);
  const kind = equals(type, 0) ? "any" : equals(type, 1) ? "HV" : equals(type, 2) ? "PR" : "none";
  const refused: Tri =
    kind === "any" ? and(not(hv), not(pr)) : kind === "HV" ? not(hv) : kind === "PR" ? not(pr) : true;
  if (call.ambiguous !== undefined) {
    // FMT-2: EINVAL is 22; any other errno would be want of something.
    if (refused === true && call.ambiguous !== 22) x.differs("EINVAL", String(call.ambiguous), CAP_11, FMT_2);
    else if (refused === true) x.agrees(CAP_11, FMT_2);
    else x.cannotCheck(`${call.ambiguous} is a descriptor or an errno (FMT-2)`);
    return;
  }
  const learn = (no: boolean): void => {
    if (kind === "HV") learnHost(s, "hvModule", !no);
    else if (kind === "PR") learnHost(s, "prModule", !no);
    else if (no) {
      learnHost(s, "hvModule", false);
      learnHost(s, "prModule", false);
    } else if (hv === false) learnHost(s, "prModule", true);
    else if (pr === false) learnHost(s, "hvModule", true);
  };
  if (refuses(x, refused, "EINVAL", [CAP_11], learn)) {
    if (inside) x.differs("no hcall of a refused request", "an hcall (0,3,0,0) inside it", CAP_11, GUEST_8);
    return;
  }
  x.succeeds(CAP_11);
  const madeKind: Known<VmKind> = kind === "HV" || kind === "PR" ? kind : kindOfDefault(s);
  made(s, call, madeKind);
  if (call.traced) checkReloc(x, s, madeKind, inside);
}

function kindOfDefault(s: DawrState): Known<VmKind> {
  const { host } = s;
  return host.hvModule === true ? "HV" : kindOf(host);
}

/** A new VM: everything zero but the default hcalls of its kind (1.1). */
function made(s: DawrState, call: VmCreateCall, kind: Known<VmKind>): void {
  if (call.vm === undefined) return;
  const vm = s.vm(call.vm);
  const { journal, parameters } = s;
  journal.set(vm, "kind", kind);
  journal.set(vm, "dawr1Enabled", false);
  journal.set(vm, "defaults", !isKnown(kind));
  const isPr = kind === "PR";
  const setMode = isKnown(kind) ? isPr && parameters.prSetMode : parameters.prSetMode ? unknown : false;
  journal.set(vm, "setMode", setMode);
  journal.set(vm, "setDabr", isKnown(kind) ? !isPr : unknown);
  journal.set(vm, "setXdabr", isKnown(kind) ? !isPr : unknown);
  journal.set(vm, "nestedEnable", false);
  journal.set(vm, "l1Ptcr", false);
  if (isLinux(s)) journal.set(s.kernel(vm.ref.id), "stage", "firmware");
}

/** GUEST-8: the first PR VM of a pseries host switches its AIL off before KVM_CREATE_VM returns. */
function checkReloc(x: Trial, s: DawrState, kind: Known<VmKind>, inside: boolean): void {
  const { host } = s;
  if (kind === "HV" && inside) {
    x.differs("no hcall for a VM of KVM-HV", "an hcall (0,3,0,0) inside KVM_CREATE_VM", GUEST_8);
    return;
  }
  if (kind !== "PR" || host.prAil !== "on" || inside) return;
  if (!host.announced || !x.certain("pseries_disable_reloc_on_exc")) return;
  x.differs("(0,3,0,0) before KVM_CREATE_VM of the first PR VM returns", "no such hcall", GUEST_8);
}
