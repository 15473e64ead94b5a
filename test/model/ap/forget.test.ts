import { describe, expect, test } from "vitest";
import { forgetEnded } from "../../../src/model/ap/forget.js";
import { initialState } from "../../../src/model/ap/initial.js";
import { renderState } from "../../../src/model/ap/render.js";
import { type ApState, DeviceFile, Group, Guest, Mdev, Queue, VcpuTask } from "../../../src/model/ap/state.js";
import { oneOf } from "../../../src/model/core/known.js";

const MANY = 3000;

function emptyState(): ApState {
  const s = initialState({ profile: "linux-6.1", facts: {}, environment: [], arch: "s390x", note: () => {} });
  s.host.hiddenMdevs = 0;
  return s;
}

function uuid(n: number): string {
  return `${n.toString(16).padStart(8, "0")}-0000-0000-0000-000000000000`;
}

/** A guest's life with an mdev, over: nothing of it exists any more. */
function past(s: ApState, n: number): { readonly m: Mdev; readonly guest: Guest } {
  const m = new Mdev(uuid(n));
  m.present = false;
  m.kvm = null;
  s.mdevs.set(m.uuid, m);
  const guest = new Guest(n, `0x${n}`, n);
  guest.live = false;
  s.guests.set(n, guest);
  const group = new Group(n);
  group.holders = [];
  s.groups.set(n, group);
  const device = new DeviceFile(n, group);
  device.mdev = m;
  device.closed = true;
  s.devices.set(n, device);
  const task = new VcpuTask(n);
  task.guest = guest;
  s.vcpus.set(n, task);
  return { m, guest };
}

function sizes(s: ApState): readonly number[] {
  return [s.mdevs.size, s.guests.size, s.groups.size, s.devices.size, s.vcpus.size];
}

describe("what has ended is forgotten", () => {
  test("however long the recording: a state holds what exists", () => {
    const s = emptyState();
    for (let n = 0; n < MANY; n++) past(s, n);
    forgetEnded(s);
    expect(sizes(s)).toEqual([0, 0, 64, 0, 0]);
  });

  test("not while there is little", () => {
    const s = emptyState();
    for (let n = 0; n < 10; n++) past(s, n);
    forgetEnded(s);
    expect(sizes(s)).toEqual([10, 10, 10, 10, 10]);
  });

  test("and not what something still refers to", () => {
    const s = emptyState();
    const queue = new Queue(0x0504);
    s.queues.set(queue.apqn, queue);
    const stale = past(s, 0);
    queue.owner = oneOf<Mdev | null>([stale.m, null]);
    const hooked = past(s, 1);
    hooked.guest.hook = hooked.m;
    const used = past(s, 2);
    used.m.present = true;
    used.m.kvm = used.guest;
    const served = past(s, 3);
    const group = s.groups.get(3);
    if (group !== undefined) group.served = served.guest;
    const open = past(s, 4);
    const device = s.devices.get(4);
    if (device !== undefined) device.closed = false;
    const alive = past(s, 5);
    alive.guest.live = true;
    const removing = past(s, 6);
    removing.m.removing = true;
    const before = JSON.stringify(renderState(s));
    for (let n = 10; n < 500; n++) past(s, n);
    forgetEnded(s);
    expect([...s.mdevs.keys()]).toEqual([stale, hooked, used, open, removing].map(({ m }) => m.uuid));
    expect([...s.guests.keys()]).toEqual([1, 2, 3, 5]);
    expect([...s.devices.keys()]).toEqual([4]);
    expect([...s.vcpus.keys()]).toEqual([5]);
    expect(JSON.stringify(renderState(s))).toBe(before);
  });

  test("guests whose end nobody recorded are kept up to a number, the newest", () => {
    const s = emptyState();
    for (let n = 0; n < MANY; n++) past(s, n).guest.live = true;
    forgetEnded(s);
    expect(s.guests.size).toBe(1024);
    expect(s.guests.has(MANY - 1)).toBe(true);
    expect(s.vcpus.size).toBe(1024);
    expect(s.guestsForgotten).toBe(true);
  });

  test("mdevs that may exist are kept where every other one is known not to", () => {
    const s = emptyState();
    for (let n = 0; n < MANY; n++) past(s, n).m.present = oneOf([true, false]);
    forgetEnded(s);
    expect(s.mdevs.size).toBe(MANY);
    s.host.hiddenMdevs = 1;
    s.nextForget = 0;
    forgetEnded(s);
    expect(s.mdevs.size).toBe(1024);
  });
});
