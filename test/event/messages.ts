/** Events as messages of the generated classes: what a program writes that knows only the schema. */
import type { CallResult, Event } from "../../src/event/event.js";
import { kvm_conform } from "../../src/event/generated/event.js";

const schema = kvm_conform.event;

function bytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

function phase(name: "complete" | "enter" | "exit"): kvm_conform.event.Syscall.Phase {
  const { PHASE_COMPLETE, PHASE_ENTER, PHASE_EXIT } = schema.Syscall.Phase;
  return { complete: PHASE_COMPLETE, enter: PHASE_ENTER, exit: PHASE_EXIT }[name];
}

function result(value: CallResult): kvm_conform.event.Syscall.$Properties {
  switch (value.kind) {
    case "value": {
      const decoration = value.decoration === undefined ? {} : { decoration: bytes(value.decoration) };
      return { value: { text: bytes(value.text), ...decoration } };
    }
    case "error":
      return { errno: bytes(value.errno) };
    case "unknown":
      return { unknown: bytes(value.reason) };
    case "injected":
      return { injected: bytes(value.text) };
  }
}

function body(event: Event): kvm_conform.event.Event.$Properties {
  switch (event.kind) {
    case "syscall":
      return {
        syscall: {
          phase: phase(event.phase),
          name: bytes(event.name),
          args: event.args.map(bytes),
          ...(event.result === undefined ? {} : result(event.result)),
          ...(event.durationNs === undefined ? {} : { durationNs: event.durationNs }),
          ...(event.dump === undefined ? {} : { dump: bytes(event.dump) }),
        },
      };
    case "probe": {
      const cpu = event.cpu === -1 ? {} : { cpu: event.cpu };
      return { probe: { name: bytes(event.name), fields: event.fields.map(bytes), ...cpu } };
    }
    case "log": {
      const level = event.level === -1 ? {} : { level: event.level };
      return { log: { area: bytes(event.area), message: bytes(event.message), ...level } };
    }
    case "task-exit":
      return { taskExit: { status: bytes(event.status) } };
    case "gap": {
      const cpu = event.cpu === -1 ? {} : { cpu: event.cpu };
      const edge = event.edge === undefined ? {} : { edge: event.edge === "begin" ? 1 : 2 };
      return { gap: { ...cpu, ...(event.lost === undefined ? {} : { lost: event.lost }), ...edge } };
    }
    case "mark":
      return { mark: { message: bytes(event.message) } };
    case "environment":
      return { environment: { path: bytes(event.path), value: bytes(event.value) } };
  }
}

export function toMessage(event: Event): kvm_conform.event.Event.$Properties {
  const { source, line, time, tid, comm, text } = event;
  const stamp = time === undefined ? {} : { time };
  return { source, line, tid, comm: bytes(comm), text: bytes(text), ...stamp, ...body(event) };
}
