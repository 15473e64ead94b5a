import { emptyMask } from "../../event/mask.js";
import { Bits, possible, unknownBits } from "../core/bits.js";
import { isKnown, type Known, oneOf, unknown } from "../core/known.js";
import type { ApState, Mdev, Queue, QueueDriver } from "./state.js";

/**
 * Lines were lost: scans and intercepted PQAPs that leave no other trace may have run. What they can change is not known
 * any more; what calls change (matrices, masks, guests of mdevs) is, as calls were recorded elsewhere.
 */
export function widen(s: ApState): void {
  const { host, journal } = s;
  for (const field of ["busApm", "busAqm", "busAdm", "infoApm", "infoAqm", "infoAdm"] as const) {
    journal.set(host, field, unknownBits);
  }
  journal.set(host, "devicesListed", false);
  for (const queue of s.queues.values()) widenQueue(s, queue);
  if (s.parameters.dynamic) for (const m of s.mdevs.values()) if (m.present !== false) widenShadow(s, m);
  for (const guest of s.guests.values()) {
    journal.set(guest, "gisc", unknown);
    journal.set(guest, "pins", unknown);
    if (guest.hook !== null && s.parameters.dynamic) {
      for (const side of ["apm", "aqm", "adm"] as const) journal.set(guest, side, unknownBits);
    }
  }
}

function widenQueue(s: ApState, queue: Queue): void {
  const { journal } = s;
  journal.set(queue, "driver", everyDriver(queue.driver));
  journal.set(queue, "linked", orNone(queue.linked));
  journal.set(queue, "owner", orNone(queue.owner));
  journal.set(queue, "resetRc", unknown);
  journal.set(queue, "savedIsc", unknown);
  journal.set(queue, "savedNib", unknown);
}

/** A scan can take any queue away, and bring one to vfio_ap. */
function everyDriver(driver: Known<QueueDriver>): Known<QueueDriver> {
  if (driver === "default") return oneOf<QueueDriver>(["default", "absent"]);
  if (driver === "vfio_ap") return oneOf<QueueDriver>(["vfio_ap", "absent"]);
  return oneOf<QueueDriver>(["absent", "none", "default", "vfio_ap"]);
}

function orNone(mdev: Known<Mdev | null>): Known<Mdev | null> {
  if (!isKnown(mdev)) return mdev;
  return mdev === null ? unknown : oneOf<Mdev | null>([mdev, null]);
}

/** The shadow is somewhere within the matrix (INV-2). */
function widenShadow(s: ApState, m: Mdev): void {
  const within = (bits: Bits): Bits => new Bits(emptyMask, possible(bits));
  s.journal.set(m, "shApm", within(m.apm));
  s.journal.set(m, "shAqm", within(m.aqm));
  s.journal.set(m, "shAdm", s.parameters.profile === "linux-6.1" ? within(m.adm) : unknownBits);
}
