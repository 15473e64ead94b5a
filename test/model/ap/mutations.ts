import { hasBit, type Mask, withBit, withoutBit } from "../../../src/event/mask.js";
import { type ApEffect, bracketKinds } from "../../../src/operation/ap/effect.js";
import type { Operation } from "../../../src/operation/operation.js";
import { apcbSet, effectsOf, failed, withEffects, withResult } from "./observed.js";

/** An observation that the kernel cannot have made. */
export interface Mutant {
  readonly name: string;
  readonly operation: Operation;
}

/** What a kernel may do although an example's table does not say so. */
export interface Latitude {
  /** Errnos that may stand in place of the result: something that leaves no line can have come between. */
  readonly errnos: readonly string[];
  /** Errnos that may, if nothing else happens. */
  readonly quiet?: readonly string[];
  /** Effects that may be missing. */
  readonly missing?: readonly string[];
  /** Effects that may be about another queue. */
  readonly elsewhere?: readonly string[];
  /** No rule gives an order to the queues that come and go. */
  readonly anyOrder?: boolean;
  /** The result of the call is not the driver's. */
  readonly anyResult: boolean;
}

export const noLatitude: Latitude = { errnos: [], anyResult: false };

const ERRNOS = [
  "EINVAL",
  "EBUSY",
  "EADDRINUSE",
  "EADDRNOTAVAIL",
  "ENODEV",
  "ERANGE",
  "EPERM",
  "EIO",
  "ENOSPC",
  "EUSERS",
];

/** Observations next to an explained one, none of which the rules allow. */
export function mutantsOf(operation: Operation, latitude: Latitude): readonly Mutant[] {
  return [...resultMutants(operation, latitude), ...effectMutants(operation, latitude)];
}

function resultMutants(operation: Operation, latitude: Latitude): Mutant[] {
  const { result } = operation;
  if (latitude.anyResult || result.kind === "unknown") return [];
  const mutants: Mutant[] = [];
  for (const errno of ERRNOS) {
    if (latitude.errnos.includes(errno) || (result.kind === "error" && result.errno === errno)) continue;
    const other = withResult(operation, failed(errno));
    mutants.push({ name: `${errno} as the result`, operation: other });
    if (operation.effects.length > 0 && !latitude.quiet?.includes(errno)) {
      mutants.push({ name: `${errno} as the result and no effect`, operation: withEffects(other, []) });
    }
  }
  const { call } = operation;
  if (result.kind === "error" && !latitude.errnos.includes("success")) {
    const count = call.kind === "attribute-write" ? call.length : 0;
    mutants.push({ name: "success", operation: withResult(operation, { kind: "value", value: count }) });
  }
  if (result.kind === "value" && call.kind === "attribute-write") {
    for (const value of [result.value - 1, result.value + 1]) {
      mutants.push({ name: `${value} as the result`, operation: withResult(operation, { kind: "value", value }) });
    }
  }
  return mutants;
}

function effectMutants(operation: Operation, latitude: Latitude): Mutant[] {
  const effects = effectsOf(operation);
  const mutants: Mutant[] = [];
  const mutate = (name: string, changed: readonly ApEffect[]): void => {
    mutants.push({ name, operation: withEffects(operation, changed) });
  };
  effects.forEach((effect, i) => {
    const others = effects.filter((_, place) => place !== i);
    const swapped = (changed: ApEffect): ApEffect[] => effects.map((old, place) => (place === i ? changed : old));
    if (!latitude.missing?.includes(effect.kind)) mutate(`no ${effectText(effect)}`, others);
    for (const [what, changed] of latitude.elsewhere?.includes(effect.kind) ? [] : alterations(effect))
      mutate(`${effectText(effect)} with ${what}`, swapped(changed));
    mutate(`${effectText(effect)} twice`, [...effects.slice(0, i + 1), ...effects.slice(i)]);
  });
  mutate("an apcb_set more", [...effects, lastSet(effects)]);
  for (const [name, changed] of reorderedResets(effects)) mutate(name, changed);
  if (latitude.anyOrder !== true) for (const [name, changed] of reorderedQueues(effects)) mutate(name, changed);
  return mutants;
}

/** An apcb_set of nothing, or the last one once more. */
function lastSet(effects: readonly ApEffect[]): ApEffect {
  return effects.findLast((effect) => effect.kind === "apcb_set") ?? apcbSet("0x80010000", [], [], []);
}

