import type { Rule } from "../core/rule.js";

/** The profiles of the platform system; the last one is what a capture without any hint is judged by. */
export const platformProfiles = ["platform-msi-rfc-v3", "platform-msi-rfc-v2", "platform-base"] as const;
export type PlatformProfile = (typeof platformProfiles)[number];

function isPlatformProfile(name: string): name is PlatformProfile {
  return platformProfiles.some((profile) => profile === name);
}

/** What tells the profiles apart: one engine steered by these (vfio-platform-msi 4.7, 9). */
export interface PlatformParameters {
  readonly profile: PlatformProfile;
  /** The MSI block exists, and the driver is the 5.10 one under it. */
  readonly msi: boolean;
  /** The later posting: MSI_DESCS only while vectors exist, with a reserved word (V3-3, V3-4). */
  readonly v3: boolean;
}

export function parametersOf(profile: string): PlatformParameters {
  const known = isPlatformProfile(profile) ? profile : "platform-base";
  return { profile: known, msi: known !== "platform-base", v3: known === "platform-msi-rfc-v3" };
}

export const ALL: readonly PlatformProfile[] = platformProfiles;
export const BASE: readonly PlatformProfile[] = ["platform-base"];
export const RFC: readonly PlatformProfile[] = ["platform-msi-rfc-v2", "platform-msi-rfc-v3"];
export const V3: readonly PlatformProfile[] = ["platform-msi-rfc-v3"];

/** A rule of vfio-platform-msi. */
export function platformRule(
  id: string,
  title: string,
  text: string,
  source: string,
  profiles: readonly PlatformProfile[] = ALL,
): Rule {
  return { id: `platform/${id}`, title, text, source, profiles };
}
