import type { PlatformCall } from "../../operation/platform/call.js";
import { is, isKnown, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { maybeSignalSlot, signalSlot } from "./eventfds.js";
import { deliver, HARDWARE, isLevel, lineOf, VMASK_4 } from "./lines.js";
import { VMSI_10 } from "./msi.js";
import { endSilence } from "./silence.js";
import type { Device, Line, PlatformState } from "./state.js";

/**
 * A note tells that the program makes a line or an MSI happen right after it (3.3). It names no device: it is meant for
 * the open one that has the index.
 */
export function hardware(x: Trial, s: PlatformState, call: PlatformCall & { kind: "hardware" }): void {
  x.by(HARDWARE);
  endSilence(s);
  const open = [...s.devices.values()].filter((device) => device.openCount !== 0 && device.undefinedBy === undefined);
  const [device] = open;
  if (device === undefined) {
    for (const one of s.devices.values()) whileClosed(s, one, call);
    return;
  }
  if (open.length > 1) {
    for (const one of open) blurIndex(s, one, call.index);
    return;
  }
  if (call.vector !== undefined) message(x, s, device, call.vector);
  else change(x, s, device, lineOf(s, device, call.index), call.state);
}

/** The line of a closed device: nothing is delivered, but how it is left counts from the next open on. */
function whileClosed(s: PlatformState, device: Device, call: PlatformCall & { kind: "hardware" }): void {
  const line = device.lines.get(call.index);
  if (line === undefined || call.vector !== undefined) return;
  const level = isLevel(line);
  const certain = s.devices.size === 1 && call.state !== "pulse";
  if (level !== false) s.journal.set(line, "asserted", certain ? call.state === "assert" : unknown);
  if (level !== true) s.journal.set(line, "pendingEdge", true);
}

/** VMSI-10: a message for an armed vector adds one; for others nothing is delivered. */
function message(x: Trial, s: PlatformState, device: Device, index: number): void {
  s.journal.set(device.msi, "noted", true);
  const { vectors } = device.msi;
  x.by(VMSI_10);
  if (vectors === undefined) {
    for (const e of s.eventfds.values()) maybeSignalSlot(s, e, 1n);
    return;
  }
  const vector = vectors[index];
  if (vector === undefined) return;
  if (isKnown(vector.trigger)) signalSlot(s, x, vector.trigger);
  else maybeSignalSlot(s, vector.trigger, 1n);
}

function change(x: Trial, s: PlatformState, device: Device, line: Line, state: "pulse" | "assert" | "deassert"): void {
  s.journal.set(line, "noted", true);
  const level = isLevel(line);
  if (level === "unknown") {
    s.journal.set(line, "asserted", unknown);
    maybeSignalSlot(s, line.trigger, 1n);
    s.journal.set(line, "masked", unknown);
    return;
  }
  if (!level) {
    if (state !== "deassert") edge(x, s, line);
    return;
  }
  if (state === "pulse") {
    // Asserted and dropped: seen once if it lasted long enough, and never after an unmask (5.2).
    if (line.masked === true || line.trigger === null) return;
    maybeSignalSlot(s, line.trigger, 1n);
    s.journal.set(line, "masked", unknown);
    return;
  }
  s.journal.set(line, "asserted", state === "assert");
  deliver(s, x, device, line);
}

/** VMASK-4: one signal for an edge; without a trigger it may be delivered when one is set (5.2). */
function edge(x: Trial, s: PlatformState, line: Line): void {
  x.by(VMASK_4);
  if (is(line.trigger, null) !== false) s.journal.set(line, "pendingEdge", true);
  if (isKnown(line.trigger)) signalSlot(s, x, line.trigger);
  else maybeSignalSlot(s, line.trigger, 1n);
}

function blurIndex(s: PlatformState, device: Device, index: number): void {
  const line = device.lines.get(index);
  if (line === undefined) return;
  s.journal.set(line, "noted", true);
  s.journal.set(line, "asserted", unknown);
  const level = isLevel(line);
  if (level !== true && is(line.trigger, null) !== false) s.journal.set(line, "pendingEdge", true);
  if (line.trigger === null) return;
  if (level === true && line.masked === true) return;
  maybeSignalSlot(s, line.trigger, 1n);
  if (level !== false) s.journal.set(line, "masked", unknown);
}
