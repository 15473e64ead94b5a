import type { Rule } from "../core/rule.js";
import * as argument from "./argument.js";
import * as bind from "./bind.js";
import * as devices from "./devices.js";
import * as eventfds from "./eventfds.js";
import * as groups from "./groups.js";
import * as info from "./info.js";
import * as invariants from "./invariants.js";
import * as lines from "./lines.js";
import * as msi from "./msi.js";
import * as msiInfo from "./msi-info.js";
import * as open from "./open.js";
import * as regions from "./regions.js";
import * as requests from "./requests.js";
import * as setIrqs from "./set-irqs.js";
import * as wired from "./wired.js";

/** All rules of vfio-platform-msi, collected from the places that follow them. */
export const platformRules: readonly Rule[] = [
  argument,
  bind,
  devices,
  eventfds,
  groups,
  info,
  invariants,
  lines,
  msi,
  msiInfo,
  open,
  regions,
  requests,
  setIrqs,
  wired,
]
  .flatMap((module) => Object.values<unknown>(module))
  .filter(isRule)
  .sort((a, b) => a.id.localeCompare(b.id, "en", { numeric: true }));

function isRule(value: unknown): value is Rule {
  return typeof value === "object" && value !== null && "id" in value && "profiles" in value && "title" in value;
}
