import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { check } from "../../../src/check/check.js";
import { faulty, faultyFolder } from "./places.js";

/**
 * Each capture comes from a driver with one fault (the name says which) that ran a scenario of traces/ap/linux-6.1.
 * The lines were found by reading recording and rule:
 *
 * - m02: freeing interrupt resources forgets gisc_unregister. Its line is missing; unpin_pages stands in its place.
 * - m05: filtering ignores queues that are not bound. 06.00ab (in 28: 05.0047) is unbound when its domain is assigned:
 *   the adapter stays in the apcb_set, in 28 (no guest yet) in guest_matrix.
 * - m09: a sharing conflict gives EBUSY instead of EADDRINUSE: the errno of the write; in 05, where the driver only
 *   answers the bus, the rc of resource_in_use.
 * - m12: domains in decimal: 71 is 0x47.
 * - m16: condition code 0 beside a response code that is not 00, in pqap_exit.
 * - m20: closing the device does not clear the CRYCB. In 01 the first reset stands where apcb_clear is due; in 07 the
 *   mdev has no queues, and the close itself is the only line.
 */
const expectations: Readonly<Record<string, { readonly at: string; readonly rule: string }>> = {
  "m02-gisc-leak--c-10-unbind-rebind": { at: "trace.txt:16", rule: "IRQ-10" },
  "m02-gisc-leak--c-11-host-config": { at: "trace.txt:13", rule: "IRQ-10" },
  "m05-plug-unbound--c-09-hotplug": { at: "trace.txt:7", rule: "APCB-1" },
  "m05-plug-unbound--c-28-stale-link": { at: "strace.txt:17", rule: "APCB-1" },
  "m09-errno-sharing--c-04-sharing": { at: "strace.txt:17", rule: "SHARE-2" },
  "m09-errno-sharing--c-05-host-owned": { at: "trace.txt:10", rule: "MASK-2" },
  "m12-matrix-decimal--c-01-lifecycle": { at: "strace.txt:50", rule: "SHOW-1" },
  "m16-no-cc3--c-09-hotplug": { at: "trace.txt:17", rule: "PQAP-11" },
  "m16-no-cc3--c-10-unbind-rebind": { at: "trace.txt:20", rule: "PQAP-11" },
  "m20-crycb-not-cleared--c-01-lifecycle": { at: "trace.txt:4", rule: "KVM-8" },
  "m20-crycb-not-cleared--c-07-mask-in-use": { at: "strace.txt:100", rule: "KVM-8" },
};

describe("captures of a driver with a fault", () => {
  test("every capture has an expectation", () => {
    expect(faulty).toEqual(Object.keys(expectations).sort());
  });

  test.each(Object.entries(expectations))("%s", async (name, { at, rule }) => {
    const report = await check([join(faultyFolder, name)]);
    const [capture] = report.captures;
    expect(capture?.verdict).toBe("divergent");
    const [first] = capture?.divergences ?? [];
    expect(`${first?.source.file}:${first?.source.line}`).toBe(at);
    expect(first?.rules).toContain(rule);
    expect(first?.message).toContain(rule);
    expect(Object.keys(capture?.rules ?? {})).toContain(rule);
  });
});
