import { descriptorOf } from "../../event/arguments.js";
import type { FileObject } from "./file.js";

const ANGLE_OPEN = 0x3c;
const BACKSLASH = 0x5c;
const SLASH = 0x2f;

/** Arguments that name descriptors, looked at no closer than it takes to tell whether the models know the file. */

/** The descriptor that an argument names; undefined where it names none. */
export function numberOfDescriptor(arg: string): number | undefined {
  const fd = plainDescriptor(arg);
  return fd >= 0 ? fd : descriptorOf(arg)?.fd;
}

/** The number of `3` or `3</path>`, -1 for anything else: {@link descriptorOf} reads that. */
export function plainDescriptor(arg: string): number {
  let fd = 0;
  let at = 0;
  for (; at < arg.length && at < 9; at++) {
    const digit = arg.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) break;
    fd = fd * 10 + digit;
  }
  if (at === 0 || (at < arg.length && arg.charCodeAt(at) !== ANGLE_OPEN)) return -1;
  return fd;
}

/** Whether a decorated descriptor can be one of a file that the models know; most of a recording's are none. */
export function mayBeKnown(arg: string): boolean {
  const at = arg.indexOf("<") + 1;
  if (at === 0) return false;
  const first = arg.charCodeAt(at);
  // Anything that is escaped is looked at closely.
  if (first === BACKSLASH) return true;
  if (first !== SLASH) return arg.startsWith("anon_inode:", at);
  return (
    arg.startsWith("/sys/", at) ||
    arg.startsWith("/dev/kvm", at) ||
    arg.startsWith("/dev/vfio/", at) ||
    arg.includes("\\")
  );
}

/** Whether an argument, whose plain number is `fd`, has no decoration, or plainly that of the file: then there is no need to take it apart. */
export function plainlyNames(arg: string, fd: number, object: FileObject): boolean {
  const digits = fd < 10 ? 1 : fd < 100 ? 2 : arg.indexOf("<");
  if (digits < 0 || digits === arg.length) return true;
  const at = digits + 1;
  switch (object.kind) {
    case "attribute":
      return arg.startsWith("/sys/", at);
    case "group":
    case "container":
      return arg.startsWith("/dev/vfio/", at);
    case "vm":
      return arg.startsWith("anon_inode:kvm-vm>", at);
    case "vcpu":
      return arg.startsWith("anon_inode:kvm-vcpu", at);
    case "kvm-vfio":
      return arg.startsWith("anon_inode:kvm-vfio>", at);
    case "device":
      return arg.startsWith("anon_inode:[vfio-device]>", at);
    case "kvm":
      return arg.startsWith("/dev/kvm>", at);
  }
}

export function contradicts(object: FileObject, path: string | undefined): boolean {
  if (path === undefined) return false;
  switch (object.kind) {
    case "attribute":
      return !path.startsWith("/sys/");
    case "group":
    case "container":
      return !path.startsWith("/dev/vfio/");
    case "kvm":
      return path !== "/dev/kvm";
    case "vm":
      return path !== "anon_inode:kvm-vm";
    case "vcpu":
      return !path.startsWith("anon_inode:kvm-vcpu");
    case "kvm-vfio":
      return path !== "anon_inode:kvm-vfio";
    case "device":
      return path !== "anon_inode:[vfio-device]";
  }
}
