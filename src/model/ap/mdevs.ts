import { noBits } from "../core/bits.js";
import { is, isKnown, type Known, OneOf, oneOf, unknown } from "../core/known.js";
import type { Trial } from "../core/trial.js";
import { parseNumber } from "./numbers.js";
import { aqicRule, configRule } from "./profile.js";
import { resetMdev } from "./reset-set.js";
import { type ApState, Mdev } from "./state.js";
import { type AttributeWrite, stored, stringOf } from "./store.js";

export const MDEV_1 = configRule(
  "MDEV-1",
  "Creating an mdev",
  "36 or 37 bytes that begin with a UUID (EINVAL), not used yet (EEXIST), an instance left (EPERM; linux-6.1: EUSERS); the new mdev is empty, links nothing and comes first in the list.",
  "mdev_sysfs.c:create_store, mdev_core.c:mdev_device_create; base vfio_ap_mdev_create; vfio_ap_ops.c:vfio_ap_mdev_probe",
);
export const MDEV_3 = configRule(
  "MDEV-3",
  "The write to remove",
  "A number by grammar N: any parse error is EINVAL, 0 does nothing, everything else removes the mdev and the file itself; a second write finds it gone.",
  "mdev_sysfs.c:remove_store",
);
export const MDEV_4 = configRule(
  "MDEV-4",
  "Removing an mdev in use waits",
  "The write returns when the last VFIO file of the mdev is closed, never with EBUSY; meanwhile its files are gone and the mdev still counts.",
  "mdev_core.c:mdev_device_remove_common; vfio_main.c:vfio_unregister_group_dev",
);
export const MDEV_5 = configRule(
  "MDEV-5",
  "Effect of a removal",
  "Queues are reset: those of the table in linux-6.1, those of the matrix that are linked in dynamic-v12, all of the matrix in aqic-v9 (from 5.11 the bound ones). They are released, except in dynamic-v12, and the APQNs no longer count for sharing.",
  "base vfio_ap_mdev_remove; vfio_ap_ops.c:vfio_ap_mdev_remove",
);
export const IOC_7 = aqicRule(
  "IOC-7",
  "Removal of the mdev",
  "The write waits for the close; then the queues are reset once more, and the mdev is gone. dynamic-v12 forgets to give the instance back.",
  "v9 3/4, v12 15/17, vfio_ap_mdev_remove",
);

const UUID_AT_START = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}/;

/** The mdev of a UUID, made on first mention: known to be absent only where the snapshot shows all mdevs. */
export function mdevAt(s: ApState, uuid: string): Mdev {
  const known = s.mdevs.get(uuid);
  if (known !== undefined) return known;
  const m = new Mdev(uuid);
  m.present = is(s.host.hiddenMdevs, 0) === true ? false : unknown;
  s.journal.add(s.mdevs, uuid, m);
  return m;
}

/** The mdev is there. Where nobody was known to have made it, somebody has whose calls leave no line. */
export function meetMdev(s: ApState, m: Mdev): void {
  if (m.present === false) {
    s.journal.set(s.host, "unseenCalls", true);
    s.journal.set(s.host, "available", unknown);
  }
  if (m.present !== true) s.journal.set(m, "present", true);
}

/** A write to `create` (MDEV-1). */
export function create(x: Trial, s: ApState, call: AttributeWrite): void {
  x.by(MDEV_1);
  if (x.refuse(call.length !== 36 && call.length !== 37, "EINVAL", MDEV_1)) return;
  if (call.data.length < 36) {
    x.cannotCheck("the written data was cut by the recorder (strace -s)");
    if (x.observedSuccess !== false) s.journal.set(s.host, "hiddenMdevs", unknown);
    if (x.observedSuccess !== false) s.journal.set(s.host, "available", unknown);
    return;
  }
  if (x.refuse(!UUID_AT_START.test(call.data), "EINVAL", MDEV_1)) return;
  const m = mdevAt(s, call.data.slice(0, 36).toLowerCase());
  if (x.refuse(is(m.present, true), "EEXIST", MDEV_1)) return;
  const left = s.host.available;
  if (
    x.refuse(
      isKnown(left) ? left <= 0 : "unknown",
      s.parameters.dynamic && s.parameters.profile === "linux-6.1" ? "EUSERS" : "EPERM",
      MDEV_1,
    )
  )
    return;
  born(s, m);
  stored(x, call);
}

