import { fieldOf, type ProbeEvent } from "../../event/event.js";
import { parseHex, type Word, wordOf } from "../../event/word.js";
import type { ApCall } from "./call.js";

/** The structure behind an ioctl's pointer, as the probes ioctl_in and ioctl_out print it (probes.md). */
export interface Structure {
  /** Low 16 bits of the command: type and number of the ioctl. */
  readonly command: number;
  readonly before: Uint8Array | undefined;
  readonly after: Uint8Array | undefined;
}

/** Bytes beyond this many are not read: no structure of these ioctls is longer. */
const LIMIT = 256;

/** Reads a line of either probe; undefined for one without a command. */
export function readStructure(event: ProbeEvent): Structure | undefined {
  const command = parseHex(fieldOf(event, "cmd") ?? "", 2);
  if (command === undefined) return undefined;
  const bytes = bytesOf(fieldOf(event, "data") ?? "");
  const isEntry = event.name === "ioctl_in";
  return { command: command.lo & 0xffff, before: isEntry ? bytes : undefined, after: isEntry ? undefined : bytes };
}

/** Pairs of hex digits, joined or separated by blanks; undefined where there are none, or anything else. */
function bytesOf(text: string): Uint8Array | undefined {
  const bytes: number[] = [];
  for (let at = 0; at < text.length && bytes.length < LIMIT; ) {
    if (text.charCodeAt(at) === 0x20) {
      at++;
      continue;
    }
    const pair = text.slice(at, at + 2);
    if (!/^[0-9a-f]{2}$/i.test(pair)) return undefined;
    bytes.push(Number.parseInt(pair, 16));
    at += 2;
  }
  return bytes.length === 0 ? undefined : Uint8Array.from(bytes);
}

/** Type and number of the ioctl whose structure a call can use; undefined for calls that use none. */
export function structuredCommand(call: ApCall): number | undefined {
  switch (call.kind) {
    case "device-ioctl":
      return call.request === "get-info" ? 0x3b6b : undefined;
    case "dma-unmap":
      return 0x3b72;
    case "guest-set":
      return 0xaee1;
    default:
      return undefined;
  }
}

/** Whether a call has what its structure said before it. */
export function hasStructure(call: ApCall): boolean {
  switch (call.kind) {
    case "device-ioctl":
      return call.input !== undefined;
    case "dma-unmap":
      return call.range !== undefined;
    case "guest-set":
      return call.change !== undefined;
    default:
      return false;
  }
}

/** The call with what its structure says. */
export function withStructure(call: ApCall, { before, after }: Structure): ApCall {
  switch (call.kind) {
    case "device-ioctl":
      return { ...call, input: before ?? call.input, output: after ?? call.output };
    case "dma-unmap":
      return { ...call, range: (before === undefined ? undefined : rangeOf(before)) ?? call.range };
    case "guest-set":
      return { ...call, change: (before === undefined ? undefined : changeOf(before)) ?? call.change };
    default:
      return call;
  }
}

/** VFIO_DMA_UNMAP_FLAG_ALL. */
const ALL_MAPPINGS = 2;

/** `struct vfio_iommu_type1_dma_unmap`: argsz, flags, iova, size. */
function rangeOf(bytes: Uint8Array): { readonly iova: Word; readonly size: Word } | undefined {
  if (bytes.length < 24) return undefined;
  const all = (word(bytes, 4) & ALL_MAPPINGS) !== 0;
  return {
    iova: wordOf(word(bytes, 8), word(bytes, 12)),
    size: all ? wordOf(0xffffffff, 0xffffffff) : wordOf(word(bytes, 16), word(bytes, 20)),
  };
}

/** KVM_DEV_VFIO_GROUP, KVM_DEV_VFIO_GROUP_ADD, KVM_DEV_VFIO_GROUP_DEL. */
const GROUP = 1;
const ADD = 1;
const REMOVE = 2;

/** `struct kvm_device_attr`: flags, group, attr, addr. */
function changeOf(bytes: Uint8Array): "add" | "remove" | undefined {
  if (bytes.length < 16 || word(bytes, 4) !== GROUP || word(bytes, 8) !== 0) return undefined;
  const attribute = word(bytes, 12);
  return attribute === ADD ? "add" : attribute === REMOVE ? "remove" : undefined;
}

/** The word at an offset, in the byte order of the recorded machine: s390x stores the highest byte first. */
function word(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  );
}
