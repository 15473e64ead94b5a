import { example, same, V9_V12_V61, V12_V61, V61 } from "./scenario.js";
import { A, bind, unbind } from "./steps.js";

example("EX-09", "Static versus dynamic", {
  covers: "ASG-1 ASG-2 ASG-4 CDOM-1 CDOM-2 PLUG-1 PLUG-3 PLUG-4 MDEV-6 MDEV-7",
  columns: V9_V12_V61,
  rows: [
    [A.has("{05}×{04,47}", "{04}"), "n", "n; G 05.0004 05.0047; CR adm w0=0800000000000000", same],
    [
      A.start(),
      "set; CR apm w0=0400000000000000, aqm w0=0800000000000000 w1=0100000000000000, adm w0=0800000000000000",
      same,
      same,
    ],
    [A.assignAdapter("6"), "EBUSY", "n; set; G 05.0004 05.0047 06.0004 06.0047; CR apm w0=0600000000000000", same],
    [
      A.unassignDomain("0x47"),
      "EBUSY",
      "n; set; G 05.0004 06.0004; CR aqm w0=0800000000000000; broken INV-9",
      "n; set; G 05.0004 06.0004; CR aqm w0=0800000000000000; R(05.0047) R(06.0047)",
    ],
    [
      A.assignControl("0x47"),
      "EBUSY",
      "n; set; CR adm w0=0800000000000000 w1=0100000000000000; broken INV-9",
      "n; set; CR adm w0=0800000000000000 w1=0100000000000000",
    ],
    [
      A.unassignControl("4"),
      "EBUSY",
      "n; set; CR adm w1=0100000000000000; broken INV-9",
      "n; set; CR adm w1=0100000000000000",
    ],
    [
      A.unassignAdapter("5"),
      "EBUSY",
      "n; set; G 06.0004; CR apm w0=0200000000000000; broken INV-9",
      "n; set; G 06.0004; CR apm w0=0200000000000000; R(05.0004)",
    ],
    [A.writes("assign_adapter", "abc\n"), "EBUSY", "EINVAL; broken INV-9", "EINVAL"],
    [A.stop(), "clr; R(05.0004) R(05.0047)", "clr; R(06.0004); G 06.0004; broken INV-9", "clr; R(06.0004); G 06.0004"],
  ],
});

example("EX-10", "Order of binds", {
  covers: "PLUG-5 PLUG-7 APCB-1 APCB-3 APCB-4 APCB-5",
  columns: V12_V61,
  rows: [
    [unbind("05.0004"), "n; R(05.0004)", same],
    [unbind("06.0004"), "n; R(06.0004)", same],
    [unbind("05.0047"), "n; R(05.0047)", same],
    [unbind("06.0047"), "n; R(06.0047)", same],
    [A.has("{05,06}×{04,47}"), "n; G (0 B)", "n; G .0004 .0047"],
    [bind("05.0004"), "n; G (0 B)", "n; G .0004 .0047"],
    [bind("06.0004"), "n; G 05.0004 06.0004", "n; G .0004 .0047"],
    [A.start(), "set; G .0004 .0047; CR apm 0, aqm w0=0800000000000000 w1=0100000000000000", same],
    [bind("05.0047"), "n; set; G 05.0004 05.0047", same],
    [bind("06.0047"), "n; set; G 05.0004 05.0047 06.0004 06.0047", same],
  ],
});

example("EX-11", "Assigning a domain that one adapter lacks", {
  covers: "PLUG-1 PLUG-2",
  columns: V9_V12_V61,
  rows: [
    [unbind("06.0047"), "n; R(06.0047)", same, same],
    [A.has("{05,06}×{04}"), "n", "n; G 05.0004 06.0004", same],
    [A.start(), "set", same, same],
    [A.assignDomain("0x47"), "EBUSY", "n; G 05.0004 06.0004", "n; set; G 05.0004 05.0047"],
    [bind("06.0047"), "n", "n; set; G 05.0004 05.0047 06.0004 06.0047", same],
  ],
});

