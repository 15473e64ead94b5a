import type { Rule } from "../core/rule.js";
import * as apcb from "./apcb.js";
import * as aqicInvariants from "./aqic-invariants.js";
import * as assign from "./assign.js";
import * as attach from "./attach.js";
import * as bind from "./bind.js";
import * as bus from "./bus.js";
import * as configChange from "./config-change.js";
import * as controlDomains from "./control-domains.js";
import * as deviceFiles from "./device-files.js";
import * as deviceInfo from "./device-info.js";
import * as devices from "./devices.js";
import * as disable from "./disable.js";
import * as dma from "./dma.js";
import * as enable from "./enable.js";
import * as exit from "./exit.js";
import * as free from "./free.js";
import * as groups from "./groups.js";
import * as guestFacts from "./guest-facts.js";
import * as hardware from "./hardware.js";
import * as hook from "./hook.js";
import * as initial from "./initial.js";
import * as invariants from "./invariants.js";
import * as ledger from "./ledger.js";
import * as matrix from "./matrix.js";
import * as mdevs from "./mdevs.js";
import * as module from "./module.js";
import * as pqap from "./pqap.js";
import * as queueLife from "./queue-life.js";
import * as queues from "./queues.js";
import * as read from "./read.js";
import * as reset from "./reset.js";
import * as resetRules from "./reset-rules.js";
import * as resetSet from "./reset-set.js";
import * as revise from "./revise.js";
import * as scan from "./scan.js";
import * as shadowV12 from "./shadow-v12.js";
import * as store from "./store.js";
import * as table from "./table.js";
import * as unassign from "./unassign.js";
import * as vcpus from "./vcpus.js";

/** All rules of the AP system, collected from the places that follow them. */
export const apRules: readonly Rule[] = [
  apcb,
  assign,
  aqicInvariants,
  attach,
  bind,
  bus,
  deviceFiles,
  deviceInfo,
  devices,
  configChange,
  disable,
  dma,
  enable,
  exit,
  free,
  groups,
  guestFacts,
  hardware,
  hook,
  initial,
  invariants,
  ledger,
  matrix,
  controlDomains,
  unassign,
  mdevs,
  module,
  pqap,
  queueLife,
  queues,
  read,
  reset,
  resetRules,
  resetSet,
  revise,
  scan,
  shadowV12,
  store,
  table,
  vcpus,
]
  .flatMap((module) => Object.values<unknown>(module))
  .filter(isRule)
  .sort((a, b) => a.id.localeCompare(b.id, "en", { numeric: true }));

function isRule(value: unknown): value is Rule {
  return typeof value === "object" && value !== null && "id" in value && "profiles" in value && "title" in value;
}
