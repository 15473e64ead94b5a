/** Events from protobuf bytes (`kvm_conform.event.Event` of schemas/event.proto). */

import type {
  CallResult,
  EnvironmentEvent,
  Event,
  GapEvent,
  LogEvent,
  MarkEvent,
  ProbeEvent,
  Stamp,
  SyscallEvent,
  TaskExitEvent,
} from "./event.js";
import {
  EDGE,
  ENVIRONMENT,
  EVENT,
  GAP,
  LOG,
  MARK,
  MAX_NANOS,
  PHASES,
  PROBE,
  STAMP,
  SYSCALL,
  TASK_EXIT,
  VALUE,
} from "./tags.js";
import type { WireReader } from "./wire.js";

// A field that stands twice counts the last time; unknown fields are skipped.

function readStamp(reader: WireReader): Stamp {
  const outer = reader.enter();
  let seconds = 0;
  let nanos = 0;
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag === STAMP.seconds) seconds = reader.varint();
    else if (tag === STAMP.nanos) nanos = reader.varint();
    else reader.skip(tag);
  }
  reader.leave(outer);
  if (nanos > MAX_NANOS) reader.fail();
  return { seconds, nanos };
}

function readValue(reader: WireReader): CallResult {
  const outer = reader.enter();
  let text = "";
  let decoration: string | undefined;
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag === VALUE.text) text = reader.text();
    else if (tag === VALUE.decoration) decoration = reader.text();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return { kind: "value", text, decoration };
}

/** The fields that every event has; the reader keeps them until it has found the body. */
interface Base {
  source: number;
  line: number;
  time: Stamp | undefined;
  tid: number;
  comm: string;
  text: string;
}

function readSyscall(reader: WireReader, base: Base): SyscallEvent {
  let phase: SyscallEvent["phase"] | undefined;
  let name = "";
  const args: string[] = [];
  let result: CallResult | undefined;
  let durationNs: number | undefined;
  let dump: string | undefined;
  while (reader.position < reader.end) {
    const tag = reader.varint();
    switch (tag) {
      case SYSCALL.phase:
        phase = PHASES[reader.varint()];
        break;
      case SYSCALL.name:
        name = reader.text();
        break;
      case SYSCALL.args:
        args.push(reader.text());
        break;
      case SYSCALL.value:
        result = readValue(reader);
        break;
      case SYSCALL.errno:
        result = { kind: "error", errno: reader.text() };
        break;
      case SYSCALL.unknown:
        result = { kind: "unknown", reason: reader.text() };
        break;
      case SYSCALL.injected:
        result = { kind: "injected", text: reader.text() };
        break;
      case SYSCALL.duration:
        durationNs = reader.varint();
        break;
      case SYSCALL.dump:
        dump = reader.text();
        break;
      default:
        reader.skip(tag);
    }
  }
  if (phase === undefined) reader.fail();
  const { source, line, time, tid, comm, text } = base;
  return {
    kind: "syscall",
    source,
    line,
    time,
    tid,
    comm,
    text,
    phase: phase ?? "complete",
    name,
    args,
    result,
    durationNs,
    dump,
  };
}

function readProbe(reader: WireReader, base: Base): ProbeEvent {
  let name = "";
  const fields: string[] = [];
  let cpu = -1;
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag === PROBE.fields) fields.push(reader.text());
    else if (tag === PROBE.name) name = reader.text();
    else if (tag === PROBE.cpu) cpu = reader.uint32();
    else reader.skip(tag);
  }
  const { source, line, time, tid, comm, text } = base;
  return { kind: "probe", source, line, time, tid, comm, text, name, fields, cpu };
}

function readLog(reader: WireReader, base: Base): LogEvent {
  let area = "";
  let message = "";
  let level = -1;
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag === LOG.area) area = reader.text();
    else if (tag === LOG.message) message = reader.text();
    else if (tag === LOG.level) level = reader.uint32();
    else reader.skip(tag);
  }
  const { source, line, time, tid, comm, text } = base;
  return { kind: "log", source, line, time, tid, comm, text, area, message, level };
}

