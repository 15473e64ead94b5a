import { type Attribute, parseApqn } from "../../operation/ap/attribute.js";
import { is, type Known, not, OneOf, oneOf, type Tri } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { configRule } from "./profile.js";
import { leave, probe, QUEUE_4 } from "./queue-life.js";
import { DRV_1, DRV_2, driverNow, isReserved, queueAt, takesType } from "./queues.js";
import type { ApState, Queue, QueueDriver } from "./state.js";
import { type AttributeWrite, stored, stringOf } from "./store.js";

export const DRV_5 = configRule(
  "DRV-5",
  "Binding by hand",
  "No such device, or a type that does not match: ENODEV; bound already: EBUSY (ENODEV up to 5.13); masks against it: ENODEV; else the driver probes it.",
  "drivers/base/bus.c:bind_store, dd.c:__driver_probe_device; ap_bus.c:ap_device_probe",
);
export const DRV_6 = configRule(
  "DRV-6",
  "Unbinding by hand",
  "A device that is not bound to this driver: ENODEV; else it is removed from the driver, also while a guest uses it.",
  "drivers/base/bus.c:unbind_store",
);

/** Default drivers that take queues of type 10 and newer; the others are for older cards. */
const QUEUE_DRIVERS = new Set(["vfio_ap", "cex4queue"]);

/** A write to `bind` or `unbind` of a driver. */
export function writeDriver(x: Trial, s: ApState, attribute: Attribute & { on: "driver" }, call: AttributeWrite): void {
  const text = stringOf(call);
  if (text === undefined) {
    x.cannotCheck("the written data was cut by the recorder (strace -s)");
    return;
  }
  const name = text.endsWith("\n") ? text.slice(0, -1) : text;
  const apqn = parseApqn(name);
  if (apqn === undefined && /^card[0-9a-f]{2}$/.test(name) && !QUEUE_DRIVERS.has(attribute.driver)) {
    x.cannotCheck("the binding of cards is not modelled");
    return;
  }
  const rule = attribute.name === "bind" ? DRV_5 : DRV_6;
  if (x.refuse(apqn === undefined, "ENODEV", rule)) return;
  if (apqn === undefined) return;
  if (!QUEUE_DRIVERS.has(attribute.driver)) {
    otherDriver(x, call);
    return;
  }
  const queue = queueAt(s, apqn);
  if (attribute.name === "bind") bind(x, s, queue, attribute.driver, call);
  else unbind(x, s, queue, attribute.driver, call);
}

/** Drivers of older cards: whether they hold the queue is not followed. */
function otherDriver(x: Trial, call: AttributeWrite): void {
  if (x.refuse("unknown", "ENODEV", DRV_5) || x.refuse("unknown", "EBUSY", DRV_5)) return;
  x.cannotCheck("drivers of cards before CEX4 are not modelled");
  stored(x, call);
}

function bind(x: Trial, s: ApState, queue: Queue, driver: string, call: AttributeWrite): void {
  x.by(DRV_5, DRV_1, DRV_2);
  const now = driverNow(x, s, queue);
  const absent = is<QueueDriver>(now, "absent");
  if (x.refuse(absent, "ENODEV", DRV_5)) {
    s.journal.set(queue, "driver", queue.driver === "absent" ? "absent" : now);
    return;
  }
  if (x.refuse(not(takesType(s, queue.apid)), "ENODEV", DRV_2, DRV_5)) return;
  const bound: Tri = not(is<QueueDriver>(present(now), "none"));
  const errno = boundErrno(x, s);
  if (x.refuse(bound, errno, DRV_5)) return;
  const reserved = isReserved(s, queue.apqn);
  if (x.refuse(driver === "vfio_ap" ? reserved : not(reserved), "ENODEV", DRV_1, DRV_5)) {
    s.journal.set(queue, "driver", now === queue.driver ? queue.driver : "none");
    return;
  }
  if (driver !== "vfio_ap") s.journal.set(queue, "driver", "default");
  else if (!probe(x, s, queue)) {
    // Kernels before 5.11 answer ENODEV for whatever a probe failed with.
    x.fails(["ENOMEM", "ENODEV"], DRV_5, QUEUE_4);
    return;
  }
  stored(x, call);
}

/** The drivers that a device which is there can have. */
function present(driver: Known<QueueDriver>): Known<QueueDriver> {
  return driver instanceof OneOf ? oneOf(driver.values.filter((one) => one !== "absent")) : driver;
}

/** DRV-5: the errno for a bound device belongs to the driver core of the kernel, not to the profile. */
function boundErrno(x: Trial, s: ApState): string {
  if (s.parameters.profile === "linux-6.1") return "EBUSY";
  const { result } = x.operation;
  return result.kind === "error" && result.errno === "EBUSY" ? "EBUSY" : "ENODEV";
}

function unbind(x: Trial, s: ApState, queue: Queue, driver: string, call: AttributeWrite): void {
  x.by(DRV_6);
  const mine: QueueDriver = driver === "vfio_ap" ? "vfio_ap" : "default";
  const now = driverNow(x, s, queue);
  if (x.refuse(not(is<QueueDriver>(now, mine)), "ENODEV", DRV_6)) return;
  if (mine === "vfio_ap") leave(x, s, queue, "none");
  else s.journal.set(queue, "driver", "none");
  stored(x, call);
}
