import { hasBit, type Mask, withBit, withoutBit } from "../../../../src/event/mask.js";
import { type Word, wordOf } from "../../../../src/event/word.js";
import type { ApCall } from "../../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../../src/operation/ap/effect.js";
import type { ObservedEffect, Operation } from "../../../../src/operation/operation.js";

/** An observation next to another one, by what is different. */
export interface Mutant {
  readonly name: string;
  readonly operation: Operation;
}

/** Observations one step away from an explained one: as a rule none of them is allowed. */
export function mutantsOf(operation: Operation): readonly Mutant[] {
  return [...exitMutants(operation), ...resultMutants(operation), ...lineMutants(operation)];
}

/** Another return code, GR1 or condition code. */
function exitMutants(operation: Operation): readonly Mutant[] {
  const { call } = operation;
  if (call.kind !== "pqap" || call.exit === undefined) return [];
  const { exit, ccBefore } = call;
  const mutants: Mutant[] = [];
  const mutate = (name: string, changed: Partial<typeof exit>): void => {
    const other: ApCall = { ...call, exit: { ...exit, ...changed } };
    mutants.push({ name: `exit with ${name}`, operation: { ...operation, call: other } });
  };
  for (const rc of [0, -95, -22, -14, 1]) if (rc !== exit.rc) mutate(`rc ${rc}`, { rc });
  for (let bit = 0; bit < 32; bit += 1) {
    mutate(`gr1 bit ${bit}`, { gr1: wordOf(exit.gr1.hi ^ (0x80000000 >>> bit), exit.gr1.lo) });
    mutate(`gr1 bit ${32 + bit}`, { gr1: wordOf(exit.gr1.hi, exit.gr1.lo ^ (0x80000000 >>> bit)) });
  }
  for (const cc of [0, 1, 2, 3]) if (cc !== exit.cc && ccBefore !== undefined) mutate(`cc ${cc}`, { cc });
  if (exit.pgm !== undefined) mutate("another program interruption", { pgm: exit.pgm ^ 4 });
  return mutants;
}

function resultMutants(operation: Operation): readonly Mutant[] {
  const { result, call } = operation;
  if (call.kind !== "device-ioctl" && call.kind !== "device-open") return [];
  if (result.kind === "unknown") return [];
  const mutants: Mutant[] = [];
  for (const errno of ["EINVAL", "EBUSY", "EIO", "EPERM", "EFAULT", "EOPNOTSUPP", "ENODEV", "ENOTTY"]) {
    if (result.kind === "error" && result.errno === errno) continue;
    mutants.push({ name: `result ${errno}`, operation: { ...operation, result: { kind: "error", errno } } });
  }
  if (result.kind === "error") {
    mutants.push({ name: "result 0", operation: { ...operation, result: { kind: "value", value: 0 } } });
  } else if (call.kind === "device-ioctl") {
    for (const value of [result.value + 1, result.value + 16]) {
      mutants.push({ name: `result ${value}`, operation: { ...operation, result: { kind: "value", value } } });
    }
  }
  return mutants;
}

/** A line less, a line twice, two lines swapped, a line with another value, a line that cannot be there. */
function lineMutants(operation: Operation): readonly Mutant[] {
  const { effects } = operation;
  const mutants: Mutant[] = [];
  const mutate = (name: string, changed: readonly ObservedEffect[]): void => {
    mutants.push({ name, operation: { ...operation, effects: changed } });
  };
  const at = (i: number): string => `${i + 1} (${lineText(effects[i]?.effect as ApEffect)})`;
  effects.forEach((seen, i) => {
    mutate(`without line ${at(i)}`, [...effects.slice(0, i), ...effects.slice(i + 1)]);
    mutate(`line ${at(i)} twice`, [...effects.slice(0, i), seen, ...effects.slice(i)]);
    for (const [name, effect] of otherValues(seen.effect as ApEffect)) {
      mutate(`line ${at(i)} with ${name}`, [...effects.slice(0, i), { ...seen, effect }, ...effects.slice(i + 1)]);
    }
    const next = effects[i + 1];
    if (
      next === undefined ||
      seen.bracket ||
      next.bracket ||
      lineText(seen.effect as ApEffect) === lineText(next.effect as ApEffect)
    )
      return;
    mutate(`lines ${at(i)} and ${at(i + 1)} swapped`, [...effects.slice(0, i), next, seen, ...effects.slice(i + 2)]);
  });
  const [first] = effects;
  const model = first ?? { effect: strangers[0] as ApEffect, event: operation.event, bracket: false };
  for (const effect of strangers) {
    mutate(`a stray ${lineText(effect)} at the end`, [...effects, { ...model, effect, bracket: false }]);
    mutate(`a stray ${lineText(effect)} at the start`, [{ ...model, effect, bracket: false }, ...effects]);
  }
  return mutants;
}

/** Lines of no operation of the examples: values that none of them uses. */
const strangers: readonly ApEffect[] = [
  { kind: "pin_pages", iova: wordOf(0, 0x7eee0000), npage: 1, rc: 1 },
  { kind: "unpin_pages", iova: wordOf(0, 0x7eee0000), npage: 1 },
  { kind: "gisc_register", kvm: "0x80010000", gisc: 6, rc: 5 },
  { kind: "gisc_unregister", kvm: "0x80010000", gisc: 6, rc: 0 },
  { kind: "apcb_clear", kvm: "0x80090000" },
  { kind: "hw_aqic", apqn: 0x0707, gr1: wordOf(0, 0), status: 0x00070000 },
];

