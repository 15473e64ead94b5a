import type { Rule } from "../core/rule.js";

/** The profiles of the AP system, oldest first. */
export const apProfiles = ["aqic-v9", "dynamic-v12", "linux-6.1"] as const;
export type ApProfile = (typeof apProfiles)[number];

export function isApProfile(name: string): name is ApProfile {
  return apProfiles.some((profile) => profile === name);
}

/** What tells the profiles apart: one engine steered by these (vfio-ap-aqic 0.4, vfio-ap-config 0). */
export interface ApParameters {
  readonly profile: ApProfile;
  /** A shadow APCB exists, stands between matrix and guest, and follows hot plug. */
  readonly dynamic: boolean;
  /** aqic-v9: the mailed code, or what Linux 5.3 shipped. */
  readonly variant: "posted" | "released";
  /** dynamic-v12: the defects of the posting happen, or do not. */
  readonly defects: "as-posted" | "intended";
  /** Kernels before 5.19: the code that the final dynamic configuration series replaced. */
  readonly old: boolean;
  /** linux-6.1: whether the hook is set before another mdev of the guest is looked for (KVM-6, variant hookFirst). */
  readonly hookFirst: boolean;
  /** Whether the host's own AQIC reports its status (IRQ-13); undefined: not known. */
  readonly hostAqicStatus: "true" | "lost" | undefined;
}

export const ALL: readonly ApProfile[] = apProfiles;
export const V9: readonly ApProfile[] = ["aqic-v9"];
export const V12: readonly ApProfile[] = ["dynamic-v12"];
export const V61: readonly ApProfile[] = ["linux-6.1"];
export const V9_V12: readonly ApProfile[] = ["aqic-v9", "dynamic-v12"];
export const V12_V61: readonly ApProfile[] = ["dynamic-v12", "linux-6.1"];

/** A rule of the configuration spec (vfio-ap-config). */
export function configRule(
  id: string,
  title: string,
  text: string,
  source: string,
  profiles: readonly ApProfile[] = ALL,
): Rule {
  return { id: `ap-config/${id}`, title, text, source, profiles };
}

/** A rule of the interception spec (vfio-ap-aqic). */
export function aqicRule(
  id: string,
  title: string,
  text: string,
  source: string,
  profiles: readonly ApProfile[] = ALL,
): Rule {
  return { id: `aqic/${id}`, title, text, source, profiles };
}
