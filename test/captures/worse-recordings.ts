import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check } from "../../src/check/check.js";
import type { CaptureReport } from "../../src/check/report.js";

/** A source of a capture as its manifest lists it. */
export interface Source {
  readonly file: string;
  readonly format: string;
  readonly probes?: readonly string[];
}

/** A capture in memory: its manifest, and the text of each file that the manifest names. */
export interface Recording {
  readonly manifest: Readonly<Record<string, unknown>> & { readonly sources: readonly Source[] };
  readonly files: ReadonlyMap<string, string>;
}

export function readRecording(directory: string): Recording {
  const manifest: unknown = JSON.parse(readFileSync(join(directory, "capture.json"), "utf8"));
  if (!isManifest(manifest)) throw new Error(`${directory}: not a manifest`);
  const names = [...manifest.sources.map(({ file }) => file), "sysfs.txt"];
  const files = new Map<string, string>();
  for (const name of names) {
    const path = join(directory, name);
    if (existsSync(path)) files.set(name, readFileSync(path, "utf8"));
  }
  return { manifest, files };
}

function writeRecording(directory: string, { manifest, files }: Recording): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "capture.json"), JSON.stringify(manifest));
  for (const [name, text] of files) writeFileSync(join(directory, name), text);
}

/** Where recordings are written to be checked. */
export class Scratch {
  private readonly directory = mkdtempSync(join(tmpdir(), "kvm-conform-worse-"));
  private made = 0;

  /** What the first divergence of each says, else its verdict. */
  async verdictsOf(worse: readonly Recording[]): Promise<readonly string[]> {
    const captures = await this.reportsOf(worse);
    return captures.map(({ verdict, divergences }) => divergences[0]?.message ?? verdict);
  }

