import type { Change } from "./change.js";
import { linesOf, type Recording, STRACE } from "./recording.js";

/** A line of strace that shows the result of a call on an attribute or a VFIO file. */
interface CallLine {
  readonly at: number;
  /** Text up to and with `= `. */
  readonly head: string;
  readonly result: string;
  /** `write assign_adapter`, `open matrix`, `GET_DEVICE_FD` ... */
  readonly what: string;
  /** For a write: the number of bytes offered. */
  readonly length: number;
}

const MDEV = "sysfs files of an mdev";

/** Errnos that a kernel has in the family of a call. */
const families: ReadonlyMap<string, readonly string[]> = new Map([
  ["write assign_adapter", ["EINVAL", "ERANGE", "ENODEV", "EADDRNOTAVAIL", "EADDRINUSE", "EBUSY", "EAGAIN", "EPERM"]],
  ["write assign_domain", ["EINVAL", "ERANGE", "ENODEV", "EADDRNOTAVAIL", "EADDRINUSE", "EBUSY", "EAGAIN", "EPERM"]],
  ["write assign_control_domain", ["EINVAL", "ERANGE", "ENODEV", "EADDRNOTAVAIL", "EADDRINUSE", "EBUSY"]],
  ["write unassign_adapter", ["EINVAL", "ERANGE", "ENODEV", "EBUSY"]],
  ["write unassign_domain", ["EINVAL", "ERANGE", "ENODEV", "EBUSY"]],
  ["write unassign_control_domain", ["EINVAL", "ERANGE", "ENODEV", "EBUSY"]],
  ["write apmask", ["EINVAL", "EBUSY", "EADDRINUSE", "ERANGE"]],
  ["write aqmask", ["EINVAL", "EBUSY", "EADDRINUSE", "ERANGE"]],
  ["write create", ["EINVAL", "EEXIST", "EPERM", "EUSERS", "ENOSPC"]],
  ["write remove", ["EINVAL", "EBUSY", "ENODEV", "EAGAIN"]],
  ["write bind", ["ENODEV", "EBUSY", "EINVAL"]],
  ["write unbind", ["ENODEV", "EBUSY", "EINVAL"]],
  ["write config_time", ["EINVAL", "ERANGE"]],
  ["write ap_domain", ["EINVAL", "ENODEV"]],
  ["write config", ["EINVAL", "EIO", "ENODEV"]],
  ["open sysfs", ["ENOENT", "EACCES", "ENODEV"]],
  ["open group", ["EBUSY", "ENOENT", "ENODEV", "EPERM"]],
  ["GET_DEVICE_FD", ["EINVAL", "EPERM", "EBUSY", "ENODEV"]],
  ["VFIO_DEVICE_RESET", ["EBUSY", "EIO", "EINVAL", "EOPNOTSUPP"]],
  ["VFIO_DEVICE_GET_INFO", ["EINVAL", "EFAULT", "EOPNOTSUPP"]],
  ["other device ioctl", ["EINVAL", "ENOTTY", "EBUSY"]],
]);

/** Other results of the calls of a recording. */
export function resultChanges(recording: Recording): readonly Change[] {
  const changes: Change[] = [];
  for (const call of callLines(recording)) {
    const { what, result } = call;
    const add = (kind: string, other: string): void => {
      changes.push({ kind: `${what}: ${kind}`, file: STRACE, at: call.at, count: 1, lines: [call.head + other] });
    };
    const errno = /^-1 (E[A-Z0-9]+)/.exec(result)?.[1];
    for (const other of families.get(familyOf(what)) ?? []) {
      if (other !== errno) add(`${errno === undefined ? "success" : errno} to ${other}`, `-1 ${other} (Other)`);
    }
    const value = successOf(call);
    if (errno !== undefined) add(`${errno} to success`, value);
    else if (what.startsWith("write ")) {
      add("count less one", String(Number(result) - 1));
      add("count and one more", String(Number(result) + 1));
    } else if (what === "VFIO_DEVICE_RESET" || what === "VFIO_DEVICE_GET_INFO") add("0 to 1", "1");
  }
  return changes;
}

function familyOf(what: string): string {
  return what.startsWith("open ") && what !== "open group" ? "open sysfs" : what;
}

function successOf(call: CallLine): string {
  if (call.what.startsWith("write ")) return String(call.length);
  if (call.what === "open group") return "29</dev/vfio/0>";
  if (call.what.startsWith("open ")) return "29";
  return call.what === "GET_DEVICE_FD" ? "29<anon_inode:[vfio-device]>" : "0";
}

function callLines(recording: Recording): readonly CallLine[] {
  const found: CallLine[] = [];
  /** Head of a call that was interrupted, by task. */
  const open = new Map<string, string>();
  linesOf(recording, STRACE).forEach((line, at) => {
    const parts = /^((\S+)\s+\S+\s+)(.*)$/.exec(line);
    const [, , tid = "", text = ""] = parts ?? [];
    if (text.endsWith("<unfinished ...>")) {
      open.set(tid, text.slice(0, -"<unfinished ...>".length));
      return;
    }
    const end = /^(.*\) += )(.*)$/.exec(text);
    if (end === null) return;
    const [, head = "", result = ""] = end;
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text)?.[1];
    const whole = resumed === undefined ? text : (open.get(tid) ?? "") + resumed;
    const described = describe(whole);
    if (described !== undefined) found.push({ at, head: (parts?.[1] ?? "") + head, result, ...described });
  });
  return found;
}

function describe(call: string): { readonly what: string; readonly length: number } | undefined {
  const write = /^p?write(?:64)?\(\d+<(\/sys[^>]*)>, .*, (\d+)(?:, 0)?\)? *= /.exec(call);
  if (write?.[1] !== undefined) return { what: `write ${nameOf(write[1])}`, length: Number(write[2]) };
  const opened = /^openat\([^,]*, "(\/[^"]*)"/.exec(call)?.[1];
  if (opened?.startsWith("/sys/")) return { what: `open ${isOfMdev(opened) ? MDEV : "other sysfs files"}`, length: 0 };
  if (opened !== undefined && /^\/dev\/vfio\/\d+$/.test(opened)) return { what: "open group", length: 0 };
  const request = /^ioctl\(\d+<([^>]*)>, ([A-Z_ a-z]+)/.exec(call);
  if (request?.[2] === "VFIO_GROUP_GET_DEVICE_FD") return { what: "GET_DEVICE_FD", length: 0 };
  if (request?.[1] !== "anon_inode:[vfio-device]" || request[2] === undefined) return undefined;
  const known = request[2] === "VFIO_DEVICE_RESET" || request[2] === "VFIO_DEVICE_GET_INFO";
  return { what: known ? request[2] : "other device ioctl", length: 0 };
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function isOfMdev(path: string): boolean {
  return /[0-9a-f]{8}-[0-9a-f]{4}-/.test(path);
}
