import type { Closed } from "./call.js";
import type { DecodedCall } from "./decoded.js";
import type { PlatformOpenFile } from "./descriptors.js";

const CLOSE_ORDER = { eventfd: 0, device: 1, group: 2, container: 3 } as const;
export const CLOSE_NAMES = {
  eventfd: "close eventfd",
  device: "close VFIO device",
  group: "close VFIO group",
  container: "close VFIO container",
} as const;

/** What the last closes of some files are. A device goes before the group and the container that it holds. */
export function closing(files: readonly PlatformOpenFile[], single: boolean): DecodedCall | undefined {
  const closed: Closed[] = [];
  for (const { object } of files) {
    if (
      object.kind === "container" ||
      object.kind === "group" ||
      object.kind === "device" ||
      object.kind === "eventfd"
    ) {
      closed.push(object);
    }
  }
  const [first] = closed;
  if (first === undefined) return undefined;
  if (closed.length > 1) closed.sort((a, b) => CLOSE_ORDER[a.kind] - CLOSE_ORDER[b.kind]);
  return {
    call: { kind: "vfio-close", files: closed, single },
    name: single ? CLOSE_NAMES[first.kind] : "close of VFIO files",
  };
}
