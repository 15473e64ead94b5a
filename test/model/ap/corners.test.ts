import { example, none, same, V9_V12_V61, V12_V61 } from "./scenario.js";
import { A, B, bind, queueDevice, scan, states, unbind } from "./steps.js";

const noLimits = { apmask: [], aqmask: [] };

/** `{0,1,…}`: the first numbers. */
function first(count: number): string {
  return `{${Array.from({ length: count }, (_, n) => n.toString(16)).join(",")}}`;
}

example("EX-31 (511)", "The largest matrix that fits its page", {
  covers: "SHOW-1",
  machine: noLimits,
  columns: V12_V61,
  rows: [[A.has(`${first(7)}×${first(73)}`), "n; G (0 B)", "n; G 05.0004 05.0047 06.0004 06.0047"]],
});

example("EX-31 (512)", "A matrix that overruns its page", {
  covers: "SHOW-4",
  machine: noLimits,
  columns: V12_V61,
  rows: [[A.has(`${first(16)}×${first(32)}`), "n; G (0 B)", "n; G 05.0004 06.0004"]],
});

example("EX-31 (control domains)", "A usage domain is no control domain", {
  covers: "CDOM-3",
  columns: V9_V12_V61,
  rows: [[A.assignDomain("4"), "n; C ", "n; C ; G (0 B)", "n; C ; G .0004"]],
});

example("EX-31 (one side)", "A guest with an adapter and no domain", {
  covers: "MDEV-6",
  columns: V12_V61,
  rows: [
    [A.assignAdapter("5"), "n; G (0 B)", "n; G 05."],
    [A.start(), "set; G 05.; CR apm w0=0400000000000000, aqm 0, adm 0", same],
  ],
});

const withoutQci = { qci: undefined, maxDomain: 15, queues: ["05.0004", "06.0004"], ...noLimits };

/** Without QCI no configuration is known to the driver. */
example("APCB-10", "A machine without QCI", {
  covers: "APCB-1@V61 APCB-3 MDEV-6 MDEV-7",
  machine: withoutQci,
  columns: V9_V12_V61,
  rows: [
    [A.has("{05}×{04}", "{04}"), "n", "n; G 05.0004; CR adm w0=0800000000000000", "n; G (0 B)"],
    [
      A.start(),
      "set; CR apm w0=0400000000000000, aqm w0=0800000000000000, adm w0=0800000000000000",
      "set; G .0004; CR apm 0, aqm w0=0800000000000000, adm w0=0800000000000000",
      "set; CR apm 0, aqm 0, adm 0",
    ],
    [states("status"), none, none, "status 05.0004 assigned"],
    [A.aqic("05.0004"), "0", same, same],
    [A.assignAdapter("6"), "EBUSY", "n; set; G 06.0004; CR apm w0=0200000000000000", "n"],
    [A.reset(), "n; R(05.0004)", "n; R(05.0004) R(06.0004)", "n; R(06.0004) R(05.0004)"],
    [unbind("05.0004"), "n; R(05.0004)", same, same],
    // TRY-APID does not look at the configuration: the probe brings the adapter in.
    [bind("05.0004"), "n", "n; set; G 05.0004 06.0004", "n"],
    [A.stop(), "clr; R(05.0004)", "clr; R(05.0004) R(06.0004)", "clr; R(06.0004) R(05.0004)"],
  ],
});

const bucketMates = {
  qci: { apm: [0x05], aqm: [0x02, 0x04, 0x92], adm: [] },
  apmask: [],
  aqmask: [],
};

example("D61-3", "Two queues in one bucket", {
  covers: "PLUG-4 D61-3",
  machine: bucketMates,
  columns: [["V61"]],
  rows: [
    [A.has("{05}×{02,92}"), "n; G 05.0002 05.0092"],
    // Of one bucket the newest link comes first.
    [A.start(), "set"],
    [A.reset(), "n; R(05.0092) R(05.0002)"],
    // At an unassign newest is the higher number, whatever was linked last.
    [A.unassignAdapter("5"), "n; set; R(05.0092) R(05.0002); G .0002 .0092"],
    [unbind("05.0092"), "n; R(05.0092)"],
    [unbind("05.0002"), "n; R(05.0002); tainted"],
  ],
});

example("QUEUE-10", "Order inside a bucket", {
  covers: "PLUG-4",
  machine: bucketMates,
  columns: [["V61"]],
  rows: [
    [A.assignAdapter("5"), "n; G 05."],
    [A.assignDomain("0x92"), "n; G 05.0092"],
    [A.assignDomain("0x2"), "n; G 05.0002 05.0092"],
    [A.start(), "set"],
    [A.reset(), "n; R(05.0002) R(05.0092)"],
    [unbind("05.0092"), "n; set; R(05.0092); G .0002 .0092"],
    [bind("05.0092"), "n; set; G 05.0002 05.0092"],
    [A.reset(), "n; R(05.0092) R(05.0002)"],
    [A.unassignDomain("2"), "n; set; R(05.0002); G 05.0092"],
  ],
});

