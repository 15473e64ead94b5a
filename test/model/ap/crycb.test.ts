import { describe, expect, test } from "vitest";
import { cellOf } from "./cell.js";
import { type Machine, S0 } from "./machine.js";
import { example, rendered, same, V9_V12_V61, V12_V61 } from "./scenario.js";
import { A } from "./steps.js";
import { World } from "./world.js";

const narrow: Partial<Machine> = {
  qci: { apm: [1, 7], aqm: [0, 3], adm: [2] },
  apmask: [],
  aqmask: [],
};
const noApxa: Partial<Machine> = { ...narrow, maxAdapter: 63, maxDomain: 15, crycbFormat: 1 };

example("EX-25", "CRYCB format 1", {
  covers: "APCB-7",
  machine: noApxa,
  columns: V9_V12_V61,
  rows: [
    [A.assignDomain("16"), "ENODEV", same, same],
    [A.assignControl("16"), "ENODEV", same, same],
    [A.has("{01,07}×{00,03}", "{02}"), "n", "n; G 01.0000 01.0003 07.0000 07.0003; CR adm w0=2000000000000000", same],
    [A.start(), "set; CR apm w0=4100000000000000, aqm w0=9000000000000000, adm w0=2000000000000000", same, same],
  ],
});

/** What the guest of a started mdev has, as the bytes of its block: hex digits, two a byte. */
function blocksOf(machine: Partial<Machine>): { readonly apm: string; readonly aqm: string; readonly adm: string } {
  const world = new World("V61", { ...S0, ...machine });
  const steps = [
    [A.create(), "n"],
    [A.has("{01,07}×{00,03}", "{02}"), "n; G 01.0000 01.0003 07.0000 07.0003; CR adm w0=2000000000000000"],
    [A.start(), "set"],
  ] as const;
  for (const [step, text] of steps) {
    const cell = cellOf(text);
    const book = world.mdevs.get("A");
    if (book !== undefined) {
      book.shadow = { ...book.shadow, ...cell.guestMatrix.get(""), ...cell.crycb.get("") };
    }
    step.run(world, cell, step.text);
  }
  const crycb = rendered(world).guests[0]?.crycb;
  if (crycb === undefined) throw new Error("no guest");
  return { apm: crycb.apm.slice(2), aqm: crycb.aqm.slice(2), adm: crycb.adm.slice(2) };
}

describe("EX-25 bytes of the CRYCB (2.2)", () => {
  test("format 1: APCB0 has 8 bytes of adapters and 2 of domains", () => {
    const { apm, aqm, adm } = blocksOf(noApxa);
    expect(apm.slice(0, 16)).toBe("4100000000000000");
    expect(aqm.slice(0, 4)).toBe("9000");
    expect(adm.slice(0, 4)).toBe("2000");
    expect(`SET CRYCB: apm ${apm.slice(0, 16)} aqm ${aqm.slice(0, 4)} adm ${adm.slice(0, 4)}`).toBe(
      "SET CRYCB: apm 4100000000000000 aqm 9000 adm 2000",
    );
  });

  test("format 2: APCB1 has 32 bytes of each", () => {
    const { apm, aqm, adm } = blocksOf(narrow);
    expect(apm).toBe(`41${"0".repeat(62)}`);
    expect(aqm).toBe(`90${"0".repeat(62)}`);
    expect(adm).toBe(`20${"0".repeat(62)}`);
  });
});

/** A guest without facility 76 on a host with APXA: the shadow has more than the block has room for. */
example("APCB-8", "A narrow guest on a wide host", {
  covers: "APCB-7",
  machine: {
    qci: { apm: [0x05, 0x41], aqm: [0x04, 0x47], adm: [0x04, 0x47] },
    maxAdapter: 255,
    apmask: [],
    aqmask: [],
    crycbFormat: 0,
  },
  columns: V12_V61,
  rows: [
    [
      A.has("{05,41}×{04,47}", "{04,47}"),
      "n; G 05.0004 05.0047 41.0004 41.0047; CR adm w0=0800000000000000 w1=0100000000000000",
      same,
    ],
    // The event has the whole shadow; harness and model cut what the guest has.
    [A.start(), "set", same],
    [A.unassignAdapter("5"), "n; set; G 41.0004 41.0047", "n; set; R(05.0047) R(05.0004); G 41.0004 41.0047"],
  ],
});
