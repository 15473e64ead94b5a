import { describe, expect, test } from "vitest";
import { brokenInvariants } from "../../../src/model/ap/invariants.js";
import type { Guest, Mdev, Queue } from "../../../src/model/ap/state.js";
import { exactly, unknownBits } from "../../../src/model/core/bits.js";
import { oneOf, unknown } from "../../../src/model/core/known.js";
import { everyFieldOf } from "../touched.js";
import { cellOf } from "./cell.js";
import { type Profile, S0 } from "./machine.js";
import { all, allBut, type Numbers } from "./notation.js";
import { apcbSet, maskOfNumbers, operationOf, readOf, writeOf } from "./observed.js";
import { A, B } from "./steps.js";
import { World } from "./world.js";

/** A = {5}×{4,47} with a running guest and control domain 4; B = {6}×{4} without one. */
class Sound {
  readonly world: World;

  constructor(profile: Profile) {
    this.world = new World(profile, S0);
    for (const step of [A.create(), B.create()]) step.run(this.world, cellOf("n"), "create");
    A.has("{05}×{04,47}", "{04}").run(this.world, cellOf("n"), "A");
    B.has("{06}×{04}").run(this.world, cellOf("n"), "B");
    this.world.mdev("A").shadow = { apm: [5], aqm: [0x04, 0x47], adm: [0x04] };
    A.start().run(this.world, cellOf("set"), "start");
  }

  mdev(name: "A" | "B"): Mdev {
    const m = this.world.state.mdevs.get(this.world.mdev(name).uuid);
    if (m === undefined) throw new Error("no mdev");
    return m;
  }

  queue(apqn: number): Queue {
    const queue = this.world.state.queues.get(apqn);
    if (queue === undefined) throw new Error("no queue");
    return queue;
  }

  get guest(): Guest {
    for (const guest of this.world.state.guests.values()) return guest;
    throw new Error("no guest");
  }
}

function bits(...numbers: Numbers): ReturnType<typeof exactly> {
  return exactly(maskOfNumbers(numbers));
}

type Break = (sound: Sound) => void;

