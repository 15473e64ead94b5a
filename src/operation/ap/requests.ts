import { numberOf } from "../../event/arguments.js";

/** Stands between the names of ioctl requests that share a number. */
const OR = " or ";

type VmChange = "attribute" | "protected" | "memory";

/** Ioctls of a VM that change what its CPUs answer: name, number, what they change (KVM-2, GISC-8, NIB-3). */
const vmChanges: readonly (readonly [string, number, VmChange])[] = [
  ["KVM_SET_DEVICE_ATTR", 0xe1, "attribute"],
  ["KVM_S390_PV_COMMAND", 0xc5, "protected"],
  ["KVM_SET_USER_MEMORY_REGION", 0x46, "memory"],
  ["KVM_SET_USER_MEMORY_REGION2", 0x49, "memory"],
];

export function vmChange(request: string): VmChange | undefined {
  return vmChanges.find(([name, number]) => requestIs(request, name, 0xae, number))?.[2];
}

export function deviceRequest(request: string): "reset" | "get-info" | "other" {
  if (requestIs(request, "VFIO_DEVICE_RESET", 0x3b, 111)) return "reset";
  return requestIs(request, "VFIO_DEVICE_GET_INFO", 0x3b, 107) ? "get-info" : "other";
}

/**
 * Whether an ioctl request is `name`: by membership where several names are joined with `or`, else by type and number of
 * the printed code, in either coding of the direction bits (capture-formats a.6, a.7).
 */
export function requestIs(request: string, name: string, type: number, number: number): boolean {
  const first = request.charCodeAt(0);
  if (first === 0x4b || first === 0x56) {
    return request === name || isAmong(request, name);
  }
  if (request.startsWith("_IOC(")) {
    const parts = request.slice(5, -1).split(",");
    return numberOf(parts[1]?.trim() ?? "") === type && numberOf(parts[2]?.trim() ?? "") === number;
  }
  const code = numberOf(request);
  return code !== undefined && ((code >>> 8) & 0xff) === type && (code & 0xff) === number;
}

/** Whether a name is one of those that are joined with `or`: `VFIO_DEVICE_PCI_HOT_RESET or VFIO_IOMMU_MAP_DMA`. */
function isAmong(request: string, name: string): boolean {
  for (let at = request.indexOf(name); at >= 0; at = request.indexOf(name, at + 1)) {
    const end = at + name.length;
    const begins = at === 0 || request.endsWith(OR, at);
    if (begins && (end === request.length || request.startsWith(OR, end))) return true;
  }
  return false;
}
