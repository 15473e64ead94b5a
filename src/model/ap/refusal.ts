import type { Refusal } from "../../operation/ap/log-decode.js";
import type { Trial } from "../core/trial.js";

/**
 * The driver refuses a guest's AQIC for this reason (AQIC-1, AQIC-4, AQIC-5, NIB-2 to NIB-4, GISC-4, IRQ-3, IRQ-4): where
 * its debug log is recorded, a line says the same (vfio-ap-aqic, appendix C), and one that gives another reason speaks
 * against it.
 *
 * A line that is missing says nothing: the area is a ring of one page, whose 41 entries go silently as new ones come; it
 * is read once, at a time that no line tells; its level can be changed; and a line names no task, so that which
 * instruction it belongs to follows from its time, by another clock than that of the trace (capture-formats d.1, h). The
 * same holds for the lines of a guest's area that repeat its masks (KVM-11, KVM-12), which go with the VM.
 */
export function refusedBy(x: Trial, reason: Refusal): void {
  x.hint("aqic_refused", (seen) => (seen.reason === reason ? undefined : seen.reason));
}
