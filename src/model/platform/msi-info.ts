import type { VfioIoctl } from "../../operation/platform/call.js";
import { IRQ_FLAG, IRQ_INFO_CAPS_SIZE, IRQ_INFO_SIZE } from "../../operation/platform/structures.js";
import { isKnown, knownValue, not, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { compareAfter, field, partlyWritten, shortage, type Written, wordAfter, writable } from "./argument.js";
import { learned, VIRQ_8 } from "./info.js";
import { MOST_VECTORS } from "./msi.js";
import { platformRule, RFC, V3 } from "./profile.js";
import { type Device, type PlatformState, Vector } from "./state.js";

export const VIRQ_5 = platformRule(
  "VIRQ-5",
  "The MSI index with enough room",
  "With argsz at or above 48 + 12 a vector: flags 0x11, the count, argsz unchanged; the capabilities are written from byte 20 on, then the head with cap_offset 20. A fault gives EFAULT; bytes of the capabilities may be written then.",
  "RFC v2; vfio_main.c",
  RFC,
);
export const VIRQ_6 = platformRule(
  "VIRQ-6",
  "The MSI index with too little room",
  "Result 0, flags 0x11, argsz set to what is needed, cap_offset 0 where the given argsz has room for it; no capability is written.",
  "RFC v2",
  RFC,
);
export const VIRQ_7 = platformRule(
  "VIRQ-7",
  "Messages of the vectors",
  "nr_msgs is the number of allocated vectors. The message of a vector that is not armed is zero; that of an armed one is the platform's: if it changes between two queries without an event on the vector, that is worth a warning (an affinity change may do it).",
  "RFC v2; kernel MSI layer",
  RFC,
);
export const V3_3 = platformRule(
  "V3-3",
  "v3: no MSI_DESCS without vectors",
  "While no vector is allocated the chain is CAP_TYPE alone and needs 36 bytes.",
  "RFC v3",
  V3,
);
export const V3_4 = platformRule(
  "V3-4",
  "v3: reserved word in MSI_DESCS",
  "After nr_msgs comes a word that is 0: messages begin at 52, and 52 + 12 a vector are needed.",
  "RFC v3",
  V3,
);
export const INV_12 = platformRule(
  "INV-12",
  "argsz and cap_offset of the MSI info",
  "The argsz that comes back is the larger of the one given and the one needed; cap_offset is 20 exactly when the room was enough.",
  "invariant",
  RFC,
);

/** What the answer needs for n vectors (2.5, V3-3, V3-4). */
function neededSize(s: PlatformState, vectors: number): number {
  if (!s.parameters.v3) return 48 + 12 * vectors;
  return vectors === 0 ? 36 : 52 + 12 * vectors;
}

const MSI_FLAGS = IRQ_FLAG.EVENTFD | IRQ_FLAG.CAPS;

/** GET_IRQ_INFO of the MSI index. */
export function msiInfo(x: Trial, s: PlatformState, call: VfioIoctl, device: Device, argsz: number): void {
  if (shortage(x, VIRQ_8)) return;
  const vectors = device.msi.vectors ?? learnVectors(x, s, call, device, argsz);
  if (vectors === "impossible") return;
  if (vectors === undefined) {
    // How far the answer would reach is not known; where there is room for all that argsz allows it cannot fault.
    const room = writable(call, Math.max(argsz, IRQ_INFO_CAPS_SIZE));
    if (!x.refuse(room === true ? false : "unknown", "EFAULT", VIRQ_5)) x.returns(0, VIRQ_5);
    x.cannotCheck("how many vectors are allocated is not known");
    return;
  }
  const needed = neededSize(s, vectors.length);
  const enough = argsz >= needed;
  const rule = enough ? VIRQ_5 : VIRQ_6;
  const size = enough ? needed : argsz >= IRQ_INFO_CAPS_SIZE ? IRQ_INFO_CAPS_SIZE : IRQ_INFO_SIZE;
  if (x.refuse(not(writable(call, size)), "EFAULT", rule)) {
    // The capabilities are written before the head: they may be there up to the fault.
    const written: Written[] = [];
    if (enough) capabilities(x, s, call, vectors, written);
    partlyWritten(x, call, written);
    return;
  }
  x.returns(0, rule);
  if (x.operation.result.kind !== "value") return;
  const count = learned(knownValue(device.msiCount), wordAfter(call, 12), (value) =>
    s.journal.set(device, "msiCount", value),
  );
  const written: Written[] = [
    field(0, "argsz", Math.max(argsz, needed), enough ? INV_12 : VIRQ_6),
    field(4, "flags", MSI_FLAGS, rule),
    field(12, "count", count, VIRQ_6),
  ];
  if (argsz >= IRQ_INFO_CAPS_SIZE) written.push(field(16, "cap_offset", enough ? IRQ_INFO_CAPS_SIZE : 0, INV_12));
  if (enough) capabilities(x, s, call, vectors, written);
  compareAfter(x, call, written);
}

/** The vectors, where only the answer tells how many there are; an answer that none can lead to is a divergence. */
function learnVectors(
  x: Trial,
  s: PlatformState,
  call: VfioIoctl,
  device: Device,
  argsz: number,
): readonly Vector[] | "impossible" | undefined {
  // A call that failed leaves the program's own bytes.
  const after = x.operation.result.kind === "value" ? wordAfter(call, 0) : undefined;
  if (after === undefined) return undefined;
  const n = after === argsz ? describedVectors(s, call, argsz) : vectorsOfSize(s, after);
  if (n === undefined) return undefined;
  if (!Number.isInteger(n) || n < 0 || n > MOST_VECTORS) {
    x.returns(0, VIRQ_6);
    const capOffset = argsz >= IRQ_INFO_CAPS_SIZE ? wordAfter(call, 16) : undefined;
    x.differs(
      `argsz ${argsz} or what some number of vectors needs, and cap_offset ${IRQ_INFO_CAPS_SIZE} where the room is enough`,
      `argsz ${after}${capOffset === undefined ? "" : `, cap_offset ${capOffset}`}`,
      INV_12,
    );
    return "impossible";
  }
  const vectors = Array.from({ length: n }, (_, index) => {
    const vector = new Vector(index);
    vector.trigger = unknown;
    return vector;
  });
  s.journal.set(device.msi, "vectors", vectors);
  s.journal.set(device.msi, "configured", n > 0);
  return vectors;
}

/** The number that needs an answer of that size: no whole one where no number does. */
function vectorsOfSize(s: PlatformState, size: number): number {
  if (!s.parameters.v3) return (size - 48) / 12;
  if (size === neededSize(s, 0)) return 0;
  // One vector is the least that has a description.
  return size > 52 ? (size - 52) / 12 : -1;
}

/** The number that the capabilities describe, the room being enough; undefined where they were not recorded. */
function describedVectors(s: PlatformState, call: VfioIoctl, argsz: number): number | undefined {
  if (argsz < neededSize(s, 0)) return -1;
  const capOffset = wordAfter(call, 16);
  if (capOffset !== undefined && capOffset !== IRQ_INFO_CAPS_SIZE) return -1;
  // V3-3: the chain ends where nothing is allocated.
  if (s.parameters.v3 && wordAfter(call, 24) === 0) return 0;
  return wordAfter(call, 44);
}

/** CAP_TYPE and MSI_DESCS as they must lie behind the head (2.5). */
function capabilities(
  x: Trial,
  s: PlatformState,
  call: VfioIoctl,
  vectors: readonly Vector[],
  written: Written[],
): void {
  const { v3 } = s.parameters;
  const described = !v3 || vectors.length > 0;
  written.push(
    field(20, "CAP_TYPE id and version", 0x00010003, VIRQ_5),
    field(24, "CAP_TYPE next", described ? 36 : 0, v3 ? V3_3 : VIRQ_5),
    field(28, "CAP_TYPE type", 1, VIRQ_5),
    field(32, "CAP_TYPE subtype", 0, VIRQ_5),
  );
  if (!described) return;
  written.push(
    field(36, "MSI_DESCS id and version", 0x00010004, VIRQ_5),
    field(40, "MSI_DESCS next", 0, VIRQ_5),
    field(44, "nr_msgs", vectors.length, VIRQ_7),
  );
  if (v3) written.push(field(48, "MSI_DESCS reserved", 0, V3_4));
  const first = v3 ? 52 : 48;
  vectors.forEach((vector, k) => {
    const value = vector.trigger === null ? 0 : undefined;
    for (let part = 0; part < 3; part++) {
      written.push(field(first + 12 * k + 4 * part, `message ${k}`, value, VIRQ_7));
    }
    const { after } = call;
    // After a fault some of the bytes may be the program's own.
    if (x.operation.result.kind !== "value") return;
    if (value === undefined && after !== undefined && after.length >= first + 12 * k + 12) {
      const text = Buffer.from(after.subarray(first + 12 * k, first + 12 * k + 12)).toString("hex");
      const { message } = vector;
      if (message !== undefined && message !== text && isKnown(vector.trigger)) {
        x.remark(`the message of armed vector ${k} changed from ${message} to ${text} without an event on it`, VIRQ_7);
      }
      s.journal.set(vector, "message", text);
    }
  });
}