example("EX-12", "guest_matrix before the start is a forecast in V12", {
  covers: "SHOW-2 APCB-3",
  columns: V12_V61,
  rows: [
    [unbind("06.0047"), "n; R(06.0047)", same],
    [A.has("{05,06}×{04}"), "n; G 05.0004 06.0004", same],
    [A.assignDomain("0x47"), "n; G 05.0004 06.0004", "n; G 05.0004 05.0047"],
    [A.start(), "set; G 05.0004 05.0047", same],
  ],
});

example("EX-13", "No refilter at unassign", {
  covers: "PLUG-3 PLUG-4 RST-6",
  columns: V12_V61,
  rows: [
    [unbind("06.0047"), "n; R(06.0047)", same],
    [A.has("{05}×{04,47}"), "n; G 05.0004 05.0047", same],
    [A.assignAdapter("6"), "n; G 05.0004 05.0047", same],
    [A.start(), "set", same],
    [A.unassignDomain("0x47"), "n; set; G 05.0004; broken INV-9", "n; set; G 05.0004; R(05.0047)"],
    [A.assignDomain("0xab"), "n; set; G 05.0004 05.00ab; broken INV-9", "n; set; G 05.0004 05.00ab 06.0004 06.00ab"],
    [
      A.stop(),
      "clr; R(05.0004) R(05.00ab) R(06.0004) R(06.00ab); broken INV-9",
      "clr; R(06.00ab) R(06.0004) R(05.00ab) R(05.0004)",
    ],
    [
      A.start(),
      "set; G 05.0004 05.00ab 06.0004 06.00ab; CR aqm w0=0800000000000000 w2=0000000000100000; broken INV-9",
      "set; CR aqm w0=0800000000000000 w2=0000000000100000",
    ],
  ],
});

example("EX-22 (i)", "Unverified copy in V12", {
  covers: "APCB-6",
  columns: V12_V61,
  rows: [
    [unbind("05.0047"), "n; R(05.0047)", same],
    [A.has("{05}×{04}"), "n; G 05.0004", same],
    [A.unassignDomain("4"), "n; G 05.; broken INV-9", "n; G 05.; R(05.0004)"],
    [A.assignDomain("0x47"), "n; G 05.; broken INV-9", "n; G .0047"],
    [A.assignAdapter("6"), "n; G 05.0047 06.0047; broken INV-4 INV-9", "n; G 06.0047"],
    [A.start(), "set; G 06.0047; broken INV-9", "set; G 06.0047"],
  ],
});

example("EX-22 (ii)", "Unverified copy after an unbind", {
  covers: "APCB-6 PLUG-6",
  columns: V12_V61,
  rows: [
    [A.has("{05}×{04}"), "n; G 05.0004", same],
    [unbind("05.0004"), "n; R(05.0004); G .0004", same],
    [A.assignDomain("0x47"), "n; G 05.0004 05.0047; broken INV-4", "n; G .0004 .0047"],
    [A.start(), "set; G .0004 .0047", same],
  ],
});

example("EX-22 (iii)", "Unverified copy under a running guest", {
  covers: "APCB-6 PLUG-6",
  columns: V12_V61,
  rows: [
    [A.has("{05}×{04}"), "n; G 05.0004", same],
    [A.start(), "set", same],
    [unbind("05.0004"), "n; set; R(05.0004); G .0004; CR apm 0", same],
    [
      A.assignDomain("0x47"),
      "n; set; G 05.0004 05.0047; CR apm w0=0400000000000000; broken INV-4",
      "n; set; G .0004 .0047; CR apm 0",
    ],
  ],
});

