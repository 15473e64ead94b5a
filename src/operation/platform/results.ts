import { errnoName } from "../../event/errno.js";
import type { CallResult } from "../../event/event.js";
import type { ObservedResult } from "../operation.js";

export function observedResult(result: CallResult | undefined): ObservedResult {
  if (result === undefined) return { kind: "unknown", reason: "the call did not return" };
  switch (result.kind) {
    case "value": {
      const value = Number(result.text);
      return Number.isFinite(value) ? { kind: "value", value } : { kind: "unknown", reason: "no number was printed" };
    }
    case "error":
      return { kind: "error", errno: result.errno };
    case "unknown":
      return { kind: "unknown", reason: result.reason };
    case "injected":
      return { kind: "unknown", reason: "the recorder made up the result" };
  }
}

export function resultOfNote(result: number | undefined, errno: number | undefined): ObservedResult | undefined {
  if (errno !== undefined && errno > 0) return { kind: "error", errno: errnoName(errno) ?? String(errno) };
  return result === undefined || result < 0 ? undefined : { kind: "value", value: result };
}

export function resultOfReturn(rc: number): ObservedResult {
  return rc < 0 ? { kind: "error", errno: errnoName(-rc) ?? String(-rc) } : { kind: "value", value: rc };
}
