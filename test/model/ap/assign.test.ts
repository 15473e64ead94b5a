import { all, allBut } from "./notation.js";
import { example, same, V9_V12_V61, V12_V61 } from "./scenario.js";
import { A, B, bind, states, unbind } from "./steps.js";

example("EX-02", "Number grammar", {
  covers: "ASG-1 CDOM-1 2.4",
  columns: V9_V12_V61,
  rows: [
    [A.writes("assign_adapter", "5", 5), "1", "1", "1; G 05."],
    [A.writes("assign_adapter", "0x6\n", 6), "4", "4", "4; G 05. 06."],
    [A.writes("assign_adapter", "064\n", 0o64), "EADDRNOTAVAIL", "4", "4"],
    [A.writes("assign_adapter", "64\n"), "ENODEV", same, same],
    [A.writes("assign_adapter", "-1\n"), "EINVAL", same, same],
    [A.writes("assign_adapter", "5 \n"), "EINVAL", same, same],
    [A.writes("assign_adapter", "\n"), "EINVAL", same, same],
    [A.writes("assign_adapter", "5,6\n"), "EINVAL", same, same],
    [A.writes("assign_adapter", "0x10000000000000000\n"), "ERANGE", same, same],
    [states("afterwards"), "M 05. 06.", "M 05. 06. 34.", same],
    [A.writes("assign_control_domain", "256\n"), "ENODEV", same, same],
  ],
});

example("EX-03", "Reading the three forms", {
  covers: "SHOW-1 SHOW-2 SHOW-3 ASG-4 PLUG-4",
  columns: V9_V12_V61,
  rows: [
    [states("new"), "M (0 B)", "M (0 B); G (0 B)", same],
    [A.assignAdapter("5"), "n; M 05.", "n; M 05.; G (0 B)", "n; M 05.; G 05."],
    [A.assignAdapter("6"), "n; M 05. 06.", "n; M 05. 06.; G (0 B)", "n; M 05. 06.; G 05. 06."],
    [A.unassignAdapter("6"), "n; M 05.", "n; M 05.; G (0 B)", "n; M 05.; G 05."],
    [A.assignDomain("4"), "n; M 05.0004", "n; M 05.0004; G 05.0004", same],
    [A.assignDomain("0x47"), "n; M 05.0004 05.0047", "n; M 05.0004 05.0047; G 05.0004 05.0047", same],
    [A.assignControl("0xab"), "n; C 00ab", "n; C 00ab; CR adm w2=0000000000100000", same],
    [
      A.unassignAdapter("5"),
      "n; M .0004 .0047",
      "n; M .0004 .0047; G .0004 .0047",
      "n; M .0004 .0047; G .0004 .0047; R(05.0047) R(05.0004)",
    ],
  ],
});

example("EX-04", "Over-provisioning", {
  covers: "ASG-1 APCB-1 APCB-3 APCB-4",
  machine: { apmask: allBut(0x05, 0x06, 0x09) },
  columns: V9_V12_V61,
  rows: [
    [A.assignAdapter("9"), "EADDRNOTAVAIL", "n; G (0 B)", same],
    [A.assignAdapter("5"), "n", "n; G (0 B)", "n; G 05."],
    [A.assignDomain("4"), "n", "n; G (0 B)", "n; G 05.0004"],
    [A.assignDomain("0x30"), "EADDRNOTAVAIL", "n; G (0 B)", "n; G 05.0004"],
    [
      A.start(),
      "set; CR apm w0=0400000000000000, aqm w0=0800000000000000",
      "set; G 05.0004; CR apm w0=0400000000000000, aqm w0=0800000000000000",
      same,
    ],
    [states("afterwards"), "M 05.0004", "M 05.0004 05.0030 09.0004 09.0030", same],
  ],
});

