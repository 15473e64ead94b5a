import { expect, test } from "vitest";
import { exactly } from "../../../../src/model/core/bits.js";
import type { ApEffect } from "../../../../src/operation/ap/effect.js";
import { maskOfNumbers } from "../observed.js";
import { noInstructions, operationOf } from "./host.js";
import { apcbSet, queueProbe, queueRemove, reset } from "./lines.js";
import { common } from "./setting.js";

/**
 * CFG-4: an adapter of which a test fails does not wait for the end of the scan (PLUG-5). Where the host's instructions
 * are not recorded, the place of the commit is all that shows it.
 */
test("linux-6.1: a queue of an added adapter reaches the guest with its probe, or at the end of the scan", () => {
  const { world } = common("linux-6.1", {
    queues: ["04.0005", "05.0005", "07.0005"],
    adapters: ["4", "5", "6"],
    domains: ["5"],
    masks: apcbSet("0c", "04"),
  });
  const masks = (apm: readonly number[], aqm: readonly number[]) => ({
    apm: maskOfNumbers(apm),
    aqm: maskOfNumbers(aqm),
    adm: maskOfNumbers([]),
  });
  const before = masks([4, 5, 7], [5]);
  const after = masks([4, 5, 6], [5, 0x47]);
  Object.assign(world.state.host, {
    busApm: exactly(before.apm),
    infoApm: exactly(before.apm),
    busAqm: exactly(before.aqm),
    infoAqm: exactly(before.aqm),
    busAdm: exactly(before.adm),
    infoAdm: exactly(before.adm),
  });
  const commit = apcbSet("0e", "04");
  const gone = [queueRemove("0705"), reset("0705", 0, 0x80000000)];
  const scan = (...lines: readonly ApEffect[]): boolean =>
    world.refuses(
      operationOf({ kind: "scan" }, { kind: "unknown", reason: "a scan" }, [
        { kind: "cfg_changed", before, after },
        queueProbe("0605"),
        ...lines,
        { kind: "scan_complete", before, after },
      ]),
      noInstructions,
    );
  // The test of 06.0047 failed, or did not.
  expect(scan(commit, ...gone)).toBe(false);
  expect(scan(...gone, commit)).toBe(false);
  expect(scan(commit, ...gone, commit)).toBe(true);
  expect(scan(...gone)).toBe(true);
});
