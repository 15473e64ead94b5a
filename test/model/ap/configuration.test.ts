import { example, same, V9_V12_V61, V12_V61 } from "./scenario.js";
import { A, B, mask, queueDevice, scan, unbind } from "./steps.js";

example("EX-17", "Control domain unknown to the host", {
  covers: "CDOM-1 APCB-2 CFG-2@V61 SCAN-5@V61",
  columns: V9_V12_V61,
  rows: [
    [
      A.has("{05}×{04}", "{04,20}"),
      "n",
      "n; G 05.0004; CR adm w0=0800000080000000",
      "n; G 05.0004; CR adm w0=0800000000000000",
    ],
    [
      A.start(),
      "set; CR adm w0=0800000080000000",
      "set; CR adm w0=0800000080000000",
      "set; CR adm w0=0800000000000000",
    ],
    [
      scan("host adm gains 20", "{05,06}", "{04,47,ab}", "{04,20,47,ab}"),
      "CR adm w0=0800000080000000",
      "CR adm w0=0800000080000000",
      "set; CR adm w0=0800000080000000",
    ],
    [
      scan("host adm loses 04", "{05,06}", "{04,47,ab}", "{20,47,ab}"),
      "CR adm w0=0800000080000000",
      "CR adm w0=0800000080000000",
      "set; CR adm w0=0000000080000000",
    ],
    [
      A.unassignControl("0x20"),
      "EBUSY; C 0004 0020",
      "n; set; CR adm w0=0800000000000000; C 0004",
      "n; set; CR adm 0; C 0004",
    ],
  ],
});

example("EX-18", "Adapter leaves and returns in the host configuration", {
  covers: "CFG-1 CFG-2 CFG-3 SCAN-1@V12,V61 SCAN-2@V12,V61 SCAN-3 SCAN-4 SCAN-5 DRV-9",
  columns: V9_V12_V61,
  rows: [
    [A.has("{05,06}×{04,47}"), "n", "n; G 05.0004 05.0047 06.0004 06.0047", same],
    [A.start(), "set; CR apm w0=0600000000000000", same, same],
    [
      scan("QCI without 06", "{05}", "{04,47,ab}"),
      "R(06.0004:01) R(06.0047:01) R(06.00ab:01); CR apm w0=0600000000000000; M 05.0004 05.0047 06.0004 06.0047",
      "set; R(06.0004:01) R(06.0047:01) R(06.00ab:01); G 05.0004 05.0047; M 05.0004 05.0047 06.0004 06.0047",
      same,
    ],
    [
      scan("QCI with 06 again", "{05,06}", "{04,47,ab}"),
      "probe(06.0004) probe(06.0047) probe(06.00ab); CR apm w0=0600000000000000",
      "probe(06.0004) probe(06.0047) probe(06.00ab); set; G 05.0004 05.0047 06.0004 06.0047",
      same,
    ],
  ],
});

example("EX-19", "Domain leaves and returns", {
  covers: "CFG-2",
  columns: V12_V61,
  rows: [
    [A.has("{05,06}×{04,47}", "{04}"), "n; G 05.0004 05.0047 06.0004 06.0047; CR adm w0=0800000000000000", same],
    [A.start(), "set", same],
    [
      scan("QCI aqm without 47", "{05,06}", "{04,ab}"),
      "set; R(05.0047:01) R(06.0047:01); G 05.0004 06.0004; tainted",
      "set; R(05.0047:01) R(06.0047:01); G 05.0004 06.0004; CR adm w0=0800000000000000",
    ],
    [
      scan("47 back", "{05,06}", "{04,47,ab}"),
      "probe(05.0047) probe(06.0047); set; G 05.0004 05.0047 06.0004 06.0047",
      same,
    ],
  ],
});

