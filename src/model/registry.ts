import { apModel } from "./ap/model.js";
import { apProfiles } from "./ap/profile.js";
import type { Rule } from "./core/rule.js";

/** A system with its profiles, for people. */
export interface SystemNote {
  readonly system: string;
  readonly profiles: readonly ProfileNote[];
}

export interface ProfileNote {
  readonly name: string;
  readonly title: string;
  /** What tells it apart from the others. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** All rules of all models. */
export const ruleRegistry: readonly Rule[] = [...apModel.rules];

const apNotes: Readonly<Record<(typeof apProfiles)[number], Omit<ProfileNote, "name">>> = {
  "aqic-v9": {
    title: "static matrix, kernels 5.3 to 5.19 (PQAP(AQIC) interception series v9)",
    parameters: {
      "shadow APCB": "none: the matrix goes to the guest when it starts",
      "assign with a guest": "EBUSY",
      "mask write that takes an assigned queue": "allowed",
      reset: "every APQN of the matrix, followed by a host AQIC",
      facts: "variant posted | released, hostAqicStatus true | lost",
    },
  },
  "dynamic-v12": {
    title: "the 17 posted patches of the dynamic configuration series v12 on a 5.10 kernel",
    parameters: {
      "shadow APCB": "filtered at guest start, then number by number",
      "assign with a guest": "plugged if all its queues are bound",
      "mask write that takes an assigned queue": "EBUSY",
      locks: "tried: EBUSY where another operation of the driver runs",
      facts: "defects as-posted | intended, hostAqicStatus true | lost",
    },
  },
  "linux-6.1": {
    title: "the merged form, long-term 6.1.y (6.1.192)",
    parameters: {
      "shadow APCB": "the whole matrix is filtered at each assign, probe and scan",
      "assign with a guest": "plugged; incomplete adapters leave",
      "mask write that takes an assigned queue": "EBUSY",
      reset: "queues in the mdev's table, in hash order",
    },
  },
};

/** The systems that are modelled, with their profiles. */
export const systems: readonly SystemNote[] = [
  { system: "ap", profiles: apProfiles.map((name) => ({ name, ...apNotes[name] })) },
];
