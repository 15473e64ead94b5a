import { joined, lines, type Recording } from "./worse-recordings.js";

/** The same recording as other options of the recorders print it: nothing of what happened is different. */
export type Rewriting = (recording: Recording) => Recording;

function rewritten(
  recording: Recording,
  format: string,
  rewrite: (all: readonly string[]) => readonly string[],
): Recording {
  const files = new Map(recording.files);
  for (const source of recording.manifest.sources) {
    if (source.format !== format) continue;
    files.set(source.file, joined(rewrite(lines(files.get(source.file)))));
  }
  return { ...recording, files };
}

function eachLine(format: string, rewrite: (line: string) => string): Rewriting {
  return (recording) => rewritten(recording, format, (all) => all.map(rewrite));
}

/** Applies a change to what stands outside of string arguments, and another to these. */
function outsideStrings(line: string, outside: (text: string) => string, inside = (text: string) => text): string {
  return line
    .split(/("(?:[^"\\]|\\.)*")/)
    .map((part) => (part.startsWith('"') ? inside(part) : outside(part)))
    .join("");
}

function withoutDecorations(line: string): string {
  return outsideStrings(line, (text) => text.replace(/(AT_FDCWD|(?<![\w.])\d+)<[^<>]*(?:<[^<>]*>[^<>]*)*>/g, "$1"));
}

const LETTERS: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", v: "\v", f: "\f" };

/** What `-xx` prints: every byte in hex. */
function inHex(line: string): string {
  const inside = (text: string): string => {
    const bytes = text.slice(1, -1).replace(/\\(x[0-9a-f]{2}|[0-7]{1,3}|.)/g, (_whole, code: string) => {
      if (code.startsWith("x")) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
      if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
      return LETTERS[code] ?? code;
    });
    return `"${[...bytes].map((byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`).join("")}"`;
  };
  return outsideStrings(line, (text) => text, inside);
}

/** Requests as an s390 machine codes them: direction, size, type, number. */
const REQUESTS: ReadonlyMap<string, number> = new Map([
  ["KVM_CREATE_VM", 0xae01],
  ["KVM_CREATE_VCPU", 0xae41],
  ["KVM_SET_DEVICE_ATTR", 0x4018aee1],
  ["KVM_CREATE_DEVICE", 0xc00caee0],
  ["VFIO_GET_API_VERSION", 0x3b64],
  ["VFIO_CHECK_EXTENSION", 0x3b65],
  ["VFIO_SET_IOMMU", 0x3b66],
  ["VFIO_GROUP_GET_STATUS", 0x3b67],
  ["VFIO_GROUP_SET_CONTAINER", 0x3b68],
  ["VFIO_GROUP_GET_DEVICE_FD", 0x3b6a],
  ["VFIO_DEVICE_GET_INFO", 0x3b6b],
  ["VFIO_DEVICE_RESET", 0x3b6f],
  ["VFIO_DEVICE_PCI_HOT_RESET or VFIO_IOMMU_MAP_DMA", 0x3b71],
  ["VFIO_IOMMU_UNMAP_DMA", 0x3b72],
]);
const DIRECTIONS = ["_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE"];

function withRequests(line: string, write: (number: number) => string): string {
  return line.replace(/(ioctl\([^,]*, )([A-Z0-9_ or]+)(?=, |\))/, (whole, head: string, name: string) => {
    const number = REQUESTS.get(name);
    return number === undefined ? whole : head + write(number);
  });
}

function asNumber(number: number): string {
  return `0x${number.toString(16)}`;
}

function asCode(number: number): string {
  const size = (number >>> 16) & 0x3fff;
  return `_IOC(${DIRECTIONS[number >>> 30]}, ${asNumber((number >>> 8) & 0xff)}, ${asNumber(number & 0xff)}, ${size === 0 ? "0" : asNumber(size)})`;
}

/** `strace -ff`: a file for each task, without its number on the lines. */
function filePerTask(recording: Recording): Recording {
  const files = new Map(recording.files);
  const sources = recording.manifest.sources.flatMap((source) => {
    if (source.format !== "strace") return [source];
    const tasks = new Map<string, string[]>();
    for (const line of lines(files.get(source.file))) {
      const [, tid = "", rest = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
      tasks.set(tid, [...(tasks.get(tid) ?? []), rest]);
    }
    files.delete(source.file);
    return [...tasks].map(([tid, own]) => {
      files.set(`strace.${tid}`, joined(own));
      return { ...source, file: `strace.${tid}` };
    });
  });
  return { manifest: { ...recording.manifest, sources }, files };
}

const PROBE_LINE = /^\s*(\S.*?)-(\d+)\s+(\[\d+\]) (\S+)\s+([\d.]+): (\w+): (.*)$/;

function probeLine(
  write: (comm: string, tid: string, cpu: string, flags: string, time: string, name: string, fields: string) => string,
): Rewriting {
  return eachLine("ftrace", (line) => {
    const [, comm = "", tid = "", cpu = "", flags = "", time = "", name = "", fields = ""] =
      PROBE_LINE.exec(line) ?? [];
    return name === "" ? line : write(comm, tid, cpu, flags, time, name, fields);
  });
}

/** What `perf script` prints: no head, and a group before the name. */
function asPerf(recording: Recording): Recording {
  const lined = probeLine((comm, tid, cpu, _flags, time, name, fields) => {
    return `${comm.padStart(16)} ${tid.padStart(7)} ${cpu} ${time}: ${`ap:${name}`.padStart(20)}: ${fields}`;
  })(recording);
  return rewritten(lined, "ftrace", (all) => all.filter((line) => !line.startsWith("#")));
}

export const rewritings: readonly (readonly [name: string, rewriting: Rewriting])[] = [
  ["strace without -y", eachLine("strace", withoutDecorations)],
  ["strace -xx", eachLine("strace", inHex)],
  ["requests as numbers", eachLine("strace", (line) => withRequests(line, asNumber))],
  ["requests as codes", eachLine("strace", (line) => withRequests(line, asCode))],
  ["requests as numbers, without -y", eachLine("strace", (line) => withoutDecorations(withRequests(line, asNumber)))],
  ["strace -ff", filePerTask],
  ["strace -Y", eachLine("strace", (line) => line.replace(/^(\d+) +/, "$1<some task> "))],
  ["strace -T", eachLine("strace", (line) => (/\+\+\+$|<unfinished/.test(line) ? line : `${line} <0.000021>`))],
  ["perf script", asPerf],
  [
    "a trace with thread group ids",
    probeLine((comm, tid, cpu, flags, time, name, fields) => {
      return `${comm.padStart(16)}-${tid} (-------) ${cpu} ${flags} ${time}: ${name}: ${fields}`;
    }),
  ],
  [
    "a trace with the places of the probes",
    probeLine((comm, tid, cpu, flags, time, name, fields) => {
      return `${comm.padStart(16)}-${tid} ${cpu} ${flags} ${time}: ${name}: (a_function+0x12/0x340 [vfio_ap]) ${fields}`;
    }),
  ],
];
