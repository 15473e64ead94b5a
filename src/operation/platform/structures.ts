/**
 * Decoders and encoders of the VFIO structures, little-endian (vfio-platform-msi 2.2 to 2.6). A decoder gives undefined
 * where the bytes are too few for the fields.
 */

/** Sizes of the structures, and the least `argsz` of each. */
export const DEVICE_INFO_SIZE = 16;
export const REGION_INFO_SIZE = 32;
export const IRQ_INFO_SIZE = 16;
/** The irq info with `cap_offset` of the MSI posting. */
export const IRQ_INFO_CAPS_SIZE = 20;
export const IRQ_SET_SIZE = 20;
export const GROUP_STATUS_SIZE = 8;
export const FEATURE_SIZE = 8;

/** Bits of `vfio_device_info.flags`. */
export const DEVICE_FLAG = { RESET: 0x01, PCI: 0x02, PLATFORM: 0x04, AMBA: 0x08, CCW: 0x10, AP: 0x20 } as const;
/** Bits of `vfio_region_info.flags`. */
export const REGION_FLAG = { READ: 1, WRITE: 2, MMAP: 4, CAPS: 8 } as const;
/** Bits of `vfio_irq_info.flags`. */
export const IRQ_FLAG = { EVENTFD: 1, MASKABLE: 2, AUTOMASKED: 4, NORESIZE: 8, CAPS: 0x10 } as const;
/** Bits of `vfio_irq_set.flags`. */
export const SET = {
  NONE: 0x01,
  BOOL: 0x02,
  EVENTFD: 0x04,
  MASK: 0x08,
  UNMASK: 0x10,
  TRIGGER: 0x20,
  DATA: 0x07,
  ACTION: 0x38,
  ALL: 0x3f,
} as const;

/** Region i begins at this many bytes times i of the device's file (2.3). */
export const REGION_SPAN = 2 ** 40;

export interface DeviceInfo {
  readonly argsz: number;
  readonly flags: number;
  readonly numRegions: number;
  readonly numIrqs: number;
}

export interface RegionInfo {
  readonly argsz: number;
  readonly flags: number;
  readonly index: number;
  readonly capOffset: number;
  readonly size: bigint;
  readonly offset: bigint;
}

export interface IrqInfo {
  readonly argsz: number;
  readonly flags: number;
  readonly index: number;
  readonly count: number;
  /** Undefined where the bytes end before it. */
  readonly capOffset: number | undefined;
}

export interface IrqSetHeader {
  readonly argsz: number;
  readonly flags: number;
  readonly index: number;
  readonly start: number;
  readonly count: number;
}

/** The data behind the header, as its data type has it; as many as the bytes hold. */
export type IrqSetData =
  | { readonly kind: "none" }
  | { readonly kind: "bool"; readonly values: readonly number[] }
  | { readonly kind: "eventfd"; readonly fds: readonly number[] };

export interface IrqSet extends IrqSetHeader {
  readonly data: IrqSetData;
}

/** The message of one MSI vector. */
export interface MsiMessage {
  readonly addressLow: number;
  readonly addressHigh: number;
  readonly data: number;
}

/** A capability of an irq info (2.5). */
export type IrqCapability =
  | { readonly kind: "type"; readonly version: number; readonly type: number; readonly subtype: number }
  | { readonly kind: "msi-descs"; readonly version: number; readonly messages: readonly MsiMessage[] }
  | { readonly kind: "other"; readonly id: number; readonly version: number };

const CAP_TYPE = 3;
const CAP_MSI_DESCS = 4;

/** The unsigned 32-bit word at an offset; undefined behind the end. */
export function u32(bytes: Uint8Array, at: number): number | undefined {
  if (at < 0 || at + 4 > bytes.length) return undefined;
  return word(bytes, at);
}

function word(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0
  );
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

function u64(bytes: Uint8Array, at: number): bigint {
  return (BigInt(word(bytes, at + 4)) << 32n) | BigInt(word(bytes, at));
}

export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 0xff;
  bytes[at + 1] = (value >>> 8) & 0xff;
  bytes[at + 2] = (value >>> 16) & 0xff;
  bytes[at + 3] = (value >>> 24) & 0xff;
}

function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 0xff;
  bytes[at + 1] = (value >>> 8) & 0xff;
}

export function putU64(bytes: Uint8Array, at: number, value: bigint): void {
  putU32(bytes, at, Number(value & 0xffffffffn));
  putU32(bytes, at + 4, Number(value >> 32n));
}

