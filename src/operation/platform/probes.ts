import { fieldOf, type ProbeEvent } from "../../event/event.js";
import type { Argument } from "./call.js";
import { hexBytes } from "./notes.js";
import { putU32 } from "./structures.js";

/** What a probe line shows of an ioctl: the command, and the memory behind its argument. */
export interface ProbedIoctl {
  /** Low 32 bits of the command. */
  readonly command: number;
  readonly fd: number | undefined;
  readonly argument: Argument;
}

/** Reads `ioctl_in`: the bytes as they lie in memory, or the first four words as the recipe prints them (probes.md, i.3). */
export function ioctlInput(event: ProbeEvent): ProbedIoctl | undefined {
  const command = numberField(event, "cmd");
  if (command === undefined) return undefined;
  return { command: command % 0x100000000, fd: numberField(event, "fd"), argument: argumentOf(event) };
}

function argumentOf(event: ProbeEvent): Argument {
  const bytes = bytesField(event);
  if (bytes !== undefined) return { kind: "bytes", bytes, mapped: undefined, writable: true };
  const words = ["argsz", "w1", "w2", "w3"].map((key) => numberField(event, key));
  const known = words.indexOf(undefined);
  const count = known < 0 ? words.length : known;
  if (count === 0) return { kind: "unknown", reason: "the probe line has no structure" };
  const read = new Uint8Array(4 * count);
  for (let i = 0; i < count; i++) putU32(read, 4 * i, words[i] ?? 0);
  return { kind: "bytes", bytes: read, mapped: undefined, writable: true };
}

/** The bytes of `data=`, where the line has them. */
export function bytesField(event: ProbeEvent): Uint8Array | undefined {
  const data = fieldOf(event, "data");
  return data === undefined ? undefined : hexBytes(data.trim());
}

/** Reads `set_irqs`: the header's fields without argsz. */
export function setIrqsInput(event: ProbeEvent): ProbedIoctl | undefined {
  const flags = numberField(event, "flags");
  const index = numberField(event, "index");
  const start = numberField(event, "start");
  const count = numberField(event, "count");
  if (flags === undefined || index === undefined || start === undefined || count === undefined) return undefined;
  return { command: 0x3b6e, fd: undefined, argument: { kind: "header", header: { flags, index, start, count } } };
}

/** The return code of a probe line: negative for an errno. */
export function returnField(event: ProbeEvent): number | undefined {
  const text = fieldOf(event, "rc");
  if (text === undefined) return undefined;
  if (/^-?\d{1,15}$/.test(text)) return Number(text);
  if (!/^0x[0-9a-f]{1,16}$/i.test(text)) return undefined;
  const value = BigInt(text);
  return Number(text.length > 10 ? BigInt.asIntN(64, value) : BigInt.asIntN(32, value));
}

function numberField(event: ProbeEvent, key: string): number | undefined {
  const text = fieldOf(event, key);
  if (text === undefined || !/^(?:0x[0-9a-f]{1,16}|\d{1,15})$/i.test(text)) return undefined;
  return Number(text);
}