  async reportsOf(worse: readonly Recording[]): Promise<readonly CaptureReport[]> {
    const paths = worse.map((recording) => {
      const path = join(this.directory, `${this.made++}`);
      writeRecording(path, recording);
      return path;
    });
    const { captures } = await check(paths);
    return captures;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Nobody ran that recorder. */
export function withoutSource({ manifest, files }: Recording, format: string): Recording {
  const gone = manifest.sources.filter((source) => source.format === format).map(({ file }) => file);
  const sources = manifest.sources.filter((source) => source.format !== format);
  return { manifest: { ...manifest, sources }, files: new Map([...files].filter(([name]) => !gone.includes(name))) };
}

/** strace followed one side only: the tasks that hold a VM or a VFIO device, or all others. */
export function withTasksOf(recording: Recording, side: "vmm" | "others"): Recording {
  const source = recording.manifest.sources.find(({ format }) => format === "strace");
  if (source === undefined) return recording;
  const all = lines(recording.files.get(source.file));
  const taskOf = (line: string): string => /^\d+/.exec(line)?.[0] ?? "";
  const vmm = new Set(all.filter((line) => /\/dev\/(?:kvm|vfio)|KVM_|VFIO_/.test(line)).map(taskOf));
  const kept = all.filter((line) => vmm.has(taskOf(line)) === (side === "vmm"));
  return { ...recording, files: new Map(recording.files).set(source.file, joined(kept)) };
}

/** Nobody took a snapshot of sysfs before. */
export function withoutSnapshot({ manifest, files }: Recording): Recording {
  const { environment: _, ...rest } = manifest;
  return { manifest: rest, files: new Map([...files].filter(([name]) => name !== "sysfs.txt")) };
}

/** Nobody said what the kernel and the machine are like; the profile is named by the caller. */
export function withoutFacts({ manifest, files }: Recording): Recording {
  const { facts: _, ...rest } = manifest;
  return { manifest: rest, files };
}

/** Some probes were not set: the manifest lists the others only, and the lines of these are missing. */
export function withoutProbes({ manifest, files }: Recording, unset: (probe: string) => boolean): Recording {
  const texts = new Map(files);
  const sources = manifest.sources.map((source) => {
    if (source.probes === undefined) return source;
    const probes = source.probes.filter((probe) => !unset(probe));
    const missing = source.probes.filter(unset);
    const kept = lines(texts.get(source.file)).filter((line) => !missing.some((probe) => line.includes(`: ${probe}:`)));
    texts.set(source.file, joined(kept));
    return { ...source, probes };
  });
  return { manifest: { ...manifest, sources }, files: texts };
}

/** The ring buffer lost some lines of the trace, and says so on each of the four CPUs. */
export function withLoss(recording: Recording, at: number, length: number): Recording {
  const source = recording.manifest.sources.find(({ format }) => format === "ftrace");
  if (source === undefined) return recording;
  const kept = lines(recording.files.get(source.file));
  const from = Math.floor(at * kept.length);
  const lost = kept.slice(from, from + length).length;
  const marks = [0, 1, 2, 3].map((cpu) => `CPU:${cpu} [LOST ${lost} EVENTS]`);
  kept.splice(from, length, ...marks);
  return { ...recording, files: new Map(recording.files).set(source.file, joined(kept)) };
}

/** All recorders were started late, in the middle of the run, and nobody took a snapshot. */
export function withLateStart(recording: Recording, at: number): Recording {
  const { manifest, files } = withoutSnapshot(recording);
  const strace = manifest.sources.find(({ format }) => format === "strace");
  const calls = lines(strace === undefined ? "" : files.get(strace.file));
  const start = stampOf("strace", calls[Math.floor(at * calls.length)] ?? "") ?? 0;
  const texts = new Map(files);
  for (const { file, format } of manifest.sources) {
    const kept = lines(texts.get(file)).filter((line) => (stampOf(format, line) ?? start) >= start);
    texts.set(file, joined(kept));
  }
  return { manifest, files: texts };
}

const STAMPS: Readonly<Record<string, RegExp>> = {
  strace: /^\d+ +(\d+\.\d+) /,
  ftrace: /\] \S{5} +(\d+\.\d+): /,
  s390dbf: /^\d\d (\d+:\d+) /,
};

/** Seconds of a line's stamp; undefined for a line without one. */
function stampOf(format: string, line: string): number | undefined {
  const stamp = STAMPS[format]?.exec(line)?.[1];
  return stamp === undefined ? undefined : Number(stamp.replace(":", "."));
}

/** The lines of a source that are kept. */
export function withLines(
  recording: Recording,
  format: string,
  keep: (line: string, at: number) => boolean,
): Recording {
  const source = recording.manifest.sources.find((one) => one.format === format);
  if (source === undefined) return recording;
  const kept = lines(recording.files.get(source.file)).filter(keep);
  return { ...recording, files: new Map(recording.files).set(source.file, joined(kept)) };
}

/** The recorder was started, or stopped, in the middle: `from` and `to` are shares of its lines. Headers stay. */
export function withStretch(recording: Recording, format: string, from: number, to: number): Recording {
  const source = recording.manifest.sources.find((one) => one.format === format);
  if (source === undefined) return recording;
  const { length } = lines(recording.files.get(source.file));
  return withLines(recording, format, (line, at) => line.startsWith("#") || (at >= from * length && at < to * length));
}

/** Some lines of the trace are missing, and nothing says so. */
export function withoutLines(recording: Recording, at: number, length: number): Recording {
  const source = recording.manifest.sources.find(({ format }) => format === "ftrace");
  if (source === undefined) return recording;
  const kept = lines(recording.files.get(source.file));
  kept.splice(Math.floor(at * kept.length), length);
  return { ...recording, files: new Map(recording.files).set(source.file, joined(kept)) };
}

export function lines(text: string | undefined): string[] {
  return (text ?? "").split("\n").filter((line) => line !== "");
}

export function joined(kept: readonly string[]): string {
  return kept.map((line) => `${line}\n`).join("");
}

export function isManifest(value: unknown): value is Recording["manifest"] {
  return typeof value === "object" && value !== null && "sources" in value && Array.isArray(value.sources);
}
