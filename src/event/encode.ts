/** Events to protobuf bytes (`kvm_conform.event.Event` of schemas/event.proto). */

import type {
  CallResult,
  EnvironmentEvent,
  Event,
  GapEvent,
  LogEvent,
  ProbeEvent,
  Stamp,
  SyscallEvent,
} from "./event.js";
import {
  EDGE,
  ENVIRONMENT,
  EVENT,
  GAP,
  LOG,
  MARK,
  MAX_NANOS,
  PHASE_NUMBER,
  PROBE,
  STAMP,
  SYSCALL,
  TASK_EXIT,
  VALUE,
} from "./tags.js";
import { delimitedSize, uint32Size, varintSize, type WireWriter } from "./wire.js";

// ---- Sizes. A field of proto3 without presence is left out where it is empty or 0. ----

function textSize(value: string): number {
  return value.length === 0 ? 0 : 1 + delimitedSize(value.length);
}

/** A text that is written even where it is empty: optional, in a oneof or repeated. */
function presentTextSize(value: string): number {
  return 1 + delimitedSize(value.length);
}

function countSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value);
}

function wordSize(value: number): number {
  return value === 0 ? 0 : 1 + uint32Size(value);
}

/** An optional number for which -1 stands in memory where it is absent (CPU, level). */
function minusOneSize(value: number): number {
  return value === -1 ? 0 : 1 + uint32Size(value);
}

function stampSize(time: Stamp): number {
  return time.nanos <= MAX_NANOS ? countSize(time.seconds) + wordSize(time.nanos) : Number.NaN;
}

function valueSize(text: string, decoration: string | undefined): number {
  return textSize(text) + (decoration === undefined ? 0 : presentTextSize(decoration));
}

function resultSize(result: CallResult): number {
  switch (result.kind) {
    case "value":
      return 1 + delimitedSize(valueSize(result.text, result.decoration));
    case "error":
      return presentTextSize(result.errno);
    case "unknown":
      return presentTextSize(result.reason);
    case "injected":
      return presentTextSize(result.text);
  }
}

function textsSize(values: readonly string[]): number {
  let size = 0;
  for (const value of values) size += presentTextSize(value);
  return size;
}

function syscallSize(event: SyscallEvent): number {
  let size = 2 + textSize(event.name) + textsSize(event.args);
  if (event.result !== undefined) size += resultSize(event.result);
  if (event.durationNs !== undefined) size += 1 + varintSize(event.durationNs);
  if (event.dump !== undefined) size += presentTextSize(event.dump);
  return size;
}

function bodySize(event: Event): number {
  switch (event.kind) {
    case "syscall":
      return syscallSize(event);
    case "probe":
      return textSize(event.name) + textsSize(event.fields) + minusOneSize(event.cpu);
    case "log":
      return textSize(event.area) + textSize(event.message) + minusOneSize(event.level);
    case "task-exit":
      return textSize(event.status);
    case "gap":
      return (
        minusOneSize(event.cpu) +
        (event.lost === undefined ? 0 : 1 + varintSize(event.lost)) +
        (event.edge === undefined ? 0 : 2)
      );
    case "mark":
      return textSize(event.message);
    case "environment":
      return textSize(event.path) + textSize(event.value);
  }
}

function baseSize(event: Event): number {
  const size = wordSize(event.source) + countSize(event.line) + wordSize(event.tid);
  const time = event.time === undefined ? 0 : 1 + delimitedSize(stampSize(event.time));
  return size + time + textSize(event.comm) + textSize(event.text);
}

/**
 * Bytes of an event. NaN where a number is outside its range: an index, line, duration or count that is no integer of
 * 0 to 2^53 - 1, a thread id, CPU or level above 32 bits, nanoseconds of a second or more.
 */
export function sizeOfEvent(event: Event): number {
  return baseSize(event) + 1 + delimitedSize(bodySize(event));
}

// ---- Writing. Field order is that of the schema, as the generated classes write. ----

function writeText(writer: WireWriter, tag: number, value: string): void {
  if (value.length > 0) writePresentText(writer, tag, value);
}

function writePresentText(writer: WireWriter, tag: number, value: string): void {
  writer.varint(tag);
  writer.text(value);
}

function writeCount(writer: WireWriter, tag: number, value: number): void {
  if (value !== 0) writePresentCount(writer, tag, value);
}

function writePresentCount(writer: WireWriter, tag: number, value: number): void {
  writer.varint(tag);
  writer.varint(value);
}

