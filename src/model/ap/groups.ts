import type { ApCall } from "../../operation/ap/call.js";
import { is, isKnown, not, type Tri, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { tearDown } from "./dma.js";
import { forgetPins } from "./ledger.js";
import { mdevAt, meetMdev } from "./mdevs.js";
import { configRule } from "./profile.js";
import { type ApState, Group } from "./state.js";

export const MDEV_9 = configRule(
  "MDEV-9",
  "One user of a group",
  "The group file of an mdev can be open once; a second open gives EBUSY until this file and the device files made through it are closed.",
  "drivers/vfio/vfio_main.c",
);

export function groupAt(s: ApState, number: number): Group {
  const known = s.groups.get(number);
  if (known !== undefined) return known;
  const group = new Group(number);
  s.journal.add(s.groups, number, group);
  return group;
}

/** The link `iommu_group` of an mdev was read. */
export function learnGroup(s: ApState, uuid: string, number: number): void {
  const m = mdevAt(s, uuid);
  const group = groupAt(s, number);
  meetMdev(s, m);
  if (group.mdev === m) return;
  s.journal.set(group, "mdev", m);
  // A number that was given out anew: nothing holds the new group yet.
  s.journal.set(group, "holders", m.open === false || m.createdAt > 0 ? [] : unknown);
}

/** open(2) of /dev/vfio/N (MDEV-9). */
export function openGroup(x: Trial, s: ApState, call: Extract<ApCall, { kind: "group-open" }>): void {
  x.by(MDEV_9);
  const group = groupAt(s, call.group);
  const { holders } = group;
  const taken: Tri = isKnown(holders) ? holders.length > 0 : "unknown";
  if (x.refuse(taken, "EBUSY", MDEV_9)) return;
  const gone: Tri =
    group.mdev === undefined ? "unknown" : group.mdev.removing ? "unknown" : not(is(group.mdev.present, true));
  if (x.refuse(gone, "ENOENT", MDEV_9) || x.refuse(gone, "ENODEV", MDEV_9)) return;
  x.succeeds(MDEV_9);
  if (call.file !== undefined) s.journal.set(group, "holders", [call.file.id]);
}

/** The group file was closed for good. With the last file the group leaves its container. */
export function closeGroup(x: Trial, s: ApState, file: number, number: number): void {
  const group = groupAt(s, number);
  const { holders, served } = group;
  const left = isKnown(holders) ? holders.filter((holder) => holder !== file) : holders;
  s.journal.set(group, "holders", left);
  if (served === undefined) return;
  if (!isKnown(left)) forgetPins(s, served);
  else if (left.length === 0) {
    tearDown(x, s, served);
    s.journal.set(group, "served", undefined);
  }
}
