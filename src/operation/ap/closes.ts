import type * as descriptors from "../descriptors.js";
import type { ApCall } from "./call.js";
import type { DecodedCall } from "./decoded-call.js";
import type { FileObject } from "./file.js";

type OpenFile = descriptors.OpenFile<FileObject>;

const CLOSES = "close of VFIO and KVM files";

function closeOf(object: FileObject): ApCall | undefined {
  switch (object.kind) {
    case "group":
      return { kind: "group-close", file: object.ref };
    case "device":
      return { kind: "device-close", device: object.ref };
    case "vm":
      return { kind: "vm-close", vm: object.ref };
    case "attribute":
    case "container":
    case "kvm":
    case "vcpu":
    case "kvm-vfio":
      return undefined;
  }
}

/** What the last close of a file is. */
export function closing(file: OpenFile): DecodedCall | undefined {
  const call = closeOf(file.object);
  return call === undefined ? undefined : decodedClose(call);
}

function decodedClose(call: ApCall): DecodedCall {
  return { call, name: closeName(call) };
}

function closeRank(call: ApCall): number {
  return call.kind === "device-close" ? 0 : call.kind === "group-close" ? 1 : 2;
}

function closeName(call: ApCall): string {
  if (call.kind === "device-close") return "close VFIO device";
  return call.kind === "group-close" ? "close VFIO group" : "close VM";
}

/** What the last closes of some files are: one close, or several in one call. */
export function closingAll(files: readonly OpenFile[]): DecodedCall | undefined {
  const calls: ApCall[] = [];
  for (const file of files) {
    const call = closeOf(file.object);
    if (call !== undefined) calls.push(call);
  }
  const [only] = calls;
  if (only === undefined) return undefined;
  if (calls.length === 1) return decodedClose(only);
  // A device is released before the group and the VM that it holds references on, whatever the descriptors' order.
  calls.sort((a, b) => closeRank(a) - closeRank(b));
  return { call: { kind: "closes", closes: calls }, name: CLOSES };
}
