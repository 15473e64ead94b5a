import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/**
 * Long captures, made by repeating a round: a short recording that ends in the state in which it began. Every round gets
 * other UUIDs, task ids, VFIO groups, kvm pointers and times, so that nothing that a checker remembers of one round fits
 * the next. All of them have a fixed width in the round's text: a round is a copy with some bytes written over.
 */

/** The text that a round consists of. */
const SOURCES = ["strace.txt", "trace.txt"];

/** What stands at a place of the text, and changes from round to round. */
type Kind = "seconds" | "task" | "uuid" | "group" | "pointer";

interface Patch {
  readonly kind: Kind;
  readonly at: number;
  /** The value of round 0: seconds, index of a task, a group's number. */
  readonly value: number;
}

interface Template {
  readonly bytes: Buffer;
  readonly patches: readonly Patch[];
  readonly lines: number;
}

/** A capture that was made. */
export interface Made {
  readonly directory: string;
  readonly lines: number;
  readonly bytes: number;
  readonly rounds: number;
}

/** Times that count from the boot of a machine become this much later, so that all have the same width. */
const AFTER_BOOT = 1_000_000_000;
const FIRST_TASK = 100_000;
const TASKS = 900_000;
const FIRST_GROUP = 100;
const GROUPS = 900;

const UUID = /[0-9a-f]{8}(?=-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/gi;
/** `2201  1711118461.150027 `: task and time of an strace line. */
const STRACE_HEAD = /^(\d+) +(\d{10})(?=\.\d{6} )/;
/** `            bash-2201    [001] ..... 1711118463.400174: `: those of a line of ftrace. */
const FTRACE_HEAD = /^( *\S.*?)-(\d+) +(\[\d{3}\] \S+ +)(\d+)(?=\.\d{6}: )/;
const GROUP = /(\/dev\/vfio\/|iommu_groups\/)(\d+)(?=["> ])/g;
const POINTER = /(?<= kvm=0x)[0-9a-f]{8}/g;

/** The round that stands in a directory: `strace.txt`, `trace.txt` or one of them, and what belongs to the capture as a whole. */
export class Round {
  readonly #directory: string;
  readonly #tasks = new Map<string, number>();
  readonly #templates: ReadonlyMap<string, Template>;
  /** Seconds from the begin of a round to that of the next. */
  readonly #period: number;

  constructor(directory: string) {
    this.#directory = directory;
    const templates = new Map<string, Template>();
    for (const file of SOURCES) {
      const path = join(directory, file);
      if (!existsSync(path)) continue;
      const head = (line: string): Head => (file === "strace.txt" ? this.#straceHead(line) : this.#ftraceHead(line));
      templates.set(file, this.#template(readFileSync(path, "latin1"), head));
    }
    this.#templates = templates;
    let first = Number.POSITIVE_INFINITY;
    let last = 0;
    for (const { patches } of this.#templates.values()) {
      for (const { kind, value } of patches) {
        if (kind !== "seconds") continue;
        first = Math.min(first, value);
        last = Math.max(last, value);
      }
    }
    this.#period = last - first + 2;
  }

  /** Lines of one round. */
  get lines(): number {
    let sum = 0;
    for (const { lines } of this.#templates.values()) sum += lines;
    return sum;
  }

  /** Writes a capture of at least `lines` lines into a directory. */
  write(directory: string, lines: number): Made {
    mkdirSync(directory, { recursive: true });
    for (const file of ["capture.json", "sysfs.txt", "environment.txt"]) {
      const path = join(this.#directory, file);
      if (existsSync(path)) copyFileSync(path, join(directory, file));
    }
    const rounds = Math.ceil(lines / this.lines);
    let bytes = 0;
    for (const [file, template] of this.#templates) bytes += this.#writeFile(join(directory, file), template, rounds);
    return { directory, lines: rounds * this.lines, bytes, rounds };
  }

  #writeFile(path: string, { bytes, patches }: Template, rounds: number): number {
    const file = openSync(path, "w");
    try {
      for (let round = 0; round < rounds; round++) {
        for (const { kind, at, value } of patches) bytes.write(this.#text(kind, value, round), at, "latin1");
        writeSync(file, bytes);
      }
    } finally {
      closeSync(file);
    }
    return bytes.length * rounds;
  }

  #text(kind: Kind, value: number, round: number): string {
    switch (kind) {
      case "seconds":
        return String(value + round * this.#period);
      case "task":
        return String(FIRST_TASK + ((value + round * this.#tasks.size) % TASKS));
      case "uuid":
        return (Math.imul(round + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, "0");
      case "group":
        return String(FIRST_GROUP + ((value + round * 2) % GROUPS));
      case "pointer":
        return round.toString(16).padStart(8, "0");
    }
  }

  #task(printed: string): number {
    const known = this.#tasks.get(printed);
    if (known !== undefined) return known;
    const index = this.#tasks.size;
    this.#tasks.set(printed, index);
    return index;
  }

  /** The text of a file with places of fixed width for all that changes. */
  #template(text: string, head: (line: string) => Head): Template {
    // The title of a trace stands once at its top, and says nothing to a reader.
    const lines = text
      .trimEnd()
      .split("\n")
      .filter((line) => !line.startsWith("#"));
    const patches: Patch[] = [];
    let out = "";
    for (const line of lines) {
      const { text: start, end, places } = head(line);
      for (const { kind, at, value } of places) patches.push({ kind, at: out.length + at, value });
      const rest = line.slice(end).replace(GROUP, (_, lead: string, group: string) => lead + groupText(group));
      const base = out.length + start.length;
      // readlink returns the length of the link, which is longer by the digits that the group has more.
      const whole = rest.replace(/(iommu_groups\/\d{3}", \d+\) += )33$/, "$135");
      for (const found of whole.matchAll(UUID)) patches.push({ kind: "uuid", at: base + found.index, value: 0 });
      for (const found of whole.matchAll(POINTER)) patches.push({ kind: "pointer", at: base + found.index, value: 0 });
      for (const found of whole.matchAll(GROUP)) {
        const [, lead = "", group = ""] = found;
        patches.push({ kind: "group", at: base + found.index + lead.length, value: Number(group) - FIRST_GROUP });
      }
      out += `${start}${whole}\n`;
    }
    return { bytes: Buffer.from(out, "latin1"), patches, lines: lines.length };
  }

  #straceHead(line: string): Head {
    const match = STRACE_HEAD.exec(line);
    if (match === null) throw new Error(`no line of a round: ${line}`);
    const [all, task = "", seconds = ""] = match;
    const places: Patch[] = [
      { kind: "task", at: 0, value: this.#task(task) },
      { kind: "seconds", at: 7, value: Number(seconds) },
    ];
    return { text: `${FIRST_TASK} ${seconds}`, end: all.length, places };
  }

  #ftraceHead(line: string): Head {
    const match = FTRACE_HEAD.exec(line);
    if (match === null) throw new Error(`no line of a round: ${line}`);
    const [all, comm = "", task = "", columns = "", printed = ""] = match;
    const seconds = String(printed.length < 10 ? AFTER_BOOT + Number(printed) : Number(printed));
    const before = `${comm}-`;
    const between = `${FIRST_TASK}  ${columns}`;
    const places: Patch[] = [
      { kind: "task", at: before.length, value: this.#task(task) },
      { kind: "seconds", at: before.length + between.length, value: Number(seconds) },
    ];
    return { text: `${before}${between}${seconds}`, end: all.length, places };
  }
}

/** The columns of a line with their places, and where its text goes on. */
interface Head {
  readonly text: string;
  readonly end: number;
  readonly places: readonly Patch[];
}

function groupText(group: string): string {
  return String(FIRST_GROUP + Number(group));
}
