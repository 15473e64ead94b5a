import { describe, expect, test } from "vitest";
import { brokenInvariants } from "../../../../src/model/ap/invariants.js";
import { apRules } from "../../../../src/model/ap/rules.js";
import type { Guest, Leak, Mdev, Queue } from "../../../../src/model/ap/state.js";
import { oneOf, unknown } from "../../../../src/model/core/known.js";
import { everyFieldOf } from "../../touched.js";
import { cellOf } from "../cell.js";
import { type Profile, S0 } from "../machine.js";
import { A, B } from "../steps.js";
import { World } from "../world.js";

/** Invariants of interception and interrupts (vfio-ap-aqic 6): a sound state, and what breaks it. */

const NIB = "0x7f001000";

/** A = {5}×{4,47} with a running guest that has the interrupt of 05.0004 enabled, ISC 3; B = {6}×{4} without one. */
class Sound {
  readonly world: World;
  readonly guest: Guest;

  constructor(profile: Profile) {
    this.world = new World(profile, S0);
    for (const step of [A.create(), B.create()]) step.run(this.world, cellOf("n"), "create");
    A.has("{05}×{04,47}").run(this.world, cellOf("n"), "A");
    B.has("{06}×{04}").run(this.world, cellOf("n"), "B");
    this.world.mdev("A").shadow = { apm: [5], aqm: [0x04, 0x47], adm: [] };
    A.start().run(this.world, cellOf("set"), "start");
    const [guest] = this.world.state.guests.values();
    if (guest === undefined) throw new Error("no guest");
    this.guest = guest;
    guest.gisc = [0, 0, 0, 1, 0, 0, 0, 0];
    guest.alertMask = 0x10;
    guest.pins = new Map([[NIB, 1]]);
    guest.leaks = [];
    Object.assign(this.queue, { savedIsc: 3, savedNib: NIB, heldBy: guest, irq: true });
  }

  get queue(): Queue {
    const queue = this.world.state.queues.get(0x0504);
    if (queue === undefined) throw new Error("no queue");
    return queue;
  }

  mdev(name: "A" | "B"): Mdev {
    const m = this.world.state.mdevs.get(this.world.mdev(name).uuid);
    if (m === undefined) throw new Error("no mdev");
    return m;
  }

  leak(kind: Leak["kind"], what: string | number, apqn?: number): void {
    const [rule] = apRules;
    if (rule === undefined) throw new Error("no rule");
    const leaks = this.guest.leaks;
    this.guest.leaks = [...(Array.isArray(leaks) ? leaks : []), { kind, what, apqn, rule }];
  }

  /** Those that are broken and that no rule prescribes, by their bare names. */
  broken(): readonly string[] {
    const { mdevs, queues, guests, host } = this.world.state;
    const all = [host, ...mdevs.values(), ...queues.values(), ...guests.values()];
    const broken = brokenInvariants(this.world.state, everyFieldOf(all));
    const own = broken.filter(({ rule, prescribedBy }) => rule.id.startsWith("aqic/") && prescribedBy === undefined);
    return [...new Set(own.map(({ rule }) => rule.id.slice("aqic/".length)))].sort();
  }
}

const every = ["V9", "V12", "V61"] as const;

