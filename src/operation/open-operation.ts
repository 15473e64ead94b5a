import type { Event, Stamp } from "../event/event.js";
import type { Call, Cut, ObservedEffect, ObservedResult, Operation } from "./operation.js";

/**
 * An operation that is still being put together. When it is handed over it is an {@link Operation} as it stands, and not
 * copied: what its task does after that is not looked at.
 */
export interface OpenOperation<C extends Call> extends Operation {
  /** 0 until it is handed over. */
  number: number;
  overlapping: boolean;
  call: C;
  name: string;
  event: Event;
  /** The line that shows the result, where it is another one than `event`. */
  answer: Event | undefined;
  result: ObservedResult;
  readonly effects: ObservedEffect[];
  time: Stamp | undefined;
  /** Place of the last line that belongs to it, or before which it certainly ended. */
  end: number;
  /** Place of its last line, where `end` is later. */
  last: number | undefined;
  endTime: Stamp | undefined;
  gap: boolean;
  cut: Cut | undefined;
  /** It has an effect that no call of its kind has. */
  stray: boolean;
  /** Nothing more can come: it may be handed over. */
  complete: boolean;
  /** It has returned, and only effects with the same stamps may still follow. */
  returned: boolean;
}

/** An operation that begins at a place of the stream, with the line that shows it. */
export function beginOperation<C extends Call>(
  call: C,
  name: string,
  event: Event,
  result: ObservedResult,
  place: number,
): OpenOperation<C> {
  return {
    number: 0,
    call,
    name,
    result,
    effects: [],
    event,
    answer: undefined,
    tid: event.tid,
    time: event.time,
    endTime: event.time,
    begin: place,
    end: place,
    last: undefined,
    overlapping: false,
    gap: false,
    cut: undefined,
    stray: false,
    complete: false,
    returned: false,
  };
}
