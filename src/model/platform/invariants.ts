import type { Touched } from "../core/journal.js";
import { isKnown } from "../core/known.js";
import type { Broken, Rule } from "../core/rule.js";
import { UNDEFINED } from "./devices.js";
import { LEFT_BEHIND, VDEV_6 } from "./open.js";
import { platformRule, RFC } from "./profile.js";
import { Device, Eventfd, Line, MsiBlock, type PlatformState } from "./state.js";

export const INV_2 = platformRule(
  "INV-2",
  "Only maskable lines are masked",
  "masked is true only on an index with MASKABLE.",
  "invariant",
);
export const INV_3 = platformRule(
  "INV-3",
  "Mask and unmask eventfds only on maskable lines",
  "A mask or unmask eventfd exists only on an index with MASKABLE.",
  "invariant",
);
export const INV_4 = platformRule(
  "INV-4",
  "One MSI index, the last",
  "An MSI index exists at most once and is the last.",
  "invariant",
  RFC,
);
export const INV_5 = platformRule(
  "INV-5",
  "Configured means vectors",
  "The block is configured exactly if it has vectors, between 1 and the smaller of NR_IRQS and 2048.",
  "invariant",
  RFC,
);
export const INV_6 = platformRule(
  "INV-6",
  "Triggers lie within the vectors",
  "A vector with a trigger is an allocated one, and a message that is not zero belongs to a trigger.",
  "invariant",
  RFC,
);
export const INV_7 = platformRule(
  "INV-7",
  "A failed SET_IRQS changes little",
  "At most the line's trigger goes (VSET-10), vectors from start to the failed one (VMSI-7), or an MSI enable is undone (VMSI-4).",
  "invariant",
);
export const INV_8 = platformRule(
  "INV-8",
  "What changes masked",
  "masked changes only by MASK or UNMASK on the line, a loopback or interrupt on it, a write or signal on an eventfd installed as its mask or unmask eventfd, and the last close.",
  "invariant",
);
export const INV_10 = platformRule(
  "INV-10",
  "Open files are counted",
  "The count of opens is the number of open files of the device; when it is 0 there are no interrupts and no triggers.",
  "invariant",
);
export const INV_11 = platformRule(
  "INV-11",
  "index and start come back",
  "index and start come back as the program gave them.",
  "invariant",
);

/** Invariants that are broken for certain, and what happened that is undefined for the kernel: known defects. */
export function brokenInvariants(_s: PlatformState, touched: Touched): readonly Broken[] {
  const broken: Broken[] = [];
  for (const object of touched.once()) {
    if (object instanceof Line) checkLine(object, broken);
    else if (object instanceof MsiBlock) checkBlock(object, broken);
    else if (object instanceof Device) checkDevice(object, broken);
    else if (object instanceof Eventfd && object.exposed?.includes("left installed") === true) {
      const message = `eventfd ${object.name} was left installed at the last close`;
      broken.push({ rule: LEFT_BEHIND, message, prescribedBy: VDEV_6 });
    }
  }
  return broken;
}

function report(broken: Broken[], rule: Rule, message: string): void {
  broken.push({ rule, message, prescribedBy: undefined });
}

function checkLine(line: Line, broken: Broken[]): void {
  if (line.flags !== 1) return;
  if (line.masked === true) report(broken, INV_2, `line ${line.index} is masked and cannot be`);
  const held = (isKnown(line.maskFd) && line.maskFd !== null) || (isKnown(line.unmaskFd) && line.unmaskFd !== null);
  if (held) report(broken, INV_3, `line ${line.index} has a mask or unmask eventfd and cannot be masked`);
}

function checkBlock(msi: MsiBlock, broken: Broken[]): void {
  if (!isKnown(msi.configured) || msi.vectors === undefined) return;
  if (msi.configured !== msi.vectors.length > 0) {
    report(
      broken,
      INV_5,
      `the MSI block is ${msi.configured ? "" : "not "}configured and has ${msi.vectors.length} vectors`,
    );
  }
}

function checkDevice(device: Device, broken: Broken[]): void {
  if (device.undefinedBy !== undefined) {
    broken.push({
      rule: UNDEFINED,
      message: `${device.name ?? "device"}: ${device.undefinedWhat}`,
      prescribedBy: device.undefinedBy,
    });
  }
  if (device.openCount !== 0 || device.undefinedBy !== undefined) return;
  for (const line of device.lines.values()) {
    if (isKnown(line.trigger) && line.trigger !== null) {
      report(broken, INV_10, `line ${line.index} of a closed device has a trigger`);
    }
  }
}
