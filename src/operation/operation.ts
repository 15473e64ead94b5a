import type { Event, Stamp } from "../event/event.js";
import type { ApCall } from "./ap/call.js";
import type { ApEffect } from "./ap/effect.js";
import type { DawrCall } from "./dawr/call.js";
import type { PlatformCall } from "./platform/call.js";

/** What was observed of an operation's result. */
export type ObservedResult =
  /** A return value of 0 and above. */
  | { readonly kind: "value"; readonly value: number }
  /** An errno by name. */
  | { readonly kind: "error"; readonly errno: string }
  /** Not recorded, or the call did not come back. */
  | { readonly kind: "unknown"; readonly reason: string };

/** What was asked of a kernel: the calls of all systems; their kinds are distinct. */
export type Call = ApCall | DawrCall | PlatformCall;

/** What a kernel did meanwhile, as lines between entry and exit show it. */
export type Effect = ApEffect;

/** An effect with the recorded line that shows it. */
export interface ObservedEffect {
  readonly effect: Effect;
  readonly event: Event;
  /** It only brackets the operation: its place among the effects says nothing (probes.md). */
  readonly bracket: boolean;
  /** It was put to the operation by time alone (a log names no task): it can tell, but what contradicts it is only noted. */
  readonly hint?: true;
}

/**
 * What the end of a recording may have cut off. `effects`: the operation did not end, and its last effects may be missing.
 * `call`: its last effects may be those of a call that was not printed any more.
 */
export type Cut = "effects" | "call";

/** An operation: a call with its arguments and observed result, and the effects recorded while it ran. */
export interface Operation {
  /** Running number within the capture, from 1, in the order of completion that the check uses. */
  readonly number: number;
  readonly call: Call;
  /** For people: `sysfs write assign_adapter`. */
  readonly name: string;
  readonly result: ObservedResult;
  /** In recorded order. */
  readonly effects: readonly ObservedEffect[];
  /** The recorded line that the operation is reported under. */
  readonly event: Event;
  /** The recorded line that shows its result, where that is another one: the return of an interrupted call, pqap_exit. */
  readonly answer?: Event | undefined;
  readonly tid: number;
  readonly time: Stamp | undefined;
  readonly endTime: Stamp | undefined;
  /** Places in the merged stream: the operation ran from `begin` to `end` at most. */
  readonly begin: number;
  readonly end: number;
  /** Place of its last line, where it may have run on after that: the most likely end. */
  readonly last?: number | undefined;
  /** It overlapped others in time: they may have taken effect in any order. */
  readonly overlapping: boolean;
  /** Events were lost while it may have run: an effect that is missing is not missed. */
  readonly gap: boolean;
  /** Set where it is the last of its task, as far as it was recorded. */
  readonly cut?: Cut | undefined;
}
