import { addressText } from "../../event/address-text.js";
import { isDawrCall, type VcpuRef } from "../../operation/dawr/call.js";
import type { Operation } from "../../operation/operation.js";
import { isKnown } from "../core/known.js";
import {
  type Breakpoint,
  type DawrState,
  type RegisterName,
  registerNames,
  type Slot,
  type Vcpu,
  type Vm,
} from "./state.js";
import { registerText } from "./words.js";

/** The state in the JSON form (design section 4; schemas/state.proto). */
export function renderState(s: DawrState): unknown {
  const vms = [...s.vms.values()].filter((vm) => vm.live).map((vm) => renderVm(s, vm));
  // Of a recorded guest only: what stands for a guest's CPU in a VM is seen in the registers of its vCPU.
  const own = [...s.cpus.values()].filter(({ cpu }) => cpu >= 0);
  if (own.length === 0) return { vms };
  const cpus = own.map(({ cpu, slot0, slot1 }) => ({
    cpu,
    slots: s.host.dawr1 === false ? [slotText(slot0)] : [slotText(slot0), slotText(slot1)],
  }));
  return { vms, cpus };
}

function renderVm(s: DawrState, vm: Vm): unknown {
  const vcpus = [...s.vcpus.values()].filter((vcpu) => vcpu.vm === vm);
  return {
    id: vm.address ?? vm.ref.name,
    kind: isKnown(vm.kind) ? vm.kind : "unknown",
    ...(s.parameters.optIn ? { dawr1Enabled: isKnown(vm.dawr1Enabled) ? vm.dawr1Enabled : "unknown" } : {}),
    vcpus: vcpus.map((vcpu) => renderVcpu(s, vcpu)),
  };
}

/** KVM-PR keeps none of these registers (1.2). */
function renderVcpu(s: DawrState, vcpu: Vcpu): unknown {
  const id = vcpu.ref.number === undefined ? {} : { id: String(vcpu.ref.number) };
  if (vcpu.vm.kind === "PR") return id;
  const shown = registersOf(s);
  return { ...id, ...Object.fromEntries(shown.map((name) => [name, registerText(vcpu[name])])) };
}

/** The registers that the profile has (INV-4). */
function registersOf(s: DawrState): readonly RegisterName[] {
  return s.parameters.hasDawr1 ? registerNames : ["ciabr", "dawr0", "dawrx0"];
}

function slotText(slot: Slot): unknown {
  if (!isKnown(slot.current)) return "unknown";
  return slot.current === null ? null : breakpointText(slot.current);
}

function breakpointText({ address, dawrx }: Breakpoint): unknown {
  return { address: addressText(address), dawrx: addressText(dawrx) };
}

/** A few lines about the objects that an operation is about. */
export function describeState(s: DawrState, operation: Operation): readonly string[] {
  const { call } = operation;
  if (!isDawrCall(call)) return [];
  switch (call.kind) {
    case "hcall-host":
    case "hcall-pr":
    case "kvm-run":
    case "kvm-run-begin":
    case "kvm-create-vcpu":
      return describeVcpu(s, call.vcpu);
    case "kvm-one-reg":
    case "kvm-registers":
      return call.vcpu === undefined ? [] : describeVcpu(s, call.vcpu);
    case "hcall-guest": {
      const cpu = s.cpus.get(call.cpu);
      if (cpu === undefined) return [];
      return [
        `CPU ${call.cpu}: slot 0 ${JSON.stringify(slotText(cpu.slot0))}, slot 1 ${JSON.stringify(slotText(cpu.slot1))}`,
      ];
    }
    case "kvm-enable-cap":
    case "kvm-check-extension":
    case "kvm-close":
      return call.on.kind === "vm" ? describeVm(s.vms.get(call.on.vm.id)) : describeHost(s);
    case "kvm-create-vm":
    case "kvm-lost":
    case "kvm-foreign-request":
      return describeHost(s);
  }
}

function describeVcpu(s: DawrState, ref: VcpuRef): readonly string[] {
  const vcpu = s.vcpus.get(ref.id);
  if (vcpu === undefined) return [];
  const values = registersOf(s).map((name) => `${name} ${registerText(vcpu[name])}`);
  const compat = isKnown(vcpu.archCompat) ? `0x${vcpu.archCompat.toString(16)}` : "unknown";
  return [
    ...describeVm(vcpu.vm),
    `vCPU ${ref.number ?? "?"}: ${values.join(", ")}, archCompat ${compat}, PAPR ${known(vcpu.papr)}`,
    ...describeHost(s),
  ];
}

function describeVm(vm: Vm | undefined): readonly string[] {
  if (vm === undefined) return [];
  return [
    `VM ${vm.address ?? vm.ref.name}: ${isKnown(vm.kind) ? vm.kind : "kind unknown"}, second DAWR granted ${known(vm.dawr1Enabled)}, H_SET_MODE enabled ${known(vm.setMode)}`,
  ];
}

function describeHost({ host }: DawrState): readonly string[] {
  return [`host: ISA 2.07 ${known(host.arch207s)}, DAWR ${known(host.dawr)}, second DAWR ${known(host.dawr1)}`];
}

function known(value: unknown): string {
  return typeof value === "boolean" ? String(value) : "unknown";
}
