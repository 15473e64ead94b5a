import { is, isKnown, oneOf, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { MASK_3 } from "./bus.js";
import { newestFirst } from "./config-change.js";
import { removeMdev } from "./mdevs.js";
import { configRule } from "./profile.js";
import { leave, probe } from "./queue-life.js";
import { configured, isReserved, queueAt } from "./queues.js";
import type { ApState, QueueDriver } from "./state.js";

export const DRV_10 = configRule(
  "DRV-10",
  "Unloading the module",
  "Not possible while an mdev is open. All mdevs are removed, then all queues are unbound, then the driver's devices disappear.",
  "vfio_ap_drv.c:vfio_ap_exit",
);
export const DRV_12 = configRule(
  "DRV-12",
  "Loading the module",
  "Without AP instructions ENODEV. The host configuration is read, and every queue device without a driver, not reserved and of a type of the driver, is bound; queues of zcrypt drivers are not touched.",
  "vfio_ap_drv.c:vfio_ap_init",
);

/** EWOULDBLOCK: the module has users. */
const IN_USE = "EAGAIN";

/** delete_module(2) of vfio_ap (DRV-10). */
export function unload(x: Trial, s: ApState): void {
  x.by(DRV_10);
  if (x.refuse(s.host.moduleHeld, IN_USE, DRV_10, MASK_3)) return;
  for (const m of newestFirst(x, s)) if (x.refuse(is(m.open, true), IN_USE, DRV_10)) return;
  if (x.observedSuccess === false) {
    // Somebody else can hold the module, and who may unload is not the driver's matter.
    x.cannotCheck("why the module stays is not recorded");
    return;
  }
  for (const m of newestFirst(x, s).reverse()) removeMdev(x, s, m);
  for (const line of x.bracketList()) {
    if (line.kind === "queue_remove") leave(x, s, queueAt(s, line.apqn), "none");
  }
  for (const queue of s.queues.values()) {
    if (queue.driver === "vfio_ap") leave(x, s, queue, "none");
    else if (is<QueueDriver>(queue.driver, "vfio_ap") !== false) {
      s.journal.set(queue, "driver", oneOf<QueueDriver>(["none", "default", "absent"]));
    }
  }
  s.journal.set(s.host, "loaded", false);
  s.journal.set(s.host, "hiddenMdevs", 0);
  x.succeeds(DRV_10);
}

/** finit_module(2) of vfio_ap (DRV-12). */
export function load(x: Trial, s: ApState): void {
  x.by(DRV_12);
  const { host, journal } = s;
  if (x.observedSuccess === false) {
    if (host.apInstructions === false) x.fails("ENODEV", DRV_12);
    else x.cannotCheck("why the module could not be loaded is not recorded");
    return;
  }
  for (const side of ["Apm", "Aqm", "Adm"] as const) journal.set(host, `info${side}`, host[`bus${side}`]);
  journal.set(host, "loaded", true);
  journal.set(host, "hiddenMdevs", 0);
  journal.set(host, "available", isKnown(host.instances) ? host.instances : unknown);
  for (const line of x.bracketList()) {
    if (line.kind !== "queue_probe") continue;
    const queue = queueAt(s, line.apqn);
    const taken: Tri = is<QueueDriver>(queue.driver, "vfio_ap");
    // Of aqic-v9 no line tells the configuration.
    const missing = s.parameters.dynamic && configured(s, line.apqn) === false;
    if (taken === true || missing || isReserved(s, line.apqn) === true) {
      x.differs("only queues without a driver that are not reserved", "queue_probe", DRV_12);
    }
    probe(x, s, queue);
  }
  x.succeeds(DRV_12);
}
