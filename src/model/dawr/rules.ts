import type { Rule } from "../core/rule.js";
import * as capability from "./capability-rules.js";
import * as compat from "./compat.js";
import * as dabr from "./dabr.js";
import * as guestRules from "./guest-rules.js";
import * as hostHcall from "./host-hcall.js";
import * as invariants from "./invariants.js";
import * as lpcr from "./lpcr.js";
import * as nested from "./nested.js";
import * as notes from "./notes.js";
import * as oneReg from "./one-reg.js";
import * as run from "./run.js";
import * as setMode from "./set-mode.js";
import * as vmm from "./vmm.js";

/** All rules of the powerpc system, collected from the places that follow them. */
export const dawrRules: readonly Rule[] = [
  setMode,
  hostHcall,
  compat,
  vmm,
  lpcr,
  dabr,
  capability,
  oneReg,
  nested,
  guestRules,
  invariants,
  run,
  notes,
]
  .flatMap((module) => Object.values<unknown>(module))
  .filter(isRule);

function isRule(value: unknown): value is Rule {
  return typeof value === "object" && value !== null && "id" in value && "title" in value && "profiles" in value;
}
