import type { ObservedResult } from "../../operation/operation.js";

/** The result of an hcall by name: H_SUCCESS, a code, or a trap number as text. */
export function plainName(result: ObservedResult): string {
  switch (result.kind) {
    case "value":
      return result.value === 0 ? "H_SUCCESS" : String(result.value);
    case "error":
      return result.errno;
    case "unknown":
      return "unknown";
  }
}