function writeBase(writer: WireWriter, event: Event): void {
  writeCount(writer, EVENT.source, event.source);
  writeCount(writer, EVENT.line, event.line);
  if (event.time !== undefined) {
    writePresentCount(writer, EVENT.time, stampSize(event.time));
    writeCount(writer, STAMP.seconds, event.time.seconds);
    writeCount(writer, STAMP.nanos, event.time.nanos);
  }
  writeCount(writer, EVENT.tid, event.tid);
  writeText(writer, EVENT.comm, event.comm);
  writeText(writer, EVENT.text, event.text);
}

function writeResult(writer: WireWriter, result: CallResult): void {
  switch (result.kind) {
    case "value":
      writePresentCount(writer, SYSCALL.value, valueSize(result.text, result.decoration));
      writeText(writer, VALUE.text, result.text);
      if (result.decoration !== undefined) writePresentText(writer, VALUE.decoration, result.decoration);
      return;
    case "error":
      writePresentText(writer, SYSCALL.errno, result.errno);
      return;
    case "unknown":
      writePresentText(writer, SYSCALL.unknown, result.reason);
      return;
    case "injected":
      writePresentText(writer, SYSCALL.injected, result.text);
      return;
  }
}

function writeSyscall(writer: WireWriter, event: SyscallEvent): void {
  writePresentCount(writer, SYSCALL.phase, PHASE_NUMBER[event.phase]);
  writeText(writer, SYSCALL.name, event.name);
  for (const argument of event.args) writePresentText(writer, SYSCALL.args, argument);
  if (event.result !== undefined) writeResult(writer, event.result);
  if (event.durationNs !== undefined) writePresentCount(writer, SYSCALL.duration, event.durationNs);
  if (event.dump !== undefined) writePresentText(writer, SYSCALL.dump, event.dump);
}

function writeProbe(writer: WireWriter, event: ProbeEvent): void {
  writeText(writer, PROBE.name, event.name);
  for (const field of event.fields) writePresentText(writer, PROBE.fields, field);
  if (event.cpu !== -1) writePresentCount(writer, PROBE.cpu, event.cpu);
}

function writeLog(writer: WireWriter, event: LogEvent): void {
  writeText(writer, LOG.area, event.area);
  writeText(writer, LOG.message, event.message);
  if (event.level !== -1) writePresentCount(writer, LOG.level, event.level);
}

function writeGap(writer: WireWriter, event: GapEvent): void {
  if (event.cpu !== -1) writePresentCount(writer, GAP.cpu, event.cpu);
  if (event.lost !== undefined) writePresentCount(writer, GAP.lost, event.lost);
  if (event.edge !== undefined) writePresentCount(writer, GAP.edge, EDGE[event.edge]);
}

function writeEnvironment(writer: WireWriter, event: EnvironmentEvent): void {
  writeText(writer, ENVIRONMENT.path, event.path);
  writeText(writer, ENVIRONMENT.value, event.value);
}

function writeBody(writer: WireWriter, event: Event): void {
  const size = bodySize(event);
  switch (event.kind) {
    case "syscall":
      writePresentCount(writer, EVENT.syscall, size);
      writeSyscall(writer, event);
      return;
    case "probe":
      writePresentCount(writer, EVENT.probe, size);
      writeProbe(writer, event);
      return;
    case "log":
      writePresentCount(writer, EVENT.log, size);
      writeLog(writer, event);
      return;
    case "task-exit":
      writePresentCount(writer, EVENT.taskExit, size);
      writeText(writer, TASK_EXIT.status, event.status);
      return;
    case "gap":
      writePresentCount(writer, EVENT.gap, size);
      writeGap(writer, event);
      return;
    case "mark":
      writePresentCount(writer, EVENT.mark, size);
      writeText(writer, MARK.message, event.message);
      return;
    case "environment":
      writePresentCount(writer, EVENT.environment, size);
      writeEnvironment(writer, event);
      return;
  }
}

/**
 * Appends an event (without a length before it). False, and nothing is written, where it cannot be encoded: a number
 * outside its range (see {@link sizeOfEvent}), or a text with a character above U+00FF.
 */
export function encodeEvent(event: Event, writer: WireWriter): boolean {
  const size = sizeOfEvent(event);
  if (Number.isNaN(size)) return false;
  const begin = writer.position;
  writer.reserve(size);
  writer.wide = false;
  writeBase(writer, event);
  writeBody(writer, event);
  if (writer.wide) writer.position = begin;
  return !writer.wide;
}