example("EX-27", "A failed reset holds an adapter back in V61", {
  covers: "APCB-1 MDEV-8 RST-5 RST-7",
  columns: V12_V61,
  rows: [
    [A.has("{05,06}×{04}"), "n; G 05.0004 06.0004", same],
    [A.start(), "set", same],
    [A.reset(), "EIO; R(05.0004) R(06.0004:04)", "EBUSY; R(06.0004:04) R(05.0004)"],
    [A.assignDomain("0x47"), "n; set; G 05.0004 05.0047 06.0004 06.0047", "n; set; G 05.0004 05.0047"],
    [A.reset(), "n; R(05.0004) R(05.0047) R(06.0004) R(06.0047)", "n; R(05.0047) R(06.0004) R(05.0004) R(06.0047)"],
    [
      A.assignDomain("0xab"),
      "n; set; G 05.0004 05.0047 05.00ab 06.0004 06.0047 06.00ab",
      "n; set; G 05.0004 05.0047 05.00ab 06.0004 06.0047 06.00ab",
    ],
  ],
});

example("EX-27 (unbind)", "A queue that is bound anew has a clean record", {
  covers: "APCB-1 DRV-8",
  columns: V61,
  rows: [
    [A.has("{05,06}×{04}"), "n; G 05.0004 06.0004"],
    [A.start(), "set"],
    [A.reset(), "EBUSY; R(06.0004:04) R(05.0004)"],
    [A.assignDomain("0x47"), "n; set; G 05.0004 05.0047"],
    [unbind("06.0004"), "n; R(06.0004)"],
    [bind("06.0004"), "n; set; G 05.0004 05.0047 06.0004 06.0047"],
  ],
});

const oneMissing = {
  qci: { apm: [0, 1], aqm: [0, 1], adm: [0, 1] },
  apmask: [],
  aqmask: [],
  queues: ["00.0000", "00.0001", "01.0000"],
};

example("EX-28 (a)", "Order of assigns: adapter 0, domain 0, domain 1, adapter 1", {
  covers: "APCB-1 APCB-4 APCB-5",
  machine: oneMissing,
  columns: V12_V61,
  rows: [
    [A.assignAdapter("0"), "n; G (0 B)", "n; G 00."],
    [A.assignDomain("0"), "n; G 00.0000", same],
    [A.assignDomain("1"), "n; G 00.0000 00.0001", same],
    [A.assignAdapter("1"), "n; G 00.0000 00.0001", same],
    [A.start(), "set; G 00.0000 00.0001", same],
  ],
});

example("EX-28 (b)", "Order of assigns: adapter 0, domain 0, adapter 1, domain 1", {
  covers: "APCB-1 APCB-4 APCB-5",
  machine: oneMissing,
  columns: V12_V61,
  rows: [
    [A.assignAdapter("0"), "n; G (0 B)", "n; G 00."],
    [A.assignDomain("0"), "n; G 00.0000", same],
    [A.assignAdapter("1"), "n; G 00.0000 01.0000", same],
    [A.assignDomain("1"), "n; G 00.0000 01.0000", "n; G 00.0000 00.0001"],
    [A.start(), "set; G 00.0000 00.0001", same],
  ],
});

example("EX-28 (c)", "Order of assigns: adapter 0, adapter 1, domain 0, domain 1", {
  covers: "APCB-1 APCB-5",
  machine: oneMissing,
  columns: V12_V61,
  rows: [
    [A.assignAdapter("0"), "n; G (0 B)", "n; G 00."],
    [A.assignAdapter("1"), "n; G (0 B)", "n; G 00. 01."],
    [A.assignDomain("0"), "n; G 00.0000 01.0000", same],
    [A.assignDomain("1"), "n; G 00.0000 01.0000", "n; G 00.0000 00.0001"],
    [A.start(), "set; G 00.0000 00.0001", same],
  ],
});

example("EX-28 (d)", "Order of assigns: domain 0, domain 1, adapter 0, adapter 1", {
  covers: "APCB-1 APCB-4",
  machine: oneMissing,
  columns: V12_V61,
  rows: [
    [A.assignDomain("0"), "n; G (0 B)", "n; G .0000"],
    [A.assignDomain("1"), "n; G (0 B)", "n; G .0000 .0001"],
    [A.assignAdapter("0"), "n; G 00.0000 00.0001", same],
    [A.assignAdapter("1"), "n; G 00.0000 00.0001", same],
    [A.start(), "set; G 00.0000 00.0001", same],
  ],
});
