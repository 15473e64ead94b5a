import type { Change } from "./change.js";
import { linesOf, type Recording, TRACE } from "./recording.js";

const LINE = /^(\s*(?:.*)-(\d+)\s+\[\d+\] \S+\s+(\d+\.\d+): )([a-z_]+): (.*)$/;

interface ProbeLine {
  readonly at: number;
  readonly head: string;
  readonly tid: string;
  readonly time: number;
  readonly name: string;
  readonly fields: string;
}

/** Lines of the trace that say something of the kernel, not of what it was asked. */
function probeLines(recording: Recording): readonly ProbeLine[] {
  const found: ProbeLine[] = [];
  linesOf(recording, TRACE).forEach((line, at) => {
    const parts = LINE.exec(line);
    if (parts === null) return;
    const [, head = "", tid = "", time = "", name = "", fields = ""] = parts;
    found.push({ at, head, tid, time: Number(time), name, fields });
  });
  return found;
}

/** Probe lines missing, printed twice, in another order, and with other values. */
export function probeChanges(recording: Recording): readonly Change[] {
  const changes: Change[] = [];
  const lines = probeLines(recording);
  lines.forEach((line, i) => {
    const { at, head, name, fields } = line;
    if (name === "pqap_entry") return;
    const whole = `${head}${name}: ${fields}`;
    const add = (kind: string, others: readonly string[], count = 1): void => {
      changes.push({ kind: `${name}: ${kind}`, file: TRACE, at, count, lines: others });
    };
    add("missing", []);
    add("twice", [whole, whole]);
    const next = lines[i + 1];
    if (next !== undefined && next.at === at + 1 && neighbours(line, next)) {
      add(
        `after the ${next.name} that follows`,
        [`${head}${next.name}: ${next.fields}`, `${next.head}${name}: ${fields}`],
        2,
      );
    }
    for (const [kind, other] of otherFields(name, fields)) add(kind, [`${head}${name}: ${other}`]);
  });
  return changes;
}

/** Whether two lines belong to one operation. */
function neighbours(a: ProbeLine, b: ProbeLine): boolean {
  return (
    a.tid === b.tid && b.time - a.time < 0.1 && b.name !== "pqap_entry" && !(a.name === b.name && a.fields === b.fields)
  );
}

function* otherFields(name: string, fields: string): Generator<readonly [string, string]> {
  for (const match of fields.matchAll(/(\w+)=(\S+)/g)) {
    const [whole, key = "", value = ""] = match;
    for (const [what, other] of otherValues(name, key, value)) {
      if (other === value) continue;
      const at = match.index;
      yield [`${key} ${what}`, `${fields.slice(0, at)}${key}=${other}${fields.slice(at + whole.length)}`];
    }
  }
}

function otherValues(name: string, key: string, value: string): readonly (readonly [string, string])[] {
  switch (key) {
    case "kvm":
      return [["another", value.replace(/.(?=...$)/, (digit) => (digit === "c" ? "d" : "c"))]];
    case "apm":
    case "aqm":
    case "adm":
    case "old_apm":
    case "old_aqm":
    case "old_adm":
    case "new_apm":
    case "new_aqm":
    case "new_adm":
      return otherMasks(value);
    case "gisc":
      return [["another", String((Number(value) + 1) % 8)]];
    case "iova":
      return [
        ["another page", hex(BigInt(value) + 0x1000n)],
        ["another byte", hex(BigInt(value) ^ 0x8n)],
      ];
    case "npage":
      return [["2", "2"]];
    case "apqn": {
      const apqn = Number.parseInt(value, 16);
      return [
        ["another domain", (apqn ^ 1).toString(16).padStart(4, "0")],
        ["another adapter", (apqn ^ 0x100).toString(16).padStart(4, "0")],
      ];
    }
    case "retry":
      return [["0", "0"]];
    case "mdev":
      return [["another", value.replace(/.$/, (digit) => (digit === "0" ? "1" : "0"))]];
    case "rc":
      return returnCodes(name, value);
    case "status":
      return otherStatus(Number.parseInt(value, 16)).map(([what, word]) => [what, padded(BigInt(word >>> 0), 8)]);
    case "cc":
      return value === "3"
        ? [["3 to 0", "0"]]
        : [
            ["to 3", "3"],
            ["another", String((Number(value) + 1) % 3)],
          ];
    case "gr1":
      return name === "hw_aqic" ? otherControlWords(BigInt(value)) : otherExits(BigInt(value));
    default:
      return [];
  }
}

function otherMasks(value: string): readonly (readonly [string, string])[] {
  const mask = BigInt(`0x${value}`);
  const others: (readonly [string, string])[] = [];
  for (let bit = 0n; bit < 256n; bit++) {
    const one = 1n << (255n - bit);
    if ((mask & one) === 0n) continue;
    others.push(["a bit cleared", padded(mask ^ one, 64)]);
    const next = one >> 1n;
    if (next !== 0n && (mask & next) === 0n) others.push(["a bit set", padded(mask | next, 64)]);
    break;
  }
  if (mask === 0n) others.push(["a bit set", padded(1n << 251n, 64)]);
  return others;
}

function returnCodes(name: string, value: string): readonly (readonly [string, string])[] {
  const others: Readonly<Record<string, readonly string[]>> = {
    reset_queue: ["0", "-16", "-5", "-22"],
    pin_pages: ["1", "-22", "0"],
    gisc_register: ["5", "-19", "4"],
    gisc_unregister: ["0", "-22"],
    queue_probe: ["0", "-12", "-19"],
    mdev_set_kvm: ["0", "-1", "-22"],
    resource_in_use: ["0", "-98", "-16"],
    pqap_exit: ["0", "-95", "-22"],
  };
  return (others[name] ?? []).map((other) => [`${value} to ${other}`, other]);
}

function otherStatus(word: number): readonly (readonly [string, number])[] {
  const rc = (word >>> 16) & 0xff;
  const withRc = (other: number): number => ((word & 0xff00ffff) | (other << 16)) >>> 0;
  const codes = [0x00, 0x01, 0x02, 0x03, 0x05, 0x06, 0x07].filter((other) => other !== rc);
  return [
    ...codes.map((other) => [`rc ${rc.toString(16)} to ${other}`, withRc(other)] as const),
    ["E flipped", (word ^ 0x80000000) >>> 0],
    ["I flipped", (word ^ 0x01000000) >>> 0],
  ];
}

function otherControlWords(word: bigint): readonly (readonly [string, string])[] {
  return [
    ["IR flipped", word16(word ^ (1n << 47n))],
    ["GISC changed", word16(word ^ (1n << 40n))],
    ["zone set", word16(word | (1n << 48n))],
    ["GISA format 1", word16(word | (1n << 32n))],
    ["GISA origin changed", word16(word ^ (1n << 12n))],
    ["ISC changed", word16(word ^ 1n)],
  ];
}

function otherExits(word: bigint): readonly (readonly [string, string])[] {
  return [
    ["rc changed", word16(word ^ (0x02n << 16n))],
    ["E flipped", word16(word ^ (1n << 31n))],
    ["I flipped", word16(word ^ (1n << 24n))],
    ["a low bit flipped", word16(word ^ 1n)],
    ["high word changed", word16(word ^ (1n << 48n))],
  ];
}

function word16(word: bigint): string {
  return `0x${padded(word, 16)}`;
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

function padded(value: bigint, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
