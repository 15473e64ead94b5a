import { describe, expect, test } from "vitest";
import { attempt } from "../../../src/check/attempt.js";
import { wordOf, zeroWord } from "../../../src/event/word.js";
import { apModel } from "../../../src/model/ap/model.js";
import { renderState } from "../../../src/model/ap/render.js";
import type { Attribute } from "../../../src/operation/ap/attribute.js";
import type { ApEffect } from "../../../src/operation/ap/effect.js";
import { cellOf } from "./cell.js";
import { type Profile, S0 } from "./machine.js";
import { all, digits } from "./notation.js";
import { apcbSet, everything, failed, maskOfNumbers, operationOf, readOf, writeOf } from "./observed.js";
import { rendered } from "./scenario.js";
import { A } from "./steps.js";
import { World } from "./world.js";

/** Calls that nobody recorded: their effects are taken over, and what these do not show is not known any more. */

/** A = {5}×{4} with a running guest. */
function running(profile: Profile): World {
  const world = new World(profile, S0);
  A.create().run(world, cellOf("n"), "create");
  A.has("{05}×{04}").run(world, cellOf("n"), "has");
  world.mdev("A").shadow = { apm: [5], aqm: [4], adm: [] };
  A.start().run(world, cellOf("set"), "start");
  return world;
}

/** The same with an interrupt of 05.0004 registered. */
function registered(): World {
  const world = running("V61");
  const [heldBy] = world.state.guests.values();
  Object.assign(world.state.queues.get(0x0504) ?? {}, { savedIsc: 3, savedNib: "0x7f001000", heldBy });
  return world;
}

function pointerOf(world: World): string {
  const guest = world.mdev("A").guest;
  if (guest === null) throw new Error("no guest");
  return guest.pointer;
}

function unrecorded(world: World, ...effects: readonly ApEffect[]): void {
  const operation = operationOf(
    "unrecorded",
    { kind: "unrecorded" },
    { kind: "unknown", reason: "not recorded" },
    effects,
  );
  const result = attempt(apModel, world.state, operation, everything);
  expect(result.kind).toBe("explained");
  expect(result.kind === "explained" && result.trial.unchecked.length).toBe(1);
  world.state.journal.commit();
}

function mayRead(world: World, attribute: Attribute, text: string): boolean {
  const call = readOf(attribute, text);
  return !world.refuses(operationOf("read", call, { kind: "value", value: text.length }, []));
}

const hexOf = (numbers: readonly number[]): string => `0x${digits(numbers)}`;

describe.each(["V12", "V61"] as const)("%s", (profile) => {
  test("apcb_set: the guest's masks are the shadow, the matrix may be any that has them", () => {
    const world = running(profile);
    unrecorded(world, apcbSet(pointerOf(world), [5], [4, 0x47], [4]));
    const { mdevs, guests } = rendered(world);
    const crycb = { apm: hexOf([5]), aqm: hexOf([4, 0x47]), adm: hexOf([4]) };
    expect(mdevs[0]?.matrix).toEqual({ apm: "unknown", aqm: "unknown", adm: "unknown" });
    expect(mdevs[0]?.shadow).toEqual(crycb);
    expect(guests[0]?.crycb).toEqual(crycb);
    expect(guests[0]?.hook).toBe(world.mdev("A").uuid);
    // Where one store was not recorded others may not have been either: the next operation meets any matrix.
    expect(mayRead(world, world.attributeOf("A", "matrix"), "05.0004\n05.0047\n06.0004\n06.0047\n")).toBe(true);
    // Which queues it has linked is not known either.
    expect(world.state.queues.get(0x0547)?.linked).not.toBeNull();
  });

  test("apcb_clear: the guest is gone from the mdev", () => {
    const world = running(profile);
    unrecorded(world, { kind: "apcb_clear", kvm: pointerOf(world) });
    const { mdevs, guests } = rendered(world);
    expect(mdevs[0]?.kvm).toBeNull();
    expect(guests.every(({ hook }) => hook === null)).toBe(true);
    expect(guests.every(({ crycb }) => crycb.apm === hexOf([]) && crycb.aqm === hexOf([]))).toBe(true);
    expect(mdevs[0]?.matrix).toMatchObject({ apm: hexOf([5]), aqm: hexOf([4]) });
  });

  test("mdev_unset_kvm and mdev_set_kvm: the guest of the mdev", () => {
    const world = running(profile);
    const { uuid } = world.mdev("A");
    const kvm = pointerOf(world);
    unrecorded(world, { kind: "mdev_unset_kvm", mdev: uuid, kvm });
    expect(rendered(world).mdevs[0]?.kvm).toBeNull();
    unrecorded(world, { kind: "mdev_set_kvm", mdev: uuid, kvm, rc: -1 });
    expect(rendered(world).mdevs[0]?.kvm).toBeNull();
    unrecorded(world, { kind: "mdev_set_kvm", mdev: uuid, kvm, rc: 0 });
    expect(rendered(world).mdevs[0]?.kvm).toBe(kvm);
  });

  test("resource_in_use: with rc 0 masks were written, refused they stay", () => {
    const asked = (rc: number): ApEffect => ({
      kind: "resource_in_use",
      apm: maskOfNumbers([7]),
      aqm: maskOfNumbers(all),
      rc,
    });
    const world = running(profile);
    const masks = (): unknown => renderState(world.state);
    unrecorded(world, asked(profile === "V12" ? -16 : -98));
    expect(masks()).toMatchObject({ bus: { apmask: hexOf(world.apmask), aqmask: hexOf(world.aqmask) } });
    unrecorded(world, asked(0));
    expect(masks()).toMatchObject({ bus: { apmask: "unknown", aqmask: "unknown" } });
  });
});

