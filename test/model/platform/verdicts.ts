import { judge } from "./judge.js";
import type { Result, Script } from "./script.js";

/** Scripts held against a machine with one device, and whether what they show conforms. */

export const BASE = "platform-base";
export const V2 = "platform-msi-rfc-v2";
export type Profile = typeof BASE | typeof V2;
export type Facts = Readonly<Record<string, unknown>>;

export const MACHINE = { noiommu: true, resetRequired: true, nrIrqs: 64 };
export const DEVICE_FACTS = {
  bus: "platform",
  hasReset: true,
  resetResult: 0,
  regions: [{ size: 0x1000, flags: 7 }],
  wired: [{ trigger: "level" }, { trigger: "edge" }],
};
export const withDevice = (device: Facts, machine: Facts = MACHINE): Facts => ({
  ...machine,
  devices: { "d.test": device },
});
export const FACTS = withDevice({ ...DEVICE_FACTS, hasMsiDomain: true });

/** Whether a recording diverges. */
export function diverges(script: Script, profile: Profile = BASE, facts: Facts = FACTS): boolean {
  return judge(script.lines, profile, facts).divergent.length > 0;
}

/** Which of some results of a step conform. */
export function fitting(
  make: (result: Result) => Script,
  results: readonly Result[],
  profile: Profile,
  facts: Facts,
): Result[] {
  return results.filter((result) => !diverges(make(result), profile, facts));
}