function otherValues(effect: ApEffect): readonly (readonly [string, ApEffect])[] {
  switch (effect.kind) {
    case "pin_pages":
      return [
        ["another page", { ...effect, iova: flipped(effect.iova, 0x1000) }],
        ["another byte", { ...effect, iova: flipped(effect.iova, 0x40) }],
        ["two pages", { ...effect, npage: 2 }],
        ["another return code", { ...effect, rc: effect.rc === 1 ? -14 : 1 }],
        ["return code 0", { ...effect, rc: 0 }],
        ["-E2BIG", { ...effect, rc: -7 }],
      ];
    case "unpin_pages":
      return [
        ["another page", { ...effect, iova: flipped(effect.iova, 0x1000) }],
        ["another byte", { ...effect, iova: flipped(effect.iova, 0x40) }],
        ["two pages", { ...effect, npage: 2 }],
      ];
    case "gisc_register":
      return [
        ["another subclass", { ...effect, gisc: effect.gisc ^ 1 }],
        ["another host subclass", { ...effect, rc: effect.rc === 6 ? 5 : 6 }],
        ["-EINVAL", { ...effect, rc: -22 }],
        ["another guest", { ...effect, kvm: "0x80090000" }],
      ];
    case "gisc_unregister":
      return [
        ["another subclass", { ...effect, gisc: effect.gisc ^ 1 }],
        ["another return code", { ...effect, rc: effect.rc === 0 ? -22 : 0 }],
        ["another guest", { ...effect, kvm: "0x80090000" }],
      ];
    case "hw_aqic":
      return [
        ["another queue", { ...effect, apqn: effect.apqn ^ 1 }],
        ...controlBits.map(([name, hi, lo]): readonly [string, ApEffect] => [
          `another ${name}`,
          { ...effect, gr1: wordOf(effect.gr1.hi ^ hi, effect.gr1.lo ^ lo) },
        ]),
        ["another response code", { ...effect, status: (effect.status ^ 0x00030000) >>> 0 }],
        ["a response code that no machine has", { ...effect, status: (effect.status | 0x007f0000) >>> 0 }],
      ];
    case "hw_zapq":
    case "hw_tapq":
      return [
        ["another queue", { ...effect, apqn: effect.apqn ^ 1 }],
        ["another response code", { ...effect, status: (effect.status ^ 0x00030000) >>> 0 }],
        ["the interrupt bit the other way", { ...effect, status: (effect.status ^ 0x01000000) >>> 0 }],
        ["the empty bit the other way", { ...effect, status: (effect.status ^ 0x80000000) >>> 0 }],
      ];
    case "reset_queue":
      return [
        ["another queue", { ...effect, apqn: effect.apqn ^ 1 }],
        ["another result", { ...effect, rc: effect.rc === 0 ? -16 : 0 }],
        ["-EINVAL", { ...effect, rc: -22 }],
      ];
    case "apcb_set":
      return [
        ["another guest", { ...effect, kvm: "0x80090000" }],
        ["another adapter", { ...effect, apm: flippedBit(effect.apm, 4) }],
        ["another domain", { ...effect, aqm: flippedBit(effect.aqm, 0x16) }],
        ["another control domain", { ...effect, adm: flippedBit(effect.adm, 9) }],
      ];
    case "apcb_clear":
      return [["another guest", { ...effect, kvm: "0x80090000" }]];
    case "mdev_set_kvm":
      return [
        ["another result", { ...effect, rc: effect.rc === 0 ? -1 : 0 }],
        ["-EINVAL", { ...effect, rc: -22 }],
      ];
    case "queue_probe":
      return [["another queue", { ...effect, apqn: effect.apqn ^ 1 }]];
    case "queue_remove":
      return [["another queue", { ...effect, apqn: effect.apqn ^ 1 }]];
    default:
      return [];
  }
}

/** Fields of a host control word (2.4): name, bits of the high and of the low half. */
const controlBits: readonly (readonly [string, number, number])[] = [
  ["zone", 0x00010000, 0],
  ["IR", 0x8000, 0],
  ["reserved bit", 0x0800, 0],
  ["guest subclass", 0x0100, 0],
  ["GISA format", 0x0001, 0],
  ["host subclass", 0, 0x1],
];

function flipped(number: Word, low: number): Word {
  return wordOf(number.hi, number.lo ^ low);
}

function flippedBit(mask: Mask, bit: number): Mask {
  return hasBit(mask, bit) ? withoutBit(mask, bit) : withBit(mask, bit);
}

function lineText(effect: ApEffect): string {
  switch (effect.kind) {
    case "hw_aqic":
    case "hw_tapq":
    case "hw_zapq":
    case "reset_queue":
    case "queue_probe":
    case "queue_remove":
      return `${effect.kind} ${effect.apqn.toString(16).padStart(4, "0")}`;
    case "gisc_register":
    case "gisc_unregister":
      return `${effect.kind} ${effect.gisc}`;
    case "pin_pages":
    case "unpin_pages":
      return `${effect.kind} ${effect.iova.hi.toString(16)}.${effect.iova.lo.toString(16)}`;
    default:
      return effect.kind;
  }
}