describe("queues", () => {
  test("queue_remove and queue_probe: whom the queue belongs to", () => {
    const world = running("V61");
    const driverOf = (apqn: string): string | null | undefined =>
      rendered(world).queues.find((queue) => queue.apqn === apqn)?.driver;
    const status: Attribute = { on: "queue", apqn: 0x0504, name: "status" };
    unrecorded(world, { kind: "queue_remove", apqn: 0x0504 });
    expect(driverOf("05.0004")).not.toBe("vfio_ap");
    unrecorded(world, { kind: "queue_probe", apqn: 0x0504, rc: 0 });
    expect(driverOf("05.0004")).toBe("vfio_ap");
    // The mdev that has its numbers links it.
    expect(rendered(world).queues.find(({ apqn }) => apqn === "05.0004")?.mdev).toBe(world.mdev("A").uuid);
    expect(mayRead(world, status, "unassigned\n")).toBe(false);
    unrecorded(world, { kind: "queue_probe", apqn: 0x0605, rc: 0 });
    expect(rendered(world).queues.find(({ apqn }) => apqn === "06.0005")?.mdev).toBeNull();
    // Of 05.0047 it has the adapter, and not the domain; of 06.0004 the other way round.
    for (const [number, name] of [
      [0x0547, "05.0047"],
      [0x0604, "06.0004"],
    ] as const) {
      unrecorded(world, { kind: "queue_probe", apqn: number, rc: 0 });
      expect(rendered(world).queues.find(({ apqn }) => apqn === name)?.mdev, name).toBeNull();
    }
  });

  test.each([
    [0, 0],
    [-16, "unknown"],
    [-5, "unknown"],
  ])("reset_queue rc %i: its last result, and what is registered is not known", (rc, expected) => {
    const world = registered();
    unrecorded(world, { kind: "reset_queue", apqn: 0x0504, retry: 1, rc, status: undefined });
    const queue = rendered(world).queues.find(({ apqn }) => apqn === "05.0004");
    expect(queue).toMatchObject({ resetRc: expected, isc: "unknown", nib: "unknown" });
    expect(rendered(world).queues.find(({ apqn }) => apqn === "05.0047")).toMatchObject({ isc: null, nib: null });
  });

  test("a ZAPQ of the host likewise, and it shows the status", () => {
    const world = registered();
    unrecorded(world, { kind: "hw_zapq", apqn: 0x0504, status: 0x80000000 });
    const queue = rendered(world).queues.find(({ apqn }) => apqn === "05.0004");
    expect(queue).toMatchObject({ isc: "unknown", nib: "unknown", status: { empty: true, rc: 0 } });
  });
});

