import type { Event } from "../../../src/event/event.js";
import { wordOf } from "../../../src/event/word.js";
import { Choices } from "../../../src/model/core/choices.js";
import type { Rule } from "../../../src/model/core/rule.js";
import { Trial } from "../../../src/model/core/trial.js";
import type { Effect, ObservedEffect, ObservedResult, Operation } from "../../../src/operation/operation.js";

/** An observed operation, and a run of a model over it. */

const rule = (id: string): Rule => ({ id, title: id, text: id, source: id, profiles: ["p"] });
export const R1 = rule("R-1");
export const R2 = rule("R-2");

export const line = (number: number): Event => ({
  kind: "mark",
  source: 0,
  line: number,
  time: undefined,
  tid: 1,
  comm: "",
  text: "",
  message: "",
});

export const pin = (page: number): Effect => ({ kind: "pin_pages", iova: wordOf(0, page), npage: 1, rc: 1 });
export const unpin = (page: number): Effect => ({ kind: "unpin_pages", iova: wordOf(0, page), npage: 1 });
export const probe = (apqn: number): Effect => ({ kind: "queue_probe", apqn, rc: 0 });
export const refused = (apqn: number): Effect => ({ kind: "aqic_refused", reason: "no-aiv", apqn });

/** Effects in recorded order, from line 2 on. */
export function seen(
  effects: readonly Effect[],
  how: { readonly bracket?: boolean; readonly hint?: true } = {},
): ObservedEffect[] {
  return effects.map((effect, i) => ({
    effect,
    event: line(i + 2),
    bracket: how.bracket ?? false,
    ...(how.hint === undefined ? {} : { hint: how.hint }),
  }));
}

export interface Observed {
  readonly result?: ObservedResult;
  readonly effects?: readonly ObservedEffect[];
  readonly gap?: boolean;
  readonly cut?: "effects" | "call";
  readonly unseen?: readonly string[];
  readonly lenient?: boolean;
}

export function trial(observed: Observed, choices = new Choices()): Trial {
  const {
    result = { kind: "value", value: 0 },
    effects = [],
    gap = false,
    cut,
    unseen = [],
    lenient = false,
  } = observed;
  const operation: Operation = {
    number: 1,
    call: { kind: "unrecorded" },
    name: "call",
    result,
    effects,
    event: line(1),
    tid: 1,
    time: undefined,
    endTime: undefined,
    begin: 1,
    end: 9,
    overlapping: false,
    gap,
    cut,
  };
  return new Trial(operation, { syscalls: true, sees: (kind) => !unseen.includes(kind) }, choices, lenient);
}