/** What breaks an invariant, and that alone, in a state that was sound. */
const breaks: readonly (readonly [
  name: string,
  profiles: readonly Profile[],
  broken: readonly string[],
  act: Break,
])[] = [
  [
    "the same APQN in two mdevs",
    ["V9", "V12", "V61"],
    ["INV-1"],
    (sound) => {
      // 06 is neither in A's shadow nor linked to it.
      sound.mdev("A").apm = bits(5, 6);
      sound.queue(0x0647).driver = "none";
    },
  ],
  [
    "an adapter of the shadow that is not assigned",
    ["V12", "V61"],
    ["INV-2", "INV-4"],
    (sound) => {
      sound.mdev("B").shApm = bits(5, 6);
    },
  ],
  [
    "a domain of the shadow that is not assigned",
    ["V12", "V61"],
    ["INV-2", "INV-4"],
    (sound) => {
      sound.mdev("B").shAqm = bits(0x04, 0xab);
    },
  ],
  [
    "a control domain of the shadow that is not assigned",
    ["V12", "V61"],
    ["INV-2"],
    (sound) => {
      sound.mdev("B").shAdm = bits(0x47);
    },
  ],
  [
    "an assigned APQN that is reserved",
    ["V9", "V12", "V61"],
    ["INV-3"],
    (sound) => {
      sound.world.state.host.apmask = bits(...allBut(5));
      for (const apqn of [0x0604, 0x0647, 0x06ab]) sound.queue(apqn).driver = "default";
      sound.queue(0x0604).linked = null;
      sound.mdev("B").shApm = bits();
    },
  ],
  [
    "an APQN of the shadow whose queue is not bound",
    ["V12", "V61"],
    ["INV-4"],
    (sound) => {
      sound.queue(0x0604).driver = "none";
      sound.queue(0x0604).linked = null;
    },
  ],
  [
    "an APQN of the shadow whose queue is linked to nobody",
    ["V12", "V61"],
    ["INV-4", "INV-10"],
    (sound) => {
      sound.queue(0x0604).linked = null;
    },
  ],
  [
    "an adapter of the shadow that the host lacks",
    ["V61"],
    ["INV-5"],
    (sound) => {
      sound.world.state.host.infoApm = bits(5);
    },
  ],
  [
    "a domain of the shadow that the host lacks",
    ["V61"],
    ["INV-5"],
    (sound) => {
      sound.world.state.host.infoAqm = bits(0x04);
    },
  ],
  [
    "a control domain of the shadow that the host lacks",
    ["V61"],
    ["INV-6"],
    (sound) => {
      sound.world.state.host.infoAdm = bits();
    },
  ],
  [
    "a guest that has less than the shadow",
    ["V9", "V12", "V61"],
    ["INV-7"],
    (sound) => {
      sound.guest.aqm = bits(0x04);
    },
  ],
  [
    "a guest without an mdev that kept its masks",
    ["V9", "V12", "V61"],
    ["INV-7"],
    (sound) => {
      sound.guest.hook = null;
      sound.mdev("A").kvm = null;
    },
  ],
  [
    "a VM with two mdevs",
    ["V9", "V12", "V61"],
    ["INV-8"],
    (sound) => {
      sound.mdev("B").kvm = sound.guest;
    },
  ],
  [
    "a linked queue that is not assigned",
    ["V12", "V61"],
    ["INV-9"],
    (sound) => {
      sound.queue(0x06ab).linked = sound.mdev("B");
    },
  ],
  [
    "an assigned queue that is bound and not linked",
    ["V12", "V61"],
    ["INV-10"],
    (sound) => {
      sound.queue(0x0604).linked = null;
      sound.mdev("B").shApm = bits();
    },
  ],
  [
    "an adapter beyond the maximum",
    ["V9", "V12", "V61"],
    ["INV-11"],
    (sound) => {
      sound.mdev("B").apmMax = 5;
    },
  ],
  [
    "a control domain beyond the maximum",
    ["V9", "V12", "V61"],
    ["INV-11"],
    (sound) => {
      sound.mdev("B").aqmMax = 0x04;
      sound.mdev("B").adm = bits(0x05);
    },
  ],
  [
    "an instance that was lost",
    ["V9", "V61"],
    ["INV-13"],
    (sound) => {
      sound.world.state.host.available = 65533;
    },
  ],
  [
    "an instance too many",
    ["V9", "V12", "V61"],
    ["INV-13"],
    (sound) => {
      sound.world.state.host.available = 65535;
    },
  ],
  [
    "a queue of the host that is bound to vfio_ap",
    ["V9", "V12", "V61"],
    ["INV-14"],
    (sound) => {
      // No mdev has 06.00ab.
      sound.world.state.host.apmask = bits(6);
      sound.world.state.host.aqmask = bits(0xab);
    },
  ],
  [
    "a queue of nobody that a default driver has",
    ["V9", "V12", "V61"],
    ["INV-14"],
    (sound) => {
      sound.queue(0x06ab).driver = "default";
    },
  ],
  [
    "additions outside a scan",
    ["V61"],
    ["INV-15"],
    (sound) => {
      sound.mdev("B").aqmAdd = bits(0x04);
    },
  ],
  [
    "additions of the driver outside a scan",
    ["V12"],
    ["INV-15"],
    (sound) => {
      sound.world.state.host.apAdd = bits(6);
    },
  ],
  [
    "a guest with an APQN of the host",
    ["V9", "V12", "V61"],
    ["INV-17"],
    (sound) => {
      // What it runs with is not assigned any more, and the queue is back with its driver.
      const m = sound.mdev("A");
      for (const side of ["apm", "aqm", "adm"] as const) m[side] = bits();
      for (const apqn of [0x0504, 0x0547, 0x05ab]) {
        sound.queue(apqn).driver = "default";
        sound.queue(apqn).linked = null;
      }
      m.kvm = null;
      for (const side of ["shApm", "shAqm", "shAdm"] as const) m[side] = bits();
      sound.world.state.host.apmask = bits(5);
      sound.world.state.host.aqmask = bits(...all);
    },
  ],
];

