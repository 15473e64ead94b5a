import type { Attribute } from "../../operation/ap/attribute.js";
import type { ApCall } from "../../operation/ap/call.js";
import { is, not, type Tri } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { cardFileExists, deviceFileMode, queueFileExists } from "./device-files.js";
import { mdevAt } from "./mdevs.js";
import { driverNow, queueAt } from "./queues.js";
import { NOND_9 } from "./read.js";
import type { ApState, Mdev, QueueDriver } from "./state.js";
import { SYSFS } from "./store.js";

type Open = Extract<ApCall, { kind: "attribute-open" }>;
type Mode = "read" | "write" | "both";

const MDEV_FILES: ReadonlyMap<string, Mode> = new Map<string, Mode>([
  ["assign_adapter", "write"],
  ["unassign_adapter", "write"],
  ["assign_domain", "write"],
  ["unassign_domain", "write"],
  ["assign_control_domain", "write"],
  ["unassign_control_domain", "write"],
  ["remove", "write"],
  ["matrix", "read"],
  ["guest_matrix", "read"],
  ["control_domains", "read"],
]);
const TYPE_FILES: ReadonlyMap<string, Mode> = new Map<string, Mode>([
  ["create", "write"],
  ["available_instances", "read"],
  ["device_api", "read"],
  ["name", "read"],
]);
const BUS_FILES: ReadonlyMap<string, Mode> = new Map<string, Mode>([
  ["apmask", "both"],
  ["aqmask", "both"],
  ["config_time", "both"],
  ["ap_domain", "both"],
  ["ap_adapter_mask", "read"],
  ["ap_usage_domain_mask", "read"],
  ["ap_control_domain_mask", "read"],
  ["ap_max_domain_id", "read"],
  ["ap_max_adapter_id", "read"],
]);

/** An open of an attribute: whether it must succeed, and what it answers else (vfio-ap-config 2.3). */
export function open(x: Trial, s: ApState, call: Open): void {
  const mode = modeOf(call.attribute);
  if (mode === undefined) {
    x.cannotCheck("the attribute is not modelled");
    return;
  }
  const there = exists(x, s, call.attribute);
  // Where the directory is missing too, an open with O_CREAT gets no further than the look-up: ENOENT.
  // What is not there need not be gone: an mdev whose removal waits has no files any more (MDEV-4).
  if (x.refuse(not(there), call.create ? ["EACCES", "ENOENT"] : "ENOENT", SYSFS)) return;
  if (x.refuse(mode !== "both" && call.access !== mode, "EACCES", SYSFS)) return;
  x.succeeds(SYSFS);
  learnPresent(s, call.attribute);
}

function modeOf(attribute: Attribute): Mode | undefined {
  switch (attribute.on) {
    case "mdev":
      return MDEV_FILES.get(attribute.name);
    case "mdev-type":
      return TYPE_FILES.get(attribute.name);
    case "bus":
      return BUS_FILES.get(attribute.name) ?? deviceFileMode(attribute);
    case "driver":
      return "write";
    case "queue":
      return attribute.name === "status" ? "read" : deviceFileMode(attribute);
    case "card":
      return deviceFileMode(attribute);
  }
}

function exists(x: Trial, s: ApState, attribute: Attribute): Tri {
  switch (attribute.on) {
    case "mdev": {
      const m = mdevAt(s, attribute.uuid);
      if (attribute.name === "guest_matrix" && !s.parameters.dynamic) return false;
      if (m.removing) return "unknown";
      return is(m.present, true);
    }
    case "mdev-type":
    case "driver":
      return attribute.on === "driver" && attribute.driver !== "vfio_ap" ? "unknown" : is(s.host.loaded, true);
    case "bus":
      return busFileExists(s, attribute.name);
    case "queue": {
      // DRV-11: the older drivers make no such file.
      if (attribute.name === "status" && s.parameters.old) return false;
      const driver = driverNow(x, s, queueAt(s, attribute.apqn));
      return attribute.name === "status" ? is<QueueDriver>(driver, "vfio_ap") : queueFileExists(attribute.name, driver);
    }
    case "card":
      return cardFileExists(s, attribute);
  }
}

/** BUS-3: some files came with later kernels. */
function busFileExists(s: ApState, name: string): Tri {
  if (s.parameters.profile === "linux-6.1") return true;
  if (name === "bindings" || name === "scans") return "unknown";
  return s.parameters.dynamic || (name !== "ap_adapter_mask" && name !== "ap_max_adapter_id") ? true : "unknown";
}

function learnPresent(s: ApState, attribute: Attribute): void {
  if (attribute.on === "mdev") s.journal.set(mdevAt(s, attribute.uuid), "present", true);
  if (attribute.on === "mdev" || attribute.on === "mdev-type") s.journal.set(s.host, "loaded", true);
}

/**
 * NOND-9: a store through a descriptor that was opened before the mdev was removed, or while its removal waits, answers
 * ENODEV; nothing changes. Without the mdev it has no other answer.
 */
export function fileGone(x: Trial, s: ApState, m: Mdev): boolean {
  if (m.present === true && !m.removing) return false;
  const { result } = x.operation;
  const gone: Tri = m.present === false ? true : result.kind === "error" && result.errno === "ENODEV" && "unknown";
  if (x.refuse(gone, "ENODEV", NOND_9)) return true;
  if (x.lenient && m.present === false) s.journal.set(m, "present", true);
  return false;
}
