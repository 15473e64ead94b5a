import { apModel } from "./ap/model.js";
import { apProfiles } from "./ap/profile.js";
import type { Rule } from "./core/rule.js";
import { dawrModel } from "./dawr/model.js";
import { dawrProfiles } from "./dawr/profile.js";
import { platformModel } from "./platform/model.js";
import { platformProfiles } from "./platform/profile.js";

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
export const ruleRegistry: readonly Rule[] = [...apModel.rules, ...platformModel.rules, ...dawrModel.rules];

/** Inputs of vfio-ap-aqic 1.1 and 1.2 that no recorder shows; what is not given follows from answers, or stays open. */
const apHostFacts =
  "apInstructions, fac15, fac65, fac76, aiv, apxa, apie true | false; nisc, mdevInstances a number; facList";

const apNotes: Readonly<Record<(typeof apProfiles)[number], Omit<ProfileNote, "name">>> = {
  "aqic-v9": {
    title: "static matrix, kernels 5.3 to 5.19 (PQAP(AQIC) interception series v9)",
    parameters: {
      "shadow APCB": "none: the matrix goes to the guest when it starts",
      "assign with a guest": "EBUSY",
      "mask write that takes an assigned queue": "allowed",
      reset: "every APQN of the matrix, followed by a host AQIC",
      facts: "variant posted | released, hostAqicStatus true | lost",
      "facts of the host": apHostFacts,
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
      "facts of the host": apHostFacts,
    },
  },
  "linux-6.1": {
    title: "the merged form, long-term 6.1.y (6.1.192)",
    parameters: {
      "shadow APCB": "the whole matrix is filtered at each assign, probe and scan",
      "assign with a guest": "plugged; incomplete adapters leave",
      "mask write that takes an assigned queue": "EBUSY",
      reset: "queues in the mdev's table, in hash order",
      facts: "hostAqicStatus true | lost (default true), hookFirst true | false (default false)",
      "facts of the host": apHostFacts,
    },
  },
};

const platformNotes: Readonly<Record<(typeof platformProfiles)[number], Omit<ProfileNote, "name">>> = {
  "platform-base": {
    title: "vfio-platform as shipped in Linux 6.1 (6.1.192), no MSI",
    parameters: {
      "MSI index": "never",
      "SET_IRQS range": "limited by the device's number of indexes",
      "line requested": "at first open; its error answers every SET_IRQS",
      "mask and unmask eventfds": "a signal takes the counter; released at last close",
      facts: "noiommu, resetRequired, pageSize, devices",
    },
  },
  "platform-msi-rfc-v2": {
    title: "the posting [RFC v2 1/1] vfio/platform: add support for msi, on a 5.10 kernel",
    parameters: {
      "MSI index": "the last one, where the device has an MSI domain; count NR_IRQS",
      "SET_IRQS range": "limited by the count of the index",
      "line requested": "when it is armed",
      "mask and unmask eventfds": "the counter stays; left behind at last close",
      defects: "loopback without trigger, stale MSI table, access beyond a region",
      facts: "nrIrqs, devices: hasMsiDomain, msiAvailable",
    },
  },
  "platform-msi-rfc-v3": {
    title: "the later posting of the MSI support (v3)",
    parameters: {
      "MSI index": "where a helper module tells the number of MSIs",
      MSI_DESCS: "left out without vectors; a reserved word after nr_msgs",
    },
  },
};

const dawrNotes: Readonly<Record<(typeof dawrProfiles)[number], Omit<ProfileNote, "name">>> = {
  "pre-dawr1": {
    title: "the host kernel before the second DAWR (5.10)",
    parameters: {
      "H_SET_MODE resource 5": "unknown, left to user space",
      "hv_guest_state version": "1",
      KVM_CAP_PPC_DAWR1: "none",
      "H_SET_MODE resource 3": "mflags other than 0 and 3: -256",
    },
  },
  "dawr1-v2": {
    title: "a 5.10 tree with the four patches of the second posting (v2)",
    parameters: {
      "H_SET_MODE resource 5": "allowed whenever the host CPU has the second DAWR",
      "hv_guest_state version": "2",
      KVM_CAP_PPC_DAWR1: "187, can't be enabled",
      "H_SET_MODE resource 3": "mflags other than 0 and 3: -256",
    },
  },
  "linux-6.1": {
    title: "the merged form, long-term 6.1.y",
    parameters: {
      "H_SET_MODE resource 5": "H_FUNCTION until user space enables it for the VM",
      "hv_guest_state version": "2",
      KVM_CAP_PPC_DAWR1: "194, needs KVM-HV",
      "H_SET_MODE resource 3": "left to user space; KVM-PR answers it itself",
      facts: "cpu, vmKind, hvModule, prModule, hostIsPseries, vmm, view, guest, hypervisor",
    },
  },
};

/** The systems that are modelled, with their profiles. */
export const systems: readonly SystemNote[] = [
  { system: "ap", profiles: apProfiles.map((name) => ({ name, ...apNotes[name] })) },
  { system: "platform", profiles: platformProfiles.map((name) => ({ name, ...platformNotes[name] })) },
  { system: "dawr", profiles: dawrProfiles.map((name) => ({ name, ...dawrNotes[name] })) },
];