example("ASG-1 (f)", "Links are made with the other side's numbers ascending", {
  covers: "ASG-1 MDEV-8",
  machine: bucketMates,
  columns: [["V61"]],
  rows: [
    [A.assignDomain("0x92"), "n; G .0092"],
    [A.assignDomain("0x2"), "n; G .0002 .0092"],
    [A.assignAdapter("5"), "n; G 05.0002 05.0092"],
    [A.start(), "set"],
    [A.reset(), "n; R(05.0092) R(05.0002)"],
  ],
});

example("RST-7", "The last failure is the answer", {
  covers: "MDEV-8 RST-7",
  columns: [["V61"]],
  rows: [
    [A.has("{05,06}×{04}"), "n; G 05.0004 06.0004"],
    [A.start(), "set"],
    [A.reset(), "EIO; R(06.0004:04) R(05.0004:05)"],
    [A.reset(), "EBUSY; R(06.0004:05) R(05.0004:04)"],
    [A.reset(), "EBUSY; R(06.0004:01) R(05.0004)"],
    [A.reset(), "n; R(06.0004) R(05.0004)"],
  ],
});

example("D61-1", "A queue that is unlinked outside the shadow", {
  covers: "ASG-4 D61-1",
  columns: [["V61"]],
  rows: [
    [unbind("05.0047"), "n; R(05.0047)"],
    [A.has("{05}×{04,47}"), "n; G .0004 .0047"],
    [A.start(), "set"],
    // 05.0004 is linked, and 05 not in the shadow: no reset, and its owner stays.
    [A.unassignAdapter("5"), "n"],
    [A.stop(), "clr"],
    [A.remove("1\n"), "n"],
    [unbind("05.0004"), "n; R(05.0004); tainted"],
  ],
});

example("D12-4", "A removed mdev's queues in V12, and its UUID anew", {
  covers: "MDEV-5 D12-4",
  columns: [["V12"]],
  rows: [
    [A.has("{05}×{04}"), "n; G 05.0004"],
    [A.remove("1\n"), "n; R(05.0004)"],
    [A.create(), "n"],
    [A.assignAdapter("5"), "n; G (0 B)"],
    [unbind("05.0004"), "n; R(05.0004); tainted"],
  ],
});

example("SCAN-2", "A queue that came later goes later, whatever its number", {
  covers: "SCAN-2 NOND-6",
  columns: V12_V61,
  rows: [
    [scan("domain 02 comes", "{05,06}", "{02,04,47,ab}"), "probe(05.0002) probe(06.0002)", same],
    [scan("adapter 06 goes", "{05}", "{02,04,47,ab}"), "R(06.0004:01) R(06.0047:01) R(06.00ab:01) R(06.0002:01)", same],
    [queueDevice("vanishes", "05.0047"), "R(05.0047:01)", same],
    [queueDevice("appears", "05.0047"), "probe(05.0047)", same],
    [scan("adapter 05 goes", "{}", "{02,04,47,ab}"), "R(05.0004:01) R(05.00ab:01) R(05.0002:01) R(05.0047:01)", same],
  ],
});

example("MDEV-4", "A removal waits for whoever has the device open", {
  covers: "MDEV-3 MDEV-4 SHARE-1 MDEV-1",
  mdevs: [A.create(), B.create()],
  columns: V9_V12_V61,
  rows: [
    [A.has("{05}×{04}"), "n", "n; G 05.0004", same],
    [A.start(), "set", same, same],
    [A.removeBegins(), "waits", same, same],
    [A.remove("1\n"), "ENODEV", same, same],
    // It still counts: for sharing, and its UUID is taken.
    [B.assignAdapter("5"), "n", "n; G (0 B)", "n; G 05."],
    [B.assignDomain("4"), "EADDRINUSE", "EBUSY", "EADDRINUSE"],
    [A.createAgain(), "EEXIST", same, same],
    [A.openGroup(), "EBUSY", same, same],
    [A.stop(), "clr; R(05.0004)", same, same],
    [A.removeReturns(), "2; R(05.0004)", same, same],
    [B.assignDomain("4"), "n", "n; G(B) 05.0004", same],
  ],
});

example("SHARE-1", "What a refused assign leaves, by side", {
  covers: "SHARE-1",
  mdevs: [A.create(), B.create()],
  columns: V9_V12_V61,
  rows: [
    [A.has("{05}×{04,47}"), "n", "n; G 05.0004 05.0047", same],
    [B.assignDomain("4"), "n", "n; G (0 B)", "n; G .0004"],
    // The domain stays, and no adapter is added.
    [B.assignAdapter("5"), "EADDRINUSE", "EBUSY", "EADDRINUSE"],
    [B.assignAdapter("6"), "n", "n; G(B) 06.0004", same],
    [B.assignDomain("0x47"), "n", "n; G(B) 06.0004 06.0047", same],
    [B.assignAdapter("5"), "EADDRINUSE", "EBUSY", "EADDRINUSE"],
  ],
});