export function decodeDeviceInfo(bytes: Uint8Array): DeviceInfo | undefined {
  if (bytes.length < DEVICE_INFO_SIZE) return undefined;
  return { argsz: word(bytes, 0), flags: word(bytes, 4), numRegions: word(bytes, 8), numIrqs: word(bytes, 12) };
}

export function encodeDeviceInfo(info: DeviceInfo): Uint8Array {
  const bytes = new Uint8Array(DEVICE_INFO_SIZE);
  putU32(bytes, 0, info.argsz);
  putU32(bytes, 4, info.flags);
  putU32(bytes, 8, info.numRegions);
  putU32(bytes, 12, info.numIrqs);
  return bytes;
}

export function decodeRegionInfo(bytes: Uint8Array): RegionInfo | undefined {
  if (bytes.length < REGION_INFO_SIZE) return undefined;
  return {
    argsz: word(bytes, 0),
    flags: word(bytes, 4),
    index: word(bytes, 8),
    capOffset: word(bytes, 12),
    size: u64(bytes, 16),
    offset: u64(bytes, 24),
  };
}

export function encodeRegionInfo(info: RegionInfo): Uint8Array {
  const bytes = new Uint8Array(REGION_INFO_SIZE);
  putU32(bytes, 0, info.argsz);
  putU32(bytes, 4, info.flags);
  putU32(bytes, 8, info.index);
  putU32(bytes, 12, info.capOffset);
  putU64(bytes, 16, info.size);
  putU64(bytes, 24, info.offset);
  return bytes;
}

export function decodeIrqInfo(bytes: Uint8Array): IrqInfo | undefined {
  if (bytes.length < IRQ_INFO_SIZE) return undefined;
  return {
    argsz: word(bytes, 0),
    flags: word(bytes, 4),
    index: word(bytes, 8),
    count: word(bytes, 12),
    capOffset: u32(bytes, 16),
  };
}

export function encodeIrqInfo(info: IrqInfo): Uint8Array {
  const bytes = new Uint8Array(info.capOffset === undefined ? IRQ_INFO_SIZE : IRQ_INFO_CAPS_SIZE);
  putU32(bytes, 0, info.argsz);
  putU32(bytes, 4, info.flags);
  putU32(bytes, 8, info.index);
  putU32(bytes, 12, info.count);
  if (info.capOffset !== undefined) putU32(bytes, 16, info.capOffset);
  return bytes;
}

export function decodeIrqSetHeader(bytes: Uint8Array): IrqSetHeader | undefined {
  if (bytes.length < IRQ_SET_SIZE) return undefined;
  return {
    argsz: word(bytes, 0),
    flags: word(bytes, 4),
    index: word(bytes, 8),
    start: word(bytes, 12),
    count: word(bytes, 16),
  };
}

export function decodeIrqSet(bytes: Uint8Array): IrqSet | undefined {
  const header = decodeIrqSetHeader(bytes);
  return header === undefined ? undefined : { ...header, data: irqSetData(bytes, header) };
}

/** The data behind a header: `count` values at most, and no more than the bytes hold. */
export function irqSetData(bytes: Uint8Array, { flags, count }: IrqSetHeader): IrqSetData {
  if ((flags & SET.EVENTFD) !== 0) {
    const fds: number[] = [];
    const held = Math.min(count, Math.floor((bytes.length - IRQ_SET_SIZE) / 4));
    for (let i = 0; i < held; i++) fds.push(word(bytes, IRQ_SET_SIZE + 4 * i) | 0);
    return { kind: "eventfd", fds };
  }
  if ((flags & SET.BOOL) !== 0) {
    const held = Math.min(count, bytes.length - IRQ_SET_SIZE);
    return { kind: "bool", values: [...bytes.subarray(IRQ_SET_SIZE, IRQ_SET_SIZE + held)] };
  }
  return { kind: "none" };
}

export function encodeIrqSet(set: IrqSet): Uint8Array {
  const { data } = set;
  const size = data.kind === "eventfd" ? 4 * data.fds.length : data.kind === "bool" ? data.values.length : 0;
  const bytes = new Uint8Array(IRQ_SET_SIZE + size);
  putU32(bytes, 0, set.argsz);
  putU32(bytes, 4, set.flags);
  putU32(bytes, 8, set.index);
  putU32(bytes, 12, set.start);
  putU32(bytes, 16, set.count);
  if (data.kind === "eventfd") for (const [i, fd] of data.fds.entries()) putU32(bytes, IRQ_SET_SIZE + 4 * i, fd);
  if (data.kind === "bool") bytes.set(data.values, IRQ_SET_SIZE);
  return bytes;
}

