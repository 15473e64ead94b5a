import { numberOf } from "../../event/arguments.js";
import { flatCopy } from "../../event/flat-copy.js";

/** Requests of the VFIO family that the models know, by number (vfio-platform-msi 2.1). */
export const VFIO = {
  GET_API_VERSION: 0x3b64,
  CHECK_EXTENSION: 0x3b65,
  SET_IOMMU: 0x3b66,
  GROUP_GET_STATUS: 0x3b67,
  GROUP_SET_CONTAINER: 0x3b68,
  GROUP_UNSET_CONTAINER: 0x3b69,
  GROUP_GET_DEVICE_FD: 0x3b6a,
  DEVICE_GET_INFO: 0x3b6b,
  DEVICE_GET_REGION_INFO: 0x3b6c,
  DEVICE_GET_IRQ_INFO: 0x3b6d,
  DEVICE_SET_IRQS: 0x3b6e,
  DEVICE_RESET: 0x3b6f,
  DEVICE_FEATURE: 0x3b75,
} as const;

const FIRST = 0x3b64;

/** All names of each number, from 0x3b64 on: several headers define the higher ones. */
const NAMES: readonly (readonly string[])[] = [
  ["VFIO_GET_API_VERSION"],
  ["VFIO_CHECK_EXTENSION"],
  ["VFIO_SET_IOMMU"],
  ["VFIO_GROUP_GET_STATUS"],
  ["VFIO_GROUP_SET_CONTAINER"],
  ["VFIO_GROUP_UNSET_CONTAINER"],
  ["VFIO_GROUP_GET_DEVICE_FD"],
  ["VFIO_DEVICE_GET_INFO"],
  ["VFIO_DEVICE_GET_REGION_INFO"],
  ["VFIO_DEVICE_GET_IRQ_INFO"],
  ["VFIO_DEVICE_SET_IRQS"],
  ["VFIO_DEVICE_RESET"],
  ["VFIO_DEVICE_GET_PCI_HOT_RESET_INFO", "VFIO_IOMMU_GET_INFO", "VFIO_IOMMU_SPAPR_TCE_GET_INFO"],
  ["VFIO_DEVICE_PCI_HOT_RESET", "VFIO_IOMMU_MAP_DMA"],
  ["VFIO_DEVICE_QUERY_GFX_PLANE", "VFIO_IOMMU_UNMAP_DMA"],
  ["VFIO_DEVICE_GET_GFX_DMABUF", "VFIO_IOMMU_ENABLE"],
  ["VFIO_DEVICE_IOEVENTFD", "VFIO_IOMMU_DISABLE"],
  ["VFIO_DEVICE_FEATURE", "VFIO_IOMMU_DIRTY_PAGES", "VFIO_IOMMU_SPAPR_REGISTER_MEMORY"],
  ["VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY"],
  ["VFIO_IOMMU_SPAPR_TCE_CREATE"],
  ["VFIO_IOMMU_SPAPR_TCE_REMOVE"],
  ["VFIO_EEH_PE_OP"],
];

const byName: ReadonlyMap<string, number> = new Map(
  NAMES.flatMap((names, n) => names.map((name): [string, number] => [name, FIRST + n])),
);

/** An ioctl's request. */
export interface Request {
  /** Canonical number of the VFIO family (0x3b00 and above); -1 for a request of another family. */
  readonly number: number;
  /** For people. */
  readonly name: string;
  /** The operation that it is, put together once: it is counted by this name. */
  readonly operation: string;
  /** It ties an eventfd to something that signals or reads it without a trace: a VM, a virtqueue. */
  readonly exposes: boolean;
  /** The virtual file system answers it for every file (FIOCLEX, FIONBIO ...). */
  readonly generic: boolean;
}

const GENERIC = new Set([
  "FIOCLEX",
  "FIONCLEX",
  "FIONBIO",
  "FIOASYNC",
  "FIOQSIZE",
  "FIGETBSZ",
  "FIONREAD",
  "FS_IOC_FIEMAP",
  "FIFREEZE",
  "FITHAW",
  "FICLONE",
]);
const GENERIC_NUMBERS = new Set([0x5450, 0x5451, 0x5421, 0x5452, 0x5460, 2, 0x541b]);

const CACHED = 1024;
const cache = new Map<string, Request>();
const numbered = new Map<number, Request>();

/**
 * Reads a request as strace prints it: one of its names, the names joined with `or`, `_IOC(...)`, a raw number in either
 * coding of the direction bits, a number with its name in a comment (vfio-platform-msi 3.2, capture-formats a.6).
 */
export function requestOf(text: string): Request {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const read = parse(text);
  if (cache.size >= CACHED) cache.clear();
  cache.set(flatCopy(text), read);
  return read;
}

function parse(text: string): Request {
  for (const name of text.split(" or ")) {
    const number = byName.get(name);
    if (number !== undefined) return request(number, name, false);
  }
  const number = text.startsWith("_IOC(") ? codeOf(text) : numberOf(text);
  const vfio = number === undefined ? -1 : canonical(number);
  const names = NAMES[vfio - FIRST];
  if (names !== undefined) return request(vfio, names[0] ?? text, false);
  return request(vfio, text.slice(0, 80), GENERIC.has(text) || (number !== undefined && GENERIC_NUMBERS.has(number)));
}

function request(number: number, name: string, generic: boolean): Request {
  return { number, name, operation: `ioctl ${name}`, exposes: number < 0 && exposes(name), generic };
}

const EXPOSING = ["KVM_IRQFD", "KVM_IOEVENTFD", "VHOST_SET_VRING_"];
/** Type and number of these, and of the three of VHOST that take an eventfd. */
const EXPOSING_CODES: ReadonlySet<number> = new Set([0xae76, 0xae79, 0xaf20, 0xaf21, 0xaf22]);

function exposes(name: string): boolean {
  const code = name.startsWith("_IOC(") ? codeOf(name) : numberOf(name);
  if (code !== undefined && EXPOSING_CODES.has(code % 0x10000)) return true;
  return EXPOSING.some((one) => name.includes(one));
}

/** Name of a canonical number, for lines that give only the number. */
export function requestNumbered(number: number): Request {
  const known = numbered.get(number);
  if (known !== undefined) return known;
  const read = requestOf(`0x${(number >>> 0).toString(16)}`);
  if (numbered.size >= CACHED) numbered.clear();
  numbered.set(number, read);
  return read;
}

/** `_IOC(_IOC_NONE, 0x3b, 0x7a, 0)` as the number that the generic coding gives. */
function codeOf(text: string): number | undefined {
  const parts = text.slice(5, -1).split(",");
  const type = numberOf(parts[1]?.trim() ?? "");
  const number = numberOf(parts[2]?.trim() ?? "");
  const size = numberOf(parts[3]?.trim() ?? "");
  if (type === undefined || number === undefined || size === undefined) return undefined;
  const direction = parts[0]?.trim() === "_IOC_NONE" ? 0 : 0x80000000;
  return direction + size * 0x10000 + type * 0x100 + number;
}

/**
 * The number without the direction bits, for requests of type `;` without size: generic machines code no direction as 0,
 * powerpc as 1 at bit 29. Anything else is another request.
 */
function canonical(number: number): number {
  const code = number >= 0xffffffff00000000 ? number % 0x100000000 : number;
  const low = code % 0x10000;
  const high = Math.floor(code / 0x10000);
  if (low >>> 8 !== 0x3b || (high !== 0 && high !== 0x2000)) return -1;
  return low;
}
