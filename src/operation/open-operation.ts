import type { Event, Stamp } from "../event/event.js";
import type { Call, Cut, ObservedEffect, ObservedResult } from "./operation.js";

/** An operation that is still being put together. */
export interface OpenOperation<C extends Call> {
  call: C;
  name: string;
  event: Event;
  /** The line that shows the result, where it is another one than `event`. */
  answer?: Event;
  result: ObservedResult;
  readonly tid: number;
  readonly effects: ObservedEffect[];
  readonly begin: number;
  /** Place of the last line that belongs to it, or before which it certainly ended. */
  end: number;
  /** Place of its last line, where `end` is later. */
  last?: number;
  endTime: Stamp | undefined;
  gap: boolean;
  cut?: Cut;
  /** It has an effect that no call of its kind has. */
  stray?: boolean;
  /** Nothing more can come: it may be handed over. */
  complete: boolean;
  /** It has returned, and only effects with the same stamps may still follow. */
  returned: boolean;
}
