import type { Attribute } from "../../../src/operation/ap/attribute.js";
import { ALL, example, none, same, V9_V12_V61 } from "./scenario.js";
import { A, bind, states, unbind, write } from "./steps.js";

example("EX-16", "Manual unbind and bind under a guest", {
  covers: "DRV-5 DRV-6 DRV-7 DRV-8 DRV-9 DRV-11 PLUG-5 PLUG-6",
  columns: V9_V12_V61,
  rows: [
    [A.has("{05,06}×{04,47}"), "n", "n; G 05.0004 05.0047 06.0004 06.0047", same],
    [A.start(), "set", same, same],
    [
      unbind("06.0047"),
      "n; R(06.0047); CR apm w0=0600000000000000, aqm w0=0800000000000000 w1=0100000000000000",
      "n; set; R(06.0047); G 05.0004 05.0047",
      same,
    ],
    [bind("06.0047", "cex4queue"), "ENODEV", same, same],
    [bind("06.0047"), "n", "n; set; G 05.0004 05.0047 06.0004 06.0047", same],
    [bind("06.0047"), "ENODEV", same, "EBUSY"],
    [unbind("05.00ab"), "n; R(05.00ab)", same, same],
    [bind("05.00ab"), "n", same, same],
    [states("status"), none, none, "status 05.0004 in use; status 05.00ab unassigned"],
    [unbind("05.00ab", "cex4queue"), "ENODEV", same, same],
  ],
});

const driverFile = (driver: string, name: "bind" | "unbind"): Attribute => ({ on: "driver", driver, name });

example("DRV-5 DRV-6", "What bind and unbind take for a device", {
  covers: "DRV-5 DRV-6",
  columns: ALL,
  rows: [
    [write(driverFile("vfio_ap", "unbind"), "09.0004\n"), "ENODEV"],
    [write(driverFile("vfio_ap", "unbind"), "05.0004 \n"), "ENODEV"],
    [write(driverFile("vfio_ap", "unbind"), "05.0004\n\n"), "ENODEV"],
    [write(driverFile("vfio_ap", "unbind"), "5.4\n"), "ENODEV"],
    [write(driverFile("vfio_ap", "unbind"), "card05\n"), "ENODEV"],
    [write(driverFile("vfio_ap", "bind"), "05.00AB\n"), "ENODEV"],
    [write(driverFile("vfio_ap", "bind"), "x"), "ENODEV"],
    [unbind("05.0004"), "n; R(05.0004)"],
    [write(driverFile("vfio_ap", "unbind"), "05.0004\n", ["EBUSY"]), "ENODEV"],
  ],
});

example("DRV-11", "status without a guest, and of a queue outside the shadow", {
  covers: "DRV-11",
  columns: [["V61"]],
  rows: [
    [A.assignAdapter("5"), "n; G 05.; status 05.0004 unassigned"],
    [A.assignDomain("4"), "n; G 05.0004; status 05.0004 assigned"],
    [A.start(), "set; status 05.0004 in use; status 05.0047 unassigned"],
    [unbind("05.0047"), "n; R(05.0047)"],
    // 05 leaves the shadow: its queue is assigned, and not in use.
    [A.assignDomain("0x47"), "n; set; G .0004 .0047; status 05.0004 assigned"],
    [A.stop(), "clr; R(05.0004); status 05.0004 assigned"],
  ],
});
