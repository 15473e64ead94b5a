import { describe, expect, it } from "vitest";
import { oneOf, unknown } from "../../../src/model/core/known.js";
import { leaveIfUnused } from "../../../src/model/platform/groups.js";
import { platformModel } from "../../../src/model/platform/model.js";
import { Container, Device, DeviceFile, Eventfd, Group, Line, Vector } from "../../../src/model/platform/state.js";
import { everyFieldOf } from "../touched.js";
import { judge } from "./judge.js";
import { DEVICE, opened } from "./script.js";

const LINES = [{ trigger: "level" }, { trigger: "edge" }];
const DEVICE_FACTS = { bus: "platform", hasReset: true, resetResult: 0, regions: [], wired: LINES, hasMsiDomain: true };
const FACTS = { noiommu: true, resetRequired: true, nrIrqs: 64, devices: { "d.test": DEVICE_FACTS } };

describe("states (design section 4)", () => {
  it("lines and vectors of an open device", () => {
    const script = opened()
      .set(0x24, 0, 0, 1, [6], 0)
      .set(0x14, 0, 0, 1, [7], 0)
      .set(0x09, 0, 0, 1, [], 0)
      .set(0x24, 2, 0, 2, [-1, 8], 0);
    expect(judge(script.lines, "platform-msi-rfc-v2", FACTS).state).toEqual({
      devices: [
        {
          name: "d.test",
          open: true,
          irqs: [
            {
              index: 0,
              flags: 7,
              count: 1,
              masked: true,
              trigger: "eventfd 77/6",
              unmaskFd: "eventfd 77/7",
              maskFd: null,
            },
            { index: 1, flags: 1, count: 1, masked: false, trigger: null, unmaskFd: null, maskFd: null },
            {
              index: 2,
              flags: 0x11,
              count: 64,
              msi: { configured: true, vectors: [{ trigger: null }, { trigger: "eventfd 77/8" }] },
            },
          ],
        },
      ],
    });
  });

  it("a closed device has no interrupts", () => {
    const script = opened().set(0x24, 0, 0, 1, [6], 0).close(DEVICE);
    expect(judge(script.lines, "platform-base", FACTS).state).toEqual({ devices: [{ name: "d.test", open: false }] });
  });

  it("a copy is the same state and shares nothing that can change", () => {
    const state = platformModel.initial({
      profile: "platform-base",
      facts: FACTS,
      environment: [],
      arch: "aarch64",
      note: () => {},
    });
    const copy = platformModel.clone(state);
    expect(platformModel.fingerprint(copy)).toBe(platformModel.fingerprint(state));
    const line = copy.devices.get("d.test")?.lines.get(0);
    if (line === undefined) throw new Error("no line");
    copy.journal.set(line, "masked", true);
    expect(platformModel.fingerprint(copy)).not.toBe(platformModel.fingerprint(state));
  });

  it("facts of a wrong type are remarks", () => {
    const notes: string[] = [];
    const facts = {
      noiommu: "perhaps",
      surprise: 1,
      devices: { "d.test": { bus: "pci", wired: [{ trigger: "both" }] } },
    };
    platformModel.initial({
      profile: "platform-base",
      facts,
      environment: [],
      arch: undefined,
      note: (text) => notes.push(text),
    });
    expect(notes.join("\n")).toMatch(/noiommu/);
    expect(notes.join("\n")).toMatch(/surprise/);
    expect(notes.join("\n")).toMatch(/bus/);
    expect(notes.join("\n")).toMatch(/trigger/);
  });
});

describe("rules", () => {
  it("every rule of the specification stands in the model, with a title, a text and a source", () => {
    const named = new Set(platformModel.rules.map(({ id }) => id.replace("platform/", "")));
    const groups: Readonly<Record<string, number>> = { VDEV: 15, VIRQ: 8, VSET: 13, VMASK: 11, VMSI: 14, INV: 12 };
    for (const [group, count] of Object.entries(groups)) {
      for (let n = 1; n <= count; n++) expect(named).toContain(`${group}-${n}`);
    }
    for (const rule of platformModel.rules) {
      expect(rule.title.length * rule.text.length * rule.source.length * rule.profiles.length).toBeGreaterThan(0);
    }
    expect(named.size).toBe(platformModel.rules.length);
  });
});