/** Capabilities beyond this many are not followed: a chain that runs in a circle ends. */
const CHAIN = 16;

/**
 * The capability chain that begins at `from` of an irq info: `next` counts from the start of the structure, 0 ends it.
 * Undefined where the chain leaves the bytes or runs in a circle. `reserved`: the v3 posting has a word between the
 * number of messages and the messages.
 */
export function decodeCapabilities(
  bytes: Uint8Array,
  from: number,
  reserved = false,
): readonly IrqCapability[] | undefined {
  const chain: IrqCapability[] = [];
  let at = from;
  while (at !== 0) {
    if (chain.length === CHAIN || at + 8 > bytes.length) return undefined;
    const capability = decodeCapability(bytes, at, reserved);
    if (capability === undefined) return undefined;
    chain.push(capability);
    at = word(bytes, at + 4);
  }
  return chain;
}

function decodeCapability(bytes: Uint8Array, at: number, reserved: boolean): IrqCapability | undefined {
  const id = u16(bytes, at);
  const version = u16(bytes, at + 2);
  if (id === CAP_TYPE) {
    if (at + 16 > bytes.length) return undefined;
    return { kind: "type", version, type: word(bytes, at + 8), subtype: word(bytes, at + 12) };
  }
  if (id !== CAP_MSI_DESCS) return { kind: "other", id, version };
  const head = reserved ? 16 : 12;
  if (at + head > bytes.length) return undefined;
  const count = word(bytes, at + 8);
  if (count > (bytes.length - at - head) / 12) return undefined;
  const messages: MsiMessage[] = [];
  for (let k = 0; k < count; k++) {
    const message = at + head + 12 * k;
    messages.push({
      addressLow: word(bytes, message),
      addressHigh: word(bytes, message + 4),
      data: word(bytes, message + 8),
    });
  }
  return { kind: "msi-descs", version, messages };
}

/** The capabilities as they lie behind an irq info of 20 bytes, chained, without padding (2.5). */
export function encodeCapabilities(chain: readonly IrqCapability[], reserved = false): Uint8Array {
  const sizes = chain.map((capability) => sizeOfCapability(capability, reserved));
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  chain.forEach((capability, i) => {
    const size = sizes[i] ?? 0;
    encodeCapability(bytes, at, capability, reserved);
    putU32(bytes, at + 4, i + 1 < chain.length ? IRQ_INFO_CAPS_SIZE + at + size : 0);
    at += size;
  });
  return bytes;
}

function sizeOfCapability(capability: IrqCapability, reserved: boolean): number {
  switch (capability.kind) {
    case "type":
      return 16;
    case "msi-descs":
      return (reserved ? 16 : 12) + 12 * capability.messages.length;
    case "other":
      return 8;
  }
}

function encodeCapability(bytes: Uint8Array, at: number, capability: IrqCapability, reserved: boolean): void {
  putU16(bytes, at + 2, capability.version);
  switch (capability.kind) {
    case "type":
      putU16(bytes, at, CAP_TYPE);
      putU32(bytes, at + 8, capability.type);
      putU32(bytes, at + 12, capability.subtype);
      return;
    case "msi-descs":
      putU16(bytes, at, CAP_MSI_DESCS);
      putU32(bytes, at + 8, capability.messages.length);
      capability.messages.forEach((message, k) => {
        const to = at + (reserved ? 16 : 12) + 12 * k;
        putU32(bytes, to, message.addressLow);
        putU32(bytes, to + 4, message.addressHigh);
        putU32(bytes, to + 8, message.data);
      });
      return;
    case "other":
      putU16(bytes, at, capability.id);
  }
}

/** `vfio_group_status` and the head of `vfio_device_feature`: two words. */
export interface ArgszAndFlags {
  readonly argsz: number;
  readonly flags: number;
}

export function decodeArgszAndFlags(bytes: Uint8Array): ArgszAndFlags | undefined {
  if (bytes.length < GROUP_STATUS_SIZE) return undefined;
  return { argsz: word(bytes, 0), flags: word(bytes, 4) };
}

export function encodeArgszAndFlags({ argsz, flags }: ArgszAndFlags): Uint8Array {
  const bytes = new Uint8Array(GROUP_STATUS_SIZE);
  putU32(bytes, 0, argsz);
  putU32(bytes, 4, flags);
  return bytes;
}
