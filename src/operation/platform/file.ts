import type { EventfdRef, PlatformDeviceRef, PlatformFileRef, PlatformGroupRef } from "./call.js";

/** What a descriptor stands for. */
export type PlatformFile =
  | { readonly kind: "container"; readonly container: PlatformFileRef }
  | { readonly kind: "group"; readonly group: PlatformGroupRef }
  | { readonly kind: "device"; readonly device: PlatformDeviceRef }
  | { readonly kind: "eventfd"; readonly eventfd: EventfdRef }
  | {
      readonly kind: "driver";
      readonly file: "bind" | "unbind" | "driver_override";
      readonly bus: "platform" | "amba";
      readonly owner: string;
    }
  | { readonly kind: "reset-parameter" }
  /** A VM or a vCPU: its ioctls can tie eventfds to things that nobody records. */
  | { readonly kind: "kvm" }
  /** Any other file. */
  | { readonly kind: "ordinary" }
  /** Open, but nothing tells what. */
  | { readonly kind: "unknown" };

const NODES = "/dev/vfio/";
const GROUP = /^\/dev\/vfio\/((?:noiommu-)?\d{1,9})$/;
const DRIVER = /^\/sys\/bus\/(platform|amba)\/drivers\/([\w.-]{1,64})\/(bind|unbind)$/;
const PARAMETER = /^\/sys\/module\/\w*reset\w*\/parameters\/\w{1,64}$/;

/** The name of the group that a device node stands for; undefined for any other path. */
export function groupOfPath(path: string): string | undefined {
  return path.startsWith(NODES) ? GROUP.exec(path)?.[1] : undefined;
}

/** Whether the path is the device node of that group. */
export function namesGroup(path: string, group: string): boolean {
  return path.length === NODES.length + group.length && path.startsWith(NODES) && path.endsWith(group);
}

/** What a path of sysfs is for the model. */
export function sysfsFile(path: string): PlatformFile | undefined {
  if (path.endsWith("bind")) {
    const match = DRIVER.exec(path);
    if (match !== null) return driver(match[3] === "bind" ? "bind" : "unbind", match[1], match[2]);
  }
  if (path.startsWith("/sys/") && path.endsWith("/driver_override")) {
    const parts = path.split("/");
    return driver("driver_override", parts[3], parts.at(-2));
  }
  if (path.startsWith("/sys/module/") && PARAMETER.test(path)) return { kind: "reset-parameter" };
  return undefined;
}

function driver(
  file: "bind" | "unbind" | "driver_override",
  bus: string | undefined,
  owner: string | undefined,
): PlatformFile {
  return { kind: "driver", file, bus: bus === "amba" ? "amba" : "platform", owner: owner ?? "" };
}
