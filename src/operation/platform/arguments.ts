import { bytesOf, descriptorOf, numberOf, wordOf } from "../../event/arguments.js";
import type { CallResult, SyscallEvent } from "../../event/event.js";
import type { Argument } from "./call.js";
import { hexBytes, type Note } from "./notes.js";
import { type Request, VFIO } from "./requests.js";

export type InputNote = Extract<Note, { kind: "in" }>;

/** Requests whose third argument is a number, or ignored. */
const PLAIN: ReadonlySet<number> = new Set([
  VFIO.GET_API_VERSION,
  VFIO.CHECK_EXTENSION,
  VFIO.SET_IOMMU,
  VFIO.GROUP_UNSET_CONTAINER,
  VFIO.DEVICE_RESET,
]);

const NOT_RECORDED = "the structure behind the pointer was not recorded (probe ioctl_in or vfio-note would show it)";
const notRecorded: Argument = { kind: "unknown", reason: NOT_RECORDED };

/** Flag of several calls, by its number on every machine in scope. */
export const O_CLOEXEC = 0x80000;

/** Nothing can be mapped below (vm.mmap_min_addr); NULL and small numbers are bad addresses. */
const LOWEST_ADDRESS = 0x1000;

export const PROTECTION: ReadonlyMap<string, number> = new Map([
  ["PROT_NONE", 0],
  ["PROT_READ", 1],
  ["PROT_WRITE", 2],
]);
export const SHARED: ReadonlyMap<string, number> = new Map([
  ["MAP_SHARED", 1],
  ["MAP_PRIVATE", 2],
  ["MAP_SHARED_VALIDATE", 3],
]);

/** The bits that a flag argument certainly has: of names, or of a number. */
export function flagsOf(arg: string | undefined, names: ReadonlyMap<string, number>): number | undefined {
  if (arg === undefined) return undefined;
  const number = numberOf(arg);
  if (number !== undefined) return number;
  let bits = 0;
  for (const name of arg.split("|")) bits |= names.get(name) ?? 0;
  return bits;
}

export function closesOnExec(flags: string | undefined): boolean {
  if (flags === undefined) return false;
  if (flags.includes("O_CLOEXEC")) return true;
  const number = numberOf(flags);
  return number !== undefined && (number & O_CLOEXEC) !== 0;
}

export function returned(result: CallResult | undefined): number | undefined {
  if (result?.kind !== "value") return undefined;
  const fd = numberOf(result.text);
  return fd !== undefined && fd >= 0 && fd <= 0x7fffffff ? fd : undefined;
}

/** A pointer or integer argument as a number; undefined for anything else. Numbers above 2^53 lose their low bits. */
export function addressOf(arg: string | undefined): number | undefined {
  if (arg === undefined) return undefined;
  const number = numberOf(arg);
  if (number !== undefined) return number;
  const word = wordOf(arg);
  return word === undefined ? undefined : Number(word);
}

/** A file position: negative ones wrap in strace's hexadecimal form. */
export function offsetOf(arg: string | undefined): number | undefined {
  if (arg === undefined) return undefined;
  const word = wordOf(arg);
  return word === undefined ? undefined : Number(BigInt.asIntN(64, word));
}

const ESCAPED_ONE = '"\\1\\0\\0\\0\\0\\0\\0\\0"';

/** The 8 bytes of an eventfd's value (little-endian); undefined where they were not printed. */
export function counterOf(arg: string | undefined): bigint | undefined {
  if (arg === undefined || arg.charCodeAt(0) !== 0x22) return undefined;
  if (arg === ESCAPED_ONE) return 1n;
  const bytes = bytesOf(arg);
  if (bytes === undefined || bytes.data.length < 8) return undefined;
  let low = 0;
  let high = 0;
  for (let i = 3; i >= 0; i--) {
    low = low * 256 + bytes.data.charCodeAt(i);
    high = high * 256 + bytes.data.charCodeAt(i + 4);
  }
  return high === 0 ? BigInt(low) : (BigInt(high) << 32n) | BigInt(low);
}

export function argumentOf(request: Request, value: number | undefined, note: InputNote | undefined): Argument {
  if (note !== undefined) {
    if (note.bad && !PLAIN.has(request.number)) return { kind: "bad" };
    const bytes = note.hex === undefined ? undefined : hexBytes(note.hex);
    if (bytes !== undefined) {
      return {
        kind: "bytes",
        bytes: bytes.length > note.length ? bytes.subarray(0, note.length) : bytes,
        mapped: note.length,
        writable: !note.readOnly,
      };
    }
  }
  const bad = value !== undefined && value >= 0 && value < LOWEST_ADDRESS && !PLAIN.has(request.number);
  return bad ? { kind: "bad" } : notRecorded;
}

/** The device's name in the argument of GET_DEVICE_FD: the bytes before the first zero. */
export function deviceName(request: Request, argument: Argument): string | undefined {
  if (request.number !== VFIO.GROUP_GET_DEVICE_FD || argument.kind !== "bytes") return undefined;
  const end = argument.bytes.indexOf(0);
  return end < 0 ? undefined : Buffer.from(argument.bytes.subarray(0, end)).toString("latin1");
}

/**
 * Whether the user's memory of a read or write cannot be accessed. A string that strace could read is mapped; of a pointer
 * that it printed for a write it could not read the memory; whether a read's buffer can be written is not to be seen.
 */
export function badBuffer(buffer: string | undefined, write: boolean): boolean | undefined {
  const address = addressOf(buffer);
  if (address === undefined) return false;
  return write || address < LOWEST_ADDRESS ? true : undefined;
}

/** The descriptors in `cmsg_data=[7, 8]` of a message with SCM_RIGHTS. */
export function passedDescriptors(event: SyscallEvent): readonly string[] {
  const message = event.args[1] ?? "";
  const rights = message.indexOf("SCM_RIGHTS");
  const open = rights < 0 ? -1 : message.indexOf("cmsg_data=[", rights);
  const close = open < 0 ? -1 : message.indexOf("]}", open);
  return close < 0
    ? []
    : message
        .slice(open + 11, close)
        .split(", ")
        .slice(0, 253);
}

export function absolutePath(
  directory: string | undefined,
  path: string | undefined,
  cwd: string | undefined,
): string | undefined {
  const bytes = path === undefined ? undefined : bytesOf(path);
  if (bytes === undefined || bytes.truncated) return undefined;
  if (bytes.data.startsWith("/")) return bytes.data;
  const base = (directory === undefined ? undefined : descriptorOf(directory)?.path) ?? cwd;
  if (base === undefined) return undefined;
  const parts = base === "/" ? [""] : base.split("/");
  for (const part of bytes.data.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.join("/");
}
