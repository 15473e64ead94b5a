import { allBut } from "./notation.js";
import { ALL, example, none, same, V9_V12_V61 } from "./scenario.js";
import { A, B, mask, maskBytes } from "./steps.js";

example("EX-01", "Mask grammar", {
  covers: "MASK-1 BUS-1",
  mdevs: [],
  columns: ALL,
  rows: [
    [maskBytes("apmask", "0x41\n"), "5; mask 0x41 + 62 × 0"],
    [maskBytes("apmask", "+0-2,-1\n"), "8; mask 0xa1 + 62 × 0"],
    [maskBytes("apmask", "+300\n"), "EINVAL; mask 0xa1 + 62 × 0"],
    [maskBytes("apmask", "+3,-x\n"), "EINVAL; mask 0xa1 + 62 × 0"],
    [maskBytes("apmask", "\n"), "1; mask 64 × 0"],
    [
      maskBytes("apmask", "ff"),
      "2; mask 0xff + 62 × 0; R(05.0004) R(05.0047) R(05.00ab) R(06.0004) R(06.0047) R(06.00ab)",
    ],
    [maskBytes("apmask", "0Xff"), "EINVAL; mask 0xff + 62 × 0"],
    [maskBytes("apmask", "f".repeat(64)), "64; mask 64 × f"],
    [
      maskBytes("apmask", "-5,-6\n"),
      "6; mask 0xf9 + 62 × f; probe(05.0004) probe(05.0047) probe(05.00ab) probe(06.0004) probe(06.0047) probe(06.00ab)",
    ],
  ],
});

example("EX-07", "Mask write against assigned APQNs", {
  covers: "MASK-1 MASK-2 DRV-4 DRV-9 SHARE-1@V12,V61 SHARE-2@V12,V61",
  columns: V9_V12_V61,
  rows: [
    [A.has("{05}×{04}"), "n", "n; G 05.0004", same],
    [A.start(), "set", same, same],
    [
      mask("apmask", "+5"),
      "n; R(05.0004) R(05.0047) R(05.00ab); cex4queue: 05.0004 05.0047 05.00ab; broken INV-3 INV-17; CR apm w0=0400000000000000, aqm w0=0800000000000000",
      "EBUSY",
      same,
    ],
    [mask("apmask", "-5"), "n; probe(05.0004) probe(05.0047) probe(05.00ab)", none, none],
    [mask("aqmask", "-4"), "n", same, same],
    [mask("apmask", "+5"), "n; R(05.0047) R(05.00ab); cex4queue: 05.0047 05.00ab; vfio_ap: 05.0004", same, same],
    [mask("aqmask", "+4"), "n; R(05.0004); cex4queue: 05.0004; broken INV-3 INV-17", "EBUSY", same],
  ],
});

example("EX-08", "Mask write frees after unassign", {
  covers: "MASK-2 PLUG-4 SHARE-3@V12,V61",
  mdevs: [A.create(), B.create()],
  columns: V9_V12_V61,
  rows: [
    [A.has("{05}×{04}"), "n", "n; G 05.0004", same],
    [B.has("{05}×{47}"), "n", "n; G 05.0047", same],
    [mask("apmask", "+5"), "n; R(05.0004) R(05.0047) R(05.00ab); broken INV-3", "EBUSY", same],
    [A.unassignDomain("4"), "n; broken INV-3", "n; G 05.; broken INV-9", "n; R(05.0004); G 05."],
    [B.unassignAdapter("5"), "n", "n; G .0047; broken INV-9", "n; R(05.0047); G .0047"],
    [
      mask("apmask", "+5"),
      "n",
      "n; R(05.0004) R(05.0047) R(05.00ab); tainted",
      "n; R(05.0004) R(05.0047) R(05.00ab); cex4queue: 05.0004 05.0047 05.00ab",
    ],
    [A.assignDomain("4"), "EADDRNOTAVAIL", same, same],
  ],
});

/** The driver is asked with the newly set bits alone, and only if there are any (MASK-2). */
example("MASK-2", "What the driver is asked", {
  covers: "MASK-2",
  machine: { apmask: allBut(0x05, 0x06, 0x09) },
  columns: V9_V12_V61,
  rows: [
    // An mdev with adapters but without domains blocks nothing.
    [A.assignAdapter("5"), "n", "n; G (0 B)", "n; G 05."],
    [mask("apmask", "+9"), "n", same, same],
    [mask("apmask", "+9"), "n", same, same],
    [mask("apmask", "-9"), "n", same, same],
    [mask("apmask", "+5"), "n; R(05.0004) R(05.0047) R(05.00ab)", same, same],
    [mask("aqmask", "-171"), "n; probe(05.00ab)", same, same],
  ],
});
