import type { Attribute } from "../../../../src/operation/ap/attribute.js";
import type { ApCall, DeviceRef, GroupRef, VmRef } from "../../../../src/operation/ap/call.js";
import type { ApEffect } from "../../../../src/operation/ap/effect.js";
import { type Column, done, type Explained, isOld, isV9, operationOf, type Setting, value, World } from "./host.js";
import {
  apcbClear,
  apcbSet,
  aqic,
  aqicOf,
  asksFor,
  exit,
  M,
  NIB_A,
  pin,
  queueRemove,
  register,
  reset,
  setKvm,
  tapq,
  unsetKvm,
  zapq,
} from "./lines.js";

/** A write(2) of these bytes to an attribute. */
export function writeOf(attribute: Attribute, data: string): ApCall {
  return { kind: "attribute-write", attribute, data, truncated: false, length: data.length, phase: "whole" };
}

function writes(world: World, attribute: Attribute, data: string, effects: readonly ApEffect[] = []): Explained {
  return world.explain(operationOf(writeOf(attribute, data), value(data.length), effects));
}

/** An mdev with adapters and domains, as a tool makes it; its group has the number given. */
export function makeMdev(
  world: World,
  uuid: string,
  group: number,
  adapters: readonly string[] = ["4", "5"],
  domains: readonly string[] = ["5", "0x16"],
): void {
  writes(world, { on: "mdev-type", name: "create" }, `${uuid}\n`);
  for (const adapter of adapters) writes(world, { on: "mdev", uuid, name: "assign_adapter" }, `${adapter}\n`);
  for (const domain of domains) writes(world, { on: "mdev", uuid, name: "assign_domain" }, `${domain}\n`);
  world.explain(operationOf({ kind: "iommu-group", uuid, group }, done, []));
}

export function makeVm(world: World, name = "100/10"): VmRef {
  const vm = { id: world.file(), name };
  world.explain(operationOf({ kind: "vm-create", vm }, value(10), []));
  return vm;
}

export function openGroup(world: World, number: number): GroupRef {
  const group = { id: world.file(), group: number };
  world.explain(operationOf({ kind: "group-open", group: number, file: group }, value(9), []));
  return group;
}

export function deviceOf(world: World, group: GroupRef): DeviceRef {
  return { id: world.file(), group };
}

export function openCall(group: GroupRef, device: DeviceRef | undefined, vm: VmRef | undefined): ApCall {
  return { kind: "device-open", group, device, vm, guestSet: vm !== undefined };
}

/** The masks of the common setting: adapters 04, 05 and domains 0005, 0016, bit 0 leftmost. */
export const APM = "0c";
export const AQM = "040002";

/** What attaching prints: the old profiles notify first and load the masks then (KVM-6, KVM-7). */
export function attachLines(world: World, mdev = M, masks: ApEffect = apcbSet(APM, AQM)): readonly ApEffect[] {
  return isOld(world.column) ? [setKvm(mdev), masks] : [masks, setKvm(mdev)];
}

export interface Common {
  readonly world: World;
  readonly vm: VmRef;
  readonly group: GroupRef;
  readonly device: DeviceRef;
}

/** The common setting of section 7: guest G runs with mdev M, whose four queues are bound. */
export function common(column: Column, setting: Setting = {}): Common {
  const world = new World(column, setting);
  makeMdev(world, M, 1, setting.adapters, setting.domains);
  for (const queue of setting.gone ?? []) vanishes(world, queue);
  const vm = makeVm(world);
  const group = openGroup(world, 1);
  const device = deviceOf(world, group);
  world.explain(operationOf(openCall(group, device, vm), value(11), attachLines(world, M, setting.masks)));
  return { world, vm, group, device };
}

/** A queue device without an interrupt vanishes while its mdev has no guest: one ZAPQ, and in aqic-v9 a disable (RST-4). */
function vanishes(world: World, queue: string): void {
  const lines = [queueRemove(queue), zapq(queue, 0x80000000), reset(queue, 0, 0x80000000)];
  const disable = [aqic(queue, "off", 0x80070000), tapq(queue, 0x80000000)];
  const apqn = Number.parseInt(queue, 16);
  world.explain(operationOf({ kind: "queue-remove", apqn }, done, isV9(world.column) ? [...lines, ...disable] : lines));
}

/** The key under which a NIB is pinned: its page in the old profiles, its byte in linux-6.1 (pinKey of 0.4). */
export function keyOf(column: Column, nib: string): string {
  return isOld(column) ? `${nib.slice(0, -3)}000` : nib;
}

/** Example 1: queue 04.0005 gets ISC 3 and NIB-A, answered with response code 00. */
export function enabled(column: Column, setting: Setting = {}): Common {
  const setup = common(column, setting);
  enable(setup.world);
  return setup;
}

/** A clean enable of a queue that has no registration. */
export function enable(world: World, queue = "0405", isc = 3, nib = NIB_A): Explained {
  return world.guest(
    { gr0: aqicOf(queue), gr1: asksFor(isc), gr2: nib },
    [pin(keyOf(world.column, nib)), register(isc), aqic(queue, isc, 0x80000000)],
    exit("0x80000000", 1),
  );
}

/** Of the last TAPQ of a disable E is free, and a code that is not known ends the wait as well (IRQ-8). */
export const LAST_TAPQ: readonly RegExp[] = [/hw_tapq .* with the empty bit/, /hw_tapq .* with another response code/];

/** A queue that is empty and quiet is reset; `freed`: what its registration prints. */
export function quietReset(column: Column, queue: string, freed: readonly ApEffect[] = []): readonly ApEffect[] {
  const lines = [zapq(queue, 0x80000000)];
  const result = reset(queue, 0, 0x80000000);
  if (column === "linux-6.1") return [...lines, ...freed, result];
  if (column === "dynamic-v12") return [...lines, result, ...freed];
  return [...lines, result, aqic(queue, "off", 0x80070000), tapq(queue, 0x80000000), ...freed];
}

const HASH_ORDER = ["0405", "0516", "0416", "0505"];
const MATRIX_ORDER = ["0405", "0416", "0505", "0516"];

/** The lines of the last close, of which the first queue frees something. */
export function closeLines(column: Column, freed: readonly ApEffect[]): readonly ApEffect[] {
  const order = isOld(column) ? MATRIX_ORDER : HASH_ORDER;
  const resets = order.flatMap((queue) => quietReset(column, queue, queue === "0405" ? freed : []));
  return [apcbClear(), ...resets, unsetKvm()];
}

export const closeCall = (device: DeviceRef): ApCall => ({ kind: "device-close", device });

export function guestSet(vm: VmRef, change: "add" | "remove"): ApCall {
  return { kind: "guest-set", vm, change };
}