describe("states of the model", () => {
  const setting = { profile: "platform-msi-rfc-v2", facts: FACTS, environment: [], arch: "aarch64", note: () => {} };

  it("a copy has its own vectors, and the eventfds of its own state in their slots", () => {
    const state = platformModel.initial(setting);
    const device = state.devices.get("d.test");
    if (device === undefined) throw new Error("no device");
    const eventfd = new Eventfd(1, "eventfd 77/6");
    state.eventfds.set(1, eventfd);
    const vector = new Vector(0);
    vector.trigger = eventfd;
    device.msi.vectors = [vector];
    device.msi.configured = true;
    state.files.set(5, new DeviceFile(5, device));
    const copy = platformModel.clone(state);
    expect(copy.files.get(5)?.device).toBe(copy.devices.get("d.test"));
    const twin = copy.devices.get("d.test")?.msi.vectors?.[0];
    expect(twin?.trigger).toBe(copy.eventfds.get(1));
    expect(twin?.trigger).not.toBe(eventfd);
    expect(platformModel.fingerprint(copy)).toBe(platformModel.fingerprint(state));
    if (twin === undefined) throw new Error("no vector");
    twin.trigger = null;
    expect(vector.trigger).toBe(eventfd);
    expect(platformModel.fingerprint(copy)).not.toBe(platformModel.fingerprint(state));
  });

  it("a group that is left may have been in a container: what that one has is not known then (VDEV-15)", () => {
    const state = platformModel.initial(setting);
    const container = Object.assign(new Container(1), { groups: 1, iommu: 8 });
    const group = new Group("noiommu-0");
    Object.assign(group, { released: true, devices: 0, container: oneOf([container, null]) });
    leaveIfUnused(state, group);
    expect([group.container, group.opened, container.groups, container.iommu]).toEqual([null, false, unknown, unknown]);
  });

  it("invariants are broken by what no call can lead to, and by nothing else", () => {
    const state = platformModel.initial(setting);
    const eventfd = new Eventfd(1, "eventfd 77/6");
    const broken = (...objects: readonly object[]): readonly string[] =>
      platformModel.broken(state, everyFieldOf(objects)).map(({ rule }) => rule.id.replace("platform/", ""));
    const line = (flags: number, change: (line: Line) => unknown): Line => {
      const made = new Line(0);
      made.flags = flags;
      change(made);
      return made;
    };
    const mask = (made: Line): void => {
      made.masked = true;
      made.maskFd = eventfd;
    };
    expect(broken(line(1, mask))).toEqual(["INV-2", "INV-3"]);
    expect(broken(line(7, mask))).toEqual([]);
    const unmask = line(1, (made) => Object.assign(made, { unmaskFd: eventfd }));
    expect(broken(unmask)).toEqual(["INV-3"]);
    const device = new Device("d.test", "d.test");
    device.lines.set(
      0,
      line(1, (made) => Object.assign(made, { trigger: eventfd })),
    );
    expect(broken(device)).toEqual(["INV-10"]);
    device.openCount = 1;
    expect(broken(device)).toEqual([]);
    device.msi.configured = true;
    expect(broken(device.msi)).toEqual(["INV-5"]);
    device.msi.vectors = [new Vector(0)];
    expect(broken(device.msi)).toEqual([]);
    device.msi.configured = false;
    expect(broken(device.msi)).toEqual(["INV-5"]);
  });
});

describe("a field after two runs that both explain an observation", () => {
  const join = (key: string, a: unknown, b: unknown, object: object = {}): unknown =>
    platformModel.join(object, key, a, b);

  it("allows what either allows", () => {
    expect(join("masked", true, false)).toEqual(oneOf([true, false]));
    expect([join("min", 1n, 3n), join("min", 3n, 1n)]).toEqual([1n, 1n]);
    expect([join("max", 1n, 3n), join("max", 3n, 1n)]).toEqual([3n, 3n]);
  });

  it("is sure only where both are, and open where either is", () => {
    for (const [a, b] of [
      [true, false],
      [false, true],
    ] as const) {
      for (const key of ["silent", "noted", "open", "released", "closed"]) {
        expect([key, join(key, a, b)]).toEqual([key, false]);
      }
      for (const key of ["pendingEdge", "upset", "shutOff", "linesUnknown", "declaredSilent", "active"]) {
        expect([key, join(key, a, b)]).toEqual([key, true]);
      }
    }
    for (const key of ["group", "exposed", "undefinedBy"]) {
      expect([key, join(key, "one", undefined), join(key, undefined, "one")]).toEqual([key, "one", "one"]);
    }
    expect([join("installs", 1, 2), join("installs", 2, 1)]).toEqual([2, 2]);
  });

  it("of vectors joins their triggers, where there are as many", () => {
    const vector = (trigger: Eventfd | null): Vector => {
      const made = new Vector(0);
      made.trigger = trigger;
      return made;
    };
    const eventfd = new Eventfd(1, "eventfd 77/6");
    expect(join("vectors", [vector(null)], [vector(null), vector(null)])).toBeUndefined();
    expect(join("vectors", [vector(null)], undefined)).toBeUndefined();
    const joined = join("vectors", [vector(eventfd)], [vector(null)]);
    expect(joined).toEqual([Object.assign(new Vector(0), { trigger: oneOf([eventfd, null]) })]);
  });
});