describe("registrations", () => {
  const countsOf = (world: World): unknown => rendered(world).guests[0];

  test("gisc_register and gisc_unregister: counts and pins of that guest", () => {
    for (const kind of ["gisc_register", "gisc_unregister"] as const) {
      const world = running("V61");
      expect(countsOf(world)).toMatchObject({ gisc: {}, pinned: {} });
      unrecorded(world, { kind, kvm: pointerOf(world), gisc: 3, rc: 0 });
      expect(countsOf(world)).toMatchObject({ gisc: "unknown", pinned: "unknown" });
    }
    const other = running("V61");
    unrecorded(other, { kind: "gisc_register", kvm: "000000000000beef", gisc: 3, rc: 0 });
    expect(countsOf(other)).toMatchObject({ gisc: {}, pinned: {} });
  });

  test.each(["pin_pages", "unpin_pages"] as const)("%s: pins, and what queues have registered", (kind) => {
    const world = running("V61");
    const effect: ApEffect =
      kind === "pin_pages" ? { kind, iova: zeroWord, npage: 1, rc: 1 } : { kind, iova: wordOf(0, 0x1000), npage: 1 };
    unrecorded(world, effect);
    expect(countsOf(world)).toMatchObject({ pinned: "unknown" });
    expect(rendered(world).queues.find(({ apqn }) => apqn === "05.0004")).toMatchObject({ isc: "unknown" });
  });
});

describe("calls of processes that were not recorded", () => {
  const blind = { ...everything, syscalls: false };

  /** Runs an operation of which the probes were recorded, and no system calls. */
  function among(world: World, ...unseen: readonly string[]): void {
    const operation = operationOf("unrecorded", { kind: "unrecorded" }, { kind: "unknown", reason: "none" }, []);
    const observability = { ...blind, sees: (kind: string) => !unseen.includes(kind) };
    expect(attempt(apModel, world.state, operation, observability).kind).toBe("explained");
    world.state.journal.commit();
  }

  test("matrices, masks and links are not known any more; guests are, where attaching shows", () => {
    const world = running("V61");
    among(world);
    const { mdevs, guests, queues } = rendered(world);
    expect(mdevs[0]).toMatchObject({
      matrix: { apm: "unknown", aqm: "unknown", adm: "unknown" },
      shadow: { apm: "unknown", aqm: "unknown", adm: "unknown" },
      kvm: pointerOf(world),
    });
    expect(guests[0]).toMatchObject({ hook: world.mdev("A").uuid, crycb: { apm: "unknown" } });
    expect(queues.find(({ apqn }) => apqn === "05.0004")).toMatchObject({ driver: "vfio_ap", mdev: "unknown" });
    expect(mayRead(world, { on: "bus", name: "apmask" }, `${hexOf([1])}\n`)).toBe(true);
    expect(mayRead(world, { on: "bus", name: "config_time" }, "77\n")).toBe(true);
  });

  test("nor are guests, where attaching does not show", () => {
    const world = running("V61");
    among(world, "mdev_set_kvm");
    const { mdevs, guests } = rendered(world);
    expect(mdevs[0]?.kvm).toBe("unknown");
    expect(guests[0]?.hook).toBe("unknown");
  });

  test("scans that leave no line take and bring queues", () => {
    const world = running("V61");
    const operation = operationOf("unrecorded", { kind: "unrecorded" }, { kind: "unknown", reason: "none" }, []);
    attempt(apModel, world.state, operation, { syscalls: true, sees: (kind: string) => kind !== "queue_remove" });
    const { mdevs, queues } = rendered(world);
    expect(queues.map(({ driver }) => driver)).toEqual(queues.map(() => "unknown"));
    expect(mdevs[0]).toMatchObject({ matrix: { apm: hexOf([5]) }, shadow: { apm: "unknown" } });
  });
});

describe("what an overlapping assign may see", () => {
  test("EBUSY of V9 while the guest lives, and not after an unseen end", () => {
    const world = running("V9");
    const write = (errno: string): boolean =>
      !world.refuses(operationOf("write", writeOf(world.attributeOf("A", "assign_adapter"), "6\n"), failed(errno), []));
    expect(write("EBUSY")).toBe(true);
    unrecorded(world, { kind: "apcb_clear", kvm: pointerOf(world) });
    expect(write("EBUSY")).toBe(false);
  });
});