example("EX-05", "Reserved APQNs", {
  covers: "DRV-1 ASG-1",
  machine: { apmask: allBut(0x05), aqmask: allBut(0x04) },
  columns: V9_V12_V61,
  rows: [
    [states("at the start"), "vfio_ap: 05.0004 05.0047 05.00ab 06.0004; cex4queue: 06.0047 06.00ab", same, same],
    [A.assignAdapter("6"), "n", "n; G (0 B)", "n; G 06."],
    [A.assignDomain("4"), "n; M 06.0004", "n; G 06.0004", same],
    [A.assignDomain("0x47"), "EADDRNOTAVAIL", same, same],
    [A.assignAdapter("5"), "n", "n; G 05.0004 06.0004", same],
    [unbind("06.0047", "cex4queue"), "n; no driver: 06.0047", same, same],
    [bind("06.0047"), "ENODEV", same, same],
  ],
});

example("EX-06", "Sharing", {
  covers: "SHARE-1 SHARE-2",
  mdevs: [A.create(), B.create()],
  columns: V9_V12_V61,
  rows: [
    [A.has("{05}×{04}"), "n", "n; G 05.0004", same],
    [B.assignAdapter("5"), "n", "n; G (0 B)", "n; G 05."],
    [B.assignDomain("4"), "EADDRINUSE", "EBUSY", "EADDRINUSE"],
    [B.assignDomain("0x47"), "n", "n; G 05.0047", same],
    [B.assignAdapter("6"), "n", "n; G 05.0047 06.0047", same],
    [A.assignDomain("0x47"), "EADDRINUSE", "EBUSY", "EADDRINUSE"],
    [A.assignAdapter("6"), "n", "n; G 05.0004 06.0004", same],
    [states("afterwards", "B"), "M 05.0047 06.0047", same, same],
  ],
});

example("EX-14", "Duplicates and non-members", {
  covers: "ASG-3 ASG-4 CDOM-1",
  columns: V9_V12_V61,
  rows: [
    [A.has("{05}×{04}"), "n", "n; G 05.0004", same],
    [A.assignAdapter("5"), "n", same, same],
    [A.unassignAdapter("6"), "n", same, same],
    [A.unassignDomain("0x47"), "n", "n; broken INV-9", "n"],
    [A.assignControl("4"), "n", "n; CR adm w0=0800000000000000; broken INV-9", "n; CR adm w0=0800000000000000"],
    [A.assignControl("4"), "n", "n; broken INV-9", "n"],
  ],
});

example("EX-15", "Unassign hits another mdev in V12", {
  covers: "ASG-5 AQIC-8@V12",
  mdevs: [A.create(), B.create()],
  columns: V12_V61,
  rows: [
    [B.has("{05}×{04}"), "n; G 05.0004", same],
    [A.has("{}×{04}"), "n; G (0 B)", "n; G .0004"],
    [B.start(), "set", same],
    [A.unassignAdapter("5"), "n; broken INV-4 INV-10", "n"],
    [B.aqic("05.0004"), "1; broken INV-4 INV-10", "0"],
    [B.stop(), "clr; broken INV-4 INV-10", "clr; R(05.0004)"],
    [B.start(), "set; G .0004; CR apm 0; broken INV-10", "set; G 05.0004"],
  ],
});

/** What has no domain, or no adapter, takes nothing: reservation and sharing are of APQNs (notes d, 4.8). */
example("ASG-1 (d)", "One side alone", {
  covers: "ASG-1",
  machine: { apmask: all, aqmask: all },
  mdevs: [A.create(), B.create()],
  columns: V9_V12_V61,
  rows: [
    [A.assignAdapter("5"), "EADDRNOTAVAIL", "n; G (0 B)", "n; G 05."],
    [B.assignAdapter("5"), "EADDRNOTAVAIL", "n; G (0 B)", "n; G 05."],
    [A.assignDomain("4"), "EADDRNOTAVAIL", same, same],
    [A.assignControl("0xff"), "n", "n; CR adm w3=0000000000000001", "n"],
    [B.assignControl("0xff"), "n", "n; CR adm w3=0000000000000001", "n"],
  ],
});
