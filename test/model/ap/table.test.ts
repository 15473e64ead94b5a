import { describe, expect, test } from "vitest";
import { attempt } from "../../../src/check/attempt.js";
import { apModel } from "../../../src/model/ap/model.js";
import { bucketOf, lookupBucketOf } from "../../../src/model/ap/table.js";
import type { ObservedResult, Operation } from "../../../src/operation/operation.js";
import { cellOf } from "./cell.js";
import { S0 } from "./machine.js";
import { apqn, hex } from "./notation.js";
import { everything, failed, operationOf, readOf, writeOf } from "./observed.js";
import { example, V12_V61 } from "./scenario.js";
import { A } from "./steps.js";
import { World } from "./world.js";

/** Appendix A: the APQNs that the 32-bit and the 64-bit hash put into different buckets. */
const NEVER_FOUND = `
23.00ed 29.0096 2f.003f 42.0031 47.00da 4d.0083 53.002c 58.00d5
5e.007e 64.0027 66.001e 6b.00c7 71.0070 77.0019 7c.00c2 82.006b
84.0062 88.0014 8a.000b 8d.00bd 8f.00b4 93.0066 95.005d 9b.0006
a0.00af a2.00a6 a6.0058 a8.004f ac.0001 ad.00f8 b1.00aa b3.00a1
b7.0053 b9.004a bc.00fc be.00f3 c2.00a5 c4.009c c6.0093 c8.004e
ca.0045 cc.003c cf.00ee d1.00e5 d5.0097 d7.008e db.0040 dd.0037
e0.00e9 e2.00e0 e4.00d7 e6.0092 e8.0089 ea.0080 ec.003b ee.0032
f0.0029 f1.00e4 f3.00db f5.00d2 f7.008d f9.0084 fb.007b ff.002d
`;

describe("hash buckets (appendix A, QUEUE-10)", () => {
  test.each([
    ["04.0005", 11],
    ["05.0016", 81],
    ["04.0016", 137],
    ["05.0005", 211],
  ])("%s is in bucket %i", (queue, bucket) => {
    expect(bucketOf(apqn(queue))).toBe(bucket);
  });

  test("exactly 64 APQNs are looked up in another bucket than they are put into", () => {
    const differ: string[] = [];
    for (let number = 0; number < 65536; number++) {
      if (bucketOf(number) !== lookupBucketOf(number)) differ.push(`${hex(number >> 8, 2)}.${hex(number & 0xff, 4)}`);
    }
    expect(differ).toEqual(NEVER_FOUND.trim().split(/\s/));
  });

  test("on one adapter two APQNs collide at a distance of 144 or 233 alone", () => {
    const distances = new Set<number>();
    for (let domain = 0; domain < 256; domain++) {
      for (let other = domain + 1; other < 256; other++) {
        if (bucketOf(0x0500 | domain) === bucketOf(0x0500 | other)) distances.add(other - domain);
      }
    }
    expect([...distances].sort()).toEqual([144, 233]);
  });

  test("on one domain two adapters below 64 collide at a distance of 60 alone", () => {
    const distances = new Set<number>();
    for (let adapter = 0; adapter < 64; adapter++) {
      for (let other = adapter + 1; other < 64; other++) {
        if (bucketOf((adapter << 8) | 4) === bucketOf((other << 8) | 4)) distances.add(other - adapter);
      }
    }
    expect([...distances]).toEqual([60]);
  });
});

example("D12-8", "An APQN that is never found in V12", {
  covers: "AQIC-11 APCB-3 APCB-5",
  machine: { qci: { apm: [0x2f], aqm: [0x3f], adm: [] }, apmask: [], aqmask: [] },
  columns: V12_V61,
  rows: [
    [A.assignAdapter("0x2f"), "n; G (0 B)", "n; G 2f."],
    [A.assignDomain("0x3f"), "n; G (0 B)", "n; G 2f.003f"],
    [A.start(), "set; G .003f; CR apm 0", "set"],
    [A.aqic("2f.003f"), "1", "0"],
    [A.reset(), "n", "n; R(2f.003f)"],
    [A.stop(), "clr", "clr; R(2f.003f)"],
  ],
});

describe("D12-2 a look-up that never returns in V12 (ASG-6)", () => {
  /** {5}×{02} assigned, adapter 5 once more, and now domain 92, whose queue is not bound: 05.0002 is its own successor. */
  function assignTheSecondTime(result: ObservedResult): { readonly world: World; readonly operation: Operation } {
    const machine = { qci: { apm: [0x05], aqm: [0x02, 0x92], adm: [] }, apmask: [], aqmask: [], queues: ["05.0002"] };
    const world = new World("V12", { ...S0, ...machine });
    for (const step of [A.create(), A.has("{05}×{02}"), A.assignAdapter("5")]) step.run(world, cellOf("n"), step.text);
    const call = writeOf(world.attributeOf("A", "assign_domain"), "0x92\n");
    return { world, operation: operationOf("assign_domain", call, result, []) };
  }

  test.each(["EBUSY", "EINVAL", "EADDRNOTAVAIL"])("the write does not answer %s", (errno) => {
    const { world, operation } = assignTheSecondTime(failed(errno));
    // EBUSY of a lock that is taken cannot be told from it (NOND-1).
    expect(world.refuses(operation)).toBe(errno !== "EBUSY");
  });

  test("the write does not succeed", () => {
    const { world, operation } = assignTheSecondTime({ kind: "value", value: 5 });
    expect(world.refuses(operation)).toBe(true);
  });

  test("it does not return, and what needs the lock after it is not judged", () => {
    const { world, operation } = assignTheSecondTime({ kind: "unknown", reason: "the recording ends" });
    world.explain(operation, "D12-2");
    expect(world.reached).toContain("ap-config/ASG-6");
    const next = operationOf(
      "read",
      readOf(world.attributeOf("A", "matrix"), "any\n"),
      { kind: "value", value: 4 },
      [],
    );
    const result = attempt(apModel, world.state, next, everything);
    expect(result.kind === "explained" && result.trial.unchecked).toHaveLength(1);
  });
});
