import { isEarlier } from "../../event/event.js";
import { type ApCall, isApCall } from "../../operation/ap/call.js";
import type { ObservedEffect, Operation } from "../../operation/operation.js";
import type { Interleaved } from "../core/model.js";
import { AQIC_2 } from "./hook.js";

/** The lines of an operation that were printed while it held the driver's mutex. */
interface Section {
  readonly operation: Operation;
  readonly opens: ObservedEffect;
  readonly closes: ObservedEffect;
}

/**
 * AQIC-2: the driver holds one mutex through its part of an intercepted PQAP, of a reset and of a close. Of operations that
 * overlap, those of which a line stands among the lines of another one; by their times, which are those of one recorder.
 */
export function interleaved(group: readonly Operation[]): readonly Interleaved[] {
  const sections: Section[] = [];
  for (const operation of group) {
    const section = sectionOf(operation);
    if (section !== undefined) sections.push(section);
  }
  if (sections.length < 2) return NONE;
  sections.sort((a, b) => (isBefore(a.opens, b.opens) ? -1 : isBefore(b.opens, a.opens) ? 1 : 0));
  const found: Interleaved[] = [];
  let outer = sections[0];
  for (const section of sections.slice(1)) {
    if (outer !== undefined && isBefore(outer.opens, section.opens) && isBefore(section.opens, outer.closes)) {
      found.push({
        operation: section.operation,
        event: section.opens.event,
        expected: `no line before the last one of the ${outer.operation.name} of task ${outer.operation.tid}, which holds the mutex`,
        observed: section.opens.effect.kind,
        rules: [AQIC_2],
      });
    }
    if (outer === undefined || isBefore(outer.closes, section.closes)) outer = section;
  }
  return found;
}

const NONE: readonly never[] = [];

function sectionOf(operation: Operation): Section | undefined {
  if (operation.gap || !isApCall(operation.call) || !isOneSection(operation.call)) return undefined;
  let opens: ObservedEffect | undefined;
  let closes: ObservedEffect | undefined;
  for (const seen of operation.effects) {
    if (seen.bracket || seen.hint === true || seen.event.time === undefined) continue;
    // Before the driver's part: the test for AP instructions (PQAP-2), and the clearing of masks, which is KVM's.
    if (opens === undefined && (seen.effect.kind === "hw_tapq" || seen.effect.kind === "apcb_clear")) continue;
    opens ??= seen;
    closes = seen;
  }
  return opens === undefined || closes === undefined ? undefined : { operation, opens, closes };
}

/** Whether all lines of the operation come from one section under the mutex. */
function isOneSection(call: ApCall): boolean {
  return (
    call.kind === "pqap" || call.kind === "device-close" || (call.kind === "device-ioctl" && call.request === "reset")
  );
}

/** Lines of two recorders, or of the same moment, have no order. */
function isBefore(a: ObservedEffect, b: ObservedEffect): boolean {
  const { time: first, source } = a.event;
  const { time: second } = b.event;
  return first !== undefined && second !== undefined && source === b.event.source && isEarlier(first, second);
}
