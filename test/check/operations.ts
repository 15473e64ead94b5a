import type { Event } from "../../src/event/event.js";
import type { Operation } from "../../src/operation/operation.js";

const line: Event = { kind: "mark", source: 0, line: 1, time: undefined, tid: 1, comm: "", text: "", message: "" };

/** An operation of which nothing counts but when it ran; `kind`: what it is. */
export function operation(
  number: number,
  begin: number,
  end: number,
  kind: "gap" | "unrecorded" = "unrecorded",
): Operation {
  return {
    number,
    call: { kind },
    name: "",
    result: { kind: "unknown", reason: "" },
    effects: [],
    event: line,
    tid: 1,
    time: undefined,
    endTime: undefined,
    begin,
    end,
    overlapping: true,
    gap: false,
  };
}
