import type { Word } from "../../event/word.js";
import { isZero } from "../../event/word.js";
import type { HostHcall } from "../../operation/dawr/call.js";
import { failureOf } from "../../operation/dawr/hcall-lines.js";
import { and, not } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { refuses } from "./compat.js";
import { mayBeTrap, NEST_1, NEST_2, NEST_4, NEST_5, NEST_8, NEST_11, NEST_14 } from "./nested.js";
import { type DawrState, tri, type Vcpu } from "./state.js";

/**
 * H_ENTER_NESTED as its lines show it. L1's memory is in no recording, so that of the refusals only the gate and the
 * partition table can be decided; of the others it is known which codes there are.
 */
export function enterNested(x: Trial, s: DawrState, vcpu: Vcpu, call: HostHcall): void {
  const { vm } = vcpu;
  const possible = and(tri(vm.nestedEnable), tri(vm.radix));
  // INV-7, NEST-11: whatever happens, L1 has its registers again.
  x.by(NEST_11);
  const learnGate = (refused: boolean): void => {
    if (!refused) {
      s.journal.set(vm, "nestedEnable", true);
      s.journal.set(vm, "radix", true);
    }
  };
  if (refuses(x, not(possible), "H_FUNCTION", [NEST_1], learnGate)) return;
  const learnTable = (refused: boolean): void => s.journal.set(vm, "l1Ptcr", !refused);
  if (refuses(x, not(tri(vm.l1Ptcr)), "H_NOT_AVAILABLE", [NEST_2], learnTable)) return;
  const { result } = x.operation;
  switch (result.kind) {
    case "unknown":
      x.cannotCheck(`result unknown: ${result.reason}`);
      return;
    case "value":
      if (failureOf(call.ret) !== undefined ? result.value === 0 : mayBeTrap(result.value)) x.agrees(NEST_14);
      else x.differs("a trap number", String(result.value), NEST_14);
      return;
    case "error":
      if (refusalsOf(s).has(result.errno)) x.agrees(NEST_4, NEST_5, NEST_8, NEST_14);
      else x.differs("a trap number, H_PARAMETER, H_P2 or H_AUTHORITY", result.errno, NEST_14);
  }
}

/** Codes that may follow what L1's memory holds, MMIO exits included. ND-11: later 5.10.y has H_BAD_MODE too. */
function refusalsOf(s: DawrState): ReadonlySet<string> {
  const codes = new Set(["H_PARAMETER", "H_P2", "H_AUTHORITY", "H_TOO_HARD"]);
  if (s.parameters.profile !== "dawr1-v2") codes.add("H_BAD_MODE");
  return codes;
}

/** H_SET_PARTITION_TABLE: what the rules need of it is whether there is a table (1.1). */
export function setPartitionTable(x: Trial, s: DawrState, vcpu: Vcpu, table: Word | undefined): void {
  const { result } = x.operation;
  x.agrees(NEST_2);
  if (result.kind === "value" && result.value === 0 && table !== undefined) {
    s.journal.set(vcpu.vm, "l1Ptcr", !isZero(table));
  }
}
