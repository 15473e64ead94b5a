import { ALL, example, none, same, V9_V12_V61 } from "./scenario.js";
import { A, B, createBytes, loadModule, mask, read, unbind, unloadModule, unseen } from "./steps.js";

const available = { on: "mdev-type", name: "available_instances" } as const;

const nothingLeft = unseen("all 65536 instances are used", ({ state }) => {
  state.host.available = 0;
});

example("EX-23", "Life of an mdev", {
  covers: "MDEV-1 MDEV-2 MDEV-3 MDEV-5",
  mdevs: [],
  columns: V9_V12_V61,
  rows: [
    [read(available), 'reads "65536\\n"', same, same],
    [createBytes("A", "62177883-F1BB-47f0-914d-32a22e3a8804\n"), "37", same, same],
    [createBytes("A", "62177883-F1BB-47f0-914d-32a22e3a8804\n"), "EEXIST", same, same],
    [createBytes("A", "62177883-f1bb-47f0-914d-32a22e3a8804\n"), "EEXIST", same, same],
    [createBytes("C", "62177883f1bb47f0914d32a22e3a8804\n"), "EINVAL", same, same],
    [createBytes("B", "62177883-f1bb-47f0-914d-32a22e3a8805x"), "37", same, same],
    [read(available), 'reads "65534\\n"', same, same],
    [A.remove("0\n"), "2", same, same],
    [A.remove("yes"), "EINVAL", same, same],
    [A.has("{05}×{04}"), "n", "n; G 05.0004", same],
    [A.remove("1\n"), "2; R(05.0004)", same, same],
    [read(available), 'reads "65535\\n"', 'reads "65534\\n"', 'reads "65535\\n"'],
    [nothingLeft, "broken INV-13", "n", "broken INV-13"],
    [
      createBytes("A", "62177883-F1BB-47f0-914d-32a22e3a8804\n"),
      "EPERM; broken INV-13",
      "EPERM",
      "EUSERS; broken INV-13",
    ],
  ],
});

example("MDEV-1", "What create takes for a UUID", {
  covers: "MDEV-1",
  mdevs: [],
  columns: ALL,
  rows: [
    [createBytes("A", "62177883-f1bb-47f0-914d-32a22e3a880"), "EINVAL"],
    [createBytes("A", "62177883-f1bb-47f0-914d-32a22e3a8804\n\n"), "EINVAL"],
    [createBytes("A", "62177883-f1bb-47f0-914d-32a22e3a880g\n"), "EINVAL"],
    [createBytes("A", "62177883f-1bb-47f0-914d-32a22e3a8804\n"), "EINVAL"],
    [createBytes("A", "62177883-f1bb-47f0-914d-32a22e3a8804"), "36"],
    [createBytes("B", "62177883-f1bb-47f0-914d-32a22e3a8805\0"), "37"],
  ],
});

example("EX-24", "Stop, change, start", {
  covers: "MDEV-6 MDEV-7 MDEV-9",
  mdevs: [A.create(), B.create()],
  columns: V9_V12_V61,
  rows: [
    [A.has("{05}×{04}"), "n", "n; G 05.0004", same],
    [A.start(), "set", same, same],
    [A.stop(), "clr; R(05.0004)", "clr; R(05.0004); G 05.0004", same],
    [unbind("05.0004"), "n; R(05.0004)", "n; R(05.0004); G .0004", same],
    [A.assignDomain("0x47"), "n", "n; G 05.0004 05.0047; broken INV-4", "n; G .0004 .0047"],
    [
      A.start(),
      "set; CR apm w0=0400000000000000, aqm w0=0800000000000000 w1=0100000000000000",
      "set; G .0004 .0047",
      same,
    ],
    [A.openGroup(), "EBUSY", same, same],
    [B.startWithGuestOf("A"), "n", "n; tainted", "EPERM"],
  ],
});

example("MDEV-6", "Opened without a VM", {
  covers: "MDEV-6",
  columns: V9_V12_V61,
  rows: [
    [A.has("{05}×{04}"), "n", "n; G 05.0004", same],
    [A.openWithoutVm(), "n", same, "EINVAL"],
  ],
});

const six = ["05.0004", "05.0047", "05.00ab", "06.0004", "06.0047", "06.00ab"];
const sixRemoved = six.map((queue) => `R(${queue})`).join(" ");
const sixProbed = six.map((queue) => `probe(${queue})`).join(" ");

example("EX-30", "Module and removal", {
  covers: "MASK-3 DRV-10 DRV-12@V9,V61 MDEV-4 MDEV-5",
  columns: V9_V12_V61,
  rows: [
    [A.has("{05}×{04}"), "n", "n; G 05.0004", same],
    [A.start(), "set", same, same],
    [unloadModule(), "EAGAIN", same, same],
    [mask("apmask", "+5"), "n; R(05.0004) R(05.0047) R(05.00ab); broken INV-3 INV-17", "EBUSY", same],
    [mask("apmask", "-5"), "n; probe(05.0004) probe(05.0047) probe(05.00ab)", none, none],
    [A.removeBegins(), "waits", same, same],
    [A.stop(), "clr; R(05.0004)", same, same],
    [A.removeReturns(), "2; R(05.0004)", same, same],
    [unloadModule(), `n; ${sixRemoved}`, "EAGAIN", `n; ${sixRemoved}`],
    [loadModule(), `n; ${sixProbed}`, none, `n; ${sixProbed}`],
    [read(available), 'reads "65536\\n"', none, 'reads "65536\\n"'],
  ],
});