function readTaskExit(reader: WireReader, base: Base): TaskExitEvent {
  let status = "";
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag === TASK_EXIT.status) status = reader.text();
    else reader.skip(tag);
  }
  const { source, line, time, tid, comm, text } = base;
  return { kind: "task-exit", source, line, time, tid, comm, text, status };
}

function readGap(reader: WireReader, base: Base): GapEvent {
  let cpu = -1;
  let lost: number | undefined;
  let edge: GapEvent["edge"];
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag === GAP.cpu) cpu = reader.uint32();
    else if (tag === GAP.lost) lost = reader.varint();
    else if (tag === GAP.edge) edge = edgeOf(reader.varint());
    else reader.skip(tag);
  }
  const { source, line, time, tid, comm, text } = base;
  const gap = { kind: "gap", source, line, time, tid, comm, text, cpu, lost } as const;
  return edge === undefined ? gap : { ...gap, edge };
}

function edgeOf(number: number): GapEvent["edge"] {
  if (number === EDGE.begin) return "begin";
  return number === EDGE.end ? "end" : undefined;
}

function readMark(reader: WireReader, base: Base): MarkEvent {
  let message = "";
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag === MARK.message) message = reader.text();
    else reader.skip(tag);
  }
  const { source, line, time, tid, comm, text } = base;
  return { kind: "mark", source, line, time, tid, comm, text, message };
}

function readEnvironment(reader: WireReader, base: Base): EnvironmentEvent {
  let path = "";
  let value = "";
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag === ENVIRONMENT.path) path = reader.text();
    else if (tag === ENVIRONMENT.value) value = reader.text();
    else reader.skip(tag);
  }
  const { source, line, time, tid, comm, text } = base;
  return { kind: "environment", source, line, time, tid, comm, text, path, value };
}

function readBody(reader: WireReader, tag: number, base: Base): Event | undefined {
  switch (tag) {
    case EVENT.syscall:
      return readSyscall(reader, base);
    case EVENT.probe:
      return readProbe(reader, base);
    case EVENT.log:
      return readLog(reader, base);
    case EVENT.taskExit:
      return readTaskExit(reader, base);
    case EVENT.gap:
      return readGap(reader, base);
    case EVENT.mark:
      return readMark(reader, base);
    case EVENT.environment:
      return readEnvironment(reader, base);
    default:
      return undefined;
  }
}

/**
 * The event that lies between the position and the end of the reader. Undefined where the bytes are none: a length
 * that leaves the message, a number above 2^53 - 1 (or above 32 bits in a field of 32), no body, no known phase.
 */
export function decodeEvent(reader: WireReader): Event | undefined {
  const base: Base = { source: 0, line: 0, time: undefined, tid: 0, comm: "", text: "" };
  // The body is read last, wherever it stands: its event is made in one piece, with the fields of the base.
  let bodyTag = 0;
  let bodyStart = 0;
  let bodyEnd = 0;
  while (reader.position < reader.end) {
    const tag = reader.varint();
    switch (tag) {
      case EVENT.source:
        base.source = reader.uint32();
        break;
      case EVENT.line:
        base.line = reader.varint();
        break;
      case EVENT.time:
        base.time = readStamp(reader);
        break;
      case EVENT.tid:
        base.tid = reader.uint32();
        break;
      case EVENT.comm:
        base.comm = reader.text();
        break;
      case EVENT.text:
        base.text = reader.text();
        break;
      case EVENT.syscall:
      case EVENT.probe:
      case EVENT.log:
      case EVENT.taskExit:
      case EVENT.gap:
      case EVENT.mark:
      case EVENT.environment: {
        const length = reader.length();
        bodyTag = tag;
        bodyStart = reader.position;
        bodyEnd = bodyStart + length;
        reader.position = bodyEnd;
        break;
      }
      default:
        reader.skip(tag);
    }
  }
  if (!reader.ok) return undefined;
  reader.position = bodyStart;
  reader.end = bodyEnd;
  const event = readBody(reader, bodyTag, base);
  return reader.ok ? event : undefined;
}