function born(s: ApState, m: Mdev): void {
  const { journal, host } = s;
  journal.set(m, "present", true);
  journal.set(m, "removing", false);
  journal.set(m, "createdAt", s.tick());
  journal.set(m, "apmMax", host.maxAdapter);
  journal.set(m, "aqmMax", host.maxDomain);
  for (const side of ["apm", "aqm", "adm", "shApm", "shAqm", "shAdm", "apmAdd", "aqmAdd", "admAdd"] as const) {
    journal.set(m, side, noBits);
  }
  journal.set(m, "kvm", null);
  journal.set(m, "open", false);
  journal.set(m, "tainted", undefined);
  journal.set(m, "heads", new Map());
  disown(s, m);
  if (isKnown(host.available)) journal.set(host, "available", host.available - 1);
}

/** Queues that still point to a removed mdev of this UUID (D12-4, D61-1) do not point to the new one. */
function disown(s: ApState, m: Mdev): void {
  const removed = new Mdev(m.uuid);
  removed.present = false;
  for (const queue of s.queues.values()) {
    if (queue.owner === m) s.journal.set(queue, "owner", removed);
    if (queue.linked === m) s.journal.set(queue, "linked", null);
  }
}

/** A write to `remove` (MDEV-3, MDEV-4, MDEV-5). `begin`: it was entered; `end`: it returned; `whole`: both at once. */
export function remove(x: Trial, s: ApState, m: Mdev, call: AttributeWrite): void {
  x.by(MDEV_3);
  const text = stringOf(call);
  const parsed = text === undefined ? undefined : parseNumber(text);
  if (call.phase === "begin") {
    if (parsed?.ok === true && parsed.value !== 0 && m.present !== false) s.journal.set(m, "removing", true);
    return;
  }
  if (parsed === undefined) {
    x.cannotCheck("the written data was cut by the recorder (strace -s)");
    s.journal.set(m, "present", unknown);
    return;
  }
  if (x.refuse(!parsed.ok, "EINVAL", MDEV_3)) return;
  if (parsed.ok && parsed.value === 0) {
    stored(x, call);
    return;
  }
  const { result } = x.operation;
  // MDEV-3: a second write finds the file gone.
  if (result.kind === "error" && (m.removing || m.present !== true) && call.phase !== "end") {
    x.fails(["ENODEV", "ENOENT"], MDEV_3);
    return;
  }
  if (result.kind === "unknown" && (m.open === true || m.kvm !== null)) {
    // It waits, and the recording ended before it came back (MDEV-4).
    x.by(MDEV_4);
    x.cannotCheck("result unknown: the write waits for the mdev to be closed");
    return;
  }
  if (call.phase === "end") x.by(MDEV_4);
  if (m.open === true) {
    x.differs("the write waits until the mdev is closed", "it returned while the device was open", MDEV_4);
  }
  removeMdev(x, s, m);
  stored(x, call);
}

/** MDEV-5: the queues of the mdev are reset and released, and the mdev is gone. */
export function removeMdev(x: Trial, s: ApState, m: Mdev): void {
  x.by(MDEV_5, IOC_7);
  resetMdev(x, s, m);
  if (s.parameters.profile === "linux-6.1") {
    for (const queue of s.queues.values()) {
      const linked = is<Mdev | null>(queue.linked, m);
      if (linked === false) continue;
      s.journal.set(queue, "linked", linked === true ? null : without(queue.linked, m));
      s.journal.set(queue, "owner", linked === true ? null : without(queue.owner, m));
    }
  }
  died(s, m);
}

/** The mdev of a queue, which may have been the removed one and now is not. */
function without(known: Known<Mdev | null>, removed: Mdev): Known<Mdev | null> {
  if (isKnown(known)) return known === removed ? null : known;
  return known instanceof OneOf ? oneOf([...new Set(known.values.map((m) => (m === removed ? null : m)))]) : known;
}

function died(s: ApState, m: Mdev): void {
  const { journal, host } = s;
  journal.set(m, "present", false);
  journal.set(m, "removing", false);
  journal.set(m, "kvm", null);
  journal.set(m, "open", false);
  for (const side of ["apm", "aqm", "adm", "shApm", "shAqm", "shAdm", "apmAdd", "aqmAdd", "admAdd"] as const) {
    journal.set(m, side, noBits);
  }
  for (const group of s.groups.values()) if (group.mdev === m) journal.set(group, "mdev", undefined);
  // MDEV-2: dynamic-v12 never gives an instance back.
  const givenBack = s.parameters.profile === "dynamic-v12" && s.parameters.defects === "as-posted" ? 0 : 1;
  if (isKnown(host.available)) journal.set(host, "available", host.available + givenBack);
}
