import type { Rule } from "../core/rule.js";

/** The profiles of the powerpc system, oldest first; the last one is the newest that a release leads to. */
export const dawrProfiles = ["pre-dawr1", "dawr1-v2", "linux-6.1"] as const;
export type DawrProfile = (typeof dawrProfiles)[number];

export function isDawrProfile(name: string): name is DawrProfile {
  return dawrProfiles.some((profile) => profile === name);
}

/** What tells the profiles apart (ppc-dawr 0.1): one engine steered by these. */
export interface DawrParameters {
  readonly profile: DawrProfile;
  /** MAX_HCALL_OPCODE: numbers above bypass the gate (1.1). */
  readonly maxOpcode: number;
  /** Number of KVM_CAP_PPC_DAWR1; undefined where there is none (CAP-1). */
  readonly dawr1Cap: number | undefined;
  /** The registers DAWR1 and DAWRX1 exist (REG-5). */
  readonly hasDawr1: boolean;
  /** Resource 5 works only after user space asked for it (HSM-7). */
  readonly optIn: boolean;
  /** H_SET_MODE resource 3 judges mflags in the kernel (HSM-8). */
  readonly judgesAil: boolean;
  /** sc 1 from problem state may leave a radix guest without a line (HSM-14). */
  readonly oldRadix: boolean;
  /** KVM-PR knows H_SET_MODE (HSM-12). */
  readonly prSetMode: boolean;
  /** Largest version of hv_guest_state (NEST-5). */
  readonly nestedVersion: 1 | 2;
  /** A kernel newer than 6.1 was recorded: what section 9 says of 6.12 may be seen. */
  readonly newer: boolean;
  /** The recorded kernel may be one that prints clear bursts (K612-3): it is newer, or its release is not known. */
  readonly bursts: boolean;
  /** A kexec of the recorded kernel certainly sends (0,3,0,0) behind all clears (GUEST-7). */
  readonly kexecTail: boolean;
}

/** What the release of the recorded kernel tells. */
type Release = Pick<DawrParameters, "newer" | "bursts" | "kexecTail">;

const byProfile: Readonly<Record<DawrProfile, Omit<DawrParameters, "profile" | keyof Release>>> = {
  "pre-dawr1": {
    maxOpcode: 0x418,
    dawr1Cap: undefined,
    hasDawr1: false,
    optIn: false,
    judgesAil: true,
    oldRadix: true,
    prSetMode: false,
    nestedVersion: 1,
  },
  "dawr1-v2": {
    maxOpcode: 0x418,
    dawr1Cap: 187,
    hasDawr1: true,
    optIn: false,
    judgesAil: true,
    oldRadix: true,
    prSetMode: false,
    nestedVersion: 2,
  },
  "linux-6.1": {
    maxOpcode: 0x45c,
    dawr1Cap: 194,
    hasDawr1: true,
    optIn: true,
    judgesAil: false,
    oldRadix: false,
    prSetMode: true,
    nestedVersion: 2,
  },
};

/** The parameters of a profile, for a kernel of that release. */
export function parametersOf(profile: DawrProfile, release: Release): DawrParameters {
  return { profile, ...byProfile[profile], ...release };
}

/** The largest version of hv_guest_state that a profile takes (NEST-5). */
export function nestedVersionOf(profile: DawrProfile): 1 | 2 {
  return byProfile[profile].nestedVersion;
}

const ALL: readonly DawrProfile[] = dawrProfiles;
export const OLD: readonly DawrProfile[] = ["pre-dawr1", "dawr1-v2"];
export const NEW: readonly DawrProfile[] = ["dawr1-v2", "linux-6.1"];
export const V61: readonly DawrProfile[] = ["linux-6.1"];

/** A rule of the spec (ppc-dawr). */
export function rule(
  id: string,
  title: string,
  text: string,
  source: string,
  profiles: readonly DawrProfile[] = ALL,
): Rule {
  return { id: `dawr/${id}`, title, text, source, profiles };
}