/** What a profile's own rules break. */
const prescribed: readonly (readonly [id: string, profile: Profile, act: Break])[] = [
  [
    "INV-3",
    "V9",
    (sound) => {
      sound.world.state.host.apmask = bits(6);
    },
  ],
  [
    "INV-17",
    "V9",
    (sound) => {
      sound.world.state.host.apmask = bits(5);
    },
  ],
  [
    "INV-4",
    "V12",
    (sound) => {
      sound.queue(0x0604).linked = null;
    },
  ],
  [
    "INV-9",
    "V12",
    (sound) => {
      sound.queue(0x06ab).linked = sound.mdev("B");
    },
  ],
  [
    "INV-10",
    "V12",
    (sound) => {
      sound.queue(0x0604).linked = null;
    },
  ],
];

describe("invariants (section 6)", () => {
  test.each(["V9", "V12", "V61"] as const)("none is broken in a sound state of %s", (profile) => {
    expect(new Sound(profile).world.broken()).toEqual([]);
  });

  for (const [name, profiles, broken, act] of breaks) {
    test.each(profiles)(`${name}: ${broken.join(", ")} in %s`, (profile) => {
      const sound = new Sound(profile);
      act(sound);
      expect([...sound.world.broken()].sort()).toEqual([...broken].sort());
    });
  }

  test("what is not known for certain is not reported", () => {
    const sound = new Sound("V61");
    const m = sound.mdev("B");
    m.apm = unknownBits;
    m.apmMax = unknown;
    sound.queue(0x0604).linked = oneOf<Mdev | null>([m, null]);
    sound.queue(0x06ab).driver = unknown;
    sound.world.state.host.available = unknown;
    expect(sound.world.broken()).toEqual([]);
  });

  test("they are looked for in what was touched alone, unless it was the host", () => {
    const sound = new Sound("V61");
    sound.queue(0x06ab).linked = sound.mdev("B");
    const found = (object: object): readonly string[] =>
      brokenInvariants(sound.world.state, everyFieldOf([object]))
        .map(({ rule }) => rule.id)
        .filter((id) => id.startsWith("ap-config/"));
    expect(found(sound.mdev("A"))).toEqual([]);
    expect(found(sound.queue(0x06ab))).toEqual(["ap-config/INV-9"]);
    expect(found(sound.world.state.host)).toEqual(["ap-config/INV-9"]);
  });

  test.each(prescribed)("%s is a known defect of %s, whose own rules break it", (id, profile, act) => {
    const sound = new Sound(profile);
    act(sound);
    const touched = everyFieldOf([sound.world.state.host]);
    const found = brokenInvariants(sound.world.state, touched).find(({ rule }) => rule.id === `ap-config/${id}`);
    expect(found?.prescribedBy).toBeDefined();
  });
});

/** INV-12 and INV-16 hold by what is computed: an observation that breaks them is refused. */
describe("invariants of observations", () => {
  test("INV-12: an assign cannot leave an adapter with a queue that failed its reset in the guest", () => {
    const sound = new Sound("V61");
    const { world } = sound;
    sound.queue(0x0547).resetRc = 4;
    const call = writeOf(world.attributeOf("A", "assign_domain"), "0xab\n");
    const kvm = world.mdev("A").guest?.pointer ?? "";
    const assign = (apm: Numbers): boolean =>
      world.refuses(
        operationOf("assign", call, { kind: "value", value: 5 }, [apcbSet(kvm, apm, [0x04, 0x47, 0xab], [0x04])]),
      );
    expect(assign([5])).toBe(true);
    expect(assign([])).toBe(false);
  });

  test("INV-16: guest_matrix shows the shadow and no other text", () => {
    const { world } = new Sound("V61");
    const file = world.attributeOf("A", "guest_matrix");
    const read = (text: string): boolean =>
      world.refuses(operationOf("read", readOf(file, text), { kind: "value", value: text.length }, []));
    expect(read("05.0004\n05.0047\n")).toBe(false);
    expect(read("05.0004\n")).toBe(true);
    expect(read("05.0047\n05.0004\n")).toBe(true);
    expect(read("05.4\n05.71\n")).toBe(true);
  });
});
