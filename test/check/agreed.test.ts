import { expect, test } from "vitest";
import { agreed } from "../../src/check/agreed.js";

test("what several states agree on", () => {
  const a = {
    bus: { apmask: "0x1", aqmask: "0x2" },
    queues: [
      { apqn: "1", isc: 3 },
      { apqn: "2", isc: 4 },
    ],
  };
  const b = {
    bus: { apmask: "0x1", aqmask: "0x3" },
    queues: [
      { apqn: "2", isc: null },
      { apqn: "1", isc: 3 },
    ],
  };
  expect(agreed([a])).toBe(a);
  expect(agreed([a, b])).toEqual({
    bus: { apmask: "0x1", aqmask: "unknown" },
    queues: [
      { apqn: "1", isc: 3 },
      { apqn: "2", isc: "unknown" },
    ],
  });
  expect(agreed([a, b, a])).toEqual(agreed([a, b]));
});

test("members of a list that not all have are left out, keys that not all have are unknown", () => {
  const a = { guests: [{ kvm: "1", gisc: { "3": 1 } }], mdevs: [{ uuid: "a" }, { uuid: "b" }] };
  const b = { guests: [{ kvm: "1", gisc: {} }], mdevs: [{ uuid: "b" }] };
  expect(agreed([a, b])).toEqual({ guests: [{ kvm: "1", gisc: { "3": "unknown" } }], mdevs: [{ uuid: "b" }] });
});