function alterations(effect: ApEffect): readonly (readonly [string, ApEffect])[] {
  switch (effect.kind) {
    case "apcb_set":
      return [
        ...(["apm", "aqm", "adm"] as const).flatMap((side) =>
          [5, 0x47].map((bit): [string, ApEffect] => [
            `bit ${bit} of ${side} the other way`,
            { ...effect, [side]: flipped(effect[side], bit) },
          ]),
        ),
        ["another guest", { ...effect, kvm: "0x99990000" }],
      ];
    case "apcb_clear":
      return [["another guest", { ...effect, kvm: "0x99990000" }]];
    case "resource_in_use":
      return [
        ["another answer", { ...effect, rc: effect.rc === 0 ? -98 : 0 }],
        ["another apm", { ...effect, apm: flipped(effect.apm, 5) }],
        ["another aqm", { ...effect, aqm: flipped(effect.aqm, 4) }],
      ];
    case "reset_queue":
      return [
        ["another result", { ...effect, rc: effect.rc === 0 ? -16 : 0 }],
        ["another queue", { ...effect, apqn: effect.apqn ^ 1 }],
      ];
    case "hw_zapq":
    case "hw_tapq":
    case "queue_remove":
      return [["another queue", { ...effect, apqn: effect.apqn ^ 1 }]];
    case "queue_probe":
      return [
        ["another queue", { ...effect, apqn: effect.apqn ^ 1 }],
        ["a failure", { ...effect, rc: -19 }],
      ];
    case "mdev_set_kvm":
      return [["another answer", { ...effect, rc: effect.rc === 0 ? -1 : 0 }]];
    default:
      return [];
  }
}

function flipped(mask: Mask, bit: number): Mask {
  return hasBit(mask, bit) ? withoutBit(mask, bit) : withBit(mask, bit);
}

/** Neighbouring resets, or a set and a reset, in the other order. Bracket lines stay: their place says nothing. */
function reorderedResets(effects: readonly ApEffect[]): readonly (readonly [string, readonly ApEffect[]])[] {
  const found: (readonly [string, readonly ApEffect[]])[] = [];
  const brackets = effects.filter(isBracket);
  const runs = runsOf(effects.filter((effect) => !isBracket(effect)));
  runs.forEach((run, i) => {
    const next = runs[i + 1];
    if (next === undefined || (run.reset === undefined && next.reset === undefined)) return;
    const order = [...runs.slice(0, i), next, run, ...runs.slice(i + 2)];
    const name = `${effectText(next.effects[0])} before ${effectText(run.effects[0])}`;
    found.push([name, [...brackets, ...order.flatMap((one) => one.effects)]]);
  });
  return found;
}

/** Neighbouring queues that come or go, with all that belongs to them, in the other order. */
function reorderedQueues(effects: readonly ApEffect[]): readonly (readonly [string, readonly ApEffect[]])[] {
  const groups: ApEffect[][] = [];
  for (const effect of effects) {
    const head = groups.at(-1)?.[0];
    const belongs = head !== undefined && isQueue(head) && "apqn" in effect && effect.apqn === head.apqn;
    if (belongs && !isQueue(effect)) groups.at(-1)?.push(effect);
    else groups.push([effect]);
  }
  return groups.flatMap((group, i): [string, ApEffect[]][] => {
    const [head, next] = [group[0], groups[i + 1]];
    if (head === undefined || next?.[0] === undefined || !isQueue(head) || next[0].kind !== head.kind) return [];
    const order = [...groups.slice(0, i), next, group, ...groups.slice(i + 2)];
    return [[`${effectText(next[0])} before ${effectText(head)}, with its lines`, order.flat()]];
  });
}

function isQueue(effect: ApEffect): effect is ApEffect & { readonly kind: "queue_probe" | "queue_remove" } {
  return effect.kind === "queue_probe" || effect.kind === "queue_remove";
}

interface Run {
  readonly reset: number | undefined;
  readonly effects: ApEffect[];
}

/** Ordered effects in runs: those of one reset together. */
function runsOf(effects: readonly ApEffect[]): readonly Run[] {
  const runs: Run[] = [];
  for (const effect of effects) {
    const reset = resetQueueOf(effect);
    const last = runs.at(-1);
    if (last !== undefined && reset !== undefined && last.reset === reset && effect.kind !== "hw_zapq") {
      last.effects.push(effect);
    } else runs.push({ reset, effects: [effect] });
  }
  return runs;
}

function isBracket({ kind }: ApEffect): boolean {
  return bracketKinds.has(kind);
}

function resetQueueOf(effect: ApEffect): number | undefined {
  switch (effect.kind) {
    case "hw_zapq":
    case "hw_tapq":
    case "hw_aqic":
    case "reset_queue":
      return effect.apqn;
    default:
      return undefined;
  }
}

function effectText(effect: ApEffect | undefined): string {
  if (effect === undefined) return "nothing";
  return "apqn" in effect ? `${effect.kind} ${effect.apqn.toString(16).padStart(4, "0")}` : effect.kind;
}
