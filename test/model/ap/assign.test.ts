import { example, none, same, V9_V12_V61 } from "./scenario.js";
import { A, B } from "./steps.js";

example("EX-03", "Reading the three forms", {
  covers: "SHOW-1 SHOW-2 SHOW-3 ASG-4 PLUG-4",
  columns: V9_V12_V61,
  rows: [
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

example("EX-09", "Static versus dynamic", {
  covers: "ASG-1 ASG-4 CDOM-1 CDOM-2 PLUG-1 PLUG-3 PLUG-4 MDEV-6 MDEV-7",
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
      "n; set; G 05.0004 06.0004; CR aqm w0=0800000000000000",
      "n; set; G 05.0004 06.0004; CR aqm w0=0800000000000000; R(05.0047) R(06.0047)",
    ],
    [A.assignControl("0x47"), "EBUSY", "n; set; CR adm w0=0800000000000000 w1=0100000000000000", same],
    [A.unassignControl("4"), "EBUSY", "n; set; CR adm w1=0100000000000000", same],
    [
      A.unassignAdapter("5"),
      "EBUSY",
      "n; set; G 06.0004; CR apm w0=0200000000000000",
      "n; set; G 06.0004; CR apm w0=0200000000000000; R(05.0004)",
    ],
    [A.assignAdapter("abc"), "EBUSY", "EINVAL", same],
    [A.stop(), "clr; R(05.0004) R(05.0047)", "clr; R(06.0004); G 06.0004", same],
  ],
});
void B;
void none;
