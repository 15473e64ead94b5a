import { expect, test } from "vitest";
import { S0 } from "./machine.js";
import { operationOf, readOf } from "./observed.js";
import { ALL, example, none, same, V9_V12_V61, V12_V61 } from "./scenario.js";
import { A, bind, read, readForm, states, write } from "./steps.js";
import { World } from "./world.js";

const configTime = { on: "bus", name: "config_time" } as const;
const domain = { on: "bus", name: "ap_domain" } as const;
const config = { on: "card", apid: 0x05, name: "config" } as const;
const online = { on: "card", apid: 0x05, name: "online" } as const;
const queueConfig = { on: "queue", apqn: 0x0504, name: "config" } as const;

/** What the machine answers to a configuration request is input (BUS-7); what a card is like, too. */
const MACHINE = ["EOPNOTSUPP", "EIO", "ENOMEM", "success"];

example("EX-29 (times)", "config_time and ap_domain", {
  covers: "BUS-3 BUS-4 BUS-5",
  columns: ALL,
  rows: [
    [write(configTime, "30 sec\n"), "7"],
    [read(configTime), 'reads "30\\n"'],
    [write(configTime, "4\n"), "EINVAL"],
    [write(configTime, "121\n"), "EINVAL"],
    [write(configTime, "x\n"), "EINVAL"],
    [write(configTime, " 120"), "4"],
    [write(configTime, "5"), "1"],
    [read(configTime), 'reads "5\\n"'],
    [write(domain, "0x47\n"), "5"],
    [read(domain), 'reads "71\\n"'],
    [write(domain, "256\n"), "EINVAL"],
    [write(domain, "-1\n"), "EINVAL"],
    [write(domain, "x\n"), "EINVAL"],
    [write(domain, "x5\n"), "EINVAL"],
    [read(domain), 'reads "71\\n"'],
    // The largest domain of the machine is one.
    [write(domain, "255\n"), "4"],
    [read(domain), 'reads "255\\n"'],
  ],
});

example("EX-29 (domain)", "ap_domain with the bit of aqmask clear", {
  covers: "BUS-5",
  machine: { aqmask: [] },
  columns: ALL,
  rows: [
    [write(domain, "0x47\n"), "EINVAL"],
    [read(domain), 'reads "4\\n"'],
  ],
});

example("EX-29 (masks)", "The host configuration as the bus shows it", {
  covers: "BUS-3",
  columns: V12_V61,
  rows: [
    [
      read({ on: "bus", name: "ap_usage_domain_mask" }),
      'reads "0x0800000000000000010000000000000000000000001000000000000000000000\\n"',
      same,
    ],
    [
      read({ on: "bus", name: "ap_control_domain_mask" }),
      'reads "0x0800000000000000010000000000000000000000001000000000000000000000\\n"',
      same,
    ],
    [
      read({ on: "bus", name: "ap_adapter_mask" }),
      'reads "0x0600000000000000000000000000000000000000000000000000000000000000\\n"',
      same,
    ],
    [read({ on: "bus", name: "ap_max_domain_id" }), 'reads "255\\n"', same],
    [read({ on: "bus", name: "ap_max_adapter_id" }), 'reads "63\\n"', same],
  ],
});

example("EX-29 (scans)", "Forced scan, and what the bus counts", {
  covers: "BUS-6 2.6",
  columns: [["V61"]],
  rows: [
    [write({ on: "bus", name: "scans" }, "x"), "1"],
    [readForm({ on: "bus", name: "scans" }), 'reads "2\\n"'],
    [readForm({ on: "bus", name: "bindings" }), 'reads "6/6 (complete)\\n"'],
    [readForm({ on: "bus", name: "ap_interrupts" }), 'reads "1\\n"'],
    [readForm({ on: "bus", name: "poll_thread" }), 'reads "0\\n"'],
  ],
});

test.each(["6/6\n", "5/6 (complete)\n", "7/6 (complete)\n", "5/5 (complete)\n", "0/6\n"])(
  "bindings do not read %j",
  (text) => {
    const world = new World("V61", S0);
    const call = readOf({ on: "bus", name: "bindings" }, text);
    expect(world.refuses(operationOf("read", call, { kind: "value", value: text.length }, []))).toBe(true);
  },
);

example("EX-29 (config)", "A card is deconfigured", {
  covers: "BUS-7 BUS-8 BUS-9 SCAN-6",
  columns: V12_V61,
  rows: [
    [A.has("{05}×{04}"), "n; G 05.0004", same],
    [A.start(), "set; CR apm w0=0400000000000000", same],
    [write(config, "0\n", MACHINE), "2; G 05.0004; CR apm w0=0400000000000000", same],
    [readForm(config), 'reads "0\\n"', same],
    // The next scan: TAPQ answers 03 and QCI is the same, so that nothing of it leaves a line of vfio_ap.
    [readForm(queueConfig), 'reads "0\\n"; G 05.0004; CR apm w0=0400000000000000', same],
    [readForm({ on: "queue", apqn: 0x0504, name: "chkstop" }), 'reads "0\\n"', same],
    [write(config, "2\n", []), "EINVAL", same],
    [write(config, "x\n", []), "EINVAL", same],
    [write(config, "1\n", MACHINE), "EIO", same],
    [readForm(config), 'reads "0\\n"', same],
    [write(online, "1\n", ["success"]), "ENODEV", same],
    [write(online, "2\n", []), "EINVAL", same],
    [write(online, "0\n", []), "2", same],
    [A.stop(), "clr; R(05.0004)", same],
  ],
});

example("EX-29 (types)", "A CEX3 queue has no driver", {
  covers: "DRV-2 2.6",
  machine: { types: new Map([[0x06, 9]]) },
  columns: V9_V12_V61,
  rows: [
    [states("at the start"), "vfio_ap: 05.0004 05.0047 05.00ab; no driver: 06.0004 06.0047 06.00ab", same, same],
    [readForm({ on: "bus", name: "bindings" }), none, none, 'reads "3/6\\n"'],
    [readForm({ on: "card", apid: 0x06, name: "hwtype" }), 'reads "9\\n"', same, same],
    [readForm({ on: "card", apid: 0x06, name: "ap_functions" }), 'reads "0x92000000\\n"', same, same],
    [bind("06.0004"), "ENODEV", same, same],
    // An mdev takes the number all the same where over-provisioning is allowed (ASG-1 note c).
    [A.assignAdapter("6"), "EADDRNOTAVAIL", "n; G (0 B)", "n; G 06."],
    [A.assignDomain("4"), "n", "n; G (0 B)", "n; G .0004"],
  ],
});