const breaks: readonly (readonly [
  what: string,
  profiles: readonly Profile[],
  broken: readonly string[],
  act: (sound: Sound) => void,
])[] = [
  ["nothing", every, [], () => {}],
  // INV-1
  ["an ISC without a NIB", every, ["INV-1", "INV-2"], (s) => void Object.assign(s.queue, { savedNib: null })],
  ["a NIB without an ISC", every, ["INV-1", "INV-3"], (s) => void Object.assign(s.queue, { savedIsc: null })],
  [
    "an ISC without a NIB that may be one in page 0 (NIB-6)",
    ["V9", "V12"],
    ["INV-2"],
    (s) => {
      s.queue.savedNib = null;
      s.leak("pin", "0x0", 0x0504);
    },
  ],
  ["a NIB that is not known", every, [], (s) => void Object.assign(s.queue, { savedNib: unknown })],
  // INV-2
  ["a pin that nobody has saved", every, ["INV-2"], (s) => void Object.assign(s.guest, { pins: new Map([[NIB, 2]]) })],
  ["a saved NIB that is not pinned", every, ["INV-2"], (s) => void Object.assign(s.guest, { pins: new Map() })],
  ["another page pinned", every, ["INV-2"], (s) => void Object.assign(s.guest, { pins: new Map([["0x7f002000", 1]]) })],
  [
    "a pin that leaked",
    every,
    [],
    (s) => {
      s.guest.pins = new Map([[NIB, 2]]);
      s.leak("pin", NIB, 0x0504);
    },
  ],
  [
    "a saved NIB whose pin a DMA unmap took away",
    every,
    [],
    (s) => {
      s.guest.pins = new Map();
      s.leak("stale", NIB, 0x0504);
    },
  ],
  [
    "another guest with a registration of its own",
    every,
    [],
    (s) => {
      s.world.mdev("B").shadow = { apm: [6], aqm: [0x04], adm: [] };
      B.start().run(s.world, cellOf("set"), "start B");
      const other = [...s.world.state.guests.values()].find((guest) => guest !== s.guest);
      const queue = s.world.state.queues.get(0x0604);
      if (other === undefined || queue === undefined) throw new Error("no other guest");
      Object.assign(other, { gisc: [0, 0, 0, 0, 0, 1, 0, 0], alertMask: 0x04, pins: new Map([["0x7f003000", 1]]) });
      Object.assign(queue, { savedIsc: 5, savedNib: "0x7f003000", heldBy: other, irq: true });
    },
  ],
  ["pins that are not known", every, [], (s) => void Object.assign(s.guest, { pins: unknown })],
  // INV-3, INV-4
  [
    "an ISC registered once too often",
    every,
    ["INV-3"],
    (s) => void Object.assign(s.guest, { gisc: [0, 0, 0, 2, 0, 0, 0, 0] }),
  ],
  [
    "an ISC that nobody has saved",
    every,
    ["INV-3"],
    (s) => void Object.assign(s.guest, { gisc: [1, 0, 0, 1, 0, 0, 0, 0], alertMask: 0x90 }),
  ],
  [
    "an ISC that leaked",
    every,
    [],
    (s) => {
      Object.assign(s.guest, { gisc: [0, 0, 0, 1, 0, 0, 0, 1], alertMask: 0x11 });
      s.leak("isc", 7, 0x0504);
    },
  ],
  [
    "a saved ISC that was never registered",
    every,
    [],
    (s) => {
      Object.assign(s.guest, { gisc: [0, 0, 0, 0, 0, 0, 0, 0], alertMask: 0 });
      s.leak("stale", 3, 0x0504);
    },
  ],
  [
    "whose registration it is is not known",
    every,
    [],
    (s) => {
      s.queue.heldBy = oneOf<Guest | null>([s.guest, null]);
      s.guest.gisc = [0, 0, 0, 1, 0, 0, 0, 0];
    },
  ],
  ["an alert bit without a registration", every, ["INV-4"], (s) => void Object.assign(s.guest, { alertMask: 0x30 })],
  ["a registration without its alert bit", every, ["INV-4"], (s) => void Object.assign(s.guest, { alertMask: 0 })],
  ["an alert bit of the wrong end", every, ["INV-4"], (s) => void Object.assign(s.guest, { alertMask: 0x08 })],
  ["an alert mask that is not known", every, [], (s) => void Object.assign(s.guest, { alertMask: unknown })],
  // INV-5, INV-6
  ["an ISC of 8", every, ["INV-3", "INV-5"], (s) => void Object.assign(s.queue, { savedIsc: 8 })],
  ["an ISC below 0", every, ["INV-3", "INV-5"], (s) => void Object.assign(s.queue, { savedIsc: -1 })],
  ["an ISC of 7", every, ["INV-3"], (s) => void Object.assign(s.queue, { savedIsc: 7 })],
  ["a NIB of a queue that is not bound", every, ["INV-6"], (s) => void Object.assign(s.queue, { driver: "default" })],
  ["a NIB of a queue that may not be bound", every, [], (s) => void Object.assign(s.queue, { driver: unknown })],
  // INV-8
  [
    "a queue in a table that names another mdev",
    ["V12", "V61"],
    ["INV-8"],
    (s) => void Object.assign(s.queue, { owner: s.mdev("B") }),
  ],
  ["a queue in no table that names an mdev", ["V12"], ["INV-8"], (s) => void Object.assign(s.queue, { linked: null })],
  // INV-10, INV-12
  [
    "a guest whose hook is an mdev without it",
    ["V61"],
    ["INV-10", "INV-12"],
    (s) => {
      s.mdev("A").kvm = null;
    },
  ],
  [
    "an mdev whose guest has no hook",
    ["V9", "V12", "V61"],
    ["INV-10"],
    (s) => {
      s.guest.hook = null;
      // Held against INV-13: nothing is registered any more.
      Object.assign(s.queue, { savedIsc: null, savedNib: null, heldBy: null });
      Object.assign(s.guest, { gisc: [0, 0, 0, 0, 0, 0, 0, 0], alertMask: 0, pins: new Map() });
    },
  ],
  ["a reference too many", every, ["INV-12"], (s) => void Object.assign(s.guest, { refs: 2 })],
  ["a reference too few", every, ["INV-12"], (s) => void Object.assign(s.guest, { refs: 0 })],
  [
    "a reference too many that a rule explains",
    every,
    [],
    (s) => {
      s.guest.refs = 2;
      s.leak("ref", 1);
    },
  ],
  ["references that are not known", every, [], (s) => void Object.assign(s.guest, { refs: unknown })],
  [
    "a guest of which it is not known whether another mdev has it",
    every,
    [],
    (s) => {
      s.guest.refs = 2;
      s.mdev("B").kvm = unknown;
    },
  ],
  // INV-16
  [
    "an interrupt that nobody registered for",
    every,
    ["INV-16"],
    (s) => void Object.assign(s.queue, { strayIrq: true }),
  ],
];

describe("invariants of interrupts", () => {
  for (const [what, profiles, broken, act] of breaks) {
    test.each(profiles)(`${what}, %s`, (profile) => {
      const sound = new Sound(profile);
      sound.guest.refs = 1;
      act(sound);
      expect(sound.broken()).toEqual([...broken].sort());
    });
  }

  test("INV-13: registrations of a guest without an mdev, but for queues whose reset failed", () => {
    for (const [profile, resetRc, expected] of [
      ["V9", 0, ["INV-13"]],
      ["V61", 0, []],
      ["V61", 5, []],
    ] as const) {
      const sound = new Sound(profile);
      sound.guest.refs = 0;
      sound.guest.hook = null;
      sound.mdev("A").kvm = null;
      sound.queue.resetRc = resetRc;
      expect([profile, resetRc, sound.broken().filter((name) => name === "INV-13")]).toEqual([
        profile,
        resetRc,
        expected,
      ]);
    }
  });

  test("a guest that is gone is not looked at", () => {
    const sound = new Sound("V61");
    Object.assign(sound.guest, { refs: 7, live: false });
    expect(sound.broken()).toEqual([]);
  });
});
