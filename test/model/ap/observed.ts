import type { Event } from "../../../src/event/event.js";
import { emptyMask, type Mask, parseMask } from "../../../src/event/mask.js";
import { wordOf, zeroWord } from "../../../src/event/word.js";
import type { Attribute } from "../../../src/operation/ap/attribute.js";
import type { ApCall } from "../../../src/operation/ap/call.js";
import { type ApEffect, bracketKinds } from "../../../src/operation/ap/effect.js";
import type { ObservedResult, Operation } from "../../../src/operation/operation.js";
import type { Answer } from "./cell.js";
import type { Profile } from "./machine.js";
import { digits, type Numbers } from "./notation.js";

/** Everything is recorded: system calls and all probes, the host's own instructions included. */
export const everything = { sees: () => true, syscalls: true };

export function failed(errno: string): ObservedResult {
  return { kind: "error", errno };
}

const line: Event = {
  kind: "probe",
  source: 0,
  line: 1,
  time: undefined,
  tid: 1,
  comm: "",
  text: "",
  name: "",
  fields: [],
  cpu: 0,
};

let operations = 0;

/** An operation as the assembler makes it, with its recorded effects in order. */
export function operationOf(
  name: string,
  call: ApCall,
  result: ObservedResult,
  effects: readonly ApEffect[],
): Operation {
  operations++;
  return {
    number: operations,
    call,
    name,
    result,
    effects: effects.map((effect) => ({ effect, event: line, bracket: bracketKinds.has(effect.kind) })),
    event: line,
    tid: 1,
    time: undefined,
    endTime: undefined,
    begin: operations,
    end: operations,
    overlapping: false,
    gap: false,
  };
}

export function withResult(operation: Operation, result: ObservedResult): Operation {
  return { ...operation, result };
}

export function withEffects(operation: Operation, effects: readonly ApEffect[]): Operation {
  return operationOf(operation.name, operation.call as ApCall, operation.result, effects);
}

export function effectsOf(operation: Operation): readonly ApEffect[] {
  return operation.effects.map(({ effect }) => effect);
}

/** A write(2) of these bytes. */
export function writeOf(attribute: Attribute, data: string): ApCall {
  return { kind: "attribute-write", attribute, data, truncated: false, length: data.length, phase: "whole" };
}

export function readOf(attribute: Attribute, text: string): ApCall {
  return { kind: "attribute-read", attribute, text, partial: false };
}

export function maskOfNumbers(numbers: Numbers): Mask {
  return parseMask(digits(numbers)) ?? emptyMask;
}

export function apcbSet(kvm: string, apm: Numbers, aqm: Numbers, adm: Numbers): ApEffect {
  return { kind: "apcb_set", kvm, apm: maskOfNumbers(apm), aqm: maskOfNumbers(aqm), adm: maskOfNumbers(adm) };
}

const EMPTY_AND_QUIET = 0x80000000;
const EBUSY = -16;
const EIO = -5;

/**
 * The lines of RESET(apqn) (vfio-ap-aqic 4.6) of a queue that is empty at once and has no interrupt: one ZAPQ and the
 * result of the driver's function. In aqic-v9 the interrupt of a bound queue is disabled afterwards, whether it was on
 * or not (RST-4).
 */
export function resetLines(profile: Profile, { apqn, rc }: Answer, bound: boolean): readonly ApEffect[] {
  const status = rc === 0 ? EMPTY_AND_QUIET : rc << 16;
  const zapq: ApEffect = { kind: "hw_zapq", apqn, status: status >>> 0 };
  const result = (value: number): ApEffect => ({
    kind: "reset_queue",
    apqn,
    retry: 1,
    rc: value,
    status: status >>> 0,
  });
  if (profile === "V61") return [zapq, result(rc === 0 ? 0 : rc === 5 ? EIO : EBUSY)];
  const lines = [zapq, result(rc === 0 ? 0 : EIO)];
  if (profile === "V12" || !bound) return lines;
  const disable: ApEffect =
    rc === 0
      ? { kind: "hw_aqic", apqn, gr1: zeroWord, status: (EMPTY_AND_QUIET | 0x00070000) >>> 0 }
      : { kind: "hw_aqic", apqn, gr1: zeroWord, status: (rc << 16) >>> 0 };
  return rc === 0 ? [...lines, disable, { kind: "hw_tapq", apqn, status: EMPTY_AND_QUIET }] : [...lines, disable];
}

/** PQAP(AQIC) of a guest: a request to disable (gr1 0) for one queue, answered with this response code. */
export function pqapDisable(apqn: number, rc: number, tid: number): ApCall {
  return {
    kind: "pqap",
    vcpu: 0,
    tid,
    gr0: wordOf(0, 0x03000000 | apqn),
    gr1: zeroWord,
    gr2: zeroWord,
    problemState: false,
    ccBefore: 0,
    eca: wordOf(0, 0x00200008),
    exit: { rc: 0, gr1: wordOf(0, rc === 0 ? EMPTY_AND_QUIET : rc << 16), cc: rc === 0 ? 0 : 3, pgm: undefined },
  };
}
