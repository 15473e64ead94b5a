import type { OpenOperation } from "../open-operation.js";
import type { ApCall } from "./call.js";
import { type ApEffect, bracketKinds } from "./effect.js";

/** Whether a call of that kind can have that effect: a call that cannot does not get it (design, Operations). */
export function canCause(operation: OpenOperation<ApCall>, effect: ApEffect): boolean {
  const { call } = operation;
  switch (call.kind) {
    case "attribute-write":
      return call.phase !== "begin" && writeCanCause(call.attribute.on, call.attribute.name, effect);
    case "device-open":
    case "guest-set":
      return (
        effect.kind === "apcb_set" ||
        effect.kind === "mdev_set_kvm" ||
        effect.kind === "mdev_unset_kvm" ||
        effect.kind === "apcb_clear" ||
        isResetLine(effect)
      );
    case "device-close":
    case "group-close":
    case "vm-close":
    case "closes":
      return effect.kind === "apcb_clear" || effect.kind === "mdev_unset_kvm" || isResetLine(effect);
    case "device-ioctl":
      return isResetLine(effect);
    case "dma-unmap":
      return effect.kind === "dma_unmap" || effect.kind === "unpin_pages" || isResetLine(effect);
    case "pqap":
      return effect.kind === "pin_pages" || isResetLine(effect) || effect.kind === "gisc_register";
    case "scan":
      return scanTakes(operation, effect);
    case "module":
      return effect.kind === "queue_probe" || effect.kind === "queue_remove" || isResetLine(effect);
    case "queue-probe":
      return effect.kind === "apcb_set";
    case "queue-remove":
      return effect.kind === "apcb_set" || resetOf(effect, call.apqn);
    case "unrecorded":
      return !(effect.kind === "cfg_changed") && unrecordedTakes(operation, effect);
    case "attribute-open":
    case "attribute-read":
    case "group-open":
    case "iommu-group":
    case "vm-create":
    case "vm-change":
    case "gap":
      return false;
  }
}

/**
 * Whether an effect that comes while the call runs is no other call's, though it cannot be this one's either: what it
 * shows was wrong then. Only effects that a task has in a call of its own, never in work that is done at the end of one.
 */
export function isStray(operation: OpenOperation<ApCall>, effect: ApEffect): boolean {
  switch (effect.kind) {
    case "apcb_set":
    case "pin_pages":
    case "gisc_register":
    case "resource_in_use":
      return runsAlone(operation.call);
    default:
      return false;
  }
}

function runsAlone(call: ApCall): boolean {
  switch (call.kind) {
    case "pqap":
    case "attribute-open":
    case "attribute-read":
    case "group-open":
    case "device-ioctl":
    case "device-close":
    case "group-close":
    case "closes":
      return true;
    case "attribute-write":
      // Other attributes of the bus may bring queues: drivers_probe, a rescan.
      return call.attribute.on !== "bus" && call.phase !== "begin";
    default:
      return false;
  }
}

function writeCanCause(on: string, name: string, effect: ApEffect): boolean {
  if (on === "mdev") {
    if (name === "remove") return isResetLine(effect);
    return effect.kind === "apcb_set" || isResetLine(effect);
  }
  if (on === "driver")
    return (
      effect.kind === "apcb_set" ||
      effect.kind === "queue_probe" ||
      effect.kind === "queue_remove" ||
      isResetLine(effect)
    );
  if (on !== "bus") return false;
  if (name === "scans") return true;
  if (name !== "apmask" && name !== "aqmask") return false;
  return (
    effect.kind === "resource_in_use" ||
    effect.kind === "apcb_set" ||
    effect.kind === "queue_probe" ||
    effect.kind === "queue_remove" ||
    isResetLine(effect)
  );
}

/** A scan runs from cfg_changed to scan_complete; the plugging of scan_complete may be printed after its line. */
function scanTakes(operation: OpenOperation<ApCall>, effect: ApEffect): boolean {
  const done = operation.effects.some((seen) => seen.effect.kind === "scan_complete");
  if (effect.kind === "cfg_changed") return operation.effects.length === 0;
  return done ? effect.kind === "apcb_set" : true;
}

/** An unrecorded call ends where a second bracket of its kind shows that another one began. */
function unrecordedTakes(operation: OpenOperation<ApCall>, effect: ApEffect): boolean {
  if (!bracketKinds.has(effect.kind)) return true;
  const effects = probeLines(operation);
  if (effect.kind === "mdev_set_kvm") return effects.every((seen) => seen.kind === "apcb_set");
  if (effect.kind === "mdev_unset_kvm") return effects.every((seen) => seen.kind !== "mdev_unset_kvm");
  return false;
}

/** What the probes showed of an operation; the debug log only repeats it. */
function probeLines(operation: OpenOperation<ApCall>): ApEffect[] {
  return operation.effects.filter((seen) => seen.hint !== true).map((seen) => seen.effect);
}

/** Lines that a queue reset can print: the host's instructions, the freeing of interrupt resources, the result. */
function isResetLine(effect: ApEffect): boolean {
  switch (effect.kind) {
    case "reset_queue":
    case "hw_zapq":
    case "hw_tapq":
    case "hw_aqic":
    case "gisc_unregister":
    case "unpin_pages":
      return true;
    default:
      return false;
  }
}

function resetOf(effect: ApEffect, apqn: number): boolean {
  if (effect.kind === "gisc_unregister" || effect.kind === "unpin_pages") return true;
  return isResetLine(effect) && "apqn" in effect && effect.apqn === apqn;
}

/**
 * Whether a bracket line tells what a call that nobody recorded was: the line of a probe or removal may follow its effects,
 * and so may cfg_changed (probes.md).
 */
export function named(operation: OpenOperation<ApCall>, effect: ApEffect): boolean {
  if (operation.call.kind !== "unrecorded") return false;
  const effects = probeLines(operation);
  switch (effect.kind) {
    case "queue_probe":
    case "cfg_changed":
      return effects.every((seen) => seen.kind === "apcb_set");
    case "queue_remove":
      return effects.every((seen) => seen.kind === "apcb_set" || resetOf(seen, effect.apqn));
    default:
      return false;
  }
}

/** Whether a line of the debug log can come from an operation: as the probe line would that it stands beside. */
export function explainsLog(operation: OpenOperation<ApCall>, effect: ApEffect): boolean {
  switch (effect.kind) {
    case "aqic_refused":
      return operation.call.kind === "pqap" && (operation.call.gr0.lo & 0xffff) === effect.apqn;
    case "crycb_set":
      return canCause(operation, { kind: "apcb_set", kvm: "", apm: effect.apm, aqm: effect.aqm, adm: effect.adm });
    case "crycb_clear":
      return canCause(operation, { kind: "apcb_clear", kvm: "" });
    default:
      return false;
  }
}

/** Whether the last probe line of an operation says the same as a line of the log. */
export function repeatsLast(operation: OpenOperation<ApCall>, effect: ApEffect): boolean {
  const wanted = effect.kind === "crycb_set" ? "apcb_set" : effect.kind === "crycb_clear" ? "apcb_clear" : undefined;
  return operation.effects.findLast((seen) => !seen.bracket)?.effect.kind === wanted;
}

/** Whether an operation has no recorded end: the silence after its last line is all there is. */
export function endsBySilence(operation: OpenOperation<ApCall>): boolean {
  switch (operation.call.kind) {
    case "scan":
      return operation.effects.some((seen) => seen.effect.kind === "scan_complete");
    case "queue-probe":
    case "queue-remove":
    case "unrecorded":
      return true;
    default:
      return operation.returned;
  }
}
