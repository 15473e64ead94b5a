import { descriptorOf } from "../../event/arguments.js";
import type { SyscallEvent } from "../../event/event.js";
import type { DecodedCall } from "./decoded-call.js";

/** The module by its name at an unload, by its file (`strace -y`) at a load. */
const MODULE_NAME = '"vfio_ap"';
const MODULE_FILE = /\/vfio_ap\.ko(?:\.[a-z0-9]{1,8})?$/;

/** finit_module(2) or delete_module(2) of vfio_ap; undefined for other modules. */
export function moduleCall(event: SyscallEvent): DecodedCall | undefined {
  const argument = event.args[0] ?? "";
  if (event.name === "delete_module") {
    return argument === MODULE_NAME
      ? { call: { kind: "module", action: "unload" }, name: "unload of vfio_ap" }
      : undefined;
  }
  const path = descriptorOf(argument)?.path;
  if (path === undefined || !MODULE_FILE.test(path)) return undefined;
  return { call: { kind: "module", action: "load" }, name: "load of vfio_ap" };
}