example("EX-20", "Superfluous event in V12", {
  covers: "CFG-2 NOND-7",
  mdevs: [A.create(), B.create()],
  columns: V12_V61,
  rows: [
    [A.has("{05}×{04}"), "n; G 05.0004", same],
    [B.has("{06}×{04}"), "n; G 06.0004", same],
    [A.start(), "set", same],
    [B.start(), "set", same],
    [
      scan("QCI loses 06", "{05}", "{04,47,ab}"),
      "set B; set A; R(06.0004:01) R(06.0047:01) R(06.00ab:01); G(A) 05.0004; G(B) .0004",
      "set B; R(06.0004:01) R(06.0047:01) R(06.00ab:01); G(A) 05.0004; G(B) .0004",
    ],
  ],
});

example("EX-21", "Adapter and domain added together, one queue missing", {
  covers: "SCAN-5 CFG-3 CFG-4",
  machine: { qci: { apm: [0x05], aqm: [0x04], adm: [0x04] }, apmask: [], aqmask: [] },
  columns: V12_V61,
  rows: [
    [A.has("{05,06}×{04,47}"), "n; G (0 B)", "n; G 05.0004"],
    [A.start(), "set; G 05.0004", same],
    [
      scan("QCI {05,06}×{04,47}, TAPQ(06.0047) gives 01", "{05,06}", "{04,47}"),
      "probe(05.0047) probe(06.0004); set; G 05.0004 06.0004",
      "TAPQ(06.0047:01); probe(05.0047) probe(06.0004); set; G 05.0004 05.0047",
    ],
    [queueDevice("appears", "06.0047"), "probe(06.0047); set; G 05.0004 05.0047 06.0004 06.0047", same],
  ],
});

example("SCAN-5", "New control domains alone filter no adapter anew", {
  covers: "SCAN-5 PLUG-3",
  columns: [["V61"]],
  rows: [
    [unbind("06.0047"), "n; R(06.0047)"],
    [A.has("{05,06}×{04,47}", "{20}"), "n; G 05.0004 05.0047"],
    [A.start(), "set"],
    [A.unassignDomain("0x47"), "n; set; R(05.0047); G 05.0004"],
    [scan("host adm gains 20", "{05,06}", "{04,47,ab}", "{04,20,47,ab}"), "set; G 05.0004; CR adm w0=0000000080000000"],
    [scan("host aqm gains 50", "{05,06}", "{04,47,50,ab}"), "probe(05.0050) probe(06.0050); G 05.0004"],
    [A.assignDomain("0x50"), "n; set; G 05.0004 05.0050 06.0004 06.0050"],
  ],
});

example("CFG-4", "A deconfigured queue is one, a missing one ends the tests of its adapter", {
  covers: "CFG-4",
  machine: { apmask: [], aqmask: [] },
  columns: [["V61"]],
  rows: [
    [A.has("{05}×{04}"), "n; G 05.0004"],
    [
      scan("QCI gains 07, 08 and 50, 51", "{05,06,07,08}", "{04,47,50,51,ab}"),
      "TAPQ(07.0050:03) TAPQ(07.0051:04) TAPQ(08.0050:01)",
    ],
  ],
});

example("EX-32", "Type filter, loss without QCI change, masks and scans", {
  covers: "CFG-4 SCAN-7 MASK-4",
  machine: { apmask: [], aqmask: [] },
  columns: V12_V61,
  rows: [
    [A.has("{05,07}×{04}"), "n; G (0 B)", "n; G 05.0004"],
    [A.start(), "set; G 05.0004", same],
    [
      scan("QCI gains 07 and 50, TAPQ(07.0050) gives 01", "{05,06,07}", "{04,47,50,ab}"),
      "probe(07.0004); set; G 05.0004 07.0004",
      "TAPQ(07.0050:01); probe(07.0004); set; G 05.0004 07.0004",
    ],
    [queueDevice("vanishes", "07.0004"), "set; R(07.0004:01); G 05.0004", same],
    [mask("apmask", "+6"), "n", same],
    [mask("aqmask", "+71"), "n; R(06.0047)", same],
  ],
});
